//! A message as it travels: checked, encoded and compressed once, however often it is sent.

use std::borrow::Cow;

use bytes::Bytes;
use rocketmq_common::clock;
use rocketmq_protocol::RequestCode;
use rocketmq_protocol::header::SendMessageRequestHeaderV2;
use rocketmq_protocol::message::{Message, MessageQueue, properties, property, sys_flag};
use rocketmq_protocol::topic::RETRY_PREFIX;

use super::options::Options;
use crate::compression::compressed;
use crate::error::ClientError;
use crate::trace::Traced;
use crate::{namespace, unique_id, validate};

/// Value of `MSG_TYPE` that marks replies.
pub(super) const REPLY_TYPE: &str = "reply";

/// A message as it travels.
pub(super) struct Outgoing {
    /// As brokers know it.
    pub(super) topic: String,
    pub(super) flag: i32,
    pub(super) sys_flag: i32,
    pub(super) properties: String,
    pub(super) body: Bytes,
    /// Of a batch: all ids, joined by commas.
    pub(super) unique_id: String,
    pub(super) code: RequestCode,
    pub(super) batch: bool,
    pub(super) reconsume_times: i32,
    pub(super) max_reconsume_times: Option<i32>,
    /// What a trace tells of it, when traces are kept.
    pub(super) traced: Option<Traced>,
}

impl Outgoing {
    /// Prepares a message.
    ///
    /// # Errors
    /// No broker would take it.
    pub(super) fn new(
        message: Message,
        namespace: &str,
        options: &Options,
        traces: bool,
    ) -> Result<Outgoing, ClientError> {
        validate::message(&message, options.message_bytes_max)?;
        let unique_id =
            message.get(property::UNIQUE_KEY).map_or_else(unique_id::next, str::to_string);
        let is_retry = message.topic.starts_with(RETRY_PREFIX);
        let mut encoded = String::with_capacity(128);
        let (mut reconsume_times, mut max_reconsume_times) = (0, None);
        let (mut prepared, mut reply) = (0, false);
        for (name, value) in message.properties.iter() {
            match name.as_str() {
                property::UNIQUE_KEY => continue,
                property::RECONSUME_TIME if is_retry => {
                    reconsume_times = value.parse().unwrap_or(0);
                    continue;
                }
                property::MAX_RECONSUME_TIMES if is_retry => {
                    max_reconsume_times = value.parse().ok();
                    continue;
                }
                property::INSTANCE_ID if !namespace.is_empty() => continue,
                property::TRANSACTION_PREPARED if value == "true" => {
                    prepared = sys_flag::TRANSACTION_PREPARED;
                }
                property::MSG_TYPE => reply = value == REPLY_TYPE,
                _ => {}
            }
            properties::append(&mut encoded, name, value);
        }
        properties::append(&mut encoded, property::UNIQUE_KEY, &unique_id);
        if !namespace.is_empty() {
            properties::append(&mut encoded, property::INSTANCE_ID, namespace);
        }
        let traced = traces.then(|| Traced::of_message(&message, &unique_id));
        let (body, is_compressed) =
            compressed(&message.body, options.compress_over, options.compress_level);
        let code = match reply {
            true => RequestCode::SEND_REPLY_MESSAGE_V2,
            false => RequestCode::SEND_MESSAGE_V2,
        };
        Ok(Outgoing {
            flag: message.flag,
            sys_flag: prepared | if is_compressed { sys_flag::COMPRESSED } else { 0 },
            topic: match namespace::wrap(namespace, &message.topic) {
                Cow::Owned(wrapped) => wrapped,
                Cow::Borrowed(_) => message.topic,
            },
            properties: encoded,
            body,
            unique_id,
            code,
            batch: false,
            reconsume_times,
            max_reconsume_times,
            traced,
        })
    }

    /// The request's header for one queue.
    pub(super) fn header<'a>(
        &'a self,
        group: &'a str,
        unit_mode: bool,
        options: &'a Options,
        queue: &MessageQueue,
    ) -> SendMessageRequestHeaderV2<'a> {
        SendMessageRequestHeaderV2 {
            producer_group: group.into(),
            topic: self.topic.as_str().into(),
            default_topic: options.create_topic_key.as_str().into(),
            default_topic_queue_nums: options.default_topic_queue_nums,
            queue_id: queue.queue_id,
            sys_flag: self.sys_flag,
            born_timestamp: clock::now_ms(),
            flag: self.flag,
            properties: Some(self.properties.as_str().into()),
            reconsume_times: Some(self.reconsume_times),
            unit_mode,
            max_reconsume_times: self.max_reconsume_times,
            batch: self.batch,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outgoing(message: Message, namespace: &str) -> Outgoing {
        Outgoing::new(message, namespace, &Options::default(), false).unwrap()
    }

    #[test]
    fn retry_counts_travel_in_the_header() {
        let mut message = Message::new("%RETRY%g", "x");
        message.set(property::RECONSUME_TIME, "3");
        message.set(property::MAX_RECONSUME_TIMES, "5");
        let sent = outgoing(message.clone(), "");
        assert_eq!((sent.reconsume_times, sent.max_reconsume_times), (3, Some(5)));
        assert!(!sent.properties.contains("RECONSUME"));
        message.topic = "T".to_string();
        let sent = outgoing(message, "");
        assert_eq!((sent.reconsume_times, sent.max_reconsume_times), (0, None));
        assert!(sent.properties.contains("RECONSUME_TIME\u{1}3"));
    }

    #[test]
    fn bodies_from_the_threshold_on_are_compressed() {
        let small = outgoing(Message::new("T", vec![b'x'; 4095]), "");
        assert_eq!((small.sys_flag, small.body.len()), (0, 4095));
        let large = outgoing(Message::new("T", vec![b'x'; 4096]), "");
        assert_eq!(large.sys_flag, sys_flag::COMPRESSED);
        assert!(large.body.len() < 100);
    }

    #[test]
    fn a_namespace_is_in_topic_and_property() {
        let sent = outgoing(Message::new("T", "x"), "ns");
        assert_eq!(sent.topic, "ns%T");
        assert!(sent.properties.contains("INSTANCE_ID\u{1}ns"));
    }

    #[test]
    fn kinds_of_messages_have_their_code_and_flag() {
        let mut half = Message::new("T", "x");
        half.set(property::TRANSACTION_PREPARED, "true");
        assert_eq!(outgoing(half, "").sys_flag, sys_flag::TRANSACTION_PREPARED);
        let mut reply = Message::new("c_REPLY_TOPIC", "x");
        reply.set(property::MSG_TYPE, REPLY_TYPE);
        assert_eq!(outgoing(reply, "").code, RequestCode::SEND_REPLY_MESSAGE_V2);
        assert_eq!(outgoing(Message::new("T", "x"), "").code, RequestCode::SEND_MESSAGE_V2);
    }
}
