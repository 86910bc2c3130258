//! Offsets: codes 14, 15, 29, 30, 31, 32, 43, 45, 308, 314 (contract `requests.md` 2.4, 5).

use rocketmq_protocol::ResponseCode;
use rocketmq_protocol::body::CorrectionOffsets;
use rocketmq_protocol::header::{
    CloneGroupOffsetRequestHeader, GetEarliestMsgStoretimeResponseHeader, OffsetResponseHeader,
    QueryConsumerOffsetRequestHeader, QueryCorrectionOffsetRequestHeader,
    SearchOffsetRequestHeader, TopicQueueRequestHeader, UpdateConsumerOffsetRequestHeader,
};
use rocketmq_protocol::{Frame, HeaderFields};
use rocketmq_remoting::{Call, Response};

use std::collections::BTreeMap;

use super::{Answer, Refusal, json, refuse, respond};
use crate::context::BrokerContext;

/// Answers with a header, or the refusal.
fn answer(call: Call<'_>, outcome: Result<impl HeaderFields, Refusal>) {
    match outcome {
        Ok(fields) => call.respond(Response::success().fields(&fields)),
        Err(refusal) => respond(call, Err(refusal)),
    }
}

/// QUERY_CONSUMER_OFFSET 14.
pub fn query(context: &BrokerContext, call: Call<'_>) {
    let outcome = query_inner(context, &call.frame);
    answer(call, outcome);
}

fn query_inner(context: &BrokerContext, frame: &Frame) -> Result<OffsetResponseHeader, Refusal> {
    let header = QueryConsumerOffsetRequestHeader::decode(frame.fields())?;
    let (group, topic, queue_id) = (&*header.consumer_group, &*header.topic, header.queue_id);
    if let Some(offset) = context.offsets.get(group, topic, queue_id).filter(|o| *o >= 0) {
        return Ok(OffsetResponseHeader { offset });
    }
    // A young queue is consumed from its beginning, whatever the group asks for.
    let min = context.store.min_offset_in_queue(topic, queue_id);
    if min <= 0 && !context.store.is_in_disk_by_consume_offset(topic, queue_id, 0) {
        return Ok(OffsetResponseHeader { offset: 0 });
    }
    let text = "Not found, V3_0_6_SNAPSHOT maybe this group consumer boot first";
    Err(refuse(ResponseCode::QUERY_NOT_FOUND, text))
}

/// UPDATE_CONSUMER_OFFSET 15.
pub fn update(context: &BrokerContext, call: Call<'_>) {
    let outcome = UpdateConsumerOffsetRequestHeader::decode(call.frame.fields()).map(|header| {
        let (group, topic) = (&header.consumer_group, &header.topic);
        let peer = call.connection.peer();
        let lowered =
            context.offsets.commit(peer, group, topic, header.queue_id, header.commit_offset);
        // Who sets an offset back and is no consumer of the group means it.
        let id = call.connection.id();
        if lowered && !context.consumers.connections(group).iter().any(|member| member.id() == id) {
            context.offsets.note_reset(group, topic);
        }
    });
    respond(call, outcome.map(|()| None).map_err(Refusal::from));
}

/// SEARCH_OFFSET_BY_TIMESTAMP 29.
pub fn search(context: &BrokerContext, call: Call<'_>) {
    let outcome = SearchOffsetRequestHeader::decode(call.frame.fields()).map(|header| {
        let (topic, queue_id) = (&header.topic, header.queue_id);
        let offset = context.store.offset_by_time(topic, queue_id, header.timestamp);
        OffsetResponseHeader { offset }
    });
    answer(call, outcome.map_err(Refusal::from));
}

/// GET_MAX_OFFSET 30.
pub fn max(context: &BrokerContext, call: Call<'_>) {
    let outcome = TopicQueueRequestHeader::decode(call.frame.fields()).map(|header| {
        let offset = context.store.max_offset_in_queue(&header.topic, header.queue_id);
        OffsetResponseHeader { offset }
    });
    answer(call, outcome.map_err(Refusal::from));
}

/// GET_MIN_OFFSET 31.
pub fn min(context: &BrokerContext, call: Call<'_>) {
    let outcome = TopicQueueRequestHeader::decode(call.frame.fields()).map(|header| {
        let offset = context.store.min_offset_in_queue(&header.topic, header.queue_id);
        OffsetResponseHeader { offset: offset.max(0) }
    });
    answer(call, outcome.map_err(Refusal::from));
}

/// GET_EARLIEST_MSG_STORETIME 32.
pub fn earliest(context: &BrokerContext, call: Call<'_>) {
    let outcome = TopicQueueRequestHeader::decode(call.frame.fields()).map(|header| {
        let timestamp = context.store.earliest_message_time(&header.topic, header.queue_id);
        GetEarliestMsgStoretimeResponseHeader { timestamp }
    });
    answer(call, outcome.map_err(Refusal::from));
}

/// GET_ALL_CONSUMER_OFFSET 43.
pub fn all(context: &BrokerContext, _: &Frame) -> Answer {
    json(&context.offsets.snapshot())
}

/// GET_ALL_DELAY_OFFSET 45: no message is delayed by this version.
pub fn delays(context: &BrokerContext, _: &Frame) -> Answer {
    json(&context.schedule.snapshot())
}

/// CLONE_GROUP_OFFSET 314.
pub fn clone_group(context: &BrokerContext, frame: &Frame) -> Answer {
    let header = CloneGroupOffsetRequestHeader::decode(frame.fields())?;
    if let Some(topic) = &header.topic {
        context.offsets.clone_group(&header.src_group, &header.dest_group, topic);
    }
    Ok(None)
}

/// QUERY_CORRECTION_OFFSET 308: by queue, the smallest offset that any group has of the topic but
/// those to be left out, and the largest number where that lies beyond the compared group's. Java
/// forgets the offsets of the groups that are left out; here they stay.
pub fn correction(context: &BrokerContext, frame: &Frame) -> Answer {
    let header = QueryCorrectionOffsetRequestHeader::decode(frame.fields())?;
    let topic = &*header.topic;
    let left_out = header.filter_groups.as_deref().unwrap_or_default();
    let mut smallest: BTreeMap<i32, i64> = BTreeMap::new();
    for group in context.offsets.groups_of(topic) {
        if left_out.split(',').any(|name| name == group) {
            continue;
        }
        for (queue_id, offset) in context.offsets.of(&group, topic) {
            if offset >= context.store.min_offset_in_queue(topic, queue_id) {
                let known = smallest.entry(queue_id).or_insert(offset);
                *known = offset.min(*known);
            }
        }
    }
    for (queue_id, compared) in context.offsets.of(&header.compare_group, topic) {
        if let Some(offset) = smallest.get_mut(&queue_id).filter(|offset| **offset > compared) {
            *offset = i64::MAX;
        }
    }
    json(&CorrectionOffsets { correction_offsets: smallest })
}
