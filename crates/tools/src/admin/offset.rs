//! cloneGroupOffset, resetOffsetByTime.

use std::collections::BTreeMap;

use rocketmq_client::ClientError;
use rocketmq_common::{clock, java};
use rocketmq_protocol::ResponseCode;
use rocketmq_protocol::body::OffsetWrapper;
use rocketmq_protocol::message::MessageQueue;

use super::command::{Command, Session};
use super::failure::Failure;
use crate::options::{NotANumber, flag, optional, required};
use crate::out::{Table, out, outln};

pub(crate) const CLONE_GROUP_OFFSET: Command = Command {
    name: "cloneGroupOffset",
    class: "CloneGroupOffsetCommand",
    description: "clone offset from other group.",
    options: &[
        required("s", "srcGroup", "set source consumer group"),
        required("d", "destGroup", "set destination consumer group"),
        required("t", "topic", "set the topic"),
        optional("o", "offline", "the group or the topic is offline"),
    ],
    run: |session| Box::pin(clone_group_offset(session)),
};

pub(crate) const RESET_OFFSET_BY_TIME: Command = Command {
    name: "resetOffsetByTime",
    class: "ResetOffsetByTimeCommand",
    description: "Reset consumer offset by timestamp(without client restart).",
    options: &[
        required("g", "group", "set the consumer group"),
        required("t", "topic", "set the topic"),
        required(
            "s",
            "timestamp",
            "set the timestamp[now|currentTimeMillis|yyyy-MM-dd#HH:mm:ss:SSS]",
        ),
        optional("f", "force", "set the force rollback by timestamp switch[true|false]"),
        flag("c", "cplus", "reset c++ client offset"),
    ],
    run: |session| Box::pin(reset_offset_by_time(session)),
};

/// The brokers copy the offsets. Java's tool takes the ends of the queues instead, so that the new
/// group would miss what the old one has not consumed yet.
async fn clone_group_offset(session: &Session) -> Result<(), Failure> {
    let Session { admin, given, .. } = session;
    let (source, target, topic) = (given.text("s"), given.text("d"), given.text("t"));
    admin.consume_stats(source, None).await?;
    let route = admin.topic_route(topic).await?;
    for address in route.broker_datas.iter().filter_map(|data| data.master()) {
        admin.clone_group_offset(address, (source, target), topic, given.is_true("o")).await?;
    }
    out!("clone group offset success. srcGroup[{source}], destGroup=[{target}], topic[{topic}]");
    Ok(())
}

/// Where to reset to.
struct Reset<'a> {
    group: &'a str,
    topic: &'a str,
    force: bool,
    /// The time as given, and in ms; -1 is the end.
    text: &'a str,
    timestamp: i64,
}

async fn reset_offset_by_time(session: &Session) -> Result<(), Failure> {
    let given = &session.given;
    let text = given.text("s");
    let timestamp = match text {
        "now" => clock::now_ms(),
        text => match text.parse().ok().or_else(|| clock::parse_tool_time(text)) {
            Some(time) => time,
            None => return Err(NotANumber(text.to_string()).into()),
        },
    };
    let force = !given.has("f") || given.is_true("f");
    let (group, topic) = (given.text("g"), given.text("t"));
    let reset = Reset { group, topic, force, text, timestamp };
    match by_members(session, &reset).await {
        Err(Failure::Client(error)) if error.code() == ResponseCode::CONSUMER_NOT_ONLINE => {
            by_broker(session, &reset).await
        }
        outcome => outcome,
    }
}

/// Tells the group's members, who go on from the new offsets at once.
async fn by_members(session: &Session, reset: &Reset<'_>) -> Result<(), Failure> {
    let Session { admin, given, .. } = session;
    let Reset { group, topic, force, text, timestamp } = *reset;
    let cpp = given.has("c");
    let offsets = admin.reset_offset_of_members((group, topic), timestamp, force, cpp).await?;
    if !given.json() {
        outln!(
            "rollback consumer offset by specified group[{group}], topic[{topic}], \
             force[{force}], timestamp(string)[{text}], timestamp(long)[{timestamp}]"
        );
    }
    let mut offsets: Vec<(MessageQueue, i64)> = offsets.into_iter().collect();
    java::sort_by_hash(&mut offsets, |(queue, _)| queue.java_hash());
    let mut table = Table::new(
        given.json(),
        "%-40s  %-40s  %-40s",
        "%-40.32s  %-40d  %-40d",
        &["#brokerName", "#queueId", "#offset"],
    );
    for (queue, offset) in offsets {
        table.row([(&queue.broker_name).into(), queue.queue_id.into(), offset.into()]);
    }
    table.finish();
    Ok(())
}

/// Stores new offsets with the brokers, for a group of which nobody is connected.
async fn by_broker(session: &Session, reset: &Reset<'_>) -> Result<(), Failure> {
    let Session { admin, given, .. } = session;
    let Reset { group, topic, force, text, timestamp } = *reset;
    let route = admin.topic_route(topic).await?;
    let mut rows = Vec::new();
    for data in &route.broker_datas {
        let Some(address) = data.any_address() else { continue };
        let mut queues = admin.consume_stats_of(address, group, Some(topic)).await?.offset_table;
        queues.retain(|queue, _| queue.topic == topic);
        if queues.is_empty() {
            queues = never_consumed(session, topic, &data.broker_name).await?;
        }
        for (queue, offset) in queues {
            rows.push(target(session, reset, address, queue, offset).await?);
        }
    }
    if !given.json() {
        outln!(
            "rollback consumer offset by specified consumerGroup[{group}], topic[{topic}], \
             force[{force}], timestamp(string)[{text}], timestamp(long)[{timestamp}]"
        );
    }
    java::sort_by_hash(&mut rows, |row| row.queue.java_hash());
    let mut table = Table::new(
        given.json(),
        "%-20s  %-20s  %-20s  %-20s  %-20s  %-20s",
        "%-20.32s  %-20d  %-20d  %-20d  %-20d  %-20d",
        &[
            "#brokerName",
            "#queueId",
            "#brokerOffset",
            "#consumerOffset",
            "#timestampOffset",
            "#rollbackOffset",
        ],
    );
    for row in rows {
        table.row([
            (&row.queue.broker_name).into(),
            row.queue.queue_id.into(),
            row.old.broker_offset.into(),
            row.old.consumer_offset.into(),
            row.at_time.into(),
            row.new.into(),
        ]);
    }
    table.finish();
    Ok(())
}

/// What became of one queue.
struct Moved {
    queue: MessageQueue,
    old: OffsetWrapper,
    at_time: i64,
    new: i64,
}

async fn target(
    session: &Session,
    reset: &Reset<'_>,
    address: &str,
    queue: MessageQueue,
    old: OffsetWrapper,
) -> Result<Moved, ClientError> {
    let admin = &session.admin;
    let at_time = match reset.timestamp {
        -1 => admin.max_offset(address, &queue).await?,
        timestamp => admin.search_offset(address, &queue, timestamp).await?,
    };
    let mut new = old.consumer_offset;
    if reset.force || at_time <= old.consumer_offset {
        new = at_time;
        admin.update_consumer_offset(address, reset.group, &queue, at_time).await?;
    }
    Ok(Moved { queue, old, at_time, new })
}

/// The queues of a topic on one broker, for a group without offsets.
async fn never_consumed(
    session: &Session,
    topic: &str,
    broker_name: &str,
) -> Result<BTreeMap<MessageQueue, OffsetWrapper>, ClientError> {
    let stats = session.admin.topic_stats(topic).await?;
    let here = stats.offset_table.into_iter().filter(|(queue, _)| queue.broker_name == broker_name);
    let offsets = here.map(|(queue, bounds)| {
        let offset = OffsetWrapper {
            broker_offset: bounds.max_offset,
            consumer_offset: bounds.min_offset,
            last_timestamp: 0,
        };
        (queue, offset)
    });
    Ok(offsets.collect())
}
