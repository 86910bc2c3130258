//! The extensions of all consume queues. What cannot be read makes no message unwanted: whoever
//! filters looks at the record then.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

use super::ext::Ext;
use super::files;
use super::unit::QueueUnit;
use crate::error::StoreError;
use crate::io::{Disk, open_files_max};

/// Of the files that the process may open, one of so many may be an extension's.
const OPEN_SHARE: usize = 16;

/// The extensions of one topic's queues.
type OfTopic = HashMap<i32, Arc<Ext>>;

/// The extensions of all queues.
pub(super) struct Exts {
    root: PathBuf,
    file_size: u64,
    /// Units are made for new entries; else they are only read.
    pub(super) writes: bool,
    table: RwLock<HashMap<Box<str>, OfTopic>>,
    /// Those with units that are not in their files.
    round: Mutex<Vec<Arc<Ext>>>,
    /// Those with units that are not on the medium.
    dirty: Mutex<Vec<Arc<Ext>>>,
    open_max: usize,
}

impl Exts {
    pub(super) fn new(store: &Path, file_size: u64, writes: bool) -> Exts {
        Exts {
            root: store.join("consumequeue_ext"),
            file_size,
            writes,
            table: RwLock::default(),
            round: Mutex::default(),
            dirty: Mutex::default(),
            open_max: open_files_max() / OPEN_SHARE,
        }
    }

    /// Whether a store has any.
    pub(super) fn exist(store: &Path) -> bool {
        store.join("consumequeue_ext").is_dir()
    }

    fn of(&self, topic: &str, queue_id: i32) -> Result<Arc<Ext>, StoreError> {
        let known = |topics: &HashMap<Box<str>, HashMap<i32, Arc<Ext>>>| {
            topics.get(topic).and_then(|queues| queues.get(&queue_id)).cloned()
        };
        if let Some(ext) = known(&self.table.read()) {
            return Ok(ext);
        }
        let mut table = self.table.write();
        if let Some(ext) = known(&table) {
            return Ok(ext);
        }
        let folder = self.root.join(topic).join(queue_id.to_string());
        let ext = Arc::new(Ext::load(folder, self.file_size)?);
        table.entry(topic.into()).or_default().insert(queue_id, Arc::clone(&ext));
        Ok(ext)
    }

    /// The tags code of an entry that is about to be put: the address of its unit, or the code
    /// itself when there can be none.
    pub(super) fn put(&self, topic: &str, queue_id: i32, unit: &QueueUnit) -> i64 {
        let ext = match self.of(topic, queue_id) {
            Ok(ext) => ext,
            Err(error) => {
                tracing::error!(target: "RocketmqStoreError", "{error}");
                return unit.tags_code;
            }
        };
        let Some(address) = ext.put(unit) else { return unit.tags_code };
        let mut round = self.round.lock();
        if round.last().is_none_or(|last| !Arc::ptr_eq(last, &ext)) {
            round.push(ext);
        }
        address
    }

    /// Writes the units of the round.
    pub(super) fn end_round(&self, disk: &Disk) -> Result<(), StoreError> {
        let round = std::mem::take(&mut *self.round.lock());
        let outcome = round.iter().try_for_each(|ext| ext.write(disk));
        let mut dirty = self.dirty.lock();
        for ext in round {
            if !dirty.iter().any(|known| Arc::ptr_eq(known, &ext)) {
                dirty.push(ext);
            }
        }
        let is_many = dirty.len() > self.open_max;
        drop(dirty);
        if is_many {
            self.close_idle();
        }
        outcome
    }

    /// Brings all units to the medium.
    pub(super) fn flush(&self, disk: &Disk) -> Result<(), StoreError> {
        self.end_round(disk)?;
        let mut dirty = std::mem::take(&mut *self.dirty.lock());
        while let Some(ext) = dirty.pop() {
            if let Err(error) = ext.sync(disk) {
                dirty.push(ext);
                self.dirty.lock().append(&mut dirty);
                return Err(error);
            }
        }
        Ok(())
    }

    /// The unit at an address; `None`, which is logged, if it cannot be read.
    pub(super) fn get(&self, topic: &str, queue_id: i32, address: i64) -> Option<QueueUnit> {
        let found = self.of(topic, queue_id).and_then(|ext| ext.get(address));
        let why = match found {
            Ok(Some(unit)) => return Some(unit),
            Ok(None) => String::new(),
            Err(error) => format!(": {error}"),
        };
        tracing::error!(target: "RocketmqStoreError", "[BUG] can't find consume queue extend file content!addr={address}, topic={topic}, queueId={queue_id}{why}");
        None
    }

    /// Deletes those of queues that are not there, so that none begins with another's units.
    pub(super) fn delete_others(
        &self,
        is_there: impl Fn(&str, i32) -> bool,
    ) -> Result<(), StoreError> {
        if !self.root.is_dir() {
            return Ok(());
        }
        for topic in files::names(&self.root)? {
            let folder = self.root.join(&topic);
            let queues = if folder.is_dir() { files::names(&folder)? } else { Vec::new() };
            for name in queues {
                if name.parse().is_ok_and(|queue_id| !is_there(&topic, queue_id)) {
                    let folder = folder.join(name);
                    std::fs::remove_dir_all(&folder)
                        .map_err(|source| StoreError::io("delete", &folder, source))?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn recover(
        &self,
        topic: &str,
        queue_id: i32,
        (is_empty, last): (bool, i64),
    ) -> Result<(), StoreError> {
        self.of(topic, queue_id)?.recover(is_empty, last)
    }

    pub(super) fn delete_before(
        &self,
        topic: &str,
        queue_id: i32,
        address: i64,
    ) -> Result<(), StoreError> {
        self.of(topic, queue_id)?.delete_before(address)
    }

    pub(super) fn delete_topic(&self, topic: &str) -> Result<(), StoreError> {
        for ext in self.table.write().remove(topic).into_iter().flatten().map(|(_, ext)| ext) {
            ext.forget();
        }
        let folder = self.root.join(topic);
        match std::fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(StoreError::io("delete", &folder, error))
            }
            _ => Ok(()),
        }
    }

    /// Closes files that were not used since the last call.
    pub(super) fn close_idle(&self) {
        for ext in self.table.read().values().flat_map(HashMap::values) {
            ext.close_if_idle();
        }
    }
}
