//! What the Java dashboard 1.0.0 answered, and what ours answers to the same: names and types of
//! members, what is null, how errors begin.
#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use rocketmq_common::clock;
use serde_json::{Value, json};
use support::Scene;
use support::clients::{Clients, GROUP};
use support::shape::{beginning, compare, kind};

const RECORDED: &str = include_str!("../../../tests/golden/dashboard-1.0.0/answers.json");
/// How long an answer may take to be as it should be.
const PATIENCE: Duration = Duration::from_secs(15);
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
    if beginning(java["errMsg"].as_str()) != beginning(ours["errMsg"].as_str()) {
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
    let clients = Clients::start(&scene.cluster.namesrv_addr(), "other").await;
    let owned = |answer: &Value| {
        let rows = answer["data"].as_array().into_iter().flatten();
        let queues: Vec<_> =
            rows.flat_map(|row| row["queueStatInfoList"].as_array().unwrap()).collect();
        !queues.is_empty() && queues.iter().all(|queue| queue["clientInfo"].is_string())
    };
    scene
        .until(&format!("/consumer/queryTopicByConsumer.query?consumerGroup={GROUP}"), owned)
        .await;
    let members =
        scene.data_of(&format!("/consumer/consumerConnection.query?consumerGroup={GROUP}")).await;
    stand.client = members["connectionSet"][0]["clientId"].as_str().unwrap().to_string();
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
    clients.stop().await;
    scene.stop().await;
}
