//! Broadcasting: every member gets every message, and keeps its offsets in a file of its own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test fails by panicking

mod cluster;

use cluster::{Cluster, Inbox, until};
use rocketmq_client::{ClientConfig, ConsumeFromWhere, MessageModel, PushConsumer};

async fn member(cluster: &Cluster, instance: &str, inbox: &Inbox) -> PushConsumer {
    let config = ClientConfig { instance_name: instance.to_string(), ..cluster.config() };
    let inbox = inbox.clone();
    let consumer = PushConsumer::builder("g")
        .client_config(config)
        .consume_from(ConsumeFromWhere::FirstOffset)
        .message_model(MessageModel::Broadcasting)
        .subscribe("T", "*")
        .on_messages(move |delivery| inbox.take(delivery));
    consumer.start().await.unwrap()
}

#[tokio::test]
async fn every_member_gets_everything_and_goes_on_where_its_file_says() {
    let cluster = Cluster::start().await;
    cluster.topic("T", 1).await;
    cluster.send("T", ["1".to_string(), "2".to_string()]).await;
    let inboxes = [Inbox::default(), Inbox::default()];
    let one = member(&cluster, "one", &inboxes[0]).await;
    let two = member(&cluster, "two", &inboxes[1]).await;
    for inbox in &inboxes {
        inbox.wait(2).await;
        assert_eq!(inbox.wait_different(2).await.len(), 2);
    }
    one.shutdown().await;
    two.shutdown().await;
    let config = cluster.config();
    let file = config.local_offset_store_dir.join("127.0.0.1@one/g/offsets.json");
    let text = std::fs::read_to_string(file).unwrap();
    let expected = "{\n\t\"offsetTable\":{{\n\t\t\t\"brokerName\":\"broker-a\",\n\t\t\t\"queueId\":0,\n\t\t\t\"topic\":\"T\"\n\t\t}:2\n\t}\n}";
    assert_eq!(text, expected);
    // What was consumed is not consumed again by the same member.
    cluster.send("T", ["3".to_string()]).await;
    let again = Inbox::default();
    let one = member(&cluster, "one", &again).await;
    again.wait(1).await;
    one.shutdown().await;
    assert_eq!(again.bodies(), ["3"]);
    // A file that cannot be read has a predecessor.
    let file = cluster.config().local_offset_store_dir.join("127.0.0.1@one/g/offsets.json");
    std::fs::write(file, "{").unwrap();
    cluster.send("T", ["4".to_string()]).await;
    let mended = Inbox::default();
    let one = member(&cluster, "one", &mended).await;
    until("the new one came", || mended.bodies().contains(&"4".to_string())).await;
    one.shutdown().await;
    assert!(mended.bodies().iter().all(|body| ["3", "4"].contains(&&**body)));
    assert_eq!(cluster::tasks(), 0);
}
