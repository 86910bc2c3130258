//! What reading the store gives (contract `store.md` 14).

use std::time::Duration;

use bytes::Bytes;
use rocketmq_protocol::message::RecordView;

use crate::consume_queue::QueueUnit;

/// How a read from a queue ended; the names are RocketMQ's `GetMessageStatus`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GetStatus {
    /// At least one message.
    Found,
    /// There were messages, but the filter wanted none of them.
    NoMatchedMessage,
    /// The messages' commit log segments are deleted.
    MessageWasRemoving,
    /// The queue's file ends where the entry should be.
    OffsetFoundNull,
    /// The offset lies behind the queue's end by more than nothing.
    OffsetOverflowBadly,
    /// The offset is the queue's end: nothing new yet.
    OffsetOverflowOne,
    /// The offset lies before the queue's first message.
    OffsetTooSmall,
    /// No such queue.
    NoMatchedLogicQueue,
    /// The queue never had a message.
    NoMessageInQueue,
}

impl GetStatus {
    /// RocketMQ's name of the status, as logs and remarks print it.
    pub fn name(self) -> &'static str {
        match self {
            GetStatus::Found => "FOUND",
            GetStatus::NoMatchedMessage => "NO_MATCHED_MESSAGE",
            GetStatus::MessageWasRemoving => "MESSAGE_WAS_REMOVING",
            GetStatus::OffsetFoundNull => "OFFSET_FOUND_NULL",
            GetStatus::OffsetOverflowBadly => "OFFSET_OVERFLOW_BADLY",
            GetStatus::OffsetOverflowOne => "OFFSET_OVERFLOW_ONE",
            GetStatus::OffsetTooSmall => "OFFSET_TOO_SMALL",
            GetStatus::NoMatchedLogicQueue => "NO_MATCHED_LOGIC_QUEUE",
            GetStatus::NoMessageInQueue => "NO_MESSAGE_IN_QUEUE",
        }
    }
}

/// What a read from a queue found.
#[derive(Clone, Debug)]
pub struct GetResult {
    /// How it ended.
    pub status: GetStatus,
    /// Where to read next.
    pub next_begin_offset: i64,
    /// The queue's first offset.
    pub min_offset: i64,
    /// The queue's end.
    pub max_offset: i64,
    /// The records' bytes, in order, as a pull response carries them one after the other. Records
    /// that are neighbours in the commit log come as one chunk: use [`GetResult::records`] to see
    /// each. The chunks are the mapped file itself, kept alive by reference count.
    pub chunks: Vec<Bytes>,
    /// How many records the chunks hold.
    pub message_count: usize,
    /// Their bytes together.
    pub bytes_total: usize,
    /// Bytes of the last of them, which ends the last chunk.
    pub last_size: usize,
    /// How long the reading took.
    pub elapsed: Duration,
    /// The reader is so far behind that it should pull from a slave.
    pub suggest_slave: bool,
    /// How many bytes of commit log lie behind the last scanned message, for the statistics of
    /// `diskFallRecorded`; `None` when nothing was scanned.
    pub fall_behind_bytes: Option<i64>,
}

impl GetResult {
    /// An empty result.
    pub(crate) fn empty(status: GetStatus, next_begin_offset: i64, min: i64, max: i64) -> Self {
        GetResult {
            status,
            next_begin_offset,
            min_offset: min,
            max_offset: max,
            chunks: Vec::new(),
            message_count: 0,
            bytes_total: 0,
            last_size: 0,
            elapsed: Duration::ZERO,
            suggest_slave: false,
            fall_behind_bytes: None,
        }
    }

    /// The last record.
    pub fn last_record(&self) -> Option<RecordView<'_>> {
        let chunk = self.chunks.last()?;
        let start = chunk.len().checked_sub(self.last_size)?;
        RecordView::parse(chunk.get(start..)?).ok()
    }

    /// The records one by one.
    pub fn records(&self) -> impl Iterator<Item = RecordView<'_>> {
        self.chunks.iter().flat_map(|chunk| records_of(chunk))
    }
}

/// The records that lie one after the other in `chunk`; stops at the first malformed one.
pub(crate) fn records_of(chunk: &[u8]) -> impl Iterator<Item = RecordView<'_>> {
    let mut rest = chunk;
    std::iter::from_fn(move || {
        let view = RecordView::parse(rest).ok()?;
        rest = rest.get(view.size()..).unwrap_or_default();
        Some(view)
    })
}

/// Decides which messages of a queue a reader wants.
pub trait MessageFilter {
    /// By the consume queue's hash of the tags, before the record is read.
    fn by_tags(&self, tags_code: i64) -> bool;
    /// The same where the queue has an extension: `unit` is that of the entry. `None` if it cannot
    /// be read, and with it the tags code; nothing is unwanted for that.
    fn by_unit(&self, unit: Option<&QueueUnit>) -> bool {
        unit.is_none_or(|unit| self.by_tags(unit.tags_code))
    }
    /// By the stored record.
    fn by_record(&self, record: &[u8]) -> bool;
}

/// Wants every message.
#[derive(Clone, Copy, Debug, Default)]
pub struct AcceptAll;

impl MessageFilter for AcceptAll {
    fn by_tags(&self, _tags_code: i64) -> bool {
        true
    }

    fn by_record(&self, _record: &[u8]) -> bool {
        true
    }
}

/// What a query by key found.
#[derive(Clone, Debug, Default)]
pub struct QueryResult {
    /// Whole records, by ascending commit log offset. Keys whose hashes collide are among them:
    /// the client compares the key itself.
    pub records: Vec<Bytes>,
    /// `indexLastUpdateTimestamp` of the response.
    pub index_last_update_timestamp: i64,
    /// `indexLastUpdatePhyoffset` of the response.
    pub index_last_update_physical_offset: i64,
}

/// A message that readers can see from now on.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// Topic.
    pub topic: &'a str,
    /// Queue number.
    pub queue_id: i32,
    /// The message's index within its queue; a waiting pull wants the offset behind it.
    pub queue_offset: i64,
    /// Hash of its tags.
    pub tags_code: i64,
    /// Store clock, ms.
    pub store_timestamp: i64,
    /// The whole record (parse it with `RecordView::parse` for properties).
    pub record: &'a [u8],
}

/// Is told of every message as it becomes readable: how long polls are answered without polling.
pub trait ArrivalListener: Send + Sync {
    /// Called on the thread that committed. It must not block, put or commit; reading the store
    /// is allowed.
    fn arrived(&self, arrival: Arrival<'_>);

    /// The bit map of the filters that want a message with those encoded properties, for its
    /// extension unit; empty if no filter has been asked. Called while the message is dispatched,
    /// if `enableConsumeQueueExt` is on.
    fn bit_map(&self, _topic: &str, _properties: &[u8]) -> Vec<u8> {
        Vec::new()
    }

    /// Called once per commit, likewise, with the end of what is readable of the commit log.
    fn written(&self, _end: i64) {}
}

/// Listens to nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoListener;

impl ArrivalListener for NoListener {
    fn arrived(&self, _arrival: Arrival<'_>) {}
}
