//! Pull consumers against a real broker.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test fails by panicking

mod cluster;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cluster::{Cluster, Inbox, body, tasks, until};
use parking_lot::Mutex;
use rocketmq_client::{
    Message, MessageModel, MessageQueue, MessageSelector, PullConsumer, PullStatus, QueueChange,
};

fn bodies(outcome: &rocketmq_client::PullOutcome) -> Vec<String> {
    outcome.messages.iter().map(body).collect()
}

#[tokio::test]
async fn messages_are_pulled_by_queue_offset_and_expression() {
    let cluster = Cluster::start().await;
    cluster.topic("T", 1).await;
    let producer = cluster.producer("p").await;
    for (text, tag) in [("0", "A"), ("1", "B"), ("2", "A")] {
        producer.send(Message::new("T", text).with_tags(tag)).await.unwrap();
    }
    producer.shutdown().await;
    let consumer = PullConsumer::builder("g").client_config(cluster.config());
    let consumer = consumer.start().await.unwrap();
    let queue = &consumer.fetch_queues("T").await.unwrap()[0];
    let pulled = consumer.pull(queue, "A", 0, 32).await.unwrap();
    assert_eq!((pulled.status, bodies(&pulled)), (PullStatus::Found, vec!["0".into(), "2".into()]));
    assert_eq!((pulled.next_begin_offset, pulled.min_offset, pulled.max_offset), (3, 0, 3));
    let sql = MessageSelector::by_sql("TAGS = 'B'");
    assert_eq!(bodies(&consumer.pull(queue, sql, 0, 32).await.unwrap()), ["1"]);
    assert_eq!(bodies(&consumer.pull(queue, "*", 1, 1).await.unwrap()), ["1"]);
    let status = async |expression: &str, offset| {
        consumer.pull(queue, expression, offset, 32).await.unwrap().status
    };
    assert_eq!(status("C", 0).await, PullStatus::NoMatchedMsg);
    assert_eq!(status("*", 3).await, PullStatus::NoNewMsg);
    assert_eq!(status("*", 99).await, PullStatus::OffsetIllegal);
    let refused = async |expression: &str, offset, max| {
        let refused = consumer.pull(queue, expression, offset, max).await;
        refused.unwrap_err().to_string()
    };
    assert!(refused("||", 0, 1).await.contains("parse subscription error"));
    assert!(refused("*", -1, 1).await.contains("offset < 0"));
    assert!(refused("*", 0, 0).await.contains("maxNums <= 0"));
    let nowhere = MessageQueue { broker_name: "nobody".to_string(), ..queue.clone() };
    let refused = consumer.pull(&nowhere, "*", 0, 1).await.unwrap_err().to_string();
    assert!(refused.contains("The broker[nobody] not exist"), "{refused}");
    let unknown = consumer.fetch_queues("U").await.unwrap_err().to_string();
    assert!(unknown.contains("Can not find Message Queue for this topic, U"), "{unknown}");
    // A pull that waits gets what comes.
    let waiting = consumer.pull_block_if_not_found(queue, "*", 3, 32);
    let sending = cluster.send("T", ["3".to_string()]);
    let (pulled, ()) = tokio::join!(waiting, sending);
    assert_eq!(bodies(&pulled.unwrap()), ["3"]);
    consumer.shutdown().await;
    assert_eq!(tasks(), 0);
}

#[tokio::test]
async fn offsets_are_kept_and_found() {
    let cluster = Cluster::start().await;
    cluster.topic("T", 1).await;
    cluster.send("T", ["0".to_string(), "1".to_string()]).await;
    let start = async |model| {
        let consumer = PullConsumer::builder("g").client_config(cluster.config());
        consumer.message_model(model).start().await.unwrap()
    };
    for model in [MessageModel::Clustering, MessageModel::Broadcasting] {
        let consumer = start(model).await;
        let queue = &consumer.fetch_queues("T").await.unwrap()[0];
        assert_eq!(consumer.min_offset(queue).await.unwrap(), 0);
        assert_eq!(consumer.max_offset(queue).await.unwrap(), 2);
        assert_eq!(consumer.search_offset(queue, 0).await.unwrap(), 0);
        consumer.commit_offset(queue, 1).await;
        consumer.shutdown().await;
        let again = start(model).await;
        assert_eq!(again.fetch_offset(queue).await.unwrap(), Some(1));
        again.shutdown().await;
    }
    assert_eq!(tasks(), 0);
}

#[tokio::test]
async fn members_share_registered_topics_and_brokers_list_them() {
    let cluster = Cluster::start().await;
    cluster.topic("ns%T", 4).await;
    let start = async || {
        let consumer = PullConsumer::builder("g").client_config(cluster.config());
        consumer.namespace("ns").register_topic("T").start().await.unwrap()
    };
    let (one, two) = (start().await, start().await);
    until("each has two", || one.queues().len() == 2 && two.queues().len() == 2).await;
    assert!(one.queues().iter().all(|queue| queue.topic == "T"));
    let admin = cluster.admin();
    let connection = admin.consumer_connection("ns%g").await.unwrap();
    assert_eq!(connection.consume_type.name(), "CONSUME_ACTIVELY");
    admin.shutdown().await;
    one.shutdown().await;
    two.shutdown().await;
    assert_eq!(tasks(), 0);
}

#[tokio::test]
async fn messages_that_are_given_back_go_to_push_consumers_or_the_dead_letters() {
    let cluster = Cluster::start().await;
    cluster.topic("T", 1).await;
    cluster.topic("U", 1).await;
    cluster.send("T", ["again".to_string(), "dead".to_string()]).await;
    // The group is known from here on, which takes what is given back.
    let inbox = Inbox::default();
    let taking = inbox.clone();
    let pushed = cluster.consumer("g").subscribe("U", "*");
    let pushed = pushed.on_messages(move |delivery| taking.take(delivery));
    let pushed = pushed.start().await.unwrap();
    let consumer = PullConsumer::start("g", cluster.config()).await.unwrap();
    let queue = &consumer.fetch_queues("T").await.unwrap()[0];
    let pulled = consumer.pull(queue, "*", 0, 32).await.unwrap();
    consumer.send_message_back(&pulled.messages[0], 1).await.unwrap();
    consumer.send_message_back(&pulled.messages[1], -1).await.unwrap();
    cluster.wait_dead_letters("g", 1).await;
    inbox.wait(1).await;
    let [message] = &inbox.messages()[..] else { panic!("one message comes again") };
    assert_eq!((body(message), &*message.message.topic), ("again".to_string(), "T"));
    assert_eq!(message.reconsume_times, 1);
    // Where the message's broker does not take it back, the retry topic does.
    let mut unknown = pulled.messages[0].clone();
    unknown.commit_log_offset = 1 << 40;
    consumer.send_message_back(&unknown, 1).await.unwrap();
    inbox.wait(2).await;
    assert_eq!(inbox.messages()[1].message.topic, "T");
    assert_eq!(inbox.messages()[1].message.get("ORIGIN_MESSAGE_ID"), Some(unknown.msg_id()));
    consumer.shutdown().await;
    pushed.shutdown().await;
    assert_eq!(tasks(), 0);
}

#[tokio::test]
async fn members_hear_which_queues_are_theirs() {
    let cluster = Cluster::start().await;
    cluster.topic("ns%T", 4).await;
    let changes = Arc::new(Mutex::new(Vec::<QueueChange>::new()));
    let noted = Arc::clone(&changes);
    let one = PullConsumer::builder("g").client_config(cluster.config());
    let one = one.namespace("ns").register_topic("T").on_queues_changed(move |change| {
        noted.lock().push(change);
        // A listener that fails does no harm.
        assert_eq!(noted.lock().len(), 1);
    });
    let one = one.start().await.unwrap();
    until("it has all queues", || changes.lock().len() == 1).await;
    let two = PullConsumer::builder("g").client_config(cluster.config());
    let two = two.namespace("ns").register_topic("T").start().await.unwrap();
    until("it shares them", || one.queues().len() == 2 && changes.lock().len() >= 2).await;
    two.shutdown().await;
    until("it has all again", || changes.lock().last().unwrap().mine.len() == 4).await;
    one.shutdown().await;
    let changes = changes.lock().clone();
    for change in &changes {
        assert_eq!((change.topic.as_str(), change.all.len()), ("T", 4));
        assert!(change.mine.iter().all(|queue| change.all.contains(queue)));
    }
    assert_eq!(changes[0].mine, changes[0].all);
    assert_eq!(changes[1].mine.len(), 2);
    assert_eq!(tasks(), 0);
}

#[tokio::test]
async fn queues_are_pulled_by_schedule() {
    let cluster = Cluster::start().await;
    cluster.topic("T", 2).await;
    cluster.send("T", (0..6).map(|number| number.to_string())).await;
    let (inbox, calls) = (Inbox::default(), Arc::new(AtomicUsize::new(0)));
    let (taking, counted) = (inbox.clone(), Arc::clone(&calls));
    let consumer = PullConsumer::builder("g").client_config(cluster.config());
    let consumer = consumer.register_topic("T").pull_threads(2).start_scheduled(move |task| {
        let (taking, call) = (taking.clone(), counted.fetch_add(1, Ordering::SeqCst));
        async move {
            assert_ne!(call, 0, "the first call panics; the queue is called for again");
            let (consumer, queue) = (&task.consumer, &task.queue);
            let offset = consumer.fetch_offset(queue).await.unwrap().unwrap_or(0);
            let pulled = consumer.pull(queue, "*", offset, 1).await.unwrap();
            taking.add(pulled.messages);
            consumer.commit_offset(queue, pulled.next_begin_offset).await;
            Duration::from_millis(5)
        }
    });
    let consumer = consumer.await.unwrap();
    inbox.wait(6).await;
    // Another member takes a queue over, which is not called for here any more.
    let other = PullConsumer::builder("g").client_config(cluster.config());
    let other = other.register_topic("T").start().await.unwrap();
    until("they share the queues", || consumer.queues().len() == 1 && other.queues().len() == 1)
        .await;
    other.shutdown().await;
    consumer.shutdown().await;
    let after = calls.load(Ordering::SeqCst);
    assert_eq!(tasks(), 0);
    let mut bodies = inbox.bodies();
    bodies.sort();
    assert_eq!(bodies, ["0", "1", "2", "3", "4", "5"]);
    assert_eq!(calls.load(Ordering::SeqCst), after);
}

#[tokio::test]
async fn a_scheduled_consumer_ends_in_the_middle_of_a_call() {
    let cluster = Cluster::start().await;
    cluster.topic("T", 1).await;
    for drops in [false, true] {
        let consumer = PullConsumer::builder("g").client_config(cluster.config());
        let consumer = consumer.register_topic("T").start_scheduled(|task| async move {
            // Waits at the broker.
            let _ = task.consumer.pull_block_if_not_found(&task.queue, "*", 0, 32).await;
            Duration::ZERO
        });
        let consumer = consumer.await.unwrap();
        until("the call waits", || cluster.waiting_pulls() == 1).await;
        if !drops {
            consumer.shutdown().await;
            assert_eq!(tasks(), 0);
        }
        drop(consumer);
        until("no task is left", || tasks() == 0).await;
        until("the broker holds no pull", || cluster.waiting_pulls() == 0).await;
    }
}
