//! Whole processes for tests: the real binary, in a scratch home, on free loopback ports.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)] // each test file uses a part of it

pub mod talk;

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// How long a condition may take before the test gives up.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A scratch folder that goes away with the test, unless it failed.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new(name: &str) -> Scratch {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let unique = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder =
            std::env::temp_dir().join(format!("rmq-{name}-{}-{unique}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        Scratch(folder)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the test's files are kept in {}", self.0.display());
        } else {
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}

/// A port such that it and its neighbours at −2 and +1 (the broker's other ports) are free now.
/// Below the range the system gives out by itself, so nobody takes it meanwhile.
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let start = std::process::id() * 37;
    for _ in 0..5000 {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = 12000 + ((start + step * 4) % 20000) as u16;
        let free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
        if free(port) && free(port - 2) && free(port + 1) {
            return port;
        }
    }
    panic!("no free port");
}

/// One daemon.
pub struct Daemon {
    pub child: Child,
    lines: Receiver<String>,
}

impl Daemon {
    /// Starts `rocketmq <program> -c <config>` and waits for the line that says it serves.
    pub fn start(home: &Path, program: &str, config: &Path, ready: &str) -> Daemon {
        let daemon = Daemon::spawn(home, &[program, "-c", &config.to_string_lossy()]);
        daemon.wait_for_line(ready);
        daemon
    }

    /// Starts the binary with those arguments.
    pub fn spawn(home: &Path, args: &[&str]) -> Daemon {
        let mut child = Command::new(env!("CARGO_BIN_EXE_rocketmq"))
            .args(args)
            .env("HOME", home)
            .env("ROCKETMQ_HOME", home)
            .env_remove("NAMESRV_ADDR")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = channel();
        let outputs: [Box<dyn std::io::Read + Send>; 2] =
            [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
        for output in outputs {
            let sender = sender.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    let _ = sender.send(line);
                }
            });
        }
        Daemon { child, lines }
    }

    /// Waits for a line that contains the text; returns it.
    pub fn wait_for_line(&self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) if line.contains(text) => return line,
                Ok(line) => seen.push(line),
                Err(_) => panic!("no line with \"{text}\", only:\n{}", seen.join("\n")),
            }
        }
    }

    /// kill -9.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and wait for the end; returns the exit code (128 + signal if it was killed by one).
    pub fn terminate(&mut self) -> i32 {
        use std::os::unix::process::ExitStatusExt;
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").arg(&pid).status().unwrap().success());
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
            }
            assert!(Instant::now() < deadline, "process {pid} does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Resident memory in KiB.
    pub fn resident_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A name server and a broker in one scratch home.
pub struct Cluster {
    pub scratch: Scratch,
    pub namesrv_port: u16,
    pub broker_port: u16,
    pub namesrv: Daemon,
    pub broker: Option<Daemon>,
}

impl Cluster {
    /// Starts both; `settings` are further lines of the broker's configuration.
    pub fn start(name: &str, settings: &str) -> Cluster {
        let scratch = Scratch::new(name);
        let (namesrv_port, broker_port) = (free_port(), free_port());
        let config = scratch.path().join("namesrv.conf");
        fs::write(&config, format!("listenPort={namesrv_port}\n")).unwrap();
        let ready = "The Name Server boot success";
        let namesrv = Daemon::start(scratch.path(), "namesrv", &config, ready);
        let store = scratch.path().join("store");
        let text = format!(
            "brokerName=broker-a\nbrokerIP1=127.0.0.1\nbrokerIP2=127.0.0.1\n\
             listenPort={broker_port}\nnamesrvAddr=127.0.0.1:{namesrv_port}\n\
             storePathRootDir={store}\nstorePathCommitLog={store}/commitlog\n{settings}\n",
            store = store.display(),
        );
        fs::write(scratch.path().join("broker.conf"), text).unwrap();
        let mut cluster = Cluster { scratch, namesrv_port, broker_port, namesrv, broker: None };
        cluster.start_broker();
        cluster
    }

    pub fn start_broker(&mut self) {
        let config = self.scratch.path().join("broker.conf");
        let broker = Daemon::start(self.scratch.path(), "broker", &config, "boot success");
        self.broker = Some(broker);
    }

    pub fn broker(&mut self) -> &mut Daemon {
        self.broker.as_mut().unwrap()
    }

    pub fn broker_address(&self) -> String {
        format!("127.0.0.1:{}", self.broker_port)
    }

    pub fn namesrv_address(&self) -> String {
        format!("127.0.0.1:{}", self.namesrv_port)
    }
}
