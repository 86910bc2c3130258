//! Producers (contract `client.md` 3).

mod batch;
mod options;
mod outgoing;
mod pending;
mod request;
mod result;
mod selector;
mod send;
mod transaction;

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rocketmq_protocol::message::MessageQueue;
use rocketmq_protocol::topic::FAQ;
use tokio::sync::Semaphore;

pub use batch::{batches, batches_of};
pub(crate) use options::INNER_GROUP;
pub use options::ProducerBuilder;
pub use pending::PendingSend;
pub use request::create_reply;
pub use result::{SendResult, SendStatus};
pub use selector::{by_hash, by_number};
pub use transaction::{LocalTransactionState, TransactionProducer, TransactionSendResult};

use crate::error::ClientError;
use crate::fault::Faults;
use crate::instance::Instance;
use crate::trace::Trace;
use crate::{Message, namespace};
use options::Options;
use outgoing::Outgoing;

/// Largest body unless set otherwise, bytes.
pub(crate) const MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What all clones of a producer share.
struct Inner {
    /// As brokers know it.
    group: String,
    namespace: String,
    options: Options,
    instance: Arc<Instance>,
    faults: Faults,
    /// Room for sends whose answer is not waited for at once.
    pending: Arc<Semaphore>,
    pending_kib: Arc<Semaphore>,
    trace: Option<Arc<Trace>>,
    /// Brokers know this client, so that replies can come.
    announced: AtomicBool,
    stopped: AtomicBool,
}

/// Ends the producer's tasks when its last clone is gone.
struct Handle(Arc<Inner>);

impl Deref for Handle {
    type Target = Arc<Inner>;

    fn deref(&self) -> &Arc<Inner> {
        &self.0
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.instance.abandon();
    }
}

/// Sends messages. Clones share everything; many tasks may send at once over one connection for
/// each broker.
///
/// ```no_run
/// use rocketmq_client::{Message, Producer};
///
/// # async fn example() -> Result<(), rocketmq_client::ClientError> {
/// let producer = Producer::builder("my_group").namesrv_addr("127.0.0.1:9876").start().await?;
/// let message = Message::new("TopicTest", "Hello RocketMQ").with_tags("TagA").with_keys("42");
/// println!("{}", producer.send(message).await?);
/// producer.shutdown().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Producer(Arc<Handle>);

impl Producer {
    /// A producer of that group, to be configured and started.
    pub fn builder(group: impl Into<String>) -> ProducerBuilder {
        ProducerBuilder::new(group.into())
    }

    fn of(inner: Inner) -> Producer {
        Producer(Arc::new(Handle(Arc::new(inner))))
    }

    /// Sends a message and waits until it is stored; other brokers are tried when one fails.
    ///
    /// # Errors
    /// The message is refused, or no broker stored it in time. A message that timed out may have
    /// been stored.
    pub async fn send(&self, message: Message) -> Result<SendResult, ClientError> {
        let outgoing = self.outgoing(message)?;
        self.0.send_with_retry(&outgoing).await
    }

    /// Begins to send a message: returns when it is on its way, and leaves waiting for the answer
    /// to the caller. Messages begun one after the other to one queue are stored in that order,
    /// unless one of them is retried.
    ///
    /// When too many sends are under way ([`ProducerBuilder::pending_limits`]), this waits until
    /// there is room: the brake that keeps a fast sender from filling the memory.
    ///
    /// ```no_run
    /// # use rocketmq_client::{ClientError, Message, Producer};
    /// # async fn example(producer: Producer) -> Result<(), ClientError> {
    /// let mut under_way = Vec::new();
    /// for index in 0..100 {
    ///     let message = Message::new("TopicTest", format!("Hello {index}"));
    ///     under_way.push(producer.start_send(message).await?);
    /// }
    /// for pending in under_way {
    ///     println!("{}", pending.await?);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The message is refused, its topic has no route, or there was no room within the send
    /// timeout.
    pub async fn start_send(&self, message: Message) -> Result<PendingSend, ClientError> {
        let outgoing = self.outgoing(message)?;
        PendingSend::begin(Arc::clone(&self.0), outgoing).await
    }

    /// Sends a message to one queue; nothing is retried.
    ///
    /// # Errors
    /// As [`Producer::send`]; also when the queue is another topic's.
    pub async fn send_to_queue(
        &self,
        message: Message,
        queue: &MessageQueue,
    ) -> Result<SendResult, ClientError> {
        if message.topic != queue.topic {
            return Err(ClientError::illegal("message's topic not equal mq's topic"));
        }
        let outgoing = self.outgoing(message)?;
        let queue = namespace::wrap_queue(&self.0.namespace, queue);
        self.0.send_to(&outgoing, |_| Some(queue)).await
    }

    /// Sends a message to the queue that `select` chooses of those the topic has. See [`by_hash`].
    ///
    /// # Errors
    /// As [`Producer::send`]; also when no queue is chosen.
    pub async fn send_selected(
        &self,
        message: Message,
        select: impl FnOnce(&[MessageQueue]) -> Option<usize>,
    ) -> Result<SendResult, ClientError> {
        let outgoing = self.outgoing(message)?;
        let namespace = &self.0.namespace;
        let choose = |queues: &[MessageQueue]| {
            if namespace.is_empty() {
                return queues.get(select(queues)?).cloned();
            }
            let known: Vec<_> =
                queues.iter().map(|queue| namespace::queue_without(queue, namespace)).collect();
            queues.get(select(&known)?).cloned()
        };
        self.0.send_to(&outgoing, choose).await
    }

    /// Sends a message without waiting for an answer; it may be lost. Waits only while the
    /// connection has too much to write.
    ///
    /// # Errors
    /// The message is refused, its topic has no route, or its broker cannot be reached.
    pub async fn send_oneway(&self, message: Message) -> Result<(), ClientError> {
        let outgoing = self.outgoing(message)?;
        self.0.send_oneway(&outgoing).await
    }

    /// Sends messages of one topic together; they end up next to one another in one queue. They
    /// must fit into one request: [`batches`] splits more of them.
    ///
    /// # Errors
    /// As [`Producer::send`]; also when the messages differ in topic or in whether they wait for
    /// the store, are delayed, or are too large together.
    pub async fn send_batch(&self, messages: &[Message]) -> Result<SendResult, ClientError> {
        self.check_running()?;
        let traces = self.0.trace.is_some();
        let outgoing = batch::encode(messages, &self.0.namespace, &self.0.options, traces)?;
        self.0.send_with_retry(&outgoing).await
    }

    /// Queues that messages of a topic are sent to.
    ///
    /// # Errors
    /// The topic has no route.
    pub async fn fetch_publish_queues(
        &self,
        topic: &str,
    ) -> Result<Vec<MessageQueue>, ClientError> {
        self.check_running()?;
        let namespace = &self.0.namespace;
        let route = self.0.route(&namespace::wrap(namespace, topic)).await?;
        let known = route.publish.iter().map(|queue| namespace::queue_without(queue, namespace));
        Ok(known.collect())
    }

    /// `ip@instance`, by which brokers know this producer.
    pub fn client_id(&self) -> &str {
        &self.0.instance.client_id
    }

    /// Tells the brokers, ends every task and closes the connections; nothing of the producer
    /// runs any more when this returns. Sends that are under way fail.
    pub async fn shutdown(&self) {
        if self.0.stopped.swap(true, Ordering::SeqCst) {
            return;
        }
        if let Some(trace) = &self.0.trace {
            // The trace has a producer of its own: this call would otherwise contain itself.
            Box::pin(trace.shutdown()).await;
        }
        self.0.instance.unregister(Some(&self.0.group), None).await;
        self.0.instance.shutdown().await;
    }

    fn check_running(&self) -> Result<(), ClientError> {
        if !self.0.stopped.load(Ordering::SeqCst) {
            return Ok(());
        }
        let text = format!("The producer service state not OK, SHUTDOWN_ALREADY{FAQ}");
        Err(ClientError::illegal(text))
    }

    fn outgoing(&self, message: Message) -> Result<Outgoing, ClientError> {
        self.check_running()?;
        let traces = self.0.trace.is_some();
        Outgoing::new(message, &self.0.namespace, &self.0.options, traces)
    }
}
