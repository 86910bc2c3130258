//! Power cuts: what was not synced may be gone, in any mixture of blocks and names.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::sync::Arc;
use std::time::Instant;

use rocketmq_history::{History, Survival, Violation};
use rocketmq_testbed::cluster::{Broker, SMALL_FILES};
use rocketmq_testbed::load::{self, Load, Wanted};
use rocketmq_testbed::power::{self, Unsynced};
use rocketmq_testbed::random::Random;
use rocketmq_testbed::soak;
use tokio::task::block_in_place;

/// Cuts of one store after the other.
const CUTS_PER_STORE: usize = 5;

async fn cuts(name: &str, mode: &str, survival: Survival, stores: usize) {
    let (_, mut random) = Random::of_run(name);
    let begun = Instant::now();
    let (mut done, mut acknowledged, mut kept, mut gaps) = (0, 0, 0, 0);
    let mut store_number = 0;
    while store_number < stores || soak().is_some_and(|time| begun.elapsed() < time) {
        store_number += 1;
        let history = Arc::new(History::default());
        let mut broker = Broker::new("power", &format!("{SMALL_FILES}{mode}"));
        std::fs::create_dir_all(broker.store()).unwrap();
        for cut in 0..=CUTS_PER_STORE {
            let medium = broker.medium();
            block_in_place(|| power::begin(&medium, broker.store()));
            block_in_place(|| broker.boot());
            let mut report = load::judge(&history, &broker.address()).await;
            // Places whose messages were never on the medium stay empty.
            gaps += report.count(|violation| matches!(violation, Violation::Gap { .. }));
            report.violations.retain(|violation| !matches!(violation, Violation::Gap { .. }));
            assert!(report.violations.is_empty(), "{mode}: {report}\n{}", broker.store_errors());
            let all = load::read_all(&broker.address()).await;
            history.power_cut(&all);
            if cut == CUTS_PER_STORE {
                acknowledged += report.acknowledged;
                kept += report.kept;
                assert_eq!(block_in_place(|| broker.running().terminate()), 143);
                break;
            }
            let wanted = Wanted { senders: 16, survival, ..Wanted::default() };
            let load = Load::start(&history, &broker.address(), wanted);
            assert!(load.reach(20 + random.below(250)).await, "the broker takes no messages");
            block_in_place(|| broker.running().kill());
            load.end(false).await;
            history.crashed();
            let cut_store = broker.scratch.path().join(format!("store-{cut}"));
            let unsynced = if random.below(3) == 0 { Unsynced::Lost } else { Unsynced::Mixed };
            power::cut(&medium, broker.store(), &cut_store, unsynced, &mut random);
            broker.move_store(cut_store);
            done += 1;
        }
    }
    println!(
        "{name}: {done} cuts in {:?}; {acknowledged} acknowledged, {kept} kept, {gaps} places lost before their sync, 0 lost, 0 invented",
        begun.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: the stage crash of tests/run.sh runs it"]
async fn what_sync_flush_acknowledged_survives_power_cuts() {
    cuts("power, SYNC_FLUSH", "flushDiskType=SYNC_FLUSH\n", Survival::Always, 8).await;
}

/// Under ASYNC_FLUSH messages may be lost, but nothing is invented, moved or stuck.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: the stage crash of tests/run.sh runs it"]
async fn after_power_cuts_under_async_flush_the_broker_goes_on() {
    let mode = "flushDiskType=ASYNC_FLUSH\nflushIntervalCommitLog=50\nflushIntervalConsumeQueue=30\n\
        flushConsumeQueueThoroughInterval=100\n";
    cuts("power, ASYNC_FLUSH", mode, Survival::MayBeLost, 8).await;
}
