//! Reserved topics, groups and name rules (contract `requests.md` 1.3, `broker.md` 9, `client.md` 10).

/// The topic whose settings auto-created topics inherit.
pub const AUTO_CREATE: &str = "TBW102";
/// Where delayed messages wait.
pub const SCHEDULE: &str = "SCHEDULE_TOPIC_XXXX";
/// The benchmark tools' default topic.
pub const BENCHMARK: &str = "BenchmarkTest";
/// Half messages of transactions.
pub const TRANS_HALF: &str = "RMQ_SYS_TRANS_HALF_TOPIC";
/// Marks of ended transactions.
pub const TRANS_OP_HALF: &str = "RMQ_SYS_TRANS_OP_HALF_TOPIC";
/// Half messages that were checked too often.
pub const TRANS_CHECK_MAX_TIME: &str = "TRANS_CHECK_MAX_TIME_TOPIC";
/// Message traces.
pub const TRACE: &str = "RMQ_SYS_TRACE_TOPIC";
/// The self test's topic.
pub const SELF_TEST: &str = "SELF_TEST_TOPIC";
/// Events about pulls whose offset had to be moved.
pub const OFFSET_MOVED_EVENT: &str = "OFFSET_MOVED_EVENT";
/// Key-value namespace of ordered topics on the name server.
pub const ORDER_TOPIC_CONFIG: &str = "ORDER_TOPIC_CONFIG";

/// Prefix of a consumer group's retry topic.
pub const RETRY_PREFIX: &str = "%RETRY%";
/// Prefix of a consumer group's dead-letter topic.
pub const DLQ_PREFIX: &str = "%DLQ%";
/// Prefix of system topics.
pub const SYSTEM_PREFIX: &str = "rmq_sys_";
/// Prefix of system consumer groups.
pub const SYSTEM_GROUP_PREFIX: &str = "CID_RMQ_SYS_";
/// Suffix of a cluster's topic for replies.
pub const REPLY_SUFFIX: &str = "_REPLY_TOPIC";
/// Group under which tools read.
pub const TOOLS_CONSUMER_GROUP: &str = "TOOLS_CONSUMER";

/// Groups that every broker has.
pub const BUILT_IN_GROUPS: [&str; 7] = [
    TOOLS_CONSUMER_GROUP,
    "FILTERSRV_CONSUMER",
    "SELF_TEST_C_GROUP",
    "CID_ONS-HTTP-PROXY",
    "CID_ONSAPI_PULL",
    "CID_ONSAPI_PERMISSION",
    "CID_ONSAPI_OWNER",
];

/// Longest topic name, in characters.
pub const TOPIC_LENGTH_MAX: usize = 127;
/// Longest group name, in characters.
pub const GROUP_LENGTH_MAX: usize = 255;
/// What names may consist of, as the texts quote it.
pub const NAME_PATTERN: &str = "^[%|a-zA-Z0-9_-]+$";
/// What every "see" text of RocketMQ ends with.
pub const FAQ: &str = "\nSee http://rocketmq.apache.org/docs/faq/ for further details.";

/// System topics whatever the broker's configuration.
pub const SYSTEM_TOPICS: [&str; 9] = [
    AUTO_CREATE,
    SCHEDULE,
    BENCHMARK,
    TRANS_HALF,
    TRACE,
    TRANS_OP_HALF,
    TRANS_CHECK_MAX_TIME,
    SELF_TEST,
    OFFSET_MOVED_EVENT,
];

/// Whether every character of the name is one of [`NAME_PATTERN`].
pub fn has_legal_characters(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'%' | b'|' | b'_' | b'-'))
}

/// Whether the name is one of [`SYSTEM_TOPICS`] or starts with [`SYSTEM_PREFIX`].
pub fn is_system(topic: &str) -> bool {
    SYSTEM_TOPICS.contains(&topic) || topic.starts_with(SYSTEM_PREFIX)
}

/// Bits of a topic's or broker's permission (contract `requests.md` 4).
pub mod permission {
    /// Auto-created topics may inherit from the topic.
    pub const INHERIT: i32 = 1;
    /// Messages may be written.
    pub const WRITE: i32 = 2;
    /// Messages may be read.
    pub const READ: i32 = 4;
    /// Priority, which nothing uses.
    pub const PRIORITY: i32 = 8;

    /// `RWX`, with `-` for what is not allowed.
    pub fn describe(perm: i32) -> String {
        let letter = |bit: i32, letter: char| if perm & bit != 0 { letter } else { '-' };
        [letter(READ, 'R'), letter(WRITE, 'W'), letter(INHERIT, 'X')].iter().collect()
    }
}
