//! The broker: takes messages, keeps them, hands them to consumers (contract `broker.md`).
//!
//! A request is handled on its connection's task by one function of [`processor`]; see
//! `docs/architecture.md` for the way of a SEND and of a PULL.

mod address_server;
mod arrivals;
mod broker;
pub mod cli;
mod compressed_body;
mod config;
pub mod consumers;
pub mod context;
mod filter_servers;
pub mod filters;
mod groups;
mod handler;
mod hold;
mod inert;
mod locks;
mod master;
mod metadata;
mod metrics;
mod offsets;
mod outward;
mod peer;
mod pod;
pub mod processor;
mod producers;
pub mod protect;
mod replica_offsets;
mod runtime_info;
mod schedule;
mod stats;
pub mod table;
mod topics;
mod transaction;
mod unequal;
mod wanted;

pub use broker::{Broker, BrokerError, BrokerSettings};
pub use config::BrokerConfig;
pub use context::{BrokerContext, Settings};

/// Name of the logger whose lines broker.log holds.
pub const LOGGER: &str = "RocketmqBroker";

/// Every key of a broker's configuration, for tools that show it.
pub fn configuration_keys() -> Vec<rocketmq_common::config::KeyInfo> {
    [
        BrokerConfig::KEYS,
        rocketmq_store::MessageStoreConfig::KEYS,
        rocketmq_remoting::config::NettyServerConfig::KEYS,
        rocketmq_remoting::config::NettyClientConfig::KEYS,
        rocketmq_remoting::probe::ProbeConfig::KEYS,
    ]
    .concat()
}
