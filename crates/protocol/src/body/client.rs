//! Heartbeats, subscriptions and what brokers ask of clients (contract `requests.md` 3).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::message::MessageQueue;

/// Expression type of tag filters.
pub const EXPRESSION_TAG: &str = "TAG";
/// Expression type of SQL92 filters.
pub const EXPRESSION_SQL92: &str = "SQL92";
/// Subscription to all messages.
pub const SUBSCRIBE_ALL: &str = "*";

/// What a consumer group wants of one topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SubscriptionData {
    /// Always false: filter servers are gone.
    pub class_filter_mode: bool,
    /// Hashes of the tags.
    #[serde(with = "rocketmq_common::fastjson::inline")]
    pub code_set: BTreeSet<i32>,
    /// [`EXPRESSION_TAG`] or [`EXPRESSION_SQL92`].
    pub expression_type: String,
    /// The expression as written.
    pub sub_string: String,
    /// When the subscription was made, ms.
    pub sub_version: i64,
    /// The tags; empty for all.
    #[serde(with = "rocketmq_common::fastjson::inline")]
    pub tags_set: BTreeSet<String>,
    /// Topic.
    pub topic: String,
}

/// Body of 345: what a consumer group wants of a topic, if it does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct QuerySubscriptionResponseBody {
    /// The group.
    pub group: String,
    /// Of a group that is connected and subscribes to the topic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subscription_data: Option<SubscriptionData>,
    /// The topic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
}

impl Default for SubscriptionData {
    fn default() -> Self {
        SubscriptionData {
            class_filter_mode: false,
            code_set: BTreeSet::new(),
            expression_type: EXPRESSION_TAG.to_string(),
            sub_string: String::new(),
            sub_version: 0,
            tags_set: BTreeSet::new(),
            topic: String::new(),
        }
    }
}

impl SubscriptionData {
    /// Subscription by tags: empty or `*` for all, else tags separated by `||`. `None` if there
    /// is a separator but no tag (contract `broker.md` 19).
    pub fn by_tags(topic: &str, expression: &str, version: i64) -> Option<SubscriptionData> {
        let mut subscription = SubscriptionData {
            topic: topic.to_string(),
            sub_string: expression.to_string(),
            sub_version: version,
            ..SubscriptionData::default()
        };
        if expression.is_empty() || expression == SUBSCRIBE_ALL {
            subscription.sub_string = SUBSCRIBE_ALL.to_string();
            return Some(subscription);
        }
        for tag in expression.split("||").map(str::trim).filter(|tag| !tag.is_empty()) {
            subscription.code_set.insert(rocketmq_common::java::string_hash(tag));
            subscription.tags_set.insert(tag.to_string());
        }
        (!subscription.tags_set.is_empty()).then_some(subscription)
    }

    /// Whether the expression is made of tags.
    pub fn is_tag_type(&self) -> bool {
        self.expression_type.is_empty() || self.expression_type == EXPRESSION_TAG
    }
}

impl std::fmt::Display for SubscriptionData {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let join = |items: Vec<String>| items.join(", ");
        write!(
            f,
            "SubscriptionData [classFilterMode={}, topic={}, subString={}, tagsSet=[{}], \
             codeSet=[{}], subVersion={}, expressionType={}]",
            self.class_filter_mode,
            self.topic,
            self.sub_string,
            join(self.tags_set.iter().cloned().collect()),
            join(self.code_set.iter().map(i32::to_string).collect()),
            self.sub_version,
            self.expression_type
        )
    }
}

macro_rules! names {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$variant_meta])* #[serde(rename = $text)] $variant,)*
        }

        impl $name {
            /// The name on the wire and in tables.
            pub fn name(self) -> &'static str {
                match self { $($name::$variant => $text,)* }
            }
        }
    };
}

names! {
    /// Who starts a consumer's reads.
    ConsumeType {
        /// The application pulls.
        Actively = "CONSUME_ACTIVELY",
        /// Messages are pushed to listeners.
        Passively = "CONSUME_PASSIVELY",
    }
}

names! {
    /// Whether members of a group share messages or each get all.
    MessageModel {
        /// Each gets all.
        Broadcasting = "BROADCASTING",
        /// They share.
        Clustering = "CLUSTERING",
    }
}

names! {
    /// Where a group without stored offset starts.
    ConsumeFromWhere {
        /// At the end.
        LastOffset = "CONSUME_FROM_LAST_OFFSET",
        /// As [`ConsumeFromWhere::LastOffset`] (deprecated).
        LastOffsetAndFromMinWhenBootFirst = "CONSUME_FROM_LAST_OFFSET_AND_FROM_MIN_WHEN_BOOT_FIRST",
        /// As [`ConsumeFromWhere::LastOffset`] (deprecated).
        MinOffset = "CONSUME_FROM_MIN_OFFSET",
        /// As [`ConsumeFromWhere::LastOffset`] (deprecated).
        MaxOffset = "CONSUME_FROM_MAX_OFFSET",
        /// At the beginning.
        FirstOffset = "CONSUME_FROM_FIRST_OFFSET",
        /// At a time.
        Timestamp = "CONSUME_FROM_TIMESTAMP",
    }
}

/// One consumer group of a heartbeat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConsumerData {
    /// Where to start.
    #[serde(default = "last_offset")]
    pub consume_from_where: ConsumeFromWhere,
    /// Pull or push.
    #[serde(default = "passively")]
    pub consume_type: ConsumeType,
    /// The group.
    #[serde(default)]
    pub group_name: String,
    /// Shared or broadcast.
    #[serde(default = "clustering")]
    pub message_model: MessageModel,
    /// What it subscribes to.
    #[serde(default)]
    pub subscription_data_set: Vec<SubscriptionData>,
    /// Unit mode.
    #[serde(default)]
    pub unit_mode: bool,
}

fn last_offset() -> ConsumeFromWhere {
    ConsumeFromWhere::LastOffset
}

fn passively() -> ConsumeType {
    ConsumeType::Passively
}

fn clustering() -> MessageModel {
    MessageModel::Clustering
}

/// One producer group of a heartbeat.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProducerData {
    /// The group.
    pub group_name: String,
}

/// Body of HEART_BEAT 34.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HeartbeatData {
    /// The client.
    #[serde(rename = "clientID")]
    pub client_id: String,
    /// Its consumer groups.
    pub consumer_data_set: Vec<ConsumerData>,
    /// Its producer groups.
    pub producer_data_set: Vec<ProducerData>,
}

/// Answer body of GET_CONSUMER_LIST_BY_GROUP 38.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConsumerIdList {
    /// Client ids.
    pub consumer_id_list: Vec<String>,
}

/// Body of CHECK_CLIENT_CONFIG 46.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CheckClientBody {
    /// The client.
    pub client_id: String,
    /// The consumer group.
    pub group: String,
    /// What is to be checked.
    pub subscription_data: SubscriptionData,
}

/// Body of LOCK_BATCH_MQ 41 and UNLOCK_BATCH_MQ 42.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LockBatchBody {
    /// The client.
    pub client_id: String,
    /// The consumer group.
    pub consumer_group: String,
    /// Queues to lock or unlock.
    pub mq_set: Vec<MessageQueue>,
}

/// Answer body of LOCK_BATCH_MQ 41.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LockOkBody {
    /// Queues that are locked now.
    #[serde(rename = "lockOKMQSet")]
    pub lock_ok_mq_set: Vec<MessageQueue>,
}

/// Offsets by queue: bodies of 220 and 222.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct QueueOffsets {
    /// Offset by queue.
    pub offset_table: BTreeMap<MessageQueue, i64>,
}

/// Answer body of GET_CONSUMER_STATUS_FROM_CLIENT 221.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConsumerStatus {
    /// Offset by queue.
    pub message_queue_table: BTreeMap<MessageQueue, i64>,
}

/// State of one queue inside a consumer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)] // the names of the wire say all there is to say
pub struct ProcessQueueInfo {
    pub cached_msg_count: i32,
    pub cached_msg_max_offset: i64,
    pub cached_msg_min_offset: i64,
    #[serde(rename = "cachedMsgSizeInMiB")]
    pub cached_msg_size_in_mib: i32,
    pub commit_offset: i64,
    /// The real spelling.
    pub droped: bool,
    pub last_consume_timestamp: i64,
    pub last_lock_timestamp: i64,
    pub last_pull_timestamp: i64,
    pub locked: bool,
    pub transaction_msg_count: i32,
    pub transaction_msg_max_offset: i64,
    pub transaction_msg_min_offset: i64,
    pub try_unlock_times: i64,
}

/// Rates of one topic inside a consumer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)] // the names of the wire say all there is to say
pub struct ConsumeStatus {
    pub consume_failed_msgs: i64,
    #[serde(rename = "consumeFailedTPS")]
    pub consume_failed_tps: f64,
    #[serde(rename = "consumeOKTPS")]
    pub consume_ok_tps: f64,
    #[serde(rename = "consumeRT")]
    pub consume_rt: f64,
    #[serde(rename = "pullRT")]
    pub pull_rt: f64,
    #[serde(rename = "pullTPS")]
    pub pull_tps: f64,
}

/// Answer body of GET_CONSUMER_RUNNING_INFO 307.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConsumerRunningInfo {
    /// Threads and what they do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jstack: Option<String>,
    /// Queues it consumes.
    pub mq_table: BTreeMap<MessageQueue, ProcessQueueInfo>,
    /// Its settings, and the `PROP_` values.
    pub properties: BTreeMap<String, String>,
    /// Rates by topic.
    pub status_table: BTreeMap<String, ConsumeStatus>,
    /// Subscriptions.
    pub subscription_set: Vec<SubscriptionData>,
}

/// Answer body of CONSUME_MESSAGE_DIRECTLY 309.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConsumeMessageDirectlyResult {
    /// Offsets are committed without being asked.
    pub auto_commit: bool,
    /// `CR_SUCCESS`, `CR_LATER`, `CR_ROLLBACK`, `CR_COMMIT`, `CR_THROW_EXCEPTION`, `CR_RETURN_NULL`.
    pub consume_result: String,
    /// The listener is an orderly one.
    pub order: bool,
    /// What went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remark: Option<String>,
    /// Time the listener took, ms.
    pub spent_time_mills: i64,
}

/// As Java prints it.
impl std::fmt::Display for ConsumeMessageDirectlyResult {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "ConsumeMessageDirectlyResult [order={}, autoCommit={}, consumeResult={}, remark={}, \
             spentTimeMills={}]",
            self.order,
            self.auto_commit,
            self.consume_result,
            self.remark.as_deref().unwrap_or("null"),
            self.spent_time_mills
        )
    }
}
