//! What the producers and consumers of one client id share: connections, routes, heartbeats.
//!
//! A consumer takes part through [`Consumer`]: the instance puts its data into heartbeats, tells it
//! when its group changes, and hands it what brokers ask of clients.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use rocketmq_common::fastjson;
use rocketmq_protocol::body::{
    ConsumeMessageDirectlyResult, ConsumerData, ConsumerIdList, ConsumerRunningInfo,
    ConsumerStatus, HeartbeatData, MASTER_ID, ProducerData, QueueOffsets, TopicRouteData,
};
use rocketmq_protocol::header::{
    ConsumerGroupRequestHeader, ResetOffsetRequestHeader, TopicRequestHeader,
    UnregisterClientRequestHeader,
};
use rocketmq_protocol::message::{MessageExt, MessageQueue, RecordView};
use rocketmq_protocol::topic::{AUTO_CREATE, FAQ};
use rocketmq_protocol::{Frame, HeaderFields, RequestCode, ResponseCode};
use rocketmq_remoting::{
    Body, Call, ClientOptions, RemotingClient, Request, RequestHandler, RequestHook, Response,
};
use tokio::task::JoinHandle;

use crate::LOGGER;
use crate::config::ClientConfig;
use crate::error::ClientError;
use crate::name_server::NameServers;
use crate::route::Route;

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

/// The shared part of clients with one client id.
pub(crate) struct Instance {
    pub(crate) config: ClientConfig,
    pub(crate) client_id: String,
    pub(crate) remoting: RemotingClient,
    pub(crate) name_servers: NameServers,
    routes: RwLock<HashMap<String, Arc<Route>>>,
    consumers: RwLock<HashMap<String, Arc<dyn Consumer>>>,
    producers: RwLock<BTreeSet<String>>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

/// Answers what brokers ask; knows the instance once it exists.
#[derive(Default)]
struct Pushes(OnceLock<Weak<Instance>>);

impl RequestHandler for Pushes {
    fn handle(&self, call: Call<'_>) {
        let Some(instance) = self.0.get().and_then(Weak::upgrade) else { return };
        instance.pushed(call);
    }
}

impl Instance {
    /// Starts the instance; [`Instance::shutdown`] ends its tasks.
    pub(crate) fn start(config: ClientConfig) -> Arc<Instance> {
        let pushes = Arc::new(Pushes::default());
        let handler: Arc<dyn RequestHandler> = Arc::clone(&pushes) as _;
        let hook = config.credentials.clone().map(|c| Arc::new(c) as Arc<dyn RequestHook>);
        let options = ClientOptions { hook, ..ClientOptions::default() };
        let instance = Arc::new(Instance {
            client_id: config.client_id(),
            name_servers: NameServers::new(config.namesrv_addr.as_deref()),
            remoting: RemotingClient::new(options, handler),
            routes: RwLock::default(),
            consumers: RwLock::default(),
            producers: RwLock::default(),
            tasks: Mutex::default(),
            config,
        });
        let _ = pushes.0.set(Arc::downgrade(&instance));
        let heartbeat = instance.config.heartbeat_broker_interval;
        let poll = instance.config.poll_name_server_interval;
        instance.repeat(poll, |instance| async move { instance.refresh_routes().await });
        instance.repeat(heartbeat, |instance| async move { instance.heartbeat().await });
        instance
    }

    /// Runs work every so often until the shutdown.
    pub(crate) fn repeat<F>(
        self: &Arc<Instance>,
        period: Duration,
        work: impl Fn(Arc<Instance>) -> F + Send + 'static,
    ) where
        F: Future<Output = ()> + Send,
    {
        let weak = Arc::downgrade(self);
        let task = tokio::spawn(async move {
            loop {
                tokio::time::sleep(period).await;
                let Some(instance) = weak.upgrade() else { return };
                work(instance).await;
            }
        });
        self.tasks.lock().push(task);
    }

    /// Keeps a task until the shutdown.
    pub(crate) fn keep(&self, task: JoinHandle<()>) {
        let mut tasks = self.tasks.lock();
        tasks.retain(|task| !task.is_finished());
        tasks.push(task);
    }

    /// Ends every task and closes every connection.
    pub(crate) async fn shutdown(&self) {
        let tasks: Vec<_> = self.tasks.lock().drain(..).collect();
        for task in tasks {
            task.abort();
            let _ = task.await;
        }
        self.remoting.shutdown().await;
    }

    /// Makes heartbeats name a producer group.
    pub(crate) fn register_producer(&self, group: &str) {
        self.producers.write().insert(group.to_string());
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

    /// A topic's route from a name server; `None` if no name server knows it.
    pub(crate) async fn fetch_route(
        &self,
        topic: &str,
    ) -> Result<Option<TopicRouteData>, ClientError> {
        let header = TopicRequestHeader { topic: topic.into() };
        let code = RequestCode::GET_ROUTEINFO_BY_TOPIC;
        match self.ask_name_server(code, &header).await {
            Ok(frame) => fastjson::from_slice(frame.body())
                .map(Some)
                .map_err(|error| ClientError::illegal(error.to_string())),
            Err(ClientError::Client { code: ResponseCode::TOPIC_NOT_EXIST, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The route of a topic as it is known; fetched if it is not.
    pub(crate) async fn route(&self, topic: &str) -> Result<Option<Arc<Route>>, ClientError> {
        if let Some(route) = self.known_route(topic) {
            return Ok(Some(route));
        }
        self.refresh_route(topic).await
    }

    /// The route of a topic if it is known already.
    pub(crate) fn known_route(&self, topic: &str) -> Option<Arc<Route>> {
        self.routes.read().get(topic).cloned()
    }

    /// Fetches a topic's route again; consumers are told when it changed.
    pub(crate) async fn refresh_route(
        &self,
        topic: &str,
    ) -> Result<Option<Arc<Route>>, ClientError> {
        let Some(data) = self.fetch_route(topic).await? else { return Ok(None) };
        Ok(Some(self.keep_route(topic, data)))
    }

    fn keep_route(&self, topic: &str, data: TopicRouteData) -> Arc<Route> {
        if let Some(known) = self.known_route(topic)
            && known.data == data
        {
            return known;
        }
        let route = Arc::new(Route::new(topic, data));
        self.routes.write().insert(topic.to_string(), Arc::clone(&route));
        tracing::info!(target: LOGGER, "topicRouteTable.put. Topic = {topic}, {} queues to write, {} to read", route.publish.len(), route.subscribe.len());
        for consumer in self.consumers.read().values() {
            if consumer.topics().iter().any(|wanted| wanted == topic) {
                consumer.rebalance_soon();
            }
        }
        route
    }

    /// The route to send to a topic by. An unknown topic is sent by the route of the topic that
    /// it will be created from.
    pub(crate) async fn publish_route(
        &self,
        topic: &str,
        create_from: &str,
        queues: i32,
    ) -> Result<Arc<Route>, ClientError> {
        if let Some(route) = self.known_route(topic).filter(|route| !route.publish.is_empty()) {
            return Ok(route);
        }
        if let Some(route) = self.refresh_route(topic).await?
            && !route.publish.is_empty()
        {
            return Ok(route);
        }
        if let Some(mut data) = self.fetch_route(create_from).await? {
            for queue in &mut data.queue_datas {
                let nums = queues.min(queue.read_queue_nums);
                (queue.read_queue_nums, queue.write_queue_nums) = (nums, nums);
            }
            return Ok(self.keep_route(topic, data));
        }
        Err(self.name_servers.missing().unwrap_or_else(|| {
            let text = format!("No route info of this topic: {topic}{FAQ}");
            ClientError::client(ResponseCode::NOT_FOUND_TOPIC_EXCEPTION, text)
        }))
    }

    async fn refresh_routes(&self) {
        let mut topics: BTreeSet<String> = self.routes.read().keys().cloned().collect();
        topics.extend(self.consumers.read().values().flat_map(|consumer| consumer.topics()));
        for topic in topics.iter().filter(|topic| *topic != AUTO_CREATE) {
            if let Err(error) = self.refresh_route(topic).await {
                tracing::warn!(target: LOGGER, "updateTopicRouteInfoFromNameServer Exception, {topic}: {error}");
            }
        }
    }

    /// Addresses of every broker known: all of them with consumers, else the masters.
    fn broker_addresses(&self, masters_only: bool) -> BTreeSet<String> {
        let routes = self.routes.read();
        let brokers = routes.values().flat_map(|route| &route.data.broker_datas);
        let addresses = brokers.flat_map(|data| &data.broker_addrs);
        addresses
            .filter(|(id, _)| !masters_only || **id == MASTER_ID)
            .map(|(_, address)| address.clone())
            .collect()
    }

    /// Tells every broker who is here.
    pub(crate) async fn heartbeat(&self) {
        let body = {
            let (consumers, producers) = (self.consumers.read(), self.producers.read());
            HeartbeatData {
                client_id: self.client_id.clone(),
                consumer_data_set: consumers.values().map(|c| c.heartbeat()).collect(),
                producer_data_set: producers
                    .iter()
                    .map(|group| ProducerData { group_name: group.clone() })
                    .collect(),
            }
        };
        if body.consumer_data_set.is_empty() && body.producer_data_set.is_empty() {
            return;
        }
        let masters_only = body.consumer_data_set.is_empty();
        let Ok(body) = fastjson::to_vec(&body) else { return };
        let body = Bytes::from(body);
        for address in self.broker_addresses(masters_only) {
            let request = Request::new(RequestCode::HEART_BEAT).body(body.clone());
            let sent = self.remoting.invoke(&address, request, self.config.timeout).await;
            if let Err(error) = sent {
                tracing::warn!(target: LOGGER, "send heart beat to broker[{address}] error: {error}");
            }
        }
    }

    /// Takes a group out of heartbeats and tells every broker.
    pub(crate) async fn unregister(&self, producer: Option<&str>, consumer: Option<&str>) {
        if let Some(group) = producer {
            self.producers.write().remove(group);
        }
        if let Some(group) = consumer {
            self.consumers.write().remove(group);
        }
        let header = UnregisterClientRequestHeader {
            client_id: self.client_id.as_str().into(),
            producer_group: producer.map(Into::into),
            consumer_group: consumer.map(Into::into),
        };
        for address in self.broker_addresses(false) {
            let request = Request::new(RequestCode::UNREGISTER_CLIENT).fields(&header);
            let sent = self.remoting.invoke(&address, request, self.config.timeout).await;
            if let Err(error) = sent {
                tracing::warn!(target: LOGGER, "unregister client exception from broker: {address}: {error}");
            }
        }
    }

    /// Client ids of a group's members, as one broker of the topic has them.
    pub(crate) async fn consumer_ids(
        &self,
        topic: &str,
        group: &str,
    ) -> Result<Vec<String>, ClientError> {
        let route = self.known_route(topic);
        let address = route
            .as_ref()
            .and_then(|route| route.data.broker_datas.iter().find_map(|data| data.any_address()));
        let Some(address) = address else { return Ok(Vec::new()) };
        let header = ConsumerGroupRequestHeader { consumer_group: group.into() };
        let frame =
            self.ask(address, RequestCode::GET_CONSUMER_LIST_BY_GROUP, &header, Body::None).await?;
        let list: ConsumerIdList = parse(&frame)?;
        Ok(list.consumer_id_list)
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

    /// A request of a broker's.
    fn pushed(&self, call: Call<'_>) {
        let group = |key: &str| {
            let name = call.frame.fields().get(key)?.text().into_owned();
            self.consumers.read().get(&name).cloned()
        };
        match call.code() {
            RequestCode::NOTIFY_CONSUMER_IDS_CHANGED => {
                let name = call.frame.fields().get("consumerGroup").map(|v| v.text().into_owned());
                tracing::info!(target: LOGGER, "receive broker's notification[{}], the consumer group: {} changed, rebalance immediately", call.connection.peer(), name.unwrap_or_default());
                for consumer in self.consumers.read().values() {
                    consumer.rebalance_soon();
                }
            }
            RequestCode::RESET_CONSUMER_CLIENT_OFFSET => {
                let Some(consumer) = group("group") else { return };
                let header = ResetOffsetRequestHeader::decode(call.frame.fields());
                let body: Result<QueueOffsets, _> = fastjson::from_slice(call.frame.body());
                if let (Ok(header), Ok(body)) = (header, body) {
                    consumer.reset_offsets(&header.topic, &body.offset_table);
                }
            }
            RequestCode::GET_CONSUMER_STATUS_FROM_CLIENT => {
                let Some(consumer) = group("group") else { return };
                let topic = call.frame.fields().get("topic").map(|v| v.text().into_owned());
                let status = consumer.status(&topic.unwrap_or_default());
                answer_json(call, &ConsumerStatus { message_queue_table: status });
            }
            RequestCode::GET_CONSUMER_RUNNING_INFO => match group("consumerGroup") {
                Some(consumer) => answer_json(call, &consumer.running_info()),
                None => refuse_unknown_group(call),
            },
            RequestCode::CONSUME_MESSAGE_DIRECTLY => {
                let consumer = group("consumerGroup");
                let record = RecordView::parse(call.frame.body()).ok();
                let message = record.and_then(|record| MessageExt::from_record(&record).ok());
                match (consumer, message) {
                    (Some(consumer), Some(message)) => {
                        let deferred = call.defer();
                        consumer.consume_directly(
                            message,
                            Box::new(move |result| {
                                let body = fastjson::to_vec(&result).unwrap_or_default();
                                deferred.respond(Response::success().body(body));
                            }),
                        );
                    }
                    _ => refuse_unknown_group(call),
                }
            }
            // Java's client leaves what it does not know without an answer.
            code => tracing::warn!(target: LOGGER, "request type {code} not supported"),
        }
    }
}

fn answer_json(call: Call<'_>, body: &impl serde::Serialize) {
    match fastjson::to_vec(body) {
        Ok(body) => call.respond(Response::success().body(body)),
        Err(error) => {
            let text = error.to_string();
            call.respond(Response::error(ResponseCode::SYSTEM_ERROR, &text));
        }
    }
}

fn refuse_unknown_group(call: Call<'_>) {
    let group = call.frame.fields().get("consumerGroup").map(|v| v.text().into_owned());
    let text =
        format!("The Consumer Group <{}> not exist in this consumer", group.unwrap_or_default());
    call.respond(Response::error(ResponseCode::SYSTEM_ERROR, &text));
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
