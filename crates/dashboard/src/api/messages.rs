//! The message explorer, dead letters, and work on many messages.

use std::collections::{BTreeMap, HashSet};

use axum::Json;
use axum::extract::Path;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use base64ct::{Base64, Encoding};
use rocketmq_client::{Message, MessageExt, MessageQueue};
use rocketmq_common::clock;
use rocketmq_protocol::topic::DLQ_PREFIX;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Answer;
use crate::answer::Failure;
use crate::app::{Body, Ctx, Params};
use crate::explorer::{self, QueueRange, Search};
use crate::life;
use crate::rest::{consume, find_message, send_one};
use crate::text::{csv_field, said};

/// Messages of one answer when not said otherwise, and at most.
const LIMIT: i64 = 50;
const LIMIT_MAX: i64 = 500;
/// Bytes of a body that a list carries; the message itself has all of it.
const LISTED_BODY_MAX: usize = 16 * 1024;
/// Messages of one export, and of one task.
const MANY_MAX: usize = 10_000;

/// A message; a list cuts long bodies.
pub(crate) fn message_value(message: &MessageExt, body_max: usize) -> Value {
    let inner = &message.message;
    let shown = &inner.body[..inner.body.len().min(body_max)];
    json!({
        "topic": inner.topic,
        "broker": message.broker_name,
        "queueId": message.queue_id,
        "offset": message.queue_offset,
        "msgId": message.msg_id(),
        "offsetMsgId": message.offset_msg_id,
        "tags": inner.tags(),
        "keys": inner.keys(),
        "bornTimestamp": message.born_timestamp,
        "bornHost": message.born_host.to_string(),
        "storeTimestamp": message.store_timestamp,
        "storeHost": message.store_host.to_string(),
        "reconsumeTimes": message.reconsume_times,
        "bodyCRC": message.body_crc,
        "sysFlag": message.sys_flag,
        "flag": inner.flag,
        "storeSize": message.store_size,
        "properties": properties_of(message),
        "bodySize": inner.body.len(),
        "body": Base64::encode_string(shown),
        "bodyTruncated": shown.len() < inner.body.len(),
    })
}

/// The properties by name.
pub(crate) fn properties_of(message: &MessageExt) -> BTreeMap<&String, &String> {
    message.message.properties.iter().collect()
}

/// What is looked for.
struct Wanted {
    tag: Option<String>,
    key: Option<String>,
    property: Option<(String, Option<String>)>,
    body: Option<String>,
}

impl Wanted {
    fn of(params: &Params) -> Wanted {
        let text = |name| params.find(name).map(str::to_string);
        Wanted {
            tag: text("tag"),
            key: text("key"),
            property: text("property").map(|name| (name, text("value"))),
            body: text("body"),
        }
    }

    fn is_in(&self, message: &MessageExt) -> bool {
        let inner = &message.message;
        let tag = self.tag.as_deref().is_none_or(|tag| inner.tags() == Some(tag));
        let key = self.key.as_deref().is_none_or(|key| {
            inner.keys().is_some_and(|keys| keys.split(' ').any(|one| one == key))
        });
        let property = self.property.as_ref().is_none_or(|(name, value)| {
            let found = inner.get(name);
            found.is_some() && value.as_deref().is_none_or(|value| found == Some(value))
        });
        let body = self.body.as_deref().is_none_or(|text| contains(&inner.body, text.as_bytes()));
        tag && key && property && body
    }
}

fn contains(body: &[u8], text: &[u8]) -> bool {
    text.is_empty() || body.windows(text.len()).any(|part| part == text)
}

pub(super) async fn search(ctx: Ctx, params: Params) -> Answer {
    let topic = params.get("topic")?;
    let limit = params.number_or("limit", LIMIT)?.clamp(1, LIMIT_MAX) as usize;
    let wanted = Wanted::of(&params);
    let ranges = match params.find("cursor") {
        Some(cursor) => from_cursor(&ctx, topic, cursor).await?,
        None => {
            let begin = params.number_or("begin", 0)?;
            let end = params.number_or("end", clock::now_ms())?;
            explorer::ranges(ctx.admin(), topic, begin, end).await?
        }
    };
    let mut search = Search::new(ranges);
    let found = search.newest(ctx.admin(), limit, |message| wanted.is_in(message)).await?;
    let complete = search.is_complete();
    let rows: Vec<Value> =
        found.iter().map(|message| message_value(message, LISTED_BODY_MAX)).collect();
    Ok(Json(json!({
        "messages": rows,
        "next": (!complete).then(|| cursor(&search.ranges)),
        "scanned": search.scanned,
        "complete": complete,
    })))
}

/// Where a search goes on: `broker:queue:begin:end` for each queue that is not done.
fn cursor(ranges: &[QueueRange]) -> String {
    let left = ranges.iter().filter(|range| range.len() > 0);
    let parts: Vec<String> = left
        .map(|range| {
            format!(
                "{}:{}:{}:{}",
                range.queue.broker_name, range.queue.queue_id, range.begin, range.end
            )
        })
        .collect();
    parts.join(",")
}

async fn from_cursor(ctx: &Ctx, topic: &str, text: &str) -> Result<Vec<QueueRange>, Failure> {
    let route = ctx.admin().topic_route(topic).await?;
    let wrong = || Failure::invalid("the cursor is not one of ours; begin the search again");
    let part = |part: &str| {
        let mut fields = part.rsplitn(4, ':');
        let mut number = || fields.next().and_then(|field| field.parse::<i64>().ok());
        let (end, begin, queue_id) = (number()?, number()?, number()?);
        let broker_name = fields.next()?.to_string();
        let data = route.broker_datas.iter().find(|data| data.broker_name == broker_name)?;
        let address = data.any_address()?.to_string();
        let queue =
            MessageQueue { topic: topic.to_string(), broker_name, queue_id: queue_id as i32 };
        Some(QueueRange { queue, address, begin, end })
    };
    text.split(',').map(|one| part(one).ok_or_else(wrong)).collect()
}

pub(super) async fn at(ctx: Ctx, params: Params) -> Answer {
    let (topic, broker) = (params.get("topic")?, params.get("broker")?);
    let (queue_id, offset) = (params.number("queueId")?, params.number("offset")?);
    let route = ctx.admin().topic_route(topic).await?;
    let data = route.broker_datas.iter().find(|data| data.broker_name == broker);
    let address = data.and_then(|data| data.any_address());
    let address =
        address.ok_or_else(|| Failure::NotFound(format!("The broker[{broker}] not exist")))?;
    let queue = MessageQueue {
        topic: topic.to_string(),
        broker_name: broker.to_string(),
        queue_id: queue_id as i32,
    };
    let range = QueueRange { queue, address: address.to_string(), begin: offset, end: offset + 1 };
    let found = explorer::read(ctx.admin(), &range, offset, 1).await?;
    let message = found.into_iter().find(|message| message.queue_offset == offset);
    let message = message.ok_or_else(|| {
        Failure::NotFound(format!(
            "there is no message at offset {offset} of {topic} {broker} {queue_id}"
        ))
    })?;
    Ok(Json(message_value(&message, usize::MAX)))
}

pub(super) async fn find(ctx: Ctx, params: Params) -> Answer {
    let message =
        find_message(&ctx, params.find("topic").unwrap_or_default(), params.get("id")?).await?;
    Ok(Json(message_value(&message, usize::MAX)))
}

pub(super) async fn life(ctx: Ctx, params: Params) -> Answer {
    let topic = params.find("topic").unwrap_or_default();
    let message = find_message(&ctx, topic, params.get("id")?).await?;
    Ok(Json(life::of(&ctx, &message).await?))
}

/// A message to send.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SendMessage {
    topic: String,
    tag: Option<String>,
    key: Option<String>,
    body: String,
    properties: std::collections::BTreeMap<String, String>,
}

pub(super) async fn send(ctx: Ctx, Body(request): Body<SendMessage>) -> Answer {
    let mut message = Message::new(request.topic.clone(), request.body);
    for (name, value) in &request.properties {
        message.set(name, value.clone());
    }
    if let Some(tag) = request.tag.filter(|tag| !tag.is_empty()) {
        message = message.with_tags(tag);
    }
    if let Some(key) = request.key.filter(|key| !key.is_empty()) {
        message = message.with_keys(key);
    }
    let sent = send_one(&ctx, message, false).await;
    ctx.note("send message", &request.topic, &sent);
    let sent = sent?;
    Ok(Json(json!({
        "msgId": sent.msg_id,
        "offsetMsgId": sent.offset_msg_id,
        "broker": sent.message_queue.broker_name,
        "queueId": sent.message_queue.queue_id,
        "offset": sent.queue_offset,
        "status": sent.status.name(),
    })))
}

/// Messages to consume, or send, once more.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Resend {
    topic: String,
    /// Has a member of this group consume them; without it they are sent to their first topic again.
    group: Option<String>,
    ids: Vec<String>,
    client_id: Option<String>,
    /// Sends them to this topic instead of their first one.
    to: Option<String>,
}

/// Begins a task; its progress is at `tasks/{id}`.
pub(super) async fn resend(ctx: Ctx, Body(request): Body<Resend>) -> Answer {
    if request.ids.is_empty() || request.ids.len() > MANY_MAX {
        return Err(Failure::invalid(format!("name 1 to {MANY_MAX} message ids")));
    }
    let (id, task) = ctx.app.tasks.begin("resend", request.ids.len());
    let target = request.group.as_deref().or(request.to.as_deref()).unwrap_or_default();
    let values = [target.to_string(), request.ids.len().to_string(), request.topic.clone()];
    let subject = said("{0} {1} {1:message|messages} of {2}", &values);
    ctx.note("resend", &subject, &Ok(()));
    tokio::spawn(async move {
        for one in &request.ids {
            let done = match &request.group {
                Some(group) => {
                    let client = request.client_id.as_deref();
                    consumed(consume(&ctx, &request.topic, group, one, client).await)
                }
                None => send_again(&ctx, &request.topic, one, request.to.as_deref()).await,
            };
            task.step(one, done);
        }
        task.finish();
    });
    Ok(Json(json!({"task": id})))
}

/// A consumer that answers anything but success has not taken the message.
fn consumed(result: Result<Value, Failure>) -> Result<(), Failure> {
    let result = result?;
    match result["consumeResult"].as_str() {
        Some("CR_SUCCESS" | "CR_COMMIT") => Ok(()),
        other => {
            let remark = result["remark"].as_str().unwrap_or_default();
            Err(Failure::invalid(format!("{} {remark}", other.unwrap_or("no result"))))
        }
    }
}

/// Sends a message to the topic it was first sent to, or to another, as a new one.
async fn send_again(ctx: &Ctx, topic: &str, id: &str, to: Option<&str>) -> Result<(), Failure> {
    let found = find_message(ctx, topic, id).await?;
    let origin =
        ["DLQ_ORIGIN_TOPIC", "RETRY_TOPIC"].into_iter().find_map(|name| found.message.get(name));
    let target = to.or(origin).unwrap_or(&found.message.topic).to_string();
    if target.starts_with('%') {
        return Err(Failure::invalid(format!("{id} does not tell which topic it came from")));
    }
    let mut again = Message::new(target, found.message.body.clone());
    for (name, value) in found.message.properties.iter() {
        if !OWN_PROPERTIES.contains(&name.as_str()) {
            again.set(name, value.to_string());
        }
    }
    send_one(ctx, again, false).await.map(drop)
}

/// Properties that belong to one storing of a message, not to its content.
const OWN_PROPERTIES: [&str; 14] = [
    "UNIQ_KEY",
    "ORIGIN_MESSAGE_ID",
    "RETRY_TOPIC",
    "DLQ_ORIGIN_TOPIC",
    "DLQ_ORIGIN_MESSAGE_ID",
    "RECONSUME_TIME",
    "MAX_RECONSUME_TIMES",
    "DELAY",
    "REAL_TOPIC",
    "REAL_QID",
    "MIN_OFFSET",
    "MAX_OFFSET",
    "CONSUME_START_TIME",
    "CLUSTER",
];

pub(super) async fn dlq(ctx: Ctx) -> Answer {
    let snapshot = ctx.cluster.live.look().await;
    let rows: Vec<Value> = snapshot.topics.iter().filter_map(|(name, topic)| {
        let group = name.strip_prefix(DLQ_PREFIX)?;
        Some(json!({
            "group": group,
            "topic": name,
            "messages": topic.bounds.map(|bounds| bounds.messages),
            "lastTimestamp": topic.bounds.map(|bounds| bounds.last_update).filter(|time| *time > 0),
            "reason": topic.error,
        }))
    }).collect();
    Ok(Json(json!({"updated": snapshot.updated, "groups": rows})))
}

/// The dead letters of a group as a file.
pub(super) async fn export(
    ctx: Ctx,
    Path(group): Path<String>,
    params: Params,
) -> Result<Response, Failure> {
    let topic = format!("{DLQ_PREFIX}{group}");
    let ranges = explorer::ranges(ctx.admin(), &topic, 0, clock::now_ms()).await?;
    // Without ids: all of them.
    let chosen: Option<HashSet<&str>> = params.find("ids").map(|ids| ids.split(',').collect());
    let is_chosen = |message: &MessageExt| {
        chosen.as_ref().is_none_or(|ids| ids.contains(message.offset_msg_id.as_str()))
    };
    let found = Search::new(ranges).newest(ctx.admin(), MANY_MAX, is_chosen).await?;
    let (kind, text) = match params.find("format").unwrap_or("csv") {
        "json" => {
            let rows: Vec<Value> =
                found.iter().map(|message| message_value(message, usize::MAX)).collect();
            ("application/json", json!(rows).to_string())
        }
        "csv" => ("text/csv;charset=UTF-8", csv(&found)),
        other => {
            return Err(Failure::invalid(format!(
                "there is no format {other}; choose csv or json"
            )));
        }
    };
    let ending = if kind == "application/json" { "json" } else { "csv" };
    let safe: String = group
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || "-_".contains(c) { c } else { '_' })
        .collect();
    let name = format!("attachment; filename=\"dlq-{safe}.{ending}\"");
    Ok(([(CONTENT_TYPE, kind.to_string()), (CONTENT_DISPOSITION, name)], text).into_response())
}

fn csv(messages: &[MessageExt]) -> String {
    let mut text = "topic,msgId,bornHost,bornTimestamp,storeTimestamp,reconsumeTimes,properties,messageBody,bodyCRC\r\n".to_string();
    for message in messages {
        let properties: Vec<String> = message
            .message
            .properties
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let fields = [
            message.message.get("RETRY_TOPIC").unwrap_or(&message.message.topic).to_string(),
            message.msg_id().to_string(),
            message.born_host.to_string(),
            clock::format_millis(message.born_timestamp),
            clock::format_millis(message.store_timestamp),
            message.reconsume_times.to_string(),
            properties.join(";"),
            String::from_utf8_lossy(&message.message.body).into_owned(),
            message.body_crc.to_string(),
        ];
        text += &fields.map(|field| csv_field(&field)).join(",");
        text += "\r\n";
    }
    text
}

pub(super) async fn task(ctx: Ctx, Path(id): Path<u64>) -> Answer {
    let progress = ctx.app.tasks.find(id);
    progress
        .map(|progress| Json(json!(progress)))
        .ok_or_else(|| Failure::NotFound(format!("there is no task {id}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_names_what_is_left() {
        let range = |queue_id, begin, end| QueueRange {
            queue: MessageQueue {
                topic: "T".to_string(),
                broker_name: "a:b".to_string(),
                queue_id,
            },
            address: String::new(),
            begin,
            end,
        };
        assert_eq!(cursor(&[range(0, 0, 5), range(1, 3, 3)]), "a:b:0:0:5");
    }

    #[test]
    fn a_consumer_that_fails_has_not_taken_the_message() {
        assert!(consumed(Ok(json!({"consumeResult": "CR_SUCCESS"}))).is_ok());
        let failed = consumed(Ok(json!({"consumeResult": "CR_LATER", "remark": "no"})));
        assert_eq!(failed.unwrap_err().message(), "CR_LATER no");
    }

    #[test]
    fn bodies_are_searched_as_bytes() {
        assert!(contains(b"a\xffneedle", b"needle") && contains(b"x", b"") && !contains(b"", b"x"));
    }
}
