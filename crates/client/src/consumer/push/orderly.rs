//! Orderly consumption: one delivery of a queue at a time, in the queue's order.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rocketmq_protocol::message::{MessageExt, MessageQueue};

use super::Inner;
use super::listener::{Listener, OrderlyStatus};
use crate::LOGGER;
use crate::catch::catch;
use crate::consumer::process_queue::ProcessQueue;
use crate::trace::Outcome;

/// Time after which a queue that waits for messages or its lock looks again.
const WAIT: Duration = Duration::from_secs(1);
/// Shortest and longest time that a queue is suspended.
const SUSPENSION_MIN: Duration = Duration::from_millis(10);
const SUSPENSION_MAX: Duration = Duration::from_secs(30);

/// Consumes one queue until it is halted.
pub(super) async fn run(inner: Arc<Inner>, queue: MessageQueue, process: Arc<ProcessQueue>) {
    let Listener::Orderly(listener) = inner.listener.clone() else { return };
    // Offsets of messages that were consumed but neither committed nor rolled back.
    let mut pending: Vec<i64> = Vec::new();
    while !process.is_halted() {
        let batch = process.behind(pending.last().copied(), inner.options.batch);
        if batch.is_empty() || !process.is_locked() {
            tokio::select! {
                () = process.added.notified() => {}
                () = process.rest(WAIT) => {}
            }
            continue;
        }
        let Some(permit) = inner.workers.free().await else { return };
        // Who leaves the queue waits for this.
        let busy = process.busy.lock().await;
        if process.is_halted() {
            return;
        }
        process.begin(&batch);
        let (delivery, worker) = inner.delivery(&queue, &batch);
        let traced = inner.begin_trace(&delivery.messages);
        let begun = Instant::now();
        let said = catch(async { listener(delivery).await }).await;
        let time = begun.elapsed();
        inner.workers.end(worker);
        inner.end_trace(traced, || match &said {
            Ok(OrderlyStatus::SuspendCurrentQueueAMoment | OrderlyStatus::Suspend(_)) => {
                Outcome::Failed
            }
            Ok(OrderlyStatus::Rollback) => Outcome::Failed,
            Ok(_) => Outcome::Success,
            Err(_) => Outcome::Exception,
        });
        if let Err(panic) = &said {
            tracing::warn!(target: LOGGER, "consumeMessage exception: {panic} Group: {} MQ: {queue}", inner.group.name);
        }
        let said = said.unwrap_or(OrderlyStatus::SuspendCurrentQueueAMoment);
        if process.is_dropped() {
            tracing::warn!(target: LOGGER, "processQueue is dropped without process consume result. messageQueue={queue}");
            return;
        }
        let good = match said {
            OrderlyStatus::Success | OrderlyStatus::Pending | OrderlyStatus::Commit => batch.len(),
            _ => 0,
        };
        inner.group.figures.delivered(&queue.topic, good, batch.len() - good, time);
        let suspension = match said {
            OrderlyStatus::Success | OrderlyStatus::Commit => None,
            OrderlyStatus::Pending => {
                pending.extend(batch.iter().map(|message| message.queue_offset));
                continue;
            }
            OrderlyStatus::Rollback => {
                pending.clear();
                Some(inner.options.suspension)
            }
            OrderlyStatus::SuspendCurrentQueueAMoment => {
                came_in_vain(&inner, &process, &batch).await.then_some(inner.options.suspension)
            }
            OrderlyStatus::Suspend(time) => {
                came_in_vain(&inner, &process, &batch).await.then_some(time)
            }
        };
        if suspension.is_none() {
            let offsets = batch.iter().map(|message| message.queue_offset);
            let next = process.remove(pending.drain(..).chain(offsets));
            inner.group.offsets.update(&queue, next, true);
        }
        drop((busy, permit));
        if let Some(time) = suspension {
            process.rest(time.clamp(SUSPENSION_MIN, SUSPENSION_MAX)).await;
        }
    }
}

/// Counts a delivery in vain; true if the messages are to be delivered again from here. A batch
/// whose messages came too often goes the way of retries, at whose end the broker puts them to
/// the dead letters.
async fn came_in_vain(inner: &Inner, process: &ProcessQueue, batch: &[Arc<MessageExt>]) -> bool {
    let max = match inner.options.max_reconsume_times {
        -1 => i32::MAX,
        max => max,
    };
    let mut again = false;
    for message in batch {
        if message.reconsume_times >= max {
            let times = message.reconsume_times;
            match inner.returns.to_retry_topic(&inner.group, message, max, times).await {
                Ok(()) => {
                    process.remove([message.queue_offset].into_iter());
                    continue;
                }
                Err(error) => {
                    tracing::error!(target: LOGGER, "sendMessageBack exception, group: {} msg: {}: {error}", inner.group.name, message.msg_id());
                }
            }
        }
        again = true;
        process.count_again(std::slice::from_ref(message));
    }
    again
}
