//! Where a group begins that has no offset yet, against a broker that answers as the test says (real ones
//! answer 0 for queues whose beginning is still in memory).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test fails by panicking

mod fake;

use fake::{Fake, Reply, Seen, until};
use rocketmq_client::{ConsumeFromWhere, ConsumeStatus, PushConsumer};
use rocketmq_protocol::body::{ConsumerIdList, HeartbeatData};
use rocketmq_protocol::{RequestCode, ResponseCode};

const STORED: &str = "stored";

fn offset(value: &str) -> Option<Reply> {
    let fields = vec![("offset".to_string(), value.to_string())];
    Reply::ok().map(|reply| Reply { fields, ..reply })
}

fn answer(seen: &Seen, member: &str) -> Option<Reply> {
    match seen.code {
        RequestCode::GET_CONSUMER_LIST_BY_GROUP => {
            Reply::json(&ConsumerIdList { consumer_id_list: vec![member.to_string()] })
        }
        RequestCode::QUERY_CONSUMER_OFFSET if seen.field("consumerGroup") == STORED => offset("3"),
        RequestCode::QUERY_CONSUMER_OFFSET => Reply::code(ResponseCode::QUERY_NOT_FOUND, "none"),
        RequestCode::GET_MAX_OFFSET => offset("50"),
        RequestCode::SEARCH_OFFSET_BY_TIMESTAMP if seen.field("timestamp") == "77" => offset("20"),
        // Held, as if nothing came.
        RequestCode::PULL_MESSAGE => None,
        _ => Reply::ok(),
    }
}

#[tokio::test]
async fn a_group_begins_where_it_was_told_to() {
    let cases = [
        ("g", ConsumeFromWhere::FirstOffset, "0", "0"),
        ("g", ConsumeFromWhere::LastOffset, "50", "0"),
        ("g", ConsumeFromWhere::Timestamp, "20", "50"),
        (STORED, ConsumeFromWhere::FirstOffset, "3", "3"),
    ];
    for (group, from, of_topic, of_retries) in cases {
        let fake = Fake::start(&["a"]);
        fake.topic("T", 1);
        fake.topic(&format!("%RETRY%{group}"), 1);
        let mut config = fake.config();
        config.instance_name = format!("{group}-{}", from.name());
        let member = config.client_id();
        fake.answer(move |seen| answer(seen, &member));
        let consumer = PushConsumer::builder(group).client_config(config).subscribe("T", "A");
        let consumer = consumer.consume_from(from).consume_timestamp(77);
        let consumer = consumer.on_messages(|_| async { ConsumeStatus::Success });
        let consumer = consumer.start().await.unwrap();
        let pulls = || fake.seen(RequestCode::PULL_MESSAGE);
        until("both queues are pulled", || pulls().len() >= 2).await;
        for pull in pulls() {
            let retry = pull.field("topic") != "T";
            assert_eq!(pull.field("queueOffset"), if retry { of_retries } else { of_topic });
            assert_eq!(pull.field("expressionType"), "TAG");
            assert!(!pull.fields.contains_key("subscription"));
            let commits = pull.field("queueOffset") != "0";
            assert_eq!(pull.field("sysFlag"), if commits { "3" } else { "2" });
            assert_eq!(pull.field("suspendTimeoutMillis"), "15000");
        }
        let heartbeat = fake.seen(RequestCode::HEART_BEAT).remove(0);
        let heartbeat: HeartbeatData =
            rocketmq_common::fastjson::from_slice(&heartbeat.body).unwrap();
        let subscriptions = &heartbeat.consumer_data_set[0].subscription_data_set;
        let version = |topic: &str| {
            let found = subscriptions.iter().find(|subscription| subscription.topic == topic);
            found.unwrap().sub_version.to_string()
        };
        for pull in pulls() {
            assert_eq!(pull.field("subVersion"), version(pull.field("topic")));
        }
        consumer.shutdown().await;
    }
}
