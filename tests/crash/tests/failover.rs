//! A master or its slave that is killed, a slave that comes back with less than it had, and name
//! servers that come and go: what is lost at most, and that clients go on.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::HashSet;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rocketmq_client::{
    ClientConfig, ConsumeFromWhere, ConsumeStatus, Message, Producer, PushConsumer, SendStatus,
};
use rocketmq_history::{History, Place, body};
use rocketmq_testbed::cluster::{Broker, NameServer, SMALL_FILES};
use rocketmq_testbed::load::{self, Load, TOPIC, Wanted};
use rocketmq_testbed::pair::{Pair, followed, unreplicated, written_end};
use rocketmq_testbed::proxy::Fault;
use rocketmq_testbed::random::Random;
use rocketmq_testbed::{PATIENCE, copy_tree, soak, until};
use tokio::task::block_in_place;

const SYNC: &str = "brokerRole=SYNC_MASTER\n";

fn wanted(goes_on: bool) -> Wanted {
    Wanted { consumes: false, goes_on, ..Wanted::default() }
}

/// A client that looks at its routes often.
fn client_of(name_servers: &str) -> ClientConfig {
    ClientConfig {
        namesrv_addr: Some(name_servers.to_string()),
        poll_name_server_interval: Duration::from_millis(200),
        heartbeat_broker_interval: Duration::from_millis(500),
        persist_consumer_offset_interval: Duration::from_millis(200),
        ..ClientConfig::default()
    }
}

/// A consumer of the load's topic, from its begin, and the bodies it was handed.
async fn consumer_of(name_servers: &str) -> (PushConsumer, Arc<Mutex<HashSet<Vec<u8>>>>) {
    let seen: Arc<Mutex<HashSet<Vec<u8>>>> = Arc::default();
    let handed = Arc::clone(&seen);
    let consumer = PushConsumer::builder("failover_consumer")
        .client_config(client_of(name_servers))
        .consume_from(ConsumeFromWhere::FirstOffset)
        .subscribe(TOPIC, "*")
        .on_messages(move |delivery| {
            handed
                .lock()
                .extend(delivery.messages.iter().map(|message| message.message.body.to_vec()));
            async { ConsumeStatus::Success }
        });
    (consumer.start().await.unwrap(), seen)
}

/// What a consumer lacks of what the queues hold.
fn lacks(seen: &Mutex<HashSet<Vec<u8>>>, kept: &[(Place, Vec<u8>)]) -> usize {
    let seen = seen.lock();
    kept.iter().filter(|(_, body)| !seen.contains(body)).count()
}

/// Kills the master under load, with a consumer that then has to read from the slave, until the
/// master is back; returns how many acknowledged messages the slave alone lacks. With `behind`,
/// so many are acknowledged while nothing reaches the slave.
async fn kill_master(
    pair: &mut Pair,
    history: &Arc<History>,
    random: &mut Random,
    behind: usize,
) -> usize {
    let (consumer, seen) = consumer_of(&pair.namesrv.address()).await;
    let load = Load::start(history, &pair.master.address(), wanted(false));
    assert!(load.reach(200 + random.below(400)).await);
    if behind > 0 {
        pair.link.set(Fault::Hold);
        assert!(load.reach(load.acknowledged() + behind).await);
    }
    block_in_place(|| pair.master.running().kill());
    load.end(true).await;
    // What the slave has is all there is, in order and without gaps.
    let kept = load::read_all(&pair.slave.address()).await;
    let report = history.judge(&kept);
    assert_eq!(report.violations.len(), report.lost(), "on the slave: {report}");
    until("the consumer goes on with the slave", async || lacks(&seen, &kept) == 0).await;
    pair.link.set(Fault::None);
    block_in_place(|| pair.master.boot());
    // The process was killed, not the machine: nothing is lost once it is back.
    followed(&pair.master.address(), history).await;
    pair.same().await;
    let kept = load::read_all(&pair.master.address()).await;
    let of_master = history.judge(&kept);
    assert!(of_master.violations.is_empty(), "on the master: {of_master}");
    until("the consumer goes on with the master", async || lacks(&seen, &kept) == 0).await;
    consumer.shutdown().await;
    report.lost()
}

/// The modes, their settings, and how many messages the slave is kept from.
const MODES: [(&str, &str, &str, usize); 3] = [
    ("ASYNC_MASTER", "", "", 100),
    ("SYNC_MASTER", SYNC, "", 0),
    ("SYNC_MASTER with SYNC_FLUSH", SYNC, "flushDiskType=SYNC_FLUSH\n", 0),
];

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: the stage crash of tests/run.sh runs it"]
async fn consumers_go_on_with_the_slave_of_a_killed_master() {
    for (mode, role, of_both, behind) in MODES {
        let (_, mut random) = Random::of_run(&format!("kill the master, {mode}"));
        let history = Arc::new(History::default());
        let mut pair = Pair::start("kill-master", role, of_both, &history).await;
        let begun = Instant::now();
        let (mut rounds, mut lacking) = (0, 0);
        while rounds == 0 || soak().is_some_and(|time| begun.elapsed() < time / 3) {
            rounds += 1;
            let lacked = kill_master(&mut pair, &history, &mut random, behind).await;
            match behind {
                0 => assert_eq!(lacked, 0, "acknowledged, and on no slave"),
                _ => assert!(lacked >= behind / 2, "{lacked}: the fault had no effect"),
            }
            lacking += lacked;
        }
        println!(
            "kill the master, {mode}: {rounds} rounds in {:?}; {} acknowledged, {lacking} of them not on the slave when the master went, 0 lost once it was back",
            begun.elapsed(),
            history.acknowledged_count()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: the stage crash of tests/run.sh runs it"]
async fn a_sync_master_goes_on_without_its_slave_and_says_so() {
    let (_, mut random) = Random::of_run("kill the slave, SYNC_MASTER");
    let history = Arc::new(History::default());
    let mut pair = Pair::start("kill-slave", SYNC, "", &history).await;
    let begun = Instant::now();
    let (mut rounds, mut refused) = (0, (0, 0));
    while rounds == 0 || soak().is_some_and(|time| begun.elapsed() < time) {
        rounds += 1;
        let load = Load::start(&history, &pair.master.address(), wanted(false));
        load.reach(50 + random.below(200)).await;
        block_in_place(|| pair.slave.running().kill());
        until("it says that there is no slave", async || unreplicated(&load).0 > 100).await;
        block_in_place(|| pair.slave.boot());
        let before = load.acknowledged();
        assert!(load.reach(before + 100).await, "round {rounds}");
        let counts = unreplicated(&load);
        refused = (refused.0 + counts.0, refused.1 + counts.1);
        assert_eq!(load.end(true).await.unanswered.load(Ordering::Relaxed), 0);
        pair.same().await;
        let report = load::judge(&history, &pair.slave.address()).await;
        assert!(report.violations.is_empty(), "on the slave: {report}");
        assert_eq!(report.kept, report.begun, "what was answered 11 or 12 is stored");
    }
    println!(
        "kill the slave, SYNC_MASTER: {rounds} rounds in {:?}; {} acknowledged by both, {} times 11, {} times 12, 0 lost",
        begun.elapsed(),
        history.acknowledged_count(),
        refused.0,
        refused.1
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: the stage crash of tests/run.sh runs it"]
async fn a_slave_that_lost_its_tail_catches_up() {
    let (_, mut random) = Random::of_run("lost tail");
    let history = Arc::new(History::default());
    let mut pair = Pair::start("lost-tail", SYNC, "", &history).await;
    let begun = Instant::now();
    let (mut rounds, mut cut) = (0, 0);
    while rounds < 2 || soak().is_some_and(|time| begun.elapsed() < time) {
        rounds += 1;
        let load = Load::start(&history, &pair.master.address(), wanted(false));
        load.reach(100 + random.below(200)).await;
        block_in_place(|| pair.slave.running().kill());
        if rounds % 2 == 0 {
            // An older copy of its store.
            let old = pair.slave.scratch.path().join("old");
            copy_tree(pair.slave.store(), &old);
            block_in_place(|| pair.slave.boot());
            assert!(load.reach(load.acknowledged() + 200).await);
            block_in_place(|| pair.slave.running().kill());
            std::fs::remove_dir_all(pair.slave.store()).unwrap();
            std::fs::rename(&old, pair.slave.store()).unwrap();
        } else {
            // The last bytes of its log never reached the disk.
            let (path, end) = written_end(&pair.slave);
            let lost = (1 + random.below(8000)).min(end as usize - 1);
            cut += lost;
            let file = File::options().write(true).open(path).unwrap();
            file.write_all_at(&vec![0; lost], end - lost as u64).unwrap();
        }
        block_in_place(|| pair.slave.boot());
        assert!(load.reach(load.acknowledged() + 50).await);
        assert_eq!(load.end(true).await.unanswered.load(Ordering::Relaxed), 0);
        pair.same().await;
        let report = load::judge(&history, &pair.slave.address()).await;
        assert!(report.violations.is_empty(), "on the slave: {report}");
        assert_eq!(report.kept, report.begun, "on the slave: {report}");
    }
    println!(
        "lost tail of a slave: {rounds} rounds in {:?}; {cut} bytes cut, {} acknowledged, 0 lost, the logs the same",
        begun.elapsed(),
        history.acknowledged_count()
    );
}

/// Sends some by the client; all must be stored.
async fn send_some(producer: &Producer, sent: &mut HashSet<Vec<u8>>) {
    for _ in 0..20 {
        let id = rocketmq_history::MessageId { producer: 8_000_000, number: sent.len() as u32 };
        let bytes = body::encode(id, 10);
        let result = producer.send(Message::new(TOPIC, bytes.clone())).await.unwrap();
        assert_eq!(result.status, SendStatus::SendOk);
        sent.insert(bytes);
    }
}

/// Waits until a name server alone leads a new client to the topic.
async fn leads(name_server: &NameServer) {
    let deadline = Instant::now() + PATIENCE;
    let config = client_of(&name_server.address());
    let producer = Producer::builder("asks").client_config(config).start().await.unwrap();
    while producer.fetch_publish_queues(TOPIC).await.is_err() {
        assert!(Instant::now() < deadline, "the broker does not register");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    producer.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: the stage crash of tests/run.sh runs it"]
async fn one_name_server_of_two_is_enough_and_an_empty_one_learns() {
    let mut servers = block_in_place(|| ["ns-a", "ns-b"].map(NameServer::start));
    // The second one starts late.
    block_in_place(|| servers[1].daemon.kill());
    let both = format!("{};{}", servers[0].address(), servers[1].address());
    // Java's least time between registrations is 10 s.
    let settings = format!("{SMALL_FILES}namesrvAddr={both}\nregisterNameServerPeriod=10000\n");
    let broker = block_in_place(|| Broker::start("ns-broker", &settings));
    let history = Arc::new(History::default());
    // Makes the topic.
    followed(&broker.address(), &history).await;
    let begun = Instant::now();
    let producer = Producer::builder("sends").client_config(client_of(&both));
    let producer = producer.start().await.unwrap();
    let (consumer, seen) = consumer_of(&both).await;
    let mut sent = HashSet::new();
    send_some(&producer, &mut sent).await;
    let mut rounds = 0;
    while rounds == 0 || soak().is_some_and(|time| begun.elapsed() < time) {
        rounds += 1;
        let (dies, comes) = if rounds % 2 == 1 { (0, 1) } else { (1, 0) };
        block_in_place(|| servers[comes].boot_again());
        leads(&servers[comes]).await;
        block_in_place(|| servers[dies].daemon.kill());
        send_some(&producer, &mut sent).await;
        // Whoever starts now finds the way, too.
        let new = Producer::builder("sends_too").client_config(client_of(&both));
        let new = new.start().await.unwrap();
        send_some(&new, &mut sent).await;
        new.shutdown().await;
    }
    until("all is consumed", async || sent.is_subset(&seen.lock())).await;
    consumer.shutdown().await;
    producer.shutdown().await;
    println!(
        "name servers: {rounds} rounds in {:?}; {} sent and consumed, 0 refused",
        begun.elapsed(),
        sent.len()
    );
}
