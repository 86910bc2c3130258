//! consumerProgress.

use std::collections::BTreeMap;

use rocketmq_client::admin::AdminClient;
use rocketmq_common::clock;
use rocketmq_protocol::body::{ConsumeType, ConsumerConnection};
use rocketmq_protocol::message::MessageQueue;
use rocketmq_protocol::topic::RETRY_PREFIX;
use rocketmq_protocol::version;

use super::command::{Command, Session};
use super::failure::Failure;
use crate::options::optional;
use crate::out::{Table, outln};
use crate::printf::{Cell, fixed};

pub(crate) const CONSUMER_PROGRESS: Command = Command {
    name: "consumerProgress",
    class: "ConsumerProgressSubCommand",
    description: "Query consumers's progress, speed",
    options: &[
        optional("g", "groupName", "consumer group name"),
        optional("s", "showClientIP", "Show Client IP per Queue"),
    ],
    run: |session| Box::pin(consumer_progress(session)),
};

async fn consumer_progress(session: &Session) -> Result<(), Failure> {
    match session.given.get("g") {
        Some(group) => group_progress(session, group, session.given.is_true("s")).await,
        None => all_groups(session).await,
    }
}

async fn group_progress(session: &Session, group: &str, show_client: bool) -> Result<(), Failure> {
    let stats = session.admin.consume_stats(group, None).await?;
    let owners = match show_client {
        true => queue_owners(&session.admin, group).await,
        false => BTreeMap::new(),
    };
    let json = session.given.json();
    let columns = |client: &[&'static str]| {
        let mut columns = vec!["#Topic", "#Broker Name", "#QID", "#Broker Offset"];
        columns.push("#Consumer Offset");
        columns.extend(client);
        columns.extend(["#Diff", "#LastTime"]);
        columns
    };
    let mut table = if show_client {
        let format = "%-32s  %-32s  %-4s  %-20s  %-20s  %-20s %-20s  %s";
        let row = "%-32.32s  %-32.32s  %-4d  %-20d  %-20d  %-20s %-20d  %s";
        Table::new(json, format, row, &columns(&["#Client IP"]))
    } else {
        let format = "%-32s  %-32s  %-4s  %-20s  %-20s  %-20s  %s";
        let row = "%-32.32s  %-32.32s  %-4d  %-20d  %-20d  %-20d  %s";
        Table::new(json, format, row, &columns(&[]))
    };
    for (queue, offset) in &stats.offset_table {
        let (topic, name): (Cell, Cell) = ((&queue.topic).into(), (&queue.broker_name).into());
        let (id, end) = (queue.queue_id.into(), offset.broker_offset.into());
        let (at, diff) = (offset.consumer_offset.into(), offset.diff().into());
        let last = last_time(offset.last_timestamp).into();
        if show_client {
            let owner = owners.get(queue).map_or("N/A", String::as_str).into();
            table.row([topic, name, id, end, at, owner, diff, last]);
        } else {
            table.row([topic, name, id, end, at, diff, last]);
        }
    }
    table.finish();
    if !json {
        let (tps, diff) = (fixed(stats.consume_tps, 2), stats.total_diff());
        outln!("\nConsume TPS: {tps}\nDiff Total: {diff}");
    }
    Ok(())
}

/// A store time as tables show it.
pub(crate) fn last_time(ms: i64) -> String {
    if ms == 0 { "N/A".to_string() } else { clock::format_seconds(ms) }
}

/// The address part of the client id that holds each queue, as far as clients answer.
async fn queue_owners(admin: &AdminClient, group: &str) -> BTreeMap<MessageQueue, String> {
    let mut owners = BTreeMap::new();
    let Ok(connection) = admin.consumer_connection(group).await else { return owners };
    for client in &connection.connection_set {
        let info = admin.consumer_running_info(group, &client.client_id, false).await;
        let Ok(info) = info else { continue };
        let address = client.client_id.split('@').next().unwrap_or_default();
        owners.extend(info.mq_table.into_keys().map(|queue| (queue, address.to_string())));
    }
    owners
}

async fn all_groups(session: &Session) -> Result<(), Failure> {
    let admin = &session.admin;
    let mut table = Table::new(
        session.given.json(),
        "%-32s  %-6s  %-24s %-5s  %-14s  %-7s  %s",
        "%-32.32s  %-6d  %-24s %-5s  %-14s  %-7d  %d",
        &["#Group", "#Count", "#Version", "#Type", "#Model", "#TPS", "#Diff Total"],
    );
    for topic in admin.topic_list().await?.topic_list {
        let Some(group) = topic.strip_prefix(RETRY_PREFIX) else { continue };
        let stats = admin.consume_stats(group, None).await.unwrap_or_default();
        let connection = admin.consumer_connection(group).await.ok();
        let count = connection.as_ref().map_or(0, |c| c.connection_set.len());
        let (kind, model) = kind_and_model(connection.as_ref());
        table.row([
            group.into(),
            count.into(),
            lowest_version(connection.as_ref()).into(),
            kind.into(),
            model.into(),
            (stats.consume_tps as i64).into(),
            stats.total_diff().into(),
        ]);
    }
    table.finish();
    Ok(())
}

fn lowest_version(connection: Option<&ConsumerConnection>) -> String {
    let versions = connection.into_iter().flat_map(|c| &c.connection_set).map(|c| c.version);
    versions.min().map_or_else(|| "OFFLINE".to_string(), version::describe)
}

fn kind_and_model(connection: Option<&ConsumerConnection>) -> (&'static str, &'static str) {
    match connection {
        Some(c) if c.connection_set.is_empty() => ("", ""),
        Some(c) if c.consume_type == ConsumeType::Passively => ("PUSH", c.message_model.name()),
        Some(_) => ("PULL", ""),
        None => ("", ""),
    }
}
