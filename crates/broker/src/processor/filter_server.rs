//! REGISTER_FILTER_SERVER 301 (contract `requests.md` 5): filter servers of older releases say where
//! they are, and the name servers are told.

use rocketmq_protocol::header::{
    RegisterFilterServerRequestHeader, RegisterFilterServerResponseHeader,
};
use rocketmq_remoting::{Call, Response};

use super::respond;
use crate::context::BrokerContext;

/// Notes the filter server, or that it is still there.
pub fn register(context: &BrokerContext, call: Call<'_>) {
    let header = match RegisterFilterServerRequestHeader::decode(call.frame.fields()) {
        Ok(header) => header,
        Err(error) => return respond(call, Err(error.into())),
    };
    context.filter_servers.register(call.connection.id(), &header.filter_server_addr);
    let settings = context.settings();
    let header = RegisterFilterServerResponseHeader {
        broker_name: settings.broker.broker_name.as_str().into(),
        broker_id: settings.broker.broker_id,
    };
    call.respond(Response::success().fields(&header));
}
