//! The broker's topics (contract `broker.md` 9) and `config/topics.json`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use rocketmq_common::{clock, durable, fastjson};
use rocketmq_protocol::body::{DataVersion, TopicConfig, TopicConfigSerializeWrapper};
use rocketmq_protocol::topic::{self, permission};

use crate::LOGGER;
use crate::config::BrokerConfig;

/// The table of topics and its file.
pub struct Topics {
    path: PathBuf,
    table: RwLock<HashMap<Box<str>, Arc<TopicConfig>>>,
    version: Mutex<DataVersion>,
    system: BTreeSet<String>,
    /// One writer of the file at a time, in the order of the changes.
    writing: Mutex<()>,
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
        Ok(Topics {
            path,
            table: RwLock::new(table),
            version: Mutex::new(version),
            system,
            writing: Mutex::default(),
        })
    }

    /// The settings of a topic.
    pub fn get(&self, topic: &str) -> Option<Arc<TopicConfig>> {
        self.table.read().get(topic).cloned()
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
        *self.version.lock()
    }

    /// The whole table.
    pub fn snapshot(&self) -> TopicConfigSerializeWrapper {
        let table = self.table.read();
        let topics: BTreeMap<_, _> =
            table.iter().map(|(name, config)| (name.to_string(), (**config).clone())).collect();
        TopicConfigSerializeWrapper { data_version: self.version(), topic_config_table: topics }
    }

    /// Names of all topics.
    pub fn names(&self) -> Vec<String> {
        self.table.read().keys().map(|name| name.to_string()).collect()
    }

    /// Creates or changes a topic and writes the file.
    pub fn update(&self, config: TopicConfig) -> io::Result<()> {
        let old = {
            let mut table = self.table.write();
            table.insert(config.topic_name.clone().into(), Arc::new(config.clone()))
        };
        match old {
            Some(old) => {
                tracing::info!(target: LOGGER, "update topic config, old:[{old}] new:[{config}]")
            }
            None => tracing::info!(target: LOGGER, "create new topic [{config}]"),
        }
        self.changed()
    }

    /// Creates a topic unless it is there; returns its settings, and whether it is new.
    pub fn create(&self, config: TopicConfig) -> io::Result<(Arc<TopicConfig>, bool)> {
        let created = {
            let mut table = self.table.write();
            if let Some(known) = table.get(config.topic_name.as_str()) {
                return Ok((Arc::clone(known), false));
            }
            let created = Arc::new(config);
            table.insert(created.topic_name.clone().into(), Arc::clone(&created));
            created
        };
        tracing::info!(target: LOGGER, "create new topic {created}");
        self.changed()?;
        Ok((created, true))
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

    /// Forgets a topic and writes the file.
    pub fn delete(&self, topic: &str) -> io::Result<()> {
        let old = self.table.write().remove(topic);
        match old {
            Some(old) => {
                tracing::info!(target: LOGGER, "delete topic config OK, topic: {old}");
                self.changed()
            }
            None => {
                tracing::warn!(target: LOGGER, "delete topic config failed, topic: {topic} not exists");
                Ok(())
            }
        }
    }

    /// Sets which topics are consumed in order, as the name servers have it.
    pub fn set_ordered(&self, ordered: &BTreeMap<String, String>) -> io::Result<()> {
        let mut any = false;
        for (name, config) in self.table.write().iter_mut() {
            let order = ordered.contains_key(&**name);
            if config.order != order {
                Arc::make_mut(config).order = order;
                any = true;
                tracing::info!(target: LOGGER, "update order topic config, topic={name}, order={order}");
            }
        }
        if any { self.changed() } else { Ok(()) }
    }

    fn changed(&self) -> io::Result<()> {
        let _writing = self.writing.lock();
        self.version.lock().next(clock::now_ms());
        let text = fastjson::to_pretty(&self.snapshot()).map_err(io::Error::other)?;
        durable::replace(&self.path, text.as_bytes())
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
