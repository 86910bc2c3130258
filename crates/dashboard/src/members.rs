//! What the members of a group tell of themselves. A broker keeps one subscription for a group, that of the member it
//! heard last: members that subscribe differently miss messages, and only the members know it.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use rocketmq_client::admin::AdminClient;
use rocketmq_protocol::body::{Connection, ConsumerRunningInfo, SubscriptionData};
use rocketmq_protocol::topic::RETRY_PREFIX;

/// Members of one group that are asked at once.
const AT_ONCE: usize = 8;

/// How long a page waits for members; those that sleep after a reset do not hold it up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

/// A member's client id, and its inside; none if it did not answer.
pub(crate) type Member = (String, Option<ConsumerRunningInfo>);

/// Topics to which members subscribe differently: for each the expressions, and how many members have that one; the
/// empty expression is that of members which do not subscribe to the topic.
pub(crate) type Differing = BTreeMap<String, BTreeMap<String, usize>>;

/// Asks every member, and waits for each as long as `patience`.
pub(crate) async fn ask(
    admin: &AdminClient,
    group: &str,
    members: &[Connection],
    patience: Duration,
) -> Vec<Member> {
    let ask = |member: Connection| async move {
        let info = admin.consumer_running_info(group, &member.client_id, false);
        let info = tokio::time::timeout(patience, info).await;
        (member.client_id, info.ok().and_then(Result::ok))
    };
    stream::iter(members.to_vec()).map(ask).buffered(AT_ONCE).collect().await
}

/// What a member subscribes to, but for the retry topic, which is the client's own.
pub(crate) fn subscriptions(info: &ConsumerRunningInfo) -> impl Iterator<Item = &SubscriptionData> {
    info.subscription_set.iter().filter(|one| !one.topic.starts_with(RETRY_PREFIX))
}

/// The expression in a form that is the same for the same tags, however they were written.
pub(crate) fn expression(one: &SubscriptionData) -> String {
    if !one.is_tag_type() {
        return format!("{} {}", one.expression_type, one.sub_string);
    }
    if one.tags_set.is_empty() {
        return one.sub_string.clone();
    }
    one.tags_set.iter().map(String::as_str).collect::<Vec<_>>().join(" || ")
}

/// In what the members that answered differ.
pub(crate) fn differing(members: &[Member]) -> Differing {
    let answered: Vec<_> = members.iter().filter_map(|(_, info)| info.as_ref()).collect();
    let mut topics = Differing::new();
    for one in answered.iter().flat_map(|info| subscriptions(info)) {
        *topics.entry(one.topic.clone()).or_default().entry(expression(one)).or_default() += 1;
    }
    for ways in topics.values_mut() {
        let without = answered.len().saturating_sub(ways.values().sum());
        if without > 0 {
            ways.insert(String::new(), without);
        }
    }
    topics.retain(|_, ways| ways.len() > 1);
    topics
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(topics: &[(&str, &str)]) -> Member {
        let mut info = ConsumerRunningInfo::default();
        for (topic, tags) in topics {
            info.subscription_set.extend(SubscriptionData::by_tags(topic, tags, 1));
        }
        (String::new(), Some(info))
    }

    #[test]
    fn the_same_tags_do_not_differ_however_they_are_written() {
        let one = member(&[("T", "A || B"), ("%RETRY%g", "*")]);
        let silent = ("silent".to_string(), None);
        assert_eq!(differing(&[one, member(&[("T", "B||A")]), silent]), Differing::new());
        assert_eq!(differing(&[]), Differing::new());
    }

    #[test]
    fn other_tags_and_a_topic_that_is_missing_differ() {
        let all = [member(&[("T", "A"), ("U", "*")]), member(&[("T", "B")]), member(&[("T", "A")])];
        let found = differing(&all);
        let of = |topic: &str| -> Vec<(&str, usize)> {
            found[topic].iter().map(|(way, count)| (way.as_str(), *count)).collect()
        };
        assert_eq!((of("T"), of("U")), (vec![("A", 2), ("B", 1)], vec![("", 2), ("*", 1)]));
    }
}
