//! Commit log, consume queues, index, checkpoint: RocketMQ's files on disk (contract `store.md`).
//!
//! The way of a message: [`MessageStore::put`] gives it its place in memory; [`MessageStore::commit`]
//! writes what was put (by everyone, with one system call), builds consume queues and index, and
//! tells the [`ArrivalListener`]. Readers get slices of the mapped files. Nothing polls.

mod append;
mod checkpoint;
mod commit;
mod commit_log;
pub mod config;
pub mod consume_queue;

mod delay_level;
mod dispatch;
pub mod error;
mod flush;
mod get;
pub mod index;
mod io;
mod mapping;
mod open;
mod parallel;
mod put;
mod queue_offsets;
mod read;
mod recover;
mod repair;
mod replicate;
mod retention;
mod runtime_info;
mod segment;
mod segments;
mod service;
mod services;
mod shared;
mod staging;
mod state;
mod stats;
mod store;
mod topics;
pub mod verify;

pub use config::{BrokerRole, FlushDiskType, MessageStoreConfig};
pub use consume_queue::{QueueEntry, QueueUnit};
pub use delay_level::{DEFAULT_DELAY_LEVELS, DelayLevels};
pub use error::StoreError;
pub use get::{
    AcceptAll, Arrival, ArrivalListener, GetResult, GetStatus, MessageFilter, NoListener,
    QueryResult,
};
pub use io::{Defect, Disk, DiskFaults, DiskOperation};
pub use put::{
    FlushOutcome, FlushWaiter, PutBatch, PutBatchResult, PutError, PutMessage, PutResult,
};
pub use retention::DiskLimits;
pub use stats::PutLatencies;
pub use store::MessageStore;
