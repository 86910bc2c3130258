//! QueryMsgTraceById.

use rocketmq_client::TraceRecord;
use rocketmq_common::{clock, java};

use super::command::{Command, Session};
use super::failure::Failure;
use crate::options::{optional, required};
use crate::out::{Table, outln};

pub(crate) const QUERY_TRACE: Command = Command {
    name: "QueryMsgTraceById",
    class: "QueryMsgTraceByIdSubCommand",
    description: "query a message trace",
    options: &[
        required("i", "msgId", "Message Id"),
        optional("t", "traceTopic", "The name value of message trace topic"),
    ],
    run: |session| Box::pin(query_trace(session)),
};

/// Where traces go unless told otherwise.
const TRACE_TOPIC: &str = "RMQ_SYS_TRACE_TOPIC";
const ROW: &str = "%-10s %-20s %-20s %-20s %-10s %-10s";

/// One step of a message's way.
#[derive(Debug, PartialEq, Eq)]
struct Step {
    group: String,
    host: String,
    timestamp: i64,
    cost_ms: i64,
    is_success: bool,
}

/// The steps of one message.
#[derive(Debug, Default, PartialEq, Eq)]
struct Way {
    sent: Vec<Step>,
    consumed: Vec<Step>,
}

async fn query_trace(session: &Session) -> Result<(), Failure> {
    let Session { admin, given, .. } = session;
    let (id, topic) = (given.text("i"), given.get("t").unwrap_or(TRACE_TOPIC));
    let mut way = Way::default();
    let records = admin.trace_records(topic, id).await?;
    records.into_iter().for_each(|record| read(&mut way, record));
    print(&way, given.json());
    Ok(())
}

fn read(way: &mut Way, record: TraceRecord) {
    let is_success = record.is_success();
    let step = Step {
        // Old clients do not tell who has consumed.
        group: if record.group_name.is_empty() { "null".to_string() } else { record.group_name },
        host: record.client_host,
        timestamp: record.time_stamp,
        cost_ms: record.cost_time,
        is_success,
    };
    match record.trace_type {
        "Pub" => way.sent.push(step),
        "SubAfter" => way.consumed.push(step),
        _ => {}
    }
}

fn print(way: &Way, json: bool) {
    let mut all =
        Table::headless(json, ROW, &["Type", "Group", "ClientHost", "Time", "CostMs", "Status"]);
    let row = |kind: &str, step: &Step| {
        let cost: crate::printf::Cell = match json {
            true => step.cost_ms.into(),
            false => format!("{}ms", step.cost_ms).into(),
        };
        [
            kind.into(),
            (&step.group).into(),
            (&step.host).into(),
            clock::format_seconds(step.timestamp).into(),
            cost,
            if step.is_success { "success" } else { "failed" }.into(),
        ]
    };
    let header = |group: &str, time: &str| {
        if !json {
            let columns = ["#Type", group, "#ClientHost", time, "#CostTimes", "#Status"];
            Table::new(false, ROW, ROW, &columns).finish();
        }
    };
    let blank = || {
        if !json {
            outln!();
        }
    };
    for step in &way.sent {
        header("#ProducerGroup", "#SendTime");
        all.row(row("Pub", step));
        blank();
    }
    let mut groups: Vec<&str> = Vec::new();
    for step in &way.consumed {
        if !groups.contains(&step.group.as_str()) {
            groups.push(&step.group);
        }
    }
    java::sort_as_hash_map(&mut groups, |group| group);
    for group in groups {
        header("#ConsumerGroup", "#ConsumerTime");
        for step in way.consumed.iter().filter(|step| step.group == group) {
            all.row(row("Sub", step));
        }
        blank();
    }
    all.finish();
}

#[cfg(test)]
mod tests {
    use rocketmq_protocol::message::{Message, MessageExt};

    use super::*;

    fn traced(body: &str) -> Way {
        let local = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
        let message = MessageExt {
            message: Message::new("T", body.to_string()),
            broker_name: None,
            queue_id: 0,
            store_size: 0,
            queue_offset: 0,
            sys_flag: 0,
            born_timestamp: 0,
            born_host: local,
            store_timestamp: 0,
            store_host: local,
            offset_msg_id: String::new(),
            commit_log_offset: 0,
            body_crc: 0,
            reconsume_times: 0,
            prepared_transaction_offset: 0,
        };
        let mut way = Way::default();
        let records = TraceRecord::of_message(&message, "ID");
        records.into_iter().for_each(|record| read(&mut way, record));
        way
    }

    #[test]
    fn reads_what_clients_write() {
        let way = traced(
            "Pub\u{1}7\u{1}R\u{1}P\u{1}T\u{1}ID\u{1}tag\u{1}key\u{1}h:1\u{1}3\u{1}51\u{1}0\u{1}OFF\u{1}true\u{2}\
             Pub\u{1}7\u{1}R\u{1}P\u{1}T\u{1}OTHER\u{1}t\u{1}k\u{1}h\u{1}3\u{1}5\u{1}0\u{1}OFF\u{1}true\u{2}\
             SubAfter\u{1}REQ\u{1}ID\u{1}4\u{1}false\u{1}key\u{1}2\u{1}9\u{1}G\u{2}",
        );
        let step = |group: &str, timestamp, cost_ms, is_success| Step {
            group: group.to_string(),
            host: "127.0.0.1".to_string(),
            timestamp,
            cost_ms,
            is_success,
        };
        assert_eq!(way.sent, [step("P", 7, 51, true)]);
        assert_eq!(way.consumed, [step("G", 9, 4, false)]);
        let old = traced(
            "Pub\u{1}7\u{1}R\u{1}P\u{1}T\u{1}ID\u{1}t\u{1}k\u{1}h\u{1}3\u{1}5\u{1}0\u{1}true\u{2}",
        );
        assert!(old.sent[0].is_success);
    }
}
