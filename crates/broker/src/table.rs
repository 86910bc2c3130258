//! Tables of settings by name that are kept in files: the topics and the consumer groups.
//!
//! A change is in force at once; the file is written by a thread of its own that lives as long as
//! there is something to write, so that no connection waits for the disk. Changes that come while
//! the file is being written share the next writing. Whoever must not answer before a change is on
//! the disk asks for the [`Pending`] write.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Condvar, Mutex, RwLock};
use rocketmq_common::{clock, durable};
use rocketmq_protocol::body::DataVersion;

use crate::LOGGER;

/// What is told when a change is on the disk, or why it is not.
pub type Waiter = Box<dyn FnOnce(Result<(), String>) + Send>;

/// The text of the file.
pub(crate) type Encode<V> = fn(DataVersion, BTreeMap<String, V>) -> io::Result<String>;

/// A value, and the number of the change that brought it.
struct Entry<V> {
    value: Arc<V>,
    change: u64,
}

/// A table; clones share it.
pub(crate) struct Table<V>(Arc<Shared<V>>);

struct Shared<V> {
    path: PathBuf,
    encode: Encode<V>,
    entries: RwLock<HashMap<Box<str>, Entry<V>>>,
    /// Locked after `entries`, so that a snapshot and its version fit.
    version: Mutex<DataVersion>,
    /// Number of the last change, counted under the lock of `entries`.
    changed: AtomicU64,
    /// Number of the last change that the file holds.
    written: AtomicU64,
    writer: Mutex<Writer>,
    /// Told when the writer ends.
    idle: Condvar,
}

#[derive(Default)]
struct Writer {
    is_running: bool,
    waiters: Vec<(u64, Waiter)>,
}

/// A change that is not on the disk yet.
pub struct Pending {
    table: Arc<dyn WrittenLater>,
    change: u64,
}

trait WrittenLater: Send + Sync {
    fn when_written(self: Arc<Self>, change: u64, waiter: Waiter);
}

impl Pending {
    /// Calls the waiter when the change is on the disk or could not be written, from any thread.
    pub fn then(self, waiter: Waiter) {
        self.table.when_written(self.change, waiter);
    }
}

impl<V: Clone + Send + Sync + 'static> Table<V> {
    /// The table as the file has it.
    pub(crate) fn new(
        path: PathBuf,
        encode: Encode<V>,
        entries: HashMap<Box<str>, Arc<V>>,
        version: DataVersion,
    ) -> Table<V> {
        let entries = entries.into_iter().map(|(name, value)| (name, Entry { value, change: 0 }));
        Table(Arc::new(Shared {
            path,
            encode,
            entries: RwLock::new(entries.collect()),
            version: Mutex::new(version),
            changed: AtomicU64::new(0),
            written: AtomicU64::new(0),
            writer: Mutex::default(),
            idle: Condvar::new(),
        }))
    }

    pub(crate) fn get(&self, name: &str) -> Option<Arc<V>> {
        self.0.entries.read().get(name).map(|entry| Arc::clone(&entry.value))
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.0.entries.read().keys().map(|name| name.to_string()).collect()
    }

    pub(crate) fn version(&self) -> DataVersion {
        *self.0.version.lock()
    }

    /// The whole table and its version.
    pub(crate) fn snapshot(&self) -> (DataVersion, BTreeMap<String, V>) {
        self.0.snapshot()
    }

    /// The version, the number of the last change, and the entries that `wanted` chooses by name
    /// and by the number of the change that brought them.
    pub(crate) fn snapshot_of(
        &self,
        wanted: impl Fn(&str, u64) -> bool,
    ) -> (DataVersion, u64, BTreeMap<String, V>) {
        self.0.snapshot_of(wanted)
    }

    /// Sets a value; returns the old one.
    pub(crate) fn insert(&self, name: &str, value: V) -> Option<Arc<V>> {
        let old = {
            let mut entries = self.0.entries.write();
            let change = self.0.next_change();
            entries.insert(name.into(), Entry { value: Arc::new(value), change })
        };
        self.0.write_soon();
        old.map(|entry| entry.value)
    }

    /// The value of that name, made if there is none; and whether it was made.
    pub(crate) fn get_or_insert(&self, name: &str, make: impl FnOnce() -> V) -> (Arc<V>, bool) {
        let made = {
            let mut entries = self.0.entries.write();
            if let Some(known) = entries.get(name) {
                return (Arc::clone(&known.value), false);
            }
            let value = Arc::new(make());
            let change = self.0.next_change();
            entries.insert(name.into(), Entry { value: Arc::clone(&value), change });
            value
        };
        self.0.write_soon();
        (made, true)
    }

    /// Changes a value in memory; the file holds it when something else makes it written.
    pub(crate) fn change_in_memory(&self, name: &str, change: impl FnOnce(&V) -> Option<V>) {
        let mut entries = self.0.entries.write();
        if let Some(entry) = entries.get_mut(name)
            && let Some(value) = change(&entry.value)
        {
            entry.value = Arc::new(value);
            self.0.version.lock().next(clock::now_ms());
        }
    }

    /// Replaces the whole table and its version by those of a master.
    pub(crate) fn replace(&self, version: DataVersion, values: BTreeMap<String, V>) {
        {
            let mut entries = self.0.entries.write();
            let change = self.0.next_change();
            entries.clear();
            entries.extend(values.into_iter().map(|(name, value)| {
                (name.into_boxed_str(), Entry { value: Arc::new(value), change })
            }));
            *self.0.version.lock() = version;
        }
        self.0.write_soon();
    }

    pub(crate) fn remove(&self, name: &str) -> Option<Arc<V>> {
        let old = {
            let mut entries = self.0.entries.write();
            let old = entries.remove(name)?;
            self.0.next_change();
            old
        };
        self.0.write_soon();
        Some(old.value)
    }

    /// Shows every value to `change`, which says what replaces it, if anything does.
    pub(crate) fn change_each(&self, mut change: impl FnMut(&str, &V) -> Option<V>) {
        let mut any = false;
        {
            let mut entries = self.0.entries.write();
            let number = self.0.changed.load(Ordering::Relaxed) + 1;
            for (name, entry) in entries.iter_mut() {
                if let Some(value) = change(name, &entry.value) {
                    *entry = Entry { value: Arc::new(value), change: number };
                    any = true;
                }
            }
            if any {
                self.0.next_change();
            }
        }
        if any {
            self.0.write_soon();
        }
    }

    /// The write of everything changed so far, unless it is on the disk.
    pub(crate) fn pending(&self) -> Option<Pending> {
        let change = self.0.changed.load(Ordering::Acquire);
        let open = self.0.written.load(Ordering::Acquire) < change;
        open.then(|| Pending { table: Arc::clone(&self.0) as _, change })
    }

    /// The write of one entry, unless it is on the disk.
    pub(crate) fn pending_of(&self, name: &str) -> Option<Pending> {
        let written = self.0.written.load(Ordering::Acquire);
        if written == self.0.changed.load(Ordering::Acquire) {
            return None;
        }
        let change = self.0.entries.read().get(name)?.change;
        (written < change).then(|| Pending { table: Arc::clone(&self.0) as _, change })
    }

    /// Waits until the file holds the table, or could not be written.
    pub(crate) fn flush(&self) {
        if self.pending().is_some() {
            self.0.write_soon();
        }
        let mut writer = self.0.writer.lock();
        while writer.is_running {
            self.0.idle.wait(&mut writer);
        }
    }
}

impl<V: Clone + Send + Sync + 'static> Shared<V> {
    fn next_change(&self) -> u64 {
        self.version.lock().next(clock::now_ms());
        self.changed.fetch_add(1, Ordering::AcqRel) + 1
    }

    fn snapshot(&self) -> (DataVersion, BTreeMap<String, V>) {
        let (version, _, values) = self.snapshot_of(|_, _| true);
        (version, values)
    }

    fn snapshot_of(
        &self,
        wanted: impl Fn(&str, u64) -> bool,
    ) -> (DataVersion, u64, BTreeMap<String, V>) {
        let entries = self.entries.read();
        let chosen = entries.iter().filter(|(name, entry)| wanted(name, entry.change));
        let values = chosen.map(|(name, entry)| (name.to_string(), (*entry.value).clone()));
        (*self.version.lock(), self.changed.load(Ordering::Acquire), values.collect())
    }

    /// Starts the writer unless it runs; a running one sees the change when it has written.
    fn write_soon(self: &Arc<Self>) {
        let mut writer = self.writer.lock();
        if writer.is_running {
            return;
        }
        writer.is_running = true;
        drop(writer);
        let shared = Arc::clone(self);
        let thread = std::thread::Builder::new().name("TableWriter".to_string());
        if thread.spawn(move || shared.write()).is_err() {
            // No thread to be had: then here.
            self.write();
        }
    }

    /// Writes until there is nothing to write.
    fn write(&self) {
        loop {
            let (change, outcome) = self.write_once();
            if let Err(error) = &outcome {
                tracing::error!(target: LOGGER, "{error}");
            } else {
                self.written.store(change, Ordering::Release);
            }
            let (told, is_done) = {
                let mut writer = self.writer.lock();
                let told: Vec<_> = writer.waiters.extract_if(.., |(c, _)| *c <= change).collect();
                let is_done = self.changed.load(Ordering::Acquire) == change;
                if is_done {
                    writer.is_running = false;
                    self.idle.notify_all();
                }
                (told, is_done)
            };
            for (_, waiter) in told {
                waiter(outcome.clone());
            }
            if is_done {
                return;
            }
        }
    }

    fn write_once(&self) -> (u64, Result<(), String>) {
        let change = self.changed.load(Ordering::Acquire);
        let (version, entries) = self.snapshot();
        let text = (self.encode)(version, entries);
        let outcome = text.and_then(|text| durable::replace(&self.path, text.as_bytes()));
        (change, outcome.map_err(|error| failure(&self.path, &error)))
    }
}

fn failure(path: &Path, error: &io::Error) -> String {
    format!("{} cannot be written: {error}", path.display())
}

impl<V: Clone + Send + Sync + 'static> WrittenLater for Shared<V> {
    fn when_written(self: Arc<Self>, change: u64, waiter: Waiter) {
        {
            let mut writer = self.writer.lock();
            if self.written.load(Ordering::Acquire) < change {
                writer.waiters.push((change, waiter));
                drop(writer);
                // Writes again what failed before.
                self.write_soon();
                return;
            }
        }
        waiter(Ok(()));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    fn table(path: PathBuf) -> Table<String> {
        let encode: Encode<String> = |version, entries| {
            let lines: Vec<_> = entries.iter().map(|(k, v)| format!("{k}={v}")).collect();
            Ok(format!("{} {}", version.counter, lines.join(",")))
        };
        Table::new(path, encode, HashMap::new(), DataVersion::default())
    }

    #[test]
    fn a_change_is_in_force_at_once_and_on_the_disk_later() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.json");
        let table = table(path.clone());
        let (sender, told) = channel();
        for index in 0..50 {
            let name = format!("n{index}");
            let (_, made) = table.get_or_insert(&name, || "a".to_string());
            assert!(made && table.get(&name).is_some());
            let Some(pending) = table.pending_of(&name) else { continue };
            let (sender, path) = (sender.clone(), path.clone());
            pending.then(Box::new(move |outcome| {
                outcome.unwrap();
                let text = std::fs::read_to_string(&path).unwrap();
                sender.send(text.contains(&format!("{name}=a"))).unwrap();
            }));
        }
        table.flush();
        drop(sender);
        assert!(told.iter().all(|found| found));
        assert!(table.pending().is_none() && table.pending_of("n3").is_none());
        assert_eq!(table.insert("n3", "b".to_string()).unwrap().as_str(), "a");
        assert!(table.remove("n4").is_some() && table.remove("n4").is_none());
        table.flush();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("52 ") && text.contains("n3=b") && !text.contains("n4="));
    }

    #[test]
    fn a_write_that_failed_is_told_and_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("blocked/t.json");
        std::fs::write(folder.path().join("blocked"), b"a file in the way").unwrap();
        let table = table(path.clone());
        let (sender, told) = channel();
        table.insert("n", "a".to_string());
        let ask = |table: &Table<String>| {
            let sender = sender.clone();
            let pending = table.pending().unwrap();
            pending.then(Box::new(move |outcome| sender.send(outcome).unwrap()));
            told.recv().unwrap()
        };
        let error = ask(&table).unwrap_err();
        assert!(error.contains("t.json cannot be written"), "{error}");
        std::fs::remove_file(folder.path().join("blocked")).unwrap();
        std::fs::create_dir(folder.path().join("blocked")).unwrap();
        ask(&table).unwrap();
        assert!(table.pending().is_none());
    }
}
