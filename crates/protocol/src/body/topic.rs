//! Topic and subscription-group settings.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::topic::permission;

/// Tells two states of a table apart: when it changed last and how often (contract `store.md` 8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DataVersion {
    /// Number of changes.
    pub counter: i64,
    /// Time of the last change, ms.
    pub timestamp: i64,
}

impl DataVersion {
    /// Counts one change.
    pub fn next(&mut self, now_ms: i64) {
        self.timestamp = now_ms;
        self.counter += 1;
    }
}

impl std::fmt::Display for DataVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DataVersion[timestamp={}, counter={}]", self.timestamp, self.counter)
    }
}

/// Whether a topic's messages carry one tag or several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum TopicFilterType {
    /// One tag.
    #[default]
    #[serde(rename = "SINGLE_TAG")]
    SingleTag,
    /// Several tags.
    #[serde(rename = "MULTI_TAG")]
    MultiTag,
}

impl TopicFilterType {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            TopicFilterType::SingleTag => "SINGLE_TAG",
            TopicFilterType::MultiTag => "MULTI_TAG",
        }
    }

    /// The type of that name.
    pub fn from_name(name: &str) -> Option<TopicFilterType> {
        [TopicFilterType::SingleTag, TopicFilterType::MultiTag]
            .into_iter()
            .find(|t| t.name() == name)
    }
}

/// Settings of one topic on one broker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TopicConfig {
    /// Consumed in order across brokers.
    pub order: bool,
    /// See [`permission`].
    pub perm: i32,
    /// Queues that consumers see.
    pub read_queue_nums: i32,
    /// One tag or several.
    pub topic_filter_type: TopicFilterType,
    /// The topic.
    pub topic_name: String,
    /// 1 unit, 2 unit subscription.
    pub topic_sys_flag: i32,
    /// Queues that producers see.
    pub write_queue_nums: i32,
}

impl Default for TopicConfig {
    fn default() -> Self {
        TopicConfig {
            order: false,
            perm: permission::READ | permission::WRITE,
            read_queue_nums: 16,
            topic_filter_type: TopicFilterType::SingleTag,
            topic_name: String::new(),
            topic_sys_flag: 0,
            write_queue_nums: 16,
        }
    }
}

impl TopicConfig {
    /// A topic with equal numbers of read and write queues.
    pub fn new(topic: impl Into<String>, queue_nums: i32, perm: i32) -> TopicConfig {
        TopicConfig {
            topic_name: topic.into(),
            read_queue_nums: queue_nums,
            write_queue_nums: queue_nums,
            perm,
            ..TopicConfig::default()
        }
    }
}

impl std::fmt::Display for TopicConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "TopicConfig [topicName={}, readQueueNums={}, writeQueueNums={}, perm={}, \
             topicFilterType={}, topicSysFlag={}, order={}]",
            self.topic_name,
            self.read_queue_nums,
            self.write_queue_nums,
            permission::describe(self.perm),
            self.topic_filter_type.name(),
            self.topic_sys_flag,
            self.order
        )
    }
}

/// All topics of a broker: body of GET_ALL_TOPIC_CONFIG 21, part of REGISTER_BROKER, and
/// `config/topics.json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TopicConfigSerializeWrapper {
    /// State of the table.
    pub data_version: DataVersion,
    /// By topic.
    pub topic_config_table: BTreeMap<String, TopicConfig>,
}

/// Settings of one consumer group on one broker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SubscriptionGroupConfig {
    /// Broker to consume from normally.
    pub broker_id: i64,
    /// Broadcasting is allowed.
    pub consume_broadcast_enable: bool,
    /// Consumption is allowed.
    pub consume_enable: bool,
    /// Unused, but kept.
    pub consume_from_min_enable: bool,
    /// The group.
    pub group_name: String,
    /// Members hear of one another's coming and going.
    pub notify_consumer_ids_changed_enable: bool,
    /// Deliveries before a message goes to the dead-letter topic.
    pub retry_max_times: i32,
    /// Queues of the retry topic.
    pub retry_queue_nums: i32,
    /// Broker to consume from when far behind.
    pub which_broker_when_consume_slowly: i64,
}

impl Default for SubscriptionGroupConfig {
    fn default() -> Self {
        SubscriptionGroupConfig {
            broker_id: 0,
            consume_broadcast_enable: true,
            consume_enable: true,
            consume_from_min_enable: true,
            group_name: String::new(),
            notify_consumer_ids_changed_enable: true,
            retry_max_times: 16,
            retry_queue_nums: 1,
            which_broker_when_consume_slowly: 1,
        }
    }
}

impl std::fmt::Display for SubscriptionGroupConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "SubscriptionGroupConfig [groupName={}, consumeEnable={}, consumeFromMinEnable={}, \
             consumeBroadcastEnable={}, retryQueueNums={}, retryMaxTimes={}, brokerId={}, \
             whichBrokerWhenConsumeSlowly={}, notifyConsumerIdsChangedEnable={}]",
            self.group_name,
            self.consume_enable,
            self.consume_from_min_enable,
            self.consume_broadcast_enable,
            self.retry_queue_nums,
            self.retry_max_times,
            self.broker_id,
            self.which_broker_when_consume_slowly,
            self.notify_consumer_ids_changed_enable
        )
    }
}

/// All groups of a broker: body of GET_ALL_SUBSCRIPTIONGROUP_CONFIG 201 and
/// `config/subscriptionGroup.json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SubscriptionGroupWrapper {
    /// State of the table.
    pub data_version: DataVersion,
    /// By group.
    pub subscription_group_table: BTreeMap<String, SubscriptionGroupConfig>,
}
