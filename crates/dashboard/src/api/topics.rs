//! Topics.

use axum::Json;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Answer;
use crate::answer::Failure;
use crate::app::{Body, Ctx};
use crate::history::Kind;
use crate::live::kind_of;
use crate::rest::delete_topic;

pub(super) async fn list(ctx: Ctx) -> Answer {
    let snapshot = ctx.cluster.live.look().await;
    let days = ctx.history().latest(Kind::Topic);
    let rows: Vec<Value> = snapshot.topics.iter().map(|(name, topic)| {
        let config = topic.configs.values().next();
        let day = |at: usize| days.get(name).and_then(|numbers| numbers.get(at));
        json!({
            "name": name,
            "kind": kind_of(name, &snapshot),
            "brokers": topic.configs.keys().collect::<Vec<_>>(),
            "readQueues": topic.configs.values().map(|config| config.read_queue_nums).sum::<i32>(),
            "writeQueues": topic.configs.values().map(|config| config.write_queue_nums).sum::<i32>(),
            "perm": config.map(|config| config.perm),
            "order": config.is_some_and(|config| config.order),
            "inTps": topic.bounds.and_then(|bounds| bounds.tps),
            "outTps": topic.out_tps,
            "in24h": day(1),
            "out24h": day(3),
            "messages": topic.bounds.map(|bounds| bounds.messages),
            "lastUpdate": topic.bounds.map(|bounds| bounds.last_update).filter(|time| *time > 0),
            "groups": topic.groups,
            "reason": topic.error,
        })
    }).collect();
    Ok(Json(json!({"updated": snapshot.updated, "error": snapshot.error, "topics": rows})))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeleteTopic {
    topic: String,
    #[serde(default)]
    confirm: String,
}

/// Deletes a topic everywhere; its name must be said twice.
pub(super) async fn delete(ctx: Ctx, Body(request): Body<DeleteTopic>) -> Answer {
    confirmed(&request.topic, &request.confirm)?;
    let done = delete_topic(&ctx, &request.topic, None).await;
    ctx.note("delete topic", &request.topic, &done);
    done.map(|()| Json(json!({})))
}

/// Whether the name was typed a second time.
pub(super) fn confirmed(name: &str, typed: &str) -> Result<(), Failure> {
    if name.is_empty() || name != typed {
        let fix = Some(format!("confirm must be {name}"));
        return Err(Failure::Invalid("the deletion is not confirmed".to_string(), fix));
    }
    Ok(())
}
