//! Messages that a concurrent listener does not get done with: they are given back to the broker, so
//! that they hold up neither the offset nor the queue (contract `client.md` 5).

use std::sync::Arc;
use std::time::Duration;

use super::Inner;
use crate::LOGGER;
use crate::consumer::process_queue::ProcessQueue;

/// Most messages of a queue that are given back at a time.
const ROUND: usize = 16;
/// The delay level at which they come again.
const DELAY_LEVEL: i32 = 3;

/// Looks for such messages until the consumer ends.
pub(super) fn watch(inner: &Arc<Inner>) {
    let time = inner.options.consume_timeout;
    if inner.group.orderly || time.is_zero() {
        return;
    }
    let weak = Arc::downgrade(inner);
    inner.group.instance.repeat(time, time, move |_| {
        let inner = weak.upgrade();
        async move {
            let Some(inner) = inner else { return };
            let queues: Vec<_> = inner.group.queues.lock().values().cloned().collect();
            for process in queues {
                give_back(&inner, &process, time).await;
            }
        }
    });
}

async fn give_back(inner: &Inner, process: &ProcessQueue, time: Duration) {
    for _ in 0..ROUND {
        let Some(message) = process.overdue(time) else { return };
        tracing::info!(target: LOGGER, "send expire msg back. topic={}, msgId={}, storeHost={}, queueId={}, queueOffset={}", message.message.topic, message.msg_id(), message.store_host, message.queue_id, message.queue_offset);
        if let Err(error) = inner.send_back(&message, DELAY_LEVEL).await {
            tracing::error!(target: LOGGER, "send expired msg exception: {error}");
            return;
        }
        process.remove([message.queue_offset].into_iter());
    }
}
