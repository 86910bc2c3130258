//! Delayed messages: they wait in the schedule topic, one queue for each level, and are put in
//! their own topic when they are due (contract `broker.md` 17, `store.md` 16).
//!
//! One thread delivers. It sleeps until the head of some level's queue is due; a level whose queue
//! has nothing left costs nothing, since the dispatch of its next message wakes the thread.

mod deliver;
mod divert;
mod offsets;

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use rocketmq_common::clock;
use rocketmq_protocol::body::DelayOffsets as OffsetsFile;
use rocketmq_protocol::topic;
use rocketmq_store::{DelayLevels, FlushOutcome, MessageStore};
use tokio::sync::oneshot;

use self::deliver::Pass;
use self::offsets::DelayOffsets;
use crate::LOGGER;
use crate::context::BrokerContext;

pub(crate) use divert::{copy_of, divert, level_of, note_real_place, real_place, set};

/// Java's name of the delivering thread.
const THREAD: &str = "ScheduleMessageTimerThread";
/// Longest sleep while something waits: the clock may be set meanwhile.
const SLEEP_MAX: Duration = Duration::from_secs(60);

/// The delayed messages of a broker.
pub struct Schedule {
    levels: DelayLevels,
    offsets: DelayOffsets,
    state: Mutex<State>,
    changed: Condvar,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct State {
    stopped: bool,
    /// By queue: level - 1.
    queues: Vec<Queue>,
    /// The queue that was served last.
    last: usize,
}

/// What is known of one level's queue.
#[derive(Clone, Copy, Default)]
struct Queue {
    /// Next offset to be delivered.
    next: i64,
    /// End of the queue as far as arrivals told.
    end: i64,
    /// When to look at it, epoch ms; `None` while nothing is in it, and while it is looked at.
    look_at: Option<i64>,
}

impl Schedule {
    /// Reads how far each level was delivered.
    ///
    /// # Errors
    /// File and backup hold something that cannot be read.
    pub fn load(path: PathBuf, levels: DelayLevels) -> io::Result<Schedule> {
        let queues = vec![Queue::default(); usize::try_from(levels.max_level()).unwrap_or(0)];
        Ok(Schedule {
            levels,
            offsets: DelayOffsets::load(path)?,
            state: Mutex::new(State { queues, ..State::default() }),
            changed: Condvar::new(),
            thread: Mutex::default(),
        })
    }

    /// The configured levels.
    pub fn levels(&self) -> &DelayLevels {
        &self.levels
    }

    /// The table of GET_ALL_DELAY_OFFSET.
    pub fn snapshot(&self) -> OffsetsFile {
        self.offsets.snapshot()
    }

    /// Takes over a master's table and writes it. Only for a slave, which delivers nothing.
    pub(crate) fn replace(&self, master: OffsetsFile) -> io::Result<()> {
        self.offsets.replace(master)
    }

    /// Takes notice of a message of the schedule topic that is readable now. Runs on the thread
    /// that committed.
    pub(crate) fn arrived(&self, queue_id: i32, queue_offset: i64, due_ms: i64) {
        let Ok(index) = usize::try_from(queue_id) else { return };
        let mut state = self.state.lock();
        let Some(queue) = state.queues.get_mut(index) else { return };
        queue.end = queue.end.max(queue_offset + 1);
        // With a time set, or while the queue is looked at, its thread comes by itself.
        if queue.look_at.is_none() {
            queue.look_at = Some(due_ms);
            self.offsets.begin(queue_id + 1, queue.next);
            self.changed.notify_one();
        }
    }

    /// Starts delivering, from where the file says, or nearest to it within each queue.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(self: &Arc<Self>, context: &Arc<BrokerContext>) -> io::Result<()> {
        self.correct_offsets(&context.store);
        let (schedule, context) = (Arc::clone(self), Arc::downgrade(context));
        let thread = std::thread::Builder::new().name(THREAD.to_string());
        let thread = thread.spawn(move || schedule.run(&context))?;
        *self.thread.lock() = Some(thread);
        Ok(())
    }

    /// Stops delivering and waits for the thread's end.
    pub fn stop(&self) {
        self.state.lock().stopped = true;
        self.changed.notify_all();
        let thread = self.thread.lock().take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!(target: LOGGER, "{THREAD} ended by a panic");
        }
    }

    fn correct_offsets(&self, store: &MessageStore) {
        let mut state = self.state.lock();
        for (index, queue) in state.queues.iter_mut().enumerate() {
            let (queue_id, level) = (index as i32, index as i32 + 1);
            let min = store.min_offset_in_queue(topic::SCHEDULE, queue_id).max(0);
            let max = store.max_offset_in_queue(topic::SCHEDULE, queue_id);
            let known = self.offsets.get(level);
            let next = known.unwrap_or(0).clamp(min, max.max(min));
            if let Some(known) = known.filter(|known| *known != next) {
                tracing::error!(target: LOGGER, "correct delay offset [ delayLevel {level} ] from {known} to {next}");
                self.offsets.set(level, next, 0);
            }
            if next < max {
                self.offsets.begin(level, next);
            }
            *queue = Queue { next, end: max, look_at: (next < max).then_some(i64::MIN) };
        }
    }

    fn run(&self, context: &Weak<BrokerContext>) {
        while let Some((index, next)) = self.wait_for_due() {
            let Some(context) = context.upgrade() else { return };
            let pass = deliver::pass(&context, self, index as i32 + 1, next);
            self.end_pass(index, pass);
        }
    }

    /// Sleeps until some queue is to be looked at; its index and next offset. `None` when the
    /// thread must end.
    fn wait_for_due(&self) -> Option<(usize, i64)> {
        let mut state = self.state.lock();
        loop {
            if state.stopped {
                return None;
            }
            let (now, count) = (clock::now_ms(), state.queues.len());
            // In turn, so that a level with many due messages holds up no other.
            let turn = (1..=count).map(|step| (state.last + step) % count);
            // A time that lies further ahead than it can have been set comes from a clock that was
            // set back since.
            let latest = |index: usize| {
                let delayed = self.levels.delivery_time(index as i32 + 1, now);
                delayed.max(now + deliver::AFTER_REFUSAL_MS)
            };
            let is_due = |index: &usize| {
                let look_at = state.queues[*index].look_at;
                look_at.is_some_and(|at| at <= now || at > latest(*index))
            };
            if let Some(index) = turn.clone().find(is_due) {
                state.last = index;
                let queue = &mut state.queues[index];
                queue.look_at = None;
                return Some((index, queue.next));
            }
            match turn.filter_map(|index| state.queues[index].look_at).min() {
                Some(at) => {
                    let left = Duration::from_millis(at.saturating_sub(now).unsigned_abs());
                    self.changed.wait_for(&mut state, left.min(SLEEP_MAX));
                }
                None => self.changed.wait(&mut state),
            }
        }
    }

    fn end_pass(&self, index: usize, pass: Pass) {
        let mut state = self.state.lock();
        let queue = &mut state.queues[index];
        if pass.had_entries {
            self.offsets.set(index as i32 + 1, pass.next, pass.delivered_end);
        }
        queue.next = pass.next;
        // Without a time the queue was found empty; what arrived after that look is due by itself.
        let arrived = (queue.end > pass.next).then_some(i64::MIN);
        queue.look_at = pass.look_at.or(arrived);
    }

    /// Writes the file if it is not up to date, once what it is to call delivered is on the disk.
    pub(crate) async fn persist(&self, store: &MessageStore) {
        let Some((offsets, delivered_end)) = self.offsets.unwritten() else { return };
        let (sender, flushed) = oneshot::channel();
        let waiter = Box::new(move |outcome| {
            let _ = sender.send(outcome);
        });
        store.when_flushed(delivered_end, waiter);
        // Else at the next turn; until then the file tells of less than was done.
        if flushed.await == Ok(FlushOutcome::Flushed) {
            self.write(offsets);
        }
    }

    /// Writes the file when the store has been shut down, which brought everything to the disk.
    pub(crate) fn persist_last(&self) {
        if let Some((offsets, _)) = self.offsets.unwritten() {
            self.write(offsets);
        }
    }

    fn write(&self, offsets: OffsetsFile) {
        if let Err(error) = self.offsets.write(offsets) {
            tracing::error!(target: LOGGER, thread = THREAD, "{error}");
        }
    }
}
