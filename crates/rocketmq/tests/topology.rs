//! The deployments of the sample folders, and the pairs that StatefulSets form, as processes: who
//! belongs to whom by `clusterList`, and that a slave has what its master took.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rocketmq_testbed::cluster::ANY_DISK;
use rocketmq_testbed::daemon::{Daemon, free_port};
use rocketmq_testbed::{PATIENCE, Scratch, talk, wait_until};

const TOPIC: &str = "Topology";
/// A sample leaves sizes open; a store's files need not take gigabytes here.
const SMALL: &str = "mappedFileSizeCommitLog=1048576\nmappedFileSizeConsumeQueue=20000\n\
    maxHashSlotNum=1000\nmaxIndexNum=4000\nmetricsPromExporterPort=0\n";

fn program(home: &Path) -> Command {
    outfitted(Command::new(env!("CARGO_BIN_EXE_rocketmq")), home)
}

fn outfitted(mut command: Command, home: &Path) -> Command {
    command.env("HOME", home).env("ROCKETMQ_HOME", home).env("JAVA_OPT_EXT", ANY_DISK);
    for name in ["NAMESRV_ADDR", "ROCKETMQ_BROKER_ADDRESS", "ROCKETMQ_BROKER_NAME_FROM_POD"] {
        command.env_remove(name);
    }
    command
}

struct Broker {
    daemon: Daemon,
    port: u16,
}

/// A name server and brokers around it; all end with it.
struct Deployment {
    scratch: Scratch,
    namesrv: u16,
    _namesrv: Daemon,
}

impl Deployment {
    fn new(name: &str) -> Deployment {
        let (scratch, port) = (Scratch::new(name), free_port());
        let home = scratch.path().join("namesrv");
        std::fs::create_dir(&home).unwrap();
        let file = home.join("namesrv.conf");
        let text = format!("listenPort={port}\nmetricsPromExporterPort=0\n");
        std::fs::write(&file, text).unwrap();
        let mut command = program(&home);
        command.args(["namesrv", "-c"]).arg(&file);
        let mut daemon = Daemon::start(command);
        daemon.wait_for_line("boot success");
        Deployment { scratch, namesrv: port, _namesrv: daemon }
    }

    fn home(&self, name: &str) -> PathBuf {
        let home = self.scratch.path().join(name);
        std::fs::create_dir_all(&home).unwrap();
        home
    }

    /// What every broker of one host needs beside its sample.
    fn place(&self, home: &Path, port: u16) -> String {
        let (namesrv, store) = (self.namesrv, home.join("store"));
        let store = store.display();
        format!(
            "\nlistenPort={port}\nnamesrvAddr=127.0.0.1:{namesrv}\nstorePathRootDir={store}\n\
             storePathCommitLog={store}/commitlog\n{SMALL}"
        )
    }

    /// A broker of a file below `conf/`.
    fn sample(&self, sample: &str) -> Broker {
        let (home, port) = (self.home(&sample.replace('/', "-")), free_port());
        let conf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conf").join(sample);
        let mut text = std::fs::read_to_string(conf).unwrap();
        text += &self.place(&home, port);
        text += "brokerIP1=127.0.0.1\nbrokerIP2=127.0.0.1\n";
        let file = home.join("broker.conf");
        std::fs::write(&file, text).unwrap();
        let mut command = program(&home);
        command.args(["broker", "-c"]).arg(&file);
        Broker { daemon: booted(command), port }
    }

    /// A broker on a host of that name, as the pod of a StatefulSet is.
    #[cfg(target_os = "linux")]
    fn pod(&self, host: &str, settings: &str, variables: &[(&str, &str)]) -> Broker {
        let (home, port) = (self.home(host), free_port());
        let file = home.join("broker.conf");
        std::fs::write(&file, self.place(&home, port) + settings).unwrap();
        let mut command = Command::new("unshare");
        if !rustix::process::geteuid().is_root() {
            command.args(["--user", "--map-root-user"]);
        }
        let named = "echo \"$0\" >/proc/sys/kernel/hostname && exec \"$@\"";
        command.args(["--uts", "sh", "-c", named, host]);
        command.args([env!("CARGO_BIN_EXE_rocketmq"), "broker", "-c"]).arg(&file);
        let mut command = outfitted(command, &home);
        command.envs(variables.iter().copied());
        Broker { daemon: booted(command), port }
    }

    /// Waits until clusterList prints these rows and no others: name, id, address.
    fn lists(&self, rows: &[(&str, u32, String)]) {
        // Java's columns: 061-clusterList of tests/golden/java-4.9.2/observed/mqadmin.jsonl.
        let head = "#Cluster Name     #Broker Name            #BID  #Addr                  #Version                #InTPS(LOAD)       #OutTPS(LOAD) #PCWait(ms) #Hour #SPACE";
        let wanted: Vec<_> = rows
            .iter()
            .map(|(name, id, address)| {
                format!(
                    "{:<16}  {name:<22}  {id:<4}  {address:<22} {:<16} ",
                    "DefaultCluster", "V4_9_2"
                )
            })
            .collect();
        let home = self.home("tools");
        let mut seen = String::new();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut command = program(&home);
            command.args(["mqadmin", "clusterList", "-n", &format!("127.0.0.1:{}", self.namesrv)]);
            let printed = command.output().unwrap();
            let printed = String::from_utf8(printed.stdout).unwrap();
            let mut lines = printed.lines();
            let is_head = lines.next() == Some(head);
            let lines: Vec<_> = lines.filter(|line| !line.is_empty()).collect();
            let fits = |(line, wanted): (&&str, &String)| line.starts_with(wanted.as_str());
            if is_head && lines.len() == wanted.len() && lines.iter().zip(&wanted).all(fits) {
                return;
            }
            if Instant::now() > deadline {
                panic!("wanted\n{head}\n{}\nprinted at last\n{printed}{seen}", wanted.join("\n"));
            }
            seen = String::from_utf8(command.output().unwrap().stderr).unwrap();
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn booted(command: Command) -> Daemon {
    let mut daemon = Daemon::start(command);
    daemon.wait_for_line("boot success");
    daemon
}

fn at(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// Sends until the broker has the message for sure; a SYNC_MASTER may wait for its slave first.
fn sent(master: &Broker, text: &str) {
    let runtime = runtime();
    let client = talk::client();
    wait_until("the message is acknowledged", || {
        let (address, body) = (at(master.port), Bytes::from(text.to_string()));
        let sent = runtime.block_on(talk::send(&client, &address, (TOPIC, 0), "", body)).unwrap();
        assert!(sent.is_ok() || [11, 12].contains(&sent.code), "{sent:?}");
        sent.is_ok()
    });
}

fn has(broker: &Broker, text: &str) -> bool {
    let read = runtime()
        .block_on(async { talk::read_queue(&talk::client(), &at(broker.port), TOPIC, 0).await });
    read.iter().any(|(_, body)| body == text.as_bytes())
}

/// Each pair: the slave has what the master took, and gives it when the master is gone.
fn slaves_outlive(pairs: &mut [(Broker, Broker)]) {
    for (number, (master, slave)) in pairs.iter_mut().enumerate() {
        let text = format!("message {number}");
        sent(master, &text);
        // Topics come to a slave with a look at its master's tables, every 10 s.
        wait_until("the slave has the message", || has(slave, &text));
        master.daemon.kill();
        assert!(has(slave, &text), "the slave of {number} lost the message with its master");
    }
}

fn with_slaves(folder: &str) {
    let deployment = Deployment::new(&format!("topology-{folder}"));
    let start = |name: &str| deployment.sample(&format!("{folder}/{name}.properties"));
    let mut pairs =
        [(start("broker-a"), start("broker-a-s")), (start("broker-b"), start("broker-b-s"))];
    deployment.lists(&[
        ("broker-a", 0, at(pairs[0].0.port)),
        ("broker-a", 1, at(pairs[0].1.port)),
        ("broker-b", 0, at(pairs[1].0.port)),
        ("broker-b", 1, at(pairs[1].1.port)),
    ]);
    slaves_outlive(&mut pairs);
}

#[test]
fn two_masters_with_slaves_that_follow() {
    with_slaves("2m-2s-async");
}

#[test]
fn two_masters_with_slaves_that_are_waited_for() {
    with_slaves("2m-2s-sync");
}

#[test]
fn two_masters_without_slaves() {
    let deployment = Deployment::new("topology-2m");
    let mut first = deployment.sample("2m-noslave/broker-a.properties");
    let second = deployment.sample("2m-noslave/broker-b.properties");
    deployment.lists(&[("broker-a", 0, at(first.port)), ("broker-b", 0, at(second.port))]);
    sent(&first, "to a");
    sent(&second, "to b");
    first.daemon.kill();
    assert!(has(&second, "to b"), "one master's end touched the other");
    sent(&second, "to b alone");
    deployment.lists(&[("broker-b", 0, at(second.port))]);
}

#[cfg(target_os = "linux")]
mod pods {
    use super::*;

    const MASTER: &str = "brokerRole=ASYNC_MASTER\n";
    const SLAVE: &str = "brokerRole=SLAVE\nbrokerId=1\nslaveWithoutMasterWarnTime=500\n";
    /// What the StatefulSets set, with a name for an address.
    const PAIRED: &[(&str, &str)] =
        &[("ROCKETMQ_BROKER_NAME_FROM_POD", "true"), ("ROCKETMQ_BROKER_ADDRESS", "localhost")];

    #[test]
    fn pods_pair_by_ordinal_and_both_numbers_add_a_pair() {
        let deployment = Deployment::new("topology-pods");
        let pair = |ordinal: u32| {
            let master = deployment.pod(&format!("rocketmq-master-{ordinal}"), MASTER, PAIRED);
            let slave = deployment.pod(&format!("rocketmq-slave-{ordinal}"), SLAVE, PAIRED);
            (master, slave)
        };
        let rows = |pairs: &[(Broker, Broker)]| {
            let names = ["rocketmq-0", "rocketmq-1", "rocketmq-2"];
            let named = names.into_iter().zip(pairs);
            let row = |name, id, broker: &Broker| (name, id, format!("localhost:{}", broker.port));
            named
                .flat_map(|(name, pair)| [row(name, 0, &pair.0), row(name, 1, &pair.1)])
                .collect::<Vec<_>>()
        };
        let mut pairs = vec![pair(0), pair(1)];
        deployment.lists(&rows(&pairs));
        pairs.push(pair(2));
        deployment.lists(&rows(&pairs));
        slaves_outlive(&mut pairs);
    }

    #[test]
    fn a_slave_without_a_master_of_its_name_says_what_pairs_them() {
        let deployment = Deployment::new("topology-alone");
        let master = deployment.pod("rocketmq-master-0", MASTER, &PAIRED[1..]);
        let slave = deployment.pod("rocketmq-slave-0", SLAVE, &PAIRED[1..]);
        let address = |broker: &Broker| format!("localhost:{}", broker.port);
        deployment.lists(&[
            ("rocketmq-master-0", 0, address(&master)),
            ("rocketmq-slave-0", 1, address(&slave)),
        ]);
        let log = deployment.home("rocketmq-slave-0").join("logs/rocketmqlogs/broker.log");
        wait_until("the slave warns", || {
            let log = std::fs::read_to_string(&log).unwrap_or_default();
            let warning = log.lines().find(|line| line.contains("this slave has had no master"));
            warning.is_some_and(|line| {
                line.contains("brokerName=rocketmq-slave-0")
                    && line.contains("ROCKETMQ_BROKER_NAME_FROM_POD=true")
            })
        });
    }
}

#[test]
fn dledger_ends_with_one_line_that_names_the_modes_there_are() {
    let scratch = Scratch::new("topology-dledger");
    let conf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conf/dledger/broker-n0.conf");
    let mut command = program(scratch.path());
    let output = command.args(["broker", "-c"]).arg(conf).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    let lines: Vec<_> =
        said.lines().filter(|line| line.contains("enableDLegerCommitLog")).collect();
    assert_eq!(lines.len(), 1, "{said}");
    assert!(lines[0].contains("brokerRole=SLAVE with brokerId=1"), "{said}");
    assert_eq!(output.status.code(), Some(255), "{said}");
    assert!(!scratch.path().join("store").exists(), "nothing is touched");
}
