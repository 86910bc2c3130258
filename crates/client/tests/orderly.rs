//! Push consumers with orderly listeners: the order of each queue holds, whatever happens.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test fails by panicking

mod cluster;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cluster::{Cluster, Inbox, body, until};
use parking_lot::Mutex;
use rocketmq_client::{Message, OrderlyStatus, PushConsumer, by_number};

const QUEUES: i64 = 4;
const EACH: usize = 60;

/// Every message in the order in which listeners were done with it, by queue.
type Done = Arc<Mutex<BTreeMap<i32, Vec<usize>>>>;

async fn member(cluster: &Cluster, done: &Done) -> PushConsumer {
    let done = Arc::clone(done);
    let running = Arc::new(Mutex::new(BTreeMap::<i32, usize>::new()));
    let consumer = cluster.consumer("g").subscribe("T", "*");
    let consumer = consumer.on_messages_orderly(move |delivery| {
        let (done, running) = (Arc::clone(&done), Arc::clone(&running));
        async move {
            let queue = delivery.queue.queue_id;
            *running.lock().entry(queue).or_default() += 1;
            assert_eq!(running.lock()[&queue], 1, "one listener at a time for a queue");
            tokio::time::sleep(Duration::from_millis(2)).await;
            *running.lock().entry(queue).or_default() -= 1;
            let numbers = delivery.messages.iter().map(|message| body(message).parse().unwrap());
            done.lock().entry(queue).or_default().extend(numbers.collect::<Vec<usize>>());
            OrderlyStatus::Success
        }
    });
    consumer.start().await.unwrap()
}

#[tokio::test]
async fn the_order_of_each_queue_holds_while_members_come_and_go() {
    let cluster = Cluster::start().await;
    cluster.topic("T", QUEUES as i32).await;
    let producer = cluster.producer("p").await;
    for number in 0..EACH {
        for queue in 0..QUEUES {
            let message = Message::new("T", number.to_string());
            producer.send_selected(message, by_number(queue)).await.unwrap();
        }
    }
    producer.shutdown().await;
    let done = Done::default();
    let count = || done.lock().values().map(Vec::len).sum::<usize>();
    let first = member(&cluster, &done).await;
    until("the first works", || count() >= 10).await;
    let second = member(&cluster, &done).await;
    until("both have queues", || first.queues().len() < 5 || !second.queues().is_empty()).await;
    until("the second took over", || count() >= 100).await;
    first.shutdown().await;
    until("everything is done", || {
        let done = done.lock();
        done.len() == QUEUES as usize && done.values().all(|seen| seen.contains(&(EACH - 1)))
    })
    .await;
    second.shutdown().await;
    // A message may come twice; what came first of each is in order, and nothing is missing.
    for (queue, seen) in &*done.lock() {
        let mut first_seen = seen.clone();
        let mut known = std::collections::BTreeSet::new();
        first_seen.retain(|number| known.insert(*number));
        assert_eq!(first_seen, (0..EACH).collect::<Vec<_>>(), "queue {queue}: {seen:?}");
    }
    assert_eq!(cluster::tasks(), 0);
}

#[tokio::test]
async fn a_suspended_queue_waits_and_gives_up_at_last() {
    let cluster = Cluster::start().await;
    cluster.topic("T", 1).await;
    cluster.send("T", ["bad".to_string(), "good".to_string()]).await;
    let inbox = Inbox::default();
    let taking = inbox.clone();
    let consumer = cluster
        .consumer("g")
        .max_reconsume_times(2)
        .suspend_current_queue_time(Duration::from_millis(10))
        .subscribe("T", "*")
        .on_messages_orderly(move |delivery| {
            let bad = body(&delivery.messages[0]) == "bad";
            taking.add(delivery.messages);
            std::future::ready(match bad {
                true => OrderlyStatus::SuspendCurrentQueueAMoment,
                false => OrderlyStatus::Success,
            })
        });
    let consumer = consumer.start().await.unwrap();
    inbox.wait(4).await;
    let came: Vec<_> =
        inbox.messages().iter().map(|message| (body(message), message.reconsume_times)).collect();
    let bad = |times| ("bad".to_string(), times);
    assert_eq!(came, [bad(0), bad(1), bad(2), ("good".to_string(), 0)]);
    cluster.wait_dead_letters("g", 1).await;
    consumer.shutdown().await;
    assert_eq!(cluster::tasks(), 0);
}

#[tokio::test]
async fn pending_messages_are_settled_together() {
    let cluster = Cluster::start().await;
    cluster.topic("T", 1).await;
    cluster.send("T", (0..4).map(|index| index.to_string())).await;
    let inbox = Inbox::default();
    let taking = inbox.clone();
    let consumer = cluster.consumer("g").subscribe("T", "*");
    let consumer = consumer.suspend_current_queue_time(Duration::from_millis(10));
    let consumer = consumer.on_messages_orderly(move |delivery| {
        let number = body(&delivery.messages[0]);
        taking.add(delivery.messages);
        // The first time, 0 and 1 are rolled back by 2; the second time, all are committed by 3.
        let again = taking.bodies().len() > 3;
        std::future::ready(match (&*number, again) {
            ("2", false) => OrderlyStatus::Rollback,
            ("3", _) => OrderlyStatus::Commit,
            _ => OrderlyStatus::Pending,
        })
    });
    let consumer = consumer.start().await.unwrap();
    inbox.wait(7).await;
    consumer.shutdown().await;
    assert_eq!(inbox.bodies(), ["0", "1", "2", "0", "1", "2", "3"]);
    let admin = cluster.admin();
    let stats = admin.consume_stats("g", None).await.unwrap();
    let topic = stats.offset_table.iter().find(|(queue, _)| queue.topic == "T").unwrap();
    assert_eq!(topic.1.consumer_offset, 4);
    admin.shutdown().await;
}
