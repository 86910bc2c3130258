//! Transactions (contract `client.md` 3): a half message is stored, the local transaction runs,
//! and its outcome commits the message or rolls it back. A broker that does not learn the outcome
//! asks for it.

use std::ops::Deref;
use std::pin::Pin;
use std::sync::Weak;
use std::sync::atomic::Ordering;

use rocketmq_common::clock;
use rocketmq_protocol::header::EndTransactionRequestHeader;
use rocketmq_protocol::message::{message_id, property, sys_flag};
use rocketmq_protocol::{RequestCode, ResponseCode};
use rocketmq_remoting::Request;
use tokio::sync::mpsc;

use super::{Inner, Producer, SendResult, SendStatus};
use crate::catch::catch;
use crate::error::ClientError;
use crate::instance::{ProducerGroup, TransactionCheck};
use crate::trace::{MessageType, Traced, TransactionEnded};
use crate::{LOGGER, Message, MessageExt, unique_id};

/// Questions of brokers that may wait; brokers ask again.
const CHECKS_MAX: usize = 2000;

/// What became of a local transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocalTransactionState {
    /// Done: consumers get the message.
    CommitMessage,
    /// Undone: nobody gets it.
    RollbackMessage,
    /// Not known yet: the broker asks later.
    Unknown,
}

impl LocalTransactionState {
    /// The name in texts.
    pub fn name(self) -> &'static str {
        match self {
            LocalTransactionState::CommitMessage => "COMMIT_MESSAGE",
            LocalTransactionState::RollbackMessage => "ROLLBACK_MESSAGE",
            LocalTransactionState::Unknown => "UNKNOW",
        }
    }

    fn flag(self) -> i32 {
        match self {
            LocalTransactionState::CommitMessage => sys_flag::TRANSACTION_COMMIT,
            LocalTransactionState::RollbackMessage => sys_flag::TRANSACTION_ROLLBACK,
            LocalTransactionState::Unknown => 0,
        }
    }
}

/// What became of a message that was sent in a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionSendResult {
    /// Where the half message was stored; the queue is the real one, the offset that of the half
    /// message.
    pub send: SendResult,
    /// What the local transaction said.
    pub state: LocalTransactionState,
}

/// As [`SendResult`], but without the offset id, as Java prints it.
impl std::fmt::Display for TransactionSendResult {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let offset_msg_id = "null".to_string();
        SendResult { offset_msg_id, ..self.send.clone() }.fmt(f)
    }
}

/// A producer that also sends transactions; it is a [`Producer`] in all else.
///
/// ```no_run
/// use rocketmq_client::{LocalTransactionState, Message, Producer};
///
/// # async fn example() -> Result<(), rocketmq_client::ClientError> {
/// let producer = Producer::builder("my_group")
///     .namesrv_addr("127.0.0.1:9876")
///     .start_transactional(|half| async move {
///         println!("what became of {}?", half.msg_id());
///         LocalTransactionState::CommitMessage
///     })
///     .await?;
/// let result = producer
///     .send_in_transaction(Message::new("TopicTest", "paid"), |_message| async move {
///         // the local transaction
///         Ok::<_, std::io::Error>(LocalTransactionState::CommitMessage)
///     })
///     .await?;
/// println!("{result}");
/// producer.shutdown().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct TransactionProducer(Producer);

impl Deref for TransactionProducer {
    type Target = Producer;

    fn deref(&self) -> &Producer {
        &self.0
    }
}

impl TransactionProducer {
    pub(super) fn new(producer: Producer) -> TransactionProducer {
        TransactionProducer(producer)
    }

    /// Stores a half message, runs `execute` on it, and ends the transaction as that says. When
    /// the half message was not stored as the broker is configured, `execute` does not run and
    /// the message is rolled back. An error or panic of `execute` leaves the outcome unknown: the
    /// broker asks.
    ///
    /// # Errors
    /// The half message was not stored, or the broker cannot be told of the end (it will ask).
    pub async fn send_in_transaction<F, E>(
        &self,
        mut message: Message,
        execute: impl FnOnce(Message) -> F,
    ) -> Result<TransactionSendResult, ClientError>
    where
        F: Future<Output = Result<LocalTransactionState, E>>,
        E: std::fmt::Display,
    {
        let inner = &self.0.0;
        // The level would delay the half message.
        message.properties.remove(property::DELAY);
        message.set(property::TRANSACTION_PREPARED, "true");
        message.set(property::PRODUCER_GROUP, inner.group.as_str());
        if message.get(property::UNIQUE_KEY).is_none() {
            message.set(property::UNIQUE_KEY, unique_id::next());
        }
        let sent = self.0.send(message.clone()).await.map_err(|error| match error {
            ClientError::Client { code, text } => {
                ClientError::client(code, format!("send message Exception: {text}"))
            }
            error => error,
        })?;
        let (state, remark) = match sent.status {
            SendStatus::SendOk => execute_local(execute(message.clone())).await,
            _ => (LocalTransactionState::RollbackMessage, None),
        };
        inner.end_transaction(&message, &sent, state, remark.as_deref()).await?;
        Ok(TransactionSendResult { send: sent, state })
    }
}

async fn execute_local<E: std::fmt::Display>(
    running: impl Future<Output = Result<LocalTransactionState, E>>,
) -> (LocalTransactionState, Option<String>) {
    let failed = match catch(running).await {
        Ok(Ok(state)) => return (state, None),
        Ok(Err(error)) => error.to_string(),
        Err(panic) => panic,
    };
    tracing::info!(target: LOGGER, "executeLocalTransactionBranch exception: {failed}");
    let remark = format!("executeLocalTransactionBranch exception: {failed}");
    (LocalTransactionState::Unknown, Some(remark))
}

impl Inner {
    async fn end_transaction(
        &self,
        message: &Message,
        sent: &SendResult,
        state: LocalTransactionState,
        remark: Option<&str>,
    ) -> Result<(), ClientError> {
        let route = self.route(&crate::namespace::wrap(&self.namespace, &message.topic)).await?;
        let broker_name = &sent.message_queue.broker_name;
        let address = route.master(broker_name).ok_or_else(|| {
            let text = format!("The broker[{broker_name}] not exist");
            ClientError::client(ResponseCode::BROKER_NOT_EXIST_EXCEPTION, text)
        })?;
        let id = message_id::decode(&sent.offset_msg_id).ok_or_else(|| {
            let text = format!("the broker's message id {} cannot be read", sent.offset_msg_id);
            ClientError::illegal(text)
        })?;
        let header = EndTransactionRequestHeader {
            producer_group: self.group.as_str().into(),
            tran_state_table_offset: sent.queue_offset,
            commit_log_offset: id.1,
            commit_or_rollback: state.flag(),
            from_transaction_check: false,
            msg_id: sent.msg_id.as_str().into(),
            transaction_id: Some(sent.msg_id.as_str().into()),
        };
        self.tell_end(address, &header, remark).await?;
        self.trace_end(message, &sent.msg_id, address, state, false);
        Ok(())
    }

    async fn tell_end(
        &self,
        address: &str,
        header: &EndTransactionRequestHeader<'_>,
        remark: Option<&str>,
    ) -> Result<(), ClientError> {
        let mut request = Request::new(RequestCode::END_TRANSACTION).fields(header);
        if let Some(remark) = remark {
            request = request.remark(remark);
        }
        Ok(self.instance.remoting.send_oneway(address, request).await?)
    }

    fn trace_end(
        &self,
        message: &Message,
        unique_id: &str,
        address: &str,
        state: LocalTransactionState,
        from_check: bool,
    ) {
        let Some(trace) = &self.trace else { return };
        let traced = Traced {
            message_type: MessageType::TransactionCommit,
            ..Traced::of_message(message, unique_id)
        };
        trace.transaction_ended(&TransactionEnded {
            traced: &traced,
            timestamp: clock::now_ms(),
            region: message.get(property::MSG_REGION).unwrap_or("null"),
            group: trace.group(),
            store_host: address,
            transaction_id: unique_id,
            state: state.name(),
            from_check,
        });
    }

    /// Answers one question of a broker.
    async fn answer_check(&self, check: TransactionCheck, listener: &CheckListener) {
        let TransactionCheck { broker, message, .. } = check;
        let (plain, unique_id) = (message.message.clone(), message.msg_id().to_string());
        let (state, remark) = match catch(async { listener(message).await }).await {
            Ok(state) => (state, None),
            Err(panic) => {
                tracing::error!(target: LOGGER, "Broker call checkTransactionState, but checkLocalTransactionState exception: {panic}");
                let remark = format!("checkLocalTransactionState Exception: {panic}");
                (LocalTransactionState::Unknown, Some(remark))
            }
        };
        if state == LocalTransactionState::Unknown {
            tracing::warn!(target: LOGGER, "when broker check, client do not know this transaction state, msgId {unique_id}");
        }
        let header = EndTransactionRequestHeader {
            producer_group: self.group.as_str().into(),
            tran_state_table_offset: check.tran_state_table_offset,
            commit_log_offset: check.commit_log_offset,
            commit_or_rollback: state.flag(),
            from_transaction_check: true,
            msg_id: unique_id.as_str().into(),
            transaction_id: check.transaction_id.as_deref().map(Into::into),
        };
        match self.tell_end(&broker, &header, remark.as_deref()).await {
            Ok(()) => self.trace_end(&plain, &unique_id, &broker, state, true),
            Err(error) => {
                tracing::error!(target: LOGGER, "endTransactionOneway exception, {broker}: {error}");
            }
        }
    }
}

/// The application's answer to a broker's question.
pub(super) type CheckListener = Box<
    dyn Fn(MessageExt) -> Pin<Box<dyn Future<Output = LocalTransactionState> + Send>> + Send + Sync,
>;

/// Takes brokers' questions, if the producer can answer them.
pub(super) struct Check(Option<mpsc::Sender<TransactionCheck>>);

impl Check {
    /// Of a producer without transactions.
    pub(super) fn none() -> Check {
        Check(None)
    }

    /// With a queue for [`answer_checks`].
    pub(super) fn channel() -> (Check, mpsc::Receiver<TransactionCheck>) {
        let (sender, receiver) = mpsc::channel(CHECKS_MAX);
        (Check(Some(sender)), receiver)
    }
}

impl ProducerGroup for Check {
    fn check_transaction(&self, check: TransactionCheck) {
        match &self.0 {
            Some(queue) => {
                if queue.try_send(check).is_err() {
                    tracing::warn!(target: LOGGER, "{CHECKS_MAX} checks of transactions wait already, one is dropped");
                }
            }
            None => {
                tracing::warn!(target: LOGGER, "CheckTransactionState, pick transactionCheckListener failed: the producer has none");
            }
        }
    }
}

/// Answers brokers' questions one after the other until the producer is gone.
pub(super) async fn answer_checks(
    mut queue: mpsc::Receiver<TransactionCheck>,
    producer: Weak<Inner>,
    listener: CheckListener,
) {
    while let Some(check) = queue.recv().await {
        let Some(producer) = producer.upgrade() else { return };
        if producer.stopped.load(Ordering::SeqCst) {
            return;
        }
        producer.answer_check(check, &listener).await;
    }
}
