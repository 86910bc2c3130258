//! One consume queue.
//!
//! Positions are bytes from the queue's logical start (`queue offset × 20`). Files are adjacent
//! and of equal size, so the first start and the end say which there are.

use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::files;
use super::{ENTRY_BYTES, FILLER_SIZE, QueueEntry};
use crate::error::StoreError;
use crate::io::{Disk, DiskOperation, modified_ms, next_data, write_zeros};

const ENTRY: u64 = ENTRY_BYTES as u64;
/// Bytes read at once where many entries are walked.
const CHUNK_BYTES: usize = 3200 * ENTRY_BYTES;
/// Bytes of the first chunk: most queues are short.
const FIRST_CHUNK_BYTES: usize = 200 * ENTRY_BYTES;
/// How far a file's time may lie before the store time of its last message: the file system's
/// clock moves in ticks.
const FILE_TIME_LAG_MS: i64 = 20;
/// Files of a queue that recovery walks, from the last: older ones are known to be full.
const RECOVERED_FILES: u64 = 3;
/// When so much waits to be written, it is not left to the next flush.
const PENDING_BYTES: usize = 64 * ENTRY_BYTES;
/// Entries that wait during recovery for those before them; when there are more, what is missing
/// is taken as lost.
const WAITING_MAX: usize = 1024;
/// Most places of lost entries that are filled, so that the entries behind keep theirs.
const FILLED_MAX: u64 = 65_536;
const PAGE_BYTES: u64 = 4096;
/// Bytes looked at once behind the end, in the search for what should not be there.
const BEHIND_BYTES: usize = 64 * 1024;

pub(super) struct Queue {
    pub(super) topic: Arc<str>,
    pub(super) queue_id: i32,
    file_size: u64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Start of the first file.
    first: u64,
    /// Start behind the last file; equal to `first` when there is none.
    files_end: u64,
    /// End of the valid entries; readers see nothing behind it.
    end: u64,
    /// End of the entries that are in the files.
    written: u64,
    /// First entry whose record is still there.
    min: u64,
    /// Entries put but not written; they follow `written`. A kill loses them: they are built again
    /// from the commit log.
    pending: Vec<u8>,
    /// End of the record of the newest entry, put or written.
    physical_end: i64,
    /// Up to where the blocks of the file being written exist.
    allocated_end: u64,
    /// Start of what is written but not on the medium.
    dirty_from: Option<u64>,
    writer: Option<(u64, File)>,
    /// Starts of closed files that are not on the medium yet.
    closed_unsynced: Vec<u64>,
    reader: Option<(u64, Arc<File>)>,
    /// Used since the last look of [`Queue::close_if_idle`].
    used: bool,
    /// In the list of queues with open files.
    listed_open: bool,
    /// The topic was deleted; nothing is written any more.
    forgotten: bool,
    /// A file was created whose name may not be on the medium yet.
    new_name: bool,
    /// Files were found to be damaged: what they held behind `end` is to be built again.
    damaged: bool,
    /// During recovery: entries whose predecessors are missing so far, by position.
    waiting: BTreeMap<u64, QueueEntry>,
}

/// Stands where no message is.
const FILLER: QueueEntry = QueueEntry { physical_offset: 0, size: FILLER_SIZE, tags_code: 0 };

impl State {
    fn take_unsynced(&mut self) -> Unsynced {
        Unsynced {
            from: self.dirty_from.take(),
            closed: std::mem::take(&mut self.closed_unsynced),
            new_name: std::mem::take(&mut self.new_name),
        }
    }

    /// End of the entries, shown or not.
    fn put_end(&self) -> u64 {
        self.written + self.pending.len() as u64
    }

    /// Closes the file being written; what is not on the medium yet is synced later.
    fn close_writer(&mut self) {
        if let Some((start, _)) = self.writer.take()
            && self.dirty_from.is_some()
            && !self.closed_unsynced.contains(&start)
        {
            self.closed_unsynced.push(start);
        }
    }

    /// Takes the waiting entries whose predecessors are there now.
    fn take_waiting(&mut self) {
        loop {
            let current = self.put_end();
            let Some(first) = self.waiting.first_entry() else { return };
            if *first.key() > current {
                return;
            }
            let (at, entry) = first.remove_entry();
            if at == current && entry.physical_offset >= self.physical_end {
                entry.encode(&mut self.pending);
                self.physical_end = entry.physical_end().unwrap_or(0);
            }
        }
    }
}

/// What [`Queue::show`] did.
pub(super) struct Shown {
    /// Everything before was on the medium.
    pub(super) newly_dirty: bool,
    /// So many entries wait that they should be written.
    pub(super) is_much: bool,
}

/// What is written and not on the medium.
pub(super) struct Unsynced {
    from: Option<u64>,
    /// Starts of files that are closed by now.
    closed: Vec<u64>,
    /// A file was created.
    new_name: bool,
}

impl Queue {
    /// A queue with these files, each ending where the next starts.
    pub(super) fn loaded(
        topic: &Arc<str>,
        queue_id: i32,
        file_size: u64,
        (starts, damaged): (&[u64], bool),
    ) -> Queue {
        let first = starts.first().copied().unwrap_or(0);
        let files_end = starts.last().map_or(0, |last| last + file_size);
        let (end, written) = (files_end, files_end);
        let state =
            State { first, files_end, end, written, min: first, damaged, ..State::default() };
        Queue { topic: Arc::clone(topic), queue_id, file_size, state: Mutex::new(state) }
    }

    pub(super) fn bounds(&self) -> (i64, i64) {
        let state = self.state.lock();
        ((state.min / ENTRY) as i64, (state.end / ENTRY) as i64)
    }

    /// Whether [`Queue::put`] would take the entry as the next one.
    pub(super) fn takes(&self, queue_offset: i64, entry: &QueueEntry) -> bool {
        let state = self.state.lock();
        let at = u64::try_from(queue_offset).map_or(u64::MAX, |at| at.saturating_mul(ENTRY));
        let is_empty = state.files_end == state.first && state.pending.is_empty() && !state.damaged;
        let is_next = at == state.put_end() || (is_empty && at > state.put_end());
        is_next && entry.physical_end().unwrap_or(0) > state.physical_end && !state.forgotten
    }

    /// Takes an entry for the next round; true if the queue was not yet part of it. While
    /// `recovering`, an entry that lies further ahead waits for those before it.
    pub(super) fn put(&self, queue_offset: i64, entry: QueueEntry, recovering: bool) -> bool {
        let mut state = self.state.lock();
        let end_of_record = entry.physical_end().unwrap_or(0);
        if end_of_record <= state.physical_end {
            return false;
        }
        let Ok(offset) = u64::try_from(queue_offset) else { return false };
        let at = offset.saturating_mul(ENTRY);
        let current = state.put_end();
        let first_of_round = current == state.end;
        if at < current {
            tracing::warn!(target: "RocketmqStore", "Build  consume queue repeatedly, expectLogicOffset: {at} currentLogicOffset: {current} Topic: {} QID: {}", self.topic, self.queue_id);
            return false;
        }
        if at > current {
            if state.files_end == state.first && state.pending.is_empty() && !state.damaged {
                self.start_at(&mut state, at);
            } else if recovering {
                state.waiting.insert(at, entry);
                if state.waiting.len() > WAITING_MAX {
                    self.settle_state(&mut state);
                }
                return first_of_round && state.put_end() > state.end;
            } else {
                tracing::error!(target: "RocketmqStoreError", "[BUG]logic queue order maybe wrong, expectLogicOffset: {at} currentLogicOffset: {current} Topic: {} QID: {} Diff: {}", self.topic, self.queue_id, at - current);
            }
        }
        entry.encode(&mut state.pending);
        state.physical_end = end_of_record;
        state.take_waiting();
        first_of_round
    }

    /// Where the log must be read again for entries that are missing: behind the record of the
    /// last entry that is there. `None` when nothing is known to be missing.
    pub(super) fn missing_from(&self) -> Option<i64> {
        let state = self.state.lock();
        (state.damaged || !state.waiting.is_empty()).then_some(state.physical_end)
    }

    /// Ends the recovery: what is still missing is lost, and its places are filled. True if the
    /// queue got entries while it was not part of the round.
    pub(super) fn settle(&self) -> bool {
        let mut state = self.state.lock();
        let first_of_round = state.put_end() == state.end;
        state.damaged = false;
        self.settle_state(&mut state);
        first_of_round && state.put_end() > state.end
    }

    fn settle_state(&self, state: &mut State) {
        while let Some((at, entry)) = state.waiting.pop_first() {
            let current = state.put_end();
            let missing = at.saturating_sub(current) / ENTRY;
            let (topic, queue_id) = (&self.topic, self.queue_id);
            if at < current || entry.physical_offset < state.physical_end {
                tracing::error!(target: "RocketmqStoreError", "the record at {} says it is message {} of topic {topic} queue {queue_id}, whose place is taken; it gets no queue entry", entry.physical_offset, at / ENTRY);
                continue;
            }
            if state.files_end == state.first && state.pending.is_empty() {
                self.start_at(state, at);
            } else if missing > FILLED_MAX {
                tracing::error!(target: "RocketmqStoreError", "the record at {} says it is message {} of topic {topic} queue {queue_id}, which has {}; it gets no queue entry", entry.physical_offset, at / ENTRY, current / ENTRY);
                continue;
            } else {
                tracing::error!(target: "RocketmqStoreError", "topic {topic} queue {queue_id}: {missing} messages from {} on are not in the commit log; their places stay empty", current / ENTRY);
                (0..missing).for_each(|_| FILLER.encode(&mut state.pending));
            }
            entry.encode(&mut state.pending);
            state.physical_end = entry.physical_end().unwrap_or(0);
            state.take_waiting();
        }
    }

    /// Lets an empty queue start in the middle: fillers stand before the first entry.
    fn start_at(&self, state: &mut State, at: u64) {
        let start = at - at % self.file_size;
        (state.first, state.files_end, state.min) = (start, start, at);
        (state.end, state.written) = (start, start);
        for _ in 0..(at - start) / ENTRY {
            FILLER.encode(&mut state.pending);
        }
    }

    /// Shows what was put to readers; it is written later, by [`Queue::write_shown`].
    pub(super) fn show(&self) -> Shown {
        let mut state = self.state.lock();
        state.used = true;
        let was_clean = state.dirty_from.is_none() && state.written == state.end;
        state.end = state.put_end();
        Shown {
            newly_dirty: was_clean && !state.forgotten,
            is_much: state.pending.len() >= PENDING_BYTES,
        }
    }

    /// Writes the entries that readers see, rolling to new files as needed.
    pub(super) fn write_shown(
        &self,
        disk: &Disk,
        folder: impl Fn() -> PathBuf,
    ) -> Result<(), StoreError> {
        self.write_state(&mut self.state.lock(), disk, folder)
    }

    fn write_state(
        &self,
        state: &mut State,
        disk: &Disk,
        folder: impl Fn() -> PathBuf,
    ) -> Result<(), StoreError> {
        let mut done = 0;
        let outcome = loop {
            let left = state.end - state.written;
            if left == 0 || state.forgotten {
                break Ok(());
            }
            let start = state.written - state.written % self.file_size;
            let in_file = state.written - start;
            let len = left.min(self.file_size - in_file) as usize;
            let range = (start, in_file, len as u64);
            if let Err(error) = self.prepare(disk, state, range, &folder) {
                break Err(error);
            }
            let Some((_, file)) = &state.writer else { break Ok(()) };
            let path = || files::path(&folder(), start);
            let part = &state.pending[done..done + len];
            if let Err(error) = disk.write_all_at(file, path, part, in_file) {
                break Err(error);
            }
            state.dirty_from.get_or_insert(state.written);
            state.written += len as u64;
            done += len;
        };
        state.pending.drain(..done);
        if state.pending.is_empty() && state.pending.capacity() > PENDING_BYTES {
            // What one large round needed is not kept by a queue that may fall idle.
            state.pending = Vec::new();
        }
        outcome
    }

    /// Opens or creates the file to be written and makes sure that the blocks exist.
    fn prepare(
        &self,
        disk: &Disk,
        state: &mut State,
        (start, in_file, len): (u64, u64, u64),
        folder: impl Fn() -> PathBuf,
    ) -> Result<(), StoreError> {
        if state.writer.as_ref().is_none_or(|(open, _)| *open != start) {
            let folder = folder();
            state.close_writer();
            let file = if start == state.files_end {
                state.new_name = true;
                files::create(disk, &folder, start, self.file_size)?
            } else {
                files::open(&folder, start)?
            };
            state.files_end = state.files_end.max(start + self.file_size);
            state.writer = Some((start, file));
            state.allocated_end = in_file;
        }
        let to = in_file + len;
        if to > state.allocated_end
            && let Some((_, file)) = &state.writer
        {
            let path = || files::path(&folder(), start);
            let range = (state.allocated_end, to);
            state.allocated_end = files::allocate(disk, file, path, range, self.file_size)?;
        }
        Ok(())
    }

    pub(super) fn read(
        &self,
        folder: impl Fn() -> PathBuf,
        from: i64,
        max_entries: usize,
        out: &mut Vec<QueueEntry>,
    ) -> Result<(), StoreError> {
        let mut state = self.state.lock();
        let Ok(from) = u64::try_from(from) else { return Ok(()) };
        let mut at = from.saturating_mul(ENTRY).max(state.min);
        let wanted = (max_entries as u64).saturating_mul(ENTRY);
        let end = state.end.min(at.saturating_add(wanted));
        while at < end {
            if at >= state.written {
                let range = (at - state.written) as usize..(end - state.written) as usize;
                let part = state.pending.get(range).unwrap_or_default();
                out.extend(part.chunks_exact(ENTRY_BYTES).filter_map(QueueEntry::decode));
                return Ok(());
            }
            let (start, in_file) = (at - at % self.file_size, at % self.file_size);
            let len = (end.min(state.written) - at).min(self.file_size - in_file) as usize;
            let file = self.reader(&mut state, start, &folder)?;
            let mut buffer = [0; FIRST_CHUNK_BYTES];
            let part = &mut buffer[..len.min(FIRST_CHUNK_BYTES)];
            let read = files::read_at(&file, part, in_file)
                .map_err(|source| StoreError::io("read", &files::path(&folder(), start), source))?;
            let whole = read - read % ENTRY_BYTES;
            if whole == 0 {
                return Ok(());
            }
            out.extend(part[..whole].chunks_exact(ENTRY_BYTES).filter_map(QueueEntry::decode));
            at += whole as u64;
        }
        Ok(())
    }

    fn reader(
        &self,
        state: &mut State,
        start: u64,
        folder: impl Fn() -> PathBuf,
    ) -> Result<Arc<File>, StoreError> {
        state.used = true;
        if let Some((open, file)) = &state.reader
            && *open == start
        {
            return Ok(Arc::clone(file));
        }
        let file = Arc::new(files::open(&folder(), start)?);
        state.reader = Some((start, Arc::clone(&file)));
        Ok(file)
    }

    /// One entry; `None` outside the queue's bounds.
    fn entry(&self, folder: &Path, at: u64) -> Result<Option<QueueEntry>, StoreError> {
        let mut entries = Vec::with_capacity(1);
        self.read(|| folder.to_path_buf(), (at / ENTRY) as i64, 1, &mut entries)?;
        Ok(entries.pop())
    }

    /// Finds the end of the valid entries: those whose records follow each other and lie before
    /// the end of `log`. What lies behind is cleared; if it was not zeros, the queue is damaged
    /// and has to be built again from there. Returns the end of the last entry's record.
    pub(super) fn recover(
        &self,
        disk: &Disk,
        folder: &Path,
        log: &Range<i64>,
    ) -> Result<i64, StoreError> {
        let mut state = self.state.lock();
        if state.files_end == state.first {
            return Ok(0);
        }
        let walked = self.file_size * RECOVERED_FILES;
        let mut at = state.files_end.saturating_sub(walked).max(state.first);
        let (mut before, mut last) = (0, 0);
        'files: while at < state.files_end {
            let start = at;
            let file = self.reader(&mut state, start, || folder.to_path_buf())?;
            let mut chunk = vec![0; FIRST_CHUNK_BYTES];
            while at < start + self.file_size {
                let room = (start + self.file_size - at) as usize;
                let part = chunk.len().min(room);
                let read = files::read_at(&file, &mut chunk[..part], at - start)
                    .map_err(|e| StoreError::io("read", &files::path(folder, start), e))?;
                for bytes in chunk[..read].chunks_exact(ENTRY_BYTES) {
                    let entry = QueueEntry::decode(bytes).filter(QueueEntry::is_valid);
                    let Some(entry) = entry else { break 'files };
                    if let Some(end) = entry.physical_end() {
                        if end > log.end {
                            break 'files;
                        }
                        if entry.physical_offset < last {
                            // One of the two is wrong, nobody knows which.
                            (at, last) = (at - ENTRY, before);
                            break 'files;
                        }
                        (before, last) = (last, end);
                    }
                    at += ENTRY;
                }
                if read < part {
                    break 'files;
                }
                chunk.resize(CHUNK_BYTES, 0);
            }
        }
        (state.end, state.written) = (at, at);
        state.physical_end = last;
        state.min = state.min.min(state.end);
        if self.has_data_behind(&mut state, folder)? {
            tracing::error!(target: "RocketmqStoreError", "consume queue of topic {} queue {} is damaged from message {} on; it is built again from the commit log", self.topic, self.queue_id, at / ENTRY);
            state.damaged = true;
            self.clear(disk, folder, at, at - at % self.file_size + self.file_size)?;
        }
        self.delete_files_behind(&mut state, folder)?;
        if state.damaged && last <= log.start {
            // Nothing kept can be read: the first record that is found says where to begin.
            while state.first < state.files_end {
                delete(folder, state.first)?;
                state.first += self.file_size;
            }
            let start = at - at % self.file_size;
            (state.first, state.files_end, state.min) = (start, start, start);
            (state.end, state.written) = (start, start);
            (state.reader, state.physical_end) = (None, 0);
        }
        Ok(state.physical_end)
    }

    /// Whether anything but zeros lies behind the end.
    fn has_data_behind(&self, state: &mut State, folder: &Path) -> Result<bool, StoreError> {
        let mut at = state.end;
        let mut piece = Vec::new();
        // Of most files only the rest of the last page has any blocks.
        let mut len = (PAGE_BYTES - at % PAGE_BYTES) as usize;
        while at < state.files_end {
            let start = at - at % self.file_size;
            let failed = |source| StoreError::io("read", &files::path(folder, start), source);
            let file = self.reader(state, start, || folder.to_path_buf())?;
            let Some(data) = next_data(&file, at - start).map_err(failed)? else {
                at = start + self.file_size;
                continue;
            };
            piece.resize(len, 0);
            let data = data.max(at - start);
            let read = files::read_at(&file, &mut piece, data).map_err(failed)?;
            if piece.iter().take(read).fold(0, |all, byte| all | byte) != 0 {
                return Ok(true);
            }
            len = BEHIND_BYTES;
            at = start + (data + read as u64).min(self.file_size);
            if read == 0 {
                at = start + self.file_size;
            }
        }
        Ok(false)
    }

    /// Deletes files that lie wholly behind the end.
    fn delete_files_behind(&self, state: &mut State, folder: &Path) -> Result<(), StoreError> {
        while state.files_end > state.first && state.files_end - self.file_size >= state.end {
            let last = state.files_end - self.file_size;
            // A queue that became empty keeps its first file, and with it its position.
            if last == state.first {
                break;
            }
            delete(folder, last)?;
            state.files_end = last;
            state.writer.take_if(|(start, _)| *start == last);
            state.reader.take_if(|(start, _)| *start == last);
        }
        Ok(())
    }

    /// Drops entries whose records do not end at or before `physical_end`. Their bytes are
    /// cleared, so that no later recovery takes them for entries.
    pub(super) fn truncate(
        &self,
        disk: &Disk,
        folder: &Path,
        physical_end: i64,
    ) -> Result<(), StoreError> {
        let (mut end, min) = {
            let mut state = self.state.lock();
            // Whatever waits lies behind the end too.
            state.waiting.retain(|_, entry| entry.physical_offset < physical_end);
            if state.physical_end <= physical_end {
                return Ok(());
            }
            self.write_state(&mut state, disk, || folder.to_path_buf())?;
            (state.end, state.min)
        };
        let old_end = end;
        let mut kept = 0;
        while end > min {
            let entry = self.entry(folder, end - ENTRY)?.unwrap_or_default();
            match entry.physical_end() {
                Some(ends) if ends > physical_end => end -= ENTRY,
                other => {
                    kept = other.unwrap_or(0);
                    break;
                }
            }
        }
        let mut state = self.state.lock();
        self.clear(disk, folder, end, old_end)?;
        (state.end, state.written, state.physical_end) = (end, end, kept);
        state.dirty_from = None;
        // An entry that points behind the log may be a damaged one of a message that is there.
        state.damaged = true;
        self.delete_files_behind(&mut state, folder)
    }

    fn clear(&self, disk: &Disk, folder: &Path, from: u64, to: u64) -> Result<(), StoreError> {
        let mut at = from;
        while at < to {
            let start = at - at % self.file_size;
            let end = to.min(start + self.file_size);
            let file = files::open(folder, start)?;
            let path = || files::path(folder, start);
            disk.run(DiskOperation::Write, "clear", path, || {
                write_zeros(&file, at - start, end - start)
            })?;
            disk.sync_data(&file, path)?;
            at = end;
        }
        Ok(())
    }

    /// Moves the first offset to the first entry whose record is at or behind `commit_log_min`.
    pub(super) fn correct_min(
        &self,
        folder: impl Fn() -> PathBuf,
        commit_log_min: i64,
    ) -> Result<(), StoreError> {
        let (low, end) = {
            let state = self.state.lock();
            if commit_log_min <= 0 && state.min == state.first && state.first == 0 {
                return Ok(());
            }
            (state.min, state.end)
        };
        let folder = folder();
        // One file after the other: most often the first one tells, and a process that died
        // between deleting segments and deleting files leaves several whose records are gone.
        let file_end = |at: u64| end.min(at - at % self.file_size + self.file_size);
        let (mut min, mut high) = (low, low);
        while min == high && high < end {
            high = file_end(high);
            min = self.first_kept(&folder, min, high, commit_log_min)?;
        }
        let mut state = self.state.lock();
        state.min = state.min.max(min);
        Ok(())
    }

    /// The first entry of `low..high` whose record is at or behind `commit_log_min`; `high` if
    /// there is none.
    fn first_kept(
        &self,
        folder: &Path,
        low: u64,
        high: u64,
        commit_log_min: i64,
    ) -> Result<u64, StoreError> {
        let mut min = self.partition(low, high, |at| {
            // A filler tells nothing; the entry behind it does.
            for at in (at..high).step_by(ENTRY_BYTES) {
                let entry = self.entry(folder, at)?;
                if entry != Some(FILLER) {
                    return Ok(entry.is_some_and(|entry| entry.physical_offset < commit_log_min));
                }
            }
            Ok(true)
        })?;
        while min < high && self.entry(folder, min)? == Some(FILLER) {
            min += ENTRY;
        }
        Ok(min)
    }

    /// First position in `low..high` (multiples of an entry) for which the test fails; it holds
    /// for all before and for none behind.
    fn partition(
        &self,
        mut low: u64,
        mut high: u64,
        test: impl Fn(u64) -> Result<bool, StoreError>,
    ) -> Result<u64, StoreError> {
        while low < high {
            let middle = low + (high - low) / ENTRY / 2 * ENTRY;
            if test(middle)? {
                low = middle + ENTRY;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    /// Deletes files whose last entry's record is gone, never the last file.
    pub(super) fn delete_before(
        &self,
        folder: &Path,
        commit_log_min: i64,
    ) -> Result<usize, StoreError> {
        let mut deleted = 0;
        loop {
            let (first, files_end) = {
                let state = self.state.lock();
                (state.first, state.files_end)
            };
            if first + self.file_size >= files_end {
                return Ok(deleted);
            }
            // Two entries must agree, so that a damaged one does not cost the others.
            let mut bytes = [0; 2 * ENTRY_BYTES];
            let at = self.file_size.saturating_sub(2 * ENTRY);
            let read = files::open(folder, first).and_then(|file| {
                files::read_at(&file, &mut bytes, at)
                    .map_err(|source| StoreError::io("read", &files::path(folder, first), source))
            });
            let read = read?;
            let mut last = bytes[..read].chunks_exact(ENTRY_BYTES).filter_map(QueueEntry::decode);
            if last.any(|entry| entry.physical_offset >= commit_log_min) {
                return Ok(deleted);
            }
            let mut state = self.state.lock();
            state.first += self.file_size;
            state.min = state.min.max(state.first);
            state.reader.take_if(|(start, _)| *start == first);
            drop(state);
            delete(folder, first)?;
            deleted += 1;
        }
    }

    pub(super) fn offset_by_time(
        &self,
        folder: &Path,
        timestamp_ms: i64,
        time_of: impl Fn(&QueueEntry) -> Option<i64>,
    ) -> Result<i64, StoreError> {
        let (min, end, written, first) = {
            let state = self.state.lock();
            (state.min, state.end, state.written, state.first)
        };
        if min >= end {
            return Ok(0);
        }
        let mut start = first;
        let has_next = |start: u64| start + self.file_size < end;
        // The time of a file says nothing of entries that are not in it yet.
        while has_next(start)
            && start + self.file_size <= written
            && modified_ms(&files::path(folder, start))
                .is_some_and(|ms| ms + FILE_TIME_LAG_MS < timestamp_ms)
        {
            start += self.file_size;
        }
        let time_at = |at: u64| -> Result<Option<i64>, StoreError> {
            Ok(self.entry(folder, at)?.and_then(|entry| time_of(&entry)))
        };
        // Within the lag the next file may be the right one after all.
        while has_next(start)
            && time_at(start + self.file_size)?.is_some_and(|time| time <= timestamp_ms)
        {
            start += self.file_size;
        }
        let (low, high) = (start.max(min), end.min(start + self.file_size));
        if low >= high {
            return Ok((low / ENTRY) as i64);
        }
        let earlier = |at| Ok(time_at(at)?.is_some_and(|time| time < timestamp_ms));
        let right = self.partition(low, high, earlier)?;
        let chosen = if right == low {
            right
        } else if right == high {
            right - ENTRY
        } else {
            let left = right - ENTRY;
            let before = timestamp_ms - time_at(left)?.unwrap_or(timestamp_ms);
            let after = time_at(right)?.map_or(i64::MAX, |time| time - timestamp_ms);
            if after == 0 || after < before { right } else { left }
        };
        Ok((chosen / ENTRY) as i64)
    }

    /// Brings what readers see to the medium; true if a name is new and must be synced too.
    pub(super) fn sync(
        &self,
        disk: &Disk,
        folder: impl Fn() -> PathBuf,
    ) -> Result<bool, StoreError> {
        let (written, unsynced) = {
            let mut state = self.state.lock();
            self.write_state(&mut state, disk, &folder)?;
            if state.dirty_from.is_none() {
                return Ok(false);
            }
            let written = match &state.writer {
                Some((start, file)) => {
                    let path = || files::path(&folder(), *start);
                    let file = file.try_clone();
                    Some((*start, file.map_err(|e| StoreError::io("open", &path(), e))?))
                }
                None => None,
            };
            (written, state.take_unsynced())
        };
        let sync = |start: u64, file: &File| disk.sync_data(file, || files::path(&folder(), start));
        let of_closed = |start: &u64| match files::open(&folder(), *start) {
            Ok(file) => sync(*start, &file),
            // Its records were too old: it was deleted.
            Err(_) if !files::path(&folder(), *start).exists() => Ok(()),
            Err(error) => Err(error),
        };
        let outcome = unsynced.closed.iter().try_for_each(of_closed);
        let outcome = outcome.and_then(|()| written.map_or(Ok(()), |(at, file)| sync(at, &file)));
        let new_name = unsynced.new_name;
        if let Err(error) = outcome {
            self.give_back(unsynced);
            return Err(error);
        }
        Ok(new_name)
    }

    /// Writes what readers see, and hands what is not on the medium to somebody who brings it
    /// there: the queue counts as synced.
    pub(super) fn write_unsynced(
        &self,
        disk: &Disk,
        folder: impl Fn() -> PathBuf,
    ) -> Result<Unsynced, StoreError> {
        let mut state = self.state.lock();
        self.write_state(&mut state, disk, folder)?;
        Ok(state.take_unsynced())
    }

    /// It did not get there.
    pub(super) fn give_back(&self, unsynced: Unsynced) {
        let mut state = self.state.lock();
        state.dirty_from = unsynced.from.or(state.dirty_from);
        state.closed_unsynced.extend(unsynced.closed);
        state.new_name |= unsynced.new_name;
    }

    /// Whether files were opened since this was asked last and not yet closed.
    pub(super) fn note_open(&self) -> bool {
        let mut state = self.state.lock();
        let open = state.writer.is_some() || state.reader.is_some();
        open && !std::mem::replace(&mut state.listed_open, true)
    }

    /// Closes the files if the queue was not used since the last call.
    pub(super) fn close_if_idle(&self) -> bool {
        let busy = std::mem::take(&mut self.state.lock().used);
        if !busy {
            self.close();
        }
        !busy
    }

    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        state.close_writer();
        (state.reader, state.used, state.listed_open) = (None, false, false);
        if state.pending.is_empty() {
            state.pending = Vec::new();
        }
    }

    /// The topic is deleted: what is still pending must not create files again.
    pub(super) fn forget(&self) {
        let mut state = self.state.lock();
        *state = State { forgotten: true, ..State::default() };
    }
}

fn delete(folder: &Path, start: u64) -> Result<(), StoreError> {
    let path = files::path(folder, start);
    std::fs::remove_file(&path).map_err(|source| StoreError::io("delete", &path, source))
}
