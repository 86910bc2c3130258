//! The store's threads, under RocketMQ's names, and the end of a store.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::dispatch::DispatchError;
use crate::error::StoreError;
use crate::flush::millis;
use crate::index::Index;
use crate::io::Disk;
use crate::service::{Service, Signal};
use crate::shared::Core;
use crate::state::Refusal;

/// First search for expired files after the start.
const FIRST_CLEAN: Duration = Duration::from_secs(60);
/// Between two self checks.
const SELF_CHECK_INTERVAL: Duration = Duration::from_secs(600);
/// First look at the disks after the start, and between two.
const DISK_CHECK_FIRST: Duration = Duration::from_secs(1);
const DISK_CHECK_INTERVAL: Duration = Duration::from_secs(10);
/// Between two looks for work of the threads that are normally woken.
const IDLE: Duration = Duration::from_secs(60);
/// Bytes of a page of `flushLeastPagesWhenWarmMapedFile`.
const PAGE_BYTES: u64 = 4096;

/// Starts all threads.
pub(crate) fn start_all(core: &Arc<Core>) -> Result<Vec<Service>, StoreError> {
    let own = || Arc::clone(core);
    let plain = Arc::<Signal>::default;
    let allocate = Arc::clone(&core.log.allocate_signal);
    let flush = Arc::clone(&core.flusher.signal);
    let mut services = Vec::new();
    let mut start = |name, signal, run: Box<dyn FnOnce(&Signal) + Send>| {
        services.push(Service::start(name, signal, run)?);
        Ok::<(), StoreError>(())
    };
    let c = own();
    start("AllocateMappedFileService", allocate, Box::new(move |s| c.run_allocation(s)))?;
    let c = own();
    start("FlushConsumeQueueService", plain(), Box::new(move |s| c.run_queue_flush(s)))?;
    let c = own();
    if core.settings().is_sync_flush() {
        start("GroupCommitService", flush, Box::new(move |s| c.run_group_commit(s)))?;
    } else {
        start("FlushRealTimeService", flush, Box::new(move |s| c.run_timed_flush(s)))?;
    }
    let c = own();
    start("StoreStatsService", plain(), Box::new(move |s| c.run_seconds(s)))?;
    let c = own();
    start("StoreScheduledThread1", plain(), Box::new(move |s| c.run_cleaning(s)))?;
    let c = own();
    start("DiskCheckScheduledThread1", plain(), Box::new(move |s| c.run_disk_check(s)))?;
    Ok(services)
}

impl Core {
    fn run_group_commit(&self, signal: &Signal) {
        self.flusher.run_group_commit(signal, &self.log, &self.checkpoint, &self.state);
    }

    fn run_timed_flush(&self, signal: &Signal) {
        let config = || self.settings();
        self.flusher.run_timed(signal, &self.log, &self.checkpoint, &self.state, config);
    }

    /// Makes the next segment ahead of its use, and writes its blocks where that pays.
    fn run_allocation(&self, signal: &Signal) {
        loop {
            match self.log.prepare_next() {
                Ok(Some(segment)) => {
                    let config = self.settings();
                    if config.is_sync_flush() || config.warm_maped_file_enable {
                        let pages = config.flush_least_pages_when_warm_maped_file;
                        let sync_bytes = u64::try_from(pages).unwrap_or(0) * PAGE_BYTES;
                        self.note(warm(&segment, self.log.disk(), sync_bytes, signal));
                    }
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(target: "RocketmqStore", "the next commit log segment could not be made ahead: {error}");
                }
            }
            if !signal.wait(IDLE) {
                return;
            }
        }
    }

    /// Syncs the consume queues, and writes the checkpoint once per thorough interval.
    fn run_queue_flush(&self, signal: &Signal) {
        let mut thorough = Instant::now();
        while signal.sleep(millis(self.settings().flush_interval_consume_queue)) {
            // What cannot be written is tried again with the dispatch.
            if self.state.has(Refusal::QueueError) || !self.note(self.flush_queues()) {
                continue;
            }
            let interval = millis(self.settings().flush_consume_queue_thorough_interval);
            if thorough.elapsed() >= interval {
                thorough = Instant::now();
                self.note(self.flush_checkpoint());
            }
        }
    }

    /// Logs an error; one after which it is unknown what is on the disk ends writing for good.
    /// Returns whether there was none.
    pub(crate) fn note(&self, done: Result<(), StoreError>) -> bool {
        let Err(error) = done else { return true };
        if error.ends_writing() {
            self.state.fail(error.to_string());
            self.flusher.give_up();
        } else {
            tracing::error!(target: "RocketmqStoreError", "{error}");
        }
        false
    }

    /// After a failed sync nothing is synced again: the second answer would not be true, and the
    /// checkpoint must not say more than it did.
    fn flush_queues(&self) -> Result<(), StoreError> {
        if self.state.fatal().is_some() {
            return Ok(());
        }
        // The time before the flush: what is dispatched during it may not be on the disk.
        let timestamp = self.dispatched_timestamp.load(Ordering::Acquire);
        if let Err(error) = self.dispatcher.queues.flush() {
            let end = self.dispatched_end.load(Ordering::Acquire);
            return self.note_dispatched(Err(DispatchError::Queue(error)), end);
        }
        self.checkpoint.set_logical(timestamp);
        Ok(())
    }

    fn flush_checkpoint(&self) -> Result<(), StoreError> {
        match self.state.fatal() {
            Some(_) => Ok(()),
            None => self.checkpoint.flush(self.log.disk()),
        }
    }

    /// What happens every second.
    fn run_seconds(&self, signal: &Signal) {
        let mut second = 0;
        while signal.sleep(Duration::from_secs(1)) {
            self.stats.sample(second);
            second += 1;
            self.flusher.expire();
            self.retry_dispatch();
            self.flush_rolled_index();
        }
    }

    /// Brings index files that are full to the disk, and says so in the checkpoint.
    fn flush_rolled_index(&self) {
        let Some(index) = &self.dispatcher.index else { return };
        if let Some(end_timestamp) = index.take_rolled() {
            self.note(self.flush_index(index, Some(end_timestamp)));
        }
    }

    fn flush_index(&self, index: &Index, rolled: Option<i64>) -> Result<(), StoreError> {
        if self.state.fatal().is_some() {
            return Ok(());
        }
        index.flush()?;
        let Some(end_timestamp) = rolled else { return Ok(()) };
        self.checkpoint.set_index(end_timestamp);
        self.flush_checkpoint()
    }

    fn run_cleaning(&self, signal: &Signal) {
        let mut checked = Instant::now();
        let mut pause = FIRST_CLEAN;
        while signal.sleep(pause) {
            pause = millis(self.settings().clean_resource_interval);
            if let Err(error) = self.clean(signal) {
                tracing::error!(target: "RocketmqStoreError", "{error}");
            }
            if checked.elapsed() >= SELF_CHECK_INTERVAL {
                checked = Instant::now();
                self.self_check();
            }
        }
    }

    fn run_disk_check(&self, signal: &Signal) {
        let mut pause = DISK_CHECK_FIRST;
        while signal.sleep(pause) {
            pause = DISK_CHECK_INTERVAL;
            self.check_disk();
        }
    }

    /// Brings everything to the disk after the threads have ended.
    pub(crate) fn finish(&self, started: bool) {
        self.note(self.commit());
        self.flusher.flush(&self.log, &self.checkpoint, &self.state);
        self.flusher.give_up();
        if let Some(index) = &self.dispatcher.index {
            self.note(self.flush_index(index, index.take_rolled()));
        }
        self.note(self.flush_queues());
        self.note(self.log.discard_prepared());
        self.note(self.flush_checkpoint());
        if started {
            self.note(self.delete_abort_file());
        }
    }
}

/// Writes zeros into a segment until it is full, in use, or the thread must end.
fn warm(
    segment: &crate::segment::Segment,
    disk: &Disk,
    sync_bytes: u64,
    signal: &Signal,
) -> Result<(), StoreError> {
    let mut synced = 0;
    while let Some(warmed) = segment.warm_step()? {
        if sync_bytes > 0 && warmed - synced >= sync_bytes {
            segment.sync(disk)?;
            synced = warmed;
        }
        if signal.is_stopped() {
            break;
        }
    }
    Ok(())
}
