//! A picture of a cluster that is always at hand, so that a list costs no request per row.
//!
//! While somebody looks, it is renewed every few seconds: per broker the runtime table, the topics, the
//! groups and the progress of all groups in one answer each; topics' bounds and groups' members, which
//! 4.9.2 only tells one by one, are renewed oldest first within a budget of time. A round is followed by
//! a rest in proportion to what it took, so that a watching dashboard costs the brokers little.

mod gather;
mod model;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, RwLock};
use rocketmq_client::admin::AdminClient;
use rocketmq_common::clock;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

pub(crate) use model::{BrokerState, GroupState, Snapshot, kind_of};

/// Least time between two rounds.
const INTERVAL: Duration = Duration::from_secs(3);
/// A round is followed by a rest of so many times what it took.
const REST_FACTOR: u32 = 20;
/// The longest rest.
const REST_MAX: Duration = Duration::from_secs(30);
/// How soon after a change a round begins: changes that come one after another share it.
const SOON: Duration = Duration::from_millis(500);
/// How long after the last look rounds go on, ms.
const WATCHED_MS: i64 = 30_000;
/// How long the first look waits for the first round.
const FIRST_WAIT: Duration = Duration::from_secs(6);

/// The picture and the task that renews it.
pub(crate) struct Live {
    snapshot: RwLock<Arc<Snapshot>>,
    watched_until_ms: AtomicI64,
    looked: Notify,
    changed: Notify,
    renewed: Notify,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Live {
    pub(crate) fn start(admin: Arc<AdminClient>) -> Arc<Live> {
        let live = Arc::new(Live {
            snapshot: RwLock::default(),
            watched_until_ms: AtomicI64::new(0),
            looked: Notify::new(),
            changed: Notify::new(),
            renewed: Notify::new(),
            task: Mutex::new(None),
        });
        let task = tokio::spawn(run(Arc::clone(&live), admin));
        *live.task.lock() = Some(task);
        live
    }

    pub(crate) fn stop(&self) {
        if let Some(task) = self.task.lock().take() {
            task.abort();
        }
    }

    /// The newest picture; the very first look waits for it.
    pub(crate) async fn look(&self) -> Arc<Snapshot> {
        let renewed = self.renewed.notified();
        let before =
            self.watched_until_ms.swap(clock::monotonic_ms() + WATCHED_MS, Ordering::Relaxed);
        self.looked.notify_one();
        let now = Arc::clone(&self.snapshot.read());
        // After a long time without anybody looking, an old picture would mislead.
        let fresh = now.updated > 0 && before >= clock::monotonic_ms();
        if fresh {
            return now;
        }
        let _ = tokio::time::timeout(FIRST_WAIT, renewed).await;
        Arc::clone(&self.snapshot.read())
    }

    /// Has the next round begin soon, after something was changed.
    pub(crate) fn renew_soon(&self) {
        self.changed.notify_one();
    }
}

async fn run(live: Arc<Live>, admin: Arc<AdminClient>) {
    loop {
        let left = live.watched_until_ms.load(Ordering::Relaxed) - clock::monotonic_ms();
        if left <= 0 {
            live.looked.notified().await;
            continue;
        }
        let started = Instant::now();
        let old = Arc::clone(&live.snapshot.read());
        let new = gather::round(&admin, &old).await;
        // The first round fills the lists and may take long; one that failed asked for little.
        let is_short = old.updated == 0 || new.error.is_some();
        *live.snapshot.write() = Arc::new(new);
        live.renewed.notify_waiters();
        let long = INTERVAL.max(started.elapsed() * REST_FACTOR).min(REST_MAX);
        let rest = if is_short { INTERVAL } else { long };
        tokio::select! {
            () = tokio::time::sleep(rest) => {}
            () = live.changed.notified() => tokio::time::sleep(SOON).await,
        }
    }
}
