//! What every client can be told (contract `client.md` 1).

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rocketmq_acl::Credentials;
use rocketmq_common::{clock, home, host};
use rocketmq_remoting::AddressServer;
use rocketmq_remoting::tls::TlsSettings;

use crate::namespace;

/// See [`ClientConfig::pull_max_idle_time`].
const PULL_MAX_IDLE_TIME: Duration = Duration::from_secs(120);

/// Settings that producers, consumers and admin clients share.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// Name servers, `host:port;host:port`: `-Drocketmq.namesrv.addr` of `JAVA_OPT`, else the
    /// environment's `NAMESRV_ADDR`.
    pub namesrv_addr: Option<String>,
    /// Who names the name servers when `namesrv_addr` does not: asked at the start and every two
    /// minutes.
    pub address_server: Option<AddressServer>,
    /// Address that the client id names.
    pub client_ip: String,
    /// `DEFAULT` is replaced by something unique where that matters.
    pub instance_name: String,
    /// Part of the client id, if set.
    pub unit_name: Option<String>,
    /// Time between route refreshes.
    pub poll_name_server_interval: Duration,
    /// Time between heartbeats.
    pub heartbeat_broker_interval: Duration,
    /// Time between commits of offsets.
    pub persist_consumer_offset_interval: Duration,
    /// How long a request may take unless said otherwise.
    pub timeout: Duration,
    /// Sends to the broker's second port.
    pub vip_channel_enabled: bool,
    /// Account that requests are signed with, for brokers that check it.
    pub credentials: Option<Credentials>,
    /// Namespace of topics and groups; derived from the name server endpoint when not set.
    pub namespace: Option<String>,
    /// Marks topics and subscriptions as those of a unit.
    pub unit_mode: bool,
    /// Connects with TLS: Java's `useTLS`, by default `-Dtls.enable` of `JAVA_OPT`. The `tls.client.*`
    /// keys say which certificates are shown and trusted.
    pub use_tls: bool,
    /// A push consumer's queue that was not pulled for so long is let go and taken again:
    /// `-Drocketmq.client.pull.pullMaxIdleTime`, two minutes.
    pub pull_max_idle_time: Duration,
    /// Folder of the offset files of broadcasting consumers.
    pub local_offset_store_dir: PathBuf,
}

impl Default for ClientConfig {
    fn default() -> Self {
        ClientConfig {
            namesrv_addr: name_servers(),
            address_server: Some(AddressServer::of_properties()),
            client_ip: host::local_address(),
            instance_name: "DEFAULT".to_string(),
            unit_name: None,
            poll_name_server_interval: Duration::from_secs(30),
            heartbeat_broker_interval: Duration::from_secs(30),
            persist_consumer_offset_interval: Duration::from_secs(5),
            timeout: Duration::from_secs(3),
            vip_channel_enabled: false,
            credentials: None,
            namespace: None,
            unit_mode: false,
            use_tls: TlsSettings::load().enable.unwrap_or(false),
            pull_max_idle_time: pull_max_idle_time(),
            local_offset_store_dir: home::user_home().join(".rocketmq_offsets"),
        }
    }
}

fn name_servers() -> Option<String> {
    let property = home::system_property("rocketmq.namesrv.addr");
    let list = property.or_else(|| std::env::var("NAMESRV_ADDR").ok());
    list.filter(|list| !list.is_empty())
}

fn pull_max_idle_time() -> Duration {
    let ms = home::system_property("rocketmq.client.pull.pullMaxIdleTime");
    let ms = ms.and_then(|text| text.parse().ok());
    ms.map_or(PULL_MAX_IDLE_TIME, Duration::from_millis)
}

impl ClientConfig {
    /// Replaces the instance name `DEFAULT` by one that no other client has.
    pub(crate) fn make_unique(&mut self) {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        if self.instance_name == "DEFAULT" {
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let nanos = clock::monotonic_nanos();
            self.instance_name = format!("{}#{nanos}{count}", host::process_id());
        }
    }

    /// The namespace in force; empty for none.
    pub(crate) fn namespace(&self) -> &str {
        let derived = || namespace::of_endpoint(self.namesrv_addr.as_deref()?);
        self.namespace.as_deref().or_else(derived).unwrap_or_default()
    }

    /// `<ip>@<instance>[@<unit>]`
    pub fn client_id(&self) -> String {
        let mut id = format!("{}@{}", self.client_ip, self.instance_name);
        if let Some(unit) = &self.unit_name {
            id += "@";
            id += unit;
        }
        id
    }
}

/// The settings that every builder of a client has, for the `impl` of one with the field `config`.
macro_rules! client_settings {
    () => {
        /// Name servers, `host:port;host:port`; `NAMESRV_ADDR` is used otherwise.
        pub fn namesrv_addr(mut self, list: impl Into<String>) -> Self {
            self.config.namesrv_addr = Some(list.into());
            self
        }

        /// What all clients can be told; comes before the other settings, which change it.
        pub fn client_config(mut self, config: $crate::ClientConfig) -> Self {
            self.config = config;
            self
        }

        /// Namespace of topics and group.
        pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
            self.config.namespace = Some(namespace.into());
            self
        }
    };
}
pub(crate) use client_settings;
