//! How much may wait in a consumer before it stops pulling (contract `client.md` 5).

use std::sync::atomic::{AtomicUsize, Ordering};

use super::process_queue::ProcessQueue;

/// Bytes of the unit that limits of size are in.
const MIB: usize = 1 << 20;

/// Limits of each queue, set directly or as a share of what a consumer may hold.
pub(super) struct Limits {
    messages: AtomicUsize,
    mib: AtomicUsize,
    /// Most offsets between the first and the last waiting message; orderly consumers have none.
    span: Option<i64>,
    all_messages: Option<usize>,
    all_mib: Option<usize>,
}

impl Limits {
    /// Limits of a queue; `all` is shared by the queues instead, where it is set.
    pub(super) fn new(
        (messages, mib): (usize, usize),
        (all_messages, all_mib): (Option<usize>, Option<usize>),
        span: Option<i64>,
    ) -> Limits {
        let (messages, mib) = (AtomicUsize::new(messages), AtomicUsize::new(mib));
        Limits { messages, mib, span, all_messages, all_mib }
    }

    /// Shares the common limits among so many queues.
    pub(super) fn share(&self, queues: usize) {
        let shares = [(self.all_messages, &self.messages), (self.all_mib, &self.mib)];
        for (all, own) in shares {
            if let Some(all) = all.filter(|_| queues > 0) {
                own.store((all / queues).max(1), Ordering::Relaxed);
            }
        }
    }

    /// Whether so much of the queue waits that pulling rests.
    pub(super) fn is_exceeded(&self, process: &ProcessQueue) -> bool {
        let (count, bytes, span) = process.load();
        count > self.messages.load(Ordering::Relaxed)
            || bytes / MIB > self.mib.load(Ordering::Relaxed)
            || self.span.is_some_and(|max| span > max)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rocketmq_protocol::message::{Message, MessageExt};

    use super::*;
    use crate::consumer::process_queue::tests::message;

    fn sized(offset: i64, body: usize) -> Arc<MessageExt> {
        let message =
            MessageExt { message: Message::new("T", vec![b'x'; body]), ..message(offset) };
        Arc::new(message)
    }

    #[test]
    fn count_size_and_span_each_stop_pulling() {
        let exceeded = |limits: &Limits, messages: &[Arc<MessageExt>]| {
            let process = ProcessQueue::new();
            process.add(messages);
            limits.is_exceeded(&process)
        };
        let limits = Limits::new((2, 1), (None, None), Some(10));
        assert!(!exceeded(&limits, &[sized(0, 1), sized(10, 1)]));
        assert!(exceeded(&limits, &[sized(0, 1), sized(11, 1)]));
        assert!(exceeded(&limits, &[sized(0, 1), sized(1, 1), sized(2, 1)]));
        assert!(!exceeded(&limits, &[sized(0, 2 * MIB - 1)]));
        assert!(exceeded(&limits, &[sized(0, 2 * MIB)]));
        let orderly = Limits::new((2, 1), (None, None), None);
        assert!(!exceeded(&orderly, &[sized(0, 1), sized(10_000, 1)]));
    }

    #[test]
    fn queues_share_what_the_consumer_may_hold() {
        let limits = Limits::new((1000, 100), (Some(10), Some(1)), None);
        limits.share(0);
        assert_eq!(limits.messages.load(Ordering::Relaxed), 1000);
        limits.share(4);
        let now = |limit: &AtomicUsize| limit.load(Ordering::Relaxed);
        assert_eq!((now(&limits.messages), now(&limits.mib)), (2, 1));
    }
}
