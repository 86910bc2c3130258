//! Custom headers of requests and responses (contract `requests.md`).
//!
//! Each is declared once: Rust field, type and name on the wire. A plain type is required, an
//! `Option` may be absent, `or` gives the default of an absent one. Text borrows from the frame.

use std::borrow::Cow;

use crate::fields::{FieldType, FieldValue, FieldWriter, Fields, HeaderError, HeaderFields};

/// Text of a header, borrowed where it needs no unescaping.
pub type Text<'a> = Cow<'a, str>;

macro_rules! headers {
    ($($(#[$meta:meta])* $name:ident $(<$life:lifetime>)? {
        $($field:ident : $ty:ty = $key:literal $(or $default:expr)?,)*
    })*) => { $(
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name $(<$life>)? {
            $(#[doc = concat!("`", $key, "`")] pub $field: $ty,)*
        }

        headers!(@decode $name $(<$life>)? { $($field : $ty = $key $(or $default)?,)* });

        impl $(<$life>)? HeaderFields for $name $(<$life>)? {
            fn write_to(&self, out: &mut FieldWriter<'_>) {
                $(FieldType::encode(&self.$field, $key, out);)*
            }
        }
    )* };
    (@decode $name:ident <$life:lifetime> { $($field:ident : $ty:ty = $key:literal $(or $default:expr)?,)* }) => {
        impl<$life> $name<$life> {
            /// Reads the header from a frame's fields.
            pub fn decode(mut fields: Fields<$life>) -> Result<Self, HeaderError> {
                Ok($name { $($field: headers!(@field fields $ty, $key $(, $default)?),)* })
            }
        }
    };
    (@decode $name:ident { $($field:ident : $ty:ty = $key:literal $(or $default:expr)?,)* }) => {
        impl $name {
            /// Reads the header from a frame's fields.
            pub fn decode(mut fields: Fields<'_>) -> Result<Self, HeaderError> {
                Ok($name { $($field: headers!(@field fields $ty, $key $(, $default)?),)* })
            }
        }
    };
    (@field $fields:ident $ty:ty, $key:literal) => {
        <$ty as FieldType>::decode($key, $fields.get($key))?
    };
    (@field $fields:ident $ty:ty, $key:literal, $default:expr) => {
        match $fields.get($key) {
            Some(value) => <$ty as FieldType>::decode($key, Some(value))?,
            None => $default,
        }
    };
}

headers! {
    /// SEND_MESSAGE 10, SEND_REPLY_MESSAGE 324 (1.1).
    SendMessageRequestHeader<'a> {
        producer_group: Text<'a> = "producerGroup",
        topic: Text<'a> = "topic",
        default_topic: Text<'a> = "defaultTopic",
        default_topic_queue_nums: i32 = "defaultTopicQueueNums",
        queue_id: i32 = "queueId",
        sys_flag: i32 = "sysFlag",
        born_timestamp: i64 = "bornTimestamp",
        flag: i32 = "flag",
        properties: Option<FieldValue<'a>> = "properties",
        reconsume_times: Option<i32> = "reconsumeTimes",
        unit_mode: bool = "unitMode" or false,
        batch: bool = "batch" or false,
        max_reconsume_times: Option<i32> = "maxReconsumeTimes",
    }
    /// SEND_MESSAGE_V2 310, SEND_BATCH_MESSAGE 320, SEND_REPLY_MESSAGE_V2 325 (1.2): the same
    /// fields under one-letter names.
    SendMessageRequestHeaderV2<'a> {
        producer_group: Text<'a> = "a",
        topic: Text<'a> = "b",
        default_topic: Text<'a> = "c",
        default_topic_queue_nums: i32 = "d",
        queue_id: i32 = "e",
        sys_flag: i32 = "f",
        born_timestamp: i64 = "g",
        flag: i32 = "h",
        properties: Option<FieldValue<'a>> = "i",
        reconsume_times: Option<i32> = "j",
        unit_mode: bool = "k" or false,
        max_reconsume_times: Option<i32> = "l",
        batch: bool = "m" or false,
    }
    /// Answer to every send (1.4).
    SendMessageResponseHeader<'a> {
        msg_id: Text<'a> = "msgId",
        queue_id: i32 = "queueId",
        queue_offset: i64 = "queueOffset",
        transaction_id: Option<Text<'a>> = "transactionId",
    }
    /// What the broker adds to every answer to a send (1.3).
    SendMessageResponseExtras<'a> {
        msg_region: Text<'a> = "MSG_REGION",
        trace_on: bool = "TRACE_ON",
    }
    /// CONSUMER_SEND_MSG_BACK 36 (1.5).
    ConsumerSendMsgBackRequestHeader<'a> {
        offset: i64 = "offset",
        group: Text<'a> = "group",
        delay_level: i32 = "delayLevel",
        origin_msg_id: Option<Text<'a>> = "originMsgId",
        origin_topic: Option<Text<'a>> = "originTopic",
        unit_mode: bool = "unitMode" or false,
        max_reconsume_times: Option<i32> = "maxReconsumeTimes",
    }
    /// PUSH_REPLY_MESSAGE_TO_CLIENT 326 (1.7). The hosts are written `/ip:port`.
    ReplyMessageRequestHeader<'a> {
        producer_group: Text<'a> = "producerGroup",
        topic: Text<'a> = "topic",
        default_topic: Text<'a> = "defaultTopic",
        default_topic_queue_nums: i32 = "defaultTopicQueueNums",
        queue_id: i32 = "queueId",
        sys_flag: i32 = "sysFlag",
        born_timestamp: i64 = "bornTimestamp",
        flag: i32 = "flag",
        properties: Option<FieldValue<'a>> = "properties",
        reconsume_times: Option<i32> = "reconsumeTimes",
        unit_mode: bool = "unitMode" or false,
        born_host: Text<'a> = "bornHost",
        store_host: Text<'a> = "storeHost",
        store_timestamp: i64 = "storeTimestamp",
    }
    /// PULL_MESSAGE 11 (2.1).
    PullMessageRequestHeader<'a> {
        consumer_group: Text<'a> = "consumerGroup",
        topic: Text<'a> = "topic",
        queue_id: i32 = "queueId",
        queue_offset: i64 = "queueOffset",
        max_msg_nums: i32 = "maxMsgNums",
        sys_flag: i32 = "sysFlag",
        commit_offset: i64 = "commitOffset",
        suspend_timeout_millis: i64 = "suspendTimeoutMillis",
        subscription: Option<Text<'a>> = "subscription",
        sub_version: i64 = "subVersion",
        expression_type: Option<Text<'a>> = "expressionType",
    }
    /// Answer to every pull that read the store (2.1).
    PullMessageResponseHeader {
        suggest_which_broker_id: i64 = "suggestWhichBrokerId",
        next_begin_offset: i64 = "nextBeginOffset",
        min_offset: i64 = "minOffset",
        max_offset: i64 = "maxOffset",
    }
    /// QUERY_CONSUMER_OFFSET 14 (2.4).
    QueryConsumerOffsetRequestHeader<'a> {
        consumer_group: Text<'a> = "consumerGroup",
        topic: Text<'a> = "topic",
        queue_id: i32 = "queueId",
    }
    /// UPDATE_CONSUMER_OFFSET 15 (2.4).
    UpdateConsumerOffsetRequestHeader<'a> {
        consumer_group: Text<'a> = "consumerGroup",
        topic: Text<'a> = "topic",
        queue_id: i32 = "queueId",
        commit_offset: i64 = "commitOffset",
    }
    /// REPLICA_STATE 27182 (ours). `about` is one of [`replica_state`]; the others say who asks, and
    /// `from` and `count` which bytes of the commit log are wanted.
    ReplicaStateRequestHeader<'a> {
        about: Text<'a> = "about",
        broker_name: Text<'a> = "brokerName",
        broker_id: i64 = "brokerId",
        broker_addr: Text<'a> = "brokerAddr",
        max_offset: i64 = "maxOffset",
        from: i64 = "from" or 0,
        count: i32 = "count" or 0,
    }
    /// Answer to it: how the asked broker's log stands, when it started (epoch ms), and on a slave
    /// why it cannot follow its master, if so.
    ReplicaStateResponseHeader<'a> {
        min_offset: i64 = "minOffset",
        max_offset: i64 = "maxOffset",
        started_at: i64 = "startedAt",
        divergence: Option<Text<'a>> = "divergence",
    }
    /// GET_MAX_OFFSET 30, GET_MIN_OFFSET 31, GET_EARLIEST_MSG_STORETIME 32 (2.4).
    TopicQueueRequestHeader<'a> {
        topic: Text<'a> = "topic",
        queue_id: i32 = "queueId",
    }
    /// SEARCH_OFFSET_BY_TIMESTAMP 29 (2.4).
    SearchOffsetRequestHeader<'a> {
        topic: Text<'a> = "topic",
        queue_id: i32 = "queueId",
        timestamp: i64 = "timestamp",
    }
    /// Answer of the codes 14, 29, 30, 31.
    OffsetResponseHeader {
        offset: i64 = "offset",
    }
    /// Answer to GET_EARLIEST_MSG_STORETIME 32.
    GetEarliestMsgStoretimeResponseHeader {
        timestamp: i64 = "timestamp",
    }
    /// QUERY_MESSAGE 12 (2.5).
    QueryMessageRequestHeader<'a> {
        topic: Text<'a> = "topic",
        key: Text<'a> = "key",
        max_num: i32 = "maxNum",
        begin_timestamp: i64 = "beginTimestamp",
        end_timestamp: i64 = "endTimestamp",
        unique_key_query: Option<bool> = "_UNIQUE_KEY_QUERY",
    }
    /// Answer to QUERY_MESSAGE.
    QueryMessageResponseHeader {
        index_last_update_timestamp: i64 = "indexLastUpdateTimestamp",
        index_last_update_phyoffset: i64 = "indexLastUpdatePhyoffset",
    }
    /// VIEW_MESSAGE_BY_ID 33 (2.5).
    ViewMessageRequestHeader {
        offset: i64 = "offset",
    }
    /// QUERY_CONSUME_QUEUE 321 (2.5).
    QueryConsumeQueueRequestHeader<'a> {
        topic: Text<'a> = "topic",
        queue_id: i32 = "queueId",
        index: i64 = "index",
        count: i32 = "count",
        consumer_group: Option<Text<'a>> = "consumerGroup",
    }
    /// UNREGISTER_CLIENT 35 (3.2).
    UnregisterClientRequestHeader<'a> {
        client_id: Text<'a> = "clientID",
        producer_group: Option<Text<'a>> = "producerGroup",
        consumer_group: Option<Text<'a>> = "consumerGroup",
    }
    /// Codes 38, 40, 203, whose one field is the consumer group.
    ConsumerGroupRequestHeader<'a> {
        consumer_group: Text<'a> = "consumerGroup",
    }
    /// GET_PRODUCER_CONNECTION_LIST 204.
    ProducerGroupRequestHeader<'a> {
        producer_group: Text<'a> = "producerGroup",
    }
    /// GET_SUBSCRIPTIONGROUP_CONFIG 352 of 5.x.
    GroupRequestHeader<'a> {
        group: Text<'a> = "group",
    }
    /// CHECK_TRANSACTION_STATE 39 (3.6).
    CheckTransactionStateRequestHeader<'a> {
        tran_state_table_offset: i64 = "tranStateTableOffset",
        commit_log_offset: i64 = "commitLogOffset",
        msg_id: Option<Text<'a>> = "msgId",
        transaction_id: Option<Text<'a>> = "transactionId",
        offset_msg_id: Option<Text<'a>> = "offsetMsgId",
    }
    /// END_TRANSACTION 37 (6).
    EndTransactionRequestHeader<'a> {
        producer_group: Text<'a> = "producerGroup",
        tran_state_table_offset: i64 = "tranStateTableOffset",
        commit_log_offset: i64 = "commitLogOffset",
        commit_or_rollback: i32 = "commitOrRollback",
        from_transaction_check: bool = "fromTransactionCheck" or false,
        msg_id: Text<'a> = "msgId",
        transaction_id: Option<Text<'a>> = "transactionId",
    }
    /// RESUME_CHECK_HALF_MESSAGE 323 (6).
    ResumeCheckHalfMessageRequestHeader<'a> {
        msg_id: Option<Text<'a>> = "msgId",
    }
    /// RESET_CONSUMER_CLIENT_OFFSET 220 and INVOKE_BROKER_TO_RESET_OFFSET 222.
    ResetOffsetRequestHeader<'a> {
        topic: Text<'a> = "topic",
        group: Text<'a> = "group",
        timestamp: i64 = "timestamp",
        is_force: bool = "isForce",
    }
    /// GET_CONSUMER_STATUS_FROM_CLIENT 221 and INVOKE_BROKER_TO_GET_CONSUMER_STATUS 223.
    GetConsumerStatusRequestHeader<'a> {
        topic: Text<'a> = "topic",
        group: Text<'a> = "group",
        client_addr: Option<Text<'a>> = "clientAddr",
    }
    /// GET_CONSUMER_RUNNING_INFO 307.
    GetConsumerRunningInfoRequestHeader<'a> {
        consumer_group: Text<'a> = "consumerGroup",
        client_id: Text<'a> = "clientId",
        jstack_enable: bool = "jstackEnable" or false,
    }
    /// CONSUME_MESSAGE_DIRECTLY 309.
    ConsumeMessageDirectlyRequestHeader<'a> {
        consumer_group: Text<'a> = "consumerGroup",
        client_id: Option<Text<'a>> = "clientId",
        msg_id: Option<Text<'a>> = "msgId",
        broker_name: Option<Text<'a>> = "brokerName",
    }
    /// UPDATE_AND_CREATE_TOPIC 17 (4).
    CreateTopicRequestHeader<'a> {
        topic: Text<'a> = "topic",
        default_topic: Text<'a> = "defaultTopic",
        read_queue_nums: i32 = "readQueueNums",
        write_queue_nums: i32 = "writeQueueNums",
        perm: i32 = "perm",
        topic_filter_type: Text<'a> = "topicFilterType",
        topic_sys_flag: Option<i32> = "topicSysFlag",
        order: bool = "order" or false,
    }
    /// The codes whose one field is a topic: 105, 202, 215, 216, 300.
    TopicRequestHeader<'a> {
        topic: Text<'a> = "topic",
    }
    /// DELETE_SUBSCRIPTIONGROUP 207.
    DeleteSubscriptionGroupRequestHeader<'a> {
        group_name: Text<'a> = "groupName",
        remove_offset: bool = "removeOffset" or false,
    }
    /// QUERY_CONSUME_TIME_SPAN 303.
    QueryConsumeTimeSpanRequestHeader<'a> {
        topic: Text<'a> = "topic",
        group: Text<'a> = "group",
    }
    /// QUERY_SUBSCRIPTION_BY_CONSUMER 345.
    QuerySubscriptionByConsumerRequestHeader<'a> {
        group: Text<'a> = "group",
        topic: Option<Text<'a>> = "topic",
    }
    /// GET_CONSUME_STATS 208 (5).
    GetConsumeStatsRequestHeader<'a> {
        consumer_group: Text<'a> = "consumerGroup",
        topic: Option<Text<'a>> = "topic",
    }
    /// GET_BROKER_CONSUME_STATS 317.
    GetBrokerConsumeStatsRequestHeader {
        is_order: bool = "isOrder",
    }
    /// QUERY_CORRECTION_OFFSET 308.
    QueryCorrectionOffsetRequestHeader<'a> {
        filter_groups: Option<Text<'a>> = "filterGroups",
        compare_group: Text<'a> = "compareGroup",
        topic: Text<'a> = "topic",
    }
    /// CLONE_GROUP_OFFSET 314.
    CloneGroupOffsetRequestHeader<'a> {
        src_group: Text<'a> = "srcGroup",
        dest_group: Text<'a> = "destGroup",
        topic: Option<Text<'a>> = "topic",
        offline: bool = "offline" or false,
    }
    /// REGISTER_FILTER_SERVER 301 (5).
    RegisterFilterServerRequestHeader<'a> {
        filter_server_addr: Text<'a> = "filterServerAddr",
    }
    /// Answer to REGISTER_FILTER_SERVER.
    RegisterFilterServerResponseHeader<'a> {
        broker_name: Text<'a> = "brokerName",
        broker_id: i64 = "brokerId",
    }
    /// VIEW_BROKER_STATS_DATA 315 (7).
    ViewBrokerStatsDataRequestHeader<'a> {
        stats_name: Text<'a> = "statsName",
        stats_key: Text<'a> = "statsKey",
    }
    /// Answer to GET_BROKER_CONFIG 26: the DataVersion as JSON text.
    GetBrokerConfigResponseHeader<'a> {
        version: Text<'a> = "version",
    }
    /// UPDATE_AND_CREATE_ACL_CONFIG 50 (7). The permissions are comma lists `topicA=DENY`.
    CreateAccessConfigRequestHeader<'a> {
        access_key: Text<'a> = "accessKey",
        secret_key: Option<Text<'a>> = "secretKey",
        white_remote_address: Option<Text<'a>> = "whiteRemoteAddress",
        admin: bool = "admin" or false,
        default_topic_perm: Option<Text<'a>> = "defaultTopicPerm",
        default_group_perm: Option<Text<'a>> = "defaultGroupPerm",
        topic_perms: Option<Text<'a>> = "topicPerms",
        group_perms: Option<Text<'a>> = "groupPerms",
    }
    /// DELETE_ACL_CONFIG 51.
    DeleteAccessConfigRequestHeader<'a> {
        access_key: Text<'a> = "accessKey",
    }
    /// UPDATE_GLOBAL_WHITE_ADDRS_CONFIG 53: a comma list.
    UpdateGlobalWhiteAddrsConfigRequestHeader<'a> {
        global_white_addrs: Text<'a> = "globalWhiteAddrs",
    }
    /// Answer to GET_BROKER_CLUSTER_ACL_INFO 52: the DataVersion as JSON text.
    GetBrokerAclConfigResponseHeader<'a> {
        version: Text<'a> = "version",
        broker_name: Text<'a> = "brokerName",
        broker_addr: Text<'a> = "brokerAddr",
        cluster_name: Text<'a> = "clusterName",
    }
    /// PUT_KV_CONFIG 100 (N).
    PutKvConfigRequestHeader<'a> {
        namespace: Option<Text<'a>> = "namespace",
        key: Option<Text<'a>> = "key",
        value: Option<Text<'a>> = "value",
    }
    /// GET_KV_CONFIG 101 and DELETE_KV_CONFIG 102.
    KvConfigRequestHeader<'a> {
        namespace: Text<'a> = "namespace",
        key: Text<'a> = "key",
    }
    /// Answer to GET_KV_CONFIG.
    GetKvConfigResponseHeader<'a> {
        value: Option<Text<'a>> = "value",
    }
    /// GET_KVLIST_BY_NAMESPACE 219.
    NamespaceRequestHeader<'a> {
        namespace: Text<'a> = "namespace",
    }
    /// REGISTER_BROKER 103.
    RegisterBrokerRequestHeader<'a> {
        broker_name: Text<'a> = "brokerName",
        broker_addr: Text<'a> = "brokerAddr",
        cluster_name: Text<'a> = "clusterName",
        ha_server_addr: Text<'a> = "haServerAddr",
        broker_id: i64 = "brokerId",
        compressed: bool = "compressed" or false,
        body_crc32: i32 = "bodyCrc32" or 0,
    }
    /// Answer to REGISTER_BROKER.
    RegisterBrokerResponseHeader<'a> {
        ha_server_addr: Option<Text<'a>> = "haServerAddr",
        master_addr: Option<Text<'a>> = "masterAddr",
    }
    /// UNREGISTER_BROKER 104 and QUERY_DATA_VERSION 322.
    BrokerIdentityRequestHeader<'a> {
        broker_name: Text<'a> = "brokerName",
        broker_addr: Text<'a> = "brokerAddr",
        cluster_name: Text<'a> = "clusterName",
        broker_id: i64 = "brokerId",
    }
    /// Answer to QUERY_DATA_VERSION.
    QueryDataVersionResponseHeader {
        changed: bool = "changed",
    }
    /// WIPE_WRITE_PERM_OF_BROKER 205 and ADD_WRITE_PERM_OF_BROKER 327.
    BrokerNameRequestHeader<'a> {
        broker_name: Text<'a> = "brokerName",
    }
    /// Answer to WIPE_WRITE_PERM_OF_BROKER.
    WipeWritePermResponseHeader {
        wipe_topic_count: i32 = "wipeTopicCount",
    }
    /// Answer to ADD_WRITE_PERM_OF_BROKER.
    AddWritePermResponseHeader {
        add_topic_count: i32 = "addTopicCount",
    }
    /// GET_TOPICS_BY_CLUSTER 224.
    ClusterRequestHeader<'a> {
        cluster: Text<'a> = "cluster",
    }
}

/// What a REPLICA_STATE request is about.
pub mod replica_state {
    /// Only the state, which every answer tells.
    pub const STATE: &str = "state";
    /// The asked bytes of the commit log, as body.
    pub const LOG: &str = "log";
    /// The slave's offsets, as body; answered with the master's after both are joined.
    pub const OFFSETS: &str = "offsets";
}

impl<'a> From<SendMessageRequestHeader<'a>> for SendMessageRequestHeaderV2<'a> {
    fn from(v1: SendMessageRequestHeader<'a>) -> Self {
        SendMessageRequestHeaderV2 {
            producer_group: v1.producer_group,
            topic: v1.topic,
            default_topic: v1.default_topic,
            default_topic_queue_nums: v1.default_topic_queue_nums,
            queue_id: v1.queue_id,
            sys_flag: v1.sys_flag,
            born_timestamp: v1.born_timestamp,
            flag: v1.flag,
            properties: v1.properties,
            reconsume_times: v1.reconsume_times,
            unit_mode: v1.unit_mode,
            max_reconsume_times: v1.max_reconsume_times,
            batch: v1.batch,
        }
    }
}
