//! Ten thousand topics, fifty thousand queues, a thousand groups: start, registration, routes,
//! memory and disk.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use rocketmq_protocol::{RequestCode, ResponseCode};
use rocketmq_remoting::{RemotingClient, Request};
use rocketmq_testbed::cluster::{Broker, NameServer};
use rocketmq_testbed::talk;
use tokio::task::{JoinSet, block_in_place};

const TOPICS: i32 = 10_000;
const QUEUES: i32 = 5;
const GROUPS: usize = 1_000;
/// Requests under way at a time.
const AT_ONCE: i32 = 64;
/// What each queue may cost: memory beyond mappings, and disk (a 4 KiB folder, and a file that is
/// allocated in small steps).
const QUEUE_HEAP_BYTES: u64 = 1024;
const QUEUE_DISK_BYTES: u64 = 64 * 1024;
const BASE_KIB: u64 = 32 * 1024;

fn topic(number: i32) -> String {
    format!("Scale{number:05}")
}

/// The tables as `updateTopic` and `updateSubGroup` would have left them.
fn write_tables(store: &Path) {
    let config = store.join("config");
    fs::create_dir_all(&config).unwrap();
    let topics: Vec<String> = (0..TOPICS)
        .map(|number| {
            let name = topic(number);
            format!(
                "\"{name}\":{{\"order\":false,\"perm\":6,\"readQueueNums\":{QUEUES},\"topicFilterType\":\"SINGLE_TAG\",\
                 \"topicName\":\"{name}\",\"topicSysFlag\":0,\"writeQueueNums\":{QUEUES}}}"
            )
        })
        .collect();
    let version = "\"dataVersion\":{\"counter\":1,\"timestamp\":1700000000000}";
    let text = format!("{{{version},\"topicConfigTable\":{{{}}}}}", topics.join(","));
    fs::write(config.join("topics.json"), text).unwrap();
    let groups: Vec<String> = (0..GROUPS)
        .map(|number| {
            format!(
                "\"g{number}\":{{\"brokerId\":0,\"consumeBroadcastEnable\":true,\"consumeEnable\":true,\
                 \"consumeFromMinEnable\":true,\"groupName\":\"g{number}\",\"notifyConsumerIdsChangedEnable\":true,\
                 \"retryMaxTimes\":16,\"retryQueueNums\":1,\"whichBrokerWhenConsumeSlowly\":1}}"
            )
        })
        .collect();
    let text = format!("{{{version},\"subscriptionGroupTable\":{{{}}}}}", groups.join(","));
    fs::write(config.join("subscriptionGroup.json"), text).unwrap();
}

/// The code of a route request.
async fn route(client: &RemotingClient, namesrv: &str, topic: &str) -> ResponseCode {
    let fields = [("topic", topic)];
    let fields = &fields[..];
    let request = Request::new(RequestCode::GET_ROUTEINFO_BY_TOPIC).fields(&fields);
    ResponseCode(client.invoke(namesrv, request, talk::TIMEOUT).await.unwrap().code)
}

/// Sends one message to every queue, which must get offset `expected` there.
async fn send_everywhere(address: &str, expected: i64) {
    let client = talk::client();
    let mut senders = JoinSet::new();
    for share in 0..AT_ONCE {
        let (client, address) = (Arc::clone(&client), address.to_string());
        senders.spawn(async move {
            for number in (share..TOPICS).step_by(AT_ONCE as usize) {
                for queue_id in 0..QUEUES {
                    let (topic, body) = (topic(number), Bytes::from_static(b"scale"));
                    let sent = talk::send(&client, &address, (&topic, queue_id), "", body).await;
                    let sent = sent.unwrap();
                    let place = sent.place.as_ref().unwrap_or_else(|| panic!("{topic}: {sent:?}"));
                    assert_eq!((place.queue_id, place.offset), (queue_id, expected), "{topic}");
                }
            }
        });
    }
    while let Some(done) = senders.join_next().await {
        done.unwrap();
    }
}

/// Bytes really allocated below a folder.
fn allocated(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries
        .map(|entry| {
            let data = entry.metadata().unwrap();
            let below = if data.is_dir() { allocated(&entry.path()) } else { 0 };
            below + data.blocks() * 512
        })
        .sum()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: the stage crash of tests/run.sh runs it"]
async fn fifty_thousand_queues_cost_little() {
    let namesrv = block_in_place(|| NameServer::start("scale-namesrv"));
    let settings = format!(
        "namesrvAddr={}\nmappedFileSizeCommitLog=67108864\nmaxHashSlotNum=10000\nmaxIndexNum=40000\n",
        namesrv.address()
    );
    let mut broker = Broker::new("scale", &settings);
    write_tables(broker.store());
    let client = talk::client();
    let mut figures = BTreeMap::new();
    for round in 0..3 {
        let begun = Instant::now();
        block_in_place(|| broker.boot());
        figures.insert(format!("boot {round}, ms"), begun.elapsed().as_millis() as u64);
        for number in [0, TOPICS / 2, TOPICS - 1] {
            let code = route(&client, &namesrv.address(), &topic(number)).await;
            assert_eq!(code, ResponseCode::SUCCESS, "{number}");
        }
        let memory = broker.running().resident_kib();
        figures.insert(format!("memory {round}, KiB"), memory);
        let most = BASE_KIB + (TOPICS * QUEUES) as u64 * QUEUE_HEAP_BYTES / 1024;
        assert!(memory < most, "{memory} KiB with {} queues", TOPICS * QUEUES);
        send_everywhere(&broker.address(), round).await;
        let disk = allocated(&broker.store().join("consumequeue"));
        figures.insert(format!("consume queues {round}, MiB"), disk >> 20);
        assert!(disk < (TOPICS * QUEUES) as u64 * QUEUE_DISK_BYTES, "{disk} bytes");
        // Once in order, once not.
        match round {
            0 => assert_eq!(block_in_place(|| broker.running().terminate()), 143),
            _ => block_in_place(|| broker.running().kill()),
        }
    }
    println!("scale, {TOPICS} topics x {QUEUES} queues, {GROUPS} groups: {figures:?}");
}
