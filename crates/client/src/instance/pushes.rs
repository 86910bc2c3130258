//! What brokers ask of clients: group changes, offset resets, transaction checks, replies, and
//! the questions of tools (contract `requests.md` 3.6, `client.md` 3).

use std::sync::{Arc, OnceLock, Weak};

use bytes::Bytes;
use rocketmq_common::{clock, fastjson};
use rocketmq_protocol::body::{ConsumerStatus, QueueOffsets};
use rocketmq_protocol::header::{
    CheckTransactionStateRequestHeader, ReplyMessageRequestHeader, ResetOffsetRequestHeader,
};
use rocketmq_protocol::message::{
    Message, MessageExt, RecordView, message_ext, properties, property, sys_flag,
};
use rocketmq_protocol::{RequestCode, ResponseCode};
use rocketmq_remoting::{Call, RequestHandler, Response};

use super::{Consumer, Instance, TransactionCheck};
use crate::{LOGGER, namespace};

/// Answers what brokers ask; knows the instance once it exists.
#[derive(Default)]
pub(super) struct Pushes(OnceLock<Weak<Instance>>);

impl Pushes {
    /// From now on for this instance.
    pub(super) fn serve(&self, instance: &Arc<Instance>) {
        let _ = self.0.set(Arc::downgrade(instance));
    }
}

impl RequestHandler for Pushes {
    fn handle(&self, call: Call<'_>) {
        let Some(instance) = self.0.get().and_then(Weak::upgrade) else { return };
        instance.pushed(call);
    }
}

impl Instance {
    fn pushed(&self, call: Call<'_>) {
        match call.code() {
            RequestCode::NOTIFY_CONSUMER_IDS_CHANGED => {
                tracing::info!(target: LOGGER, "receive broker's notification[{}], the consumer group: {} changed, rebalance immediately", call.connection.peer(), text(&call, "consumerGroup"));
                for consumer in self.consumers.read().values() {
                    consumer.rebalance_soon();
                }
            }
            RequestCode::RESET_CONSUMER_CLIENT_OFFSET => self.reset_offsets(&call),
            RequestCode::GET_CONSUMER_STATUS_FROM_CLIENT => {
                let status = self.consumer(&call, "group").map(|c| c.status(&text(&call, "topic")));
                let body = ConsumerStatus { message_queue_table: status.unwrap_or_default() };
                answer_json(call, &body);
            }
            RequestCode::GET_CONSUMER_RUNNING_INFO => match self.consumer(&call, "consumerGroup") {
                Some(consumer) => {
                    let stacks = text(&call, "jstackEnable") == "true";
                    answer_json(call, &consumer.running_info(stacks));
                }
                None => refuse_unknown_group(call),
            },
            RequestCode::CONSUME_MESSAGE_DIRECTLY => self.consume_directly(call),
            RequestCode::CHECK_TRANSACTION_STATE => self.check_transaction(&call),
            RequestCode::PUSH_REPLY_MESSAGE_TO_CLIENT => self.take_reply(call),
            // Java's client leaves what it does not know without an answer.
            code => tracing::warn!(target: LOGGER, "request type {code} not supported"),
        }
    }

    /// The consumer of the group that the field names.
    fn consumer(&self, call: &Call<'_>, key: &str) -> Option<Arc<dyn Consumer>> {
        self.consumers.read().get(&text(call, key)).cloned()
    }

    fn reset_offsets(&self, call: &Call<'_>) {
        let Some(consumer) = self.consumer(call, "group") else { return };
        let header = ResetOffsetRequestHeader::decode(call.frame.fields());
        let body: Result<QueueOffsets, _> = fastjson::from_slice(call.frame.body());
        match (header, body) {
            (Ok(header), Ok(body)) => {
                tracing::info!(target: LOGGER, "invoke reset offset operation from broker. brokerAddr={}, topic={}, group={}, timestamp={}", call.connection.peer(), header.topic, header.group, header.timestamp);
                consumer.reset_offsets(&header.topic, &body.offset_table);
            }
            (header, body) => {
                let error = header.err().map(|e| e.to_string());
                let error = error.or_else(|| body.err().map(|e| e.to_string()));
                tracing::warn!(target: LOGGER, "a reset of offsets cannot be read: {}", error.unwrap_or_default());
            }
        }
    }

    fn consume_directly(&self, call: Call<'_>) {
        let Some(consumer) = self.consumer(&call, "consumerGroup") else {
            return refuse_unknown_group(call);
        };
        let Some(mut message) = message_of(&call) else { return refuse_unreadable(call) };
        let broker_name = text(&call, "brokerName");
        message.broker_name = Some(broker_name).filter(|name| !name.is_empty());
        let deferred = call.defer();
        let answer = Box::new(move |result| {
            let body = fastjson::to_vec(&result).unwrap_or_default();
            deferred.respond(Response::success().body(body));
        });
        if !consumer.consume_directly(message, answer) {
            refuse_unknown_group(call);
        }
    }

    fn check_transaction(&self, call: &Call<'_>) {
        let header = CheckTransactionStateRequestHeader::decode(call.frame.fields());
        let (Ok(header), Some(mut message)) = (header, message_of(call)) else {
            tracing::warn!(target: LOGGER, "checkTransactionState, decode message failed");
            return;
        };
        let group = message.message.get(property::PRODUCER_GROUP).unwrap_or_default();
        let Some(producer) = self.producers.read().get(group).cloned() else {
            tracing::debug!(target: LOGGER, "checkTransactionState, pick producer by group[{group}] failed");
            return;
        };
        let topic = namespace::without(&message.message.topic, self.config.namespace());
        message.message.topic = topic.into_owned();
        producer.check_transaction(TransactionCheck {
            broker: call.connection.peer().to_string(),
            message,
            tran_state_table_offset: header.tran_state_table_offset,
            commit_log_offset: header.commit_log_offset,
            transaction_id: header.transaction_id.map(|id| id.into_owned()),
        });
    }

    fn take_reply(&self, call: Call<'_>) {
        let reply = ReplyMessageRequestHeader::decode(call.frame.fields())
            .map_err(|error| error.to_string())
            .and_then(|header| reply_of(&header, call.frame.body_bytes()));
        match reply {
            Ok(reply) => {
                let id = reply.get(property::CORRELATION_ID).unwrap_or_default();
                match self.replies.lock().remove(id) {
                    Some(waiting) => drop(waiting.send(reply)),
                    None => {
                        tracing::warn!(target: LOGGER, "receive reply message, but not matched any request, CorrelationId: {id} , reply from host: {}", call.connection.peer());
                    }
                }
                call.respond(Response::success());
            }
            Err(error) => {
                tracing::warn!(target: LOGGER, "unknown err when receiveReplyMsg: {error}");
                let text = format!("process reply message fail: {error}");
                call.respond(Response::error(ResponseCode::SYSTEM_ERROR, &text));
            }
        }
    }
}

fn reply_of(header: &ReplyMessageRequestHeader<'_>, body: Bytes) -> Result<Message, String> {
    let body = if header.sys_flag & sys_flag::COMPRESSED != 0 {
        message_ext::inflate(&body).map_err(|error| error.to_string())?.into()
    } else {
        body
    };
    let encoded = header.properties.map(|encoded| encoded.text()).unwrap_or_default();
    let mut message = Message {
        topic: header.topic.to_string(),
        flag: header.flag,
        properties: properties::decode(encoded.as_bytes()),
        body,
    };
    message.set(property::ARRIVE_TIME, clock::now_ms().to_string());
    Ok(message)
}

/// A field as text; empty when it is missing.
fn text(call: &Call<'_>, key: &str) -> String {
    call.frame.fields().get(key).map(|value| value.text().into_owned()).unwrap_or_default()
}

/// The stored message that the body holds.
fn message_of(call: &Call<'_>) -> Option<MessageExt> {
    let record = RecordView::parse(call.frame.body()).ok()?;
    MessageExt::from_record(&record).ok()
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
    let group = text(&call, "consumerGroup");
    let text = format!("The Consumer Group <{group}> not exist in this consumer");
    call.respond(Response::error(ResponseCode::SYSTEM_ERROR, &text));
}

fn refuse_unreadable(call: Call<'_>) {
    let text = "the message in the request's body cannot be read";
    call.respond(Response::error(ResponseCode::SYSTEM_ERROR, text));
}
