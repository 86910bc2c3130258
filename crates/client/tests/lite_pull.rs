//! Lite pull consumers against a real broker.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test fails by panicking

mod cluster;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use cluster::{Cluster, Inbox, body, tasks, until};
use rocketmq_client::consumer::LitePullConsumerBuilder;
use rocketmq_client::{
    ConsumeFromWhere, LitePullConsumer, Message, MessageQueue, MessageSelector, by_number,
};

/// Longest wait for a message that must come.
const SOON: Duration = Duration::from_secs(30);
/// A poll that need not find anything.
const NOW: Duration = Duration::from_millis(1);

fn numbers(range: std::ops::Range<usize>) -> impl Iterator<Item = String> {
    range.map(|number| number.to_string())
}

fn consumer(cluster: &Cluster, group: &str) -> LitePullConsumerBuilder {
    LitePullConsumer::builder(group)
        .client_config(cluster.config())
        .consume_from(ConsumeFromWhere::FirstOffset)
}

/// Polls until so many messages came.
async fn poll(consumer: &LitePullConsumer, count: usize) -> Vec<String> {
    let mut bodies = Vec::new();
    while bodies.len() < count {
        let polled = consumer.poll(SOON).await.unwrap();
        assert!(!polled.is_empty(), "only {bodies:?} came");
        bodies.extend(polled.iter().map(body));
    }
    bodies
}

fn said<T>(result: Result<T, rocketmq_client::ClientError>) -> String {
    result.err().map(|error| error.to_string()).unwrap_or_default()
}

#[tokio::test]
async fn a_group_goes_on_behind_what_it_committed() {
    let cluster = Cluster::start().await;
    cluster.topic("T", 1).await;
    cluster.send("T", numbers(0..30)).await;
    let first = consumer(&cluster, "g").auto_commit(false).start().await.unwrap();
    first.subscribe("T", "*").await.unwrap();
    assert_eq!(poll(&first, 10).await, numbers(0..10).collect::<Vec<_>>());
    let queue = first.assignment().remove(0);
    first.commit().await.unwrap();
    assert_eq!(first.committed(&queue).await.unwrap(), Some(10));
    // Polled, but not committed.
    poll(&first, 10).await;
    first.shutdown().await;
    assert_eq!(tasks(), 0);
    assert!(
        said(first.poll(NOW).await).contains("The consumer not running, please start it first.")
    );
    let second = consumer(&cluster, "g").auto_commit_interval(Duration::from_secs(1));
    let second = second.start().await.unwrap();
    second.subscribe("T", "*").await.unwrap();
    assert_eq!(poll(&second, 20).await, numbers(10..30).collect::<Vec<_>>());
    // A later poll commits by itself, and the broker learns of it.
    let admin = cluster.admin();
    let deadline = std::time::Instant::now() + SOON;
    loop {
        assert!(second.poll(Duration::from_millis(20)).await.unwrap().is_empty());
        let stats = admin.consume_stats("g", Some("T")).await.unwrap();
        if stats.offset_table.values().all(|offset| offset.consumer_offset == 30) {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "{stats:?}");
    }
    let connection = admin.consumer_connection("g").await.unwrap();
    assert_eq!(connection.consume_type.name(), "CONSUME_ACTIVELY");
    admin.shutdown().await;
    second.shutdown().await;
    assert_eq!(tasks(), 0);
}

#[tokio::test]
async fn assigned_queues_can_be_read_from_anywhere() {
    let cluster = Cluster::start().await;
    cluster.topic("T", 2).await;
    let producer = cluster.producer("p").await;
    for number in numbers(0..10) {
        let message = Message::new("T", number);
        producer.send_selected(message, by_number(0)).await.unwrap();
    }
    let begun = rocketmq_common::clock::now_ms();
    until("time passes", || rocketmq_common::clock::now_ms() > begun).await;
    producer.send_selected(Message::new("T", "late"), by_number(0)).await.unwrap();
    producer.shutdown().await;
    let consumer = consumer(&cluster, "g").auto_commit(false).start().await.unwrap();
    let queues = consumer.fetch_message_queues("T").await.unwrap();
    assert_eq!(queues.iter().map(|queue| queue.queue_id).collect::<Vec<_>>(), [0, 1]);
    let queue = queues[0].clone();
    let refused = said(consumer.seek_to_begin(&queue).await);
    assert!(refused.contains("The message queue is not in assigned list"), "{refused}");
    consumer.assign(&queues[..1]).await.unwrap();
    assert_eq!(consumer.assignment(), queues[..1]);
    // Also before the queue is pulled for the first time.
    consumer.seek(&queue, 7).await.unwrap();
    assert_eq!(poll(&consumer, 4).await, ["7", "8", "9", "late"]);
    consumer.seek(&queue, 9).await.unwrap();
    assert_eq!(poll(&consumer, 2).await, ["9", "late"]);
    consumer.seek_to_begin(&queue).await.unwrap();
    let (mut stored, mut seen) = (0, Vec::new());
    while seen.len() < 11 {
        let polled = consumer.poll(SOON).await.unwrap();
        stored = polled.last().unwrap().store_timestamp;
        seen.extend(polled.iter().map(body));
    }
    assert_eq!((&*seen[0], &*seen[10]), ("0", "late"));
    consumer.commit().await.unwrap();
    assert_eq!(consumer.committed(&queue).await.unwrap(), Some(11));
    consumer.seek_to_end(&queue).await.unwrap();
    cluster.send("T", ["new".to_string(), "new".to_string()]).await;
    assert_eq!(poll(&consumer, 1).await, ["new"]);
    assert_eq!(consumer.offset_for_timestamp(&queue, stored).await.unwrap(), 10);
    let refused = said(consumer.seek(&queue, 99).await);
    assert!(refused.contains("Seek offset illegal, seek offset = 99, min offset = 0"), "{refused}");
    let refused = said(consumer.subscribe("T", "*").await);
    assert!(refused.contains("Subscribe and assign are mutually exclusive."), "{refused}");
    let refused = said(consumer.assign(&[]).await);
    assert!(refused.contains("Message queues can not be null or empty."), "{refused}");
    consumer.shutdown().await;
    assert_eq!(tasks(), 0);
}

#[tokio::test]
async fn paused_queues_wait() {
    let cluster = Cluster::start().await;
    cluster.topic("T", 2).await;
    let consumer = consumer(&cluster, "g").start().await.unwrap();
    let queues = consumer.fetch_message_queues("T").await.unwrap();
    consumer.pause(&queues[..1]);
    consumer.assign(&queues).await.unwrap();
    let producer = cluster.producer("p").await;
    producer.send_to_queue(Message::new("T", "paused"), &queues[0]).await.unwrap();
    for text in ["1", "2"] {
        producer.send_to_queue(Message::new("T", text), &queues[1]).await.unwrap();
        // The other queue's message is older, but stays where it is.
        assert_eq!(poll(&consumer, 1).await, [text]);
    }
    producer.shutdown().await;
    consumer.resume(&queues[..1]);
    assert_eq!(poll(&consumer, 1).await, ["paused"]);
    consumer.shutdown().await;
}

#[tokio::test]
async fn members_share_queues_and_sql_chooses() {
    let cluster = Cluster::start().await;
    cluster.topic("T", 4).await;
    let selector = || MessageSelector::by_sql("number < 100");
    let one = consumer(&cluster, "g").start().await.unwrap();
    one.subscribe("T", selector()).await.unwrap();
    until("it has every queue", || one.assignment().len() == 4).await;
    let two = consumer(&cluster, "g").start().await.unwrap();
    two.subscribe("T", selector()).await.unwrap();
    until("each has two", || one.assignment().len() == 2 && two.assignment().len() == 2).await;
    let all: BTreeSet<_> = one.assignment().into_iter().chain(two.assignment()).collect();
    assert_eq!(all.len(), 4);
    let refused = said(one.subscribe("T", MessageSelector::by_sql("number <")).await);
    assert!(refused.contains("CODE: 23"), "{refused}");
    let refused = said(one.assign(&one.assignment()).await);
    assert!(refused.contains("Subscribe and assign are mutually exclusive."), "{refused}");
    let producer = cluster.producer("p").await;
    for number in 0..40 {
        let mut message = Message::new("T", number.to_string());
        message.set("number", (number % 2 * 100).to_string());
        producer.send_selected(message, by_number(number % 8 / 2)).await.unwrap();
    }
    producer.shutdown().await;
    let mut seen = Vec::new();
    while seen.len() < 20 {
        for member in [&one, &two] {
            seen.extend(member.poll(NOW).await.unwrap().iter().map(body));
        }
    }
    seen.sort_by_key(|number| number.parse::<usize>().unwrap());
    let even: Vec<_> = (0..40).step_by(2).map(|number| number.to_string()).collect();
    assert_eq!(seen, even);
    one.unsubscribe("T");
    until("its queues are left", || one.assignment().is_empty()).await;
    one.shutdown().await;
    two.shutdown().await;
    assert_eq!(tasks(), 0);
}

#[tokio::test]
async fn little_is_pulled_ahead_when_little_may_be() {
    let cluster = Cluster::start().await;
    cluster.topic("T", 2).await;
    cluster.send("T", numbers(0..60)).await;
    let consumer = consumer(&cluster, "g")
        .pull_batch(3)
        .pull_threshold_for_all(4)
        .pull_threshold_for_queue(2)
        .pull_threshold_size_for_queue(1)
        .consume_max_span(5)
        .start()
        .await
        .unwrap();
    consumer.subscribe("T", "*").await.unwrap();
    let seen: BTreeSet<_> = poll(&consumer, 60).await.into_iter().collect();
    assert_eq!(seen, numbers(0..60).collect());
    consumer.shutdown().await;
}

#[tokio::test]
async fn the_application_hears_of_new_queues() {
    let cluster = Cluster::start().await;
    cluster.topic("ns%T", 1).await;
    let consumer = consumer(&cluster, "g").namespace("ns");
    let consumer = consumer.topic_metadata_check_interval(Duration::from_millis(20));
    let consumer = consumer.start().await.unwrap();
    let heard: Arc<parking_lot::Mutex<Vec<BTreeSet<MessageQueue>>>> = Arc::default();
    let hearing = Arc::clone(&heard);
    let listener = move |topic: &str, queues: &BTreeSet<MessageQueue>| {
        assert_eq!(topic, "T");
        hearing.lock().push(queues.clone());
    };
    consumer.on_queues_changed("T", listener).await.unwrap();
    cluster.topic("ns%T", 3).await;
    until("it heard of them", || heard.lock().last().is_some_and(|queues| queues.len() == 3)).await;
    assert!(heard.lock().iter().flatten().all(|queue| queue.topic == "T"));
    consumer.shutdown().await;
    assert_eq!(tasks(), 0);
}

#[tokio::test]
async fn a_poll_that_waits_ends_with_the_consumer() {
    let cluster = Cluster::start().await;
    cluster.topic("T", 1).await;
    let consumer = Arc::new(consumer(&cluster, "g").trace(None).start().await.unwrap());
    consumer.subscribe("T", "*").await.unwrap();
    cluster.send("T", ["x".to_string()]).await;
    assert_eq!(poll(&consumer, 1).await, ["x"]);
    let polling = tokio::spawn({
        let consumer = Arc::clone(&consumer);
        async move { consumer.poll(Duration::from_secs(3600)).await }
    });
    tokio::task::yield_now().await;
    consumer.shutdown().await;
    let polled = polling.await.unwrap();
    assert!(polled.is_err() || polled.unwrap().is_empty());
    assert_eq!(tasks(), 0);
    // What was polled is in the trace.
    let traces = Inbox::default();
    let taking = traces.clone();
    let reader = cluster.consumer("reader").subscribe("RMQ_SYS_TRACE_TOPIC", "*");
    let reader = reader.on_messages(move |delivery| taking.take(delivery));
    let reader = reader.start().await.unwrap();
    let complete = || {
        let text = traces.bodies().concat();
        text.contains("SubBefore\u{1}") && text.contains("SubAfter\u{1}")
    };
    until("the records came", complete).await;
    reader.shutdown().await;
}
