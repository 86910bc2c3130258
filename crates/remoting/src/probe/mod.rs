//! What monitoring asks of a process over HTTP: `/metrics` (Prometheus text), `/healthz` and
//! `/readyz`, on a port of its own. Nothing is computed until it is asked for.

mod text;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rocketmq_common::config_table;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

pub use text::{Exposition, Kind};

use crate::LOGGER;

/// The broker's port, and the name server's.
pub const BROKER_PORT: i32 = 5557;
/// See [`BROKER_PORT`].
pub const NAMESRV_PORT: i32 = 5558;

/// A request has to be sent and its answer taken within this time.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest request line and headers, bytes.
const REQUEST_BYTES_MAX: usize = 8 * 1024;
/// Requests served at a time; more wait.
const REQUESTS_MAX: usize = 4;

config_table! {
    /// Where a process answers monitoring; the keys of RocketMQ 5.
    pub struct ProbeConfig {
        /// Address that `/metrics`, `/healthz` and `/readyz` listen on.
        metrics_prom_exporter_host: String = "metricsPromExporterHost", "127.0.0.1";
        /// Their port; 0: none.
        metrics_prom_exporter_port: i32 = "metricsPromExporterPort", 0, shown("broker 5557, name server 5558");
    }
}

impl ProbeConfig {
    /// Whether the address is one.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), String> {
        let (host, port) = (&self.metrics_prom_exporter_host, self.metrics_prom_exporter_port);
        let address = address(host, port).map(drop);
        address.map_err(|error| {
            format!("metricsPromExporterHost={host} metricsPromExporterPort={port}: {error}")
        })
    }
}

/// What is asked.
pub trait Probed: Send + Sync + 'static {
    /// The text of `/metrics`; may read files.
    fn metrics(&self) -> String;

    /// Whether the process works.
    ///
    /// # Errors
    /// Why it does not: it should be started anew.
    fn health(&self) -> Result<(), String>;

    /// Whether clients can be sent here.
    ///
    /// # Errors
    /// Why not, or not yet.
    fn readiness(&self) -> Result<(), String>;
}

/// The listening port; closed when dropped.
pub struct Probe {
    local: SocketAddr,
    task: JoinHandle<()>,
}

impl Probe {
    /// Listens as configured. Monitoring never keeps a process from serving: an address that
    /// cannot be had is a warning, and there is no probe.
    pub fn start(config: &ProbeConfig, probed: Arc<dyn Probed>) -> Option<Probe> {
        let (host, port) = (&config.metrics_prom_exporter_host, config.metrics_prom_exporter_port);
        if port == 0 {
            return None;
        }
        match listen(host, port) {
            Ok((listener, local)) => {
                tracing::info!(target: LOGGER, thread = "main", "metrics and probes at http://{local}/metrics, /healthz, /readyz");
                let task = tokio::spawn(serve(listener, probed));
                Some(Probe { local, task })
            }
            Err(error) => {
                tracing::warn!(target: LOGGER, thread = "main", "no metrics and probes: metricsPromExporterHost={host} metricsPromExporterPort={port}: {error}; set another port, or 0 for none");
                None
            }
        }
    }

    /// The bound address.
    pub fn local(&self) -> SocketAddr {
        self.local
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn address(host: &str, port: i32) -> io::Result<SocketAddr> {
    let wrong = |what| io::Error::new(io::ErrorKind::InvalidInput, what);
    let ip: IpAddr = match host {
        "localhost" => IpAddr::from([127, 0, 0, 1]),
        host => host.parse().map_err(|_| wrong("the host is not an IP address"))?,
    };
    let port = u16::try_from(port).map_err(|_| wrong("a port lies between 0 and 65535"))?;
    Ok(SocketAddr::new(ip, port))
}

fn listen(host: &str, port: i32) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = std::net::TcpListener::bind(address(host, port)?)?;
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    let local = listener.local_addr()?;
    Ok((listener, local))
}

async fn serve(listener: TcpListener, probed: Arc<dyn Probed>) {
    let places = Arc::new(Semaphore::new(REQUESTS_MAX));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let probed = Arc::clone(&probed);
                tokio::spawn(async move {
                    let _ = tokio::time::timeout(PATIENCE, answer(stream, probed)).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(target: LOGGER, "accepting for metrics failed: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Serves one request; connections are not kept.
async fn answer(mut stream: TcpStream, probed: Arc<dyn Probed>) -> io::Result<()> {
    let mut request = Vec::new();
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        if request.len() > REQUEST_BYTES_MAX || stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    let line = request.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line).into_owned();
    let page = tokio::task::spawn_blocking(move || page(&line, probed.as_ref()));
    let Page { status, kind, body, with_body } = page.await.map_err(io::Error::other)?;
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    if with_body {
        stream.write_all(body.as_bytes()).await?;
    }
    stream.shutdown().await
}

struct Page {
    status: &'static str,
    kind: &'static str,
    body: String,
    with_body: bool,
}

const PLAIN: &str = "text/plain; charset=utf-8";

fn page(line: &str, probed: &dyn Probed) -> Page {
    let mut words = line.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let path = target.split('?').next().unwrap_or_default();
    let with_body = method != "HEAD";
    let plain = |status, body: String| Page { status, kind: PLAIN, body: body + "\n", with_body };
    let verdict = |verdict: Result<(), String>| match verdict {
        Ok(()) => plain("200 OK", "ok".to_string()),
        Err(why) => plain("503 Service Unavailable", why),
    };
    match (method, path) {
        ("GET" | "HEAD", "/metrics") => {
            let kind = "text/plain; version=0.0.4; charset=utf-8";
            Page { status: "200 OK", kind, body: probed.metrics(), with_body }
        }
        ("GET" | "HEAD", "/healthz") => verdict(probed.health()),
        ("GET" | "HEAD", "/readyz") => verdict(probed.readiness()),
        ("GET" | "HEAD", _) => {
            plain("404 Not Found", "there are /metrics, /healthz and /readyz".to_string())
        }
        _ => plain("405 Method Not Allowed", "GET and HEAD only".to_string()),
    }
}
