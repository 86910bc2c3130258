//! Offsets of queues and of groups.

use std::collections::BTreeMap;

use rocketmq_protocol::body::QueueOffsets;
use rocketmq_protocol::header::{
    CloneGroupOffsetRequestHeader, OffsetResponseHeader, ResetOffsetRequestHeader,
    SearchOffsetRequestHeader, TopicQueueRequestHeader, UpdateConsumerOffsetRequestHeader,
};
use rocketmq_protocol::message::MessageQueue;
use rocketmq_protocol::{HeaderFields, Language, RequestCode};
use rocketmq_remoting::Body;

use super::AdminClient;
use super::name_server::unreadable;
use crate::error::ClientError;
use crate::instance::parse;

impl AdminClient {
    async fn offset(
        &self,
        address: &str,
        code: RequestCode,
        header: &dyn HeaderFields,
    ) -> Result<i64, ClientError> {
        let frame = self.ask(address, code, header).await?;
        let header = OffsetResponseHeader::decode(frame.fields());
        header.map(|header| header.offset).map_err(unreadable)
    }

    /// Next offset that a queue will write.
    pub async fn max_offset(
        &self,
        address: &str,
        queue: &MessageQueue,
    ) -> Result<i64, ClientError> {
        let header = of(queue);
        self.offset(address, RequestCode::GET_MAX_OFFSET, &header).await
    }

    /// First offset of a queue that is still there.
    pub async fn min_offset(
        &self,
        address: &str,
        queue: &MessageQueue,
    ) -> Result<i64, ClientError> {
        let header = of(queue);
        self.offset(address, RequestCode::GET_MIN_OFFSET, &header).await
    }

    /// Offset of the first message stored at or after a time, ms.
    pub async fn search_offset(
        &self,
        address: &str,
        queue: &MessageQueue,
        timestamp: i64,
    ) -> Result<i64, ClientError> {
        let header = SearchOffsetRequestHeader {
            topic: queue.topic.as_str().into(),
            queue_id: queue.queue_id,
            timestamp,
        };
        self.offset(address, RequestCode::SEARCH_OFFSET_BY_TIMESTAMP, &header).await
    }

    /// Stores how far a group has consumed a queue.
    pub async fn update_consumer_offset(
        &self,
        address: &str,
        group: &str,
        queue: &MessageQueue,
        offset: i64,
    ) -> Result<(), ClientError> {
        let header = UpdateConsumerOffsetRequestHeader {
            consumer_group: group.into(),
            topic: queue.topic.as_str().into(),
            queue_id: queue.queue_id,
            commit_offset: offset,
        };
        self.ask(address, RequestCode::UPDATE_CONSUMER_OFFSET, &header).await.map(drop)
    }

    /// Has a broker copy a group's offsets of a topic to another group.
    pub async fn clone_group_offset(
        &self,
        address: &str,
        (source, target): (&str, &str),
        topic: &str,
        offline: bool,
    ) -> Result<(), ClientError> {
        let header = CloneGroupOffsetRequestHeader {
            src_group: source.into(),
            dest_group: target.into(),
            topic: Some(topic.into()),
            offline,
        };
        let code = RequestCode::CLONE_GROUP_OFFSET;
        self.tell(address, code, &header, Body::None).await.map(drop)
    }

    /// Has every broker of a topic tell a group's members to go on from where a time is, as
    /// [`AdminClient::reset_offset`] does with one; the new offsets of all queues.
    ///
    /// # Errors
    /// CONSUMER_NOT_ONLINE if nobody is connected.
    pub async fn reset_offset_of_members(
        &self,
        (group, topic): (&str, &str),
        timestamp: i64,
        is_force: bool,
        cpp: bool,
    ) -> Result<BTreeMap<MessageQueue, i64>, ClientError> {
        let route = self.topic_route(topic).await?;
        let mut offsets = BTreeMap::new();
        for address in route.broker_datas.iter().filter_map(|data| data.any_address()) {
            let told = self.reset_offset(address, (group, topic), timestamp, is_force, cpp).await?;
            offsets.extend(told.offset_table);
        }
        Ok(offsets)
    }

    /// Has a broker tell a group's members to go on from where a time is; the new offsets.
    /// Members written in C++ are told in their own form.
    pub async fn reset_offset(
        &self,
        address: &str,
        (group, topic): (&str, &str),
        timestamp: i64,
        is_force: bool,
        cpp: bool,
    ) -> Result<QueueOffsets, ClientError> {
        let header = ResetOffsetRequestHeader {
            topic: topic.into(),
            group: group.into(),
            timestamp,
            is_force,
        };
        let code = RequestCode::INVOKE_BROKER_TO_RESET_OFFSET;
        let mut request = rocketmq_remoting::Request::new(code).fields(&header);
        if cpp {
            request = request.language(Language::CPP);
        }
        let frame = self.0.remoting.invoke(address, request, self.0.config.timeout).await?;
        parse(&crate::instance::success(frame)?)
    }
}

fn of(queue: &MessageQueue) -> TopicQueueRequestHeader<'_> {
    TopicQueueRequestHeader { topic: queue.topic.as_str().into(), queue_id: queue.queue_id }
}
