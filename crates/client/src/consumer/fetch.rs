//! One pull (contract `requests.md`, PULL_MESSAGE 11): asked for and read in one place for every
//! kind of consumer.

use std::time::Duration;

use rocketmq_protocol::body::SubscriptionData;
use rocketmq_protocol::header::{PullMessageRequestHeader, PullMessageResponseHeader};
use rocketmq_protocol::message::{MessageExt, MessageQueue, property, sys_flag};
use rocketmq_protocol::topic::FAQ;
use rocketmq_protocol::{Frame, RequestCode, ResponseCode};
use rocketmq_remoting::Request;

use super::subscription::has_wanted_tag;
use crate::LOGGER;
use crate::admin::decode_some;
use crate::error::ClientError;
use crate::instance::Instance;

/// How a pull ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PullStatus {
    /// Messages came.
    Found,
    /// There are none yet.
    NoNewMsg,
    /// There were some, but none that is subscribed to.
    NoMatchedMsg,
    /// The offset is not in the queue.
    OffsetIllegal,
}

impl PullStatus {
    /// The name in texts.
    pub fn name(self) -> &'static str {
        match self {
            PullStatus::Found => "FOUND",
            PullStatus::NoNewMsg => "NO_NEW_MSG",
            PullStatus::NoMatchedMsg => "NO_MATCHED_MSG",
            PullStatus::OffsetIllegal => "OFFSET_ILLEGAL",
        }
    }

    fn of(frame: &Frame, address: &str) -> Result<PullStatus, ClientError> {
        match ResponseCode(frame.code) {
            ResponseCode::SUCCESS => Ok(PullStatus::Found),
            ResponseCode::PULL_NOT_FOUND => Ok(PullStatus::NoNewMsg),
            ResponseCode::PULL_RETRY_IMMEDIATELY => Ok(PullStatus::NoMatchedMsg),
            ResponseCode::PULL_OFFSET_MOVED => Ok(PullStatus::OffsetIllegal),
            _ => Err(ClientError::of_broker(frame, address)),
        }
    }
}

/// What is asked for.
pub(super) struct Fetch<'a> {
    pub(super) group: &'a str,
    pub(super) queue: &'a MessageQueue,
    /// Which broker behind the queue's broker name the last answer suggested.
    pub(super) broker_id: i64,
    pub(super) offset: i64,
    pub(super) max: i32,
    /// PULL_SUSPEND, PULL_SUBSCRIPTION, PULL_LITE.
    pub(super) flags: i32,
    /// An offset that the broker is to keep on the way; a slave does not.
    pub(super) commit: Option<i64>,
    /// How long the broker holds the request if PULL_SUSPEND is set.
    pub(super) suspend: Duration,
    /// How long the answer may take.
    pub(super) timeout: Duration,
    pub(super) subscription: &'a SubscriptionData,
    /// Which state of the group's subscription the request goes by.
    pub(super) version: i64,
}

/// What came; [`Fetch::send`] leaves out messages whose tag is not wanted.
pub(crate) struct Pulled {
    pub(crate) status: PullStatus,
    pub(crate) header: PullMessageResponseHeader,
    pub(crate) messages: Vec<MessageExt>,
    /// Bytes behind the messages that could not be read.
    unread: usize,
}

impl Fetch<'_> {
    /// Asks a broker of the queue.
    pub(super) async fn send(&self, instance: &Instance) -> Result<Pulled, ClientError> {
        let Fetch { queue, subscription, .. } = self;
        let (topic, broker_name) = (&queue.topic, &queue.broker_name);
        let route = instance.route(topic).await?.ok_or_else(|| {
            ClientError::illegal(format!("No route info of this topic: {topic}{FAQ}"))
        })?;
        let Some(address) = route.address(broker_name, self.broker_id) else {
            let text = format!("The broker[{broker_name}] not exist");
            return Err(ClientError::client(ResponseCode::BROKER_NOT_EXIST_EXCEPTION, text));
        };
        let commit = self.commit.filter(|_| route.master(broker_name) == Some(address));
        let tells = self.flags & sys_flag::PULL_SUBSCRIPTION != 0;
        let header = PullMessageRequestHeader {
            consumer_group: self.group.into(),
            topic: topic.as_str().into(),
            queue_id: queue.queue_id,
            queue_offset: self.offset,
            max_msg_nums: self.max,
            sys_flag: self.flags | commit.map_or(0, |_| sys_flag::PULL_COMMIT_OFFSET),
            commit_offset: commit.unwrap_or(0),
            suspend_timeout_millis: self.suspend.as_millis() as i64,
            subscription: tells.then(|| subscription.sub_string.as_str().into()),
            sub_version: self.version,
            expression_type: Some(subscription.expression_type.as_str().into()),
        };
        let request = Request::new(RequestCode::PULL_MESSAGE).fields(&header);
        let frame = instance.remoting.invoke(address, request, self.timeout).await?;
        let mut pulled = Pulled::of(&frame, address, broker_name)?;
        if pulled.unread > 0 {
            // Only the message that cannot be read is passed over; what lies behind it is pulled
            // again.
            let last = pulled.messages.last().map_or(self.offset, |last| last.queue_offset);
            tracing::error!(target: LOGGER, "{} bytes that {address} sent of {queue} behind offset {last} are no message", pulled.unread);
            pulled.header.next_begin_offset = last + 1;
        }
        pulled.messages.retain(|message| has_wanted_tag(subscription, message));
        Ok(pulled)
    }
}

impl Pulled {
    /// Reads an answer to PULL_MESSAGE.
    pub(crate) fn of(
        frame: &Frame,
        address: &str,
        broker_name: &str,
    ) -> Result<Pulled, ClientError> {
        let status = PullStatus::of(frame, address)?;
        let answer = PullMessageResponseHeader::decode(frame.fields());
        let answer = answer.map_err(|error| ClientError::illegal(error.to_string()))?;
        let (mut messages, unread) = match status {
            PullStatus::Found => decode_some(frame.body()),
            _ => (Vec::new(), 0),
        };
        for message in &mut messages {
            message.broker_name = Some(broker_name.to_string());
            message.message.set(property::MIN_OFFSET, answer.min_offset.to_string());
            message.message.set(property::MAX_OFFSET, answer.max_offset.to_string());
        }
        Ok(Pulled { status, header: answer, messages, unread })
    }
}
