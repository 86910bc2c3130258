//! What the Java dashboard 1.0.0 asked of a Java name server and broker, asked of ours: the same
//! code, remark and fields, and a body of the same shape.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use rocketmq_common::{clock, fastjson};
use rocketmq_protocol::message::{MessageExt, RecordView, message_id};
use rocketmq_protocol::{Frame, RequestCode};
use rocketmq_remoting::{Call, ClientOptions, RemotingClient, Request, RequestHandler};
use serde_json::{Value, json};
use support::Scene;
use support::clients::{Clients, GROUP, come_and_go};
use support::shape::{beginning, compare, kind};

const RECORDED: &str = include_str!("../../../tests/golden/dashboard-1.0.0/wire.jsonl");
/// How long an answer may take to be as it should be.
const PATIENCE: Duration = Duration::from_secs(15);
/// The pages that make the content; the clients came after them.
const FIRST: [&str; 5] = [
    "own clients",
    "topic-createOrUpdate",
    "consumer-createOrUpdate",
    "topic-sendTopicMessage",
    "topic-sendTopicMessage-traced",
];
/// What changes something is asked once.
const WRITES: [RequestCode; 10] = [
    RequestCode::UPDATE_CONSUMER_OFFSET,
    RequestCode::UPDATE_AND_CREATE_TOPIC,
    RequestCode::HEART_BEAT,
    RequestCode::UNREGISTER_CLIENT,
    RequestCode::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP,
    RequestCode::DELETE_SUBSCRIPTIONGROUP,
    RequestCode::DELETE_TOPIC_IN_BROKER,
    RequestCode::DELETE_TOPIC_IN_NAMESRV,
    RequestCode::SEND_MESSAGE_V2,
    RequestCode::CONSUME_MESSAGE_DIRECTLY,
];
/// Answered by a client; its remark is not the broker's.
const RELAYED: [RequestCode; 2] =
    [RequestCode::GET_CONSUMER_RUNNING_INFO, RequestCode::CONSUME_MESSAGE_DIRECTLY];

/// The dashboard serves nothing on its connections.
struct Silent;

impl RequestHandler for Silent {
    fn handle(&self, _: Call<'_>) {}
}

/// Plays the dashboard's part.
struct Player {
    scene: Scene,
    client: RemotingClient,
    /// What stands for the placeholders of the recording.
    stand: BTreeMap<&'static str, String>,
}

impl Player {
    async fn ask(&self, line: &Value) -> Frame {
        let mut fields = BTreeMap::new();
        for (name, value) in line["ext"].as_object().into_iter().flatten() {
            let value = value.as_str().unwrap();
            let value = self.stand.get(value).map_or(value, String::as_str);
            fields.insert(name.as_str(), value);
        }
        let fields: Vec<_> = fields.into_iter().collect();
        let body = match &line["body"] {
            Value::Null => Vec::new(),
            Value::String(text) => text.clone().into_bytes(),
            other => other.to_string().into_bytes(),
        };
        let address = match line["server"].as_str().unwrap() {
            "namesrv" => self.scene.cluster.namesrv_addr(),
            _ => self.scene.broker(),
        };
        let fields = fields.as_slice();
        let request = Request::new(code_of(line)).fields(&fields).body(body);
        self.client.invoke(&address, request, PATIENCE).await.unwrap()
    }

    /// Asks until nothing differs, or for long enough; what changes something only once.
    async fn differences(&self, line: &Value) -> (Frame, Vec<String>) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let answer = self.ask(line).await;
            let found = differences(line, &answer);
            let is_final =
                WRITES.contains(&code_of(line)) || tokio::time::Instant::now() > deadline;
            if found.is_empty() || is_final {
                return (answer, found);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// The clients that were there while the dashboard was recorded.
    async fn join(&mut self) -> Clients {
        let servers = self.scene.cluster.namesrv_addr();
        let clients = Clients::start(&servers, "please_rename_unique_group_name").await;
        come_and_go(&servers, "off_group").await;
        self.stand.insert("<offsetId>", clients.sent.offset_msg_id.clone());
        let online = format!("/consumer/consumerConnection.query?consumerGroup={GROUP}");
        let members = self.scene.until(&online, |answer| answer["status"] == 0).await;
        let client = members["data"]["connectionSet"][0]["clientId"].as_str().unwrap();
        self.stand.insert("<client>", client.to_string());
        clients
    }
}

fn code_of(line: &Value) -> RequestCode {
    RequestCode(i32::try_from(line["code"].as_i64().unwrap()).unwrap())
}

fn fields_of(answer: &Frame) -> BTreeMap<String, String> {
    answer.fields().iter().map(|(key, value)| (key.into_owned(), value.into_owned())).collect()
}

/// JSON as others read it: the keys of maps as text.
fn plain(value: &fastjson::Value) -> Value {
    match value {
        fastjson::Value::Array(items) => items.iter().map(plain).collect(),
        fastjson::Value::Object(members) => members
            .iter()
            .map(|(key, value)| match key {
                fastjson::Value::Str(text) => (text.clone(), plain(value)),
                other => (fastjson::to_string(other).unwrap(), plain(value)),
            })
            .collect::<serde_json::Map<_, _>>()
            .into(),
        other => serde_json::from_str(&fastjson::to_string(other).unwrap()).unwrap(),
    }
}

/// The messages of a body as the recording has them.
fn records(mut rest: &[u8]) -> Value {
    let mut records = Vec::new();
    while !rest.is_empty() {
        let record = RecordView::parse(rest).unwrap();
        let message = MessageExt::from_record(&record).unwrap();
        let names: BTreeSet<_> = message.message.properties.iter().map(|(name, _)| name).collect();
        records.push(json!({
            "topic": message.message.topic,
            "queueId": message.queue_id,
            "properties": names,
            "body": String::from_utf8_lossy(&message.message.body),
        }));
        rest = &rest[record.size()..];
    }
    json!({ "records": records })
}

/// The keys of `key=value` lines.
fn keys(text: &str) -> BTreeSet<&str> {
    text.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect()
}

fn body_differences(place: &str, java: &Value, answer: &Frame, found: &mut Vec<String>) {
    let body = answer.body();
    match java {
        Value::Null if body.is_empty() => {}
        Value::Null => found.push(format!("{place}: a body of {} bytes", body.len())),
        Value::String(text) => {
            let ours = String::from_utf8_lossy(body);
            // One is named after where an installation is, ours are not named in Java.
            let missing: Vec<_> = keys(text).difference(&keys(&ours)).copied().collect();
            if missing.iter().any(|key| *key != "rocketmqHome") || ours.is_empty() {
                found.push(format!("{place}: without {missing:?}"));
            }
        }
        java if java["records"].is_array() => {
            let ours = records(body);
            if *java != ours {
                found.push(format!("{place}: {java} in Java, {ours} here"));
            }
        }
        java => match fastjson::from_slice::<fastjson::Value>(body) {
            Ok(ours) => compare(place, false, java, &plain(&ours), found),
            Err(error) => found.push(format!("{place}: {error}")),
        },
    }
}

fn differences(line: &Value, answer: &Frame) -> Vec<String> {
    let java = &line["answer"];
    let code = code_of(line);
    let what = if code == RequestCode::GET_BROKER_RUNTIME_INFO { " runtime" } else { "" };
    let place = format!("{} {} {}{what}", line["page"].as_str().unwrap(), line["server"], code.0);
    let remark = answer.remark().map(|text| text.into_owned());
    if java["code"] != answer.code {
        return vec![format!("{place}: {} in Java, {} {remark:?} here", java["code"], answer.code)];
    }
    let mut found = Vec::new();
    let is_theirs = RELAYED.contains(&code) && answer.code == 0;
    if !is_theirs && beginning(java["remark"].as_str()) != beginning(remark.as_deref()) {
        found.push(format!("{place}: {} in Java, {remark:?} here", java["remark"]));
    }
    let ours = fields_of(answer);
    let theirs = java["ext"].as_object().cloned().unwrap_or_default();
    if !theirs.keys().eq(ours.keys()) {
        found.push(format!("{place}: fields {theirs:?} in Java, {ours:?} here"));
    }
    let as_value = |text: &str| serde_json::from_str(text).unwrap_or(json!(text));
    for (name, value) in &theirs {
        let java = kind(&as_value(value.as_str().unwrap()));
        let here = ours.get(name).map(|value| kind(&as_value(value)));
        if here.is_some_and(|here| here != java) {
            found.push(format!("{place}: {name} is {java} in Java, {here:?} here"));
        }
    }
    body_differences(&place, &java["body"], answer, &mut found);
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn every_recorded_request_is_answered_as_by_java() {
    let now = clock::now_ms();
    let stand =
        BTreeMap::from([("<begin>", "0".to_string()), ("<end>", (now + 3_600_000).to_string())]);
    let client = RemotingClient::new(ClientOptions::default(), Arc::new(Silent));
    let mut player = Player { scene: Scene::start(&[]).await, client, stand };
    let (mut clients, mut found) = (None, Vec::new());
    for line in RECORDED.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        if clients.is_none() && !FIRST.contains(&line["page"].as_str().unwrap()) {
            clients = Some(player.join().await);
        }
        let (answer, more) = player.differences(&line).await;
        found.extend(more);
        if code_of(&line) == RequestCode::SEND_MESSAGE_V2 {
            let id = fields_of(&answer)["msgId"].clone();
            let (_, offset) = message_id::decode(&id).unwrap();
            player.stand.insert("<offset>", offset.to_string());
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    clients.unwrap().stop().await;
    player.client.shutdown().await;
    player.scene.stop().await;
}
