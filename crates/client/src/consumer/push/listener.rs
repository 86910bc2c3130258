//! What an application's listener gets and says.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use rocketmq_protocol::message::{MessageExt, MessageQueue};

use crate::catch::catch;

/// Messages handed to a listener.
pub struct Delivery {
    /// The messages; one, unless larger batches were asked for.
    pub messages: Vec<MessageExt>,
    /// Where they come from.
    pub queue: MessageQueue,
    /// Which of the consumer's workers runs the listener, from 1.
    pub worker: usize,
}

/// What a concurrent listener says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsumeStatus {
    /// Done.
    Success,
    /// Not now: deliver again later.
    ReconsumeLater,
    /// The first messages are done; deliver the others again later.
    Partly {
        /// How many are done (Java's `ackIndex` + 1).
        done: usize,
        /// When the others come again: 0 as the broker decides by how often they came, -1 never
        /// (they go to the dead letters), else the delay level (Java's
        /// `delayLevelWhenNextConsume`).
        delay_level: i32,
    },
}

/// What an orderly listener says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderlyStatus {
    /// Done.
    Success,
    /// Not now: deliver the same messages again in a moment, before any other of the queue.
    SuspendCurrentQueueAMoment,
    /// As [`OrderlyStatus::SuspendCurrentQueueAMoment`], after this time (10 ms to 30 s).
    Suspend(Duration),
    /// Done, but nothing is settled yet: the next messages come, and one
    /// [`OrderlyStatus::Commit`] or [`OrderlyStatus::Rollback`] decides on all of them. What
    /// Java's listeners say by `SUCCESS` when `autoCommit` is off.
    Pending,
    /// These messages and the pending ones are done.
    Commit,
    /// These messages and the pending ones are to be delivered again.
    Rollback,
}

pub(super) type Future<T> = Pin<Box<dyn std::future::Future<Output = T> + Send>>;
type Run<T> = Arc<dyn Fn(Delivery) -> Future<T> + Send + Sync>;

/// The application's listener.
#[derive(Clone)]
pub(super) enum Listener {
    Concurrent(Run<ConsumeStatus>),
    Orderly(Run<OrderlyStatus>),
}

impl Listener {
    pub(super) fn is_orderly(&self) -> bool {
        matches!(self, Listener::Orderly(_))
    }

    /// Runs it once for a tool; what came of it in Java's words, and what it panicked with.
    pub(super) async fn try_once(self, delivery: Delivery) -> (&'static str, Option<String>) {
        let said = match self {
            Listener::Concurrent(listener) => {
                catch(async { listener(delivery).await }).await.map(|said| match said {
                    ConsumeStatus::Success => "CR_SUCCESS",
                    ConsumeStatus::ReconsumeLater | ConsumeStatus::Partly { .. } => "CR_LATER",
                })
            }
            Listener::Orderly(listener) => {
                catch(async { listener(delivery).await }).await.map(|said| match said {
                    OrderlyStatus::Success | OrderlyStatus::Pending => "CR_SUCCESS",
                    OrderlyStatus::SuspendCurrentQueueAMoment | OrderlyStatus::Suspend(_) => {
                        "CR_LATER"
                    }
                    OrderlyStatus::Commit => "CR_COMMIT",
                    OrderlyStatus::Rollback => "CR_ROLLBACK",
                })
            }
        };
        match said {
            Ok(said) => (said, None),
            Err(panic) => ("CR_THROW_EXCEPTION", Some(panic)),
        }
    }
}
