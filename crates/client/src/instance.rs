//! What the producers and consumers of one client id share: connections, routes, heartbeats
//! (contract `client.md` 1).
//!
//! # For those who build on it
//!
//! * [`Instance::start`] joins the client id's shared part, or makes it. Every producer and
//!   consumer holds an `Arc<Instance>` of its own; through it (`Deref`) it reaches [`Shared`].
//! * Work that ends with one producer or consumer is started by [`Instance::repeat`] and
//!   [`Instance::keep`]. [`Instance::shutdown`] aborts that work and waits for its end; the last
//!   member that leaves also ends heartbeats and route refreshes and closes every connection.
//! * A consumer implements [`Consumer`] and is entered by [`Shared::register_consumer`]; from then
//!   on heartbeats name it, route and group changes wake it ([`Consumer::rebalance_soon`]; code
//!   40), and the codes 220, 221, 307 and 309 reach it by its group. A producer of transactions
//!   implements [`TransactionCheck`], which gets code 39. Code 326 ends in [`Replies`].
//! * These calls come from a connection's task: they must not block. Answers that take time go
//!   through a callback.
//! * [`Shared::route`] is the route as known (asked for when unknown), [`Shared::refresh_route`]
//!   asks again. [`Shared::ask`] is one request to a broker, anything but SUCCESS being an error;
//!   `remoting` is there for all else.
//! * Lock order: `INSTANCES`, then one of a `Shared`'s locks; no two of these are held together,
//!   save consumers before producers in a heartbeat. None is held over an await, except `lookup`,
//!   which keeps senders from asking for the same unknown topic at once.

mod heartbeat;
mod pushes;
mod replies;
mod routes;

use std::collections::{BTreeMap, HashMap};
use std::ops::Deref;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use rocketmq_common::fastjson;
use rocketmq_protocol::body::{ConsumeMessageDirectlyResult, ConsumerData, ConsumerRunningInfo};
use rocketmq_protocol::message::{MessageExt, MessageQueue};
use rocketmq_protocol::topic::FAQ;
use rocketmq_protocol::{Frame, HeaderFields, RequestCode, ResponseCode};
use rocketmq_remoting::{Body, ClientOptions, RemotingClient, Request, RequestHandler};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::config::ClientConfig;
use crate::error::ClientError;
use crate::name_server::NameServers;
use crate::route::Route;

use pushes::Pushes;
pub(crate) use pushes::TransactionCheck;
pub(crate) use replies::Replies;

/// Time from the start to the first heartbeat.
const FIRST_HEARTBEAT: Duration = Duration::from_secs(1);

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
    /// For tools.
    fn running_info(&self) -> ConsumerRunningInfo;
    /// Consumes one message at once, for tools; `answer` is called with the result.
    fn consume_directly(&self, message: MessageExt, answer: DirectAnswer);
}

/// Takes the result of a direct consumption.
pub(crate) type DirectAnswer = Box<dyn FnOnce(ConsumeMessageDirectlyResult) + Send>;

/// What makes a shared part: client id, name servers, and the runtime that its tasks live in.
type Key = (String, Option<String>, tokio::runtime::Id);

/// Every shared part of the process.
static INSTANCES: Mutex<BTreeMap<String, Vec<(Key, Weak<Shared>)>>> = Mutex::new(BTreeMap::new());

/// The shared part of clients with one client id.
pub(crate) struct Shared {
    pub(crate) client_id: String,
    pub(crate) remoting: Arc<RemotingClient>,
    pub(crate) name_servers: NameServers,
    pub(crate) replies: Replies,
    /// Of the member that made it.
    config: ClientConfig,
    key: Key,
    /// Instances that have not shut down; changes under the lock of [`INSTANCES`] alone.
    members: Mutex<usize>,
    routes: RwLock<HashMap<String, Arc<Route>>>,
    /// Held while a topic that nobody here knows is asked for.
    lookup: tokio::sync::Mutex<()>,
    consumers: RwLock<HashMap<String, Arc<dyn Consumer>>>,
    producers: RwLock<BTreeMap<String, Option<Weak<dyn TransactionCheck>>>>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

/// One producer's, consumer's or admin client's share of a client id.
pub(crate) struct Instance {
    /// The member's own settings.
    pub(crate) config: ClientConfig,
    shared: Arc<Shared>,
    /// Whether it still counts as a member.
    joined: Mutex<bool>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl Deref for Instance {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.shared
    }
}

impl Instance {
    /// Joins the client id that the settings name. Must be called inside a runtime.
    pub(crate) fn start(config: ClientConfig) -> Arc<Instance> {
        let shared = Shared::join(&config);
        Arc::new(Instance {
            config,
            shared,
            joined: Mutex::new(true),
            tasks: Mutex::default(),
        })
    }

    /// Runs work every so often until the shutdown.
    pub(crate) fn repeat<F>(
        self: &Arc<Instance>,
        period: Duration,
        work: impl Fn(Arc<Instance>) -> F + Send + 'static,
    ) where
        F: Future<Output = ()> + Send,
    {
        self.keep(tokio::spawn(repeated(Arc::downgrade(self), period, period, work)));
    }

    /// Keeps a task until the shutdown.
    pub(crate) fn keep(&self, task: JoinHandle<()>) {
        let mut tasks = self.tasks.lock();
        tasks.retain(|task| !task.is_finished());
        tasks.push(task);
    }

    /// Ends every task of this member; the last one ends the shared part too.
    pub(crate) async fn shutdown(&self) {
        end(&self.tasks).await;
        if self.leave() {
            end(&self.shared.tasks).await;
            self.shared.remoting.shutdown().await;
        }
    }

    /// Stops counting as a member; true if it was the last.
    fn leave(&self) -> bool {
        let joined = std::mem::replace(&mut *self.joined.lock(), false);
        joined && self.shared.leave()
    }
}

/// A client that was dropped without a shutdown leaves no task behind either.
impl Drop for Instance {
    fn drop(&mut self) {
        self.tasks.lock().drain(..).for_each(|task| task.abort());
        if self.leave() {
            self.shared.tasks.lock().drain(..).for_each(|task| task.abort());
            let remoting = Arc::clone(&self.shared.remoting);
            if let Ok(runtime) = Handle::try_current() {
                runtime.spawn(async move { remoting.shutdown().await });
            }
        }
    }
}

/// Aborts tasks and waits until they are gone.
async fn end(tasks: &Mutex<Vec<JoinHandle<()>>>) {
    let tasks: Vec<_> = tasks.lock().drain(..).collect();
    tasks.iter().for_each(JoinHandle::abort);
    for task in tasks {
        // An aborted task says so, and that is what was wanted.
        let _ = task.await;
    }
}

/// Runs work first after `delay`, then with `period` between, as long as its owner lives.
async fn repeated<T, F: Future<Output = ()>>(
    owner: Weak<T>,
    delay: Duration,
    period: Duration,
    work: impl Fn(Arc<T>) -> F,
) {
    tokio::time::sleep(delay).await;
    while let Some(owner) = owner.upgrade() {
        work(owner).await;
        tokio::time::sleep(period).await;
    }
}

impl Shared {
    /// The shared part of the client id; made if nobody has it.
    fn join(config: &ClientConfig) -> Arc<Shared> {
        let key = (config.client_id(), config.namesrv_addr.clone(), Handle::current().id());
        let mut all = INSTANCES.lock();
        let same_id = all.entry(key.0.clone()).or_default();
        same_id.retain(|(_, shared)| shared.strong_count() > 0);
        let known = same_id.iter().find(|(known, _)| *known == key);
        if let Some(shared) = known.and_then(|(_, shared)| shared.upgrade()) {
            *shared.members.lock() += 1;
            return shared;
        }
        let shared = Shared::new(config.clone(), key.clone());
        same_id.push((key, Arc::downgrade(&shared)));
        shared
    }

    fn new(config: ClientConfig, key: Key) -> Arc<Shared> {
        let pushes = Arc::new(Pushes::default());
        let handler: Arc<dyn RequestHandler> = Arc::clone(&pushes) as _;
        let shared = Arc::new(Shared {
            client_id: config.client_id(),
            remoting: Arc::new(RemotingClient::new(ClientOptions::default(), handler)),
            name_servers: NameServers::new(config.namesrv_addr.as_deref()),
            replies: Replies::default(),
            config,
            key,
            members: Mutex::new(1),
            routes: RwLock::default(),
            lookup: tokio::sync::Mutex::default(),
            consumers: RwLock::default(),
            producers: RwLock::default(),
            tasks: Mutex::default(),
        });
        pushes.serve(&shared);
        let poll = shared.config.poll_name_server_interval;
        let refresh = |shared: Arc<Shared>| async move { shared.refresh_routes().await };
        let refreshing = repeated(Arc::downgrade(&shared), poll, poll, refresh);
        let beat = |shared: Arc<Shared>| async move { shared.heartbeat().await };
        let period = shared.config.heartbeat_broker_interval;
        let first = FIRST_HEARTBEAT.min(period);
        let beating = repeated(Arc::downgrade(&shared), first, period, beat);
        shared.tasks.lock().extend([tokio::spawn(refreshing), tokio::spawn(beating)]);
        shared
    }

    /// One member less; true if it was the last, after which nobody can join any more.
    fn leave(&self) -> bool {
        let mut all = INSTANCES.lock();
        let mut members = self.members.lock();
        *members = members.saturating_sub(1);
        if *members > 0 {
            return false;
        }
        if let Some(same_id) = all.get_mut(&self.key.0) {
            same_id.retain(|(key, _)| *key != self.key);
            if same_id.is_empty() {
                all.remove(&self.key.0);
            }
        }
        true
    }

    /// Makes heartbeats name a producer group.
    ///
    /// # Errors
    /// The group has a producer in this instance already.
    pub(crate) fn register_producer(
        &self,
        group: &str,
        check: Option<Weak<dyn TransactionCheck>>,
    ) -> Result<(), ClientError> {
        let mut producers = self.producers.write();
        if producers.contains_key(group) {
            return Err(ClientError::illegal(format!(
                "The producer group[{group}] has been created before, specify another name please.{FAQ}"
            )));
        }
        producers.insert(group.to_string(), check);
        Ok(())
    }

    /// Adds a consumer.
    ///
    /// # Errors
    /// The group has a consumer in this instance already.
    pub(crate) fn register_consumer(&self, consumer: Arc<dyn Consumer>) -> Result<(), ClientError> {
        let mut consumers = self.consumers.write();
        let group = consumer.group().to_string();
        if consumers.contains_key(&group) {
            return Err(ClientError::illegal(format!(
                "The consumer group[{group}] has been created before, specify another name please.{FAQ}"
            )));
        }
        consumers.insert(group, consumer);
        Ok(())
    }

    /// Asks a name server; anything but SUCCESS is an error.
    pub(crate) async fn ask_name_server(
        &self,
        code: RequestCode,
        fields: &dyn HeaderFields,
    ) -> Result<Frame, ClientError> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn config(name: &str) -> ClientConfig {
        ClientConfig {
            namesrv_addr: Some("127.0.0.1:1".to_string()),
            instance_name: name.to_string(),
            ..ClientConfig::default()
        }
    }

    #[tokio::test]
    async fn clients_with_one_id_share_until_the_last_one_leaves() {
        let first = Instance::start(config("shared"));
        let second = Instance::start(config("shared"));
        let other = Instance::start(config("other"));
        assert!(Arc::ptr_eq(&first.shared, &second.shared));
        assert!(!Arc::ptr_eq(&first.shared, &other.shared));
        first.register_producer("g", None).unwrap();
        let text = second.register_producer("g", None).unwrap_err().to_string();
        assert_eq!(
            text,
            format!(
                "CODE: 1  DESC: The producer group[g] has been created before, specify another \
                 name please.{FAQ}"
            )
        );
        first.shutdown().await;
        first.shutdown().await;
        assert!(!second.shared.tasks.lock().is_empty());
        second.shutdown().await;
        assert!(second.shared.tasks.lock().is_empty());
        let again = Instance::start(config("shared"));
        assert!(!Arc::ptr_eq(&again.shared, &second.shared));
        again.shutdown().await;
        drop(other);
        assert!(INSTANCES.lock().is_empty());
        assert_eq!(Handle::current().metrics().num_alive_tasks(), 0);
    }
}
