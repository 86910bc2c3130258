//! Sends whose answer is waited for later.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use rocketmq_protocol::ResponseCode;
use rocketmq_remoting::RemotingError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::outgoing::Outgoing;
use super::send::{Attempt, call_timeout};
use super::{Handle, Inner};
use crate::SendResult;
use crate::error::ClientError;
use crate::instance::no_route;

/// A message on its way; awaiting it tells what became of it.
///
/// It is retried at another broker when no answer came, which happens while it is awaited.
/// Dropping it gives up the answer, not the message.
#[must_use = "whether the message was stored is known only once this was awaited"]
pub struct PendingSend(Pin<Box<dyn Future<Output = Result<SendResult, ClientError>> + Send>>);

impl Future for PendingSend {
    type Output = Result<SendResult, ClientError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(context)
    }
}

impl PendingSend {
    pub(super) async fn begin(
        producer: Arc<Handle>,
        outgoing: Outgoing,
    ) -> Result<PendingSend, ClientError> {
        let started = Instant::now();
        let room = room(&producer, outgoing.body.len()).await?;
        let timeout = producer.options.send_timeout;
        let left = timeout.saturating_sub(started.elapsed());
        let route = producer.route_within(&outgoing.topic, left).await?;
        let queue = producer.pick(&route, None).ok_or_else(|| no_route(&outgoing.topic))?;
        let left = timeout.saturating_sub(started.elapsed());
        let begun = producer.begin(&route, queue, &outgoing, left).await;
        let broker = queue.broker_name.clone();
        Ok(PendingSend(Box::pin(async move {
            let sent = producer.complete(begun, broker, &outgoing, started).await;
            drop(room);
            sent
        })))
    }
}

/// Waits until another send may be under way.
async fn room(
    producer: &Inner,
    body_bytes: usize,
) -> Result<(OwnedSemaphorePermit, OwnedSemaphorePermit), ClientError> {
    // A body that is larger than the limit goes alone.
    let kib = (body_bytes / 1024 + 1).min(producer.options.pending_kib_max) as u32;
    let timeout = producer.options.send_timeout;
    let both = async {
        let send = acquire(&producer.pending, 1).await?;
        Ok((send, acquire(&producer.pending_kib, kib).await?))
    };
    match tokio::time::timeout(timeout, both).await {
        Ok(room) => room,
        Err(_) => {
            let text = format!(
                "invokeAsync tryAcquire semaphore timeout, {}ms, at most {} sends and {} KiB may \
                 be under way: await some of them, or raise pending_limits",
                timeout.as_millis(),
                producer.options.pending_max,
                producer.options.pending_kib_max
            );
            Err(ClientError::client(ResponseCode::ACCESS_BROKER_TIMEOUT, text))
        }
    }
}

async fn acquire(
    semaphore: &Arc<Semaphore>,
    permits: u32,
) -> Result<OwnedSemaphorePermit, ClientError> {
    let acquired = Arc::clone(semaphore).acquire_many_owned(permits).await;
    acquired.map_err(|_| ClientError::illegal("the producer is shut down"))
}

impl Inner {
    /// Waits for the answer; without one, sends again to another broker.
    async fn complete(
        &self,
        mut begun: Result<Attempt, ClientError>,
        mut broker: String,
        outgoing: &Outgoing,
        started: Instant,
    ) -> Result<SendResult, ClientError> {
        let left = || self.options.send_timeout.saturating_sub(started.elapsed());
        let mut retries = 0;
        loop {
            let sent = match begun {
                Ok(attempt) => self.finish(attempt, outgoing, left()).await,
                Err(error) => Err(error),
            };
            let error = match sent {
                Err(error) if had_no_answer(&error) => error,
                sent => return sent,
            };
            if retries == self.options.retry_times_async {
                return Err(error);
            }
            retries += 1;
            if left() < Duration::from_millis(1) {
                return Err(call_timeout(Some(error)));
            }
            let route = self.route_within(&outgoing.topic, left()).await?;
            let queue = self.pick(&route, Some(&broker));
            let queue = queue.ok_or_else(|| no_route(&outgoing.topic))?;
            broker.clone_from(&queue.broker_name);
            begun = self.begin(&route, queue, outgoing, left()).await;
        }
    }
}

fn had_no_answer(error: &ClientError) -> bool {
    match error {
        ClientError::Remoting(RemotingError::Frame(_)) => false,
        ClientError::Remoting(_) => true,
        ClientError::Client { .. } | ClientError::Broker { .. } => false,
    }
}
