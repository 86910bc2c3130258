//! Index files against the records of the commit log.

use rocketmq_protocol::message::{RecordView, properties};

use super::{Severity, Verification, map};
use crate::config::MessageStoreConfig;
use crate::consume_queue::names;
use crate::error::StoreError;
use crate::index::{IndexShape, key_hash};
use crate::segments::Segments;

const ENTRY_BYTES: usize = 20;
const END_OFFSET_AT: usize = 24;
const ENTRY_COUNT_AT: usize = 36;

fn i32_at(bytes: &[u8], at: usize) -> i32 {
    let word = bytes.get(at..).and_then(|rest| rest.first_chunk::<4>());
    word.map_or(0, |word| i32::from_be_bytes(*word))
}

fn i64_at(bytes: &[u8], at: usize) -> i64 {
    let word = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>());
    word.map_or(0, |word| i64::from_be_bytes(*word))
}

pub(super) fn judge(
    config: &MessageStoreConfig,
    segments: &Segments,
    log_end: i64,
    found: &mut Verification,
) -> Result<(), StoreError> {
    let folder = config.root().join("index");
    if !folder.is_dir() {
        return Ok(());
    }
    let count = |value: i32| u32::try_from(value).unwrap_or(0);
    let shape = IndexShape::new(count(config.max_hash_slot_num), count(config.max_index_num));
    let min = segments.first().map_or(0, |first| first.start());
    for name in names(&folder)? {
        let path = folder.join(&name);
        let content = map(&path)?;
        found.index_files += 1;
        if content.len() as u64 != shape.file_bytes() {
            let what = format!(
                "it has {} bytes; with maxHashSlotNum and maxIndexNum as given it would have {}. It was not looked into",
                content.len(),
                shape.file_bytes()
            );
            found.find("index files", Severity::Note, &path, what);
            continue;
        }
        let entries = i32_at(&content, ENTRY_COUNT_AT).max(1);
        let end_offset = i64_at(&content, END_OFFSET_AT);
        if !found.is_live && end_offset >= log_end.max(1) {
            let what = format!(
                "it says that it reaches to commit log offset {end_offset}, the log ends at {log_end}"
            );
            found.find("index files", Severity::Repairable, &path, what);
        }
        if entries.unsigned_abs() > count(config.max_index_num) {
            let what = format!("it says that it has {entries} entries, more than maxIndexNum");
            found.find("index files", Severity::Repairable, &path, what);
            continue;
        }
        for number in 1..entries {
            let at = shape.entry_at(number);
            let Some(entry) = content.get(at..at + ENTRY_BYTES) else { break };
            found.index_entries += 1;
            let (hash, physical) = (i32_at(entry, 0), i64_at(entry, 4));
            if physical < min || (found.is_live && physical >= log_end) {
                continue;
            }
            if !has_key(segments, physical, hash) {
                let what = format!(
                    "entry {number} points to commit log offset {physical}, where no message has that key"
                );
                found.find("index entries", Severity::Repairable, &path, what);
            }
        }
    }
    Ok(())
}

/// Whether the record at that place has a key of that hash.
fn has_key(segments: &Segments, physical_offset: i64, hash: i32) -> bool {
    let Some(segment) = segments.find(physical_offset) else { return false };
    let Ok(bytes) = segment.bytes() else { return false };
    let place = usize::try_from(physical_offset - segment.start()).unwrap_or(usize::MAX);
    let Ok(view) = RecordView::parse(bytes.get(place..).unwrap_or_default()) else { return false };
    let topic = view.topic_text();
    properties::pairs(view.properties).any(|(name, value)| {
        let Ok(value) = std::str::from_utf8(value) else { return false };
        match name {
            b"UNIQ_KEY" => key_hash(topic, value) == hash,
            b"KEYS" => value.split(' ').any(|key| key_hash(topic, key) == hash),
            _ => false,
        }
    })
}
