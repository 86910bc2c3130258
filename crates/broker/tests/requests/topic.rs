//! Topics and groups: codes 17, 21, 200, 201, 202, 207, 215, 300, 305, 306, 316 (contract
//! `requests.md` 4).

use rocketmq_protocol::RequestCode;
use rocketmq_protocol::body::{
    GroupList, SubscriptionGroupWrapper, TopicConfigSerializeWrapper, TopicList, TopicStatsTable,
};

use crate::client::{heartbeat, subscription};
use crate::support::{FAQ, Fixture, body_text, message, parsed, pull, said};

fn topic_fields<'a>(topic: &'a str, kind: &'a str) -> [(&'a str, &'a str); 8] {
    [
        ("topic", topic),
        ("defaultTopic", "TBW102"),
        ("readQueueNums", "3"),
        ("writeQueueNums", "4"),
        ("perm", "6"),
        ("topicFilterType", kind),
        ("topicSysFlag", "1"),
        ("order", "true"),
    ]
}

#[tokio::test]
async fn a_topic_is_created_and_changed() {
    let broker = Fixture::start().await;
    let code = RequestCode::UPDATE_AND_CREATE_TOPIC;
    let answer = broker.peer.ask(code, &topic_fields("T", "SINGLE_TAG")).await;
    assert_eq!(said(&answer), (0, "not set any response code".to_string()));
    let config = broker.context().topics.get("T").unwrap();
    assert_eq!(
        config.to_string(),
        "TopicConfig [topicName=T, readQueueNums=3, writeQueueNums=4, perm=RW-, \
         topicFilterType=SINGLE_TAG, topicSysFlag=1, order=false]"
    );
    let path = broker.folder.path().join("store/config/topics.json");
    assert!(std::fs::read_to_string(path).unwrap().contains("\"T\""));
    let version = broker.context().topics.version();
    assert_eq!(broker.peer.ask(code, &topic_fields("T", "MULTI_TAG")).await.code, 0);
    assert_eq!(broker.context().topics.version().counter, version.counter + 1);

    let answer = broker.peer.ask(code, &topic_fields("T", "NO_TAG")).await;
    let (code_of, text) = said(&answer);
    assert_eq!(code_of, 1);
    assert!(text.contains("topicFilterType = [NO_TAG] value invalid"), "{text}");
    for (topic, text) in [
        ("", "The specified topic is blank."),
        (
            "a b",
            "The specified topic contains illegal characters, allowing only ^[%|a-zA-Z0-9_-]+$",
        ),
        (&"x".repeat(128), "The specified topic is longer than topic max length."),
        ("TBW102", "The topic[TBW102] is conflict with system topic."),
        ("DefaultCluster", "The topic[DefaultCluster] is conflict with system topic."),
        ("rmq_sys_any", "The topic[rmq_sys_any] is conflict with system topic."),
    ] {
        let answer = broker.peer.ask(code, &topic_fields(topic, "SINGLE_TAG")).await;
        assert_eq!(said(&answer), (1, text.to_string()), "{topic}");
        let delete = RequestCode::DELETE_TOPIC_IN_BROKER;
        let answer = broker.peer.ask(delete, &[("topic", topic)]).await;
        assert_eq!(said(&answer), (1, text.to_string()), "{topic}");
    }
    broker.stop().await;
}

#[tokio::test]
async fn all_topics_are_listed() {
    let broker = Fixture::start().await;
    let answer = broker.peer.ask(RequestCode::GET_ALL_TOPIC_CONFIG, &[]).await;
    let all: TopicConfigSerializeWrapper = parsed(&answer);
    assert_eq!(all.data_version, broker.context().topics.version());
    let text = body_text(&answer);
    assert!(text.contains(
        r#""TBW102":{"order":false,"perm":7,"readQueueNums":8,"topicFilterType":"SINGLE_TAG","topicName":"TBW102","topicSysFlag":0,"writeQueueNums":8}"#
    ));
    let perms: Vec<_> = all
        .topic_config_table
        .iter()
        .map(|(name, config)| (&**name, config.write_queue_nums, config.perm))
        .collect();
    let expected = [
        ("BenchmarkTest", 1024, 6),
        ("DefaultCluster", 16, 7),
        ("DefaultCluster_REPLY_TOPIC", 1, 6),
        ("OFFSET_MOVED_EVENT", 1, 6),
        ("SCHEDULE_TOPIC_XXXX", 18, 6),
        ("SELF_TEST_TOPIC", 1, 6),
        ("TBW102", 8, 7),
        ("broker-a", 1, 7),
    ];
    assert_eq!(perms, expected);
    broker.stop().await;
}

#[tokio::test]
async fn one_topic_and_one_group_are_told_as_in_5() {
    let broker = Fixture::start().await;
    let answer = broker.peer.ask(RequestCode::GET_TOPIC_CONFIG, &[("topic", "TBW102")]).await;
    assert_eq!(
        body_text(&answer),
        r#"{"order":false,"perm":7,"readQueueNums":8,"topicFilterType":"SINGLE_TAG","topicName":"TBW102","topicSysFlag":0,"writeQueueNums":8}"#
    );
    let answer = broker.peer.ask(RequestCode::GET_TOPIC_CONFIG, &[("topic", "No")]).await;
    assert_eq!(said(&answer), (17, "No topic in this broker. topic: No".to_string()));
    let code = RequestCode::GET_SUBSCRIPTIONGROUP_CONFIG;
    let answer = broker.peer.ask(code, &[("group", "TOOLS_CONSUMER")]).await;
    assert!(body_text(&answer).contains(r#""groupName":"TOOLS_CONSUMER""#));
    let answer = broker.peer.ask(code, &[("group", "No")]).await;
    assert_eq!(said(&answer), (26, "No group in this broker".to_string()));
    broker.stop().await;
}

#[tokio::test]
async fn topics_and_subscriptions_of_a_group_are_told_as_in_5() {
    let broker = Fixture::start().await;
    broker.create_topic("T", 1).await;
    let of_group = |code, fields: Vec<(&'static str, &'static str)>| {
        let peer = &broker.peer;
        async move {
            let answer = peer.ask(code, &fields).await;
            assert_eq!((answer.code, answer.remark()), (0, None));
            body_text(&answer).to_string()
        }
    };
    let (topics, wanted) =
        (RequestCode::QUERY_TOPICS_BY_CONSUMER, RequestCode::QUERY_SUBSCRIPTION_BY_CONSUMER);
    let address = broker.context().address();
    let nothing = format!(r#"{{"brokerAddr":"{address}","topicList":[]}}"#);
    assert_eq!(of_group(topics, vec![("group", "G")]).await, nothing);
    let offset = [("consumerGroup", "G"), ("topic", "T"), ("queueId", "0"), ("commitOffset", "0")];
    broker.peer.ask(RequestCode::UPDATE_CONSUMER_OFFSET, &offset).await;
    let one = format!(r#"{{"brokerAddr":"{address}","topicList":["T"]}}"#);
    assert_eq!(of_group(topics, vec![("group", "G")]).await, one);
    let asked = of_group(wanted, vec![("group", "G"), ("topic", "T")]).await;
    assert_eq!(asked, r#"{"group":"G","topic":"T"}"#);
    let heartbeat = r#"{"clientID":"c","consumerDataSet":[{"groupName":"G","consumeType":"CONSUME_PASSIVELY","messageModel":"CLUSTERING","consumeFromWhere":"CONSUME_FROM_LAST_OFFSET","unitMode":false,"subscriptionDataSet":[{"topic":"T","subString":"A","tagsSet":["A"],"codeSet":[65],"subVersion":7,"expressionType":"TAG","classFilterMode":false}]}],"producerDataSet":[]}"#;
    broker.peer.ask_with(RequestCode::HEART_BEAT, &[], heartbeat.into()).await;
    let asked = of_group(wanted, vec![("group", "G"), ("topic", "T")]).await;
    assert_eq!(
        asked,
        r#"{"group":"G","subscriptionData":{"classFilterMode":false,"codeSet":[65],"expressionType":"TAG","subString":"A","subVersion":7,"tagsSet":["A"],"topic":"T"},"topic":"T"}"#
    );
    let asked = of_group(wanted, vec![("group", "G"), ("topic", "U")]).await;
    assert_eq!(asked, r#"{"group":"G","topic":"U"}"#);
    assert_eq!(of_group(wanted, vec![("group", "G")]).await, r#"{"group":"G"}"#);
    broker.stop().await;
}

#[tokio::test]
async fn built_in_topics_follow_the_settings() {
    let broker = Fixture::with(|settings| {
        settings.broker.default_topic_queue_nums = 5;
        settings.broker.cluster_topic_enable = false;
        settings.broker.broker_topic_enable = false;
        settings.broker.trace_topic_enable = true;
        settings.broker.msg_trace_topic_name = "Traces".to_string();
    })
    .await;
    let of = |topic: &str| broker.context().topics.get(topic).unwrap();
    assert_eq!(of("TBW102").write_queue_nums, 5);
    assert_eq!((of("DefaultCluster").perm, of("broker-a").perm), (1, 1));
    assert_eq!((of("Traces").write_queue_nums, of("Traces").perm), (1, 6));
    broker.stop().await;
}

#[tokio::test]
async fn a_deleted_topic_is_gone_with_its_queues() {
    let broker = Fixture::start().await;
    broker.create_topic("T", 2).await;
    broker.peer.stored(&message("T", "0")).await;
    broker.context().offsets.commit(broker.broker.local().unwrap(), "g", "T", 0, 1);
    let code = RequestCode::DELETE_TOPIC_IN_BROKER;
    let answer = broker.peer.ask(code, &[("topic", "T")]).await;
    assert_eq!((answer.code, answer.remark()), (0, None));
    let answer = broker.peer.pull(&pull("T", "0", "0")).await;
    assert_eq!(said(&answer), (17, format!("topic[T] not exist, apply first please! {FAQ}")));
    // Offsets stay; deleting what is not there succeeds.
    assert_eq!(broker.context().offsets.get("g", "T", 0), Some(1));
    assert_eq!(broker.peer.ask(code, &[("topic", "T")]).await.code, 0);
    broker.create_topic("T", 2).await;
    assert_eq!(broker.peer.pull(&pull("T", "0", "0")).await.code, 19);
    broker.stop().await;
}

#[tokio::test]
async fn a_topics_queues_are_described() {
    let broker = Fixture::start().await;
    let code = RequestCode::GET_TOPIC_STATS_INFO;
    let answer = broker.peer.ask(code, &[("topic", "T")]).await;
    assert_eq!(said(&answer), (17, "topic[T] not exist".to_string()));
    broker.create_topic_with("T", 4, 2, 6, "SINGLE_TAG").await;
    broker.peer.stored(&message("T", "1")).await;
    let answer = broker.peer.ask(code, &[("topic", "T")]).await;
    let table: TopicStatsTable = parsed(&answer);
    let rows: Vec<_> = table
        .offset_table
        .iter()
        .map(|(queue, o)| (queue.queue_id, o.min_offset, o.max_offset, o.last_update_timestamp > 0))
        .collect();
    assert_eq!(rows, [(0, 0, 0, false), (1, 0, 1, true)]);
    let begin = r#"{"offsetTable":{{"brokerName":"broker-a","queueId":0,"topic":"T"}:{"lastUpdateTimestamp":0,"maxOffset":0,"minOffset":0},"#;
    assert!(body_text(&answer).starts_with(begin), "{}", body_text(&answer));
    broker.stop().await;
}

#[tokio::test]
async fn who_consumes_a_topic() {
    let broker = Fixture::start().await;
    let beat = heartbeat("c", "online", "CLUSTERING", &[subscription("T", "*", 1)]);
    broker.peer.heartbeat(beat).await;
    broker.context().offsets.commit(broker.broker.local().unwrap(), "offline", "T", 0, 1);
    let code = RequestCode::QUERY_TOPIC_CONSUME_BY_WHO;
    let groups: GroupList = parsed(&broker.peer.ask(code, &[("topic", "T")]).await);
    assert_eq!(groups.group_list, ["offline", "online"]);
    let groups: GroupList = parsed(&broker.peer.ask(code, &[("topic", "None")]).await);
    assert!(groups.group_list.is_empty());
    broker.stop().await;
}

#[tokio::test]
async fn system_topics() {
    let broker = Fixture::start().await;
    let code = RequestCode::GET_SYSTEM_TOPIC_LIST_FROM_BROKER;
    let mut list = parsed::<TopicList>(&broker.peer.ask(code, &[]).await).topic_list;
    list.sort();
    let expected = [
        "BenchmarkTest",
        "DefaultCluster",
        "DefaultCluster_REPLY_TOPIC",
        "OFFSET_MOVED_EVENT",
        "RMQ_SYS_TRACE_TOPIC",
        "RMQ_SYS_TRANS_HALF_TOPIC",
        "RMQ_SYS_TRANS_OP_HALF_TOPIC",
        "SCHEDULE_TOPIC_XXXX",
        "SELF_TEST_TOPIC",
        "TBW102",
        "TRANS_CHECK_MAX_TIME_TOPIC",
        "broker-a",
    ];
    assert_eq!(list, expected);
    broker.stop().await;
}

#[tokio::test]
async fn groups_are_kept_as_sent() {
    let broker = Fixture::start().await;
    let update = RequestCode::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP;
    let config = r#"{"brokerId":2,"consumeBroadcastEnable":false,"consumeEnable":false,"consumeFromMinEnable":false,"groupName":"g","notifyConsumerIdsChangedEnable":false,"retryMaxTimes":3,"retryQueueNums":5,"whichBrokerWhenConsumeSlowly":4}"#;
    let answer = broker.peer.ask_with(update, &[], config.as_bytes().to_vec()).await;
    assert_eq!((answer.code, answer.remark()), (0, None));
    assert_ne!(broker.peer.ask(update, &[]).await.code, 0);
    let all = RequestCode::GET_ALL_SUBSCRIPTIONGROUP_CONFIG;
    let answer = broker.peer.ask(all, &[]).await;
    assert!(body_text(&answer).contains(config), "{}", body_text(&answer));
    let names: Vec<_> =
        parsed::<SubscriptionGroupWrapper>(&answer).subscription_group_table.into_keys().collect();
    let expected = [
        "CID_ONS-HTTP-PROXY",
        "CID_ONSAPI_OWNER",
        "CID_ONSAPI_PERMISSION",
        "CID_ONSAPI_PULL",
        "FILTERSRV_CONSUMER",
        "SELF_TEST_C_GROUP",
        "TOOLS_CONSUMER",
        "g",
    ];
    assert_eq!(names, expected);
    let defaults = r#""TOOLS_CONSUMER":{"brokerId":0,"consumeBroadcastEnable":true,"consumeEnable":true,"consumeFromMinEnable":true,"groupName":"TOOLS_CONSUMER","notifyConsumerIdsChangedEnable":true,"retryMaxTimes":16,"retryQueueNums":1,"whichBrokerWhenConsumeSlowly":1}"#;
    assert!(body_text(&answer).contains(defaults));
    // A restart keeps it.
    let folder = broker.stop().await;
    let broker = Fixture::inside(folder, |_| {}).await;
    let answer = broker.peer.ask(all, &[]).await;
    assert!(body_text(&answer).contains(config));
    broker.stop().await;
}

#[tokio::test]
async fn a_deleted_group_may_take_its_offsets_along() {
    let broker = Fixture::start().await;
    let peer = broker.broker.local().unwrap();
    let update = RequestCode::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP;
    for group in ["g", "h"] {
        let body = format!(r#"{{"groupName":"{group}"}}"#).into_bytes();
        assert_eq!(broker.peer.ask_with(update, &[], body).await.code, 0);
        broker.context().offsets.commit(peer, group, "T", 0, 1);
    }
    let delete = RequestCode::DELETE_SUBSCRIPTIONGROUP;
    let fields = [("groupName", "g"), ("removeOffset", "true")];
    assert_eq!(broker.peer.ask(delete, &fields).await.code, 0);
    assert_eq!(broker.peer.ask(delete, &[("groupName", "h")]).await.code, 0);
    assert_eq!(broker.peer.ask(delete, &[("groupName", "never")]).await.code, 0);
    let groups = broker.context().groups.snapshot().subscription_group_table;
    assert!(!groups.contains_key("g") && !groups.contains_key("h"));
    assert_eq!(broker.context().offsets.get("g", "T", 0), None);
    assert_eq!(broker.context().offsets.get("h", "T", 0), Some(1));
    broker.stop().await;
}

#[tokio::test]
async fn queues_of_no_topic_can_be_cleaned_away() {
    let broker = Fixture::start().await;
    broker.peer.stored(&message("T", "0")).await;
    for code in [RequestCode::CLEAN_EXPIRED_CONSUMEQUEUE, RequestCode::CLEAN_UNUSED_TOPIC] {
        let answer = broker.peer.ask(code, &[]).await;
        assert_eq!((answer.code, answer.remark()), (0, None));
    }
    assert_eq!(broker.peer.pull(&pull("T", "0", "0")).await.code, 0);
    broker.stop().await;
}
