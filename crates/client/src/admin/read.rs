//! Reading queues as tools do: without a consumer, and without moving anybody's progress.

use rocketmq_protocol::RequestCode;
use rocketmq_protocol::header::PullMessageRequestHeader;
use rocketmq_protocol::message::{MessageQueue, sys_flag};
use rocketmq_protocol::topic::TOOLS_CONSUMER_GROUP;
use rocketmq_remoting::Request;

use super::AdminClient;
use crate::consumer::{PullOutcome, Pulled};
use crate::error::ClientError;

impl AdminClient {
    /// Reads up to `max` messages of a queue from an offset on, as the group `TOOLS_CONSUMER`;
    /// answers at once. Our brokers do not count this as consumption.
    ///
    /// # Errors
    /// The broker refuses or cannot be reached.
    pub async fn read_queue(
        &self,
        address: &str,
        queue: &MessageQueue,
        offset: i64,
        max: i32,
    ) -> Result<PullOutcome, ClientError> {
        let header = PullMessageRequestHeader {
            consumer_group: TOOLS_CONSUMER_GROUP.into(),
            topic: queue.topic.as_str().into(),
            queue_id: queue.queue_id,
            queue_offset: offset,
            max_msg_nums: max,
            sys_flag: sys_flag::PULL_SUBSCRIPTION,
            commit_offset: 0,
            suspend_timeout_millis: 0,
            subscription: Some("*".into()),
            sub_version: 0,
            expression_type: None,
        };
        let request = Request::new(RequestCode::PULL_MESSAGE).fields(&header);
        let frame = self.0.remoting.invoke(address, request, self.0.config.timeout).await?;
        let pulled = Pulled::of(&frame, address, &queue.broker_name)?;
        Ok(PullOutcome {
            status: pulled.status,
            next_begin_offset: pulled.header.next_begin_offset,
            min_offset: pulled.header.min_offset,
            max_offset: pulled.header.max_offset,
            messages: pulled.messages,
        })
    }
}
