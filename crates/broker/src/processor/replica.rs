//! REPLICA_STATE 27182: what nodes of this project tell each other, and tools, about replication.

use rocketmq_protocol::body::VersionedOffsets;
use rocketmq_protocol::header::{
    ReplicaStateRequestHeader, ReplicaStateResponseHeader, replica_state,
};
use rocketmq_remoting::{Call, Response};

use super::{Answer, failed, json, parse, respond};
use crate::LOGGER;
use crate::context::BrokerContext;

/// Most bytes of the log that one answer carries.
pub(crate) const LOG_BYTES_MAX: usize = 32 << 10;

/// Answers with the state of this broker's log, and what else was asked about.
pub fn state(context: &BrokerContext, call: Call<'_>) {
    let body = match about(context, &call) {
        Ok(body) => body,
        Err(refusal) => return respond(call, Err(refusal)),
    };
    let divergence = context.link.divergence();
    let fields = ReplicaStateResponseHeader {
        min_offset: context.store.min_physical_offset(),
        max_offset: context.store.max_physical_offset(),
        started_at: context.started_at,
        divergence: divergence.as_deref().map(Into::into),
    };
    let response = Response::success().fields(&fields);
    match body {
        Some(body) => call.respond(response.body(body)),
        None => call.respond(response),
    }
}

fn about(context: &BrokerContext, call: &Call<'_>) -> Answer {
    let header = ReplicaStateRequestHeader::decode(call.frame.fields())?;
    let own_name = &context.settings().broker.broker_name;
    if *header.broker_name != **own_name {
        return Err(failed(format!(
            "this broker is {own_name}, not {}: master and slave have one brokerName",
            header.broker_name
        )));
    }
    match &*header.about {
        replica_state::STATE => {
            if header.broker_id > 0 {
                tracing::info!(target: LOGGER, "slave {} of ours, brokerId {}, has a commit log that ends at {}", header.broker_addr, header.broker_id, header.max_offset);
            }
            Ok(None)
        }
        replica_state::LOG => {
            let count = usize::try_from(header.count).unwrap_or(0).min(LOG_BYTES_MAX);
            Ok(context.store.read_log(header.from, count).map(|bytes| bytes.to_vec()))
        }
        replica_state::OFFSETS if context.is_slave() => {
            Err(failed("this broker is a slave itself: offsets are told to a master"))
        }
        replica_state::OFFSETS => {
            let slave: VersionedOffsets = parse(call.frame.body())?;
            let end = |topic: &str, queue_id| context.store.max_offset_in_queue(topic, queue_id);
            json(&context.offsets.join(&slave, end))
        }
        other => Err(failed(format!("about={other} is unknown to this version"))),
    }
}
