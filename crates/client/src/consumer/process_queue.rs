//! The messages of one queue that were pulled and not consumed yet.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rocketmq_common::clock;
use rocketmq_protocol::body::ProcessQueueInfo;
use rocketmq_protocol::message::MessageExt;
use tokio::sync::Notify;

/// What a consumer holds of one queue.
pub(crate) struct ProcessQueue {
    messages: Mutex<Messages>,
    dropped: AtomicBool,
    /// Nothing more is pulled or handed to listeners.
    halted: AtomicBool,
    /// It was halted just now.
    halting: Notify,
    /// Time until which the broker's lock holds, ms; orderly consumption only.
    locked_until: AtomicI64,
    last_pull: AtomicI64,
    last_consume: AtomicI64,
    /// Something was added: the orderly consumer of the queue goes on.
    pub(crate) added: Notify,
    /// Something was consumed: a pull that waits for room looks again.
    pub(crate) removed: Notify,
}

#[derive(Default)]
struct Messages {
    waiting: BTreeMap<i64, Arc<MessageExt>>,
    bytes: usize,
    /// Largest offset ever added.
    newest: i64,
}

impl ProcessQueue {
    pub(crate) fn new() -> Arc<ProcessQueue> {
        Arc::new(ProcessQueue {
            messages: Mutex::default(),
            dropped: AtomicBool::new(false),
            halted: AtomicBool::new(false),
            halting: Notify::new(),
            locked_until: AtomicI64::new(0),
            last_pull: AtomicI64::new(clock::now_ms()),
            last_consume: AtomicI64::new(clock::now_ms()),
            added: Notify::new(),
            removed: Notify::new(),
        })
    }

    /// The queue goes to somebody else: nothing more is pulled, consumed or committed.
    pub(crate) fn drop_queue(&self) {
        self.dropped.store(true, Ordering::SeqCst);
        self.halt();
    }

    /// Nothing more is pulled or handed to listeners; what they are done with still counts.
    pub(crate) fn halt(&self) {
        self.halted.store(true, Ordering::SeqCst);
        self.halting.notify_waiters();
        self.removed.notify_waiters();
    }

    pub(crate) fn is_halted(&self) -> bool {
        self.halted.load(Ordering::SeqCst)
    }

    /// Lets time pass, at most until the queue is halted.
    pub(crate) async fn rest(&self, time: Duration) {
        let mut halting = pin!(self.halting.notified());
        // From here on it is not missed.
        halting.as_mut().enable();
        if !self.is_halted() {
            let _ = tokio::time::timeout(time, halting).await;
        }
    }

    pub(crate) fn is_dropped(&self) -> bool {
        self.dropped.load(Ordering::SeqCst)
    }

    pub(crate) fn lock_until(&self, ms: i64) {
        self.locked_until.store(ms, Ordering::SeqCst);
    }

    pub(crate) fn is_locked(&self) -> bool {
        clock::now_ms() < self.locked_until.load(Ordering::SeqCst)
    }

    pub(crate) fn note_pull(&self) {
        self.last_pull.store(clock::now_ms(), Ordering::Relaxed);
    }

    pub(crate) fn note_consume(&self) {
        self.last_consume.store(clock::now_ms(), Ordering::Relaxed);
    }

    pub(crate) fn add(&self, added: &[Arc<MessageExt>]) {
        let mut messages = self.messages.lock();
        for message in added {
            messages.newest = messages.newest.max(message.queue_offset);
            let bytes = message.message.body.len();
            let old = messages.waiting.insert(message.queue_offset, Arc::clone(message));
            if old.is_none() {
                messages.bytes += bytes;
            }
        }
        drop(messages);
        self.added.notify_one();
    }

    /// Removes consumed messages; returns where the queue goes on: the first that is still
    /// waiting, else the one behind the newest.
    pub(crate) fn remove(&self, offsets: impl Iterator<Item = i64>) -> i64 {
        let mut messages = self.messages.lock();
        for offset in offsets {
            if let Some(message) = messages.waiting.remove(&offset) {
                messages.bytes -= message.message.body.len();
            }
        }
        let first = messages.waiting.keys().next().copied();
        let next = first.unwrap_or(messages.newest + 1);
        drop(messages);
        self.removed.notify_waiters();
        next
    }

    /// The first waiting messages, for orderly consumption; they stay until they are removed.
    pub(crate) fn first(&self, count: usize) -> Vec<Arc<MessageExt>> {
        self.messages.lock().waiting.values().take(count).cloned().collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.messages.lock().waiting.is_empty()
    }

    /// Messages waiting, their bytes, and the distance of the first from the last.
    pub(crate) fn load(&self) -> (usize, usize, i64) {
        let messages = self.messages.lock();
        let (first, last) = (messages.waiting.keys().next(), messages.waiting.keys().next_back());
        let span = first.zip(last).map_or(0, |(first, last)| last - first);
        (messages.waiting.len(), messages.bytes, span)
    }

    pub(crate) fn info(&self, commit_offset: i64) -> ProcessQueueInfo {
        let (count, bytes, _) = self.load();
        let messages = self.messages.lock();
        let edge = |offset: Option<&i64>| offset.copied().unwrap_or(0);
        ProcessQueueInfo {
            cached_msg_count: count as i32,
            cached_msg_max_offset: edge(messages.waiting.keys().next_back()),
            cached_msg_min_offset: edge(messages.waiting.keys().next()),
            cached_msg_size_in_mib: (bytes >> 20) as i32,
            commit_offset,
            droped: self.is_dropped(),
            last_consume_timestamp: self.last_consume.load(Ordering::Relaxed),
            last_pull_timestamp: self.last_pull.load(Ordering::Relaxed),
            locked: self.is_locked(),
            ..ProcessQueueInfo::default()
        }
    }
}
