//! SEND_MESSAGE 10, SEND_MESSAGE_V2 310, SEND_BATCH_MESSAGE 320 (contract `requests.md` 1).

use rocketmq_protocol::RequestCode;
use rocketmq_protocol::message::batch::{BatchItem, encode_item};

use crate::support::{FAQ, Fixture, fields_of, message, pull, records, said};

/// Every answer names region and trace switch.
fn has_extras(frame: &rocketmq_protocol::Frame) {
    let fields = fields_of(frame);
    assert_eq!(fields["MSG_REGION"], "DefaultRegion");
    assert_eq!(fields["TRACE_ON"], "true");
}

#[tokio::test]
async fn a_message_is_stored_as_sent() {
    let broker = Fixture::start().await;
    broker.create_topic("T", 4).await;
    let mut sent = message("T", "3");
    sent.properties = "UNIQ_KEY\u{1}ABC\u{2}WAIT\u{1}true\u{2}TAGS\u{1}TagA\u{2}";
    sent.flag = "7";
    sent.reconsume_times = "2";
    let answer = broker.peer.send(&sent).await;
    assert_eq!((answer.code, answer.remark(), answer.body().len()), (0, None, 0));
    has_extras(&answer);
    let fields = fields_of(&answer);
    assert_eq!((&*fields["queueId"], &*fields["queueOffset"]), ("3", "0"));
    assert!(!fields.contains_key("transactionId"));

    let found = broker.peer.pull(&pull("T", "3", "0")).await;
    let records = records(found.body());
    let record = &records[0];
    assert_eq!(records.len(), 1);
    assert_eq!(record.offset_msg_id(), fields["msgId"]);
    assert_eq!((record.body, record.flag, record.reconsume_times), (&b"hello"[..], 7, 2));
    assert_eq!(record.born_timestamp, 1_700_000_000_000);
    assert_eq!(record.born_host.to_string(), broker.peer.local().await);
    assert_eq!(record.store_host, broker.broker.local().unwrap());
    assert_eq!(record.property("CLUSTER"), Some("DefaultCluster"));
    assert_eq!(record.property("TAGS"), Some("TagA"));
    assert_eq!(record.property("WAIT"), None);
    broker.stop().await;
}

#[tokio::test]
async fn code_10_has_long_field_names() {
    let broker = Fixture::start().await;
    let long = [
        ("producerGroup", "p"),
        ("topic", "T10"),
        ("defaultTopic", "TBW102"),
        ("defaultTopicQueueNums", "4"),
        ("queueId", "1"),
        ("sysFlag", "0"),
        ("bornTimestamp", "1"),
        ("flag", "0"),
    ];
    let answer = broker.peer.ask(RequestCode::SEND_MESSAGE, &long).await;
    assert_eq!(answer.code, 0, "{:?}", answer.remark());
    // No body, no properties: stored all the same.
    let found = broker.peer.pull(&pull("T10", "1", "0")).await;
    assert_eq!(records(found.body())[0].body.len(), 0);
    broker.stop().await;
}

#[tokio::test]
async fn a_missing_field_is_named() {
    let broker = Fixture::start().await;
    for missing in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        let sent = message("T", "0");
        let fields: Vec<_> = sent.fields().into_iter().filter(|(key, _)| *key != missing).collect();
        let answer = broker.peer.ask(RequestCode::SEND_MESSAGE_V2, &fields).await;
        let (code, text) = said(&answer);
        assert_eq!(code, 1);
        let begin = format!(
            "org.apache.rocketmq.remoting.exception.RemotingCommandException: \
             the custom field <{missing}> is null"
        );
        assert!(text.starts_with(&begin), "{text}");
        assert!(!fields_of(&answer).contains_key("MSG_REGION"));
    }
    broker.stop().await;
}

#[tokio::test]
async fn sends_are_refused_until_the_time_set() {
    let broker = Fixture::with(|settings| {
        settings.broker.start_accept_send_request_time_stamp = 4_102_444_800_123;
    })
    .await;
    let answer = broker.peer.send(&message("T", "0")).await;
    let (code, text) = said(&answer);
    assert_eq!(code, 1);
    let until = text.strip_prefix("broker unable to service, until ").unwrap();
    // yyyy-MM-dd HH:mm:ss,SSS in the host's zone.
    assert_eq!((until.len(), &until[19..]), (23, ",123"));
    has_extras(&answer);
    broker.stop().await;
}

#[tokio::test]
async fn a_broker_that_is_not_writable_refuses_ordered_topics_only() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("store/config");
    std::fs::create_dir_all(&config).unwrap();
    let topics = r#"{"dataVersion":{"counter":1,"timestamp":1},"topicConfigTable":{"Ordered":{
        "order":true,"perm":6,"readQueueNums":4,"topicFilterType":"SINGLE_TAG","topicName":"Ordered",
        "topicSysFlag":0,"writeQueueNums":4}}}"#;
    std::fs::write(config.join("topics.json"), topics).unwrap();
    let broker = Fixture::inside(folder, |settings| settings.broker.broker_permission = 4).await;
    let answer = broker.peer.send(&message("Ordered", "0")).await;
    let text = "the broker[127.0.0.1] sending message is forbidden";
    assert_eq!(said(&answer), (16, text.to_string()));
    has_extras(&answer);
    assert_eq!(broker.peer.send(&message("Other", "0")).await.code, 0);
    broker.stop().await;
}

#[tokio::test]
async fn names_of_topics_are_checked() {
    let broker = Fixture::start().await;
    let long = "x".repeat(128);
    for (topic, text) in [
        ("", "The specified topic is blank."),
        ("  ", "The specified topic is blank."),
        (
            "a.b",
            "The specified topic contains illegal characters, allowing only ^[%|a-zA-Z0-9_-]+$",
        ),
        (&*long, "The specified topic is longer than topic max length."),
    ] {
        let answer = broker.peer.send(&message(topic, "0")).await;
        assert_eq!(said(&answer), (1, text.to_string()), "{topic}");
        has_extras(&answer);
    }
    let answer = broker.peer.send(&message("SCHEDULE_TOPIC_XXXX", "0")).await;
    let text = "Sending message to topic[SCHEDULE_TOPIC_XXXX] is forbidden.";
    assert_eq!(said(&answer), (16, text.to_string()));
    let longest = "x".repeat(127);
    assert_eq!(broker.peer.send(&message(&longest, "0")).await.code, 0);
    broker.stop().await;
}

#[tokio::test]
async fn unknown_topics_are_created_from_the_default_one() {
    let broker = Fixture::start().await;
    let version = broker.context().topics.version();
    let mut sent = message("New", "0");
    sent.default_topic_queue_nums = "3";
    assert_eq!(broker.peer.send(&sent).await.code, 0);
    let config = broker.context().topics.get("New").unwrap();
    assert_eq!(
        config.to_string(),
        "TopicConfig [topicName=New, readQueueNums=3, writeQueueNums=3, perm=RW-, \
         topicFilterType=SINGLE_TAG, topicSysFlag=0, order=false]"
    );
    assert_ne!(broker.context().topics.version(), version);
    // Never more queues than the default topic has; unit mode is a bit of the topic.
    let mut sent = message("Wide", "7");
    (sent.default_topic_queue_nums, sent.unit_mode) = ("64", "true");
    assert_eq!(broker.peer.send(&sent).await.code, 0);
    let config = broker.context().topics.get("Wide").unwrap();
    assert_eq!((config.write_queue_nums, config.topic_sys_flag), (8, 1));
    // The cluster's and the broker's topic can be inherited from, others cannot.
    let mut sent = message("OfCluster", "0");
    sent.default_topic = "DefaultCluster";
    assert_eq!(broker.peer.send(&sent).await.code, 0);
    for base in ["BenchmarkTest", "Unknown"] {
        let mut sent = message("Nothing", "0");
        sent.default_topic = base;
        let answer = broker.peer.send(&sent).await;
        let text = format!("topic[Nothing] not exist, apply first please!{FAQ}");
        assert_eq!(said(&answer), (17, text));
        has_extras(&answer);
    }
    // What was created is there after a restart.
    let folder = broker.stop().await;
    let broker = Fixture::inside(folder, |_| {}).await;
    assert_eq!(broker.context().topics.get("New").unwrap().write_queue_nums, 3);
    broker.stop().await;
}

#[tokio::test]
async fn without_auto_creation_unknown_topics_do_not_exist() {
    let broker = Fixture::with(|s| s.broker.auto_create_topic_enable = false).await;
    assert!(broker.context().topics.get("TBW102").is_none());
    let answer = broker.peer.send(&message("T", "0")).await;
    let text = format!("topic[T] not exist, apply first please!{FAQ}");
    assert_eq!(said(&answer), (17, text));
    // Retry topics are made all the same.
    assert_eq!(broker.peer.send(&message("%RETRY%g", "0")).await.code, 0);
    let config = broker.context().topics.get("%RETRY%g").unwrap();
    assert_eq!((config.write_queue_nums, config.perm), (1, 6));
    broker.stop().await;
}

#[tokio::test]
async fn queues_that_do_not_exist_are_refused() {
    let broker = Fixture::start().await;
    broker.create_topic_with("Q", 2, 4, 6, "SINGLE_TAG").await;
    let answer = broker.peer.send(&message("Q", "9")).await;
    let text = format!(
        "request queueId[9] is illegal, TopicConfig [topicName=Q, readQueueNums=2, \
         writeQueueNums=4, perm=RW-, topicFilterType=SINGLE_TAG, topicSysFlag=0, order=false] \
         Producer: {}",
        broker.peer.local().await
    );
    assert_eq!(said(&answer), (1, text));
    has_extras(&answer);
    // Below zero, the broker chooses.
    for _ in 0..20 {
        let stored = broker.peer.stored(&message("Q", "-1")).await;
        assert!((0..4).contains(&stored.queue_id), "{stored:?}");
    }
    broker.stop().await;
}

#[tokio::test]
async fn the_topics_write_permission_is_not_asked_for() {
    let broker = Fixture::start().await;
    broker.create_topic_with("ReadOnly", 4, 4, 4, "SINGLE_TAG").await;
    assert_eq!(broker.peer.send(&message("ReadOnly", "0")).await.code, 0);
    broker.stop().await;
}

#[tokio::test]
async fn retried_messages_end_among_the_dead_letters() {
    let broker = Fixture::with(|s| s.broker.auto_create_subscription_group = false).await;
    let answer = broker.peer.send(&message("%RETRY%g", "0")).await;
    let text = format!("subscription group not exist, g {FAQ}");
    assert_eq!(said(&answer), (26, text));
    has_extras(&answer);
    broker.stop().await;

    let broker = Fixture::start().await;
    let mut sent = message("%RETRY%g", "0");
    (sent.reconsume_times, sent.max_reconsume_times) = ("3", Some("3"));
    sent.properties = "DELAY\u{1}3\u{2}KEYS\u{1}k\u{2}";
    let stored = broker.peer.stored(&sent).await;
    assert_eq!(stored.queue_id, 0);
    let found = broker.peer.pull(&pull("%DLQ%g", "0", "0")).await;
    let found = records(found.body());
    assert_eq!(found[0].offset_msg_id(), stored.msg_id);
    assert_eq!((found[0].property("DELAY"), found[0].property("KEYS")), (None, Some("k")));
    // Not exhausted yet: to the retry topic.
    (sent.reconsume_times, sent.properties) = ("2", "");
    broker.peer.stored(&sent).await;
    let found = broker.peer.pull(&pull("%RETRY%g", "0", "0")).await;
    assert_eq!(records(found.body())[0].reconsume_times, 2);
    broker.stop().await;
}

#[tokio::test]
async fn an_old_clients_own_limit_of_retries_does_not_count() {
    let broker = Fixture::start().await;
    let mut sent = message("%RETRY%g", "0");
    (sent.reconsume_times, sent.max_reconsume_times) = ("3", Some("3"));
    let fields: Vec<_> =
        sent.fields().iter().map(|(name, value)| format!(r#""{name}":"{value}""#)).collect();
    // Frames by hand, since ours always name the present version: V3_4_8's, then V3_4_9's.
    let local = broker.broker.local().unwrap();
    let mut old = tokio::net::TcpStream::connect(local).await.unwrap();
    for (version, topic) in [(119, "%RETRY%g"), (121, "%DLQ%g")] {
        let header = format!(
            r#"{{"code":310,"extFields":{{{}}},"flag":0,"language":"JAVA","opaque":1,"version":{version}}}"#,
            fields.join(",")
        );
        let mut frame = Vec::new();
        frame.extend_from_slice(&((4 + header.len() + sent.body.len()) as u32).to_be_bytes());
        frame.extend_from_slice(&(header.len() as u32).to_be_bytes());
        frame.extend_from_slice(header.as_bytes());
        frame.extend_from_slice(sent.body);
        tokio::io::AsyncWriteExt::write_all(&mut old, &frame).await.unwrap();
        let kept = || broker.context().store.max_offset_in_queue(topic, 0);
        crate::support::until("the message is stored", || kept() == 1).await;
    }
    assert_eq!(broker.context().store.max_offset_in_queue("%RETRY%g", 0), 1);
    drop(old);
    broker.stop().await;
}

fn batch(properties: &[u8], bodies: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    for body in bodies {
        encode_item(&BatchItem { flag: 0, body, properties }, &mut out);
    }
    out
}

#[tokio::test]
async fn a_batch_is_stored_whole() {
    let broker = Fixture::start().await;
    broker.create_topic("B", 2).await;
    let body = batch(b"TAGS\x01t\x02", &[b"one", b"two", b"three"]);
    let mut sent = message("B", "1");
    (sent.batch, sent.body) = (true, &body);
    let stored = broker.peer.stored(&sent).await;
    assert_eq!((stored.queue_id, stored.queue_offset), (1, 0));
    let found = broker.peer.pull(&pull("B", "1", "0")).await;
    let found = records(found.body());
    let ids: Vec<_> = found.iter().map(|record| record.offset_msg_id()).collect();
    assert_eq!(stored.msg_id, ids.join(","));
    let bodies: Vec<_> = found.iter().map(|record| record.body).collect();
    assert_eq!(bodies, [&b"one"[..], b"two", b"three"]);
    for record in &found {
        assert_eq!(record.property("TAGS"), Some("t"));
        assert_eq!(record.property("CLUSTER"), Some("DefaultCluster"));
    }
    // The flag makes the batch, not the code.
    let answer =
        broker.peer.ask_with(RequestCode::SEND_MESSAGE_V2, &sent.fields(), body.clone()).await;
    assert_eq!(fields_of(&answer)["queueOffset"], "3");
    let answer = broker.peer.send(&message("B", "1")).await;
    assert_eq!(fields_of(&answer)["queueOffset"], "6");
    broker.stop().await;
}

#[tokio::test]
async fn batches_that_are_none_are_illegal() {
    let broker = Fixture::start().await;
    broker.create_topic("B", 1).await;
    let cut = batch(b"", &[b"one", b"two"]);
    for body in [&b""[..], b"\0\0", &cut[..cut.len() - 1], b"\xff\xff\xff\xff garbage here"] {
        let mut sent = message("B", "0");
        (sent.batch, sent.body) = (true, body);
        let answer = broker.peer.send(&sent).await;
        assert_ne!(answer.code, 0, "{body:?}");
        has_extras(&answer);
    }
    assert_eq!(broker.peer.pull(&pull("B", "0", "0")).await.code, 19);
    broker.stop().await;
}

#[tokio::test]
async fn messages_that_are_too_large_are_illegal() {
    let broker = Fixture::with(|settings| settings.store.max_message_size = 4096).await;
    let begin = "the message is illegal, maybe msg body or properties length not matched. \
                 msg body length limit 128k, msg properties length limit 32k.";
    let body = vec![b'x'; 5000];
    let mut sent = message("T", "0");
    sent.body = &body;
    let (code, text) = said(&broker.peer.send(&sent).await);
    assert_eq!(code, 13);
    assert!(text.starts_with(begin), "{text}");
    let body = batch(b"", &[&body[..2500], &body[..2500]]);
    let mut sent = message("T", "0");
    (sent.batch, sent.body) = (true, &body);
    let (code, text) = said(&broker.peer.send(&sent).await);
    assert_eq!(code, 13);
    assert!(text.starts_with(begin), "{text}");
    let properties = format!("K\u{1}{}", "v".repeat(33_000));
    let mut sent = message("T", "0");
    sent.properties = &properties;
    let (code, text) = said(&broker.peer.send(&sent).await);
    assert_eq!(code, 13);
    assert!(text.starts_with(begin), "{text}");
    broker.stop().await;
}

#[tokio::test]
async fn a_topic_of_many_tags_marks_its_messages() {
    let broker = Fixture::start().await;
    broker.create_topic_with("Many", 1, 1, 6, "MULTI_TAG").await;
    broker.peer.stored(&message("Many", "0")).await;
    let found = broker.peer.pull(&pull("Many", "0", "0")).await;
    assert_eq!(records(found.body())[0].sys_flag & 2, 2);
    broker.stop().await;
}

#[tokio::test]
async fn a_sync_flush_answers_when_the_message_is_on_the_disk() {
    let broker = Fixture::with(|settings| {
        settings.store.flush_disk_type = rocketmq_store::FlushDiskType::SyncFlush;
    })
    .await;
    for queue_id in ["0", "1"] {
        let answer = broker.peer.send(&message("S", queue_id)).await;
        assert_eq!((answer.code, answer.remark()), (0, None));
        has_extras(&answer);
        assert!(broker.context().store.flushed_offset() > 0);
    }
    broker.stop().await;
}

#[tokio::test]
async fn region_and_trace_switch_are_those_of_the_settings() {
    let broker = Fixture::with(|settings| {
        settings.broker.region_id = "elsewhere".to_string();
        settings.broker.trace_on = false;
    })
    .await;
    let fields = fields_of(&broker.peer.send(&message("T", "0")).await);
    assert_eq!((&*fields["MSG_REGION"], &*fields["TRACE_ON"]), ("elsewhere", "false"));
    broker.stop().await;
}
