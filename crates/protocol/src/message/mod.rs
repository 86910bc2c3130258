//! Messages: what a producer hands over, what lies in the commit log, and how ids and properties
//! are written (contract `wire.md` 9, `store.md` 3).

pub mod batch;
pub mod message_ext;
pub mod message_id;
pub mod properties;
pub mod queue;
pub mod record;
pub mod sys_flag;

pub use message_ext::{Message, MessageExt};
pub use properties::{Properties, property};
pub use queue::MessageQueue;
pub use record::{RecordError, RecordHead, RecordView};

/// A message's tag hash as consume queues hold it: Java's `String.hashCode`, 0 without tags
/// (contract `store.md` 4).
pub fn tags_code(tags: Option<&str>) -> i64 {
    match tags {
        Some(tags) if !tags.is_empty() => i64::from(rocketmq_common::java::string_hash(tags)),
        _ => 0,
    }
}

/// CRC-32 without its sign bit, as every checksum of RocketMQ is stored.
pub fn crc32(bytes: &[u8]) -> i32 {
    (crc32fast::hash(bytes) & 0x7FFF_FFFF) as i32
}
