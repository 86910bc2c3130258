//! What ends when a client is shut down: everything (each client's tasks are the only ones of the
//! test's runtime).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test fails by panicking

mod cluster;

use std::sync::Arc;

use cluster::{Cluster, Inbox, tasks, until};
use rocketmq_client::{ConsumeStatus, LitePullConsumer, OrderlyStatus, PullConsumer};
use tokio::sync::Notify;

fn bodies(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|index| index.to_string())
}

#[tokio::test]
async fn a_producer_leaves_no_task() {
    let cluster = Cluster::start().await;
    cluster.topic("T", 2).await;
    // Sends, shuts down.
    cluster.send("T", bodies(10)).await;
    assert_eq!(tasks(), 0);
}

#[tokio::test]
async fn a_push_consumer_finishes_what_runs_and_leaves_no_task() {
    let cluster = Cluster::start().await;
    cluster.topic("T", 2).await;
    cluster.send("T", bodies(50)).await;
    let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let done = Inbox::default();
    let listener = {
        let (begun, go_on, done) = (Arc::clone(&begun), Arc::clone(&go_on), done.clone());
        move |delivery| {
            let (begun, go_on, done) = (Arc::clone(&begun), Arc::clone(&go_on), done.clone());
            async move {
                begun.notify_one();
                go_on.notified().await;
                done.take(delivery).await
            }
        }
    };
    let consumer =
        cluster.consumer("g").workers(1).subscribe("T", "*").on_messages(listener).start();
    let consumer = Arc::new(consumer.await.unwrap());
    begun.notified().await;
    let ending = tokio::spawn({
        let consumer = Arc::clone(&consumer);
        async move { consumer.shutdown().await }
    });
    until("the consumer is ending", || consumer.is_stopped()).await;
    go_on.notify_one();
    ending.await.unwrap();
    assert_eq!(tasks(), 0);
    // The one that ran was finished and counts; none began after it.
    assert_eq!(done.bodies().len(), 1);
    let rest = Inbox::default();
    let taking = rest.clone();
    let consumer = cluster.consumer("g").subscribe("T", "*");
    let consumer = consumer.on_messages(move |delivery| taking.take(delivery));
    let consumer = consumer.start().await.unwrap();
    rest.wait(49).await;
    consumer.shutdown().await;
    let mut all = [done.bodies(), rest.bodies()].concat();
    all.sort_by_key(|body| body.parse::<usize>().unwrap());
    assert_eq!(all, bodies(50).collect::<Vec<_>>());
    assert_eq!(tasks(), 0);
}

#[tokio::test]
async fn consumers_that_suspend_or_retry_leave_no_task() {
    let cluster = Cluster::start().await;
    cluster.topic("T", 1).await;
    cluster.send("T", bodies(5)).await;
    let seen = Inbox::default();
    let taking = seen.clone();
    let orderly = cluster.consumer("orderly").subscribe("T", "*");
    let orderly = orderly.on_messages_orderly(move |delivery| {
        taking.add(delivery.messages);
        std::future::ready(OrderlyStatus::SuspendCurrentQueueAMoment)
    });
    let orderly = orderly.start().await.unwrap();
    let taking = seen.clone();
    let later = cluster.consumer("later").subscribe("T", "*");
    let later = later.on_messages(move |delivery| {
        taking.add(delivery.messages);
        std::future::ready(ConsumeStatus::ReconsumeLater)
    });
    let later = later.start().await.unwrap();
    seen.wait(6).await;
    later.shutdown().await;
    orderly.shutdown().await;
    assert_eq!(tasks(), 0);
}

#[tokio::test]
async fn a_consumer_that_is_dropped_leaves_no_task() {
    let cluster = Cluster::start().await;
    cluster.topic("T", 1).await;
    cluster.send("T", bodies(5)).await;
    let seen = Inbox::default();
    let taking = seen.clone();
    let consumer = cluster.consumer("g").subscribe("T", "*");
    let consumer = consumer.on_messages(move |delivery| taking.take(delivery));
    let consumer = consumer.start().await.unwrap();
    seen.wait(5).await;
    drop(consumer);
    until("no task is left", || tasks() == 0).await;
}

#[tokio::test]
async fn a_pull_consumer_leaves_no_task() {
    let cluster = Cluster::start().await;
    cluster.topic("T", 1).await;
    let consumer = PullConsumer::start("g", cluster.config()).await.unwrap();
    let consumer = Arc::new(consumer);
    let queues = consumer.fetch_queues("T").await.unwrap();
    // A pull that waits at the broker ends with the consumer, not after its 20 s.
    let waiting = tokio::spawn({
        let (consumer, queue) = (Arc::clone(&consumer), queues[0].clone());
        async move { consumer.pull_block_if_not_found(&queue, "*", 0, 32).await }
    });
    until("the pull waits", || cluster.waiting_pulls() == 1).await;
    consumer.shutdown().await;
    let _ = waiting.await.unwrap();
    assert_eq!(tasks(), 0);
}

#[tokio::test]
async fn a_lite_pull_consumer_leaves_no_task() {
    let cluster = Cluster::start().await;
    cluster.topic("T", 2).await;
    cluster.send("T", bodies(5)).await;
    let builder = LitePullConsumer::builder("g").client_config(cluster.config());
    let consumer = builder.start().await.unwrap();
    consumer.subscribe("T", "*").await.unwrap();
    until("it has its queues", || consumer.assignment().len() == 2).await;
    // Its pulls wait at the broker now, or are on their way.
    consumer.shutdown().await;
    assert_eq!(tasks(), 0);
    let builder = LitePullConsumer::builder("g").client_config(cluster.config());
    let consumer = builder.start().await.unwrap();
    consumer.subscribe("T", "*").await.unwrap();
    drop(consumer);
    until("no task is left", || tasks() == 0).await;
}
