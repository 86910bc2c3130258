//! Measures what a dashboard costs with many topics and groups:
//! `cargo run --release -p rocketmq-dashboard --example watch_bench [TOPICS] [SECONDS]`.
//!
//! Name server and broker run in one process, the dashboard in another. Every topic has a message and a group
//! with progress. Prints how long lists take to answer, and for a page that asks again every five seconds the CPU
//! time of both processes as a share of a core, beside that of the cluster when nobody looks.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement that ends when it fails"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rocketmq_client::MessageQueue;
use rocketmq_client::admin::AdminClient;
use rocketmq_client::{Message, Producer};
use rocketmq_dashboard::{Dashboard, DashboardConfig};
use rocketmq_protocol::body::{SubscriptionGroupConfig, TopicConfig};
use rocketmq_standalone::Standalone;

/// Topics, and groups, when not said otherwise.
const MANY: usize = 1000;
/// How long is watched when not said otherwise.
const SECONDS: u64 = 60;
/// Answers that are timed, of each list.
const ANSWERS: usize = 200;
/// What the page asks for again.
const PAGE: [&str; 4] = ["api/v1/overview", "api/v1/problems", "api/v1/topics", "api/v1/groups"];
/// How often it does.
const AGAIN: Duration = Duration::from_secs(5);
const LISTS: [&str; 5] = [
    "api/v1/topics",
    "api/v1/groups",
    "api/v1/problems",
    "consumer/groupList.query",
    "topic/list.query",
];

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["cluster", folder] => runtime.block_on(cluster(folder)),
        ["dashboard", servers, folder] => runtime.block_on(dashboard(servers, folder)),
        _ => {
            let word = |at: usize| words.get(at).map(|word| word.parse().unwrap());
            let many = word(0).map_or(MANY, |many: u64| many as usize);
            measure(&runtime, many, word(1).unwrap_or(SECONDS));
        }
    }
}

async fn cluster(folder: &str) {
    let both = Standalone::on_free_ports(folder.as_ref()).await.unwrap();
    println!("{} {}", both.namesrv_addr(), both.broker_addr());
    until_told_to_end().await;
    both.shutdown().await;
}

async fn dashboard(servers: &str, folder: &str) {
    let config = DashboardConfig {
        address: "127.0.0.1".to_string(),
        port: 0,
        namesrv_addr: Some(servers.to_string()),
        data_path: folder.to_string(),
        login_required: Some("false".to_string()),
        is_vip_channel: Some("false".to_string()),
        ..DashboardConfig::default()
    };
    let dashboard = Dashboard::start(config, Vec::new()).await.unwrap();
    println!("{}", dashboard.local());
    until_told_to_end().await;
    dashboard.shutdown().await;
}

/// The measuring process keeps the other end: when it ends, so do we.
async fn until_told_to_end() {
    let wait = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    let _ = wait.await;
}

/// One of the two processes, and the line with which it said that it runs.
struct Process {
    child: Child,
    said: String,
}

impl Process {
    fn start(words: &[&str]) -> Process {
        let program = std::env::current_exe().unwrap();
        let (stdin, stdout) = (Stdio::piped(), Stdio::piped());
        let mut child =
            Command::new(program).args(words).stdin(stdin).stdout(stdout).spawn().unwrap();
        let mut said = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
        Process { child, said: said.trim().to_string() }
    }

    /// CPU time so far; the kernel counts in hundredths of a second.
    fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let after_name = stat.rsplit(") ").next().unwrap();
        let ticks = after_name.split(' ').skip(11).take(2).map(|one| one.parse::<u64>().unwrap());
        Duration::from_millis(ticks.sum::<u64>() * 10)
    }

    fn anonymous_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("RssAnon:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    fn end(mut self) {
        drop(self.child.stdin.take());
        self.child.wait().unwrap();
    }
}

fn get(addr: &str, path: &str) -> usize {
    let mut stream = TcpStream::connect(addr).unwrap();
    write!(stream, "GET /{path} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{path}");
    answer.len()
}

async fn fill(servers: &str, broker: &str, many: usize) {
    let admin = AdminClient::connect(Some(servers)).unwrap();
    let producer = Producer::builder("makers").namesrv_addr(servers).start().await.unwrap();
    for at in 0..many {
        let (topic, group) = (format!("topic-{at}"), format!("group-{at}"));
        let config = TopicConfig {
            topic_name: topic.clone(),
            read_queue_nums: 4,
            write_queue_nums: 4,
            ..TopicConfig::default()
        };
        admin.create_topic(broker, &config).await.unwrap();
        let config = SubscriptionGroupConfig {
            group_name: group.clone(),
            ..SubscriptionGroupConfig::default()
        };
        admin.create_subscription_group(broker, &config).await.unwrap();
        let sent = producer.send(Message::new(topic.clone(), "one")).await.unwrap();
        for queue_id in 0..4 {
            let broker_name = sent.message_queue.broker_name.clone();
            let queue = MessageQueue { topic: topic.clone(), broker_name, queue_id };
            admin.update_consumer_offset(broker, &group, &queue, 0).await.unwrap();
        }
    }
    producer.shutdown().await;
    admin.shutdown().await;
}

fn measure(runtime: &tokio::runtime::Runtime, many: usize, seconds: u64) {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let cluster = Process::start(&["cluster", &path("cluster")]);
    let (servers, broker) = cluster.said.split_once(' ').unwrap();
    runtime.block_on(fill(servers, broker, many));
    let started = Instant::now();
    let dashboard = Process::start(&["dashboard", servers, &path("dashboard")]);
    get(&dashboard.said, "api/v1/session");
    println!("{many} topics, {many} groups");
    println!("start to first answer: {:.0} ms", started.elapsed().as_secs_f64() * 1000.0);
    get(&dashboard.said, LISTS[0]);
    for list in LISTS {
        let mut times: Vec<f64> = Vec::new();
        let mut bytes = 0;
        for _ in 0..ANSWERS {
            let begun = Instant::now();
            bytes = get(&dashboard.said, list);
            times.push(begun.elapsed().as_secs_f64() * 1000.0);
        }
        times.sort_by(f64::total_cmp);
        println!(
            "{list}: median {:.1} ms, 99 % {:.1} ms, longest {:.1} ms, {} KiB",
            times[ANSWERS / 2],
            times[ANSWERS * 99 / 100],
            times[ANSWERS - 1],
            bytes / 1024
        );
    }
    let share = |name: &str, spent: Duration, took: Duration| {
        let percent = spent.as_secs_f64() / took.as_secs_f64() * 100.0;
        println!("{name}: {percent:.2} % of a core over {} s", took.as_secs());
    };
    let (begun, before, own) = (Instant::now(), cluster.cpu(), dashboard.cpu());
    while begun.elapsed() < Duration::from_secs(seconds) {
        for path in PAGE {
            get(&dashboard.said, path);
        }
        std::thread::sleep(AGAIN);
    }
    share("name server and broker, watched", cluster.cpu() - before, begun.elapsed());
    share("dashboard, watched", dashboard.cpu() - own, begun.elapsed());
    println!("dashboard: {:.1} MiB anonymous", dashboard.anonymous_kib() as f64 / 1024.0);
    dashboard.end();
    let (begun, before) = (Instant::now(), cluster.cpu());
    std::thread::sleep(Duration::from_secs(seconds));
    share("name server and broker, alone", cluster.cpu() - before, begun.elapsed());
    cluster.end();
}
