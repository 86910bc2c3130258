//! JSON bodies (contract `requests.md`), read and written with [`rocketmq_common::fastjson`].
//!
//! Members are declared in alphabetical order, which is the order fastjson writes them in.

mod acl;
mod admin;
mod client;
mod route;
mod topic;

pub use acl::*;
pub use admin::*;
pub use client::*;
pub use route::*;
pub use topic::*;
