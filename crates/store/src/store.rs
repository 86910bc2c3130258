//! The store as the broker sees it.

use std::sync::Arc;

use bytes::Bytes;

use crate::config::MessageStoreConfig;
use crate::error::StoreError;
use crate::get::{ArrivalListener, GetResult, MessageFilter, QueryResult};
use crate::put::{FlushWaiter, PutBatch, PutBatchResult, PutError, PutMessage, PutResult};

/// All files of one broker. Used as `Arc<MessageStore>` from any thread; nothing here is async,
/// and only `commit` does I/O of the writing kind.
pub struct MessageStore {}

impl MessageStore {
    /// Loads and recovers the files (contract `store.md` 12). The directory is locked from here
    /// on, so a second broker on it fails before it changes anything.
    pub fn open(config: MessageStoreConfig, listener: Arc<dyn ArrivalListener>) -> Result<Arc<MessageStore>, StoreError> { todo!() }
    /// Marks the store as in use (abort file) and starts its threads.
    pub fn start(self: &Arc<Self>) -> Result<(), StoreError> { todo!() }
    /// Stops the threads, writes everything to the disk and leaves a clean store. Idempotent.
    pub fn shutdown(&self) { todo!() }

    /// Gives a message its place. It is neither on disk nor readable before [`MessageStore::commit`].
    pub fn put(&self, message: &PutMessage<'_>) -> Result<PutResult, PutError> { todo!() }
    /// Gives the messages of a batch consecutive places.
    pub fn put_batch(&self, batch: &PutBatch<'_>) -> Result<PutBatchResult, PutError> { todo!() }
    /// Writes everything put so far, makes it readable and tells the listener. To be called once
    /// per batch of requests, before their answers leave. After an error no put since the last
    /// successful commit may be acknowledged.
    pub fn commit(&self) -> Result<(), StoreError> { todo!() }
    /// Calls back when everything before `end_offset` is on the disk (at once if it is already).
    /// `commit` must have returned for it.
    pub fn when_flushed(&self, end_offset: i64, waiter: FlushWaiter) { todo!() }

    /// Reads messages of a queue.
    pub fn get_messages(&self, group: &str, topic: &str, queue_id: i32, offset: i64, max_messages: usize, filter: &dyn MessageFilter) -> GetResult { todo!() }
    /// The record at a commit log offset, if a whole record starts there.
    pub fn look_up(&self, physical_offset: i64) -> Option<Bytes> { todo!() }
    /// Messages by key or unique key, stored between the times (ms).
    pub fn query_by_key(&self, topic: &str, key: &str, max: usize, begin_ms: i64, end_ms: i64) -> QueryResult { todo!() }
    /// First offset of the queue; -1 for an unknown queue.
    pub fn min_offset_in_queue(&self, topic: &str, queue_id: i32) -> i64 { todo!() }
    /// End of the queue; 0 for an unknown queue.
    pub fn max_offset_in_queue(&self, topic: &str, queue_id: i32) -> i64 { todo!() }
    /// The queue offset of the message nearest to a store time.
    pub fn offset_by_time(&self, topic: &str, queue_id: i32, timestamp_ms: i64) -> i64 { todo!() }
    /// Store time of the queue's first message; -1 if unknown.
    pub fn earliest_message_time(&self, topic: &str, queue_id: i32) -> i64 { todo!() }
    /// Store time of the message at a queue offset; -1 if unknown.
    pub fn store_time_at(&self, topic: &str, queue_id: i32, queue_offset: i64) -> i64 { todo!() }
    /// Commit log offset of the message at a queue offset.
    pub fn physical_offset_at(&self, topic: &str, queue_id: i32, queue_offset: i64) -> Option<i64> { todo!() }
    /// Whether the message at a queue offset is so old that it lies on disk rather than in memory.
    pub fn is_in_disk_by_consume_offset(&self, topic: &str, queue_id: i32, queue_offset: i64) -> bool { todo!() }

    /// First commit log offset; -1 when the log is empty.
    pub fn min_physical_offset(&self) -> i64 { todo!() }
    /// End of the commit log (readable).
    pub fn max_physical_offset(&self) -> i64 { todo!() }
    /// End of what is on the disk for sure.
    pub fn flushed_offset(&self) -> i64 { todo!() }
    /// Store time of the first message; -1 when there is none.
    pub fn earliest_message_time_of_store(&self) -> i64 { todo!() }
    /// Bytes that are put but not yet in consume queues.
    pub fn dispatch_behind_bytes(&self) -> i64 { todo!() }
    /// Ms that the current write has taken; 0 when none runs.
    pub fn lock_time_ms(&self) -> i64 { todo!() }
    /// Whether a write is stuck (contract `store.md` 9, page-cache-busy rule).
    pub fn is_page_cache_busy(&self) -> bool { todo!() }

    /// Store clock, ms.
    pub fn now(&self) -> i64 { todo!() }
    /// Whether messages are taken; if not, the reason.
    pub fn writable(&self) -> Result<(), String> { todo!() }
    /// The error after which the store can't go on, if there was one: the broker ends then.
    pub fn fatal(&self) -> Option<String> { todo!() }

    /// All topics with queues.
    pub fn topics(&self) -> Vec<String> { todo!() }
    /// Deletes a topic's queues. The commit log keeps the messages.
    pub fn delete_topic(&self, topic: &str) -> Result<(), StoreError> { todo!() }
    /// Deletes the queues of all topics but those (and the two system topics of contract 15).
    pub fn clean_unused_topics(&self, is_used: impl Fn(&str) -> bool) -> Result<usize, StoreError> { todo!() }
    /// Deletes queues whose messages are all gone from the commit log (request 306).
    pub fn clean_expired_consume_queues(&self) -> Result<usize, StoreError> { todo!() }
    /// Deletes expired commit log files now (request 305: deletes even outside `deleteWhen`).
    pub fn delete_expired_files_manually(&self) { todo!() }
    /// The store's part of the broker runtime info (contract `store.md` 19).
    pub fn runtime_info(&self) -> Vec<(String, String)> { todo!() }
}
