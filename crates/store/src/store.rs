//! The store as the broker sees it.

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use crate::config::MessageStoreConfig;
use crate::consume_queue::{QueueEntry, QueueUnit};
use crate::error::StoreError;
use crate::flush::millis;
use crate::get::{ArrivalListener, GetResult, MessageFilter, QueryResult};
use crate::io::{Disk, RecordLock};
use crate::open;
use crate::put::{FlushWaiter, PutBatch, PutBatchResult, PutError, PutMessage, PutResult};
use crate::service::Service;
use crate::shared::Core;
use crate::stats::PutLatencies;
use crate::topics;
use rocketmq_common::clock::now_ms;

/// All files of one broker. Used as `Arc<MessageStore>` from any thread; nothing here is async.
///
/// ```
/// use std::sync::Arc;
/// use rocketmq_store::{AcceptAll, MessageStore, MessageStoreConfig, NoListener, PutMessage};
///
/// let dir = tempfile::tempdir()?;
/// let mut config = MessageStoreConfig::default();
/// config.store_path_root_dir = dir.path().display().to_string();
/// config.store_path_commit_log = dir.path().join("commitlog").display().to_string();
/// config.mapped_file_size_commit_log = 1 << 20;
/// config.mapped_file_size_consume_queue = 20_000;
/// (config.max_hash_slot_num, config.max_index_num) = (1000, 4000);
///
/// let store = MessageStore::open(config, Arc::new(NoListener))?;
/// store.start()?;
/// let here = "127.0.0.1:10911".parse()?;
/// let put = store.put(&PutMessage {
///     topic: "TopicTest",
///     queue_id: 0,
///     flag: 0,
///     sys_flag: 0,
///     born_timestamp: 0,
///     born_host: here,
///     store_host: here,
///     reconsume_times: 0,
///     prepared_transaction_offset: 0,
///     body: b"Hello RocketMQ",
///     properties: b"TAGS\x01TagA",
/// })?;
/// store.commit()?;
/// let got = store.get_messages("TopicTest", 0, put.queue_offset, 32, &AcceptAll);
/// assert_eq!(got.records().next().map(|record| record.body), Some(&b"Hello RocketMQ"[..]));
/// store.shutdown();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct MessageStore {
    core: Arc<Core>,
    services: Mutex<Vec<Service>>,
    lock: Mutex<Option<RecordLock>>,
}

impl MessageStore {
    /// Loads and recovers the files (contract `store.md` 12). The directory is locked from here
    /// on, so that a second broker on it fails before it changes anything (Java locks later).
    ///
    /// # Errors
    /// A configuration value that can't be used, `Lock failed,MQ already started`, or a file that
    /// can't be read or is not what its name says.
    pub fn open(
        config: MessageStoreConfig,
        listener: Arc<dyn ArrivalListener>,
    ) -> Result<Arc<MessageStore>, StoreError> {
        MessageStore::open_on(config, listener, Disk::default())
    }

    /// [`MessageStore::open`] on a disk of one's own choice: for tests of failing disks.
    ///
    /// # Errors
    /// As for [`MessageStore::open`].
    pub fn open_on(
        config: MessageStoreConfig,
        listener: Arc<dyn ArrivalListener>,
        disk: Disk,
    ) -> Result<Arc<MessageStore>, StoreError> {
        config.validate()?;
        let root = config.root();
        disk.create_directory(&root)?;
        let lock = RecordLock::acquire(&root.join(open::LOCK_FILE))?;
        let core = open::open(config, listener, disk).inspect_err(|error| {
            tracing::error!(target: "RocketmqStoreError", "load exception, {error}");
        })?;
        Ok(Arc::new(MessageStore {
            core: Arc::new(core),
            services: Mutex::default(),
            lock: Mutex::new(Some(lock)),
        }))
    }

    /// Marks the store as in use (abort file) and starts its threads. Messages can be put and read
    /// without it, but nothing is flushed, deleted or prepared ahead.
    ///
    /// # Errors
    /// The abort file or a thread can't be created.
    pub fn start(&self) -> Result<(), StoreError> {
        let mut services = self.services.lock();
        if services.is_empty() {
            self.core.create_abort_file()?;
            *services = crate::services::start_all(&self.core)?;
            self.core.check_disk();
        }
        Ok(())
    }

    /// Stops the threads, brings everything to the disk and leaves a clean store; lets go of the
    /// lock. Whoever still waits for the disk is told. A second call does nothing.
    pub fn shutdown(&self) {
        if self.core.state.set_shut_down() {
            return;
        }
        let started = {
            let mut services = self.services.lock();
            let started = !services.is_empty();
            services.clear();
            started
        };
        self.core.finish(started);
        self.lock.lock().take();
    }

    /// Gives a message its place. It is neither written nor readable before
    /// [`MessageStore::commit`].
    ///
    /// # Errors
    /// See [`PutError`]; nothing is stored then.
    pub fn put(&self, message: &PutMessage<'_>) -> Result<PutResult, PutError> {
        self.core.put(message)
    }

    /// Gives the messages of a batch consecutive places, all in one segment.
    ///
    /// # Errors
    /// See [`PutError`]; nothing is stored then.
    pub fn put_batch(&self, batch: &PutBatch<'_>) -> Result<PutBatchResult, PutError> {
        self.core.put_batch(batch)
    }

    /// Writes everything put so far (by anyone), makes it readable and tells the listener. To be
    /// called once per batch of requests by who has put messages, before the answers leave: from
    /// then on no crash of this process loses them.
    ///
    /// # Errors
    /// The disk refused. None of the puts since may be acknowledged (answer: service not
    /// available); when only queues or index could not be written they may still appear.
    pub fn commit(&self) -> Result<(), StoreError> {
        self.core.commit()
    }

    /// [`MessageStore::commit`], if this thread has put anything since it committed last: a batch
    /// of requests that only read does not fail with what others have put.
    ///
    /// # Errors
    /// As for [`MessageStore::commit`].
    pub fn commit_own(&self) -> Result<(), StoreError> {
        self.core.commit_own()
    }

    /// Calls back when everything before `end_offset` is on the disk: at once if it is already,
    /// else from the thread that flushes, or after `syncFlushTimeout`. The messages must be
    /// committed.
    pub fn when_flushed(&self, end_offset: i64, waiter: FlushWaiter) {
        self.core.when_flushed(end_offset, waiter);
    }

    /// How many wait for the disk by [`MessageStore::when_flushed`].
    pub fn flush_waiters(&self) -> usize {
        self.core.flusher.waiters()
    }

    /// Reads up to `max_messages` messages of a queue from `offset` on, within the transfer limits
    /// of the configuration. A read that a consumer asked for is to be counted:
    /// [`MessageStore::count_read`].
    pub fn get_messages(
        &self,
        topic: &str,
        queue_id: i32,
        offset: i64,
        max_messages: usize,
        filter: &dyn MessageFilter,
    ) -> GetResult {
        self.core.get_messages(topic, queue_id, offset, max_messages, filter)
    }

    /// Counts what [`MessageStore::get_messages`] found in the statistics of 4.9.2.
    pub fn count_read(&self, result: &GetResult) {
        self.core.stats.got(result.message_count, result.elapsed);
    }

    /// The record at a commit log offset, if a whole record starts there.
    pub fn look_up(&self, physical_offset: i64) -> Option<Bytes> {
        self.core.log.record(physical_offset)
    }

    /// Messages whose key or unique key hashes like `key`, stored between the times (ms), at most
    /// `max` and `maxMsgsNumBatch`.
    pub fn query_by_key(
        &self,
        topic: &str,
        key: &str,
        max: usize,
        begin_ms: i64,
        end_ms: i64,
    ) -> QueryResult {
        self.core.query_by_key(topic, key, max, begin_ms, end_ms)
    }

    /// First offset of the queue; -1 for an unknown queue.
    pub fn min_offset_in_queue(&self, topic: &str, queue_id: i32) -> i64 {
        self.core.dispatcher.queues.bounds(topic, queue_id).map_or(-1, |(min, _)| min)
    }

    /// End of the queue, that is the offset of its next message; 0 for an unknown queue.
    pub fn max_offset_in_queue(&self, topic: &str, queue_id: i32) -> i64 {
        self.core.dispatcher.queues.bounds(topic, queue_id).map_or(0, |(_, max)| max)
    }

    /// The queue offset of the message nearest to a store time (contract `store.md` 14).
    pub fn offset_by_time(&self, topic: &str, queue_id: i32, timestamp_ms: i64) -> i64 {
        self.core.offset_by_time(topic, queue_id, timestamp_ms)
    }

    /// Store time of the queue's first message; -1 if unknown.
    pub fn earliest_message_time(&self, topic: &str, queue_id: i32) -> i64 {
        self.core.store_time_at(topic, queue_id, self.min_offset_in_queue(topic, queue_id))
    }

    /// Store time of the message at a queue offset; -1 if unknown.
    pub fn store_time_at(&self, topic: &str, queue_id: i32, queue_offset: i64) -> i64 {
        self.core.store_time_at(topic, queue_id, queue_offset)
    }

    /// Commit log offset of the message at a queue offset.
    pub fn physical_offset_at(&self, topic: &str, queue_id: i32, offset: i64) -> Option<i64> {
        self.core.entry(topic, queue_id, offset).map(|entry| entry.physical_offset)
    }

    /// Reads up to `max` consume queue entries from an offset on into `entries`, which is emptied
    /// first. It stays empty when there are none there, or none that can be read (which is logged).
    pub fn queue_entries(
        &self,
        topic: &str,
        queue_id: i32,
        from: i64,
        max: usize,
        entries: &mut Vec<QueueEntry>,
    ) {
        self.core.read_entries(topic, queue_id, from, max, entries);
    }

    /// The extension unit that an entry's tags code leads to; `None` if the code is no address, its
    /// address if the unit cannot be read.
    pub fn queue_unit(
        &self,
        topic: &str,
        queue_id: i32,
        entry: &QueueEntry,
    ) -> Option<Result<QueueUnit, i64>> {
        self.core.unit_of(topic, queue_id, entry)
    }

    /// Whether the message at a queue offset is so far behind the log's end that it is taken to
    /// lie on disk rather than in memory; false when there is no such message.
    pub fn is_in_disk_by_consume_offset(&self, topic: &str, queue_id: i32, offset: i64) -> bool {
        self.core.is_in_disk(topic, queue_id, offset)
    }

    /// First commit log offset; -1 when the log is empty.
    pub fn min_physical_offset(&self) -> i64 {
        self.core.log.min_offset()
    }

    /// End of what is readable of the commit log.
    pub fn max_physical_offset(&self) -> i64 {
        self.core.log.written_end()
    }

    /// End of what is on the disk for sure.
    pub fn flushed_offset(&self) -> i64 {
        self.core.flusher.flushed()
    }

    /// Store time of the first message; -1 when there is none.
    pub fn earliest_message_time_of_store(&self) -> i64 {
        self.core.earliest_time_of_store()
    }

    /// Bytes that are put but not yet in the consume queues.
    pub fn dispatch_behind_bytes(&self) -> i64 {
        self.core.dispatch_behind_bytes()
    }

    /// Ms that the present write has taken (pageCacheLockTimeMills); 0 when none runs.
    pub fn lock_time_ms(&self) -> i64 {
        self.core.lock_time_ms()
    }

    /// Whether a write has been stuck for longer than `osPageCacheBusyTimeOutMills`.
    pub fn is_page_cache_busy(&self) -> bool {
        self.core.is_page_cache_busy()
    }

    /// The store's clock, epoch ms.
    pub fn now(&self) -> i64 {
        now_ms()
    }

    /// Whether messages are taken.
    ///
    /// # Errors
    /// Why not, for logs and remarks.
    pub fn writable(&self) -> Result<(), String> {
        if self.core.state.is_shut_down() {
            return Err("message store has shutdown".to_string());
        }
        self.core.state.writable()
    }

    /// The error of the disk after which the store can't go on: the broker ends then.
    pub fn fatal(&self) -> Option<String> {
        self.core.state.fatal().map(str::to_string)
    }

    /// The present settings.
    pub fn config(&self) -> Arc<MessageStoreConfig> {
        self.core.settings()
    }

    /// Takes over changed settings; those that are not reloadable have no effect until a restart.
    ///
    /// # Errors
    /// A value that can't be used; nothing changes then.
    pub fn set_config(&self, config: MessageStoreConfig) -> Result<(), StoreError> {
        config.validate()?;
        *self.core.config.write() = Arc::new(config);
        Ok(())
    }

    /// All topics with queues.
    pub fn topics(&self) -> Vec<String> {
        self.core.dispatcher.queues.topics()
    }

    /// Up to `max` bytes of the commit log as they lie there, from an offset on, up to the end of
    /// its segment at most. `None` if nothing is there (yet).
    pub fn read_log(&self, offset: i64, max: usize) -> Option<Bytes> {
        self.core.read_log(offset, max)
    }

    /// Appends bytes of a master's commit log, which lie in one segment there, and builds queues
    /// and index of the records that are whole by now. They are written, not flushed, on return.
    /// Returns the log's new end. An empty log begins at whatever segment the master sends.
    ///
    /// # Errors
    /// `offset` is not where the log ends, or the disk refused.
    pub fn append_replicated(&self, offset: i64, bytes: &[u8]) -> Result<i64, StoreError> {
        self.core.append_replicated(offset, bytes)
    }

    /// Calls `see` with topic, queue number, first offset and end of each queue.
    pub fn for_each_queue(&self, see: impl FnMut(&str, i32, i64, i64)) {
        self.core.dispatcher.queues.for_each_queue(see);
    }

    /// How long commits took since the start.
    pub fn put_latencies(&self) -> PutLatencies {
        self.core.stats.put_latencies()
    }

    /// Deletes a topic's queues. The commit log keeps the messages until they expire.
    ///
    /// # Errors
    /// A file can't be deleted.
    pub fn delete_topic(&self, topic: &str) -> Result<(), StoreError> {
        self.core.delete_topic(topic)
    }

    /// Deletes the queues of all topics that are not used, but for those of the system (contract
    /// `store.md` 15). Returns how many topics.
    ///
    /// # Errors
    /// A file can't be deleted.
    pub fn clean_unused_topics(&self, is_used: impl Fn(&str) -> bool) -> Result<usize, StoreError> {
        topics::clean_unused(&self.core, is_used)
    }

    /// Deletes the topics whose queues' messages are all gone from the commit log (request 306).
    /// Returns how many.
    ///
    /// # Errors
    /// A file can't be deleted.
    pub fn clean_expired_consume_queues(&self) -> Result<usize, StoreError> {
        topics::clean_expired(&self.core)
    }

    /// Deletes expired commit log files soon, even outside `deleteWhen` (request 305).
    pub fn delete_expired_files_manually(&self) {
        self.core.ask_for_deletion();
    }

    /// Messages put since the start, for BrokerStats.
    pub fn put_message_count(&self) -> i64 {
        self.core.stats.put_times()
    }

    /// Messages read since the start, for BrokerStats.
    pub fn get_message_count(&self) -> i64 {
        self.core.stats.transferred()
    }

    /// The store's part of the broker runtime info (contract `store.md` 19): keys and values.
    pub fn runtime_info(&self) -> Vec<(String, String)> {
        self.core.runtime_info()
    }
}

impl Core {
    fn when_flushed(&self, end_offset: i64, waiter: FlushWaiter) {
        let timeout = millis(self.config.read().sync_flush_timeout);
        self.flusher.when_flushed(end_offset, timeout, waiter);
    }
}
