//! Counters by topic, group and queue, and their rates over minute, hour and day (contract
//! `broker.md` 22).
//!
//! Counting takes a shared lock or two and a few atomic additions; samples and lines are a timer's
//! work.

mod item;
mod keyed;

use std::collections::BTreeMap;

use parking_lot::Mutex;
use rocketmq_protocol::body::{BrokerStatsData, BrokerStatsItem};
use rocketmq_protocol::topic;

use self::item::{Item, Moment, Window};
use self::keyed::{Keyed, named};

/// The group that delayed messages are counted for when they are delivered.
const SCHEDULE_CONSUMER: &str = "SCHEDULE_CONSUMER";
/// The logger of stats.log.
const STATS: &str = rocketmq_common::logging::STATS;

/// What is counted of a topic's messages as they are put.
#[derive(Default)]
struct Puts {
    nums: Item,
    size: Item,
    /// Of the topic of delayed messages only, as in Java.
    queues: Keyed<i32, Volume>,
}

/// A number of messages and their bytes.
#[derive(Default)]
struct Volume {
    nums: Item,
    size: Item,
}

/// What is counted of a group's messages of a topic as they are pulled.
#[derive(Default)]
struct Gets {
    nums: Item,
    size: Item,
    queues: Keyed<i32, GetsOfQueue>,
}

#[derive(Default)]
struct GetsOfQueue {
    latency: Item,
    fall_size: Moment,
    fall_time: Moment,
    /// Of delayed messages only.
    delivered: Volume,
}

type Topics<T> = Keyed<Box<str>, T>;
type Groups<T> = Keyed<Box<str>, T>;

/// A pull that was answered, for the statistics.
pub struct Pulled<'a> {
    /// Topic.
    pub topic: &'a str,
    /// Consumer group.
    pub group: &'a str,
    /// Queue.
    pub queue_id: i32,
    /// Messages in the answer.
    pub count: usize,
    /// Their bytes.
    pub bytes: usize,
    /// How long they took to be read, ms.
    pub latency_ms: Option<i64>,
    /// Age of the last message, ms.
    pub fall_behind_ms: Option<i64>,
    /// Bytes of commit log behind the last message that was looked at.
    pub fall_behind_bytes: Option<i64>,
}

/// The statistics of a broker.
pub struct BrokerStats {
    cluster: String,
    broker_puts: Item,
    broker_gets: Item,
    puts: Topics<Puts>,
    gets: Topics<Groups<Gets>>,
    send_backs: Topics<Groups<Item>>,
    /// Messages put and got before yesterday's and today's midnight.
    mornings: Mutex<Mornings>,
    /// By cause: the response code, or `acl`.
    refused: Mutex<BTreeMap<String, u64>>,
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
            broker_puts: Item::default(),
            broker_gets: Item::default(),
            puts: Keyed::default(),
            gets: Keyed::default(),
            send_backs: Keyed::default(),
            mornings: Mutex::default(),
            refused: Mutex::default(),
        }
    }

    /// Counts messages that were put by one request, and the bytes of their records.
    pub fn put(&self, topic: &str, queue_id: i32, count: usize, bytes: i64) {
        let count = count as i64;
        self.put_in_topic(topic, queue_id, count, bytes);
        self.broker_puts.add(count);
    }

    fn put_in_topic(&self, topic: &str, queue_id: i32, count: i64, bytes: i64) {
        self.puts.with(topic, named, |puts| {
            puts.nums.add(count);
            puts.size.add(bytes);
            if topic == topic::SCHEDULE {
                puts.queues.with(&queue_id, |id| *id, |queue| queue.add(count, bytes));
            }
        });
    }

    /// Counts a message that was sent back and now waits for its time. Java does not count it for
    /// the broker.
    pub fn wait(&self, queue_id: i32, bytes: i64) {
        self.put_in_topic(topic::SCHEDULE, queue_id, 1, bytes);
    }

    /// Counts the messages of an answered pull.
    pub fn pulled(&self, pulled: &Pulled<'_>) {
        self.of_group(pulled.topic, pulled.group, |gets| {
            if pulled.count > 0 {
                gets.nums.add(pulled.count as i64);
                gets.size.add(pulled.bytes as i64);
            }
            gets.queues.with(
                &pulled.queue_id,
                |id| *id,
                |queue| {
                    if let Some(ms) = pulled.latency_ms {
                        queue.latency.add(ms);
                    }
                    if let Some(ms) = pulled.fall_behind_ms {
                        queue.fall_time.set(ms);
                    }
                    if let Some(bytes) = pulled.fall_behind_bytes {
                        queue.fall_size.set(bytes);
                    }
                },
            );
        });
        if pulled.count > 0 {
            self.broker_gets.add(pulled.count as i64);
        }
    }

    /// Counts a delayed message that was delivered to its topic.
    pub fn delivered(&self, level: i32, topic: &str, queue_id: i32, bytes: i64) {
        self.of_group(topic::SCHEDULE, SCHEDULE_CONSUMER, |gets| {
            gets.nums.add(1);
            gets.size.add(bytes);
            gets.queues.with(&(level - 1), |id| *id, |queue| queue.delivered.add(1, bytes));
        });
        self.put(topic, queue_id, 1, bytes);
    }

    /// Counts a message that a consumer sent back; `topic` is where it came from.
    pub fn send_back(&self, topic: &str, group: &str) {
        self.send_backs.with(topic, named, |groups| groups.with(group, named, |item| item.add(1)));
    }

    fn of_group(&self, topic: &str, group: &str, work: impl FnOnce(&Gets)) {
        self.gets.with(topic, named, |groups| groups.with(group, named, work));
    }

    /// Forgets a deleted topic (`autoDeleteUnusedStats`).
    pub fn topic_deleted(&self, topic: &str) {
        self.puts.remove(topic);
        self.gets.remove(topic);
        self.send_backs.remove(topic);
    }

    /// Forgets a deleted group (`autoDeleteUnusedStats`).
    pub fn group_deleted(&self, group: &str) {
        self.gets.each(|_, groups| groups.remove(group));
        self.send_backs.each(|_, groups| groups.remove(group));
    }

    /// Messages a second that a group got of a topic, over the last minute.
    pub fn group_get_tps(&self, topic: &str, group: &str) -> f64 {
        let rates = self.look_at_group(topic, group, |gets| gets.nums.rates(Window::Minute));
        rates.map_or(0.0, |rates| rates.tps)
    }

    /// How far groups are behind, in bytes, by queue as they were last seen.
    pub fn each_fall_behind(&self, mut see: impl FnMut(&str, i64)) {
        self.each_queue(|_, group, _, queue| {
            if let Some(bytes) = queue.fall_size.get() {
                see(group, bytes);
            }
        });
    }

    fn each_queue(&self, mut see: impl FnMut(&str, &str, i32, &GetsOfQueue)) {
        self.gets.each(|topic, groups| {
            groups.each(|group, gets| {
                gets.queues.each(|queue_id, queue| see(topic, group, *queue_id, queue));
            });
        });
    }

    fn look_at_group<R>(
        &self,
        topic: &str,
        group: &str,
        look: impl FnOnce(&Gets) -> R,
    ) -> Option<R> {
        self.gets.look(topic, |groups| groups.look(group, look))?
    }

    /// The rates of one item; `None` if nothing was counted under that name and key.
    pub fn view(&self, name: &str, key: &str) -> Option<BrokerStatsData> {
        let data = |item: &Item| item.is_used().then(|| item.data());
        let mut parts = key.split('@');
        let mut part = || parts.next();
        match name {
            "TOPIC_PUT_NUMS" => self.puts.look(key, |puts| data(&puts.nums))?,
            "TOPIC_PUT_SIZE" => self.puts.look(key, |puts| data(&puts.size))?,
            "GROUP_GET_NUMS" => self.look_at_group(part()?, part()?, |gets| data(&gets.nums))?,
            "GROUP_GET_SIZE" => self.look_at_group(part()?, part()?, |gets| data(&gets.size))?,
            "SNDBCK_PUT_NUMS" => {
                let (topic, group) = (part()?, part()?);
                self.send_backs.look(topic, |groups| groups.look(group, data))??
            }
            "GROUP_GET_LATENCY" => {
                let queue_id: i32 = part()?.parse().ok()?;
                self.look_at_group(part()?, part()?, |gets| {
                    gets.queues.look(&queue_id, |queue| data(&queue.latency))
                })??
            }
            "QUEUE_PUT_NUMS" | "QUEUE_PUT_SIZE" => {
                let (topic, queue_id) = (part()?, part()?.parse::<i32>().ok()?);
                let queue = |queue: &Volume| data(queue.item(name));
                self.puts.look(topic, |puts| puts.queues.look(&queue_id, queue))??
            }
            "QUEUE_GET_NUMS" | "QUEUE_GET_SIZE" => {
                let (topic, queue_id) = (part()?, part()?.parse::<i32>().ok()?);
                let queue = |queue: &GetsOfQueue| data(queue.delivered.item(name));
                self.look_at_group(topic, part()?, |gets| gets.queues.look(&queue_id, queue))??
            }
            "BROKER_PUT_NUMS" if key == self.cluster => data(&self.broker_puts),
            "BROKER_GET_NUMS" if key == self.cluster => data(&self.broker_gets),
            _ => None,
        }
    }

    /// Shows every item that was used, with its set's name and its key.
    fn each(&self, mut see: impl FnMut(&'static str, &dyn std::fmt::Display, &Item)) {
        let mut used = |name, key: &dyn std::fmt::Display, item: &Item| {
            if item.is_used() {
                see(name, key, item);
            }
        };
        self.puts.each(|topic, puts| {
            used("TOPIC_PUT_NUMS", topic, &puts.nums);
            used("TOPIC_PUT_SIZE", topic, &puts.size);
            puts.queues.each(|queue_id, queue| {
                let key = format!("{topic}@{queue_id}");
                used("QUEUE_PUT_NUMS", &key, &queue.nums);
                used("QUEUE_PUT_SIZE", &key, &queue.size);
            });
        });
        self.gets.each(|topic, groups| {
            groups.each(|group, gets| {
                let key = format!("{topic}@{group}");
                used("GROUP_GET_NUMS", &key, &gets.nums);
                used("GROUP_GET_SIZE", &key, &gets.size);
                gets.queues.each(|queue_id, queue| {
                    let key = format!("{queue_id}@{topic}@{group}");
                    used("GROUP_GET_LATENCY", &key, &queue.latency);
                    let key = format!("{topic}@{queue_id}@{group}");
                    used("QUEUE_GET_NUMS", &key, &queue.delivered.nums);
                    used("QUEUE_GET_SIZE", &key, &queue.delivered.size);
                });
            });
        });
        self.send_backs.each(|topic, groups| {
            groups.each(|group, item| used("SNDBCK_PUT_NUMS", &format!("{topic}@{group}"), item));
        });
        used("BROKER_PUT_NUMS", &self.cluster, &self.broker_puts);
        used("BROKER_GET_NUMS", &self.cluster, &self.broker_gets);
    }

    /// Shows set, key and rate a second over the last minute of every item.
    pub(crate) fn each_rate(&self, mut see: impl FnMut(&'static str, String, f64)) {
        self.each(|set, key, item| see(set, key.to_string(), item.rates(Window::Minute).tps));
    }

    /// Counts a send, a pull or what access control denies that was refused.
    pub(crate) fn refuse(&self, cause: impl ToString) {
        *self.refused.lock().entry(cause.to_string()).or_default() += 1;
    }

    /// What was refused, by cause.
    pub(crate) fn refused(&self) -> BTreeMap<String, u64> {
        self.refused.lock().clone()
    }

    /// Takes samples; to be called every ten seconds with the number of calls before.
    pub fn sample(&self, tick: u64, now_ms: i64) {
        for window in Window::ALL.into_iter().filter(|window| window.is_sampled_at(tick)) {
            self.each(|_, _, item| item.sample(window, now_ms));
        }
    }

    fn log(&self, window: Window) {
        for line in self.lines(window) {
            tracing::info!(target: STATS, "{line}");
        }
    }

    fn lines(&self, window: Window) -> Vec<String> {
        let span = window.name();
        let mut lines = Vec::new();
        self.each(|name, key, item| {
            let BrokerStatsItem { sum, tps, avgpt } = item.rates(window);
            lines.push(format!(
                "[{name}] [{key}] Stats In {span}, SUM: {sum} TPS: {tps:.2} AVGPT: {avgpt:.2}"
            ));
        });
        lines
    }

    /// Writes stats.log's lines of the last minute; to be called when a minute begins.
    pub fn log_minute(&self) {
        self.log(Window::Minute);
    }

    /// Writes stats.log's lines of the last hour; to be called when an hour begins.
    pub fn log_hour(&self) {
        self.log(Window::Hour);
    }

    /// Writes stats.log's lines of the last day; to be called when a day begins.
    pub fn log_day(&self) {
        self.log(Window::Day);
    }

    /// Writes stats.log's lines of how far groups are behind; to be called every five minutes.
    pub fn log_moments(&self) {
        for line in self.moment_lines() {
            tracing::info!(target: STATS, "{line}");
        }
    }

    fn moment_lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        self.each_queue(|topic, group, queue_id, queue| {
            for (name, moment) in [
                ("GROUP_GET_FALL_SIZE", &queue.fall_size),
                ("GROUP_GET_FALL_TIME", &queue.fall_time),
            ] {
                if let Some(value) = moment.get() {
                    lines.push(format!("[{name}] [{queue_id}@{topic}@{group}] Stats Every 5 Minutes, Value: {value}"));
                }
            }
        });
        lines
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

impl Volume {
    fn add(&self, count: i64, bytes: i64) {
        self.nums.add(count);
        self.size.add(bytes);
    }

    /// The counter that a set with that name holds.
    fn item(&self, name: &str) -> &Item {
        if name.ends_with("SIZE") { &self.size } else { &self.nums }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pulled<'a>(topic: &'a str, group: &'a str) -> Pulled<'a> {
        Pulled {
            topic,
            group,
            queue_id: 3,
            count: 4,
            bytes: 400,
            latency_ms: Some(7),
            fall_behind_ms: Some(11),
            fall_behind_bytes: Some(13),
        }
    }

    #[test]
    fn rates_cover_their_window() {
        let stats = BrokerStats::new("c");
        for tick in 0..10 {
            stats.put("T", 0, 5, 500);
            stats.sample(tick, 1_000_000 + tick as i64 * 10_000);
        }
        let data = stats.view("TOPIC_PUT_NUMS", "T").unwrap();
        let minute = data.stats_minute;
        assert_eq!((minute.sum, minute.tps, minute.avgpt), (30, 0.5, 5.0));
        assert_eq!(
            stats.lines(Window::Minute),
            [
                "[TOPIC_PUT_NUMS] [T] Stats In One Minute, SUM: 30 TPS: 0.50 AVGPT: 5.00",
                "[TOPIC_PUT_SIZE] [T] Stats In One Minute, SUM: 3000 TPS: 50.00 AVGPT: 500.00",
                "[BROKER_PUT_NUMS] [c] Stats In One Minute, SUM: 30 TPS: 0.50 AVGPT: 5.00",
            ]
        );
        let hour = "[TOPIC_PUT_NUMS] [T] Stats In One Hour, SUM: 5 TPS: 0.01 AVGPT: 5.00";
        assert_eq!(stats.lines(Window::Hour)[0], hour);
        let day = "[TOPIC_PUT_NUMS] [T] Stats In One Day, SUM: 5 TPS: 0.00 AVGPT: 5.00";
        assert_eq!(stats.lines(Window::Day)[0], day);
        // The longer windows were sampled once, at the start, after the first message.
        assert_eq!((data.stats_hour.sum, data.stats_day.sum), (5, 5));
        assert_eq!(data.stats_hour.tps, 5.0 / 600.0);
    }

    #[test]
    fn every_set_has_its_key() {
        let stats = BrokerStats::new("c");
        let sets = [
            ("TOPIC_PUT_NUMS", "T", 5),
            ("TOPIC_PUT_SIZE", "T", 500),
            ("GROUP_GET_NUMS", "T@g", 4),
            ("GROUP_GET_SIZE", "T@g", 400),
            ("GROUP_GET_LATENCY", "3@T@g", 7),
            ("SNDBCK_PUT_NUMS", "T@g", 1),
            ("QUEUE_PUT_NUMS", "SCHEDULE_TOPIC_XXXX@2", 1),
            ("QUEUE_PUT_SIZE", "SCHEDULE_TOPIC_XXXX@2", 90),
            ("QUEUE_GET_NUMS", "SCHEDULE_TOPIC_XXXX@2@SCHEDULE_CONSUMER", 1),
            ("QUEUE_GET_SIZE", "SCHEDULE_TOPIC_XXXX@2@SCHEDULE_CONSUMER", 80),
            ("GROUP_GET_NUMS", "SCHEDULE_TOPIC_XXXX@SCHEDULE_CONSUMER", 1),
            ("TOPIC_PUT_SIZE", "U", 80),
            ("BROKER_PUT_NUMS", "c", 7),
            ("BROKER_GET_NUMS", "c", 4),
        ];
        for (name, key, _) in sets {
            assert!(stats.view(name, key).is_none(), "{name} {key}");
        }
        stats.put("T", 0, 5, 500);
        stats.put("SCHEDULE_TOPIC_XXXX", 2, 1, 90);
        stats.delivered(3, "U", 0, 80);
        stats.pulled(&pulled("T", "g"));
        stats.send_back("T", "g");
        stats.sample(0, 1_000_000);
        for (name, key, sum) in sets {
            let data = stats.view(name, key).unwrap_or_else(|| panic!("{name} {key}"));
            assert_eq!(data.stats_minute.sum, sum, "{name} {key}");
        }
        let others = [
            ("NO_SUCH", "T"),
            ("TOPIC_PUT_NUMS", "V"),
            ("GROUP_GET_NUMS", "T"),
            ("GROUP_GET_LATENCY", "x@T@g"),
            ("QUEUE_PUT_NUMS", "T@0"),
            ("GROUP_GET_FALL_SIZE", "3@T@g"),
            ("BROKER_PUT_NUMS", "other"),
        ];
        for (name, key) in others {
            assert!(stats.view(name, key).is_none(), "{name} {key}");
        }
    }

    #[test]
    fn what_groups_are_behind_is_what_was_seen_last() {
        let stats = BrokerStats::new("c");
        stats.pulled(&pulled("T", "g"));
        stats.pulled(&Pulled { fall_behind_bytes: Some(1), count: 0, ..pulled("T", "g") });
        stats.pulled(&Pulled { fall_behind_bytes: None, ..pulled("T", "h") });
        let mut seen = Vec::new();
        stats.each_fall_behind(|group, bytes| seen.push((group.to_string(), bytes)));
        assert_eq!(seen, [("g".to_string(), 1)]);
        let mut lines = stats.moment_lines();
        lines.sort();
        assert_eq!(
            lines,
            [
                "[GROUP_GET_FALL_SIZE] [3@T@g] Stats Every 5 Minutes, Value: 1",
                "[GROUP_GET_FALL_TIME] [3@T@g] Stats Every 5 Minutes, Value: 11",
                "[GROUP_GET_FALL_TIME] [3@T@h] Stats Every 5 Minutes, Value: 11",
            ]
        );
    }

    #[test]
    fn deleted_topics_and_groups_can_be_forgotten() {
        let stats = BrokerStats::new("c");
        for topic in ["T", "U"] {
            stats.put(topic, 0, 1, 1);
            stats.pulled(&pulled(topic, "g"));
            stats.send_back(topic, "g");
        }
        stats.topic_deleted("T");
        assert!(stats.view("TOPIC_PUT_NUMS", "T").is_none());
        assert!(stats.view("GROUP_GET_NUMS", "T@g").is_none());
        assert!(stats.view("GROUP_GET_NUMS", "U@g").is_some());
        stats.group_deleted("g");
        assert!(stats.view("GROUP_GET_NUMS", "U@g").is_none());
        assert!(stats.view("SNDBCK_PUT_NUMS", "U@g").is_none());
        assert!(stats.view("TOPIC_PUT_NUMS", "U").is_some());
    }
}
