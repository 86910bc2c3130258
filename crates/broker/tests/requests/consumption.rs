//! What groups consume, and requests that go on to their members: codes 208, 222, 223, 301, 303,
//! 307, 309, 317 (contract `requests.md` 5).

use rocketmq_common::clock;
use rocketmq_protocol::body::{ConsumeStats, ConsumeTimeSpans};
use rocketmq_protocol::{Frame, Language, RequestCode};
use rocketmq_remoting::Request;

use crate::client::{heartbeat, subscription};
use crate::support::{Fixture, PATIENCE, Peer, body_text, fields_of, message, parsed, said};

impl Fixture {
    fn commit_directly(&self, group: &str, topic: &str, offset: i64) {
        let peer = self.broker.local().unwrap();
        self.context().offsets.commit(peer, group, topic, 0, offset);
    }

    async fn online(&self, peer: &Peer, client: &str, group: &str, topic: &str) {
        let beat = heartbeat(client, group, "CLUSTERING", &[subscription(topic, "*", 1)]);
        assert_eq!(peer.heartbeat(beat).await.code, 0);
        // Its own notice.
        assert_eq!(peer.pushed().await.code, 40);
    }
}

#[tokio::test]
async fn the_progress_of_a_group() {
    let broker = Fixture::start().await;
    broker.create_topic_with("T", 2, 3, 6, "SINGLE_TAG").await;
    for _ in 0..3 {
        broker.peer.stored(&message("T", "0")).await;
    }
    broker.commit_directly("g", "T", 2);
    broker.commit_directly("g", "Unknown", 2);
    let ask = async |fields: &[(&str, &str)]| -> ConsumeStats {
        parsed(&broker.peer.ask(RequestCode::GET_CONSUME_STATS, fields).await)
    };
    let rows = |stats: &ConsumeStats| -> Vec<_> {
        let rows = stats.offset_table.iter();
        rows.map(|(q, o)| (q.queue_id, o.broker_offset, o.consumer_offset, o.last_timestamp > 0))
            .collect()
    };
    let expected = [(0, 3, 2, true), (1, 0, 0, false)];
    assert_eq!(rows(&ask(&[("consumerGroup", "g")]).await), expected);
    assert_eq!(rows(&ask(&[("consumerGroup", "g"), ("topic", "T")]).await), expected);
    assert!(ask(&[("consumerGroup", "none")]).await.offset_table.is_empty());
    // A group that subscribes to other topics only has no progress here.
    broker.online(&broker.peer, "c", "g", "Other").await;
    assert!(ask(&[("consumerGroup", "g")]).await.offset_table.is_empty());
    broker.stop().await;
}

#[tokio::test]
async fn the_progress_of_all_groups() {
    let broker = Fixture::start().await;
    broker.create_topic_with("T", 1, 2, 6, "SINGLE_TAG").await;
    let stored = broker.peer.stored(&message("T", "0")).await;
    assert_eq!(stored.queue_offset, 0);
    let group = br#"{"groupName":"g"}"#.to_vec();
    let update = RequestCode::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP;
    assert_eq!(broker.peer.ask_with(update, &[], group).await.code, 0);
    broker.commit_directly("g", "T", 0);
    let code = RequestCode::GET_BROKER_CONSUME_STATS;
    let answer = broker.peer.ask(code, &[("isOrder", "false")]).await;
    let row = |queue_id: i32, end: i64| {
        format!(
            r#"{{"brokerName":"broker-a","queueId":{queue_id},"topic":"T"}}:{{"brokerOffset":{end},"consumerOffset":0,"lastTimestamp":0}}"#
        )
    };
    let of_group =
        format!(r#"{{"g":[{{"consumeTps":0.0,"offsetTable":{{{},{}}}}}]}}"#, row(0, 1), row(1, 0));
    let text = body_text(&answer);
    let address = broker.broker.local().unwrap();
    assert!(text.starts_with(&format!(r#"{{"brokerAddr":"{address}","consumeStatsList":["#)));
    assert!(text.contains(&of_group), "{text}");
    assert!(text.contains(r#"{"TOOLS_CONSUMER":[]}"#));
    assert!(text.ends_with(r#"],"totalDiff":1}"#), "{text}");
    let answer = broker.peer.ask(code, &[("isOrder", "true")]).await;
    assert!(body_text(&answer).contains(r#"{"g":[]}"#));
    broker.stop().await;
}

#[tokio::test]
async fn times_between_which_a_group_consumes() {
    let broker = Fixture::start().await;
    let code = RequestCode::QUERY_CONSUME_TIME_SPAN;
    let fields = [("topic", "T"), ("group", "g")];
    let answer = broker.peer.ask(code, &fields).await;
    assert_eq!(said(&answer), (17, "topic[T] not exist".to_string()));
    broker.create_topic("T", 2).await;
    broker.peer.stored(&message("T", "0")).await;
    broker.peer.stored(&message("T", "0")).await;
    broker.commit_directly("g", "T", 1);
    let before = clock::now_ms();
    let spans: ConsumeTimeSpans = parsed(&broker.peer.ask(code, &fields).await);
    let spans = spans.consume_time_span_set;
    let time = |offset| broker.context().store.store_time_at("T", 0, offset);
    let (first, second) = (&spans[0], &spans[1]);
    assert_eq!(first.message_queue.queue_id, 0);
    assert_eq!((first.min_time_stamp, first.max_time_stamp), (time(0), time(1)));
    assert_eq!(first.consume_time_stamp, time(0));
    assert!(first.delay_time <= clock::now_ms() - time(1));
    // yyyy-MM-dd#HH:mm:ss:SSS
    assert_eq!((first.min_time_stamp_str.len(), &first.min_time_stamp_str[10..11]), (23, "#"));
    assert_eq!(&first.min_time_stamp_str[19..20], ":");
    // Empty and never consumed: nothing is known, and the delay is all of time.
    assert_eq!((second.min_time_stamp, second.max_time_stamp), (-1, -1));
    assert_eq!(second.consume_time_stamp, -1);
    assert!(second.delay_time > before);
    broker.stop().await;
}

fn reset_fields<'a>(timestamp: &'a str, is_force: &'a str) -> [(&'a str, &'a str); 4] {
    [("topic", "T"), ("group", "g"), ("timestamp", timestamp), ("isForce", is_force)]
}

#[tokio::test]
async fn offsets_are_reset_by_the_members() {
    let broker = Fixture::start().await;
    let code = RequestCode::INVOKE_BROKER_TO_RESET_OFFSET;
    let ask = async |timestamp: &str, is_force: &str| {
        broker.peer.ask(code, &reset_fields(timestamp, is_force)).await
    };
    let text = "[reset-offset] reset offset failed, no topic in this broker. topic=T";
    assert_eq!(said(&ask("0", "true").await), (1, text.to_string()));
    broker.create_topic("T", 1).await;
    for _ in 0..5 {
        broker.peer.stored(&message("T", "0")).await;
    }
    let text = "THe consumer group <g> not exist";
    assert_eq!(said(&ask("0", "true").await), (1, text.to_string()));
    broker.commit_directly("g", "T", 3);
    let text = "Consumer not online, so can not reset offset, Group: g Topic: T Timestamp: 0";
    assert_eq!(said(&ask("0", "true").await), (206, text.to_string()));

    let member = broker.another_peer();
    broker.online(&member, "c", "g", "T").await;
    let table = |offset: i64| {
        format!(
            r#"{{"offsetTable":{{{{"brokerName":"broker-a","queueId":0,"topic":"T"}}:{offset}}}}}"#
        )
    };
    for (timestamp, is_force, offset) in
        [("0", "false", 0), ("0", "true", 0), ("-1", "false", 3), ("-1", "true", 5)]
    {
        let answer = ask(timestamp, is_force).await;
        assert_eq!((answer.code, body_text(&answer)), (0, &*table(offset)));
        let push = member.pushed().await;
        assert_eq!((push.code, push.oneway), (220, true));
        assert_eq!(push.body, table(offset).into_bytes());
        let expected = reset_fields(timestamp, is_force);
        assert!(expected.iter().all(|(key, value)| push.fields[*key] == *value));
    }
    // The broker's own table stays.
    assert_eq!(broker.context().offsets.get("g", "T", 0), Some(3));
    broker.stop().await;
}

#[tokio::test]
async fn cpp_members_are_told_a_list() {
    let broker = Fixture::start().await;
    broker.create_topic("T", 1).await;
    broker.commit_directly("g", "T", 3);
    let beat = heartbeat("c", "g", "CLUSTERING", &[subscription("T", "*", 1)]);
    let request = Request::new(RequestCode::HEART_BEAT).body(beat.into_bytes());
    let request = request.language(Language::CPP);
    let address = broker.broker.local().unwrap().to_string();
    let member = broker.another_peer();
    let answer = member.client.invoke(&address, request, PATIENCE).await.unwrap();
    assert_eq!(answer.code, 0);
    assert_eq!(member.pushed().await.code, 40);
    let code = RequestCode::INVOKE_BROKER_TO_RESET_OFFSET;
    assert_eq!(broker.peer.ask(code, &reset_fields("0", "true")).await.code, 0);
    let text = r#"{"offsetTable":[{"brokerName":"broker-a","offset":0,"queueId":0,"topic":"T"}]}"#;
    assert_eq!(String::from_utf8(member.pushed().await.body).unwrap(), text);
    broker.stop().await;
}

#[tokio::test]
async fn members_are_asked_for_their_offsets() {
    let broker = Fixture::start().await;
    let code = RequestCode::INVOKE_BROKER_TO_GET_CONSUMER_STATUS;
    let fields = [("topic", "T"), ("group", "g")];
    assert_eq!(broker.peer.ask(code, &fields).await.code, 1);
    let queue = r#"{"brokerName":"broker-a","queueId":0,"topic":"T"}"#;
    let address = broker.broker.local().unwrap();
    let status = |offset: i64| format!(r#"{{"messageQueueTable":{{{queue}:{offset}}}}}"#);
    let one = Peer::answering(address, status(1).into_bytes());
    let two = Peer::answering(address, status(2).into_bytes());
    let silent = Peer::to(address);
    broker.online(&one, "c1", "g", "T").await;
    broker.online(&two, "c2", "g", "T").await;
    broker.online(&silent, "c3", "g", "T").await;
    let answer = broker.peer.ask(code, &fields).await;
    let text = format!(r#"{{"consumerTable":{{"c1":{{{queue}:1}},"c2":{{{queue}:2}}}}}}"#);
    assert_eq!(body_text(&answer), text);
    let fields = [("topic", "T"), ("group", "g"), ("clientAddr", "c2")];
    let answer = broker.peer.ask(code, &fields).await;
    assert_eq!(body_text(&answer), format!(r#"{{"consumerTable":{{"c2":{{{queue}:2}}}}}}"#));
    broker.stop().await;
}

#[tokio::test]
async fn a_member_is_asked_what_it_does() {
    let broker = Fixture::start().await;
    let code = RequestCode::GET_CONSUMER_RUNNING_INFO;
    let fields = [("consumerGroup", "g"), ("clientId", "c"), ("jstackEnable", "true")];
    let answer = broker.peer.ask(code, &fields).await;
    assert_eq!(said(&answer), (1, "The Consumer <g> <c> not online".to_string()));
    let member = Peer::answering(broker.broker.local().unwrap(), b"{\"info\":1}".to_vec());
    broker.online(&member, "c", "g", "T").await;
    let answer = broker.peer.ask(code, &fields).await;
    assert_eq!((answer.code, body_text(&answer)), (0, r#"{"info":1}"#));
    let push = member.pushed().await;
    assert_eq!((push.code, push.oneway), (307, false));
    assert!(fields.iter().all(|(key, value)| push.fields[*key] == *value));
    broker.stop().await;
}

#[tokio::test]
async fn a_member_consumes_a_message_directly() {
    let broker = Fixture::start().await;
    let stored = broker.peer.stored(&message("T", "0")).await;
    let member = Peer::answering(broker.broker.local().unwrap(), b"{\"order\":false}".to_vec());
    broker.online(&member, "c", "g", "T").await;
    let code = RequestCode::CONSUME_MESSAGE_DIRECTLY;
    let fields = |id| [("consumerGroup", "g"), ("clientId", "c"), ("msgId", id)];
    let answer = broker.peer.ask(code, &fields(&stored.msg_id)).await;
    assert_eq!((answer.code, body_text(&answer)), (0, r#"{"order":false}"#));
    let push = member.pushed().await;
    assert_eq!((push.code, push.oneway), (309, false));
    assert_eq!(push.fields["brokerName"], "broker-a");
    assert_eq!(push.fields["msgId"], stored.msg_id);
    let record = crate::support::records(&push.body);
    assert_eq!((record.len(), record[0].body), (1, &b"hello"[..]));
    for id in ["", "AC11000100002A9F0000000000FFFFFF", "no id"] {
        assert_eq!(broker.peer.ask(code, &fields(id)).await.code, 1);
    }
    broker.stop().await;
}

#[tokio::test]
async fn a_member_that_is_too_old_is_not_asked() {
    let broker = Fixture::start().await;
    // Version 60 is V3_1_1; a frame by hand, since ours always name the present version.
    let beat = heartbeat("c", "g", "CLUSTERING", &[subscription("T", "*", 1)]);
    let header = r#"{"code":34,"flag":0,"language":"JAVA","opaque":1,"version":60}"#;
    let mut frame = Vec::new();
    frame.extend_from_slice(&((4 + header.len() + beat.len()) as u32).to_be_bytes());
    frame.extend_from_slice(&(header.len() as u32).to_be_bytes());
    frame.extend_from_slice(header.as_bytes());
    frame.extend_from_slice(beat.as_bytes());
    let mut old = tokio::net::TcpStream::connect(broker.broker.local().unwrap()).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut old, &frame).await.unwrap();
    crate::support::until("it is online", || broker.context().consumers.group("g").is_some()).await;
    let fields = [("consumerGroup", "g"), ("clientId", "c")];
    let answer = broker.peer.ask(RequestCode::GET_CONSUMER_RUNNING_INFO, &fields).await;
    let (code, text) = said(&answer);
    assert_eq!(code, 1);
    let begin = "The Consumer <c> Version <";
    let end = "> too low to finish, please upgrade it to V3_1_8_SNAPSHOT";
    assert!(text.starts_with(begin) && text.ends_with(end), "{text}");
    drop(old);
    broker.stop().await;
}

#[tokio::test]
async fn filter_servers_are_noted() {
    let broker = Fixture::start().await;
    let peer = broker.another_peer();
    let fields = [("filterServerAddr", "127.0.0.1:9000")];
    let answer: Frame = peer.ask(RequestCode::REGISTER_FILTER_SERVER, &fields).await;
    assert_eq!(answer.code, 0);
    let fields = fields_of(&answer);
    assert_eq!((&*fields["brokerName"], &*fields["brokerId"]), ("broker-a", "0"));
    assert_eq!(broker.context().filter_servers.addresses(), ["127.0.0.1:9000"]);
    peer.close().await;
    crate::support::until("it is forgotten", || {
        broker.context().filter_servers.addresses().is_empty()
    })
    .await;
    broker.stop().await;
}
