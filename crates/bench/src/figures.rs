//! What is measured, and the JSON line it is printed as.

use std::time::Duration;

use anyhow::{Context, Result};
use hdrhistogram::Histogram;
use serde_json::{Map, Value};

use crate::options::Options;

/// Longest latency that is told apart, ns.
const LONGEST: u64 = 120_000_000_000;
/// Linux reports CPU times in USER_HZ, which is 100 on every architecture in use.
const TICKS_PER_SECOND: f64 = 100.0;

/// Latencies in ns, to three digits.
pub(crate) struct Latencies(Histogram<u64>);

impl Latencies {
    /// None yet.
    pub(crate) fn new() -> Result<Latencies> {
        Ok(Latencies(Histogram::new_with_max(LONGEST, 3)?))
    }

    /// Adds one.
    pub(crate) fn record(&mut self, latency: Duration) {
        self.0.saturating_record(u64::try_from(latency.as_nanos()).unwrap_or(LONGEST).max(1));
    }
}

/// What a process has used: CPU time in seconds, anonymous memory in KiB.
#[derive(Clone, Copy, Default)]
pub(crate) struct Usage {
    user: f64,
    system: f64,
    /// `RssAnon`.
    pub(crate) anonymous_kib: u64,
}

impl Usage {
    /// Reads `/proc`; without `pid=` everything is 0.
    pub(crate) fn of_broker(options: &Options) -> Result<Usage> {
        let Some(pid) = options.text("pid") else { return Ok(Usage::default()) };
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let fields = stat.rsplit_once(')').context("/proc/PID/stat")?.1;
        let ticks = |index| -> Result<f64> {
            Ok(fields.split_whitespace().nth(index).context("/proc/PID/stat")?.parse::<f64>()?)
        };
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let anonymous = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let anonymous = anonymous.and_then(|rest| rest.split_whitespace().next());
        Ok(Usage {
            user: ticks(11)? / TICKS_PER_SECOND,
            system: ticks(12)? / TICKS_PER_SECOND,
            anonymous_kib: anonymous.unwrap_or("0").parse()?,
        })
    }
}

/// One result.
pub(crate) struct Line(Map<String, Value>);

impl Line {
    /// Names the mode.
    pub(crate) fn new(mode: &str) -> Line {
        Line(Map::from_iter([("mode".to_string(), mode.into())]))
    }

    /// Adds a figure.
    pub(crate) fn put(&mut self, key: &str, value: impl Into<Value>) {
        self.0.insert(key.to_string(), value.into());
    }

    /// Adds a figure with three digits after the point.
    pub(crate) fn put_rounded(&mut self, key: &str, value: f64) {
        self.put(key, (value * 1000.0).round() / 1000.0);
    }

    /// Adds count, duration and rate.
    pub(crate) fn rate(&mut self, count: u64, time: Duration) {
        let seconds = time.as_secs_f64();
        self.put("count", count);
        self.put_rounded("seconds", seconds);
        self.put("rate", (count as f64 / seconds).round());
    }

    /// Adds percentiles in µs, if anything was recorded.
    pub(crate) fn latencies(&mut self, latencies: &Latencies) {
        let histogram = &latencies.0;
        if histogram.is_empty() {
            return;
        }
        for (key, quantile) in [("p50_us", 0.5), ("p99_us", 0.99), ("p999_us", 0.999)] {
            self.put_rounded(key, histogram.value_at_quantile(quantile) as f64 / 1000.0);
        }
        self.put_rounded("max_us", histogram.max() as f64 / 1000.0);
    }

    /// Adds what the broker used since `before` for so many messages.
    pub(crate) fn usage(&mut self, options: &Options, before: Usage, messages: u64) -> Result<()> {
        let after = Usage::of_broker(options)?;
        let (user, system) = (after.user - before.user, after.system - before.system);
        self.put_rounded("cpu_user_s", user);
        self.put_rounded("cpu_sys_s", system);
        if messages > 0 {
            self.put_rounded("cpu_s_per_million", (user + system) * 1e6 / messages as f64);
        }
        self.put("rss_anon_kib", after.anonymous_kib);
        Ok(())
    }

    /// A figure that was added; 0 if it was not.
    pub(crate) fn number(&self, key: &str) -> f64 {
        self.0.get(key).and_then(Value::as_f64).unwrap_or(0.0)
    }

    /// The line.
    pub(crate) fn text(&self) -> String {
        Value::Object(self.0.clone()).to_string()
    }
}
