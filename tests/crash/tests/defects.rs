//! The judge can fail: brokers with a deliberate defect are found out, each kind of fault by its
//! kind of violation.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::sync::Arc;

use rocketmq_history::{History, Report, Violation};
use rocketmq_testbed::cluster::{Broker, SMALL_FILES};
use rocketmq_testbed::load::{self, Load, TOPIC, Wanted};
use rocketmq_testbed::power::{self, Unsynced};
use rocketmq_testbed::random::Random;
use rocketmq_testbed::talk;
use tokio::task::block_in_place;

const SYNC: &str = "flushDiskType=SYNC_FLUSH\n";

/// Load, then a power cut, then the verdict.
async fn after_power_cut(faults: &str) -> Report {
    let history = Arc::new(History::default());
    let mut broker = Broker::new("defect-power", &format!("{SMALL_FILES}{SYNC}"));
    std::fs::create_dir_all(broker.store()).unwrap();
    let medium = broker.medium();
    power::begin(&medium, broker.store());
    broker.set_faults(faults);
    block_in_place(|| broker.boot());
    let load = Load::start(&history, &broker.address(), Wanted::default());
    assert!(load.reach(100).await);
    block_in_place(|| broker.running().kill());
    load.end(false).await;
    history.crashed();
    let cut = broker.scratch.path().join("cut");
    power::cut(&medium, broker.store(), &cut, Unsynced::Lost, &mut Random::new(1));
    broker.move_store(cut);
    broker.set_faults("");
    block_in_place(|| broker.boot());
    load::judge(&history, &broker.address()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledging_before_the_sync_is_found_by_a_power_cut() {
    let broken = after_power_cut("defect syncs-nothing").await;
    assert!(broken.lost() >= 100, "{broken}");
    let sound = after_power_cut("").await;
    assert!(sound.violations.is_empty(), "{sound}");
}

/// Load, then a flipped bit in a body, then a kill, then the verdict.
async fn after_flip(faults: &str) -> (Report, String) {
    let history = Arc::new(History::default());
    let mut broker = Broker::start("defect-flip", SMALL_FILES);
    let load = Load::start(&history, &broker.address(), Wanted::default());
    assert!(load.reach(100).await);
    load.end(true).await;
    block_in_place(|| broker.running().kill());
    history.crashed();
    let path = broker.store().join("commitlog/00000000000000000000");
    let mut content = std::fs::read(&path).unwrap();
    // The first record's body begins at byte 88.
    content[100] ^= 1;
    std::fs::write(path, content).unwrap();
    broker.set_faults(faults);
    block_in_place(|| broker.boot());
    (load::judge(&history, &broker.address()).await, broker.store_errors())
}

#[tokio::test(flavor = "multi_thread")]
async fn trusting_bodies_is_found_by_a_flip() {
    let (broken, _) = after_flip("defect trusts-bodies").await;
    assert_eq!(broken.invented(), 1, "{broken}");
    let (sound, errors) = after_flip("").await;
    assert_eq!((sound.lost(), sound.invented()), (1, 0), "{sound}");
    assert!(errors.contains("the commit log is damaged from offset 0"), "{errors}");
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_the_tail_is_found_by_a_kill() {
    for (faults, is_sound) in [("defect drops-tail", false), ("", true)] {
        let history = Arc::new(History::default());
        let mut broker = Broker::start("defect-tail", SMALL_FILES);
        let load = Load::start(&history, &broker.address(), Wanted::default());
        assert!(load.reach(50).await);
        // Ended, not cut off: the last message in the log was acknowledged.
        load.end(true).await;
        block_in_place(|| broker.running().kill());
        history.crashed();
        broker.set_faults(faults);
        block_in_place(|| broker.boot());
        let report = load::judge(&history, &broker.address()).await;
        assert_eq!(report.lost(), usize::from(!is_sound), "{report}");
    }
}

/// A broker that hands out a message twice, or offsets that go back, would be found too: here the
/// harness plays the broker's part.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_broker_never_does_is_found_when_it_is_made_up() {
    let history = Arc::new(History::default());
    let broker = Broker::start("defect-made-up", SMALL_FILES);
    let load = Load::start(&history, &broker.address(), Wanted::default());
    assert!(load.reach(50).await);
    load.end(true).await;
    let mut kept = load::read_all(&broker.address()).await;
    assert!(history.judge(&kept).violations.is_empty());
    let twice = kept[0].1.clone();
    let last = kept.iter().filter(|(place, _)| place.queue_id == 0).count() as i64;
    kept.push((rocketmq_history::Place::new(TOPIC, 0, last), twice));
    let report = history.judge(&kept);
    assert_eq!(report.count(|v| matches!(v, Violation::Duplicated { .. })), 1, "{report}");
    // And a message that the history does not know.
    let body = bytes::Bytes::from_static(b"from somebody else");
    let sent = talk::send(&talk::client(), &broker.address(), (TOPIC, 1), "", body).await;
    assert!(sent.unwrap().is_ok());
    let report = history.judge(&load::read_all(&broker.address()).await);
    assert_eq!(report.invented(), 1, "{report}");
}
