//! The REST paths of 1.0.0 in front of a live cluster.
#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use rocketmq_client::{Message, Producer, PushConsumer};
use rocketmq_common::logging;
use serde_json::{Value, json};
use support::Scene;

async fn created(scene: &Scene, topic: &str) {
    let body = json!({
        "clusterNameList": ["DefaultCluster"], "brokerNameList": [], "topicName": topic,
        "writeQueueNums": 4, "readQueueNums": 4, "perm": 6, "order": false,
    });
    let reply = scene.post("/topic/createOrUpdate.do", &body).await;
    assert_eq!(reply.json(), json!({"status": 0, "data": true, "errMsg": null}));
    scene.until(&format!("/topic/route.query?topic={topic}"), |answer| answer["status"] == 0).await;
}

fn of_topic(kind: &str, topic: &str) -> String {
    format!("/topic/{kind}.query?topic={topic}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_lives_and_dies() {
    let scene = Scene::start(&[]).await;
    created(&scene, "Classic").await;
    let config = scene.data_of(&of_topic("examineTopicConfig", "Classic")).await;
    assert_eq!(
        (&config[0]["writeQueueNums"], &config[0]["brokerNameList"]),
        (&json!(4), &json!(["broker-a"]))
    );
    let body = json!({"topic": "Classic", "tag": "A", "key": "k1", "messageBody": "hello", "traceEnabled": false});
    let sent = scene.post("/topic/sendTopicMessage.do", &body).await.json();
    assert_eq!(sent["data"]["sendStatus"], "SEND_OK", "{sent}");
    let stats = scene.data_of(&of_topic("stats", "Classic")).await;
    let ends: i64 = stats["offsetTable"]
        .as_object()
        .unwrap()
        .values()
        .map(|queue| queue["maxOffset"].as_i64().unwrap())
        .sum();
    assert_eq!(ends, 1);
    assert!(
        stats["offsetTable"].as_object().unwrap().keys().all(
            |key| key.starts_with("MessageQueue [topic=Classic, brokerName=broker-a, queueId=")
        )
    );
    let id = sent["data"]["msgId"].as_str().unwrap();
    let seen = scene.data_of(&format!("/message/viewMessage.query?topic=Classic&msgId={id}")).await;
    assert_eq!(
        (&seen["messageView"]["messageBody"], &seen["messageView"]["properties"]["KEYS"]),
        (&json!("hello"), &json!("k1"))
    );
    let by_key = scene
        .until("/message/queryMessageByTopicAndKey.query?topic=Classic&key=k1", |answer| {
            answer["status"] == 0
        })
        .await;
    assert_eq!(by_key["data"][0]["msgId"], id);
    let reply = scene.send("POST", "/topic/deleteTopic.do?topic=Classic", &[], "").await;
    assert_eq!(reply.json()["data"], true);
    let gone = scene.get(&of_topic("route", "Classic")).await.json();
    assert_eq!(gone["status"], -1);
    assert!(
        gone["errMsg"].as_str().unwrap().starts_with(
            "org.apache.rocketmq.client.exception.MQClientException: CODE: 17  DESC: No topic route info in name server for the topic: Classic"
        ),
        "{gone}"
    );
    scene.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_messages_stay_the_same_while_more_come() {
    let scene = Scene::start(&[]).await;
    created(&scene, "Paged").await;
    let producer =
        Producer::builder("p").namesrv_addr(scene.cluster.namesrv_addr()).start().await.unwrap();
    for n in 0..45 {
        producer.send(Message::new("Paged", format!("m{n}"))).await.unwrap();
    }
    let now = rocketmq_common::clock::now_ms();
    let ask = |page: i64, task: Value| json!({"topic": "Paged", "begin": now - 600_000, "end": now + 600_000, "pageNum": page, "pageSize": 20, "taskId": task});
    let first = scene
        .post("/message/queryMessagePageByTopic.query", &ask(1, Value::Null))
        .await
        .json()["data"]
        .clone();
    assert_eq!(
        (&first["page"]["totalElements"], &first["page"]["totalPages"], &first["page"]["first"]),
        (&json!(45), &json!(3), &json!(true))
    );
    producer.send(Message::new("Paged", "late")).await.unwrap();
    let mut ids = std::collections::BTreeSet::new();
    for page in 1..=3 {
        let data = scene
            .post("/message/queryMessagePageByTopic.query", &ask(page, first["taskId"].clone()))
            .await
            .json()["data"]
            .clone();
        assert_eq!(data["page"]["totalElements"], 45);
        ids.extend(
            data["page"]["content"]
                .as_array()
                .unwrap()
                .iter()
                .map(|row| row["msgId"].as_str().unwrap().to_string()),
        );
    }
    assert_eq!(ids.len(), 45);
    let all = scene
        .data_of(&format!(
            "/message/queryMessageByTopic.query?topic=Paged&begin=0&end={}",
            now + 600_000
        ))
        .await;
    let times: Vec<i64> =
        all.as_array().unwrap().iter().map(|row| row["storeTimestamp"].as_i64().unwrap()).collect();
    assert!(times.len() == 46 && times.is_sorted_by(|one, other| one >= other));
    producer.shutdown().await;
    scene.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_is_listed_reset_and_deleted() {
    let scene = Scene::start(&[]).await;
    created(&scene, "Grouped").await;
    let group = json!({"clusterNameList": ["DefaultCluster"], "brokerNameList": [], "subscriptionGroupConfig": {
        "groupName": "g1", "consumeEnable": true, "consumeFromMinEnable": true, "consumeBroadcastEnable": true,
        "retryQueueNums": 1, "retryMaxTimes": 16, "brokerId": 0, "whichBrokerWhenConsumeSlowly": 1,
    }});
    assert_eq!(scene.post("/consumer/createOrUpdate.do", &group).await.json()["data"], true);
    let config =
        scene.data_of("/consumer/examineSubscriptionGroupConfig.query?consumerGroup=g1").await;
    assert_eq!(config[0]["subscriptionGroupConfig"]["retryMaxTimes"], 16);
    assert_eq!(
        scene.data_of("/consumer/fetchBrokerNameList.query?consumerGroup=g1").await,
        json!(["broker-a"])
    );
    let producer =
        Producer::builder("p").namesrv_addr(scene.cluster.namesrv_addr()).start().await.unwrap();
    for n in 0..20 {
        producer.send(Message::new("Grouped", format!("m{n}"))).await.unwrap();
    }
    let consumer = PushConsumer::builder("g1")
        .namesrv_addr(scene.cluster.namesrv_addr())
        .consume_from(rocketmq_client::ConsumeFromWhere::FirstOffset)
        .subscribe("Grouped", "*")
        .on_messages(|_| async { rocketmq_client::ConsumeStatus::Success })
        .start()
        .await
        .unwrap();
    let row = |answer: &Value| {
        answer["data"]
            .as_array()
            .and_then(|rows| rows.iter().find(|row| row["group"] == "g1").cloned())
    };
    let online = scene
        .until("/consumer/groupList.query", |answer| {
            row(answer).is_some_and(|row| row["count"] == 1 && row["diffTotal"] == 0)
        })
        .await;
    assert_eq!(row(&online).unwrap()["messageModel"], "CLUSTERING");
    let topics = scene
        .until("/consumer/queryTopicByConsumer.query?consumerGroup=g1", |answer| {
            answer["data"].as_array().is_some_and(|rows| {
                rows.iter().any(|row| {
                    row["topic"] == "Grouped"
                        && row["queueStatInfoList"]
                            .as_array()
                            .unwrap()
                            .iter()
                            .all(|queue| queue["clientInfo"].is_string())
                })
            })
        })
        .await;
    assert!(topics["data"].as_array().unwrap().iter().any(|row| row["topic"] == "%RETRY%g1"));
    let clients = scene.data_of("/consumer/consumerConnection.query?consumerGroup=g1").await;
    let client = clients["connectionSet"][0]["clientId"].as_str().unwrap().replace('#', "%23");
    let info = scene
        .data_of(&format!(
            "/consumer/consumerRunningInfo.query?consumerGroup=g1&clientId={client}&jstack=false"
        ))
        .await;
    assert!(
        info["mqTable"]
            .as_object()
            .unwrap()
            .keys()
            .any(|key| key.starts_with("MessageQueue [topic=Grouped")),
        "{info}"
    );
    consumer.shutdown().await;
    scene
        .until("/consumer/consumerConnection.query?consumerGroup=g1", |answer| {
            answer["errMsg"].as_str().is_some_and(|text| text.contains("CODE: 206"))
        })
        .await;
    let reset =
        json!({"consumerGroupList": ["g1"], "topic": "Grouped", "resetTime": 0, "force": true});
    let done = scene.post("/consumer/resetOffset.do", &reset).await.json();
    assert_eq!(done["data"]["g1"]["status"], true, "{done}");
    let behind = scene.data_of("/consumer/group.query?consumerGroup=g1").await;
    assert_eq!(behind["diffTotal"], 20);
    let skip =
        json!({"consumerGroupList": ["g1"], "topic": "Grouped", "resetTime": -1, "force": true});
    assert_eq!(
        scene.post("/consumer/skipAccumulate.do", &skip).await.json()["data"]["g1"]["status"],
        true
    );
    assert_eq!(scene.data_of("/consumer/group.query?consumerGroup=g1").await["diffTotal"], 0);
    let delete = json!({"groupName": "g1", "brokerNameList": ["broker-a"]});
    assert_eq!(scene.post("/consumer/deleteSubGroup.do", &delete).await.json()["data"], true);
    assert_eq!(
        scene.data_of("/consumer/fetchBrokerNameList.query?consumerGroup=g1").await,
        json!([])
    );
    producer.shutdown().await;
    scene.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_wrongly_is_told_in_the_envelope() {
    let scene = Scene::start(&[]).await;
    let missing = scene.get("/topic/route.query").await;
    assert_eq!(
        (missing.status, &missing.json()["errMsg"]),
        (200, &json!("Required String parameter 'topic' is not present"))
    );
    let broken = scene
        .send("POST", "/topic/createOrUpdate.do", &[("Content-Type", "application/json")], "{")
        .await;
    assert!(
        broken.json()["errMsg"].as_str().unwrap().starts_with("JSON parse error"),
        "{}",
        broken.body
    );
    assert_eq!(
        scene.get("/monitor/consumerMonitorConfigByGroupName.query?consumeGroupName=x").await.body,
        ""
    );
    assert_eq!(scene.get("/dashboard/topic.query?date=2001-01-01&topicName=x").await.body, "");
    let set = scene.send("POST", "/monitor/createOrUpdateConsumerMonitor.do?consumeGroupName=x&minCount=1&maxDiffTotal=5", &[], "").await;
    assert_eq!(set.json()["data"], true);
    assert_eq!(
        scene.data_of("/monitor/consumerMonitorConfig.query").await,
        json!({"x": {"minCount": 1, "maxDiffTotal": 5}})
    );
    let name_servers = scene.get("/rocketmq/nsaddr").await;
    assert_eq!(name_servers.body, scene.cluster.namesrv_addr());
    let cluster = scene.data_of("/cluster/list.query").await;
    assert!(cluster["brokerServer"]["broker-a"]["0"]["putTps"].is_string(), "{cluster}");
    let config =
        scene.data_of(&format!("/cluster/brokerConfig.query?brokerAddr={}", scene.broker())).await;
    assert_eq!(config["brokerName"], "broker-a");
    assert_eq!(scene.get("/nothing/here").await.status, 404);
    scene.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_without_a_name_server_says_what_to_set_and_stays() {
    let home = tempfile::tempdir().unwrap();
    let _log = logging::init(logging::Profile::Dashboard, home.path());
    let nowhere = "127.0.0.1:1";
    let scene = Scene::start(&[("rocketmq.config.namesrvAddr", nowhere)]).await;
    let begin = format!("connect to [{nowhere}] failed");
    let asked = scene
        .until("/api/v1/problems", |answer| {
            answer["problems"][0]["message"].as_str().is_some_and(|text| text.starts_with(&begin))
        })
        .await;
    let fix = asked["problems"][0]["fix"].as_str().unwrap();
    assert!(fix.contains("rocketmq.config.namesrvAddr"), "{fix}");
    let list = scene.get("/cluster/list.query").await.json();
    let java = "org.apache.rocketmq.remoting.exception.RemotingConnectException: ";
    assert!(list["errMsg"].as_str().unwrap().starts_with(&format!("{java}{begin}")), "{list}");
    assert_eq!(scene.get("/").await.status, 200);
    let file = home.path().join("logs/consolelogs/rocketmq-console.log");
    let is_told = |line: &str| {
        let at = line.find(&begin);
        at.is_some_and(|at| line[at..].contains("set rocketmq.config.namesrvAddr"))
    };
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    loop {
        let log = std::fs::read_to_string(&file).unwrap_or_default();
        if log.lines().any(is_told) {
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "{log}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    scene.stop().await;
}
