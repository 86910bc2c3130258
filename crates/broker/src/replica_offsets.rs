//! How the consumer offsets of a master and its slave are joined, so that none goes back.
//!
//! Consumers go to the slave while the master is away, and their offsets there are ahead when it
//! returns. The slave tells them, the larger wins. What somebody set by hand is meant, be it lower:
//! it raises the version of its group and topic, and offsets of an older version count no more.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};

use rocketmq_common::{clock, durable, fastjson};
use rocketmq_protocol::body::VersionedOffsets;
use serde::{Deserialize, Serialize};

use crate::offsets::Offsets;

/// Beside `consumerOffset.json`; there is none as long as there is nothing to say.
const FILE: &str = "consumerOffsetReplica.json";

/// What is known beside the offsets themselves, as the file has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ReplicaOffsets {
    /// When the master that was last in step with this slave had started, epoch ms.
    pub(crate) master_started_at: i64,
    /// `topic@group` to what was committed here since; a slave's.
    moved_table: BTreeMap<String, BTreeMap<i32, i64>>,
    /// `topic@group` to the version of its last explicit reset, epoch ms.
    version_table: BTreeMap<String, i64>,
}

fn key_of(group: &str, topic: &str) -> String {
    format!("{topic}@{group}")
}

impl ReplicaOffsets {
    fn path(offsets: &Path) -> PathBuf {
        offsets.with_file_name(FILE)
    }

    pub(crate) fn load(offsets: &Path) -> io::Result<ReplicaOffsets> {
        let parse = |bytes: &[u8]| fastjson::from_slice(bytes).map_err(|e| e.to_string());
        Ok(durable::load(&ReplicaOffsets::path(offsets), parse)?.unwrap_or_default())
    }

    /// The file's text, unless there is nothing to say.
    pub(crate) fn encode(&self) -> io::Result<Option<String>> {
        if *self == ReplicaOffsets::default() {
            return Ok(None);
        }
        fastjson::to_pretty(self).map(Some).map_err(io::Error::other)
    }

    pub(crate) fn write(offsets: &Path, text: Option<&str>) -> io::Result<()> {
        match text {
            Some(text) => durable::replace(&ReplicaOffsets::path(offsets), text.as_bytes()),
            None => Ok(()),
        }
    }

    /// A consumer committed here.
    pub(crate) fn moved(&mut self, group: &str, topic: &str, queue_id: i32, offset: i64) {
        self.moved_table.entry(key_of(group, topic)).or_default().insert(queue_id, offset);
    }

    fn version(&self, key: &str) -> i64 {
        self.version_table.get(key).copied().unwrap_or(0)
    }
}

impl Offsets {
    /// Somebody set the offsets of a group and topic by hand: whatever others remember of them is
    /// void.
    pub(crate) fn note_reset(&self, group: &str, topic: &str) {
        let mut replica = self.replica.lock();
        let key = key_of(group, topic);
        let version = clock::now_ms().max(replica.version(&key) + 1);
        replica.version_table.insert(key, version);
        drop(replica);
        self.note_change();
    }

    /// What a slave tells its master, which started at that time: what was committed here, or
    /// everything if the master has restarted and so may have lost the newest offsets.
    pub(crate) fn to_report(&self, master_started_at: i64) -> VersionedOffsets {
        let replica = self.replica.lock().clone();
        let all = replica.master_started_at != master_started_at;
        let offset_table = if all { self.snapshot().offset_table } else { replica.moved_table };
        let mut version_table = replica.version_table;
        version_table.retain(|key, _| offset_table.contains_key(key));
        VersionedOffsets { offset_table, version_table }
    }

    /// What was committed at this slave and its master may not know yet.
    pub(crate) fn moved(&self) -> VersionedOffsets {
        let offset_table = self.replica.lock().moved_table.clone();
        VersionedOffsets { offset_table, version_table: BTreeMap::new() }
    }

    /// A master joins its offsets with its slave's: of equal version the larger, else the newer.
    /// None passes the end of its queue here, as `end_of` tells it.
    pub(crate) fn join(
        &self,
        slave: &VersionedOffsets,
        end_of: impl Fn(&str, i32) -> i64,
    ) -> VersionedOffsets {
        let mut table = self.table.write();
        let mut replica = self.replica.lock();
        let mut changed = false;
        for (key, queues) in &slave.offset_table {
            let Some((topic, group)) = key.split_once('@') else { continue };
            let theirs = slave.version_table.get(key).copied().unwrap_or(0);
            let own = replica.version(key);
            if theirs < own {
                continue;
            }
            if theirs > own {
                replica.version_table.insert(key.clone(), theirs);
            }
            let known = table.entry(topic.into()).or_default().entry(group.into()).or_default();
            for (queue_id, offset) in queues {
                let offset = (*offset).min(end_of(topic, *queue_id).max(0));
                let is_behind = known.get(queue_id).is_none_or(|known| *known < offset);
                if is_behind || theirs > own {
                    known.insert(*queue_id, offset);
                    changed = true;
                }
            }
        }
        drop((replica, table));
        if changed {
            self.note_change();
        }
        self.versioned()
    }

    /// Every offset with the versions.
    fn versioned(&self) -> VersionedOffsets {
        let table = self.table.read();
        let version_table = self.replica.lock().version_table.clone();
        let entries = table.iter().flat_map(|(topic, groups)| {
            groups.iter().map(move |(group, queues)| (key_of(group, topic), queues.clone()))
        });
        VersionedOffsets { offset_table: entries.collect(), version_table }
    }

    /// A slave takes over its master's offsets, which know of `reported`. What was committed here
    /// since then stays, to be reported the next time.
    pub(crate) fn adopt(
        &self,
        master: &VersionedOffsets,
        reported: &VersionedOffsets,
        master_started_at: i64,
    ) {
        let mut table = self.table.write();
        let mut replica = self.replica.lock();
        let mut kept = HashMap::<String, BTreeMap<i32, i64>>::new();
        for (key, queues) in std::mem::take(&mut replica.moved_table) {
            let theirs = master.version_table.get(&key).copied().unwrap_or(0);
            if theirs > replica.version(&key) {
                continue;
            }
            let told = reported.offset_table.get(&key);
            let is_new = |queue_id: &i32, offset: &i64| {
                told.and_then(|queues| queues.get(queue_id)) != Some(offset)
            };
            let since: BTreeMap<i32, i64> =
                queues.into_iter().filter(|(queue_id, offset)| is_new(queue_id, offset)).collect();
            if !since.is_empty() {
                kept.insert(key, since);
            }
        }
        for (key, queues) in &master.offset_table {
            let Some((topic, group)) = key.split_once('@') else { continue };
            let theirs = master.version_table.get(key).copied().unwrap_or(0);
            if theirs < replica.version(key) {
                continue;
            }
            let since = kept.get(key);
            let own = table.entry(topic.into()).or_default().entry(group.into()).or_default();
            for (queue_id, offset) in queues {
                if since.is_none_or(|since| !since.contains_key(queue_id)) {
                    own.insert(*queue_id, *offset);
                }
            }
        }
        for (key, version) in &master.version_table {
            if *version > replica.version(key) {
                replica.version_table.insert(key.clone(), *version);
            }
        }
        replica.moved_table = kept.into_iter().collect();
        replica.master_started_at = master_started_at;
        drop((replica, table));
        self.note_change();
    }
}

/// What a slave committed while a master that is not ours was away: only this it can be told,
/// by topic, group, queue and offset, and only where the slave is ahead.
pub(crate) fn beyond(
    moved: &VersionedOffsets,
    master: &BTreeMap<String, BTreeMap<i32, i64>>,
) -> Vec<(String, String, i32, i64)> {
    let mut ahead = Vec::new();
    for (key, queues) in &moved.offset_table {
        let Some((topic, group)) = key.split_once('@') else { continue };
        let theirs = master.get(key);
        for (queue_id, offset) in queues {
            let known = theirs.and_then(|queues| queues.get(queue_id));
            if known.is_none_or(|known| known < offset) {
                ahead.push((topic.to_string(), group.to_string(), *queue_id, *offset));
            }
        }
    }
    ahead
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    const STARTED: i64 = 7;

    fn pair() -> (tempfile::TempDir, Offsets, Offsets) {
        let folder = tempfile::tempdir().unwrap();
        let load = |name: &str, is_slave| {
            std::fs::create_dir_all(folder.path().join(name)).unwrap();
            Offsets::load(folder.path().join(name).join("consumerOffset.json"), is_slave).unwrap()
        };
        let (master, slave) = (load("m", false), load("s", true));
        (folder, master, slave)
    }

    fn commit(offsets: &Offsets, queue_id: i32, offset: i64) -> bool {
        offsets.commit(SocketAddr::from(([127, 0, 0, 1], 1)), "G", "T", queue_id, offset)
    }

    fn step(master: &Offsets, slave: &Offsets, started: i64) {
        let reported = slave.to_report(started);
        let joined = master.join(&reported, |_, _| 100);
        slave.adopt(&joined, &reported, started);
        assert_eq!(master.of("G", "T"), slave.of("G", "T"));
    }

    #[test]
    fn the_larger_offset_wins_and_a_living_master_may_lower_it() {
        let (_folder, master, slave) = pair();
        commit(&master, 0, 5);
        commit(&master, 1, 5);
        step(&master, &slave, STARTED);
        // The master is away; queue 0 is consumed at the slave.
        commit(&slave, 0, 9);
        step(&master, &slave, STARTED);
        assert_eq!(master.of("G", "T"), BTreeMap::from([(0, 9), (1, 5)]));
        // In step, the master leads, down as well as up.
        assert!(commit(&master, 0, 2));
        step(&master, &slave, STARTED);
        assert_eq!(slave.get("G", "T", 0), Some(2));
    }

    #[test]
    fn a_master_that_restarts_with_older_offsets_gets_the_slaves() {
        let (_folder, master, slave) = pair();
        commit(&master, 0, 50);
        step(&master, &slave, STARTED);
        let (_folder, old, _) = pair();
        commit(&old, 0, 40);
        step(&old, &slave, STARTED + 1);
        assert_eq!(old.get("G", "T", 0), Some(50));
    }

    #[test]
    fn an_explicit_reset_of_either_side_stays() {
        let (_folder, master, slave) = pair();
        commit(&master, 0, 5);
        step(&master, &slave, STARTED);
        commit(&slave, 0, 9);
        commit(&master, 0, 1);
        master.note_reset("G", "T");
        step(&master, &slave, STARTED);
        assert_eq!(master.get("G", "T", 0), Some(1));
        commit(&slave, 0, 0);
        slave.note_reset("G", "T");
        step(&master, &slave, STARTED);
        assert_eq!(master.get("G", "T", 0), Some(0));
    }

    #[test]
    fn what_is_committed_while_the_master_is_asked_is_told_the_next_time() {
        let (_folder, master, slave) = pair();
        commit(&slave, 0, 3);
        let reported = slave.to_report(0);
        let joined = master.join(&reported, |_, _| 100);
        commit(&slave, 0, 4);
        slave.adopt(&joined, &reported, 0);
        assert_eq!(slave.get("G", "T", 0), Some(4));
        step(&master, &slave, 0);
        assert_eq!(master.get("G", "T", 0), Some(4));
    }

    #[test]
    fn it_survives_a_restart_and_passes_no_end() {
        let (folder, master, slave) = pair();
        commit(&slave, 0, 300);
        slave.persist().unwrap();
        let again = Offsets::load(folder.path().join("s/consumerOffset.json"), true).unwrap();
        let reported = again.to_report(0);
        assert_eq!(reported.offset_table["T@G"], BTreeMap::from([(0, 300)]));
        master.join(&reported, |_, _| 100);
        assert_eq!(master.get("G", "T", 0), Some(100));
        master.persist().unwrap();
        assert!(!folder.path().join("m").join(FILE).exists(), "nothing to say");
    }

    #[test]
    fn a_master_of_javas_is_told_what_is_ahead_only() {
        let (_folder, _, slave) = pair();
        commit(&slave, 0, 9);
        commit(&slave, 1, 9);
        let master = BTreeMap::from([("T@G".to_string(), BTreeMap::from([(0, 4), (1, 10)]))]);
        assert_eq!(beyond(&slave.moved(), &master), [("T".into(), "G".into(), 0, 9)]);
    }
}
