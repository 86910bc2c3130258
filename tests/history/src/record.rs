//! What is written down while a test runs.

use std::collections::HashMap;

use parking_lot::Mutex;

/// Which message: the `number`-th of a producer. A producer sends its messages to a queue one
/// after the other, so their numbers ascend there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessageId {
    /// Who sent it.
    pub producer: u32,
    /// Which of that producer's.
    pub number: u32,
}

/// A place in a queue.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// Topic.
    pub topic: String,
    /// Queue number.
    pub queue_id: i32,
    /// Offset in the queue.
    pub offset: i64,
}

impl Place {
    /// A place.
    pub fn new(topic: &str, queue_id: i32, offset: i64) -> Place {
        Place { topic: topic.to_string(), queue_id, offset }
    }
}

/// What an acknowledgement promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survival {
    /// The message must be there.
    Always,
    /// The message may be gone, since a power cut came soon enough after it; another one may
    /// have its place then.
    MayBeLost,
}

/// An acknowledged message.
#[derive(Clone, Debug)]
pub(crate) struct Acknowledged {
    pub(crate) place: Place,
    pub(crate) survival: Survival,
}

/// A consumer's offset, or a message handed to a consumer.
#[derive(Clone, Debug)]
pub(crate) enum Consumed {
    Delivered {
        place: Place,
        id: Option<MessageId>,
    },
    Begun {
        group: String,
        topic: String,
        queue_id: i32,
        offset: i64,
    },
    Stored {
        group: String,
        topic: String,
        queue_id: i32,
        offset: i64,
    },
    Read {
        group: String,
        topic: String,
        queue_id: i32,
        offset: i64,
    },
    /// What was stored so far is on the disk: it must not be forgotten any more.
    Settled,
    /// The broker ended without being asked to: what was stored since may be forgotten.
    Crashed,
}

/// Everything that happened, in the order in which it was told.
#[derive(Debug, Default)]
pub struct History {
    pub(crate) begun: Mutex<HashMap<MessageId, (String, i32)>>,
    pub(crate) acknowledged: Mutex<HashMap<MessageId, Acknowledged>>,
    pub(crate) doubly_acknowledged: Mutex<Vec<(MessageId, Place, Place)>>,
    pub(crate) consumed: Mutex<Vec<Consumed>>,
    pub(crate) expired: Mutex<HashMap<(String, i32), i64>>,
}

impl History {
    /// A send begins. From now on the message may appear, once, in that queue.
    pub fn begin(&self, id: MessageId, topic: &str, queue_id: i32) {
        self.begun.lock().insert(id, (topic.to_string(), queue_id));
    }

    /// The broker answered that the message is stored there.
    pub fn acknowledged(&self, id: MessageId, place: &Place, survival: Survival) {
        let new = Acknowledged { place: place.clone(), survival };
        if let Some(old) = self.acknowledged.lock().insert(id, new) {
            self.doubly_acknowledged.lock().push((id, old.place, place.clone()));
        }
    }

    /// How many messages were acknowledged.
    pub fn acknowledged_count(&self) -> usize {
        self.acknowledged.lock().len()
    }

    /// The power was cut: of what was acknowledged under a weaker promise than `Always`, some may
    /// be lost. What is there now is kept from here on.
    pub fn power_cut(&self, kept: &[(Place, Vec<u8>)]) {
        let kept: HashMap<&Place, Option<MessageId>> =
            kept.iter().map(|(place, body)| (place, crate::body::decode(body))).collect();
        self.acknowledged.lock().retain(|id, acknowledged| {
            let is_kept = kept.get(&acknowledged.place) == Some(&Some(*id));
            let is_promised = acknowledged.survival == Survival::Always;
            acknowledged.survival = Survival::Always;
            is_promised || is_kept
        });
        // What a consumer was handed before may be gone too.
        self.consumed.lock().retain(|event| match event {
            Consumed::Delivered { place, id } => kept.get(place) == Some(id),
            _ => true,
        });
        self.crashed();
    }

    /// Messages of a queue before this offset were deleted because of their age.
    pub fn expired_before(&self, topic: &str, queue_id: i32, offset: i64) {
        self.expired.lock().insert((topic.to_string(), queue_id), offset);
    }

    /// A consumer was handed a message.
    pub fn delivered(&self, place: &Place, message: &[u8]) {
        let id = crate::body::decode(message);
        self.consumed.lock().push(Consumed::Delivered { place: place.clone(), id });
    }

    /// A consumer's offset is about to be stored; the broker may do it without our hearing of it.
    pub fn offset_begun(&self, group: &str, topic: &str, queue_id: i32, offset: i64) {
        let (group, topic) = (group.to_string(), topic.to_string());
        self.consumed.lock().push(Consumed::Begun { group, topic, queue_id, offset });
    }

    /// A consumer's offset was stored, and the broker said so.
    pub fn offset_stored(&self, group: &str, topic: &str, queue_id: i32, offset: i64) {
        let (group, topic) = (group.to_string(), topic.to_string());
        self.consumed.lock().push(Consumed::Stored { group, topic, queue_id, offset });
    }

    /// A consumer asked for its offset.
    pub fn offset_read(&self, group: &str, topic: &str, queue_id: i32, offset: i64) {
        let (group, topic) = (group.to_string(), topic.to_string());
        self.consumed.lock().push(Consumed::Read { group, topic, queue_id, offset });
    }

    /// The broker has brought its offsets to the disk.
    pub fn offsets_settled(&self) {
        self.consumed.lock().push(Consumed::Settled);
    }

    /// The broker was killed.
    pub fn crashed(&self) {
        self.consumed.lock().push(Consumed::Crashed);
    }
}
