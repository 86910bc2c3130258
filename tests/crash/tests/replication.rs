//! A SYNC_MASTER and its slave, killed in turn under load: what was answered SEND_OK is on both, and
//! their commit logs are one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rocketmq_history::History;
use rocketmq_testbed::load::{self, Load, QUEUES, Wanted};
use rocketmq_testbed::pair::{Pair, are_one_log, followed};
use rocketmq_testbed::random::Random;
use rocketmq_testbed::{soak, wait_until};
use tokio::task::block_in_place;

const ROUNDS: usize = 10;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: the stage crash of tests/run.sh runs it"]
async fn what_a_sync_master_acknowledged_is_on_the_slave_whoever_is_killed() {
    let (_, mut random) = Random::of_run("kill, SYNC_MASTER");
    let history = Arc::new(History::default());
    let mut pair = Pair::start("sync", "brokerRole=SYNC_MASTER\n", "", &history).await;
    let Pair { master, slave, .. } = &mut pair;
    let begun = Instant::now();
    let (mut round, mut killed, mut judged) = (0, BTreeMap::<&str, usize>::new(), 0);
    while round < ROUNDS || soak().is_some_and(|time| begun.elapsed() < time) {
        round += 1;
        let wanted = Wanted { consumes: false, goes_on: true, ..Wanted::default() };
        let load = Load::start(&history, &master.address(), wanted);
        load.reach(50 + random.below(400)).await;
        let whom = ["master", "slave", "both"][random.below(3)];
        *killed.entry(whom).or_default() += 1;
        if whom != "master" {
            block_in_place(|| slave.running().kill());
        }
        if whom != "slave" {
            block_in_place(|| master.running().kill());
        }
        tokio::time::sleep(Duration::from_micros(random.number() % 50_000)).await;
        load.end(true).await;
        if whom != "master" {
            block_in_place(|| slave.boot());
        }
        if whom != "slave" {
            // The master is gone: what the slave has must do.
            let report = history.judge(&load::read_all(&slave.address()).await);
            assert_eq!(report.lost(), 0, "on the slave: {report}\n{}", slave.store_errors());
            judged += 1;
            block_in_place(|| master.boot());
        }
        followed(&master.address(), &history).await;
        let report = load::judge(&history, &master.address()).await;
        assert!(report.violations.is_empty(), "on the master: {report}");
        wait_until("the logs are one", || are_one_log(master, slave));
    }
    let kept = load::read_all(&slave.address()).await;
    let report = history.judge(&kept);
    assert!(report.violations.is_empty(), "on the slave: {report}");
    assert_eq!(load::read_all(&master.address()).await, kept, "{QUEUES} queues");
    println!(
        "kill, SYNC_MASTER: {round} rounds in {:?}, killed {killed:?}, judged {judged} times by the slave alone; {} acknowledged by both, {} kept, 0 lost, 0 invented",
        begun.elapsed(),
        report.acknowledged,
        report.kept
    );
}
