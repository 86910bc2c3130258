//! `kill -9` of the broker under load: whatever was acknowledged is there after the restart, each
//! queue is gapless, and nothing is there twice.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test fails by panicking

mod support;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;
use support::Cluster;
use support::talk::{self, Stored};

const ROUNDS: usize = 20;
const SENDERS: usize = 8;
const QUEUES: i32 = 4;
const TOPIC: &str = "KillNine";
/// Small segments, so that every kind of file rolls within a round.
const SETTINGS: &str = "mappedFileSizeCommitLog=262144\nmappedFileSizeConsumeQueue=2000\n\
    maxHashSlotNum=500\nmaxIndexNum=2000\nfileReservedTime=72";

/// What one round acknowledged: place and body of each message.
type Acknowledged = Mutex<Vec<(Stored, Bytes)>>;

async fn sender(
    address: String,
    round: usize,
    number: usize,
    stop: Arc<AtomicBool>,
    acknowledged: Arc<Acknowledged>,
) {
    let client = talk::client();
    for count in 0.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let text = format!("{round}/{number}/{count}/");
        let filler = "x".repeat((count * 37 + number * 101) % 3000);
        let body = Bytes::from(text + &filler);
        let queue_id = (count as i32 + number as i32) % QUEUES;
        match talk::send(&client, &address, TOPIC, queue_id, body.clone()).await {
            Ok(stored) => acknowledged.lock().push((stored, body)),
            // The broker is gone.
            Err(_) => return,
        }
    }
}

/// A point that differs from round to round and from run to run; printed, so that it can be seen.
fn messages_before_kill(round: usize) -> usize {
    let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    50 + (clock.subsec_nanos() as usize / 7 + round * 331) % 1500
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_messages_survive_twenty_kills() {
    let mut cluster = Cluster::start("kill", SETTINGS);
    let address = cluster.broker_address();
    let mut all: HashMap<(i32, i64), (String, Bytes)> = HashMap::new();
    for round in 0..ROUNDS {
        let acknowledged: Arc<Acknowledged> = Arc::default();
        let stop = Arc::new(AtomicBool::new(false));
        let done = Arc::new(AtomicUsize::new(0));
        for number in 0..SENDERS {
            let (address, stop) = (address.clone(), Arc::clone(&stop));
            let (acknowledged, done) = (Arc::clone(&acknowledged), Arc::clone(&done));
            tokio::spawn(async move {
                sender(address, round, number, stop, acknowledged).await;
                done.fetch_add(1, Ordering::SeqCst);
            });
        }
        let wanted = messages_before_kill(round);
        let deadline = std::time::Instant::now() + support::PATIENCE;
        while acknowledged.lock().len() < wanted {
            assert!(std::time::Instant::now() < deadline, "the load does not get on");
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        tokio::task::block_in_place(|| cluster.broker().kill());
        stop.store(true, Ordering::Relaxed);
        while done.load(Ordering::SeqCst) < SENDERS {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        tokio::task::block_in_place(|| cluster.start_broker());
        let round_messages = std::mem::take(&mut *acknowledged.lock());
        println!("round {round}: killed after {} acknowledged", round_messages.len());
        for (stored, body) in round_messages {
            let place = (stored.queue_id, stored.queue_offset);
            let before = all.insert(place, (stored.msg_id, body));
            assert!(before.is_none(), "two messages were acknowledged at {place:?}");
        }
        check(&address, &all).await;
    }
    assert!(cluster.broker().terminate() == 143);
    cluster.start_broker();
    check(&address, &all).await;
}

async fn check(address: &str, acknowledged: &HashMap<(i32, i64), (String, Bytes)>) {
    let client = talk::client();
    let mut ids = HashSet::new();
    let mut found = 0;
    for queue_id in 0..QUEUES {
        let messages = talk::read_queue(&client, address, TOPIC, queue_id).await;
        for (index, message) in messages.iter().enumerate() {
            assert_eq!(message.queue_offset, index as i64, "queue {queue_id} has a gap");
            assert!(ids.insert(message.msg_id.clone()), "{} is there twice", message.msg_id);
            if let Some((id, body)) = acknowledged.get(&(queue_id, message.queue_offset)) {
                assert_eq!((id, &body[..]), (&message.msg_id, &message.body[..]));
                found += 1;
            }
        }
        let end = talk::max_offset(&client, address, TOPIC, queue_id).await;
        assert_eq!(end, messages.len() as i64);
    }
    assert_eq!(found, acknowledged.len(), "acknowledged messages are missing");
}
