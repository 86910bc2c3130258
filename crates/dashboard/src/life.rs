//! The life of a message from its producer through every group, retries and dead letters, from
//! offsets and indexes; traces add what clients tell, where they are on.

use rocketmq_client::MessageExt;
use rocketmq_common::clock;
use rocketmq_protocol::topic::{DLQ_PREFIX, RETRY_PREFIX, TRACE};
use serde_json::{Value, json};

use crate::answer::Failure;
use crate::api::message_value;
use crate::app::Ctx;
use crate::text::said;

/// Copies of a message that are looked for in one retry topic.
const COPIES_MAX: i32 = 32;

pub(crate) async fn of(ctx: &Ctx, message: &MessageExt) -> Result<Value, Failure> {
    let mut events = vec![
        event(
            message.born_timestamp,
            "born",
            json!({"text": format!("sent by {}", message.born_host), "host": message.born_host}),
        ),
        stored(message, "stored", None),
    ];
    let tracks = ctx.admin().message_track(message).await.unwrap_or_default();
    let mut groups = Vec::new();
    let snapshot = ctx.cluster.live.look().await;
    for track in tracks {
        let group = track.consumer_group.as_str();
        let failed = copies(ctx, message, &format!("{RETRY_PREFIX}{group}")).await;
        let dead = copies(ctx, message, &format!("{DLQ_PREFIX}{group}")).await;
        for copy in &failed {
            events.push(stored(copy, "retry", Some(group)));
        }
        for copy in &dead {
            events.push(stored(copy, "dlq", Some(group)));
        }
        let retries = failed.iter().chain(&dead).map(|copy| copy.reconsume_times).max();
        let waits = failed.iter().any(|copy| is_waiting(&snapshot, group, copy));
        let max = snapshot
            .groups
            .get(group)
            .and_then(|state| state.configs.values().next())
            .map(|config| config.retry_max_times);
        let state = match (dead.is_empty(), failed.is_empty(), waits) {
            (false, ..) => "IN_DLQ",
            (true, false, true) => "RETRYING",
            _ => track.track_type,
        };
        groups.push(json!({"group": group, "state": state, "detail": track.exception, "retry": retries, "of": max}));
    }
    let traced = ctx.admin().trace_records(TRACE, message.msg_id()).await.unwrap_or_default();
    for row in traced {
        let kind = match row.trace_type {
            "SubAfter" if row.status == "success" => "consumed",
            "SubAfter" => "failed",
            _ => "trace",
        };
        let text =
            format!("{} {} {} ms, {}", row.trace_type, row.client_host, row.cost_time, row.status);
        events.push(event(
            row.time_stamp,
            kind,
            json!({"text": text, "group": row.group_name, "status": row.status}),
        ));
    }
    events.sort_by_key(|event| event["time"].as_i64().unwrap_or(0));
    Ok(
        json!({"message": message_value(message, usize::MAX), "events": events, "groups": groups, "now": clock::now_ms()}),
    )
}

fn event(time: i64, kind: &str, more: Value) -> Value {
    let mut event = json!({
        "time": time, "kind": kind, "group": null, "text": "", "topic": null, "broker": null, "queueId": null, "offset": null,
        "status": null, "host": null, "times": null,
    });
    if let (Some(event), Value::Object(more)) = (event.as_object_mut(), more) {
        event.extend(more);
    }
    event
}

fn stored(message: &MessageExt, kind: &str, group: Option<&str>) -> Value {
    let text = match group {
        Some(_) => said("failed {0} {0:time|times}", &[message.reconsume_times.to_string()]),
        None => format!("stored at {}", message.store_host),
    };
    event(
        message.store_timestamp,
        kind,
        json!({
            "group": group,
            "text": text,
            "host": group.is_none().then_some(&message.store_host),
            "times": group.map(|_| message.reconsume_times),
            "topic": message.message.topic,
            "broker": message.broker_name,
            "queueId": message.queue_id,
            "offset": message.queue_offset,
        }),
    )
}

/// Copies of the message in a retry or dead-letter topic: they keep its unique id.
async fn copies(ctx: &Ctx, message: &MessageExt, topic: &str) -> Vec<MessageExt> {
    let found = ctx.admin().query_message_copies(topic, message.msg_id(), COPIES_MAX).await;
    let mut found = found.unwrap_or_default();
    found.retain(|copy| copy.offset_msg_id != message.offset_msg_id);
    found.sort_by_key(|copy| copy.store_timestamp);
    found
}

/// Whether the group has not come to this copy yet.
fn is_waiting(snapshot: &crate::live::Snapshot, group: &str, copy: &MessageExt) -> bool {
    let Some(state) = snapshot.groups.get(group) else { return true };
    let queue = state.offsets.iter().find(|(queue, _)| {
        queue.topic == copy.message.topic
            && queue.queue_id == copy.queue_id
            && Some(&queue.broker_name) == copy.broker_name.as_ref()
    });
    queue.is_none_or(|(_, offset)| offset.consumer_offset <= copy.queue_offset)
}
