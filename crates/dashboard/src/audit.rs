//! The audit log: one JSON line for each change, in `<dataPath>/audit.log`, and the latest in memory.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;

use parking_lot::Mutex;
use rocketmq_common::clock;
use serde::{Deserialize, Serialize};

/// Entries kept in memory.
const KEPT: usize = 1000;
/// Characters of a subject that are kept.
const SUBJECT_MAX: usize = 300;

/// Every action there is; the page has each in Chinese (`web/words.js`).
const ACTIONS: [&str; 19] = [
    "login",
    "send message",
    "resend",
    "consume directly",
    "create or update topic",
    "delete topic",
    "delete topic on broker",
    "create or update group",
    "delete group",
    "reset offsets",
    "set limits",
    "delete limits",
    "set broker configuration",
    "set account",
    "delete account",
    "set white list",
    "update name servers",
    "update VIP channel",
    "update TLS",
];

/// One change.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) time: i64,
    pub(crate) user: String,
    pub(crate) addr: String,
    pub(crate) action: String,
    pub(crate) subject: String,
    pub(crate) result: String,
}

pub(crate) struct Audit {
    path: PathBuf,
    inner: Mutex<Inner>,
}

struct Inner {
    latest: VecDeque<Entry>,
    file: Option<File>,
}

impl Audit {
    /// Opens the log; what cannot be read of it is left out.
    pub(crate) fn open(path: PathBuf) -> Audit {
        let mut latest = VecDeque::new();
        if let Ok(file) = File::open(&path) {
            for line in BufReader::new(file).lines().map_while(Result::ok) {
                if let Ok(entry) = serde_json::from_str(&line) {
                    latest.push_back(entry);
                    if latest.len() > KEPT {
                        latest.pop_front();
                    }
                }
            }
        }
        Audit { path, inner: Mutex::new(Inner { latest, file: None }) }
    }

    /// Notes a change; the secret parts of a request must not be in `subject`.
    pub(crate) fn note(&self, user: &str, addr: &str, action: &str, subject: &str, result: &str) {
        debug_assert!(ACTIONS.contains(&action), "{action}");
        let entry = Entry {
            time: clock::now_ms(),
            user: user.to_string(),
            addr: addr.to_string(),
            action: action.to_string(),
            subject: subject.chars().take(SUBJECT_MAX).collect(),
            result: result.chars().take(SUBJECT_MAX).collect(),
        };
        let line = serde_json::to_string(&entry).unwrap_or_default() + "\n";
        tracing::info!(target: crate::LOGGER, "audit {}", line.trim_end());
        let mut inner = self.inner.lock();
        inner.latest.push_back(entry);
        if inner.latest.len() > KEPT {
            inner.latest.pop_front();
        }
        if inner.file.is_none() {
            let folder = self.path.parent().map(std::fs::create_dir_all).unwrap_or(Ok(()));
            let open = || OpenOptions::new().create(true).append(true).open(&self.path);
            inner.file = folder.and_then(|()| open()).ok();
        }
        let written = inner.file.as_mut().map(|file| file.write_all(line.as_bytes()));
        if !matches!(written, Some(Ok(()))) {
            inner.file = None;
            tracing::warn!(target: crate::LOGGER, "{}: the audit log cannot be written", self.path.display());
        }
    }

    /// The latest changes, newest first.
    pub(crate) fn latest(&self, limit: usize) -> Vec<Entry> {
        self.inner.lock().latest.iter().rev().take(limit).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_is_told_in_chinese_too() {
        let words = include_str!("../web/words.js");
        let missing =
            ACTIONS.iter().filter(|action| !words.contains(&format!("\n  \"{action}\": \"")));
        assert_eq!(missing.collect::<Vec<_>>(), Vec::<&&str>::new());
    }
}
