//! Pull consumers: the application asks for messages itself (contract `client.md` 9).

use std::sync::Arc;
use std::time::Duration;

use rocketmq_protocol::message::{MessageExt, MessageQueue, sys_flag};
use rocketmq_protocol::topic::FAQ;

use super::fetch::{Fetch, PullStatus};
use super::offsets::Offsets;
use super::subscription::{MessageSelector, subscription};
use crate::config::ClientConfig;
use crate::error::ClientError;
use crate::instance::Instance;
use crate::{namespace, validate};

/// How long a broker holds a pull that waits, and how long its answer may take.
const SUSPEND: Duration = Duration::from_secs(20);
const SUSPENDED_TIMEOUT: Duration = Duration::from_secs(30);
const PULL_TIMEOUT: Duration = Duration::from_secs(10);

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
        let selector = MessageSelector::from(expression);
        let space = self.instance.config.namespace();
        let queue = &namespace::wrap_queue(space, queue);
        let wanted = subscription("", &queue.topic, &selector, 0, "parse subscription error")?;
        let fetch = Fetch {
            group: &self.group,
            queue,
            broker_id: 0,
            offset,
            max,
            flags: sys_flag::PULL_SUBSCRIPTION | if wait { sys_flag::PULL_SUSPEND } else { 0 },
            commit: None,
            suspend: SUSPEND,
            timeout: if wait { SUSPENDED_TIMEOUT } else { PULL_TIMEOUT },
            subscription: &wanted,
            version: 0,
        };
        let pulled = fetch.send(&self.instance).await?;
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
