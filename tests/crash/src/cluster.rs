//! A broker, and if wanted a name server, on one scratch folder.

use std::fs;
use std::path::{Path, PathBuf};

use crate::Scratch;
use crate::daemon::{Daemon, free_port};

/// Takes RocketMQ's limits on the use of the disk away: how full the machine's disk is must not
/// decide a test.
pub const ANY_DISK: &str = "-Drocketmq.broker.diskSpaceWarningLevelRatio=1.1 \
    -Drocketmq.broker.diskSpaceCleanForciblyRatio=1.1";

/// Small files, so that every kind of them rolls within seconds.
pub const SMALL_FILES: &str = "mappedFileSizeCommitLog=65536\nmappedFileSizeConsumeQueue=2000\n\
    maxHashSlotNum=50\nmaxIndexNum=200\nmaxMessageSize=60000\n";

/// The text of a file below `conf/`.
pub fn sample(file: &str) -> String {
    let conf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conf");
    fs::read_to_string(conf.join(file)).unwrap()
}

/// A broker whose store outlives its processes.
pub struct Broker {
    pub scratch: Scratch,
    pub port: u16,
    pub settings: String,
    pub daemon: Option<Daemon>,
    /// Java's options, among them the system properties.
    pub java_opt: String,
    store: PathBuf,
}

impl Broker {
    /// A broker that is not started yet; `settings` are further lines of its configuration.
    pub fn new(name: &str, settings: &str) -> Broker {
        let scratch = Scratch::new(name);
        let store = scratch.path().join("store");
        let settings = settings.to_string();
        let java_opt = ANY_DISK.to_string();
        Broker { scratch, port: free_port(), settings, daemon: None, java_opt, store }
    }

    /// The same, running.
    pub fn start(name: &str, settings: &str) -> Broker {
        let mut broker = Broker::new(name, settings);
        broker.boot();
        broker
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Root of the store.
    pub fn store(&self) -> &Path {
        &self.store
    }

    /// From the next start on the store is another one.
    pub fn move_store(&mut self, store: PathBuf) {
        self.store = store;
    }

    /// The file that scripts the disk's faults; see [`crate::faults`].
    pub fn script(&self) -> PathBuf {
        self.scratch.path().join("faults")
    }

    /// Writes the script; an empty one ends all faults.
    pub fn set_faults(&self, script: &str) {
        let new = self.scratch.path().join("faults.new");
        fs::write(&new, script).unwrap();
        fs::rename(&new, self.script()).unwrap();
    }

    /// Where the broker notes what is on the medium; see [`crate::power`].
    pub fn medium(&self) -> PathBuf {
        self.scratch.path().join("medium")
    }

    /// Starts the process without waiting for anything.
    pub fn spawn(&mut self) -> &mut Daemon {
        let config = self.scratch.path().join("broker.conf");
        let text = format!(
            "brokerName=broker-a\nbrokerIP1=127.0.0.1\nbrokerIP2=127.0.0.1\nlistenPort={}\n\
             storePathRootDir={store}\nstorePathCommitLog={store}/commitlog\n{}\n",
            self.port,
            self.settings,
            store = self.store.display(),
        );
        fs::write(&config, text).unwrap();
        let (script, medium) = (self.script(), self.medium());
        let java_opt = PathBuf::from(&self.java_opt);
        let variables: [(&str, &Path); 4] = [
            ("JAVA_OPT_EXT", &java_opt),
            ("FAULTS_SCRIPT", &script),
            ("FAULTS_MEDIUM", &medium),
            ("FAULTS_STORE", &self.store),
        ];
        let args = ["broker", "-c", &config.to_string_lossy()];
        self.daemon = Some(Daemon::spawn(self.scratch.path(), &args, &variables));
        self.daemon.as_mut().unwrap()
    }

    /// Starts the process; false when it ended before it served.
    pub fn try_boot(&mut self) -> bool {
        let served = self.spawn().line_or_end("boot success").is_some();
        if !served {
            self.running().wait();
        }
        served
    }

    /// Starts the process and waits until it serves.
    pub fn boot(&mut self) {
        self.spawn().wait_for_line("boot success");
    }

    /// The process.
    pub fn running(&mut self) -> &mut Daemon {
        self.daemon.as_mut().unwrap()
    }

    /// Its whole log of errors of the store.
    pub fn store_errors(&self) -> String {
        let logs = self.scratch.path().join("logs/rocketmqlogs");
        fs::read_to_string(logs.join("storeerror.log")).unwrap_or_default()
    }
}

/// A name server.
pub struct NameServer {
    pub scratch: Scratch,
    pub port: u16,
    pub daemon: Daemon,
}

impl NameServer {
    pub fn start(name: &str) -> NameServer {
        let (scratch, port) = (Scratch::new(name), free_port());
        let daemon = NameServer::boot(scratch.path(), port);
        NameServer { scratch, port, daemon }
    }

    fn boot(home: &Path, port: u16) -> Daemon {
        let config = home.join("namesrv.conf");
        fs::write(&config, format!("listenPort={port}\n")).unwrap();
        let (args, script) = (["namesrv", "-c", &config.to_string_lossy()], home.join("faults"));
        let mut daemon = Daemon::spawn(home, &args, &[("FAULTS_SCRIPT", &script)]);
        daemon.wait_for_line("The Name Server boot success");
        daemon
    }

    /// The file that scripts its clock; see [`crate::faults`].
    pub fn script(&self) -> PathBuf {
        self.scratch.path().join("faults")
    }

    /// Starts it again after its end.
    pub fn boot_again(&mut self) {
        self.daemon = NameServer::boot(self.scratch.path(), self.port);
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}
