//! The workers of a push consumer: how many listeners run at once, and on what.

use std::sync::Arc;

use parking_lot::Mutex;
use rocketmq_common::clock;
use rocketmq_protocol::message::MessageExt;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::consumer::stacks::Task;

/// A fixed number of them, numbered from 1.
pub(super) struct Workers {
    permits: Semaphore,
    table: Mutex<Table>,
}

struct Table {
    free: Vec<usize>,
    /// By number; the first place stays empty.
    work: Vec<Option<Work>>,
}

struct Work {
    first: Arc<MessageExt>,
    count: usize,
    since_ms: i64,
}

impl Workers {
    pub(super) fn new(count: usize) -> Workers {
        let work = (0..=count).map(|_| None).collect();
        let table = Table { free: (1..=count).rev().collect(), work };
        Workers { permits: Semaphore::new(count), table: Mutex::new(table) }
    }

    /// Waits until one is free; it stays free for the caller while the permit lives.
    pub(super) async fn free(&self) -> Option<SemaphorePermit<'_>> {
        self.permits.acquire().await.ok()
    }

    /// One begins with messages; its number.
    pub(super) fn begin(&self, batch: &[Arc<MessageExt>], since_ms: i64) -> usize {
        let first = batch.first().cloned();
        let mut table = self.table.lock();
        let worker = table.free.pop().unwrap_or(1);
        if let Some(place) = table.work.get_mut(worker) {
            *place = first.map(|first| Work { first, count: batch.len(), since_ms });
        }
        worker
    }

    /// It has finished.
    pub(super) fn end(&self, worker: usize) {
        let mut table = self.table.lock();
        let done = table.work.get_mut(worker).and_then(Option::take);
        table.free.push(worker);
        // Messages are freed outside the lock.
        drop(table);
        drop(done);
    }

    /// What each does.
    pub(super) fn tasks(&self) -> Vec<Task> {
        let describe = |(number, work): (usize, &Option<Work>)| {
            let (state, what) = match work {
                None => ("WAITING", "waits for messages".to_string()),
                Some(Work { first, count, since_ms }) => {
                    let since = clock::format_millis(*since_ms);
                    let (topic, queue, offset) =
                        (&first.message.topic, first.queue_id, first.queue_offset);
                    let (broker, id) =
                        (first.broker_name.as_deref().unwrap_or_default(), first.msg_id());
                    let what = format!(
                        "consumes since {since}: {count} of MessageQueue [topic={topic}, \
                         brokerName={broker}, queueId={queue}] from offset {offset}, msgId={id}"
                    );
                    ("RUNNABLE", what)
                }
            };
            Task { thread: format!("ConsumeMessageThread_{number}"), state, what }
        };
        self.table.lock().work.iter().enumerate().skip(1).map(describe).collect()
    }
}
