//! Several masters, with slaves and without: clients go on with the others when one dies, nothing
//! acknowledged is lost, and each queue keeps its order.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rocketmq_client::{Message, OrderlyStatus, Producer, PushConsumer};
use rocketmq_history::{History, MessageId, body};
use rocketmq_testbed::cluster::{Broker, NameServer, SMALL_FILES, sample};
use rocketmq_testbed::load::{self, TOPIC};
use rocketmq_testbed::pair::{SHORT, followed};
use rocketmq_testbed::random::Random;
use rocketmq_testbed::{fault_rounds, until};
use tokio::task::{JoinHandle, block_in_place};

use crate::clients::{config, producer};

/// A place in a queue of one of several brokers.
type Spot = (String, i32, i64);

/// Offsets and bodies, in the order of delivery.
type Deliveries = Vec<(i64, Vec<u8>)>;

/// What clients have seen.
#[derive(Default)]
struct Seen {
    acknowledged: Mutex<Vec<(Spot, Vec<u8>)>>,
    failed: Mutex<Vec<String>>,
    /// By broker and queue.
    delivered: Mutex<BTreeMap<(String, i32), Deliveries>>,
}

struct Deployment {
    masters: [Broker; 2],
    _slaves: Vec<Broker>,
    name_servers: [NameServer; 2],
}

impl Deployment {
    async fn start(folder: &str) -> Deployment {
        let name_servers = block_in_place(|| ["a", "b"].map(NameServer::start));
        let addresses = name_servers.each_ref().map(NameServer::address).join(";");
        let broker = |file: &str| {
            let sample = sample(&format!("{folder}/{file}.properties"));
            let settings = format!("{sample}{SMALL_FILES}{SHORT}namesrvAddr={addresses}\n");
            block_in_place(|| Broker::start(&format!("{folder}-{file}"), &settings))
        };
        let masters = ["broker-a", "broker-b"].map(broker);
        let slaves = match folder {
            "2m-noslave" => Vec::new(),
            _ => ["broker-a-s", "broker-b-s"].map(broker).into(),
        };
        for master in &masters {
            // Makes the topic, and with SYNC_MASTER waits for the slave.
            followed(&master.address(), &History::default()).await;
        }
        Deployment { masters, _slaves: slaves, name_servers }
    }

    fn namesrv_addr(&self) -> String {
        self.name_servers.each_ref().map(NameServer::address).join(";")
    }
}

/// A sender of ascending numbers, one after the other.
fn sender(
    number: u32,
    producer: &Arc<Producer>,
    seen: &Arc<Seen>,
    stop: &Arc<AtomicBool>,
) -> JoinHandle<()> {
    let (producer, seen, stop) = (Arc::clone(producer), Arc::clone(seen), Arc::clone(stop));
    tokio::spawn(async move {
        let mut next = 0;
        while !stop.load(Ordering::Relaxed) {
            let bytes = body::encode(MessageId { producer: number, number: next }, 100);
            next += 1;
            match producer.send(Message::new(TOPIC, bytes.clone())).await {
                Ok(result) => {
                    let queue = result.message_queue;
                    let spot = (queue.broker_name, queue.queue_id, result.queue_offset);
                    seen.acknowledged.lock().push((spot, bytes));
                }
                Err(error) => seen.failed.lock().push(error.to_string()),
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
}

async fn consumer(name_servers: &str, seen: &Arc<Seen>) -> PushConsumer {
    let seen = Arc::clone(seen);
    let consumer = PushConsumer::builder("ha_orderly")
        .client_config(config(name_servers))
        .consume_from(rocketmq_client::ConsumeFromWhere::FirstOffset)
        .subscribe(TOPIC, "*")
        .on_messages_orderly(move |delivery| {
            for message in &delivery.messages {
                let broker = message.broker_name.clone().unwrap_or_default();
                let one = (message.queue_offset, message.message.body.to_vec());
                seen.delivered.lock().entry((broker, message.queue_id)).or_default().push(one);
            }
            async { OrderlyStatus::Success }
        });
    consumer.start().await.unwrap()
}

/// Every acknowledged message is in its place, and each sender's messages lie in order. Returns
/// what the queues hold.
async fn judge_kept(deployment: &Deployment, seen: &Seen) -> HashMap<Spot, Vec<u8>> {
    let mut kept = HashMap::new();
    for (name, master) in ["broker-a", "broker-b"].iter().zip(&deployment.masters) {
        let mut newest: HashMap<(i32, u32), u32> = HashMap::new();
        for (place, bytes) in load::read_all(&master.address()).await {
            let id = body::decode(&bytes).expect("a message that nobody sent");
            let newest = newest.entry((place.queue_id, id.producer)).or_insert(id.number);
            assert!(*newest <= id.number, "{id:?} lies behind {newest}: {name} {place:?}");
            *newest = id.number;
            kept.insert((name.to_string(), place.queue_id, place.offset), bytes);
        }
    }
    for (spot, bytes) in seen.acknowledged.lock().iter() {
        assert_eq!(kept.get(spot), Some(bytes), "lost: {spot:?}");
    }
    kept
}

/// Nothing was passed over: each offset was handed out after the one before it, whatever came
/// again.
fn judge_delivered(seen: &Seen, kept: &HashMap<Spot, Vec<u8>>) {
    for ((broker, queue), deliveries) in seen.delivered.lock().iter() {
        let mut reached = -1;
        for (offset, bytes) in deliveries {
            assert!(*offset <= reached + 1, "{broker} {queue}: {offset} came after {reached}");
            reached = reached.max(*offset);
            assert_eq!(kept.get(&(broker.clone(), *queue, *offset)), Some(bytes), "handed out");
        }
    }
}

fn delivered_count(seen: &Seen) -> usize {
    let last = |(_, all): (_, &Deliveries)| all.iter().map(|(offset, _)| offset + 1).max();
    let counts = seen.delivered.lock().iter().filter_map(last).sum::<i64>();
    usize::try_from(counts).unwrap()
}

async fn outlives_its_masters(folder: &str) {
    let (_, mut random) = Random::of_run(&format!("masters of {folder}"));
    let mut deployment = Deployment::start(folder).await;
    let (seen, stop) = (Arc::<Seen>::default(), Arc::<AtomicBool>::default());
    let addresses = deployment.namesrv_addr();
    let producer = Arc::new(producer(&addresses).await);
    let consumer = consumer(&addresses, &seen).await;
    let begun = Instant::now();
    let senders: Vec<_> = (0..4).map(|number| sender(number, &producer, &seen, &stop)).collect();
    let more = async |count: usize| {
        let wanted = seen.acknowledged.lock().len() + count;
        until("sends go on", async || seen.acknowledged.lock().len() >= wanted).await;
    };
    for round in 0..fault_rounds() * 2 {
        more(20 + random.below(100)).await;
        block_in_place(|| deployment.masters[round % 2].running().kill());
        more(100).await;
        block_in_place(|| deployment.masters[round % 2].boot());
        // Its queues are used again.
        let name = ["broker-a", "broker-b"][round % 2];
        let so_far = seen.acknowledged.lock().len();
        until("the master is used again", async || {
            seen.acknowledged.lock()[so_far..].iter().any(|((broker, ..), _)| broker == name)
        })
        .await;
    }
    stop.store(true, Ordering::Relaxed);
    for sender in senders {
        sender.await.unwrap();
    }
    let kept = judge_kept(&deployment, &seen).await;
    until("all is consumed", async || delivered_count(&seen) == kept.len()).await;
    judge_delivered(&seen, &kept);
    consumer.shutdown().await;
    producer.shutdown().await;
    let failed = seen.failed.lock();
    assert!(failed.is_empty(), "a master died, and sends failed: {failed:?}");
    println!(
        "masters of {folder}: {} kills in {:?}; {} acknowledged, 0 failed, {} kept, 0 lost, all consumed in order",
        fault_rounds() * 2,
        begun.elapsed(),
        seen.acknowledged.lock().len(),
        kept.len()
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: the stage crash of tests/run.sh runs it"]
async fn two_masters() {
    outlives_its_masters("2m-noslave").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: the stage crash of tests/run.sh runs it"]
async fn two_masters_with_slaves_that_follow() {
    outlives_its_masters("2m-2s-async").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: the stage crash of tests/run.sh runs it"]
async fn two_masters_with_slaves_that_are_waited_for() {
    outlives_its_masters("2m-2s-sync").await;
}
