//! Looking a store over without a broker, or beside a running one, and mending what can be mended.
//!
//! Nothing is written unless a repair is asked for. Every record of the commit log is read and its
//! checksum compared; every record must have its entry in its consume queue and every entry its
//! record; index entries must point to records with such a key; checkpoint and tables must make
//! sense.

mod index;
mod queues;

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rocketmq_common::fastjson;
use rocketmq_protocol::message::RecordView;

use crate::checkpoint::Checkpoint;
use crate::config::MessageStoreConfig;
use crate::dispatch;
use crate::error::StoreError;
use crate::get::NoListener;
use crate::index::IndexShape;
use crate::io::{Disk, RecordLock};
use crate::open::{ABORT_FILE, LOCK_FILE};
use crate::recover::{Damage, Scan};
use crate::repair;
use crate::segments::Segments;
use crate::store::MessageStore;
use queues::Queues;

/// Findings of one kind that are told one by one.
const TOLD_MAX: usize = 20;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Wrong, and rebuilt from the commit log by a repair.
    Repairable,
    /// Messages are lost, or a person has to decide.
    Loss,
}

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad.
    pub severity: Severity,
    /// The file or folder.
    pub path: PathBuf,
    /// What is wrong.
    pub what: String,
}

/// What was looked at and found.
#[derive(Clone, Debug, Default)]
pub struct Verification {
    /// A broker has the store open: what is being written just now may look unfinished.
    pub is_live: bool,
    /// Valid records, and their bytes.
    pub records: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// First and last commit log offset.
    pub range: (i64, i64),
    /// Consume queues, and entries in them.
    pub queues: usize,
    /// Entries of the consume queues.
    pub entries: u64,
    /// Index files.
    pub index_files: usize,
    /// Entries of the index.
    pub index_entries: u64,
    /// What is wrong; of many of a kind the first, and a line that counts the others.
    pub findings: Vec<Finding>,
    told: HashMap<&'static str, usize>,
}

impl Verification {
    /// Whether everything is as it should be.
    pub fn is_sound(&self) -> bool {
        self.findings.iter().all(|finding| finding.severity == Severity::Note)
    }

    /// Adds a finding of a kind, of which only the first are told.
    fn find(&mut self, kind: &'static str, severity: Severity, path: &Path, what: String) {
        let told = self.told.entry(kind).or_default();
        *told += 1;
        if *told <= TOLD_MAX {
            self.findings.push(Finding { severity, path: path.to_path_buf(), what });
        }
    }

    fn count_untold(&mut self, root: &Path) {
        let mut untold: Vec<_> = self.told.iter().filter(|(_, told)| **told > TOLD_MAX).collect();
        untold.sort();
        for (kind, told) in untold {
            let what = format!("{} more: {kind}", told - TOLD_MAX);
            let (severity, path) = (Severity::Note, root.to_path_buf());
            self.findings.push(Finding { severity, path, what });
        }
    }
}

/// The parts of a store, opened for reading.
struct Looked {
    verification: Verification,
    damages: Vec<Damage>,
    queues: Queues,
}

/// Takes the file sizes from the files of the store itself. Index files of another than the
/// default size cannot be read without the broker's configuration; they are left out then.
///
/// # Errors
/// A folder cannot be listed.
pub fn take_sizes(config: &mut MessageStoreConfig) -> Result<(), StoreError> {
    let size_of = |path: &Path| std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    let files_in = |folder: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        files.sort();
        files
    };
    let logs = config.commit_log_paths();
    if let Some(first) = logs.iter().flat_map(|path| files_in(path)).next() {
        config.mapped_file_size_commit_log = i32::try_from(size_of(&first)).unwrap_or(i32::MAX);
    }
    let root = config.root();
    let mut sizes: HashMap<u64, usize> = HashMap::new();
    for queue in files_in(&root.join("consumequeue")).iter().flat_map(|topic| files_in(topic)) {
        for file in files_in(&queue) {
            *sizes.entry(size_of(&file)).or_default() += 1;
        }
    }
    if let Some((size, _)) = sizes.into_iter().max_by_key(|(_, count)| *count) {
        config.mapped_file_size_consume_queue = i32::try_from(size).unwrap_or(i32::MAX);
    }
    let extensions = files_in(&root.join("consumequeue_ext"));
    let mut files = extensions.iter().flat_map(|topic| files_in(topic)).flat_map(|q| files_in(&q));
    if let Some(first) = files.next() {
        config.mapped_file_size_consume_queue_ext =
            i32::try_from(size_of(&first)).unwrap_or(i32::MAX);
        // Queues that are built again get theirs too.
        config.enable_consume_queue_ext = true;
    }
    if let Some(first) = files_in(&root.join("index")).first() {
        let count = |value: i32| u32::try_from(value).unwrap_or(0);
        let shape = IndexShape::new(count(config.max_hash_slot_num), count(config.max_index_num));
        config.message_index_enable = size_of(first) == shape.file_bytes();
    }
    Ok(())
}

/// Looks a store over. Only paths, file sizes and delay levels of the settings are used.
///
/// # Errors
/// A file cannot be read, or no folder is there.
pub fn verify(config: &MessageStoreConfig) -> Result<Verification, StoreError> {
    let root = config.root();
    let is_live = match RecordLock::probe(&root.join(LOCK_FILE)) {
        Ok(is_free) => !is_free,
        Err(error) => return Err(error),
    };
    Ok(look(config, is_live)?.verification)
}

/// Looks a store over and mends it: places of the commit log that hold no record are filled, so
/// that writing is possible again; consume queues that are wrong, and the index, are built again
/// from the commit log. Returns what was found before and after.
///
/// # Errors
/// A broker has the store open, or a file cannot be read or written.
pub fn repair(config: &MessageStoreConfig) -> Result<(Verification, Verification), StoreError> {
    let root = config.root();
    let disk = Disk::default();
    let before = {
        let _lock = RecordLock::acquire(&root.join(LOCK_FILE))?;
        let looked = look(config, false)?;
        let directories = config.commit_log_paths();
        let segments = Segments::load(&directories, config.segment_bytes(), &disk)?;
        for damage in &looked.damages {
            repair::fill(&segments, &disk, damage)?;
        }
        if looked.verification.is_sound() {
            return Ok((looked.verification.clone(), looked.verification));
        }
        for folder in looked.queues.wrong() {
            remove_files(&folder)?;
        }
        // As after a crash without a checkpoint: the whole log is dispatched again, queues take
        // what they lack, and the index is made anew.
        let checkpoint = root.join(crate::open::CHECKPOINT_FILE);
        if checkpoint.exists() {
            std::fs::remove_file(&checkpoint)
                .map_err(|source| StoreError::io("delete", &checkpoint, source))?;
        }
        if config.message_index_enable {
            remove_files(&root.join("index"))?;
        }
        crate::open::create_abort_file(&root, &disk)?;
        looked
    };
    let topics = before.queues.topics();
    let store = MessageStore::open(config.clone(), Arc::new(NoListener))?;
    store.start()?;
    if !topics.is_empty() {
        // Topics that were deleted are still in the log; they stay deleted.
        for topic in store.topics().into_iter().filter(|topic| !topics.contains(topic)) {
            store.delete_topic(&topic)?;
        }
    }
    store.shutdown();
    drop(store);
    let after = look(config, false)?.verification;
    Ok((before.verification, after))
}

fn remove_files(folder: &Path) -> Result<(), StoreError> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(()) };
    for entry in entries {
        let path = entry.map_err(|source| StoreError::io("list", folder, source))?.path();
        if path.is_file() {
            std::fs::remove_file(&path)
                .map_err(|source| StoreError::io("delete", &path, source))?;
        }
    }
    Ok(())
}

fn look(config: &MessageStoreConfig, is_live: bool) -> Result<Looked, StoreError> {
    let root = config.root();
    let mut found = Verification { is_live, ..Verification::default() };
    if !root.is_dir() {
        let source = std::io::ErrorKind::NotFound;
        return Err(StoreError::io("open", &root, std::io::Error::from(source)));
    }
    let directories = config.commit_log_paths();
    let segments = Segments::load_to_read(&directories, config.segment_bytes())?;
    let mut queues = Queues::open(&root, config.queue_segment_bytes(), &mut found)?;
    let levels = config.delay_levels()?;
    let min = segments.first().map_or(0, |first| first.start());
    let scan =
        Scan { segments: &segments, check_crc: true, is_in_queue: &|_| true, known_end: None };
    let mut newest = 0;
    let mut on_record = |view: &RecordView<'_>| -> Result<(), StoreError> {
        newest = newest.max(view.store_timestamp);
        if let Some(entry) = dispatch::entry_of(view, &levels) {
            queues.expect(view.topic_text(), view.queue_id, view.queue_offset, entry);
        }
        Ok(())
    };
    let scanned = scan.run(min, &mut on_record)?;
    (found.records, found.bytes, found.range) =
        (scanned.records, scanned.bytes, (min, scanned.end));
    for damage in &scanned.damages {
        let segment = segments.find(damage.range.start);
        let path = segment.map_or(root.clone(), |segment| segment.path().to_path_buf());
        let (from, to) = (damage.range.start, damage.range.end);
        let what =
            format!("no valid record from commit log offset {from} to {to}: {}", damage.cause);
        found.find("damaged parts of the commit log", Severity::Loss, &path, what);
    }
    queues.judge(&scanned, &segments, &mut found);
    if config.message_index_enable {
        index::judge(config, &segments, scanned.end, &mut found)?;
    } else if root.join("index").is_dir() {
        let what = "not looked into: its size is not the default, give the broker's configuration";
        found.find("index files", Severity::Note, &root.join("index"), what.to_string());
    }
    judge_small_files(&root, newest, &mut found)?;
    found.count_untold(&root);
    Ok(Looked { verification: found, damages: scanned.damages, queues })
}

/// Abort marker, checkpoint and tables.
fn judge_small_files(
    root: &Path,
    newest_ms: i64,
    found: &mut Verification,
) -> Result<(), StoreError> {
    let abort = root.join(ABORT_FILE);
    if abort.exists() && !found.is_live {
        let what = "the broker was not closed in order; its next start looks closely".to_string();
        found.find("markers", Severity::Note, &abort, what);
    }
    let path = root.join(crate::open::CHECKPOINT_FILE);
    if path.exists() {
        let checkpoint = Checkpoint::load(&path)?;
        let times = [
            ("physicMsgTimestamp", checkpoint.physical()),
            ("logicsMsgTimestamp", checkpoint.logical()),
            ("indexMsgTimestamp", checkpoint.index()),
        ];
        for (name, ms) in times.into_iter().filter(|(_, ms)| *ms < 0 || *ms > newest_ms) {
            if found.is_live {
                continue;
            }
            let what = format!("{name} is {ms}, the newest message was stored at {newest_ms}");
            found.find("times of the checkpoint", Severity::Repairable, &path, what);
        }
    }
    let Ok(tables) = std::fs::read_dir(root.join("config")) else { return Ok(()) };
    for entry in tables.flatten() {
        let path = entry.path();
        let is_table = path.extension().is_some_and(|extension| extension == "json");
        let Some(content) = is_table.then(|| std::fs::read(&path).ok()).flatten() else { continue };
        if let Err(error) = fastjson::from_slice::<fastjson::Value>(&content) {
            let what = format!("it cannot be read ({error}); the broker falls back to .bak");
            found.find("tables", Severity::Loss, &path, what);
        }
    }
    Ok(())
}

/// Opens a file and maps it.
fn map(path: &Path) -> Result<bytes::Bytes, StoreError> {
    let file = File::open(path).map_err(|source| StoreError::io("open", path, source))?;
    if file.metadata().is_ok_and(|metadata| metadata.len() == 0) {
        return Ok(bytes::Bytes::new());
    }
    crate::mapping::map(&file).map_err(|source| StoreError::io("map", path, source))
}
