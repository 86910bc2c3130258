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

use super::stacks::CurrentStep;

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
    /// What the task that pulls it is at.
    pub(crate) step: CurrentStep,
    last_consume: AtomicI64,
    /// Something was added: the orderly consumer of the queue goes on.
    pub(crate) added: Notify,
    /// Something was consumed: a pull that waits for room looks again.
    pub(crate) removed: Notify,
    /// Held while an orderly listener has messages of the queue.
    pub(crate) busy: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Messages {
    waiting: BTreeMap<i64, Waiting>,
    bytes: usize,
    /// Largest offset ever added.
    newest: i64,
}

struct Waiting {
    message: Arc<MessageExt>,
    /// When it was handed to the listener, ms.
    begun: Option<i64>,
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
            step: CurrentStep::new(),
            last_consume: AtomicI64::new(clock::now_ms()),
            added: Notify::new(),
            removed: Notify::new(),
            busy: tokio::sync::Mutex::default(),
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

    /// Whether it is halted because it goes to somebody else, but has not gone yet.
    pub(crate) fn is_leaving(&self) -> bool {
        self.is_halted() && !self.is_dropped()
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

    /// When the task that pulls the queue was seen alive, ms.
    pub(crate) fn last_pull(&self) -> i64 {
        self.last_pull.load(Ordering::Relaxed)
    }

    /// Whether the task that pulls it has got nowhere for so long.
    pub(crate) fn is_idle_for(&self, time: Duration) -> bool {
        clock::now_ms() - self.last_pull() > time.as_millis() as i64
    }

    pub(crate) fn note_pull(&self) {
        self.last_pull.store(clock::now_ms(), Ordering::Relaxed);
    }

    pub(crate) fn add(&self, added: &[Arc<MessageExt>]) {
        let mut messages = self.messages.lock();
        for message in added {
            messages.newest = messages.newest.max(message.queue_offset);
            let bytes = message.message.body.len();
            let waiting = Waiting { message: Arc::clone(message), begun: None };
            if messages.waiting.insert(message.queue_offset, waiting).is_none() {
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
            if let Some(waiting) = messages.waiting.remove(&offset) {
                messages.bytes -= waiting.message.message.body.len();
            }
        }
        let first = messages.waiting.keys().next().copied();
        let next = first.unwrap_or(messages.newest + 1);
        drop(messages);
        self.removed.notify_waiters();
        next
    }

    /// The first waiting messages behind an offset, for orderly consumption; they stay until they
    /// are removed.
    pub(crate) fn behind(&self, offset: Option<i64>, count: usize) -> Vec<Arc<MessageExt>> {
        let messages = self.messages.lock();
        let from = offset.map_or(i64::MIN, |offset| offset.saturating_add(1));
        let waiting = messages.waiting.range(from..).map(|(_, waiting)| &waiting.message);
        waiting.take(count).cloned().collect()
    }

    /// Notes that messages are handed to the listener now.
    pub(crate) fn begin(&self, batch: &[Arc<MessageExt>]) {
        let now = clock::now_ms();
        self.last_consume.store(now, Ordering::Relaxed);
        let mut messages = self.messages.lock();
        for message in batch {
            if let Some(waiting) = messages.waiting.get_mut(&message.queue_offset) {
                waiting.begun = Some(now);
            }
        }
    }

    /// The first message, if the listener has had it for that long.
    pub(crate) fn overdue(&self, time: Duration) -> Option<Arc<MessageExt>> {
        let messages = self.messages.lock();
        let (_, first) = messages.waiting.first_key_value()?;
        let since = clock::now_ms() - first.begun?;
        (since > time.as_millis() as i64).then(|| Arc::clone(&first.message))
    }

    /// Counts one more delivery in vain of messages that stay.
    pub(crate) fn count_again(&self, batch: &[Arc<MessageExt>]) {
        let mut messages = self.messages.lock();
        for message in batch {
            if let Some(waiting) = messages.waiting.get_mut(&message.queue_offset) {
                Arc::make_mut(&mut waiting.message).reconsume_times += 1;
            }
        }
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
            last_pull_timestamp: self.last_pull(),
            locked: self.is_locked(),
            ..ProcessQueueInfo::default()
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use rocketmq_protocol::message::Message;

    use super::*;

    /// A message at that offset.
    pub(crate) fn message(queue_offset: i64) -> MessageExt {
        let host = ([127, 0, 0, 1], 10911).into();
        MessageExt {
            message: Message::new("T", "x"),
            broker_name: Some("a".to_string()),
            queue_id: 0,
            store_size: 0,
            queue_offset,
            sys_flag: 0,
            born_timestamp: 0,
            born_host: host,
            store_timestamp: 0,
            store_host: host,
            offset_msg_id: String::new(),
            commit_log_offset: 0,
            body_crc: 0,
            reconsume_times: 0,
            prepared_transaction_offset: 0,
        }
    }

    fn filled(offsets: &[i64]) -> (Arc<ProcessQueue>, Vec<Arc<MessageExt>>) {
        let process = ProcessQueue::new();
        let messages: Vec<_> = offsets.iter().map(|offset| Arc::new(message(*offset))).collect();
        process.add(&messages);
        (process, messages)
    }

    #[test]
    fn the_offset_moves_up_to_the_first_that_waits() {
        let (process, _) = filled(&[5, 6, 8]);
        assert_eq!(process.remove([6].into_iter()), 5);
        assert_eq!(process.remove([5].into_iter()), 8);
        assert_eq!(process.remove([8].into_iter()), 9);
        assert_eq!(process.load(), (0, 0, 0));
    }

    #[test]
    fn only_a_first_message_that_is_being_consumed_is_overdue() {
        let (process, messages) = filled(&[1, 2]);
        let now = Duration::ZERO;
        process.begin(&messages[1..]);
        assert!(process.overdue(now).is_none());
        process.begin(&messages);
        assert!(process.overdue(Duration::from_secs(60)).is_none());
        let begun = clock::now_ms();
        while clock::now_ms() == begun {}
        assert_eq!(process.overdue(now).unwrap().queue_offset, 1);
    }

    #[test]
    fn messages_that_stay_count_their_deliveries() {
        let (process, messages) = filled(&[1, 2]);
        process.count_again(&messages[..1]);
        let times: Vec<_> =
            process.behind(None, 9).iter().map(|message| message.reconsume_times).collect();
        assert_eq!(times, [1, 0]);
        assert_eq!(process.behind(Some(1), 9)[0].queue_offset, 2);
    }
}
