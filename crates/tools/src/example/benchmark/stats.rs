//! Counters of a run, and the lines made of them.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use rocketmq_common::clock;

use crate::example::terminal;

/// Between two snapshots.
const SNAPSHOT: Duration = Duration::from_secs(1);
/// Snapshots kept, and snapshots between two lines.
const SNAPSHOTS: usize = 10;

/// Counters that can be looked at while they run.
pub(super) trait Counters {
    /// Their values at one moment.
    type Snapshot;

    fn snapshot(&self) -> Self::Snapshot;
    /// The periodic line, of the first and the last snapshot of the last seconds.
    fn line(&self, from: &Self::Snapshot, to: &Self::Snapshot) -> String;
}

/// Prints the periodic line every ten seconds; never ends.
pub(super) async fn watch<C: Counters>(counters: &C) {
    let mut snapshots = VecDeque::with_capacity(SNAPSHOTS + 1);
    let mut ticks = tokio::time::interval(SNAPSHOT);
    ticks.tick().await;
    for tick in 1usize.. {
        ticks.tick().await;
        snapshots.push_back(counters.snapshot());
        if snapshots.len() > SNAPSHOTS {
            snapshots.pop_front();
        }
        if tick % SNAPSHOTS == 0
            && let (Some(from), Some(to)) = (snapshots.front(), snapshots.back())
        {
            terminal::line(format_args!("{}", counters.line(from, to)));
        }
    }
}

/// What senders count.
#[derive(Debug, Default)]
pub(super) struct Sends {
    /// Requests answered well.
    pub(super) succeeded: AtomicU64,
    /// Requests that got no answer, or were refused by the client.
    pub(super) failed: AtomicU64,
    /// Requests that the broker refused.
    pub(super) refused: AtomicU64,
    /// Messages in the requests that were answered well.
    pub(super) messages_succeeded: AtomicU64,
    /// Messages in the others.
    pub(super) messages_failed: AtomicU64,
    /// Of the requests that were answered well, µs.
    time_total_us: AtomicU64,
    /// The longest, µs.
    time_max_us: AtomicU64,
}

impl Sends {
    /// Counts an answered request of so many messages.
    pub(super) fn succeed(&self, messages: u64, time: Duration) {
        let time_us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.succeeded.fetch_add(1, Ordering::Relaxed);
        self.messages_succeeded.fetch_add(messages, Ordering::Relaxed);
        self.time_total_us.fetch_add(time_us, Ordering::Relaxed);
        self.time_max_us.fetch_max(time_us, Ordering::Relaxed);
    }

    /// The longest time, ms.
    pub(super) fn time_max_ms(&self) -> u64 {
        self.time_max_us.load(Ordering::Relaxed) / 1000
    }

    /// The longest time since this was asked last, ms.
    pub(super) fn take_time_max_ms(&self) -> u64 {
        self.time_max_us.swap(0, Ordering::Relaxed) / 1000
    }

    pub(super) fn snapshot(&self) -> SendsAt {
        SendsAt {
            time_ms: clock::now_ms(),
            succeeded: self.succeeded.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            messages_succeeded: self.messages_succeeded.load(Ordering::Relaxed),
            messages_failed: self.messages_failed.load(Ordering::Relaxed),
            time_total_us: self.time_total_us.load(Ordering::Relaxed),
        }
    }
}

/// [`Sends`] at one moment.
#[derive(Debug, Clone, Default)]
pub(super) struct SendsAt {
    pub(super) time_ms: i64,
    pub(super) succeeded: u64,
    pub(super) failed: u64,
    pub(super) refused: u64,
    pub(super) messages_succeeded: u64,
    pub(super) messages_failed: u64,
    pub(super) time_total_us: u64,
}

/// So many a second; 0 when no time passed.
pub(super) fn rate(count: u64, from_ms: i64, to_ms: i64) -> u64 {
    (count as f64 * 1000.0 / (to_ms - from_ms) as f64) as u64
}

/// Milliseconds each; `NaN` when there were none, as in Java.
pub(super) fn average_ms(total_us: u64, count: u64) -> f64 {
    total_us as f64 / 1000.0 / count as f64
}

/// What a consumer counts.
#[derive(Debug, Default)]
pub(super) struct Receipts {
    received: AtomicU64,
    failed: AtomicU64,
    /// From the producer's clock to the listener, ms.
    born_total_ms: AtomicI64,
    born_max_ms: AtomicI64,
    /// From the broker's clock to the listener, ms.
    stored_total_ms: AtomicI64,
    stored_max_ms: AtomicI64,
}

impl Receipts {
    /// Counts a message that has reached the listener.
    pub(super) fn receive(&self, born_ms: i64, stored_ms: i64) {
        let now_ms = clock::now_ms();
        self.received.fetch_add(1, Ordering::Relaxed);
        self.born_total_ms.fetch_add(now_ms - born_ms, Ordering::Relaxed);
        self.born_max_ms.fetch_max(now_ms - born_ms, Ordering::Relaxed);
        self.stored_total_ms.fetch_add(now_ms - stored_ms, Ordering::Relaxed);
        self.stored_max_ms.fetch_max(now_ms - stored_ms, Ordering::Relaxed);
    }

    /// Counts a message that the listener gave back.
    pub(super) fn fail(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }
}

/// [`Receipts`] at one moment.
#[derive(Debug, Clone, Default)]
pub(super) struct ReceiptsAt {
    time_ms: i64,
    received: u64,
    failed: u64,
    born_total_ms: i64,
    stored_total_ms: i64,
}

impl Counters for Receipts {
    type Snapshot = ReceiptsAt;

    fn snapshot(&self) -> ReceiptsAt {
        ReceiptsAt {
            time_ms: clock::now_ms(),
            received: self.received.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            born_total_ms: self.born_total_ms.load(Ordering::Relaxed),
            stored_total_ms: self.stored_total_ms.load(Ordering::Relaxed),
        }
    }

    /// The longest times are those since the last line.
    fn line(&self, from: &ReceiptsAt, to: &ReceiptsAt) -> String {
        let received = to.received - from.received;
        let average = |from: i64, to: i64| Milliseconds((to - from) as f64 / received as f64);
        format!(
            "Current Time: {} TPS: {} FAIL: {} AVG(B2C) RT(ms): {} AVG(S2C) RT(ms): {} \
             MAX(B2C) RT(ms): {} MAX(S2C) RT(ms): {}",
            clock::now_ms(),
            rate(received, from.time_ms, to.time_ms),
            to.failed - from.failed,
            average(from.born_total_ms, to.born_total_ms),
            average(from.stored_total_ms, to.stored_total_ms),
            self.born_max_ms.swap(0, Ordering::Relaxed),
            self.stored_max_ms.swap(0, Ordering::Relaxed),
        )
    }
}

/// Java's `%7.3f`.
pub(super) struct Milliseconds(pub(super) f64);

impl fmt::Display for Milliseconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:7.3}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_receipts_as_java_prints_them() {
        let receipts = Receipts::default();
        let mut from = receipts.snapshot();
        let now_ms = clock::now_ms();
        receipts.receive(now_ms - 1000, now_ms - 500);
        receipts.fail();
        let to = receipts.snapshot();
        from.time_ms = to.time_ms - 1000;
        let line = receipts.line(&from, &to);
        assert!(
            line.starts_with("Current Time: ") && line.contains(" TPS: 1 FAIL: 1 AVG"),
            "{line}"
        );
        let again = receipts.line(&to, &to);
        assert!(again.contains(" TPS: 0 FAIL: 0 AVG(B2C) RT(ms):     NaN "), "{again}");
        assert!(again.ends_with("MAX(B2C) RT(ms): 0 MAX(S2C) RT(ms): 0"), "{again}");
    }

    #[test]
    fn measures_sends() {
        let sends = Sends::default();
        sends.succeed(16, Duration::from_micros(2500));
        let at = sends.snapshot();
        assert_eq!((at.succeeded, at.messages_succeeded, sends.time_max_ms()), (1, 16, 2));
        assert_eq!(Milliseconds(average_ms(at.time_total_us, 1)).to_string(), "  2.500");
        assert_eq!((rate(5, 0, 2000), rate(0, 7, 7)), (2, 0));
    }
}
