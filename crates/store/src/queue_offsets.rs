//! The next queue offset of every queue (topic-queue table of contract `store.md` 4). Guarded by
//! the append lock.

use std::collections::HashMap;

/// Next offsets by topic, then by queue number in ascending order: a topic has few queues, and
/// nothing is allocated to look one up.
#[derive(Debug, Default)]
pub(crate) struct QueueOffsets {
    /// Place of each topic's queues in `queues`.
    topics: HashMap<Box<str>, usize>,
    queues: Vec<Vec<(i32, i64)>>,
    /// Places whose topics are deleted.
    free: Vec<usize>,
}

impl QueueOffsets {
    /// Sets a queue's next offset.
    pub(crate) fn set(&mut self, topic: &str, queue_id: i32, next: i64) {
        *self.entry(topic, queue_id) = next;
    }

    /// The queue's next offset, which is then taken: `count` offsets from it on.
    pub(crate) fn take(&mut self, topic: &str, queue_id: i32, count: i64) -> i64 {
        let next = self.entry(topic, queue_id);
        let first = *next;
        *next += count;
        first
    }

    /// Forgets a topic whose queues are deleted.
    pub(crate) fn remove_topic(&mut self, topic: &str) {
        if let Some(place) = self.topics.remove(topic) {
            self.queues[place] = Vec::new();
            self.free.push(place);
        }
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        *self = QueueOffsets::default();
    }

    fn entry(&mut self, topic: &str, queue_id: i32) -> &mut i64 {
        let place = match self.topics.get(topic) {
            Some(place) => *place,
            None => {
                let place = self.free.pop().unwrap_or(self.queues.len());
                if place == self.queues.len() {
                    self.queues.push(Vec::new());
                }
                self.topics.insert(topic.into(), place);
                place
            }
        };
        let queues = &mut self.queues[place];
        let at = match queues.binary_search_by_key(&queue_id, |(id, _)| *id) {
            Ok(at) => at,
            Err(at) => {
                queues.insert(at, (queue_id, 0));
                at
            }
        };
        &mut queues[at].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_counted_per_queue() {
        let mut offsets = QueueOffsets::default();
        offsets.set("T", 3, 10);
        assert_eq!(offsets.take("T", 3, 2), 10);
        assert_eq!(offsets.take("T", 3, 1), 12);
        assert_eq!(offsets.take("T", 0, 1), 0);
        assert_eq!(offsets.take("U", 3, 1), 0);
        offsets.remove_topic("T");
        assert_eq!(offsets.take("V", 3, 1), 0);
        assert_eq!(offsets.take("T", 3, 1), 0);
        assert_eq!(offsets.take("U", 3, 1), 1);
    }
}
