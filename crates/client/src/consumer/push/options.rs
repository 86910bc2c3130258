//! Settings of a push consumer, and its start (contract `client.md` 5).

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use rocketmq_common::clock;
use rocketmq_protocol::body::{ConsumeType, MessageModel, SubscriptionData};
use rocketmq_protocol::message::sys_flag;
use rocketmq_protocol::topic::{FAQ, RETRY_PREFIX};

use super::listener::{ConsumeStatus, Delivery, Future, Listener, OrderlyStatus};
use super::workers::Workers;
use super::{BAD_SUBSCRIPTION, Inner, PushConsumer, overdue};
use crate::config::{ClientConfig, client_settings};
use crate::consumer::group::{Group, Sharing, sharing_settings};
use crate::consumer::limits::Limits;
use crate::consumer::pulling::Pulling;
use crate::consumer::send_back::Returns;
use crate::consumer::subscription::{MessageSelector, subscription};
use crate::error::ClientError;
use crate::trace::{Role, Trace};
use crate::validate;

/// How long a broker holds a pull, and how long its answer may take.
const SUSPEND: Duration = Duration::from_secs(15);
const PULL_TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Clone)]
pub(super) struct Options {
    pub(super) workers: usize,
    pub(super) batch: usize,
    pub(super) max_reconsume_times: i32,
    pub(super) suspension: Duration,
    pub(super) consume_timeout: Duration,
    pub(super) grace: Duration,
    pull_batch: i32,
    pull_interval: Duration,
    queue_messages: usize,
    queue_mib: usize,
    topic_messages: Option<usize>,
    topic_mib: Option<usize>,
    span: i64,
    posts_subscription: bool,
    trace: bool,
    trace_topic: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            workers: 20,
            batch: 1,
            max_reconsume_times: -1,
            suspension: Duration::from_secs(1),
            consume_timeout: Duration::from_secs(15 * 60),
            grace: Duration::from_secs(30),
            pull_batch: 32,
            pull_interval: Duration::ZERO,
            queue_messages: 1000,
            queue_mib: 100,
            topic_messages: None,
            topic_mib: None,
            span: 2000,
            posts_subscription: false,
            trace: false,
            trace_topic: None,
        }
    }
}

impl Options {
    /// Refuses what Java refuses, in its words.
    fn check(&self) -> Result<(), ClientError> {
        fn within<T: PartialOrd + std::fmt::Display>(
            name: &str,
            value: T,
            range: RangeInclusive<T>,
        ) -> Result<(), ClientError> {
            if range.contains(&value) {
                return Ok(());
            }
            let (from, to) = range.into_inner();
            Err(ClientError::illegal(format!("{name} Out of range [{from}, {to}]{FAQ}")))
        }
        within("consumeThreadMin", self.workers, 1..=1000)?;
        within("consumeConcurrentlyMaxSpan", self.span, 1..=65_535)?;
        within("pullThresholdForQueue", self.queue_messages, 1..=65_535)?;
        if let Some(messages) = self.topic_messages {
            within("pullThresholdForTopic", messages, 1..=6_553_500)?;
        }
        within("pullThresholdSizeForQueue", self.queue_mib, 1..=1024)?;
        if let Some(mib) = self.topic_mib {
            within("pullThresholdSizeForTopic", mib, 1..=102_400)?;
        }
        within("pullInterval", self.pull_interval.as_millis(), 0..=65_535)?;
        within("consumeMessageBatchMaxSize", self.batch, 1..=1024)?;
        within("pullBatchSize", self.pull_batch, 1..=1024)
    }

    fn pulling(&self, orderly: bool) -> Pulling {
        let posts = if self.posts_subscription { sys_flag::PULL_SUBSCRIPTION } else { 0 };
        Pulling {
            batch: self.pull_batch,
            interval: self.pull_interval,
            flags: sys_flag::PULL_SUSPEND | posts,
            suspend: SUSPEND,
            timeout: PULL_TIMEOUT,
            commits: true,
            versioned: true,
            limits: Limits::new(
                (self.queue_messages, self.queue_mib),
                (self.topic_messages, self.topic_mib),
                (!orderly).then_some(self.span),
            ),
        }
    }
}

/// Settings of a push consumer to be started. What is out of range is refused at the start.
pub struct PushConsumerBuilder {
    group: String,
    config: ClientConfig,
    sharing: Sharing,
    options: Options,
    subscriptions: Vec<(String, MessageSelector)>,
    listener: Option<Listener>,
}

impl PushConsumerBuilder {
    pub(super) fn new(group: String) -> PushConsumerBuilder {
        PushConsumerBuilder {
            group,
            config: ClientConfig::default(),
            sharing: Sharing::default(),
            options: Options::default(),
            subscriptions: Vec::new(),
            listener: None,
        }
    }

    client_settings!();

    /// Subscribes to messages of a topic: `*` for all, tags separated by `||`, or
    /// [`MessageSelector::by_sql`].
    pub fn subscribe(
        mut self,
        topic: impl Into<String>,
        selector: impl Into<MessageSelector>,
    ) -> Self {
        self.subscriptions.push((topic.into(), selector.into()));
        self
    }

    sharing_settings!();

    /// How many listeners run at once; 20, 1 to 1000 (Java's `consumeThreadMin` and `Max`).
    pub fn workers(mut self, workers: usize) -> Self {
        self.options.workers = workers;
        self
    }

    /// Most messages of one delivery (`consumeMessageBatchMaxSize`); 1, 1 to 1024.
    pub fn consume_batch(mut self, messages: usize) -> Self {
        self.options.batch = messages;
        self
    }

    /// Most messages of one pull (`pullBatchSize`); 32, 1 to 1024.
    pub fn pull_batch(mut self, messages: i32) -> Self {
        self.options.pull_batch = messages;
        self
    }

    /// Time between two pulls of a queue (`pullInterval`); none, up to 65,535 ms.
    pub fn pull_interval(mut self, interval: Duration) -> Self {
        self.options.pull_interval = interval;
        self
    }

    /// Messages of a queue that may wait here before pulling rests; 1000, 1 to 65,535.
    pub fn pull_threshold_for_queue(mut self, messages: usize) -> Self {
        self.options.queue_messages = messages;
        self
    }

    /// MiB of a queue that may wait here before pulling rests; 100, 1 to 1024.
    pub fn pull_threshold_size_for_queue(mut self, mib: usize) -> Self {
        self.options.queue_mib = mib;
        self
    }

    /// Messages that may wait here, shared among the queues, instead of the limit of each queue;
    /// 1 to 6,553,500.
    pub fn pull_threshold_for_topic(mut self, messages: usize) -> Self {
        self.options.topic_messages = Some(messages);
        self
    }

    /// MiB that may wait here, shared among the queues, instead of the limit of each queue; 1 to
    /// 102,400.
    pub fn pull_threshold_size_for_topic(mut self, mib: usize) -> Self {
        self.options.topic_mib = Some(mib);
        self
    }

    /// Most offsets between the first and the last waiting message of a queue, for concurrent
    /// listeners; 2000, 1 to 65,535.
    pub fn consume_concurrently_max_span(mut self, offsets: i64) -> Self {
        self.options.span = offsets;
        self
    }

    /// Deliveries in vain after which a message goes to the dead letters. Otherwise 16 with a
    /// concurrent listener, and never with an orderly one.
    pub fn max_reconsume_times(mut self, times: i32) -> Self {
        self.options.max_reconsume_times = times;
        self
    }

    /// How long a queue rests that an orderly listener suspended
    /// (`suspendCurrentQueueTimeMillis`); 1 s, kept within 10 ms to 30 s.
    pub fn suspend_current_queue_time(mut self, time: Duration) -> Self {
        self.options.suspension = time;
        self
    }

    /// How long a concurrent listener may take over a message before the message is given back to
    /// the broker for somebody else (`consumeTimeout`); 15 minutes.
    pub fn consume_timeout(mut self, time: Duration) -> Self {
        self.options.consume_timeout = time;
        self
    }

    /// How long [`PushConsumer::shutdown`] waits for listeners that run
    /// (`awaitTerminationMillisWhenShutdown`); 30 s.
    pub fn await_termination(mut self, time: Duration) -> Self {
        self.options.grace = time;
        self
    }

    /// Sends the subscription along with each pull instead of relying on heartbeats
    /// (`postSubscriptionWhenPull`); off.
    pub fn post_subscription_when_pull(mut self, post: bool) -> Self {
        self.options.posts_subscription = post;
        self
    }

    /// Traces what is consumed, to `topic` or else `RMQ_SYS_TRACE_TOPIC`.
    pub fn trace(mut self, topic: Option<&str>) -> Self {
        self.options.trace = true;
        self.options.trace_topic = topic.map(str::to_string);
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
    /// A name, an expression or a setting is refused, no listener is set, or the name servers
    /// cannot be reached.
    pub async fn start(mut self) -> Result<PushConsumer, ClientError> {
        validate::group(&self.group)?;
        let listener = self.listener.take();
        let listener = listener
            .ok_or_else(|| ClientError::illegal(format!("messageListener is null{FAQ}")))?;
        self.options.check()?;
        let subscriptions = self.subscriptions()?;
        let (options, orderly) = (self.options, listener.is_orderly());
        let config = self.config.clone();
        let kind = ConsumeType::Passively;
        let group = Group::new(&self.group, self.config, self.sharing, kind, orderly)?;
        *group.subscriptions.write() = subscriptions;
        let topic = options.trace_topic.as_deref();
        let trace = match options.trace {
            true => Some(Trace::start(&config, &group.name, Role::Consume, topic)),
            false => None,
        };
        let trace = trace.transpose().inspect_err(|_| group.abandon())?;
        let inner = Arc::new(Inner {
            workers: Workers::new(options.workers),
            pulling: options.pulling(orderly),
            options,
            listener,
            returns: Returns::default(),
            trace,
            group,
        });
        Group::join(&inner).await?;
        overdue::watch(&inner);
        Ok(PushConsumer(inner))
    }

    /// What is subscribed to, as brokers know the topics.
    fn subscriptions(&self) -> Result<BTreeMap<String, Arc<SubscriptionData>>, ClientError> {
        let (now, space) = (clock::now_ms(), self.config.namespace());
        let mut all = BTreeMap::new();
        let retry = (format!("{RETRY_PREFIX}{}", self.group), MessageSelector::default());
        let clustering = self.sharing.model == MessageModel::Clustering;
        for (topic, selector) in self.subscriptions.iter().chain(clustering.then_some(&retry)) {
            let subscription = subscription(space, topic, selector, now, BAD_SUBSCRIPTION)?;
            all.insert(subscription.topic.clone(), Arc::new(subscription));
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_out_of_range_are_refused_in_javas_words() {
        type Change = fn(&mut Options);
        let changes: [(Change, &str); 11] = [
            (|o| o.workers = 0, "consumeThreadMin Out of range [1, 1000]"),
            (|o| o.workers = 1001, "consumeThreadMin Out of range [1, 1000]"),
            (|o| o.span = 0, "consumeConcurrentlyMaxSpan Out of range [1, 65535]"),
            (|o| o.queue_messages = 65_536, "pullThresholdForQueue Out of range [1, 65535]"),
            (|o| o.topic_messages = Some(0), "pullThresholdForTopic Out of range [1, 6553500]"),
            (|o| o.queue_mib = 1025, "pullThresholdSizeForQueue Out of range [1, 1024]"),
            (|o| o.topic_mib = Some(102_401), "pullThresholdSizeForTopic Out of range [1, 102400]"),
            (
                |o| o.pull_interval = Duration::from_millis(65_536),
                "pullInterval Out of range [0, 65535]",
            ),
            (|o| o.batch = 0, "consumeMessageBatchMaxSize Out of range [1, 1024]"),
            (|o| o.batch = 1025, "consumeMessageBatchMaxSize Out of range [1, 1024]"),
            (|o| o.pull_batch = 0, "pullBatchSize Out of range [1, 1024]"),
        ];
        assert!(Options::default().check().is_ok());
        for (change, text) in changes {
            let mut options = Options::default();
            change(&mut options);
            let refused = options.check().unwrap_err().to_string();
            assert_eq!(refused, format!("CODE: 1  DESC: {text}{FAQ}"));
        }
    }
}
