//! Scheduled pulls: the application's code is called for each queue that is this member's, again and
//! again, and says when next (Java's `MQPullConsumerScheduleService`).

use std::ops::Deref;
use std::pin::Pin;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use rocketmq_protocol::message::MessageQueue;
use tokio::sync::Semaphore;

use super::process_queue::ProcessQueue;
use super::pull::{Inner, PullConsumer};
use crate::catch::catch;
use crate::{LOGGER, namespace};

/// Time to the next call after one that panicked.
const DEFAULT_DELAY: Duration = Duration::from_millis(200);

type Callback =
    Box<dyn Fn(PullTask) -> Pin<Box<dyn Future<Output = Duration> + Send>> + Send + Sync>;

/// What a scheduled call is about.
pub struct PullTask {
    /// Pulls, and keeps the offsets.
    pub consumer: Arc<PullConsumer>,
    /// The queue to pull.
    pub queue: MessageQueue,
}

/// A [`PullConsumer`] whose queues are pulled by schedule; see
/// [`PullConsumerBuilder::start_scheduled`](super::PullConsumerBuilder::start_scheduled).
pub struct ScheduledPullConsumer(pub(super) Arc<PullConsumer>);

impl Deref for ScheduledPullConsumer {
    type Target = PullConsumer;

    fn deref(&self) -> &PullConsumer {
        &self.0
    }
}

impl Drop for ScheduledPullConsumer {
    fn drop(&mut self) {
        // A call that runs now may hold the consumer too.
        self.0.abandon();
    }
}

/// What is called, and how many calls run at once.
pub(super) struct Schedule {
    callback: Callback,
    permits: Semaphore,
    consumer: OnceLock<Weak<PullConsumer>>,
}

impl Schedule {
    pub(super) fn new<F>(
        calls: usize,
        callback: impl Fn(PullTask) -> F + Send + Sync + 'static,
    ) -> Schedule
    where
        F: Future<Output = Duration> + Send + 'static,
    {
        Schedule {
            callback: Box::new(move |task| Box::pin(callback(task))),
            permits: Semaphore::new(calls),
            consumer: OnceLock::new(),
        }
    }

    /// Says which consumer the calls are given; comes before the first queue is taken.
    pub(super) fn serve(&self, consumer: &Arc<PullConsumer>) {
        let _ = self.consumer.set(Arc::downgrade(consumer));
    }
}

/// Calls for one queue until it is halted.
pub(super) async fn run(inner: Arc<Inner>, queue: MessageQueue, process: Arc<ProcessQueue>) {
    let Some(schedule) = &inner.schedule else { return };
    let queue = namespace::queue_without(&queue, &inner.group.namespace);
    while !process.is_halted() {
        let Ok(permit) = schedule.permits.acquire().await else { return };
        let consumer = schedule.consumer.get().and_then(Weak::upgrade);
        let Some(consumer) = consumer.filter(|_| !process.is_halted()) else { return };
        let task = PullTask { consumer, queue: queue.clone() };
        let wait = catch(async { (schedule.callback)(task).await }).await;
        let wait = wait.unwrap_or_else(|panic| {
            tracing::error!(target: LOGGER, "doPullTask Exception, {queue}: {panic}");
            DEFAULT_DELAY
        });
        drop(permit);
        process.rest(wait).await;
    }
}
