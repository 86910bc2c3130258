//! Counts of puts and gets (StoreStatsService of contract `store.md` 18).

use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rocketmq_common::java::double_to_string;

use rocketmq_common::clock::now_ms;

/// Samples kept: one per second, ten minutes of differences.
const SAMPLES_MAX: usize = 601;
/// Seconds between two lines in the log.
const PRINT_SECONDS: u64 = 60;

/// Upper bounds in ms of the latency classes but the last, with their labels.
const LATENCY_LABELS: [&str; 13] = [
    "[<=0ms]",
    "[0~10ms]",
    "[10~50ms]",
    "[50~100ms]",
    "[100~200ms]",
    "[200~500ms]",
    "[500ms~1s]",
    "[1~2s]",
    "[2~3s]",
    "[3~4s]",
    "[4~5s]",
    "[5~10s]",
    "[10s~]",
];
const LATENCY_BOUNDS_MS: [i64; 12] =
    [1, 10, 50, 100, 200, 500, 1000, 2000, 3000, 4000, 5000, 10_000];

/// Counts at one moment.
#[derive(Clone, Copy, Debug, Default)]
struct Sample {
    at_ms: i64,
    put: i64,
    found: i64,
    missed: i64,
    transferred: i64,
}

/// How long commits took since the start, counted for each message.
#[derive(Clone, Debug, PartialEq)]
pub struct PutLatencies {
    /// Messages by class: below that many ms and not in a class before; `None` is without bound.
    pub classes: Vec<(Option<i64>, i64)>,
    /// The sum of all, seconds.
    pub sum_seconds: f64,
}

/// The store's statistics.
#[derive(Debug)]
pub(crate) struct Stats {
    boot_ms: i64,
    put_times: AtomicI64,
    put_bytes: AtomicI64,
    get_found: AtomicI64,
    get_missed: AtomicI64,
    transferred: AtomicI64,
    put_max_ms: AtomicI64,
    get_max_ms: AtomicI64,
    latencies: [AtomicI64; 13],
    /// Those of the minutes before.
    latencies_before: [AtomicI64; 13],
    put_us: AtomicI64,
    last_minute: Mutex<Option<String>>,
    samples: Mutex<VecDeque<Sample>>,
}

impl Stats {
    /// All zero.
    pub(crate) fn new() -> Stats {
        Stats {
            boot_ms: now_ms(),
            put_times: AtomicI64::new(0),
            put_bytes: AtomicI64::new(0),
            get_found: AtomicI64::new(0),
            get_missed: AtomicI64::new(0),
            transferred: AtomicI64::new(0),
            put_max_ms: AtomicI64::new(0),
            get_max_ms: AtomicI64::new(0),
            latencies: Default::default(),
            latencies_before: Default::default(),
            put_us: AtomicI64::new(0),
            last_minute: Mutex::default(),
            samples: Mutex::default(),
        }
    }

    /// Counts a commit of so many messages.
    pub(crate) fn committed(&self, messages: usize, bytes: usize, took: Duration) {
        let messages = messages as i64;
        let took_ms = i64::try_from(took.as_millis()).unwrap_or(i64::MAX);
        self.put_times.fetch_add(messages, Ordering::Relaxed);
        self.put_bytes.fetch_add(bytes as i64, Ordering::Relaxed);
        self.put_max_ms.fetch_max(took_ms, Ordering::Relaxed);
        let took_us = i64::try_from(took.as_micros()).unwrap_or(i64::MAX);
        self.put_us.fetch_add(took_us.saturating_mul(messages), Ordering::Relaxed);
        let class = LATENCY_BOUNDS_MS.partition_point(|bound| *bound <= took_ms);
        if let Some(count) = self.latencies.get(class) {
            count.fetch_add(messages, Ordering::Relaxed);
        }
    }

    /// Counts a read.
    pub(crate) fn got(&self, messages: usize, took: Duration) {
        if messages > 0 {
            self.get_found.fetch_add(1, Ordering::Relaxed);
            self.transferred.fetch_add(messages as i64, Ordering::Relaxed);
        } else {
            self.get_missed.fetch_add(1, Ordering::Relaxed);
        }
        let took_ms = i64::try_from(took.as_millis()).unwrap_or(i64::MAX);
        self.get_max_ms.fetch_max(took_ms, Ordering::Relaxed);
    }

    /// Messages put since the start.
    pub(crate) fn put_times(&self) -> i64 {
        self.put_times.load(Ordering::Relaxed)
    }

    /// Messages read since the start.
    pub(crate) fn transferred(&self) -> i64 {
        self.transferred.load(Ordering::Relaxed)
    }

    /// Takes the sample of a second, the `second`-th since the start; prints once a minute.
    pub(crate) fn sample(&self, second: u64) {
        {
            let mut samples = self.samples.lock();
            samples.push_back(Sample {
                at_ms: now_ms(),
                put: self.put_times(),
                found: self.get_found.load(Ordering::Relaxed),
                missed: self.get_missed.load(Ordering::Relaxed),
                transferred: self.transferred(),
            });
            if samples.len() > SAMPLES_MAX {
                samples.pop_front();
            }
        }
        if second > 0 && second.is_multiple_of(PRINT_SECONDS) {
            self.print();
        }
    }

    fn print(&self) {
        tracing::info!(
            target: "RocketmqStore",
            "[STORETPS] put_tps {} get_found_tps {} get_miss_tps {} get_transfered_tps {}",
            self.tps(60, |sample| sample.put),
            self.tps(60, |sample| sample.found),
            self.tps(60, |sample| sample.missed),
            self.tps(60, |sample| sample.transferred),
        );
        let text: String = LATENCY_LABELS
            .iter()
            .zip(&self.latencies)
            .zip(&self.latencies_before)
            .map(|((label, count), before)| {
                let count = count.swap(0, Ordering::Relaxed);
                before.fetch_add(count, Ordering::Relaxed);
                format!("{label}:{count} ")
            })
            .collect();
        tracing::info!(
            target: "RocketmqStore",
            "[PAGECACHERT] TotalPut {}, PutMessageDistributeTime {text}",
            self.put_times(),
        );
        *self.last_minute.lock() = Some(text);
    }

    /// How long messages took since the start.
    pub(crate) fn put_latencies(&self) -> PutLatencies {
        let bounds = LATENCY_BOUNDS_MS.into_iter().map(Some).chain([None]);
        let number = |value: &AtomicI64| value.load(Ordering::Relaxed);
        let counts = self.latencies.iter().zip(&self.latencies_before);
        let counts = counts.map(|(now, before)| number(now) + number(before));
        PutLatencies {
            classes: bounds.zip(counts).collect(),
            sum_seconds: number(&self.put_us) as f64 / 1_000_000.0,
        }
    }

    /// Per second over the last `seconds`; empty without enough samples.
    fn tps(&self, seconds: usize, of: impl Fn(&Sample) -> i64) -> String {
        self.rate(seconds, of).map(double_to_string).unwrap_or_default()
    }

    fn rate(&self, seconds: usize, of: impl Fn(&Sample) -> i64) -> Option<f64> {
        let samples = self.samples.lock();
        let last = samples.back()?;
        let before = samples.get(samples.len().checked_sub(seconds + 1)?)?;
        let millis = (last.at_ms - before.at_ms).max(1);
        Some((of(last) - of(before)) as f64 / millis as f64 * 1000.0)
    }

    /// The statistics' part of the runtime info.
    pub(crate) fn runtime_info(&self, table: &mut Vec<(String, String)>) {
        let windows =
            |of: fn(&Sample) -> i64| [10, 60, 600].map(|seconds| self.tps(seconds, of)).join(" ");
        let total = [10, 60, 600].map(|seconds| {
            let sum = self.rate(seconds, |sample| sample.found + sample.missed);
            double_to_string(sum.unwrap_or(0.0))
        });
        let put_times = self.put_times();
        let put_bytes = self.put_bytes.load(Ordering::Relaxed);
        let number = |value: &AtomicI64| value.load(Ordering::Relaxed).to_string();
        let shown_times = put_times.max(1);
        let last_minute = self.last_minute.lock().clone();
        for (key, value) in [
            ("bootTimestamp", self.boot_ms.to_string()),
            ("runtime", uptime(now_ms() - self.boot_ms)),
            ("putMessageEntireTimeMax", number(&self.put_max_ms)),
            ("putMessageTimesTotal", shown_times.to_string()),
            ("putMessageSizeTotal", put_bytes.to_string()),
            ("putMessageDistributeTime", last_minute.unwrap_or_else(|| "null".to_string())),
            ("putMessageAverageSize", double_to_string(put_bytes as f64 / shown_times as f64)),
            ("dispatchMaxBuffer", "0".to_string()),
            ("getMessageEntireTimeMax", number(&self.get_max_ms)),
            ("putTps", windows(|sample| sample.put)),
            ("getFoundTps", windows(|sample| sample.found)),
            ("getMissTps", windows(|sample| sample.missed)),
            ("getTotalTps", total.join(" ")),
            ("getTransferedTps", windows(|sample| sample.transferred)),
        ] {
            table.push((key.to_string(), value));
        }
    }
}

/// `[ D days, H hours, M minutes, S seconds ]`, with commas in a number of days above 999.
fn uptime(ms: i64) -> String {
    let seconds = ms.max(0) / 1000;
    let days = seconds / 86_400;
    let days =
        if days < 1000 { days.to_string() } else { format!("{},{:03}", days / 1000, days % 1000) };
    let (hours, minutes) = (seconds / 3600 % 24, seconds / 60 % 60);
    format!("[ {days} days, {hours} hours, {minutes} minutes, {} seconds ]", seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(stats: &Stats, key: &str) -> String {
        let mut table = Vec::new();
        stats.runtime_info(&mut table);
        table.into_iter().find(|(name, _)| name == key).unwrap().1
    }

    #[test]
    fn at_boot_the_texts_are_javas() {
        let stats = Stats::new();
        assert_eq!(value(&stats, "putTps"), "  ");
        assert_eq!(value(&stats, "getTotalTps"), "0.0 0.0 0.0");
        assert_eq!(value(&stats, "putMessageTimesTotal"), "1");
        assert_eq!(value(&stats, "putMessageDistributeTime"), "null");
        assert_eq!(value(&stats, "putMessageAverageSize"), "0.0");
    }

    #[test]
    fn rates_need_enough_samples_and_latencies_a_minute() {
        let stats = Stats::new();
        for second in 0..=60 {
            stats.committed(1, 100, Duration::from_millis(second));
            stats.sample(second);
        }
        let tps = value(&stats, "putTps");
        assert!(tps.ends_with(' ') && !tps.starts_with(' '), "{tps}");
        let text = value(&stats, "putMessageDistributeTime");
        assert!(text.starts_with("[<=0ms]:1 [0~10ms]:9 [10~50ms]:40 [50~100ms]:11 "), "{text}");
        assert_eq!(stats.put_times(), 61);
        stats.committed(2, 100, Duration::from_millis(500));
        let latencies = stats.put_latencies();
        assert_eq!(latencies.classes.iter().map(|(_, count)| count).sum::<i64>(), 63);
        assert_eq!(latencies.classes[6], (Some(1000), 2));
        assert!((latencies.sum_seconds - 2.83).abs() < 1e-6, "{latencies:?}");
    }

    #[test]
    fn the_uptime_is_javas_text() {
        assert_eq!(uptime(93_784_000), "[ 1 days, 2 hours, 3 minutes, 4 seconds ]");
        assert_eq!(uptime(86_400_000 * 1234), "[ 1,234 days, 0 hours, 0 minutes, 0 seconds ]");
    }
}
