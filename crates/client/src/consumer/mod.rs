//! Consumers (contract `client.md` 5 to 9).

mod allocate;
mod offsets;
mod process_queue;
mod pull;
mod push;
mod rebalance;
mod tasks;
mod worker;

pub use allocate::{Allocation, RoomOf};
pub use pull::{PullConsumer, PullOutcome, PullStatus};
pub use push::{ConsumeStatus, Delivery, OrderlyStatus, PushConsumer, PushConsumerBuilder};

use std::time::Duration;

use rocketmq_protocol::ResponseCode;
use rocketmq_protocol::body::SubscriptionData;
use rocketmq_protocol::header::{PullMessageRequestHeader, PullMessageResponseHeader};
use rocketmq_protocol::message::MessageExt;
use rocketmq_protocol::{Frame, RequestCode};
use rocketmq_remoting::Request;

use crate::admin::decode_messages;
use crate::error::ClientError;
use crate::instance::Instance;
use crate::route::Route;

/// What a pull brought.
pub(crate) struct Pulled {
    pub(crate) status: PullStatus,
    pub(crate) header: PullMessageResponseHeader,
    pub(crate) messages: Vec<MessageExt>,
}

/// Pulls once from a broker of the queue.
pub(crate) async fn pull_once(
    instance: &Instance,
    route: &Route,
    broker_name: &str,
    broker_id: i64,
    header: &PullMessageRequestHeader<'_>,
    timeout: Duration,
) -> Result<Pulled, ClientError> {
    let Some(address) = route.address(broker_name, broker_id) else {
        let text = format!("The broker[{broker_name}] not exist");
        return Err(ClientError::client(ResponseCode::BROKER_NOT_EXIST_EXCEPTION, text));
    };
    let request = Request::new(RequestCode::PULL_MESSAGE).fields(header);
    let frame = instance.remoting.invoke(address, request, timeout).await?;
    let status = pull_status(&frame, address)?;
    let answer = PullMessageResponseHeader::decode(frame.fields());
    let answer = answer.map_err(|error| ClientError::illegal(error.to_string()))?;
    let mut messages = match status {
        PullStatus::Found => decode_messages(frame.body()),
        _ => Vec::new(),
    };
    for message in &mut messages {
        message.broker_name = Some(broker_name.to_string());
        message.message.set("MIN_OFFSET", answer.min_offset.to_string());
        message.message.set("MAX_OFFSET", answer.max_offset.to_string());
    }
    Ok(Pulled { status, header: answer, messages })
}

fn pull_status(frame: &Frame, address: &str) -> Result<PullStatus, ClientError> {
    match ResponseCode(frame.code) {
        ResponseCode::SUCCESS => Ok(PullStatus::Found),
        ResponseCode::PULL_NOT_FOUND => Ok(PullStatus::NoNewMsg),
        ResponseCode::PULL_RETRY_IMMEDIATELY => Ok(PullStatus::NoMatchedMsg),
        ResponseCode::PULL_OFFSET_MOVED => Ok(PullStatus::OffsetIllegal),
        _ => Err(ClientError::of_broker(frame, address)),
    }
}

/// Whether the message's tag is one of the subscription's; brokers compare hashes only.
pub(crate) fn has_wanted_tag(subscription: &SubscriptionData, message: &MessageExt) -> bool {
    subscription.tags_set.is_empty()
        || message.message.tags().is_some_and(|tags| subscription.tags_set.contains(tags))
}
