//! What producers and consumers share: connections, routes, heartbeats, and what brokers push.
//!
//! A consumer takes part through [`Consumer`]: the instance puts its data into heartbeats, tells it
//! when its group changes, and hands it what brokers ask of clients. A producer takes part through
//! [`ProducerGroup`].

mod groups;
mod heartbeat;
mod pushes;
mod routes;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use rocketmq_common::fastjson;
use rocketmq_protocol::body::{ConsumeMessageDirectlyResult, ConsumerData, ConsumerRunningInfo};
use rocketmq_protocol::message::{Message, MessageExt, MessageQueue};
use rocketmq_protocol::{Frame, HeaderFields, RequestCode, ResponseCode};
use rocketmq_remoting::tls::TlsSettings;
use rocketmq_remoting::{
    AddressServer, Body, ClientOptions, RemotingClient, Request, RequestHandler, RequestHook,
};
use tokio::sync::{OnceCell, oneshot};
use tokio::task::JoinHandle;

use crate::LOGGER;
use crate::config::ClientConfig;
use crate::error::ClientError;
use crate::name_server::NameServers;
use crate::route::Route;
use groups::Claim;
use pushes::Pushes;
pub(crate) use routes::no_route;

/// Time from the start to the first heartbeat.
const FIRST_HEARTBEAT: Duration = Duration::from_secs(1);

/// Time from the start to the second question of the address server, and between later ones.
const FIRST_LOOK_UP: Duration = Duration::from_secs(10);
const LOOK_UP: Duration = Duration::from_secs(120);

/// What an instance needs of a consumer.
pub(crate) trait Consumer: Send + Sync {
    /// Its group.
    fn group(&self) -> &str;
    /// Its part of a heartbeat.
    fn heartbeat(&self) -> ConsumerData;
    /// Topics whose routes it needs.
    fn topics(&self) -> Vec<String>;
    /// The group or a route changed: allocate queues again.
    fn rebalance_soon(&self);
    /// Go on from these offsets.
    fn reset_offsets(&self, topic: &str, offsets: &BTreeMap<MessageQueue, i64>);
    /// How far each queue of the topic is consumed.
    fn status(&self, topic: &str) -> BTreeMap<MessageQueue, i64>;
    /// For tools; `stacks`: with what each of its tasks does.
    fn running_info(&self, stacks: bool) -> ConsumerRunningInfo;
    /// Consumes one message at once, for tools; `answer` is called with the result. False if
    /// this kind of consumer has no listener.
    fn consume_directly(&self, message: MessageExt, answer: DirectAnswer) -> bool;
}

/// Takes the result of a direct consumption.
pub(crate) type DirectAnswer = Box<dyn FnOnce(ConsumeMessageDirectlyResult) + Send>;

/// What an instance needs of a producer.
pub(crate) trait ProducerGroup: Send + Sync {
    /// A broker asks what became of a transaction.
    fn check_transaction(&self, check: TransactionCheck);
}

/// A broker's question about a half message.
pub(crate) struct TransactionCheck {
    /// Who asks.
    pub(crate) broker: String,
    /// The half message.
    pub(crate) message: MessageExt,
    /// Echoed in the answer.
    pub(crate) tran_state_table_offset: i64,
    /// Echoed in the answer.
    pub(crate) commit_log_offset: i64,
    /// Echoed in the answer.
    pub(crate) transaction_id: Option<String>,
}

/// The shared part of a client.
pub(crate) struct Instance {
    pub(crate) config: ClientConfig,
    pub(crate) client_id: String,
    pub(crate) remoting: RemotingClient,
    pub(crate) name_servers: NameServers,
    routes: RwLock<HashMap<String, Arc<Route>>>,
    consumers: RwLock<HashMap<String, Arc<dyn Consumer>>>,
    producers: RwLock<BTreeMap<String, Arc<dyn ProducerGroup>>>,
    /// Keeps other clients of this process with the same id out of the groups.
    claims: Mutex<Vec<Claim>>,
    /// Requests that wait for a reply, by correlation id.
    replies: Mutex<HashMap<String, oneshot::Sender<Message>>>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
    /// The address server was asked for the first time.
    looked_up: OnceCell<()>,
}

impl Instance {
    /// Starts the instance; [`Instance::shutdown`] ends its tasks.
    pub(crate) fn start(config: ClientConfig) -> Arc<Instance> {
        let pushes = Arc::new(Pushes::default());
        let handler: Arc<dyn RequestHandler> = Arc::clone(&pushes) as _;
        let hook = config.credentials.clone().map(|c| Arc::new(c) as Arc<dyn RequestHook>);
        let tls = config.use_tls.then(|| TlsSettings::load().client());
        let options = ClientOptions { hook, tls, ..ClientOptions::default() };
        let instance = Arc::new(Instance {
            client_id: config.client_id(),
            name_servers: NameServers::new(config.namesrv_addr.as_deref()),
            remoting: RemotingClient::new(options, handler),
            routes: RwLock::default(),
            consumers: RwLock::default(),
            producers: RwLock::default(),
            claims: Mutex::default(),
            replies: Mutex::default(),
            tasks: Mutex::default(),
            looked_up: OnceCell::new(),
            config,
        });
        pushes.serve(&instance);
        let heartbeat = instance.config.heartbeat_broker_interval;
        let poll = instance.config.poll_name_server_interval;
        instance.repeat(poll, poll, |instance| async move { instance.refresh_routes().await });
        let first = FIRST_HEARTBEAT.min(heartbeat);
        instance.repeat(first, heartbeat, |instance| async move { instance.heartbeat().await });
        if instance.address_server().is_some() {
            instance.repeat(FIRST_LOOK_UP, LOOK_UP, |instance| async move {
                instance.look_up_name_servers().await;
            });
        }
        instance
    }

    /// Runs work after `first` and then every `period`, until the shutdown.
    pub(crate) fn repeat<F>(
        self: &Arc<Instance>,
        first: Duration,
        period: Duration,
        work: impl Fn(Arc<Instance>) -> F + Send + 'static,
    ) where
        F: Future<Output = ()> + Send,
    {
        let weak = Arc::downgrade(self);
        self.keep(tokio::spawn(async move {
            let mut wait = first;
            loop {
                tokio::time::sleep(wait).await;
                let Some(instance) = weak.upgrade() else { return };
                work(instance).await;
                wait = period;
            }
        }));
    }

    /// Keeps a task until the shutdown.
    pub(crate) fn keep(&self, task: JoinHandle<()>) {
        let mut tasks = self.tasks.lock();
        tasks.retain(|task| !task.is_finished());
        tasks.push(task);
    }

    /// Ends every task and closes every connection; nothing of the client runs any more when this
    /// returns.
    pub(crate) async fn shutdown(&self) {
        loop {
            let tasks: Vec<_> = self.tasks.lock().drain(..).collect();
            if tasks.is_empty() {
                break;
            }
            tasks.iter().for_each(JoinHandle::abort);
            // One that was at work may have added another before it ended.
            for task in tasks {
                let _ = task.await;
            }
        }
        self.remoting.shutdown().await;
        self.abandon();
    }

    /// Ends the tasks when nobody is left to call [`Instance::shutdown`].
    pub(crate) fn abandon(&self) {
        self.tasks.lock().drain(..).for_each(|task| task.abort());
        self.consumers.write().clear();
        self.producers.write().clear();
        self.replies.lock().clear();
        self.claims.lock().clear();
    }

    /// Makes heartbeats name a producer group.
    ///
    /// # Errors
    /// A client of this process with the same id has the group already.
    pub(crate) fn register_producer(
        &self,
        group: &str,
        producer: Arc<dyn ProducerGroup>,
    ) -> Result<(), ClientError> {
        self.claims.lock().push(Claim::producer(&self.client_id, group)?);
        self.producers.write().insert(group.to_string(), producer);
        Ok(())
    }

    /// Adds a consumer.
    ///
    /// # Errors
    /// A client of this process with the same id has the group already.
    pub(crate) fn register_consumer(&self, consumer: Arc<dyn Consumer>) -> Result<(), ClientError> {
        let group = consumer.group().to_string();
        self.claims.lock().push(Claim::consumer(&self.client_id, &group)?);
        self.consumers.write().insert(group, consumer);
        Ok(())
    }

    /// Who names the name servers, if nobody has said which they are.
    fn address_server(&self) -> Option<AddressServer> {
        let server = self.config.address_server.clone();
        let server = server.filter(|_| self.config.namesrv_addr.is_none())?;
        Some(match &self.config.unit_name {
            Some(unit) => server.of_unit(unit),
            None => server,
        })
    }

    async fn look_up_name_servers(&self) {
        let Some(server) = self.address_server() else { return };
        match server.fetch().await {
            Ok(list) => drop(self.name_servers.replace(&list)),
            Err(error) => {
                tracing::error!(target: LOGGER, "fetchNameServerAddr exception, {server}: {error}");
            }
        }
    }

    /// Asks the address server for the name servers, once, when nobody has said which they are.
    pub(crate) async fn find_name_servers(&self) {
        if self.name_servers.is_empty() {
            self.looked_up.get_or_init(|| self.look_up_name_servers()).await;
        }
    }

    /// Asks a name server; anything but SUCCESS is an error.
    pub(crate) async fn ask_name_server(
        &self,
        code: RequestCode,
        fields: &dyn HeaderFields,
    ) -> Result<Frame, ClientError> {
        self.find_name_servers().await;
        self.name_servers.ask(&self.remoting, self.config.timeout, code, fields).await
    }

    /// Asks a broker; anything but SUCCESS is an error.
    pub(crate) async fn ask(
        &self,
        address: &str,
        code: RequestCode,
        fields: &dyn HeaderFields,
        body: Body,
    ) -> Result<Frame, ClientError> {
        let request = Request::new(code).fields(fields).body(body);
        let frame = self.remoting.invoke(address, request, self.config.timeout).await?;
        match ResponseCode(frame.code) {
            ResponseCode::SUCCESS => Ok(frame),
            _ => Err(ClientError::of_broker(&frame, address)),
        }
    }

    /// Registers a request that waits for a reply; the entry goes when the receiver does.
    pub(crate) fn expect_reply(&self, correlation_id: &str) -> oneshot::Receiver<Message> {
        let (sender, receiver) = oneshot::channel();
        let mut replies = self.replies.lock();
        replies.retain(|_, waiting| !waiting.is_closed());
        replies.insert(correlation_id.to_string(), sender);
        receiver
    }
}

/// The frame if it says SUCCESS, else the error of a client.
pub(crate) fn success(frame: Frame) -> Result<Frame, ClientError> {
    match ResponseCode(frame.code) {
        ResponseCode::SUCCESS => Ok(frame),
        code => Err(ClientError::client(code, frame.remark().unwrap_or_default())),
    }
}

/// The JSON body of an answer.
pub(crate) fn parse<T: serde::de::DeserializeOwned>(frame: &Frame) -> Result<T, ClientError> {
    fastjson::from_slice(frame.body()).map_err(|error| ClientError::illegal(error.to_string()))
}
