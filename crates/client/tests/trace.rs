//! Message traces of producers and consumers, against brokers that answer as each test says.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test fails by panicking

mod fake;

use fake::{Fake, Reply, Seen};
use rocketmq_client::{LocalTransactionState, Message, Producer};
use rocketmq_protocol::RequestCode;

const SEND: RequestCode = RequestCode::SEND_MESSAGE_V2;
const TRACE: &str = "RMQ_SYS_TRACE_TOPIC";

fn cluster() -> Fake {
    let fake = Fake::start(&["a"]);
    fake.topic("T", 1);
    fake.topic(TRACE, 1);
    fake.topic("MyTraces", 1);
    fake.answer(|seen| match seen.code {
        SEND => Reply::stored(seen, 41),
        _ => Reply::ok(),
    });
    fake
}

/// Trace messages and the records in them.
fn traces(fake: &Fake, topic: &str) -> (Vec<Seen>, Vec<Vec<String>>) {
    let sent: Vec<_> =
        fake.seen(SEND).into_iter().filter(|seen| seen.field("b") == topic).collect();
    let text: String = sent.iter().map(|seen| String::from_utf8_lossy(&seen.body)).collect();
    let records = text.split_terminator('\u{2}');
    let fields = |record: &str| record.split('\u{1}').map(str::to_string).collect();
    (sent.clone(), records.map(fields).collect())
}

#[tokio::test]
async fn sends_are_traced() {
    let fake = cluster();
    let producer =
        Producer::builder("group").client_config(fake.config()).trace(None).start().await.unwrap();
    let message = Message::new("T", "body").with_tags("A").with_keys("k1 k2");
    let result = producer.send(message).await.unwrap();
    producer.send_oneway(Message::new("T", "not traced")).await.unwrap();
    producer.start_send(Message::new("T", "later")).await.unwrap().await.unwrap();
    producer.shutdown().await;
    let (sent, records) = traces(&fake, TRACE);
    assert!(sent[0].property("KEYS").unwrap().contains(&format!("{} k1 k2", result.msg_id)));
    assert!(sent[0].field("a").starts_with("_INNER_TRACE_PRODUCER-group-PRODUCE-"));
    let [first, second] = &records[..] else { panic!("{records:?}") };
    let expected = ["DefaultRegion", "group", "T", &result.msg_id, "A", "k1 k2"];
    assert_eq!((&*first[0], &first[2..8]), ("Pub", &expected.map(String::from)[..]));
    assert_eq!((&*first[8], &*first[9]), (&*fake.broker_addr("a"), "4"));
    assert_eq!(&first[11..], ["0", &result.offset_msg_id, "true"]);
    assert_eq!((&*second[4], &*second[6], &*second[9]), ("T", "null", "5"));
}

#[tokio::test]
async fn brokers_may_refuse_traces_and_failures_leave_none() {
    let fake = cluster();
    fake.answer(|seen| match seen.code {
        SEND if seen.body == "fails" => {
            Reply::code(rocketmq_protocol::ResponseCode::MESSAGE_ILLEGAL, "no")
        }
        SEND => Reply::stored(seen, 41).map(|mut reply| {
            reply.fields.retain(|(name, _)| name != "TRACE_ON");
            reply.fields.push(("TRACE_ON".to_string(), "false".to_string()));
            reply
        }),
        _ => Reply::ok(),
    });
    let producer =
        Producer::builder("group").client_config(fake.config()).trace(None).start().await.unwrap();
    producer.send(Message::new("T", "stored")).await.unwrap();
    producer.send(Message::new("T", "fails")).await.unwrap_err();
    producer.shutdown().await;
    assert!(traces(&fake, TRACE).0.is_empty());
}

#[tokio::test]
async fn transactions_are_traced_to_a_topic_of_ones_own() {
    let fake = cluster();
    let producer = Producer::builder("group")
        .client_config(fake.config())
        .namespace("ns")
        .trace(Some("MyTraces"))
        .start_transactional(|_| async { LocalTransactionState::Unknown })
        .await
        .unwrap();
    fake.topic("ns%T", 1);
    let commit = |_| async { Ok::<_, std::io::Error>(LocalTransactionState::CommitMessage) };
    producer.send_in_transaction(Message::new("T", "body"), commit).await.unwrap();
    producer.shutdown().await;
    let records = traces(&fake, "MyTraces").1;
    let [half, end] = &records[..] else { panic!("{records:?}") };
    assert_eq!((&*half[0], &*half[3], &*half[4], &*half[11]), ("Pub", "group", "T", "1"));
    assert_eq!((&*end[0], &*end[3], &*end[4]), ("EndTransaction", "group", "T"));
    assert_eq!(&end[11..], ["COMMIT_MESSAGE", "false"]);
    assert_eq!(end[9], "2");
}
