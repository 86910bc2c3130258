//! The lock file (contract `store.md` 7): an exclusive POSIX record lock, as Java takes it.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use parking_lot::Mutex;
use rustix::fs::FlockOperation;

use crate::error::StoreError;

/// Record locks belong to the process, and closing any descriptor of the file drops them; so the
/// files locked by this process are kept here and looked up before the file is opened.
static LOCKED_HERE: Mutex<Option<HashSet<(u64, u64)>>> = Mutex::new(None);

/// Content of the lock file.
const CONTENT: &[u8] = b"lock";

/// Holds the lock until dropped.
#[derive(Debug)]
pub(crate) struct RecordLock {
    file: File,
    identity: (u64, u64),
}

impl RecordLock {
    /// Locks the file, creating it if need be. Never waits.
    pub(crate) fn acquire(path: &Path) -> Result<RecordLock, StoreError> {
        let locked = || StoreError::Locked { path: path.to_path_buf() };
        let mut held = LOCKED_HERE.lock();
        let held = held.get_or_insert_default();
        if let Ok(metadata) = std::fs::metadata(path)
            && held.contains(&(metadata.dev(), metadata.ino()))
        {
            return Err(locked());
        }
        let failed = |source: io::Error| StoreError::io("open", path, source);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(failed)?;
        // The whole file: it overlaps the one byte that Java locks.
        match rustix::fs::fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::ACCESS) => return Err(locked()),
            Err(error) => return Err(StoreError::io("lock", path, error)),
        }
        rustix::io::pwrite(&file, CONTENT, 0).map_err(|error| failed(error.into()))?;
        let metadata = file.metadata().map_err(failed)?;
        let identity = (metadata.dev(), metadata.ino());
        held.insert(identity);
        Ok(RecordLock { file, identity })
    }
}

impl RecordLock {
    /// Whether nobody holds the lock; the file is not created.
    pub(crate) fn probe(path: &Path) -> Result<bool, StoreError> {
        if !path.exists() {
            return Ok(true);
        }
        match RecordLock::acquire(path) {
            Ok(_) => Ok(true),
            Err(StoreError::Locked { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl Drop for RecordLock {
    fn drop(&mut self) {
        let mut held = LOCKED_HERE.lock();
        let _ = rustix::fs::fcntl_lock(&self.file, FlockOperation::NonBlockingUnlock);
        if let Some(held) = held.as_mut() {
            held.remove(&self.identity);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_holder_is_refused_until_the_first_lets_go() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let first = RecordLock::acquire(&path).unwrap();
        let refused = RecordLock::acquire(&path).unwrap_err().to_string();
        assert!(refused.starts_with("Lock failed,MQ already started"), "{refused}");
        assert_eq!(std::fs::read(&path).unwrap(), b"lock");
        drop(first);
        RecordLock::acquire(&path).unwrap();
    }
}
