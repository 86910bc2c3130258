//! The columns: who sends, who receives, and whose broker is between them.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context as _;
use rocketmq_client::admin::AdminClient;

use crate::peer::{Peer, Process};

/// A name server with its broker.
pub(crate) struct Server {
    pub(crate) namesrv: String,
    pub(crate) admin: AdminClient,
    /// Addresses of the brokers.
    pub(crate) brokers: Vec<String>,
}

impl Server {
    async fn connect(namesrv: &str) -> anyhow::Result<Arc<Server>> {
        let admin = AdminClient::connect(Some(namesrv))?;
        let cluster = admin.cluster_info().await.with_context(|| format!("asking {namesrv}"))?;
        let brokers = cluster.broker_addr_table.values();
        let brokers = brokers.flat_map(|data| data.broker_addrs.values().cloned()).collect();
        Ok(Arc::new(Server { namesrv: namesrv.to_string(), admin, brokers }))
    }
}

/// A column.
pub(crate) struct Column {
    pub(crate) title: &'static str,
    /// Part of the topics' names.
    pub(crate) short: &'static str,
    pub(crate) server: Arc<Server>,
    pub(crate) producer: Peer,
    pub(crate) consumer: Peer,
}

impl Column {
    /// Takes servers and peers out of the options and makes the columns of those there are.
    pub(crate) async fn all(given: &mut BTreeMap<&str, &str>) -> anyhow::Result<Vec<Column>> {
        let mut columns = Vec::new();
        let mut add = |title, short, server: &Arc<Server>, producer: &Peer, consumer: &Peer| {
            let (producer, consumer) = (producer.clone(), consumer.clone());
            columns.push(Column { title, short, server: Arc::clone(server), producer, consumer });
        };
        let our = Server::connect(given.remove("ours").context("ours=NAMESRV is missing")?).await?;
        let rust = Peer::Ours;
        let java_peer = given.remove("java-peer");
        let java = match java_peer {
            Some(command) => Some(Peer::Process(Arc::new(Process::start(command, &our.namesrv)?))),
            None => None,
        };
        if let Some(java) = &java {
            add("Java client, our broker", "JavaJava", &our, java, java);
        }
        if let Some(namesrv) = given.remove("java") {
            let server = Server::connect(namesrv).await?;
            add("our client, Java broker", "OursOnJava", &server, &rust, &rust);
        }
        add("our client, our broker", "OursOurs", &our, &rust, &rust);
        if let Some(java) = &java {
            add("Java producer, our consumer", "JavaOurs", &our, java, &rust);
            add("our producer, Java consumer", "OursJava", &our, &rust, java);
        }
        if let Some(command) = given.remove("go-peer") {
            let go = Peer::Process(Arc::new(Process::start(command, &our.namesrv)?));
            add("Go client, our broker", "GoGo", &our, &go, &go);
        }
        Ok(columns)
    }
}
