//! Producers (contract `client.md` 3).

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rocketmq_common::clock;
use rocketmq_protocol::header::{SendMessageRequestHeaderV2, SendMessageResponseHeader};
use rocketmq_protocol::message::batch::{BatchItem, encode_item};
use rocketmq_protocol::message::{MessageQueue, properties, property, sys_flag};
use rocketmq_protocol::topic::{AUTO_CREATE, FAQ, RETRY_PREFIX};
use rocketmq_protocol::{Frame, RequestCode, ResponseCode};
use rocketmq_remoting::{RemotingError, Request};

use crate::compression::compressed;
use crate::config::ClientConfig;
use crate::error::ClientError;
use crate::fault::{FAILED, Faults};
use crate::instance::Instance;
use crate::route::Route;
use crate::{Message, unique_id, validate};

/// Largest body, bytes.
pub(crate) const MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The group name that is refused because everybody would have it.
const DEFAULT_GROUP: &str = "DEFAULT_PRODUCER";
/// Answers after which another broker is tried.
const RETRY_CODES: [ResponseCode; 6] = [
    ResponseCode::TOPIC_NOT_EXIST,
    ResponseCode::SERVICE_NOT_AVAILABLE,
    ResponseCode::SYSTEM_ERROR,
    ResponseCode::NO_PERMISSION,
    ResponseCode::NO_BUYER_ID,
    ResponseCode::NOT_IN_CURRENT_UNIT,
];

/// What became of a message that was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendStatus {
    /// Stored as the broker is configured.
    SendOk,
    /// Stored, but not on the medium in time.
    FlushDiskTimeout,
    /// Stored, but not on a slave in time.
    FlushSlaveTimeout,
    /// Stored, but no slave is there.
    SlaveNotAvailable,
}

impl SendStatus {
    /// The name in texts.
    pub fn name(self) -> &'static str {
        match self {
            SendStatus::SendOk => "SEND_OK",
            SendStatus::FlushDiskTimeout => "FLUSH_DISK_TIMEOUT",
            SendStatus::FlushSlaveTimeout => "FLUSH_SLAVE_TIMEOUT",
            SendStatus::SlaveNotAvailable => "SLAVE_NOT_AVAILABLE",
        }
    }
}

/// Where a message was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendResult {
    /// How.
    pub status: SendStatus,
    /// The unique id; of a batch, all of them joined by commas.
    pub msg_id: String,
    /// The id that names its place in the broker's log.
    pub offset_msg_id: String,
    /// The queue.
    pub message_queue: MessageQueue,
    /// Its place in the queue.
    pub queue_offset: i64,
}

impl std::fmt::Display for SendResult {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "SendResult [sendStatus={}, msgId={}, offsetMsgId={}, messageQueue={}, queueOffset={}]",
            self.status.name(),
            self.msg_id,
            self.offset_msg_id,
            self.message_queue,
            self.queue_offset
        )
    }
}

/// Settings of a producer to be started.
#[derive(Clone, Debug)]
pub struct ProducerBuilder {
    group: String,
    config: ClientConfig,
    options: Options,
}

#[derive(Clone, Debug)]
struct Options {
    create_topic_key: String,
    default_topic_queue_nums: i32,
    send_timeout: Duration,
    compress_over: usize,
    retry_times: usize,
    retry_when_not_ok: bool,
    latency_fault: bool,
}

impl ProducerBuilder {
    /// Name servers, `host:port;host:port`; `NAMESRV_ADDR` is used otherwise.
    pub fn namesrv_addr(mut self, list: impl Into<String>) -> Self {
        self.config.namesrv_addr = Some(list.into());
        self
    }

    /// What all clients can be told.
    pub fn client_config(mut self, config: ClientConfig) -> Self {
        self.config = config;
        self
    }

    /// How long a send may take, retries included; 3 s.
    pub fn send_timeout(mut self, timeout: Duration) -> Self {
        self.options.send_timeout = timeout;
        self
    }

    /// Bodies from this size on are compressed; 4096.
    pub fn compress_over(mut self, bytes: usize) -> Self {
        self.options.compress_over = bytes;
        self
    }

    /// How often a failed send is repeated; 2.
    pub fn retry_times(mut self, times: usize) -> Self {
        self.options.retry_times = times;
        self
    }

    /// Tries another broker when a message was stored but not flushed or replicated in time.
    pub fn retry_another_broker_when_not_store_ok(mut self, retry: bool) -> Self {
        self.options.retry_when_not_ok = retry;
        self
    }

    /// Avoids brokers that were slow.
    pub fn latency_fault_tolerance(mut self, enable: bool) -> Self {
        self.options.latency_fault = enable;
        self
    }

    /// Queues of topics that are created by sending; 4.
    pub fn default_topic_queue_nums(mut self, queues: i32) -> Self {
        self.options.default_topic_queue_nums = queues;
        self
    }

    /// Starts the producer. Brokers are connected when the first message goes to them.
    ///
    /// # Errors
    /// The group's name is refused.
    pub async fn start(mut self) -> Result<Producer, ClientError> {
        validate::group(&self.group)?;
        if self.group == DEFAULT_GROUP {
            return Err(ClientError::illegal(format!(
                "producerGroup can not equal {DEFAULT_GROUP}, please specify another one."
            )));
        }
        self.config.make_unique();
        let instance = Instance::start(self.config);
        instance.register_producer(&self.group);
        Ok(Producer(Arc::new(Inner {
            group: self.group,
            options: self.options,
            instance,
            faults: Faults::default(),
        })))
    }
}

struct Inner {
    group: String,
    options: Options,
    instance: Arc<Instance>,
    faults: Faults,
}

/// Sends messages. Clones share everything; many tasks may send at once over one connection for
/// each broker.
#[derive(Clone)]
pub struct Producer(Arc<Inner>);

/// A message as it travels.
struct Outgoing<'a> {
    topic: &'a str,
    flag: i32,
    sys_flag: i32,
    properties: String,
    body: Bytes,
    unique_id: String,
    batch: bool,
    reconsume_times: i32,
    max_reconsume_times: Option<i32>,
}

impl Producer {
    /// A producer of that group, to be configured and started.
    pub fn builder(group: impl Into<String>) -> ProducerBuilder {
        ProducerBuilder {
            group: group.into(),
            config: ClientConfig::default(),
            options: Options {
                create_topic_key: AUTO_CREATE.to_string(),
                default_topic_queue_nums: 4,
                send_timeout: Duration::from_secs(3),
                compress_over: 4096,
                retry_times: 2,
                retry_when_not_ok: false,
                latency_fault: false,
            },
        }
    }

    /// Sends a message and waits until it is stored; other brokers are tried when one fails.
    ///
    /// # Errors
    /// The message is refused, or no broker stored it in time. A message that timed out may have
    /// been stored.
    pub async fn send(&self, message: Message) -> Result<SendResult, ClientError> {
        let outgoing = self.outgoing(&message)?;
        self.send_with_retry(&outgoing).await
    }

    /// Sends a message to one queue; nothing is retried.
    pub async fn send_to_queue(
        &self,
        message: Message,
        queue: &MessageQueue,
    ) -> Result<SendResult, ClientError> {
        if message.topic != queue.topic {
            return Err(ClientError::illegal("message's topic not equal mq's topic"));
        }
        let outgoing = self.outgoing(&message)?;
        let route = self.route(outgoing.topic).await?;
        self.send_once(&route, queue, &outgoing, self.0.options.send_timeout).await
    }

    /// Sends a message to the queue that `select` chooses of those the topic has.
    pub async fn send_selected(
        &self,
        message: Message,
        select: impl FnOnce(&[MessageQueue]) -> Option<usize>,
    ) -> Result<SendResult, ClientError> {
        let outgoing = self.outgoing(&message)?;
        let route = self.route(outgoing.topic).await?;
        let queue = select(&route.publish).and_then(|index| route.publish.get(index));
        let queue =
            queue.ok_or_else(|| ClientError::illegal("select message queue return null."))?;
        self.send_once(&route, queue, &outgoing, self.0.options.send_timeout).await
    }

    /// Sends a message without waiting for an answer; it may be lost.
    pub async fn send_oneway(&self, message: Message) -> Result<(), ClientError> {
        let outgoing = self.outgoing(&message)?;
        let route = self.route(outgoing.topic).await?;
        let queue = self.pick(&route, None).ok_or_else(|| no_route(outgoing.topic))?;
        let address = self.address(&route, queue)?;
        let header = self.header(&outgoing, queue);
        let request = Request::new(code(&outgoing)).fields(&header).body(outgoing.body.clone());
        Ok(self.0.instance.remoting.send_oneway(&address, request).await?)
    }

    /// Sends messages of one topic together; they end up next to one another in one queue.
    ///
    /// # Errors
    /// As [`Producer::send`]; also when the messages differ in topic or in whether they wait for
    /// the store, or are delayed.
    pub async fn send_batch(&self, messages: &[Message]) -> Result<SendResult, ClientError> {
        let outgoing = batch(messages)?;
        self.send_with_retry(&outgoing).await
    }

    /// Queues that messages of a topic are sent to.
    pub async fn fetch_publish_queues(
        &self,
        topic: &str,
    ) -> Result<Vec<MessageQueue>, ClientError> {
        Ok(self.route(topic).await?.publish.clone())
    }

    /// Tells the brokers, ends every task and closes the connections.
    pub async fn shutdown(&self) {
        self.0.instance.unregister(Some(&self.0.group), None).await;
        self.0.instance.shutdown().await;
    }

    async fn route(&self, topic: &str) -> Result<Arc<Route>, ClientError> {
        let options = &self.0.options;
        let instance = &self.0.instance;
        instance
            .publish_route(topic, &options.create_topic_key, options.default_topic_queue_nums)
            .await
    }

    fn outgoing<'a>(&self, message: &'a Message) -> Result<Outgoing<'a>, ClientError> {
        validate::message(message)?;
        let unique_id =
            message.get(property::UNIQUE_KEY).map_or_else(unique_id::next, str::to_string);
        let mut reconsume_times = 0;
        let mut max_reconsume_times = None;
        let mut encoded = String::new();
        let retry = message.topic.starts_with(RETRY_PREFIX);
        for (name, value) in message.properties.iter() {
            match name.as_str() {
                property::UNIQUE_KEY => {}
                property::RECONSUME_TIME if retry => reconsume_times = value.parse().unwrap_or(0),
                property::MAX_RECONSUME_TIMES if retry => max_reconsume_times = value.parse().ok(),
                _ => properties::append(&mut encoded, name, value),
            }
        }
        properties::append(&mut encoded, property::UNIQUE_KEY, &unique_id);
        let (body, is_compressed) = compressed(&message.body, self.0.options.compress_over);
        Ok(Outgoing {
            topic: &message.topic,
            flag: message.flag,
            sys_flag: if is_compressed { sys_flag::COMPRESSED } else { 0 },
            properties: encoded,
            body,
            unique_id,
            batch: false,
            reconsume_times,
            max_reconsume_times,
        })
    }

    fn header<'a>(
        &'a self,
        outgoing: &'a Outgoing<'_>,
        queue: &MessageQueue,
    ) -> SendMessageRequestHeaderV2<'a> {
        SendMessageRequestHeaderV2 {
            producer_group: self.0.group.as_str().into(),
            topic: outgoing.topic.into(),
            default_topic: self.0.options.create_topic_key.as_str().into(),
            default_topic_queue_nums: self.0.options.default_topic_queue_nums,
            queue_id: queue.queue_id,
            sys_flag: outgoing.sys_flag,
            born_timestamp: clock::now_ms(),
            flag: outgoing.flag,
            properties: Some(outgoing.properties.as_str().into()),
            reconsume_times: Some(outgoing.reconsume_times),
            unit_mode: false,
            max_reconsume_times: outgoing.max_reconsume_times,
            batch: outgoing.batch,
        }
    }

    /// The queue to send to; on a retry one of another broker, if there is one.
    fn pick<'a>(&self, route: &'a Route, last_broker: Option<&str>) -> Option<&'a MessageQueue> {
        let faults = &self.0.faults;
        if self.0.options.latency_fault {
            if let Some(queue) = route.pick(|queue| faults.is_available(&queue.broker_name)) {
                return Some(queue);
            }
            let least_bad = faults.least_bad();
            let of_it = |queue: &MessageQueue| Some(&queue.broker_name) == least_bad.as_ref();
            return route.pick(of_it).or_else(|| route.pick(|_| true));
        }
        let other = |queue: &MessageQueue| last_broker.is_none_or(|last| queue.broker_name != last);
        route.pick(other).or_else(|| route.pick(|_| true))
    }

    fn address(&self, route: &Route, queue: &MessageQueue) -> Result<String, ClientError> {
        let Some(master) = route.master(&queue.broker_name) else {
            let text = format!("The broker[{}] not exist", queue.broker_name);
            return Err(ClientError::client(ResponseCode::BROKER_NOT_EXIST_EXCEPTION, text));
        };
        if !self.0.instance.config.vip_channel_enabled {
            return Ok(master.to_string());
        }
        let vip = master.rsplit_once(':').and_then(|(host, port)| {
            Some(format!("{host}:{}", port.parse::<u16>().ok()?.checked_sub(2)?))
        });
        Ok(vip.unwrap_or_else(|| master.to_string()))
    }

    async fn send_with_retry(&self, outgoing: &Outgoing<'_>) -> Result<SendResult, ClientError> {
        let options = &self.0.options;
        let started = Instant::now();
        let mut route = self.route(outgoing.topic).await?;
        let mut brokers: Vec<String> = Vec::new();
        let mut last_error = None;
        for attempt in 0..=options.retry_times {
            let left = options.send_timeout.saturating_sub(started.elapsed());
            if left.is_zero() {
                let text = "sendDefaultImpl call timeout";
                let timeout = ClientError::client(ResponseCode::ACCESS_BROKER_TIMEOUT, text);
                return Err(last_error.unwrap_or(timeout));
            }
            let last_broker = brokers.last().map(String::as_str);
            let Some(queue) = self.pick(&route, last_broker) else {
                return Err(no_route(outgoing.topic));
            };
            brokers.push(queue.broker_name.clone());
            let attempt_started = Instant::now();
            let sent = self.send_once(&route, queue, outgoing, left).await;
            let latency = if sent.is_ok() { attempt_started.elapsed() } else { FAILED };
            if options.latency_fault {
                self.0.faults.note(&queue.broker_name, latency);
            }
            match sent {
                Ok(result) => {
                    let ok = result.status == SendStatus::SendOk || !options.retry_when_not_ok;
                    if ok || attempt == options.retry_times {
                        return Ok(result);
                    }
                }
                Err(error) if is_retried(&error) => {
                    last_error = Some(error);
                    // A broker that is gone may have left the route.
                    if let Ok(Some(fresh)) = self.0.instance.refresh_route(outgoing.topic).await
                        && !fresh.publish.is_empty()
                    {
                        route = fresh;
                    }
                }
                Err(error) => return Err(error),
            }
        }
        let code = last_error.as_ref().map_or(ResponseCode::SYSTEM_ERROR, ClientError::code);
        let cause = last_error.map(|error| format!("\nCaused by: {error}")).unwrap_or_default();
        Err(ClientError::client(
            code,
            format!(
                "Send [{}] times, still failed, cost [{}]ms, Topic: {}, BrokersSent: [{}]{FAQ}{cause}",
                brokers.len(),
                started.elapsed().as_millis(),
                outgoing.topic,
                brokers.join(", ")
            ),
        ))
    }

    async fn send_once(
        &self,
        route: &Route,
        queue: &MessageQueue,
        outgoing: &Outgoing<'_>,
        timeout: Duration,
    ) -> Result<SendResult, ClientError> {
        let address = self.address(route, queue)?;
        let header = self.header(outgoing, queue);
        let request = Request::new(code(outgoing)).fields(&header).body(outgoing.body.clone());
        let frame = self.0.instance.remoting.invoke(&address, request, timeout).await?;
        result(&frame, &address, queue, outgoing)
    }
}

fn code(outgoing: &Outgoing<'_>) -> RequestCode {
    if outgoing.batch { RequestCode::SEND_BATCH_MESSAGE } else { RequestCode::SEND_MESSAGE_V2 }
}

fn no_route(topic: &str) -> ClientError {
    let text = format!("No route info of this topic: {topic}{FAQ}");
    ClientError::client(ResponseCode::NOT_FOUND_TOPIC_EXCEPTION, text)
}

fn is_retried(error: &ClientError) -> bool {
    match error {
        ClientError::Broker { code, .. } => RETRY_CODES.contains(code),
        ClientError::Remoting(RemotingError::Frame(_)) => false,
        ClientError::Remoting(_) | ClientError::Client { .. } => true,
    }
}

fn result(
    frame: &Frame,
    address: &str,
    queue: &MessageQueue,
    outgoing: &Outgoing<'_>,
) -> Result<SendResult, ClientError> {
    let status = match ResponseCode(frame.code) {
        ResponseCode::SUCCESS => SendStatus::SendOk,
        ResponseCode::FLUSH_DISK_TIMEOUT => SendStatus::FlushDiskTimeout,
        ResponseCode::FLUSH_SLAVE_TIMEOUT => SendStatus::FlushSlaveTimeout,
        ResponseCode::SLAVE_NOT_AVAILABLE => SendStatus::SlaveNotAvailable,
        _ => return Err(ClientError::of_broker(frame, address)),
    };
    let header = SendMessageResponseHeader::decode(frame.fields());
    let header = header.map_err(|error| ClientError::illegal(error.to_string()))?;
    Ok(SendResult {
        status,
        msg_id: outgoing.unique_id.clone(),
        offset_msg_id: header.msg_id.into_owned(),
        message_queue: MessageQueue { queue_id: header.queue_id, ..queue.clone() },
        queue_offset: header.queue_offset,
    })
}

/// Puts messages together; checks that they go together.
fn batch(messages: &[Message]) -> Result<Outgoing<'_>, ClientError> {
    let Some(first) = messages.first() else {
        return Err(ClientError::illegal("messages must not be empty"));
    };
    let mut body = Vec::new();
    let mut ids: Vec<String> = Vec::with_capacity(messages.len());
    for message in messages {
        validate::message(message)?;
        if message.get(property::DELAY).is_some_and(|level| level != "0") {
            return Err(ClientError::illegal("TimeDelayLevel is not supported for batching"));
        }
        if message.topic.starts_with(RETRY_PREFIX) {
            return Err(ClientError::illegal("Retry Group is not supported for batching"));
        }
        if message.topic != first.topic {
            let text = "The topic of the messages in one batch should be the same";
            return Err(ClientError::illegal(text));
        }
        if message.get(property::WAIT) != first.get(property::WAIT) {
            let text = "The waitStoreMsgOK of the messages in one batch should the same";
            return Err(ClientError::illegal(text));
        }
        let id = message.get(property::UNIQUE_KEY).map_or_else(unique_id::next, str::to_string);
        let mut stored = message.properties.clone();
        stored.insert(property::UNIQUE_KEY.to_string(), id.clone());
        let stored = properties::encode(&stored);
        let item =
            BatchItem { flag: message.flag, body: &message.body, properties: stored.as_bytes() };
        encode_item(&item, &mut body);
        ids.push(id);
    }
    if body.len() > MESSAGE_BYTES_MAX {
        let text = format!("the message body size over max value, MAX: {MESSAGE_BYTES_MAX}");
        return Err(ClientError::client(ResponseCode::MESSAGE_ILLEGAL, text));
    }
    let wait = first.get(property::WAIT).unwrap_or("true");
    let mut encoded = String::new();
    properties::append(&mut encoded, property::WAIT, wait);
    Ok(Outgoing {
        topic: &first.topic,
        flag: 0,
        sys_flag: 0,
        properties: encoded,
        body: body.into(),
        unique_id: ids.join(","),
        batch: true,
        reconsume_times: 0,
        max_reconsume_times: None,
    })
}
