//! Pull consumers: the application asks for messages itself (contract `client.md` 9).

use std::sync::Arc;
use std::time::Duration;

use rocketmq_protocol::body::{EXPRESSION_TAG, SubscriptionData};
use rocketmq_protocol::header::PullMessageRequestHeader;
use rocketmq_protocol::message::{MessageExt, MessageQueue, sys_flag};
use rocketmq_protocol::topic::FAQ;

use super::offsets::Offsets;
use super::{has_wanted_tag, pull_once};
use crate::config::ClientConfig;
use crate::error::ClientError;
use crate::instance::Instance;
use crate::validate;

/// How long a broker holds a pull that waits, and how long its answer may take.
const SUSPEND: Duration = Duration::from_secs(20);
const SUSPENDED_TIMEOUT: Duration = Duration::from_secs(30);
const PULL_TIMEOUT: Duration = Duration::from_secs(10);

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
}

/// What a pull brought.
#[derive(Clone, Debug)]
pub struct PullOutcome {
    /// How it ended.
    pub status: PullStatus,
    /// Where to go on.
    pub next_begin_offset: i64,
    /// First offset of the queue.
    pub min_offset: i64,
    /// End of the queue.
    pub max_offset: i64,
    /// Messages.
    pub messages: Vec<MessageExt>,
}

/// A consumer whose application pulls.
pub struct PullConsumer {
    instance: Arc<Instance>,
    offsets: Offsets,
    group: String,
}

impl PullConsumer {
    /// Starts a consumer of that group.
    ///
    /// # Errors
    /// The group's name is refused.
    pub async fn start(
        group: impl Into<String>,
        mut config: ClientConfig,
    ) -> Result<PullConsumer, ClientError> {
        let group = group.into();
        validate::group(&group)?;
        config.make_unique();
        let instance = Instance::start(config);
        Ok(PullConsumer { offsets: Offsets::remote(&instance, &group), instance, group })
    }

    /// Queues of a topic.
    pub async fn fetch_queues(&self, topic: &str) -> Result<Vec<MessageQueue>, ClientError> {
        match self.instance.route(topic).await? {
            Some(route) if !route.subscribe.is_empty() => Ok(route.subscribe.clone()),
            _ => {
                let text = format!("Can not find Message Queue for this topic, {topic}{FAQ}");
                Err(ClientError::illegal(text))
            }
        }
    }

    /// Pulls from a queue; answers at once.
    pub async fn pull(
        &self,
        queue: &MessageQueue,
        expression: &str,
        offset: i64,
        max: i32,
    ) -> Result<PullOutcome, ClientError> {
        self.pull_with(queue, expression, offset, max, false).await
    }

    /// Pulls from a queue; waits up to 20 s for messages.
    pub async fn pull_block_if_not_found(
        &self,
        queue: &MessageQueue,
        expression: &str,
        offset: i64,
        max: i32,
    ) -> Result<PullOutcome, ClientError> {
        self.pull_with(queue, expression, offset, max, true).await
    }

    async fn pull_with(
        &self,
        queue: &MessageQueue,
        expression: &str,
        offset: i64,
        max: i32,
        wait: bool,
    ) -> Result<PullOutcome, ClientError> {
        let subscription = SubscriptionData::by_tags(&queue.topic, expression, 0)
            .ok_or_else(|| ClientError::illegal("parse subscription error"))?;
        let route = self.instance.route(&queue.topic).await?.ok_or_else(|| {
            ClientError::illegal(format!("No route info of this topic: {}{FAQ}", queue.topic))
        })?;
        let suspend = if wait { sys_flag::PULL_SUSPEND } else { 0 };
        let header = PullMessageRequestHeader {
            consumer_group: self.group.as_str().into(),
            topic: queue.topic.as_str().into(),
            queue_id: queue.queue_id,
            queue_offset: offset,
            max_msg_nums: max,
            sys_flag: suspend | sys_flag::PULL_SUBSCRIPTION,
            commit_offset: 0,
            suspend_timeout_millis: SUSPEND.as_millis() as i64,
            subscription: Some(subscription.sub_string.as_str().into()),
            sub_version: 0,
            expression_type: Some(EXPRESSION_TAG.into()),
        };
        let timeout = if wait { SUSPENDED_TIMEOUT } else { PULL_TIMEOUT };
        let name = &queue.broker_name;
        let mut pulled = pull_once(&self.instance, &route, name, 0, &header, timeout).await?;
        pulled.messages.retain(|message| has_wanted_tag(&subscription, message));
        Ok(PullOutcome {
            status: pulled.status,
            next_begin_offset: pulled.header.next_begin_offset,
            min_offset: pulled.header.min_offset,
            max_offset: pulled.header.max_offset,
            messages: pulled.messages,
        })
    }

    /// Notes how far a queue is consumed, and tells the broker.
    pub async fn commit_offset(&self, queue: &MessageQueue, offset: i64) {
        self.offsets.update(queue, offset, false);
        self.offsets.commit(queue).await;
    }

    /// How far the group has consumed a queue; `None` if the broker does not know.
    pub async fn fetch_offset(&self, queue: &MessageQueue) -> Result<Option<i64>, ClientError> {
        self.offsets.fetch(queue).await
    }

    /// Ends every task and closes the connections.
    pub async fn shutdown(&self) {
        self.instance.shutdown().await;
    }
}
