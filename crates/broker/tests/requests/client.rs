//! HEART_BEAT 34, UNREGISTER_CLIENT 35, GET_CONSUMER_LIST_BY_GROUP 38, LOCK_BATCH_MQ 41,
//! UNLOCK_BATCH_MQ 42, CHECK_CLIENT_CONFIG 46, and the connection lists 203 and 204 (contract
//! `requests.md` 3, 5).

use rocketmq_protocol::body::ConsumerIdList;
use rocketmq_protocol::{Frame, RequestCode};

use crate::support::{Fixture, Peer, body_text, message, parsed, said, until};

/// One subscription of a heartbeat.
pub fn subscription(topic: &str, expression: &str, version: i64) -> String {
    format!(
        r#"{{"classFilterMode":false,"codeSet":[],"expressionType":"TAG","subString":"{expression}","subVersion":{version},"tagsSet":[],"topic":"{topic}"}}"#
    )
}

/// A consumer's heartbeat.
pub fn heartbeat(client: &str, group: &str, model: &str, subscriptions: &[String]) -> String {
    let subscriptions = subscriptions.join(",");
    format!(
        r#"{{"clientID":"{client}","consumerDataSet":[{{"consumeFromWhere":"CONSUME_FROM_LAST_OFFSET","consumeType":"CONSUME_PASSIVELY","groupName":"{group}","messageModel":"{model}","subscriptionDataSet":[{subscriptions}],"unitMode":false}}],"producerDataSet":[]}}"#
    )
}

impl Peer {
    pub async fn heartbeat(&self, body: String) -> Frame {
        self.ask_with(RequestCode::HEART_BEAT, &[], body.into_bytes()).await
    }

    /// Ids of a group's members, sorted.
    async fn members(&self, group: &str) -> Vec<String> {
        let fields = [("consumerGroup", group)];
        let answer = self.ask(RequestCode::GET_CONSUMER_LIST_BY_GROUP, &fields).await;
        let mut ids = parsed::<ConsumerIdList>(&answer).consumer_id_list;
        ids.sort();
        ids
    }
}

#[tokio::test]
async fn a_heartbeat_makes_group_and_retry_topic() {
    let broker = Fixture::start().await;
    let beat = heartbeat("c1", "g", "CLUSTERING", &[subscription("T", "*", 1)]);
    let answer = broker.peer.heartbeat(beat).await;
    assert_eq!((answer.code, answer.remark(), answer.body().len()), (0, None, 0));
    assert!(answer.version >= 232, "clients read the version of this answer");
    let config = broker.context().topics.get("%RETRY%g").unwrap();
    assert_eq!((config.read_queue_nums, config.write_queue_nums, config.perm), (1, 1, 6));
    assert_eq!(broker.peer.members("g").await, ["c1"]);
    // Both outlive a crash: they were on the disk when the answer came.
    let config = broker.folder.path().join("store/config");
    let topics = std::fs::read_to_string(config.join("topics.json")).unwrap();
    assert!(topics.contains("%RETRY%g"));
    let groups = std::fs::read_to_string(config.join("subscriptionGroup.json")).unwrap();
    assert!(groups.contains("\"g\""));
    broker.stop().await;
}

#[tokio::test]
async fn a_units_retry_topic_is_marked() {
    let broker = Fixture::start().await;
    let beat = heartbeat("c1", "g", "CLUSTERING", &[])
        .replace(r#""unitMode":false"#, r#""unitMode":true"#);
    assert_eq!(broker.peer.heartbeat(beat).await.code, 0);
    assert_eq!(broker.context().topics.get("%RETRY%g").unwrap().topic_sys_flag, 2);
    broker.stop().await;
}

#[tokio::test]
async fn a_group_that_may_not_be_made_is_served_all_the_same() {
    let broker = Fixture::with(|s| s.broker.auto_create_subscription_group = false).await;
    let beat = heartbeat("c1", "g", "CLUSTERING", &[subscription("T", "*", 1)]);
    assert_eq!(broker.peer.heartbeat(beat).await.code, 0);
    assert!(broker.context().topics.get("%RETRY%g").is_none());
    assert_eq!(broker.peer.members("g").await, ["c1"]);
    broker.stop().await;
}

#[tokio::test]
async fn odd_heartbeats() {
    let broker = Fixture::start().await;
    assert_eq!(broker.peer.heartbeat(r#"{"clientID":"x"}"#.to_string()).await.code, 0);
    assert_eq!(broker.peer.heartbeat(String::new()).await.code, 1);
    assert_eq!(broker.peer.heartbeat("{".to_string()).await.code, 1);
    broker.stop().await;
}

#[tokio::test]
async fn members_learn_of_each_other() {
    let broker = Fixture::start().await;
    let told = async |peer: &Peer| {
        let push = peer.pushed().await;
        assert_eq!((push.code, push.oneway), (40, true));
        assert_eq!((push.fields["consumerGroup"].as_str(), push.body.len()), ("g", 0));
    };
    let (first, second) = (broker.another_peer(), broker.another_peer());
    let beat = |client| heartbeat(client, "g", "CLUSTERING", &[subscription("T", "*", 1)]);
    first.heartbeat(beat("c1")).await;
    told(&first).await;
    second.heartbeat(beat("c2")).await;
    told(&first).await;
    told(&second).await;
    assert_eq!(broker.peer.members("g").await, ["c1", "c2"]);
    // Another topic in the set is told, an old heartbeat again is not.
    first.heartbeat(beat("c1")).await;
    let both = [subscription("T", "*", 1), subscription("U", "*", 1)];
    first.heartbeat(heartbeat("c1", "g", "CLUSTERING", &both)).await;
    told(&first).await;
    told(&second).await;
    // A member that says goodbye, and one that vanishes.
    let fields = [("clientID", "c1"), ("consumerGroup", "g")];
    assert_eq!(first.ask(RequestCode::UNREGISTER_CLIENT, &fields).await.code, 0);
    told(&second).await;
    assert_eq!(broker.peer.members("g").await, ["c2"]);
    first.heartbeat(beat("c1")).await;
    told(&second).await;
    first.close().await;
    told(&second).await;
    assert_eq!(broker.peer.members("g").await, ["c2"]);
    second.close().await;
    until("the group is gone", || broker.context().consumers.group("g").is_none()).await;
    let fields = [("consumerGroup", "g")];
    let answer = broker.peer.ask(RequestCode::GET_CONSUMER_LIST_BY_GROUP, &fields).await;
    assert_eq!(said(&answer), (1, "no consumer for this group, g".to_string()));
    broker.stop().await;
}

#[tokio::test]
async fn notices_can_be_switched_off() {
    let broker = Fixture::with(|s| s.broker.notify_consumer_ids_changed_enable = false).await;
    let beat = |group| heartbeat("c", group, "CLUSTERING", &[subscription("T", "*", 1)]);
    broker.peer.heartbeat(beat("g")).await;
    broker.peer.heartbeat(beat("h")).await;
    // A push would have been written before the answer of the next request.
    assert_eq!(broker.peer.members("g").await, ["c"]);
    assert!(broker.peer.nothing_pushed().await);
    broker.stop().await;

    let broker = Fixture::start().await;
    let body = br#"{"groupName":"g","notifyConsumerIdsChangedEnable":false}"#.to_vec();
    let code = RequestCode::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP;
    assert_eq!(broker.peer.ask_with(code, &[], body).await.code, 0);
    broker.peer.heartbeat(beat("g")).await;
    assert_eq!(broker.peer.members("g").await, ["c"]);
    assert!(broker.peer.nothing_pushed().await);
    broker.stop().await;
}

#[tokio::test]
async fn connection_lists() {
    let broker = Fixture::start().await;
    let fields = [("consumerGroup", "g")];
    let code = RequestCode::GET_CONSUMER_CONNECTION_LIST;
    let answer = broker.peer.ask(code, &fields).await;
    assert_eq!(said(&answer), (206, "the consumer group[g] not online".to_string()));
    let beat = heartbeat("c1", "g", "BROADCASTING", &[subscription("T", "a", 9)]);
    broker.peer.heartbeat(beat).await;
    let local = broker.peer.local().await;
    let answer = broker.peer.ask(code, &fields).await;
    assert_eq!(
        body_text(&answer),
        format!(
            r#"{{"connectionSet":[{{"clientAddr":"{local}","clientId":"c1","language":"JAVA","version":397}}],"consumeFromWhere":"CONSUME_FROM_LAST_OFFSET","consumeType":"CONSUME_PASSIVELY","messageModel":"BROADCASTING","subscriptionTable":{{"T":{}}}}}"#,
            subscription("T", "a", 9)
        )
    );

    let fields = [("producerGroup", "p")];
    let code = RequestCode::GET_PRODUCER_CONNECTION_LIST;
    let answer = broker.peer.ask(code, &fields).await;
    assert_eq!(said(&answer), (1, "the producer group[p] not exist".to_string()));
    let beat = r#"{"clientID":"p1","consumerDataSet":[],"producerDataSet":[{"groupName":"p"}]}"#;
    assert_eq!(broker.peer.heartbeat(beat.to_string()).await.code, 0);
    let answer = broker.peer.ask(code, &fields).await;
    assert_eq!(
        body_text(&answer),
        format!(
            r#"{{"connectionSet":[{{"clientAddr":"{local}","clientId":"p1","language":"JAVA","version":397}}]}}"#
        )
    );
    let answer = broker.peer.ask(RequestCode::GET_ALL_PRODUCER_INFO, &[]).await;
    let text = body_text(&answer).to_string();
    assert!(
        text.starts_with(
            r#"{"data":{"p":[{"clientId":"p1","language":"JAVA","lastUpdateTimestamp":"#
        )
    );
    assert!(text.ends_with(&format!(r#","remoteIP":"{local}","version":397}}]}}}}"#)), "{text}");
    let goodbye = [("clientID", "p1"), ("producerGroup", "p")];
    assert_eq!(broker.peer.ask(RequestCode::UNREGISTER_CLIENT, &goodbye).await.code, 0);
    assert_eq!(broker.peer.ask(code, &fields).await.code, 1);
    broker.stop().await;
}

#[tokio::test]
async fn queues_are_locked_for_one_client() {
    let broker = Fixture::start().await;
    let queue = |id: i32| format!(r#"{{"brokerName":"broker-a","queueId":{id},"topic":"T"}}"#);
    let body = |client: &str, ids: &[i32]| {
        let queues: Vec<_> = ids.iter().map(|id| queue(*id)).collect();
        let queues = queues.join(",");
        format!(r#"{{"clientId":"{client}","consumerGroup":"g","mqSet":[{queues}]}}"#).into_bytes()
    };
    let lock = async |client: &str, ids: &[i32]| {
        let answer = broker.peer.ask_with(RequestCode::LOCK_BATCH_MQ, &[], body(client, ids)).await;
        assert_eq!(answer.code, 0);
        body_text(&answer).to_string()
    };
    let locked = |ids: &[i32]| {
        let queues: Vec<_> = ids.iter().map(|id| queue(*id)).collect();
        format!(r#"{{"lockOKMQSet":[{}]}}"#, queues.join(","))
    };
    assert_eq!(lock("a", &[0, 1]).await, locked(&[0, 1]));
    assert_eq!(lock("b", &[0, 2]).await, locked(&[2]));
    assert_eq!(lock("b", &[1]).await, locked(&[]));
    // Only the owner unlocks; the answer is the same.
    let unlock = async |client: &str, ids: &[i32]| {
        let code = RequestCode::UNLOCK_BATCH_MQ;
        broker.peer.ask_with(code, &[], body(client, ids)).await
    };
    let answer = unlock("b", &[0]).await;
    assert_eq!((answer.code, answer.body().len()), (0, 0));
    assert_eq!(lock("b", &[0]).await, locked(&[]));
    assert_eq!(unlock("a", &[0]).await.code, 0);
    assert_eq!(lock("b", &[0]).await, locked(&[0]));
    broker.stop().await;
}

#[tokio::test]
async fn expressions_are_checked() {
    let broker = Fixture::start().await;
    let body = |kind: &str| {
        format!(
            r#"{{"clientId":"c","group":"g","subscriptionData":{{"expressionType":"{kind}","subString":"a > 1","subVersion":1,"topic":"T"}}}}"#
        )
        .into_bytes()
    };
    let code = RequestCode::CHECK_CLIENT_CONFIG;
    assert_eq!(broker.peer.ask_with(code, &[], body("TAG")).await.code, 0);
    let answer = broker.peer.ask_with(code, &[], body("SQL92")).await;
    let text = "The broker does not support consumer to filter message by SQL92";
    let (code, said) = said(&answer);
    assert_eq!(code, 1);
    assert!(said.starts_with(text), "{said}");
    broker.stop().await;
}

#[tokio::test]
async fn unknown_codes_are_not_supported() {
    let broker = Fixture::start().await;
    // Declared codes that no broker serves, codes of name servers, and codes of nobody.
    for code in [13, 22, 27, 209, 214, 103, 105, 40, 220, 326, 9999, 32767] {
        for peer in [&broker.peer, &broker.vip_peer()] {
            let answer = peer.ask(RequestCode(code), &[]).await;
            assert_eq!(said(&answer), (3, format!(" request type {code} not supported")));
        }
    }
    assert_eq!(broker.peer.send(&message("T", "0")).await.code, 0);
    broker.stop().await;
}
