//! What name servers keep and tell (contract `requests.md` N).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::topic::TopicConfigSerializeWrapper;

/// Body of REGISTER_BROKER 103.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RegisterBrokerBody {
    /// Addresses of filter servers, which nothing uses any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter_server_list: Option<Vec<String>>,
    /// The broker's topics.
    pub topic_config_serialize_wrapper: TopicConfigSerializeWrapper,
}

/// A broker's queues of a topic.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct QueueData {
    /// The broker's name.
    pub broker_name: String,
    /// See [`crate::topic::permission`].
    pub perm: i32,
    /// Queues that consumers see.
    pub read_queue_nums: i32,
    /// 1 unit, 2 unit subscription. Peers before 4.9 call it `topicSynFlag`.
    #[serde(alias = "topicSynFlag")]
    pub topic_sys_flag: i32,
    /// Queues that producers see.
    pub write_queue_nums: i32,
}

impl std::fmt::Display for QueueData {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "QueueData [brokerName={}, readQueueNums={}, writeQueueNums={}, perm={}, topicSysFlag={}]",
            self.broker_name,
            self.read_queue_nums,
            self.write_queue_nums,
            self.perm,
            self.topic_sys_flag
        )
    }
}

/// The addresses behind one broker name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BrokerData {
    /// Broker id (0 is the master) to `ip:port`.
    pub broker_addrs: BTreeMap<i64, String>,
    /// The broker's name.
    pub broker_name: String,
    /// The cluster it belongs to.
    pub cluster: String,
}

/// Broker id of a master.
pub const MASTER_ID: i64 = 0;

impl BrokerData {
    /// The master's address.
    pub fn master(&self) -> Option<&str> {
        self.broker_addrs.get(&MASTER_ID).map(String::as_str)
    }

    /// The master's address, else that of the slave with the smallest id.
    pub fn any_address(&self) -> Option<&str> {
        self.broker_addrs.values().next().map(String::as_str)
    }
}

impl std::fmt::Display for BrokerData {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "BrokerData [brokerName={}, brokerAddrs={{", self.broker_name)?;
        for (index, (id, address)) in self.broker_addrs.iter().enumerate() {
            write!(f, "{}{id}={address}", if index == 0 { "" } else { ", " })?;
        }
        write!(f, "}}]")
    }
}

/// Body of GET_ROUTEINFO_BY_TOPIC 105.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TopicRouteData {
    /// Brokers that have the topic.
    pub broker_datas: Vec<BrokerData>,
    /// Broker address to filter servers.
    pub filter_server_table: BTreeMap<String, Vec<String>>,
    /// `broker-a:4;broker-b:4` for ordered topics.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_topic_conf: Option<String>,
    /// Their queues.
    pub queue_datas: Vec<QueueData>,
}

/// Body of GET_BROKER_CLUSTER_INFO 106.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterInfo {
    /// By broker name.
    pub broker_addr_table: BTreeMap<String, BrokerData>,
    /// Cluster to broker names.
    pub cluster_addr_table: BTreeMap<String, Vec<String>>,
}

/// Body of the codes 206, 224, 304, 305, 311, 312, 313.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TopicList {
    /// With 304: a broker that can be asked for its own system topics.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broker_addr: Option<String>,
    /// Topics.
    pub topic_list: Vec<String>,
}

/// Body of 28, 103 (answer) and 219: texts by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KvTable {
    /// Value by key.
    pub table: BTreeMap<String, String>,
}
