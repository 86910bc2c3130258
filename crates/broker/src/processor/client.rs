//! Clients: codes 34, 35, 38, 41, 42, 46 (contract `requests.md` 3).

use std::sync::Arc;

use rocketmq_common::clock;
use rocketmq_protocol::body::{
    CheckClientBody, ConsumerIdList, HeartbeatData, LockBatchBody, LockOkBody, SubscriptionData,
    TopicConfig,
};
use rocketmq_protocol::header::{ConsumerGroupRequestHeader, UnregisterClientRequestHeader};
use rocketmq_protocol::topic::{RETRY_PREFIX, permission};
use rocketmq_protocol::{Frame, RequestCode, ResponseCode};
use rocketmq_remoting::{Call, Connection, Request};

use super::{Answer, Refusal, failed, json, parse, refuse, respond, respond_when_written, send};
use crate::LOGGER;
use crate::config::BrokerConfig;
use crate::consumers::{ClientChannel, Left};
use crate::context::BrokerContext;
use crate::filters::FilterData;

/// Bit of a topic's system flag: its subscribers are units.
const UNIT_SUBSCRIPTION: i32 = 2;

/// HEART_BEAT 34.
pub fn heartbeat(context: &BrokerContext, call: Call<'_>) {
    let outcome = heartbeat_inner(context, &call.frame, call.connection);
    respond_when_written(context, call, outcome.map(|()| None));
}

fn heartbeat_inner(
    context: &BrokerContext,
    frame: &Frame,
    connection: &Arc<Connection>,
) -> Result<(), Refusal> {
    let heartbeat: HeartbeatData = parse(frame.body())?;
    let settings = context.settings();
    let channel = ClientChannel {
        connection: Arc::clone(connection),
        client_id: heartbeat.client_id,
        language: frame.language,
        version: frame.version,
        last_update_ms: clock::monotonic_ms(),
    };
    for data in &heartbeat.consumer_data_set {
        let auto = settings.broker.auto_create_subscription_group;
        let group = context.groups.get_or_create(&data.group_name, auto);
        let mut notify = true;
        if let Some(group) = group {
            notify = group.notify_consumer_ids_changed_enable;
            let topic = format!("{RETRY_PREFIX}{}", data.group_name);
            if context.topics.get(&topic).is_none() {
                let perm = permission::READ | permission::WRITE;
                let mut config = TopicConfig::new(topic, group.retry_queue_nums, perm);
                config.topic_sys_flag = if data.unit_mode { UNIT_SUBSCRIPTION } else { 0 };
                send::ensure_topic(context, config);
            }
        }
        let changed = context.consumers.register(channel.clone(), data);
        context.filters.register(&data.group_name, &data.subscription_data_set);
        if changed && notify && settings.broker.notify_consumer_ids_changed_enable {
            notify_ids_changed(context, &data.group_name);
        }
    }
    for data in &heartbeat.producer_data_set {
        context.producers.register(&data.group_name, channel.clone());
    }
    Ok(())
}

/// Tells every member of a group that one came or went.
pub fn notify_ids_changed(context: &BrokerContext, group: &str) {
    let header = ConsumerGroupRequestHeader { consumer_group: group.into() };
    for connection in context.consumers.connections(group) {
        let request = Request::new(RequestCode::NOTIFY_CONSUMER_IDS_CHANGED).fields(&header);
        if let Err(error) = connection.send_oneway(request) {
            tracing::warn!(target: LOGGER, "notifyConsumerIdsChanged exception. group={group}, {error}");
        }
    }
}

/// Forgets a connection that ended, and tells the groups it was in.
pub fn connection_closed(context: &BrokerContext, connection: &Connection) {
    context.filter_servers.connection_closed(connection.id());
    context.producers.connection_closed(connection.id());
    for (group, left) in context.consumers.connection_closed(connection.id()) {
        group_left(context, &group, left);
    }
}

/// Tells the members that are left, or ends what was kept for a group that is gone.
fn group_left(context: &BrokerContext, group: &str, left: Left) {
    match left {
        Left::Others => notify_if_enabled(context, group),
        Left::Nobody => context.filters.unregister(group),
        Left::Unknown => {}
    }
}

fn notify_if_enabled(context: &BrokerContext, group: &str) {
    let settings = context.settings();
    let config = context.groups.get_or_create(group, false);
    let of_group = config.is_none_or(|config| config.notify_consumer_ids_changed_enable);
    if of_group && settings.broker.notify_consumer_ids_changed_enable {
        notify_ids_changed(context, group);
    }
}

/// UNREGISTER_CLIENT 35.
pub fn unregister(context: &BrokerContext, call: Call<'_>) {
    let connection_id = call.connection.id();
    let outcome = UnregisterClientRequestHeader::decode(call.frame.fields()).map(|header| {
        if let Some(group) = &header.producer_group {
            context.producers.unregister(group, connection_id);
        }
        if let Some(group) = &header.consumer_group {
            group_left(context, group, context.consumers.unregister(group, connection_id));
        }
    });
    respond(call, outcome.map(|()| None).map_err(Refusal::from));
}

/// GET_CONSUMER_LIST_BY_GROUP 38.
pub fn consumer_list(context: &BrokerContext, frame: &Frame) -> Answer {
    let header = ConsumerGroupRequestHeader::decode(frame.fields())?;
    let consumer_id_list = context.consumers.client_ids(&header.consumer_group);
    if consumer_id_list.is_empty() {
        return Err(failed(format!("no consumer for this group, {}", header.consumer_group)));
    }
    json(&ConsumerIdList { consumer_id_list })
}

/// CHECK_CLIENT_CONFIG 46.
pub fn check_config(context: &BrokerContext, frame: &Frame) -> Answer {
    let body: CheckClientBody = parse(frame.body())?;
    let sent = &body.subscription_data;
    if sent.is_tag_type() {
        return Ok(None);
    }
    served_type(&context.settings().broker, sent)?;
    match FilterData::compile(&body.group, sent) {
        Ok(_) => Ok(None),
        Err(error) => Err(refuse(ResponseCode::SUBSCRIPTION_PARSE_FAILED, error.to_string())),
    }
}

/// Whether subscriptions by expression are served at all.
pub(crate) fn served_type(broker: &BrokerConfig, sent: &SubscriptionData) -> Result<(), Refusal> {
    if broker.enable_property_filter {
        return Ok(());
    }
    let kind = &sent.expression_type;
    Err(failed(format!(
        "The broker does not support consumer to filter message by {kind}; set enablePropertyFilter=true in the broker's configuration"
    )))
}

/// LOCK_BATCH_MQ 41.
pub fn lock(context: &BrokerContext, frame: &Frame) -> Answer {
    let body: LockBatchBody = parse(frame.body())?;
    let now = clock::monotonic_ms();
    let held = context.locks.lock(&body.consumer_group, &body.client_id, body.mq_set, now);
    json(&LockOkBody { lock_ok_mq_set: held })
}

/// UNLOCK_BATCH_MQ 42.
pub fn unlock(context: &BrokerContext, frame: &Frame) -> Answer {
    let body: LockBatchBody = parse(frame.body())?;
    context.locks.unlock(&body.consumer_group, &body.client_id, &body.mq_set);
    Ok(None)
}
