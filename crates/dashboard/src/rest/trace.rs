//! `messageTrace/*`: the records that clients write to a trace topic (contract `client.md` 13).

use std::collections::BTreeMap;

use rocketmq_client::MessageExt;
use rocketmq_common::clock;
use rocketmq_protocol::topic::TRACE;
use serde::Serialize;
use serde_json::{Value, json};

use super::{message, view};
use crate::answer::{Classic, Failure};
use crate::app::{ClassicResult, Ctx, Params};

/// Between the fields of a record, and behind each record.
const FIELD: char = '\u{1}';
const RECORD: char = '\u{2}';
/// Trace messages that are read for one id.
const MESSAGES_MAX: i32 = 64;

pub(super) async fn view_message(ctx: Ctx, params: Params) -> ClassicResult {
    let (topic, id) = (params.get("topic")?, params.get("msgId")?);
    let found = message::find(&ctx, topic, id).await;
    let found = found.map_err(|failure| message::not_found(id, &failure))?;
    Ok(Classic::of(json!({"messageView": view(&found, true)}))?)
}

/// One record of a trace.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Row {
    pub(crate) request_id: Option<String>,
    pub(crate) msg_id: String,
    pub(crate) tags: Option<String>,
    pub(crate) keys: Option<String>,
    pub(crate) store_host: Option<String>,
    pub(crate) client_host: String,
    pub(crate) cost_time: i64,
    pub(crate) msg_type: Option<&'static str>,
    pub(crate) off_set_msg_id: Option<String>,
    pub(crate) time_stamp: i64,
    pub(crate) topic: Option<String>,
    pub(crate) group_name: String,
    pub(crate) retry_times: i64,
    pub(crate) status: &'static str,
    pub(crate) transaction_state: Option<String>,
    pub(crate) transaction_id: Option<String>,
    pub(crate) from_transaction_check: bool,
    pub(crate) trace_type: &'static str,
}

const SUCCESS: &str = "success";
const FAILED: &str = "failed";

/// The records of one message.
pub(crate) async fn rows(ctx: &Ctx, topic: &str, id: &str) -> Result<Vec<Row>, Failure> {
    let found = ctx.admin().query_message(topic, id, MESSAGES_MAX, 0, clock::now_ms()).await?;
    Ok(found.iter().flat_map(|message| of_message(message, id)).collect())
}

/// The records about the id in one trace message.
fn of_message(message: &MessageExt, id: &str) -> Vec<Row> {
    let body = String::from_utf8_lossy(&message.message.body);
    let host = message.born_host.ip().to_string();
    let all = body.split(RECORD).filter_map(|record| of_record(record, &host));
    all.filter(|row| row.msg_id == id).collect()
}

fn of_record(record: &str, host: &str) -> Option<Row> {
    let fields: Vec<&str> = record.split(FIELD).collect();
    let field = |at: usize| fields.get(at).copied().unwrap_or("null");
    let text = |at: usize| Some(field(at).to_string()).filter(|text| text != "null");
    let number = |at: usize| field(at).parse().unwrap_or(0);
    let ended = |success: bool| if success { SUCCESS } else { FAILED };
    let blank = Row {
        request_id: None,
        msg_id: String::new(),
        tags: None,
        keys: None,
        store_host: None,
        client_host: host.to_string(),
        cost_time: 0,
        msg_type: None,
        off_set_msg_id: None,
        time_stamp: 0,
        topic: None,
        group_name: String::new(),
        retry_times: 0,
        status: SUCCESS,
        transaction_state: None,
        transaction_id: None,
        from_transaction_check: false,
        trace_type: "Pub",
    };
    let kind = |at: usize| match field(at) {
        "1" => Some("Trans_Msg_Half"),
        "2" => Some("Trans_msg_Commit"),
        "3" => Some("Delay_Msg"),
        _ => Some("Normal_Msg"),
    };
    match field(0) {
        "Pub" => Some(Row {
            time_stamp: number(1),
            group_name: field(3).to_string(),
            topic: text(4),
            msg_id: field(5).to_string(),
            tags: text(6),
            keys: text(7),
            store_host: text(8),
            cost_time: number(10),
            msg_type: kind(11),
            // Older clients leave out the offset id that stands before the success.
            off_set_msg_id: if fields.len() > 13 { text(12) } else { None },
            status: ended(field(if fields.len() > 13 { 13 } else { 12 }) == "true"),
            ..blank
        }),
        "SubBefore" => Some(Row {
            time_stamp: number(1),
            group_name: field(3).to_string(),
            request_id: text(4),
            msg_id: field(5).to_string(),
            retry_times: number(6),
            keys: text(7),
            trace_type: "SubBefore",
            ..blank
        }),
        "SubAfter" => Some(Row {
            request_id: text(1),
            msg_id: field(2).to_string(),
            cost_time: number(3),
            status: ended(field(4) == "true"),
            keys: text(5),
            time_stamp: number(7),
            group_name: if fields.len() > 8 { field(8).to_string() } else { String::new() },
            trace_type: "SubAfter",
            ..blank
        }),
        "EndTransaction" => Some(Row {
            time_stamp: number(1),
            group_name: field(3).to_string(),
            topic: text(4),
            msg_id: field(5).to_string(),
            tags: text(6),
            keys: text(7),
            store_host: text(8),
            msg_type: kind(9),
            transaction_id: text(10),
            transaction_state: text(11),
            from_transaction_check: field(12) == "true",
            trace_type: "EndTransaction",
            ..blank
        }),
        _ => None,
    }
}

pub(super) async fn detail(ctx: Ctx, params: Params) -> ClassicResult {
    Ok(Classic::of(rows(&ctx, TRACE, params.get("msgId")?).await?)?)
}

pub(super) async fn graph(ctx: Ctx, params: Params) -> ClassicResult {
    let topic = params.find("traceTopic").unwrap_or(TRACE);
    let rows = rows(&ctx, topic, params.get("msgId")?).await?;
    Ok(Classic::of(json!({
        "producerNode": producer(&rows),
        "subscriptionNodeList": subscriptions(&rows),
        "messageTraceViews": rows,
    }))?)
}

/// A step with its begin and end.
fn node(row: &Row, begin: i64, end: i64, cost: i64) -> Value {
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

fn producer(rows: &[Row]) -> Option<Value> {
    let sent = rows.iter().find(|row| row.trace_type == "Pub")?;
    let ends = rows.iter().filter(|row| row.trace_type == "EndTransaction");
    let transactions: Vec<Value> =
        ends.map(|row| node(row, row.time_stamp, row.time_stamp, row.cost_time)).collect();
    Some(json!({
        "msgId": sent.msg_id,
        "tags": sent.tags,
        "keys": sent.keys,
        "offSetMsgId": sent.off_set_msg_id,
        "topic": sent.topic,
        "groupName": sent.group_name,
        "traceNode": node(sent, sent.time_stamp, sent.time_stamp + sent.cost_time, sent.cost_time),
        "transactionNodeList": transactions,
    }))
}

/// Consumptions by group; begin and end of one are joined by their request id.
fn subscriptions(rows: &[Row]) -> Vec<Value> {
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
                let both = Row { status: after.status, ..before.clone() };
                node(&both, before.time_stamp, end, after.cost_time)
            }
            None => node(
                &Row { status: "unknown", ..before.clone() },
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
    use super::*;

    #[test]
    fn records_of_all_kinds_are_read() {
        let sent = of_record("Pub\u{1}5\u{1}R\u{1}PG\u{1}T\u{1}ID\u{1}null\u{1}k\u{1}h:1\u{1}7\u{1}3\u{1}0\u{1}OFF\u{1}true", "c").unwrap();
        assert_eq!(
            (sent.msg_id.as_str(), sent.tags.as_deref(), sent.status, sent.cost_time),
            ("ID", None, "success", 3)
        );
        let before =
            of_record("SubBefore\u{1}10\u{1}R\u{1}CG\u{1}q\u{1}ID\u{1}1\u{1}k", "c").unwrap();
        let after =
            of_record("SubAfter\u{1}q\u{1}ID\u{1}4\u{1}false\u{1}k\u{1}4\u{1}14\u{1}CG", "c")
                .unwrap();
        let groups = subscriptions(&[before, after]);
        assert_eq!(groups[0]["subscriptionGroup"], "CG");
        let consumed = &groups[0]["consumeNodeList"][0];
        assert_eq!(
            (&consumed["endTimestamp"], &consumed["status"], &consumed["retryTimes"]),
            (&json!(14), &json!("failed"), &json!(1))
        );
        assert!(of_record("", "c").is_none() && of_record("Pub", "c").is_some());
    }
}
