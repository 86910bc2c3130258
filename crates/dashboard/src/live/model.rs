//! What is known of a cluster at one moment.

use std::collections::{BTreeMap, BTreeSet};

use rocketmq_client::MessageQueue;
use rocketmq_protocol::body::{
    ClusterInfo, ConsumerConnection, OffsetWrapper, SubscriptionGroupConfig, TopicConfig,
};
use rocketmq_protocol::topic::{self, DLQ_PREFIX, RETRY_PREFIX};

use crate::members::Differing;

/// One broker process.
#[derive(Clone, Debug, Default)]
pub(crate) struct BrokerState {
    pub(crate) cluster: String,
    pub(crate) name: String,
    pub(crate) id: i64,
    pub(crate) address: String,
    /// Its runtime table; empty if it cannot be reached.
    pub(crate) runtime: BTreeMap<String, String>,
    pub(crate) error: Option<String>,
}

impl BrokerState {
    pub(crate) fn is_master(&self) -> bool {
        self.id == 0
    }

    /// A number of the runtime table.
    pub(crate) fn number(&self, key: &str) -> Option<f64> {
        self.runtime.get(key)?.split_whitespace().next()?.parse().ok()
    }

    /// Messages put or got since midnight.
    pub(crate) fn today(&self, now: &str, morning: &str) -> Option<f64> {
        Some(self.number(now)? - self.number(morning)?)
    }
}

/// Bounds of a topic's queues at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Bounds {
    /// When they were seen, ms.
    pub(crate) seen: i64,
    /// Sum of the ends.
    pub(crate) ends: i64,
    /// Messages that are still there.
    pub(crate) messages: i64,
    /// Store time of the newest message, ms; 0 for none.
    pub(crate) last_update: i64,
    /// Messages per second since the time before; not known at the first look.
    pub(crate) tps: Option<f64>,
}

/// One topic.
#[derive(Clone, Debug, Default)]
pub(crate) struct TopicState {
    /// Its settings on each broker that has it.
    pub(crate) configs: BTreeMap<String, TopicConfig>,
    pub(crate) bounds: Option<Bounds>,
    /// Why the bounds are not known.
    pub(crate) error: Option<String>,
    /// Groups that have progress in it.
    pub(crate) groups: BTreeSet<String>,
    pub(crate) out_tps: f64,
}

/// One consumer group.
#[derive(Clone, Debug, Default)]
pub(crate) struct GroupState {
    /// Its settings on each broker that has it.
    pub(crate) configs: BTreeMap<String, SubscriptionGroupConfig>,
    /// Progress in every queue.
    pub(crate) offsets: BTreeMap<MessageQueue, OffsetWrapper>,
    pub(crate) out_tps: f64,
    /// Members as one broker sees them; none: nobody is online.
    pub(crate) connection: Option<ConsumerConnection>,
    /// When the members were asked for, ms.
    pub(crate) connection_seen: i64,
    /// Why the members are not known.
    pub(crate) error: Option<String>,
    /// Lag at the last rounds, oldest first.
    pub(crate) lags: Vec<i64>,
    /// Topics to which its members subscribe differently.
    pub(crate) differing: Differing,
    /// When the members were asked for their subscriptions, ms.
    pub(crate) subscriptions_seen: i64,
    /// Queues in which messages wait and nothing is consumed, and since when that is seen, ms.
    pub(crate) standing: BTreeMap<MessageQueue, i64>,
}

impl GroupState {
    /// Messages not consumed yet; `None` without any progress.
    pub(crate) fn lag(&self) -> Option<i64> {
        let lags = self.offsets.values().map(|offset| offset.diff().max(0));
        (!self.offsets.is_empty()).then(|| lags.sum())
    }

    /// Age of the oldest message that is not consumed, ms; as far as brokers tell.
    pub(crate) fn lag_millis(&self, now: i64) -> Option<i64> {
        self.lag()?;
        let behind = self.offsets.values().filter(|offset| offset.diff() > 0);
        Some(
            behind
                .filter(|offset| offset.last_timestamp > 0)
                .map(|offset| now - offset.last_timestamp)
                .max()
                .unwrap_or(0)
                .max(0),
        )
    }
}

/// The picture.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    /// When it was made, ms; 0: never.
    pub(crate) updated: i64,
    /// Why the cluster cannot be seen at all.
    pub(crate) error: Option<String>,
    pub(crate) info: ClusterInfo,
    pub(crate) brokers: Vec<BrokerState>,
    pub(crate) topics: BTreeMap<String, TopicState>,
    pub(crate) groups: BTreeMap<String, GroupState>,
}

impl Snapshot {
    /// Brokers that take messages.
    pub(crate) fn masters(&self) -> impl Iterator<Item = &BrokerState> {
        self.brokers.iter().filter(|broker| broker.is_master())
    }

    /// Messages in a topic.
    pub(crate) fn messages_of(&self, topic: &str) -> Option<i64> {
        self.topics.get(topic)?.bounds.map(|bounds| bounds.messages)
    }

    /// Messages in a group's dead-letter topic; none without such a topic.
    pub(crate) fn dlq_of(&self, group: &str) -> i64 {
        self.messages_of(&format!("{DLQ_PREFIX}{group}")).unwrap_or(0)
    }

    /// Messages in a group's retry topic that wait.
    pub(crate) fn retry_of(&self, group: &str) -> i64 {
        let retry = format!("{RETRY_PREFIX}{group}");
        let Some(state) = self.groups.get(group) else { return 0 };
        let waiting = state.offsets.iter().filter(|(queue, _)| queue.topic == retry);
        waiting.map(|(_, offset)| offset.diff().max(0)).sum()
    }
}

/// `normal`, `retry`, `dlq` or `system`.
pub(crate) fn kind_of(name: &str, snapshot: &Snapshot) -> &'static str {
    let is_place = snapshot.info.broker_addr_table.contains_key(name)
        || snapshot.info.cluster_addr_table.contains_key(name);
    match name {
        _ if name.starts_with(RETRY_PREFIX) => "retry",
        _ if name.starts_with(DLQ_PREFIX) => "dlq",
        _ if is_place || topic::is_system(name) || name.ends_with(topic::REPLY_SUFFIX) => "system",
        _ => "normal",
    }
}
