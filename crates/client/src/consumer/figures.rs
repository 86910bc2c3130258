//! What a consumer tells tools of its work: rates and times of the last minute, by topic, as 4.9.2
//! computes them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use rocketmq_common::clock;
use rocketmq_protocol::body::ConsumeStatus;

/// Time between looks at the counters.
pub(super) const PERIOD: Duration = Duration::from_secs(10);
/// Looks that make up a minute.
const MINUTE: usize = 7;
/// Looks that make up an hour.
const HOUR: usize = 361;

/// Counters of every topic.
#[derive(Default)]
pub(super) struct Figures(RwLock<BTreeMap<String, Arc<Topic>>>);

/// Counters of one topic.
#[derive(Default)]
struct Topic {
    /// Pulls that brought messages, their time in ms, and the messages.
    pulls: AtomicI64,
    pull_ms: AtomicI64,
    pulled: AtomicI64,
    /// Deliveries, their time in ms, and the messages that came out well or not.
    deliveries: AtomicI64,
    delivery_ms: AtomicI64,
    good: AtomicI64,
    failed: AtomicI64,
    looks: Mutex<VecDeque<Look>>,
}

/// The counters at one time.
#[derive(Clone, Copy)]
struct Look {
    at_ms: i64,
    pulls: i64,
    pull_ms: i64,
    pulled: i64,
    deliveries: i64,
    delivery_ms: i64,
    good: i64,
    failed: i64,
}

impl Figures {
    /// A pull brought messages.
    pub(super) fn pulled(&self, topic: &str, messages: usize, time: Duration) {
        let topic = self.topic(topic);
        add(&topic.pulls, 1);
        add(&topic.pull_ms, time.as_millis() as i64);
        add(&topic.pulled, messages as i64);
    }

    /// A listener is done.
    pub(super) fn delivered(&self, topic: &str, good: usize, failed: usize, time: Duration) {
        let topic = self.topic(topic);
        add(&topic.deliveries, 1);
        add(&topic.delivery_ms, time.as_millis() as i64);
        add(&topic.good, good as i64);
        add(&topic.failed, failed as i64);
    }

    fn topic(&self, name: &str) -> Arc<Topic> {
        if let Some(topic) = self.0.read().get(name) {
            return Arc::clone(topic);
        }
        Arc::clone(self.0.write().entry(name.to_string()).or_default())
    }

    /// Looks at the counters; to be called every [`PERIOD`].
    pub(super) fn look(&self) {
        for topic in self.0.read().values() {
            let mut looks = topic.looks.lock();
            looks.push_back(topic.now());
            if looks.len() > HOUR {
                looks.pop_front();
            }
        }
    }

    /// The figures of a topic.
    pub(super) fn of(&self, topic: &str) -> ConsumeStatus {
        self.0.read().get(topic).map(|topic| topic.status()).unwrap_or_default()
    }
}

fn add(counter: &AtomicI64, value: i64) {
    counter.fetch_add(value, Ordering::Relaxed);
}

impl Topic {
    fn now(&self) -> Look {
        let read = |counter: &AtomicI64| counter.load(Ordering::Relaxed);
        Look {
            at_ms: clock::monotonic_ms(),
            pulls: read(&self.pulls),
            pull_ms: read(&self.pull_ms),
            pulled: read(&self.pulled),
            deliveries: read(&self.deliveries),
            delivery_ms: read(&self.delivery_ms),
            good: read(&self.good),
            failed: read(&self.failed),
        }
    }

    fn status(&self) -> ConsumeStatus {
        let looks = self.looks.lock();
        let (Some(&hour), Some(&last)) = (looks.front(), looks.back()) else {
            return ConsumeStatus::default();
        };
        let minute = looks.get(looks.len().saturating_sub(MINUTE)).copied().unwrap_or(hour);
        let ratio = |value: i64, by: i64| if by == 0 { 0.0 } else { value as f64 / by as f64 };
        let rate = |value: i64| ratio(value * 1000, last.at_ms - minute.at_ms);
        // Java looks further back when the last minute had no delivery.
        let past = if last.deliveries == minute.deliveries { hour } else { minute };
        ConsumeStatus {
            pull_rt: ratio(last.pull_ms - minute.pull_ms, last.pulls - minute.pulls),
            pull_tps: rate(last.pulled - minute.pulled),
            consume_rt: ratio(
                last.delivery_ms - past.delivery_ms,
                last.deliveries - past.deliveries,
            ),
            consume_ok_tps: rate(last.good - minute.good),
            consume_failed_tps: rate(last.failed - minute.failed),
            consume_failed_msgs: last.failed - hour.failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(second: i64, messages: i64) -> Look {
        Look {
            at_ms: second * 1000,
            pulls: messages / 10,
            pull_ms: messages,
            pulled: messages,
            deliveries: messages,
            delivery_ms: messages * 2,
            good: messages - messages / 4,
            failed: messages / 4,
        }
    }

    #[test]
    fn rates_are_those_of_the_last_minute() {
        let topic = Topic::default();
        assert_eq!(topic.status(), ConsumeStatus::default());
        // Nothing for two minutes, then 40 messages a second.
        let looks = (0..=18).map(|index| look(index * 10, 400 * (index - 12).max(0)));
        *topic.looks.lock() = looks.collect();
        let status = topic.status();
        assert_eq!((status.pull_tps, status.pull_rt), (40.0, 10.0));
        assert_eq!((status.consume_ok_tps, status.consume_failed_tps), (30.0, 10.0));
        assert_eq!((status.consume_rt, status.consume_failed_msgs), (2.0, 600));
    }

    #[test]
    fn looks_are_kept_for_an_hour() {
        let figures = Figures::default();
        figures.delivered("T", 0, 5, Duration::from_millis(3));
        for _ in 0..=HOUR {
            figures.look();
        }
        assert_eq!(figures.0.read()["T"].looks.lock().len(), HOUR);
        assert_eq!(figures.of("T").consume_failed_msgs, 0);
        figures.delivered("T", 0, 5, Duration::ZERO);
        figures.look();
        assert_eq!(figures.of("T").consume_failed_msgs, 5);
        assert_eq!(figures.of("U"), ConsumeStatus::default());
    }
}
