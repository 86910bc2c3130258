//! The key index: files of hash slots and chained entries (contract `store.md` 6).
//!
//! The newest file is written; the others are only read. One dispatcher writes, anybody queries.

mod file;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use rocketmq_common::{clock, java};

use crate::consume_queue::names;
use crate::error::StoreError;
use crate::io::Disk;
use file::IndexFile;
pub use file::IndexShape;

/// What a query found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IndexFound {
    /// Places in the commit log of records whose key hash matches; the keys were not compared.
    pub physical_offsets: Vec<i64>,
    /// Store time of the newest message in the index.
    pub last_update_timestamp: i64,
    /// Its place in the commit log.
    pub last_update_physical_offset: i64,
}

/// All index files of a store.
pub struct Index {
    folder: PathBuf,
    shape: IndexShape,
    disk: Disk,
    /// Oldest first.
    files: RwLock<Vec<Arc<IndexFile>>>,
    /// End time of the newest file that was filled and not reported yet.
    rolled: Mutex<Option<i64>>,
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Index({}, {} files)", self.folder.display(), self.files.read().len())
    }
}

impl Index {
    /// Opens the files of a folder. After an abnormal end, files that were written to after the
    /// checkpoint's index time are deleted: their chains may be torn.
    ///
    /// # Errors
    /// A file cannot be read, or the folder cannot be created.
    pub fn load(
        folder: &Path,
        shape: IndexShape,
        abnormal: bool,
        checkpoint_index_ms: i64,
        disk: &Disk,
    ) -> Result<Index, StoreError> {
        disk.create_directory(folder)?;
        let mut names = names(folder)?;
        names.sort();
        let mut files = Vec::new();
        for name in names {
            let path = folder.join(&name);
            let len = std::fs::metadata(&path).map_err(|e| StoreError::io("stat", &path, e))?.len();
            if len != shape.file_bytes() {
                tracing::warn!(target: "RocketmqStore", "{}\t{len} length not matched message store config value, ignore it", path.display());
                continue;
            }
            let file = IndexFile::open(&path, shape, disk)?;
            if abnormal && file.end_timestamp() > checkpoint_index_ms {
                drop(file);
                std::fs::remove_file(&path).map_err(|e| StoreError::io("delete", &path, e))?;
                tracing::info!(target: "RocketmqStore", "{} was written after the checkpoint, it is deleted", path.display());
                continue;
            }
            tracing::info!(target: "RocketmqStore", "load index file OK, {}", path.display());
            files.push(Arc::new(file));
        }
        Ok(Index {
            folder: folder.to_path_buf(),
            shape,
            disk: disk.clone(),
            files: RwLock::new(files),
            rolled: Mutex::default(),
        })
    }

    /// Indexes a message by its unique key and by each of its keys, which blanks separate.
    /// A message that lies before the end of what is indexed is passed over.
    ///
    /// # Errors
    /// A new file cannot be created or grown.
    pub fn put(
        &self,
        topic: &str,
        keys: &str,
        unique_key: Option<&str>,
        physical_offset: i64,
        store_timestamp: i64,
    ) -> Result<(), StoreError> {
        let newest = self.files.read().last().cloned();
        if newest.is_some_and(|file| physical_offset < file.end_physical_offset()) {
            return Ok(());
        }
        let keys = keys.split(' ').filter(|key| !key.is_empty());
        for key in unique_key.into_iter().chain(keys) {
            let hash = key_hash(topic, key);
            self.writable_file()?.put(hash, physical_offset, store_timestamp)?;
        }
        Ok(())
    }

    /// The newest file, or a new one when it is full.
    fn writable_file(&self) -> Result<Arc<IndexFile>, StoreError> {
        let newest = self.files.read().last().cloned();
        let previous = match newest {
            Some(file) if !file.is_full() => return Ok(file),
            other => other,
        };
        let path = self.free_path();
        let file =
            Arc::new(IndexFile::create((&path, &self.disk), self.shape, previous.as_deref())?);
        if let Some(previous) = previous {
            *self.rolled.lock() = Some(previous.end_timestamp());
        }
        self.files.write().push(Arc::clone(&file));
        Ok(file)
    }

    /// A path named by the current time, and behind the newest file's name: files are sorted by
    /// it. When the clock was set back, or two files are made in a millisecond, it is the newest's
    /// name and one more.
    fn free_path(&self) -> PathBuf {
        let now = clock::format_compact_millis(clock::now_ms());
        let newest = self
            .files
            .read()
            .last()
            .and_then(|file| file.path().file_name()?.to_str()?.parse::<u64>().ok());
        let mut name = now.parse::<u64>().unwrap_or(0).max(newest.map_or(0, |newest| newest + 1));
        loop {
            let path = self.folder.join(format!("{name:017}"));
            if !path.exists() {
                return path;
            }
            name += 1;
        }
    }

    /// Up to `max` records of that key stored between the times (ms, inclusive), newest first.
    pub fn query(
        &self,
        topic: &str,
        key: &str,
        max: usize,
        begin_ms: i64,
        end_ms: i64,
    ) -> Result<IndexFound, StoreError> {
        let files = self.files.read().clone();
        let mut found = IndexFound::default();
        if let Some(newest) = files.last() {
            found.last_update_timestamp = newest.end_timestamp();
            found.last_update_physical_offset = newest.end_physical_offset();
        }
        let hash = key_hash(topic, key);
        for file in files.iter().rev() {
            if file.begin_timestamp() <= end_ms && file.end_timestamp() >= begin_ms {
                file.find(hash, max, begin_ms, end_ms, &mut found.physical_offsets);
            }
            if file.begin_timestamp() < begin_ms || found.physical_offsets.len() >= max {
                break;
            }
        }
        Ok(found)
    }

    /// Deletes files all of whose records are gone, never the newest; returns how many.
    pub fn delete_before(&self, commit_log_min: i64) -> Result<usize, StoreError> {
        let mut deleted = 0;
        loop {
            let oldest = {
                let mut files = self.files.write();
                let gone = files.len() > 1
                    && files.first().is_some_and(|f| f.end_physical_offset() < commit_log_min);
                if !gone {
                    return Ok(deleted);
                }
                files.remove(0)
            };
            let path = oldest.path();
            std::fs::remove_file(path).map_err(|e| StoreError::io("delete", path, e))?;
            deleted += 1;
        }
    }

    /// Brings every file to the medium.
    pub fn flush(&self) -> Result<(), StoreError> {
        let files = self.files.read().clone();
        files.iter().try_for_each(|file| file.flush())?;
        self.disk.sync_directory(&self.folder)
    }

    /// End time of the newest file that was filled since the last call; the caller flushes and
    /// then notes it in the checkpoint.
    pub fn take_rolled(&self) -> Option<i64> {
        self.rolled.lock().take()
    }
}

/// Hash of `topic#key`, never negative.
pub(crate) fn key_hash(topic: &str, key: &str) -> i32 {
    let mut text = String::with_capacity(topic.len() + 1 + key.len());
    text.push_str(topic);
    text.push('#');
    text.push_str(key);
    java::abs_or_zero(java::string_hash(&text))
}

#[cfg(test)]
mod tests;
