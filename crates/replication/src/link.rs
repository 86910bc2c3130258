//! What a slave knows of its master beyond the bytes on the link.

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// How a master answers a request of ours on its other port, before the link is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Greeting {
    /// No answer: it may be either.
    Unknown(String),
    /// It is Java's.
    Foreign,
    /// One of ours; its commit log reaches from `min` to `max`.
    Ours {
        /// First offset; below 0 when the log is empty.
        min: i64,
        /// The log's end.
        max: i64,
    },
}

/// The way to a master's other port, and who is told of what comes over the link.
pub trait MasterLine: Send + Sync {
    /// Asks whether it is one of ours.
    fn greet(&self) -> impl Future<Output = Greeting> + Send;

    /// Bytes of its commit log, at most so many, from one segment; empty where it has none.
    fn read(&self, from: i64, count: usize) -> impl Future<Output = Result<Bytes, String>> + Send;

    /// The link is made.
    fn connected(&self);

    /// The log has grown.
    fn appended(&self);
}

/// How a slave stands to its master, for logs, metrics and tools.
#[derive(Debug, Default)]
pub struct LinkState {
    master_end: AtomicI64,
    fits: AtomicBool,
    divergence: Mutex<Option<String>>,
    /// Told when a link is made.
    pub connected: Notify,
}

impl LinkState {
    /// The master said where its log ends.
    pub fn master_ends_at(&self, offset: i64) {
        self.master_end.store(offset, Ordering::Release);
    }

    /// Bytes came that lie before this offset.
    pub(crate) fn came(&self, offset: i64) {
        self.master_end.fetch_max(offset, Ordering::AcqRel);
    }

    /// The end of the master's log as it was last heard of; 0 before.
    pub fn master_end(&self) -> i64 {
        self.master_end.load(Ordering::Acquire)
    }

    /// Why this slave's log is no copy of its master's, if that is known.
    pub fn divergence(&self) -> Option<String> {
        self.divergence.lock().clone()
    }

    /// Whether the last look at the master found that the logs are one.
    pub fn fits(&self) -> bool {
        self.fits.load(Ordering::Acquire)
    }

    pub(crate) fn judged(&self, verdict: Result<(), String>) {
        self.fits.store(verdict.is_ok(), Ordering::Release);
        *self.divergence.lock() = verdict.err();
    }

    /// Nothing is known of the master any more.
    pub(crate) fn unjudged(&self) {
        self.fits.store(false, Ordering::Release);
    }
}
