//! Commit log, consume queues, index, checkpoint: RocketMQ's files on disk (contract `store.md`).

pub mod consume_queue;
pub mod error;
pub mod index;

pub use error::StoreError;
