//! A message queue's identity.

use rocketmq_common::java::string_hash;
use serde::{Deserialize, Serialize};

/// One queue of a topic on one broker. Sorts as consumers sort it for allocation: topic, broker
/// name, queue id.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MessageQueue {
    /// Topic.
    pub topic: String,
    /// The broker's name, not its address.
    pub broker_name: String,
    /// Number within the broker, from 0.
    pub queue_id: i32,
}

impl MessageQueue {
    /// Java's `hashCode`, by which its hash maps order queues.
    pub fn java_hash(&self) -> i32 {
        let parts = [string_hash(&self.broker_name), self.queue_id, string_hash(&self.topic)];
        parts.into_iter().fold(1, |hash: i32, part| hash.wrapping_mul(31).wrapping_add(part))
    }
}

/// Members in alphabetical order, as fastjson writes them; the declaration order is the sort order.
impl Serialize for MessageQueue {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let mut members = serializer.serialize_struct("MessageQueue", 3)?;
        members.serialize_field("brokerName", &self.broker_name)?;
        members.serialize_field("queueId", &self.queue_id)?;
        members.serialize_field("topic", &self.topic)?;
        members.end()
    }
}

impl std::fmt::Display for MessageQueue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "MessageQueue [topic={}, brokerName={}, queueId={}]",
            self.topic, self.broker_name, self.queue_id
        )
    }
}

#[cfg(test)]
mod tests {
    use rocketmq_common::java;

    use super::*;

    #[test]
    fn hash_sets_list_queues_as_javas_do() {
        let queue = |queue_id| MessageQueue {
            topic: "LabTopic".to_string(),
            broker_name: "broker-a".to_string(),
            queue_id,
        };
        let mut queues: Vec<_> = (0..4).map(queue).collect();
        java::sort_by_hash(&mut queues, MessageQueue::java_hash);
        // Recorded from a running 4.9.2.
        let ids: Vec<_> = queues.iter().map(|queue| queue.queue_id).collect();
        assert_eq!(ids, [0, 2, 1, 3]);
    }
}
