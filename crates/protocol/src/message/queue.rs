//! A message queue's identity.

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
