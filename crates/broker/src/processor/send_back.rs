//! CONSUMER_SEND_MSG_BACK 36: a message that was consumed in vain is to come again later, or goes
//! to the group's dead letters (contract `broker.md` 11, `requests.md` 1.5).

use std::sync::Arc;

use rocketmq_protocol::body::SubscriptionGroupConfig;
use rocketmq_protocol::header::ConsumerSendMsgBackRequestHeader;
use rocketmq_protocol::message::{RecordView, properties, property};
use rocketmq_protocol::topic::{self, DLQ_PREFIX, FAQ, RETRY_PREFIX, permission};
use rocketmq_protocol::{ResponseCode, version};
use rocketmq_remoting::{Call, Response};
use rocketmq_store::{PutError, PutMessage};

use super::kept::{Kept, Wait, when_kept};
use super::send::{any_queue, create_topic};
use super::{Refusal, failed, refuse, respond};
use crate::context::{BrokerContext, Settings};
use crate::schedule::{copy_of, divert, set};
use crate::table::Pending;

/// Added to the number of vain tries for the level of the next delay.
const FIRST_RETRY_LEVEL: i32 = 3;
/// Queues of a group's dead-letter topic.
const DLQ_QUEUES: i32 = 1;

/// What the answer waits for.
struct SentBack {
    wait: Wait,
    new_topic: Option<Pending>,
}

/// Handles CONSUMER_SEND_MSG_BACK.
pub fn send_back(context: &BrokerContext, call: Call<'_>) {
    let sent_back = match accept(context, &call) {
        Ok(Some(sent_back)) => sent_back,
        Ok(None) => return respond(call, Ok(None)),
        Err(refusal) => return respond(call, Err(refusal)),
    };
    if sent_back.wait.is_none() && sent_back.new_topic.is_none() {
        return respond(call, Ok(None));
    }
    let deferred = call.defer();
    when_kept(context, sent_back.wait, sent_back.new_topic, move |kept| match kept {
        // Java never hears of the slave here, and calls it done.
        Kept::Yes | Kept::NoReplica | Kept::ReplicaTimedOut => {
            deferred.respond(Response::success())
        }
        // Everything but PUT_OK is an error here.
        Kept::FlushTimedOut => {
            deferred.respond(Response::error(ResponseCode::SYSTEM_ERROR, "FLUSH_DISK_TIMEOUT"));
        }
        Kept::No(code, text) => deferred.respond(Response::error(code, &text)),
    });
}

/// Checks in Java's order and puts the message; nothing when the group wants no retries.
fn accept(context: &BrokerContext, call: &Call<'_>) -> Result<Option<SentBack>, Refusal> {
    let header = ConsumerSendMsgBackRequestHeader::decode(call.frame.fields())?;
    let settings = context.settings();
    let auto = settings.broker.auto_create_subscription_group;
    let Some(group) = context.groups.get_or_create(&header.group, auto) else {
        let text = format!("subscription group not exist, {} {FAQ}", header.group);
        return Err(refuse(ResponseCode::SUBSCRIPTION_GROUP_NOT_EXIST, text));
    };
    if settings.broker.broker_permission & permission::WRITE == 0 {
        let ip = &settings.broker.broker_ip1;
        let text = format!("the broker[{ip}] sending message is forbidden");
        return Err(refuse(ResponseCode::NO_PERMISSION, text));
    }
    if group.retry_queue_nums <= 0 {
        return Ok(None);
    }
    let topic = format!("{RETRY_PREFIX}{}", header.group);
    let both = permission::READ | permission::WRITE;
    let config = create_topic(context, &topic, group.retry_queue_nums, both)?;
    if config.perm & permission::WRITE == 0 {
        let text = format!("the topic[{topic}] sending message is forbidden");
        return Err(refuse(ResponseCode::NO_PERMISSION, text));
    }
    let record = context.store.look_up(header.offset);
    let record = record.as_deref().and_then(|bytes| RecordView::parse(bytes).ok());
    let Some(record) = record else {
        return Err(failed(format!("look message by offset failed, {}", header.offset)));
    };
    let version = call.frame.version;
    let sent_max = header.max_reconsume_times.filter(|_| version >= version::V3_4_9);
    let max = sent_max.unwrap_or(group.retry_max_times);
    let is_dead = record.reconsume_times >= max || header.delay_level < 0;
    let put = if is_dead {
        let topic = format!("{DLQ_PREFIX}{}", header.group);
        create_topic(context, &topic, DLQ_QUEUES, both)?;
        put(context, &settings, &record, &topic, any_queue(DLQ_QUEUES), 0)
    } else {
        let level = match header.delay_level {
            0 => FIRST_RETRY_LEVEL.saturating_add(record.reconsume_times),
            level => level,
        };
        put(context, &settings, &record, &topic, any_queue(group.retry_queue_nums), level)
    };
    let sent_back = put.map_err(|error| failed(format!("{}: {error}", status_name(&error))))?;
    count(context, &record, &group);
    Ok(Some(sent_back))
}

/// Puts the message in a retry or dead-letter topic, by way of the schedule topic if it is to wait.
fn put(
    context: &BrokerContext,
    settings: &Arc<Settings>,
    record: &RecordView<'_>,
    topic: &str,
    queue_id: i32,
    level: i32,
) -> Result<SentBack, PutError> {
    let mut stored = record.properties.to_vec();
    if properties::get(&stored, property::RETRY_TOPIC).is_none() {
        properties::append_bytes(&mut stored, property::RETRY_TOPIC, record.topic);
    }
    if properties::get(&stored, property::ORIGIN_MESSAGE_ID).is_none() {
        let id = record.offset_msg_id();
        properties::append_bytes(&mut stored, property::ORIGIN_MESSAGE_ID, id.as_bytes());
    }
    set(&mut stored, property::WAIT, b"false");
    set(&mut stored, property::DELAY, level.to_string().as_bytes());
    let waits_in = divert(context.schedule.levels(), level, topic, queue_id, &mut stored);
    let (topic_now, queue_now) = match waits_in {
        Some(queue) => (topic::SCHEDULE, queue),
        None => (topic, queue_id),
    };
    let put = context.store.put(&PutMessage {
        reconsume_times: record.reconsume_times.saturating_add(1),
        ..copy_of(record, topic_now, queue_now, &stored)
    })?;
    if waits_in.is_some() {
        context.stats.wait(queue_now, put.end_offset - put.physical_offset);
    }
    // Java waits for neither disk nor slave here (WAIT is false), and so may lose a message that
    // the consumer has done with.
    Ok(SentBack {
        wait: Wait::by(settings, put.end_offset),
        new_topic: context.topics.pending_of(topic),
    })
}

fn count(context: &BrokerContext, record: &RecordView<'_>, group: &SubscriptionGroupConfig) {
    let origin = properties::get_text(record.properties, property::RETRY_TOPIC);
    let topic = origin.unwrap_or_else(|| record.topic_text());
    context.stats.send_back(topic, &group.group_name);
}

/// Java's `PutMessageStatus` of a message that was not stored.
fn status_name(error: &PutError) -> &'static str {
    match error {
        PutError::CreateSegmentFailed(_) => "CREATE_MAPEDFILE_FAILED",
        PutError::MessageIllegal(_) | PutError::BatchSizeExceeded => "MESSAGE_ILLEGAL",
        PutError::PropertiesSizeExceeded(_) => "PROPERTIES_SIZE_EXCEEDED",
        PutError::ServiceNotAvailable(_) => "SERVICE_NOT_AVAILABLE",
        PutError::PageCacheBusy => "OS_PAGECACHE_BUSY",
    }
}
