//! What a lite pull consumer does by itself: it pulls its queues ahead and keeps what was polled of each.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use parking_lot::Mutex;
use rocketmq_common::clock;
use rocketmq_protocol::body::SubscriptionData;
use rocketmq_protocol::message::{MessageExt, MessageQueue};

use super::NOT_RUNNING;
use super::cache::{Batch, Cache};
use super::options::Options;
use super::topics::Watched;
use crate::consumer::group::{Group, Member};
use crate::consumer::process_queue::ProcessQueue;
use crate::consumer::pulling::{self, Puller, Pulling};
use crate::consumer::subscription::MessageSelector;
use crate::error::ClientError;
use crate::trace::Trace;

pub(super) struct Inner {
    pub(super) group: Group,
    pub(super) options: Options,
    pub(super) pulling: Pulling,
    pub(super) cache: Cache,
    /// Behind what was polled, by queue; committed by and by.
    pub(super) positions: Mutex<BTreeMap<MessageQueue, i64>>,
    pub(super) paused: Mutex<BTreeSet<MessageQueue>>,
    pub(super) watched: Mutex<BTreeMap<String, Watched>>,
    /// When offsets are committed next, monotonic ms.
    pub(super) commit_at: AtomicI64,
    pub(super) trace: Option<Arc<Trace>>,
}

impl Inner {
    pub(super) fn running(&self) -> Result<&Group, ClientError> {
        match self.group.is_stopped() {
            false => Ok(&self.group),
            true => Err(ClientError::illegal(NOT_RUNNING)),
        }
    }

    /// Refuses queues that are not this consumer's.
    pub(super) fn check_owned(&self, queue: &MessageQueue) -> Result<(), ClientError> {
        let (owned, hint) = match &*self.group.assigned.lock() {
            Some(assigned) => (assigned.contains(queue), ""),
            None => (self.group.queues.lock().contains_key(queue), ", may be rebalancing"),
        };
        if owned {
            return Ok(());
        }
        Err(ClientError::illegal(format!(
            "The message queue is not in assigned list{hint}, message queue: {queue}"
        )))
    }

    /// Goes on at another offset: as if the queue had just been taken.
    pub(super) fn go_to(
        self: &Arc<Self>,
        queue: MessageQueue,
        offset: i64,
    ) -> Result<(), ClientError> {
        self.check_owned(&queue)?;
        let mut queues = self.group.queues.lock();
        if self.group.is_stopped() {
            return Err(ClientError::illegal(NOT_RUNNING));
        }
        self.positions.lock().remove(&queue);
        let Some(process) = queues.get_mut(&queue) else {
            // Assigned, but not taken yet.
            self.group.starts.lock().insert(queue, offset);
            return Ok(());
        };
        process.drop_queue();
        *process = ProcessQueue::new();
        let process = Arc::clone(process);
        drop(queues);
        self.cache.sweep();
        self.taken(queue, process, offset);
        Ok(())
    }

    pub(super) fn commit_if_due(&self) {
        let now = clock::monotonic_ms();
        if now >= self.commit_at.load(Ordering::Relaxed) {
            let next = now + self.options.commit_interval.as_millis() as i64;
            self.commit_at.store(next, Ordering::Relaxed);
            self.settle();
        }
    }

    /// Makes what was polled the group's offsets, which are kept by and by; the queues concerned.
    pub(super) fn settle(&self) -> Vec<MessageQueue> {
        let queues = self.group.queues.lock();
        let mut positions = self.positions.lock();
        positions.retain(|queue, _| queues.contains_key(queue));
        for (queue, offset) in &*positions {
            self.group.offsets.update(queue, *offset, false);
        }
        positions.keys().cloned().collect()
    }
}

impl Member for Inner {
    fn group(&self) -> &Group {
        &self.group
    }

    fn taken(self: &Arc<Self>, queue: MessageQueue, process: Arc<ProcessQueue>, from: i64) {
        let pulling = pulling::run(Arc::clone(self), queue, process, from);
        self.group.instance.keep(tokio::spawn(pulling));
    }

    fn queues_changed(&self) {
        self.cache.sweep();
        let queues = self.group.queues.lock();
        self.positions.lock().retain(|queue, _| queues.contains_key(queue));
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        vec![
            ("autoCommit", self.options.auto_commit.to_string()),
            ("pullBatchSize", self.pulling.batch.to_string()),
        ]
    }
}

impl Puller for Inner {
    fn pulling(&self) -> &Pulling {
        &self.pulling
    }

    fn wanted(&self, topic: &str) -> Option<Arc<SubscriptionData>> {
        match &*self.group.assigned.lock() {
            Some(_) => MessageSelector::default().subscription(topic, 0).map(Arc::new),
            None => self.group.subscription(topic),
        }
    }

    fn is_paused(&self, queue: &MessageQueue, _: &ProcessQueue) -> bool {
        self.paused.lock().contains(queue)
    }

    fn is_full(&self) -> bool {
        self.cache.len() > self.options.all_messages
    }

    fn deliver(
        self: &Arc<Self>,
        queue: &MessageQueue,
        process: &Arc<ProcessQueue>,
        messages: Vec<Arc<MessageExt>>,
        next: i64,
    ) {
        // Held against a seek, which drops the queue under this lock.
        let _queues = self.group.queues.lock();
        if process.is_dropped() {
            return;
        }
        if messages.is_empty() {
            if process.is_empty() {
                self.positions.lock().insert(queue.clone(), next);
            }
            return;
        }
        process.add(&messages);
        self.cache.add(Batch { queue: queue.clone(), process: Arc::clone(process), messages });
    }

    fn follows_moved_offsets(&self) -> bool {
        true
    }
}
