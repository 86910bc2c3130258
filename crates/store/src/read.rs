//! Reading messages by queue, offset, key and time (contract `store.md` 14).

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use rocketmq_protocol::message::RecordView;
use rocketmq_protocol::message::record::MESSAGE_MAGIC;

use crate::config::{BrokerRole, MessageStoreConfig};
use crate::consume_queue::{QueueEntry, QueueUnit, is_address};
use crate::error::StoreError;
use crate::get::{GetResult, GetStatus, MessageFilter, QueryResult};
use crate::io::Defect;
use crate::segment::Segment;
use crate::shared::Core;

/// Where a record has its queue number and its offset in the queue (contract `store.md` 3.1).
const QUEUE_ID_AT: usize = 12;
const QUEUE_OFFSET_AT: usize = 20;
/// Bytes of a consume queue entry.
const ENTRY_BYTES: usize = 20;
/// Least bytes of consume queue that a read may scan.
const SCAN_BYTES_MIN: usize = 16_000;
/// Entries read at once; a read that is served from fewer reads no more than it needs.
const ENTRIES_AT_ONCE: usize = 128;
/// How often a query by key looks again at an earlier time when nothing was readable.
const QUERY_TRIES: usize = 3;

thread_local! {
    static ENTRIES: RefCell<Vec<QueueEntry>> = RefCell::default();
}

/// Neighbouring records on their way to one chunk.
struct Chunk {
    segment: Arc<Segment>,
    from: i64,
    to: i64,
}

/// A read in the making.
struct Gathering<'a> {
    core: &'a Core,
    config: &'a MessageStoreConfig,
    topic: &'a str,
    queue_id: i32,
    result: GetResult,
    max_messages: usize,
    /// Entries behind this distance from the log's end are taken to be on disk.
    memory_bytes: i64,
    log_end: i64,
    open: Option<Chunk>,
    /// Messages before this are in a deleted segment.
    skip_before: i64,
}

impl Core {
    /// See [`crate::MessageStore::get_messages`].
    pub(crate) fn get_messages(
        &self,
        topic: &str,
        queue_id: i32,
        offset: i64,
        max_messages: usize,
        filter: &dyn MessageFilter,
    ) -> GetResult {
        let begin = Instant::now();
        let mut result = self.gather(topic, queue_id, offset, max_messages, filter);
        result.elapsed = begin.elapsed();
        result
    }

    fn gather(
        &self,
        topic: &str,
        queue_id: i32,
        offset: i64,
        max_messages: usize,
        filter: &dyn MessageFilter,
    ) -> GetResult {
        let config = self.settings();
        // A slave may be behind its master; it does not send consumers elsewhere.
        let corrects = config.broker_role != BrokerRole::Slave || config.offset_check_in_slave;
        let corrected = |to: i64| if corrects { to } else { offset };
        let Some((min, max)) = self.dispatcher.queues.bounds(topic, queue_id) else {
            let status = GetStatus::NoMatchedLogicQueue;
            return GetResult::empty(status, corrected(0), 0, 0);
        };
        let ended = |status, next| GetResult::empty(status, next, min, max);
        if max == 0 {
            return ended(GetStatus::NoMessageInQueue, corrected(0));
        }
        if offset < min {
            return ended(GetStatus::OffsetTooSmall, corrected(min));
        }
        if offset == max {
            return ended(GetStatus::OffsetOverflowOne, offset);
        }
        if offset > max {
            let next = if min == 0 { min } else { max };
            return ended(GetStatus::OffsetOverflowBadly, corrected(next));
        }
        let gathering = Gathering {
            core: self,
            config: &config,
            topic,
            queue_id,
            result: ended(GetStatus::NoMatchedMessage, offset),
            max_messages: max_messages.max(1),
            memory_bytes: self.memory_bytes(&config),
            log_end: self.log.written_end(),
            open: None,
            skip_before: i64::MIN,
        };
        // Taken out rather than borrowed: a filter may read from the store itself.
        let mut entries = ENTRIES.take();
        let result = gathering.run((offset, max), filter, &mut entries);
        ENTRIES.set(entries);
        result
    }

    /// How much of the log's end is taken to be in memory.
    fn memory_bytes(&self, config: &MessageStoreConfig) -> i64 {
        let percent = u64::try_from(config.access_message_in_memory_max_ratio).unwrap_or(0);
        i64::try_from(self.physical_memory / 100 * percent).unwrap_or(i64::MAX)
    }

    /// The entry at a queue offset.
    pub(crate) fn entry(&self, topic: &str, queue_id: i32, offset: i64) -> Option<QueueEntry> {
        let mut entries = Vec::with_capacity(1);
        self.read_entries(topic, queue_id, offset, 1, &mut entries).then_some(())?;
        entries.first().copied()
    }

    /// Reads entries; false when there are none or the file cannot be read (which is logged).
    pub(crate) fn read_entries(
        &self,
        topic: &str,
        queue_id: i32,
        from: i64,
        max: usize,
        entries: &mut Vec<QueueEntry>,
    ) -> bool {
        entries.clear();
        if let Err(error) = self.dispatcher.queues.read(topic, queue_id, from, max, entries) {
            tracing::error!(target: "RocketmqStoreError", "consume queue of {topic} {queue_id} at {from}: {error}");
        }
        !entries.is_empty()
    }

    /// The extension unit of an entry; `None` if it has none, the error if it cannot be read.
    pub(crate) fn unit_of(
        &self,
        topic: &str,
        queue_id: i32,
        entry: &QueueEntry,
    ) -> Option<Result<QueueUnit, i64>> {
        let address = entry.tags_code;
        let read = || self.dispatcher.queues.unit(topic, queue_id, address).ok_or(address);
        is_address(address).then(read)
    }

    /// Store time of the record that an entry points to.
    pub(crate) fn store_time_of(&self, physical_offset: i64) -> Option<i64> {
        let record = self.log.record(physical_offset)?;
        RecordView::parse(&record).ok().map(|view| view.store_timestamp)
    }

    /// See [`crate::MessageStore::store_time_at`].
    pub(crate) fn store_time_at(&self, topic: &str, queue_id: i32, offset: i64) -> i64 {
        let entry = self.entry(topic, queue_id, offset);
        entry.and_then(|entry| self.store_time_of(entry.physical_offset)).unwrap_or(-1)
    }

    /// See [`crate::MessageStore::offset_by_time`].
    pub(crate) fn offset_by_time(&self, topic: &str, queue_id: i32, timestamp_ms: i64) -> i64 {
        let time_of = |physical: i64, _size: i32| self.store_time_of(physical);
        let found = self.dispatcher.queues.offset_by_time(topic, queue_id, timestamp_ms, time_of);
        found.unwrap_or_else(|error| {
            tracing::error!(target: "RocketmqStoreError", "consume queue of {topic} {queue_id}: {error}");
            0
        })
    }

    /// See [`crate::MessageStore::is_in_disk_by_consume_offset`].
    pub(crate) fn is_in_disk(&self, topic: &str, queue_id: i32, offset: i64) -> bool {
        let memory_bytes = self.memory_bytes(&self.settings());
        self.entry(topic, queue_id, offset)
            .is_some_and(|entry| self.log.written_end() - entry.physical_offset > memory_bytes)
    }

    /// See [`crate::MessageStore::query_by_key`].
    pub(crate) fn query_by_key(
        &self,
        topic: &str,
        key: &str,
        max: usize,
        begin_ms: i64,
        end_ms: i64,
    ) -> QueryResult {
        let mut result = QueryResult::default();
        let Some(index) = &self.dispatcher.index else { return result };
        let limit = usize::try_from(self.settings().max_msgs_num_batch).unwrap_or(0);
        let max = max.min(limit);
        let mut end_ms = end_ms;
        for _ in 0..QUERY_TRIES {
            let found = match index.query(topic, key, max, begin_ms, end_ms) {
                Ok(found) => found,
                Err(error) => {
                    tracing::error!(target: "RocketmqStoreError", "index: {error}");
                    break;
                }
            };
            result.index_last_update_timestamp = found.last_update_timestamp;
            result.index_last_update_physical_offset = found.last_update_physical_offset;
            let mut offsets = found.physical_offsets;
            offsets.sort_unstable();
            result.records = offsets.iter().filter_map(|offset| self.log.record(*offset)).collect();
            if !result.records.is_empty() || offsets.is_empty() {
                break;
            }
            match offsets.first().and_then(|offset| self.store_time_of(*offset)) {
                Some(earlier) => end_ms = earlier,
                None => break,
            }
        }
        result
    }
}

fn word_at(record: &[u8], at: usize) -> Option<i64> {
    let bytes = record.get(at..).and_then(|rest| rest.first_chunk::<8>());
    bytes.map(|bytes| i64::from_be_bytes(*bytes))
}

/// Whether the scan of a queue goes on.
enum Step {
    On,
    Full,
}

impl Gathering<'_> {
    fn run(
        mut self,
        (from, end): (i64, i64),
        filter: &dyn MessageFilter,
        entries: &mut Vec<QueueEntry>,
    ) -> GetResult {
        let scan_max =
            SCAN_BYTES_MIN.max(self.max_messages.saturating_mul(ENTRY_BYTES)) / ENTRY_BYTES;
        let mut scanned = 0;
        let mut last = None;
        'scan: while scanned < scan_max {
            let at = from + scanned as i64;
            // Most reads are served by as many entries as messages.
            let want = match scanned {
                0 => self.max_messages.min(ENTRIES_AT_ONCE),
                _ => ENTRIES_AT_ONCE,
            };
            let want = want.min(scan_max - scanned);
            if at >= end
                || self.has_enough()
                || !self.core.read_entries(self.topic, self.queue_id, at, want, entries)
            {
                break;
            }
            for entry in entries.iter() {
                last = Some(entry.physical_offset);
                if matches!(self.take(entry, from + scanned as i64, filter), Step::Full) {
                    break 'scan;
                }
                scanned += 1;
            }
        }
        self.close_chunk();
        let mut result = self.result;
        result.next_begin_offset = from + scanned as i64;
        if result.message_count > 0 {
            result.status = GetStatus::Found;
        } else if last.is_none() {
            result.status = GetStatus::OffsetFoundNull;
            result.next_begin_offset = self.core.next_queue_segment(from, end);
        }
        if let Some(last) = last {
            let behind = self.log_end - last;
            result.suggest_slave = behind > self.memory_bytes;
            result.fall_behind_bytes = Some(behind);
        }
        result
    }

    /// Takes the record of the entry at `position` if the filter wants it and there is room.
    fn take(&mut self, entry: &QueueEntry, position: i64, filter: &dyn MessageFilter) -> Step {
        if entry.is_filler() {
            return Step::On;
        }
        let size = usize::try_from(entry.size).unwrap_or(0);
        let in_disk = self.log_end - entry.physical_offset > self.memory_bytes;
        if self.is_full(size, in_disk) {
            return Step::Full;
        }
        let is_wanted = match is_address(entry.tags_code) {
            false => filter.by_tags(entry.tags_code),
            true => {
                let queues = &self.core.dispatcher.queues;
                filter.by_unit(queues.unit(self.topic, self.queue_id, entry.tags_code).as_ref())
            }
        };
        if entry.physical_offset < self.skip_before || !is_wanted {
            return Step::On;
        }
        match self.record(entry.physical_offset, size, position) {
            Ok(Some((segment, record))) => {
                if filter.by_record(&record) {
                    self.push(segment, entry.physical_offset, size);
                }
            }
            Ok(None) => {
                // Deleted meanwhile, with everything else of its segment.
                let next = self.core.log.segments().next_start(entry.physical_offset);
                self.skip_before = next.unwrap_or(i64::MIN);
                if self.result.message_count == 0 {
                    self.result.status = GetStatus::MessageWasRemoving;
                }
            }
            Err(error) => {
                tracing::error!(target: "RocketmqStoreError", "message skipped: {error}");
            }
        }
        Step::On
    }

    /// Whether no further message would be taken, whatever its size and place.
    fn has_enough(&self) -> bool {
        let limit = usize::try_from(self.config.max_transfer_count_on_message_in_memory);
        let count = self.result.message_count;
        count > 0 && count >= self.max_messages.min(limit.unwrap_or(0))
    }

    fn is_full(&self, size: usize, in_disk: bool) -> bool {
        let (count, bytes) = (self.result.message_count, self.result.bytes_total);
        if count == 0 {
            return false;
        }
        let config = self.config;
        let (count_max, bytes_max) = match in_disk {
            true => (
                config.max_transfer_count_on_message_in_disk,
                config.max_transfer_bytes_on_message_in_disk,
            ),
            false => (
                config.max_transfer_count_on_message_in_memory,
                config.max_transfer_bytes_on_message_in_memory,
            ),
        };
        let limit = |value: i32| usize::try_from(value).unwrap_or(0);
        count >= self.max_messages || count >= limit(count_max) || bytes + size > limit(bytes_max)
    }

    /// The bytes of a record, `None` when its segment is gone. A record that is not what the
    /// queue says (damaged) is an error, so that nobody is sent garbage.
    fn record(
        &self,
        offset: i64,
        size: usize,
        position: i64,
    ) -> Result<Option<(Arc<Segment>, Bytes)>, StoreError> {
        let segment = match &self.open {
            Some(chunk) if (chunk.segment.start()..chunk.segment.end()).contains(&offset) => {
                Arc::clone(&chunk.segment)
            }
            _ => match self.core.log.segments().find(offset) {
                Some(segment) => segment,
                None => return Ok(None),
            },
        };
        let place = u64::try_from(offset - segment.start()).unwrap_or(0);
        let wrong = |what: &str| StoreError::corrupt(segment.path(), place, what);
        if self.core.damages.iter().any(|damage| damage.range.contains(&offset)) {
            return Err(wrong("the message is damaged"));
        }
        // The log may have grown since this read began, and its queue with it.
        let end = offset.saturating_add(size as i64);
        if end > self.log_end && end > self.core.log.written_end() {
            return Err(wrong("a consume queue points behind the commit log's end"));
        }
        let record = segment.slice(offset, size);
        let record = record.ok_or_else(|| wrong("a consume queue points across the segment"))?;
        let expected = (i32::try_from(size).unwrap_or(0), MESSAGE_MAGIC);
        if RecordView::peek(&record) != Some(expected) {
            return Err(wrong("a consume queue points to what is no message"));
        }
        if !self.is_of_this_queue(&record, position) {
            return Err(wrong("a consume queue points to another message"));
        }
        if offset < self.core.written_before
            && !self.core.log.disk().has_defect(Defect::TrustsBodies)
        {
            let view = RecordView::parse(&record).map_err(|error| wrong(&error.to_string()))?;
            view.check_crc().map_err(|error| wrong(&error.to_string()))?;
            if view.topic != self.topic.as_bytes() {
                return Err(wrong("a consume queue points to a message of another topic"));
            }
        }
        Ok(Some((segment, record)))
    }

    /// Whether a record is the message at `position` of the queue. The fields that tell so lie
    /// beside the size, so that the usual case costs two comparisons.
    fn is_of_this_queue(&self, record: &[u8], position: i64) -> bool {
        let queue_offset = word_at(record, QUEUE_OFFSET_AT);
        let queue_id = word_at(record, QUEUE_ID_AT).map(|word| (word >> 32) as i32);
        if queue_offset == Some(position) && queue_id == Some(self.queue_id) {
            return true;
        }
        // A queue of Java's may be shifted against its records after a crash. Then it is all the
        // same the right one if a neighbour is shifted as much; else a field is damaged, and a
        // consumer would take it for its own offset.
        let Some(shift) = queue_offset.and_then(|offset| offset.checked_sub(position)) else {
            return false;
        };
        let is_shifted_too = |at: i64| {
            let entry = self.core.entry(self.topic, self.queue_id, at);
            let record = entry.and_then(|entry| self.core.log.record(entry.physical_offset));
            let found = record.and_then(|record| word_at(&record, QUEUE_OFFSET_AT));
            found.and_then(|found| found.checked_sub(at)) == Some(shift)
        };
        let Ok(view) = RecordView::parse(record) else { return false };
        view.topic_text() == self.topic
            && view.queue_id == self.queue_id
            && (is_shifted_too(position - 1) || is_shifted_too(position + 1))
    }

    fn push(&mut self, segment: Arc<Segment>, offset: i64, size: usize) {
        let to = offset + size as i64;
        match &mut self.open {
            Some(chunk) if chunk.to == offset && Arc::ptr_eq(&chunk.segment, &segment) => {
                chunk.to = to;
            }
            _ => {
                self.close_chunk();
                self.open = Some(Chunk { segment, from: offset, to });
            }
        }
        self.result.message_count += 1;
        self.result.bytes_total += size;
        self.result.last_size = size;
    }

    fn close_chunk(&mut self) {
        if let Some(chunk) = self.open.take() {
            let len = usize::try_from(chunk.to - chunk.from).unwrap_or(0);
            self.result.chunks.extend(chunk.segment.slice(chunk.from, len));
        }
    }
}

impl Core {
    /// First queue offset of the next consume queue segment, at most the queue's end.
    fn next_queue_segment(&self, offset: i64, end: i64) -> i64 {
        let bytes = self.settings().queue_segment_bytes();
        let entries = i64::try_from(bytes / ENTRY_BYTES as u64).unwrap_or(i64::MAX).max(1);
        (offset - offset.rem_euclid(entries)).saturating_add(entries).min(end)
    }
}
