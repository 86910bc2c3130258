//! `message/*`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rocketmq_client::{ClientError, MessageExt};
use rocketmq_common::clock;
use rocketmq_protocol::ResponseCode;
use rocketmq_protocol::message::message_id;
use serde::Deserialize;
use serde_json::{Value, json};

use super::view;
use crate::answer::{Classic, Failure};
use crate::app::{Body, ClassicResult, Ctx, Params};
use crate::explorer::{self, QueueRange};

/// Messages that one query answers, as in 1.0.0.
const QUERY_MAX: usize = 2000;
/// Messages with one key that are looked for.
const KEY_MAX: i32 = 64;
/// How long the ranges of a paged query are remembered.
const PAGES_KEPT: Duration = Duration::from_secs(3600);
/// Paged queries that are remembered.
const PAGES_MAX: usize = 1000;

/// The message with an id, which is an offset id or the client's own.
pub(crate) async fn find(ctx: &Ctx, topic: &str, id: &str) -> Result<MessageExt, Failure> {
    let mut message = look_up(ctx, topic, id).await?;
    // Answers to these requests do not name the broker.
    let snapshot = ctx.cluster.live.look().await;
    let host = message.store_host.to_string();
    let broker = snapshot.brokers.iter().find(|broker| broker.address == host);
    message.broker_name = message.broker_name.or(broker.map(|broker| broker.name.clone()));
    Ok(message)
}

async fn look_up(ctx: &Ctx, topic: &str, id: &str) -> Result<MessageExt, Failure> {
    if message_id::decode(id).is_some() {
        match ctx.admin().view_message(id).await {
            Ok(message) => return Ok(message),
            // Unique ids of IPv4 clients have the same form.
            Err(error) if topic.is_empty() => return Err(error.into()),
            Err(_) => {}
        }
    }
    let mut found = ctx.admin().query_message_by_unique_key(topic, id).await?;
    let none = || {
        ClientError::client(
            ResponseCode::NO_MESSAGE,
            "query message by id finished, but no message.",
        )
    };
    if found.is_empty() { Err(none().into()) } else { Ok(found.swap_remove(0)) }
}

/// 1.0.0's words; why follows as what to do about it.
pub(super) fn not_found(id: &str, why: &Failure) -> Failure {
    Failure::Invalid(format!("Failed to query message by Id: {id}"), Some(why.message()))
}

pub(super) async fn view_message(ctx: Ctx, params: Params) -> ClassicResult {
    let (topic, id) = (params.get("topic")?, params.get("msgId")?);
    let found = find(&ctx, topic, id).await;
    let message = found.map_err(|failure| not_found(id, &failure))?;
    let tracks = ctx.admin().message_track(&message).await.unwrap_or_default();
    let tracks: Vec<Value> = tracks
        .iter()
        .map(|track| json!({"consumerGroup": track.consumer_group, "trackType": track.track_type, "exceptionDesc": track.exception}))
        .collect();
    Ok(Classic::of(json!({"messageView": view(&message, true), "messageTrackList": tracks}))?)
}

/// What asks for a page of messages.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct PageRequest {
    topic: String,
    begin: i64,
    end: i64,
    page_num: i64,
    page_size: i64,
    task_id: Option<String>,
}

impl Default for PageRequest {
    fn default() -> PageRequest {
        PageRequest {
            topic: String::new(),
            begin: 0,
            end: 0,
            page_num: 1,
            page_size: 20,
            task_id: None,
        }
    }
}

/// The queues' ranges of earlier queries, so that pages stay the same while messages come in.
#[derive(Default)]
pub(crate) struct PageCache(Mutex<HashMap<String, Ranges>>);

/// When they were looked for, and what was found.
type Ranges = (Instant, Arc<Vec<QueueRange>>);

impl PageCache {
    fn get(&self, id: &str) -> Option<Arc<Vec<QueueRange>>> {
        let pages = self.0.lock();
        pages
            .get(id)
            .filter(|(since, _)| since.elapsed() < PAGES_KEPT)
            .map(|(_, ranges)| Arc::clone(ranges))
    }

    fn put(&self, id: String, ranges: Arc<Vec<QueueRange>>) {
        let mut pages = self.0.lock();
        if pages.len() >= PAGES_MAX {
            pages.retain(|_, (since, _)| since.elapsed() < PAGES_KEPT);
        }
        if pages.len() < PAGES_MAX {
            pages.insert(id, (Instant::now(), ranges));
        }
    }
}

pub(super) async fn page(ctx: Ctx, Body(request): Body<PageRequest>) -> ClassicResult {
    let size = request.page_size.clamp(1, 200);
    let number = request.page_num.max(1) - 1;
    let known =
        request.task_id.as_deref().and_then(|id| Some((id.to_string(), ctx.app.pages.get(id)?)));
    let (id, ranges) = match known {
        Some(known) => known,
        None => {
            let ranges =
                explorer::ranges(ctx.admin(), &request.topic, request.begin, request.end).await?;
            let id = format!("{:x}", clock::monotonic_nanos());
            let ranges = Arc::new(ranges);
            ctx.app.pages.put(id.clone(), Arc::clone(&ranges));
            (id, ranges)
        }
    };
    let total: i64 = ranges.iter().map(QueueRange::len).sum();
    let first = number.saturating_mul(size);
    let mut messages = explorer::slice(ctx.admin(), &ranges, first, size).await?;
    messages.sort_by_key(|message| std::cmp::Reverse(message.store_timestamp));
    let content: Vec<Value> = messages.iter().map(|message| view(message, true)).collect();
    let pages = (total + size - 1) / size;
    Ok(Classic::of(json!({
        "page": {
            "content": content,
            "pageable": {
                "sort": {"sorted": false, "unsorted": true, "empty": true},
                "offset": first, "pageNumber": number, "pageSize": size, "paged": true, "unpaged": false,
            },
            "totalElements": total,
            "totalPages": pages,
            "last": number + 1 >= pages,
            "size": size,
            "number": number,
            "sort": {"sorted": false, "unsorted": true, "empty": true},
            "numberOfElements": messages.len(),
            "first": number == 0,
            "empty": messages.is_empty(),
        },
        "taskId": id,
    }))?)
}

pub(super) async fn by_topic(ctx: Ctx, params: Params) -> ClassicResult {
    let (topic, begin, end) =
        (params.get("topic")?, params.number("begin")?, params.number("end")?);
    let ranges = explorer::ranges(ctx.admin(), topic, begin, end).await?;
    let mut search = explorer::Search::new(ranges);
    let found = search.newest(ctx.admin(), QUERY_MAX, |_| true).await?;
    let rows: Vec<Value> = found.iter().map(|message| view(message, false)).collect();
    Ok(Classic::of(rows)?)
}

pub(super) async fn by_key(ctx: Ctx, params: Params) -> ClassicResult {
    let (topic, key) = (params.get("topic")?, params.get("key")?);
    let found = ctx.admin().query_message(topic, key, KEY_MAX, 0, clock::now_ms()).await?;
    let rows: Vec<Value> = found.iter().map(|message| view(message, true)).collect();
    Ok(Classic::of(rows)?)
}

pub(super) async fn consume_directly(ctx: Ctx, params: Params) -> ClassicResult {
    let (topic, group, id) =
        (params.get("topic")?, params.get("consumerGroup")?, params.get("msgId")?);
    let done = consume(&ctx, topic, group, id, params.find("clientId")).await;
    ctx.note("consume directly", &format!("{group} {topic} {id}"), &done);
    Ok(Classic::of(done?)?)
}

/// Has a member of the group consume the message now.
pub(crate) async fn consume(
    ctx: &Ctx,
    topic: &str,
    group: &str,
    id: &str,
    client: Option<&str>,
) -> Result<Value, Failure> {
    let message = find(ctx, topic, id).await?;
    let member = match client {
        Some(client) => client.to_string(),
        None => {
            let connection = ctx.admin().consumer_connection(group).await?;
            let first =
                connection.connection_set.into_iter().find(|member| !member.client_id.is_empty());
            first.map(|member| member.client_id).ok_or_else(|| Failure::invalid("NO CONSUMER"))?
        }
    };
    let result =
        ctx.admin().consume_message_directly(group, &member, &message.offset_msg_id).await?;
    Ok(json!({
        "order": result.order,
        "autoCommit": result.auto_commit,
        "consumeResult": result.consume_result,
        "remark": result.remark,
        "spentTimeMills": result.spent_time_mills,
    }))
}
