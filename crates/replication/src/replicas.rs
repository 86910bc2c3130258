//! What a master knows of its slaves, and who waits for them (contract `ha.md` 3, 5).

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Notify;

/// How waiting for a slave ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplicaOutcome {
    /// A slave has everything before the wanted offset.
    Replicated,
    /// No slave is connected, or none is near enough to be waited for.
    NoReplica,
    /// None had it in time.
    TimedOut,
}

/// Called once when the wait ends, on any thread: it must not block.
type Tell = Box<dyn FnOnce(ReplicaOutcome) + Send>;

struct Waiting {
    deadline: Instant,
    tell: Tell,
}

#[derive(Default)]
struct Waiters {
    /// By wanted offset, and the order they came in.
    waiting: BTreeMap<(i64, u64), Waiting>,
    next: u64,
}

/// The slaves of a broker, taken together: what one of them has counts.
#[derive(Default)]
pub struct Replicas {
    connected: AtomicUsize,
    /// The largest offset that any slave ever reported.
    reached: AtomicI64,
    waiters: Mutex<Waiters>,
    /// How many wait, to be asked without the lock.
    count: AtomicUsize,
    /// Wakes the connections to slaves.
    pub(crate) written: Notify,
}

impl Replicas {
    /// How many slaves are connected.
    pub fn connected(&self) -> usize {
        self.connected.load(Ordering::Acquire)
    }

    /// The largest offset that any slave ever reported; 0 before (push2SlaveMaxOffset).
    pub fn reached(&self) -> i64 {
        self.reached.load(Ordering::Acquire)
    }

    /// To be called when the log has grown. Costs one load when there is no slave.
    pub fn wake(&self) {
        if self.connected() > 0 {
            self.written.notify_waiters();
        }
    }

    pub(crate) fn join(&self) {
        self.connected.fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn leave(&self) {
        self.connected.fetch_sub(1, Ordering::AcqRel);
    }

    /// A slave has everything before `offset`.
    pub(crate) fn acknowledge(&self, offset: i64) {
        if self.reached.fetch_max(offset, Ordering::AcqRel) >= offset {
            return;
        }
        let done = {
            let mut waiters = self.waiters.lock();
            let later = waiters.waiting.split_off(&(offset + 1, 0));
            std::mem::replace(&mut waiters.waiting, later)
        };
        self.tell(done, ReplicaOutcome::Replicated);
    }

    /// Whether a slave is connected and lacks less than `behind_max` of the bytes before `end`.
    pub fn is_near(&self, end: i64, behind_max: i64) -> bool {
        self.connected() > 0 && end - self.reached() < behind_max
    }

    /// Tells when a slave has everything before `end`; at once if one has, or if none is there or
    /// near: `behind_max` bytes at most.
    pub fn when_replicated(
        &self,
        end: i64,
        behind_max: i64,
        timeout: Duration,
        tell: impl FnOnce(ReplicaOutcome) + Send + 'static,
    ) {
        if !self.is_near(end, behind_max) {
            return tell(ReplicaOutcome::NoReplica);
        }
        {
            let mut waiters = self.waiters.lock();
            // Looked at under the lock: an acknowledgement comes before it, or finds the waiter.
            if self.reached() < end {
                waiters.next += 1;
                let place = (end, waiters.next);
                let deadline = Instant::now() + timeout;
                self.count.fetch_add(1, Ordering::AcqRel);
                waiters.waiting.insert(place, Waiting { deadline, tell: Box::new(tell) });
                return;
            }
        }
        tell(ReplicaOutcome::Replicated);
    }

    /// Tells those whose time is over; to be called regularly.
    pub fn expire(&self) {
        if self.count.load(Ordering::Acquire) == 0 {
            return;
        }
        let now = Instant::now();
        let late = {
            let mut waiters = self.waiters.lock();
            let all = std::mem::take(&mut waiters.waiting);
            let (late, waiting) = all.into_iter().partition(|(_, one)| one.deadline <= now);
            waiters.waiting = waiting;
            late
        };
        self.tell(late, ReplicaOutcome::TimedOut);
    }

    /// Tells everyone who still waits that it is over.
    pub fn give_up(&self) {
        let all = std::mem::take(&mut self.waiters.lock().waiting);
        self.tell(all, ReplicaOutcome::TimedOut);
    }

    /// Callbacks run without the lock.
    fn tell(&self, done: BTreeMap<(i64, u64), Waiting>, outcome: ReplicaOutcome) {
        self.count.fetch_sub(done.len(), Ordering::AcqRel);
        for waiting in done.into_values() {
            (waiting.tell)(outcome);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};

    use super::*;

    fn wait(replicas: &Replicas, end: i64, timeout_ms: u64) -> Receiver<ReplicaOutcome> {
        let (sender, told) = channel();
        let timeout = Duration::from_millis(timeout_ms);
        replicas.when_replicated(end, 1000, timeout, move |outcome| sender.send(outcome).unwrap());
        told
    }

    #[test]
    fn nobody_waits_for_a_slave_that_is_not_there_or_too_far() {
        let replicas = Replicas::default();
        assert_eq!(wait(&replicas, 10, 1).try_recv(), Ok(ReplicaOutcome::NoReplica));
        replicas.join();
        assert_eq!(wait(&replicas, 1000, 1).try_recv(), Ok(ReplicaOutcome::NoReplica));
        assert!(wait(&replicas, 999, 1).try_recv().is_err());
        replicas.leave();
        assert_eq!(wait(&replicas, 10, 1).try_recv(), Ok(ReplicaOutcome::NoReplica));
    }

    #[test]
    fn each_is_told_when_its_own_offset_is_reached() {
        let replicas = Replicas::default();
        replicas.join();
        let (far, near) = (wait(&replicas, 300, 60_000), wait(&replicas, 200, 60_000));
        replicas.acknowledge(250);
        assert_eq!(near.try_recv(), Ok(ReplicaOutcome::Replicated));
        replicas.acknowledge(100);
        replicas.expire();
        assert!(far.try_recv().is_err());
        replicas.acknowledge(300);
        assert_eq!(far.try_recv(), Ok(ReplicaOutcome::Replicated));
        assert_eq!(wait(&replicas, 300, 60_000).try_recv(), Ok(ReplicaOutcome::Replicated));
        assert_eq!(replicas.reached(), 300);
    }

    #[test]
    fn time_ends_a_wait() {
        let replicas = Replicas::default();
        replicas.join();
        let (late, patient) = (wait(&replicas, 5, 0), wait(&replicas, 5, 60_000));
        replicas.expire();
        assert_eq!(late.try_recv(), Ok(ReplicaOutcome::TimedOut));
        assert!(patient.try_recv().is_err());
        replicas.give_up();
        assert_eq!(patient.try_recv(), Ok(ReplicaOutcome::TimedOut));
    }
}
