//! What can go wrong in the store, as one type.

use std::io;
use std::path::{Path, PathBuf};

/// An error of the store's files. Each names the file it concerns.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The operating system refused an operation on a file.
    #[error("{action} {}: {source}", path.display())]
    Io {
        /// What was tried, as the beginning of a sentence: "write", "create", "fdatasync".
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
    /// A file's content contradicts its format.
    #[error("{} is damaged at byte {at}: {what}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Where in the file.
        at: u64,
        /// What is wrong.
        what: String,
    },
    /// A file's name does not say its start offset (contract `store.md` 2: the load fails).
    #[error(
        "load exception: {} is not named by its start offset (20 decimal digits); move it out of the store directory",
        path.display()
    )]
    BadName {
        /// The file.
        path: PathBuf,
    },
    /// Another process has the store open.
    #[error("Lock failed,MQ already started: {} is locked by another process; stop that broker or give this one a storePathRootDir of its own", path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// A configuration value is not usable.
    #[error("{key} = {value}: {reason}")]
    Config {
        /// The key.
        key: &'static str,
        /// Its value.
        value: String,
        /// Why it cannot be used, and what to do.
        reason: String,
    },
    /// The store takes no writes any more.
    #[error("the store is not writable: {0}")]
    NotWritable(String),
    /// A master's bytes do not go on where this log ends.
    #[error(
        "master pushed offset not equal the max phy offset in slave, SLAVE: {own} MASTER: {master}"
    )]
    OutOfStep {
        /// End of this log.
        own: i64,
        /// Offset of the master's bytes.
        master: i64,
    },
    /// The store was shut down.
    #[error("message store has shutdown")]
    Shutdown,
    /// A thread could not be started.
    #[error("cannot start thread {name}: {source}")]
    Thread {
        /// The thread's name.
        name: &'static str,
        /// The operating system's answer.
        source: io::Error,
    },
}

impl StoreError {
    /// An error of the operating system on `path`; `action` is a verb: "open", "write".
    pub fn io(action: &'static str, path: &Path, source: impl Into<io::Error>) -> StoreError {
        StoreError::Io { action, path: path.to_path_buf(), source: source.into() }
    }

    /// Whether what was written may be lost, so that going on would promise what does not hold: a
    /// failed sync, and a failed write but for lack of space (which leaves everything before it
    /// whole, and heals).
    pub(crate) fn ends_writing(&self) -> bool {
        let StoreError::Io { action, source, .. } = self else { return false };
        let no_space = matches!(
            source.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
        );
        match *action {
            "fdatasync" | "fsync" => true,
            "write" | "clear" => !no_space,
            _ => false,
        }
    }

    /// A damaged file.
    pub fn corrupt(path: &Path, at: u64, what: impl Into<String>) -> StoreError {
        StoreError::Corrupt { path: path.to_path_buf(), at, what: what.into() }
    }
}
