//! The route tables: which broker serves what (contract `namesrv.md` 2 to 7).
//!
//! One value under one lock ([`crate::NameServer`] holds it); nothing of it is persisted. Every
//! change is logged with RocketMQ's own line.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use rocketmq_protocol::body::{
    BrokerData, ClusterInfo, DataVersion, MASTER_ID, QueueData, TopicConfig,
    TopicConfigSerializeWrapper, TopicList, TopicRouteData,
};
use rocketmq_protocol::topic::permission;

use crate::LOGGER;

/// How long a broker counts as alive after its last registration.
pub(crate) const BROKER_EXPIRED_MS: i64 = 120_000;

/// What a REGISTER_BROKER says of the broker.
#[derive(Clone, Copy, Debug)]
pub struct Registration<'a> {
    /// Cluster.
    pub cluster: &'a str,
    /// Broker name.
    pub broker_name: &'a str,
    /// `ip:port`.
    pub broker_addr: &'a str,
    /// 0 for a master.
    pub broker_id: i64,
    /// Where its slaves replicate from.
    pub ha_server_addr: &'a str,
    /// The connection it came on.
    pub connection_id: u64,
}

/// What a slave learns about its master.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MasterInfo {
    /// Where to replicate from.
    pub ha_server_addr: Option<String>,
    /// The master's address.
    pub master_addr: Option<String>,
}

#[derive(Clone, Debug)]
struct LiveBroker {
    last_update_ms: i64,
    data_version: DataVersion,
    connection_id: u64,
    ha_server_addr: String,
}

/// The five route tables.
#[derive(Debug, Default)]
pub struct Routes {
    topics: BTreeMap<String, Vec<QueueData>>,
    brokers: BTreeMap<String, BrokerData>,
    clusters: BTreeMap<String, BTreeSet<String>>,
    live: HashMap<String, LiveBroker>,
    filter_servers: BTreeMap<String, Vec<String>>,
}

impl Routes {
    /// Takes in one registration.
    pub fn register(
        &mut self,
        broker: Registration<'_>,
        topics: &TopicConfigSerializeWrapper,
        filter_servers: Option<Vec<String>>,
        now_ms: i64,
    ) -> MasterInfo {
        let names = self.clusters.entry(broker.cluster.to_string()).or_default();
        names.insert(broker.broker_name.to_string());
        let first = self.place_address(broker);
        if broker.broker_id == MASTER_ID
            && (first || self.is_changed(broker.broker_addr, topics.data_version))
        {
            for (topic, config) in &topics.topic_config_table {
                self.upsert_queues(topic, queue_data(broker.broker_name, config));
            }
        }
        let live = LiveBroker {
            last_update_ms: now_ms,
            data_version: topics.data_version,
            connection_id: broker.connection_id,
            ha_server_addr: broker.ha_server_addr.to_string(),
        };
        if self.live.insert(broker.broker_addr.to_string(), live).is_none() {
            tracing::info!(target: LOGGER, thread = THREAD, "new broker registered, {} HAServer: {}", broker.broker_addr, broker.ha_server_addr);
        }
        match filter_servers {
            None => {}
            Some(servers) if servers.is_empty() => {
                self.filter_servers.remove(broker.broker_addr);
            }
            Some(servers) => {
                self.filter_servers.insert(broker.broker_addr.to_string(), servers);
            }
        }
        self.master_info(broker)
    }

    /// Puts the address under its id; true if the name or the id was not known before.
    fn place_address(&mut self, broker: Registration<'_>) -> bool {
        let (mut first, data) = match self.brokers.entry(broker.broker_name.to_string()) {
            Entry::Occupied(known) => (false, known.into_mut()),
            Entry::Vacant(unknown) => {
                let data = BrokerData {
                    broker_addrs: BTreeMap::new(),
                    broker_name: broker.broker_name.to_string(),
                    cluster: broker.cluster.to_string(),
                };
                (true, unknown.insert(data))
            }
        };
        // A slave that became master, or the other way round, keeps its address.
        data.broker_addrs
            .retain(|id, address| *id == broker.broker_id || address != broker.broker_addr);
        let old = data.broker_addrs.insert(broker.broker_id, broker.broker_addr.to_string());
        if let Some(old) = old.as_deref().filter(|old| *old != broker.broker_addr)
            && self.live.contains_key(old)
        {
            tracing::warn!(target: LOGGER, thread = THREAD, "two brokers with brokerName={} brokerId={}: {} takes the place of {old}, which is registered too; give one of them another name or id", broker.broker_name, broker.broker_id, broker.broker_addr);
        }
        first |= old.is_none();
        first
    }

    fn master_info(&self, broker: Registration<'_>) -> MasterInfo {
        if broker.broker_id == MASTER_ID {
            return MasterInfo::default();
        }
        let master = self.brokers.get(broker.broker_name).and_then(BrokerData::master);
        let Some((address, live)) = master.and_then(|a| Some((a, self.live.get(a)?))) else {
            return MasterInfo::default();
        };
        MasterInfo {
            ha_server_addr: Some(live.ha_server_addr.clone()),
            master_addr: Some(address.to_string()),
        }
    }

    /// Whether the broker's topics differ from what is known; refreshes its time when they do not.
    pub fn query_data_version(
        &mut self,
        broker_addr: &str,
        version: DataVersion,
        now_ms: i64,
    ) -> bool {
        let changed = self.is_changed(broker_addr, version);
        if !changed && let Some(live) = self.live.get_mut(broker_addr) {
            live.last_update_ms = now_ms;
        }
        changed
    }

    fn is_changed(&self, broker_addr: &str, version: DataVersion) -> bool {
        self.data_version(broker_addr) != Some(version)
    }

    /// The data version the broker registered with last.
    pub fn data_version(&self, broker_addr: &str) -> Option<DataVersion> {
        self.live.get(broker_addr).map(|live| live.data_version)
    }

    fn upsert_queues(&mut self, topic: &str, queues: QueueData) {
        let Some(list) = self.topics.get_mut(topic) else {
            tracing::info!(target: LOGGER, thread = THREAD, "new topic registered, {topic} {queues}");
            self.topics.insert(topic.to_string(), vec![queues]);
            return;
        };
        let known = list.iter().position(|known| known.broker_name == queues.broker_name);
        if let Some(index) = known {
            if list[index] == queues {
                return;
            }
            let old = list.remove(index);
            tracing::info!(target: LOGGER, thread = THREAD, "topic changed, {topic} OLD: {old} NEW: {queues}");
        }
        list.push(queues);
    }

    /// Forgets a broker that leaves.
    pub fn unregister(&mut self, broker_name: &str, broker_addr: &str, broker_id: i64) {
        let outcome = if self.live.remove(broker_addr).is_some() { "OK" } else { "Failed" };
        tracing::info!(target: LOGGER, thread = THREAD, "unregisterBroker, remove from brokerLiveTable {outcome}, {broker_addr}");
        self.filter_servers.remove(broker_addr);
        let Some(data) = self.brokers.get_mut(broker_name) else { return };
        let outcome = if data.broker_addrs.remove(&broker_id).is_some() { "OK" } else { "Failed" };
        tracing::info!(target: LOGGER, thread = THREAD, "unregisterBroker, remove addr from brokerAddrTable {outcome}, {broker_addr}");
        if !data.broker_addrs.is_empty() {
            return;
        }
        let cluster = data.cluster.clone();
        self.brokers.remove(broker_name);
        tracing::info!(target: LOGGER, thread = THREAD, "unregisterBroker, remove name from brokerAddrTable OK, {broker_name}");
        if let Some(names) = self.clusters.get_mut(&cluster) {
            let outcome = if names.remove(broker_name) { "OK" } else { "Failed" };
            tracing::info!(target: LOGGER, thread = THREAD, "unregisterBroker, remove name from clusterAddrTable {outcome}, {broker_name}");
            if names.is_empty() {
                self.clusters.remove(&cluster);
                tracing::info!(target: LOGGER, thread = THREAD, "unregisterBroker, remove cluster from clusterAddrTable {cluster}");
            }
        }
        self.remove_queues_of(broker_name, |topic, queues, emptied| {
            tracing::info!(target: LOGGER, thread = THREAD, "removeTopicByBrokerName, remove one broker's topic {topic} {queues}");
            if emptied {
                tracing::info!(target: LOGGER, thread = THREAD, "removeTopicByBrokerName, remove the topic all queue {topic}");
            }
        });
    }

    /// Drops a broker's queues from every topic, and topics that have none left.
    fn remove_queues_of(&mut self, broker_name: &str, log: impl Fn(&str, &QueueData, bool)) {
        self.topics.retain(|topic, list| {
            let Some(index) = list.iter().position(|q| q.broker_name == broker_name) else {
                return true;
            };
            let removed = list.remove(index);
            log(topic, &removed, list.is_empty());
            !list.is_empty()
        });
    }

    /// The broker that registered on that connection.
    pub fn broker_of_connection(&self, connection_id: u64) -> Option<String> {
        let mut live = self.live.iter();
        live.find(|(_, live)| live.connection_id == connection_id).map(|(addr, _)| addr.clone())
    }

    /// Forgets a broker whose connection is gone.
    pub fn broker_lost(&mut self, broker_addr: &str) {
        let thread = "NettyEventExecutor";
        tracing::info!(target: LOGGER, thread, "the broker's channel destroyed, {broker_addr}, clean it's data structure at once");
        self.live.remove(broker_addr);
        self.filter_servers.remove(broker_addr);
        let Some((broker_name, cluster)) = self.remove_address(broker_addr, thread) else { return };
        let Some(names) = self.clusters.get_mut(&cluster) else { return };
        if names.remove(&broker_name) {
            tracing::info!(target: LOGGER, thread, "remove brokerName[{broker_name}], clusterName[{cluster}] from clusterAddrTable, because channel destroyed");
        }
        if names.is_empty() {
            self.clusters.remove(&cluster);
            tracing::info!(target: LOGGER, thread, "remove the clusterName[{cluster}] from clusterAddrTable, because channel destroyed and no broker in this cluster");
        }
        self.remove_queues_of(&broker_name, |topic, queues, emptied| {
            tracing::info!(target: LOGGER, thread, "remove topic[{topic} {queues}], from topicQueueTable, because channel destroyed");
            if emptied {
                tracing::info!(target: LOGGER, thread, "remove topic[{topic}] all queue, from topicQueueTable, because channel destroyed");
            }
        });
    }

    /// Removes an address from its broker name; returns name and cluster when the name has no
    /// address left.
    fn remove_address(&mut self, broker_addr: &str, thread: &str) -> Option<(String, String)> {
        let data = self.brokers.values_mut();
        let (data, id) = data
            .filter_map(|data| {
                let id = data.broker_addrs.iter().find(|(_, addr)| *addr == broker_addr)?.0;
                Some((*id, data))
            })
            .map(|(id, data)| (data, id))
            .next()?;
        data.broker_addrs.remove(&id);
        tracing::info!(target: LOGGER, thread, "remove brokerAddr[{id}, {broker_addr}] from brokerAddrTable, because channel destroyed");
        if !data.broker_addrs.is_empty() {
            return None;
        }
        let (name, cluster) = (data.broker_name.clone(), data.cluster.clone());
        self.brokers.remove(&name);
        tracing::info!(target: LOGGER, thread, "remove brokerName[{name}] from brokerAddrTable, because channel destroyed");
        Some((name, cluster))
    }

    /// Brokers not heard of for [`BROKER_EXPIRED_MS`]: address and connection.
    pub fn expired(&self, now_ms: i64) -> Vec<(String, u64)> {
        let live = self.live.iter();
        live.filter(|(_, live)| live.last_update_ms + BROKER_EXPIRED_MS < now_ms)
            .map(|(addr, live)| (addr.clone(), live.connection_id))
            .collect()
    }

    /// Queues and brokers of a topic; `None` if no broker known has it.
    pub fn route(&self, topic: &str) -> Option<TopicRouteData> {
        let queue_datas = self.topics.get(topic)?.clone();
        let names: BTreeSet<_> = queue_datas.iter().map(|queues| &queues.broker_name).collect();
        let broker_datas: Vec<BrokerData> =
            names.into_iter().filter_map(|name| self.brokers.get(name).cloned()).collect();
        if broker_datas.is_empty() {
            return None;
        }
        let addresses = broker_datas.iter().flat_map(|data| data.broker_addrs.values());
        let filter_server_table = addresses
            .filter_map(|addr| Some((addr.clone(), self.filter_servers.get(addr)?.clone())))
            .collect();
        Some(TopicRouteData {
            broker_datas,
            filter_server_table,
            order_topic_conf: None,
            queue_datas,
        })
    }

    /// Every broker and cluster.
    pub fn cluster_info(&self) -> ClusterInfo {
        let clusters = self.clusters.iter();
        ClusterInfo {
            broker_addr_table: self.brokers.clone(),
            cluster_addr_table: clusters
                .map(|(cluster, names)| (cluster.clone(), names.iter().cloned().collect()))
                .collect(),
        }
    }

    /// Every topic for which the test holds on its first broker's queues.
    pub fn topics_where(&self, test: impl Fn(&QueueData) -> bool) -> TopicList {
        let topics = self.topics.iter().filter(|(_, list)| list.first().is_some_and(&test));
        TopicList {
            broker_addr: None,
            topic_list: topics.map(|(topic, _)| topic.clone()).collect(),
        }
    }

    /// Topics of which a broker of the cluster has queues.
    pub fn topics_of_cluster(&self, cluster: &str) -> TopicList {
        let Some(names) = self.clusters.get(cluster) else { return TopicList::default() };
        let has = |list: &Vec<QueueData>| list.iter().any(|q| names.contains(&q.broker_name));
        let topics = self.topics.iter().filter(|(_, list)| has(list));
        TopicList {
            broker_addr: None,
            topic_list: topics.map(|(topic, _)| topic.clone()).collect(),
        }
    }

    /// Names of clusters and brokers, which are topics too, and a broker to ask for the rest.
    pub fn system_topics(&self) -> TopicList {
        let names = self.clusters.keys().chain(self.clusters.values().flatten());
        let address = self.brokers.values().find_map(BrokerData::any_address);
        TopicList { topic_list: names.cloned().collect(), broker_addr: address.map(str::to_string) }
    }

    /// Removes a topic until a broker registers it again.
    pub fn delete_topic(&mut self, topic: &str) {
        self.topics.remove(topic);
    }

    /// Takes the write permission from every topic of a broker; returns how many it has.
    pub fn wipe_write_permission(&mut self, broker_name: &str) -> usize {
        self.change_permission(broker_name, |perm| perm & !permission::WRITE)
    }

    /// Gives it back (read and write exactly: the inherit bit is lost, as in Java).
    pub fn add_write_permission(&mut self, broker_name: &str) -> usize {
        self.change_permission(broker_name, |_| permission::READ | permission::WRITE)
    }

    fn change_permission(&mut self, broker_name: &str, change: impl Fn(i32) -> i32) -> usize {
        let queues = self.topics.values_mut().flatten();
        let mut count = 0;
        for queues in queues.filter(|queues| queues.broker_name == broker_name) {
            queues.perm = change(queues.perm);
            count += 1;
        }
        count
    }
}

/// The thread Java answers requests on; users grep for the lines, not for the number.
const THREAD: &str = "RemotingExecutorThread_1";

fn queue_data(broker_name: &str, config: &TopicConfig) -> QueueData {
    QueueData {
        broker_name: broker_name.to_string(),
        perm: config.perm,
        read_queue_nums: config.read_queue_nums,
        topic_sys_flag: config.topic_sys_flag,
        write_queue_nums: config.write_queue_nums,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broker(name: &'static str, addr: &'static str, id: i64) -> Registration<'static> {
        Registration {
            cluster: "c",
            broker_name: name,
            broker_addr: addr,
            broker_id: id,
            ha_server_addr: "h:1",
            connection_id: 7,
        }
    }

    fn topics(counter: i64, names: &[&str]) -> TopicConfigSerializeWrapper {
        TopicConfigSerializeWrapper {
            data_version: DataVersion { counter, timestamp: 1 },
            topic_config_table: names
                .iter()
                .map(|name| (name.to_string(), TopicConfig::new(*name, 4, 7)))
                .collect(),
        }
    }

    #[test]
    fn a_route_lives_as_long_as_its_broker() {
        let mut routes = Routes::default();
        routes.register(broker("a", "a:1", 0), &topics(1, &["T"]), None, 0);
        assert_eq!(routes.route("T").unwrap().broker_datas.len(), 1);
        routes.unregister("a", "a:1", 0);
        assert!(routes.route("T").is_none());
        assert_eq!(routes.cluster_info(), ClusterInfo::default());
    }

    #[test]
    fn a_surviving_slave_keeps_the_topics() {
        let mut routes = Routes::default();
        routes.register(broker("a", "a:1", 0), &topics(1, &["T"]), None, 0);
        let info = routes.register(broker("a", "a:2", 1), &topics(1, &["S"]), None, 0);
        assert_eq!(info.master_addr.as_deref(), Some("a:1"));
        assert!(routes.route("S").is_none(), "slaves change no topics");
        routes.broker_lost("a:1");
        let route = routes.route("T").unwrap();
        assert_eq!(route.broker_datas[0].master(), None);
        routes.broker_lost("a:2");
        assert!(routes.route("T").is_none());
    }

    #[test]
    fn an_address_has_one_id() {
        let mut routes = Routes::default();
        routes.register(broker("a", "a:1", 1), &topics(1, &[]), None, 0);
        routes.register(broker("a", "a:1", 0), &topics(1, &[]), None, 0);
        let data = &routes.cluster_info().broker_addr_table["a"];
        assert_eq!(data.broker_addrs, BTreeMap::from([(0, "a:1".to_string())]));
    }

    #[test]
    fn unchanged_versions_refresh_the_time_and_changed_ones_do_not() {
        let mut routes = Routes::default();
        routes.register(broker("a", "a:1", 0), &topics(1, &["T"]), None, 0);
        let version = DataVersion { counter: 1, timestamp: 1 };
        assert!(!routes.query_data_version("a:1", version, 100_000));
        assert!(routes.expired(BROKER_EXPIRED_MS + 1).is_empty());
        let newer = DataVersion { counter: 2, timestamp: 1 };
        assert!(routes.query_data_version("a:1", newer, 200_000));
        assert_eq!(routes.expired(100_001 + BROKER_EXPIRED_MS), [("a:1".to_string(), 7)]);
    }

    #[test]
    fn topics_missing_from_a_later_registration_stay() {
        let mut routes = Routes::default();
        routes.register(broker("a", "a:1", 0), &topics(1, &["T", "U"]), None, 0);
        routes.register(broker("a", "a:1", 0), &topics(2, &["T"]), None, 0);
        assert!(routes.route("U").is_some());
    }

    #[test]
    fn permissions_are_wiped_and_given_back() {
        let mut routes = Routes::default();
        routes.register(broker("a", "a:1", 0), &topics(1, &["T", "U"]), None, 0);
        assert_eq!(routes.wipe_write_permission("a"), 2);
        assert_eq!(routes.route("T").unwrap().queue_datas[0].perm, 5);
        assert_eq!(routes.add_write_permission("a"), 2);
        assert_eq!(routes.route("T").unwrap().queue_datas[0].perm, 6);
        assert_eq!(routes.wipe_write_permission("b"), 0);
    }
}
