//! Consume queues against the records of the commit log.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use rocketmq_protocol::message::RecordView;
use rocketmq_protocol::message::record::MESSAGE_MAGIC;

use super::{Severity, Verification, map};
use crate::consume_queue::{ENTRY_BYTES, QueueEntry, QueueUnit, is_address, list_files, names};
use crate::error::StoreError;
use crate::open::ABORT_FILE;
use crate::recover::Scanned;
use crate::segments::Segments;

/// The files of one queue.
struct Queue {
    topic: String,
    queue_id: i32,
    folder: PathBuf,
    /// Start of each file in bytes of the queue, and its content.
    files: Vec<(u64, Bytes)>,
    /// The same of its extension.
    units: Vec<(u64, Bytes)>,
    /// Entries that records asked for and that are not as they should be.
    is_wrong: bool,
}

impl Queue {
    fn entry(&self, queue_offset: i64) -> Option<QueueEntry> {
        let at = u64::try_from(queue_offset).ok()?.checked_mul(ENTRY_BYTES as u64)?;
        let behind = self.files.partition_point(|(start, _)| *start <= at);
        let (start, content) = self.files.get(behind.checked_sub(1)?)?;
        let place = usize::try_from(at - start).ok()?;
        let bytes = content.get(place..place.checked_add(ENTRY_BYTES)?)?;
        QueueEntry::decode(bytes).filter(QueueEntry::is_valid)
    }

    /// The entry with the tags code that its extension unit holds. A unit that cannot be read is
    /// told by [`Queues::judge`]: the entry itself is as it should be.
    fn resolved(&self, entry: QueueEntry, expected: &QueueEntry) -> QueueEntry {
        let tags_code = match is_address(entry.tags_code) {
            true => self.unit(&entry).map_or(expected.tags_code, |unit| unit.tags_code),
            false => entry.tags_code,
        };
        QueueEntry { tags_code, ..entry }
    }

    fn unit(&self, entry: &QueueEntry) -> Option<QueueUnit> {
        let at = entry.tags_code.wrapping_sub(i64::MIN) as u64;
        let behind = self.units.partition_point(|(start, _)| *start <= at);
        let (start, content) = self.units.get(behind.checked_sub(1)?)?;
        QueueUnit::decode(content.get(usize::try_from(at - start).ok()?..)?)
    }
}

/// Every queue of a store.
pub(super) struct Queues {
    queues: BTreeMap<(String, i32), Queue>,
    /// Queues that records belong to and that are not there.
    missing: BTreeMap<(String, i32), u64>,
    /// The first offset of each queue that a record was found for.
    first: BTreeMap<(String, i32), i64>,
    /// Entries that records asked for in vain: queue, offset, record.
    lacking: Vec<(String, i32, i64, i64)>,
    lacking_count: u64,
    /// A broker has the store, or was not closed in order: the last entries of a queue may still
    /// have been in its memory only.
    is_open: bool,
    /// How many such entries there are.
    unwritten: u64,
}

/// Lacking entries that are kept to be told.
const KEPT_MAX: usize = 1000;

impl Queues {
    pub(super) fn open(
        root: &Path,
        file_size: u64,
        found: &mut Verification,
    ) -> Result<Queues, StoreError> {
        let is_open = found.is_live || root.join(ABORT_FILE).exists();
        let folders = root.join("consumequeue");
        let mut queues = BTreeMap::new();
        if folders.is_dir() {
            for topic in names(&folders)? {
                let folder = folders.join(&topic);
                if !folder.is_dir() {
                    continue;
                }
                for name in names(&folder)? {
                    let Ok(queue_id) = name.parse::<i32>() else { continue };
                    let folder = folder.join(&name);
                    let mut queue = Queue {
                        topic: topic.clone(),
                        queue_id,
                        files: Vec::new(),
                        units: units_of(root, &topic, &name)?,
                        is_wrong: false,
                        folder: folder.clone(),
                    };
                    for (start, len) in list_files(&folder)? {
                        let path = folder.join(format!("{start:020}"));
                        if len != file_size {
                            let what = format!("it has {len} bytes instead of {file_size}");
                            found.find("files of queues", Severity::Repairable, &path, what);
                            queue.is_wrong = true;
                        }
                        queue.files.push((start, map(&path)?));
                    }
                    queues.insert((topic.clone(), queue_id), queue);
                }
            }
        }
        found.queues = queues.len();
        Ok(Queues {
            queues,
            missing: BTreeMap::new(),
            first: BTreeMap::new(),
            lacking: Vec::new(),
            lacking_count: 0,
            is_open,
            unwritten: 0,
        })
    }

    /// Topics that have queues.
    pub(super) fn topics(&self) -> BTreeSet<String> {
        self.queues.keys().map(|(topic, _)| topic.clone()).collect()
    }

    /// Folders of the queues that are to be built again.
    pub(super) fn wrong(&self) -> Vec<PathBuf> {
        let wrong = self.queues.values().filter(|queue| queue.is_wrong);
        wrong.map(|queue| queue.folder.clone()).collect()
    }

    /// A record must have this entry.
    pub(super) fn expect(
        &mut self,
        topic: &str,
        queue_id: i32,
        queue_offset: i64,
        expected: QueueEntry,
    ) {
        let key = (topic.to_string(), queue_id);
        let Some(queue) = self.queues.get_mut(&key) else {
            *self.missing.entry(key).or_default() += 1;
            return;
        };
        let found = queue.entry(queue_offset).map(|entry| queue.resolved(entry, &expected));
        if found.is_none() && self.is_open && queue.entry(queue_offset + 1).is_none() {
            self.unwritten += 1;
        } else if found != Some(expected) {
            self.lacking_count += 1;
            if self.lacking.len() < KEPT_MAX {
                let (topic, physical) = (topic.to_string(), expected.physical_offset);
                self.lacking.push((topic, queue_id, queue_offset, physical));
            }
            // Where a topic was deleted and made again, its old records have no place any more.
            let is_old =
                found.is_some_and(|entry| entry.physical_offset > expected.physical_offset);
            queue.is_wrong |= !is_old;
        }
        self.first.entry(key).or_insert(queue_offset);
    }

    /// Tells what is missing, and looks at every entry.
    pub(super) fn judge(
        &mut self,
        scanned: &Scanned,
        segments: &Segments,
        found: &mut Verification,
    ) {
        for ((topic, queue_id), records) in &self.missing {
            let path = Path::new(topic).join(queue_id.to_string());
            let known = self.queues.keys().any(|(name, _)| name == topic);
            // A topic without any queue was deleted, as far as anyone can tell.
            let is_wrong = known && !self.is_open;
            let severity = if is_wrong { Severity::Repairable } else { Severity::Note };
            let what = format!("{records} messages in the log, but no such consume queue");
            found.find("missing queues", severity, &path, what);
        }
        if self.unwritten > 0 && !found.is_live {
            let what = format!(
                "{} entries were not written when the broker ended; its next start builds them from the commit log",
                self.unwritten
            );
            found.find("entries of queues", Severity::Note, Path::new("consumequeue"), what);
        }
        if !found.is_live {
            for (topic, queue_id, queue_offset, physical) in &self.lacking {
                let Some(queue) = self.queues.get(&(topic.clone(), *queue_id)) else { continue };
                let what = format!(
                    "the entry of message {queue_offset}, which is at commit log offset {physical}, is missing or wrong"
                );
                found.find("entries of queues", Severity::Repairable, &queue.folder, what);
            }
        }
        let is_live = found.is_live;
        let min = segments.first().map_or(0, |first| first.start());
        for queue in self.queues.values_mut() {
            let mut wrong = 0_u64;
            for (start, content) in &queue.files {
                for (number, bytes) in content.chunks_exact(ENTRY_BYTES).enumerate() {
                    let position = *start as i64 / ENTRY_BYTES as i64 + number as i64;
                    let entry = QueueEntry::decode(bytes).filter(QueueEntry::is_valid);
                    let Some(entry) = entry else { continue };
                    found.entries += 1;
                    if entry.is_filler() || entry.physical_offset < min {
                        continue;
                    }
                    let is_behind = entry.physical_offset >= scanned.end;
                    if is_behind && is_live {
                        continue;
                    }
                    let is_damaged =
                        scanned.damages.iter().any(|d| d.range.contains(&entry.physical_offset));
                    if is_damaged {
                        // Built again, the queue has an empty place there.
                        queue.is_wrong = true;
                    } else if !points_to_record(segments, queue, position, &entry) {
                        wrong += 1;
                        let what = format!(
                            "the entry of message {position} points to commit log offset {}, where it is not",
                            entry.physical_offset
                        );
                        found.find("entries of queues", Severity::Repairable, &queue.folder, what);
                    } else if is_address(entry.tags_code)
                        && queue.unit(&entry).is_none()
                        && !is_live
                    {
                        wrong += 1;
                        let what = format!(
                            "the extension of message {position}, at {} in its consumequeue_ext folder, cannot be read",
                            entry.tags_code.wrapping_sub(i64::MIN)
                        );
                        found.find("units of queues", Severity::Repairable, &queue.folder, what);
                    }
                }
            }
            queue.is_wrong |= wrong > 0;
        }
    }
}

/// The files of a queue's extension.
fn units_of(root: &Path, topic: &str, queue_id: &str) -> Result<Vec<(u64, Bytes)>, StoreError> {
    let folder = root.join("consumequeue_ext").join(topic).join(queue_id);
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let files = list_files(&folder)?.into_iter();
    files.map(|(start, _)| Ok((start, map(&folder.join(format!("{start:020}")))?))).collect()
}

fn points_to_record(segments: &Segments, queue: &Queue, position: i64, entry: &QueueEntry) -> bool {
    let size = usize::try_from(entry.size).unwrap_or(0);
    let segment = segments.find(entry.physical_offset);
    let record = segment.and_then(|segment| segment.slice(entry.physical_offset, size));
    let Some(record) =
        record.filter(|record| RecordView::peek(record) == Some((entry.size, MESSAGE_MAGIC)))
    else {
        return false;
    };
    RecordView::parse(&record).is_ok_and(|view| {
        view.topic_text() == queue.topic
            && view.queue_id == queue.queue_id
            && view.queue_offset == position
    })
}
