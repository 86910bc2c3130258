//! A master that is killed, that comes back without the end of its log, or elsewhere.

use std::fs;
use std::time::Instant;

use bytes::Bytes;
use rocketmq_protocol::RequestCode;
use rocketmq_testbed::daemon::free_port;
use rocketmq_testbed::load::{self, GROUP, TOPIC};
use rocketmq_testbed::pair::{ASYNC, Mode, Pair, SYNC, SYNC_FLUSH, replica_state};
use rocketmq_testbed::proxy::Fault;
use rocketmq_testbed::random::Random;
use rocketmq_testbed::{copy_tree, fault_rounds, talk, until};
use tokio::task::block_in_place;

use crate::clients::Consumer;

/// So many are acknowledged by an ASYNC_MASTER while nothing reaches its slave.
const BEHIND: usize = 100;

/// Kills the master under load; the consumer reads on from the slave. Returns how many acknowledged
/// messages the slave alone lacks. The master is still away then.
async fn kill(pair: &mut Pair, consumer: &Consumer, random: &mut Random) -> usize {
    let load = pair.load();
    load.reach(100 + random.below(300)).await;
    if !pair.mode.is_sync {
        pair.link.set(Fault::Hold);
        load.reach(load.acknowledged() + BEHIND).await;
    }
    block_in_place(|| pair.master.running().kill());
    load.end(true).await;
    let lacking = pair.judge_slave().await;
    let kept = load::read_all(&pair.slave.address()).await;
    until("the consumer goes on with the slave", async || consumer.has(&kept)).await;
    lacking
}

/// Another group moves on at the slave; its offset, which must not go back.
async fn move_on_at_the_slave(pair: &Pair) -> i64 {
    let (client, slave) = (talk::client(), pair.slave.address());
    let offset = talk::bound(&client, &slave, RequestCode::GET_MAX_OFFSET, TOPIC, 0).await;
    pair.history.offset_begun(GROUP, TOPIC, 0, offset);
    let stored = talk::store_offset(&client, &slave, GROUP, (TOPIC, 0), offset).await;
    assert_eq!(stored.unwrap().code, 0);
    pair.history.offset_stored(GROUP, TOPIC, 0, offset);
    offset
}

/// The master is back: nothing is lost, no offset has gone back, the consumer goes on.
async fn is_back(pair: &Pair, consumer: &Consumer, moved: i64) {
    let (client, master, slave) = (talk::client(), pair.master.address(), pair.slave.address());
    pair.link.set(Fault::None);
    until("the master knows what was consumed", async || {
        talk::stored_offset(&client, &master, GROUP, (TOPIC, 0)).await >= Some(moved)
    })
    .await;
    // The process was killed, not the machine.
    pair.judge().await;
    let own = talk::stored_offset(&client, &slave, GROUP, (TOPIC, 0)).await;
    assert!(own >= Some(moved), "an offset went back to {own:?} from {moved}");
    let kept = load::read_all(&master).await;
    until("the consumer goes on with the master", async || consumer.has(&kept)).await;
}

async fn dies_and_returns(mode: Mode) {
    let (_, mut random) = Random::of_run(&format!("kill the master, {}", mode.name));
    let mut pair = Pair::start("kill-master", mode).await;
    let consumer = Consumer::start(&pair.namesrv_addr()).await;
    let begun = Instant::now();
    let mut lacking = 0;
    for _ in 0..fault_rounds() {
        let lacked = kill(&mut pair, &consumer, &mut random).await;
        assert!(mode.is_sync || lacked >= BEHIND / 2, "{lacked}: the fault had no effect");
        lacking += lacked;
        let moved = move_on_at_the_slave(&pair).await;
        block_in_place(|| pair.master.boot());
        is_back(&pair, &consumer, moved).await;
    }
    consumer.end().await;
    println!(
        "kill the master, {}: {} rounds in {:?}; {} acknowledged, {lacking} of them not on the slave when the master went, 0 lost once it was back",
        mode.name,
        fault_rounds(),
        begun.elapsed(),
        pair.history.acknowledged_count()
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: the stage crash of tests/run.sh runs it"]
async fn an_async_master_dies_and_returns() {
    dies_and_returns(ASYNC).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: the stage crash of tests/run.sh runs it"]
async fn a_sync_master_dies_and_returns() {
    dies_and_returns(SYNC).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: the stage crash of tests/run.sh runs it"]
async fn a_sync_master_that_flushes_dies_and_returns() {
    dies_and_returns(SYNC_FLUSH).await;
}

/// The master comes back with an older copy of its store.
async fn lose_the_end(pair: &mut Pair, random: &mut Random) {
    let old = pair.master.scratch.path().join("older");
    block_in_place(|| {
        pair.master.running().kill();
        copy_tree(pair.master.store(), &old);
        pair.master.boot();
    });
    pair.in_step().await;
    let load = pair.load();
    load.reach(50 + random.below(300)).await;
    block_in_place(|| pair.master.running().kill());
    load.end(true).await;
    pair.master.move_store(old);
    block_in_place(|| pair.master.boot());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: the stage crash of tests/run.sh runs it"]
async fn a_master_without_the_end_of_its_log_is_not_followed_until_the_slave_begins_anew() {
    let (_, mut random) = Random::of_run("the master lost its tail");
    let begun = Instant::now();
    let mut acknowledged = 0;
    for _ in 0..fault_rounds() {
        let mut pair = Pair::start("master-tail", SYNC).await;
        lose_the_end(&mut pair, &mut random).await;
        let slave = pair.slave.address();
        until("the slave says so", async || replica_state(&slave, "divergence").await.is_some())
            .await;
        let log = pair.slave.scratch.path().join("logs/rocketmqlogs/store.log");
        until("it logs it", async || {
            fs::read_to_string(&log).unwrap().contains("slave does not follow master")
        })
        .await;
        // What was acknowledged is still on the slave, and no send is acknowledged without it.
        assert_eq!(pair.judge_slave().await, 0);
        let (client, master) = (talk::client(), pair.master.address());
        let sent = talk::send(&client, &master, (TOPIC, 0), "", Bytes::from("x")).await;
        assert_eq!(sent.unwrap().code, 11);
        acknowledged += pair.history.acknowledged_count();
        // The repair that the line names: what only the slave has stays in the copy.
        let empty = pair.slave.scratch.path().join("anew");
        pair.slave.running().terminate();
        pair.slave.move_store(empty);
        block_in_place(|| pair.slave.boot());
        pair.same().await;
        until("nothing is amiss", async || replica_state(&slave, "divergence").await.is_none())
            .await;
    }
    println!(
        "lost tail of a master: {} rounds in {:?}; {acknowledged} acknowledged, 0 of them not on the slave, {0} times repaired",
        fault_rounds(),
        begun.elapsed(),
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: the stage crash of tests/run.sh runs it"]
async fn a_master_that_moves_is_found_again_by_slave_and_clients() {
    let (_, mut random) = Random::of_run("move the master");
    let mut pair = Pair::start("move-master", SYNC).await;
    // Only the name servers tell the slave where its master is.
    pair.slave.running().terminate();
    pair.slave.settings = without_fixed_master(&pair.slave.settings);
    block_in_place(|| pair.slave.boot());
    let consumer = Consumer::start(&pair.namesrv_addr()).await;
    let begun = Instant::now();
    for _ in 0..fault_rounds() {
        let load = pair.load();
        load.reach(50 + random.below(100)).await;
        block_in_place(|| pair.master.running().kill());
        load.end(true).await;
        pair.judge_slave().await;
        pair.master.port = free_port();
        block_in_place(|| pair.master.boot());
        pair.judge().await;
        let kept = load::read_all(&pair.master.address()).await;
        until("the consumer finds it", async || consumer.has(&kept)).await;
    }
    consumer.end().await;
    println!(
        "move the master: {} rounds in {:?}; {} acknowledged, 0 lost",
        fault_rounds(),
        begun.elapsed(),
        pair.history.acknowledged_count()
    );
}

/// A slave's settings without the place of its master.
pub(crate) fn without_fixed_master(settings: &str) -> String {
    let lines = settings.lines().filter(|line| !line.starts_with("haMasterAddress="));
    lines.map(|line| format!("{line}\n")).collect()
}
