//! Locks of orderly consumers on queues (contract `broker.md` 16). In memory only.

use std::collections::HashMap;

use parking_lot::Mutex;
use rocketmq_protocol::message::MessageQueue;

/// How long a lock lives after its last renewal.
const LOCK_LIVE_MS: i64 = 60_000;
/// Name of the logger whose lines lock.log holds.
const LOGGER: &str = "RocketmqRebalanceLock";

struct Lock {
    client_id: String,
    last_update_ms: i64,
}

/// The table of locks, by group and queue.
#[derive(Default)]
pub struct QueueLocks {
    groups: Mutex<HashMap<String, HashMap<MessageQueue, Lock>>>,
}

impl QueueLocks {
    /// Locks what can be locked; returns the queues that the client holds now.
    pub fn lock(
        &self,
        group: &str,
        client_id: &str,
        queues: Vec<MessageQueue>,
        now_ms: i64,
    ) -> Vec<MessageQueue> {
        let mut groups = self.groups.lock();
        let locks = groups.entry(group.to_string()).or_default();
        let renewed = || Lock { client_id: client_id.to_string(), last_update_ms: now_ms };
        let mut held = Vec::with_capacity(queues.len());
        for queue in queues {
            match locks.get_mut(&queue) {
                None => {
                    tracing::info!(target: LOGGER, "tryLockBatch, message queue not locked, I got it. Group: {group} NewClientId: {client_id} {queue}");
                    locks.insert(queue.clone(), renewed());
                }
                Some(lock) if lock.client_id == client_id => lock.last_update_ms = now_ms,
                Some(lock) if lock.last_update_ms + LOCK_LIVE_MS < now_ms => {
                    tracing::warn!(target: LOGGER, "tryLockBatch, message queue lock expired, I got it. Group: {group} OldClientId: {} NewClientId: {client_id} {queue}", lock.client_id);
                    *lock = renewed();
                }
                Some(lock) => {
                    tracing::warn!(target: LOGGER, "tryLockBatch, message queue locked by other client. Group: {group} OtherClientId: {} NewClientId: {client_id} {queue}", lock.client_id);
                    continue;
                }
            }
            held.push(queue);
        }
        held
    }

    /// Unlocks the queues that the client holds.
    pub fn unlock(&self, group: &str, client_id: &str, queues: &[MessageQueue]) {
        let mut groups = self.groups.lock();
        let Some(locks) = groups.get_mut(group) else { return };
        for queue in queues {
            if locks.get(queue).is_some_and(|lock| lock.client_id == client_id) {
                locks.remove(queue);
                tracing::info!(target: LOGGER, "unlockBatch, Group: {group} {queue} {client_id}");
            }
        }
        if locks.is_empty() {
            groups.remove(group);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(queue_id: i32) -> MessageQueue {
        MessageQueue { topic: "T".into(), broker_name: "b".into(), queue_id }
    }

    #[test]
    fn a_lock_belongs_to_one_client_until_it_expires() {
        let locks = QueueLocks::default();
        assert_eq!(locks.lock("g", "a", vec![queue(0), queue(1)], 0).len(), 2);
        assert_eq!(locks.lock("g", "b", vec![queue(0), queue(2)], 1), [queue(2)]);
        locks.unlock("g", "b", &[queue(0)]);
        assert!(locks.lock("g", "b", vec![queue(0)], 2).is_empty());
        locks.unlock("g", "a", &[queue(0)]);
        assert_eq!(locks.lock("g", "b", vec![queue(0)], 3), [queue(0)]);
        assert_eq!(locks.lock("g", "b", vec![queue(1)], LOCK_LIVE_MS + 1), [queue(1)]);
    }
}
