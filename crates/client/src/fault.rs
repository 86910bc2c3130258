//! Which brokers to avoid after slow or failed sends (contract `client.md` 3, latency fault
//! tolerance).

use std::collections::HashMap;
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

struct Fault {
    latency: Duration,
    available_at: Instant,
}

/// Latencies by broker name.
#[derive(Default)]
pub(crate) struct Faults(Mutex<HashMap<String, Fault>>);

impl Faults {
    /// Notes how long a send took.
    pub(crate) fn note(&self, broker_name: &str, latency: Duration) {
        let ms = latency.as_millis() as u64;
        let level = LEVELS.iter().find(|(from, _)| ms >= *from);
        let avoid = Duration::from_millis(level.map_or(0, |(_, avoid)| *avoid));
        let fault = Fault { latency, available_at: Instant::now() + avoid };
        self.0.lock().insert(broker_name.to_string(), fault);
    }

    /// Whether the broker need not be avoided.
    pub(crate) fn is_available(&self, broker_name: &str) -> bool {
        let faults = self.0.lock();
        faults.get(broker_name).is_none_or(|fault| Instant::now() >= fault.available_at)
    }

    /// The broker that answered fastest of those known.
    pub(crate) fn least_bad(&self) -> Option<String> {
        let faults = self.0.lock();
        let least = faults.iter().min_by_key(|(_, fault)| (fault.available_at, fault.latency));
        least.map(|(name, _)| name.clone())
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
        assert_eq!(faults.least_bad().as_deref(), Some("quick"));
    }
}
