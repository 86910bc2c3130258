//! Which groups have consumed a message.

use std::fmt;

use rocketmq_protocol::ResponseCode;
use rocketmq_protocol::body::{ConsumeType, MASTER_ID, MessageModel};
use rocketmq_protocol::message::MessageExt;

use super::AdminClient;
use crate::error::ClientError;

/// What is known of a message's consumption by one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageTrack {
    /// The group.
    pub consumer_group: String,
    /// `CONSUMED`, `CONSUMED_BUT_FILTERED`, `PULL`, `NOT_CONSUME_YET`, `NOT_ONLINE`, `UNKNOWN`.
    pub track_type: &'static str,
    /// Why it could not be found out.
    pub exception: Option<String>,
}

impl fmt::Display for MessageTrack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "MessageTrack [consumerGroup={}, trackType={}, exceptionDesc={}]",
            self.consumer_group,
            self.track_type,
            self.exception.as_deref().unwrap_or("null")
        )
    }
}

impl AdminClient {
    /// Which groups have consumed a message.
    pub async fn message_track(
        &self,
        message: &MessageExt,
    ) -> Result<Vec<MessageTrack>, ClientError> {
        let groups = self.topic_consumer_groups(&message.message.topic).await?;
        let mut tracks = Vec::with_capacity(groups.len());
        for group in groups {
            tracks.push(match self.track(message, &group).await {
                Ok(track_type) => {
                    MessageTrack { consumer_group: group, track_type, exception: None }
                }
                Err(error) => unknown_track(group, &error),
            });
        }
        Ok(tracks)
    }

    async fn track(&self, message: &MessageExt, group: &str) -> Result<&'static str, ClientError> {
        let connection = self.consumer_connection(group).await?;
        if connection.consume_type == ConsumeType::Actively {
            return Ok("PULL");
        }
        if !self.is_consumed(message, group).await? {
            return Ok("NOT_CONSUME_YET");
        }
        if connection.message_model == MessageModel::Broadcasting {
            return Ok("CONSUMED");
        }
        let topic = &message.message.topic;
        let subscription = connection.subscription_table.get(topic);
        let filtered = subscription.is_some_and(|subscription| {
            let tags = message.message.tags().unwrap_or_default();
            !subscription.tags_set.is_empty() && !subscription.tags_set.contains(tags)
        });
        Ok(if filtered { "CONSUMED_BUT_FILTERED" } else { "CONSUMED" })
    }

    async fn is_consumed(&self, message: &MessageExt, group: &str) -> Result<bool, ClientError> {
        let stats = self.consume_stats(group, None).await?;
        let info = self.cluster_info().await?;
        let store = message.store_host.to_string();
        let found = stats.offset_table.iter().find(|(queue, _)| {
            let broker = info.broker_addr_table.get(&queue.broker_name);
            let master = broker.and_then(|data| data.broker_addrs.get(&MASTER_ID));
            queue.topic == message.message.topic
                && queue.queue_id == message.queue_id
                && master == Some(&store)
        });
        Ok(found.is_some_and(|(_, offset)| offset.consumer_offset > message.queue_offset))
    }
}

fn unknown_track(consumer_group: String, error: &ClientError) -> MessageTrack {
    let (track_type, exception) = match error {
        ClientError::Broker { code: ResponseCode::CONSUMER_NOT_ONLINE, text, .. } => {
            ("NOT_ONLINE", format!("CODE:206 DESC:{text}"))
        }
        other => ("UNKNOWN", format!("{}: {other}", other.java_class())),
    };
    MessageTrack { consumer_group, track_type, exception: Some(exception) }
}
