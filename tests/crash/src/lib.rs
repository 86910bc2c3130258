//! Whole name servers and brokers as processes of their own, on disks and networks that fail.
//!
//! The processes are [`daemon`]s of the program `faulty` (`src/bin/faulty.rs`): name server and
//! broker as shipped, but on a disk whose faults a test scripts ([`faults`]). Requests go frame by
//! frame ([`talk`]), so nothing of our client library can hide an error. What was acknowledged and
//! what is there is judged by `rocketmq-history`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    missing_docs,
    reason = "parts of tests fail like tests, and are described where they are used"
)]

pub mod cluster;
pub mod daemon;
pub mod faults;
pub mod load;
pub mod pair;
pub mod power;
pub mod proxy;
pub mod random;
pub mod talk;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long a condition may take before a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A scratch folder that goes away with the test, unless it failed.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new(name: &str) -> Scratch {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let unique = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder =
            std::env::temp_dir().join(format!("rmq-{name}-{}-{unique}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        Scratch(folder)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the test's files are kept in {}", self.0.display());
        } else {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}

/// Copies a folder with its files' times.
pub fn copy_tree(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).unwrap();
            let modified = entry.metadata().unwrap().modified().unwrap();
            let file = std::fs::File::options().write(true).open(&target).unwrap();
            file.set_modified(modified).unwrap();
        }
    }
}

/// Every file below a folder, sorted.
pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            match entry.file_type().unwrap().is_dir() {
                true => folders.push(entry.path()),
                false => files.push(entry.path()),
            }
        }
    }
    files.sort();
    files
}

/// As [`wait_until`], for async tests and conditions that have to be asked for.
pub async fn until(what: &str, mut done: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done().await {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until `done`, at most [`PATIENCE`].
pub fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// How long the long forms run (`SOAK_SECONDS`, set by `make soak`); `None` in `make test`.
pub fn soak() -> Option<Duration> {
    std::env::var("SOAK_SECONDS").ok()?.parse().ok().map(Duration::from_secs)
}

/// How many rounds of faults a test of master and slave runs: `FAULT_ROUNDS`, else one in
/// `make test` and 50 in the long form.
pub fn fault_rounds() -> usize {
    let given = std::env::var("FAULT_ROUNDS").ok().and_then(|text| text.parse().ok());
    given.unwrap_or(if soak().is_some() { 50 } else { 1 })
}
