//! `messageTrace/*`: the records that clients write to a trace topic (contract `client.md` 13).

use std::collections::BTreeMap;

use rocketmq_client::TraceRecord;
use rocketmq_protocol::topic::TRACE;
use serde_json::{Value, json};

use super::{message, view};
use crate::answer::Classic;
use crate::app::{ClassicResult, Ctx, Params};

pub(super) async fn view_message(ctx: Ctx, params: Params) -> ClassicResult {
    let (topic, id) = (params.get("topic")?, params.get("msgId")?);
    let found = message::find(&ctx, topic, id).await;
    let found = found.map_err(|failure| message::not_found(id, &failure))?;
    Ok(Classic::of(json!({"messageView": view(&found, true)}))?)
}

pub(super) async fn detail(ctx: Ctx, params: Params) -> ClassicResult {
    Ok(Classic::of(ctx.admin().trace_records(TRACE, params.get("msgId")?).await?)?)
}

pub(super) async fn graph(ctx: Ctx, params: Params) -> ClassicResult {
    let topic = params.find("traceTopic").unwrap_or(TRACE);
    let rows = ctx.admin().trace_records(topic, params.get("msgId")?).await?;
    Ok(Classic::of(json!({
        "producerNode": producer(&rows),
        "subscriptionNodeList": subscriptions(&rows),
        "messageTraceViews": rows,
    }))?)
}

/// A step with its begin and end.
fn node(row: &TraceRecord, begin: i64, end: i64, cost: i64) -> Value {
    json!({
        "requestId": row.request_id,
        "storeHost": row.store_host,
        "clientHost": row.client_host,
        "costTime": cost,
        "beginTimestamp": begin,
        "endTimestamp": end,
        "retryTimes": row.retry_times,
        "status": row.status,
        "transactionState": row.transaction_state,
        "transactionId": row.transaction_id,
        "fromTransactionCheck": row.from_transaction_check,
        "msgType": row.msg_type,
    })
}

fn producer(rows: &[TraceRecord]) -> Option<Value> {
    let sent = rows.iter().find(|row| row.trace_type == "Pub")?;
    let ends = rows.iter().filter(|row| row.trace_type == "EndTransaction");
    let transactions: Vec<Value> =
        ends.map(|row| node(row, row.time_stamp, row.time_stamp, row.cost_time)).collect();
    Some(json!({
        "msgId": sent.msg_id,
        "tags": sent.tags,
        "keys": sent.keys,
        "offSetMsgId": sent.offset_msg_id,
        "topic": sent.topic,
        "groupName": sent.group_name,
        "traceNode": node(sent, sent.time_stamp, sent.time_stamp + sent.cost_time, sent.cost_time),
        "transactionNodeList": transactions,
    }))
}

/// Consumptions by group; begin and end of one are joined by their request id.
fn subscriptions(rows: &[TraceRecord]) -> Vec<Value> {
    let mut groups: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for before in rows.iter().filter(|row| row.trace_type == "SubBefore") {
        let after = rows
            .iter()
            .find(|row| row.trace_type == "SubAfter" && row.request_id == before.request_id);
        let consumed = match after {
            Some(after) => {
                let end = if after.time_stamp > 0 {
                    after.time_stamp
                } else {
                    before.time_stamp + after.cost_time
                };
                let both = TraceRecord { status: after.status, ..before.clone() };
                node(&both, before.time_stamp, end, after.cost_time)
            }
            None => node(
                &TraceRecord { status: "unknown", ..before.clone() },
                before.time_stamp,
                before.time_stamp,
                0,
            ),
        };
        groups.entry(&before.group_name).or_default().push(consumed);
    }
    groups
        .into_iter()
        .map(|(group, nodes)| json!({"subscriptionGroup": group, "consumeNodeList": nodes}))
        .collect()
}

#[cfg(test)]
mod tests {
    use rocketmq_client::{Message, MessageExt};

    use super::*;

    #[test]
    fn begin_and_end_of_a_consumption_are_joined() {
        let here = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
        let body = "SubBefore\u{1}10\u{1}R\u{1}CG\u{1}q\u{1}ID\u{1}1\u{1}k\u{2}\
                    SubAfter\u{1}q\u{1}ID\u{1}4\u{1}false\u{1}k\u{1}4\u{1}14\u{1}CG\u{2}";
        let message = MessageExt {
            message: Message::new("T", body),
            broker_name: None,
            queue_id: 0,
            store_size: 0,
            queue_offset: 0,
            sys_flag: 0,
            born_timestamp: 0,
            born_host: here,
            store_timestamp: 0,
            store_host: here,
            offset_msg_id: String::new(),
            commit_log_offset: 0,
            body_crc: 0,
            reconsume_times: 0,
            prepared_transaction_offset: 0,
        };
        let groups = subscriptions(&TraceRecord::of_message(&message, "ID"));
        assert_eq!(groups[0]["subscriptionGroup"], "CG");
        let consumed = &groups[0]["consumeNodeList"][0];
        assert_eq!(
            (&consumed["endTimestamp"], &consumed["status"], &consumed["retryTimes"]),
            (&json!(14), &json!("failed"), &json!(1))
        );
    }
}
