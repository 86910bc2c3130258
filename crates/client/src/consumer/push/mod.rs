//! Push consumers: messages are handed to a listener (contract `client.md` 5).

mod concurrent;
mod listener;
mod options;
mod orderly;
mod overdue;
mod workers;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rocketmq_common::clock;
use rocketmq_protocol::body::ConsumeMessageDirectlyResult;
use rocketmq_protocol::message::{MessageExt, MessageQueue, property};

pub use listener::{ConsumeStatus, Delivery, OrderlyStatus};
pub use options::PushConsumerBuilder;

use super::group::{Group, Member};
use super::process_queue::ProcessQueue;
use super::pulling::{self, Puller, Pulling};
use super::send_back::{MAX_RECONSUME_TIMES, Returns};
use super::stacks::Task;
use super::subscription::{MessageSelector, subscription};
use crate::error::ClientError;
use crate::instance::DirectAnswer;
use crate::namespace;
use crate::trace::{Consumption, Outcome, Trace};
use listener::Listener;
use options::Options;
use workers::Workers;

/// What Java says of a subscription that cannot be.
const BAD_SUBSCRIPTION: &str = "subscription exception";

struct Inner {
    group: Group,
    options: Options,
    pulling: Pulling,
    listener: Listener,
    workers: Workers,
    returns: Returns,
    trace: Option<Arc<Trace>>,
}

/// Hands messages to a listener. It ends when it is dropped, without a word to the brokers;
/// [`PushConsumer::shutdown`] is the better end.
///
/// ```no_run
/// use rocketmq_client::{ConsumeFromWhere, ConsumeStatus, PushConsumer};
///
/// # async fn example() -> Result<(), rocketmq_client::ClientError> {
/// let consumer = PushConsumer::builder("my_group")
///     .namesrv_addr("127.0.0.1:9876")
///     .consume_from(ConsumeFromWhere::FirstOffset)
///     .subscribe("TopicTest", "TagA || TagB")
///     .on_messages(|delivery| async move {
///         println!("{} messages from {}", delivery.messages.len(), delivery.queue);
///         ConsumeStatus::Success
///     })
///     .start()
///     .await?;
/// consumer.shutdown().await;
/// # Ok(())
/// # }
/// ```
///
/// In the order of each queue, retried in place:
///
/// ```no_run
/// # use rocketmq_client::{ClientError, OrderlyStatus, PushConsumer};
/// # async fn example() -> Result<PushConsumer, ClientError> {
/// PushConsumer::builder("my_group")
///     .subscribe("Orders", "*")
///     .max_reconsume_times(10)
///     .on_messages_orderly(|delivery| async move {
///         match std::str::from_utf8(&delivery.messages[0].message.body) {
///             Ok(order) => {
///                 println!("{order}");
///                 OrderlyStatus::Success
///             }
///             Err(_) => OrderlyStatus::SuspendCurrentQueueAMoment,
///         }
///     })
///     .start()
///     .await
/// # }
/// ```
///
/// Chosen by their properties, and every message to every member of the group:
///
/// ```no_run
/// # use rocketmq_client::{ClientError, ConsumeStatus, MessageModel, MessageSelector, PushConsumer};
/// # async fn example() -> Result<PushConsumer, ClientError> {
/// PushConsumer::builder("my_group")
///     .subscribe("Prices", MessageSelector::by_sql("price > 100 AND currency = 'EUR'"))
///     .message_model(MessageModel::Broadcasting)
///     .trace(None)
///     .on_messages(|_| async { ConsumeStatus::Success })
///     .start()
///     .await
/// # }
/// ```
pub struct PushConsumer(Arc<Inner>);

impl Drop for PushConsumer {
    fn drop(&mut self) {
        self.0.group.abandon();
    }
}

impl PushConsumer {
    /// A consumer of that group, to be configured and started.
    pub fn builder(group: impl Into<String>) -> PushConsumerBuilder {
        PushConsumerBuilder::new(group.into())
    }

    /// `ip@instance`, by which brokers know this consumer.
    pub fn client_id(&self) -> &str {
        &self.0.group.instance.client_id
    }

    /// Queues that are this consumer's now.
    pub fn queues(&self) -> Vec<MessageQueue> {
        self.0.group.known_queues()
    }

    /// Subscribes to one more topic, or to other messages of a topic. All members of a group must
    /// have the same subscriptions.
    ///
    /// # Errors
    /// The topic or the expression is refused, or the name servers cannot be reached.
    pub async fn subscribe(
        &self,
        topic: &str,
        selector: impl Into<MessageSelector>,
    ) -> Result<(), ClientError> {
        let (group, now) = (&self.0.group, clock::now_ms());
        let space = &group.namespace;
        let wanted = subscription(space, topic, &selector.into(), now, BAD_SUBSCRIPTION)?;
        group.subscribe(wanted).await
    }

    /// Ends the subscription to a topic.
    pub fn unsubscribe(&self, topic: &str) {
        self.0.group.unsubscribe(topic);
    }

    /// Pulls no more until [`PushConsumer::resume`]; what was pulled is still consumed.
    pub fn suspend(&self) {
        self.0.group.suspended.store(true, Ordering::SeqCst);
    }

    /// Pulls again.
    pub fn resume(&self) {
        self.0.group.suspended.store(false, Ordering::SeqCst);
    }

    /// Gives a message back, to be delivered to the group again: at a delay level, or 0 for what
    /// the broker decides, or -1 for the dead letters.
    ///
    /// # Errors
    /// No broker took it.
    pub async fn send_message_back(
        &self,
        message: &MessageExt,
        delay_level: i32,
    ) -> Result<(), ClientError> {
        self.0.send_back(message, delay_level).await
    }

    /// Whether its end has begun.
    pub fn is_stopped(&self) -> bool {
        self.0.group.is_stopped()
    }

    /// Stops pulling, lets running listeners finish (those that still run after 30 s, or what
    /// [`PushConsumerBuilder::await_termination`] says, are ended), keeps the offsets, leaves the
    /// group and ends every task: nothing of the consumer runs any more when this returns.
    pub async fn shutdown(&self) {
        let Inner { group, options, returns, trace, .. } = &*self.0;
        if !group.leave(options.grace).await {
            return;
        }
        returns.shutdown().await;
        if let Some(trace) = trace {
            trace.shutdown().await;
        }
    }
}

impl Inner {
    /// What a listener is handed, and the number of the worker that runs it.
    fn delivery(&self, queue: &MessageQueue, batch: &[Arc<MessageExt>]) -> (Delivery, usize) {
        let now = clock::now_ms();
        let worker = self.workers.begin(batch, now);
        let now = now.to_string();
        let stamped = batch.iter().map(|message| {
            let mut message = (**message).clone();
            message.message.set(property::CONSUME_START_TIME, now.as_str());
            message
        });
        let queue = namespace::queue_without(queue, &self.group.namespace);
        (Delivery { messages: stamped.collect(), queue, worker }, worker)
    }

    async fn send_back(&self, message: &MessageExt, delay_level: i32) -> Result<(), ClientError> {
        let max = match self.options.max_reconsume_times {
            -1 => MAX_RECONSUME_TIMES,
            max => max,
        };
        self.returns.send_back(&self.group, message, delay_level, max).await
    }

    fn begin_trace(&self, messages: &[MessageExt]) -> Option<Consumption> {
        self.trace.as_ref()?.consuming(messages)
    }

    fn end_trace(&self, begun: Option<Consumption>, outcome: impl FnOnce() -> Outcome) {
        if let (Some(trace), Some(begun)) = (&self.trace, begun) {
            trace.consumed(begun, outcome(), self.options.consume_timeout);
        }
    }
}

impl Member for Inner {
    fn group(&self) -> &Group {
        &self.group
    }

    fn taken(self: &Arc<Self>, queue: MessageQueue, process: Arc<ProcessQueue>, from: i64) {
        self.group.offsets.update(&queue, from, false);
        if self.group.orderly {
            let consuming = orderly::run(Arc::clone(self), queue.clone(), Arc::clone(&process));
            self.group.tasks.spawn(consuming);
        }
        let pulling = pulling::run(Arc::clone(self), queue, process, from);
        self.group.instance.keep(tokio::spawn(pulling));
    }

    fn queues_changed(&self) {
        self.pulling.limits.share(self.group.queues.lock().len());
    }

    fn tasks(&self) -> Vec<Task> {
        self.workers.tasks()
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        vec![
            ("PROP_CONSUMEORDERLY", self.group.orderly.to_string()),
            ("PROP_THREADPOOL_CORE_SIZE", self.options.workers.to_string()),
        ]
    }

    fn consume_directly(&self, message: MessageExt, answer: DirectAnswer) -> bool {
        let message = Arc::new(pulling::restored(&self.group, message));
        let queue = MessageQueue {
            topic: message.message.topic.clone(),
            broker_name: message.broker_name.clone().unwrap_or_default(),
            queue_id: message.queue_id,
        };
        let messages = vec![Arc::unwrap_or_clone(message)];
        let delivery = Delivery { messages, queue, worker: 1 };
        let (order, started) = (self.group.orderly, clock::monotonic_ms());
        let listener = self.listener.clone();
        self.group.tasks.spawn(async move {
            let (said, remark) = listener.try_once(delivery).await;
            answer(ConsumeMessageDirectlyResult {
                auto_commit: true,
                remark,
                consume_result: said.to_string(),
                order,
                spent_time_mills: clock::monotonic_ms() - started,
            });
        });
        true
    }
}

impl Puller for Inner {
    fn pulling(&self) -> &Pulling {
        &self.pulling
    }

    fn is_paused(&self, _: &MessageQueue, process: &ProcessQueue) -> bool {
        let suspended = self.group.suspended.load(Ordering::SeqCst);
        suspended || (self.group.orderly && !process.is_locked())
    }

    fn deliver(
        self: &Arc<Self>,
        queue: &MessageQueue,
        process: &Arc<ProcessQueue>,
        messages: Vec<Arc<MessageExt>>,
        next: i64,
    ) {
        if messages.is_empty() {
            if process.is_empty() {
                self.group.offsets.update(queue, next, true);
            }
            return;
        }
        process.add(&messages);
        if !self.group.orderly {
            for batch in messages.chunks(self.options.batch) {
                concurrent::submit(self, queue, process, batch.to_vec(), Duration::ZERO);
            }
        }
    }

    fn follows_moved_offsets(&self) -> bool {
        false
    }
}
