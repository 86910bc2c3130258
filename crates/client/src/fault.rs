//! Which brokers to avoid after slow or failed sends (contract `client.md` 3, latency fault
//! tolerance).

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Latency from which a broker is avoided, and for how long, ms.
const LEVELS: [(u64, u64); 7] = [
    (15_000, 600_000),
    (3000, 180_000),
    (2000, 120_000),
    (1000, 60_000),
    (550, 30_000),
    (100, 0),
    (50, 0),
];
/// What a failed send counts as.
pub(crate) const FAILED: Duration = Duration::from_secs(30);

#[derive(Clone, Copy)]
struct Fault {
    latency: Duration,
    available_at: Instant,
}

/// Latencies by broker name.
#[derive(Default)]
pub(crate) struct Faults {
    by_broker: Mutex<HashMap<String, Fault>>,
    /// Turn of the best brokers.
    turn: AtomicUsize,
}

impl Faults {
    /// Notes how long a send took.
    pub(crate) fn note(&self, broker_name: &str, latency: Duration) {
        let ms = latency.as_millis() as u64;
        let level = LEVELS.iter().find(|(from, _)| ms >= *from);
        let avoid = Duration::from_millis(level.map_or(0, |(_, avoid)| *avoid));
        let fault = Fault { latency, available_at: Instant::now() + avoid };
        let mut faults = self.by_broker.lock();
        match faults.get_mut(broker_name) {
            Some(known) => *known = fault,
            None => drop(faults.insert(broker_name.to_string(), fault)),
        }
    }

    /// Forgets a broker.
    pub(crate) fn forget(&self, broker_name: &str) {
        self.by_broker.lock().remove(broker_name);
    }

    /// Whether the broker need not be avoided.
    pub(crate) fn is_available(&self, broker_name: &str) -> bool {
        let faults = self.by_broker.lock();
        faults.get(broker_name).is_none_or(|fault| Instant::now() >= fault.available_at)
    }

    /// One of the better half of the brokers known, in turn: those available first, then those
    /// that answered fastest.
    pub(crate) fn one_of_the_best(&self) -> Option<String> {
        let faults = self.by_broker.lock();
        let now = Instant::now();
        let mut known: Vec<_> = faults.iter().collect();
        known.sort_by_key(|(_, fault)| {
            (fault.available_at > now, fault.latency, fault.available_at)
        });
        let best = (known.len() / 2).max(1);
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % best;
        known.get(turn).map(|(name, _)| (*name).clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_brokers_are_avoided_and_quick_ones_are_not() {
        let faults = Faults::default();
        faults.note("quick", Duration::from_millis(120));
        faults.note("slow", Duration::from_millis(600));
        faults.note("dead", FAILED);
        assert!(faults.is_available("unknown") && faults.is_available("quick"));
        assert!(!faults.is_available("slow") && !faults.is_available("dead"));
        assert_eq!(faults.one_of_the_best().as_deref(), Some("quick"));
        faults.forget("quick");
        assert_eq!(faults.one_of_the_best().as_deref(), Some("slow"));
    }

    #[test]
    fn the_better_half_takes_turns() {
        let faults = Faults::default();
        for (name, ms) in [("a", 600), ("b", 700), ("c", 800), ("d", 900)] {
            faults.note(name, Duration::from_millis(ms));
        }
        let mut picked: Vec<_> = (0..4).filter_map(|_| faults.one_of_the_best()).collect();
        picked.sort();
        assert_eq!(picked, ["a", "a", "b", "b"]);
    }
}
