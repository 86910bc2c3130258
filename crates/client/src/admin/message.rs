//! Messages: by id, by key, and consumed or sent once more.

use std::time::Duration;

use rocketmq_common::clock;
use rocketmq_protocol::body::ConsumeMessageDirectlyResult;
use rocketmq_protocol::header::{
    ConsumeMessageDirectlyRequestHeader, QueryMessageRequestHeader, ViewMessageRequestHeader,
};
use rocketmq_protocol::message::{MessageExt, RecordView, message_id, property};
use rocketmq_protocol::{RequestCode, ResponseCode};

use super::AdminClient;
use crate::error::ClientError;
use crate::instance::parse;
use crate::{SendResult, TraceRecord, unique_id};

/// Group under which messages are sent again.
const RESEND_GROUP: &str = "CLIENT_INNER_PRODUCER";
/// Trace messages that are read for one id.
const TRACES_MAX: i32 = 64;
/// How long a consumer may take for a message.
const DIRECT_TIMEOUT: Duration = Duration::from_secs(15);

impl AdminClient {
    /// Has a consumer consume one message at once; without a client id, any member of the group.
    ///
    /// # Errors
    /// There is no such message or member, or the member did not answer.
    pub async fn consume_message_directly(
        &self,
        group: &str,
        client_id: &str,
        offset_msg_id: &str,
    ) -> Result<ConsumeMessageDirectlyResult, ClientError> {
        let message = self.view_message(offset_msg_id).await?;
        let header = ConsumeMessageDirectlyRequestHeader {
            consumer_group: group.into(),
            client_id: Some(client_id.into()),
            msg_id: Some(offset_msg_id.into()),
            broker_name: None,
        };
        let address = message.store_host.to_string();
        let code = RequestCode::CONSUME_MESSAGE_DIRECTLY;
        parse(&self.tell_within(&address, code, &header, DIRECT_TIMEOUT).await?)
    }

    /// The message that an offset id names.
    pub async fn view_message(&self, offset_msg_id: &str) -> Result<MessageExt, ClientError> {
        let none = || {
            let text = "query message by id finished, but no message.";
            ClientError::client(ResponseCode::NO_MESSAGE, text)
        };
        let (host, offset) = message_id::decode(offset_msg_id).ok_or_else(none)?;
        let header = ViewMessageRequestHeader { offset };
        let frame = self.ask(&host.to_string(), RequestCode::VIEW_MESSAGE_BY_ID, &header).await?;
        decode_messages(frame.body()).pop().ok_or_else(none)
    }

    /// Messages of a topic that carry the key, stored between the times.
    pub async fn query_message(
        &self,
        topic: &str,
        key: &str,
        max: i32,
        begin_ms: i64,
        end_ms: i64,
    ) -> Result<Vec<MessageExt>, ClientError> {
        let found = self.query(topic, key, max, (begin_ms, end_ms), false).await?;
        let has_key = |message: &MessageExt| {
            let keys = message.message.keys().unwrap_or_default();
            keys.split(' ').any(|one| one == key)
        };
        none_is_an_error(found.into_iter().filter(has_key).collect())
    }

    /// Messages of a topic with that unique id; the earliest stored first.
    pub async fn query_message_by_unique_key(
        &self,
        topic: &str,
        id: &str,
    ) -> Result<Vec<MessageExt>, ClientError> {
        let begin = unique_id::time_of(id).map_or(0, |time| time - 1000);
        let mut found = self.query(topic, id, 32, (begin, i64::MAX), true).await?;
        found.retain(|message| message.msg_id() == id);
        found.sort_by_key(|message| message.store_timestamp);
        none_is_an_error(found)
    }

    /// Messages of a topic with that unique id, such as the copies in a retry topic; may be none.
    pub async fn query_message_copies(
        &self,
        topic: &str,
        id: &str,
        max: i32,
    ) -> Result<Vec<MessageExt>, ClientError> {
        let mut found = self.query(topic, id, max, (0, i64::MAX), true).await?;
        found.retain(|message| message.msg_id() == id);
        Ok(found)
    }

    async fn query(
        &self,
        topic: &str,
        key: &str,
        max: i32,
        (begin_timestamp, end_timestamp): (i64, i64),
        unique: bool,
    ) -> Result<Vec<MessageExt>, ClientError> {
        let route = match self.topic_route(topic).await {
            Err(error) if error.code() == ResponseCode::TOPIC_NOT_EXIST => {
                let text = format!("The topic[{topic}] not matched route info");
                return Err(ClientError::client(ResponseCode::TOPIC_NOT_EXIST, text));
            }
            route => route?,
        };
        let header = QueryMessageRequestHeader {
            topic: topic.into(),
            key: key.into(),
            max_num: max,
            begin_timestamp,
            end_timestamp,
            unique_key_query: Some(unique),
        };
        let mut found = Vec::new();
        for address in route.broker_datas.iter().filter_map(|data| data.any_address()) {
            match self.ask(address, RequestCode::QUERY_MESSAGE, &header).await {
                Ok(frame) => found.extend(decode_messages(frame.body())),
                Err(error) if error.code() == ResponseCode::QUERY_NOT_FOUND => {}
                Err(error) => return Err(error),
            }
        }
        found.retain(|message| message.message.topic == topic);
        Ok(found)
    }

    /// What clients wrote of a message to a trace topic.
    ///
    /// # Errors
    /// There is nothing with that id, or the topic cannot be asked for it.
    pub async fn trace_records(
        &self,
        topic: &str,
        id: &str,
    ) -> Result<Vec<TraceRecord>, ClientError> {
        let found = self.query_message(topic, id, TRACES_MAX, 0, clock::now_ms()).await?;
        Ok(found.iter().flat_map(|message| TraceRecord::of_message(message, id)).collect())
    }

    /// Sends a message once more, to the topic it came from.
    pub async fn resend(&self, message: &MessageExt) -> Result<SendResult, ClientError> {
        let producer = self.producer(RESEND_GROUP).start().await?;
        let mut again = message.message.clone();
        again.properties.remove(property::UNIQUE_KEY);
        let sent = producer.send(again).await;
        producer.shutdown().await;
        sent
    }
}

fn none_is_an_error(found: Vec<MessageExt>) -> Result<Vec<MessageExt>, ClientError> {
    if found.is_empty() {
        let text = "query message by key finished, but no message.";
        return Err(ClientError::client(ResponseCode::NO_MESSAGE, text));
    }
    Ok(found)
}

/// The messages of an answer's body; stops at the first malformed one.
fn decode_messages(body: &[u8]) -> Vec<MessageExt> {
    decode_some(body).0
}

/// As [`decode_messages`]; also how many bytes at the end could not be read.
pub(crate) fn decode_some(body: &[u8]) -> (Vec<MessageExt>, usize) {
    let mut rest = body;
    let mut messages = Vec::new();
    while let Ok(record) = RecordView::parse(rest) {
        match MessageExt::from_record(&record) {
            Ok(message) => messages.push(message),
            Err(error) => tracing::error!(target: crate::LOGGER, "{error}"),
        }
        rest = rest.get(record.size()..).unwrap_or_default();
    }
    (messages, rest.len())
}
