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
use crate::replica_offsets::ReplicaOffsets;

pub(crate) type ByGroup = HashMap<Box<str>, BTreeMap<i32, i64>>;

/// Offsets by topic, group and queue.
pub struct Offsets {
    path: PathBuf,
    pub(crate) table: RwLock<HashMap<Box<str>, ByGroup>>,
    /// What master and slave tell each other beyond that. Locked after the table.
    pub(crate) replica: Mutex<ReplicaOffsets>,
    /// Whether a master is told what is committed here.
    is_slave: bool,
    changed: AtomicBool,
    /// One writer of the file at a time.
    writing: Mutex<()>,
}

impl Offsets {
    /// Reads the file, and beside it `consumerOffsetReplica.json`, which Java has not.
    ///
    /// # Errors
    /// File and backup hold something that cannot be read.
    pub fn load(path: PathBuf, is_slave: bool) -> io::Result<Offsets> {
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
            replica: Mutex::new(ReplicaOffsets::load(&path)?),
            path,
            table: RwLock::new(table),
            is_slave,
            changed: AtomicBool::new(false),
            writing: Mutex::default(),
        })
    }

    /// Stores an offset, be it larger or smaller than before; whether it is smaller is returned.
    pub fn commit(
        &self,
        peer: SocketAddr,
        group: &str,
        topic: &str,
        queue_id: i32,
        offset: i64,
    ) -> bool {
        let mut table = self.table.write();
        let queues = table.get_mut(topic).and_then(|groups| groups.get_mut(group));
        let old = match queues {
            Some(queues) => queues.insert(queue_id, offset),
            None => {
                let groups = table.entry(topic.into()).or_default();
                groups.entry(group.into()).or_default().insert(queue_id, offset)
            }
        };
        if self.is_slave {
            self.replica.lock().moved(group, topic, queue_id, offset);
        }
        drop(table);
        self.note_change();
        let lowered = old.filter(|old| offset < *old);
        if let Some(old) = lowered {
            tracing::warn!(target: LOGGER, "[NOTIFYME]update consumer offset less than store. clientHost={peer}, key={topic}@{group}, queueId={queue_id}, requestOffset={offset}, storeOffset={old}");
        }
        lowered.is_some()
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
            self.note_reset(to, topic);
        }
    }

    /// Drops a group's offsets of every topic.
    pub fn remove_group(&self, group: &str) {
        let mut table = self.table.write();
        let had = |groups: &mut ByGroup| groups.remove(group).is_some();
        let topics: Vec<_> = table
            .iter_mut()
            .filter_map(|(topic, groups)| had(groups).then_some(topic.clone()))
            .collect();
        table.retain(|_, groups| !groups.is_empty());
        drop(table);
        // A slave that remembers them is not to bring them back.
        topics.iter().for_each(|topic| self.note_reset(group, topic));
        self.note_change();
    }

    /// After the change, never before it: [`Offsets::persist`] takes the mark and then the table,
    /// so a change that it does not see leaves its mark for the next time.
    pub(crate) fn note_change(&self) {
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
        let written = durable::replace(&self.path, text.as_bytes());
        let beside = self.replica.lock().encode()?;
        let written = written.and_then(|()| ReplicaOffsets::write(&self.path, beside.as_deref()));
        written.inspect_err(|_| self.note_change())
    }
}
