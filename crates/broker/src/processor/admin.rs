//! What tools ask of the broker and, through it, of clients: codes 28, 222, 223, 307, 309, 315
//! (contract `requests.md` 5, 7).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rocketmq_common::fastjson;
use rocketmq_protocol::body::{ConsumerStatus, KvTable, QueueOffsets};
use rocketmq_protocol::header::{
    GetConsumerStatusRequestHeader, ResetOffsetRequestHeader, ViewBrokerStatsDataRequestHeader,
};
use rocketmq_protocol::message::{MessageQueue, message_id};
use rocketmq_protocol::{Frame, RequestCode, ResponseCode, version};
use rocketmq_remoting::{Call, Deferred, RemotingError, Request, Response};

use super::{Answer, Refusal, UNSET, failed, json, refuse, respond};
use crate::LOGGER;
use crate::consumers::ClientChannel;
use crate::context::BrokerContext;

/// How long a client may take to answer.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long it may take to tell its offsets.
const STATUS_TIMEOUT: Duration = Duration::from_secs(5);

/// GET_BROKER_RUNTIME_INFO 28.
pub fn runtime_info(context: &BrokerContext, _: &Frame) -> Answer {
    json(&KvTable { table: crate::runtime_info::table(context) })
}

/// VIEW_BROKER_STATS_DATA 315.
pub fn view_stats(context: &BrokerContext, frame: &Frame) -> Answer {
    let header = ViewBrokerStatsDataRequestHeader::decode(frame.fields())?;
    match context.stats.view(&header.stats_name, &header.stats_key) {
        Some(data) => json(&data),
        None => {
            let (name, key) = (&header.stats_name, &header.stats_key);
            Err(failed(format!("The stats <{name}> <{key}> not exist")))
        }
    }
}

/// INVOKE_BROKER_TO_RESET_OFFSET 222.
pub fn reset_offset(context: &BrokerContext, call: Call<'_>) {
    match reset_offset_inner(context, &call.frame) {
        Ok(body) => call.respond(Response::success().remark(UNSET).body(body)),
        Err(refusal) => respond(call, Err(refusal)),
    }
}

fn reset_offset_inner(context: &BrokerContext, frame: &Frame) -> Result<Vec<u8>, Refusal> {
    let header = ResetOffsetRequestHeader::decode(frame.fields())?;
    let (topic, group) = (&*header.topic, &*header.group);
    let Some(config) = context.topics.get(topic) else {
        return Err(failed(format!(
            "[reset-offset] reset offset failed, no topic in this broker. topic={topic}"
        )));
    };
    let broker_name = context.settings().broker.broker_name.clone();
    let mut offsets = QueueOffsets::default();
    for queue_id in 0..config.write_queue_nums {
        let Some(current) = context.offsets.get(group, topic, queue_id) else {
            return Err(failed(format!("THe consumer group <{group}> not exist")));
        };
        let target = match header.timestamp {
            -1 => context.store.max_offset_in_queue(topic, queue_id),
            timestamp => context.store.offset_by_time(topic, queue_id, timestamp),
        };
        let target = target.max(0);
        let offset = if header.is_force || target < current { target } else { current };
        let queue =
            MessageQueue { topic: topic.to_string(), broker_name: broker_name.clone(), queue_id };
        offsets.offset_table.insert(queue, offset);
    }
    let members = context.consumers.group(group).map(|group| group.channels).unwrap_or_default();
    if members.is_empty() {
        let text = format!(
            "Consumer not online, so can not reset offset, Group: {group} Topic: {topic} Timestamp: {}",
            header.timestamp
        );
        return Err(refuse(ResponseCode::CONSUMER_NOT_ONLINE, text));
    }
    context.offsets.note_reset(group, topic);
    push_reset(&header, &offsets, members.values())?;
    fastjson::to_vec(&offsets).map_err(failed)
}

/// Tells every member; C++ clients read a list, the others a map.
fn push_reset<'a>(
    header: &ResetOffsetRequestHeader<'_>,
    offsets: &QueueOffsets,
    members: impl Iterator<Item = &'a ClientChannel>,
) -> Result<(), Refusal> {
    let map = fastjson::to_vec(offsets).map_err(failed)?;
    let list = offset_list(offsets);
    for member in members {
        if member.version < version::V3_0_7_SNAPSHOT {
            let text = version::describe(member.version);
            return Err(failed(format!(
                "the client does not support this feature. version={text}"
            )));
        }
        let is_cpp = member.language == rocketmq_protocol::Language::CPP;
        let body = if is_cpp { list.clone() } else { map.clone() };
        let code = RequestCode::RESET_CONSUMER_CLIENT_OFFSET;
        let request = Request::new(code).fields(header).body(body);
        if let Err(error) = member.connection.send_oneway(request) {
            tracing::warn!(target: LOGGER, "[reset-offset] reset offset exception. topic={}, group={}, {error}", header.topic, header.group);
        }
    }
    Ok(())
}

fn offset_list(offsets: &QueueOffsets) -> Vec<u8> {
    #[derive(serde::Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Entry<'a> {
        broker_name: &'a str,
        offset: i64,
        queue_id: i32,
        topic: &'a str,
    }
    let entries: Vec<Entry<'_>> = offsets
        .offset_table
        .iter()
        .map(|(queue, offset)| Entry {
            broker_name: &queue.broker_name,
            offset: *offset,
            queue_id: queue.queue_id,
            topic: &queue.topic,
        })
        .collect();
    let body = BTreeMap::from([("offsetTable", entries)]);
    fastjson::to_vec(&body).unwrap_or_default()
}

/// INVOKE_BROKER_TO_GET_CONSUMER_STATUS 223.
pub fn consumer_status(context: &Arc<BrokerContext>, call: Call<'_>) {
    let header = match GetConsumerStatusRequestHeader::decode(call.frame.fields()) {
        Ok(header) => header,
        Err(error) => return respond(call, Err(error.into())),
    };
    let (topic, group) = (header.topic.to_string(), header.group.to_string());
    let wanted = header.client_addr.as_deref().filter(|id| !id.is_empty()).map(str::to_string);
    let members = context.consumers.group(&group).map(|group| group.channels).unwrap_or_default();
    if members.is_empty() {
        let text = format!("No Any Consumer online in the consumer group: [{group}]");
        return respond(call, Err(failed(text)));
    }
    let deferred = call.defer();
    tokio::spawn(async move {
        let mut table: BTreeMap<String, BTreeMap<MessageQueue, i64>> = BTreeMap::new();
        for member in members.into_values() {
            if member.version < version::V3_0_7_SNAPSHOT {
                let text = version::describe(member.version);
                let text = format!("the client does not support this feature. version={text}");
                return deferred.respond(Response::error(ResponseCode::SYSTEM_ERROR, &text));
            }
            if wanted.as_ref().is_some_and(|id| *id != member.client_id) {
                continue;
            }
            let header = GetConsumerStatusRequestHeader {
                topic: topic.as_str().into(),
                group: group.as_str().into(),
                client_addr: None,
            };
            let code = RequestCode::GET_CONSUMER_STATUS_FROM_CLIENT;
            let request = Request::new(code).fields(&header);
            // Who does not answer, or not so, is left out.
            let answer = member.connection.invoke(request, STATUS_TIMEOUT).await;
            let frame = answer.ok().filter(|f| ResponseCode(f.code) == ResponseCode::SUCCESS);
            let status = frame.and_then(|frame| fastjson::from_slice(frame.body()).ok());
            if let Some(ConsumerStatus { message_queue_table }) = status {
                table.insert(member.client_id, message_queue_table);
            }
        }
        let body = BTreeMap::from([("consumerTable", table)]);
        let body = fastjson::to_vec(&body).unwrap_or_default();
        deferred.respond(Response::success().body(body));
    });
}

/// GET_CONSUMER_RUNNING_INFO 307 and CONSUME_MESSAGE_DIRECTLY 309: the request goes on to the
/// client as it is, for 309 with the message.
pub fn relay(context: &Arc<BrokerContext>, call: Call<'_>) {
    let (group, client_id) = {
        let mut fields = call.frame.fields();
        let mut text = |key: &str| fields.get(key).map(|v| v.text().into_owned());
        (text("consumerGroup").unwrap_or_default(), text("clientId").unwrap_or_default())
    };
    let Some(channel) = context.consumers.channel(&group, &client_id) else {
        let text = format!("The Consumer <{group}> <{client_id}> not online");
        return respond(call, Err(failed(text)));
    };
    if channel.version < version::V3_1_8_SNAPSHOT {
        let described = version::describe(channel.version);
        return respond(
            call,
            Err(failed(format!(
                "The Consumer <{client_id}> Version <{described}> too low to finish, please upgrade it to V3_1_8_SNAPSHOT"
            ))),
        );
    }
    let mut fields: Vec<(String, String)> =
        call.frame.fields().iter().map(|(k, v)| (k.into_owned(), v.into_owned())).collect();
    let mut body = call.frame.body_bytes();
    if call.code() == RequestCode::CONSUME_MESSAGE_DIRECTLY {
        let id = fields.iter().find(|(key, _)| key == "msgId").map(|(_, id)| id.as_str());
        let record = id.and_then(message_id::decode).and_then(|(_, at)| context.store.look_up(at));
        let Some(record) = record else {
            let text = format!("can not find message by the id, {}", id.unwrap_or("null"));
            return respond(call, Err(failed(text)));
        };
        body = record;
        let name = context.settings().broker.broker_name.clone();
        fields.push(("brokerName".to_string(), name));
    }
    let (deferred, code) = (call.defer(), call.code());
    tokio::spawn(async move {
        let request = Request::new(code).fields(&fields).body(body);
        let answer = channel.connection.invoke(request, CLIENT_TIMEOUT).await;
        relay_answer(deferred, answer, &group, &client_id);
    });
}

fn relay_answer(
    deferred: Deferred,
    answer: Result<Frame, RemotingError>,
    group: &str,
    client_id: &str,
) {
    match answer {
        Ok(frame) => {
            let remark = frame.remark();
            let mut response = Response::new(ResponseCode(frame.code)).body(frame.body_bytes());
            if let Some(remark) = &remark {
                response = response.remark(remark);
            }
            deferred.respond(response);
        }
        Err(error @ RemotingError::Timeout { .. }) => {
            let text = format!("consumer <{group}> <{client_id}> Timeout: {error}");
            deferred.respond(Response::error(ResponseCode::CONSUME_MSG_TIMEOUT, &text));
        }
        Err(error) => {
            let text = format!("invoke consumer <{group}> <{client_id}> Exception: {error}");
            deferred.respond(Response::error(ResponseCode::SYSTEM_ERROR, &text));
        }
    }
}
