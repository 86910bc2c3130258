//! A master, its slave and their name servers, started from a sample of `conf/`.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use rocketmq_history::{History, MessageId, Report, Survival, body};
use rocketmq_protocol::RequestCode;
use rocketmq_remoting::Request;
use tokio::task::block_in_place;

use crate::cluster::{Broker, NameServer, SMALL_FILES, sample};
use crate::load::{self, Counts, Load, TOPIC, Wanted};
use crate::proxy::Proxy;
use crate::{talk, until, wait_until};

/// Signs of life, time-outs and registrations come often; no slave counts as too far behind.
pub const SHORT: &str = "haSendHeartbeatInterval=200\nhaHousekeepingInterval=1000\n\
    syncFlushTimeout=500\nhaSlaveFallbehindMax=100000000\nregisterNameServerPeriod=10000\n\
    flushConsumerOffsetInterval=200\n";

/// How a pair replicates.
#[derive(Clone, Copy, Debug)]
pub struct Mode {
    pub name: &'static str,
    /// The folder below `conf/` that both start from.
    folder: &'static str,
    /// What both add to it.
    settings: &'static str,
    /// SEND_OK means that the slave has the message.
    pub is_sync: bool,
}

pub const ASYNC: Mode =
    Mode { name: "ASYNC_MASTER", folder: "2m-2s-async", settings: "", is_sync: false };
pub const SYNC: Mode =
    Mode { name: "SYNC_MASTER", folder: "2m-2s-sync", settings: "", is_sync: true };
pub const SYNC_FLUSH: Mode =
    Mode { name: "SYNC_MASTER with SYNC_FLUSH", settings: "flushDiskType=SYNC_FLUSH\n", ..SYNC };

/// A master and the slave that copies it.
pub struct Pair {
    pub mode: Mode,
    pub history: Arc<History>,
    pub name_servers: [NameServer; 2],
    /// What the slave reaches its master's log through.
    pub link: Proxy,
    pub master: Broker,
    pub slave: Broker,
}

impl Pair {
    /// Starts all and waits until the slave follows and knows the topic.
    pub async fn start(name: &str, mode: Mode) -> Pair {
        let name_servers = block_in_place(|| {
            ["a", "b"].map(|which| NameServer::start(&format!("{name}-namesrv-{which}")))
        });
        let addresses = name_servers.each_ref().map(NameServer::address).join(";");
        let settings = |file: &str| {
            let sample = sample(&format!("{}/{file}.properties", mode.folder));
            format!("{sample}{SMALL_FILES}{SHORT}{}namesrvAddr={addresses}\n", mode.settings)
        };
        let of_master = settings("broker-a");
        let master = block_in_place(|| Broker::start(&format!("{name}-master"), &of_master));
        let link = Proxy::start(master.port + 1).await;
        let of_slave = settings("broker-a-s")
            + &format!("haMasterAddress={}\nhaFullSync=true\n", link.address());
        let slave = block_in_place(|| Broker::start(&format!("{name}-slave"), &of_slave));
        let pair = Pair { mode, history: Arc::default(), name_servers, link, master, slave };
        pair.in_step().await;
        let slave = pair.slave.address();
        // Topics come to a slave with a look at its master's tables.
        until("the slave knows the topic", async || !load::read_all(&slave).await.is_empty()).await;
        pair
    }

    /// Addresses of the name servers, as clients are given them.
    pub fn namesrv_addr(&self) -> String {
        self.name_servers.each_ref().map(NameServer::address).join(";")
    }

    /// Senders to the master.
    pub fn load(&self) -> Load {
        let wanted = Wanted { consumes: false, goes_on: true, ..Wanted::default() };
        Load::start(&self.history, &self.master.address(), wanted)
    }

    /// Sends until it is answered SEND_OK and the slave has everything that was sent.
    pub async fn in_step(&self) {
        let (master, slave) = (self.master.address(), self.slave.address());
        until("the slave follows", async || {
            followed(&master, &self.history).await;
            let (own, copy) = (log_end(&master).await, log_end(&slave).await);
            own.is_some() && own == copy
        })
        .await;
    }

    /// Waits until both commit logs are the same, byte by byte, and so what their queues hold.
    pub async fn same(&self) {
        self.in_step().await;
        block_in_place(|| {
            wait_until("the logs are one", || are_one_log(&self.master, &self.slave));
        });
        let (master, slave) = (self.master.address(), self.slave.address());
        until("the slave's queues are its master's", async || {
            load::read_all(&master).await == load::read_all(&slave).await
        })
        .await;
    }

    /// Everything acknowledged is on both, in place and in order, and nothing else.
    pub async fn judge(&self) -> Report {
        self.same().await;
        let report = load::judge(&self.history, &self.master.address()).await;
        assert!(report.violations.is_empty(), "{}: on the master: {report}", self.mode.name);
        report
    }

    /// What the slave alone holds: all that a SYNC_MASTER acknowledged. Of an ASYNC_MASTER's it
    /// may lack the end; what it has is right. Returns how many acknowledged ones it lacks.
    pub async fn judge_slave(&self) -> usize {
        let report = self.history.judge(&load::read_all(&self.slave.address()).await);
        let (mode, lost) = (self.mode.name, report.lost());
        assert_eq!(report.violations.len(), lost, "{mode}: on the slave: {report}");
        assert!(lost == 0 || !self.mode.is_sync, "{mode}: on the slave: {report}");
        lost
    }
}

/// Sends until it is answered SEND_OK: the slave follows. An ASYNC_MASTER says so at once.
pub async fn followed(address: &str, history: &History) {
    static PRODUCERS: AtomicU32 = AtomicU32::new(7_000_000);
    let producer = PRODUCERS.fetch_add(1, Ordering::Relaxed);
    let client = talk::client();
    let mut number = 0;
    until("a send is acknowledged", async || {
        let id = MessageId { producer, number };
        number += 1;
        history.begin(id, TOPIC, 0);
        let sent = talk::send(&client, address, (TOPIC, 0), "", Bytes::from(body::encode(id, 10)));
        let sent = sent.await.unwrap();
        if sent.is_ok() {
            history.acknowledged(id, &sent.place.unwrap(), Survival::Always);
            return true;
        }
        assert!([11, 12].contains(&sent.code), "{sent:?}");
        false
    })
    .await;
}

/// A field of a broker's REPLICA_STATE.
pub async fn replica_state(address: &str, field: &str) -> Option<String> {
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

/// Where a broker's commit log ends.
async fn log_end(address: &str) -> Option<String> {
    replica_state(address, "maxOffset").await
}

/// Segments of a log by name.
fn segments(broker: &Broker) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(broker.store().join("commitlog")).unwrap().flatten();
    let named = entries.map(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        (name, fs::read(entry.path()).unwrap_or_default())
    });
    named.collect()
}

/// Every segment that both have is the same; one that only one has was made ahead and is empty.
pub fn are_one_log(master: &Broker, slave: &Broker) -> bool {
    let (own, copy) = (segments(master), segments(slave));
    let is_empty = |bytes: &Vec<u8>| bytes.iter().all(|byte| *byte == 0);
    own.iter().all(|(name, bytes)| copy.get(name).map_or(is_empty(bytes), |copy| copy == bytes))
        && copy.iter().all(|(name, bytes)| own.contains_key(name) || is_empty(bytes))
}

/// How much of the log's end was written: the offset behind its last byte that is not 0.
pub fn written_end(broker: &Broker) -> (PathBuf, u64) {
    let written = |bytes: &Vec<u8>| bytes.iter().rposition(|byte| *byte != 0);
    let last = segments(broker).into_iter().rev().find_map(|(name, bytes)| {
        written(&bytes).map(|at| (broker.store().join("commitlog").join(name), at as u64 + 1))
    });
    last.expect("the log is empty")
}

/// How often a load was answered SLAVE_NOT_AVAILABLE and FLUSH_SLAVE_TIMEOUT so far. There must be
/// no other refusal.
pub fn unreplicated(counts: &Counts) -> (usize, usize) {
    let refused = counts.refused.lock();
    let count = |code| refused.get(&code).map_or(0, |(count, _)| *count);
    let counts = (count(11), count(12));
    let all: usize = refused.values().map(|(count, _)| count).sum();
    assert_eq!(all, counts.0 + counts.1, "{refused:?}");
    counts
}

/// Waits until some more sends were answered that no slave has them.
pub async fn told_of_no_slave(load: &Load) {
    let before = unreplicated(&load.counts);
    until("sends are told that no slave has them", async || {
        let now = unreplicated(&load.counts);
        now.0 + now.1 > before.0 + before.1 + 8
    })
    .await;
}
