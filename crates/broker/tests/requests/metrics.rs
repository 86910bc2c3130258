//! `/metrics`, `/healthz` and `/readyz`.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;

use rocketmq_broker::Settings;
use rocketmq_common::clock;
use rocketmq_namesrv::{NameServer, NameServerSettings};
use rocketmq_protocol::RequestCode;
use rocketmq_store::BrokerRole;

use crate::support::{Fixture, message, pull};

/// Status line and body of a GET.
async fn get(address: SocketAddr, path: &'static str) -> (String, String) {
    let asked = move || {
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.lines().next().unwrap().to_string(), body.to_string())
    };
    tokio::task::spawn_blocking(asked).await.unwrap()
}

/// A broker whose probe listens on a free port, and its address.
async fn probed(namesrv: Option<&str>) -> (Fixture, SocketAddr) {
    probed_with(|settings| settings.broker.namesrv_addr = namesrv.map(str::to_string)).await
}

fn free_port() -> i32 {
    i32::from(TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port())
}

/// The same with other settings.
async fn probed_with(change: impl Fn(&mut Settings)) -> (Fixture, SocketAddr) {
    loop {
        let broker = Fixture::with(|settings| {
            settings.probe.metrics_prom_exporter_port = free_port();
            change(settings);
        })
        .await;
        // Somebody may have taken the port meanwhile.
        if let Some(address) = broker.broker.probe() {
            return (broker, address);
        }
    }
}

/// A name server whose probe listens on a free port, and its address.
fn probed_name_server(folder: &Path) -> (NameServer, SocketAddr) {
    loop {
        let listen = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
        let mut start = NameServerSettings { listen, ..NameServerSettings::default() };
        start.namesrv.kv_config_path = folder.join("kvConfig.json").to_string_lossy().into_owned();
        start.probe.metrics_prom_exporter_port = free_port();
        let server = NameServer::start(start).unwrap();
        if let Some(address) = server.probe() {
            return (server, address);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_are_those_of_the_exporter_and_lag_is_told_by_queue() {
    let (broker, address) = probed(None).await;
    broker.create_topic("T", 1).await;
    for _ in 0..3 {
        broker.peer.stored(&message("T", "0")).await;
    }
    broker.peer.pull(&pull("T", "0", "0")).await;
    let fields = [
        ("consumerGroup", "test_consumer"),
        ("topic", "T"),
        ("queueId", "0"),
        ("commitOffset", "1"),
    ];
    broker.peer.ask(RequestCode::UPDATE_CONSUMER_OFFSET, &fields).await;
    broker.context().stats.sample(0, clock::now_ms());
    // TOPIC_NOT_EXIST
    assert_eq!(broker.peer.pull(&pull("Nowhere", "0", "0")).await.code, 17);

    let (status, text) = get(address, "/metrics").await;
    assert_eq!(status, "HTTP/1.1 200 OK");
    let here = r#"cluster="DefaultCluster",broker="broker-a""#;
    for line in [
        format!("rocketmq_producer_offset{{{here},topic=\"T\"}} 3"),
        r#"rocketmq_group_diff{group="test_consumer",topic="T",countOfOnlineConsumers="0",msgModel="1"} 2"#
            .to_string(),
        format!("rocketmq_consumer_offset{{{here},topic=\"T\",group=\"test_consumer\"}} 3"),
        format!("rocketmq_group_lag_messages{{{here},topic=\"T\",group=\"test_consumer\",queue=\"0\"}} 2"),
        format!("rocketmq_broker_refused_total{{{here},cause=\"17\"}} 1"),
        format!("rocketmq_broker_put_latency_seconds_count{{{here}}} 3"),
        format!("rocketmq_broker_connections{{{here},port=\"main\"}} 1"),
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
    }
    let value = |start: &str| -> f64 {
        let line = text.lines().find(|line| line.starts_with(start));
        let line = line.unwrap_or_else(|| panic!("no {start} in\n{text}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    assert!(value("rocketmq_producer_tps{") > 0.0);
    assert!(value("rocketmq_consumer_tps{") > 0.0);
    assert!(value("rocketmq_broker_tps{") > 0.0);
    assert!(value("rocketmq_group_lag_seconds{") >= 0.0);
    assert!(value("rocketmq_brokeruntime_commitlog_maxoffset{") > 0.0);
    assert!(value("rocketmq_brokeruntime_commitlogdir_capacity_total{") > 0.0);
    assert_eq!(value("rocketmq_brokeruntime_msg_put_total_today_now{"), 3.0);
    is_well_formed(&text);
    broker.stop().await;
}

/// Every sample belongs to the family that was announced last, and no family comes twice.
fn is_well_formed(text: &str) {
    let mut family = "";
    let mut seen = BTreeSet::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            family = rest.split(' ').next().unwrap();
            assert!(seen.insert(family), "{family} comes twice");
        } else if !line.starts_with('#') {
            let name = line.split(['{', ' ']).next().unwrap();
            let plain = ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|end| name.strip_suffix(end))
                .unwrap_or(name);
            assert!(name == family || plain == family, "{line} below {family}");
        }
    }
}

/// The metrics that a text names; those of a histogram without their endings.
fn named(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'));
    // One that ends so stands for many, as in rocketmq_brokeruntime_*.
    let names = words.filter(|word| word.starts_with("rocketmq_") && !word.ends_with('_'));
    names.map(|name| name.strip_suffix("_bucket").unwrap_or(name)).collect()
}

/// The families that a page of metrics announces.
fn families(page: &str) -> BTreeSet<&str> {
    let types = page.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types.map(|line| line.split(' ').next().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn board_alerts_and_documentation_name_the_metrics_that_there_are() {
    let (master, address) = probed(None).await;
    let (_, mut pages) = get(address, "/metrics").await;
    let (slave, address) = probed_with(|settings| {
        settings.broker.broker_id = 1;
        settings.store.broker_role = BrokerRole::Slave;
    })
    .await;
    pages += &get(address, "/metrics").await.1;
    let folder = tempfile::tempdir().unwrap();
    let (namesrv, address) = probed_name_server(folder.path());
    pages += &get(address, "/metrics").await.1;
    let there_are = families(&pages);

    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let read = |name: &str| std::fs::read_to_string(repository.join(name)).unwrap();
    for file in
        ["distribution/grafana/rocketmq.json", "distribution/prometheus/rocketmq-alerts.yml"]
    {
        let text = read(file);
        let strange: Vec<_> = named(&text).difference(&there_are).copied().collect();
        assert!(named(&text).len() > 5 && strange.is_empty(), "{file}: {strange:?}");
    }
    let text = read("docs/operations.md");
    let (_, section) = text.split_once("\n## Monitoring\n").unwrap();
    let documented = named(section.split("\n## ").next().unwrap());
    let one_by_one: BTreeSet<_> = there_are
        .iter()
        .filter(|name| !name.starts_with("rocketmq_brokeruntime_"))
        .copied()
        .collect();
    assert_eq!(documented, one_by_one);
    namesrv.shutdown();
    slave.stop().await;
    master.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_is_ready_when_a_name_server_knows_it() {
    let (alone, address) = probed(None).await;
    assert_eq!(get(address, "/healthz").await, ("HTTP/1.1 200 OK".to_string(), "ok\n".to_string()));
    let (status, why) = get(address, "/readyz").await;
    assert_eq!(status, "HTTP/1.1 503 Service Unavailable");
    assert_eq!(why, "no name server knows this broker; set namesrvAddr\n");
    assert!(get(address, "/else").await.0.contains("404"));
    alone.stop().await;

    // Nobody listens there.
    let (lost, address) = probed(Some("127.0.0.1:1")).await;
    let (status, why) = get(address, "/readyz").await;
    assert_eq!(status, "HTTP/1.1 503 Service Unavailable");
    assert!(why.starts_with("not registered with 127.0.0.1:1;"), "{why}");
    lost.stop().await;

    let folder = tempfile::tempdir().unwrap();
    let namesrv = crate::registration::name_server(folder.path());
    let server = format!("127.0.0.1:{}", namesrv.local().port());
    let (known, address) = probed(Some(&server)).await;
    assert_eq!(get(address, "/readyz").await.1, "ok\n");
    known.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_of_metrics_leaves_the_broker_alone() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = i32::from(taken.local_addr().unwrap().port());
    let broker = Fixture::with(|settings| settings.probe.metrics_prom_exporter_port = port).await;
    assert_eq!(broker.broker.probe(), None);
    broker.peer.stored(&message("T", "0")).await;
    broker.stop().await;
}
