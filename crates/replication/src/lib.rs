//! Replication of the commit log from a master to its slaves, byte-compatible with Java 4.9.2
//! (contract `ha.md` 2 to 5). A connection is one task; who waits for a slave is an offset and a
//! callback, never a thread.

#![cfg_attr(test, allow(clippy::unwrap_used))] // a test fails by panicking

pub mod codec;
mod fit;
mod link;
mod master;
mod replicas;
mod slave;

pub use link::{Greeting, LinkState, MasterLine};
pub use master::{bind, serve};
pub use replicas::{ReplicaOutcome, Replicas};
pub use slave::follow;

/// The logger of replication: Java's of the store.
pub(crate) const LOGGER: &str = "RocketmqStore";

/// A configured number of ms; at least 1.
pub(crate) fn millis(ms: i32) -> std::time::Duration {
    std::time::Duration::from_millis(u64::try_from(ms).unwrap_or(0).max(1))
}
