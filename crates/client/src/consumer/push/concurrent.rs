//! Concurrent consumption: each batch of messages is handed to the listener on its own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rocketmq_protocol::body::MessageModel;
use rocketmq_protocol::message::{MessageExt, MessageQueue};

use super::Inner;
use super::listener::{ConsumeStatus, Listener};
use crate::LOGGER;
use crate::catch::catch;
use crate::consumer::process_queue::ProcessQueue;
use crate::trace::Outcome;

/// Time until messages that could not be sent back are delivered again from here.
const LOCAL_RETRY: Duration = Duration::from_secs(5);

type Batch = Vec<Arc<MessageExt>>;

/// Hands a batch to the listener as soon as a worker is free.
pub(super) fn submit(
    inner: &Arc<Inner>,
    queue: &MessageQueue,
    process: &Arc<ProcessQueue>,
    batch: Batch,
    wait: Duration,
) {
    let consuming = consume(Arc::clone(inner), queue.clone(), Arc::clone(process), batch, wait);
    inner.group.tasks.spawn(consuming);
}

async fn consume(
    inner: Arc<Inner>,
    queue: MessageQueue,
    process: Arc<ProcessQueue>,
    batch: Batch,
    wait: Duration,
) {
    // A sleep of nothing would still last until the timer's next millisecond.
    if !wait.is_zero() {
        process.rest(wait).await;
    }
    let Some(_permit) = inner.workers.free().await else { return };
    let Listener::Concurrent(listener) = &inner.listener else { return };
    if process.is_halted() {
        return;
    }
    process.begin(&batch);
    let (delivery, worker) = inner.delivery(&queue, &batch);
    let traced = inner.begin_trace(&delivery.messages);
    let begun = Instant::now();
    // A listener that panics counts as one that wants the messages later.
    let said = catch(async { listener(delivery).await }).await;
    let time = begun.elapsed();
    inner.workers.end(worker);
    inner.end_trace(traced, || match &said {
        Ok(ConsumeStatus::Success) => Outcome::Success,
        Ok(_) => Outcome::Failed,
        Err(_) => Outcome::Exception,
    });
    if let Err(panic) = &said {
        tracing::warn!(target: LOGGER, "consumeMessage exception: {panic} Group: {} MQ: {queue}", inner.group.name);
    }
    if process.is_dropped() {
        tracing::warn!(target: LOGGER, "processQueue is dropped without process consume result. messageQueue={queue}");
        return;
    }
    let (done, delay_level) = match said {
        Ok(ConsumeStatus::Success) => (batch.len(), 0),
        Ok(ConsumeStatus::Partly { done, delay_level }) => (done.min(batch.len()), delay_level),
        Ok(ConsumeStatus::ReconsumeLater) | Err(_) => (0, 0),
    };
    inner.group.figures.delivered(&queue.topic, done, batch.len() - done, time);
    let mut settled: Vec<i64> = batch.iter().map(|message| message.queue_offset).collect();
    let failed = return_some(&inner, &batch[done..], delay_level).await;
    if !failed.is_empty() {
        settled.retain(|offset| failed.iter().all(|again| again.queue_offset != *offset));
        process.count_again(&failed);
        let again = failed.into_iter().map(|mut message| {
            Arc::make_mut(&mut message).reconsume_times += 1;
            message
        });
        submit(&inner, &queue, &process, again.collect(), LOCAL_RETRY);
    }
    let next = process.remove(settled.into_iter());
    if !process.is_dropped() {
        inner.group.offsets.update(&queue, next, true);
    }
}

/// Gives messages back to the broker for a later delivery; returns those that it did not take.
async fn return_some(inner: &Inner, batch: &[Arc<MessageExt>], delay_level: i32) -> Batch {
    let mut failed = Vec::new();
    for message in batch {
        if inner.group.sharing.model == MessageModel::Broadcasting {
            tracing::warn!(target: LOGGER, "BROADCASTING, the message consume failed, drop it, {}", message.msg_id());
        } else if let Err(error) = inner.send_back(message, delay_level).await {
            tracing::warn!(target: LOGGER, "sendMessageBack exception, group: {} msg: {}: {error}", inner.group.name, message.msg_id());
            failed.push(Arc::clone(message));
        }
    }
    failed
}
