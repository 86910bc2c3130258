//! Waiting until what a request stored is where it has to be.

use std::sync::Arc;

use rocketmq_protocol::ResponseCode;
use rocketmq_store::FlushOutcome;

use crate::context::BrokerContext;
use crate::table::Pending;

/// How the wait ended.
pub(crate) enum Kept {
    /// Everything is on the medium.
    Yes,
    /// The message is stored, but the disk took longer than `syncFlushTimeout`.
    FlushTimedOut,
    /// It cannot be said that the message is stored.
    No(ResponseCode, String),
}

/// Tells when everything before `flush_to` is on the medium, and the settings of the topic if it
/// is so new that they are not; at once when nothing is to be waited for. Runs on whatever thread
/// finishes, and must not block it.
pub(crate) fn when_kept(
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
                let text =
                    "service not available now. The disk refused the message; see storeerror.log";
                return tell(Kept::No(ResponseCode::SERVICE_NOT_AVAILABLE, text.to_string()));
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
