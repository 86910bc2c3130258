//! Giving messages back to brokers, which deliver them again later or put them to the dead letters
//! (contract `client.md` 5).

use rocketmq_protocol::RequestCode;
use rocketmq_protocol::header::ConsumerSendMsgBackRequestHeader;
use rocketmq_protocol::message::{Message, MessageExt, property};
use rocketmq_protocol::topic::RETRY_PREFIX;
use rocketmq_remoting::Body;
use tokio::sync::Mutex;

use super::group::Group;
use crate::LOGGER;
use crate::error::ClientError;
use crate::namespace;
use crate::producer::{INNER_GROUP, Producer};

/// Deliveries of a message that comes back through the broker, unless set otherwise.
pub(super) const MAX_RECONSUME_TIMES: i32 = 16;
/// The delay level of a first retry that the consumer sends by itself.
const FIRST_RETRY_LEVEL: i32 = 3;

/// The way back of one consumer.
#[derive(Default)]
pub(super) struct Returns {
    /// Sends to the retry topic where a broker cannot put messages there by itself; started when
    /// it is needed first.
    producer: Mutex<Option<Producer>>,
}

impl Returns {
    /// Gives a message back to its broker (by its name, or else by the address it was stored at),
    /// or else sends it to the group's retry topic.
    ///
    /// # Errors
    /// Neither worked.
    pub(super) async fn send_back(
        &self,
        group: &Group,
        message: &MessageExt,
        delay_level: i32,
        max: i32,
    ) -> Result<(), ClientError> {
        let Err(error) = ask_broker(group, message, delay_level, max).await else { return Ok(()) };
        tracing::error!(target: LOGGER, "sendMessageBack Exception, {}, {}: {error}", group.name, message.msg_id());
        self.to_retry_topic(group, message, max, message.reconsume_times + 1).await
    }

    /// Sends a message to the group's retry topic.
    ///
    /// # Errors
    /// It could not be stored.
    pub(super) async fn to_retry_topic(
        &self,
        group: &Group,
        message: &MessageExt,
        max: i32,
        times: i32,
    ) -> Result<(), ClientError> {
        let mut again = message.message.clone();
        let topic = namespace::wrap(&group.namespace, &again.topic).into_owned();
        again.topic = format!("{RETRY_PREFIX}{}", group.name);
        if again.get(property::ORIGIN_MESSAGE_ID).is_none() {
            again.set(property::ORIGIN_MESSAGE_ID, message.msg_id());
        }
        again.set(property::RETRY_TOPIC, topic);
        again.set(property::RECONSUME_TIME, times.to_string());
        again.set(property::MAX_RECONSUME_TIMES, max.to_string());
        again.properties.remove(property::TRANSACTION_PREPARED);
        let level = FIRST_RETRY_LEVEL.saturating_add(message.reconsume_times);
        again.set(property::DELAY, level.to_string());
        self.send(group, again).await
    }

    async fn send(&self, group: &Group, message: Message) -> Result<(), ClientError> {
        let mut producer = self.producer.lock().await;
        if producer.is_none() {
            if group.is_stopped() {
                return Err(ClientError::illegal("the consumer is shutting down"));
            }
            let mut config = group.instance.config.clone();
            // Its names are those that brokers know.
            config.namespace = Some(String::new());
            config.instance_name = format!("{}#{}", config.instance_name, group.name);
            *producer = Some(Producer::builder(INNER_GROUP).client_config(config).begin()?);
        }
        let sender = producer.clone();
        drop(producer);
        match sender {
            Some(producer) => producer.send(message).await.map(drop),
            None => Ok(()),
        }
    }

    /// Ends the producer.
    pub(super) async fn shutdown(&self) {
        if let Some(producer) = self.producer.lock().await.take() {
            producer.shutdown().await;
        }
    }
}

async fn ask_broker(
    group: &Group,
    message: &MessageExt,
    delay_level: i32,
    max: i32,
) -> Result<(), ClientError> {
    let topic = namespace::wrap(&group.namespace, &message.message.topic);
    let header = ConsumerSendMsgBackRequestHeader {
        offset: message.commit_log_offset,
        group: group.name.as_str().into(),
        delay_level,
        origin_msg_id: Some(message.msg_id().into()),
        origin_topic: Some((&*topic).into()),
        unit_mode: group.instance.config.unit_mode,
        max_reconsume_times: Some(max),
    };
    let address = match &message.broker_name {
        Some(name) => group.instance.master_of(name).ok_or_else(|| {
            ClientError::illegal(format!("The broker[{name}] has no master that is known"))
        })?,
        None => message.store_host.to_string(),
    };
    let code = RequestCode::CONSUMER_SEND_MSG_BACK;
    group.instance.ask(&address, code, &header, Body::None).await.map(drop)
}
