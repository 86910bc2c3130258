//! Lite pull consumers: the application polls what the consumer pulls ahead (contract `client.md` 9).

mod cache;
mod inner;
mod options;
mod topics;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use rocketmq_common::clock;
use rocketmq_protocol::body::MessageModel;
use rocketmq_protocol::message::{MessageExt, MessageQueue};
use tokio::time::Instant;

pub use options::LitePullConsumerBuilder;

use super::subscription::{MessageSelector, subscription};
use crate::error::ClientError;
use crate::namespace;
use crate::trace::Outcome;
use inner::Inner;

/// What Java says of a subscription that cannot be, of calls to a consumer that has ended, and of
/// mixing the two ways to get queues.
const BAD_SUBSCRIPTION: &str = "subscribe exception";
const NOT_RUNNING: &str = "The consumer not running, please start it first.";
const EXCLUSIVE: &str = "Subscribe and assign are mutually exclusive.";

/// Pulls ahead and is polled: the application sets the pace, and may go to any offset. It ends
/// when it is dropped, without a word to the brokers; [`LitePullConsumer::shutdown`] is the better
/// end.
///
/// With a subscription, the members of the group share the queues:
///
/// ```no_run
/// use std::time::Duration;
/// use rocketmq_client::LitePullConsumer;
///
/// # async fn example() -> Result<(), rocketmq_client::ClientError> {
/// let consumer = LitePullConsumer::builder("my_group").auto_commit(false).start().await?;
/// consumer.subscribe("TopicTest", "TagA || TagB").await?;
/// for _ in 0..10 {
///     for message in consumer.poll(Duration::from_secs(5)).await? {
///         println!("{message}");
///     }
///     consumer.commit().await?;
/// }
/// consumer.shutdown().await;
/// # Ok(())
/// # }
/// ```
///
/// Or the application says which queues, and where to begin:
///
/// ```no_run
/// # use std::time::Duration;
/// # use rocketmq_client::{ClientError, LitePullConsumer};
/// # async fn example(consumer: LitePullConsumer) -> Result<(), ClientError> {
/// let queues = consumer.fetch_message_queues("TopicTest").await?;
/// consumer.assign(&queues).await?;
/// consumer.seek_to_begin(&queues[0]).await?;
/// println!("{} messages", consumer.poll(Duration::from_secs(5)).await?.len());
/// # Ok(())
/// # }
/// ```
pub struct LitePullConsumer(Arc<Inner>);

impl Drop for LitePullConsumer {
    fn drop(&mut self) {
        self.0.group.abandon();
        self.0.cache.close();
    }
}

impl LitePullConsumer {
    /// A consumer of that group, to be configured and started.
    pub fn builder(group: impl Into<String>) -> LitePullConsumerBuilder {
        LitePullConsumerBuilder::new(group.into())
    }

    /// Subscribes to messages of a topic; the members of the group share its queues.
    ///
    /// # Errors
    /// Queues are assigned, the topic or the expression is refused, or the name servers cannot be
    /// reached.
    pub async fn subscribe(
        &self,
        topic: &str,
        selector: impl Into<MessageSelector>,
    ) -> Result<(), ClientError> {
        let group = self.0.running()?;
        if topic.is_empty() {
            return Err(ClientError::illegal("Topic can not be null or empty."));
        }
        if group.assigned.lock().is_some() {
            return Err(ClientError::illegal(EXCLUSIVE));
        }
        let (space, now) = (&group.namespace, clock::now_ms());
        let wanted = subscription(space, topic, &selector.into(), now, BAD_SUBSCRIPTION)?;
        group.subscribe(wanted).await
    }

    /// Ends the subscription to a topic.
    pub fn unsubscribe(&self, topic: &str) {
        self.0.group.unsubscribe(topic);
    }

    /// Takes these queues instead of those that it had, whoever else is in the group.
    ///
    /// # Errors
    /// There are subscriptions, or the list is empty.
    pub async fn assign(&self, queues: &[MessageQueue]) -> Result<(), ClientError> {
        let group = self.0.running()?;
        if queues.is_empty() {
            return Err(ClientError::illegal("Message queues can not be null or empty."));
        }
        if !group.subscriptions.read().is_empty() {
            return Err(ClientError::illegal(EXCLUSIVE));
        }
        let wrap = |queue| namespace::wrap_queue(&group.namespace, queue);
        *group.assigned.lock() = Some(queues.iter().map(wrap).collect());
        group.wake.notify_one();
        Ok(())
    }

    /// Queues that are this consumer's now.
    pub fn assignment(&self) -> Vec<MessageQueue> {
        let group = &self.0.group;
        match &*group.assigned.lock() {
            Some(queues) => {
                queues.iter().map(|q| namespace::queue_without(q, &group.namespace)).collect()
            }
            None => group.known_queues(),
        }
    }

    /// Messages that were pulled, of one queue at a time; nothing if none came in time. With
    /// automatic commits, this is when what earlier polls gave is committed.
    ///
    /// # Errors
    /// The consumer has ended.
    pub async fn poll(&self, timeout: Duration) -> Result<Vec<MessageExt>, ClientError> {
        let inner = &self.0;
        let group = inner.running()?;
        if inner.options.auto_commit {
            inner.commit_if_due();
        }
        let Some(batch) = inner.cache.take(Instant::now() + timeout).await else {
            return Ok(Vec::new());
        };
        let next = batch.process.remove(batch.messages.iter().map(|m| m.queue_offset));
        {
            // A queue that was left or moved meanwhile keeps its offset.
            let queues = group.queues.lock();
            if !batch.process.is_dropped() && queues.contains_key(&batch.queue) {
                inner.positions.lock().insert(batch.queue, next);
            }
        }
        let messages: Vec<_> = batch.messages.into_iter().map(Arc::unwrap_or_clone).collect();
        if let Some(trace) = &inner.trace
            && let Some(begun) = trace.consuming(&messages)
        {
            trace.consumed(begun, Outcome::Success, Duration::MAX);
        }
        Ok(messages)
    }

    /// Goes on at that offset of a queue; what was pulled of it and not polled is dropped.
    ///
    /// # Errors
    /// The queue is not this consumer's, or has no such offset.
    pub async fn seek(&self, queue: &MessageQueue, offset: i64) -> Result<(), ClientError> {
        let inner = &self.0;
        let known = namespace::wrap_queue(&inner.running()?.namespace, queue);
        inner.check_owned(&known)?;
        let (min, max) =
            (inner.group.offsets.min(&known).await?, inner.group.offsets.max(&known).await?);
        if offset < min || offset > max {
            return Err(ClientError::illegal(format!(
                "Seek offset illegal, seek offset = {offset}, min offset = {min}, max offset = {max}"
            )));
        }
        inner.go_to(known, offset)
    }

    /// [`LitePullConsumer::seek`] to the first message that is still there.
    ///
    /// # Errors
    /// The queue is not this consumer's, or its broker cannot be reached.
    pub async fn seek_to_begin(&self, queue: &MessageQueue) -> Result<(), ClientError> {
        let known = namespace::wrap_queue(&self.0.running()?.namespace, queue);
        self.0.check_owned(&known)?;
        let min = self.0.group.offsets.min(&known).await?;
        self.0.go_to(known, min)
    }

    /// [`LitePullConsumer::seek`] behind the last message.
    ///
    /// # Errors
    /// As [`LitePullConsumer::seek_to_begin`].
    pub async fn seek_to_end(&self, queue: &MessageQueue) -> Result<(), ClientError> {
        let known = namespace::wrap_queue(&self.0.running()?.namespace, queue);
        self.0.check_owned(&known)?;
        let max = self.0.group.offsets.max(&known).await?;
        self.0.go_to(known, max)
    }

    /// Pulls these queues no more until [`LitePullConsumer::resume`]; what was pulled can still be
    /// polled.
    pub fn pause(&self, queues: &[MessageQueue]) {
        let space = &self.0.group.namespace;
        let wrapped = queues.iter().map(|queue| namespace::wrap_queue(space, queue));
        self.0.paused.lock().extend(wrapped);
    }

    /// Pulls these queues again.
    pub fn resume(&self, queues: &[MessageQueue]) {
        let space = &self.0.group.namespace;
        let mut paused = self.0.paused.lock();
        for queue in queues {
            paused.remove(&namespace::wrap_queue(space, queue));
        }
    }

    /// Commits what was polled, and waits until the brokers (or the file, when broadcasting) have
    /// it.
    ///
    /// # Errors
    /// The consumer has ended, or a broker did not answer; other queues may be committed then.
    pub async fn commit(&self) -> Result<(), ClientError> {
        let group = self.0.running()?;
        let queues = self.0.settle();
        if group.sharing.model == MessageModel::Broadcasting {
            group.offsets.persist().await;
            return Ok(());
        }
        let mut failed = None;
        for queue in queues {
            failed = group.offsets.commit_surely(&queue).await.err().or(failed);
        }
        failed.map_or(Ok(()), Err)
    }

    /// How far the group has committed a queue; `None` if it never did.
    ///
    /// # Errors
    /// The queue's broker cannot be reached.
    pub async fn committed(&self, queue: &MessageQueue) -> Result<Option<i64>, ClientError> {
        let group = self.0.running()?;
        let known = namespace::wrap_queue(&group.namespace, queue);
        match group.offsets.known(&known) {
            Some(offset) => Ok(Some(offset)),
            None => group.offsets.stored(&known).await,
        }
    }

    /// Queues of a topic.
    ///
    /// # Errors
    /// The topic is unknown, or no name server can be reached.
    pub async fn fetch_message_queues(
        &self,
        topic: &str,
    ) -> Result<Vec<MessageQueue>, ClientError> {
        self.0.running()?.instance.read_queues(topic).await
    }

    /// The offset of the message of a queue that was stored nearest to that time, epoch ms.
    ///
    /// # Errors
    /// The queue's broker cannot be reached.
    pub async fn offset_for_timestamp(
        &self,
        queue: &MessageQueue,
        timestamp: i64,
    ) -> Result<i64, ClientError> {
        let group = self.0.running()?;
        let known = namespace::wrap_queue(&group.namespace, queue);
        group.offsets.search(&known, timestamp).await
    }

    /// Calls `listener` with the topic and all its queues when it gets or loses some.
    ///
    /// # Errors
    /// The topic is unknown, or no name server can be reached.
    pub async fn on_queues_changed(
        &self,
        topic: &str,
        listener: impl Fn(&str, &BTreeSet<MessageQueue>) + Send + Sync + 'static,
    ) -> Result<(), ClientError> {
        self.0.running()?;
        topics::listen(&self.0, topic, Arc::new(listener)).await
    }

    /// `ip@instance`, by which brokers know this consumer.
    pub fn client_id(&self) -> &str {
        &self.0.group.instance.client_id
    }

    /// Keeps the offsets that were committed, leaves the group and ends every task: nothing of the
    /// consumer runs any more when this returns. What was polled and not committed comes again.
    pub async fn shutdown(&self) {
        let Inner { group, cache, trace, .. } = &*self.0;
        cache.close();
        if !group.leave(Duration::ZERO).await {
            return;
        }
        if let Some(trace) = trace {
            trace.shutdown().await;
        }
    }
}
