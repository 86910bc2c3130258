//! Producers against brokers that answer as each test says.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test fails by panicking

mod fake;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use fake::{Fake, Reply, Seen, tasks, until};
use rocketmq_client::{
    ClientError, Message, MessageQueue, Producer, ProducerBuilder, SendStatus, by_hash,
};
use rocketmq_protocol::body::HeartbeatData;
use rocketmq_protocol::message::batch;
use rocketmq_protocol::message::message_ext::inflate;
use rocketmq_protocol::{RequestCode, ResponseCode};
use rocketmq_remoting::RemotingError;

const SEND: RequestCode = RequestCode::SEND_MESSAGE_V2;

fn producer(fake: &Fake) -> ProducerBuilder {
    Producer::builder("group").client_config(fake.config())
}

/// Stores every send, whatever it is.
fn store_all(fake: &Fake) {
    let offset = AtomicI64::new(0);
    fake.answer(move |seen| match seen.code {
        SEND | RequestCode::SEND_BATCH_MESSAGE => {
            Reply::stored(seen, offset.fetch_add(1, Ordering::SeqCst))
        }
        _ => Reply::ok(),
    });
}

fn brokers(seen: &[Seen]) -> Vec<&str> {
    seen.iter().map(|seen| seen.broker.as_str()).collect()
}

#[tokio::test]
async fn a_send_carries_the_message_and_tells_where_it_went() {
    let fake = Fake::start(&["a"]);
    fake.topic("T", 4);
    store_all(&fake);
    let producer = producer(&fake).start().await.unwrap();
    let mut message = Message::new("T", "body").with_tags("A").with_keys("k1 k2");
    message.flag = 7;
    let result = producer.send(message).await.unwrap();
    let [sent] = &fake.seen(SEND)[..] else { panic!("sent once") };
    assert_eq!((sent.field("a"), sent.field("b"), sent.field("c")), ("group", "T", "TBW102"));
    assert_eq!((sent.field("d"), sent.field("f"), sent.field("h")), ("4", "0", "7"));
    assert_eq!((sent.field("j"), sent.field("k"), sent.field("m")), ("0", "false", "false"));
    assert_eq!(sent.body, "body");
    for (name, value) in [("TAGS", "A"), ("KEYS", "k1 k2"), ("WAIT", "true")] {
        assert_eq!(sent.property(name).as_deref(), Some(value));
    }
    assert_eq!(sent.property("UNIQ_KEY").as_deref(), Some(&*result.msg_id));
    let queue_id: i32 = sent.field("e").parse().unwrap();
    let queue = MessageQueue { topic: "T".into(), broker_name: "a".into(), queue_id };
    assert_eq!((result.status, &result.message_queue), (SendStatus::SendOk, &queue));
    assert_eq!((result.queue_offset, result.offset_msg_id.len()), (0, 32));
    producer.shutdown().await;
}

#[tokio::test]
async fn queues_take_turns_and_ids_differ() {
    let fake = Fake::start(&["a", "b"]);
    fake.topic("T", 2);
    store_all(&fake);
    let producer = producer(&fake).start().await.unwrap();
    let mut ids = BTreeSet::new();
    let mut queues: Vec<_> = Vec::new();
    for _ in 0..8 {
        let result = producer.send(Message::new("T", "x")).await.unwrap();
        assert!(ids.insert(result.msg_id));
        queues.push((result.message_queue.broker_name, result.message_queue.queue_id));
    }
    let (first, second) = queues.split_at(4);
    assert_eq!(first, second);
    assert_eq!(first.iter().collect::<BTreeSet<_>>().len(), 4);
    producer.shutdown().await;
}

#[tokio::test]
async fn listed_answers_are_retried_at_another_broker_and_others_are_not() {
    let fake = Fake::start(&["a", "b"]);
    fake.topic("T", 2);
    for (code, retried) in [
        (ResponseCode::SYSTEM_ERROR, true),
        (ResponseCode::SERVICE_NOT_AVAILABLE, true),
        (ResponseCode::NO_PERMISSION, true),
        (ResponseCode::TOPIC_NOT_EXIST, true),
        (ResponseCode::NO_BUYER_ID, true),
        (ResponseCode::NOT_IN_CURRENT_UNIT, true),
        (ResponseCode::SYSTEM_BUSY, false),
        (ResponseCode::MESSAGE_ILLEGAL, false),
    ] {
        let producer = producer(&fake).start().await.unwrap();
        let before = fake.seen(SEND).len();
        fake.answer(move |seen| match seen.code {
            SEND => Reply::code(code, "no"),
            _ => Reply::ok(),
        });
        let error = producer.send(Message::new("T", "x")).await.unwrap_err();
        assert_eq!(error.code(), code);
        let seen = &fake.seen(SEND)[before..];
        let tried = brokers(seen);
        if retried {
            assert!(tried == ["a", "b", "a"] || tried == ["b", "a", "b"], "{code:?}: {tried:?}");
            let text = error.to_string();
            assert!(text.contains("Send [3] times, still failed, cost ["), "{text}");
            assert!(text.contains(&format!("Topic: T, BrokersSent: [{}]", tried.join(", "))));
            let ids: BTreeSet<_> = seen.iter().map(|seen| seen.property("UNIQ_KEY")).collect();
            assert_eq!(ids.len(), 1, "a message keeps its id");
        } else {
            assert_eq!(tried.len(), 1, "{code:?}");
            assert!(matches!(error, ClientError::Broker { .. }), "{error}");
        }
        producer.shutdown().await;
    }
}

#[tokio::test]
async fn a_second_broker_takes_over_from_one_that_is_gone() {
    let mut fake = Fake::start(&["a", "b"]);
    fake.topic("T", 2);
    store_all(&fake);
    fake.stop_broker("a");
    let producer = producer(&fake).start().await.unwrap();
    for _ in 0..4 {
        let result = producer.send(Message::new("T", "x")).await.unwrap();
        assert_eq!(result.message_queue.broker_name, "b");
    }
    producer.shutdown().await;
}

#[tokio::test]
async fn stored_but_not_flushed_is_retried_only_if_asked_for() {
    let fake = Fake::start(&["a", "b"]);
    fake.topic("T", 1);
    fake.answer(|seen| match (seen.code, seen.broker.as_str()) {
        (SEND, "a") => {
            let mut reply = Reply::stored(seen, 0).unwrap();
            reply.code = ResponseCode::FLUSH_DISK_TIMEOUT;
            Some(reply)
        }
        (SEND, _) => Reply::stored(seen, 0),
        _ => Reply::ok(),
    });
    let easy = producer(&fake).start().await.unwrap();
    let mut stati = Vec::new();
    for _ in 0..2 {
        stati.push(easy.send(Message::new("T", "x")).await.unwrap().status);
    }
    stati.sort_by_key(|status| status.name());
    assert_eq!(stati, [SendStatus::FlushDiskTimeout, SendStatus::SendOk]);
    easy.shutdown().await;
    let strict =
        producer(&fake).retry_another_broker_when_not_store_ok(true).start().await.unwrap();
    for _ in 0..2 {
        assert_eq!(strict.send(Message::new("T", "x")).await.unwrap().status, SendStatus::SendOk);
    }
    strict.shutdown().await;
}

#[tokio::test]
async fn a_broker_that_was_slow_is_avoided_with_latency_fault_tolerance() {
    let fake = Fake::start(&["a", "b"]);
    fake.topic("T", 1);
    fake.answer(|seen| match (seen.code, seen.broker.as_str()) {
        (SEND, "a") => Reply::code(ResponseCode::SYSTEM_ERROR, "ill"),
        (SEND, _) => Reply::stored(seen, 0),
        _ => Reply::ok(),
    });
    let producer = producer(&fake).latency_fault_tolerance(true).start().await.unwrap();
    for _ in 0..10 {
        producer.send(Message::new("T", "x")).await.unwrap();
    }
    let sent = fake.seen(SEND);
    assert!(brokers(&sent).iter().filter(|name| **name == "a").count() <= 1);
    assert_eq!(brokers(&sent).iter().filter(|name| **name == "b").count(), 10);
    producer.shutdown().await;
}

#[tokio::test]
async fn large_bodies_travel_compressed() {
    let fake = Fake::start(&["a"]);
    fake.topic("T", 1);
    store_all(&fake);
    let producer = producer(&fake).start().await.unwrap();
    producer.send(Message::new("T", vec![b'x'; 4095])).await.unwrap();
    producer.send(Message::new("T", vec![b'x'; 4096])).await.unwrap();
    let sent = fake.seen(SEND);
    assert_eq!((sent[0].field("f"), sent[0].body.len()), ("0", 4095));
    assert_eq!(sent[1].field("f"), "1");
    assert_eq!(inflate(&sent[1].body).unwrap(), vec![b'x'; 4096]);
    producer.shutdown().await;
}

#[tokio::test]
async fn a_send_ends_in_time_when_no_answer_comes() {
    let fake = Fake::start(&["a"]);
    fake.topic("T", 1);
    fake.answer(|seen| if seen.code == SEND { None } else { Reply::ok() });
    let timeout = Duration::from_millis(200);
    let producer = producer(&fake).send_timeout(timeout).start().await.unwrap();
    let error = producer.send(Message::new("T", "x")).await.unwrap_err();
    assert_eq!(error.code(), ResponseCode::ACCESS_BROKER_TIMEOUT, "{error}");
    assert!(error.to_string().contains("sendDefaultImpl call timeout"), "{error}");
    let queue = producer.fetch_publish_queues("T").await.unwrap().remove(0);
    let error = producer.send_to_queue(Message::new("T", "x"), &queue).await.unwrap_err();
    assert!(matches!(error, ClientError::Remoting(RemotingError::Timeout { .. })), "{error}");
    producer.shutdown().await;
}

#[tokio::test]
async fn oneway_sends_ask_for_no_answer() {
    let fake = Fake::start(&["a"]);
    fake.topic("T", 1);
    let producer = producer(&fake).start().await.unwrap();
    for _ in 0..10 {
        producer.send_oneway(Message::new("T", "x")).await.unwrap();
    }
    until("all arrived", || fake.seen(SEND).len() == 10).await;
    assert!(fake.seen(SEND).iter().all(|seen| seen.oneway));
    producer.shutdown().await;
}

#[tokio::test]
async fn begun_sends_are_under_way_together_and_keep_their_order() {
    let fake = Fake::start(&["a"]);
    fake.topic("T", 1);
    fake.answer(|seen| match seen.code {
        SEND => Reply::stored(seen, 0).map(|reply| {
            // The first answers come last.
            let wait = if seen.body == "0" { 100 } else { 1 };
            Reply { delay: Duration::from_millis(wait), ..reply }
        }),
        _ => Reply::ok(),
    });
    let producer = producer(&fake).start().await.unwrap();
    let mut under_way = Vec::new();
    for index in 0..50 {
        under_way.push(producer.start_send(Message::new("T", index.to_string())).await.unwrap());
    }
    for pending in under_way {
        assert_eq!(pending.await.unwrap().status, SendStatus::SendOk);
    }
    let bodies: Vec<_> = fake.seen(SEND).iter().map(|seen| seen.body.clone()).collect();
    let expected: Vec<_> = (0..50).map(|index| index.to_string()).collect();
    assert_eq!(bodies, expected);
    producer.shutdown().await;
}

#[tokio::test]
async fn begun_sends_wait_for_room() {
    let fake = Fake::start(&["a"]);
    fake.topic("T", 1);
    fake.answer(|seen| if seen.code == SEND { None } else { Reply::ok() });
    let timeout = Duration::from_millis(300);
    for (sends, kib) in [(2, 1000), (1000, 3)] {
        let producer = producer(&fake)
            .send_timeout(timeout)
            .retry_times_async(0)
            .pending_limits(sends, kib)
            .start()
            .await
            .unwrap();
        let message = || Message::new("T", vec![b'x'; 1025]);
        let first = producer.start_send(message()).await.unwrap();
        // Two messages of 2 KiB each are more than 3 KiB.
        let second = if kib > 3 { producer.start_send(message()).await.ok() } else { None };
        let error = producer.start_send(message()).await.err().expect("there is no room");
        assert!(error.to_string().contains("may be under way"), "{error}");
        drop((first, second));
        drop(producer.start_send(message()).await.expect("there is room again"));
        producer.shutdown().await;
    }
}

#[tokio::test]
async fn begun_sends_are_repeated_elsewhere_when_no_answer_comes_but_not_when_one_does() {
    let mut fake = Fake::start(&["a", "b"]);
    fake.topic("T", 1);
    store_all(&fake);
    fake.stop_broker("a");
    let producer = producer(&fake).start().await.unwrap();
    for _ in 0..4 {
        let pending = producer.start_send(Message::new("T", "x")).await.unwrap();
        assert_eq!(pending.await.unwrap().message_queue.broker_name, "b");
    }
    fake.answer(|_| Reply::code(ResponseCode::SYSTEM_ERROR, "no"));
    let before = fake.seen(SEND).len();
    let mut errors = 0;
    for _ in 0..2 {
        let pending = producer.start_send(Message::new("T", "x")).await.unwrap();
        errors += usize::from(matches!(pending.await, Err(ClientError::Broker { .. })));
    }
    assert_eq!((errors, fake.seen(SEND).len() - before), (2, 2));
    producer.shutdown().await;
}

#[tokio::test]
async fn selectors_and_given_queues_decide() {
    let fake = Fake::start(&["a"]);
    fake.topic("T", 4);
    store_all(&fake);
    let producer = producer(&fake).start().await.unwrap();
    let result = producer.send_selected(Message::new("T", "x"), by_hash("abc")).await.unwrap();
    assert_eq!(result.message_queue.queue_id, 96354 % 4);
    let error = producer.send_selected(Message::new("T", "x"), |_| None).await.unwrap_err();
    assert!(error.to_string().contains("select message queue return null."), "{error}");
    let mut queue = MessageQueue { topic: "T".into(), broker_name: "a".into(), queue_id: 3 };
    let result = producer.send_to_queue(Message::new("T", "x"), &queue).await.unwrap();
    assert_eq!(result.message_queue, queue);
    let error = producer.send_to_queue(Message::new("U", "x"), &queue).await.unwrap_err();
    assert!(error.to_string().contains("message's topic not equal mq's topic"), "{error}");
    queue.broker_name = "z".to_string();
    let error = producer.send_to_queue(Message::new("T", "x"), &queue).await.unwrap_err();
    assert!(error.to_string().contains("The broker[z] not exist"), "{error}");
    fake.answer(|_| Reply::code(ResponseCode::SYSTEM_ERROR, "no"));
    let before = fake.seen(SEND).len();
    producer.send_selected(Message::new("T", "x"), by_hash("abc")).await.unwrap_err();
    assert_eq!(fake.seen(SEND).len(), before + 1, "a chosen queue is not retried");
    producer.shutdown().await;
}

#[tokio::test]
async fn batches_carry_every_message() {
    let fake = Fake::start(&["a"]);
    fake.topic("T", 1);
    store_all(&fake);
    let producer = producer(&fake).start().await.unwrap();
    let messages = [Message::new("T", "one").with_tags("A"), Message::new("T", "two")];
    let result = producer.send_batch(&messages).await.unwrap();
    let [sent] = &fake.seen(RequestCode::SEND_BATCH_MESSAGE)[..] else { panic!("sent once") };
    assert_eq!((sent.field("m"), sent.field("f")), ("true", "0"));
    let items: Vec<_> = batch::items(&sent.body).map(Result::unwrap).collect();
    let bodies: Vec<_> = items.iter().map(|item| item.body).collect();
    assert_eq!(bodies, [b"one", b"two"]);
    let ids: Vec<_> = items
        .iter()
        .map(|item| rocketmq_protocol::message::properties::get_text(item.properties, "UNIQ_KEY"))
        .map(Option::unwrap)
        .collect();
    assert_eq!(result.msg_id, ids.join(","));
    producer.shutdown().await;
}

#[tokio::test]
async fn unknown_topics_are_sent_by_the_route_they_will_inherit() {
    let fake = Fake::start(&["a"]);
    fake.topic("TBW102", 8);
    store_all(&fake);
    let producer = producer(&fake).start().await.unwrap();
    let queues = producer.fetch_publish_queues("New").await.unwrap();
    assert_eq!(queues.len(), 4);
    assert!(queues.iter().all(|queue| queue.topic == "New"));
    producer.shutdown().await;
    let none = Fake::start(&[]);
    let producer = Producer::builder("group").client_config(none.config()).start().await.unwrap();
    let error = producer.send(Message::new("T", "x")).await.unwrap_err();
    assert_eq!(error.code(), ResponseCode::NOT_FOUND_TOPIC_EXCEPTION);
    assert!(error.to_string().contains("No route info of this topic: T\nSee http"), "{error}");
    producer.shutdown().await;
}

#[tokio::test]
async fn without_a_name_server_sending_says_so() {
    let config = rocketmq_client::ClientConfig {
        namesrv_addr: None,
        address_server: None,
        ..Default::default()
    };
    let producer = Producer::builder("group").client_config(config).start().await.unwrap();
    let error = producer.send(Message::new("T", "x")).await.unwrap_err();
    assert_eq!(error.code(), ResponseCode::NO_NAME_SERVER_EXCEPTION);
    assert!(error.to_string().contains("No name server address, please set it."), "{error}");
    producer.shutdown().await;
}

#[tokio::test]
async fn groups_are_checked_at_the_start() {
    let fake = Fake::start(&[]);
    let refused = |group: &str| {
        let builder = Producer::builder(group).client_config(fake.config());
        async move { builder.start().await.err().expect("the group is refused").to_string() }
    };
    let text = refused("DEFAULT_PRODUCER").await;
    let expected = "producerGroup can not equal DEFAULT_PRODUCER, please specify another one.";
    assert!(text.contains(expected), "{text}");
    assert!(refused("a b").await.contains("contains illegal characters"));
    let mut config = fake.config();
    config.instance_name = "groups_are_checked".to_string();
    let builder = || Producer::builder("g").client_config(config.clone());
    let first = builder().start().await.unwrap();
    let text = builder().start().await.err().unwrap().to_string();
    assert!(text.contains("The producer group[g] has been created before"), "{text}");
    first.shutdown().await;
    builder().start().await.expect("the group is free again").shutdown().await;
}

#[tokio::test]
async fn namespaces_are_added_on_the_way_out_and_removed_on_the_way_in() {
    let fake = Fake::start(&["a"]);
    fake.topic("ns%T", 1);
    store_all(&fake);
    let producer = producer(&fake).namespace("ns").start().await.unwrap();
    let result = producer.send(Message::new("T", "x")).await.unwrap();
    assert_eq!(result.message_queue.topic, "T");
    let queues = producer.fetch_publish_queues("T").await.unwrap();
    assert_eq!(queues, [result.message_queue]);
    producer.send_to_queue(Message::new("T", "x"), &queues[0]).await.unwrap();
    producer.send_batch(&[Message::new("T", "x")]).await.unwrap();
    for sent in fake.seen(SEND) {
        assert_eq!((sent.field("a"), sent.field("b")), ("ns%group", "ns%T"));
        assert_eq!(sent.property("INSTANCE_ID").as_deref(), Some("ns"));
    }
    assert_eq!(fake.seen(RequestCode::SEND_BATCH_MESSAGE)[0].field("b"), "ns%T");
    producer.shutdown().await;
}

#[tokio::test]
async fn brokers_learn_of_the_group_and_of_its_end_and_no_task_stays() {
    let fake = Fake::start(&["a"]);
    fake.topic("T", 1);
    store_all(&fake);
    until("the servers run", || tasks() >= 2).await;
    let before = tasks();
    let mut config = fake.config();
    config.heartbeat_broker_interval = Duration::from_millis(20);
    let producer =
        Producer::builder("group").client_config(config).trace(None).start().await.unwrap();
    producer.send(Message::new("T", "x")).await.unwrap();
    until("a heartbeat came", || !fake.seen(RequestCode::HEART_BEAT).is_empty()).await;
    let body = fake.seen(RequestCode::HEART_BEAT)[0].body.clone();
    let body: HeartbeatData = rocketmq_common::fastjson::from_slice(&body).unwrap();
    assert_eq!(body.client_id, producer.client_id());
    assert_eq!(body.producer_data_set[0].group_name, "group");
    producer.shutdown().await;
    let left = fake.seen(RequestCode::UNREGISTER_CLIENT);
    assert!(left.iter().any(|seen| seen.field("producerGroup") == "group"));
    until("the brokers' own tasks have ended", || fake.connections("a").is_empty()).await;
    until("no task is left", || tasks() <= before).await;
    let error = producer.send(Message::new("T", "x")).await.unwrap_err();
    assert!(error.to_string().contains("The producer service state not OK, SHUTDOWN_ALREADY"));
    producer.shutdown().await;
}

#[tokio::test]
async fn a_producer_that_is_dropped_leaves_no_task_behind() {
    let fake = Fake::start(&["a"]);
    fake.topic("T", 1);
    store_all(&fake);
    let before = tasks();
    let producer = Arc::new(producer(&fake).start().await.unwrap());
    producer.send(Message::new("T", "x")).await.unwrap();
    drop(producer);
    until("no task is left", || tasks() <= before && fake.connections("a").is_empty()).await;
}
