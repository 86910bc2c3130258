//! Answers to tools (contract `requests.md` 4 to 7).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::client::{ConsumeFromWhere, ConsumeType, MessageModel, SubscriptionData};
use crate::message::MessageQueue;

/// Bounds of one queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TopicOffset {
    /// Store time of the newest message, ms; 0 if the queue is empty.
    pub last_update_timestamp: i64,
    /// Next offset to be written.
    pub max_offset: i64,
    /// First offset there.
    pub min_offset: i64,
}

/// Answer body of GET_TOPIC_STATS_INFO 202.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TopicStatsTable {
    /// By queue.
    pub offset_table: BTreeMap<MessageQueue, TopicOffset>,
}

/// Progress of a group in one queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OffsetWrapper {
    /// Next offset to be written.
    pub broker_offset: i64,
    /// Next offset to be consumed.
    pub consumer_offset: i64,
    /// Store time of the last consumed message, ms; 0 if unknown.
    pub last_timestamp: i64,
}

impl OffsetWrapper {
    /// Messages that the group is behind.
    pub fn diff(&self) -> i64 {
        self.broker_offset - self.consumer_offset
    }
}

/// Answer body of GET_CONSUME_STATS 208.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConsumeStats {
    /// Messages a second.
    pub consume_tps: f64,
    /// By queue.
    pub offset_table: BTreeMap<MessageQueue, OffsetWrapper>,
}

impl ConsumeStats {
    /// Messages that the group is behind, over all queues.
    pub fn total_diff(&self) -> i64 {
        self.offset_table.values().map(OffsetWrapper::diff).sum()
    }
}

/// Answer body of GET_BROKER_CONSUME_STATS 317.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConsumeStatsList {
    /// The broker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broker_addr: Option<String>,
    /// One element a group.
    pub consume_stats_list: Vec<BTreeMap<String, Vec<ConsumeStats>>>,
    /// Messages behind, over all.
    pub total_diff: i64,
}

/// One connected client.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Connection {
    /// `ip:port`.
    pub client_addr: String,
    /// Client id.
    pub client_id: String,
    /// Name of its language.
    pub language: String,
    /// Its version number.
    pub version: i32,
}

/// Answer body of GET_CONSUMER_CONNECTION_LIST 203.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConsumerConnection {
    /// Clients.
    pub connection_set: Vec<Connection>,
    /// Where the group starts.
    pub consume_from_where: ConsumeFromWhere,
    /// Pull or push.
    pub consume_type: ConsumeType,
    /// Shared or broadcast.
    pub message_model: MessageModel,
    /// By topic.
    pub subscription_table: BTreeMap<String, SubscriptionData>,
}

/// Answer body of GET_PRODUCER_CONNECTION_LIST 204.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProducerConnection {
    /// Clients.
    pub connection_set: Vec<Connection>,
}

/// Answer body of GET_ALL_PRODUCER_INFO 328 of 5.x (contract `beyond-4.9.md` 13).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProducerTable {
    /// Connected producers by group.
    pub data: BTreeMap<String, Vec<ProducerInfo>>,
}

/// One connected producer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProducerInfo {
    /// What it calls itself.
    pub client_id: String,
    /// Its language.
    pub language: String,
    /// Time of its last heartbeat, ms.
    pub last_update_timestamp: i64,
    /// Where it is.
    #[serde(rename = "remoteIP")]
    pub remote_ip: String,
    /// Its version number.
    pub version: i32,
}

/// Answer body of QUERY_TOPIC_CONSUME_BY_WHO 300.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GroupList {
    /// Groups.
    pub group_list: Vec<String>,
}

/// Consumption delay of one queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueueTimeSpan {
    /// Store time of the next message to consume.
    pub consume_time_stamp: i64,
    /// The same as text.
    pub consume_time_stamp_str: String,
    /// How far behind, ms.
    pub delay_time: i64,
    /// Store time of the newest message.
    pub max_time_stamp: i64,
    /// The same as text.
    pub max_time_stamp_str: String,
    /// The queue.
    pub message_queue: MessageQueue,
    /// Store time of the oldest message.
    pub min_time_stamp: i64,
    /// The same as text.
    pub min_time_stamp_str: String,
}

/// Answer body of QUERY_CONSUME_TIME_SPAN 303.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConsumeTimeSpans {
    /// By queue.
    pub consume_time_span_set: Vec<QueueTimeSpan>,
}

/// Offsets of every group and topic: body of GET_ALL_CONSUMER_OFFSET 43 and
/// `config/consumerOffset.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConsumerOffsets {
    /// `topic@group` to queue id to offset.
    pub offset_table: BTreeMap<String, BTreeMap<i32, i64>>,
}

/// Offsets, and when they were last set by hand: body of REPLICA_STATE 27182 about offsets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VersionedOffsets {
    /// `topic@group` to queue id to offset.
    pub offset_table: BTreeMap<String, BTreeMap<i32, i64>>,
    /// `topic@group` to the version of its last explicit reset, epoch ms; absent is 0.
    pub version_table: BTreeMap<String, i64>,
}

/// Offsets by delay level: body of GET_ALL_DELAY_OFFSET 45 and `config/delayOffset.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DelayOffsets {
    /// Level (from 1) to the next offset of its queue.
    pub offset_table: BTreeMap<i32, i64>,
}

/// Answer body of QUERY_CORRECTION_OFFSET 308.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CorrectionOffsets {
    /// By queue id.
    pub correction_offsets: BTreeMap<i32, i64>,
}

/// One window of a statistic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BrokerStatsItem {
    /// Average per time.
    pub avgpt: f64,
    /// Sum.
    pub sum: i64,
    /// Per second.
    pub tps: f64,
}

/// Answer body of VIEW_BROKER_STATS_DATA 315.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BrokerStatsData {
    /// The last day.
    pub stats_day: BrokerStatsItem,
    /// The last hour.
    pub stats_hour: BrokerStatsItem,
    /// The last minute.
    pub stats_minute: BrokerStatsItem,
}

/// One entry of a consume queue, as QUERY_CONSUME_QUEUE shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConsumeQueueData {
    /// Filter bit map.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bit_map: Option<String>,
    /// Whether the group's filter takes the message.
    pub eval: bool,
    /// The extension entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extend_data_json: Option<String>,
    /// What went wrong while looking at it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub msg: Option<String>,
    /// Place in the commit log.
    pub physic_offset: i64,
    /// Size of the record.
    pub physic_size: i32,
    /// Tag hash.
    pub tags_code: i64,
}

/// Answer body of QUERY_CONSUME_QUEUE 321.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct QueryConsumeQueueBody {
    /// The group's filter data as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter_data: Option<String>,
    /// Bounds of the queue.
    pub max_queue_index: i64,
    /// Bounds of the queue.
    pub min_queue_index: i64,
    /// Entries.
    pub queue_data: Vec<ConsumeQueueData>,
    /// The group's subscription.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subscription_data: Option<SubscriptionData>,
}

/// Body of OFFSET_MOVED_EVENT messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OffsetMovedEvent {
    /// The group whose pull had to be moved.
    pub consumer_group: String,
    /// The queue.
    pub message_queue: MessageQueue,
    /// Where it goes on.
    pub offset_new: i64,
    /// What it asked for.
    pub offset_request: i64,
}
