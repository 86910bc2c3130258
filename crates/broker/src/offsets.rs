//! How far each group has consumed, and `config/consumerOffset.json` (contract `broker.md` 14).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::{Mutex, RwLock};
use rocketmq_common::{durable, fastjson};
use rocketmq_protocol::body::ConsumerOffsets as OffsetsFile;

use crate::LOGGER;

type ByGroup = HashMap<Box<str>, BTreeMap<i32, i64>>;

/// Offsets by topic, group and queue.
pub struct Offsets {
    path: PathBuf,
    table: RwLock<HashMap<Box<str>, ByGroup>>,
    changed: AtomicBool,
    /// One writer of the file at a time.
    writing: Mutex<()>,
}

impl Offsets {
    /// Reads the file.
    ///
    /// # Errors
    /// File and backup hold something that cannot be read.
    pub fn load(path: PathBuf) -> io::Result<Offsets> {
        let parse =
            |bytes: &[u8]| fastjson::from_slice::<OffsetsFile>(bytes).map_err(|e| e.to_string());
        let mut table: HashMap<Box<str>, ByGroup> = HashMap::new();
        if let Some(file) = durable::load(&path, parse)? {
            for (key, queues) in file.offset_table {
                let Some((topic, group)) = key.split_once('@') else { continue };
                table.entry(topic.into()).or_default().insert(group.into(), queues);
            }
            tracing::info!(target: LOGGER, thread = "main", "load {} OK", path.display());
        }
        Ok(Offsets {
            path,
            table: RwLock::new(table),
            changed: AtomicBool::new(false),
            writing: Mutex::default(),
        })
    }

    /// Stores an offset, be it larger or smaller than before.
    pub fn commit(&self, peer: SocketAddr, group: &str, topic: &str, queue_id: i32, offset: i64) {
        let mut table = self.table.write();
        let queues = table.get_mut(topic).and_then(|groups| groups.get_mut(group));
        let old = match queues {
            Some(queues) => queues.insert(queue_id, offset),
            None => {
                let groups = table.entry(topic.into()).or_default();
                groups.entry(group.into()).or_default().insert(queue_id, offset)
            }
        };
        drop(table);
        self.note_change();
        if let Some(old) = old.filter(|old| offset < *old) {
            tracing::warn!(target: LOGGER, "[NOTIFYME]update consumer offset less than store. clientHost={peer}, key={topic}@{group}, queueId={queue_id}, requestOffset={offset}, storeOffset={old}");
        }
    }

    /// The stored offset.
    pub fn get(&self, group: &str, topic: &str, queue_id: i32) -> Option<i64> {
        self.table.read().get(topic)?.get(group)?.get(&queue_id).copied()
    }

    /// Offsets of a group in a topic, by queue.
    pub fn of(&self, group: &str, topic: &str) -> BTreeMap<i32, i64> {
        let table = self.table.read();
        table.get(topic).and_then(|groups| groups.get(group)).cloned().unwrap_or_default()
    }

    /// Topics that a group has offsets of.
    pub fn topics_of(&self, group: &str) -> BTreeSet<String> {
        let table = self.table.read();
        let topics = table.iter().filter(|(_, groups)| groups.contains_key(group));
        topics.map(|(topic, _)| topic.to_string()).collect()
    }

    /// Groups that have offsets of a topic.
    pub fn groups_of(&self, topic: &str) -> BTreeSet<String> {
        let table = self.table.read();
        let groups = table.get(topic).into_iter().flat_map(HashMap::keys);
        groups.map(|group| group.to_string()).collect()
    }

    /// Copies a group's offsets of a topic to another group.
    pub fn clone_group(&self, from: &str, to: &str, topic: &str) {
        let queues = self.of(from, topic);
        if !queues.is_empty() {
            self.table.write().entry(topic.into()).or_default().insert(to.into(), queues);
            self.note_change();
        }
    }

    /// Drops a group's offsets of every topic.
    pub fn remove_group(&self, group: &str) {
        let mut table = self.table.write();
        table.values_mut().for_each(|groups| drop(groups.remove(group)));
        table.retain(|_, groups| !groups.is_empty());
        drop(table);
        self.note_change();
    }

    /// Takes over a master's offsets, but for those that consumers have moved further here since
    /// `base`, what this table had when it was last in step: these stay, and are returned by topic,
    /// group, queue and offset.
    pub(crate) fn follow(
        &self,
        master: &OffsetsFile,
        base: &OffsetsFile,
    ) -> Vec<(String, String, i32, i64)> {
        let mut ahead = Vec::new();
        let mut table = self.table.write();
        for (key, theirs) in &master.offset_table {
            let Some((topic, group)) = key.split_once('@') else { continue };
            let known = base.offset_table.get(key);
            let queues = table.entry(topic.into()).or_default().entry(group.into()).or_default();
            for (queue_id, offset) in theirs {
                let own = queues.get(queue_id).copied();
                let moved = own != known.and_then(|queues| queues.get(queue_id)).copied();
                if let Some(own) = own.filter(|own| moved && own > offset) {
                    ahead.push((topic.to_string(), group.to_string(), *queue_id, own));
                } else {
                    queues.insert(*queue_id, *offset);
                }
            }
        }
        drop(table);
        self.note_change();
        ahead
    }

    /// After the change, never before it: [`Offsets::persist`] takes the mark and then the table,
    /// so a change that it does not see leaves its mark for the next time.
    fn note_change(&self) {
        self.changed.store(true, Ordering::Release);
    }

    /// The whole table as the file and GET_ALL_CONSUMER_OFFSET have it.
    pub fn snapshot(&self) -> OffsetsFile {
        let table = self.table.read();
        let entries = table.iter().flat_map(|(topic, groups)| {
            groups.iter().map(move |(group, queues)| (format!("{topic}@{group}"), queues.clone()))
        });
        OffsetsFile { offset_table: entries.collect() }
    }

    /// Writes the file if anything changed since the last time.
    pub fn persist(&self) -> io::Result<()> {
        let _writing = self.writing.lock();
        if !self.changed.swap(false, Ordering::Acquire) {
            return Ok(());
        }
        let text = fastjson::to_pretty(&self.snapshot()).map_err(io::Error::other)?;
        durable::replace(&self.path, text.as_bytes()).inspect_err(|_| self.note_change())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(offsets: &[(&str, i32, i64)]) -> OffsetsFile {
        let mut table: BTreeMap<String, BTreeMap<i32, i64>> = BTreeMap::new();
        for (key, queue_id, offset) in offsets {
            table.entry(key.to_string()).or_default().insert(*queue_id, *offset);
        }
        OffsetsFile { offset_table: table }
    }

    #[test]
    fn a_slave_follows_its_master_but_keeps_what_was_consumed_here() {
        let folder = tempfile::tempdir().unwrap();
        let own = Offsets::load(folder.path().join("o.json")).unwrap();
        let peer = SocketAddr::from(([127, 0, 0, 1], 1));
        assert!(own.follow(&file(&[("T@G", 0, 5), ("T@G", 1, 5)]), &file(&[])).is_empty());
        let base = own.snapshot();
        own.commit(peer, "G", "T", 0, 9);
        // The master restarts with an older offset of queue 0, and somebody reset queue 1.
        let master = file(&[("T@G", 0, 4), ("T@G", 1, 2)]);
        assert_eq!(own.follow(&master, &base), [("T".into(), "G".into(), 0, 9)]);
        assert_eq!(own.of("G", "T"), BTreeMap::from([(0, 9), (1, 2)]));
        // It was told, and leads again.
        let told = file(&[("T@G", 0, 9), ("T@G", 1, 2)]);
        assert!(own.follow(&told, &master).is_empty());
        let reset = file(&[("T@G", 0, 0), ("T@G", 1, 2)]);
        assert!(own.follow(&reset, &told).is_empty());
        assert_eq!(own.get("G", "T", 0), Some(0));
    }
}
