//! QUERY_MESSAGE 12, VIEW_MESSAGE_BY_ID 33, QUERY_CONSUME_QUEUE 321 (contract `requests.md` 2.5).

use rocketmq_protocol::body::QueryConsumeQueueBody;
use rocketmq_protocol::message::message_id;
use rocketmq_protocol::{Frame, RequestCode};

use crate::client::{heartbeat, subscription};
use crate::support::{Fixture, body_text, fields_of, message, parsed, records, said};

impl Fixture {
    async fn query(&self, key: &str, max: &str, more: &[(&str, &str)]) -> Frame {
        let mut fields = vec![
            ("topic", "T"),
            ("key", key),
            ("maxNum", max),
            ("beginTimestamp", "0"),
            ("endTimestamp", "9223372036854775807"),
        ];
        fields.extend_from_slice(more);
        self.peer.ask(RequestCode::QUERY_MESSAGE, &fields).await
    }
}

#[tokio::test]
async fn messages_are_found_by_key() {
    let broker = Fixture::start().await;
    let mut sent = message("T", "0");
    sent.properties = "UNIQ_KEY\u{1}U1\u{2}KEYS\u{1}k1 k2\u{2}";
    for _ in 0..40 {
        broker.peer.stored(&sent).await;
    }
    for key in ["k1", "k2", "U1"] {
        let answer = broker.query(key, "3", &[]).await;
        assert_eq!((answer.code, answer.remark()), (0, None));
        let found = records(answer.body());
        assert_eq!(found.len(), 3, "{key}");
        assert!(found.iter().all(|record| record.property("KEYS") == Some("k1 k2")));
        let fields = fields_of(&answer);
        assert!(fields["indexLastUpdateTimestamp"].parse::<i64>().unwrap() > 0);
        assert!(fields["indexLastUpdatePhyoffset"].parse::<i64>().unwrap() > 0);
    }
    // A look-up of a unique key takes the broker's own number.
    let answer = broker.query("U1", "1", &[("_UNIQUE_KEY_QUERY", "true")]).await;
    assert_eq!(records(answer.body()).len(), 32);
    let answer = broker.query("U1", "1", &[("_UNIQUE_KEY_QUERY", "false")]).await;
    assert_eq!(records(answer.body()).len(), 1);
    let answer = broker.query("no such key", "3", &[]).await;
    let text = "can not find message, maybe time range not correct";
    assert_eq!(said(&answer), (22, text.to_string()));
    let names: Vec<_> = fields_of(&answer).into_keys().collect();
    assert_eq!(names, ["indexLastUpdatePhyoffset", "indexLastUpdateTimestamp"]);
    broker.stop().await;
}

#[tokio::test]
async fn no_more_are_found_than_a_batch_may_have() {
    let broker = Fixture::with(|settings| settings.store.max_msgs_num_batch = 4).await;
    let mut sent = message("T", "0");
    sent.properties = "KEYS\u{1}k\u{2}";
    for _ in 0..6 {
        broker.peer.stored(&sent).await;
    }
    assert_eq!(records(broker.query("k", "100", &[]).await.body()).len(), 4);
    broker.stop().await;
}

#[tokio::test]
async fn a_message_is_viewed_by_its_place() {
    let broker = Fixture::start().await;
    let stored = broker.peer.stored(&message("T", "0")).await;
    let (_, offset) = message_id::decode(&stored.msg_id).unwrap();
    let view = async |offset: i64| {
        let offset = offset.to_string();
        broker.peer.ask(RequestCode::VIEW_MESSAGE_BY_ID, &[("offset", &offset)]).await
    };
    let answer = view(offset).await;
    assert_eq!((answer.code, answer.remark()), (0, None));
    assert_eq!(records(answer.body())[0].offset_msg_id(), stored.msg_id);
    for nowhere in [offset + 1, 1 << 40, -1] {
        let text = format!("can not find message by the offset, {nowhere}");
        assert_eq!(said(&view(nowhere).await), (1, text));
    }
    broker.stop().await;
}

#[tokio::test]
async fn entries_of_a_queue_are_shown() {
    let broker = Fixture::start().await;
    let ask = async |index: &str, count: &str, more: &[(&str, &str)]| {
        let mut fields = vec![("topic", "T"), ("queueId", "0"), ("index", index), ("count", count)];
        fields.extend_from_slice(more);
        broker.peer.ask(RequestCode::QUERY_CONSUME_QUEUE, &fields).await
    };
    assert_eq!(said(&ask("0", "1", &[]).await), (1, "0@T is not exist!".to_string()));
    let mut sent = message("T", "0");
    sent.properties = "TAGS\u{1}A\u{2}";
    let mut entries = Vec::new();
    for _ in 0..3 {
        let stored = broker.peer.stored(&sent).await;
        let (_, offset) = message_id::decode(&stored.msg_id).unwrap();
        let size = broker.context().store.look_up(offset).unwrap().len();
        entries.push(format!(
            r#"{{"eval":false,"physicOffset":{offset},"physicSize":{size},"tagsCode":65}}"#
        ));
    }
    let shown = |from: usize, to: usize| {
        let entries = entries[from..to].join(",");
        format!(r#""maxQueueIndex":3,"minQueueIndex":0,"queueData":[{entries}]"#)
    };
    assert_eq!(body_text(&ask("0", "2", &[]).await), format!("{{{}}}", shown(0, 2)));
    assert_eq!(body_text(&ask("1", "100", &[]).await), format!("{{{}}}", shown(1, 3)));
    for index in ["3", "-1"] {
        let answer = ask(index, "1", &[]).await;
        assert_eq!(said(&answer), (0, format!("Index {index} of 0@T is not exist!")));
        assert!(answer.body().is_empty());
    }
    let group = [("consumerGroup", "g")];
    assert_eq!(
        body_text(&ask("0", "1", &group).await),
        format!(r#"{{"filterData":"g@T is not online!",{}}}"#, shown(0, 1))
    );
    let wanted = subscription("T", "*", 1);
    broker.peer.heartbeat(heartbeat("c", "g", "CLUSTERING", std::slice::from_ref(&wanted))).await;
    assert_eq!(
        body_text(&ask("0", "1", &group).await),
        format!(r#"{{"filterData":"null",{},"subscriptionData":{wanted}}}"#, shown(0, 1))
    );
    broker.stop().await;
}

#[tokio::test]
async fn the_filter_of_a_group_is_shown() {
    let broker = Fixture::with(|settings| settings.broker.enable_property_filter = true).await;
    broker.peer.stored(&message("T", "0")).await;
    let wanted = subscription("T", "a > 1", 1).replace(r#""TAG""#, r#""SQL92""#);
    broker.peer.heartbeat(heartbeat("c", "g", "CLUSTERING", &[wanted])).await;
    let fields =
        [("topic", "T"), ("queueId", "0"), ("index", "0"), ("count", "1"), ("consumerGroup", "g")];
    let answer = broker.peer.ask(RequestCode::QUERY_CONSUME_QUEUE, &fields).await;
    let shown: QueryConsumeQueueBody = parsed(&answer);
    let filter = shown.filter_data.unwrap();
    assert!(filter.starts_with("{\n\t\"bloomFilterData\":{"), "{filter}");
    assert!(filter.contains("\"expression\":\"a > 1\""), "{filter}");
    broker.stop().await;
}
