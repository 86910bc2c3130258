//! Log files as logback writes them for RocketMQ (contract namesrv.md 9, broker.md 7, admin.md 5,
//! client.md 12), on top of `tracing`.
//!
//! The `target` of an event is the logger's name and chooses the file under
//! `<home>/logs/rocketmqlogs`; unknown targets go to the profile's `*_default.log`. Levels INFO, WARN
//! and ERROR are written. The thread shown is the event's field `thread`, else the thread's name;
//! other fields follow the message as ` name=value`.
//!
//! Lines are written by a thread of their own. Its queue holds [`QUEUE_MAX`] lines; a full queue
//! makes the logging thread wait, so no line is lost. The files are flushed whenever the queue is
//! empty, at [`flush`], when the [`LogGuard`] is dropped and after a panic. A disk that refuses
//! writes never stops the process: the first refusal is told on standard error.
//!
//! ```no_run
//! use rocketmq_common::{home, logging};
//!
//! let _guard = logging::init(logging::Profile::Namesrv, &home::user_home());
//! tracing::info!(target: logging::NAMESRV, thread = "main", "The Name Server boot success.");
//! ```

mod layer;
mod roll;
mod route;
mod writer;

#[cfg(test)]
mod tests;

use std::io::Write;
use std::path::Path;
use std::sync::{Once, OnceLock};

use tracing::Subscriber;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;

pub use route::Profile;

use layer::FileLayer;
use writer::Writer;

/// Lines that may wait for the writer.
pub const QUEUE_MAX: usize = 8192;

/// Logger of the name server.
pub const NAMESRV: &str = "RocketmqNamesrv";
/// Logger of the broker.
pub const BROKER: &str = "RocketmqBroker";
/// Logger of what all share.
pub const COMMON: &str = "RocketmqCommon";
/// Logger of the connections.
pub const REMOTING: &str = "RocketmqRemoting";
/// Logger of the store.
pub const STORE: &str = "RocketmqStore";
/// Logger of failures of the store.
pub const STORE_ERROR: &str = "RocketmqStoreError";
/// Logger of transactions.
pub const TRANSACTION: &str = "RocketmqTransaction";
/// Logger of queue locks.
pub const REBALANCE_LOCK: &str = "RocketmqRebalanceLock";
/// Logger of filters.
pub const FILTER: &str = "RocketmqFilter";
/// Logger of statistics: `time LEVEL - message`.
pub const STATS: &str = "RocketmqStats";
/// Logger of the accounts: the message alone.
pub const COMMERCIAL: &str = "RocketmqCommercial";
/// Logger of protections: `time - message`.
pub const PROTECTION: &str = "RocketmqProtection";
/// Logger of queue levels: `time - message`.
pub const WATER_MARK: &str = "RocketmqWaterMark";
/// Logger of clients.
pub const CLIENT: &str = "RocketmqClient";
/// Logger of the dashboard.
pub const DASHBOARD: &str = "RocketmqDashboard";
/// Logger of mqadmin.
pub const TOOLS: &str = "RocketmqTools";
/// Logger whose lines go to standard output only, as the broker's `-p` prints them.
pub const CONSOLE: &str = "RocketmqConsole";
/// Logger whose lines go to standard output only, as the name server's `-p` prints them.
pub const NAMESRV_CONSOLE: &str = "RocketmqNamesrvConsole";

/// The writer of [`init`], for [`flush`] and the panic hook.
static PROCESS_WRITER: OnceLock<Writer> = OnceLock::new();

/// Keeps the log files written; dropping it writes what waits and closes them.
#[derive(Debug)]
#[must_use = "dropping the guard ends the log"]
pub struct LogGuard {
    writer: Writer,
}

impl LogGuard {
    /// Waits until every line logged so far is in its file.
    pub fn flush(&self) {
        self.writer.flush();
    }
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        self.writer.close();
    }
}

/// Starts the log of this process: log files under `<home>/logs`, panics included.
/// Never fails: what cannot be written is told on standard error. If the process has a `tracing`
/// subscriber already, that one stays and this has no effect.
pub fn init(profile: Profile, home: &Path) -> LogGuard {
    let (layer, guard) = layer(profile, home);
    let subscriber = tracing_subscriber::registry().with(layer);
    if tracing::subscriber::set_global_default(subscriber).is_err() {
        complain("logging is set up already; the first set-up stays");
        return guard;
    }
    // Only the first success gets here, so the cell is empty.
    let _ = PROCESS_WRITER.set(guard.writer.clone());
    log_panics();
    guard
}

/// The layer by itself, for a subscriber composed elsewhere (tests, embedding).
pub fn layer<S>(
    profile: Profile,
    home: &Path,
) -> (impl tracing_subscriber::Layer<S> + use<S>, LogGuard)
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    let files = profile.files();
    let writer = Writer::start(files, &home.join("logs").join(profile.folder()));
    (FileLayer::new(files, writer.clone()), LogGuard { writer })
}

/// Waits until every line logged so far is in its file; for exits that drop nothing.
pub fn flush() {
    if let Some(writer) = PROCESS_WRITER.get() {
        writer.flush();
    }
}

/// Writes panics to the default log, and flushes, before the previous hook speaks.
fn log_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            // The writer's own panic must not wait for the writer.
            if !writer::is_writer_thread() {
                tracing::error!(target: "panic", "{info}");
                flush();
            }
            previous(info);
        }));
    });
}

/// Tells the operator on standard error what the log itself cannot hold.
fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
