//! What the Java dashboard 1.0.0 answered, and what ours answers to the same: names and types of
//! members, what is null, how errors begin.
#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use rocketmq_client::{ConsumeFromWhere, ConsumeStatus, Message, Producer, PushConsumer};
use rocketmq_common::clock;
use serde_json::{Value, json};
use support::Scene;

const RECORDED: &str = include_str!("../../../tests/golden/dashboard-1.0.0/answers.json");
/// How long an answer may take to be as it should be.
const PATIENCE: Duration = Duration::from_secs(15);
const GROUP: &str = "please_rename_unique_group_name_4";
/// Members whose own members are data, not a form.
const TABLES: [&str; 10] = [
    "offsetTable",
    "brokerServer",
    "subscriptionTable",
    "mqTable",
    "statusTable",
    "properties",
    "brokerAddrTable",
    "clusterAddrTable",
    "brokerAddrs",
    "filterServerTable",
];
/// Answers whose `data` is such a table.
const TABLE_ANSWERS: [&str; 5] = [
    "topic-queryConsumerByTopic",
    "consumer-resetOffset",
    "consumer-resetOffset-never-consumed",
    "consumer-skipAccumulate",
    "monitor-consumerMonitorConfig",
];
/// Answers that depend on how long the collectors have run: only the type of `data` is compared.
const COLLECTED: [&str; 3] = ["dashboard-broker", "dashboard-topic", "dashboard-topicCurrent"];
/// What makes the content, and what ends it; all others come between.
const FIRST: [&str; 4] = [
    "topic-createOrUpdate",
    "consumer-createOrUpdate",
    "topic-sendTopicMessage",
    "topic-sendTopicMessage-traced",
];
const LAST: [&str; 9] = [
    "monitor-createOrUpdateConsumerMonitor",
    "monitor-consumerMonitorConfig",
    "monitor-consumerMonitorConfigByGroupName",
    "monitor-deleteConsumerMonitor",
    "consumer-resetOffset-never-consumed",
    "consumer-resetOffset",
    "consumer-skipAccumulate",
    "consumer-deleteSubGroup",
    "topic-deleteTopic",
];

/// What stands for what in the requests of this run.
struct Stand {
    sent: String,
    traced: String,
    client: String,
    broker: String,
}

async fn ask(scene: &Scene, entry: &Value, stand: &Stand) -> Value {
    let mut query = Vec::new();
    for (name, value) in entry["query"].as_object().into_iter().flatten() {
        let given = value.as_str().map_or_else(|| value.to_string(), str::to_string);
        let traced = entry["path"].as_str().unwrap().starts_with("messageTrace/");
        let given = match name.as_str() {
            "msgId" if given.starts_with("0000") => given,
            "msgId" if traced => stand.traced.clone(),
            "msgId" => stand.sent.clone(),
            "clientId" => stand.client.clone(),
            "brokerAddr" => stand.broker.clone(),
            "begin" => "0".to_string(),
            "end" => (clock::now_ms() + 60_000).to_string(),
            _ => given,
        };
        query.push(format!("{name}={}", given.replace('%', "%25").replace('#', "%23")));
    }
    let path = format!("/{}?{}", entry["path"].as_str().unwrap(), query.join("&"));
    let mut body = entry["body"].clone();
    if body["end"].is_number() {
        (body["begin"], body["end"]) = (json!(0), json!(clock::now_ms() + 60_000));
    }
    let reply = match (entry["method"].as_str().unwrap(), body.is_null()) {
        ("POST", false) => scene.post(&path, &body).await,
        (method, _) => scene.send(method, &path, &[], "").await,
    };
    assert_eq!(json!(reply.status), entry["status"], "{path}");
    if reply.json().is_null() { Value::String(reply.body) } else { reply.json() }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "text",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    }
}

fn compare(place: &str, is_table: bool, java: &Value, ours: &Value, found: &mut Vec<String>) {
    if kind(java) != kind(ours) {
        found.push(format!("{place}: {} in Java, {} here", kind(java), kind(ours)));
        return;
    }
    match (java, ours) {
        (Value::Object(java), Value::Object(ours)) if is_table => {
            if let (Some(java), Some(ours)) = (java.values().next(), ours.values().next()) {
                // The tables of brokers are tables again: each broker's processes.
                compare(&format!("{place}.*"), place.ends_with("brokerServer"), java, ours, found);
            }
        }
        (Value::Object(java), Value::Object(ours)) => {
            let more = ours.keys().filter(|key| !java.contains_key(*key) && *key != "fix");
            // Our broker has settings and figures that Java's has not.
            let may_have_more = place.contains("brokerConfig") || place.contains("brokerServer");
            found.extend(
                more.filter(|_| !may_have_more).map(|key| format!("{place}.{key}: only here")),
            );
            // One is named after a folder, the other is there where an installation is.
            let here_or_not = |key: &str| key.contains('/') || key == "rocketmqHome";
            for (key, value) in java.iter().filter(|(key, _)| !here_or_not(key)) {
                let place = format!("{place}.{key}");
                match ours.get(key) {
                    Some(ours) => {
                        compare(&place, TABLES.contains(&key.as_str()), value, ours, found)
                    }
                    None => found.push(format!("{place}: missing")),
                }
            }
        }
        (Value::Array(java), Value::Array(ours)) => match (java.first(), ours.first()) {
            (Some(java), Some(ours)) => compare(&format!("{place}[]"), false, java, ours, found),
            (None, None) => {}
            _ => found.push(format!("{place}: {} in Java, {} here", java.len(), ours.len())),
        },
        _ => {}
    }
}

fn differences(entry: &Value, ours: &Value) -> Vec<String> {
    let (name, java) = (entry["name"].as_str().unwrap(), &entry["answer"]);
    let mut found = Vec::new();
    if COLLECTED.contains(&name) {
        if kind(&java["data"]) != kind(&ours["data"]) {
            found.push(format!("{name}: {ours}"));
        }
        return found;
    }
    if !java.is_object() {
        if kind(java) != kind(ours) {
            found.push(format!("{name}: {ours}"));
        }
        return found;
    }
    let (mut java, mut ours) = (java.clone(), ours.clone());
    let is_table = TABLE_ANSWERS.contains(&name);
    compare(
        &format!("{name}.data"),
        is_table,
        &java["data"].take(),
        &ours["data"].take(),
        &mut found,
    );
    compare(name, false, &java, &ours, &mut found);
    let begin = |value: &Value| {
        value["errMsg"].as_str().map(|text| text.chars().take(40).collect::<String>())
    };
    if begin(&java) != begin(&ours) {
        found.push(format!("{name}: {} in Java, {} here", java["errMsg"], ours["errMsg"]));
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn every_recorded_answer_has_its_shape() {
    let recorded: Vec<Value> = serde_json::from_str(RECORDED).unwrap();
    let entry = |name: &str| recorded.iter().find(|entry| entry["name"] == name).unwrap();
    let scene = Scene::start(&[]).await;
    let mut stand = Stand {
        sent: String::new(),
        traced: String::new(),
        client: String::new(),
        broker: scene.broker(),
    };
    let mut found = Vec::new();
    for name in FIRST {
        let ours = ask(&scene, entry(name), &stand).await;
        found.extend(differences(entry(name), &ours));
        let id = ours["data"]["msgId"].as_str().unwrap_or_default().to_string();
        match name {
            "topic-createOrUpdate" => {
                scene
                    .until("/topic/route.query?topic=RecTopic", |answer| answer["status"] == 0)
                    .await;
            }
            "topic-sendTopicMessage" => stand.sent = id,
            "topic-sendTopicMessage-traced" => stand.traced = id,
            _ => {}
        }
    }
    let servers = scene.cluster.namesrv_addr();
    let producer = Producer::builder("other").namesrv_addr(&servers).start().await.unwrap();
    for n in 0..20 {
        producer.send(Message::new("TopicTest", format!("m{n}")).with_tags("TagA")).await.unwrap();
    }
    let consumer = PushConsumer::builder(GROUP)
        .namesrv_addr(&servers)
        .consume_from(ConsumeFromWhere::FirstOffset)
        .subscribe("TopicTest", "*")
        .on_messages(|_| async { ConsumeStatus::Success })
        .start()
        .await
        .unwrap();
    let owned = |answer: &Value| {
        let rows = answer["data"].as_array().into_iter().flatten();
        let queues: Vec<_> =
            rows.flat_map(|row| row["queueStatInfoList"].as_array().unwrap()).collect();
        !queues.is_empty() && queues.iter().all(|queue| queue["clientInfo"].is_string())
    };
    scene
        .until(&format!("/consumer/queryTopicByConsumer.query?consumerGroup={GROUP}"), owned)
        .await;
    let clients =
        scene.data_of(&format!("/consumer/consumerConnection.query?consumerGroup={GROUP}")).await;
    stand.client = clients["connectionSet"][0]["clientId"].as_str().unwrap().to_string();
    let id = &stand.traced;
    scene
        .until(&format!("/messageTrace/viewMessageTraceGraph.query?msgId={id}"), |answer| {
            answer["data"]["producerNode"].is_object()
        })
        .await;
    let online =
        |answer: &Value| answer["data"][0]["group"] == GROUP && answer["data"][0]["count"] == 1;
    scene.until("/consumer/groupList.query", online).await;
    let named = |entry: &Value, list: &[&str]| list.contains(&entry["name"].as_str().unwrap());
    let between = recorded.iter().filter(|one| !named(one, &FIRST) && !named(one, &LAST));
    for one in between.chain(LAST.map(entry)) {
        // What changes nothing may be asked again: members come, lists are renewed.
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let more = differences(one, &ask(&scene, one, &stand).await);
            let is_final = one["method"] != "GET" || tokio::time::Instant::now() > deadline;
            if more.is_empty() || is_final {
                found.extend(more);
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    consumer.shutdown().await;
    producer.shutdown().await;
    scene.stop().await;
}
