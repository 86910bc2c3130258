//! Pull consumers: the application asks for messages itself (contract `client.md` 9).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rocketmq_common::clock;
use rocketmq_protocol::body::{ConsumeType, MessageModel};
use rocketmq_protocol::message::{MessageExt, MessageQueue, sys_flag};
use tokio::sync::Semaphore;

use super::allocate::Allocation;
use super::fetch::{Fetch, PullStatus};
use super::group::{Group, Member, Sharing};
use super::process_queue::ProcessQueue;
use super::pulling::restored;
use super::schedule::{self, PullTask, Schedule, ScheduledPullConsumer};
use super::send_back::{MAX_RECONSUME_TIMES, Returns};
use super::subscription::{MessageSelector, subscription};
use crate::catch::catch;
use crate::config::{ClientConfig, client_settings};
use crate::error::ClientError;
use crate::{LOGGER, namespace};

/// How long a broker holds a pull that waits, and how long its answer may take.
const SUSPEND: Duration = Duration::from_secs(20);
const SUSPENDED_TIMEOUT: Duration = Duration::from_secs(30);
const PULL_TIMEOUT: Duration = Duration::from_secs(10);
/// Calls of a schedule that run at once.
const CALLS: usize = 20;
/// What Java says of a subscription that cannot be.
const BAD_SUBSCRIPTION: &str = "parse subscription error";

/// A member's queues of a topic are others now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueChange {
    /// The topic.
    pub topic: String,
    /// Every queue that it has.
    pub all: Vec<MessageQueue>,
    /// Those that are this member's from now on.
    pub mine: Vec<MessageQueue>,
}

type ChangeListener = Box<dyn Fn(QueueChange) + Send + Sync>;

/// What a pull brought.
#[derive(Clone, Debug)]
pub struct PullOutcome {
    /// How it ended.
    pub status: PullStatus,
    /// Where to go on.
    pub next_begin_offset: i64,
    /// First offset of the queue.
    pub min_offset: i64,
    /// End of the queue.
    pub max_offset: i64,
    /// Messages.
    pub messages: Vec<MessageExt>,
}

pub(super) struct Inner {
    pub(super) group: Group,
    max_reconsume_times: i32,
    returns: Returns,
    /// Which broker to pull from next, by queue, as its brokers suggest.
    suggested: Mutex<BTreeMap<MessageQueue, i64>>,
    joined: bool,
    on_change: Option<ChangeListener>,
    pub(super) schedule: Option<Schedule>,
}

impl Member for Inner {
    fn group(&self) -> &Group {
        &self.group
    }

    fn taken(self: &Arc<Self>, queue: MessageQueue, process: Arc<ProcessQueue>, _: i64) {
        // Without a schedule, the application pulls when it likes.
        if self.schedule.is_some() {
            self.group.tasks.spawn(schedule::run(Arc::clone(self), queue, process));
        }
    }

    async fn share_changed(&self, topic: &str, all: &[MessageQueue], mine: &[MessageQueue]) {
        let Some(listener) = &self.on_change else { return };
        let space = &self.group.namespace;
        let known = |queues: &[MessageQueue]| {
            queues.iter().map(|queue| namespace::queue_without(queue, space)).collect()
        };
        let topic = namespace::without(topic, space).into_owned();
        let change = QueueChange { topic, all: known(all), mine: known(mine) };
        if let Err(panic) = catch(async { listener(change) }).await {
            tracing::error!(target: LOGGER, "messageQueueChanged exception: {panic}");
        }
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        vec![("maxReconsumeTimes", self.max_reconsume_times.to_string())]
    }
}

/// Settings of a pull consumer to be started.
pub struct PullConsumerBuilder {
    group: String,
    config: ClientConfig,
    sharing: Sharing,
    max_reconsume_times: i32,
    topics: Vec<String>,
    calls: usize,
    on_change: Option<ChangeListener>,
    schedule: Option<Schedule>,
}

impl PullConsumerBuilder {
    client_settings!();

    /// Whether offsets are kept at the brokers (they are) or, broadcasting, in a file.
    pub fn message_model(mut self, model: MessageModel) -> Self {
        self.sharing.model = model;
        self
    }

    /// How the members share the queues of registered topics; averagely.
    pub fn allocation(mut self, allocation: Allocation) -> Self {
        self.sharing.allocation = allocation;
        self
    }

    /// Deliveries after which a message that is given back goes to the dead letters; 16.
    pub fn max_reconsume_times(mut self, times: i32) -> Self {
        self.max_reconsume_times = times;
        self
    }

    /// A topic whose queues the members share: [`PullConsumer::queues`] tells which to pull.
    pub fn register_topic(mut self, topic: impl Into<String>) -> Self {
        self.topics.push(topic.into());
        self
    }

    /// Sets what is called when this member's queues of a registered topic are others than before
    /// (Java's `MessageQueueListener`). It is to be quick: no queue is taken or left meanwhile.
    pub fn on_queues_changed(
        mut self,
        listener: impl Fn(QueueChange) + Send + Sync + 'static,
    ) -> Self {
        self.on_change = Some(Box::new(listener));
        self
    }

    /// Most calls of a schedule that run at once; 20.
    pub fn pull_threads(mut self, calls: usize) -> Self {
        self.calls = calls.clamp(1, Semaphore::MAX_PERMITS);
        self
    }

    /// Starts a consumer that calls `pull` for each queue that is this member's, as soon as it has
    /// it, and again when the time has passed that the call returned. A call that runs when the
    /// consumer is shut down ends at its next `await`.
    ///
    /// ```no_run
    /// use std::time::Duration;
    /// use rocketmq_client::{PullConsumer, PullStatus};
    ///
    /// # async fn example() -> Result<(), rocketmq_client::ClientError> {
    /// let consumer = PullConsumer::builder("my_group")
    ///     .register_topic("TopicTest")
    ///     .start_scheduled(|task| async move {
    ///         let (consumer, queue) = (&task.consumer, &task.queue);
    ///         let offset = consumer.fetch_offset(queue).await.ok().flatten().unwrap_or(0);
    ///         match consumer.pull(queue, "*", offset, 32).await {
    ///             Ok(pulled) => {
    ///                 pulled.messages.iter().for_each(|message| println!("{message}"));
    ///                 consumer.commit_offset(queue, pulled.next_begin_offset).await;
    ///                 match pulled.status {
    ///                     PullStatus::Found => Duration::ZERO,
    ///                     _ => Duration::from_millis(100),
    ///                 }
    ///             }
    ///             Err(_) => Duration::from_secs(1),
    ///         }
    ///     })
    ///     .await?;
    /// consumer.shutdown().await;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`PullConsumerBuilder::start`].
    pub async fn start_scheduled<F>(
        mut self,
        pull: impl Fn(PullTask) -> F + Send + Sync + 'static,
    ) -> Result<ScheduledPullConsumer, ClientError>
    where
        F: Future<Output = Duration> + Send + 'static,
    {
        self.schedule = Some(Schedule::new(self.calls, pull));
        let topics = std::mem::take(&mut self.topics);
        let consumer = Arc::new(self.prepare(true)?);
        if let Some(schedule) = &consumer.0.schedule {
            schedule.serve(&consumer);
        }
        consumer.join(topics).await?;
        Ok(ScheduledPullConsumer(consumer))
    }

    /// Starts the consumer, which joins the group.
    ///
    /// # Errors
    /// A name is refused, or the name servers cannot be reached.
    pub async fn start(mut self) -> Result<PullConsumer, ClientError> {
        let topics = std::mem::take(&mut self.topics);
        let consumer = self.prepare(true)?;
        consumer.join(topics).await?;
        Ok(consumer)
    }

    fn prepare(self, joined: bool) -> Result<PullConsumer, ClientError> {
        let kind = ConsumeType::Actively;
        let group = Group::new(&self.group, self.config, self.sharing, kind, false)?;
        Ok(PullConsumer(Arc::new(Inner {
            group,
            max_reconsume_times: self.max_reconsume_times,
            returns: Returns::default(),
            suggested: Mutex::default(),
            joined,
            on_change: self.on_change,
            schedule: self.schedule,
        })))
    }
}

/// Pulls where and when the application says. [`LitePullConsumer`](crate::LitePullConsumer) is
/// easier to use.
///
/// ```no_run
/// use rocketmq_client::PullConsumer;
///
/// # async fn example() -> Result<(), rocketmq_client::ClientError> {
/// let consumer = PullConsumer::builder("my_group").start().await?;
/// for queue in consumer.fetch_queues("TopicTest").await? {
///     let offset = consumer.fetch_offset(&queue).await?.unwrap_or(0);
///     let pulled = consumer.pull_block_if_not_found(&queue, "*", offset, 32).await?;
///     for message in &pulled.messages {
///         println!("{message}");
///     }
///     consumer.commit_offset(&queue, pulled.next_begin_offset).await;
/// }
/// consumer.shutdown().await;
/// # Ok(())
/// # }
/// ```
pub struct PullConsumer(Arc<Inner>);

impl Drop for PullConsumer {
    fn drop(&mut self) {
        self.abandon();
    }
}

impl PullConsumer {
    /// A consumer of that group, to be configured and started.
    pub fn builder(group: impl Into<String>) -> PullConsumerBuilder {
        PullConsumerBuilder {
            group: group.into(),
            config: ClientConfig::default(),
            sharing: Sharing::default(),
            max_reconsume_times: MAX_RECONSUME_TIMES,
            topics: Vec::new(),
            calls: CALLS,
            on_change: None,
            schedule: None,
        }
    }

    /// Starts a consumer that uses a group's name and offsets without joining it: brokers do not
    /// list it, and nothing is connected before it is needed.
    ///
    /// # Errors
    /// The group's name is refused.
    pub async fn start(
        group: impl Into<String>,
        config: ClientConfig,
    ) -> Result<PullConsumer, ClientError> {
        PullConsumer::builder(group).client_config(config).prepare(false)
    }

    async fn join(&self, topics: Vec<String>) -> Result<(), ClientError> {
        let group = &self.0.group;
        for topic in topics {
            let (space, all) = (&group.namespace, MessageSelector::default());
            let wanted = subscription(space, &topic, &all, clock::now_ms(), BAD_SUBSCRIPTION)?;
            group.subscriptions.write().insert(wanted.topic.clone(), Arc::new(wanted));
        }
        Group::join(&self.0).await
    }

    /// Ends every task without a word to anybody.
    pub(super) fn abandon(&self) {
        self.0.group.abandon();
    }

    /// Queues of a topic.
    ///
    /// # Errors
    /// The topic is unknown, or no name server can be reached.
    pub async fn fetch_queues(&self, topic: &str) -> Result<Vec<MessageQueue>, ClientError> {
        self.0.group.instance.read_queues(topic).await
    }

    /// This member's share of the queues of the registered topics.
    pub fn queues(&self) -> Vec<MessageQueue> {
        self.0.group.known_queues()
    }

    /// Pulls from a queue; answers at once.
    ///
    /// # Errors
    /// The expression is refused, or the queue's broker cannot be reached.
    pub async fn pull(
        &self,
        queue: &MessageQueue,
        selector: impl Into<MessageSelector>,
        offset: i64,
        max: i32,
    ) -> Result<PullOutcome, ClientError> {
        self.pull_with(queue, &selector.into(), offset, max, false).await
    }

    /// Pulls from a queue; waits up to 20 s for messages.
    ///
    /// # Errors
    /// As [`PullConsumer::pull`].
    pub async fn pull_block_if_not_found(
        &self,
        queue: &MessageQueue,
        selector: impl Into<MessageSelector>,
        offset: i64,
        max: i32,
    ) -> Result<PullOutcome, ClientError> {
        self.pull_with(queue, &selector.into(), offset, max, true).await
    }

    async fn pull_with(
        &self,
        queue: &MessageQueue,
        selector: &MessageSelector,
        offset: i64,
        max: i32,
        wait: bool,
    ) -> Result<PullOutcome, ClientError> {
        let Inner { group, suggested, .. } = &*self.0;
        if offset < 0 {
            return Err(ClientError::illegal("offset < 0"));
        }
        if max <= 0 {
            return Err(ClientError::illegal("maxNums <= 0"));
        }
        let queue = &namespace::wrap_queue(&group.namespace, queue);
        let now = clock::now_ms();
        let wanted = subscription("", &queue.topic, selector, now, BAD_SUBSCRIPTION)?;
        let fetch = Fetch {
            group: &group.name,
            queue,
            broker_id: suggested.lock().get(queue).copied().unwrap_or(0),
            offset,
            max,
            flags: sys_flag::PULL_SUBSCRIPTION | if wait { sys_flag::PULL_SUSPEND } else { 0 },
            commit: None,
            suspend: SUSPEND,
            timeout: if wait { SUSPENDED_TIMEOUT } else { PULL_TIMEOUT },
            version: if wanted.is_tag_type() { 0 } else { now },
            subscription: &wanted,
        };
        let pulled = fetch.send(&group.instance).await?;
        suggested.lock().insert(queue.clone(), pulled.header.suggest_which_broker_id);
        let restore = |message| restored(group, message);
        Ok(PullOutcome {
            status: pulled.status,
            next_begin_offset: pulled.header.next_begin_offset,
            min_offset: pulled.header.min_offset,
            max_offset: pulled.header.max_offset,
            messages: pulled.messages.into_iter().map(restore).collect(),
        })
    }

    /// Notes how far a queue is consumed, and tells the broker.
    pub async fn commit_offset(&self, queue: &MessageQueue, offset: i64) {
        let queue = &self.known(queue);
        self.0.group.offsets.update(queue, offset, false);
        self.0.group.offsets.commit(queue).await;
    }

    /// How far the group has consumed a queue; `None` if that is not known.
    ///
    /// # Errors
    /// The queue's broker cannot be reached.
    pub async fn fetch_offset(&self, queue: &MessageQueue) -> Result<Option<i64>, ClientError> {
        self.0.group.offsets.stored(&self.known(queue)).await
    }

    /// The first offset of a queue that is still there.
    ///
    /// # Errors
    /// The queue's broker cannot be reached.
    pub async fn min_offset(&self, queue: &MessageQueue) -> Result<i64, ClientError> {
        self.0.group.offsets.min(&self.known(queue)).await
    }

    /// The offset that a queue's next message will have.
    ///
    /// # Errors
    /// The queue's broker cannot be reached.
    pub async fn max_offset(&self, queue: &MessageQueue) -> Result<i64, ClientError> {
        self.0.group.offsets.max(&self.known(queue)).await
    }

    /// The offset of the message of a queue that was stored nearest to that time, epoch ms.
    ///
    /// # Errors
    /// The queue's broker cannot be reached.
    pub async fn search_offset(
        &self,
        queue: &MessageQueue,
        timestamp: i64,
    ) -> Result<i64, ClientError> {
        self.0.group.offsets.search(&self.known(queue), timestamp).await
    }

    /// Gives a message back, to be delivered to the group's push consumers again: at a delay
    /// level, or 0 for what the broker decides, or -1 for the dead letters.
    ///
    /// # Errors
    /// No broker took it.
    pub async fn send_message_back(
        &self,
        message: &MessageExt,
        delay_level: i32,
    ) -> Result<(), ClientError> {
        let Inner { group, returns, max_reconsume_times, .. } = &*self.0;
        returns.send_back(group, message, delay_level, *max_reconsume_times).await
    }

    /// Keeps the offsets, leaves the group, ends every task and closes the connections.
    pub async fn shutdown(&self) {
        let Inner { group, returns, joined, .. } = &*self.0;
        match joined {
            true => drop(group.leave(Duration::ZERO).await),
            false => group.instance.shutdown().await,
        }
        returns.shutdown().await;
    }

    fn known(&self, queue: &MessageQueue) -> MessageQueue {
        namespace::wrap_queue(&self.0.group.namespace, queue)
    }
}
