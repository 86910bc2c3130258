//! A master and its slave whose link is cut, cut one way, or slow: what was answered SEND_OK is on
//! both, what was answered 11 or 12 is stored, and the logs become one again.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rocketmq_history::History;
use rocketmq_testbed::load::{self, Load, Wanted};
use rocketmq_testbed::pair::{Pair, followed, unreplicated};
use rocketmq_testbed::proxy::Fault;
use rocketmq_testbed::{soak, until};

/// A dead link is given up within a second; a sender waits a fifth of that for the slave.
const PATIENCE_OF_LINK: &str = "haHousekeepingInterval=1000\nsyncFlushTimeout=200\n";

/// What happens to the slave's reports, and to the master's bytes; and whether a sender notices.
const FAULTS: [(&str, Fault, Fault, bool); 8] = [
    ("both ways cut", Fault::Partition, Fault::Partition, true),
    ("both ways held up", Fault::Hold, Fault::Hold, true),
    ("reports cut", Fault::HalfOpen, Fault::None, true),
    ("reports held up", Fault::Hold, Fault::None, true),
    ("bytes cut", Fault::None, Fault::HalfOpen, true),
    ("bytes held up", Fault::None, Fault::Hold, true),
    ("slow", Fault::None, Fault::Delay(Duration::from_millis(10)), false),
    (
        "slower than a sender waits",
        Fault::Delay(Duration::from_millis(150)),
        Fault::Delay(Duration::from_millis(150)),
        true,
    ),
];

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: the stage crash of tests/run.sh runs it"]
async fn a_sync_master_says_what_its_link_does_and_loses_nothing() {
    let history = Arc::new(History::default());
    let role = format!("brokerRole=SYNC_MASTER\n{PATIENCE_OF_LINK}");
    let pair = Pair::start("link-sync", &role, PATIENCE_OF_LINK, &history).await;
    let begun = Instant::now();
    let (mut rounds, mut first) = (0, true);
    while first || soak().is_some_and(|time| begun.elapsed() < time) {
        for (what, reports, bytes, is_noticed) in FAULTS {
            rounds += 1;
            let wanted = Wanted { consumes: false, ..Wanted::default() };
            let load = Load::start(&history, &pair.master.address(), wanted);
            load.reach(50).await;
            let before = unreplicated(&load);
            pair.link.set_ways(reports, bytes);
            if is_noticed {
                until(what, async || unreplicated(&load).1 > before.1 + 8).await;
            } else {
                load.reach(load.acknowledged() + 200).await;
            }
            // What was stored before the link works again is what 11 and 12 are for.
            pair.link.set(Fault::None);
            followed(&pair.master.address(), &history).await;
            let counts = unreplicated(&load);
            let counted = load.end(true).await;
            assert_eq!(counted.unanswered.load(Ordering::Relaxed), 0, "{what}");
            pair.same().await;
            let report = load::judge(&history, &pair.slave.address()).await;
            assert!(report.violations.is_empty(), "{what}: {report}");
            // Every send was answered, and whatever the answer was, it is stored.
            assert_eq!(report.kept, report.begun, "{what}");
            if first {
                println!(
                    "link, SYNC_MASTER, {what}: {} acknowledged by both, {} times 11, {} times 12; 0 lost",
                    counted.acknowledged.load(Ordering::Relaxed),
                    counts.0,
                    counts.1
                );
            }
        }
        first = false;
    }
    println!("link, SYNC_MASTER: {rounds} faults in {:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: the stage crash of tests/run.sh runs it"]
async fn senders_to_an_async_master_notice_nothing_of_its_link() {
    let history = Arc::new(History::default());
    let pair = Pair::start("link-async", PATIENCE_OF_LINK, PATIENCE_OF_LINK, &history).await;
    let begun = Instant::now();
    let (mut rounds, mut first) = (0, true);
    while first || soak().is_some_and(|time| begun.elapsed() < time) {
        for (what, reports, bytes, _) in FAULTS {
            rounds += 1;
            let wanted = Wanted { consumes: false, ..Wanted::default() };
            let load = Load::start(&history, &pair.master.address(), wanted);
            pair.link.set_ways(reports, bytes);
            assert!(load.reach(300).await, "{what}");
            pair.link.set(Fault::None);
            let counted = load.end(true).await;
            assert_eq!(counted.unanswered.load(Ordering::Relaxed), 0, "{what}");
            assert!(counted.refused.lock().is_empty(), "{what}");
            pair.same().await;
            let report = load::judge(&history, &pair.slave.address()).await;
            assert!(report.violations.is_empty(), "{what}: {report}");
        }
        first = false;
    }
    println!(
        "link, ASYNC_MASTER: {rounds} faults in {:?}; {} acknowledged, 0 refused, 0 lost",
        begun.elapsed(),
        history.acknowledged_count()
    );
}
