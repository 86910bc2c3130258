//! A SYNC_MASTER and its slave, killed in turn under load: what was answered SEND_OK is on both, and
//! their commit logs are one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rocketmq_history::{History, MessageId, body};
use rocketmq_testbed::cluster::{Broker, NameServer, SMALL_FILES};
use rocketmq_testbed::load::{self, Load, QUEUES, TOPIC, Wanted};
use rocketmq_testbed::random::Random;
use rocketmq_testbed::{PATIENCE, soak, talk, wait_until};
use tokio::task::block_in_place;

const ROUNDS: usize = 10;
/// A slave asks for what is new, and reconnects, without long pauses.
const LINK: &str = "haSendHeartbeatInterval=200\nhaSlaveFallbehindMax=100000000\n";

/// Sends until it is answered SEND_OK: the slave follows.
async fn followed(address: &str, history: &History, round: u32) {
    let client = talk::client();
    let deadline = Instant::now() + PATIENCE;
    for number in 0.. {
        let id = MessageId { producer: 7_000_000 + round, number };
        history.begin(id, TOPIC, 0);
        let sent = talk::send(&client, address, (TOPIC, 0), "", Bytes::from(body::encode(id, 10)));
        let sent = sent.await.unwrap();
        if sent.is_ok() {
            history.acknowledged(id, &sent.place.unwrap(), rocketmq_history::Survival::Always);
            return;
        }
        assert!([11, 12].contains(&sent.code), "{sent:?}");
        assert!(Instant::now() < deadline, "the slave does not follow: {sent:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Segments of a log by name.
fn segments(broker: &Broker) -> BTreeMap<String, Vec<u8>> {
    let read = |path: &Path| fs::read(path).unwrap_or_default();
    let entries = fs::read_dir(broker.store().join("commitlog")).unwrap().flatten();
    let named = entries
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), read(&entry.path())));
    named.collect()
}

/// Every segment that both have is the same; one that only one has was made ahead and is empty.
fn are_one_log(master: &Broker, slave: &Broker) -> bool {
    let (own, copy) = (segments(master), segments(slave));
    let is_empty = |bytes: &Vec<u8>| bytes.iter().all(|byte| *byte == 0);
    own.iter().all(|(name, bytes)| copy.get(name).map_or(is_empty(bytes), |copy| copy == bytes))
        && copy.iter().all(|(name, bytes)| own.contains_key(name) || is_empty(bytes))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: the stage crash of tests/run.sh runs it"]
async fn what_a_sync_master_acknowledged_is_on_the_slave_whoever_is_killed() {
    let (_, mut random) = Random::of_run("kill, SYNC_MASTER");
    let history = Arc::new(History::default());
    let namesrv = block_in_place(|| NameServer::start("sync-namesrv"));
    let settings = format!("{SMALL_FILES}{LINK}namesrvAddr={}\n", namesrv.address());
    let role = format!("{settings}brokerRole=SYNC_MASTER\n");
    let mut master = block_in_place(|| Broker::start("sync-master", &role));
    let role = format!("{settings}brokerRole=SLAVE\nbrokerId=1\n");
    let mut slave = block_in_place(|| Broker::start("sync-slave", &role));
    followed(&master.address(), &history, 0).await;
    // Topics come to a slave with the next look at its master's tables.
    let deadline = Instant::now() + PATIENCE;
    while load::read_all(&slave.address()).await.is_empty() {
        assert!(Instant::now() < deadline, "the slave does not know the topic");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
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
        followed(&master.address(), &history, round as u32).await;
        let report = load::judge(&history, &master.address()).await;
        assert!(report.violations.is_empty(), "on the master: {report}");
        wait_until("the logs are one", || are_one_log(&master, &slave));
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
