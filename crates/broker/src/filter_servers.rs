//! Filter servers that are connected. Nothing filters with them any more; the name servers are
//! told where they are.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::LOGGER;

/// A filter server is forgotten when nothing was heard of it for so long.
const EXPIRED: Duration = Duration::from_secs(30);

/// Addresses of filter servers, by connection.
#[derive(Default)]
pub struct FilterServers(Mutex<BTreeMap<u64, (String, Instant)>>);

impl FilterServers {
    /// Notes a filter server, or that it is still there.
    pub fn register(&self, connection_id: u64, address: &str) {
        let seen = (address.to_string(), Instant::now());
        if self.0.lock().insert(connection_id, seen).is_none() {
            tracing::info!(target: LOGGER, "Receive a New Filter Server<{address}>");
        }
    }

    /// Forgets one whose connection ended.
    pub fn connection_closed(&self, connection_id: u64) {
        self.0.lock().remove(&connection_id);
    }

    /// Where they are.
    pub fn addresses(&self) -> Vec<String> {
        let mut servers = self.0.lock();
        servers.retain(|_, (_, seen)| seen.elapsed() < EXPIRED);
        servers.values().map(|(address, _)| address.clone()).collect()
    }
}
