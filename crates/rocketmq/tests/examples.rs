//! The example programs as their users run them, each as a process, against a name server and a
//! broker of the shipped program.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test fails by panicking

use std::process::Command;

use rocketmq_testbed::Scratch;
use rocketmq_testbed::cluster::ANY_DISK;
use rocketmq_testbed::daemon::{Daemon, free_port};

/// Name server, broker and the folder that is HOME of all.
struct Place {
    namesrv: u16,
    _daemons: Vec<Daemon>,
    scratch: Scratch,
}

impl Place {
    fn new(name: &str) -> Place {
        let scratch = Scratch::new(name);
        let (namesrv, broker) = (free_port(), free_port());
        let store = scratch.path().join("store");
        let mut place = Place { namesrv, _daemons: Vec::new(), scratch };
        let settings = format!("listenPort={namesrv}\nmetricsPromExporterPort=0\n");
        place.boot("namesrv", &settings);
        // Delays and checks of transactions that a test can wait for.
        let settings = format!(
            "brokerName=broker-a\nbrokerIP1=127.0.0.1\nbrokerIP2=127.0.0.1\nlistenPort={broker}\n\
             namesrvAddr=127.0.0.1:{namesrv}\nmetricsPromExporterPort=0\n\
             storePathRootDir={store}\nstorePathCommitLog={store}/commitlog\n\
             mappedFileSizeCommitLog=16777216\nmappedFileSizeConsumeQueue=600000\n\
             maxHashSlotNum=50000\nmaxIndexNum=200000\nmessageDelayLevel=1s 1s 2s\n\
             transactionCheckInterval=500\ntransactionTimeOut=500\nenablePropertyFilter=true\n\
             traceTopicEnable=true\n",
            store = store.display(),
        );
        place.boot("broker", &settings);
        place
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rocketmq"));
        command
            .args(words)
            .current_dir(self.scratch.path())
            .env("HOME", self.scratch.path())
            .env("ROCKETMQ_HOME", self.scratch.path())
            .env("JAVA_OPT", ANY_DISK)
            .env_remove("JAVA_OPT_EXT")
            .env("NAMESRV_ADDR", format!("127.0.0.1:{}", self.namesrv));
        command
    }

    fn boot(&mut self, program: &str, settings: &str) {
        let file = self.scratch.path().join(format!("{program}.conf"));
        std::fs::write(&file, settings).unwrap();
        let mut daemon = Daemon::start(self.command(&[program, "-c", &file.to_string_lossy()]));
        daemon.wait_for_line("boot success");
        self._daemons.push(daemon);
    }

    fn mqadmin(&self, words: &[&str]) -> String {
        let output = self.command(&[&["mqadmin"], words].concat()).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    /// Creates a topic: a consumer that is started before it exists learns of it after half a
    /// minute only.
    fn create_topic(&self, topic: &str) {
        let made = self.mqadmin(&["updateTopic", "-c", "DefaultCluster", "-t", topic]);
        assert!(made.contains("success"), "{made}");
    }

    /// Starts an example by its class name.
    fn start(&self, class: &str) -> Daemon {
        Daemon::start(self.command(&[&format!("org.apache.rocketmq.example.{class}")]))
    }

    /// Starts a consumer, and waits until it says so.
    fn started(&self, class: &str) -> Daemon {
        let mut consumer = self.start(class);
        consumer.wait_for_line("Consumer Started.");
        consumer
    }

    /// Runs an example to its end; returns its lines that contain the text.
    fn run(&self, class: &str, wanted: &str) -> Vec<String> {
        let mut example = self.start(class);
        let printed = example.output_until_end();
        assert_eq!(example.wait(), 0, "{class} failed:\n{printed}");
        printed.lines().filter(|line| line.contains(wanted)).map(str::to_string).collect()
    }
}

/// The next lines with the text, as many as said.
fn lines(example: &mut Daemon, wanted: &str, count: usize) -> Vec<String> {
    (0..count).map(|_| example.wait_for_line(wanted)).collect()
}

/// A consumer stops when asked to.
fn stop(mut example: Daemon) {
    assert_eq!(example.terminate(), 0);
}

/// The value that stands behind a name in a printed message.
fn value<'a>(line: &'a str, name: &str) -> &'a str {
    let begin = line.find(&format!("{name}=")).unwrap_or_else(|| panic!("no {name} in {line}"));
    let rest = &line[begin + name.len() + 1..];
    &rest[..rest.find([',', '}', ']']).unwrap_or(rest.len())]
}

const SENT: &str = "SendResult [sendStatus=SEND_OK, msgId=";
const RECEIVED: &str = "Receive New Messages: [MessageExt [";

#[test]
fn simple() {
    let place = Place::new("example-simple");
    assert_eq!(place.run("simple.Producer", SENT).len(), 128);
    let mut acl = place.start("simple.AclClient");
    lines(&mut acl, SENT, 128);
    lines(&mut acl, RECEIVED, 256);
    stop(acl);

    let mut pushed = place.started("simple.PushConsumer");
    lines(&mut pushed, RECEIVED, 256);
    let mut broadcast = place.started("broadcast.PushConsumer");
    lines(&mut broadcast, RECEIVED, 256);
    let mut lite = place.start("simple.LitePullConsumerSubscribe");
    let mut polled = 0;
    while polled < 256 {
        polled += lite.wait_for_line("[MessageExt [").matches("MessageExt [").count();
    }
    let mut assigned = place.start("simple.LitePullConsumerAssign");
    assigned.wait_for_line("[MessageExt [");
    // Of the same group as AclClient: goes on behind it.
    let mut pulled = place.start("simple.PullConsumer");
    lines(&mut pulled, "Consume from the queue: MessageQueue [topic=TopicTest", 4);

    place.run("simple.OnewayProducer", "");
    lines(&mut pushed, RECEIVED, 100);
    lines(&mut broadcast, RECEIVED, 100);
    lines(&mut pulled, "PullResult [pullStatus=FOUND, nextBeginOffset=", 4);
    assert_eq!(place.run("simple.AsyncProducer", " OK ").len(), 100);
    for consumer in [pushed, broadcast, pulled, lite, assigned] {
        stop(consumer);
    }
}

#[test]
fn ordermessage() {
    let place = Place::new("example-order");
    assert_eq!(place.run("ordermessage.Producer", SENT).len(), 100);
    let mut consumer = place.started("ordermessage.Consumer");
    let mut last = std::collections::BTreeMap::new();
    // Of five tags it wants three.
    for line in lines(&mut consumer, RECEIVED, 60) {
        let key: i32 = value(&line, "KEYS").strip_prefix("KEY").unwrap().parse().unwrap();
        let before = last.insert(key % 10, key);
        assert!(before.is_none_or(|before| before < key), "{key} after {before:?}");
    }
    stop(consumer);
}

#[test]
fn schedule() {
    let place = Place::new("example-schedule");
    place.create_topic("TestTopic");
    let mut consumer = place.started("schedule.ScheduledMessageConsumer");
    assert_eq!(place.run("schedule.ScheduledMessageProducer", SENT).len(), 100);
    for line in lines(&mut consumer, "Receive message[msgId=", 100) {
        let later = line.split("] ").nth(1).and_then(|text| text.strip_suffix("ms later"));
        assert!(later.unwrap().parse::<u32>().unwrap() >= 2000, "{line}");
    }
    stop(consumer);
}

#[test]
fn batch() {
    let place = Place::new("example-batch");
    let sent = place.run("batch.SimpleBatchProducer", SENT);
    let ids = sent[0][SENT.len()..].split(", ").next().unwrap();
    assert_eq!(ids.split(',').count(), 3, "{ids}");
    let sent = place.run("batch.SplitBatchProducer", " messages: SEND_OK MessageQueue [");
    let counts = sent.iter().map(|line| line.split(' ').next().unwrap().parse::<usize>().unwrap());
    assert_eq!(counts.sum::<usize>(), 100_000);
}

#[test]
fn filter() {
    let place = Place::new("example-filter");
    place.create_topic("TagFilterTest");
    let mut consumer = place.started("filter.TagFilterConsumer");
    assert_eq!(place.run("filter.TagFilterProducer", SENT).len(), 60);
    let tags: Vec<_> = lines(&mut consumer, RECEIVED, 40);
    assert!(tags.iter().all(|line| value(line, "TAGS") != "TagB"), "{tags:?}");
    stop(consumer);

    place.create_topic("SqlFilterTest");
    let mut consumer = place.started("filter.SqlFilterConsumer");
    assert_eq!(place.run("filter.SqlFilterProducer", SENT).len(), 10);
    let mut wanted: Vec<_> = lines(&mut consumer, RECEIVED, 3)
        .iter()
        .map(|line| (value(line, "a").to_string(), value(line, "TAGS").to_string()))
        .collect();
    wanted.sort();
    let pair = |a: &str, tag: &str| (a.to_string(), tag.to_string());
    assert_eq!(wanted, [pair("0", "TagA"), pair("1", "TagB"), pair("3", "TagA")]);
    stop(consumer);
}

#[test]
fn transaction() {
    let place = Place::new("example-transaction");
    let mut producer = place.start("transaction.TransactionProducer");
    let sent = lines(&mut producer, SENT, 10);
    let begun = |index: usize| value(&sent[index], "msgId").to_string();
    // The committed ones, and no other, get into the topic's queues.
    let committed = ["KEY1", "KEY4", "KEY7"];
    let wanted: std::collections::BTreeSet<_> = [1, 4, 7].into_iter().map(begun).collect();
    let found = || {
        let queried: String = committed
            .iter()
            .map(|key| place.mqadmin(&["queryMsgByKey", "-t", "TopicTest1234", "-k", key]))
            .collect();
        wanted.iter().all(|id| queried.contains(id.as_str()))
    };
    rocketmq_testbed::wait_until("three transactions are committed", found);
    stop(producer);
    let status = place.mqadmin(&["topicStatus", "-t", "TopicTest1234"]);
    let rows = status.lines().filter(|line| line.starts_with("broker-a"));
    let stored: u32 =
        rows.map(|row| row.split_whitespace().nth(3).unwrap().parse::<u32>().unwrap()).sum();
    assert_eq!(stored, 3, "{status}");
}

#[test]
fn tracemessage() {
    let place = Place::new("example-trace");
    let sent = place.run("tracemessage.TraceProducer", SENT);
    assert_eq!(sent.len(), 128);
    let id = value(&sent[0], "msgId");
    let mut consumer = place.started("tracemessage.TracePushConsumer");
    lines(&mut consumer, RECEIVED, 128);
    stop(consumer);
    rocketmq_testbed::wait_until("the trace is found", || {
        let trace = place.mqadmin(&["queryMsgTraceById", "-i", id]);
        trace.contains("ProducerGroupName") && trace.contains("CID_JODIE_1")
    });
}

#[test]
fn a_message_that_mqadmin_sends_is_traced_if_wanted() {
    let place = Place::new("example-mqadmin-trace");
    place.create_topic("Traced");
    let sent = place.mqadmin(&["sendMessage", "-t", "Traced", "-p", "hello", "-m", "true"]);
    let row = sent.lines().find(|line| line.contains("SEND_OK"));
    let id = row.and_then(|row| row.split_whitespace().last()).unwrap_or_else(|| panic!("{sent}"));
    rocketmq_testbed::wait_until("the trace is found", || {
        let trace = place.mqadmin(&["queryMsgTraceById", "-i", id]);
        trace.lines().any(|line| line.starts_with("Pub") && line.contains("success"))
    });
}

#[test]
fn benchmark_transactions() {
    let place = Place::new("example-benchmark-transactions");
    place.create_topic("Paid");
    let class = "org.apache.rocketmq.example.benchmark.TransactionProducer";
    // The broker has to ask for half of them, and is told at the second question at the latest
    // what nearly all of those came to.
    let options = ["-t", "Paid", "-w", "2", "-s", "100", "-i", "20", "-su", "0.5", "-cu", "0.1"];
    let mut producer = Daemon::start(place.command(&[&[class], &options[..]].concat()));
    let line = producer.wait_for_line("Current Time: ");
    let figure = |name: &str| -> u64 {
        let rest = line.split(name).nth(1).unwrap_or_else(|| panic!("no {name} in {line}"));
        rest.split_whitespace().next().unwrap().parse().unwrap()
    };
    assert!(figure("Send TPS:") > 0 && figure(" check:") > 0, "{line}");
    assert_eq!(figure("Send Failed:"), 0, "{line}");
    // A question may be under way when what it asks for arrives, so a few may be unexpected.
    assert!(figure("unexpectedCheck:") < figure(" check:") / 2, "{line}");
    stop(producer);
}

#[test]
fn rpc() {
    let place = Place::new("example-rpc");
    place.create_topic("RequestTopic");
    let mut consumer = place.started("rpc.ResponseConsumer");
    let reply = "request to <RequestTopic> cost: ";
    assert_eq!(place.run("rpc.RequestProducer", reply).len(), 1);
    assert_eq!(place.run("rpc.AsyncRequestProducer", reply).len(), 1);
    lines(&mut consumer, RECEIVED, 2);
    stop(consumer);
}

#[test]
fn namespace() {
    let place = Place::new("example-namespace");
    let sent =
        place.run("namespace.ProducerWithNamespace", "Topic:topicTest send success, misId is:");
    assert_eq!(sent.len(), 100);
    let mut consumer = place.start("namespace.PushConsumerWithNamespace");
    lines(&mut consumer, "Msg topic is:topicTest, MsgId is:", 100);
    stop(consumer);
    let topics = place.mqadmin(&["topicList"]);
    assert!(topics.contains("InstanceTest%topicTest"), "{topics}");
}

#[test]
fn examples_need_a_name_server() {
    let scratch = Scratch::new("example-nowhere");
    let output = Command::new(env!("CARGO_BIN_EXE_rocketmq"))
        .args(["simple", "Producer"])
        .env("HOME", scratch.path())
        .env_remove("NAMESRV_ADDR")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.starts_with("No name server address, please set it."), "{text}");
}
