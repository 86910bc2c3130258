//! QUERY_MESSAGE 12, VIEW_MESSAGE_BY_ID 33, QUERY_CONSUME_QUEUE 321 (contract `requests.md` 2.5).

use rocketmq_protocol::ResponseCode;
use rocketmq_protocol::header::{
    QueryMessageRequestHeader, QueryMessageResponseHeader, ViewMessageRequestHeader,
};
use rocketmq_remoting::{Body, Call, Response};

use super::{failed, refuse, respond};
use crate::context::BrokerContext;

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
    if found.records.is_empty() {
        let text = "can not find message, maybe time range not correct";
        return respond(call, Err(refuse(ResponseCode::QUERY_NOT_FOUND, text)));
    }
    let fields = QueryMessageResponseHeader {
        index_last_update_timestamp: found.index_last_update_timestamp,
        index_last_update_phyoffset: found.index_last_update_physical_offset,
    };
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
