//! A slave that is killed, and one that comes back with less than it had.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::Ordering;
use std::time::Instant;

use rocketmq_testbed::load::{self, Load};
use rocketmq_testbed::pair::{
    ASYNC, Mode, Pair, SYNC, told_of_no_slave, unreplicated, written_end,
};
use rocketmq_testbed::random::Random;
use rocketmq_testbed::{copy_tree, fault_rounds};
use tokio::task::block_in_place;

/// What the slave has lost when it comes back.
const LOSSES: [&str; 3] = ["nothing", "the last bytes", "all since a copy of its store"];

/// The last bytes of its log never reached the disk.
fn cut(pair: &Pair, random: &mut Random) {
    let (path, end) = written_end(&pair.slave);
    let lost = (1 + random.below(8000)).min(end as usize % 65536).max(1);
    let file = File::options().write(true).open(path).unwrap();
    file.write_all_at(&vec![0; lost], end - lost as u64).unwrap();
}

/// While the slave is away, senders hear of it or do not, as the mode says.
async fn is_missed(pair: &Pair, load: &Load) {
    match pair.mode.is_sync {
        true => told_of_no_slave(load).await,
        false => assert!(load.reach(load.acknowledged() + 100).await),
    }
}

async fn dies_and_returns(mode: Mode) {
    let (_, mut random) = Random::of_run(&format!("kill the slave, {}", mode.name));
    let mut pair = Pair::start("kill-slave", mode).await;
    let begun = Instant::now();
    let mut refused = (0, 0);
    for round in 0..fault_rounds() {
        for loss in LOSSES {
            let old = pair.slave.scratch.path().join(format!("old-{round}"));
            if loss == LOSSES[2] {
                block_in_place(|| {
                    pair.slave.running().kill();
                    copy_tree(pair.slave.store(), &old);
                    pair.slave.boot();
                });
                pair.in_step().await;
            }
            let load = pair.load();
            load.reach(50 + random.below(200)).await;
            block_in_place(|| pair.slave.running().kill());
            is_missed(&pair, &load).await;
            if loss == LOSSES[1] {
                cut(&pair, &mut random);
            } else if loss == LOSSES[2] {
                std::fs::remove_dir_all(pair.slave.store()).unwrap();
                pair.slave.move_store(old);
            }
            block_in_place(|| pair.slave.boot());
            assert!(load.reach(load.acknowledged() + 50).await, "{loss}");
            let counts = load.end(true).await;
            assert_eq!(counts.unanswered.load(Ordering::Relaxed), 0, "{loss}");
            let counts = unreplicated(&counts);
            refused = (refused.0 + counts.0, refused.1 + counts.1);
            assert!(mode.is_sync || counts == (0, 0), "{loss}: {counts:?}");
            pair.same().await;
        }
        pair.judge().await;
        let report = load::judge(&pair.history, &pair.slave.address()).await;
        assert!(report.violations.is_empty(), "on the slave: {report}");
        assert_eq!(report.kept, report.begun, "what was answered 11 or 12 is stored");
    }
    println!(
        "kill the slave, {}, losing nothing, the last bytes, or all since a copy: {} rounds in {:?}; {} acknowledged, {} times 11, {} times 12, 0 lost",
        mode.name,
        fault_rounds(),
        begun.elapsed(),
        pair.history.acknowledged_count(),
        refused.0,
        refused.1
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: the stage crash of tests/run.sh runs it"]
async fn a_slave_of_a_sync_master_dies_and_returns() {
    dies_and_returns(SYNC).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: the stage crash of tests/run.sh runs it"]
async fn a_slave_of_an_async_master_dies_and_returns() {
    dies_and_returns(ASYNC).await;
}
