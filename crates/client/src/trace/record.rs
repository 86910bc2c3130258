//! The text of trace records (contract `client.md` 13): fields separated by U+0001, each record
//! ended by U+0002.

use rocketmq_protocol::message::{Message, property};

pub(super) const FIELD_SEPARATOR: char = '\u{1}';
pub(super) const RECORD_END: char = '\u{2}';

/// What a trace tells of a message that is sent.
#[derive(Clone, Debug)]
pub(crate) struct Traced {
    /// As the application knows it.
    pub(crate) topic: String,
    pub(crate) msg_id: String,
    pub(crate) tags: String,
    pub(crate) keys: String,
    pub(crate) body_length: usize,
    pub(crate) message_type: MessageType,
}

impl Traced {
    /// Of one message.
    pub(crate) fn of_message(message: &Message, unique_id: &str) -> Traced {
        let text = |value: Option<&str>| value.unwrap_or("null").to_string();
        let message_type = if message.get(property::DELAY).is_some() {
            MessageType::Delay
        } else if message.get(property::TRANSACTION_PREPARED) == Some("true") {
            MessageType::TransactionHalf
        } else {
            MessageType::Normal
        };
        Traced {
            topic: message.topic.clone(),
            msg_id: unique_id.to_string(),
            tags: text(message.tags()),
            keys: text(message.keys()),
            body_length: message.body.len(),
            message_type,
        }
    }

    /// Of a batch, which is traced as one.
    pub(crate) fn of_batch(topic: &str, unique_ids: &str, body_length: usize) -> Traced {
        Traced {
            topic: topic.to_string(),
            msg_id: unique_ids.to_string(),
            tags: "null".to_string(),
            keys: "null".to_string(),
            body_length,
            message_type: MessageType::Normal,
        }
    }
}

/// The kind of a sent message, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MessageType {
    Normal = 0,
    TransactionHalf = 1,
    TransactionCommit = 2,
    Delay = 3,
}

/// A message was sent.
pub(crate) struct Published<'a> {
    pub(crate) traced: &'a Traced,
    pub(crate) timestamp: i64,
    pub(crate) region: &'a str,
    pub(crate) group: &'a str,
    pub(crate) store_host: &'a str,
    pub(crate) cost_ms: i64,
    pub(crate) offset_msg_id: &'a str,
    pub(crate) success: bool,
}

impl Published<'_> {
    pub(super) fn text(&self) -> String {
        let Traced { topic, msg_id, tags, keys, body_length, message_type } = self.traced;
        record(&[
            &"Pub",
            &self.timestamp,
            &self.region,
            &self.group,
            topic,
            msg_id,
            tags,
            keys,
            &self.store_host,
            body_length,
            &self.cost_ms,
            &(*message_type as i32),
            &self.offset_msg_id,
            &self.success,
        ])
    }
}

/// A transaction was ended by its producer.
pub(crate) struct TransactionEnded<'a> {
    pub(crate) traced: &'a Traced,
    pub(crate) timestamp: i64,
    pub(crate) region: &'a str,
    pub(crate) group: &'a str,
    pub(crate) store_host: &'a str,
    pub(crate) transaction_id: &'a str,
    pub(crate) state: &'a str,
    pub(crate) from_check: bool,
}

impl TransactionEnded<'_> {
    pub(super) fn text(&self) -> String {
        let Traced { topic, msg_id, tags, keys, message_type, .. } = self.traced;
        record(&[
            &"EndTransaction",
            &self.timestamp,
            &self.region,
            &self.group,
            topic,
            msg_id,
            tags,
            keys,
            &self.store_host,
            &(*message_type as i32),
            &self.transaction_id,
            &self.state,
            &self.from_check,
        ])
    }
}

pub(super) fn record(fields: &[&dyn std::fmt::Display]) -> String {
    use std::fmt::Write;
    let mut text = String::with_capacity(256);
    for (index, field) in fields.iter().enumerate() {
        if index > 0 {
            text.push(FIELD_SEPARATOR);
        }
        // Writing to a string does not fail.
        let _ = write!(text, "{field}");
    }
    text.push(RECORD_END);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_stand_in_javas_order() {
        let message = Message::new("T", "body").with_tags("A").with_keys("k1 k2");
        let traced = Traced::of_message(&message, "ID");
        let published = Published {
            traced: &traced,
            timestamp: 7,
            region: "DefaultRegion",
            group: "g",
            store_host: "1.2.3.4:5",
            cost_ms: 3,
            offset_msg_id: "OID",
            success: true,
        };
        let expected = "Pub|7|DefaultRegion|g|T|ID|A|k1 k2|1.2.3.4:5|4|3|0|OID|true~";
        assert_eq!(published.text().replace('\u{1}', "|").replace('\u{2}', "~"), expected);
        let ended = TransactionEnded {
            traced: &traced,
            timestamp: 7,
            region: "r",
            group: "g",
            store_host: "1.2.3.4:5",
            transaction_id: "TID",
            state: "COMMIT_MESSAGE",
            from_check: false,
        };
        let expected = "EndTransaction|7|r|g|T|ID|A|k1 k2|1.2.3.4:5|0|TID|COMMIT_MESSAGE|false~";
        assert_eq!(ended.text().replace('\u{1}', "|").replace('\u{2}', "~"), expected);
    }

    #[test]
    fn kinds_of_messages_are_told_apart() {
        let mut message = Message::new("T", "body");
        let kind = |message: &Message| Traced::of_message(message, "ID").message_type;
        assert_eq!(kind(&message), MessageType::Normal);
        message.set(property::TRANSACTION_PREPARED, "true");
        assert_eq!(kind(&message), MessageType::TransactionHalf);
        message.set(property::DELAY, "3");
        assert_eq!(kind(&message), MessageType::Delay);
        assert_eq!(Traced::of_message(&message, "ID").tags, "null");
    }
}
