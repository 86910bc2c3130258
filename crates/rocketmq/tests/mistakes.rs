//! The mistakes of `docs/operations.md`, made with the shipped program: each says what is wrong and
//! what to do, in the words that stand in the table there.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test fails by panicking

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use rocketmq_testbed::cluster::ANY_DISK;
use rocketmq_testbed::daemon::free_port;
use rocketmq_testbed::{PATIENCE, Scratch};
use rustix::process::{Pid, Signal, kill_process};

/// A folder that is HOME and ROCKETMQ_HOME of everything started in it.
struct Place {
    scratch: Scratch,
    namesrv: u16,
    broker: u16,
}

struct Printed {
    code: Option<i32>,
    text: String,
}

impl Place {
    fn new(name: &str) -> Place {
        Place { scratch: Scratch::new(name), namesrv: free_port(), broker: free_port() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// Writes a broker's settings; later lines win.
    fn settings(&self, name: &str, more: &str) -> String {
        let home = self.scratch.path().display();
        let text = format!(
            "brokerName=broker-a\nbrokerIP1=127.0.0.1\nbrokerIP2=127.0.0.1\nlistenPort={}\n\
             namesrvAddr=127.0.0.1:{}\nmetricsPromExporterPort=0\nstorePathRootDir={home}/store\n\
             storePathCommitLog={home}/store/commitlog\nmappedFileSizeCommitLog=1048576\n\
             mappedFileSizeConsumeQueue=20000\nmaxHashSlotNum=1000\nmaxIndexNum=4000\n{more}\n",
            self.broker, self.namesrv
        );
        let file = self.path(name);
        std::fs::write(&file, text).unwrap();
        file.display().to_string()
    }

    fn command(&self, words: &[&str], variables: &[(&str, &str)]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rocketmq"));
        command
            .args(words)
            .current_dir(self.scratch.path())
            .env("HOME", self.scratch.path())
            .env("ROCKETMQ_HOME", self.scratch.path())
            .env_remove("NAMESRV_ADDR")
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
    fn run(&self, words: &[&str], variables: &[(&str, &str)]) -> Printed {
        let output = self.command(words, variables).output().unwrap();
        let out = String::from_utf8(output.stdout).unwrap();
        let text = out + &String::from_utf8(output.stderr).unwrap();
        Printed { code: output.status.code(), text }
    }

    fn mqadmin(&self, words: &[&str], java_opt: &str) -> Printed {
        let server = format!("127.0.0.1:{}", self.namesrv);
        let all = [&["mqadmin"], words].concat();
        self.run(&all, &[("NAMESRV_ADDR", &server), ("JAVA_OPT", java_opt)])
    }

    fn daemon(&self, program: &str, file: &str, java_opt: &str) -> Daemon {
        let mut command = self.command(&[program, "-c", file], &[("JAVA_OPT", java_opt)]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let booted = lines.by_ref().map_while(Result::ok).any(|line| line.contains("boot success"));
        assert!(booted, "{program} did not boot");
        // Read on, so that it never waits for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        Daemon(child)
    }

    fn start_namesrv(&self, java_opt: &str) -> Daemon {
        let file = self.path("namesrv.conf");
        let port = self.namesrv;
        std::fs::write(&file, format!("listenPort={port}\nmetricsPromExporterPort=0\n")).unwrap();
        self.daemon("namesrv", &file.display().to_string(), java_opt)
    }

    fn log(&self, name: &str) -> String {
        let path = self.path("logs/rocketmqlogs").join(name);
        std::fs::read_to_string(path).unwrap_or_default()
    }
}

/// Killed when dropped.
struct Daemon(Child);

impl Daemon {
    /// Lets it end in order.
    fn stop(mut self) {
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

/// Asserts the code and every part of the text, and that the table of the docs has the parts.
fn says(printed: &Printed, code: i32, parts: &[&str]) {
    for part in parts {
        assert!(printed.text.contains(part), "no {part:?} in:\n{}", printed.text);
        documented(part);
    }
    assert_eq!(printed.code, Some(code), "{}", printed.text);
}

fn documented(part: &str) {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operations.md");
    let docs = std::fs::read_to_string(docs).unwrap();
    assert!(docs.contains(part), "docs/operations.md does not know {part:?}");
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn wrong_settings_are_refused_before_anything_is_touched() {
    let place = Place::new("mistakes-settings");
    let start = |more: &str| place.run(&["broker", "-c", &place.settings("b.conf", more)], &[]);
    says(&start("listenPort=abc"), 255, &["is not a whole number; give one between"]);
    says(
        &start("brokerIP1=myhost.invalid"),
        255,
        &[
            "is no IP address and no name that this host resolves; set it to the address that clients",
        ],
    );
    says(&start("brokerRole=SLAVE\nbrokerId=0"), 253, &["Slave's brokerId must be > 0"]);
    says(&start("aclEnable=true"), 255, &["it must list accounts or globalWhiteRemoteAddresses"]);
    let illegal = place.run(&["broker", "-n", "127.0.0.1"], &[]);
    says(&illegal, 253, &["illegal, please set it as follows"]);
    let nowhere = place.run(&["broker", "-c", "/nowhere/broker.conf"], &[]);
    says(&nowhere, 255, &["check that the file exists and is readable"]);
    let file = place.settings("b.conf", "");
    let type_name = place.run(&["broker", "-c", &file], &[("ROCKETMQ_SERIALIZE_TYPE", "XML")]);
    says(&type_name, 255, &["is unknown; set it to JSON or ROCKETMQ, or unset it"]);
    std::fs::create_dir_all(place.path("conf")).unwrap();
    std::fs::write(
        place.path("conf/plain_acl.yml"),
        "accounts:\n- accessKey: longenough\n   secretKey: [\n",
    )
    .unwrap();
    let broken = start("aclEnable=true");
    says(&broken, 255, &["line 3, column 13"]);
    // A folder that cannot be a folder stands for one that may not be written: tests may be root.
    let blocked = place.path("b.conf").display().to_string();
    let blocked = start(&format!("storePathRootDir={blocked}/store"));
    says(&blocked, 253, &["Not a directory"]);
    assert!(blocked.text.contains("b.conf/store"), "{}", blocked.text);
}

#[test]
fn check_names_what_is_wrong_and_starts_nothing() {
    let place = Place::new("mistakes-check");
    let check = |more: &str, java_opt: &str| {
        let file = place.settings("b.conf", more);
        place.run(&["broker", "-c", &file, "--check"], &[("JAVA_OPT", java_opt)])
    };
    says(&check("", ""), 0, &["The configuration can be used."]);
    says(
        &check("brokerNmae=x", ""),
        1,
        &["is unknown and has no effect; did you mean brokerName?"],
    );
    let tls = "-Dtls.config.file=/nowhere -Dtls.test.mode.enable=false";
    says(&check("", tls), 1, &["tls.server.certPath is not set"]);
    let many = check(
        "brokerIP1=here.invalid\nmetricsPromExporterHost=there\nmaxErrorRateOfBloomFilter=0",
        "",
    );
    assert!(many.text.contains("has 3 error(s); nothing was started."), "{}", many.text);
    let left: Vec<_> = std::fs::read_dir(place.scratch.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "only the settings: {left:?}");
    let namesrv = place.path("n.conf");
    std::fs::write(&namesrv, "listenPort=70000\n").unwrap();
    let namesrv = place.run(&["namesrv", "--check", "-c", &namesrv.display().to_string()], &[]);
    says(&namesrv, 1, &["is not a port; a port lies between"]);
}

#[test]
fn what_is_taken_or_missing_says_so() {
    let place = Place::new("mistakes-taken");
    // Nothing runs yet.
    says(&place.mqadmin(&["clusterList", "--strict"], ""), 3, &["Hint: nothing answers at"]);
    says(&place.mqadmin(&["doctor"], ""), 2, &["name server does not answer"]);
    let _namesrv = place.start_namesrv("");
    let file = place.path("namesrv.conf").display().to_string();
    let taken = "stop the process that listens there, or set another listenPort";
    says(&place.run(&["namesrv", "-c", &file], &[]), 255, &[taken]);
    says(&place.mqadmin(&["doctor"], ""), 2, &["no broker is registered"]);

    let _broker = place.daemon("broker", &place.settings("b.conf", ""), "");
    let again = place.run(&["broker", "-c", &place.settings("b.conf", "")], &[]);
    says(&again, 253, &["is locked by another process; stop that broker or give this one"]);
    let home = place.scratch.path().display().to_string();
    let elsewhere =
        format!("storePathRootDir={home}/other\nstorePathCommitLog={home}/other/commitlog\n");
    let port = place.run(&["broker", "-c", &place.settings("c.conf", &elsewhere)], &[]);
    says(&port, 255, &[taken]);

    let route = place.mqadmin(&["topicRoute", "-t", "Nowhere"], "");
    says(&route, 0, &["No topic route info in name server for the topic"]);
    says(
        &place.mqadmin(&["doctor", "-t", "Nowhere"], ""),
        0,
        &["does not exist yet; the first send creates it"],
    );
    says(&place.mqadmin(&["doctor", "-g", "Nobody"], ""), 2, &["is not known to broker-a"]);

    // A second broker with the same name and id.
    let port = free_port();
    let twin = format!("{elsewhere}listenPort={port}");
    let _twin = place.daemon("broker", &place.settings("c.conf", &twin), "");
    let warning = "takes the place of";
    until("the name server warns of the twin", || place.log("namesrv.log").contains(warning));
    documented(warning);
}

#[test]
fn a_broker_that_is_not_where_it_says_is_found_by_doctor() {
    let place = Place::new("mistakes-address");
    let _namesrv = place.start_namesrv("");
    // Reserved for documentation: nobody has it.
    let _broker = place.daemon("broker", &place.settings("b.conf", "brokerIP1=192.0.2.1"), "");
    let doctor = place.mqadmin(&["doctor"], "");
    says(&doctor, 2, &["brokerIP1"]);
    assert!(doctor.text.contains("192.0.2.1"), "{}", doctor.text);
}

#[test]
fn a_store_of_another_segment_size_is_refused() {
    let place = Place::new("mistakes-size");
    let namesrv = place.start_namesrv("");
    let broker =
        place.daemon("broker", &place.settings("b.conf", "mappedFileSizeCommitLog=2097152"), "");
    let sent = place.mqadmin(&["sendMessage", "-t", "T", "-p", "hello"], "");
    assert!(sent.text.contains("SEND_OK"), "{}", sent.text);
    broker.stop();
    let smaller = place.run(&["broker", "-c", &place.settings("b.conf", "")], &[]);
    says(&smaller, 253, &["length not matched message store config value"]);
    std::fs::write(place.path("store/config/topics.json"), "{\"dataVersion\":{").unwrap();
    let _ = std::fs::remove_file(place.path("store/config/topics.json.bak"));
    let settings = place.settings("b.conf", "mappedFileSizeCommitLog=2097152");
    let damaged = place.run(&["broker", "-c", &settings], &[]);
    says(&damaged, 253, &["topics.json"]);
    drop(namesrv);
}

#[test]
fn a_full_disk_refuses_messages_and_doctor_says_so() {
    let place = Place::new("mistakes-disk");
    let _namesrv = place.start_namesrv("");
    // Any disk is as full as that.
    let full = "-Drocketmq.broker.diskSpaceWarningLevelRatio=0.0 -Drocketmq.broker.diskSpaceCleanForciblyRatio=0.0";
    let settings = place.settings("b.conf", "cleanResourceInterval=100");
    let _broker = place.daemon("broker", &settings, full);
    let send = || place.mqadmin(&["sendMessage", "-t", "T", "-p", "hello"], "");
    until("messages are refused", || !send().text.contains("SEND_OK"));
    let refused = send();
    says(&refused, 0, &["service not available now"]);
    documented("disk is");
}

#[test]
fn tls_that_does_not_fit_is_named_on_the_side_that_asks() {
    let place = Place::new("mistakes-tls");
    let _namesrv = place.start_namesrv("-Dtls.server.mode=disabled");
    let tls = "-Dtls.enable=true";
    says(&place.mqadmin(&["clusterList"], tls), 0, &["TLS: the server closed the connection"]);
    let wrong = format!(
        "{tls} -Dtls.test.mode.enable=false -Dtls.client.authServer=true \
         -Dtls.client.trustCertPath=/nowhere/ca.pem"
    );
    let wrong = place.mqadmin(&["clusterList"], &wrong);
    says(&wrong, 0, &["TLS: /nowhere/ca.pem"]);
}

#[test]
fn wrong_secrets_and_missing_rights_name_account_and_right_but_no_secret() {
    let place = Place::new("mistakes-acl");
    std::fs::create_dir_all(place.path("conf")).unwrap();
    std::fs::write(
        place.path("conf/plain_acl.yml"),
        "accounts:\n- accessKey: shop-account\n  secretKey: secret-of-shop\n  defaultTopicPerm: DENY\n",
    )
    .unwrap();
    let tools = |secret: &str| {
        let text = format!("accessKey: shop-account\nsecretKey: {secret}\n");
        std::fs::write(place.path("conf/tools.yml"), text).unwrap();
    };
    let _namesrv = place.start_namesrv("");
    let _broker = place.daemon("broker", &place.settings("b.conf", "aclEnable=true"), "");
    let address = format!("127.0.0.1:{}", place.broker);
    tools("secret-of-another");
    let wrong = place.mqadmin(&["brokerStatus", "-b", &address], "");
    says(&wrong, 0, &["Check signature failed for accessKey=shop-account"]);
    tools("secret-of-shop");
    let denied = place.mqadmin(&["updateTopic", "-b", &address, "-t", "T"], "");
    assert!(denied.text.contains("shop-account"), "{}", denied.text);
    documented("account, rule and the right it needs");
    // Nothing that was printed or logged holds a secret.
    let mut shown = wrong.text + &denied.text;
    for entry in std::fs::read_dir(place.path("logs/rocketmqlogs")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            shown += &String::from_utf8_lossy(&std::fs::read(path).unwrap());
        }
    }
    assert!(!shown.contains("secret-of-"), "a secret was shown");
}
