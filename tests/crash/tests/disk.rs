//! Disks that are full, slow, broken, read-only, gone or taken: what producers hear, and what
//! goes on.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rocketmq_history::{History, MessageId, body};
use rocketmq_testbed::PATIENCE;
use rocketmq_testbed::cluster::{Broker, SMALL_FILES};
use rocketmq_testbed::load::{self, Load, TOPIC, Wanted};
use rocketmq_testbed::talk::{self, Answer};
use tokio::task::block_in_place;

const SYNC: &str = "flushDiskType=SYNC_FLUSH\n";

fn settings(mode: &str) -> String {
    format!("{SMALL_FILES}{mode}")
}

/// Sends until `wanted` says that it has seen enough.
async fn send_until(
    broker: &Broker,
    history: &History,
    wanted: impl Fn(&Answer) -> bool,
) -> Answer {
    static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let client = talk::client();
    let deadline = Instant::now() + PATIENCE;
    loop {
        assert!(Instant::now() < deadline, "the answer does not come");
        let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let id = MessageId { producer: 1_000_000 + number, number: 0 };
        history.begin(id, TOPIC, 0);
        let bytes = Bytes::from(body::encode(id, 3000));
        let address = broker.address();
        let answer = talk::send(&client, &address, (TOPIC, 0), "KEYS\u{1}k", bytes).await.unwrap();
        if let Some(place) = &answer.place {
            history.acknowledged(id, place, rocketmq_history::Survival::Always);
        }
        if wanted(&answer) {
            return answer;
        }
    }
}

/// A disk that fails ends the broker: no message is acknowledged that is not there afterwards.
#[tokio::test(flavor = "multi_thread")]
async fn errors_of_the_disk_end_the_broker_and_lose_nothing() {
    for (mode, fault) in [
        (SYNC, "sync /commitlog/ 5 eio"),
        (SYNC, "write /commitlog/ 40 eio"),
        (SYNC, "sync /consumequeue/ 0 eio"),
        ("", "write /commitlog/ 40 eio"),
        ("", "sync /commitlog/ 0 eio"),
        ("", "write /consumequeue/ 40 eio"),
        ("flushConsumeQueueThoroughInterval=100\n", "sync checkpoint 0 eio"),
        ("", "write /commitlog/ 40 erofs"),
    ] {
        let history = Arc::new(History::default());
        let mut broker = Broker::start("eio", &settings(mode));
        let load = Load::start(&history, &broker.address(), Wanted::default());
        assert!(load.reach(20).await);
        broker.set_faults(fault);
        let code = block_in_place(|| broker.running().wait());
        assert_eq!(code, 255, "{fault}");
        let output = block_in_place(|| broker.running().output_until_end());
        assert!(output.contains("the broker cannot go on: "), "{fault}: {output}");
        assert!(output.contains("os error") && output.contains("store"), "{fault}: {output}");
        let counts = load.end(false).await;
        history.crashed();
        // Whoever was answered otherwise was told 14, never 10.
        let refused: Vec<i32> = counts.refused.lock().keys().copied().collect();
        assert!(refused.iter().all(|code| *code == 14), "{fault}: {refused:?}");
        broker.set_faults("");
        block_in_place(|| broker.boot());
        let report = load::judge(&history, &broker.address()).await;
        assert!(report.violations.is_empty(), "{fault}: {report}");
    }
}

/// A full disk refuses messages, everything else goes on, and space heals it.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_messages_until_there_is_space() {
    for (fault, code, words) in [
        (
            "allocate /commitlog/ 0 enospc",
            1,
            "create mapped file failed, server is busy or broken.",
        ),
        ("allocate /consumequeue/ 0 enospc", 14, "service not available now."),
        ("allocate /index/ 0 enospc", 14, "service not available now."),
    ] {
        let history = Arc::new(History::default());
        let mut broker = Broker::start("full", &settings(""));
        send_until(&broker, &history, Answer::is_ok).await;
        broker.set_faults(fault);
        let refused = send_until(&broker, &history, |answer| !answer.is_ok()).await;
        assert_eq!(refused.code, code, "{fault}: {}", refused.remark);
        assert!(refused.remark.starts_with(words), "{fault}: {}", refused.remark);
        assert!(refused.remark.contains("os error 28"), "{fault}: {}", refused.remark);
        assert!(refused.remark.contains("/store/"), "{fault}: {}", refused.remark);
        // What is there can be read, again and again.
        for _ in 0..3 {
            let kept = load::read_all(&broker.address()).await;
            assert!(!kept.is_empty());
        }
        broker.set_faults("");
        send_until(&broker, &history, Answer::is_ok).await;
        let report = load::judge(&history, &broker.address()).await;
        assert!(report.violations.is_empty(), "{fault}: {report}");
        assert_eq!(block_in_place(|| broker.running().terminate()), 143);
        block_in_place(|| broker.boot());
        let report = load::judge(&history, &broker.address()).await;
        assert!(report.violations.is_empty(), "{fault}: {report}");
    }
}

/// The limits that RocketMQ puts on the use of the disk: path, use, limit and key are named.
#[tokio::test(flavor = "multi_thread")]
async fn a_disk_above_the_limit_says_which_and_what_sets_it() {
    let mut broker = Broker::new("limit", &settings(""));
    broker.java_opt = "-Drocketmq.broker.diskSpaceWarningLevelRatio=0.0".to_string();
    block_in_place(|| broker.boot());
    let history = History::default();
    let refused = send_until(&broker, &history, |answer| answer.code == 14).await;
    for words in [
        "the broker's disk is full [CL:",
        "disk maybe full soon",
        "storePathPhysic=",
        "the limit is 0",
        "rocketmq.broker.diskSpaceWarningLevelRatio",
    ] {
        assert!(refused.remark.contains(words), "{words}: {}", refused.remark);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_sync_times_out_with_10_and_nothing_is_lost() {
    let history = Arc::new(History::default());
    let mut broker = Broker::start("slow", &settings(&format!("{SYNC}syncFlushTimeout=300\n")));
    send_until(&broker, &history, Answer::is_ok).await;
    broker.set_faults("sync /commitlog/ 0 sleep:2500");
    let late = send_until(&broker, &history, |answer| !answer.is_ok()).await;
    assert_eq!(late.code, 10, "{}", late.remark);
    assert!(late.place.is_some(), "it is stored and says where");
    // WAIT=false waits for nothing.
    let client = talk::client();
    let id = MessageId { producer: 2_000_000, number: 0 };
    history.begin(id, TOPIC, 1);
    let (bytes, begun) = (Bytes::from(body::encode(id, 10)), Instant::now());
    let hasty =
        talk::send(&client, &broker.address(), (TOPIC, 1), "WAIT\u{1}false", bytes).await.unwrap();
    assert!(hasty.is_ok() && begun.elapsed() < Duration::from_secs(2), "{hasty:?}");
    broker.set_faults("");
    send_until(&broker, &history, Answer::is_ok).await;
    block_in_place(|| broker.running().kill());
    history.crashed();
    block_in_place(|| broker.boot());
    let report = load::judge(&history, &broker.address()).await;
    assert!(report.violations.is_empty(), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_cannot_be_used_is_a_clear_error() {
    // Two brokers on one store.
    let mut first = Broker::start("twice", &settings(""));
    let mut second = Broker::new("twice-second", &settings(""));
    second.move_store(first.store().to_path_buf());
    assert!(!block_in_place(|| second.try_boot()));
    assert_eq!(second.running().wait(), 253);
    let output = second.running().output_until_end();
    assert!(output.contains("Lock failed,MQ already started"), "{output}");
    let history = History::default();
    send_until(&first, &history, Answer::is_ok).await;
    assert_eq!(block_in_place(|| first.running().terminate()), 143);

    // Wrong sizes: nothing is changed.
    let right = first.settings.clone();
    for (key, old, new) in [
        ("mappedFileSizeCommitLog", "65536", "131072"),
        ("mappedFileSizeConsumeQueue", "2000", "4000"),
    ] {
        // A log of one file that is too short may just be torn: there must be two.
        if key == "mappedFileSizeCommitLog" {
            block_in_place(|| first.boot());
            for _ in 0..40 {
                send_until(&first, &history, Answer::is_ok).await;
            }
            assert_eq!(block_in_place(|| first.running().terminate()), 143);
        }
        first.settings = right.replace(&format!("{key}={old}"), &format!("{key}={new}"));
        assert!(!block_in_place(|| first.try_boot()), "{key}");
        let output = first.running().output_until_end();
        assert!(output.contains(&format!("set {key}={old}")), "{output}");
    }
    first.settings = right;

    // A file in the way, and a folder that may not be written (root may write anything, so this
    // is a file where a folder must be).
    let queues = first.store().join("consumequeue");
    let aside = first.scratch.path().join("aside");
    std::fs::rename(&queues, &aside).unwrap();
    std::fs::write(&queues, b"").unwrap();
    assert!(!block_in_place(|| first.try_boot()));
    let output = first.running().output_until_end();
    assert!(output.contains("consumequeue"), "{output}");
    std::fs::remove_file(&queues).unwrap();
    // A missing folder of queues is built again.
    block_in_place(|| first.boot());
    let report = load::judge(&history, &first.address()).await;
    assert!(report.violations.is_empty(), "{report}");
    assert_eq!(block_in_place(|| first.running().terminate()), 143);

    // Configuration tables that are torn without a backup: never empty tables instead.
    let topics = first.store().join("config/topics.json");
    let whole = std::fs::read(&topics).unwrap();
    let _ = std::fs::remove_file(topics.with_extension("json.bak"));
    std::fs::write(&topics, &whole[..whole.len() / 2]).unwrap();
    assert!(!block_in_place(|| first.try_boot()));
    let output = first.running().output_until_end();
    assert!(output.contains("topics.json failed") && output.contains("restore it"), "{output}");
}

/// The log's folder is removed while the broker runs: what is written would go with it.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_removed_from_outside_ends_the_broker() {
    let mut broker = Broker::start("removed", &settings(""));
    let history = History::default();
    send_until(&broker, &history, Answer::is_ok).await;
    std::fs::remove_dir_all(broker.store().join("commitlog")).unwrap();
    assert_eq!(block_in_place(|| broker.running().wait()), 255);
    let output = broker.running().output_until_end();
    assert!(output.contains("was removed from outside"), "{output}");
}

/// A folder that refuses writing, as far as that can be had without another user: the permission
/// bits bind everyone but root, the fault script binds everyone.
#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_store_is_a_clear_error() {
    let mut broker = Broker::start("read-only", &settings(""));
    let history = History::default();
    send_until(&broker, &history, Answer::is_ok).await;
    assert_eq!(block_in_place(|| broker.running().terminate()), 143);
    broker.set_faults("allocate * 0 erofs");
    assert!(!block_in_place(|| broker.try_boot()));
    let output = broker.running().output_until_end();
    assert!(output.contains("os error 30") && output.contains("store"), "{output}");
    if !rustix::process::geteuid().is_root() {
        broker.set_faults("");
        let store = broker.store().to_path_buf();
        std::fs::set_permissions(&store, PermissionsExt::from_mode(0o555)).unwrap();
        let served = block_in_place(|| broker.try_boot());
        std::fs::set_permissions(&store, PermissionsExt::from_mode(0o755)).unwrap();
        assert!(!served);
    }
    broker.set_faults("");
    block_in_place(|| broker.boot());
    let report = load::judge(&history, &broker.address()).await;
    assert!(report.violations.is_empty(), "{report}");
}

/// A real file system that is too small, where one can be had.
#[tokio::test(flavor = "multi_thread")]
async fn a_small_file_system_fills_and_heals() {
    let scratch = rocketmq_testbed::Scratch::new("tmpfs");
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=3m", "tmpfs"])
        .arg(scratch.path())
        .output()
        .is_ok_and(|output| output.status.success());
    if !mounted {
        println!("no file system can be mounted here: only the scripted full disk was tested");
        return;
    }
    let mut broker = Broker::new("tmpfs-broker", &settings("fileReservedTime=72\n"));
    broker.move_store(scratch.path().join("store"));
    block_in_place(|| broker.boot());
    let ballast = scratch.path().join("ballast");
    std::fs::write(&ballast, vec![1; 1 << 20]).unwrap();
    let history = History::default();
    let refused = send_until(&broker, &history, |answer| !answer.is_ok()).await;
    assert!([1, 14].contains(&refused.code), "{refused:?}");
    assert!(!load::read_all(&broker.address()).await.is_empty());
    std::fs::remove_file(ballast).unwrap();
    send_until(&broker, &history, Answer::is_ok).await;
    let report = load::judge(&history, &broker.address()).await;
    assert_eq!(block_in_place(|| broker.running().terminate()), 143);
    drop(broker);
    let unmounted = std::process::Command::new("umount").arg(scratch.path()).status();
    assert!(unmounted.unwrap().success());
    assert!(report.violations.is_empty(), "{report}");
}
