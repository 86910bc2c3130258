//! A folder to make mistakes in, and the table of the docs that says what they look like.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rocketmq_testbed::cluster::ANY_DISK;
use rocketmq_testbed::daemon::free_port;
use rocketmq_testbed::{PATIENCE, Scratch};
use rustix::process::{Pid, Signal, kill_process};

/// A folder that is HOME and ROCKETMQ_HOME of everything started in it.
pub(crate) struct Place {
    pub(crate) scratch: Scratch,
    pub(crate) namesrv: u16,
    pub(crate) broker: u16,
}

/// What a program printed, or a log holds.
pub(crate) struct Printed {
    pub(crate) code: Option<i32>,
    pub(crate) text: String,
}

impl Place {
    pub(crate) fn new(name: &str) -> Place {
        Place { scratch: Scratch::new(name), namesrv: free_port(), broker: free_port() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// Writes a file, with the folders above it; returns its path.
    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        let file = self.path(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, text).unwrap();
        file.display().to_string()
    }

    /// Writes a broker's settings; later lines win.
    pub(crate) fn settings(&self, name: &str, more: &str) -> String {
        let home = self.scratch.path().display();
        let text = format!(
            "brokerName=broker-a\nbrokerIP1=127.0.0.1\nbrokerIP2=127.0.0.1\nlistenPort={}\n\
             namesrvAddr=127.0.0.1:{}\nmetricsPromExporterPort=0\nstorePathRootDir={home}/store\n\
             storePathCommitLog={home}/store/commitlog\nmappedFileSizeCommitLog=1048576\n\
             mappedFileSizeConsumeQueue=20000\nmaxHashSlotNum=1000\nmaxIndexNum=4000\n{more}\n",
            self.broker, self.namesrv
        );
        self.write(name, &text)
    }

    pub(crate) fn command(&self, words: &[&str], variables: &[(&str, &str)]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rocketmq"));
        command
            .args(words)
            .current_dir(self.scratch.path())
            .env("HOME", self.scratch.path())
            .env("ROCKETMQ_HOME", self.scratch.path())
            .env("NAMESRV_ADDR", format!("127.0.0.1:{}", self.namesrv))
            .env_remove("JAVA_OPT_EXT")
            .env("JAVA_OPT", ANY_DISK)
            .stdin(Stdio::null());
        for (name, value) in variables {
            // What a test sets comes behind, and counts.
            match *name {
                "JAVA_OPT" => command.env(name, format!("{ANY_DISK} {value}")),
                _ => command.env(name, value),
            };
        }
        command
    }

    /// Runs to the end.
    pub(crate) fn run(&self, words: &[&str], variables: &[(&str, &str)]) -> Printed {
        finish(self.command(words, variables))
    }

    /// Starts a broker that does not come up.
    pub(crate) fn broker(&self, more: &str, variables: &[(&str, &str)]) -> Printed {
        self.run(&["broker", "-c", &self.settings("b.conf", more)], variables)
    }

    pub(crate) fn mqadmin(&self, words: &[&str], java_opt: &str) -> Printed {
        let all = [&["mqadmin"], words].concat();
        self.run(&all, &[("JAVA_OPT", java_opt)])
    }

    pub(crate) fn doctor(&self, words: &[&str]) -> Printed {
        self.mqadmin(&[&["doctor"], words].concat(), "")
    }

    /// doctor in front of the settings that [`Place::broker`] wrote last.
    pub(crate) fn doctor_of_file(&self, variables: &[(&str, &str)]) -> Printed {
        let file = self.path("b.conf").display().to_string();
        self.run(&["mqadmin", "doctor", "-f", &file], variables)
    }

    pub(crate) fn daemon(&self, program: &str, file: &str, java_opt: &str) -> Daemon {
        let mut command = self.command(&[program, "-c", file], &[("JAVA_OPT", java_opt)]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let printed = Arc::new(Mutex::new(String::new()));
        let note = |printed: &Mutex<String>, line: &str| {
            *printed.lock().unwrap() += &format!("{line}\n");
        };
        let booted = lines.by_ref().map_while(Result::ok).any(|line| {
            note(&printed, &line);
            line.contains("boot success")
        });
        assert!(booted, "{program} did not boot: {}", printed.lock().unwrap());
        // Read on, so that it never waits for a reader.
        let all = Arc::clone(&printed);
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| note(&all, &line)));
        Daemon(child, printed)
    }

    pub(crate) fn start_namesrv(&self, java_opt: &str) -> Daemon {
        let port = self.namesrv;
        let text = format!("listenPort={port}\nmetricsPromExporterPort=0\n");
        self.daemon("namesrv", &self.write("namesrv.conf", &text), java_opt)
    }

    pub(crate) fn start_broker(&self, more: &str) -> Daemon {
        self.daemon("broker", &self.settings("b.conf", more), "")
    }

    pub(crate) fn broker_address(&self) -> String {
        format!("127.0.0.1:{}", self.broker)
    }

    /// A log so far.
    pub(crate) fn log(&self, name: &str) -> Printed {
        let path = self.path("logs/rocketmqlogs").join(name);
        Printed { code: None, text: std::fs::read_to_string(path).unwrap_or_default() }
    }
}

fn finish(mut command: Command) -> Printed {
    let output = command.output().unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    let text = out + &String::from_utf8(output.stderr).unwrap();
    Printed { code: output.status.code(), text }
}

/// Runs as somebody who owns nothing, if this user may do so; as itself otherwise.
pub(crate) fn finish_as_nobody(mut command: Command) -> Printed {
    const NOBODY: u32 = 65534;
    if rustix::process::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    finish(command)
}

/// Killed when dropped.
pub(crate) struct Daemon(pub(crate) Child, Arc<Mutex<String>>);

impl Daemon {
    /// What it printed so far.
    pub(crate) fn printed(&self) -> String {
        self.1.lock().unwrap().clone()
    }

    /// Lets it end in order.
    pub(crate) fn stop(mut self) {
        kill_process(Pid::from_child(&self.0), Signal::TERM).unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A certificate of this folder.
pub(crate) fn pem(name: &str) -> String {
    format!("{}/tests/mistakes/tls/{name}", env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The table of typical mistakes in `docs/operations.md`.
pub(crate) fn table() -> Vec<Row> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operations.md");
    let docs = std::fs::read_to_string(docs).unwrap();
    let (_, section) = docs.split_once("## Typical mistakes").unwrap();
    let section = section.split("\n## ").next().unwrap();
    // The first two lines are the head.
    let lines = section.lines().filter(|line| line.starts_with('|')).skip(2);
    lines.map(Row::parse).collect()
}

/// One mistake: its name, and the texts that stand for it.
pub(crate) struct Row {
    pub(crate) mistake: String,
    printed: Vec<String>,
    doctor: Vec<String>,
}

/// The row of a mistake.
pub(crate) fn row(mistake: &str) -> Row {
    let row = table().into_iter().find(|row| row.mistake == mistake);
    row.unwrap_or_else(|| panic!("docs/operations.md has no mistake {mistake:?}"))
}

impl Row {
    fn parse(line: &str) -> Row {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [mistake, printed, doctor] = cells[..] else { panic!("not three cells: {line}") };
        let texts = |cell: &str| -> Vec<String> {
            cell.split('`').skip(1).step_by(2).map(str::to_string).collect()
        };
        let (printed, doctor) = (texts(printed), texts(doctor));
        assert!(!printed.is_empty() && !doctor.is_empty(), "a cell without text: {line}");
        Row { mistake: mistake.to_string(), printed, doctor }
    }

    /// What was printed is what the table says.
    pub(crate) fn prints(self, printed: &Printed, code: i32) -> Row {
        self.logs(printed);
        assert_eq!(printed.code, Some(code), "{}: {}", self.mistake, printed.text);
        self
    }

    /// As [`Row::prints`], of a log.
    pub(crate) fn logs(&self, log: &Printed) {
        holds(&self.mistake, &self.printed, &log.text);
    }

    /// doctor said what the table says, and left with 2 for an error.
    pub(crate) fn doctor(self, printed: &Printed, code: i32) {
        holds(&self.mistake, &self.doctor, &printed.text);
        assert_eq!(printed.code, Some(code), "{}: {}", self.mistake, printed.text);
    }
}

/// Each text stands on a line; `...` in it stands for anything.
fn holds(mistake: &str, texts: &[String], all: &str) {
    for text in texts {
        let is_on = |line: &str| {
            let mut rest = Some(line);
            for part in text.split("...") {
                rest = rest.and_then(|rest| rest.split_once(part)).map(|(_, behind)| behind);
            }
            rest.is_some()
        };
        assert!(all.lines().any(is_on), "{mistake}: no {text:?} in:\n{all}");
    }
}
