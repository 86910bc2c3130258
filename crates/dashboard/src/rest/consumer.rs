//! `consumer/*` and `producer/*`.

use std::collections::{BTreeMap, BTreeSet};

use rocketmq_client::MessageQueue;
use rocketmq_protocol::body::{
    Connection, ConsumeStats, ConsumerConnection, ConsumerRunningInfo, SubscriptionData,
    SubscriptionGroupConfig,
};
use rocketmq_protocol::version;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::broker;
use crate::answer::{Classic, Failure};
use crate::app::{Body, ClassicResult, Ctx, Params};
use crate::live::GroupState;
use crate::members;
use crate::reset::{self, Target};

pub(super) async fn list(ctx: Ctx) -> ClassicResult {
    let snapshot = ctx.cluster.live.look().await;
    if let (Some(error), true) = (&snapshot.error, snapshot.groups.is_empty()) {
        return Err(Failure::invalid(error.clone()).into());
    }
    let mut groups: Vec<_> = snapshot.groups.iter().collect();
    // 1.0.0's order: most members first, then most lag.
    groups.sort_by_key(|(_, group)| {
        let members = group.connection.as_ref().map_or(0, |found| found.connection_set.len());
        std::cmp::Reverse((members, group.lag().unwrap_or(-1)))
    });
    let rows: Vec<Value> = groups.iter().map(|(name, group)| group_row(name, group)).collect();
    Ok(Classic::of(rows)?)
}

/// A row of the list of groups.
fn group_row(name: &str, group: &GroupState) -> Value {
    let connection = group.connection.as_ref();
    json!({
        "group": name,
        "version": connection.map(lowest_version),
        "count": connection.map_or(0, |connection| connection.connection_set.len()),
        "consumeType": connection.map(|connection| connection.consume_type),
        "messageModel": connection.map(|connection| connection.message_model),
        "consumeTps": group.out_tps as i64,
        "diffTotal": group.lag().unwrap_or(-1),
    })
}

/// The name of the oldest version among the members.
pub(crate) fn lowest_version(connection: &ConsumerConnection) -> String {
    let versions = connection.connection_set.iter().map(|member| member.version);
    version::describe(versions.min().unwrap_or(0))
}

pub(super) async fn one(ctx: Ctx, params: Params) -> ClassicResult {
    let group = params.get("consumerGroup")?;
    let mut state = GroupState::default();
    if let Ok(stats) = ctx.admin().consume_stats(group, None).await {
        state.out_tps = stats.consume_tps;
        state.offsets = stats.offset_table;
    }
    state.connection = ctx.admin().consumer_connection(group).await.ok();
    Ok(Classic::of(group_row(group, &state))?)
}

/// Brokers that have a group, with its settings there.
async fn configs(
    ctx: &Ctx,
    group: &str,
) -> Result<Vec<(String, SubscriptionGroupConfig)>, Failure> {
    let info = ctx.admin().cluster_info().await?;
    let mut found = Vec::new();
    for data in info.broker_addr_table.values() {
        let Some(address) = data.any_address() else { continue };
        let mut table =
            ctx.admin().all_subscription_groups(address).await?.subscription_group_table;
        if let Some(config) = table.remove(group) {
            found.push((data.broker_name.clone(), config));
        }
    }
    Ok(found)
}

/// A group's settings on some brokers; also what creates or changes them.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct GroupRequest {
    cluster_name_list: Option<Vec<String>>,
    broker_name_list: Option<Vec<String>>,
    subscription_group_config: SubscriptionGroupConfig,
}

pub(super) async fn config(ctx: Ctx, params: Params) -> ClassicResult {
    let found = configs(&ctx, params.get("consumerGroup")?).await?;
    let rows: Vec<GroupRequest> = found
        .into_iter()
        .map(|(name, config)| GroupRequest {
            cluster_name_list: None,
            broker_name_list: Some(vec![name]),
            subscription_group_config: config,
        })
        .collect();
    Ok(Classic::of(rows)?)
}

pub(super) async fn brokers(ctx: Ctx, params: Params) -> ClassicResult {
    let found = configs(&ctx, params.get("consumerGroup")?).await?;
    let names: BTreeSet<String> = found.into_iter().map(|(name, _)| name).collect();
    Ok(Classic::of(names)?)
}

pub(super) async fn topics(ctx: Ctx, params: Params) -> ClassicResult {
    let group = params.get("consumerGroup")?;
    let stats = ctx.admin().consume_stats(group, None).await?;
    Ok(Classic::of(rows_by_topic(&ctx, group, &stats).await)?)
}

/// A topic without progress.
pub(super) fn empty_row(topic: &str) -> Value {
    json!({"topic": topic, "diffTotal": -1, "lastTimestamp": -1, "queueStatInfoList": []})
}

/// A group's progress, topic by topic, with the owners of the queues.
pub(super) async fn rows_by_topic(ctx: &Ctx, group: &str, stats: &ConsumeStats) -> Vec<Value> {
    let owners = owners(ctx, group).await;
    let mut topics: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    let mut sums: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
    for (queue, offset) in &stats.offset_table {
        topics.entry(&queue.topic).or_default().push(json!({
            "brokerName": queue.broker_name,
            "queueId": queue.queue_id,
            "brokerOffset": offset.broker_offset,
            "consumerOffset": offset.consumer_offset,
            "clientInfo": owners.get(queue),
            "lastTimestamp": offset.last_timestamp,
        }));
        let sum = sums.entry(&queue.topic).or_insert((0, -1));
        *sum = (sum.0 + offset.diff(), sum.1.max(offset.last_timestamp));
    }
    let row = |(topic, queues): (&str, Vec<Value>)| {
        let (diff, last) = sums.get(topic).copied().unwrap_or((-1, -1));
        json!({"topic": topic, "diffTotal": diff, "lastTimestamp": last, "queueStatInfoList": queues})
    };
    topics.into_iter().map(row).collect()
}

/// Which member has which queue, as far as they answer.
pub(crate) async fn owners(ctx: &Ctx, group: &str) -> BTreeMap<MessageQueue, String> {
    let Ok(connection) = ctx.admin().consumer_connection(group).await else {
        return BTreeMap::new();
    };
    let answers =
        members::ask(ctx.admin(), group, &connection.connection_set, members::PATIENCE).await;
    let mut found = BTreeMap::new();
    for (client_id, info) in answers {
        for queue in info.iter().flat_map(|info| info.mq_table.keys()) {
            found.insert(queue.clone(), client_id.clone());
        }
    }
    found
}

/// A member, with its version's name as the page shows it.
fn member(connection: &Connection) -> Value {
    json!({
        "clientId": connection.client_id,
        "clientAddr": connection.client_addr,
        "language": connection.language,
        "version": connection.version,
        "versionDesc": version::describe(connection.version),
    })
}

pub(super) async fn connection(ctx: Ctx, params: Params) -> ClassicResult {
    let connection = ctx.admin().consumer_connection(params.get("consumerGroup")?).await?;
    let members: Vec<Value> = connection.connection_set.iter().map(member).collect();
    let subscriptions: BTreeMap<&String, Value> = connection
        .subscription_table
        .iter()
        .map(|(topic, subscription)| (topic, subscription_value(subscription)))
        .collect();
    Ok(Classic::of(json!({
        "connectionSet": members,
        "subscriptionTable": subscriptions,
        "consumeType": connection.consume_type,
        "messageModel": connection.message_model,
        "consumeFromWhere": connection.consume_from_where,
    }))?)
}

pub(super) async fn producer_connection(ctx: Ctx, params: Params) -> ClassicResult {
    let found =
        ctx.admin().producer_connection(params.get("producerGroup")?, params.get("topic")?).await?;
    let members: Vec<Value> = found.connection_set.iter().map(member).collect();
    Ok(Classic::of(json!({"connectionSet": members}))?)
}

pub(super) async fn running_info(ctx: Ctx, params: Params) -> ClassicResult {
    let (group, client) = (params.get("consumerGroup")?, params.get("clientId")?);
    let info = ctx.admin().consumer_running_info(group, client, params.flag("jstack")).await?;
    Ok(Classic::of(running_info_value(&info))?)
}

/// A subscription with the member that Java always leaves null.
fn subscription_value(subscription: &SubscriptionData) -> Value {
    let mut value = json!(subscription);
    value["filterClassSource"] = Value::Null;
    value
}

/// The inside of a consumer; queues are named as Java's maps name them.
pub(crate) fn running_info_value(info: &ConsumerRunningInfo) -> Value {
    let queues: BTreeMap<String, _> =
        info.mq_table.iter().map(|(queue, state)| (queue.to_string(), state)).collect();
    json!({
        "properties": info.properties,
        "subscriptionSet": info.subscription_set.iter().map(subscription_value).collect::<Vec<_>>(),
        "mqTable": queues,
        "statusTable": info.status_table,
        "jstack": info.jstack,
    })
}

pub(super) async fn create(ctx: Ctx, Body(request): Body<GroupRequest>) -> ClassicResult {
    let done = create_on(&ctx, &request).await;
    ctx.note("create or update group", &request.subscription_group_config.group_name, &done);
    done?;
    Ok(Classic::done()?)
}

async fn create_on(ctx: &Ctx, request: &GroupRequest) -> Result<(), Failure> {
    if request.subscription_group_config.group_name.trim().is_empty() {
        return Err(Failure::invalid("groupName can not be blank"));
    }
    let info = ctx.admin().cluster_info().await?;
    let (clusters, brokers) = (&request.cluster_name_list, &request.broker_name_list);
    let masters = broker::masters(
        &info,
        clusters.as_deref().unwrap_or_default(),
        brokers.as_deref().unwrap_or_default(),
    )?;
    for (_, address) in masters {
        ctx.admin().create_subscription_group(&address, &request.subscription_group_config).await?;
    }
    Ok(())
}

/// What deletes a group.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct DeleteRequest {
    group_name: String,
    broker_name_list: Option<Vec<String>>,
}

pub(super) async fn delete(ctx: Ctx, Body(request): Body<DeleteRequest>) -> ClassicResult {
    let brokers = request.broker_name_list.unwrap_or_default();
    let done = delete_group(&ctx, &request.group_name, &brokers, false).await;
    ctx.note("delete group", &request.group_name, &done);
    done?;
    Ok(Classic::done()?)
}

/// Deletes a group on these brokers.
pub(crate) async fn delete_group(
    ctx: &Ctx,
    group: &str,
    brokers: &[String],
    with_offsets: bool,
) -> Result<(), Failure> {
    let info = ctx.admin().cluster_info().await?;
    for (_, address) in broker::masters(&info, &[], brokers)? {
        ctx.admin().delete_subscription_group(&address, group, with_offsets).await?;
    }
    Ok(())
}

/// What resets a group or skips its backlog.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
pub(super) struct ResetRequest {
    consumer_group_list: Vec<String>,
    topic: String,
    reset_time: i64,
    force: bool,
}

pub(super) async fn reset(ctx: Ctx, Body(request): Body<ResetRequest>) -> ClassicResult {
    reset_all(&ctx, &request, Target::from_time(request.reset_time)).await
}

pub(super) async fn skip(ctx: Ctx, Body(request): Body<ResetRequest>) -> ClassicResult {
    reset_all(&ctx, &request, Target::End).await
}

async fn reset_all(ctx: &Ctx, request: &ResetRequest, target: Target) -> ClassicResult {
    let mut answer = BTreeMap::new();
    for group in &request.consumer_group_list {
        let done = reset::act(ctx.admin(), group, &request.topic, target, request.force).await;
        ctx.note("reset offsets", &format!("{group} {} {target:?}", request.topic), &done);
        let row = match done {
            Ok(done) => {
                let queues: Vec<Value> = done
                    .queues
                    .iter()
                    .map(|queue| {
                        json!({
                            "brokerName": queue.broker,
                            "queueId": queue.queue_id,
                            "brokerOffset": queue.max,
                            "consumerOffset": queue.from,
                            "timestampOffset": queue.to,
                            "rollbackOffset": queue.to,
                        })
                    })
                    .collect();
                json!({"status": true, "errMsg": null, "rollbackStatsList": queues})
            }
            Err(failure) => {
                json!({"status": false, "errMsg": failure.message(), "rollbackStatsList": []})
            }
        };
        answer.insert(group.clone(), row);
    }
    Ok(Classic::of(answer)?)
}
