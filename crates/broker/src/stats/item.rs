//! One counter and its samples (contract `broker.md` 22).

use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, Ordering};

use parking_lot::Mutex;
use rocketmq_protocol::body::{BrokerStatsData, BrokerStatsItem};

/// A span of time that rates are told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Window {
    Minute,
    Hour,
    Day,
}

impl Window {
    pub(super) const ALL: [Window; 3] = [Window::Minute, Window::Hour, Window::Day];

    /// Samples that are kept, and the time between them in ms.
    fn samples(self) -> (usize, i64) {
        match self {
            Window::Minute => (7, 10_000),
            Window::Hour => (7, 600_000),
            Window::Day => (25, 3_600_000),
        }
    }

    /// Whether it is sampled at that tick; there is one every ten seconds.
    pub(super) fn is_sampled_at(self, tick: u64) -> bool {
        let ticks = self.samples().1 / Window::Minute.samples().1;
        tick.is_multiple_of(ticks.unsigned_abs())
    }

    /// As stats.log calls it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Window::Minute => "One Minute",
            Window::Hour => "One Hour",
            Window::Day => "One Day",
        }
    }
}

#[derive(Clone, Copy)]
struct Sample {
    at_ms: i64,
    value: i64,
    times: i64,
}

/// A sum and how often something was added to it.
#[derive(Default)]
pub(super) struct Item {
    value: AtomicI64,
    times: AtomicI64,
    history: Mutex<[VecDeque<Sample>; 3]>,
}

impl Item {
    pub(super) fn add(&self, value: i64) {
        self.value.fetch_add(value, Ordering::Relaxed);
        self.times.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether anything was ever added; other items do not exist for tools and logs.
    pub(super) fn is_used(&self) -> bool {
        self.times.load(Ordering::Relaxed) > 0
    }

    pub(super) fn sample(&self, window: Window, now_ms: i64) {
        let (kept, period_ms) = window.samples();
        let mut history = self.history.lock();
        let samples = &mut history[window as usize];
        if samples.is_empty() {
            // As if there had been nothing one period ago.
            samples.push_back(Sample { at_ms: now_ms - period_ms, value: 0, times: 0 });
        }
        let value = self.value.load(Ordering::Relaxed);
        let times = self.times.load(Ordering::Relaxed);
        samples.push_back(Sample { at_ms: now_ms, value, times });
        while samples.len() > kept {
            samples.pop_front();
        }
    }

    pub(super) fn rates(&self, window: Window) -> BrokerStatsItem {
        let history = self.history.lock();
        let samples = &history[window as usize];
        let (Some(first), Some(last)) = (samples.front(), samples.back()) else {
            return BrokerStatsItem::default();
        };
        let (sum, times) = (last.value - first.value, last.times - first.times);
        let elapsed = (last.at_ms - first.at_ms).max(1);
        let tps = sum as f64 * 1000.0 / elapsed as f64;
        let avgpt = if times > 0 { sum as f64 / times as f64 } else { 0.0 };
        BrokerStatsItem { avgpt, sum, tps }
    }

    /// All windows, as tools see them.
    pub(super) fn data(&self) -> BrokerStatsData {
        BrokerStatsData {
            stats_minute: self.rates(Window::Minute),
            stats_hour: self.rates(Window::Hour),
            stats_day: self.rates(Window::Day),
        }
    }
}

/// A value as it was last seen.
pub(super) struct Moment(AtomicI64);

/// Nothing was seen.
const NONE: i64 = i64::MIN;

impl Default for Moment {
    fn default() -> Moment {
        Moment(AtomicI64::new(NONE))
    }
}

impl Moment {
    pub(super) fn set(&self, value: i64) {
        self.0.store(value, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> Option<i64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|value| *value != NONE)
    }
}
