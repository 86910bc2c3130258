//! PULL_MESSAGE 11 and LITE_PULL_MESSAGE 361 (contract `requests.md` 2).

use std::sync::Arc;
use std::time::{Duration, Instant};

use rocketmq_protocol::{Frame, RequestCode};

use crate::client::{heartbeat, subscription};
use crate::support::{
    FAQ, Fixture, PATIENCE, Pull, fields_of, message, pull, records, said, until,
};

/// nextBeginOffset, minOffset, maxOffset.
fn offsets(frame: &Frame) -> (i64, i64, i64) {
    let fields = fields_of(frame);
    assert_eq!(fields["suggestWhichBrokerId"], "0");
    let number = |name: &str| fields[name].parse().unwrap();
    (number("nextBeginOffset"), number("minOffset"), number("maxOffset"))
}

/// A pull that names no subscription: the group's own is used.
fn by_group<'a>(group: &'a str, topic: &'a str, sub_version: &'a str) -> Pull<'a> {
    let mut request = pull(topic, "0", "0");
    (request.group, request.sys_flag, request.sub_version) = (group, "0", sub_version);
    (request.subscription, request.expression_type) = (None, None);
    request
}

#[tokio::test]
async fn a_broker_that_is_not_readable_refuses() {
    let broker = Fixture::with(|s| s.broker.broker_permission = 2).await;
    let answer = broker.peer.pull(&pull("T", "0", "0")).await;
    let text = "the broker[127.0.0.1] pulling message is forbidden";
    assert_eq!(said(&answer), (16, text.to_string()));
    broker.stop().await;
}

#[tokio::test]
async fn groups_are_checked() {
    let broker = Fixture::with(|s| s.broker.auto_create_subscription_group = false).await;
    let answer = broker.peer.pull(&pull("T", "0", "0")).await;
    let text = format!("subscription group [test_consumer] does not exist, {FAQ}");
    assert_eq!(said(&answer), (26, text));
    // The system's own groups are made at any time.
    let mut request = pull("T", "0", "0");
    request.group = "CID_RMQ_SYS_own";
    assert_eq!(broker.peer.pull(&request).await.code, 17);
    let body = br#"{"groupName":"test_consumer","consumeEnable":false}"#.to_vec();
    let code = RequestCode::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP;
    assert_eq!(broker.peer.ask_with(code, &[], body).await.code, 0);
    let answer = broker.peer.pull(&pull("T", "0", "0")).await;
    let text = "subscription group no permission, test_consumer";
    assert_eq!(said(&answer), (16, text.to_string()));
    broker.stop().await;
}

#[tokio::test]
async fn topic_and_queue_are_checked() {
    let broker = Fixture::start().await;
    let answer = broker.peer.pull(&pull("T", "0", "0")).await;
    assert_eq!(said(&answer), (17, format!("topic[T] not exist, apply first please! {FAQ}")));
    broker.create_topic_with("WriteOnly", 4, 4, 2, "SINGLE_TAG").await;
    let answer = broker.peer.pull(&pull("WriteOnly", "0", "0")).await;
    let text = "the topic[WriteOnly] pulling message is forbidden";
    assert_eq!(said(&answer), (16, text.to_string()));
    broker.create_topic_with("T", 2, 4, 6, "SINGLE_TAG").await;
    let local = broker.peer.local().await;
    for queue_id in ["2", "9", "-1"] {
        let answer = broker.peer.pull(&pull("T", queue_id, "0")).await;
        let text = format!(
            "queueId[{queue_id}] is illegal, topic:[T] topicConfig.readQueueNums:[2] consumer:[/{local}]"
        );
        assert_eq!(said(&answer), (1, text));
    }
    broker.stop().await;
}

#[tokio::test]
async fn subscriptions_are_checked() {
    let broker = Fixture::start().await;
    broker.create_topic("T", 1).await;
    let mut request = pull("T", "0", "0");
    request.subscription = Some("||");
    let text = "parse the consumer's subscription failed";
    assert_eq!(said(&broker.peer.pull(&request).await), (23, text.to_string()));
    (request.subscription, request.expression_type) = (Some("a > 1"), Some("SQL92"));
    let text = "The broker does not support consumer to filter message by SQL92";
    let (code, refusal) = said(&broker.peer.pull(&request).await);
    assert_eq!(code, 1);
    assert!(refusal.starts_with(text), "{refusal}");

    let answer = broker.peer.pull(&by_group("g", "T", "0")).await;
    assert_eq!(said(&answer), (24, format!("the consumer's group info not exist{FAQ}")));
    let other = heartbeat("c", "g", "CLUSTERING", &[subscription("Other", "*", 5)]);
    assert_eq!(broker.peer.heartbeat(other).await.code, 0);
    let answer = broker.peer.pull(&by_group("g", "T", "0")).await;
    assert_eq!(said(&answer), (24, format!("the consumer's subscription not exist{FAQ}")));
    let this = heartbeat("c", "g", "CLUSTERING", &[subscription("T", "*", 5)]);
    assert_eq!(broker.peer.heartbeat(this).await.code, 0);
    let answer = broker.peer.pull(&by_group("g", "T", "6")).await;
    assert_eq!(said(&answer), (25, "the consumer's subscription not latest".to_string()));
    for version in ["5", "4"] {
        assert_eq!(broker.peer.pull(&by_group("g", "T", version)).await.code, 19);
    }
    broker.stop().await;
}

#[tokio::test]
async fn broadcasting_can_be_forbidden() {
    let broker = Fixture::start().await;
    broker.create_topic("T", 1).await;
    let body = br#"{"groupName":"g","consumeBroadcastEnable":false}"#.to_vec();
    let code = RequestCode::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP;
    assert_eq!(broker.peer.ask_with(code, &[], body).await.code, 0);
    let beat = heartbeat("c", "g", "BROADCASTING", &[subscription("T", "*", 5)]);
    assert_eq!(broker.peer.heartbeat(beat).await.code, 0);
    let answer = broker.peer.pull(&by_group("g", "T", "5")).await;
    let text = "the consumer group[g] can not consume by broadcast way";
    assert_eq!(said(&answer), (16, text.to_string()));
    broker.stop().await;
}

#[tokio::test]
async fn every_state_of_a_queue_has_its_answer() {
    let broker = Fixture::start().await;
    broker.create_topic("T", 2).await;
    let ask = async |queue_id: &str, offset: &str, subscription: &str| {
        let mut request = pull("T", queue_id, offset);
        request.subscription = Some(subscription);
        let answer = broker.peer.pull(&request).await;
        (answer.code, said(&answer).1, offsets(&answer), records(answer.body()).len())
    };
    let answer = |code, status: &str, offsets, count| (code, status.to_string(), offsets, count);
    assert_eq!(ask("0", "0", "*").await, answer(19, "NO_MESSAGE_IN_QUEUE", (0, 0, 0), 0));
    assert_eq!(ask("0", "3", "*").await, answer(21, "NO_MESSAGE_IN_QUEUE", (0, 0, 0), 0));
    let mut sent = message("T", "0");
    sent.properties = "TAGS\u{1}TagA\u{2}";
    for _ in 0..3 {
        broker.peer.stored(&sent).await;
    }
    assert_eq!(ask("0", "0", "*").await, answer(0, "FOUND", (3, 0, 3), 3));
    assert_eq!(ask("0", "1", "TagA || TagB").await, answer(0, "FOUND", (3, 0, 3), 2));
    assert_eq!(ask("0", "0", "TagB").await, answer(20, "NO_MATCHED_MESSAGE", (3, 0, 3), 0));
    assert_eq!(ask("0", "3", "*").await, answer(19, "OFFSET_OVERFLOW_ONE", (3, 0, 3), 0));
    assert_eq!(ask("0", "9", "*").await, answer(21, "OFFSET_OVERFLOW_BADLY", (0, 0, 3), 0));
    assert_eq!(ask("0", "-1", "*").await, answer(21, "OFFSET_TOO_SMALL", (0, 0, 3), 0));
    broker.stop().await;
}

#[tokio::test]
async fn a_moved_offset_is_told() {
    let broker = Fixture::start().await;
    broker.create_topic("T", 1).await;
    broker.peer.stored(&message("T", "0")).await;
    assert_eq!(broker.peer.pull(&pull("T", "0", "7")).await.code, 21);
    let mut event = pull("OFFSET_MOVED_EVENT", "0", "0");
    event.group = "watcher";
    let found = broker.peer.pull(&event).await;
    let found = records(found.body());
    assert_eq!(
        std::str::from_utf8(found[0].body).unwrap(),
        r#"{"consumerGroup":"test_consumer","messageQueue":{"brokerName":"broker-a","queueId":0,"topic":"T"},"offsetNew":0,"offsetRequest":7}"#
    );
    assert_eq!(found[0].property("TAGS"), Some("test_consumer"));
    assert_eq!(found[0].property("KEYS"), Some("test_consumer"));
    broker.stop().await;
}

#[tokio::test]
async fn a_pull_returns_no_more_than_asked_for_and_allowed() {
    let broker = Fixture::start().await;
    broker.create_topic("T", 2).await;
    for _ in 0..40 {
        broker.peer.stored(&message("T", "0")).await;
    }
    let count = async |max: &str| {
        let mut request = pull("T", "0", "0");
        request.max = max;
        let answer = broker.peer.pull(&request).await;
        (records(answer.body()).len(), offsets(&answer).0)
    };
    assert_eq!(count("5").await, (5, 5));
    assert_eq!(count("100").await, (32, 32));
    // At most 256 KiB, but always one message.
    let body = vec![b'x'; 100_000];
    let mut sent = message("T", "1");
    sent.body = &body;
    for _ in 0..4 {
        broker.peer.stored(&sent).await;
    }
    let answer = broker.peer.pull(&pull("T", "1", "0")).await;
    assert_eq!(records(answer.body()).len(), 2);
    broker.stop().await;
}

#[tokio::test]
async fn a_pull_commits_the_offset_it_carries() {
    let broker = Fixture::start().await;
    broker.create_topic("T", 1).await;
    let mut request = pull("T", "0", "0");
    request.commit_offset = "5";
    broker.peer.pull(&request).await;
    assert_eq!(broker.context().offsets.get("test_consumer", "T", 0), None);
    request.sys_flag = "5";
    assert_eq!(broker.peer.pull(&request).await.code, 19);
    assert_eq!(broker.context().offsets.get("test_consumer", "T", 0), Some(5));
    broker.stop().await;
}

/// A pull that may wait.
fn waiting<'a>(topic: &'a str, offset: &'a str, suspend_ms: &'a str) -> Pull<'a> {
    let mut request = pull(topic, "0", offset);
    (request.sys_flag, request.suspend_ms) = ("6", suspend_ms);
    request
}

#[tokio::test]
async fn a_waiting_pull_is_answered_by_the_message() {
    let broker = Fixture::start().await;
    broker.create_topic("T", 1).await;
    let started = Instant::now();
    let request = waiting("T", "0", "60000");
    let sender = async {
        until("the pull waits", || broker.context().hold.len() == 1).await;
        broker.peer.stored(&message("T", "0")).await;
    };
    let (answer, ()) = tokio::join!(broker.peer.pull(&request), sender);
    assert_eq!(said(&answer), (0, "FOUND".to_string()));
    assert_eq!(offsets(&answer), (1, 0, 1));
    assert_eq!(records(answer.body())[0].body, b"hello");
    assert!(started.elapsed() < PATIENCE);
    assert!(broker.context().hold.is_empty());
    broker.stop().await;
}

#[tokio::test]
async fn a_waiting_pull_is_not_woken_by_tags_it_does_not_want() {
    let broker = Fixture::start().await;
    broker.create_topic("T", 1).await;
    let mut request = waiting("T", "0", "60000");
    request.subscription = Some("Wanted");
    let sender = async {
        until("the pull waits", || broker.context().hold.len() == 1).await;
        let mut sent = message("T", "0");
        sent.properties = "TAGS\u{1}Wanted\u{2}";
        // Another queue and another topic wake nobody.
        broker.peer.stored(&message("Other", "0")).await;
        assert_eq!(broker.context().hold.len(), 1);
        broker.peer.stored(&sent).await;
    };
    let (answer, ()) = tokio::join!(broker.peer.pull(&request), sender);
    assert_eq!((answer.code, offsets(&answer)), (0, (1, 0, 1)));
    broker.stop().await;
}

#[tokio::test]
async fn a_wait_ends_with_its_time() {
    let broker = Fixture::start().await;
    broker.create_topic("T", 1).await;
    let mut request = waiting("T", "0", "300");
    (request.sys_flag, request.commit_offset) = ("7", "0");
    let started = Instant::now();
    let answer = broker.peer.pull(&request).await;
    assert_eq!(said(&answer), (19, "NO_MESSAGE_IN_QUEUE".to_string()));
    assert!(started.elapsed() >= Duration::from_millis(300));
    assert_eq!(offsets(&answer), (0, 0, 0));
    // The offset was committed although the pull had to wait.
    assert_eq!(broker.context().offsets.get("test_consumer", "T", 0), Some(0));
    // An offset that is wrong does not wait.
    assert_eq!(broker.peer.pull(&waiting("T", "5", "600000")).await.code, 21);
    broker.stop().await;
}

#[tokio::test]
async fn without_long_polling_the_brokers_own_time_counts() {
    let broker = Fixture::with(|settings| {
        settings.broker.long_polling_enable = false;
        settings.broker.short_polling_time_mills = 100;
    })
    .await;
    broker.create_topic("T", 1).await;
    assert_eq!(broker.peer.pull(&waiting("T", "0", "600000")).await.code, 19);
    broker.stop().await;
}

#[tokio::test]
async fn waiting_pulls_are_answered_when_the_broker_stops() {
    let broker = Fixture::start().await;
    broker.create_topic("T", 1).await;
    let peer = broker.another_peer();
    let waits = tokio::spawn(async move { peer.pull(&waiting("T", "0", "600000")).await });
    until("the pull waits", || broker.context().hold.len() == 1).await;
    broker.stop().await;
    assert_eq!(waits.await.unwrap().code, 19);
}

#[tokio::test]
async fn the_second_port_serves_all_but_pulls() {
    let broker = Fixture::start().await;
    let vip = broker.vip_peer();
    vip.stored(&message("T", "0")).await;
    let answer = vip.pull(&pull("T", "0", "0")).await;
    assert_eq!(said(&answer), (3, " request type 11 not supported".to_string()));
    let lite = RequestCode::LITE_PULL_MESSAGE;
    let answer = vip.ask(lite, &pull("T", "0", "0").fields()).await;
    assert_eq!(said(&answer), (3, " request type 361 not supported".to_string()));
    // On the main port the later code is the same pull.
    let answer = broker.peer.ask(lite, &pull("T", "0", "0").fields()).await;
    assert_eq!((answer.code, records(answer.body()).len()), (0, 1));
    broker.stop().await;
}

#[tokio::test]
async fn a_waiting_pull_ends_with_its_connection() {
    let broker = Fixture::start().await;
    broker.create_topic("T", 1).await;
    let peer = Arc::new(broker.another_peer());
    let asking = Arc::clone(&peer);
    let waits = tokio::spawn(async move { asking.pull(&waiting("T", "0", "600000")).await });
    until("the pull waits", || broker.context().hold.len() == 1).await;
    waits.abort();
    peer.close().await;
    until("it does not any more", || broker.context().hold.is_empty()).await;
    broker.stop().await;
}
