//! The checkpoint file: up to which store times the files are on the disk (contract `store.md` 7).

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};

use crate::error::StoreError;
use crate::io::{Disk, DiskOperation};

/// Length of the file.
const FILE_BYTES: u64 = 4096;
/// What is taken off, since the times of different files are not exact.
const SLACK_MS: i64 = 3000;

/// `i64 physicMsgTimestamp | i64 logicsMsgTimestamp | i64 indexMsgTimestamp`, zeros up to 4096.
#[derive(Debug)]
pub(crate) struct Checkpoint {
    path: PathBuf,
    physical: AtomicI64,
    logical: AtomicI64,
    index: AtomicI64,
}

impl Checkpoint {
    /// Reads the file; all zero when it is missing or short.
    pub(crate) fn load(path: &Path) -> Result<Checkpoint, StoreError> {
        let content = match std::fs::read(path) {
            Ok(content) => content,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                tracing::info!(target: "RocketmqStore", "store checkpoint file not exists, {}", path.display());
                Vec::new()
            }
            Err(error) => return Err(StoreError::io("read", path, error)),
        };
        let word = |at: usize| {
            let bytes = content.get(at..).and_then(|rest| rest.first_chunk::<8>());
            AtomicI64::new(bytes.map_or(0, |bytes| i64::from_be_bytes(*bytes)))
        };
        let checkpoint = Checkpoint {
            path: path.to_path_buf(),
            physical: word(0),
            logical: word(8),
            index: word(16),
        };
        if !content.is_empty() {
            tracing::info!(target: "RocketmqStore", "store checkpoint file exists, {}", path.display());
            tracing::info!(target: "RocketmqStore", "store checkpoint file physicMsgTimestamp {}", checkpoint.physical());
            tracing::info!(target: "RocketmqStore", "store checkpoint file logicsMsgTimestamp {}", checkpoint.logical());
            tracing::info!(target: "RocketmqStore", "store checkpoint file indexMsgTimestamp {}", checkpoint.index());
        }
        Ok(checkpoint)
    }

    /// Store time up to which the commit log is on the disk.
    pub(crate) fn physical(&self) -> i64 {
        self.physical.load(Ordering::Acquire)
    }

    /// Store time up to which the consume queues are on the disk.
    pub(crate) fn logical(&self) -> i64 {
        self.logical.load(Ordering::Acquire)
    }

    /// Store time up to which full index files are on the disk.
    pub(crate) fn index(&self) -> i64 {
        self.index.load(Ordering::Acquire)
    }

    /// Moves the commit log's time.
    pub(crate) fn set_physical(&self, ms: i64) {
        self.physical.store(ms, Ordering::Release);
    }

    /// Moves the consume queues' time.
    pub(crate) fn set_logical(&self, ms: i64) {
        self.logical.store(ms, Ordering::Release);
    }

    /// Moves the index's time.
    pub(crate) fn set_index(&self, ms: i64) {
        self.index.store(ms, Ordering::Release);
    }

    /// Every record stored before this is on the disk.
    pub(crate) fn synced_before(&self) -> i64 {
        (self.physical() - SLACK_MS).max(0)
    }

    /// Everything stored before this is on the disk, in commit log and consume queues.
    pub(crate) fn min_timestamp(&self) -> i64 {
        (self.physical().min(self.logical()) - SLACK_MS).max(0)
    }

    /// The same with the index.
    pub(crate) fn min_timestamp_index(&self) -> i64 {
        self.min_timestamp().min(self.index())
    }

    /// Writes the file and waits for the disk.
    pub(crate) fn flush(&self, disk: &Disk) -> Result<(), StoreError> {
        let path = || self.path.clone();
        let file = disk.run(DiskOperation::Allocate, "create", path, || {
            let options = OpenOptions::new().write(true).create(true).truncate(false).clone();
            let file = options.open(&self.path)?;
            if file.metadata()?.len() != FILE_BYTES {
                file.set_len(FILE_BYTES)?;
            }
            Ok(file)
        })?;
        let mut words = [0; 24];
        for (place, word) in
            words.chunks_exact_mut(8).zip([self.physical(), self.logical(), self.index()])
        {
            place.copy_from_slice(&word.to_be_bytes());
        }
        disk.write_all_at(&file, path, &words, 0)?;
        disk.sync_data(&file, path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_and_read_in_javas_layout() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("checkpoint");
        let checkpoint = Checkpoint::load(&path).unwrap();
        assert_eq!(checkpoint.min_timestamp(), 0);
        checkpoint.set_physical(10_000);
        checkpoint.set_logical(20_000);
        checkpoint.set_index(5_000);
        checkpoint.flush(&Disk::default()).unwrap();
        let content = std::fs::read(&path).unwrap();
        assert_eq!(content.len(), 4096);
        assert_eq!(content[..16], [0, 0, 0, 0, 0, 0, 0x27, 0x10, 0, 0, 0, 0, 0, 0, 0x4E, 0x20]);
        let read = Checkpoint::load(&path).unwrap();
        assert_eq!((read.min_timestamp(), read.min_timestamp_index()), (7_000, 5_000));
    }
}
