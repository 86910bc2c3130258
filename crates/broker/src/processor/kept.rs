//! Waiting until what a request stored is where it has to be.

use std::sync::Arc;
use std::time::Duration;

use rocketmq_protocol::ResponseCode;
use rocketmq_replication::ReplicaOutcome;
use rocketmq_store::{BrokerRole, FlushDiskType, FlushOutcome};

use crate::context::{BrokerContext, Settings};
use crate::table::Pending;

const REFUSED: &str = "service not available now. The disk refused the message; see storeerror.log";

/// Where a message has to be before its answer.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wait {
    /// Commit log offset that must be on the medium, if it must.
    pub(crate) flush_to: Option<i64>,
    /// Commit log offset that a slave must have, if one must.
    pub(crate) replicate_to: Option<i64>,
}

impl Wait {
    /// What the settings ask for a message that ends at `end_offset`.
    pub(crate) fn by(settings: &Settings, end_offset: i64) -> Wait {
        let store = &settings.store;
        let flush = store.flush_disk_type == FlushDiskType::SyncFlush;
        let replica = store.broker_role == BrokerRole::SyncMaster;
        Wait { flush_to: flush.then_some(end_offset), replicate_to: replica.then_some(end_offset) }
    }

    /// Whether there is nothing to wait for.
    pub(crate) fn is_none(&self) -> bool {
        self.flush_to.is_none() && self.replicate_to.is_none()
    }
}

/// How the wait ended.
pub(crate) enum Kept {
    /// Everything is on the medium.
    Yes,
    /// The message is stored, but the disk took longer than `syncFlushTimeout`.
    FlushTimedOut,
    /// The message is stored, but no slave is there to have it.
    NoReplica,
    /// The message is stored, but no slave had it within `syncFlushTimeout`.
    ReplicaTimedOut,
    /// It cannot be said that the message is stored.
    No(ResponseCode, String),
}

/// Tells when the message is where it has to be, and the settings of the topic on the medium if it
/// is so new that they are not; at once when nothing is to be waited for. What a slave lacks says
/// more than what the disk lacks, as in Java. Runs on whatever thread finishes, and must not block
/// it.
pub(crate) fn when_kept(
    context: &BrokerContext,
    wait: Wait,
    new_topic: Option<Pending>,
    tell: impl FnOnce(Kept) + Send + 'static,
) {
    let Some(end) = wait.replicate_to else {
        return when_written(context, wait.flush_to, new_topic, tell);
    };
    let (replicas, store) = (Arc::clone(&context.replicas), Arc::clone(&context.store));
    when_written(context, wait.flush_to, new_topic, move |kept| {
        if matches!(kept, Kept::No(..)) {
            return tell(kept);
        }
        let config = store.config();
        let timeout = Duration::from_millis(config.sync_flush_timeout.max(1).unsigned_abs().into());
        let behind_max = config.ha_slave_fallbehind_max.into();
        replicas.when_replicated(end, behind_max, timeout, move |outcome| {
            let missed = match outcome {
                ReplicaOutcome::Replicated => return tell(kept),
                ReplicaOutcome::NoReplica => Kept::NoReplica,
                ReplicaOutcome::TimedOut => Kept::ReplicaTimedOut,
            };
            // Both say that the message is stored, so it must be.
            tell(match store.commit() {
                Ok(()) if store.max_physical_offset() >= end => missed,
                _ => Kept::No(ResponseCode::SERVICE_NOT_AVAILABLE, REFUSED.to_string()),
            });
        });
    });
}

/// Tells when everything before `flush_to` is on the medium, and the settings of the topic if it
/// is so new that they are not; at once when nothing is to be waited for. Runs on whatever thread
/// finishes, and must not block it.
fn when_written(
    context: &BrokerContext,
    flush_to: Option<i64>,
    new_topic: Option<Pending>,
    tell: impl FnOnce(Kept) + Send + 'static,
) {
    let Some(offset) = flush_to else {
        let Some(topic) = new_topic else { return tell(Kept::Yes) };
        let store = Arc::clone(&context.store);
        return topic.then(Box::new(move |written| {
            // Never before the message is in the log, which the batch it came with may not have
            // reached.
            let written = written.and_then(|()| store.commit().map_err(|error| error.to_string()));
            tell(Kept::of(written, Kept::Yes));
        }));
    };
    let flushed = move |outcome| {
        let kept = match outcome {
            FlushOutcome::Flushed => Kept::Yes,
            FlushOutcome::TimedOut => Kept::FlushTimedOut,
            FlushOutcome::Failed => {
                // Never FLUSH_DISK_TIMEOUT, which says that the message is stored.
                let text = REFUSED.to_string();
                return tell(Kept::No(ResponseCode::SERVICE_NOT_AVAILABLE, text));
            }
        };
        match new_topic {
            None => tell(kept),
            Some(topic) => topic.then(Box::new(move |written| tell(Kept::of(written, kept)))),
        }
    };
    context.store.when_flushed(offset, Box::new(flushed));
}

impl Kept {
    fn of(topic_written: Result<(), String>, kept: Kept) -> Kept {
        match topic_written {
            Ok(()) => kept,
            Err(why) => Kept::No(ResponseCode::SYSTEM_ERROR, why),
        }
    }
}
