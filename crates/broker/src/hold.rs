//! Pulls that wait for messages (contract `requests.md` 2.2).
//!
//! A waiting pull is parked under its topic and queue. The store tells of every message
//! ([`ArrivalListener`]); the pulls that want it are taken out then and run again when the
//! dispatch is over, on the thread that committed. A sweep answers those whose time is up.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rocketmq_remoting::Deferred;
use rocketmq_store::{Arrival, ArrivalListener, MessageFilter};

use crate::processor::pull::PullRequest;

/// One waiting pull.
pub struct Held {
    /// What was asked.
    pub request: PullRequest,
    /// How it is answered.
    pub answer: Deferred,
    /// When it is answered without a message.
    pub deadline: Instant,
}

type Queues = HashMap<i32, Vec<Held>>;

/// The waiting pulls of a broker.
#[derive(Default)]
pub struct PullHold {
    waiting: Mutex<HashMap<Box<str>, Queues>>,
    /// How many wait, so that a message nobody waits for costs one look.
    count: AtomicUsize,
    /// Pulls whose message has come, to be run when the dispatch is over.
    ready: Mutex<Vec<Held>>,
    ready_count: AtomicUsize,
}

impl PullHold {
    /// Parks a pull. The caller checks afterwards whether a message came meanwhile, and calls
    /// [`PullHold::take_reached`] then.
    pub fn park(&self, request: PullRequest, answer: Deferred, wait: Duration) {
        let held = Held { deadline: Instant::now() + wait, answer, request };
        let (topic, queue_id) = (held.request.topic().into(), held.request.queue_id());
        let mut waiting = self.waiting.lock();
        waiting.entry(topic).or_default().entry(queue_id).or_default().push(held);
        self.count.fetch_add(1, Ordering::SeqCst);
    }

    /// How many pulls wait.
    pub fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Whether no pull waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Pulls whose message has come since the last call.
    pub fn take_ready(&self) -> Vec<Held> {
        if self.ready_count.load(Ordering::SeqCst) == 0 {
            return Vec::new();
        }
        let mut ready = self.ready.lock();
        self.ready_count.store(0, Ordering::SeqCst);
        std::mem::take(&mut *ready)
    }

    /// Takes out the pulls of one queue that `test` holds for.
    fn take_of_queue(
        &self,
        topic: &str,
        queue_id: i32,
        mut test: impl FnMut(&Held) -> bool,
    ) -> Vec<Held> {
        let mut waiting = self.waiting.lock();
        let Some(queues) = waiting.get_mut(topic) else { return Vec::new() };
        let Some(held) = queues.get_mut(&queue_id) else { return Vec::new() };
        let taken: Vec<_> = held.extract_if(.., |held| test(held)).collect();
        if held.is_empty() {
            queues.remove(&queue_id);
        }
        if queues.is_empty() {
            waiting.remove(topic);
        }
        self.count.fetch_sub(taken.len(), Ordering::SeqCst);
        taken
    }

    /// Takes out the pulls of a queue that wait for an offset before `max_offset`.
    pub fn take_reached(&self, topic: &str, queue_id: i32, max_offset: i64) -> Vec<Held> {
        self.take_of_queue(topic, queue_id, |held| held.request.queue_offset() < max_offset)
    }

    /// Takes out the pulls whose time is up, whose connection has closed, and those of queues whose
    /// end, as `max_offset` tells it, lies behind what they wait for.
    pub fn take_due(&self, now: Instant, max_offset: impl Fn(&str, i32) -> i64) -> Vec<Held> {
        let queues: Vec<(Box<str>, i32)> = {
            let waiting = self.waiting.lock();
            let queues = waiting.iter().flat_map(|(topic, queues)| {
                queues.keys().map(move |queue_id| (topic.clone(), *queue_id))
            });
            queues.collect()
        };
        let mut due = Vec::new();
        for (topic, queue_id) in queues {
            let max = max_offset(&topic, queue_id);
            due.extend(self.take_of_queue(&topic, queue_id, |held| {
                held.deadline <= now
                    || held.request.queue_offset() < max
                    || !held.answer.connection().is_open()
            }));
        }
        due
    }

    /// Takes out every pull.
    pub fn take_all(&self) -> Vec<Held> {
        let mut waiting = self.waiting.lock();
        self.count.store(0, Ordering::SeqCst);
        waiting.drain().flat_map(|(_, queues)| queues.into_values().flatten()).collect()
    }
}

impl ArrivalListener for PullHold {
    fn arrived(&self, arrival: Arrival<'_>) {
        if self.count.load(Ordering::SeqCst) == 0 {
            return;
        }
        let taken = self.take_of_queue(arrival.topic, arrival.queue_id, |held| {
            held.request.queue_offset() <= arrival.queue_offset
                && held.request.wanted().by_tags(arrival.tags_code)
                && held.request.wanted().by_record(arrival.record)
        });
        if !taken.is_empty() {
            let mut ready = self.ready.lock();
            ready.extend(taken);
            self.ready_count.store(ready.len(), Ordering::SeqCst);
        }
    }
}
