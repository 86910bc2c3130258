//! Delays, retries, transactions and replies through a whole broker on loopback, restarts and
//! kills included. A kill is a copy of the files while the broker runs: what a process that is
//! gone has left.

#![allow(unreachable_pub, dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test fails by panicking

mod delay;
mod files;
mod peers;
mod replication;
mod reply;
mod retry;
#[path = "../requests/support.rs"]
mod support;
mod transaction;
