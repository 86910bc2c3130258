//! Transactions and requests, against brokers that answer as each test says.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test fails by panicking

mod fake;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fake::{Fake, Reply, Seen, until};
use rocketmq_client::{LocalTransactionState, Message, Producer, TransactionProducer};
use rocketmq_protocol::header::{CheckTransactionStateRequestHeader, ReplyMessageRequestHeader};
use rocketmq_protocol::message::record::RecordHead;
use rocketmq_protocol::message::{Properties, properties};
use rocketmq_protocol::{RequestCode, ResponseCode};
use rocketmq_remoting::Request;

const SEND: RequestCode = RequestCode::SEND_MESSAGE_V2;
const END: RequestCode = RequestCode::END_TRANSACTION;

fn cluster() -> Fake {
    let fake = Fake::start(&["a"]);
    fake.topic("T", 1);
    fake.answer(|seen| match seen.code {
        SEND => Reply::stored(seen, 41),
        _ => Reply::ok(),
    });
    fake
}

async fn start(fake: &Fake) -> TransactionProducer {
    Producer::builder("group")
        .client_config(fake.config())
        .start_transactional(|half| async move {
            match &half.message.body[..] {
                b"done" => LocalTransactionState::CommitMessage,
                b"undone" => LocalTransactionState::RollbackMessage,
                b"panic" => panic!("no good"),
                _ => LocalTransactionState::Unknown,
            }
        })
        .await
        .unwrap()
}

async fn end(fake: &Fake, count: usize) -> Seen {
    until("the transaction was ended", || fake.seen(END).len() == count).await;
    fake.seen(END).pop().unwrap()
}

#[tokio::test]
async fn the_outcome_of_the_local_transaction_goes_to_the_broker() {
    let fake = cluster();
    let producer = start(&fake).await;
    let io = |text: &str| Err(std::io::Error::other(text.to_string()));
    let outcomes: [(std::io::Result<LocalTransactionState>, &str, &str); 4] = [
        (Ok(LocalTransactionState::CommitMessage), "8", ""),
        (Ok(LocalTransactionState::RollbackMessage), "12", ""),
        (Ok(LocalTransactionState::Unknown), "0", ""),
        (
            io("the bank is closed"),
            "0",
            "executeLocalTransactionBranch exception: the bank is closed",
        ),
    ];
    for (index, (outcome, flag, remark)) in outcomes.into_iter().enumerate() {
        let mut message = Message::new("T", "x");
        message.set("DELAY", "3");
        let result = producer.send_in_transaction(message, |_| async { outcome }).await.unwrap();
        let half = fake.seen(SEND).into_iter().rfind(|seen| seen.field("b") == "T");
        let half = half.unwrap();
        assert_eq!((half.field("f"), half.property("DELAY")), ("4", None));
        assert_eq!(half.property("TRAN_MSG").as_deref(), Some("true"));
        assert_eq!(half.property("PGROUP").as_deref(), Some("group"));
        let ended = end(&fake, index + 1).await;
        assert!(ended.oneway);
        assert_eq!(ended.field("commitOrRollback"), flag);
        assert_eq!(
            (ended.field("commitLogOffset"), ended.field("tranStateTableOffset")),
            ("7", "41")
        );
        assert_eq!(ended.field("fromTransactionCheck"), "false");
        assert_eq!(ended.field("msgId"), result.send.msg_id);
        assert_eq!(ended.remark.unwrap_or_default(), remark);
        assert!(result.to_string().contains("offsetMsgId=null"), "{result}");
    }
    let panicking = |_| async { panic!("no good") };
    let result = producer
        .send_in_transaction::<_, std::io::Error>(Message::new("T", "x"), panicking)
        .await
        .unwrap();
    assert_eq!(result.state, LocalTransactionState::Unknown);
    producer.shutdown().await;
}

#[tokio::test]
async fn nothing_is_executed_when_the_half_message_is_not_safe() {
    let fake = cluster();
    fake.answer(|seen| match seen.code {
        SEND => Reply::stored(seen, 1).map(|mut reply| {
            reply.code = ResponseCode::SLAVE_NOT_AVAILABLE;
            reply
        }),
        _ => Reply::ok(),
    });
    let producer = start(&fake).await;
    let executed = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&executed);
    let execute = |_| async move {
        seen.store(true, Ordering::SeqCst);
        Ok::<_, std::io::Error>(LocalTransactionState::CommitMessage)
    };
    let result = producer.send_in_transaction(Message::new("T", "x"), execute).await.unwrap();
    assert_eq!(result.state, LocalTransactionState::RollbackMessage);
    assert_eq!(end(&fake, 1).await.field("commitOrRollback"), "12");
    assert!(!executed.load(Ordering::SeqCst));
    producer.shutdown().await;
}

fn half_message(body: &[u8], group: &str) -> Vec<u8> {
    let pairs = [("PGROUP", group), ("UNIQ_KEY", "UNIQUE"), ("TRAN_MSG", "true")];
    let pairs: Properties =
        pairs.into_iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
    let host = "127.0.0.1:1".parse().unwrap();
    let head = RecordHead {
        topic: "T",
        queue_id: 0,
        flag: 0,
        sys_flag: 4,
        born_timestamp: 1,
        born_host: host,
        store_host: host,
        reconsume_times: 0,
        prepared_transaction_offset: 0,
    };
    let mut out = Vec::new();
    head.encode(body, properties::encode(&pairs).as_bytes(), &mut out);
    out
}

#[tokio::test]
async fn brokers_are_told_what_became_of_a_transaction_when_they_ask() {
    let fake = cluster();
    let producer = start(&fake).await;
    producer.send(Message::new("T", "x")).await.unwrap();
    let header = CheckTransactionStateRequestHeader {
        tran_state_table_offset: 5,
        commit_log_offset: 6,
        msg_id: Some("UNIQUE".into()),
        transaction_id: Some("TID".into()),
        offset_msg_id: None,
    };
    let ask = |body: &[u8], group: &str| {
        let request = Request::new(RequestCode::CHECK_TRANSACTION_STATE)
            .fields(&header)
            .body(half_message(body, group));
        fake.connections("a")[0].send_oneway(request).unwrap();
    };
    let expected = [(&b"done"[..], "8"), (b"undone", "12"), (b"?", "0"), (b"panic", "0")];
    for (index, (body, flag)) in expected.into_iter().enumerate() {
        ask(b"done", "another group");
        ask(body, "group");
        let ended = end(&fake, index + 1).await;
        assert_eq!((ended.field("commitOrRollback"), ended.oneway), (flag, true));
        assert_eq!(
            (ended.field("tranStateTableOffset"), ended.field("commitLogOffset")),
            ("5", "6")
        );
        assert_eq!(ended.field("fromTransactionCheck"), "true");
        assert_eq!((ended.field("msgId"), ended.field("transactionId")), ("UNIQUE", "TID"));
        let remark = ended.remark.unwrap_or_default();
        assert_eq!(remark.contains("Exception: no good"), body == b"panic", "{remark}");
    }
    producer.shutdown().await;
}

#[tokio::test]
async fn a_reply_reaches_the_request_that_it_belongs_to() {
    let fake = Arc::new(cluster());
    let producer = Producer::builder("group").client_config(fake.config()).start().await.unwrap();
    let requests: Vec<_> = (0..3)
        .map(|index| {
            let producer = producer.clone();
            let request = Message::new("T", format!("{index}"));
            tokio::spawn(async move { producer.request(request, Duration::from_secs(20)).await })
        })
        .collect();
    until("the requests came", || fake.seen(SEND).len() == 3).await;
    assert!(!fake.seen(RequestCode::HEART_BEAT).is_empty(), "the broker knows the client");
    let mut sent = fake.seen(SEND);
    sent.reverse();
    for request in sent {
        assert_eq!(request.property("REPLY_TO_CLIENT").as_deref(), Some(producer.client_id()));
        assert_eq!(request.property("TTL").as_deref(), Some("20000"));
        let id = request.property("CORRELATION_ID").unwrap();
        let encoded = format!("CORRELATION_ID\u{1}{id}\u{2}MSG_TYPE\u{1}reply");
        let header = ReplyMessageRequestHeader {
            producer_group: "g".into(),
            topic: "c_REPLY_TOPIC".into(),
            default_topic: "TBW102".into(),
            default_topic_queue_nums: 4,
            queue_id: 0,
            sys_flag: 0,
            born_timestamp: 1,
            flag: 0,
            properties: Some(encoded.as_str().into()),
            reconsume_times: Some(0),
            unit_mode: false,
            born_host: "/127.0.0.1:1".into(),
            store_host: "/127.0.0.1:2".into(),
            store_timestamp: 1,
        };
        let body = [b"re:", &request.body[..]].concat();
        let code = RequestCode::PUSH_REPLY_MESSAGE_TO_CLIENT;
        let push = Request::new(code).fields(&header).body(body);
        assert_eq!(fake.push("a", push).await.0, 0);
    }
    for (index, request) in requests.into_iter().enumerate() {
        let reply = request.await.unwrap().unwrap();
        assert_eq!(reply.body, format!("re:{index}"));
        assert!(reply.get("ARRIVE_TIME").is_some());
    }
    producer.shutdown().await;
}

#[tokio::test]
async fn requests_end_without_a_reply_too() {
    let fake = cluster();
    let producer = Producer::builder("group").client_config(fake.config()).start().await.unwrap();
    let ask = || producer.request(Message::new("T", "?"), Duration::from_millis(100));
    let error = ask().await.unwrap_err();
    assert_eq!(error.code(), ResponseCode::REQUEST_TIMEOUT_EXCEPTION);
    let text = "send request message to <T> OK, but wait reply message timeout, 100 ms.";
    assert!(error.to_string().contains(text), "{error}");
    fake.answer(|_| Reply::code(ResponseCode::MESSAGE_ILLEGAL, "no"));
    let error = ask().await.unwrap_err();
    assert!(error.to_string().contains("send request message to <T> fail"), "{error}");
    producer.shutdown().await;
}
