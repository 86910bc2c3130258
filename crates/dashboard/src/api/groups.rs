//! Consumer groups and producers.

use std::collections::{BTreeMap, BTreeSet};

use axum::Json;
use axum::extract::Path;
use rocketmq_common::clock;
use rocketmq_protocol::ResponseCode;
use rocketmq_protocol::topic::{BUILT_IN_GROUPS, SYSTEM_GROUP_PREFIX};
use rocketmq_protocol::version;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Answer;
use super::topics::confirmed;
use crate::answer::Failure;
use crate::app::{Body, Ctx, Params};
use crate::members;
use crate::reset::{self, Target};
use crate::rest::{delete_group, lowest_version, owners};

pub(super) fn is_system(group: &str) -> bool {
    BUILT_IN_GROUPS.contains(&group) || group.starts_with(SYSTEM_GROUP_PREFIX)
}

pub(super) async fn list(ctx: Ctx) -> Answer {
    let snapshot = ctx.cluster.live.look().await;
    let mut problems = BTreeMap::<String, usize>::new();
    for problem in crate::problems::of(&snapshot, &ctx.app.monitor.all()) {
        if problem.subject_type == "group" {
            *problems.entry(problem.subject).or_default() += 1;
        }
    }
    let now = clock::now_ms();
    let rows: Vec<Value> = snapshot.groups.iter().map(|(name, group)| {
        let connection = group.connection.as_ref();
        let topics: BTreeSet<&String> = group.offsets.keys().map(|queue| &queue.topic).collect();
        let reason = match (&group.error, group.lag()) {
            (Some(error), _) => Some(error.clone()),
            (None, None) => Some("the group has not consumed anything yet".to_string()),
            _ => None,
        };
        json!({
            "name": name,
            "system": is_system(name),
            "brokers": group.configs.keys().collect::<Vec<_>>(),
            "clients": (group.connection_seen > 0).then(|| connection.map_or(0, |connection| connection.connection_set.len())),
            "type": connection.map(|connection| connection.consume_type),
            "model": connection.map(|connection| connection.message_model),
            "version": connection.map(lowest_version),
            "outTps": group.out_tps,
            "lag": group.lag(),
            "lagMillis": group.lag_millis(now),
            "lags": group.lags,
            "reason": reason,
            "topics": topics,
            "retry": snapshot.retry_of(name),
            "dlq": snapshot.dlq_of(name),
            "problems": problems.get(name).copied().unwrap_or(0),
        })
    }).collect();
    Ok(Json(json!({"updated": snapshot.updated, "error": snapshot.error, "groups": rows})))
}

pub(super) async fn queues(ctx: Ctx, Path(group): Path<String>) -> Answer {
    let (stats, owners) =
        tokio::join!(ctx.admin().consume_stats(&group, None), owners(&ctx, &group));
    let now = clock::now_ms();
    let rows: Vec<Value> = stats?
        .offset_table
        .iter()
        .map(|(queue, offset)| {
            let behind = offset.diff() > 0 && offset.last_timestamp > 0;
            json!({
                "topic": queue.topic,
                "broker": queue.broker_name,
                "queueId": queue.queue_id,
                "brokerOffset": offset.broker_offset,
                "consumerOffset": offset.consumer_offset,
                "lag": offset.diff(),
                "lagMillis": if behind { now - offset.last_timestamp } else { 0 },
                "lastTimestamp": offset.last_timestamp,
                "owner": owners.get(queue),
            })
        })
        .collect();
    Ok(Json(json!(rows)))
}

/// What each member subscribes to, and where they differ; a member that does not answer has no list.
pub(super) async fn members(ctx: Ctx, Path(group): Path<String>) -> Answer {
    let connection = ctx.admin().consumer_connection(&group).await?;
    let found =
        members::ask(ctx.admin(), &group, &connection.connection_set, members::PATIENCE).await;
    let rows: Vec<Value> = found
        .iter()
        .map(|(client_id, info)| {
            let subscriptions: Option<Vec<Value>> = info.as_ref().map(|info| {
                let own = members::subscriptions(info);
                own.map(|one| json!({"topic": one.topic, "expression": members::expression(one)}))
                    .collect()
            });
            json!({"clientId": client_id, "subscriptions": subscriptions})
        })
        .collect();
    Ok(Json(json!({"members": rows, "differing": members::differing(&found)})))
}

pub(super) async fn reset_preview(ctx: Ctx, Path(group): Path<String>, params: Params) -> Answer {
    let target = Target::from_time(params.number("time")?);
    let outcome = reset::preview(ctx.admin(), &group, params.get("topic")?, target).await?;
    Ok(Json(sums(&outcome)))
}

fn sums(outcome: &reset::Outcome) -> Value {
    json!({
        "online": outcome.online,
        "queues": outcome.queues,
        "repeats": outcome.queues.iter().map(|queue| queue.repeats).sum::<i64>(),
        "skips": outcome.queues.iter().map(|queue| queue.skips).sum::<i64>(),
    })
}

#[derive(Deserialize)]
pub(super) struct ResetGroup {
    topic: String,
    time: i64,
    #[serde(default)]
    force: bool,
}

pub(super) async fn reset(
    ctx: Ctx,
    Path(group): Path<String>,
    Body(request): Body<ResetGroup>,
) -> Answer {
    let target = Target::from_time(request.time);
    let done = reset::act(ctx.admin(), &group, &request.topic, target, request.force).await;
    ctx.note("reset offsets", &format!("{group} {} {target:?}", request.topic), &done);
    Ok(Json(sums(&done?)))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
pub(super) struct DeleteGroup {
    group: String,
    brokers: Option<Vec<String>>,
    confirm: String,
    with_offsets: bool,
}

/// Deletes a group, on these brokers or, without any, everywhere; its name must be said twice.
pub(super) async fn delete(ctx: Ctx, Body(request): Body<DeleteGroup>) -> Answer {
    confirmed(&request.group, &request.confirm)?;
    let snapshot = ctx.cluster.live.look().await;
    let everywhere = || snapshot.masters().map(|broker| broker.name.clone()).collect();
    let brokers = request.brokers.filter(|brokers| !brokers.is_empty()).unwrap_or_else(everywhere);
    let done = delete_group(&ctx, &request.group, &brokers, request.with_offsets).await;
    ctx.note("delete group", &request.group, &done);
    done.map(|()| Json(json!({})))
}

/// Every connected producer, where the brokers can tell: ours, and those from 5.0 on.
pub(super) async fn producers(ctx: Ctx) -> Answer {
    let snapshot = ctx.cluster.live.look().await;
    let mut rows = BTreeMap::new();
    for broker in snapshot.masters() {
        let found = match ctx.admin().all_producers(&broker.address).await {
            Ok(found) => found,
            Err(error) if error.code() == ResponseCode::REQUEST_CODE_NOT_SUPPORTED => {
                let text = format!(
                    "{} cannot list its producers; ask for a topic and a group",
                    broker.name
                );
                return Err(Failure::Unsupported(text));
            }
            Err(error) => return Err(error.into()),
        };
        for (group, producers) in found.data {
            for producer in producers {
                let row = json!({
                    "group": group,
                    "clientId": producer.client_id,
                    "addr": producer.remote_ip,
                    "language": producer.language,
                    "version": version::describe(producer.version),
                    "lastUpdate": producer.last_update_timestamp,
                });
                rows.insert((group.clone(), producer.client_id.clone()), row);
            }
        }
    }
    let rows: Vec<Value> = rows.into_values().collect();
    Ok(Json(json!({"updated": clock::now_ms(), "producers": rows})))
}
