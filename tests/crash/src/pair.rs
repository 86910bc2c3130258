//! A master, its slave and their name server.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rocketmq_history::{History, MessageId, Survival, body};
use tokio::task::block_in_place;

use crate::cluster::{Broker, NameServer, SMALL_FILES};
use crate::load::{self, Load, TOPIC};
use crate::proxy::Proxy;
use crate::{PATIENCE, talk, wait_until};

/// A slave asks for what is new, and reconnects, without long pauses, and never counts as too far
/// behind.
const LINK: &str = "haSendHeartbeatInterval=200\nhaSlaveFallbehindMax=100000000\n";

/// A master and the slave that copies it.
pub struct Pair {
    pub master: Broker,
    pub slave: Broker,
    pub namesrv: NameServer,
    /// What the slave reaches its master's log through.
    pub link: Proxy,
}

impl Pair {
    /// Starts both with further lines of configuration for the master, and one for both, and waits
    /// until the slave follows and knows the topic.
    pub async fn start(name: &str, of_master: &str, of_both: &str, history: &History) -> Pair {
        let namesrv = block_in_place(|| NameServer::start(&format!("{name}-namesrv")));
        let settings = format!("{SMALL_FILES}{LINK}{of_both}namesrvAddr={}\n", namesrv.address());
        let role = format!("{settings}{of_master}");
        let master = block_in_place(|| Broker::start(&format!("{name}-master"), &role));
        let link = Proxy::start(master.port + 1).await;
        let role =
            format!("{settings}brokerRole=SLAVE\nbrokerId=1\nhaMasterAddress={}\n", link.address());
        let slave = block_in_place(|| Broker::start(&format!("{name}-slave"), &role));
        let pair = Pair { master, slave, namesrv, link };
        followed(&pair.master.address(), history).await;
        pair.topic_known().await;
        pair
    }

    /// Topics come to a slave with a look at its master's tables.
    async fn topic_known(&self) {
        let deadline = Instant::now() + PATIENCE;
        while load::read_all(&self.slave.address()).await.is_empty() {
            assert!(Instant::now() < deadline, "the slave does not know the topic");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until both commit logs are the same, byte by byte, and so what their queues hold.
    pub async fn same(&self) {
        block_in_place(|| {
            wait_until("the logs are one", || are_one_log(&self.master, &self.slave));
        });
        let deadline = Instant::now() + PATIENCE;
        let own = load::read_all(&self.master.address()).await;
        while load::read_all(&self.slave.address()).await != own {
            assert!(Instant::now() < deadline, "the slave's queues are not its master's");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Sends until it is answered SEND_OK: the slave follows. An ASYNC_MASTER says so at once.
pub async fn followed(address: &str, history: &History) {
    static PRODUCERS: AtomicU32 = AtomicU32::new(7_000_000);
    let producer = PRODUCERS.fetch_add(1, Ordering::Relaxed);
    let client = talk::client();
    let deadline = Instant::now() + PATIENCE;
    for number in 0.. {
        let id = MessageId { producer, number };
        history.begin(id, TOPIC, 0);
        let sent = talk::send(&client, address, (TOPIC, 0), "", Bytes::from(body::encode(id, 10)));
        let sent = sent.await.unwrap();
        if sent.is_ok() {
            history.acknowledged(id, &sent.place.unwrap(), Survival::Always);
            return;
        }
        assert!([11, 12].contains(&sent.code), "{sent:?}");
        assert!(Instant::now() < deadline, "the slave does not follow: {sent:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
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
pub fn unreplicated(load: &Load) -> (usize, usize) {
    let refused = load.counts.refused.lock();
    let count = |code| refused.get(&code).map_or(0, |(count, _)| *count);
    let counts = (count(11), count(12));
    let all: usize = refused.values().map(|(count, _)| count).sum();
    assert_eq!(all, counts.0 + counts.1, "{refused:?}");
    counts
}
