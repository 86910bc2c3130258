//! A SYNC_MASTER and its slave, killed in turn under load: what was answered SEND_OK is on both, and
//! their commit logs are one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rocketmq_testbed::load::{self, QUEUES};
use rocketmq_testbed::pair::{Pair, SYNC};
use rocketmq_testbed::random::Random;
use rocketmq_testbed::soak;
use tokio::task::block_in_place;

const ROUNDS: usize = 10;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: the stage crash of tests/run.sh runs it"]
async fn what_a_sync_master_acknowledged_is_on_the_slave_whoever_is_killed() {
    let (_, mut random) = Random::of_run("kill, SYNC_MASTER");
    let mut pair = Pair::start("sync", SYNC).await;
    let begun = Instant::now();
    let (mut round, mut killed, mut judged) = (0, BTreeMap::<&str, usize>::new(), 0);
    while round < ROUNDS || soak().is_some_and(|time| begun.elapsed() < time) {
        round += 1;
        let load = pair.load();
        load.reach(50 + random.below(400)).await;
        let whom = ["master", "slave", "both"][random.below(3)];
        *killed.entry(whom).or_default() += 1;
        if whom != "master" {
            block_in_place(|| pair.slave.running().kill());
        }
        if whom != "slave" {
            block_in_place(|| pair.master.running().kill());
        }
        tokio::time::sleep(Duration::from_micros(random.number() % 50_000)).await;
        load.end(true).await;
        if whom != "master" {
            block_in_place(|| pair.slave.boot());
        }
        if whom != "slave" {
            // The master is gone: what the slave has must do.
            pair.judge_slave().await;
            judged += 1;
            block_in_place(|| pair.master.boot());
        }
        pair.judge().await;
    }
    let kept = load::read_all(&pair.slave.address()).await;
    let report = pair.history.judge(&kept);
    assert!(report.violations.is_empty(), "on the slave: {report}");
    assert_eq!(load::read_all(&pair.master.address()).await, kept, "{QUEUES} queues");
    println!(
        "kill, SYNC_MASTER: {round} rounds in {:?}, killed {killed:?}, judged {judged} times by the slave alone; {} acknowledged by both, {} kept, 0 lost, 0 invented",
        begun.elapsed(),
        report.acknowledged,
        report.kept
    );
}
