//! Names inside a namespace (contract `client.md` 10): `ns%topic`, behind a retry or dead-letter
//! prefix.

use std::borrow::Cow;

use rocketmq_protocol::message::MessageQueue;
use rocketmq_protocol::topic::{DLQ_PREFIX, RETRY_PREFIX, SYSTEM_GROUP_PREFIX, is_system};

/// Between namespace and name.
const SEPARATOR: char = '%';
/// What an endpoint that carries a namespace begins with.
const ENDPOINT_PREFIX: &str = "MQ_INST_";

/// The name as brokers know it.
pub(crate) fn wrap<'a>(namespace: &str, name: &'a str) -> Cow<'a, str> {
    let (prefix, bare) = split_prefix(name);
    let is_system_name = is_system(name) || name.starts_with(SYSTEM_GROUP_PREFIX);
    if namespace.is_empty() || name.is_empty() || is_system_name || is_within(namespace, bare) {
        return Cow::Borrowed(name);
    }
    Cow::Owned(format!("{prefix}{namespace}{SEPARATOR}{bare}"))
}

/// The name as the application knows it; other namespaces stay.
pub(crate) fn without<'a>(name: &'a str, namespace: &str) -> Cow<'a, str> {
    let (prefix, bare) = split_prefix(name);
    if namespace.is_empty() || !is_within(namespace, bare) {
        return Cow::Borrowed(name);
    }
    let bare = &bare[namespace.len() + SEPARATOR.len_utf8()..];
    if prefix.is_empty() { Cow::Borrowed(bare) } else { Cow::Owned(format!("{prefix}{bare}")) }
}

/// [`wrap`] of a queue's topic.
pub(crate) fn wrap_queue(namespace: &str, queue: &MessageQueue) -> MessageQueue {
    MessageQueue { topic: wrap(namespace, &queue.topic).into_owned(), ..queue.clone() }
}

/// [`without`] of a queue's topic.
pub(crate) fn queue_without(queue: &MessageQueue, namespace: &str) -> MessageQueue {
    MessageQueue { topic: without(&queue.topic, namespace).into_owned(), ..queue.clone() }
}

/// The namespace that a name server endpoint such as `http://MQ_INST_123_abc.example:80` names.
pub(crate) fn of_endpoint(endpoint: &str) -> Option<&str> {
    let host = endpoint.split_once("://").map_or(endpoint, |(_, host)| host);
    let (instance, _) = host.split_once('.')?;
    let rest = instance.strip_prefix(ENDPOINT_PREFIX)?;
    let (account, name) = rest.split_once('_')?;
    let is_word = |text: &str| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    (is_word(account) && is_word(name)).then_some(instance)
}

fn split_prefix(name: &str) -> (&str, &str) {
    for prefix in [RETRY_PREFIX, DLQ_PREFIX] {
        if let Some(bare) = name.strip_prefix(prefix) {
            return (prefix, bare);
        }
    }
    ("", name)
}

fn is_within(namespace: &str, bare: &str) -> bool {
    bare.strip_prefix(namespace).is_some_and(|rest| rest.starts_with(SEPARATOR))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_wrapped_once_and_prefixes_stay_in_front() {
        assert_eq!(wrap("ns", "T"), "ns%T");
        assert_eq!(wrap("ns", "ns%T"), "ns%T");
        assert_eq!(wrap("ns", "%RETRY%g"), "%RETRY%ns%g");
        assert_eq!(wrap("ns", "%DLQ%ns%g"), "%DLQ%ns%g");
        assert_eq!(wrap("", "T"), "T");
        for system in ["TBW102", "rmq_sys_x", "RMQ_SYS_TRACE_TOPIC", "CID_RMQ_SYS_x"] {
            assert_eq!(wrap("ns", system), system);
        }
    }

    #[test]
    fn only_the_own_namespace_is_removed() {
        assert_eq!(without("ns%T", "ns"), "T");
        assert_eq!(without("%RETRY%ns%g", "ns"), "%RETRY%g");
        assert_eq!(without("other%T", "ns"), "other%T");
        assert_eq!(without("ns", "ns"), "ns");
        assert_eq!(without("ns%T", ""), "ns%T");
    }

    #[test]
    fn endpoints_may_name_a_namespace() {
        let endpoint = "http://MQ_INST_123_abc.mq.example:8080";
        assert_eq!(of_endpoint(endpoint), Some("MQ_INST_123_abc"));
        assert_eq!(of_endpoint("MQ_INST_1_a.x:80"), Some("MQ_INST_1_a"));
        assert_eq!(of_endpoint("127.0.0.1:9876"), None);
        assert_eq!(of_endpoint("MQ_INST_only.x"), None);
    }
}
