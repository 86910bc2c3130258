//! What tools ask of consumers through their broker.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test fails by panicking

mod cluster;

use std::sync::Arc;

use cluster::{Cluster, Inbox, body, tasks, until};
use rocketmq_client::{ConsumeStatus, LitePullConsumer, OrderlyStatus};
use tokio::sync::Notify;

#[tokio::test]
async fn the_inside_of_a_consumer_is_shown() {
    let cluster = Cluster::start().await;
    cluster.topic("T", 1).await;
    cluster.send("T", ["0".to_string(), "1".to_string()]).await;
    let inbox = Inbox::default();
    let taking = inbox.clone();
    let consumer = cluster.consumer("g").workers(3).subscribe("T", "*");
    let consumer = consumer.on_messages(move |delivery| taking.take(delivery));
    let consumer = consumer.start().await.unwrap();
    inbox.wait(2).await;
    let admin = cluster.admin();
    let info = admin.consumer_running_info("g", consumer.client_id(), false).await.unwrap();
    for (key, value) in [
        ("PROP_CONSUME_TYPE", "CONSUME_PASSIVELY"),
        ("PROP_CONSUMEORDERLY", "false"),
        ("PROP_THREADPOOL_CORE_SIZE", "3"),
    ] {
        assert_eq!(info.properties.get(key).map(String::as_str), Some(value), "{key}");
    }
    let (queue, state) = info.mq_table.iter().find(|(queue, _)| queue.topic == "T").unwrap();
    assert_eq!((queue.queue_id, state.locked, state.droped), (0, false, false));
    let topics: Vec<_> = info.status_table.keys().map(String::as_str).collect();
    assert_eq!(topics, ["%RETRY%g", "T"]);
    assert_eq!(info.subscription_set.len(), 2);
    let lite = LitePullConsumer::builder("lite").client_config(cluster.config());
    let lite = lite.start().await.unwrap();
    lite.subscribe("T", "*").await.unwrap();
    let info = admin.consumer_running_info("lite", lite.client_id(), false).await.unwrap();
    assert_eq!(info.properties["PROP_CONSUME_TYPE"], "CONSUME_ACTIVELY");
    admin.shutdown().await;
    lite.shutdown().await;
    consumer.shutdown().await;
}

#[tokio::test]
async fn what_each_task_of_a_consumer_does_is_shown() {
    let cluster = Cluster::start().await;
    cluster.topic("T", 1).await;
    cluster.send("T", ["0".to_string()]).await;
    let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (tell, wait) = (Arc::clone(&begun), Arc::clone(&go_on));
    let consumer = cluster.consumer("g").workers(2).subscribe("T", "*");
    let consumer = consumer.on_messages(move |_| {
        let (tell, wait) = (Arc::clone(&tell), Arc::clone(&wait));
        async move {
            tell.notify_one();
            wait.notified().await;
            ConsumeStatus::Success
        }
    });
    let consumer = consumer.start().await.unwrap();
    begun.notified().await;
    let admin = cluster.admin();
    let stacks = async || {
        let info = admin.consumer_running_info("g", consumer.client_id(), true).await.unwrap();
        info.jstack.unwrap()
    };
    let text = stacks().await;
    for expected in [
        "RebalanceService                        TID: 1 STATE: TIMED_WAITING\n",
        "PullMessageService                      TID: ",
        " MessageQueue [topic=T, brokerName=",
        "; 1 messages wait here\n\n",
        "ConsumeMessageThread_1                  TID: ",
        "ConsumeMessageThread_1                  consumes since ",
        "queueId=0] from offset 0, msgId=",
        "ConsumeMessageThread_2                  waits for messages\n",
    ] {
        assert!(text.contains(expected), "{expected:?} is not in\n{text}");
    }
    go_on.notify_one();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while stacks().await.contains("consumes since") {
        assert!(std::time::Instant::now() < deadline, "the worker is not free again");
    }
    // Only who asks for it gets it.
    let info = admin.consumer_running_info("g", consumer.client_id(), false).await.unwrap();
    assert_eq!(info.jstack, None);
    admin.shutdown().await;
    consumer.shutdown().await;
    assert_eq!(tasks(), 0);
}

#[tokio::test]
async fn one_message_can_be_consumed_at_once() {
    let cluster = Cluster::start().await;
    cluster.topic("T", 1).await;
    let producer = cluster.producer("p").await;
    let sent = |text| producer.send(rocketmq_client::Message::new("T", text));
    let (good, later, bad) = tokio::join!(sent("good"), sent("later"), sent("bad"));
    let ids = [good, later, bad].map(|sent| sent.unwrap().offset_msg_id);
    producer.shutdown().await;
    cluster.topic("U", 1).await;
    let consumer = cluster.consumer("g").subscribe("U", "*");
    let consumer = consumer.on_messages(|delivery| {
        let text = body(&delivery.messages[0]);
        assert_ne!(text, "bad");
        std::future::ready(match &*text {
            "good" => ConsumeStatus::Success,
            _ => ConsumeStatus::ReconsumeLater,
        })
    });
    let consumer = consumer.start().await.unwrap();
    let orderly = cluster.consumer("orderly").subscribe("U", "*");
    let orderly = orderly.on_messages_orderly(|_| async { OrderlyStatus::Rollback });
    let orderly = orderly.start().await.unwrap();
    let lite = LitePullConsumer::builder("lite").client_config(cluster.config());
    let lite = lite.start().await.unwrap();
    lite.subscribe("U", "*").await.unwrap();
    let admin = cluster.admin();
    let expected = ["CR_SUCCESS", "CR_LATER", "CR_THROW_EXCEPTION"];
    for (id, expected) in ids.iter().zip(expected) {
        let said = admin.consume_message_directly("g", consumer.client_id(), id).await.unwrap();
        assert_eq!((&*said.consume_result, said.order), (expected, false));
        assert_eq!(said.remark.is_some(), expected == "CR_THROW_EXCEPTION");
    }
    let said = admin.consume_message_directly("orderly", orderly.client_id(), &ids[0]).await;
    let said = said.unwrap();
    assert_eq!((&*said.consume_result, said.order), ("CR_ROLLBACK", true));
    // A consumer without listener cannot.
    let refused = admin.consume_message_directly("lite", lite.client_id(), &ids[0]).await;
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("The Consumer Group <lite> not exist in this consumer"), "{refused}");
    admin.shutdown().await;
    lite.shutdown().await;
    orderly.shutdown().await;
    consumer.shutdown().await;
    assert_eq!(tasks(), 0);
}

#[tokio::test]
async fn offsets_can_be_reset_while_consumers_run() {
    let cluster = Cluster::start().await;
    cluster.topic("T", 1).await;
    cluster.send("T", (0..5).map(|number| number.to_string())).await;
    let inbox = Inbox::default();
    let taking = inbox.clone();
    let consumer = cluster.consumer("g").subscribe("T", "*");
    let consumer = consumer.on_messages(move |delivery| taking.take(delivery));
    let consumer = consumer.start().await.unwrap();
    inbox.wait(5).await;
    let admin = cluster.admin();
    let address = cluster.broker_addr();
    // A broker that knows no offset of the group refuses.
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    loop {
        let stats = admin.consume_stats("g", Some("T")).await;
        let mut offsets = stats.iter().flat_map(|stats| stats.offset_table.values());
        if offsets.any(|offset| offset.consumer_offset == 5) {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "no offset was committed");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let reset = admin.reset_offset(&address, ("g", "T"), 0, true, false).await.unwrap();
    assert_eq!(reset.offset_table.into_values().collect::<Vec<_>>(), [0]);
    inbox.wait(10).await;
    assert_eq!(inbox.bodies()[5..].iter().collect::<std::collections::BTreeSet<_>>().len(), 5);
    until("the queue is back", || consumer.queues().iter().any(|queue| queue.topic == "T")).await;
    admin.shutdown().await;
    consumer.shutdown().await;
    assert_eq!(tasks(), 0);
}
