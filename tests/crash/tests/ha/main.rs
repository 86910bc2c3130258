//! The highly available deployments under faults, started from their samples in `conf/` and judged
//! by a history: what each mode may lose, and nothing else; and what comes back by itself.
//! `FAULT_ROUNDS` sets how often each fault is tried.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod clients;
mod link;
mod master;
mod masters;
mod name_servers;
mod slave;
