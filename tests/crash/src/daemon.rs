//! One name server or broker as a process.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::PATIENCE;

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

/// The program `faulty`, which lies beside the tests.
fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let beside = test.parent().unwrap();
    let folder = if beside.ends_with("deps") { beside.parent().unwrap() } else { beside };
    folder.join("faulty")
}

/// A running process; killed when dropped.
pub struct Daemon {
    pub child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Daemon {
    /// Starts the program with those arguments and variables.
    pub fn spawn(home: &Path, args: &[&str], variables: &[(&str, &Path)]) -> Daemon {
        let mut command = Command::new(program());
        command.args(args).env("HOME", home).env("ROCKETMQ_HOME", home).env_remove("NAMESRV_ADDR");
        for (name, value) in variables {
            command.env(name, value);
        }
        Daemon::start(command)
    }

    /// Starts any program, to follow what it prints.
    pub fn start(mut command: Command) -> Daemon {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (sender, lines) = channel();
        let outputs: [Box<dyn Read + Send>; 2] =
            [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
        for output in outputs {
            let sender = sender.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    let _ = sender.send(line);
                }
            });
        }
        Daemon { child, lines, seen: Vec::new() }
    }

    /// Waits for a line that contains the text; `None` when the process ends without it.
    pub fn line_or_end(&mut self, text: &str) -> Option<String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    self.seen.push(line.clone());
                    if line.contains(text) {
                        return Some(line);
                    }
                }
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => return None,
                Err(_) => panic!("no line with \"{text}\", only:\n{}", self.seen.join("\n")),
            }
        }
    }

    /// Waits for a line that contains the text.
    pub fn wait_for_line(&mut self, text: &str) -> String {
        match self.line_or_end(text) {
            Some(line) => line,
            None => panic!("it ended without \"{text}\":\n{}", self.seen.join("\n")),
        }
    }

    /// Everything it printed until its end, which is waited for.
    pub fn output_until_end(&mut self) -> String {
        assert!(self.line_or_end("\u{0}").is_none());
        self.seen.join("\n")
    }

    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Sends a signal; nothing happens when it has ended.
    pub fn signal(&self, signal: Signal) {
        let _ = kill_process(self.pid(), signal);
    }

    /// kill -9.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        self.child.wait().unwrap();
    }

    /// Whether it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits for its end; returns its exit code (128 + signal if it was killed by one).
    pub fn wait(&mut self) -> i32 {
        use std::os::unix::process::ExitStatusExt;
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.ended() {
                return status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
            }
            assert!(Instant::now() < deadline, "process {:?} does not end", self.pid());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// SIGTERM, and wait for the end.
    pub fn terminate(&mut self) -> i32 {
        self.signal(Signal::TERM);
        self.wait()
    }

    /// Resident memory in KiB.
    pub fn resident_kib(&self) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).unwrap();
        // Mapped files that lie in the page cache anyway do not count.
        let line = status.lines().find(|line| line.starts_with("RssAnon")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
