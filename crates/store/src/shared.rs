//! The parts of an open store, shared between its facade and its threads.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64};
use std::time::Instant;

use parking_lot::{Mutex, RwLock};

use crate::checkpoint::Checkpoint;
use crate::commit::Writer;
use crate::commit_log::CommitLog;
use crate::config::MessageStoreConfig;
use crate::dispatch::Dispatcher;
use crate::flush::Flusher;
use crate::get::ArrivalListener;
use crate::recover::Damage;
use crate::state::State;
use crate::stats::Stats;

/// An open store. Lock order: writer, then append, then whatever consume queues and index lock.
pub(crate) struct Core {
    pub(crate) config: RwLock<Arc<MessageStoreConfig>>,
    pub(crate) root: PathBuf,
    pub(crate) state: State,
    pub(crate) log: CommitLog,
    pub(crate) dispatcher: Dispatcher,
    pub(crate) listener: Arc<dyn ArrivalListener>,
    pub(crate) flusher: Flusher,
    pub(crate) checkpoint: Checkpoint,
    pub(crate) stats: Stats,
    /// Parts of the log that hold no valid record though valid ones follow; from recovery.
    pub(crate) damages: Vec<Damage>,
    /// Records before this offset were written by an earlier process: their checksums are compared
    /// when they are read.
    pub(crate) written_before: i64,
    /// The one that writes and dispatches.
    pub(crate) writer: Mutex<Writer>,
    /// Buffers to be used again.
    pub(crate) spare: Mutex<Vec<Writer>>,
    /// End of what is in the consume queues and the index.
    pub(crate) dispatched_end: AtomicI64,
    /// Store time of the newest message in the consume queues.
    pub(crate) dispatched_timestamp: AtomicI64,
    /// When the present write began, in ms since `opened` plus 1; 0 when none runs.
    pub(crate) writing_since: AtomicI64,
    pub(crate) opened: Instant,
    /// Bytes of memory in the machine.
    pub(crate) physical_memory: u64,
    /// The disk is so full that segments are deleted before they expire.
    pub(crate) clean_immediately: AtomicBool,
    /// Deletion passes still wanted by hand.
    pub(crate) manual_passes: AtomicI64,
}

impl Core {
    /// The present settings.
    pub(crate) fn settings(&self) -> Arc<MessageStoreConfig> {
        Arc::clone(&self.config.read())
    }
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core").field("root", &self.root).finish_non_exhaustive()
    }
}
