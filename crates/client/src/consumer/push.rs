//! Push consumers: messages are handed to a listener (contract `client.md` 5).
//!
//! ```no_run
//! use rocketmq_client::{ConsumeFromWhere, ConsumeStatus, PushConsumer};
//!
//! # async fn example() -> Result<(), rocketmq_client::ClientError> {
//! let consumer = PushConsumer::builder("my_group")
//!     .namesrv_addr("127.0.0.1:9876")
//!     .consume_from(ConsumeFromWhere::FirstOffset)
//!     .subscribe("TopicTest", "*")
//!     .on_messages(|delivery| async move {
//!         println!("{} messages from {}", delivery.messages.len(), delivery.queue);
//!         ConsumeStatus::Success
//!     })
//!     .start()
//!     .await?;
//! consumer.shutdown().await;
//! # Ok(())
//! # }
//! ```

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rocketmq_common::clock;
use rocketmq_protocol::body::{
    ConsumeFromWhere, ConsumeMessageDirectlyResult, ConsumeType, ConsumerData, ConsumerRunningInfo,
    MessageModel, SubscriptionData,
};
use rocketmq_protocol::message::{MessageExt, MessageQueue};
use rocketmq_protocol::topic::RETRY_PREFIX;
use rocketmq_protocol::version;
use tokio::sync::{Notify, Semaphore};

use super::allocate::Allocation;
use super::offsets::Offsets;
use super::process_queue::ProcessQueue;
use super::rebalance;
use super::tasks::Tasks;
use crate::catch::catch;
use crate::config::ClientConfig;
use crate::error::ClientError;
use crate::instance::{Consumer, DirectAnswer, Instance};
use crate::validate;

/// The group name that is refused because everybody would have it.
const DEFAULT_GROUP: &str = "DEFAULT_CONSUMER";
/// How long the end of a consumer waits for listeners that run.
const LISTENER_GRACE: Duration = Duration::from_secs(30);

/// Messages handed to a listener.
pub struct Delivery {
    /// The messages; one, unless larger batches were asked for.
    pub messages: Vec<MessageExt>,
    /// Where they come from.
    pub queue: MessageQueue,
    /// Which of the consumer's workers runs the listener, from 1.
    pub worker: usize,
}

/// What a concurrent listener says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsumeStatus {
    /// Done.
    Success,
    /// Not now: deliver again later.
    ReconsumeLater,
}

/// What an orderly listener says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderlyStatus {
    /// Done.
    Success,
    /// Not now: deliver the same messages again in a moment, before any other of the queue.
    SuspendCurrentQueueAMoment,
}

type Future<T> = Pin<Box<dyn std::future::Future<Output = T> + Send>>;

/// The application's code.
#[derive(Clone)]
pub(super) enum Listener {
    Concurrent(Arc<dyn Fn(Delivery) -> Future<ConsumeStatus> + Send + Sync>),
    Orderly(Arc<dyn Fn(Delivery) -> Future<OrderlyStatus> + Send + Sync>),
}

#[derive(Clone)]
pub(super) struct Options {
    pub(super) model: MessageModel,
    pub(super) from: ConsumeFromWhere,
    pub(super) timestamp: i64,
    pub(super) workers: usize,
    pub(super) batch: usize,
    pub(super) pull_batch: i32,
    pub(super) queue_messages_max: usize,
    pub(super) queue_bytes_max: usize,
    pub(super) span_max: i64,
    pub(super) max_reconsume_times: i32,
    pub(super) allocation: Allocation,
}

/// Settings of a push consumer to be started.
pub struct PushConsumerBuilder {
    group: String,
    config: ClientConfig,
    options: Options,
    subscriptions: Vec<(String, String)>,
    listener: Option<Listener>,
}

impl PushConsumerBuilder {
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

    /// Subscribes to a topic: `*` for all messages, else tags separated by `||`.
    pub fn subscribe(mut self, topic: impl Into<String>, expression: impl Into<String>) -> Self {
        self.subscriptions.push((topic.into(), expression.into()));
        self
    }

    /// Whether the members of the group share the messages (they do) or each get all.
    pub fn message_model(mut self, model: MessageModel) -> Self {
        self.options.model = model;
        self
    }

    /// Where a group without stored offset starts; at the end.
    pub fn consume_from(mut self, from: ConsumeFromWhere) -> Self {
        self.options.from = from;
        self
    }

    /// The time that `ConsumeFromWhere::Timestamp` means, epoch ms; 30 minutes ago.
    pub fn consume_timestamp(mut self, ms: i64) -> Self {
        self.options.timestamp = ms;
        self
    }

    /// How many listeners run at once; 20.
    pub fn workers(mut self, workers: usize) -> Self {
        self.options.workers = workers.clamp(1, 1000);
        self
    }

    /// Most messages of one delivery; 1.
    pub fn consume_batch(mut self, messages: usize) -> Self {
        self.options.batch = messages.clamp(1, 1024);
        self
    }

    /// Most messages of one pull; 32.
    pub fn pull_batch(mut self, messages: i32) -> Self {
        self.options.pull_batch = messages.clamp(1, 1024);
        self
    }

    /// Messages of a queue that may wait here before pulling rests; 1000.
    pub fn pull_threshold_for_queue(mut self, messages: usize) -> Self {
        self.options.queue_messages_max = messages.max(1);
        self
    }

    /// Deliveries before a message goes to the dead letters; the broker's setting otherwise.
    pub fn max_reconsume_times(mut self, times: i32) -> Self {
        self.options.max_reconsume_times = times;
        self
    }

    /// How the members share the queues; averagely. All members must use the same one.
    pub fn allocation(mut self, allocation: Allocation) -> Self {
        self.options.allocation = allocation;
        self
    }

    /// Sets a listener that may run for several messages of a queue at once.
    pub fn on_messages<F>(
        mut self,
        listener: impl Fn(Delivery) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: std::future::Future<Output = ConsumeStatus> + Send + 'static,
    {
        let listener = move |delivery| Box::pin(listener(delivery)) as Future<ConsumeStatus>;
        self.listener = Some(Listener::Concurrent(Arc::new(listener)));
        self
    }

    /// Sets a listener that gets the messages of each queue in order, one delivery at a time.
    pub fn on_messages_orderly<F>(
        mut self,
        listener: impl Fn(Delivery) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: std::future::Future<Output = OrderlyStatus> + Send + 'static,
    {
        let listener = move |delivery| Box::pin(listener(delivery)) as Future<OrderlyStatus>;
        self.listener = Some(Listener::Orderly(Arc::new(listener)));
        self
    }

    /// Starts the consumer: it takes its share of the queues at once.
    ///
    /// # Errors
    /// A name is refused, no listener is set, or the name servers cannot be reached.
    pub async fn start(mut self) -> Result<PushConsumer, ClientError> {
        validate::group(&self.group)?;
        if self.group == DEFAULT_GROUP {
            return Err(ClientError::illegal(format!(
                "consumerGroup can not equal {DEFAULT_GROUP}, please specify another one."
            )));
        }
        let listener = self.listener.take();
        let listener = listener.ok_or_else(|| ClientError::illegal("messageListener is null"))?;
        let subscriptions = self.subscriptions()?;
        if self.options.model == MessageModel::Clustering {
            self.config.make_unique();
        }
        let instance = Instance::start(self.config);
        let offsets = match self.options.model {
            MessageModel::Clustering => Offsets::remote(&instance, &self.group),
            MessageModel::Broadcasting => Offsets::local(&instance, &self.group)?,
        };
        let inner = Arc::new(Inner {
            group: self.group,
            permits: Semaphore::new(self.options.workers),
            free_workers: Mutex::new((1..=self.options.workers).rev().collect()),
            options: self.options,
            subscriptions,
            listener,
            offsets,
            queues: Mutex::default(),
            wake: Notify::new(),
            stopped: AtomicBool::new(false),
            started_ms: clock::now_ms(),
            tasks: Tasks::new(),
            instance,
        });
        inner.begin().await?;
        Ok(PushConsumer(inner))
    }

    fn subscriptions(&self) -> Result<BTreeMap<String, Arc<SubscriptionData>>, ClientError> {
        let now = clock::now_ms();
        let mut all = BTreeMap::new();
        let retry = (format!("{RETRY_PREFIX}{}", self.group), "*".to_string());
        let clustering = self.options.model == MessageModel::Clustering;
        for (topic, expression) in self.subscriptions.iter().chain(clustering.then_some(&retry)) {
            validate::topic(topic)?;
            let subscription = SubscriptionData::by_tags(topic, expression.trim(), now);
            let subscription =
                subscription.ok_or_else(|| ClientError::illegal("parse subscription error"))?;
            all.insert(topic.clone(), Arc::new(subscription));
        }
        Ok(all)
    }
}

/// A queue that is this consumer's.
#[derive(Clone)]
pub(super) struct Owned {
    pub(super) process: Arc<ProcessQueue>,
}

pub(super) struct Inner {
    pub(super) group: String,
    pub(super) options: Options,
    pub(super) subscriptions: BTreeMap<String, Arc<SubscriptionData>>,
    pub(super) listener: Listener,
    pub(super) offsets: Offsets,
    pub(super) queues: Mutex<BTreeMap<MessageQueue, Owned>>,
    /// Wakes the rebalance.
    pub(super) wake: Notify,
    pub(super) stopped: AtomicBool,
    pub(super) permits: Semaphore,
    /// Numbers of workers that do nothing now.
    pub(super) free_workers: Mutex<Vec<usize>>,
    started_ms: i64,
    /// Tasks in which listeners run.
    pub(super) tasks: Tasks,
    pub(super) instance: Arc<Instance>,
}

/// A running push consumer. It ends when it is dropped, without a word to the brokers;
/// [`PushConsumer::shutdown`] is the better end.
pub struct PushConsumer(Arc<Inner>);

impl Drop for PushConsumer {
    fn drop(&mut self) {
        if !self.0.stopped.swap(true, Ordering::SeqCst) {
            self.0.tasks.abandon();
            self.0.instance.abandon();
        }
    }
}

impl PushConsumer {
    /// A consumer of that group, to be configured and started.
    pub fn builder(group: impl Into<String>) -> PushConsumerBuilder {
        PushConsumerBuilder {
            group: group.into(),
            config: ClientConfig::default(),
            options: Options {
                model: MessageModel::Clustering,
                from: ConsumeFromWhere::LastOffset,
                timestamp: clock::now_ms() - 30 * 60 * 1000,
                workers: 20,
                batch: 1,
                pull_batch: 32,
                queue_messages_max: 1000,
                queue_bytes_max: 100 << 20,
                span_max: 2000,
                max_reconsume_times: -1,
                allocation: Allocation::default(),
            },
            subscriptions: Vec::new(),
            listener: None,
        }
    }

    /// Queues that are this consumer's now.
    pub fn queues(&self) -> Vec<MessageQueue> {
        self.0.queues.lock().keys().cloned().collect()
    }

    /// Whether its end has begun.
    pub fn is_stopped(&self) -> bool {
        self.0.is_stopped()
    }

    /// Stops pulling, lets running listeners finish (those that still run after 30 s are ended),
    /// keeps the offsets, leaves the group and ends every task: nothing of the consumer runs any
    /// more when this returns.
    pub async fn shutdown(&self) {
        let inner = &self.0;
        if inner.stopped.swap(true, Ordering::SeqCst) {
            return;
        }
        inner.queues.lock().values().for_each(|owned| owned.process.halt());
        inner.tasks.close(LISTENER_GRACE).await;
        inner.offsets.persist().await;
        let queues = std::mem::take(&mut *inner.queues.lock());
        queues.values().for_each(|owned| owned.process.drop_queue());
        if matches!(inner.listener, Listener::Orderly(_)) {
            rebalance::unlock(inner, queues.keys().cloned().collect()).await;
        }
        inner.instance.unregister(None, Some(&inner.group)).await;
        inner.instance.shutdown().await;
    }
}

impl Inner {
    async fn begin(self: &Arc<Inner>) -> Result<(), ClientError> {
        if let Some(error) = self.instance.name_servers.missing() {
            return Err(error);
        }
        for topic in self.subscriptions.keys() {
            self.instance.refresh_route(topic).await?;
        }
        self.instance.register_consumer(Arc::clone(self) as _)?;
        self.instance.heartbeat().await;
        let period = self.instance.config.persist_consumer_offset_interval;
        let weak = Arc::downgrade(self);
        self.instance.repeat(Duration::from_secs(10), period, move |_| {
            let inner = weak.upgrade();
            async move {
                if let Some(inner) = inner {
                    inner.offsets.persist().await;
                }
            }
        });
        let rebalancing = tokio::spawn(rebalance::run(Arc::clone(self)));
        self.instance.keep(rebalancing);
        Ok(())
    }

    pub(super) fn is_orderly(&self) -> bool {
        matches!(self.listener, Listener::Orderly(_))
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }
}

impl Consumer for Inner {
    fn group(&self) -> &str {
        &self.group
    }

    fn heartbeat(&self) -> ConsumerData {
        ConsumerData {
            consume_from_where: self.options.from,
            consume_type: ConsumeType::Passively,
            group_name: self.group.clone(),
            message_model: self.options.model,
            subscription_data_set: self.subscriptions.values().map(|s| (**s).clone()).collect(),
            unit_mode: false,
        }
    }

    fn topics(&self) -> Vec<String> {
        self.subscriptions.keys().cloned().collect()
    }

    fn rebalance_soon(&self) {
        self.wake.notify_one();
    }

    fn reset_offsets(&self, topic: &str, offsets: &BTreeMap<MessageQueue, i64>) {
        // The queues are let go; the next rebalance takes them again at the new offsets.
        let mut queues = self.queues.lock();
        for (queue, offset) in offsets.iter().filter(|(queue, _)| queue.topic == topic) {
            if let Some(owned) = queues.remove(queue) {
                owned.process.drop_queue();
                self.offsets.update(queue, *offset, false);
            }
        }
        drop(queues);
        self.wake.notify_one();
    }

    fn status(&self, topic: &str) -> BTreeMap<MessageQueue, i64> {
        self.offsets.all().into_iter().filter(|(queue, _)| queue.topic == topic).collect()
    }

    fn running_info(&self) -> ConsumerRunningInfo {
        let servers = self.instance.name_servers.all();
        let servers: String = servers.iter().map(|server| format!("{server};")).collect();
        let properties = [
            ("PROP_NAMESERVER_ADDR", servers),
            ("PROP_CONSUME_TYPE", ConsumeType::Passively.name().to_string()),
            ("PROP_CLIENT_VERSION", version::describe(version::CURRENT)),
            ("PROP_CONSUMEORDERLY", self.is_orderly().to_string()),
            ("PROP_THREADPOOL_CORE_SIZE", self.options.workers.to_string()),
            ("PROP_CONSUMER_START_TIMESTAMP", self.started_ms.to_string()),
            ("consumerGroup", self.group.clone()),
            ("messageModel", self.options.model.name().to_string()),
            ("consumeFromWhere", self.options.from.name().to_string()),
        ];
        let queues = self.queues.lock();
        ConsumerRunningInfo {
            jstack: None,
            mq_table: queues
                .iter()
                .map(|(queue, owned)| {
                    let offset = self.offsets.known(queue).unwrap_or(0);
                    (queue.clone(), owned.process.info(offset))
                })
                .collect(),
            properties: properties.map(|(key, value)| (key.to_string(), value)).into(),
            status_table: BTreeMap::new(),
            subscription_set: self.subscriptions.values().map(|s| (**s).clone()).collect(),
        }
    }

    fn consume_directly(&self, message: MessageExt, answer: DirectAnswer) -> bool {
        let queue = MessageQueue {
            topic: message.message.topic.clone(),
            broker_name: message.broker_name.clone().unwrap_or_default(),
            queue_id: message.queue_id,
        };
        let delivery = Delivery { messages: vec![message], queue, worker: 1 };
        let (order, started) = (self.is_orderly(), clock::monotonic_ms());
        let listener = self.listener.clone();
        self.tasks.spawn(async move {
            // A listener that panics is reported as one that threw.
            let said = catch(async move {
                match listener {
                    Listener::Concurrent(listener) => match listener(delivery).await {
                        ConsumeStatus::Success => "CR_SUCCESS",
                        ConsumeStatus::ReconsumeLater => "CR_LATER",
                    },
                    Listener::Orderly(listener) => match listener(delivery).await {
                        OrderlyStatus::Success => "CR_SUCCESS",
                        OrderlyStatus::SuspendCurrentQueueAMoment => "CR_LATER",
                    },
                }
            });
            let said = said.await;
            answer(ConsumeMessageDirectlyResult {
                auto_commit: true,
                remark: said.as_ref().err().cloned(),
                consume_result: said.unwrap_or("CR_THROW_EXCEPTION").to_string(),
                order,
                spent_time_mills: clock::monotonic_ms() - started,
            });
        });
        true
    }
}
