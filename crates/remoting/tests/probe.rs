//! Metrics and probes over a real socket.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test fails by panicking

use std::net::TcpListener;
use std::sync::Arc;

use rocketmq_remoting::probe::{Probe, ProbeConfig, Probed};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

struct Ill;

impl Probed for Ill {
    fn metrics(&self) -> String {
        "a 1\n".to_string()
    }
    fn health(&self) -> Result<(), String> {
        Ok(())
    }
    fn readiness(&self) -> Result<(), String> {
        Err("not yet".to_string())
    }
}

fn at(port: u16) -> ProbeConfig {
    ProbeConfig { metrics_prom_exporter_port: port.into(), ..ProbeConfig::default() }
}

fn start() -> Probe {
    loop {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        // Somebody may have taken the port meanwhile.
        if let Some(probe) = Probe::start(&at(port), Arc::new(Ill)) {
            return probe;
        }
    }
}

async fn ask(probe: &Probe, request: &str) -> String {
    let mut stream = TcpStream::connect(probe.local()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn three_pages_are_served() {
    let probe = start();
    let metrics = ask(&probe, "GET /metrics?x=1 HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(
        metrics,
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n\
         Content-Length: 4\r\nConnection: close\r\n\r\na 1\n"
    );
    let head = ask(&probe, "HEAD /metrics HTTP/1.1\r\n\r\n").await;
    assert!(head.ends_with("Content-Length: 4\r\nConnection: close\r\n\r\n"), "{head}");
    assert!(ask(&probe, "GET /healthz HTTP/1.0\r\n\r\n").await.ends_with("\r\n\r\nok\n"));
    let ready = ask(&probe, "GET /readyz HTTP/1.1\r\n\r\n").await;
    assert!(ready.starts_with("HTTP/1.1 503 ") && ready.ends_with("not yet\n"), "{ready}");
    assert!(ask(&probe, "GET / HTTP/1.1\r\n\r\n").await.starts_with("HTTP/1.1 404 "));
    assert!(ask(&probe, "POST /metrics HTTP/1.1\r\n\r\n").await.starts_with("HTTP/1.1 405 "));
    // Too long: the connection ends without an answer, and others are served.
    let mut stream = TcpStream::connect(probe.local()).await.unwrap();
    let _ = stream.write_all(&[b'x'; 20_000]).await;
    let _ = stream.read_to_end(&mut Vec::new()).await;
    assert!(ask(&probe, "GET /healthz HTTP/1.1\r\n\r\n").await.contains("200 OK"));
}

#[tokio::test]
async fn zero_and_what_cannot_be_had_are_no_probe() {
    assert!(Probe::start(&ProbeConfig::default(), Arc::new(Ill)).is_none());
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    assert!(Probe::start(&at(taken.local_addr().unwrap().port()), Arc::new(Ill)).is_none());
    let mut nowhere = at(1);
    nowhere.metrics_prom_exporter_host = "not a host".to_string();
    assert!(Probe::start(&nowhere, Arc::new(Ill)).is_none());
}
