//! A cluster in this process with a dashboard before it, and the little HTTP that tests need.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::time::Duration;

use rocketmq_client::admin::AdminClient;
use rocketmq_dashboard::{Dashboard, DashboardConfig};
use rocketmq_standalone::Standalone;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long a condition may take to come true.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Scene {
    pub(crate) cluster: Standalone,
    pub(crate) dashboard: Dashboard,
    pub(crate) admin: AdminClient,
    folder: tempfile::TempDir,
}

impl Scene {
    /// A name server, a broker and a dashboard on free ports; `words` are keys of the dashboard.
    pub(crate) async fn start(words: &[(&str, &str)]) -> Scene {
        let folder = tempfile::tempdir().unwrap();
        let cluster = Standalone::on_free_ports(&folder.path().join("cluster")).await.unwrap();
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
        let admin = AdminClient::connect(Some(&cluster.namesrv_addr())).unwrap();
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
