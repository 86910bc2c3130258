//! consumerProgress.

use std::collections::BTreeMap;

use rocketmq_client::admin::AdminClient;
use rocketmq_common::clock;
use rocketmq_protocol::body::{ConsumeStats, ConsumeType, ConsumerConnection};
use rocketmq_protocol::message::MessageQueue;
use rocketmq_protocol::topic::RETRY_PREFIX;
use rocketmq_protocol::version;

use super::{Command, Failure, cut};
use crate::options::{Given, optional};

pub(crate) const CONSUMER_PROGRESS: Command = Command {
    name: "consumerProgress",
    class: "ConsumerProgressSubCommand",
    description: "Query consumers's progress, speed",
    options: &[
        optional("g", "groupName", "consumer group name"),
        optional("s", "showClientIP", "Show Client IP per Queue"),
    ],
    run: |admin, given| Box::pin(consumer_progress(admin, given)),
};

async fn consumer_progress(admin: &AdminClient, given: &Given) -> Result<(), Failure> {
    match given.get("g") {
        Some(group) => {
            let show_client = given.get("s").is_some_and(|text| text.eq_ignore_ascii_case("true"));
            group_progress(admin, group, show_client).await
        }
        None => all_groups(admin).await,
    }
}

fn diff_total(stats: &ConsumeStats) -> i64 {
    stats.offset_table.values().map(|o| o.broker_offset - o.consumer_offset).sum()
}

async fn group_progress(
    admin: &AdminClient,
    group: &str,
    show_client: bool,
) -> Result<(), Failure> {
    let stats = admin.consume_stats(group).await?;
    let owners = if show_client { queue_owners(admin, group).await } else { BTreeMap::new() };
    let client_header = if show_client { format!("{:<20} ", "#Client IP") } else { String::new() };
    println!(
        "{:<32}  {:<32}  {:<4}  {:<20}  {:<20}  {client_header}{:<20}  #LastTime",
        "#Topic", "#Broker Name", "#QID", "#Broker Offset", "#Consumer Offset", "#Diff",
    );
    for (queue, offset) in &stats.offset_table {
        let last = match offset.last_timestamp {
            0 => "N/A".to_string(),
            ms => clock::format_seconds(ms),
        };
        let client = if show_client {
            let owner = owners.get(queue).map_or("N/A", String::as_str);
            format!("{owner:<20} ")
        } else {
            String::new()
        };
        println!(
            "{:<32}  {:<32}  {:<4}  {:<20}  {:<20}  {client}{:<20}  {last}",
            cut(&queue.topic, 32),
            cut(&queue.broker_name, 32),
            queue.queue_id,
            offset.broker_offset,
            offset.consumer_offset,
            offset.broker_offset - offset.consumer_offset,
        );
    }
    println!("\nConsume TPS: {:.2}\nDiff Total: {}", stats.consume_tps, diff_total(&stats));
    Ok(())
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

async fn all_groups(admin: &AdminClient) -> Result<(), Failure> {
    println!(
        "{:<32}  {:<6}  {:<24} {:<5}  {:<14}  {:<7}  #Diff Total",
        "#Group", "#Count", "#Version", "#Type", "#Model", "#TPS"
    );
    for topic in admin.topic_list().await?.topic_list {
        let Some(group) = topic.strip_prefix(RETRY_PREFIX) else { continue };
        let stats = admin.consume_stats(group).await.unwrap_or_default();
        let connection = admin.consumer_connection(group).await.ok();
        let count = connection.as_ref().map_or(0, |c| c.connection_set.len());
        let (kind, model) = kind_and_model(connection.as_ref());
        println!(
            "{:<32}  {count:<6}  {:<24} {kind:<5}  {model:<14}  {:<7}  {}",
            cut(group, 32),
            lowest_version(connection.as_ref()),
            stats.consume_tps as i64,
            diff_total(&stats),
        );
    }
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
