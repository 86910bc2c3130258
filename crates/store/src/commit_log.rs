//! The commit log: giving records their places, and writing them.
//!
//! `append` runs under the append lock and touches memory only: it assigns queue offset, physical
//! offset and store time and copies the finished record to the staging buffer. `take_staged` and
//! `write` bring the staged records into the files, many at once, by whoever commits.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;
use rocketmq_protocol::message::RecordView;
use rocketmq_protocol::message::record::{BLANK_BYTES, BLANK_MAGIC, Encoded, MESSAGE_MAGIC};

use crate::error::StoreError;
use crate::io::Disk;
use crate::put::PutError;
use crate::queue_offsets::QueueOffsets;
use crate::segment::Segment;
use crate::segments::{Allocator, Segments};
use crate::service::Signal;
use crate::staging::Staging;
use rocketmq_common::clock::now_ms;

/// How far the clock may go back without store times going back: what time services correct.
const CLOCK_SLACK_MS: i64 = 1000;

/// Store time of the next record: never before `last`, unless the clock was set back. Then it
/// follows the clock, or delayed messages and searches by time would be off for as long.
fn store_time(now: i64, last: i64) -> i64 {
    if now < last && last - now <= CLOCK_SLACK_MS {
        return last;
    }
    now
}

/// The commit log.
#[derive(Debug)]
pub(crate) struct CommitLog {
    segments: Segments,
    allocator: Allocator,
    disk: Disk,
    append: Mutex<Append>,
    /// End of what was given a place.
    staged_end: AtomicI64,
    /// End of what is written, hence readable.
    written_end: AtomicI64,
    /// Store time of the last record before `written_end`; set before it.
    written_timestamp: AtomicI64,
    /// Wakes the thread that makes the next segment.
    pub(crate) allocate_signal: Arc<Signal>,
}

/// What the append lock guards.
#[derive(Debug)]
struct Append {
    /// Where the next record goes.
    next: i64,
    /// End of the segment it goes to; equal to `next` when there is none yet.
    segment_end: i64,
    queue_offsets: QueueOffsets,
    staging: Staging,
    store_timestamp: i64,
}

/// What `append` assigned to the first of the records.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Placed {
    /// Commit log offset of the first record.
    pub(crate) physical_offset: i64,
    /// Commit log offset behind the last.
    pub(crate) end_offset: i64,
    /// Queue offset of the first.
    pub(crate) queue_offset: i64,
    /// Store time of all.
    pub(crate) store_timestamp: i64,
    /// Bytes staged now, these records included.
    pub(crate) staged_bytes: usize,
}

impl CommitLog {
    /// The log over loaded segments; `set_end` says where it goes on.
    pub(crate) fn new(segments: Segments, allocator: Allocator, disk: Disk) -> CommitLog {
        CommitLog {
            segments,
            allocator,
            disk,
            append: Mutex::new(Append {
                next: 0,
                segment_end: 0,
                queue_offsets: QueueOffsets::default(),
                staging: Staging::default(),
                store_timestamp: 0,
            }),
            staged_end: AtomicI64::new(0),
            written_end: AtomicI64::new(0),
            written_timestamp: AtomicI64::new(0),
            allocate_signal: Arc::default(),
        }
    }

    /// The segments.
    pub(crate) fn segments(&self) -> &Segments {
        &self.segments
    }

    /// Sets where the log ends, after recovery.
    pub(crate) fn set_end(&self, end: i64, last_timestamp: i64) {
        let mut append = self.append.lock();
        append.next = end;
        append.segment_end = self.segments.find(end).map_or(end, |segment| segment.end());
        append.store_timestamp = last_timestamp;
        self.staged_end.store(end, Ordering::Release);
        self.written_timestamp.store(last_timestamp, Ordering::Release);
        self.written_end.store(end, Ordering::Release);
    }

    /// Changes the table of next queue offsets.
    pub(crate) fn with_queue_offsets<R>(&self, change: impl FnOnce(&mut QueueOffsets) -> R) -> R {
        change(&mut self.append.lock().queue_offsets)
    }

    /// First offset; -1 without segments.
    pub(crate) fn min_offset(&self) -> i64 {
        self.segments.first().map_or(-1, |segment| segment.start())
    }

    /// End of what is readable.
    pub(crate) fn written_end(&self) -> i64 {
        self.written_end.load(Ordering::Acquire)
    }

    /// End of what was given a place.
    pub(crate) fn staged_end(&self) -> i64 {
        self.staged_end.load(Ordering::Acquire)
    }

    /// Store time of a record at or before the present written end. Ask for it before the end.
    pub(crate) fn written_timestamp(&self) -> i64 {
        self.written_timestamp.load(Ordering::Acquire)
    }

    /// Places encoded records of one queue, all or none, in one segment. `bytes` holds exactly
    /// the records that `encoded` describes; their open fields are filled in.
    pub(crate) fn append(
        &self,
        topic: &str,
        queue_id: i32,
        bytes: &mut [u8],
        encoded: &[Encoded],
    ) -> Result<Placed, PutError> {
        let mut guard = self.append.lock();
        let append = &mut *guard;
        self.make_room(append, bytes.len())?;
        append.store_timestamp = store_time(now_ms(), append.store_timestamp);
        let store_timestamp = append.store_timestamp;
        let count = i64::try_from(encoded.len()).unwrap_or(i64::MAX);
        let queue_offset = append.queue_offsets.take(topic, queue_id, count);
        let physical_offset = append.next;
        for (index, record) in encoded.iter().enumerate() {
            if let Some(place) = bytes.get_mut(record.start..record.start + record.size) {
                record.place(
                    place,
                    queue_offset + index as i64,
                    physical_offset + record.start as i64,
                    store_timestamp,
                );
            }
        }
        append.staging.push_records(bytes, encoded.len(), store_timestamp);
        append.next += bytes.len() as i64;
        let end_offset = append.next;
        self.staged_end.store(end_offset, Ordering::Release);
        let staged_bytes = append.staging.len();
        Ok(Placed { physical_offset, end_offset, queue_offset, store_timestamp, staged_bytes })
    }

    /// Rolls to the next segment if `len` bytes and a blank do not fit any more.
    fn make_room(&self, append: &mut Append, len: usize) -> Result<(), PutError> {
        let len = len as i64;
        let size = i64::try_from(self.segments.segment_size()).unwrap_or(i64::MAX);
        let blank = BLANK_BYTES as i64;
        if len + blank > size {
            return Err(PutError::MessageIllegal(format!(
                "{len} bytes do not fit a commit log segment of {size}."
            )));
        }
        let remaining = append.segment_end - append.next;
        if len + blank <= remaining {
            if !append.staging.has_run() {
                append.staging.begin_run(append.next);
            }
            return Ok(());
        }
        // An empty log that begins anywhere begins with the segment that holds the place.
        let start = append.segment_end - append.segment_end.rem_euclid(size);
        let segment = self.allocator.extend(&self.segments, start).map_err(|error| {
            tracing::error!(target: "RocketmqStoreError", "create mapped file error, {error}");
            PutError::CreateSegmentFailed(error.to_string())
        })?;
        segment.begin_use();
        if remaining > 0 {
            if !append.staging.has_run() {
                append.staging.begin_run(append.next);
            }
            let mut words = [0; BLANK_BYTES];
            let (size_word, magic_word) = words.split_at_mut(4);
            size_word.copy_from_slice(&(remaining as i32).to_be_bytes());
            magic_word.copy_from_slice(&BLANK_MAGIC.to_be_bytes());
            append.staging.push_bytes(words.get(..remaining.min(blank) as usize).unwrap_or(&words));
        }
        append.next = start;
        append.segment_end = segment.end();
        append.staging.begin_run(start);
        self.allocate_signal.wake();
        Ok(())
    }

    /// Exchanges the staged records for an empty buffer. Only one may write at a time.
    pub(crate) fn take_staged(&self, empty: &mut Staging) -> i64 {
        let mut append = self.append.lock();
        std::mem::swap(&mut append.staging, empty);
        append.next
    }

    /// Writes staged records that end at `end` and makes them readable.
    pub(crate) fn write(&self, staged: &Staging, end: i64) -> Result<(), StoreError> {
        let mut segment: Option<Arc<Segment>> = None;
        for (offset, bytes) in staged.runs() {
            if bytes.is_empty() {
                continue;
            }
            let target = match segment.take().filter(|s| (s.start()..s.end()).contains(&offset)) {
                Some(same) => same,
                None => self.segments.find(offset).ok_or(StoreError::Shutdown)?,
            };
            target.write(&self.disk, offset, bytes)?;
            segment = Some(target);
        }
        if staged.records() > 0 {
            self.written_timestamp.store(staged.timestamp(), Ordering::Release);
        }
        self.written_end.store(end, Ordering::Release);
        Ok(())
    }

    /// Writes bytes of a master's log, which lie in one segment, at the log's end; returns the new
    /// end. They are not readable before [`CommitLog::publish`].
    pub(crate) fn write_raw(&self, offset: i64, bytes: &[u8]) -> Result<i64, StoreError> {
        if bytes.is_empty() {
            return Ok(offset);
        }
        let segment = match self.segments.find(offset) {
            Some(segment) => segment,
            None => {
                let segment = self.allocator.extend(&self.segments, offset)?;
                segment.begin_use();
                self.allocate_signal.wake();
                segment
            }
        };
        segment.write(&self.disk, offset, bytes)?;
        Ok(offset + bytes.len() as i64)
    }

    /// Makes what [`CommitLog::write_raw`] wrote readable.
    pub(crate) fn publish(&self, end: i64, last_timestamp: Option<i64>) {
        let last = last_timestamp.unwrap_or_else(|| self.written_timestamp());
        self.set_end(end, last);
    }

    /// Syncs everything in `from..to`.
    pub(crate) fn sync(&self, from: i64, to: i64) -> Result<(), StoreError> {
        for segment in self.segments.all() {
            if segment.start() < to && segment.end() > from {
                segment.sync(&self.disk)?;
            }
        }
        Ok(())
    }

    /// `len` readable bytes at `offset`.
    pub(crate) fn slice(&self, offset: i64, len: usize) -> Option<Bytes> {
        let end = offset.checked_add(i64::try_from(len).ok()?)?;
        if end > self.written_end() {
            return None;
        }
        self.segments.find(offset)?.slice(offset, len)
    }

    /// The whole record at `offset`; `None` if none starts there.
    pub(crate) fn record(&self, offset: i64) -> Option<Bytes> {
        let head = self.slice(offset, 8)?;
        let (size, magic) = RecordView::peek(&head)?;
        if magic != MESSAGE_MAGIC {
            return None;
        }
        let bytes = self.slice(offset, usize::try_from(size).ok()?)?;
        let view = RecordView::parse(&bytes).ok()?;
        (view.physical_offset == offset).then_some(bytes)
    }

    /// Makes the segment behind the last one, if the log has begun. Returns it.
    pub(crate) fn prepare_next(&self) -> Result<Option<Arc<Segment>>, StoreError> {
        self.allocator.prepare(&self.segments)
    }

    /// Deletes the segment made ahead, at shutdown.
    pub(crate) fn discard_prepared(&self) -> Result<(), StoreError> {
        self.allocator.discard()
    }

    /// The way to the disk.
    pub(crate) fn disk(&self) -> &Disk {
        &self.disk
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn store_times_ascend_unless_the_clock_is_set_back() {
        assert_eq!(store_time(1_000_005, 1_000_000), 1_000_005);
        assert_eq!(store_time(1_000_000, 1_000_700), 1_000_700);
        assert_eq!(store_time(1_000_000, 8_000_000), 1_000_000);
    }
}
