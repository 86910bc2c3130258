//! The clusters that the dashboard shows: for each an admin client, made when it is first needed.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use rocketmq_client::admin::AdminClient;
use rocketmq_client::{ClientConfig, ClientError, Credentials};

use crate::live::Live;
use crate::settings::DashboardConfig;

/// What the Ops page switches, for every user and until the end of the process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Switches {
    pub(crate) vip_channel: bool,
    pub(crate) use_tls: bool,
}

/// One cluster.
pub(crate) struct Cluster {
    /// Its name servers, as they were given; its name in the list of clusters.
    pub(crate) name_servers: String,
    pub(crate) admin: Arc<AdminClient>,
    pub(crate) live: Arc<Live>,
}

impl Cluster {
    fn connect(
        config: &DashboardConfig,
        switches: Switches,
        name_servers: &str,
    ) -> Result<Arc<Cluster>, ClientError> {
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let credentials = given(&config.access_key).zip(given(&config.secret_key));
        let admin = AdminClient::with_config(ClientConfig {
            namesrv_addr: Some(name_servers.to_string()),
            timeout: Duration::from_millis(config.timeout_millis.max(1) as u64),
            credentials: credentials.map(|(access, secret)| Credentials::new(access, &secret)),
            vip_channel_enabled: switches.vip_channel,
            use_tls: switches.use_tls || ClientConfig::default().use_tls,
            ..ClientConfig::default()
        })?;
        let admin = Arc::new(admin);
        let live = Live::start(Arc::clone(&admin));
        Ok(Arc::new(Cluster { name_servers: name_servers.to_string(), admin, live }))
    }

    async fn close(&self) {
        self.live.stop();
        self.admin.shutdown().await;
    }
}

/// All clusters; the first is the one that is shown when nothing else is chosen.
pub(crate) struct Clusters {
    config: DashboardConfig,
    inner: RwLock<Inner>,
}

struct Inner {
    switches: Switches,
    lists: Vec<String>,
    connected: Vec<Arc<Cluster>>,
}

impl Clusters {
    pub(crate) fn new(config: &DashboardConfig) -> Clusters {
        let switches = Switches { vip_channel: config.vip_channel(), use_tls: config.use_tls };
        let inner = Inner { switches, lists: config.clusters(), connected: Vec::new() };
        Clusters { config: config.clone(), inner: RwLock::new(inner) }
    }

    pub(crate) fn switches(&self) -> Switches {
        self.inner.read().switches
    }

    /// The name server lists to choose from.
    pub(crate) fn lists(&self) -> Vec<String> {
        self.inner.read().lists.clone()
    }

    /// The cluster with that name server list, or the first.
    pub(crate) fn get(&self, name_servers: Option<&str>) -> Result<Arc<Cluster>, ClientError> {
        let known = |inner: &Inner| {
            let chosen = inner.lists.iter().find(|list| Some(list.as_str()) == name_servers);
            chosen.or(inner.lists.first()).cloned().unwrap_or_default()
        };
        let found = |inner: &Inner, list: &str| {
            inner.connected.iter().find(|cluster| cluster.name_servers == list).cloned()
        };
        {
            let inner = self.inner.read();
            if let Some(cluster) = found(&inner, &known(&inner)) {
                return Ok(cluster);
            }
        }
        let mut inner = self.inner.write();
        let list = known(&inner);
        if let Some(cluster) = found(&inner, &list) {
            return Ok(cluster);
        }
        let cluster = Cluster::connect(&self.config, inner.switches, &list)?;
        inner.connected.push(Arc::clone(&cluster));
        Ok(cluster)
    }

    /// Puts a name server list first.
    pub(crate) fn choose(&self, name_servers: &str) {
        let mut inner = self.inner.write();
        inner.lists.retain(|list| list != name_servers);
        inner.lists.insert(0, name_servers.to_string());
    }

    /// Changes the switches; every connection is made anew.
    pub(crate) async fn switch(&self, change: impl FnOnce(&mut Switches)) {
        let old = {
            let mut inner = self.inner.write();
            change(&mut inner.switches);
            std::mem::take(&mut inner.connected)
        };
        for cluster in old {
            cluster.close().await;
        }
    }

    /// Closes everything.
    pub(crate) async fn close(&self) {
        self.switch(|_| {}).await;
    }
}
