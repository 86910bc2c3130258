//! Bringing the commit log to the disk, and telling those who wait for it (contract `store.md` 10).
//!
//! Nobody waits in a thread: a waiter is an offset and a callback. One sync serves everyone whose
//! records were written before it began (group commit).

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::checkpoint::Checkpoint;
use crate::commit_log::CommitLog;
use crate::config::MessageStoreConfig;
use crate::put::{FlushOutcome, FlushWaiter};
use crate::service::Signal;
use crate::state::State;

/// Bytes that `flushCommitLogLeastPages` counts in.
const PAGE_BYTES: i64 = 4096;
/// A sync that takes longer is worth a line in the log.
const SLOW_SYNC: Duration = Duration::from_millis(500);
/// How long the group commit thread sleeps when nobody wakes it.
const GROUP_COMMIT_IDLE: Duration = Duration::from_secs(1);

struct Waiting {
    end_offset: i64,
    deadline: Instant,
    tell: FlushWaiter,
}

/// Syncs the commit log.
pub(crate) struct Flusher {
    flushed: AtomicI64,
    /// Only one sync at a time.
    syncing: Mutex<()>,
    waiting: Mutex<Vec<Waiting>>,
    /// How many wait, to be asked without the lock.
    count: AtomicUsize,
    pub(crate) signal: Arc<Signal>,
}

impl Flusher {
    /// Everything up to `flushed` is taken as on the disk.
    pub(crate) fn new(flushed: i64) -> Flusher {
        Flusher {
            flushed: AtomicI64::new(flushed),
            syncing: Mutex::new(()),
            waiting: Mutex::default(),
            count: AtomicUsize::new(0),
            signal: Arc::default(),
        }
    }

    /// Up to where the log is on the disk.
    pub(crate) fn flushed(&self) -> i64 {
        self.flushed.load(Ordering::Acquire)
    }

    /// The log is empty and begins at `offset`.
    pub(crate) fn begin_at(&self, offset: i64) {
        self.flushed.store(offset, Ordering::Release);
    }

    /// Calls back when everything before `end_offset` is on the disk.
    pub(crate) fn when_flushed(&self, end_offset: i64, timeout: Duration, tell: FlushWaiter) {
        if end_offset <= self.flushed() {
            return tell(FlushOutcome::Flushed);
        }
        let deadline = Instant::now() + timeout;
        self.waiting.lock().push(Waiting { end_offset, deadline, tell });
        self.count.fetch_add(1, Ordering::Relaxed);
        self.signal.wake();
    }

    /// Syncs what is written; true when everything written before the call is on the disk.
    pub(crate) fn flush(&self, log: &CommitLog, checkpoint: &Checkpoint, state: &State) -> bool {
        let flushed = {
            let _one = self.syncing.lock();
            let timestamp = log.written_timestamp();
            let end = log.written_end();
            let from = self.flushed();
            let begin = Instant::now();
            if state.fatal().is_some() {
                // A failed sync may have dropped the pages; asking again would lie.
                false
            } else if end <= from {
                true
            } else if let Err(error) = log.sync(from, end) {
                state.fail(error.to_string());
                false
            } else {
                checkpoint.set_physical(timestamp);
                self.flushed.store(end, Ordering::Release);
                let took = begin.elapsed();
                if took > SLOW_SYNC {
                    tracing::info!(target: "RocketmqStore", "Flush data to disk costs {} ms", took.as_millis());
                }
                true
            }
        };
        if flushed {
            self.tell(|waiting, flushed| {
                (waiting.end_offset <= flushed).then_some(FlushOutcome::Flushed)
            });
        } else {
            self.tell(|_, _| Some(FlushOutcome::Failed));
        }
        flushed
    }

    /// Tells those whose time is over.
    pub(crate) fn expire(&self) {
        let now = Instant::now();
        self.tell(|waiting, _| (waiting.deadline <= now).then_some(FlushOutcome::TimedOut));
    }

    /// Tells everyone who still waits that it won't come.
    pub(crate) fn give_up(&self) {
        self.tell(|waiting, flushed| {
            let done = waiting.end_offset <= flushed;
            Some(if done { FlushOutcome::Flushed } else { FlushOutcome::Failed })
        });
    }

    fn tell(&self, outcome: impl Fn(&Waiting, i64) -> Option<FlushOutcome>) {
        let flushed = self.flushed();
        let mut told = Vec::new();
        {
            let mut waiting = self.waiting.lock();
            let mut at = 0;
            while let Some(one) = waiting.get(at) {
                match outcome(one, flushed) {
                    Some(outcome) => told.push((waiting.swap_remove(at), outcome)),
                    None => at += 1,
                }
            }
        }
        self.count.fetch_sub(told.len(), Ordering::Relaxed);
        // Callbacks run without the lock: they may register the next wait.
        for (one, outcome) in told {
            (one.tell)(outcome);
        }
    }

    /// How many wait.
    pub(crate) fn waiters(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// The thread of SYNC_FLUSH: syncs as soon as anyone waits, and without haste whatever nobody
    /// waits for.
    pub(crate) fn run_group_commit(
        &self,
        signal: &Signal,
        log: &CommitLog,
        checkpoint: &Checkpoint,
        state: &State,
    ) {
        while signal.wait(GROUP_COMMIT_IDLE) {
            self.flush(log, checkpoint, state);
            // Who registered during the sync waits for the next one, which begins at once.
            while self.waiters() > 0 && log.written_end() > self.flushed() {
                if !self.flush(log, checkpoint, state) {
                    break;
                }
            }
        }
    }

    /// The thread of ASYNC_FLUSH. `config` gives the present settings.
    pub(crate) fn run_timed(
        &self,
        signal: &Signal,
        log: &CommitLog,
        checkpoint: &Checkpoint,
        state: &State,
        config: impl Fn() -> Arc<MessageStoreConfig>,
    ) {
        let mut thorough = Instant::now();
        loop {
            let now = config();
            let interval = millis(now.flush_interval_commit_log);
            let go_on = match now.flush_commit_log_timed {
                true if self.waiters() == 0 => signal.sleep(interval),
                _ => signal.wait(interval),
            };
            if !go_on {
                return;
            }
            let dirty_pages = log.written_end() / PAGE_BYTES - self.flushed() / PAGE_BYTES;
            let due = thorough.elapsed() >= millis(now.flush_commit_log_thorough_interval);
            let least = i64::from(now.flush_commit_log_least_pages);
            if due || dirty_pages >= least || self.waiters() > 0 {
                self.flush(log, checkpoint, state);
            }
            if due {
                thorough = Instant::now();
            }
        }
    }
}

impl std::fmt::Debug for Flusher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Flusher").field("flushed", &self.flushed()).finish_non_exhaustive()
    }
}

/// A configured number of ms as a time to wait; at least 1 ms, so that no thread spins.
pub(crate) fn millis(ms: i32) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0).max(1))
}
