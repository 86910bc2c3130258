//! What every processor works with.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::RwLock;
use rocketmq_acl::AccessControl;
use rocketmq_common::config::ConfigTable;
use rocketmq_common::properties::Properties;
use rocketmq_protocol::body::DataVersion;
use rocketmq_remoting::config::{NettyClientConfig, NettyServerConfig};
use rocketmq_remoting::probe::ProbeConfig;
use rocketmq_replication::{LinkState, Replicas};
use rocketmq_store::{BrokerRole, MessageStore, MessageStoreConfig};

use crate::config::BrokerConfig;
use crate::consumers::Consumers;
use crate::filter_servers::FilterServers;
use crate::filters::Filters;
use crate::groups::Groups;
use crate::hold::PullHold;
use crate::locks::QueueLocks;
use crate::master::Master;
use crate::offsets::Offsets;
use crate::outward::Outward;
use crate::producers::Producers;
use crate::schedule::Schedule;
use crate::stats::BrokerStats;
use crate::topics::Topics;
use crate::transaction::Transactions;

/// Every setting of a broker process, and where it is kept.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The broker's own.
    pub broker: BrokerConfig,
    /// Of its ports.
    pub server: NettyServerConfig,
    /// Of its outgoing connections.
    pub client: NettyClientConfig,
    /// Of the store.
    pub store: MessageStoreConfig,
    /// Of metrics and probes.
    pub probe: ProbeConfig,
    /// Keys of the configuration file that no table has; kept and shown, as in Java.
    pub extra: Properties,
    /// The configuration file, which changes are written to.
    pub file: Option<PathBuf>,
    /// State of the settings, for GET_BROKER_CONFIG.
    pub version: DataVersion,
}

impl Settings {
    /// Every table, in the order of listings.
    pub fn tables(&self) -> [&dyn ConfigTable; 5] {
        [&self.broker, &self.server, &self.client, &self.store, &self.probe]
    }

    /// Every table, to be changed.
    pub fn tables_mut(&mut self) -> [&mut dyn ConfigTable; 5] {
        [&mut self.broker, &mut self.server, &mut self.client, &mut self.store, &mut self.probe]
    }

    /// The keys that have a value, as Java sends them: those that are null are left out.
    pub fn set_entries(&self) -> Vec<(String, String)> {
        let keys = self.tables().into_iter().flat_map(ConfigTable::keys);
        let nullable: Vec<_> =
            keys.filter(|info| info.nullable).map(|info| info.listed_name).collect();
        let mut entries = self.entries();
        entries.retain(|(key, value)| !value.is_empty() || !nullable.contains(&key.as_str()));
        entries
    }

    /// Every key and value, in the order of listings.
    pub fn entries(&self) -> Vec<(String, String)> {
        let known = self.tables().into_iter().flat_map(ConfigTable::entries);
        let extra = self.extra.iter().map(|(key, value)| (key.to_string(), value.to_string()));
        known.map(|(key, value)| (key.to_string(), value)).chain(extra).collect()
    }
}

/// A running broker's parts. The order of locks is in `docs/architecture.md`.
pub struct BrokerContext {
    settings: RwLock<Arc<Settings>>,
    /// Address that is part of message ids: brokerIP1 as a number, and listenPort.
    pub store_host: SocketAddr,
    /// Address that clients are told.
    address: String,
    /// The files.
    pub store: Arc<MessageStore>,
    /// Topics.
    pub topics: Topics,
    /// Consumer groups.
    pub groups: Groups,
    /// Offsets of groups.
    pub offsets: Offsets,
    /// Expressions that groups filter by.
    pub filters: Arc<Filters>,
    /// Connected producers.
    pub producers: Producers,
    /// Connected consumers.
    pub consumers: Consumers,
    /// Connected filter servers.
    pub filter_servers: FilterServers,
    /// Locks of orderly consumers.
    pub locks: QueueLocks,
    /// Pulls that wait for messages.
    pub hold: Arc<PullHold>,
    /// Delayed messages.
    pub schedule: Arc<Schedule>,
    /// Transactions.
    pub transactions: Arc<Transactions>,
    /// Statistics.
    pub stats: BrokerStats,
    /// The way to the name servers.
    pub outward: Outward,
    /// The slaves that follow this broker.
    pub replicas: Arc<Replicas>,
    /// The master that this broker follows, if it is a slave.
    pub master: Master,
    /// How its log stands to that master's.
    pub link: Arc<LinkState>,
    /// When this broker started, epoch ms.
    pub started_at: i64,
    /// Who may do what, when that is checked.
    pub acl: Option<Arc<AccessControl>>,
}

/// The parts that are made before the context.
pub(crate) struct Parts {
    pub(crate) settings: Settings,
    pub(crate) store_host: SocketAddr,
    pub(crate) store: Arc<MessageStore>,
    pub(crate) topics: Topics,
    pub(crate) groups: Groups,
    pub(crate) offsets: Offsets,
    pub(crate) filters: Arc<Filters>,
    pub(crate) hold: Arc<PullHold>,
    pub(crate) schedule: Arc<Schedule>,
    pub(crate) outward: Outward,
    pub(crate) replicas: Arc<Replicas>,
    pub(crate) acl: Option<Arc<AccessControl>>,
}

impl BrokerContext {
    pub(crate) fn new(parts: Parts) -> BrokerContext {
        let stats = BrokerStats::new(&parts.settings.broker.broker_cluster_name);
        let master = Master::new(parts.settings.store.ha_master_address.as_deref());
        let told = &parts.settings.broker.broker_ip1;
        let address = match told.parse::<std::net::IpAddr>() {
            Ok(_) => parts.store_host.to_string(),
            Err(_) => format!("{told}:{}", parts.store_host.port()),
        };
        BrokerContext {
            address,
            settings: RwLock::new(Arc::new(parts.settings)),
            store_host: parts.store_host,
            store: parts.store,
            topics: parts.topics,
            groups: parts.groups,
            offsets: parts.offsets,
            filters: parts.filters,
            producers: Producers::default(),
            consumers: Consumers::default(),
            filter_servers: FilterServers::default(),
            locks: QueueLocks::default(),
            hold: parts.hold,
            schedule: parts.schedule,
            transactions: Arc::default(),
            stats,
            outward: parts.outward,
            replicas: parts.replicas,
            master,
            link: Arc::default(),
            started_at: rocketmq_common::clock::now_ms(),
            acl: parts.acl,
        }
    }

    /// The settings as they are now.
    pub fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.read())
    }

    /// Whether this broker follows another; its role does not change while it runs.
    pub fn is_slave(&self) -> bool {
        self.settings.read().store.broker_role == BrokerRole::Slave
    }

    /// Puts changed settings in force.
    pub fn set_settings(&self, settings: Settings) {
        *self.settings.write() = Arc::new(settings);
    }

    /// `host:port` that clients are told: brokerIP1 as it is configured, which may be a name.
    pub fn address(&self) -> String {
        self.address.clone()
    }
}
