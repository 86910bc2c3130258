//! Consume queues: for each topic and queue id the places of its messages in the commit log
//! (contract `store.md` 4).
//!
//! One dispatcher writes ([`ConsumeQueues::put`], then [`ConsumeQueues::end_round`], after which
//! readers see the entries); anybody reads. An idle queue costs its entry in the table: files are
//! opened when they are used and closed by [`ConsumeQueues::close_idle`].

mod ext;
mod exts;
mod files;
mod queue;
mod unit;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::{Mutex, RwLock};

use crate::error::StoreError;
use crate::io::{Disk, open_files_max};
use crate::parallel;
use exts::Exts;
pub(crate) use files::{list as list_files, names};
use queue::Queue;
pub use unit::QueueUnit;
pub(crate) use unit::is_address;

/// Bytes of an entry: i64 physical offset, i32 size, i64 tags code.
pub const ENTRY_BYTES: usize = 20;
/// Size of the entries that fill the front of a queue which starts in the middle of a file.
pub(crate) const FILLER_SIZE: i32 = i32::MAX;

/// One entry of a consume queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueEntry {
    /// Where the record starts in the commit log.
    pub physical_offset: i64,
    /// Size of the record in bytes.
    pub size: i32,
    /// Hash of the tags, or the delivery time of a delayed message.
    pub tags_code: i64,
}

impl QueueEntry {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.physical_offset.to_be_bytes());
        out.extend_from_slice(&self.size.to_be_bytes());
        out.extend_from_slice(&self.tags_code.to_be_bytes());
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<QueueEntry> {
        let (offset, rest) = bytes.split_first_chunk::<8>()?;
        let (size, rest) = rest.split_first_chunk::<4>()?;
        Some(QueueEntry {
            physical_offset: i64::from_be_bytes(*offset),
            size: i32::from_be_bytes(*size),
            tags_code: i64::from_be_bytes(*rest.first_chunk::<8>()?),
        })
    }

    /// Whether it stands for a message that is not there.
    pub(crate) fn is_filler(&self) -> bool {
        self.physical_offset == 0 && self.size == FILLER_SIZE
    }

    /// Java's test in recovery: zeros, as behind the last entry, are not valid.
    pub(crate) fn is_valid(&self) -> bool {
        self.physical_offset >= 0 && self.size > 0
    }

    /// End of the record in the commit log; `None` for a filler.
    pub(crate) fn physical_end(&self) -> Option<i64> {
        (!self.is_filler()).then(|| self.physical_offset.saturating_add(i64::from(self.size)))
    }
}

/// Of the files that the process may open, one of so many may be a queue's writer or reader: the
/// rest is for connections and everything else.
const OPEN_SHARE: usize = 8;

/// From so many unsynced queues on, the whole file system is synced.
const SYNC_ALL_FROM: usize = 1000;

type Topics = HashMap<Arc<str>, BTreeMap<i32, Arc<Queue>>>;

/// Every consume queue of a store.
pub struct ConsumeQueues {
    root: PathBuf,
    /// Open all the time, so that no error of the file system is missed.
    root_folder: File,
    file_size: u64,
    disk: Disk,
    /// The log is being read again: entries may come before those they follow.
    recovering: AtomicBool,
    topics: RwLock<Topics>,
    /// What entries have no room for, if there is any.
    exts: Option<Exts>,
    /// Queues that got entries in this round.
    round: Mutex<Vec<Arc<Queue>>>,
    /// Queues with entries that are not on the medium yet.
    dirty: Mutex<Vec<Arc<Queue>>>,
    /// Queues with open files, at most two each.
    open: Mutex<Vec<Arc<Queue>>>,
    /// How many of them there may be.
    open_max: usize,
}

impl std::fmt::Debug for ConsumeQueues {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ConsumeQueues({}, {} topics)", self.root.display(), self.topics.read().len())
    }
}

impl ConsumeQueues {
    /// Lists `<root>/consumequeue/<topic>/<queueId>/`. `file_size` is a multiple of
    /// [`ENTRY_BYTES`]. A folder whose name is no queue id is passed over.
    ///
    /// # Errors
    /// A folder cannot be read, a file in it is not named by its start offset, or no file has the
    /// configured size.
    pub fn load(root: &Path, file_size: u64, disk: &Disk) -> Result<ConsumeQueues, StoreError> {
        let root = root.join("consumequeue");
        disk.create_directory(&root)?;
        let listed = parallel::map(&files::names(&root)?, |topic| {
            let folder = root.join(topic);
            if !folder.is_dir() {
                return Ok(Vec::new());
            }
            let topic: Arc<str> = topic.as_str().into();
            let mut queues = Vec::new();
            for name in files::names(&folder)? {
                let Ok(queue_id) = name.parse::<i32>() else { continue };
                let folder = folder.join(&name);
                let files = files::list(&folder)?;
                queues.push((Arc::clone(&topic), queue_id, folder, files));
            }
            Ok(queues)
        });
        let listed: Vec<_> = listed?.into_iter().flatten().collect();
        check_sizes(listed.iter().map(|(_, _, folder, files)| (&**folder, &**files)), file_size)?;
        let mut topics = Topics::new();
        for (topic, queue_id, folder, files) in listed {
            let (starts, damaged) = files::keep_whole(&folder, &files, file_size)?;
            let queue = Queue::loaded(&topic, queue_id, file_size, (&starts, damaged));
            topics.entry(topic).or_default().insert(queue_id, Arc::new(queue));
        }
        let root_folder = File::open(&root).map_err(|e| StoreError::io("open", &root, e))?;
        Ok(ConsumeQueues {
            root,
            root_folder,
            file_size,
            disk: disk.clone(),
            recovering: AtomicBool::new(false),
            topics: RwLock::new(topics),
            exts: None,
            round: Mutex::default(),
            dirty: Mutex::default(),
            open: Mutex::default(),
            open_max: open_files_max() / OPEN_SHARE,
        })
    }

    /// The same with extensions: with `writes` new entries get units, else only those that are there
    /// are read.
    pub(crate) fn extended(mut self, store: &Path, file_size: u64, writes: bool) -> ConsumeQueues {
        self.exts = (writes || Exts::exist(store)).then(|| Exts::new(store, file_size, writes));
        self
    }

    /// Whether new entries get extension units.
    pub(crate) fn extends(&self) -> bool {
        self.exts.as_ref().is_some_and(|exts| exts.writes)
    }

    /// The entry as it is to be put: with a unit of its own if the queue will take it. `again` is
    /// for queues that are there.
    pub(crate) fn with_unit(
        &self,
        (topic, queue_id, queue_offset): (&str, i32, i64),
        entry: QueueEntry,
        again: bool,
        unit: impl FnOnce() -> QueueUnit,
    ) -> QueueEntry {
        let Some(exts) = self.exts.as_ref().filter(|exts| exts.writes) else { return entry };
        let queue = match again {
            true => self.queue(topic, queue_id),
            false => Some(self.queue_or_new(topic, queue_id)),
        };
        match queue.filter(|queue| queue.takes(queue_offset, &entry)) {
            Some(_) => QueueEntry { tags_code: exts.put(topic, queue_id, &unit()), ..entry },
            None => entry,
        }
    }

    /// The unit at an entry's address, if it can be read.
    pub(crate) fn unit(&self, topic: &str, queue_id: i32, address: i64) -> Option<QueueUnit> {
        self.exts.as_ref()?.get(topic, queue_id, address)
    }

    /// Ends the units of a queue behind its last entry.
    fn recover_ext(&self, topic: &str, queue_id: i32, queue: &Queue) -> Result<(), StoreError> {
        let Some(exts) = &self.exts else { return Ok(()) };
        let (min, max) = queue.bounds();
        let mut last = Vec::with_capacity(1);
        queue.read(|| self.folder(topic, queue_id), max - 1, 1, &mut last)?;
        let code = last.first().map_or(0, |entry| entry.tags_code);
        exts.recover(topic, queue_id, (min >= max, code))
    }

    fn folder(&self, topic: &str, queue_id: i32) -> PathBuf {
        self.root.join(topic).join(queue_id.to_string())
    }

    fn queue(&self, topic: &str, queue_id: i32) -> Option<Arc<Queue>> {
        self.topics.read().get(topic)?.get(&queue_id).cloned()
    }

    fn queue_or_new(&self, topic: &str, queue_id: i32) -> Arc<Queue> {
        if let Some(queue) = self.queue(topic, queue_id) {
            return queue;
        }
        let mut topics = self.topics.write();
        let name = topics.get_key_value(topic).map(|(name, _)| Arc::clone(name));
        let name = name.unwrap_or_else(|| topic.into());
        let new = || Arc::new(Queue::loaded(&name, queue_id, self.file_size, (&[], false)));
        let queues = topics.entry(Arc::clone(&name)).or_default();
        Arc::clone(queues.entry(queue_id).or_insert_with(new))
    }

    /// Every queue with its topic and id.
    fn all(&self) -> Vec<(String, i32, Arc<Queue>)> {
        let topics = self.topics.read();
        let queues = topics.iter().flat_map(|(topic, queues)| {
            queues.iter().map(|(id, queue)| (topic.to_string(), *id, Arc::clone(queue)))
        });
        queues.collect()
    }

    /// Finds the end of every queue, and begins a recovery: until [`ConsumeQueues::settle`],
    /// entries may be put before those they follow. Returns the largest physical offset that the
    /// queues reach (the end of the record of their last entry), 0 when they are empty. The commit
    /// log's files span `log`.
    pub fn recover(&self, log: &Range<i64>) -> Result<i64, StoreError> {
        self.recovering.store(true, Ordering::Relaxed);
        if let Some(exts) = &self.exts {
            exts.delete_others(|topic, queue_id| self.queue(topic, queue_id).is_some())?;
        }
        let ends = parallel::map(&self.all(), |(topic, queue_id, queue)| {
            let end = queue.recover(&self.disk, &self.folder(topic, *queue_id), log)?;
            self.recover_ext(topic, *queue_id, queue)?;
            queue.close();
            Ok(end)
        })?;
        Ok(ends.into_iter().max().unwrap_or(0))
    }

    /// From where on the log holds records that queues are known to lack; `None` if they lack none.
    pub fn missing_from(&self) -> Option<i64> {
        self.all().iter().filter_map(|(_, _, queue)| queue.missing_from()).min()
    }

    /// Ends a recovery: places whose records were not found are filled, so that the entries behind
    /// them keep their offsets. [`ConsumeQueues::end_round`] writes it.
    pub fn settle(&self) {
        for (_, _, queue) in self.all() {
            if queue.settle() {
                self.round.lock().push(queue);
            }
        }
        self.recovering.store(false, Ordering::Relaxed);
    }

    /// Drops every entry whose record does not end at or before `physical_end`.
    pub fn truncate_dirty(&self, physical_end: i64) -> Result<(), StoreError> {
        for (topic, queue_id, queue) in self.all() {
            queue.truncate(&self.disk, &self.folder(&topic, queue_id), physical_end)?;
            self.recover_ext(&topic, queue_id, &queue)?;
            queue.close();
        }
        Ok(())
    }

    /// Deletes every queue.
    pub fn destroy_all(&self) -> Result<(), StoreError> {
        for topic in self.topics() {
            self.delete_topic(&topic)?;
        }
        Ok(())
    }

    /// Adds an entry at its queue offset; readers see it after [`ConsumeQueues::end_round`]. An
    /// entry that is there already, as when the log is dispatched again, is passed over.
    pub fn put(&self, topic: &str, queue_id: i32, queue_offset: i64, entry: QueueEntry) {
        self.put_in(self.queue_or_new(topic, queue_id), queue_offset, entry);
    }

    /// The same for a queue that is there; nothing happens for others, whose topic was deleted.
    pub fn put_again(&self, topic: &str, queue_id: i32, queue_offset: i64, entry: QueueEntry) {
        if let Some(queue) = self.queue(topic, queue_id) {
            self.put_in(queue, queue_offset, entry);
        }
    }

    fn put_in(&self, queue: Arc<Queue>, queue_offset: i64, entry: QueueEntry) {
        if queue.put(queue_offset, entry, self.recovering.load(Ordering::Relaxed)) {
            self.round.lock().push(queue);
        }
    }

    /// Shows what was put since the last round to readers, and writes what has become much; the
    /// rest is written by the next [`ConsumeQueues::flush`].
    ///
    /// # Errors
    /// A file cannot be written; the entries stay in memory and are written later.
    pub fn end_round(&self) -> Result<(), StoreError> {
        // Before an entry is shown its unit is where it leads to.
        let mut outcome = match &self.exts {
            Some(exts) => exts.end_round(&self.disk),
            None => Ok(()),
        };
        let mut round = self.round.lock();
        for queue in round.drain(..) {
            let shown = queue.show();
            if shown.newly_dirty {
                self.dirty.lock().push(Arc::clone(&queue));
            }
            if shown.is_much {
                outcome = outcome.and(self.write_shown(&queue));
            }
        }
        outcome
    }

    fn write_shown(&self, queue: &Arc<Queue>) -> Result<(), StoreError> {
        let written = queue.write_shown(&self.disk, || self.folder_of(queue));
        self.note_open(queue);
        written
    }

    /// Writes everything that readers see.
    ///
    /// # Errors
    /// The first file that cannot be written; the entries stay in memory.
    pub fn write_all(&self) -> Result<(), StoreError> {
        let dirty = self.dirty.lock().clone();
        dirty.iter().try_for_each(|queue| self.write_shown(queue))
    }

    /// Folder of a queue, put together when one of its files has to be opened or created.
    fn folder_of(&self, queue: &Queue) -> PathBuf {
        self.folder(&queue.topic, queue.queue_id)
    }

    /// Appends up to `max_entries` entries from queue offset `from` on. Nothing outside the
    /// queue's bounds is read.
    pub fn read(
        &self,
        topic: &str,
        queue_id: i32,
        from: i64,
        max_entries: usize,
        out: &mut Vec<QueueEntry>,
    ) -> Result<(), StoreError> {
        let Some(queue) = self.queue(topic, queue_id) else { return Ok(()) };
        queue.read(|| self.folder(topic, queue_id), from, max_entries, out)?;
        self.note_open(&queue);
        Ok(())
    }

    /// First queue offset and the one behind the last; `None` for an unknown queue.
    pub fn bounds(&self, topic: &str, queue_id: i32) -> Option<(i64, i64)> {
        self.queue(topic, queue_id).map(|queue| queue.bounds())
    }

    /// Moves the first offset of every queue behind the entries whose records are gone.
    pub fn correct_min(&self, commit_log_min: i64) {
        for (topic, queue_id, queue) in self.all() {
            let corrected = queue.correct_min(|| self.folder(&topic, queue_id), commit_log_min);
            if let Err(error) = corrected {
                tracing::error!(target: "RocketmqStoreError", "consume queue of {topic} {queue_id}: {error}");
            }
            if let Some(exts) = &self.exts
                && let Err(error) = self.delete_units(exts, (&topic, queue_id), &queue)
            {
                tracing::error!(target: "RocketmqStoreError", "consume queue extension of {topic} {queue_id}: {error}");
            }
        }
    }

    /// Deletes extension files before the unit of the first entry.
    fn delete_units(
        &self,
        exts: &Exts,
        (topic, queue_id): (&str, i32),
        queue: &Queue,
    ) -> Result<(), StoreError> {
        let mut first = Vec::with_capacity(1);
        queue.read(|| self.folder(topic, queue_id), queue.bounds().0, 1, &mut first)?;
        match first.first().filter(|entry| is_address(entry.tags_code)) {
            Some(entry) => exts.delete_before(topic, queue_id, entry.tags_code),
            None => Ok(()),
        }
    }

    /// Deletes files all of whose records are gone, never a queue's last; returns how many.
    pub fn delete_before(&self, commit_log_min: i64) -> Result<usize, StoreError> {
        let mut deleted = 0;
        for (topic, queue_id, queue) in self.all() {
            deleted += queue.delete_before(&self.folder(&topic, queue_id), commit_log_min)?;
        }
        Ok(deleted)
    }

    /// Deletes a topic's queues with their files.
    pub fn delete_topic(&self, topic: &str) -> Result<(), StoreError> {
        let Some(queues) = self.topics.write().remove(topic) else { return Ok(()) };
        queues.values().for_each(|queue| queue.forget());
        if let Some(exts) = &self.exts {
            exts.delete_topic(topic)?;
        }
        let folder = self.root.join(topic);
        match std::fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(StoreError::io("delete", &folder, error))
            }
            _ => Ok(()),
        }
    }

    /// All topics with queues.
    pub fn topics(&self) -> Vec<String> {
        self.topics.read().keys().map(|topic| topic.to_string()).collect()
    }

    /// Shows every queue: topic, queue id, first offset, offset behind the last.
    pub fn for_each_queue(&self, mut see: impl FnMut(&str, i32, i64, i64)) {
        for (topic, queues) in self.topics.read().iter() {
            for (queue_id, queue) in queues {
                let (min, max) = queue.bounds();
                see(topic, *queue_id, min, max);
            }
        }
    }

    /// The offset of the message stored at that time, or the nearer neighbour; 0 for an unknown
    /// or empty queue (contract `store.md` 14). `store_time_of` tells a record's store time.
    pub fn offset_by_time(
        &self,
        topic: &str,
        queue_id: i32,
        timestamp_ms: i64,
        store_time_of: impl Fn(i64, i32) -> Option<i64>,
    ) -> Result<i64, StoreError> {
        let Some(queue) = self.queue(topic, queue_id) else { return Ok(0) };
        let found = queue.offset_by_time(&self.folder(topic, queue_id), timestamp_ms, |entry| {
            store_time_of(entry.physical_offset, entry.size)
        });
        self.note_open(&queue);
        found
    }

    /// Brings what readers see to the medium.
    ///
    /// # Errors
    /// The first file or folder that cannot be synced.
    pub fn flush(&self) -> Result<(), StoreError> {
        if let Some(exts) = &self.exts {
            exts.flush(&self.disk)?;
        }
        let mut dirty = std::mem::take(&mut *self.dirty.lock());
        if dirty.len() >= SYNC_ALL_FROM && cfg!(target_os = "linux") {
            return self.flush_all(dirty);
        }
        let mut names: BTreeSet<PathBuf> = BTreeSet::new();
        while let Some(queue) = dirty.pop() {
            let synced = queue.sync(&self.disk, || self.folder_of(&queue));
            self.note_open(&queue);
            match synced {
                Ok(true) => {
                    let folder = self.folder_of(&queue);
                    names.extend(folder.ancestors().take(3).map(Path::to_path_buf));
                }
                Ok(false) => {}
                Err(error) => {
                    dirty.push(queue);
                    self.dirty.lock().append(&mut dirty);
                    return Err(error);
                }
            }
        }
        // A topic that was deleted meanwhile has no names to keep.
        let there = names.iter().filter(|folder| folder.exists());
        there.into_iter().try_for_each(|folder| self.disk.sync_directory(folder))
    }

    /// Syncs so many queues by one call for the whole file system: one for each would take minutes.
    fn flush_all(&self, dirty: Vec<Arc<Queue>>) -> Result<(), StoreError> {
        let mut taken = Vec::with_capacity(dirty.len());
        let mut outcome = Ok(true);
        for queue in &dirty {
            let unsynced = queue.write_unsynced(&self.disk, || self.folder_of(queue));
            self.note_open(queue);
            match unsynced {
                Ok(unsynced) => taken.push((queue, unsynced)),
                Err(error) => {
                    outcome = Err(error);
                    break;
                }
            }
        }
        let root = || self.root.clone();
        outcome = outcome.and_then(|_| self.disk.sync_file_system(&self.root_folder, root));
        if outcome.is_err() {
            taken.into_iter().for_each(|(queue, unsynced)| queue.give_back(unsynced));
            self.dirty.lock().extend(dirty);
        }
        outcome.map(|_| ())
    }

    /// Closes the files of queues that were not used since the last call.
    pub fn close_idle(&self) {
        if let Some(exts) = &self.exts {
            exts.close_idle();
        }
        let open = std::mem::take(&mut *self.open.lock());
        let still: Vec<_> = open.into_iter().filter(|queue| !queue.close_if_idle()).collect();
        self.open.lock().extend(still);
    }

    /// Remembers a queue that has open files. When there are too many, those that were not used
    /// since the last time are closed, and if that is not enough those opened first.
    fn note_open(&self, queue: &Arc<Queue>) {
        if !queue.note_open() {
            return;
        }
        let mut open = {
            let mut open = self.open.lock();
            open.push(Arc::clone(queue));
            if open.len() <= self.open_max {
                return;
            }
            std::mem::take(&mut *open)
        };
        open.retain(|queue| !queue.close_if_idle());
        let too_many = open.len().saturating_sub(self.open_max / 2);
        open.drain(..too_many).for_each(|queue| queue.close());
        self.open.lock().append(&mut open);
    }
}

/// Refuses a store none of whose queue files has the configured size: the setting was changed.
/// Where some have it, the others are damaged.
fn check_sizes<'a>(
    queues: impl Iterator<Item = (&'a Path, &'a [(u64, u64)])>,
    file_size: u64,
) -> Result<(), StoreError> {
    let mut other = None;
    for (folder, files) in queues {
        for (start, len) in files {
            if *len == file_size {
                return Ok(());
            }
            if *len > 0 {
                other.get_or_insert((files::path(folder, *start), *len));
            }
        }
    }
    let Some((path, len)) = other else { return Ok(()) };
    let what = format!(
        "{len} length not matched message store config value: set mappedFileSizeConsumeQueue={len} \
         as it was when the file was written, or move the consumequeue folder away, which is then \
         built again from the commit log"
    );
    Err(StoreError::corrupt(&path, len, what))
}

#[cfg(test)]
mod tests;
