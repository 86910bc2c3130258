//! Brokers that go away and come back: consumers go on by themselves, and nothing is missing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test fails by panicking

mod cluster;

use std::collections::BTreeSet;
use std::time::Duration;

use cluster::{Cluster, Inbox, body, tasks};
use rocketmq_client::{ClientConfig, ConsumeFromWhere, LitePullConsumer, OrderlyStatus};

fn numbers(range: std::ops::Range<usize>) -> impl Iterator<Item = String> {
    range.map(|number| number.to_string())
}

#[tokio::test]
async fn every_kind_of_consumer_goes_on_when_its_broker_is_back() {
    let mut cluster = Cluster::start().await;
    cluster.topic("T", 2).await;
    cluster.send("T", numbers(0..20)).await;
    let (concurrent, orderly) = (Inbox::default(), Inbox::default());
    let taking = concurrent.clone();
    let config = || ClientConfig {
        heartbeat_broker_interval: Duration::from_millis(200),
        poll_name_server_interval: Duration::from_millis(200),
        ..cluster.config()
    };
    let first = cluster.consumer("concurrent").client_config(config()).subscribe("T", "*");
    let first = first.on_messages(move |delivery| taking.take(delivery));
    let first = first.start().await.unwrap();
    let taking = orderly.clone();
    let second = cluster.consumer("orderly").client_config(config()).subscribe("T", "*");
    let second = second.on_messages_orderly(move |delivery| {
        taking.add(delivery.messages);
        std::future::ready(OrderlyStatus::Success)
    });
    let second = second.start().await.unwrap();
    let third = LitePullConsumer::builder("lite").client_config(config());
    let third = third.consume_from(ConsumeFromWhere::FirstOffset).start().await.unwrap();
    third.subscribe("T", "*").await.unwrap();
    let mut polled = BTreeSet::new();
    while polled.len() < 20 {
        polled.extend(third.poll(Duration::from_secs(5)).await.unwrap().iter().map(body));
    }
    concurrent.wait_different(20).await;
    orderly.wait_different(20).await;
    cluster
        .restart(async || {
            // Nothing comes while the broker is away, and nothing breaks.
            assert!(third.poll(Duration::from_millis(300)).await.unwrap().is_empty());
        })
        .await;
    cluster.send("T", numbers(20..40)).await;
    let all: BTreeSet<_> = numbers(0..40).collect();
    assert_eq!(concurrent.wait_different(40).await, all);
    assert_eq!(orderly.wait_different(40).await, all);
    while polled.len() < 40 {
        polled.extend(third.poll(Duration::from_secs(5)).await.unwrap().iter().map(body));
    }
    assert_eq!(polled, all);
    // What was consumed before the restart did not come again.
    assert_eq!((concurrent.bodies().len(), orderly.bodies().len()), (40, 40));
    first.shutdown().await;
    second.shutdown().await;
    third.shutdown().await;
    assert_eq!(tasks(), 0);
}
