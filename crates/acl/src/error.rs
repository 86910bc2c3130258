//! What can be wrong with the rules or a change of them. No text names a secret.

use std::path::PathBuf;

/// Why rules cannot be loaded or changed.
#[derive(Debug, thiserror::Error)]
pub enum AclError {
    /// There is no file, or nothing in it.
    #[error("{} file is not data; it must list accounts or globalWhiteRemoteAddresses", .0.display())]
    NoData(PathBuf),
    /// The file cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The file says something that it must not.
    #[error("{what} ({}, line {line}, column {column})", path.display())]
    Content {
        /// Which file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What; begins with Java's words where Java has any.
        what: String,
    },
    /// A change that makes no sense; begins with Java's words.
    #[error("{0}")]
    Change(String),
}

/// Something wrong at a place of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) what: String,
}

impl Fault {
    pub(crate) fn in_file(self, path: &std::path::Path) -> AclError {
        let Fault { line, column, what } = self;
        AclError::Content { path: path.to_path_buf(), line, column, what }
    }
}
