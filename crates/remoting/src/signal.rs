//! The signals that end a daemon.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Catches SIGTERM, SIGINT and SIGHUP from now on. The future waits for one of them; it gives 128 +
/// its number, which is the exit code of a JVM that such a signal ended. A SIGHUP that was ignored
/// at the start (`nohup`) stays ignored.
///
/// To be called inside a runtime, before anyone is told that the daemon serves: whoever ends it
/// then expects an orderly end.
pub fn catch_signals() -> impl Future<Output = i32> {
    let mut term = signal(SignalKind::terminate()).ok();
    let mut int = signal(SignalKind::interrupt()).ok();
    let mut hup = match is_ignored(SignalKind::hangup()) {
        true => None,
        false => signal(SignalKind::hangup()).ok(),
    };
    async move {
        let kind = tokio::select! {
            () = received(&mut term) => SignalKind::terminate(),
            () = received(&mut int) => SignalKind::interrupt(),
            () = received(&mut hup) => SignalKind::hangup(),
        };
        128 + kind.as_raw_value()
    }
}

async fn received(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

/// Whether the process was started with that signal ignored, as Linux tells it. Elsewhere none
/// is taken for ignored.
fn is_ignored(kind: SignalKind) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (kind.as_raw_value() - 1) & 1 == 1)
}
