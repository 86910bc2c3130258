//! One index file: 40 bytes of header, the slots, the entries (contract `store.md` 6).
//!
//! It is used through a map. Its blocks are allocated before they are touched: the slots at the
//! creation, the entries in steps ahead of the writer; so a full disk is an error of the
//! allocation and never a signal.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use parking_lot::RwLock;
use rustix::fs::FallocateFlags;
use rustix::io::Errno;

use crate::error::StoreError;
use crate::io::{Disk, DiskOperation, write_zeros};
use crate::mapping::WritableMap;

const HEADER_BYTES: u64 = 40;
const SLOT_BYTES: u64 = 4;
const ENTRY_BYTES: u64 = 20;
/// How far ahead of the writer entries are allocated.
const AHEAD_BYTES: u64 = 1 << 20;

const BEGIN_TIMESTAMP_AT: usize = 0;
const END_TIMESTAMP_AT: usize = 8;
const BEGIN_OFFSET_AT: usize = 16;
const END_OFFSET_AT: usize = 24;
const SLOT_COUNT_AT: usize = 32;
const ENTRY_COUNT_AT: usize = 36;

/// Sizes of every file of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexShape {
    slots: u32,
    max_entries: u32,
}

impl IndexShape {
    /// Hash slots and entries (`maxHashSlotNum`, `maxIndexNum`).
    pub fn new(slots: u32, max_entries: u32) -> IndexShape {
        IndexShape { slots: slots.max(1), max_entries: max_entries.max(2) }
    }

    /// Length of a file.
    pub fn file_bytes(self) -> u64 {
        self.entries_at() + ENTRY_BYTES * u64::from(self.max_entries)
    }

    fn entries_at(self) -> u64 {
        HEADER_BYTES + SLOT_BYTES * u64::from(self.slots)
    }

    fn slot_at(self, hash: i32) -> usize {
        let slot = hash.unsigned_abs() % self.slots;
        (HEADER_BYTES + SLOT_BYTES * u64::from(slot)) as usize
    }

    pub(crate) fn entry_at(self, number: i32) -> usize {
        (self.entries_at() + ENTRY_BYTES * u64::from(number.unsigned_abs())) as usize
    }
}

pub(super) struct IndexFile {
    path: PathBuf,
    disk: Disk,
    file: File,
    shape: IndexShape,
    content: RwLock<Content>,
}

struct Content {
    map: WritableMap,
    /// Up to where the blocks exist.
    allocated_end: u64,
    dirty: bool,
}

/// One entry.
struct Entry {
    hash: i32,
    physical_offset: i64,
    /// Seconds after the file's begin timestamp.
    seconds: i32,
    previous: i32,
}

impl Content {
    fn i32(&self, at: usize) -> i32 {
        self.map
            .bytes()
            .get(at..at + 4)
            .map_or(0, |bytes| i32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    fn i64(&self, at: usize) -> i64 {
        (i64::from(self.i32(at)) << 32) | i64::from(self.i32(at + 4) as u32)
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        if let Some(place) = self.map.bytes_mut().get_mut(at..at + bytes.len()) {
            place.copy_from_slice(bytes);
        }
    }

    /// Number of the next entry; 0 is never used.
    fn next_entry(&self) -> i32 {
        self.i32(ENTRY_COUNT_AT).max(1)
    }

    fn entry(&self, at: usize) -> Entry {
        Entry {
            hash: self.i32(at),
            physical_offset: self.i64(at + 4),
            seconds: self.i32(at + 12),
            previous: self.i32(at + 16),
        }
    }
}

impl IndexFile {
    /// Opens a file of the right length.
    pub(super) fn open(
        path: &Path,
        shape: IndexShape,
        disk: &Disk,
    ) -> Result<IndexFile, StoreError> {
        let opened = OpenOptions::new().read(true).write(true).open(path);
        let file = opened.map_err(|source| StoreError::io("open", path, source))?;
        IndexFile::over((path, disk), file, shape)
    }

    fn over(
        (path, disk): (&Path, &Disk),
        file: File,
        shape: IndexShape,
    ) -> Result<IndexFile, StoreError> {
        let map = WritableMap::new(&file).map_err(|source| StoreError::io("map", path, source))?;
        // Slots and header are written at any time; entries behind the last one are allocated
        // by `put`, since a file of Java's may be sparse.
        let content = RwLock::new(Content { map, allocated_end: 0, dirty: false });
        Ok(IndexFile { path: path.to_path_buf(), disk: disk.clone(), file, shape, content })
    }

    /// Creates the file behind `previous`, whose end it takes over as its beginning and end.
    pub(super) fn create(
        (path, disk): (&Path, &Disk),
        shape: IndexShape,
        previous: Option<&IndexFile>,
    ) -> Result<IndexFile, StoreError> {
        let own = || path.to_path_buf();
        let file = disk.run(DiskOperation::Allocate, "create", own, || {
            let file = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
            file.set_len(shape.file_bytes())?;
            Ok(file)
        })?;
        let index = IndexFile::over((path, disk), file, shape)?;
        let mut content = index.content.write();
        let allocated = index.allocate(&mut content, shape.entries_at());
        if let Err(error) = allocated {
            drop(content);
            let _ = std::fs::remove_file(path);
            return Err(error);
        }
        if let Some(previous) = previous {
            let (timestamp, offset) = (previous.end_timestamp(), previous.end_physical_offset());
            for (value, places) in [
                (timestamp, [BEGIN_TIMESTAMP_AT, END_TIMESTAMP_AT]),
                (offset, [BEGIN_OFFSET_AT, END_OFFSET_AT]),
            ] {
                if value > 0 {
                    places.iter().for_each(|at| content.put(*at, &value.to_be_bytes()));
                }
            }
        }
        content.put(ENTRY_COUNT_AT, &1i32.to_be_bytes());
        drop(content);
        Ok(index)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn begin_timestamp(&self) -> i64 {
        self.content.read().i64(BEGIN_TIMESTAMP_AT)
    }

    pub(super) fn end_timestamp(&self) -> i64 {
        self.content.read().i64(END_TIMESTAMP_AT)
    }

    pub(super) fn end_physical_offset(&self) -> i64 {
        self.content.read().i64(END_OFFSET_AT)
    }

    pub(super) fn is_full(&self) -> bool {
        self.content.read().next_entry().unsigned_abs() >= self.shape.max_entries
    }

    /// Makes sure that the blocks up to `to` exist, and some beyond.
    fn allocate(&self, content: &mut Content, to: u64) -> Result<(), StoreError> {
        if to <= content.allocated_end {
            return Ok(());
        }
        let from = content.allocated_end;
        let end = (to + AHEAD_BYTES).min(self.shape.file_bytes());
        let path = || self.path.clone();
        self.disk.run(DiskOperation::Allocate, "allocate", path, || {
            loop {
                let len = end - from;
                match rustix::fs::fallocate(&self.file, FallocateFlags::KEEP_SIZE, from, len) {
                    Ok(()) => return Ok(()),
                    Err(Errno::INTR) => {}
                    // The file system cannot reserve blocks: write them, beginning behind the
                    // last entry.
                    Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
                        let used = self.shape.entry_at(content.next_entry()) as u64;
                        let from = from.max(if content.next_entry() > 1 { used } else { 0 });
                        return write_zeros(&self.file, from, end);
                    }
                    Err(error) => return Err(error.into()),
                }
            }
        })?;
        content.allocated_end = end;
        Ok(())
    }

    /// Appends an entry; the file is not full.
    pub(super) fn put(
        &self,
        hash: i32,
        physical_offset: i64,
        store_timestamp: i64,
    ) -> Result<(), StoreError> {
        let mut content = self.content.write();
        let number = content.next_entry();
        let at = self.shape.entry_at(number);
        self.allocate(&mut content, at as u64 + ENTRY_BYTES)?;
        let slot_at = self.shape.slot_at(hash);
        let mut previous = content.i32(slot_at);
        if previous <= 0 || previous >= number {
            previous = 0;
        }
        let begin = content.i64(BEGIN_TIMESTAMP_AT);
        let seconds = match begin {
            ..=0 => 0,
            _ => ((store_timestamp - begin) / 1000).clamp(0, i64::from(i32::MAX)) as i32,
        };
        content.put(at, &hash.to_be_bytes());
        content.put(at + 4, &physical_offset.to_be_bytes());
        content.put(at + 12, &seconds.to_be_bytes());
        content.put(at + 16, &previous.to_be_bytes());
        content.put(slot_at, &number.to_be_bytes());
        if number <= 1 {
            content.put(BEGIN_OFFSET_AT, &physical_offset.to_be_bytes());
            content.put(BEGIN_TIMESTAMP_AT, &store_timestamp.to_be_bytes());
        }
        if previous == 0 {
            let used = content.i32(SLOT_COUNT_AT).wrapping_add(1);
            content.put(SLOT_COUNT_AT, &used.to_be_bytes());
        }
        content.put(ENTRY_COUNT_AT, &(number + 1).to_be_bytes());
        content.put(END_OFFSET_AT, &physical_offset.to_be_bytes());
        content.put(END_TIMESTAMP_AT, &store_timestamp.to_be_bytes());
        content.dirty = true;
        Ok(())
    }

    /// Walks the chain of the hash, newest first, until `max` offsets are there.
    pub(super) fn find(
        &self,
        hash: i32,
        max: usize,
        begin_ms: i64,
        end_ms: i64,
        out: &mut Vec<i64>,
    ) {
        let content = self.content.read();
        let (count, begin) = (content.next_entry(), content.i64(BEGIN_TIMESTAMP_AT));
        let mut number = content.i32(self.shape.slot_at(hash));
        // A damaged chain may form a loop; no chain is longer than the file has entries.
        let mut steps = count;
        while number > 0 && number < count && steps > 0 && out.len() < max {
            let entry = content.entry(self.shape.entry_at(number));
            let time = begin + i64::from(entry.seconds) * 1000;
            // Times are kept in whole seconds, so an entry may be up to one second younger.
            if time + 999 < begin_ms {
                return;
            }
            if entry.hash == hash && entry.seconds >= 0 && time <= end_ms {
                out.push(entry.physical_offset);
            }
            if entry.previous == number {
                return;
            }
            number = entry.previous;
            steps -= 1;
        }
    }

    /// Brings the file to the medium.
    pub(super) fn flush(&self) -> Result<(), StoreError> {
        if !std::mem::take(&mut self.content.write().dirty) {
            return Ok(());
        }
        // Dirty pages of a shared map are the file's own; the sync covers them.
        let synced = self.disk.sync_data(&self.file, || self.path.clone());
        synced.inspect_err(|_| self.content.write().dirty = true)
    }
}
