//! Subscriptions by SQL92 expression: heartbeats, pulls, CHECK_CLIENT_CONFIG 46, the file (contract
//! `broker.md` 12, 13, 19).

use rocketmq_broker::Settings;
use rocketmq_common::fastjson;
use rocketmq_protocol::body::{
    CheckClientBody, ConsumeFromWhere, ConsumeType, ConsumerData, EXPRESSION_SQL92, HeartbeatData,
    MessageModel, SubscriptionData,
};
use rocketmq_protocol::{Frame, RequestCode};

use crate::support::{Fixture, Peer, Pull, message, pull, records, said, until};

const OFF: &str = "The broker does not support consumer to filter message by SQL92";

pub fn served(settings: &mut Settings) {
    settings.broker.enable_property_filter = true;
}

pub fn sql(topic: &str, expression: &str, version: i64) -> SubscriptionData {
    SubscriptionData {
        topic: topic.to_string(),
        sub_string: expression.to_string(),
        expression_type: EXPRESSION_SQL92.to_string(),
        sub_version: version,
        ..SubscriptionData::default()
    }
}

pub async fn heartbeat(peer: &Peer, group: &str, subscriptions: Vec<SubscriptionData>) {
    let consumer = ConsumerData {
        group_name: group.to_string(),
        consume_type: ConsumeType::Passively,
        message_model: MessageModel::Clustering,
        consume_from_where: ConsumeFromWhere::FirstOffset,
        subscription_data_set: subscriptions,
        unit_mode: false,
    };
    let body = HeartbeatData {
        client_id: "client".to_string(),
        consumer_data_set: vec![consumer],
        ..HeartbeatData::default()
    };
    let body = fastjson::to_vec(&body).unwrap();
    let answer = peer.ask_with(RequestCode::HEART_BEAT, &[], body).await;
    assert_eq!(answer.code, 0, "{:?}", answer.remark());
}

/// Stores messages with property `n` = 0, 1, … in one queue.
pub async fn numbered(broker: &Fixture, topic: &str, count: usize) {
    for n in 0..count {
        let properties = format!("TAGS\u{1}T{n}\u{2}n\u{1}{n}\u{2}");
        let sent = message(topic, "0");
        broker.peer.stored(&crate::support::Outgoing { properties: &properties, ..sent }).await;
    }
}

fn by_sql<'a>(topic: &'a str, expression: &'a str) -> Pull<'a> {
    Pull { subscription: Some(expression), expression_type: Some("SQL92"), ..pull(topic, "0", "0") }
}

/// A pull that relies on the group's heartbeat.
pub fn by_heartbeat<'a>(topic: &'a str, version: &'a str) -> Pull<'a> {
    Pull {
        sys_flag: "0",
        subscription: None,
        expression_type: Some("SQL92"),
        sub_version: version,
        group: "g",
        ..pull(topic, "0", "0")
    }
}

pub fn numbers(answer: &Frame) -> Vec<i64> {
    records(answer.body())
        .iter()
        .map(|record| record.property("n").unwrap().parse().unwrap())
        .collect()
}

#[tokio::test]
async fn a_pull_gets_what_its_own_expression_wants() {
    let broker = Fixture::with(served).await;
    numbered(&broker, "T", 10).await;
    let answer = broker.peer.pull(&by_sql("T", "n BETWEEN 3 AND 5 OR TAGS = 'T8'")).await;
    assert_eq!(numbers(&answer), [3, 4, 5, 8]);
    // Nothing wanted among what was scanned: go on at once behind it.
    let answer = broker.peer.pull(&by_sql("T", "n > 100")).await;
    assert_eq!(answer.code, 20);
    assert_eq!(crate::support::fields_of(&answer)["nextBeginOffset"], "10");
    // A value that cannot be compared does not match, and harms nothing else.
    let answer = broker.peer.pull(&by_sql("T", "TAGS > 5 OR n = 1")).await;
    assert_eq!(answer.code, 20);
    broker.stop().await;
}

#[tokio::test]
async fn an_expression_that_cannot_be_read_is_refused() {
    let broker = Fixture::with(served).await;
    numbered(&broker, "T", 1).await;
    let (code, text) = said(&broker.peer.pull(&by_sql("T", "n >")).await);
    assert_eq!(code, 23);
    assert!(text.starts_with("parse the consumer's subscription failed"), "{text}");
    assert!(text.contains("line 1, column 3"), "{text}");
    let (code, _) = said(&broker.peer.pull(&by_sql("T", "")).await);
    assert_eq!(code, 23);
    let odd = Pull { expression_type: Some("XPATH"), ..by_sql("T", "n > 1") };
    assert_eq!(broker.peer.pull(&odd).await.code, 23);
    broker.stop().await;
}

#[tokio::test]
async fn without_the_setting_expressions_are_refused() {
    let broker = Fixture::start().await;
    numbered(&broker, "T", 1).await;
    let (code, text) = said(&broker.peer.pull(&by_sql("T", "n > 1")).await);
    assert_eq!(code, 1);
    assert!(text.starts_with(OFF), "{text}");
    heartbeat(&broker.peer, "g", vec![sql("T", "n > 1", 7)]).await;
    let (code, text) = said(&broker.peer.pull(&by_heartbeat("T", "7")).await);
    assert_eq!(code, 1);
    assert!(text.starts_with(OFF), "{text}");
    broker.stop().await;
}

#[tokio::test]
async fn a_heartbeat_registers_the_expression() {
    let broker = Fixture::with(served).await;
    numbered(&broker, "T", 10).await;
    heartbeat(&broker.peer, "g", vec![sql("T", "n > 7", 7)]).await;
    assert_eq!(numbers(&broker.peer.pull(&by_heartbeat("T", "7")).await), [8, 9]);
    let (code, text) = said(&broker.peer.pull(&by_heartbeat("T", "8")).await);
    assert_eq!((code, &*text), (25, "the consumer's subscription not latest"));
    heartbeat(&broker.peer, "g", vec![sql("T", "n > 8", 8)]).await;
    assert_eq!(numbers(&broker.peer.pull(&by_heartbeat("T", "8")).await), [9]);
    heartbeat(&broker.peer, "g", vec![sql("T", "n >", 9)]).await;
    let (code, text) = said(&broker.peer.pull(&by_heartbeat("T", "9")).await);
    let missing = "The broker's consumer filter data is not exist!Your expression may be wrong!";
    assert_eq!((code, &*text), (27, missing));
    broker.stop().await;
}

#[tokio::test]
async fn a_waiting_pull_is_woken_by_what_it_wants_only() {
    let broker = Fixture::with(served).await;
    broker.create_topic("T", 1).await;
    let waiting = Pull { sys_flag: "6", suspend_ms: "20000", ..by_sql("T", "n = 3") };
    let peer = broker.another_peer();
    let (answer, ()) = tokio::join!(peer.pull(&waiting), async {
        until("the pull waits", || broker.context().hold.len() == 1).await;
        numbered(&broker, "T", 3).await;
        assert_eq!(broker.context().hold.len(), 1);
        numbered(&broker, "T", 5).await;
    });
    assert_eq!(answer.code, 0);
    assert_eq!(numbers(&answer), [3]);
    broker.stop().await;
}

#[tokio::test]
async fn a_retry_topic_is_filtered_by_the_original_expression_if_so_set() {
    for (enabled, wanted) in [(false, vec![1, 2, 3]), (true, vec![2, 3])] {
        let broker = Fixture::with(|settings| {
            served(settings);
            settings.broker.filter_support_retry = enabled;
        })
        .await;
        let everything = SubscriptionData::by_tags("%RETRY%g", "*", 7).unwrap();
        heartbeat(&broker.peer, "g", vec![sql("T", "n > 1", 7), everything]).await;
        for (n, origin) in [(1, "T"), (2, "T"), (3, "Other")] {
            let properties = format!("n\u{1}{n}\u{2}RETRY_TOPIC\u{1}{origin}\u{2}");
            let sent = message("%RETRY%g", "0");
            broker.peer.stored(&crate::support::Outgoing { properties: &properties, ..sent }).await;
        }
        let answer = broker.peer.pull(&Pull { group: "g", ..by_heartbeat("%RETRY%g", "7") }).await;
        assert_eq!(numbers(&answer), wanted, "filterSupportRetry={enabled}");
        broker.stop().await;
    }
}

#[tokio::test]
async fn clients_can_have_their_expression_checked() {
    let check = async |broker: &Fixture, subscription_data: SubscriptionData| {
        let body = CheckClientBody {
            client_id: "client".to_string(),
            group: "g".to_string(),
            subscription_data,
        };
        let body = fastjson::to_vec(&body).unwrap();
        said(&broker.peer.ask_with(RequestCode::CHECK_CLIENT_CONFIG, &[], body).await)
    };
    let broker = Fixture::with(served).await;
    assert_eq!(check(&broker, SubscriptionData::default()).await.0, 0);
    assert_eq!(check(&broker, sql("T", "n IS NOT NULL", 1)).await.0, 0);
    let (code, text) = check(&broker, sql("T", "n = 'x", 1)).await;
    let lexical =
        "org.apache.rocketmq.filter.parser.TokenMgrError: Lexical error at line 1, column 7.";
    assert_eq!(code, 23);
    assert!(text.starts_with(lexical), "{text}");
    let (code, text) = check(&broker, sql("T", "a > 0.0", 1)).await;
    let meaning = "java.lang.RuntimeException: 0.0 is less than 4.9E-324 (line 1, column 5)";
    assert_eq!((code, &*text), (23, meaning));
    broker.stop().await;
    let broker = Fixture::start().await;
    let (code, text) = check(&broker, sql("T", "n IS NOT NULL", 1)).await;
    assert_eq!(code, 1);
    assert!(text.starts_with(OFF), "{text}");
    broker.stop().await;
}

#[tokio::test]
async fn expressions_outlive_group_and_broker() {
    let broker = Fixture::with(served).await;
    broker.create_topic("T", 1).await;
    let peer = broker.another_peer();
    heartbeat(&peer, "g", vec![sql("T", "n > 5", 7)]).await;
    let data = |broker: &Fixture| broker.context().filters.get("T", "g").unwrap();
    let born = data(&broker).born_time;
    assert!(!data(&broker).is_dead());
    peer.close().await;
    until("the group is gone", || data(&broker).is_dead()).await;
    let folder = broker.stop().await;

    let file = folder.path().join("store/config/consumerFilter.json");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("\n\t\t\t\t\t\"dead\":true,"), "{text}");
    let broker = Fixture::inside(folder, served).await;
    assert!(data(&broker).is_dead());
    heartbeat(&broker.peer, "g", vec![sql("T", "n > 5", 8)]).await;
    let again = data(&broker);
    assert_eq!((again.is_dead(), again.born_time, again.client_version), (false, born, 8));
    broker.stop().await;
}
