//! Consumers against brokers that answer as each test says: where a group begins
//! that has no offset yet (real brokers answer 0 for queues whose beginning is still in memory), and how
//! it goes on behind what cannot be read.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test fails by panicking

mod fake;

use std::sync::Arc;

use fake::{Fake, Reply, Seen, tasks, until};
use parking_lot::Mutex;
use rocketmq_client::{
    AddressServer, ConsumeFromWhere, ConsumeStatus, Message, Producer, PushConsumer,
};
use rocketmq_protocol::body::{ConsumerIdList, HeartbeatData};
use rocketmq_protocol::message::RecordHead;
use rocketmq_protocol::{RequestCode, ResponseCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const STORED: &str = "stored";

fn offset(value: &str) -> Option<Reply> {
    let fields = vec![("offset".to_string(), value.to_string())];
    Reply::ok().map(|reply| Reply { fields, ..reply })
}

fn answer(seen: &Seen, member: &str) -> Option<Reply> {
    match seen.code {
        RequestCode::GET_CONSUMER_LIST_BY_GROUP => {
            Reply::json(&ConsumerIdList { consumer_id_list: vec![member.to_string()] })
        }
        RequestCode::QUERY_CONSUMER_OFFSET if seen.field("consumerGroup") == STORED => offset("3"),
        RequestCode::QUERY_CONSUMER_OFFSET => Reply::code(ResponseCode::QUERY_NOT_FOUND, "none"),
        RequestCode::GET_MAX_OFFSET => offset("50"),
        RequestCode::SEARCH_OFFSET_BY_TIMESTAMP if seen.field("timestamp") == "77" => offset("20"),
        // Held, as if nothing came.
        RequestCode::PULL_MESSAGE => None,
        _ => Reply::ok(),
    }
}

#[tokio::test]
async fn a_group_begins_where_it_was_told_to() {
    let cases = [
        ("g", ConsumeFromWhere::FirstOffset, "0", "0"),
        ("g", ConsumeFromWhere::LastOffset, "50", "0"),
        ("g", ConsumeFromWhere::Timestamp, "20", "50"),
        (STORED, ConsumeFromWhere::FirstOffset, "3", "3"),
    ];
    for (group, from, of_topic, of_retries) in cases {
        let fake = Fake::start(&["a"]);
        fake.topic("T", 1);
        fake.topic(&format!("%RETRY%{group}"), 1);
        let mut config = fake.config();
        config.instance_name = format!("{group}-{}", from.name());
        let member = config.client_id();
        fake.answer(move |seen| answer(seen, &member));
        let consumer = PushConsumer::builder(group).client_config(config).subscribe("T", "A");
        let consumer = consumer.consume_from(from).consume_timestamp(77);
        let consumer = consumer.on_messages(|_| async { ConsumeStatus::Success });
        let consumer = consumer.start().await.unwrap();
        let pulls = || fake.seen(RequestCode::PULL_MESSAGE);
        until("both queues are pulled", || pulls().len() >= 2).await;
        for pull in pulls() {
            let retry = pull.field("topic") != "T";
            assert_eq!(pull.field("queueOffset"), if retry { of_retries } else { of_topic });
            assert_eq!(pull.field("expressionType"), "TAG");
            assert!(!pull.fields.contains_key("subscription"));
            let commits = pull.field("queueOffset") != "0";
            assert_eq!(pull.field("sysFlag"), if commits { "3" } else { "2" });
            assert_eq!(pull.field("suspendTimeoutMillis"), "15000");
        }
        let heartbeat = fake.seen(RequestCode::HEART_BEAT).remove(0);
        let heartbeat: HeartbeatData =
            rocketmq_common::fastjson::from_slice(&heartbeat.body).unwrap();
        let subscriptions = &heartbeat.consumer_data_set[0].subscription_data_set;
        let version = |topic: &str| {
            let found = subscriptions.iter().find(|subscription| subscription.topic == topic);
            found.unwrap().sub_version.to_string()
        };
        for pull in pulls() {
            assert_eq!(pull.field("subVersion"), version(pull.field("topic")));
        }
        consumer.shutdown().await;
    }
}

/// A stored message.
fn record(queue_offset: i64, body: &str) -> Vec<u8> {
    let host = ([127, 0, 0, 1], 10911).into();
    let head = RecordHead {
        topic: "T",
        queue_id: 0,
        flag: 0,
        sys_flag: 0,
        born_timestamp: 1,
        born_host: host,
        store_host: host,
        reconsume_times: 0,
        prepared_transaction_offset: 0,
    };
    let mut bytes = Vec::new();
    let encoded = head.encode(body.as_bytes(), b"", &mut bytes);
    encoded.place(&mut bytes, queue_offset, 1000 + queue_offset, 1);
    bytes
}

#[tokio::test]
async fn only_what_cannot_be_read_is_passed_over() {
    let fake = Fake::start(&["a"]);
    fake.topic("T", 1);
    let mut config = fake.config();
    config.instance_name = "damaged".to_string();
    let member = config.client_id();
    fake.answer(move |seen| {
        let is_pull = seen.code == RequestCode::PULL_MESSAGE && seen.field("topic") == "T";
        // Three messages from offset 3 on, of which the second is damaged, then one more.
        let body = match seen.field("queueOffset") {
            _ if !is_pull => return answer(seen, &member),
            "3" => [record(3, "3"), b"damaged".to_vec(), record(5, "5")].concat(),
            "4" => [b"damaged".to_vec(), record(5, "5")].concat(),
            "5" => [record(5, "5"), record(6, "6")].concat(),
            _ => return None,
        };
        let fields = [("nextBeginOffset", "7"), ("minOffset", "0"), ("maxOffset", "7")];
        let fields = fields.into_iter().chain([("suggestWhichBrokerId", "0")]);
        let fields = fields.map(|(name, value)| (name.to_string(), value.to_string())).collect();
        Reply::ok().map(|reply| Reply { fields, body, ..reply })
    });
    let seen = Arc::new(Mutex::new(Vec::new()));
    let taking = Arc::clone(&seen);
    let consumer = PushConsumer::builder(STORED).client_config(config).subscribe("T", "*");
    let consumer = consumer.workers(1).on_messages(move |delivery| {
        taking.lock().extend(delivery.messages.iter().map(|message| message.queue_offset));
        std::future::ready(ConsumeStatus::Success)
    });
    let consumer = consumer.start().await.unwrap();
    until("what can be read was consumed", || seen.lock().len() >= 3).await;
    consumer.shutdown().await;
    assert_eq!(*seen.lock(), [3, 5, 6]);
}

/// A message that neither its broker nor the retry topic takes back waits here for its next delivery;
/// the end of the consumer does not wait for that, and leaves nothing of it.
#[tokio::test]
async fn a_delivery_that_waits_here_does_not_outlive_the_consumer() {
    let fake = Fake::start(&["a"]);
    fake.topic("T", 1);
    fake.topic(&format!("%RETRY%{STORED}"), 1);
    let mut config = fake.config();
    config.instance_name = "again".to_string();
    let member = config.client_id();
    fake.answer(move |seen| match seen.code {
        RequestCode::PULL_MESSAGE if seen.field("queueOffset") == "3" => {
            let fields = [("nextBeginOffset", "4"), ("minOffset", "0"), ("maxOffset", "4")];
            let fields = fields.into_iter().chain([("suggestWhichBrokerId", "0")]);
            let fields = fields.map(|(name, value)| (name.to_string(), value.to_string()));
            let (fields, body) = (fields.collect(), record(3, "3"));
            Reply::ok().map(|reply| Reply { fields, body, ..reply })
        }
        RequestCode::CONSUMER_SEND_MSG_BACK
        | RequestCode::SEND_MESSAGE
        | RequestCode::SEND_MESSAGE_V2 => Reply::code(ResponseCode::NO_PERMISSION, "no"),
        _ => answer(seen, &member),
    });
    let deliveries = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&deliveries);
    let consumer = PushConsumer::builder(STORED).client_config(config).subscribe("T", "*");
    let consumer = consumer.on_messages(move |_| {
        *counted.lock() += 1;
        std::future::ready(ConsumeStatus::ReconsumeLater)
    });
    let consumer = consumer.start().await.unwrap();
    let tried = |code| !fake.seen(code).is_empty();
    until("both ways back were refused", || {
        tried(RequestCode::CONSUMER_SEND_MSG_BACK) && tried(RequestCode::SEND_MESSAGE_V2)
    })
    .await;
    consumer.shutdown().await;
    drop(consumer);
    let delivered = *deliveries.lock();
    // The fake's own tasks are on this runtime as well; nothing but they may be left.
    drop(fake);
    until("no task is left", || tasks() == 0).await;
    assert!((1..=2).contains(&delivered), "{delivered}");
    assert_eq!(*deliveries.lock(), delivered);
}

#[tokio::test]
async fn without_name_servers_the_address_server_is_asked() {
    let fake = Fake::start(&["a"]);
    fake.topic("T", 1);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let domain = listener.local_addr().unwrap().to_string();
    let list = fake.namesrv_addr();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let paths = Arc::clone(&asked);
    let serving = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 1024];
            let read = stream.read(&mut request).await.unwrap();
            let text = String::from_utf8_lossy(&request[..read]).into_owned();
            paths.lock().push(text.split(' ').nth(1).unwrap().to_string());
            let answer = format!("HTTP/1.1 200 OK\r\n\r\n{list}\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    let mut config = fake.config();
    config.namesrv_addr = None;
    config.address_server = Some(AddressServer::new(Some(&domain), Some("mine")));
    config.unit_name = Some("u1".to_string());
    fake.answer(|seen| match seen.code {
        RequestCode::SEND_MESSAGE_V2 => Reply::stored(seen, 0),
        _ => Reply::ok(),
    });
    let producer = Producer::builder("p").client_config(config.clone()).start().await.unwrap();
    for text in ["1", "2"] {
        producer.send(Message::new("T", text)).await.unwrap();
    }
    let consumer = PushConsumer::builder("g").client_config(config).subscribe("T", "*");
    let consumer = consumer.on_messages(|_| async { ConsumeStatus::Success });
    let consumer = consumer.start().await.unwrap();
    producer.shutdown().await;
    consumer.shutdown().await;
    serving.abort();
    // Each client asked once.
    assert_eq!(*asked.lock(), ["/rocketmq/mine-u1?nofix=1", "/rocketmq/mine-u1?nofix=1"]);
}
