//! Whether the store takes writes, and if not, why (running flags of contract `store.md` 9).

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use parking_lot::Mutex;

/// A cause for which the store refuses writes. The first five are RocketMQ's bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u32)]
pub(crate) enum Refusal {
    /// Consume queues could not be written; lifted when they have caught up.
    QueueError = 4,
    /// The index could not be written; lifted when it has caught up.
    IndexError = 8,
    /// The disk is fuller than the warning level; lifted when space is free again.
    DiskFull = 16,
    /// Records are damaged; lifted by a repair and a restart.
    Damaged = 32,
    /// A write or sync failed; lifted by a restart.
    Failed = 64,
}

/// The store's running state.
#[derive(Debug, Default)]
pub(crate) struct State {
    bits: AtomicU32,
    reasons: Mutex<BTreeMap<Refusal, String>>,
    fatal: OnceLock<String>,
    shut_down: AtomicBool,
}

impl State {
    /// Refuses writes from now on; returns whether that is news.
    pub(crate) fn refuse(&self, refusal: Refusal, reason: String) -> bool {
        let mut reasons = self.reasons.lock();
        let news = reasons.insert(refusal, reason).is_none();
        self.bits.fetch_or(refusal as u32, Ordering::AcqRel);
        news
    }

    /// Takes a cause back; returns whether it was there.
    pub(crate) fn lift(&self, refusal: Refusal) -> bool {
        if self.bits.load(Ordering::Acquire) & refusal as u32 == 0 {
            return false;
        }
        let mut reasons = self.reasons.lock();
        self.bits.fetch_and(!(refusal as u32), Ordering::AcqRel);
        reasons.remove(&refusal).is_some()
    }

    /// Ends writing for good after an error of the disk.
    pub(crate) fn fail(&self, reason: String) {
        if self.fatal.set(reason.clone()).is_ok() {
            tracing::error!(target: "RocketmqStoreError", "{reason}; the store takes no more writes, find the cause and restart the broker");
        }
        self.refuse(Refusal::Failed, reason);
    }

    /// The error that ended writing for good.
    pub(crate) fn fatal(&self) -> Option<&str> {
        self.fatal.get().map(String::as_str)
    }

    /// Whether writes are taken; if not, why.
    pub(crate) fn writable(&self) -> Result<(), String> {
        if self.bits.load(Ordering::Acquire) == 0 {
            return Ok(());
        }
        let reasons = self.reasons.lock();
        if reasons.is_empty() {
            return Ok(());
        }
        Err(reasons.values().cloned().collect::<Vec<_>>().join("; "))
    }

    /// Whether anything but a full disk forbids writes (consume queues ignore that).
    pub(crate) fn has(&self, refusal: Refusal) -> bool {
        self.bits.load(Ordering::Acquire) & refusal as u32 != 0
    }

    /// Marks the store as shut down; returns whether it was before.
    pub(crate) fn set_shut_down(&self) -> bool {
        self.shut_down.swap(true, Ordering::AcqRel)
    }

    /// Whether the store was shut down.
    pub(crate) fn is_shut_down(&self) -> bool {
        self.shut_down.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_come_and_go_but_failure_stays() {
        let state = State::default();
        assert!(state.writable().is_ok());
        assert!(state.refuse(Refusal::DiskFull, "full".into()));
        assert!(!state.refuse(Refusal::DiskFull, "fuller".into()));
        assert_eq!(state.writable(), Err("fuller".to_string()));
        assert!(state.lift(Refusal::DiskFull) && !state.lift(Refusal::DiskFull));
        assert!(state.writable().is_ok());
        state.fail("first".into());
        state.fail("second".into());
        assert_eq!(state.fatal(), Some("first"));
        assert!(state.writable().is_err());
    }
}
