//! Counters by topic, group and queue, and their rates over minute, hour and day (contract
//! `broker.md` 22).
//!
//! A count is one look-up and one atomic addition; samples are taken by a timer.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use parking_lot::{Mutex, RwLock};
use rocketmq_protocol::body::{BrokerStatsData, BrokerStatsItem};

/// Sets, in the order of [`NAMES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Set {
    TopicPutNums,
    TopicPutSize,
    GroupGetNums,
    GroupGetSize,
    BrokerPutNums,
    BrokerGetNums,
    SndbckPutNums,
}

/// Names of the sets, as tools ask for them.
const NAMES: [&str; 7] = [
    "TOPIC_PUT_NUMS",
    "TOPIC_PUT_SIZE",
    "GROUP_GET_NUMS",
    "GROUP_GET_SIZE",
    "BROKER_PUT_NUMS",
    "BROKER_GET_NUMS",
    "SNDBCK_PUT_NUMS",
];

/// Samples kept for each window, and the time between them.
const MINUTE: Window = Window { samples: 7, period_ms: 10_000 };
const HOUR: Window = Window { samples: 7, period_ms: 600_000 };
const DAY: Window = Window { samples: 25, period_ms: 3_600_000 };

#[derive(Clone, Copy)]
struct Window {
    samples: usize,
    period_ms: i64,
}

#[derive(Clone, Copy)]
struct Sample {
    at_ms: i64,
    value: i64,
    times: i64,
}

#[derive(Default)]
struct Item {
    value: AtomicI64,
    times: AtomicI64,
    history: Mutex<[VecDeque<Sample>; 3]>,
}

impl Item {
    fn add(&self, value: u64) {
        self.value.fetch_add(value as i64, Ordering::Relaxed);
        self.times.fetch_add(1, Ordering::Relaxed);
    }

    fn sample(&self, index: usize, window: Window, now_ms: i64) {
        let mut history = self.history.lock();
        let samples = &mut history[index];
        if samples.is_empty() {
            // As if there had been nothing one period ago.
            samples.push_back(Sample { at_ms: now_ms - window.period_ms, value: 0, times: 0 });
        }
        let value = self.value.load(Ordering::Relaxed);
        let times = self.times.load(Ordering::Relaxed);
        samples.push_back(Sample { at_ms: now_ms, value, times });
        while samples.len() > window.samples {
            samples.pop_front();
        }
    }

    fn rates(&self, index: usize) -> BrokerStatsItem {
        let history = self.history.lock();
        let samples = &history[index];
        let (Some(first), Some(last)) = (samples.front(), samples.back()) else {
            return BrokerStatsItem::default();
        };
        let (sum, times) = (last.value - first.value, last.times - first.times);
        let elapsed = (last.at_ms - first.at_ms).max(1);
        let tps = if samples.len() < 2 { 0.0 } else { sum as f64 * 1000.0 / elapsed as f64 };
        let avgpt = if times > 0 { sum as f64 / times as f64 } else { 0.0 };
        BrokerStatsItem { avgpt, sum, tps }
    }
}

/// Items of one kind by topic and group, so that counting needs no joined key.
#[derive(Default)]
struct Pairs(RwLock<HashMap<Box<str>, Items>>);

type Items = HashMap<Box<str>, Arc<Item>>;

impl Pairs {
    fn add(&self, first: &str, second: &str, value: u64) {
        if let Some(item) = self.0.read().get(first).and_then(|inner| inner.get(second)) {
            item.add(value);
            return;
        }
        let mut items = self.0.write();
        items.entry(first.into()).or_default().entry(second.into()).or_default().add(value);
    }

    fn get(&self, first: &str, second: &str) -> Option<Arc<Item>> {
        self.0.read().get(first)?.get(second).cloned()
    }

    fn each(&self, mut see: impl FnMut(&str, &str, &Item)) {
        for (first, inner) in self.0.read().iter() {
            inner.iter().for_each(|(second, item)| see(first, second, item));
        }
    }
}

/// The statistics of a broker.
pub struct BrokerStats {
    cluster: String,
    /// By set; the second key is empty where the first says it all.
    sets: [Pairs; 7],
    /// Messages put and got before yesterday's and today's midnight.
    mornings: Mutex<Mornings>,
}

/// Totals at midnight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mornings {
    /// Put before yesterday's first moment.
    pub put_yesterday: i64,
    /// Put before today's first moment.
    pub put_today: i64,
    /// Got before yesterday's first moment.
    pub get_yesterday: i64,
    /// Got before today's first moment.
    pub get_today: i64,
}

impl BrokerStats {
    /// Nothing counted yet.
    pub fn new(cluster: &str) -> BrokerStats {
        BrokerStats {
            cluster: cluster.to_string(),
            sets: Default::default(),
            mornings: Mutex::default(),
        }
    }

    fn add(&self, set: Set, first: &str, second: &str, value: u64) {
        self.sets[set as usize].add(first, second, value);
    }

    /// Counts messages that were put.
    pub fn put(&self, topic: &str, count: u64, bytes: u64) {
        self.add(Set::TopicPutNums, topic, "", count);
        self.add(Set::TopicPutSize, topic, "", bytes);
        self.add(Set::BrokerPutNums, &self.cluster, "", count);
    }

    /// Counts messages that a group got.
    pub fn get(&self, topic: &str, group: &str, count: u64, bytes: u64) {
        self.add(Set::GroupGetNums, topic, group, count);
        self.add(Set::GroupGetSize, topic, group, bytes);
        self.add(Set::BrokerGetNums, &self.cluster, "", count);
    }

    /// Counts a message of the topic that the group sent back.
    pub fn send_back(&self, topic: &str, group: &str) {
        self.add(Set::SndbckPutNums, topic, group, 1);
    }

    /// Messages a second that a group got of a topic, over the last minute.
    pub fn group_get_tps(&self, topic: &str, group: &str) -> f64 {
        let item = self.sets[Set::GroupGetNums as usize].get(topic, group);
        item.map_or(0.0, |item| item.rates(0).tps)
    }

    /// The rates of one item; `None` if nothing was counted under that name and key.
    pub fn view(&self, name: &str, key: &str) -> Option<BrokerStatsData> {
        let set = NAMES.iter().position(|known| *known == name)?;
        let (first, second) = match key.split_once('@') {
            Some((topic, group)) if name.starts_with("GROUP_") || name.starts_with("SNDBCK_") => {
                (topic, group)
            }
            _ => (key, ""),
        };
        let item = self.sets[set].get(first, second)?;
        Some(BrokerStatsData {
            stats_minute: item.rates(0),
            stats_hour: item.rates(1),
            stats_day: item.rates(2),
        })
    }

    /// Takes samples; to be called every ten seconds with the number of calls before.
    pub fn sample(&self, tick: u64, now_ms: i64) {
        for (index, window) in [MINUTE, HOUR, DAY].into_iter().enumerate() {
            if tick.is_multiple_of((window.period_ms / MINUTE.period_ms).unsigned_abs()) {
                for set in &self.sets {
                    set.each(|_, _, item| item.sample(index, window, now_ms));
                }
            }
        }
    }

    /// Writes stats.log's lines of the last minute.
    pub fn log_minute(&self) {
        for (set, name) in self.sets.iter().zip(NAMES) {
            set.each(|first, second, item| {
                let rates = item.rates(0);
                let at = if second.is_empty() { "" } else { "@" };
                tracing::info!(target: "RocketmqStats", "[{name}] [{first}{at}{second}] Stats In One Minute, SUM: {} TPS: {:.2} AVGPT: {:.2}", rates.sum, rates.tps, rates.avgpt);
            });
        }
    }

    /// Notes the totals at midnight.
    pub fn midnight(&self, put_total: i64, get_total: i64) {
        let mut mornings = self.mornings.lock();
        mornings.put_yesterday = mornings.put_today;
        mornings.get_yesterday = mornings.get_today;
        (mornings.put_today, mornings.get_today) = (put_total, get_total);
        let thread = "BrokerControllerScheduledThread1";
        tracing::info!(target: crate::LOGGER, thread, "yesterday put message total: {}", mornings.put_today - mornings.put_yesterday);
        tracing::info!(target: crate::LOGGER, thread, "yesterday get message total: {}", mornings.get_today - mornings.get_yesterday);
    }

    /// The totals at midnight.
    pub fn mornings(&self) -> Mornings {
        *self.mornings.lock()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_cover_their_window() {
        let stats = BrokerStats::new("c");
        assert!(stats.view("TOPIC_PUT_NUMS", "T").is_none());
        for tick in 0..10 {
            stats.put("T", 5, 500);
            stats.sample(tick, 1_000_000 + tick as i64 * 10_000);
        }
        let minute = stats.view("TOPIC_PUT_NUMS", "T").unwrap().stats_minute;
        assert_eq!((minute.sum, minute.tps, minute.avgpt), (30, 0.5, 5.0));
        assert!(stats.view("BROKER_PUT_NUMS", "c").is_some());
        stats.get("T", "g", 3, 10);
        assert!(stats.view("GROUP_GET_NUMS", "T@g").is_some());
        assert!(stats.view("NO_SUCH", "T").is_none());
    }
}
