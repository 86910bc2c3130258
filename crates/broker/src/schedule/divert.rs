//! Turning a message into one that waits in the schedule topic, and back (contract `store.md` 9,
//! 16, `broker.md` 17).

use std::net::SocketAddr;

use rocketmq_protocol::message::{RecordView, properties, property};
use rocketmq_store::{DelayLevels, PutMessage};

/// The level that DELAY asks for; 0 when there is none.
pub(crate) fn level_of(stored: &[u8]) -> i32 {
    let level = properties::get_text(stored, property::DELAY);
    level.and_then(|level| level.parse().ok()).unwrap_or(0)
}

/// Notes the real topic and queue in the properties of a message of that `level`; returns the
/// queue of the schedule topic that it waits in. `None` when the message is not to wait: the level
/// is not above 0, or no level is configured.
pub(crate) fn divert(
    levels: &DelayLevels,
    level: i32,
    topic: &str,
    queue_id: i32,
    stored: &mut Vec<u8>,
) -> Option<i32> {
    let clamped = level.min(levels.max_level());
    if clamped <= 0 {
        return None;
    }
    if clamped != level {
        set(stored, property::DELAY, clamped.to_string().as_bytes());
    }
    note_real_place(stored, topic, queue_id);
    Some(clamped - 1)
}

/// Notes where a message belongs that is stored elsewhere first.
pub(crate) fn note_real_place(stored: &mut Vec<u8>, topic: &str, queue_id: i32) {
    set(stored, property::REAL_TOPIC, topic.as_bytes());
    set(stored, property::REAL_QUEUE_ID, queue_id.to_string().as_bytes());
}

/// Where a message that was stored elsewhere first belongs.
pub(crate) fn real_place<'a>(record: &RecordView<'a>) -> Option<(&'a str, i32)> {
    let topic = properties::get_text(record.properties, property::REAL_TOPIC)?;
    let queue_id = properties::get_text(record.properties, property::REAL_QUEUE_ID)?;
    Some((topic, queue_id.parse().ok()?))
}

/// The stored message with everything of it kept, to be put in another place.
pub(crate) fn copy_of<'a>(
    record: &RecordView<'a>,
    topic: &'a str,
    queue_id: i32,
    stored: &'a [u8],
) -> PutMessage<'a> {
    let store_host: SocketAddr = record.store_host;
    PutMessage {
        topic,
        queue_id,
        flag: record.flag,
        sys_flag: record.sys_flag,
        born_timestamp: record.born_timestamp,
        born_host: record.born_host,
        store_host,
        reconsume_times: record.reconsume_times,
        prepared_transaction_offset: 0,
        body: record.body,
        properties: stored,
    }
}

/// Sets one property of encoded ones.
pub(crate) fn set(stored: &mut Vec<u8>, name: &str, value: &[u8]) {
    properties::remove(stored, name);
    properties::append_bytes(stored, name, value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_above_the_highest_is_the_highest() {
        let levels = DelayLevels::parse("1s 5s").unwrap();
        let mut stored = b"DELAY\x017\x02TAGS\x01a\x02REAL_TOPIC\x01old".to_vec();
        assert_eq!(divert(&levels, 7, "T", 3, &mut stored), Some(1));
        assert_eq!(stored, b"TAGS\x01a\x02DELAY\x012\x02REAL_TOPIC\x01T\x02REAL_QID\x013");
    }

    #[test]
    fn no_level_is_no_delay() {
        let levels = DelayLevels::parse("1s").unwrap();
        let mut stored = b"TAGS\x01a".to_vec();
        assert_eq!(divert(&levels, 0, "T", 0, &mut stored), None);
        assert_eq!(divert(&levels, -1, "T", 0, &mut stored), None);
        assert_eq!(stored, b"TAGS\x01a");
        let none = DelayLevels::parse("").unwrap();
        assert_eq!(divert(&none, 3, "T", 0, &mut Vec::new()), None);
    }
}
