//! A disk whose faults a file scripts while the broker runs.
//!
//! `FAULTS_SCRIPT` names the file; it is read again before every operation. Each line is
//! `OPERATION PART SKIP ACTION`: the operation is `allocate`, `write`, `sync`, `names` or `any`;
//! it meets paths that contain PART (`*`: all); the first SKIP such operations are spared; and
//! ACTION is `eio`, `enospc`, `erofs`, `kill` (the process ends at once) or `sleep:MS`. A line
//! `defect NAME` gives the store one of [`Defect`] (`syncs-nothing`, `trusts-bodies`,
//! `drops-tail`).
//!
//! A line `clock MS` sets the clock that far ahead of the system's.
//!
//! With `FAULTS_MEDIUM` the disk also notes what has reached the medium, for [`crate::power`].

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rocketmq_store::{Defect, Disk, DiskFaults, DiskOperation};

use crate::power::Medium;

/// The scripted disk.
struct Scripted {
    script: PathBuf,
    medium: Option<Medium>,
    /// How often each line has met an operation.
    met: Mutex<HashMap<String, u64>>,
}

/// The disk that the environment asks for.
pub fn disk_of_environment() -> Disk {
    let path = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let Some(script) = path("FAULTS_SCRIPT") else { return Disk::default() };
    let medium = path("FAULTS_MEDIUM").filter(|medium| medium.is_dir());
    let medium = medium.zip(path("FAULTS_STORE"));
    let medium = medium.map(|(medium, store)| Medium::new(medium, store));
    Disk::with_faults(Arc::new(Scripted { script, medium, met: Mutex::default() }))
}

/// Lets the clock follow the script, for as long as the process runs.
pub fn follow_clock() {
    let Some(script) = std::env::var_os("FAULTS_SCRIPT") else { return };
    std::thread::spawn(move || {
        loop {
            let script = std::fs::read_to_string(&script).unwrap_or_default();
            let ahead = script.lines().find_map(|line| line.strip_prefix("clock "));
            rocketmq_common::clock::shift(ahead.map_or(0, |ms| ms.trim().parse().unwrap()));
            std::thread::sleep(Duration::from_millis(5));
        }
    });
}

fn name_of(operation: DiskOperation) -> &'static str {
    match operation {
        DiskOperation::Allocate => "allocate",
        DiskOperation::Write => "write",
        DiskOperation::Sync => "sync",
        DiskOperation::SyncNames => "names",
    }
}

impl Scripted {
    fn lines(&self) -> String {
        std::fs::read_to_string(&self.script).unwrap_or_default()
    }

    /// Whether this operation is the line's turn.
    fn is_due(&self, line: &str, skip: u64) -> bool {
        let mut met = self.met.lock();
        let met = met.entry(line.to_string()).or_default();
        *met += 1;
        *met > skip
    }
}

impl DiskFaults for Scripted {
    fn before(&self, operation: DiskOperation, path: &Path) -> io::Result<()> {
        for line in self.lines().lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [what, part, skip, action] = words[..] else { continue };
            let meets = (what == "any" || what == name_of(operation))
                && (part == "*" || path.to_string_lossy().contains(part));
            if !meets || !self.is_due(line, skip.parse().unwrap()) {
                continue;
            }
            match action {
                "eio" => return Err(io::Error::from_raw_os_error(5)),
                "enospc" => return Err(io::Error::from_raw_os_error(28)),
                "erofs" => return Err(io::Error::from_raw_os_error(30)),
                "kill" => std::process::abort(),
                other => {
                    let ms = other.strip_prefix("sleep:").unwrap().parse().unwrap();
                    std::thread::sleep(Duration::from_millis(ms));
                }
            }
        }
        Ok(())
    }

    fn after(&self, operation: DiskOperation, path: &Path) {
        if let Some(medium) = &self.medium {
            match operation {
                DiskOperation::Sync => medium.synced(path),
                DiskOperation::SyncNames => medium.names_synced(path),
                DiskOperation::Allocate | DiskOperation::Write => {}
            }
        }
    }

    fn has_defect(&self, defect: Defect) -> bool {
        let name = match defect {
            Defect::SyncsNothing => "defect syncs-nothing",
            Defect::TrustsBodies => "defect trusts-bodies",
            Defect::DropsTail => "defect drops-tail",
        };
        self.lines().lines().any(|line| line.trim() == name)
    }
}
