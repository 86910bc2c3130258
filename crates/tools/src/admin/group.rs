//! updateSubGroup, deleteSubGroup, getConsumerConfig.

use std::collections::BTreeMap;

use rocketmq_protocol::body::SubscriptionGroupConfig;
use rocketmq_protocol::topic::{DLQ_PREFIX, RETRY_PREFIX};

use super::command::{Command, Session};
use super::failure::Failure;
use super::topic::delete_topic_named;
use crate::options::{Given, optional, required};
use crate::out::{json, out, outln};

pub(crate) const UPDATE_SUB_GROUP: Command = Command {
    name: "updateSubGroup",
    class: "UpdateSubGroupSubCommand",
    description: "Update or create subscription group",
    options: &[
        optional("b", "brokerAddr", "create subscription group to which broker"),
        optional("c", "clusterName", "create subscription group to which cluster"),
        required("g", "groupName", "consumer group name"),
        optional("s", "consumeEnable", "consume enable"),
        optional("m", "consumeFromMinEnable", "from min offset"),
        optional("d", "consumeBroadcastEnable", "broadcast"),
        optional("q", "retryQueueNums", "retry queue nums"),
        optional("r", "retryMaxTimes", "retry max times"),
        optional("i", "brokerId", "consumer from which broker id"),
        optional("w", "whichBrokerWhenConsumeSlowly", "which broker id when consume slowly"),
        optional("a", "notifyConsumerIdsChanged", "notify consumerId changed"),
    ],
    run: |session| Box::pin(update_sub_group(session)),
};

pub(crate) const DELETE_SUB_GROUP: Command = Command {
    name: "deleteSubGroup",
    class: "DeleteSubscriptionGroupCommand",
    description: "Delete subscription group from broker.",
    options: &[
        optional("b", "brokerAddr", "delete subscription group from which broker"),
        optional("c", "clusterName", "delete subscription group from which cluster"),
        required("g", "groupName", "subscription group name"),
        optional("r", "removeOffset", "remove offset"),
    ],
    run: |session| Box::pin(delete_sub_group(session)),
};

pub(crate) const GET_CONSUMER_CONFIG: Command = Command {
    name: "getConsumerConfig",
    class: "GetConsumerConfigSubCommand",
    description: "Get consumer config by subscription group name!",
    options: &[required("g", "groupName", "subscription group name")],
    run: |session| Box::pin(get_consumer_config(session)),
};

async fn update_sub_group(session: &Session) -> Result<(), Failure> {
    let given = &session.given;
    let is =
        |short: &str, default: bool| if given.has(short) { given.is_true(short) } else { default };
    let config = SubscriptionGroupConfig {
        group_name: given.text("g").to_string(),
        consume_enable: is("s", true),
        consume_from_min_enable: is("m", false),
        consume_broadcast_enable: is("d", false),
        retry_queue_nums: given.number("q", 1)?,
        retry_max_times: given.number("r", 16)?,
        broker_id: given.number("i", 0)?,
        which_broker_when_consume_slowly: given.number("w", 1)?,
        notify_consumer_ids_changed_enable: is("a", true),
    };
    for address in session.targets().await? {
        session.admin.create_subscription_group(&address, &config).await?;
        outln!("create subscription group to {address} success.");
    }
    out!("{config}");
    Ok(())
}

async fn delete_sub_group(session: &Session) -> Result<(), Failure> {
    let Session { admin, given, .. } = session;
    let (group, remove_offset) = (given.text("g"), given.is_true("r"));
    let targets = session.targets().await?;
    let cluster = match (given.has("b"), given.get("c")) {
        (false, Some(cluster)) => Some(cluster),
        _ => None,
    };
    let place = cluster.map(|cluster| format!(" in cluster [{cluster}]")).unwrap_or_default();
    for address in &targets {
        admin.delete_subscription_group(address, group, remove_offset).await?;
        outln!("delete subscription group [{group}] from broker [{address}]{place} success.");
    }
    let Some(cluster) = cluster else { return Ok(()) };
    for prefix in [RETRY_PREFIX, DLQ_PREFIX] {
        if let Err(failure) =
            delete_topic_named(session, &format!("{prefix}{group}"), cluster).await
        {
            session.complain(failure);
            break;
        }
    }
    Ok(())
}

async fn get_consumer_config(session: &Session) -> Result<(), Failure> {
    let Session { admin, given, .. } = session;
    let info = session.cluster_info().await?;
    let mut found = BTreeMap::new();
    for (name, data) in &info.broker_addr_table {
        let Some(address) = data.any_address() else { continue };
        let groups = admin.all_subscription_groups(address).await?;
        let Some(config) = groups.subscription_group_table.get(given.text("g")) else { continue };
        let mut clusters = info.cluster_addr_table.iter();
        let cluster = clusters.find(|(_, names)| names.contains(name)).map(|(cluster, _)| cluster);
        let title = format!("{}:{name}", cluster.map(String::as_str).unwrap_or_default());
        found.insert(title, config.clone());
    }
    print_configs(given, &found);
    Ok(())
}

fn print_configs(given: &Given, found: &BTreeMap<String, SubscriptionGroupConfig>) {
    if given.json() {
        json(found);
        return;
    }
    for (title, config) in found {
        let line = "=".repeat(29);
        outln!("{line}{title}{line}");
        let row = |name: &str, value: String| outln!("{name:<40}=  {value}");
        row("groupName", config.group_name.clone());
        row("consumeEnable", config.consume_enable.to_string());
        row("consumeFromMinEnable", config.consume_from_min_enable.to_string());
        row("consumeBroadcastEnable", config.consume_broadcast_enable.to_string());
        row("retryQueueNums", config.retry_queue_nums.to_string());
        row("retryMaxTimes", config.retry_max_times.to_string());
        row("brokerId", config.broker_id.to_string());
        let slow = config.which_broker_when_consume_slowly;
        row("whichBrokerWhenConsumeSlowly", slow.to_string());
        let notify = config.notify_consumer_ids_changed_enable;
        row("notifyConsumerIdsChangedEnable", notify.to_string());
    }
}
