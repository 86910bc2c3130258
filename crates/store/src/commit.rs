//! Writing what was put, and dispatching it: the second half of a send.
//!
//! Whoever has put messages commits before the answers leave. One commits at a time; it takes
//! everything staged with it, so those who waited meanwhile find their records already done.

use std::cell::Cell;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use parking_lot::MutexGuard;

use crate::dispatch::{DispatchError, Dispatcher, Round};
use crate::error::StoreError;
use crate::replicate::whole_records;
use crate::shared::Core;
use crate::staging::Staging;
use crate::state::Refusal;

/// Buffers kept for later commits: the listener runs without the lock, so that two may be in use.
const SPARE_MAX: usize = 2;
/// How often a committer looks again before it sleeps: a commit takes a few microseconds, which is
/// less than falling asleep and being woken.
const SPINS: usize = 100;
/// Records dispatched at once while catching up.
const CATCH_UP_RECORDS: usize = 1000;
/// A commit slower than this is worth a line in the log.
const SLOW_COMMIT: Duration = Duration::from_millis(500);

/// The records of one commit, and what was dispatched of them.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    staged: Staging,
    round: Round,
}

thread_local! {
    /// This thread has put messages since it committed last.
    static OWES: Cell<bool> = const { Cell::new(false) };
}

/// Notes that this thread has put messages.
pub(crate) fn note_put() {
    OWES.set(true);
}

impl Core {
    /// See [`crate::MessageStore::commit_own`].
    pub(crate) fn commit_own(&self) -> Result<(), StoreError> {
        if OWES.get() { self.commit() } else { Ok(()) }
    }

    /// See [`crate::MessageStore::commit`].
    pub(crate) fn commit(&self) -> Result<(), StoreError> {
        OWES.set(false);
        let wanted = self.log.staged_end();
        let is_done = || wanted <= self.dispatched_end.load(Ordering::Acquire);
        let Some(mut writer) = self.writer_unless(&is_done) else { return Ok(()) };
        if is_done() {
            return Ok(());
        }
        if let Some(reason) = self.state.fatal() {
            return Err(StoreError::NotWritable(reason.to_string()));
        }
        let begin = Instant::now();
        self.writing_since.store(self.since_opened_ms(begin) + 1, Ordering::Release);
        let committed = self.write_and_dispatch(&mut writer);
        self.writing_since.store(0, Ordering::Release);
        let mut done = std::mem::replace(&mut *writer, self.spare.lock().pop().unwrap_or_default());
        drop(writer);
        let took = begin.elapsed();
        self.stats.committed(done.staged.records(), done.staged.len(), took);
        if took > SLOW_COMMIT {
            tracing::warn!(target: "RocketmqStore", "[NOTIFYME]putMessage in lock cost time(ms)={}, bodyLength={}", took.as_millis(), done.staged.len());
        }
        if committed.is_ok() {
            self.listener.written(self.log.written_end());
            Dispatcher::tell(done.staged.bytes(), &mut done.round, &*self.listener);
        }
        done.staged.clear();
        done.round.clear();
        let mut spare = self.spare.lock();
        if spare.len() < SPARE_MAX {
            spare.push(done);
        }
        committed
    }

    /// The writer lock, or nothing if another has done the work meanwhile.
    fn writer_unless(&self, is_done: &impl Fn() -> bool) -> Option<MutexGuard<'_, Writer>> {
        for _ in 0..SPINS {
            if is_done() {
                return None;
            }
            if let Some(writer) = self.writer.try_lock() {
                return Some(writer);
            }
            std::hint::spin_loop();
        }
        Some(self.writer.lock())
    }

    fn write_and_dispatch(&self, writer: &mut Writer) -> Result<(), StoreError> {
        let from = self.log.written_end();
        let end = self.log.take_staged(&mut writer.staged);
        if let Err(error) = self.log.write(&writer.staged, end) {
            self.state.fail(error.to_string());
            self.flusher.give_up();
            return Err(error);
        }
        if self.flushes_at_once() {
            self.flusher.signal.wake();
        }
        if self.dispatched_end.load(Ordering::Acquire) != from {
            return self.catch_up();
        }
        let dispatched = self.dispatch_staged(&writer.staged, &mut writer.round);
        self.note_dispatched(dispatched, end)?;
        self.dispatched_timestamp.store(writer.staged.timestamp(), Ordering::Release);
        Ok(())
    }

    /// Whether the flusher is to begin now rather than by the clock.
    pub(crate) fn flushes_at_once(&self) -> bool {
        let config = self.config.read();
        config.is_sync_flush() || !config.flush_commit_log_timed
    }

    fn dispatch_staged(&self, staged: &Staging, round: &mut Round) -> Result<(), DispatchError> {
        let mut base = 0;
        for (_, bytes) in staged.runs() {
            self.dispatcher.dispatch(bytes, base, usize::MAX, round)?;
            base += bytes.len();
        }
        self.dispatcher.end_round()
    }

    /// Moves the dispatched end, or says why queues and log differ.
    pub(crate) fn note_dispatched(
        &self,
        dispatched: Result<(), DispatchError>,
        end: i64,
    ) -> Result<(), StoreError> {
        let (refusal, what, error) = match dispatched {
            Ok(()) => {
                self.dispatched_end.store(end, Ordering::Release);
                return Ok(());
            }
            Err(DispatchError::Queue(error)) => (Refusal::QueueError, "logics queue error", error),
            Err(DispatchError::Index(error)) => (Refusal::IndexError, "index file error", error),
        };
        let reason = format!("{what}, {error}");
        if error.ends_writing() {
            self.state.fail(reason.clone());
            self.flusher.give_up();
            return Err(StoreError::NotWritable(reason));
        }
        if self.state.refuse(refusal, reason.clone()) {
            tracing::error!(target: "RocketmqStoreError", "[BUG]{reason}; messages are refused until it can be written");
        }
        Err(StoreError::NotWritable(reason))
    }

    /// Dispatches from the files what could not be dispatched when it was written. Only the one
    /// that holds the writer lock calls it.
    pub(crate) fn catch_up(&self) -> Result<(), StoreError> {
        let end = self.log.written_end();
        let mut round = Round::default();
        loop {
            let from = self.dispatched_end.load(Ordering::Acquire);
            if from >= end {
                break;
            }
            let Some(segment) = self.log.segments().find(from) else {
                let next = self.log.segments().next_start(from).unwrap_or(end);
                self.dispatched_end.store(next, Ordering::Release);
                continue;
            };
            let to = segment.end().min(end);
            let len = usize::try_from(to - from).unwrap_or(0);
            let bytes = segment.slice(from, len).ok_or(StoreError::Shutdown)?;
            let timestamp = self.log.written_timestamp();
            // A slave's log may end within a record.
            let whole = whole_records(&bytes, to == segment.end());
            if whole == 0 {
                break;
            }
            let bytes = bytes.slice(..whole);
            let done = self.dispatcher.dispatch(&bytes, 0, CATCH_UP_RECORDS, &mut round);
            let ended = done.and_then(|done| self.dispatcher.end_round().map(|()| done));
            let done = match ended {
                Ok(done) => from + done as i64,
                Err(error) => return self.note_dispatched(Err(error), from),
            };
            self.note_dispatched(Ok(()), done)?;
            self.dispatched_timestamp.store(timestamp, Ordering::Release);
            Dispatcher::tell(&bytes, &mut round, &*self.listener);
        }
        // A slave comes here with every frame: only what was refused is tried on the disk now.
        if self.state.has(Refusal::QueueError)
            && let Err(error) = self.dispatcher.queues.write_all()
        {
            return self.note_dispatched(Err(DispatchError::Queue(error)), end);
        }
        for refusal in [Refusal::QueueError, Refusal::IndexError] {
            if self.state.lift(refusal) {
                tracing::info!(target: "RocketmqStore", "consume queues and index have caught up at {end}, messages are taken again");
            }
        }
        Ok(())
    }

    /// Tries again what could not be dispatched, if there is anything.
    pub(crate) fn retry_dispatch(&self) {
        if !self.state.has(Refusal::QueueError) && !self.state.has(Refusal::IndexError) {
            return;
        }
        let _writer = self.writer.lock();
        // The cause is in the state and was logged.
        let _ = self.catch_up();
    }

    /// Bytes that are put but not in the consume queues.
    pub(crate) fn dispatch_behind_bytes(&self) -> i64 {
        (self.log.staged_end() - self.dispatched_end.load(Ordering::Acquire)).max(0)
    }

    /// Ms since the present write began; 0 when none runs.
    pub(crate) fn lock_time_ms(&self) -> i64 {
        match self.writing_since.load(Ordering::Acquire) {
            0 => 0,
            since => (self.since_opened_ms(Instant::now()) + 1 - since).max(0),
        }
    }

    fn since_opened_ms(&self, now: Instant) -> i64 {
        i64::try_from(now.duration_since(self.opened).as_millis()).unwrap_or(i64::MAX)
    }
}
