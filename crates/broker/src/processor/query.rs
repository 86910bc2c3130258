//! QUERY_MESSAGE 12, VIEW_MESSAGE_BY_ID 33, QUERY_CONSUME_QUEUE 321 (contract `requests.md` 2.5).

use std::sync::Arc;

use base64ct::{Base64, Encoding};
use rocketmq_common::fastjson;
use rocketmq_protocol::body::{ConsumeQueueData, QueryConsumeQueueBody};
use rocketmq_protocol::header::{
    QueryConsumeQueueRequestHeader, QueryMessageRequestHeader, QueryMessageResponseHeader,
    ViewMessageRequestHeader,
};
use rocketmq_protocol::{Frame, ResponseCode};
use rocketmq_remoting::{Body, Call, Response};
use rocketmq_store::{MessageFilter, QueueEntry};

use super::{Refusal, failed, respond};
use crate::context::BrokerContext;
use crate::wanted::Wanted;

/// Most entries of a consume queue that one answer holds, which has to fit into a frame.
const SHOWN_ENTRIES_MAX: usize = 65_536;

/// Finds messages by key.
pub fn query_message(context: &BrokerContext, call: Call<'_>) {
    let header = match QueryMessageRequestHeader::decode(call.frame.fields()) {
        Ok(header) => header,
        Err(error) => return respond(call, Err(error.into())),
    };
    let mut max = usize::try_from(header.max_num).unwrap_or(0);
    if header.unique_key_query == Some(true) {
        max = usize::try_from(context.settings().store.default_query_max_num).unwrap_or(0);
    }
    let (begin, end) = (header.begin_timestamp, header.end_timestamp);
    let found = context.store.query_by_key(&header.topic, &header.key, max, begin, end);
    let fields = QueryMessageResponseHeader {
        index_last_update_timestamp: found.index_last_update_timestamp,
        index_last_update_phyoffset: found.index_last_update_physical_offset,
    };
    if found.records.is_empty() {
        let text = "can not find message, maybe time range not correct";
        let code = ResponseCode::QUERY_NOT_FOUND;
        return call.respond(Response::error(code, text).fields(&fields));
    }
    call.respond(Response::success().fields(&fields).body(Body::Many(found.records)));
}

/// Finds a message by its place in the commit log.
pub fn view_message(context: &BrokerContext, call: Call<'_>) {
    let header = match ViewMessageRequestHeader::decode(call.frame.fields()) {
        Ok(header) => header,
        Err(error) => return respond(call, Err(error.into())),
    };
    match context.store.look_up(header.offset) {
        Some(record) => call.respond(Response::success().body(record)),
        None => {
            let text = format!("can not find message by the offset, {}", header.offset);
            respond(call, Err(failed(text)));
        }
    }
}

/// Shows entries of a consume queue, and what a group's filter makes of them.
pub fn consume_queue(context: &BrokerContext, call: Call<'_>) {
    match shown_entries(context, &call.frame) {
        Ok(Ok(body)) => respond(call, fastjson::to_vec(&body).map(Some).map_err(failed)),
        // A success without a body, as Java has it.
        Ok(Err(remark)) => call.respond(Response::success().remark(&remark)),
        Err(refusal) => respond(call, Err(refusal)),
    }
}

/// The answer's body, or its remark when there is no such entry.
fn shown_entries(
    context: &BrokerContext,
    frame: &Frame,
) -> Result<Result<QueryConsumeQueueBody, String>, Refusal> {
    let header = QueryConsumeQueueRequestHeader::decode(frame.fields())?;
    let (topic, queue_id, index) = (&*header.topic, header.queue_id, header.index);
    let min = context.store.min_offset_in_queue(topic, queue_id);
    if min < 0 {
        return Err(failed(format!("{queue_id}@{topic} is not exist!")));
    }
    let max = context.store.max_offset_in_queue(topic, queue_id);
    if !(min..max).contains(&index) {
        return Ok(Err(format!("Index {index} of {queue_id}@{topic} is not exist!")));
    }
    let mut body = QueryConsumeQueueBody {
        max_queue_index: max,
        min_queue_index: min,
        ..QueryConsumeQueueBody::default()
    };
    if let Some(group) = header.consumer_group.as_deref() {
        let known = context.consumers.with(group, |group| group.subscriptions.get(topic).cloned());
        let subscription = known.flatten();
        body.filter_data = Some(match &subscription {
            // What Java prints of filter data that a tag subscription does not have is `null`.
            Some(_) => fastjson::to_pretty(&context.filters.get(topic, group).as_deref())
                .map_err(failed)?,
            None => format!("{group}@{topic} is not online!"),
        });
        body.subscription_data = subscription.map(|known| (*known).clone());
    }
    let wanted = header.consumer_group.as_deref().zip(body.subscription_data.as_ref());
    let wanted = wanted.map(|(group, known)| {
        let known = Arc::new(known.clone());
        match context.filters.get(topic, group).filter(|_| !known.is_tag_type()) {
            Some(data) => Wanted::by_expression(known, data),
            None => Wanted::by_tags(known),
        }
    });
    let count = usize::try_from(header.count).unwrap_or(0).min(SHOWN_ENTRIES_MAX);
    let mut entries = Vec::new();
    context.store.queue_entries(topic, queue_id, index, count, &mut entries);
    body.queue_data = entries
        .into_iter()
        .map(|entry| shown_entry(context, (topic, queue_id), &entry, wanted.as_ref()))
        .collect();
    Ok(Ok(body))
}

/// An entry with its extension, and whether the group's tags or bit map let the message pass.
fn shown_entry(
    context: &BrokerContext,
    (topic, queue_id): (&str, i32),
    entry: &QueueEntry,
    wanted: Option<&Wanted>,
) -> ConsumeQueueData {
    let mut shown = ConsumeQueueData {
        physic_offset: entry.physical_offset,
        physic_size: entry.size,
        tags_code: entry.tags_code,
        ..ConsumeQueueData::default()
    };
    match context.store.queue_unit(topic, queue_id, entry) {
        None => {}
        Some(Ok(unit)) => {
            shown.eval = wanted.is_some_and(|wanted| wanted.by_unit(Some(&unit)));
            let bit_map = match unit.bit_map.is_empty() {
                true => String::new(),
                false => format!(r#""filterBitMap":"{}","#, Base64::encode_string(&unit.bit_map)),
            };
            shown.extend_data_json = Some(format!(
                r#"{{{bit_map}"msgStoreTime":{},"size":{},"tagsCode":{}}}"#,
                unit.store_timestamp,
                unit.size(),
                unit.tags_code,
            ));
            shown.bit_map = (!unit.bit_map.is_empty()).then(|| bits(&unit.bit_map));
        }
        Some(Err(address)) => shown.msg = Some(format!("Cq extend not exist!addr: {address}")),
    }
    shown
}

/// A bit map as Java prints it: from the last bit to the first, a line for each eight bytes.
fn bits(map: &[u8]) -> String {
    let mut text = String::with_capacity(map.len() * 8 + map.len() / 8 + 1);
    for (number, byte) in map.iter().enumerate().rev() {
        text.push_str(&format!("{byte:08b}"));
        if number % 8 == 0 {
            text.push('\n');
        }
    }
    text
}
