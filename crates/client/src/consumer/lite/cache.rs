//! Messages that were pulled and wait to be polled, in the order in which they came.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;

use parking_lot::Mutex;
use rocketmq_protocol::message::{MessageExt, MessageQueue};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::consumer::process_queue::ProcessQueue;

/// What one pull brought.
pub(super) struct Batch {
    pub(super) queue: MessageQueue,
    pub(super) process: Arc<ProcessQueue>,
    pub(super) messages: Vec<Arc<MessageExt>>,
}

#[derive(Default)]
pub(super) struct Cache {
    waiting: Mutex<Waiting>,
    changed: Notify,
}

#[derive(Default)]
struct Waiting {
    batches: VecDeque<Batch>,
    messages: usize,
    closed: bool,
}

impl Cache {
    pub(super) fn add(&self, batch: Batch) {
        let mut waiting = self.waiting.lock();
        waiting.messages += batch.messages.len();
        waiting.batches.push_back(batch);
        drop(waiting);
        self.changed.notify_one();
    }

    /// How many messages wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.lock().messages
    }

    /// Forgets what was pulled from queues that are gone, or before a seek.
    pub(super) fn sweep(&self) {
        let mut waiting = self.waiting.lock();
        waiting.batches.retain(|batch| !batch.process.is_dropped());
        waiting.messages = waiting.batches.iter().map(|batch| batch.messages.len()).sum();
    }

    /// The next batch; `None` if none came in time, or none will come any more.
    pub(super) async fn take(&self, deadline: Instant) -> Option<Batch> {
        loop {
            let mut changed = pin!(self.changed.notified());
            // What comes from here on is not missed.
            changed.as_mut().enable();
            {
                let mut waiting = self.waiting.lock();
                while let Some(batch) = waiting.batches.pop_front() {
                    waiting.messages -= batch.messages.len();
                    if !batch.process.is_dropped() {
                        return Some(batch);
                    }
                }
                if waiting.closed {
                    return None;
                }
            }
            tokio::time::timeout_at(deadline, changed).await.ok()?;
        }
    }

    /// Ends every poll that waits.
    pub(super) fn close(&self) {
        self.waiting.lock().closed = true;
        self.changed.notify_waiters();
    }
}
