//! Loading the files and bringing log, consume queues and index into step (contract `store.md` 12).

use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Instant;

use parking_lot::{Mutex, RwLock};
use rocketmq_protocol::message::RecordView;

use crate::checkpoint::Checkpoint;
use crate::commit_log::CommitLog;
use crate::config::MessageStoreConfig;
use crate::consume_queue::ConsumeQueues;
use crate::dispatch::{DispatchError, Dispatcher};
use crate::error::StoreError;
use crate::flush::Flusher;
use crate::get::ArrivalListener;
use crate::index::{Index, IndexShape};
use crate::io::{self, Defect, Disk, DiskOperation};
use crate::recover::{self, Damage, Scan, Scanned};
use crate::repair;
use crate::retention::DiskLimits;
use crate::segments::{Allocator, Segments};
use crate::shared::Core;
use crate::state::{Refusal, State};
use crate::stats::Stats;

/// Records between two rounds of the dispatcher during recovery.
const ROUND_RECORDS: u64 = 1000;

/// Name of the marker of a store in use.
pub(crate) const ABORT_FILE: &str = "abort";
/// Name of the lock file.
pub(crate) const LOCK_FILE: &str = "lock";
/// Name of the checkpoint file.
pub(crate) const CHECKPOINT_FILE: &str = "checkpoint";

impl From<DispatchError> for StoreError {
    fn from(error: DispatchError) -> StoreError {
        match error {
            DispatchError::Queue(error) | DispatchError::Index(error) => error,
        }
    }
}

/// Loads and recovers the store at the configured places. The caller holds the lock.
pub(crate) fn open(
    config: MessageStoreConfig,
    listener: Arc<dyn ArrivalListener>,
    disk: Disk,
) -> Result<Core, StoreError> {
    let opened = Instant::now();
    let root = config.root();
    let abnormal = root.join(ABORT_FILE).exists();
    tracing::info!(target: "RocketmqStore", "last shutdown {}", if abnormal { "abnormally" } else { "normally" });
    let directories = config.commit_log_paths();
    for directory in &directories {
        disk.create_directory(directory)?;
    }
    let segments = Segments::load(&directories, config.segment_bytes(), &disk)?;
    let queues = ConsumeQueues::load(&root, config.queue_segment_bytes(), &disk)?;
    let ext_bytes = u64::try_from(config.mapped_file_size_consume_queue_ext).unwrap_or(0);
    let queues = queues.extended(&root, ext_bytes, config.enable_consume_queue_ext);
    let checkpoint = Checkpoint::load(&root.join(CHECKPOINT_FILE))?;
    let allocator = Allocator::new(
        disk.clone(),
        config.segment_bytes(),
        directories,
        config.read_only_commit_log_paths(),
        DiskLimits::of_process().clean_forcibly,
    );
    let index = match config.message_index_enable {
        true => Some(load_index(&config, &root, abnormal, (&checkpoint, &disk))?),
        false => None,
    };
    let delay_levels = config.delay_levels()?;
    let log = CommitLog::new(segments, allocator, disk);
    let bit_maps = Arc::clone(&listener);
    let dispatcher = Dispatcher { queues, bit_maps, index, delay_levels };
    let state = State::default();
    let recovery = Recovery {
        config: &config,
        root: &root,
        log: &log,
        dispatcher: &dispatcher,
        abnormal,
        changes: Cell::new(false),
    };
    let damages = recovery.run(&checkpoint)?;
    report_damages(&damages, &dispatcher.queues, &state);
    let end = log.written_end();
    tracing::info!(target: "RocketmqStore", "load over, and the max phy offset = {end}");
    Ok(Core {
        written_before: end,
        config: RwLock::new(Arc::new(config)),
        root,
        state,
        flusher: Flusher::new(end),
        dispatched_timestamp: AtomicI64::new(log.written_timestamp()),
        log,
        dispatcher,
        listener,
        checkpoint,
        stats: Stats::new(),
        damages,
        writer: Mutex::default(),
        spare: Mutex::default(),
        dispatched_end: AtomicI64::new(end),
        writing_since: AtomicI64::new(0),
        opened,
        physical_memory: io::physical_memory(),
        clean_immediately: AtomicBool::new(false),
        manual_passes: AtomicI64::new(0),
    })
}

fn load_index(
    config: &MessageStoreConfig,
    root: &Path,
    abnormal: bool,
    (checkpoint, disk): (&Checkpoint, &Disk),
) -> Result<Index, StoreError> {
    let slots = u32::try_from(config.max_hash_slot_num).unwrap_or(0);
    let entries = u32::try_from(config.max_index_num).unwrap_or(0);
    let shape = IndexShape::new(slots, entries);
    Index::load(&root.join("index"), shape, abnormal, checkpoint.index(), disk)
}

struct Recovery<'a> {
    config: &'a MessageStoreConfig,
    root: &'a Path,
    log: &'a CommitLog,
    dispatcher: &'a Dispatcher,
    abnormal: bool,
    /// Something was changed that a normal recovery would not notice half done.
    changes: Cell<bool>,
}

impl Recovery<'_> {
    /// Brings everything into step; returns the damaged parts of the log.
    fn run(&self, checkpoint: &Checkpoint) -> Result<Vec<Damage>, StoreError> {
        let queues = &self.dispatcher.queues;
        let segments = self.log.segments();
        let begin = Instant::now();
        let min = self.log.min_offset();
        let end_max = segments.last().map_or(0, |last| last.end());
        let queues_end = queues.recover(&(min..end_max))?;
        tracing::info!(target: "RocketmqStore", "recover consume queues over, max physical offset {queues_end}, cost {} ms", begin.elapsed().as_millis());
        if segments.len() == 0 {
            tracing::warn!(target: "RocketmqStore", "The commitlog files are deleted, and delete the consume queue files");
            queues.destroy_all()?;
            queues.settle();
            self.log.set_end(0, 0);
            return Ok(Vec::new());
        }
        let range = self.range(checkpoint, queues_end);
        let (from, missing) = (range.from, queues.missing_from());
        if missing.is_some() {
            self.begin_change()?;
        }
        let mut scanned = self.scan(&range.beginning_at(missing))?;
        let end = match self.log.disk().has_defect(Defect::DropsTail) {
            true => scanned.last_record,
            false => scanned.end,
        };
        if let Some(last) = segments.find(end)
            && (self.abnormal || queues_end != end)
        {
            let cleared = recover::clear_tail(&last, self.log.disk(), end)?;
            if cleared > 0 {
                tracing::warn!(target: "RocketmqStore", "the last record of the commit log is torn: cut at {end}, {cleared} bytes cleared");
            }
        }
        segments.delete_behind(end)?;
        if queues_end > end {
            tracing::warn!(target: "RocketmqStore", "maxPhyOffsetOfConsumeQueue({queues_end}) >= processOffset({end}), truncate dirty logic files");
            queues.truncate_dirty(end)?;
        }
        if let Some(missing) = queues.missing_from().filter(|at| *at < from || queues_end > end) {
            tracing::warn!(target: "RocketmqStore", "consume queues lack messages from commit log offset {missing} on, read it again from there");
            scanned = self.scan(&range.beginning_at(Some(missing)))?;
        }
        self.fill_unwritten(&mut scanned.damages, checkpoint)?;
        queues.settle();
        self.dispatcher.end_round()?;
        // What a process left in the page cache counts as on the disk from here on.
        self.log.sync(from, end)?;
        queues.flush()?;
        self.log.set_end(end, scanned.last_timestamp);
        queues.correct_min(min);
        self.log.with_queue_offsets(|table| {
            table.clear();
            queues.for_each_queue(|topic, queue_id, _min, max| table.set(topic, queue_id, max));
        });
        Ok(scanned.damages)
    }

    /// After a power cut some of the last blocks may be on the disk and others before them not.
    /// That is no damage of what was promised to be there: such places are filled, and named in
    /// the log, and the broker goes on.
    fn fill_unwritten(
        &self,
        damages: &mut Vec<Damage>,
        checkpoint: &Checkpoint,
    ) -> Result<(), StoreError> {
        let (segments, disk) = (self.log.segments(), self.log.disk());
        let mut left = Vec::new();
        for damage in damages.drain(..) {
            let unsynced = self.abnormal && damage.newer_than >= checkpoint.synced_before();
            let filled = unsynced
                && repair::lacks_block(segments, &damage)?
                && repair::fill(segments, disk, &damage)?;
            if filled {
                let lost =
                    entries_within(&self.dispatcher.queues, damage.range.start, damage.range.end);
                tracing::error!(target: "RocketmqStoreError", "the commit log from {} to {} was never written to the disk before the last end of the broker; lost: {}", damage.range.start, damage.range.end, lost.join(", "));
            } else {
                left.push(damage);
            }
        }
        *damages = left;
        Ok(())
    }

    /// Killed in the middle of building queues, they must be looked at thoroughly next time.
    fn begin_change(&self) -> Result<(), StoreError> {
        if self.abnormal || self.changes.replace(true) {
            return Ok(());
        }
        create_abort_file(self.root, self.log.disk())
    }

    /// Where to read the log from.
    fn range(&self, checkpoint: &Checkpoint, queues_end: i64) -> ScanRange {
        let segments = self.log.segments();
        let min = self.log.min_offset();
        let from = if self.abnormal {
            let safe = self.config.message_index_enable && self.config.message_index_safe;
            let ms = match safe {
                true => checkpoint.min_timestamp_index(),
                false => checkpoint.min_timestamp(),
            };
            recover::segment_before(segments, ms)
        } else {
            recover::third_last(segments)
        };
        let from = from.map_or(min, |segment| segment.start());
        // Queues that lag behind are brought up from where they end, wherever that is; the walk
        // to there begins at a segment's front, where a record begins for sure.
        let lag = queues_end.max(min);
        let from = segments.find(lag).map_or(from, |segment| segment.start().min(from));
        let dispatch_from = if self.abnormal { from.min(lag) } else { lag };
        let known_end = (!self.abnormal).then_some(queues_end);
        ScanRange { from, dispatch_from, known_end }
    }

    /// Finds the end of the log, and dispatches what queues and index may lack.
    fn scan(&self, range: &ScanRange) -> Result<Scanned, StoreError> {
        let segments = self.log.segments();
        let begin = Instant::now();
        let min = self.log.min_offset();
        let from = segments.find(range.from.max(min)).map_or(min, |segment| segment.start());
        let is_in_queue = |view: &RecordView<'_>| self.is_in_queue(view);
        let scan = Scan {
            segments,
            check_crc: self.config.check_crc_on_recover
                && !self.log.disk().has_defect(Defect::TrustsBodies),
            is_in_queue: &is_in_queue,
            known_end: range.known_end,
        };
        let mut since_round = 0;
        let mut on_record = |view: &RecordView<'_>| -> Result<(), StoreError> {
            if view.physical_offset < range.dispatch_from {
                // Only queues that lack it get it: the topic may be deleted.
                self.dispatcher.dispatch_again(view)?;
            } else {
                self.begin_change()?;
                self.dispatcher.dispatch_record(view)?;
            }
            since_round += 1;
            if since_round % ROUND_RECORDS == 0 {
                self.dispatcher.end_round()?;
            }
            Ok(())
        };
        let scanned = scan.run(from, &mut on_record)?;
        self.dispatcher.end_round()?;
        tracing::info!(
            target: "RocketmqStore",
            "recover commit log {} from {} to {}, {} records of {} bytes, cost {} ms",
            if self.abnormal { "abnormally" } else { "normally" },
            from, scanned.end, scanned.records, scanned.bytes, begin.elapsed().as_millis(),
        );
        Ok(scanned)
    }

    fn is_in_queue(&self, view: &RecordView<'_>) -> bool {
        let mut entries = Vec::with_capacity(1);
        let queues = &self.dispatcher.queues;
        let read =
            queues.read(view.topic_text(), view.queue_id, view.queue_offset, 1, &mut entries);
        let first = entries.first().filter(|_| read.is_ok());
        first.is_some_and(|entry| entry.physical_offset == view.physical_offset)
    }
}

/// Which part of the log is read.
struct ScanRange {
    /// Commit log offset in the first segment that is read.
    from: i64,
    /// Records from here on are dispatched wholly, those before only to queues that lack them.
    dispatch_from: i64,
    /// See [`Scan::known_end`].
    known_end: Option<i64>,
}

impl ScanRange {
    /// The same, from an earlier place if one is given.
    fn beginning_at(&self, at: Option<i64>) -> ScanRange {
        let from = at.map_or(self.from, |at| at.min(self.from));
        ScanRange { from, ..*self }
    }
}

/// Marks the store as in use. The marker must be on the disk before anything else: without it the
/// next start takes the files for properly closed.
pub(crate) fn create_abort_file(root: &Path, disk: &Disk) -> Result<(), StoreError> {
    let path = root.join(ABORT_FILE);
    disk.run(
        DiskOperation::Allocate,
        "create",
        || path.clone(),
        || std::fs::File::create(&path).map(drop),
    )?;
    disk.sync_directory(root)
}

/// Most queues and messages named per damaged part.
const NAMED_MAX: usize = 10;

/// Says what is damaged, and refuses writes.
fn report_damages(damages: &[Damage], queues: &ConsumeQueues, state: &State) {
    for damage in damages {
        let (from, to) = (damage.range.start, damage.range.end);
        let lost = entries_within(queues, from, to);
        let named = if lost.is_empty() { "of no known queue".to_string() } else { lost.join(", ") };
        let reason = format!(
            "the commit log is damaged from offset {from} to {to} ({}): {named}; messages before \
             and behind stay readable. Bring back the file from a copy, then restart the broker",
            damage.cause
        );
        tracing::error!(target: "RocketmqStoreError", "{reason}");
        state.refuse(Refusal::Damaged, reason);
    }
}

/// The queue entries that point into a part of the log, as text.
fn entries_within(queues: &ConsumeQueues, from: i64, to: i64) -> Vec<String> {
    let mut all = Vec::new();
    queues.for_each_queue(|topic, queue_id, min, max| {
        all.push((topic.to_string(), queue_id, min, max))
    });
    let mut named = Vec::new();
    for (topic, queue_id, min, max) in all {
        let at = |offset: i64| {
            let mut entries = Vec::with_capacity(1);
            let read = queues.read(&topic, queue_id, offset, 1, &mut entries);
            entries.first().filter(|_| read.is_ok()).map(|entry| entry.physical_offset)
        };
        // Entries ascend with the log: search the first one at or behind `from`.
        let (mut low, mut high) = (min, max);
        while low < high {
            let middle = low + (high - low) / 2;
            match at(middle) {
                Some(physical) if physical < from => low = middle + 1,
                _ => high = middle,
            }
        }
        for offset in low..max {
            if named.len() >= NAMED_MAX {
                named.push("and more".to_string());
                return named;
            }
            match at(offset) {
                Some(physical) if physical < to => {
                    named.push(format!("topic {topic} queue {queue_id} offset {offset}"));
                }
                _ => break,
            }
        }
    }
    named
}

impl Core {
    /// Marks the store as in use.
    pub(crate) fn create_abort_file(&self) -> Result<(), StoreError> {
        create_abort_file(&self.root, self.log.disk())?;
        let path = self.root.join(ABORT_FILE);
        tracing::info!(target: "RocketmqStore", "{} create OK", path.display());
        Ok(())
    }

    /// Marks the store as properly left, if it is (contract `store.md` 7).
    pub(crate) fn delete_abort_file(&self) -> Result<(), StoreError> {
        let behind = self.log.written_end() - self.dispatched_end.load(Ordering::Acquire);
        if self.state.writable().is_err() || behind > 0 {
            tracing::warn!(target: "RocketmqStore", "the store may be wrong, so shutdown abnormally, and keep abort file.");
            return Ok(());
        }
        let path = self.root.join(ABORT_FILE);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(StoreError::io("delete", &path, error))
            }
            _ => Ok(()),
        }
    }
}
