//! Masters, slaves and name servers under faults, judged by a history: what each mode may lose, and
//! nothing else; and what comes back by itself.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rocketmq_history::{History, MessageId, body};
use rocketmq_protocol::RequestCode;
use rocketmq_remoting::Request;
use rocketmq_testbed::cluster::{Broker, NameServer, SMALL_FILES};
use rocketmq_testbed::load::{self, GROUP, Load, TOPIC, Wanted};
use rocketmq_testbed::proxy::{Fault, Proxy};
use rocketmq_testbed::random::Random;
use rocketmq_testbed::{copy_tree, soak, talk, until};
use tokio::task::block_in_place;

/// Signs of life, time-outs and registrations come often.
const SHORT: &str = "haSendHeartbeatInterval=200\nhaHousekeepingInterval=1000\nsyncFlushTimeout=500\n\
    haSlaveFallbehindMax=100000000\nregisterNameServerPeriod=10000\nflushConsumerOffsetInterval=200\n";

fn rounds() -> usize {
    if soak().is_some() { 50 } else { 1 }
}

/// A master and its slave, with a network between their logs.
struct Pair {
    name: &'static str,
    is_sync: bool,
    history: Arc<History>,
    name_servers: Vec<NameServer>,
    link: Proxy,
    master: Broker,
    slave: Broker,
    probes: u32,
}

impl Pair {
    async fn start(name: &'static str, role: &str) -> Pair {
        let name_servers: Vec<_> =
            block_in_place(|| (0..2).map(|_| NameServer::start(name)).collect());
        let addresses: Vec<_> = name_servers.iter().map(NameServer::address).collect();
        let settings = format!("{SMALL_FILES}{SHORT}namesrvAddr={}\n", addresses.join(";"));
        let master = Broker::new(name, &format!("{settings}brokerRole={role}\n"));
        let link = Proxy::start(master.port + 1).await;
        let slave = Broker::new(
            name,
            &format!(
                "{settings}brokerRole=SLAVE\nbrokerId=1\nhaMasterAddress={}\nhaFullSync=true\n",
                link.address()
            ),
        );
        let history = Arc::default();
        let is_sync = role == "SYNC_MASTER";
        let mut pair =
            Pair { name, is_sync, history, name_servers, link, master, slave, probes: 0 };
        block_in_place(|| {
            pair.master.boot();
            pair.slave.boot();
        });
        pair.in_step().await;
        let slave = pair.slave.address();
        until("the slave knows the topic", async || !load::read_all(&slave).await.is_empty()).await;
        pair
    }

    fn load(&self) -> Load {
        let wanted = Wanted { consumes: false, goes_on: true, ..Wanted::default() };
        Load::start(&self.history, &self.master.address(), wanted)
    }

    /// Sends until the slave has what was sent.
    async fn in_step(&mut self) {
        let client = talk::client();
        let (master, slave) = (self.master.address(), self.slave.address());
        let (name, history, probes) = (self.name, Arc::clone(&self.history), &mut self.probes);
        until(name, async || {
            *probes += 1;
            let id = MessageId { producer: 8_000_000, number: *probes };
            history.begin(id, TOPIC, 0);
            let body = Bytes::from(body::encode(id, 10));
            let Ok(sent) = talk::send(&client, &master, (TOPIC, 0), "", body).await else {
                return false;
            };
            if let Some(place) = sent.place.filter(|_| sent.code == 0) {
                history.acknowledged(id, &place, rocketmq_history::Survival::Always);
            }
            let (own, copy) = (log_end(&master).await, log_end(&slave).await);
            sent.code == 0 && own.is_some() && own == copy
        })
        .await;
    }

    /// Judges what the master holds, and that the slave holds the same.
    async fn judge(&mut self) {
        self.in_step().await;
        let report = load::judge(&self.history, &self.master.address()).await;
        assert!(report.violations.is_empty(), "{}: on the master: {report}", self.name);
        let (master, slave) = (self.master.address(), self.slave.address());
        until("both hold the same", async || {
            load::read_all(&master).await == load::read_all(&slave).await
        })
        .await;
        println!("{}: {} acknowledged, {} kept", self.name, report.acknowledged, report.kept);
    }

    /// What the slave alone holds, the master being gone: all that a SYNC_MASTER acknowledged. Of
    /// an ASYNC_MASTER's it may lack the end; what it has is right.
    async fn judge_slave(&self) -> usize {
        let report = self.history.judge(&load::read_all(&self.slave.address()).await);
        let lost = report.lost();
        if self.is_sync {
            assert_eq!(lost, 0, "{}: on the slave: {report}", self.name);
        }
        assert_eq!(report.violations.len(), lost, "{}: on the slave: {report}", self.name);
        lost
    }
}

/// A broker's REPLICA_STATE, a field of it.
async fn replica_state(address: &str, field: &str) -> Option<String> {
    let fields = [
        ("about", "state"),
        ("brokerName", "broker-a"),
        ("brokerId", "0"),
        ("brokerAddr", "test"),
        ("maxOffset", "0"),
    ];
    let fields = &fields[..];
    let request = Request::new(RequestCode::REPLICA_STATE).fields(&fields);
    let frame = talk::client().invoke(address, request, talk::TIMEOUT).await.ok()?;
    frame.fields().get(field).map(|value| value.text().into_owned())
}

async fn log_end(address: &str) -> Option<String> {
    replica_state(address, "maxOffset").await
}

/// Waits until sends are answered that no slave has them.
async fn told_of_no_slave(load: &Load) {
    until("sends are told that no slave has them", async || {
        load.counts.refused.lock().keys().any(|code| [11, 12].contains(code))
    })
    .await;
}

async fn master_dies(role: &str, name: &'static str) {
    let (_, mut random) = Random::of_run(name);
    let mut pair = Pair::start(name, role).await;
    for _ in 0..rounds() {
        let load = pair.load();
        load.reach(50 + random.below(300)).await;
        block_in_place(|| pair.master.running().kill());
        load.end(true).await;
        println!("{name}: {} only on the master", pair.judge_slave().await);
        // Consumers turn to the slave.
        let (client, slave) = (talk::client(), pair.slave.address());
        let offset = talk::bound(&client, &slave, RequestCode::GET_MAX_OFFSET, TOPIC, 0).await;
        pair.history.offset_begun(GROUP, TOPIC, 0, offset);
        let stored = talk::store_offset(&client, &slave, GROUP, (TOPIC, 0), offset).await;
        assert_eq!(stored.unwrap().code, 0);
        pair.history.offset_stored(GROUP, TOPIC, 0, offset);
        block_in_place(|| pair.master.boot());
        let (client, master) = (talk::client(), pair.master.address());
        until("the master knows what was consumed", async || {
            talk::stored_offset(&client, &master, GROUP, (TOPIC, 0)).await >= Some(offset)
        })
        .await;
        pair.judge().await;
        let own = talk::stored_offset(&client, &slave, GROUP, (TOPIC, 0)).await;
        assert!(own >= Some(offset), "an offset went back to {own:?} from {offset}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: the stage crash of tests/run.sh runs it"]
async fn an_async_master_dies_and_returns() {
    master_dies("ASYNC_MASTER", "async-master").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: the stage crash of tests/run.sh runs it"]
async fn a_sync_master_dies_and_returns() {
    master_dies("SYNC_MASTER", "sync-master").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: the stage crash of tests/run.sh runs it"]
async fn a_slave_dies_and_returns_also_without_the_end_of_its_log() {
    let name = "slave-dies";
    let (_, mut random) = Random::of_run(name);
    let mut pair = Pair::start(name, "SYNC_MASTER").await;
    for round in 0..rounds() {
        for loses_tail in [false, true] {
            let old = pair.slave.scratch.path().join(format!("older-{round}"));
            if loses_tail {
                block_in_place(|| {
                    pair.slave.running().kill();
                    copy_tree(pair.slave.store(), &old);
                    pair.slave.boot();
                });
                pair.in_step().await;
            }
            let load = pair.load();
            load.reach(50 + random.below(300)).await;
            block_in_place(|| pair.slave.running().kill());
            told_of_no_slave(&load).await;
            load.end(true).await;
            if loses_tail {
                pair.slave.move_store(old);
            }
            block_in_place(|| pair.slave.boot());
            pair.judge().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: the stage crash of tests/run.sh runs it"]
async fn a_master_without_the_end_of_its_log_is_not_followed() {
    let name = "lost-tail";
    let (_, mut random) = Random::of_run(name);
    for _ in 0..rounds() {
        let mut pair = Pair::start(name, "SYNC_MASTER").await;
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
        let slave = pair.slave.address();
        until("the slave says so", async || replica_state(&slave, "divergence").await.is_some())
            .await;
        let log = pair.slave.scratch.path().join("logs/rocketmqlogs/store.log");
        let log = fs::read_to_string(log).unwrap();
        assert!(log.contains("slave does not follow master"), "{log}");
        // What was acknowledged is still on the slave, and no send is acknowledged without it.
        assert_eq!(pair.judge_slave().await, 0);
        let (client, master) = (talk::client(), pair.master.address());
        let sent = talk::send(&client, &master, (TOPIC, 0), "", Bytes::from("x")).await;
        assert_eq!(sent.unwrap().code, 11);
        println!("{name}: {} acknowledged, 0 lost", pair.history.acknowledged_count());
    }
}

async fn link_fails(role: &str, name: &'static str) {
    let (_, mut random) = Random::of_run(name);
    let mut pair = Pair::start(name, role).await;
    for _ in 0..rounds() {
        for [there, back] in [
            [Fault::Partition; 2],
            [Fault::HalfOpen, Fault::None],
            [Fault::None, Fault::HalfOpen],
            [Fault::Delay(Duration::from_millis(50)); 2],
            [Fault::SingleBytes; 2],
            [Fault::Reset; 2],
        ] {
            let load = pair.load();
            load.reach(20 + random.below(100)).await;
            pair.link.set_ways(there, back);
            let so_far = load.acknowledged();
            match there {
                // Slow is not broken: a slave that is late is waited for.
                Fault::Delay(_) | Fault::SingleBytes => drop(load.reach(so_far + 20).await),
                _ if pair.is_sync => told_of_no_slave(&load).await,
                // Nobody waits for the slave.
                _ => drop(load.reach(so_far + 300).await),
            }
            load.end(true).await;
            // The slave never has what the master has not sent, whatever the network does.
            pair.judge_slave().await;
            pair.link.set(Fault::None);
            pair.judge().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: the stage crash of tests/run.sh runs it"]
async fn the_link_of_a_sync_master_fails() {
    link_fails("SYNC_MASTER", "sync-link").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: the stage crash of tests/run.sh runs it"]
async fn the_link_of_an_async_master_fails() {
    link_fails("ASYNC_MASTER", "async-link").await;
}

/// Whether a name server knows both brokers.
async fn knows_both(address: &str) -> bool {
    let client = talk::client();
    let request = Request::new(RequestCode::GET_BROKER_CLUSTER_INFO);
    let Ok(frame) = client.invoke(address, request, talk::TIMEOUT).await else { return false };
    let body = String::from_utf8_lossy(frame.body()).into_owned();
    body.contains("0:\"127.0.0.1:") && body.contains("1:\"127.0.0.1:")
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: the stage crash of tests/run.sh runs it"]
async fn one_of_two_name_servers_dies_and_returns_with_an_empty_table() {
    let name = "name-servers";
    let (_, mut random) = Random::of_run(name);
    let mut pair = Pair::start(name, "SYNC_MASTER").await;
    for _ in 0..rounds() {
        let gone = random.below(2);
        let addresses: Vec<_> = pair.name_servers.iter().map(NameServer::address).collect();
        let load = pair.load();
        load.reach(50).await;
        block_in_place(|| pair.name_servers[gone].daemon.kill());
        // The other one goes on, and so do master and slave.
        load.reach(load.acknowledged() + 200).await;
        assert!(knows_both(&addresses[1 - gone]).await);
        // A slave that starts meanwhile finds its master by the other one.
        block_in_place(|| pair.slave.running().kill());
        load.end(true).await;
        block_in_place(|| pair.slave.boot());
        pair.in_step().await;
        block_in_place(|| pair.name_servers[gone].boot_again());
        until("it is told everything again", async || knows_both(&addresses[gone]).await).await;
        pair.judge().await;
    }
}
