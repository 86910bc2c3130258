//! Which logger writes to which file, in which form, and how large the files grow.

use crate::clock;

use super::{
    BROKER, CLIENT, COMMERCIAL, COMMON, FILTER, NAMESRV, PROTECTION, REBALANCE_LOCK, REMOTING,
    STATS, STORE, STORE_ERROR, TOOLS, TRANSACTION, WATER_MARK,
};

/// The set of log files of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Name server: namesrv.log, namesrv_default.log.
    Namesrv,
    /// Broker: broker.log, store.log, remoting.log and the others.
    Broker,
    /// mqadmin: tools.log, tools_default.log, rocketmq_client.log.
    Tools,
    /// A client: rocketmq_client.log; other loggers are silent.
    Client,
    /// Name server and broker in one process: the files of both.
    Standalone,
    /// Dashboard: consolelogs/rocketmq-console.log.
    Dashboard,
}

/// The form of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pattern {
    /// `time LEVEL thread - message`
    Full,
    /// `time LEVEL - message`
    NoThread,
    /// `time - message`
    TimeOnly,
    /// The message.
    Bare,
    /// `time,SSS LEVEL Logger - message` and CRLF, local zone.
    Client,
}

impl Pattern {
    /// The time as the line begins with it.
    pub(super) fn time(self, ms: i64) -> String {
        match self {
            Pattern::Bare => String::new(),
            Pattern::Client => clock::format_millis(ms),
            _ => clock::format_seconds_gmt8(ms),
        }
    }

    /// Whether lines of one second begin alike.
    pub(super) fn whole_seconds(self) -> bool {
        !matches!(self, Pattern::Client)
    }
}

/// How old files are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    /// `otherdays/<name>.<i>.log.gz`, as logback.
    Gzip,
    /// `<name>.log.<i>`, as the client's own appender.
    Suffix,
}

/// One log file.
#[derive(Debug, Clone, Copy)]
pub(super) struct LogFile {
    /// File name without `.log`.
    pub(super) name: &'static str,
    /// Loggers that write to it; none: all others.
    pub(super) targets: &'static [&'static str],
    pub(super) pattern: Pattern,
    /// Bytes at which a new file is begun.
    pub(super) size_max: u64,
    /// Old files kept.
    pub(super) index_max: u32,
    pub(super) keep: Keep,
}

const MIB: u64 = 1024 * 1024;

const fn file(name: &'static str, targets: &'static [&'static str]) -> LogFile {
    LogFile {
        name,
        targets,
        pattern: Pattern::Full,
        size_max: 100 * MIB,
        index_max: 10,
        keep: Keep::Gzip,
    }
}

const fn sized(file: LogFile, mib: u64, index_max: u32) -> LogFile {
    LogFile { size_max: mib * MIB, index_max, ..file }
}

const fn formed(file: LogFile, pattern: Pattern) -> LogFile {
    LogFile { pattern, ..file }
}

const CLIENT_FILE: LogFile = LogFile {
    name: "rocketmq_client",
    targets: &[CLIENT, COMMON, REMOTING],
    pattern: Pattern::Client,
    size_max: 1024 * MIB,
    index_max: 10,
    keep: Keep::Suffix,
};

const BROKER_FILES: [LogFile; 13] = [
    sized(file("broker", &[BROKER, COMMON]), 128, 20),
    sized(file("store", &[STORE]), 128, 10),
    file("remoting", &[REMOTING]),
    file("storeerror", &[STORE_ERROR]),
    file("transaction", &[TRANSACTION]),
    file("lock", &[REBALANCE_LOCK]),
    file("filter", &[FILTER]),
    formed(file("stats", &[STATS]), Pattern::NoThread),
    sized(formed(file("commercial", &[COMMERCIAL]), Pattern::Bare), 500, 10),
    formed(file("protection", &[PROTECTION]), Pattern::TimeOnly),
    formed(file("watermark", &[WATER_MARK]), Pattern::TimeOnly),
    // For both in one process; the broker alone leaves it out.
    sized(file("namesrv", &[NAMESRV]), 100, 5),
    file("broker_default", &[]),
];

const STANDALONE: &[LogFile] = &BROKER_FILES;

const BROKER_ONLY: &[LogFile] = &{
    let [a, b, c, d, e, f, g, h, i, j, k, _, default] = BROKER_FILES;
    [a, b, c, d, e, f, g, h, i, j, k, default]
};

impl Profile {
    /// Where the files lie, below `<home>/logs`.
    pub(super) fn folder(self) -> &'static str {
        match self {
            Profile::Dashboard => "consolelogs",
            _ => "rocketmqlogs",
        }
    }

    pub(super) fn files(self) -> &'static [LogFile] {
        match self {
            Profile::Namesrv => {
                &const {
                    [
                        sized(file("namesrv", &[NAMESRV, COMMON, REMOTING]), 100, 5),
                        sized(file("namesrv_default", &[]), 100, 5),
                    ]
                }
            }
            Profile::Broker => BROKER_ONLY,
            Profile::Tools => {
                &const {
                    [
                        sized(file("tools", &[TOOLS, COMMON, STORE, REMOTING]), 100, 5),
                        LogFile { targets: &[CLIENT], ..CLIENT_FILE },
                        sized(file("tools_default", &[]), 100, 5),
                    ]
                }
            }
            Profile::Client => &const { [CLIENT_FILE] },
            Profile::Standalone => STANDALONE,
            Profile::Dashboard => &const { [file("rocketmq-console", &[])] },
        }
    }
}

/// The file of a logger, as its place in `files`.
pub(super) fn file_of(files: &[LogFile], target: &str) -> Option<usize> {
    files
        .iter()
        .position(|file| file.targets.contains(&target))
        .or_else(|| files.iter().position(|file| file.targets.is_empty()))
}
