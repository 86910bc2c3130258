//! mqadmin as a process on our own cluster, held against what Java's mqadmin printed on Java's
//! (`tests/golden/java-4.9.2/observed/mqadmin.jsonl`): the same content, the same words. Numbers are
//! compared by place only; the Java peer itself is asked by `tests/interop/compare-mqadmin.sh`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rocketmq_client::{
    ClientConfig, ConsumeFromWhere, ConsumeStatus, Message, MessageQueue, Producer, PushConsumer,
};
use rocketmq_common::fastjson;
use rocketmq_testbed::daemon::free_port;
use rocketmq_testbed::{PATIENCE, Scratch};
use serde::Deserialize;

#[derive(Deserialize)]
struct Recorded {
    name: String,
    cmd: String,
    rc: String,
    out: String,
    err: String,
}

fn recorded() -> Vec<Recorded> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/golden/java-4.9.2/observed/mqadmin.jsonl");
    let text = std::fs::read_to_string(file).unwrap();
    text.lines().map(|line| fastjson::from_str(line).unwrap()).collect()
}

/// One daemon of the shipped program; killed when dropped.
struct Daemon(Child);

impl Daemon {
    fn start(home: &Path, program: &str, settings: &str, ready: &str) -> Daemon {
        let config = home.join(format!("{program}.conf"));
        std::fs::write(&config, settings).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_rocketmq"))
            .args([program, "-c"])
            .arg(&config)
            .env("HOME", home)
            .env("ROCKETMQ_HOME", home)
            .env_remove("NAMESRV_ADDR")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let booted = lines.by_ref().map_while(Result::ok).any(|line| line.contains(ready));
        assert!(booted, "{program} did not boot");
        // Read on, so that it never waits for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        Daemon(child)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A name server and a broker on one scratch folder.
struct Cluster {
    namesrv_port: u16,
    broker_port: u16,
    _daemons: [Daemon; 2],
    scratch: Scratch,
}

impl Cluster {
    fn start(name: &str) -> Cluster {
        let scratch = Scratch::new(name);
        let (namesrv_port, broker_port) = (free_port(), free_port());
        let (home, store) = (scratch.path(), scratch.path().join("store"));
        let settings = format!("listenPort={namesrv_port}\n");
        let namesrv = Daemon::start(home, "namesrv", &settings, "boot success");
        let settings = format!(
            "brokerName=broker-a\nbrokerIP1=127.0.0.1\nbrokerIP2=127.0.0.1\n\
             listenPort={broker_port}\nnamesrvAddr=127.0.0.1:{namesrv_port}\n\
             storePathRootDir={store}\nstorePathCommitLog={store}/commitlog\n",
            store = store.display(),
        );
        let broker = Daemon::start(home, "broker", &settings, "boot success");
        Cluster { namesrv_port, broker_port, _daemons: [namesrv, broker], scratch }
    }

    fn broker_address(&self) -> String {
        format!("127.0.0.1:{}", self.broker_port)
    }

    fn namesrv_address(&self) -> String {
        format!("127.0.0.1:{}", self.namesrv_port)
    }
}

struct Printed {
    out: String,
    err: String,
    code: i32,
}

fn mqadmin(cluster: &Cluster, words: &[&str]) -> Printed {
    let output = Command::new(env!("CARGO_BIN_EXE_rocketmq"))
        .arg("mqadmin")
        .args(words)
        .current_dir(cluster.scratch.path())
        .env("HOME", cluster.scratch.path())
        .env("ROCKETMQ_HOME", cluster.scratch.path())
        .env("NAMESRV_ADDR", cluster.namesrv_address())
        .output()
        .unwrap();
    Printed {
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
        code: output.status.code().unwrap(),
    }
}

/// Header lines stay as they are; of others, ids become `ID`, numbers `0` and blanks one blank.
fn normal(text: &str) -> Vec<String> {
    text.lines()
        .map(|line| if line.starts_with('#') { line.to_string() } else { plain(line) })
        .collect()
}

fn plain(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let id = rest.chars().take_while(|c| matches!(c, '0'..='9' | 'A'..='F')).count();
        let digits = rest.chars().take_while(char::is_ascii_digit).count();
        let blanks = rest.chars().take_while(|c| *c == ' ').count();
        let (text, taken) = if id == 32 {
            ("ID".to_string(), 32)
        } else if digits > 0 {
            ("0".to_string(), digits)
        } else if blanks > 0 {
            (" ".to_string(), blanks)
        } else {
            (first.to_string(), first.len_utf8())
        };
        out.push_str(&text);
        rest = &rest[taken..];
    }
    out.trim_end().to_string()
}

/// The recorded scene: twenty messages in four queues, a producer and a consumer that stay, and a
/// group that has consumed and left.
struct Scene {
    producer: Producer,
    consumer: PushConsumer,
}

fn config(cluster: &Cluster, name: &str) -> ClientConfig {
    ClientConfig {
        namesrv_addr: Some(cluster.namesrv_address()),
        client_ip: "192.0.2.2".to_string(),
        instance_name: name.to_string(),
        persist_consumer_offset_interval: Duration::from_millis(100),
        heartbeat_broker_interval: Duration::from_millis(100),
        ..ClientConfig::default()
    }
}

async fn consumer(cluster: &Cluster, group: &str, client: &str) -> PushConsumer {
    let count = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&count);
    let consumer = PushConsumer::builder(group)
        .client_config(config(cluster, client))
        .consume_from(ConsumeFromWhere::FirstOffset)
        .subscribe("LabTopic", "TagA || TagB")
        .on_messages(move |delivery| {
            seen.fetch_add(delivery.messages.len(), Ordering::Relaxed);
            std::future::ready(ConsumeStatus::Success)
        })
        .start()
        .await
        .unwrap();
    until(|| count.load(Ordering::Relaxed) >= 20).await;
    consumer
}

async fn until(mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "the scene is not ready");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn scene(cluster: &Cluster) -> Scene {
    let broker = cluster.broker_address();
    mqadmin(cluster, &["updateTopic", "-b", &broker, "-t", "LabTopic", "-r", "4", "-w", "4"]);
    let producer = Producer::builder("LabProducer")
        .client_config(config(cluster, "lab38b68_2"))
        .start()
        .await
        .unwrap();
    for i in 0..20 {
        let tag = if i % 2 == 0 { "TagA" } else { "TagB" };
        let mut message = Message::new("LabTopic", format!("Hello lab {i}"))
            .with_tags(tag)
            .with_keys(format!("LabKey{i}"));
        message.set("n", i.to_string());
        let queue_id = (i + 2) % 4;
        let (topic, broker_name) = ("LabTopic".to_string(), "broker-a".to_string());
        let queue = MessageQueue { topic, broker_name, queue_id };
        producer.send_to_queue(message, &queue).await.unwrap();
    }
    consumer(cluster, "LabOff", "lab38b68_3").await.shutdown().await;
    let consumer = consumer(cluster, "LabGroup", "lab38b68_4").await;
    until(|| {
        ["LabOff", "LabGroup"].iter().all(|group| {
            let out = mqadmin(cluster, &["consumerProgress", "-g", group]).out;
            out.ends_with("Diff Total: 0\n")
        }) && !mqadmin(cluster, &["producerConnection", "-g", "LabProducer", "-t", "LabTopic"])
            .out
            .is_empty()
    })
    .await;
    Scene { producer, consumer }
}

/// Recorded calls that are made again, in the order of the recording. Those that name the lab's
/// addresses and ids are given ours.
const CALLS: [&str; 66] = [
    "058-missing-option",
    "059-bad-option",
    "060-option-h",
    "061-clusterList",
    "062-clusterList-m",
    "065-updateNamesrvConfig",
    "066-updateKvConfig",
    "067-deleteKvConfig",
    "068-updateOrderConf-put",
    "069-updateOrderConf-get",
    "070-updateOrderConf-delete",
    "071-wipeWritePerm",
    "072-addWritePerm",
    "073-updateTopic-broker",
    "074-updateTopic-cluster",
    "075-updateTopic-order",
    "076-updateTopic-bad",
    "077-updateTopicPerm-broker",
    "078-updateTopicPerm-cluster",
    "081-topicRoute",
    "082-topicRoute-l",
    "083-topicRoute-absent",
    "084-topicStatus",
    "085-topicClusterList",
    "086-allocateMQ",
    "087-deleteTopic",
    "089-statsAll-a",
    "090-statsAll-t",
    "091-updateSubGroup",
    "092-updateSubGroup-b",
    "093-deleteSubGroup",
    "094-getConsumerConfig",
    "095-consumerProgress",
    "096-consumerProgress-g",
    "097-consumerProgress-gs",
    "098-consumerProgress-off",
    "099-consumerProgress-absent",
    "100-consumerStatus",
    "103-consumerConnection",
    "104-consumerConnection-absent",
    "105-producerConnection",
    "106-producerConnection-absent",
    "109-cloneGroupOffset",
    "112-brokerConsumeStats",
    "113-brokerConsumeStats-l",
    "116-updateBrokerConfig",
    "117-updateBrokerConfig-c",
    "118-sendMsgStatus",
    "119-cleanExpiredCQ",
    "120-cleanExpiredCQ-c",
    "121-cleanUnusedTopic",
    "122-sendMessage",
    "123-sendMessage-q",
    "126-queryMsgById-bad",
    "128-queryMsgByKey",
    "129-queryMsgByKey-absent",
    "138-printMsgByQueue",
    "139-consumeMessage",
    "140-consumeMessage-q",
    "143-checkMsgSendRT",
    "144-resetOffsetByTime",
    "145-resetOffsetByTime-off",
    "147-exportMetadata",
    "150-exportConfigs",
    "151-exportMetrics",
    "157-no-namesrv",
];

/// The recorded words, with our addresses and folders in place of the lab's.
fn words(cluster: &Cluster, recorded: &str) -> Vec<String> {
    let words = recorded.split_whitespace().map(|word| match word {
        "127.0.0.1:29871" => cluster.namesrv_address(),
        "127.0.0.1:29811" => cluster.broker_address(),
        folder if folder.starts_with("/data/") => {
            cluster.scratch.path().join("export").display().to_string()
        }
        word => word.to_string(),
    });
    words.collect()
}

/// What scripts look for in a stack trace: the first line and the causes.
fn causes(err: &str) -> Vec<String> {
    let lines =
        err.lines().filter(|line| line.starts_with("org.") || line.starts_with("Caused by"));
    lines.map(plain).collect()
}

fn first_path_only(name: &str, text: &str) -> String {
    // Exports end in the path that was asked for.
    match text.strip_prefix("export ").and_then(|rest| rest.rsplit('/').next()) {
        Some(file) if name.contains("export") => format!("export {file}"),
        _ => text.to_string(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prints_what_java_printed() {
    let cluster = Cluster::start("mqadmin");
    let scene = scene(&cluster).await;
    let recorded = recorded();
    let mut different = Vec::new();
    for name in CALLS {
        let java = recorded.iter().find(|call| call.name == name).expect(name);
        let mut words = words(&cluster, &java.cmd);
        if name == "122-sendMessage" {
            // The queue that Java's producer happened to choose; later commands read the queues.
            words.extend(["-b", "broker-a", "-i", "3"].map(str::to_string));
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let ours = mqadmin(&cluster, &words);
        let (mut mine, mut theirs) =
            (normal(&first_path_only(name, &ours.out)), normal(&first_path_only(name, &java.out)));
        if name == "089-statsAll-a" {
            // Which topics were busy depends on when the broker last took a sample.
            mine.truncate(1);
            theirs.truncate(1);
        }
        let line_end = |text: &str| text.ends_with('\n');
        // Java's tool leaves with 1 for options only; some never end by themselves.
        let code = if java.rc == "1" { 1 } else { 0 };
        let same = mine == theirs
            && line_end(&ours.out) == line_end(&java.out)
            && ours.code == code
            && causes(&ours.err) == causes(&java.err);
        if !same {
            let Printed { out, err, code } = ours;
            different.push(format!(
                "{name} ({}) leaves with {code} and prints\n{out}{err}instead of\n{}{}",
                java.cmd, java.out, java.err
            ));
        }
    }
    scene.consumer.shutdown().await;
    scene.producer.shutdown().await;
    assert!(different.is_empty(), "{}", different.join("\n"));
}

#[tokio::test]
async fn strict_codes_tell_failures_apart() {
    let cluster = Cluster::start("mqadmin-strict");
    let broker = cluster.broker_address();
    for (code, words) in [
        (0, &["clusterList"][..]),
        (1, &["topicRoute"]),
        (1, &["noSuchCommand"]),
        (1, &["updateTopicPerm", "-t", "TBW102", "-p", "6"]),
        (1, &["updateTopic", "-b", &broker, "-t", "T", "-r", "many"]),
        (2, &["updateTopic", "-b", &broker, "-t", "TBW102"]),
        (3, &["brokerStatus", "-b", "127.0.0.1:1"]),
        (3, &["clusterList", "-n", "127.0.0.1:1"]),
        (4, &["topicRoute", "-t", "NoSuchTopic"]),
        (4, &["consumerProgress", "-g", "NoSuchGroup"]),
        (4, &["updateOrderConf", "-t", "NoSuchTopic", "-m", "get"]),
    ] {
        let strict: Vec<&str> = words.iter().chain(&["--strict"]).copied().collect();
        let printed = mqadmin(&cluster, &strict);
        assert_eq!(printed.code, code, "{words:?}: {}{}", printed.out, printed.err);
    }
    let nowhere = mqadmin(&cluster, &["brokerStatus", "-b", "127.0.0.1:1"]);
    assert_eq!(nowhere.code, 0);
    assert!(nowhere.err.contains("\nHint: nothing answers at 127.0.0.1:1"), "{}", nowhere.err);
}

/// As much of a JSON value as the test needs.
#[derive(Deserialize)]
struct ClusterRow {
    #[serde(rename = "brokerName")]
    broker_name: String,
    bid: i64,
    addr: String,
}

#[tokio::test]
async fn lists_are_json_when_asked_for() {
    let cluster = Cluster::start("mqadmin-json");
    let broker = cluster.broker_address();
    let rows: Vec<ClusterRow> =
        fastjson::from_str(mqadmin(&cluster, &["clusterList", "--json"]).out.trim()).unwrap();
    assert_eq!((rows.len(), rows[0].bid), (1, 0));
    assert_eq!((rows[0].broker_name.as_str(), &rows[0].addr), ("broker-a", &broker));
    let config = mqadmin(&cluster, &["getBrokerConfig", "-b", &broker]).out;
    // Java leaves out what is null, and sends what is empty.
    assert!(config.contains("messageStorePlugIn  ") && !config.contains("haMasterAddress"));
    let topic = ["-t", "TBW102"];
    for words in [
        &["topicList"][..],
        &["topicList", "-c"],
        &["topicRoute", topic[0], topic[1]],
        &["topicRoute", "-l", topic[0], topic[1]],
        &["topicStatus", topic[0], topic[1]],
        &["topicClusterList", topic[0], topic[1]],
        &["statsAll"],
        &["clusterList", "-m"],
        &["brokerStatus", "-b", &broker],
        &["brokerStatus", "-c", "DefaultCluster"],
        &["getBrokerConfig", "-b", &broker],
        &["getNamesrvConfig"],
        &["getConsumerConfig", "-g", "TOOLS_CONSUMER"],
        &["consumerProgress"],
        &["brokerConsumeStats", "-b", &broker],
    ] {
        let words: Vec<&str> = words.iter().chain(&["--json", "--strict"]).copied().collect();
        let printed = mqadmin(&cluster, &words);
        assert_eq!(printed.code, 0, "{words:?}: {}", printed.err);
        assert_eq!(printed.out.lines().count(), 1, "{words:?}: {}", printed.out);
        let value: Result<serde_json::Value, _> = serde_json::from_str(&printed.out);
        assert!(value.is_ok_and(|value| value.is_array() || value.is_object()), "{}", printed.out);
    }
}

#[tokio::test]
async fn goes_on_when_nobody_reads() {
    let cluster = Cluster::start("mqadmin-pipe");
    let mut child = Command::new(env!("CARGO_BIN_EXE_rocketmq"))
        .args(["mqadmin", "updateTopic", "-c", "DefaultCluster", "-t", "Unread"])
        .env("HOME", cluster.scratch.path())
        .env("NAMESRV_ADDR", cluster.namesrv_address())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let route = mqadmin(&cluster, &["topicRoute", "-t", "Unread", "--strict"]);
    assert_eq!(route.code, 0, "{}", route.err);
}

/// A finding, as `--json` prints it.
#[derive(Deserialize)]
struct Finding {
    severity: String,
    what: String,
    #[serde(rename = "where")]
    place: String,
}

fn findings(cluster: &Cluster, words: &[&str]) -> (i32, Vec<Finding>) {
    let words: Vec<&str> = ["doctor", "--json"].iter().chain(words).copied().collect();
    let printed = mqadmin(cluster, &words);
    (printed.code, serde_json::from_str(&printed.out).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doctor_finds_what_is_wrong() {
    let cluster = Cluster::start("mqadmin-doctor");
    let is_error = |finding: &&Finding| finding.severity == "error";
    let (code, healthy) = findings(&cluster, &["-t", "TBW102"]);
    assert_eq!(code, 0);
    assert_eq!(healthy.iter().filter(is_error).count(), 0);
    let broker = cluster.broker_address();
    assert!(healthy.iter().any(|f| f.place.contains(&broker) && f.what.starts_with("answers")));

    // Nobody is in the group, nobody creates the topic, and a name server is not there.
    mqadmin(
        &cluster,
        &["updateBrokerConfig", "-b", &broker, "-k", "autoCreateTopicEnable", "-v", "false"],
    );
    let servers = format!("{};127.0.0.1:1", cluster.namesrv_address());
    let (code, ill) =
        findings(&cluster, &["-n", &servers, "-t", "NoSuchTopic", "-g", "NoSuchGroup"]);
    assert_eq!(code, 2);
    let errors: Vec<&Finding> = ill.iter().filter(is_error).collect();
    let has = |place: &str, what: &str| {
        errors.iter().any(|finding| finding.place == place && finding.what.contains(what))
    };
    assert!(has("127.0.0.1:1", "does not answer"));
    assert!(has("topic NoSuchTopic", "no broker creates topics by itself"));
    assert!(has("group NoSuchGroup", "has no connected member"));

    // Read by people, each finding says what to do.
    let text = mqadmin(&cluster, &["doctor", "-t", "NoSuchTopic"]).out;
    assert!(text.contains("do:  mqadmin updateTopic -c CLUSTER -t NoSuchTopic"), "{text}");
    assert!(text.contains("1 errors,"), "{text}");
}
