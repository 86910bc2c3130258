use std::fs;
use std::path::PathBuf;

use tracing_subscriber::layer::SubscriberExt;

use super::*;

/// Runs `events` under a profile of their own and returns the directory of its log files.
fn logged(profile: Profile, home: &Path, events: impl FnOnce()) -> PathBuf {
    let (layer, guard) = layer(profile, home);
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), events);
    drop(guard);
    home.join("logs/rocketmqlogs")
}

/// The lines of a file without their time, which must be of Java's form.
fn lines(path: PathBuf) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    text.split_inclusive('\n')
        .map(|line| {
            let (time, rest) = line.split_at(19);
            assert!(crate::clock::parse_seconds(time).is_some(), "{line}");
            rest.to_owned()
        })
        .collect()
}

#[test]
fn loggers_go_to_their_files_in_their_forms() {
    let home = tempfile::tempdir().unwrap();
    let logs = logged(Profile::Broker, home.path(), || {
        tracing::info!(target: BROKER, thread = "main", "brokerName={}", "a");
        tracing::warn!(target: COMMON, thread = "t-1", queue = 3, "low {}", 1);
        tracing::error!(target: STORE, thread = "x", "bad");
        tracing::debug!(target: STORE, thread = "x", "not shown");
        tracing::info!(target: STATS, "[TOPIC] SUM: 5");
        tracing::info!(target: WATER_MARK, "[WATERMARK]");
        tracing::info!(target: COMMERCIAL, "raw");
        tracing::info!(target: "mio::poll", thread = "main", "other");
    });
    assert_eq!(
        lines(logs.join("broker.log")),
        [" INFO main - brokerName=a\n", " WARN t-1 - low 1 queue=3\n"]
    );
    assert_eq!(lines(logs.join("store.log")), [" ERROR x - bad\n"]);
    assert_eq!(lines(logs.join("stats.log")), [" INFO - [TOPIC] SUM: 5\n"]);
    assert_eq!(lines(logs.join("watermark.log")), [" - [WATERMARK]\n"]);
    assert_eq!(fs::read_to_string(logs.join("commercial.log")).unwrap(), "raw\n");
    assert_eq!(lines(logs.join("broker_default.log")), [" INFO main - other\n"]);
    for empty in ["remoting", "storeerror", "transaction", "lock", "filter", "protection"] {
        let path = logs.join(format!("{empty}.log"));
        assert_eq!(fs::metadata(&path).unwrap().len(), 0, "{empty}");
    }
    assert!(!logs.join("namesrv.log").exists());
}

#[test]
fn a_line_has_the_name_of_its_thread() {
    let home = tempfile::tempdir().unwrap();
    let logs = logged(Profile::Namesrv, home.path(), || {
        let dispatch = tracing::dispatcher::get_default(Clone::clone);
        std::thread::Builder::new()
            .name("NettyEventExecutor".to_owned())
            .spawn(move || {
                tracing::dispatcher::with_default(&dispatch, || {
                    tracing::info!(target: REMOTING, "service started");
                });
            })
            .unwrap()
            .join()
            .unwrap();
    });
    assert_eq!(lines(logs.join("namesrv.log")), [" INFO NettyEventExecutor - service started\n"]);
}

#[test]
fn client_lines_have_milliseconds_logger_and_crlf() {
    let home = tempfile::tempdir().unwrap();
    let logs = logged(Profile::Client, home.path(), || {
        tracing::info!(target: CLIENT, thread = "main", "started");
        tracing::info!(target: "elsewhere", "silent");
    });
    let text = lines(logs.join("rocketmq_client.log"));
    assert_eq!(text.len(), 1);
    assert_eq!(&text[0][..1], ",");
    assert_eq!(&text[0][4..], " INFO RocketmqClient - started\r\n");
}

#[test]
fn no_line_is_lost_when_the_queue_is_full() {
    let home = tempfile::tempdir().unwrap();
    let count = QUEUE_MAX * 3;
    let logs = logged(Profile::Tools, home.path(), || {
        for number in 0..count {
            tracing::info!(target: TOOLS, thread = "main", "{number}");
        }
    });
    let text = lines(logs.join("tools.log"));
    assert_eq!(text.len(), count);
    assert_eq!(text.last().unwrap(), &format!(" INFO main - {}\n", count - 1));
}

#[test]
fn lines_are_in_the_file_after_a_flush() {
    let home = tempfile::tempdir().unwrap();
    let (layer, guard) = layer(Profile::Standalone, home.path());
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        tracing::info!(target: NAMESRV, thread = "main", "here");
        guard.flush();
        let path = home.path().join("logs/rocketmqlogs/namesrv.log");
        assert_eq!(lines(path), [" INFO main - here\n"]);
    });
}

#[test]
fn a_directory_that_cannot_be_made_stops_nothing() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("file");
    fs::write(&file, "").unwrap();
    let logs = logged(Profile::Namesrv, &file, || {
        tracing::info!(target: NAMESRV, "unheard");
    });
    assert!(!logs.exists());
}
