//! Every request a broker serves, over a socket: codes, texts, headers and bodies (contract
//! `requests.md`). One module for each family.

#![allow(unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test fails by panicking

mod acl;
mod bit_maps;
mod client;
mod codes;
mod consumption;
mod filters;
mod hints;
mod metrics;
mod offset;
mod pull;
mod query;
mod registration;
mod send;
mod settings;
mod stats;
mod support;
mod topic;
