//! The broker's calls to the name servers (contract `broker.md` 5, `requests.md` N).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use rocketmq_common::fastjson;
use rocketmq_protocol::body::{
    DataVersion, KvTable, RegisterBrokerBody, TopicConfigSerializeWrapper,
};
use rocketmq_protocol::header::{
    BrokerIdentityRequestHeader, QueryDataVersionResponseHeader, RegisterBrokerRequestHeader,
    RegisterBrokerResponseHeader,
};
use rocketmq_protocol::message::crc32;
use rocketmq_protocol::topic::permission;
use rocketmq_protocol::{Frame, RequestCode, ResponseCode};
use rocketmq_remoting::{
    Call, ClientOptions, RemotingClient, RemotingError, Request, RequestHandler,
};
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use crate::LOGGER;
use crate::compressed_body;
use crate::context::BrokerContext;

/// How long UNREGISTER_BROKER and QUERY_DATA_VERSION may take.
const SHORT_TIMEOUT: Duration = Duration::from_secs(3);
/// The name that log lines give the thread of these calls.
const THREAD: &str = "brokerOutApi_thread_1";

/// Name servers ask nothing of brokers.
struct NoRequests;

impl RequestHandler for NoRequests {
    fn handle(&self, _: Call<'_>) {}
}

/// The connections to the name servers.
pub struct Outward {
    client: Arc<RemotingClient>,
    servers: Mutex<Vec<String>>,
    runtime: Handle,
    /// Set once the context exists: registrations run in tasks of their own.
    context: Mutex<Weak<BrokerContext>>,
    changed: Mutex<Changed>,
    /// What each name server was told last; none of those whose last registration failed.
    told: Mutex<BTreeMap<String, Told>>,
}

/// Topics that the name servers are to be told of.
#[derive(Default)]
struct Changed {
    topics: BTreeSet<String>,
    /// A task is telling them.
    is_running: bool,
}

/// The state of the topic table that a name server accepted.
#[derive(Clone, Copy)]
struct Told {
    version: DataVersion,
    /// Number of the last change in it.
    change: u64,
}

/// What a registration is to say.
#[derive(Clone)]
enum News {
    /// The whole table; `ask_first`: only to those that do not have it under this version.
    All { ask_first: bool },
    /// These topics and what else the name server was not told of yet.
    Changes(BTreeSet<String>),
}

/// A name server was not reached, or refused.
struct Missed;

impl Outward {
    /// No connection is made yet. Must be called inside the runtime.
    pub fn new(options: ClientOptions, namesrv_addr: Option<&str>) -> Outward {
        let outward = Outward {
            client: Arc::new(RemotingClient::new(options, Arc::new(NoRequests))),
            servers: Mutex::default(),
            runtime: Handle::current(),
            context: Mutex::default(),
            changed: Mutex::default(),
            told: Mutex::default(),
        };
        outward.set_servers(namesrv_addr);
        outward
    }

    /// Tells the calls which broker they are for.
    pub(crate) fn attach(&self, context: &Arc<BrokerContext>) {
        *self.context.lock() = Arc::downgrade(context);
    }

    /// Replaces the list of name servers; true if it is another one.
    pub fn set_servers(&self, namesrv_addr: Option<&str>) -> bool {
        let list = namesrv_addr.unwrap_or_default().split(';').map(str::trim);
        let list: Vec<String> = list.filter(|a| !a.is_empty()).map(str::to_string).collect();
        let mut servers = self.servers.lock();
        let is_new = *servers != list;
        *servers = list;
        is_new
    }

    /// The name servers.
    pub fn servers(&self) -> Vec<String> {
        self.servers.lock().clone()
    }

    /// Each name server, and whether the last registration with it succeeded.
    pub fn registrations(&self) -> BTreeMap<String, bool> {
        let told = self.told.lock();
        let state = |server: String| {
            let is_registered = told.contains_key(&server);
            (server, is_registered)
        };
        self.servers().into_iter().map(state).collect()
    }

    /// Registers one changed topic in a task of its own. Changes that come while a registration is
    /// on its way go together with the next one.
    pub fn register_topic_soon(&self, topic: &str) {
        let mut changed = self.changed.lock();
        changed.topics.insert(topic.to_string());
        if std::mem::replace(&mut changed.is_running, true) {
            return;
        }
        drop(changed);
        let context = self.context.lock().clone();
        self.runtime.spawn(async move {
            if let Some(context) = context.upgrade() {
                context.outward.register_changed(&context).await;
            }
        });
    }

    /// Registers all topics in a task of its own.
    pub fn register_all_soon(&self) {
        let Some(context) = self.context.lock().upgrade() else { return };
        self.runtime.spawn(async move { context.outward.register_all(&context, true).await });
    }

    /// Registers what changed, until nothing more has.
    async fn register_changed(&self, context: &Arc<BrokerContext>) {
        loop {
            let topics = {
                let mut changed = self.changed.lock();
                if changed.topics.is_empty() {
                    changed.is_running = false;
                    return;
                }
                std::mem::take(&mut changed.topics)
            };
            self.register(context, News::Changes(topics)).await;
        }
    }

    /// Registers all topics with every name server at once; unless forced, only with those that
    /// do not know this state yet.
    pub async fn register_all(&self, context: &Arc<BrokerContext>, force: bool) {
        let ask_first = !(force || context.settings().broker.force_register);
        self.register(context, News::All { ask_first }).await;
    }

    async fn register(&self, context: &Arc<BrokerContext>, news: News) {
        let settings = context.settings();
        let mut order: Option<KvTable> = None;
        let mut master: Option<(Option<String>, Option<String>)> = None;
        let mut calls = JoinSet::new();
        for server in self.servers() {
            let registration = Registration {
                client: Arc::clone(&self.client),
                told: self.told.lock().get(&server).copied(),
                server,
                settings: Arc::clone(&settings),
                address: context.address(),
                filter_servers: context.filter_servers.addresses(),
            };
            let (context, news) = (Arc::clone(context), news.clone());
            calls.spawn(async move {
                let done = registration.run(&context, news).await;
                (registration.server, done)
            });
        }
        while let Some(done) = calls.join_next().await {
            // A registration that broke off told nobody of anything.
            let Ok((server, done)) = done else { continue };
            match done {
                Ok((told, answer)) => {
                    self.told.lock().insert(server, told);
                    let Some(registered) = answer else { continue };
                    order = order.or(registered.order);
                    // The one that knows the master counts.
                    if master.as_ref().is_none_or(|(_, address)| address.is_none()) {
                        master = Some((registered.replication, registered.master));
                    }
                }
                Err(Missed) => {
                    self.told.lock().remove(&server);
                }
            }
        }
        if let Some((replication, address)) = master {
            context.master.told(replication, address);
        }
        if let Some(table) = order {
            context.topics.set_ordered(&table.table);
        }
    }

    /// Tells every name server that the broker leaves.
    pub async fn unregister_all(&self, context: &BrokerContext) {
        let settings = context.settings();
        let address = context.address();
        let header = identity(&settings.broker, &address);
        for server in self.servers() {
            let request = Request::new(RequestCode::UNREGISTER_BROKER).fields(&header);
            match self.client.invoke(&server, request, SHORT_TIMEOUT).await {
                Ok(_) => {
                    tracing::info!(target: LOGGER, thread = "ShutdownHook", "unregisterBroker OK, NamesrvAddr: {server}")
                }
                Err(error) => {
                    tracing::warn!(target: LOGGER, thread = "ShutdownHook", "unregisterBroker Exception, {server}, {error}")
                }
            }
        }
    }

    /// Asks another broker.
    pub(crate) async fn ask(
        &self,
        address: &str,
        request: Request<'_>,
    ) -> Result<Frame, RemotingError> {
        self.client.invoke(address, request, SHORT_TIMEOUT).await
    }

    /// Closes the connections.
    pub async fn shutdown(&self) {
        self.client.shutdown().await;
    }
}

fn identity<'a>(
    broker: &'a crate::config::BrokerConfig,
    address: &'a str,
) -> BrokerIdentityRequestHeader<'a> {
    BrokerIdentityRequestHeader {
        broker_name: broker.broker_name.as_str().into(),
        broker_addr: address.into(),
        cluster_name: broker.broker_cluster_name.as_str().into(),
        broker_id: broker.broker_id,
    }
}

/// The wanted topics as they are registered: a restricted broker permission replaces each topic's.
/// With them the number of the last change of the table.
fn registered_topics(
    context: &BrokerContext,
    wanted: impl Fn(&str, u64) -> bool,
) -> (u64, TopicConfigSerializeWrapper) {
    let (change, mut topics) = context.topics.snapshot_of(wanted);
    let allowed = context.settings().broker.broker_permission;
    let both = permission::READ | permission::WRITE;
    if allowed & both != both {
        topics.topic_config_table.values_mut().for_each(|topic| topic.perm = allowed);
    }
    (change, topics)
}

/// What a name server answers to a registration.
struct Registered {
    /// Its table of ordered topics.
    order: Option<KvTable>,
    /// Where the master's commit log is to be had; it answers that to slaves only.
    replication: Option<String>,
    /// The master's address; likewise.
    master: Option<String>,
}

/// One registration with one name server.
struct Registration {
    client: Arc<RemotingClient>,
    server: String,
    settings: Arc<crate::context::Settings>,
    address: String,
    filter_servers: Vec<String>,
    /// What this name server was told last.
    told: Option<Told>,
}

impl Registration {
    /// Returns what the name server knows now, and what it answered if it had to be told.
    ///
    /// A name server that knows a version ignores what else comes under it. So whatever a version
    /// holds goes with the first registration under it: one that was told nothing yet, or that no
    /// longer has what it was told (it was started again), is told of the whole table.
    async fn run(
        &self,
        context: &BrokerContext,
        news: News,
    ) -> Result<(Told, Option<Registered>), Missed> {
        let known = match (&news, self.told) {
            (News::Changes(_), Some(told)) if !self.is_changed(told.version).await => Some(told),
            _ => None,
        };
        let (change, topics) = registered_topics(context, |name, change| match (&news, known) {
            (News::Changes(names), Some(told)) => change > told.change || names.contains(name),
            _ => true,
        });
        let told = Told { version: topics.data_version, change };
        if let News::All { ask_first: true } = news
            && !self.is_changed(told.version).await
        {
            return Ok((told, None));
        }
        let broker = &self.settings.broker;
        match self.register(topics).await {
            Ok(registered) => {
                tracing::info!(target: LOGGER, thread = THREAD, "register broker[{}]to name server {} OK", broker.broker_id, self.server);
                Ok((told, Some(registered)))
            }
            Err(error) => {
                tracing::warn!(target: LOGGER, thread = THREAD, "registerBroker Exception, {}, {error}", self.server);
                Err(Missed)
            }
        }
    }

    /// Whether the name server does not have this state; so too when it cannot say.
    async fn is_changed(&self, version: DataVersion) -> bool {
        let Ok(body) = fastjson::to_vec(&version) else { return true };
        let header = identity(&self.settings.broker, &self.address);
        let request = Request::new(RequestCode::QUERY_DATA_VERSION).fields(&header).body(body);
        match self.client.invoke(&self.server, request, SHORT_TIMEOUT).await {
            Ok(frame) => QueryDataVersionResponseHeader::decode(frame.fields())
                .map_or(true, |header| header.changed),
            Err(_) => true,
        }
    }

    async fn register(&self, topics: TopicConfigSerializeWrapper) -> Result<Registered, String> {
        let broker = &self.settings.broker;
        let body = RegisterBrokerBody {
            filter_server_list: Some(self.filter_servers.clone()),
            topic_config_serialize_wrapper: topics,
        };
        let body = match broker.compressed_register {
            true => compressed_body::encode(&body).map_err(|error| error.to_string())?,
            false => fastjson::to_vec(&body).map_err(|error| error.to_string())?,
        };
        let ha_port = self.settings.server.listen_port + 1;
        let header = RegisterBrokerRequestHeader {
            broker_name: broker.broker_name.as_str().into(),
            broker_addr: self.address.as_str().into(),
            cluster_name: broker.broker_cluster_name.as_str().into(),
            ha_server_addr: format!("{}:{ha_port}", broker.broker_ip2).into(),
            broker_id: broker.broker_id,
            compressed: broker.compressed_register,
            body_crc32: crc32(&body),
        };
        let request = Request::new(RequestCode::REGISTER_BROKER).fields(&header).body(body);
        let timeout = broker.register_broker_timeout_mills.max(1).unsigned_abs();
        let timeout = Duration::from_millis(timeout.into());
        let frame = self.client.invoke(&self.server, request, timeout).await;
        let frame = frame.map_err(|error: RemotingError| error.to_string())?;
        if ResponseCode(frame.code) != ResponseCode::SUCCESS {
            let remark = frame.remark().unwrap_or_default();
            return Err(format!("CODE: {} DESC: {remark}", frame.code));
        }
        let header = RegisterBrokerResponseHeader::decode(frame.fields());
        let header = header.map_err(|error| error.to_string())?;
        let order = match frame.body() {
            [] => None,
            body => Some(fastjson::from_slice(body).map_err(|error| error.to_string())?),
        };
        Ok(Registered {
            order,
            replication: header.ha_server_addr.map(|address| address.to_string()),
            master: header.master_addr.map(|address| address.to_string()),
        })
    }
}
