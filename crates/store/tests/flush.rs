//! Waiting for the disk, and disks that refuse.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may fail like tests")]

mod support;

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use rocketmq_store::{
    Disk, DiskFaults, DiskOperation, FlushDiskType, FlushOutcome, MessageStore, MessageStoreConfig,
    NoListener, PutError, StoreError,
};
use support::{bodies, config, message, open, put};

/// A disk on which one kind of operation fails while the switch is on.
struct Failing {
    operation: DiskOperation,
    on: AtomicBool,
    errno: i32,
}

impl Failing {
    fn new(operation: DiskOperation, errno: i32) -> Arc<Failing> {
        Arc::new(Failing { operation, on: AtomicBool::new(false), errno })
    }

    fn set(&self, on: bool) {
        self.on.store(on, Ordering::SeqCst);
    }
}

impl DiskFaults for Failing {
    fn before(&self, operation: DiskOperation, _path: &Path) -> io::Result<()> {
        match operation == self.operation && self.on.load(Ordering::SeqCst) {
            true => Err(io::Error::from_raw_os_error(self.errno)),
            false => Ok(()),
        }
    }
}

const NO_SPACE: i32 = 28;
const IO_ERROR: i32 = 5;

fn open_on(config: MessageStoreConfig, faults: Arc<dyn DiskFaults>) -> Arc<MessageStore> {
    MessageStore::open_on(config, Arc::new(NoListener), Disk::with_faults(faults)).unwrap()
}

fn sync_flush(root: &Path) -> MessageStoreConfig {
    MessageStoreConfig { flush_disk_type: FlushDiskType::SyncFlush, ..config(root) }
}

/// Waits for the outcome of a flush.
fn outcome(store: &MessageStore, end_offset: i64) -> mpsc::Receiver<FlushOutcome> {
    let (sent, received) = mpsc::channel();
    store.when_flushed(end_offset, Box::new(move |outcome| sent.send(outcome).unwrap()));
    received
}

const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn everyone_who_waits_is_told_once_the_log_is_on_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(sync_flush(dir.path()));
    store.start().unwrap();
    let ends: Vec<i64> = (0..20).map(|_| put(&store, "T", 0, b"x").end_offset).collect();
    let waits: Vec<_> = ends.iter().map(|end| outcome(&store, *end)).collect();
    for wait in waits {
        assert_eq!(wait.recv_timeout(PATIENCE), Ok(FlushOutcome::Flushed));
    }
    assert_eq!(store.flushed_offset(), ends[19]);
    // Nobody is made to wait for what is done.
    assert_eq!(outcome(&store, ends[3]).try_recv(), Ok(FlushOutcome::Flushed));
}

#[test]
fn shutdown_flushes_and_tells_those_who_still_wait() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(config(dir.path()));
    let end = put(&store, "T", 0, b"x").end_offset;
    let (done, never) = (outcome(&store, end), outcome(&store, end + 1));
    store.shutdown();
    assert_eq!(done.recv_timeout(PATIENCE), Ok(FlushOutcome::Flushed));
    assert_eq!(never.recv_timeout(PATIENCE), Ok(FlushOutcome::Failed));
}

#[test]
fn a_failed_sync_ends_writing_for_good() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Failing::new(DiskOperation::Sync, IO_ERROR);
    let store = open_on(sync_flush(dir.path()), disk.clone());
    put(&store, "T", 0, b"before");
    disk.set(true);
    let end = put(&store, "T", 0, b"x").end_offset;
    let failed = outcome(&store, end);
    store.start().unwrap();
    assert_eq!(failed.recv_timeout(PATIENCE), Ok(FlushOutcome::Failed));
    disk.set(false);
    let reason = store.fatal().unwrap();
    assert!(reason.starts_with("fdatasync ") && reason.contains("os error 5"), "{reason}");
    let refused = store.put(&message("T", 0, b"y"));
    assert!(matches!(refused, Err(PutError::ServiceNotAvailable(_))));
    assert_eq!(outcome(&store, end).recv_timeout(PATIENCE), Ok(FlushOutcome::Failed));
    // Reading goes on, and the next start looks closely.
    assert_eq!(bodies(&store, "T", 0, 0).len(), 2);
    store.shutdown();
    assert!(dir.path().join("abort").exists());
}

#[test]
fn a_failed_write_is_told_to_who_commits_and_ends_writing() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Failing::new(DiskOperation::Write, IO_ERROR);
    let store = open_on(config(dir.path()), disk.clone());
    put(&store, "T", 0, b"before");
    disk.set(true);
    store.put(&message("T", 0, b"x")).unwrap();
    assert!(matches!(store.commit(), Err(StoreError::Io { action: "write", .. })));
    disk.set(false);
    assert!(store.fatal().is_some() && store.writable().is_err());
    assert!(store.put(&message("T", 0, b"y")).is_err());
    assert_eq!(bodies(&store, "T", 0, 0), [b"before"]);
    drop(store);
    support::mark_killed(dir.path());
    let store = open(config(dir.path()));
    assert_eq!(bodies(&store, "T", 0, 0), [b"before"]);
    assert_eq!(put(&store, "T", 0, b"again").queue_offset, 1);
}

#[test]
fn a_full_disk_refuses_the_next_segment_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Failing::new(DiskOperation::Allocate, NO_SPACE);
    let store = open_on(config(dir.path()), disk.clone());
    let body = [1; 1000];
    for _ in 0..3 {
        put(&store, "T", 0, &body);
    }
    disk.set(true);
    let refused = store.put(&message("T", 0, &body));
    assert!(matches!(refused, Err(PutError::CreateSegmentFailed(_))), "{refused:?}");
    // What still fits is taken, and the queue has no gap.
    assert_eq!(put(&store, "T", 0, b"small").queue_offset, 3);
    disk.set(false);
    assert_eq!(put(&store, "T", 0, &body).queue_offset, 4);
    assert_eq!(bodies(&store, "T", 0, 0).len(), 5);
}

#[test]
fn a_disk_that_does_not_answer_times_out() {
    /// Holds every sync until let go.
    #[derive(Default)]
    struct Stuck {
        free: Mutex<bool>,
        changed: Condvar,
    }
    impl DiskFaults for Stuck {
        fn before(&self, operation: DiskOperation, _path: &Path) -> io::Result<()> {
            let mut free = self.free.lock();
            while operation == DiskOperation::Sync && !*free {
                self.changed.wait(&mut free);
            }
            Ok(())
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(Stuck::default());
    let config = MessageStoreConfig { sync_flush_timeout: 1, ..sync_flush(dir.path()) };
    let store = open_on(config, disk.clone());
    store.start().unwrap();
    let end = put(&store, "T", 0, b"x").end_offset;
    assert_eq!(outcome(&store, end).recv_timeout(PATIENCE), Ok(FlushOutcome::TimedOut));
    *disk.free.lock() = true;
    disk.changed.notify_all();
    support::wait_until("the sync is done", || store.flushed_offset() == end);
    assert_eq!(store.writable(), Ok(()));
}
