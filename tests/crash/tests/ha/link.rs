//! The link between master and slave is cut, cut one way, or slow: what was answered SEND_OK is on
//! both, what was answered 11 or 12 is stored, and the logs become one again.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rocketmq_testbed::fault_rounds;
use rocketmq_testbed::load;
use rocketmq_testbed::pair::{ASYNC, Mode, Pair, SYNC, told_of_no_slave, unreplicated};
use rocketmq_testbed::proxy::Fault;
use rocketmq_testbed::random::Random;

/// More than half of what a sender waits.
const LATE: Fault = Fault::Delay(Duration::from_millis(400));

/// What happens to the slave's reports, and to the master's bytes; and whether a sender that waits
/// for the slave notices. Slow is not broken.
const FAULTS: [(&str, Fault, Fault, bool); 10] = [
    ("both ways cut", Fault::Partition, Fault::Partition, true),
    ("both ways held up", Fault::Hold, Fault::Hold, true),
    ("reports cut", Fault::HalfOpen, Fault::None, true),
    ("reports held up", Fault::Hold, Fault::None, true),
    ("bytes cut", Fault::None, Fault::HalfOpen, true),
    ("bytes held up", Fault::None, Fault::Hold, true),
    ("slow", Fault::None, Fault::Delay(Duration::from_millis(10)), false),
    ("byte by byte", Fault::SingleBytes, Fault::SingleBytes, false),
    ("slower than a sender waits", LATE, LATE, true),
    ("reset", Fault::Reset, Fault::Reset, true),
];

async fn fails(mode: Mode) {
    let (_, mut random) = Random::of_run(&format!("link, {}", mode.name));
    let pair = Pair::start("link", mode).await;
    let begun = Instant::now();
    let mut refused = (0, 0);
    for _ in 0..fault_rounds() {
        for (what, reports, bytes, is_noticed) in FAULTS {
            let load = pair.load();
            load.reach(20 + random.below(60)).await;
            pair.link.set_ways(reports, bytes);
            match is_noticed && mode.is_sync {
                true => told_of_no_slave(&load).await,
                false => assert!(load.reach(load.acknowledged() + 40).await, "{what}"),
            }
            let counts = load.end(true).await;
            assert_eq!(counts.unanswered.load(Ordering::Relaxed), 0, "{what}");
            let counts = unreplicated(&counts);
            refused = (refused.0 + counts.0, refused.1 + counts.1);
            assert!(mode.is_sync || counts == (0, 0), "{what}: {counts:?}");
            // The slave has what was acknowledged, whatever the network does now.
            pair.judge_slave().await;
            pair.link.set(Fault::None);
            pair.in_step().await;
        }
        pair.judge().await;
        let report = load::judge(&pair.history, &pair.slave.address()).await;
        assert!(report.violations.is_empty(), "on the slave: {report}");
        // Every send was answered, and whatever the answer was, it is stored.
        assert_eq!(report.kept, report.begun, "{report}");
    }
    println!(
        "link, {}: {} rounds of {} faults in {:?}; {} acknowledged, {} times 11, {} times 12, 0 lost",
        mode.name,
        fault_rounds(),
        FAULTS.len(),
        begun.elapsed(),
        pair.history.acknowledged_count(),
        refused.0,
        refused.1
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: the stage crash of tests/run.sh runs it"]
async fn the_link_of_a_sync_master_fails() {
    fails(SYNC).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: the stage crash of tests/run.sh runs it"]
async fn the_link_of_an_async_master_fails() {
    fails(ASYNC).await;
}
