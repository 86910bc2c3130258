//! The name server: where brokers register and clients look up who serves a topic.
//!
//! Routes live in memory only and are rebuilt by the brokers' registrations; the key-value table is
//! the one thing on disk. Contract `namesrv.md`.

pub mod cli;
mod config;
mod kv;
mod metrics;
mod processor;
mod registration;
mod routes;
mod server;

pub use config::NamesrvConfig;
pub use kv::KvConfig;
pub use routes::{MasterInfo, Registration, Routes};
pub use server::{NameServer, NameServerSettings, StartError};

/// Name of the logger whose lines namesrv.log holds.
pub const LOGGER: &str = "RocketmqNamesrv";
