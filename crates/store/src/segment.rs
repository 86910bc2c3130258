//! One file of the commit log: fixed size, named by its start offset, written by `pwrite` and read
//! through a map (contract `store.md` 2).

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use bytes::Bytes;
use parking_lot::Mutex;

use crate::error::StoreError;
use crate::io::{self, Disk};
use crate::mapping;

/// Bytes of zeros written at once while warming; how long a first writer may have to wait.
const WARM_STEP_BYTES: u64 = 1 << 20;

/// A file of the commit log.
#[derive(Debug)]
pub(crate) struct Segment {
    start: i64,
    size: u64,
    path: PathBuf,
    file: File,
    map: OnceLock<Bytes>,
    /// How far zeros were written ahead of use; `None` once records are written here.
    warmed_to: Mutex<Option<u64>>,
}

/// The name of the segment that starts at `offset`.
pub(crate) fn name_of(offset: i64) -> String {
    format!("{offset:020}")
}

impl Segment {
    /// Creates the file in `directory`, allocated.
    pub(crate) fn create(
        disk: &Disk,
        directory: &Path,
        start: i64,
        size: u64,
    ) -> Result<Segment, StoreError> {
        disk.create_directory(directory)?;
        let path = directory.join(name_of(start));
        let file = disk.create_allocated(&path, size)?;
        if let Err(error) = disk.sync_directory(directory) {
            // The next try makes it anew, and its name with it.
            let _ = std::fs::remove_file(&path);
            return Err(error);
        }
        Ok(Segment::new(start, size, path, file, Some(0)))
    }

    /// Opens a file that is there. The caller has checked name and length.
    pub(crate) fn open(path: PathBuf, start: i64, size: u64) -> Result<Segment, StoreError> {
        let opened = OpenOptions::new().read(true).write(true).open(&path);
        let file = opened.map_err(|source| StoreError::io("open", &path, source))?;
        Ok(Segment::new(start, size, path, file, None))
    }

    /// Opens a file to be read only, whatever its length.
    pub(crate) fn open_to_read(
        path: PathBuf,
        start: i64,
        size: u64,
    ) -> Result<Segment, StoreError> {
        let file = File::open(&path).map_err(|source| StoreError::io("open", &path, source))?;
        Ok(Segment::new(start, size, path, file, None))
    }

    fn new(start: i64, size: u64, path: PathBuf, file: File, warmed_to: Option<u64>) -> Segment {
        let warmed_to = Mutex::new(warmed_to);
        Segment { start, size, path, file, map: OnceLock::new(), warmed_to }
    }

    /// Commit log offset of the first byte.
    pub(crate) fn start(&self) -> i64 {
        self.start
    }

    /// Commit log offset behind the last byte.
    pub(crate) fn end(&self) -> i64 {
        self.start.saturating_add_unsigned(self.size)
    }

    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The file's descriptor.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// The whole file, mapped. Only what is published may be looked at.
    pub(crate) fn bytes(&self) -> Result<&Bytes, StoreError> {
        if let Some(bytes) = self.map.get() {
            return Ok(bytes);
        }
        let mapped = mapping::map(&self.file);
        let bytes = mapped.map_err(|source| StoreError::io("map", &self.path, source))?;
        Ok(self.map.get_or_init(|| bytes))
    }

    /// `len` bytes from a commit log offset; `None` if they are not all of this segment.
    pub(crate) fn slice(&self, offset: i64, len: usize) -> Option<Bytes> {
        let from = usize::try_from(offset.checked_sub(self.start)?).ok()?;
        let to = from.checked_add(len)?;
        let bytes = match self.bytes() {
            Ok(bytes) => bytes,
            Err(error) => {
                tracing::error!(target: "RocketmqStoreError", "{error}");
                return None;
            }
        };
        (to <= bytes.len()).then(|| bytes.slice(from..to))
    }

    /// Writes records at a commit log offset.
    pub(crate) fn write(&self, disk: &Disk, offset: i64, bytes: &[u8]) -> Result<(), StoreError> {
        let at = u64::try_from(offset - self.start).unwrap_or(u64::MAX);
        if at.checked_add(bytes.len() as u64).is_none_or(|end| end > self.size) {
            return Err(StoreError::corrupt(&self.path, at, "write across the segment's end"));
        }
        disk.write_all_at(&self.file, || self.path.clone(), bytes, at)
    }

    /// Makes what was written durable.
    pub(crate) fn sync(&self, disk: &Disk) -> Result<(), StoreError> {
        disk.sync_data(&self.file, || self.path.clone())
    }

    /// Ends the warming: from now on records are written here.
    pub(crate) fn begin_use(&self) {
        *self.warmed_to.lock() = None;
    }

    /// Writes some more zeros ahead, so that neither page cache nor extents must be made while
    /// records are written. Returns how far it is, `None` when there is nothing more to do.
    pub(crate) fn warm_step(&self) -> Result<Option<u64>, StoreError> {
        let mut warmed_to = self.warmed_to.lock();
        let Some(from) = *warmed_to else { return Ok(None) };
        if from >= self.size {
            return Ok(None);
        }
        let to = (from + WARM_STEP_BYTES).min(self.size);
        io::write_zeros(&self.file, from, to)
            .map_err(|source| StoreError::io("write", &self.path, source))?;
        *warmed_to = Some(to);
        Ok(Some(to))
    }

    /// Removes the file. Readers that hold slices keep them.
    pub(crate) fn delete(&self) -> Result<(), StoreError> {
        std::fs::remove_file(&self.path)
            .map_err(|source| StoreError::io("delete", &self.path, source))
    }
}
