//! Push consumers with concurrent listeners, against a real broker: what is chosen by tags and SQL92,
//! what comes again and what ends as a dead letter.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test fails by panicking

mod cluster;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cluster::{Cluster, Inbox, body, until};
use rocketmq_client::{
    ClientConfig, ConsumeFromWhere, ConsumeStatus, Message, MessageModel, MessageSelector,
    PushConsumer,
};

fn texts<const N: usize>(texts: [&str; N]) -> Vec<String> {
    texts.map(str::to_string).to_vec()
}

#[tokio::test]
async fn tags_and_sql_choose_messages() {
    let cluster = Cluster::start().await;
    cluster.topic("T", 1).await;
    let producer = cluster.producer("p").await;
    // The tags Aa and BB have the same hash: brokers take one for the other.
    for (text, tag, price) in [("1", "Aa", "5"), ("2", "BB", "10"), ("3", "C", "15")] {
        let mut message = Message::new("T", text).with_tags(tag);
        message.set("price", price);
        producer.send(message).await.unwrap();
    }
    producer.send(Message::new("T", "end").with_tags("end")).await.unwrap();
    producer.shutdown().await;
    let cases = [
        ("all", MessageSelector::from("*"), texts(["1", "2", "3", "end"])),
        ("tags", MessageSelector::from("Aa || C || end"), texts(["1", "3", "end"])),
        ("sql", MessageSelector::by_sql("price > 6 OR TAGS = 'end'"), texts(["2", "3", "end"])),
    ];
    for (group, selector, expected) in cases {
        let inbox = Inbox::default();
        let taking = inbox.clone();
        let consumer = cluster.consumer(group).workers(1).subscribe("T", selector);
        let consumer = consumer.on_messages(move |delivery| taking.take(delivery));
        let consumer = consumer.start().await.unwrap();
        until("the last message came", || inbox.bodies().contains(&"end".to_string())).await;
        consumer.shutdown().await;
        let mut bodies = inbox.bodies();
        bodies.sort();
        assert_eq!(bodies, expected, "{group}");
    }
}

#[tokio::test]
async fn what_cannot_be_subscribed_to_is_refused_at_the_start() {
    let cluster = Cluster::start().await;
    cluster.topic("T", 1).await;
    let start = async |selector: MessageSelector| {
        let consumer = cluster.consumer("g").subscribe("T", selector);
        let consumer = consumer.on_messages(|_| async { ConsumeStatus::Success });
        consumer.start().await.err().unwrap().to_string()
    };
    let refused = start(MessageSelector::by_sql("price > ")).await;
    assert!(refused.contains("CODE: 23"), "{refused}");
    let refused = start(MessageSelector::by_tag("||")).await;
    assert!(refused.contains("subscription exception"), "{refused}");
    let refused = PushConsumer::builder("g").client_config(cluster.config()).start().await;
    assert!(refused.err().unwrap().to_string().contains("messageListener is null"));
    let refused = cluster.consumer("g").workers(0);
    let refused = refused.on_messages(|_| async { ConsumeStatus::Success }).start().await;
    let refused = refused.err().unwrap().to_string();
    assert!(refused.contains("consumeThreadMin Out of range [1, 1000]"), "{refused}");
    let refused = cluster.consumer("DEFAULT_CONSUMER");
    let refused = refused.on_messages(|_| async { ConsumeStatus::Success }).start().await;
    let refused = refused.err().unwrap().to_string();
    assert!(refused.contains("consumerGroup can not equal DEFAULT_CONSUMER"), "{refused}");
    assert_eq!(cluster::tasks(), 0);
}

#[tokio::test]
async fn what_is_refused_comes_again_and_ends_as_a_dead_letter() {
    let cluster = Cluster::start().await;
    cluster.topic("T", 1).await;
    cluster.send("T", texts(["good", "bad"])).await;
    let inbox = Inbox::default();
    let taking = inbox.clone();
    let consumer = cluster.consumer("g").max_reconsume_times(2).subscribe("T", "*");
    let consumer = consumer.on_messages(move |delivery| {
        let bad = delivery.messages.iter().any(|message| body(message) == "bad");
        taking.add(delivery.messages);
        assert!(!bad, "a listener may panic");
        std::future::ready(ConsumeStatus::Success)
    });
    let consumer = consumer.start().await.unwrap();
    inbox.wait(4).await;
    let bad: Vec<_> =
        inbox.messages().into_iter().filter(|message| body(message) == "bad").collect();
    let times: Vec<_> = bad.iter().map(|message| message.reconsume_times).collect();
    assert_eq!(times, [0, 1, 2]);
    // Retries come under the message's own topic and id.
    assert!(bad.iter().all(|message| message.message.topic == "T"));
    assert!(bad.iter().all(|message| message.msg_id() == bad[0].msg_id()));
    assert!(bad.iter().all(|message| message.message.get("CONSUME_START_TIME").is_some()));
    cluster.wait_dead_letters("g", 1).await;
    consumer.shutdown().await;
}

#[tokio::test]
async fn a_part_of_a_batch_can_be_done() {
    let cluster = Cluster::start().await;
    cluster.topic("T", 1).await;
    cluster.send("T", (0..8).map(|index| index.to_string())).await;
    let inbox = Inbox::default();
    let (taking, refusals) = (inbox.clone(), Arc::new(AtomicUsize::new(0)));
    let refused = Arc::clone(&refusals);
    let consumer = cluster.consumer("g").consume_batch(8).workers(1).subscribe("T", "*");
    let consumer = consumer.on_messages(move |delivery| {
        let mut messages = delivery.messages;
        let first_time = messages.iter().all(|message| message.reconsume_times == 0);
        let status = match first_time && messages.len() > 1 {
            true => {
                refused.fetch_add(messages.split_off(1).len(), Ordering::SeqCst);
                ConsumeStatus::Partly { done: 1, delay_level: 1 }
            }
            false => ConsumeStatus::Success,
        };
        taking.add(messages);
        std::future::ready(status)
    });
    let consumer = consumer.start().await.unwrap();
    inbox.wait(8).await;
    consumer.shutdown().await;
    assert!(refusals.load(Ordering::SeqCst) > 0);
    let mut bodies = inbox.bodies();
    bodies.sort();
    assert_eq!(bodies, texts(["0", "1", "2", "3", "4", "5", "6", "7"]));
}

#[tokio::test]
async fn a_message_that_a_listener_is_stuck_with_is_given_to_another() {
    let cluster = Cluster::start().await;
    cluster.topic("T", 1).await;
    cluster.send("T", texts(["stuck"])).await;
    let inbox = Inbox::default();
    let taking = inbox.clone();
    let consumer = cluster
        .consumer("g")
        .consume_timeout(Duration::from_millis(100))
        .await_termination(Duration::ZERO)
        .subscribe("T", "*")
        .on_messages(move |delivery| {
            let first = delivery.messages[0].reconsume_times == 0;
            taking.add(delivery.messages);
            async move {
                match first {
                    true => std::future::pending().await,
                    false => ConsumeStatus::Success,
                }
            }
        });
    let consumer = consumer.start().await.unwrap();
    inbox.wait(2).await;
    assert_eq!(inbox.messages()[1].reconsume_times, 1);
    // The stuck listener is ended with the consumer.
    consumer.shutdown().await;
    assert_eq!(cluster::tasks(), 0);
}

#[tokio::test]
async fn little_waits_when_little_may() {
    let cluster = Cluster::start().await;
    cluster.topic("T", 1).await;
    cluster.send("T", (0..40).map(|index| index.to_string())).await;
    let inbox = Inbox::default();
    let taking = inbox.clone();
    let consumer = cluster
        .consumer("g")
        .pull_batch(2)
        .pull_interval(Duration::from_millis(1))
        // One queue of the topic, one of the retry topic: 2 each.
        .pull_threshold_for_topic(4)
        .consume_concurrently_max_span(10)
        .post_subscription_when_pull(true)
        .workers(1)
        .subscribe("T", "*")
        .on_messages(move |delivery| taking.take(delivery));
    let consumer = consumer.start().await.unwrap();
    inbox.wait(40).await;
    consumer.shutdown().await;
    assert_eq!(inbox.bodies().len(), 40);
}

#[tokio::test]
async fn a_consumer_can_be_suspended_and_subscribe_to_more() {
    let cluster = Cluster::start().await;
    cluster.topic("T", 1).await;
    let inbox = Inbox::default();
    let taking = inbox.clone();
    let consumer = cluster.consumer("g").subscribe("T", "*");
    let consumer = consumer.on_messages(move |delivery| taking.take(delivery));
    let consumer = consumer.start().await.unwrap();
    consumer.suspend();
    consumer.resume();
    cluster.send("T", texts(["later"])).await;
    inbox.wait(1).await;
    // A subscription can be added and ended while the consumer runs.
    cluster.topic("U", 1).await;
    consumer.subscribe("U", "*").await.unwrap();
    until("the queue is taken", || consumer.queues().iter().any(|q| q.topic == "U")).await;
    consumer.unsubscribe("U");
    until("the queue is left", || consumer.queues().iter().all(|q| q.topic != "U")).await;
    consumer.shutdown().await;
}

#[tokio::test]
async fn namespaces_keep_groups_and_topics_apart() {
    let cluster = Cluster::start().await;
    cluster.topic("ns%T", 1).await;
    cluster.topic("T", 1).await;
    cluster.send("T", texts(["outside"])).await;
    let config = || ClientConfig { namespace: Some("ns".to_string()), ..cluster.config() };
    let producer = rocketmq_client::Producer::builder("p").client_config(config());
    let producer = producer.start().await.unwrap();
    producer.send(Message::new("T", "inside")).await.unwrap();
    producer.shutdown().await;
    let inbox = Inbox::default();
    let taking = inbox.clone();
    let consumer = PushConsumer::builder("g").client_config(config()).subscribe("T", "*");
    let consumer = consumer.consume_from(ConsumeFromWhere::FirstOffset);
    let consumer = consumer.on_messages(move |delivery| {
        let first = delivery.messages[0].reconsume_times == 0;
        assert!(!delivery.queue.topic.contains("ns%"));
        taking.add(delivery.messages);
        let status = if first { ConsumeStatus::ReconsumeLater } else { ConsumeStatus::Success };
        std::future::ready(status)
    });
    let consumer = consumer.start().await.unwrap();
    inbox.wait(2).await;
    assert!(inbox.messages().iter().all(|message| message.message.topic == "T"));
    assert_eq!(inbox.bodies(), ["inside", "inside"]);
    assert!(consumer.queues().iter().any(|queue| queue.topic == "T"));
    let admin = cluster.admin();
    let connection = admin.consumer_connection("ns%g").await.unwrap();
    assert!(connection.subscription_table.contains_key("%RETRY%ns%g"));
    admin.shutdown().await;
    consumer.shutdown().await;
}

#[tokio::test]
async fn consumptions_are_traced() {
    let cluster = Cluster::start().await;
    cluster.topic("T", 1).await;
    let producer = cluster.producer("p").await;
    let message = Message::new("T", "x").with_keys("k1 k2");
    let sent = producer.send(message).await.unwrap();
    producer.shutdown().await;
    let inbox = Inbox::default();
    let taking = inbox.clone();
    let consumer = cluster.consumer("g").trace(None).subscribe("T", "*");
    let consumer = consumer.on_messages(move |delivery| taking.take(delivery));
    let consumer = consumer.start().await.unwrap();
    inbox.wait(1).await;
    consumer.shutdown().await;
    assert_eq!(cluster::tasks(), 0);
    let traces = Inbox::default();
    let taking = traces.clone();
    let reader = cluster.consumer("reader").subscribe("RMQ_SYS_TRACE_TOPIC", "*");
    let reader = reader.on_messages(move |delivery| taking.take(delivery));
    let reader = reader.start().await.unwrap();
    let records = || -> Vec<Vec<String>> {
        let text = traces.bodies().concat();
        let records = text.split_terminator('\u{2}');
        records.map(|record| record.split('\u{1}').map(str::to_string).collect()).collect()
    };
    until("both records came", || records().len() >= 2).await;
    reader.shutdown().await;
    let records = records();
    let before = records.iter().find(|record| record[0] == "SubBefore").unwrap();
    let after = records.iter().find(|record| record[0] == "SubAfter").unwrap();
    // Brokers keep a region with a message only when a hook asks for it.
    assert_eq!(before[2..4], ["null", "g"]);
    assert_eq!(before[5..], [&*sent.msg_id, "0", "k1 k2"]);
    assert_eq!((&after[1], &*after[2]), (&before[4], &*sent.msg_id));
    assert_eq!(after[4..7], ["true", "k1 k2", "0"]);
    assert_eq!(after[8], "g");
}

/// As Java: a task that pulls and gets nowhere for too long is given up, whatever holds it.
#[tokio::test]
async fn a_queue_that_is_not_pulled_any_more_is_taken_again() {
    let cluster = Cluster::start().await;
    cluster.topic("T", 1).await;
    let inbox = Inbox::default();
    let taking = inbox.clone();
    // A pull that waits at the broker is what holds it here.
    let config =
        ClientConfig { pull_max_idle_time: Duration::from_millis(100), ..cluster.config() };
    let consumer = cluster.consumer("g").client_config(config).subscribe("T", "*");
    let consumer = consumer.message_model(MessageModel::Broadcasting);
    let consumer = consumer.consume_from(ConsumeFromWhere::FirstOffset);
    let consumer = consumer.on_messages(move |delivery| taking.take(delivery));
    let consumer = consumer.start().await.unwrap();
    until("the queue is pulled", || cluster.waiting_pulls() == 1).await;
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    while cluster.waiting_pulls() < 2 {
        assert!(std::time::Instant::now() < deadline, "the queue was not pulled anew");
        // Wakes the rebalance.
        consumer.subscribe("T", "*").await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(consumer.queues().len(), 1);
    cluster.send("T", ["x".to_string()]).await;
    inbox.wait(1).await;
    consumer.shutdown().await;
    // What the pull that was given up brings is nobody's.
    assert_eq!(inbox.bodies(), ["x"]);
}
