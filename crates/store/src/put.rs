//! What is handed to the store to be kept, and what comes of it (contract `store.md` 9, 17).

use std::net::SocketAddr;

use rocketmq_protocol::message::message_id;

/// One message to be stored. Delay and transaction conversions are the caller's: what is given
/// here is what lies on disk.
#[derive(Clone, Copy, Debug)]
pub struct PutMessage<'a> {
    /// Topic, at most 127 bytes.
    pub topic: &'a str,
    /// Queue number.
    pub queue_id: i32,
    /// The user's flag.
    pub flag: i32,
    /// Bits of `rocketmq_protocol::message::sys_flag`; those for IPv6 are set by the store.
    pub sys_flag: i32,
    /// Client clock, ms.
    pub born_timestamp: i64,
    /// The producer's address.
    pub born_host: SocketAddr,
    /// This broker's address (brokerIP1 and listenPort); part of the offset message id.
    pub store_host: SocketAddr,
    /// How often the message was consumed in vain.
    pub reconsume_times: i32,
    /// Physical offset of the half message when this is the commit of a transaction, else 0.
    pub prepared_transaction_offset: i64,
    /// Body, stored as it is (compressed when the sysFlag says so).
    pub body: &'a [u8],
    /// Encoded properties, at most 32767 bytes.
    pub properties: &'a [u8],
}

/// A batch: the messages of one request, all of one queue.
#[derive(Clone, Copy, Debug)]
pub struct PutBatch<'a> {
    /// Topic, at most 127 bytes.
    pub topic: &'a str,
    /// Queue number.
    pub queue_id: i32,
    /// Bits of `rocketmq_protocol::message::sys_flag`, for every message.
    pub sys_flag: i32,
    /// Client clock, ms.
    pub born_timestamp: i64,
    /// The producer's address.
    pub born_host: SocketAddr,
    /// This broker's address.
    pub store_host: SocketAddr,
    /// How often the messages were consumed in vain.
    pub reconsume_times: i32,
    /// The messages in the wire's batch layout (`rocketmq_protocol::message::batch`).
    pub body: &'a [u8],
    /// Encoded properties of the whole batch, appended to those of each message.
    pub properties: &'a [u8],
}

/// Where a message was put. It is durable against a crash of this process only after
/// [`crate::MessageStore::commit`], against a crash of the machine after
/// [`crate::MessageStore::when_flushed`] has called back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PutResult {
    /// Commit log offset of the record.
    pub physical_offset: i64,
    /// Commit log offset behind the record: what to wait for in `when_flushed`.
    pub end_offset: i64,
    /// Index of the message within its queue.
    pub queue_offset: i64,
    /// Store clock, ms.
    pub store_timestamp: i64,
    /// The broker's address, as given.
    pub store_host: SocketAddr,
}

impl PutResult {
    /// The offset message id (`msgId` of a send response): 32 hex digits, 56 with an IPv6 host.
    pub fn message_id(&self) -> String {
        message_id::encode(self.store_host, self.physical_offset)
    }

    /// Appends the offset message id, without an allocation of its own.
    pub fn append_message_id(&self, out: &mut String) {
        message_id::append(out, self.store_host, self.physical_offset);
    }
}

/// Where the messages of a batch were put: consecutive queue offsets from
/// [`PutBatchResult::queue_offset`] on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutBatchResult {
    /// Commit log offsets of the records, in order. Never empty.
    pub physical_offsets: Vec<i64>,
    /// Commit log offset behind the last record.
    pub end_offset: i64,
    /// Queue index of the first message.
    pub queue_offset: i64,
    /// Store clock, ms, the same for all.
    pub store_timestamp: i64,
    /// The broker's address, as given.
    pub store_host: SocketAddr,
}

impl PutBatchResult {
    /// The offset message ids joined by commas, as the send response carries them.
    pub fn message_ids(&self) -> String {
        let mut ids = String::with_capacity(self.physical_offsets.len() * 33);
        for offset in &self.physical_offsets {
            if !ids.is_empty() {
                ids.push(',');
            }
            message_id::append(&mut ids, self.store_host, *offset);
        }
        ids
    }
}

/// Why a message was not stored. Nothing of it is on disk then. The codes of contract
/// `store.md` 17: `MessageIllegal` and `PropertiesSizeExceeded` 13, `ServiceNotAvailable` 14,
/// the others 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PutError {
    /// The store takes no messages: shut down, a slave, disk full, damaged or failed.
    #[error("service not available now. {0}")]
    ServiceNotAvailable(String),
    /// A length limit is broken, or the batch is malformed.
    #[error("the message is illegal, maybe msg properties length limit 32k. {0}")]
    MessageIllegal(String),
    /// The properties have more than 32767 bytes.
    #[error("the message is illegal, maybe msg properties length limit 32k. They have {0} bytes.")]
    PropertiesSizeExceeded(usize),
    /// A message of a batch, or the whole batch, is larger than `maxMessageSize`.
    #[error("message size exceeded")]
    BatchSizeExceeded,
    /// The next commit log segment could not be created: the disk is full, usually.
    #[error("create mapped file failed, server is busy or broken. {0}")]
    CreateSegmentFailed(String),
    /// An earlier write has been stuck for more than `osPageCacheBusyTimeOutMills`.
    #[error("[PC_SYNCHRONIZED]broker busy, start flow control for a while")]
    PageCacheBusy,
}

/// How waiting for the disk ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlushOutcome {
    /// Everything before the wanted offset is on the disk.
    Flushed,
    /// It took longer than `syncFlushTimeout` (status FLUSH_DISK_TIMEOUT; the message is stored).
    TimedOut,
    /// The disk refused, or the store was shut down first. After a refusal the store takes no
    /// writes any more.
    Failed,
}

/// Called once when the wait for the disk ends, on the thread that flushes: it must not block.
pub type FlushWaiter = Box<dyn FnOnce(FlushOutcome) + Send>;
