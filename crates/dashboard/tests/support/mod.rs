//! A cluster in this process with a dashboard before it, and the little HTTP that tests need.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

pub(crate) mod clients;
pub(crate) mod shape;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use rocketmq_broker::{Broker, BrokerSettings};
use rocketmq_client::admin::AdminClient;
use rocketmq_client::{ClientConfig, Credentials};
use rocketmq_dashboard::{Dashboard, DashboardConfig};
use rocketmq_namesrv::{NameServer, NameServerSettings};
use rocketmq_standalone::Standalone;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// How long a condition may take to come true.
const PATIENCE: Duration = Duration::from_secs(30);

/// A name server and a broker, the latter with access control or without.
pub(crate) enum Cluster {
    Open(Standalone),
    Guarded(NameServer, Box<Broker>),
}

impl Cluster {
    /// A broker that checks accounts by these rules.
    async fn guarded(folder: &Path, rules: &str) -> Cluster {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let path = |name: &str| folder.join(name).to_string_lossy().into_owned();
        let mut start = NameServerSettings { listen: Some(any), ..NameServerSettings::default() };
        start.namesrv.kv_config_path = path("kvConfig.json");
        start.namesrv.config_store_path = path("namesrv.properties");
        let namesrv = NameServer::start(start).unwrap();
        std::fs::create_dir_all(folder).unwrap();
        let acl_file = folder.join("plain_acl.yml");
        std::fs::write(&acl_file, rules).unwrap();
        let mut settings = rocketmq_broker::cli::default_settings();
        settings.broker.broker_ip1 = "127.0.0.1".to_string();
        settings.broker.broker_ip2 = "127.0.0.1".to_string();
        settings.broker.broker_name = "broker-a".to_string();
        settings.broker.acl_enable = true;
        settings.broker.namesrv_addr = Some(format!("127.0.0.1:{}", namesrv.local().port()));
        settings.store.mapped_file_size_commit_log = 16 << 20;
        settings.store.mapped_file_size_consume_queue = 600_000;
        (settings.store.max_hash_slot_num, settings.store.max_index_num) = (50_000, 200_000);
        settings.store.store_path_root_dir = path("store");
        settings.store.store_path_commit_log = path("store/commitlog");
        settings.file = Some(folder.join("broker.properties"));
        let start = BrokerSettings {
            settings,
            listen: Some(any),
            acl_file: Some(acl_file),
            ..BrokerSettings::default()
        };
        Cluster::Guarded(namesrv, Box::new(Broker::start(start).await.unwrap()))
    }

    pub(crate) fn namesrv_addr(&self) -> String {
        match self {
            Cluster::Open(both) => both.namesrv_addr(),
            Cluster::Guarded(namesrv, _) => format!("127.0.0.1:{}", namesrv.local().port()),
        }
    }

    fn broker_addr(&self) -> String {
        match self {
            Cluster::Open(both) => both.broker_addr(),
            Cluster::Guarded(_, broker) => broker.local().unwrap().to_string(),
        }
    }

    async fn shutdown(self) {
        match self {
            Cluster::Open(both) => both.shutdown().await,
            Cluster::Guarded(namesrv, broker) => {
                broker.shutdown().await;
                namesrv.shutdown();
            }
        }
    }
}

pub(crate) struct Scene {
    pub(crate) cluster: Cluster,
    pub(crate) dashboard: Dashboard,
    pub(crate) admin: AdminClient,
    folder: tempfile::TempDir,
}

impl Scene {
    /// A name server, a broker and a dashboard on free ports; `words` are keys of the dashboard.
    pub(crate) async fn start(words: &[(&str, &str)]) -> Scene {
        let folder = tempfile::tempdir().unwrap();
        let cluster = Standalone::on_free_ports(&folder.path().join("cluster")).await.unwrap();
        Scene::before(folder, Cluster::Open(cluster), words, None).await
    }

    /// The same with a broker that checks accounts; the account is an administrator's.
    pub(crate) async fn guarded(rules: &str, (access, secret): (&str, &str)) -> Scene {
        let folder = tempfile::tempdir().unwrap();
        let cluster = Cluster::guarded(&folder.path().join("cluster"), rules).await;
        let words = [("rocketmq.config.accessKey", access), ("rocketmq.config.secretKey", secret)];
        Scene::before(folder, cluster, &words, Some(Credentials::new(access, secret))).await
    }

    async fn before(
        folder: tempfile::TempDir,
        cluster: Cluster,
        words: &[(&str, &str)],
        credentials: Option<Credentials>,
    ) -> Scene {
        let mut config = DashboardConfig {
            address: "127.0.0.1".to_string(),
            port: 0,
            namesrv_addr: Some(cluster.namesrv_addr()),
            data_path: folder.path().join("data").to_string_lossy().into_owned(),
            login_required: Some("false".to_string()),
            is_vip_channel: Some("false".to_string()),
            ..DashboardConfig::default()
        };
        for (key, value) in words {
            assert!(config.set(key, value).unwrap(), "{key}");
        }
        let dashboard = Dashboard::start(config, Vec::new()).await.unwrap();
        let namesrv_addr = Some(cluster.namesrv_addr());
        let admin = ClientConfig { namesrv_addr, credentials, ..ClientConfig::default() };
        let admin = AdminClient::with_config(admin).unwrap();
        Scene { cluster, dashboard, admin, folder }
    }

    pub(crate) fn data(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join("data").join(name)
    }

    pub(crate) fn broker(&self) -> String {
        self.cluster.broker_addr()
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Reply {
        let mut stream = TcpStream::connect(self.dashboard.local()).await.unwrap();
        let mut text = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {}\r\n",
            self.dashboard.local(),
            body.len()
        );
        for (name, value) in headers {
            text += &format!("{name}: {value}\r\n");
        }
        stream.write_all(format!("{text}\r\n{body}").as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        Reply::parse(&answer)
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[], "").await
    }

    /// A JSON body.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Reply {
        self.send("POST", path, &[("Content-Type", "application/json")], &body.to_string()).await
    }

    /// The data of an envelope that says all went well.
    pub(crate) async fn data_of(&self, path: &str) -> Value {
        let reply = self.get(path).await;
        assert_eq!(
            (reply.status, &reply.json()["status"]),
            (200, &Value::from(0)),
            "{path}: {}",
            reply.body
        );
        reply.json()["data"].clone()
    }

    /// Asks until the answer is as it should be.
    pub(crate) async fn until(&self, path: &str, is_right: impl Fn(&Value) -> bool) -> Value {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let reply = self.get(path).await;
            if reply.status == 200 && is_right(&reply.json()) {
                return reply.json();
            }
            assert!(tokio::time::Instant::now() < deadline, "{path}: {}", reply.body);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    pub(crate) async fn stop(self) {
        self.dashboard.shutdown().await;
        self.admin.shutdown().await;
        self.cluster.shutdown().await;
    }
}

/// A port that leads to a server, and can be closed and opened again: as if the server went and came back.
pub(crate) struct Gate {
    addr: SocketAddr,
    server: String,
    task: JoinHandle<()>,
}

impl Gate {
    pub(crate) async fn open(server: &str) -> Gate {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let task = tokio::spawn(pass(listener, server.to_string()));
        Gate { addr, server: server.to_string(), task }
    }

    pub(crate) fn addr(&self) -> String {
        self.addr.to_string()
    }

    /// Ends the port and every connection through it.
    pub(crate) async fn close(&mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }

    pub(crate) async fn reopen(&mut self) {
        let listener = TcpListener::bind(self.addr).await.unwrap();
        self.task = tokio::spawn(pass(listener, self.server.clone()));
    }
}

async fn pass(listener: TcpListener, server: String) {
    let mut all = tokio::task::JoinSet::new();
    while let Ok((mut client, _)) = listener.accept().await {
        let mut server = TcpStream::connect(&server).await.unwrap();
        all.spawn(async move { tokio::io::copy_bidirectional(&mut client, &mut server).await });
    }
}

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, Vec<String>>,
    pub(crate) body: String,
}

impl Reply {
    fn parse(bytes: &[u8]) -> Reply {
        let at = bytes.windows(4).position(|part| part == b"\r\n\r\n").expect("a head");
        let head = String::from_utf8_lossy(&bytes[..at]).into_owned();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let mut headers: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for line in lines {
            let (name, value) = line.split_once(':').unwrap();
            headers.entry(name.to_lowercase()).or_default().push(value.trim().to_string());
        }
        Reply { status, headers, body: String::from_utf8_lossy(&bytes[at + 4..]).into_owned() }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or(Value::Null)
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |values| values[0].as_str())
    }

    /// The value of a cookie that is set.
    pub(crate) fn cookie(&self, name: &str) -> String {
        let lines = self.headers.get("set-cookie").cloned().unwrap_or_default();
        let start = format!("{name}=");
        let line = lines.iter().find(|line| line.starts_with(&start)).expect("the cookie");
        line[start.len()..].split(';').next().unwrap().to_string()
    }
}
