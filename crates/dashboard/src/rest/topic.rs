//! `topic/*`.

use std::collections::BTreeMap;

use rocketmq_client::{Message, SendResult};
use rocketmq_protocol::body::{TopicConfig, TopicRouteData};
use rocketmq_protocol::topic::{DLQ_PREFIX, RETRY_PREFIX};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{broker, consumer};
use crate::answer::{Classic, Failure};
use crate::app::{Body, ClassicResult, Ctx, Params};

/// Group under which the dashboard sends, as in 1.0.0.
const SENDER: &str = "SELF_TEST_P_GROUP";
/// Marks system topics in lists.
const SYSTEM_MARK: &str = "%SYS%";

pub(super) async fn list(ctx: Ctx, params: Params) -> ClassicResult {
    let (skip_system, skip_groups) =
        (params.flag("skipSysProcess"), params.flag("skipRetryAndDlq"));
    let all = ctx.admin().topic_list().await?;
    let system = ctx.admin().name_server_system_topics().await?;
    let mut marked = system.topic_list;
    if let Some(address) = &system.broker_addr {
        marked.extend(ctx.admin().system_topics(address).await?);
    }
    let keep = |topic: &String| {
        !skip_groups || !(topic.starts_with(RETRY_PREFIX) || topic.starts_with(DLQ_PREFIX))
    };
    let name = |topic: String| {
        if !skip_system && marked.contains(&topic) {
            format!("{SYSTEM_MARK}{topic}")
        } else {
            topic
        }
    };
    let topics: Vec<String> = all.topic_list.into_iter().filter(keep).map(name).collect();
    Ok(Classic::of(json!({"topicList": topics, "brokerAddr": null}))?)
}

pub(super) async fn stats(ctx: Ctx, params: Params) -> ClassicResult {
    let table = ctx.admin().topic_stats(params.get("topic")?).await?;
    let offsets: BTreeMap<String, Value> = table
        .offset_table
        .iter()
        .map(|(queue, offset)| {
            let offset = json!({
                "minOffset": offset.min_offset,
                "maxOffset": offset.max_offset,
                "lastUpdateTimestamp": offset.last_update_timestamp,
            });
            (queue.to_string(), offset)
        })
        .collect();
    Ok(Classic::of(json!({"offsetTable": offsets}))?)
}

pub(super) async fn route(ctx: Ctx, params: Params) -> ClassicResult {
    Ok(Classic::of(route_value(&ctx.admin().topic_route(params.get("topic")?).await?))?)
}

fn route_value(route: &TopicRouteData) -> Value {
    let queues: Vec<Value> = route
        .queue_datas
        .iter()
        .map(|queue| {
            json!({
                "brokerName": queue.broker_name,
                "readQueueNums": queue.read_queue_nums,
                "writeQueueNums": queue.write_queue_nums,
                "perm": queue.perm,
                "topicSysFlag": queue.topic_sys_flag,
            })
        })
        .collect();
    let brokers: Vec<Value> = route.broker_datas.iter().map(|data| {
        let addresses: BTreeMap<String, &String> =
            data.broker_addrs.iter().map(|(id, address)| (id.to_string(), address)).collect();
        json!({"cluster": data.cluster, "brokerName": data.broker_name, "brokerAddrs": addresses})
    }).collect();
    json!({
        "orderTopicConf": route.order_topic_conf,
        "queueDatas": queues,
        "brokerDatas": brokers,
        "filterServerTable": route.filter_server_table,
    })
}

/// What creates or changes a topic.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct TopicRequest {
    cluster_name_list: Option<Vec<String>>,
    broker_name_list: Option<Vec<String>>,
    topic_name: String,
    write_queue_nums: i32,
    read_queue_nums: i32,
    perm: i32,
    order: bool,
}

pub(super) async fn config(ctx: Ctx, params: Params) -> ClassicResult {
    let topic = params.get("topic")?;
    let route = ctx.admin().topic_route(topic).await?;
    let mut found = Vec::new();
    for data in &route.broker_datas {
        let Some(address) = data.any_address() else { continue };
        let table = ctx.admin().all_topic_config(address).await?;
        let Some(config) = table.topic_config_table.get(topic) else { continue };
        found.push(TopicRequest {
            cluster_name_list: None,
            broker_name_list: Some(vec![data.broker_name.clone()]),
            topic_name: config.topic_name.clone(),
            write_queue_nums: config.write_queue_nums,
            read_queue_nums: config.read_queue_nums,
            perm: config.perm,
            order: config.order,
        });
    }
    Ok(Classic::of(found)?)
}

pub(super) async fn create(ctx: Ctx, Body(request): Body<TopicRequest>) -> ClassicResult {
    let done = create_on(&ctx, &request).await;
    ctx.note("create or update topic", &request.topic_name, &done);
    done?;
    Ok(Classic::done()?)
}

async fn create_on(ctx: &Ctx, request: &TopicRequest) -> Result<(), Failure> {
    if request.topic_name.trim().is_empty() {
        return Err(Failure::invalid("topicName can not be blank"));
    }
    let info = ctx.admin().cluster_info().await?;
    let config = TopicConfig {
        read_queue_nums: request.read_queue_nums,
        write_queue_nums: request.write_queue_nums,
        order: request.order,
        ..TopicConfig::new(request.topic_name.trim(), request.read_queue_nums, request.perm)
    };
    let (clusters, brokers) = (&request.cluster_name_list, &request.broker_name_list);
    let masters = broker::masters(
        &info,
        clusters.as_deref().unwrap_or_default(),
        brokers.as_deref().unwrap_or_default(),
    )?;
    for (_, address) in masters {
        ctx.admin().create_topic(&address, &config).await?;
    }
    Ok(())
}

pub(super) async fn consumers(ctx: Ctx, params: Params) -> ClassicResult {
    let topic = params.get("topic")?;
    let mut found = BTreeMap::new();
    for group in ctx.admin().topic_consumer_groups(topic).await? {
        let stats = ctx.admin().consume_stats(&group, Some(topic)).await;
        let rows = match stats {
            Ok(stats) => consumer::rows_by_topic(&ctx, &group, &stats).await,
            Err(_) => Vec::new(),
        };
        let row = rows.into_iter().find(|row| row["topic"] == *topic);
        found.insert(group, row.unwrap_or_else(|| consumer::empty_row(topic)));
    }
    Ok(Classic::of(found)?)
}

pub(super) async fn groups(ctx: Ctx, params: Params) -> ClassicResult {
    let groups = ctx.admin().topic_consumer_groups(params.get("topic")?).await?;
    Ok(Classic::of(json!({"groupList": groups}))?)
}

/// What sends a test message.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct SendRequest {
    topic: String,
    tag: Option<String>,
    key: Option<String>,
    message_body: String,
    trace_enabled: bool,
}

pub(super) async fn send(ctx: Ctx, Body(request): Body<SendRequest>) -> ClassicResult {
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    let mut message = Message::new(request.topic.clone(), request.message_body);
    if let Some(tag) = given(request.tag) {
        message = message.with_tags(tag);
    }
    if let Some(key) = given(request.key) {
        message = message.with_keys(key);
    }
    let sent = send_one(&ctx, message, request.trace_enabled).await;
    ctx.note("send message", &request.topic, &sent);
    Ok(Classic::of(send_result(&sent?))?)
}

/// Sends one message through a producer of its own.
pub(crate) async fn send_one(
    ctx: &Ctx,
    message: Message,
    traced: bool,
) -> Result<SendResult, Failure> {
    let mut builder = ctx.admin().producer(SENDER);
    if traced {
        builder = builder.trace(None);
    }
    let producer = builder.start().await?;
    let sent = producer.send(message).await;
    producer.shutdown().await;
    Ok(sent?)
}

fn send_result(sent: &SendResult) -> Value {
    json!({
        "sendStatus": sent.status.name(),
        "msgId": sent.msg_id,
        "messageQueue": sent.message_queue,
        "queueOffset": sent.queue_offset,
        "transactionId": null,
        "offsetMsgId": sent.offset_msg_id,
        "regionId": "DefaultRegion",
        "traceOn": true,
    })
}

pub(super) async fn delete(ctx: Ctx, params: Params) -> ClassicResult {
    let topic = params.get("topic")?;
    let done = delete_topic(&ctx, topic, params.find("clusterName")).await;
    ctx.note("delete topic", topic, &done);
    done?;
    Ok(Classic::done()?)
}

/// Deletes a topic on every master of a cluster, or of all, and on the name servers.
pub(crate) async fn delete_topic(
    ctx: &Ctx,
    topic: &str,
    cluster: Option<&str>,
) -> Result<(), Failure> {
    let info = ctx.admin().cluster_info().await?;
    let clusters: Vec<String> = match cluster {
        Some(name) => vec![name.to_string()],
        None => info.cluster_addr_table.keys().cloned().collect(),
    };
    for (_, address) in broker::masters(&info, &clusters, &[])? {
        ctx.admin().delete_topic_in_broker(&address, topic).await?;
    }
    ctx.admin().delete_topic_in_name_servers(topic).await?;
    Ok(())
}

pub(super) async fn delete_on_broker(ctx: Ctx, params: Params) -> ClassicResult {
    let (topic, name) = (params.get("topic")?, params.get("brokerName")?);
    let done = delete_on(&ctx, topic, name).await;
    ctx.note("delete topic on broker", &format!("{topic} {name}"), &done);
    done?;
    Ok(Classic::done()?)
}

async fn delete_on(ctx: &Ctx, topic: &str, name: &str) -> Result<(), Failure> {
    let info = ctx.admin().cluster_info().await?;
    for (_, address) in broker::masters(&info, &[], &[name.to_string()])? {
        ctx.admin().delete_topic_in_broker(&address, topic).await?;
    }
    Ok(())
}
