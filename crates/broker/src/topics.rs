//! The broker's topics (contract `broker.md` 9) and `config/topics.json`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rocketmq_common::{clock, durable, fastjson};
use rocketmq_protocol::body::{DataVersion, TopicConfig, TopicConfigSerializeWrapper};
use rocketmq_protocol::topic::{self, permission};

use crate::LOGGER;
use crate::config::BrokerConfig;
use crate::table::{Pending, Table};

/// The table of topics and its file.
pub struct Topics {
    table: Table<TopicConfig>,
    system: BTreeSet<String>,
}

fn wrapper(
    data_version: DataVersion,
    topic_config_table: BTreeMap<String, TopicConfig>,
) -> TopicConfigSerializeWrapper {
    TopicConfigSerializeWrapper { data_version, topic_config_table }
}

impl Topics {
    /// The built-in topics, with those of the file over them.
    ///
    /// # Errors
    /// File and backup hold something that cannot be read.
    pub fn load(path: PathBuf, config: &BrokerConfig) -> io::Result<Topics> {
        let built_in = built_in(config);
        let mut system: BTreeSet<String> = built_in.iter().map(|t| t.topic_name.clone()).collect();
        system.extend(topic::SYSTEM_TOPICS.iter().map(|name| name.to_string()));
        let mut table: HashMap<Box<str>, Arc<TopicConfig>> = HashMap::new();
        for config in built_in {
            table.insert(config.topic_name.clone().into(), Arc::new(config));
        }
        let mut version = DataVersion { counter: 0, timestamp: clock::now_ms() };
        let parse = |bytes: &[u8]| {
            fastjson::from_slice::<TopicConfigSerializeWrapper>(bytes).map_err(|e| e.to_string())
        };
        if let Some(file) = durable::load(&path, parse)? {
            for (name, config) in file.topic_config_table {
                tracing::info!(target: LOGGER, thread = "main", "load exist local topic, {config}");
                table.insert(name.into(), Arc::new(config));
            }
            version = file.data_version;
            tracing::info!(target: LOGGER, thread = "main", "load {} OK", path.display());
        }
        if !config.auto_create_topic_enable
            && let Some(base) = table.get_mut(topic::AUTO_CREATE)
        {
            Arc::make_mut(base).perm &= !permission::INHERIT;
        }
        let encode = |version, topics| {
            fastjson::to_pretty(&wrapper(version, topics)).map_err(io::Error::other)
        };
        Ok(Topics { table: Table::new(path, encode, table, version), system })
    }

    /// The settings of a topic.
    pub fn get(&self, topic: &str) -> Option<Arc<TopicConfig>> {
        self.table.get(topic)
    }

    /// Whether tools may not create or delete it.
    pub fn is_system(&self, name: &str) -> bool {
        self.system.contains(name) || topic::is_system(name)
    }

    /// Names of the system topics.
    pub fn system_topics(&self) -> Vec<String> {
        self.system.iter().cloned().collect()
    }

    /// State of the table.
    pub fn version(&self) -> DataVersion {
        self.table.version()
    }

    /// The whole table.
    pub fn snapshot(&self) -> TopicConfigSerializeWrapper {
        let (version, topics) = self.table.snapshot();
        wrapper(version, topics)
    }

    /// The topics that `wanted` chooses by name and by the number of the change that brought them,
    /// and the number of the last change.
    pub(crate) fn snapshot_of(
        &self,
        wanted: impl Fn(&str, u64) -> bool,
    ) -> (u64, TopicConfigSerializeWrapper) {
        let (version, change, topics) = self.table.snapshot_of(wanted);
        (change, wrapper(version, topics))
    }

    /// Names of all topics.
    pub fn names(&self) -> Vec<String> {
        self.table.names()
    }

    /// Creates or changes a topic; the file follows.
    pub fn update(&self, config: TopicConfig) {
        match self.table.insert(&config.topic_name, config.clone()) {
            Some(old) => {
                tracing::info!(target: LOGGER, "update topic config, old:[{old}] new:[{config}]")
            }
            None => tracing::info!(target: LOGGER, "create new topic [{config}]"),
        }
    }

    /// Creates a topic unless it is there; returns its settings, and whether it is new. The file
    /// follows.
    pub fn create(&self, config: TopicConfig) -> (Arc<TopicConfig>, bool) {
        let name = config.topic_name.clone();
        let (config, created) = self.table.get_or_insert(&name, || config);
        if created {
            tracing::info!(target: LOGGER, "create new topic {config}");
        }
        (config, created)
    }

    /// The write of every change so far, unless the file holds them.
    pub fn pending(&self) -> Option<Pending> {
        self.table.pending()
    }

    /// The write of a topic's settings, unless the file holds them.
    pub fn pending_of(&self, topic: &str) -> Option<Pending> {
        self.table.pending_of(topic)
    }

    /// Waits until the file holds every change.
    pub fn flush(&self) {
        self.table.flush();
    }

    /// What an unknown topic is created with when a message is sent to it; `None` if the base
    /// topic does not allow it (contract `requests.md` 1.3).
    pub fn inherited(
        &self,
        topic: &str,
        base: &str,
        client_queue_nums: i32,
        unit_mode: bool,
    ) -> Option<TopicConfig> {
        let base = self.get(base)?;
        if base.perm & permission::INHERIT == 0 {
            return None;
        }
        let queue_nums = client_queue_nums.min(base.write_queue_nums).max(0);
        let mut config = TopicConfig::new(topic, queue_nums, base.perm & !permission::INHERIT);
        config.topic_filter_type = base.topic_filter_type;
        config.topic_sys_flag = i32::from(unit_mode);
        Some(config)
    }

    /// Takes over a master's table; the file follows.
    pub(crate) fn replace(&self, master: TopicConfigSerializeWrapper) {
        self.table.replace(master.data_version, master.topic_config_table);
    }

    /// Forgets a topic; the file follows.
    pub fn delete(&self, topic: &str) {
        match self.table.remove(topic) {
            Some(old) => {
                tracing::info!(target: LOGGER, "delete topic config OK, topic: {old}")
            }
            None => {
                tracing::warn!(target: LOGGER, "delete topic config failed, topic: {topic} not exists")
            }
        }
    }

    /// Sets which topics are consumed in order, as the name servers have it.
    pub fn set_ordered(&self, ordered: &BTreeMap<String, String>) {
        self.table.change_each(|name, config| {
            let order = ordered.contains_key(name);
            if config.order == order {
                return None;
            }
            tracing::info!(target: LOGGER, "update order topic config, topic={name}, order={order}");
            Some(TopicConfig { order, ..config.clone() })
        });
    }
}

/// Topics that every broker has (contract `broker.md` 9).
fn built_in(config: &BrokerConfig) -> Vec<TopicConfig> {
    let rw = permission::READ | permission::WRITE;
    let all = rw | permission::INHERIT;
    let cluster = &config.broker_cluster_name;
    let mut topics = vec![TopicConfig::new(topic::SELF_TEST, 1, rw)];
    if config.auto_create_topic_enable {
        let queues = config.default_topic_queue_nums;
        topics.push(TopicConfig::new(topic::AUTO_CREATE, queues, all));
    }
    topics.push(TopicConfig::new(topic::BENCHMARK, 1024, rw));
    let perm = |enabled: bool| if enabled { all } else { permission::INHERIT };
    topics.push(TopicConfig::new(cluster, 16, perm(config.cluster_topic_enable)));
    topics.push(TopicConfig::new(&config.broker_name, 1, perm(config.broker_topic_enable)));
    topics.push(TopicConfig::new(topic::OFFSET_MOVED_EVENT, 1, rw));
    topics.push(TopicConfig::new(topic::SCHEDULE, 18, rw));
    if config.trace_topic_enable {
        topics.push(TopicConfig::new(&config.msg_trace_topic_name, 1, rw));
    }
    topics.push(TopicConfig::new(format!("{cluster}{}", topic::REPLY_SUFFIX), 1, rw));
    topics
}
