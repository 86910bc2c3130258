//! Access control as in RocketMQ 4.9.2 (contract `broker.md` 25, `wire.md` 2.4): the accounts, white
//! lists and permissions of `plain_acl.yml`, the check of a broker's requests, and the signatures of
//! a client's. Secrets are never printed.

mod address;
mod control;
mod credentials;
mod edit;
mod error;
mod file;
mod needs;
mod permission;
mod rules;
mod signature;
mod yaml;

#[cfg(test)]
mod tests;

pub use address::address_matches;
pub use control::AccessControl;
pub use credentials::Credentials;
pub use error::AclError;
pub use rules::{Denial, Standing, standing};
pub use signature::{ACCESS_KEY, SECURITY_TOKEN, SIGNATURE};
