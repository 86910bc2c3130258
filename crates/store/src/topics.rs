//! Deleting queues as a whole (contract `store.md` 15).

use std::collections::HashMap;

use rocketmq_protocol::topic;

use crate::error::StoreError;
use crate::shared::Core;

impl Core {
    /// Deletes a topic's queues. The writer is kept out, so that none is rebuilt meanwhile.
    pub(crate) fn delete_topic(&self, topic: &str) -> Result<(), StoreError> {
        let _writer = self.writer.lock();
        self.log.with_queue_offsets(|table| table.remove_topic(topic));
        self.dispatcher.queues.delete_topic(topic)?;
        tracing::info!(target: "RocketmqStore", "cleanUnusedTopic: {topic} consume queues destroyed");
        Ok(())
    }
}

/// Deletes the queues of topics that are not used.
pub(crate) fn clean_unused(
    core: &Core,
    is_used: impl Fn(&str) -> bool,
) -> Result<usize, StoreError> {
    let mut deleted = 0;
    for topic in core.dispatcher.queues.topics() {
        let is_kept = [topic::SCHEDULE, topic::TRANS_HALF, topic::TRANS_OP_HALF].contains(&&*topic);
        if !is_kept && !is_used(&topic) {
            core.delete_topic(&topic)?;
            deleted += 1;
        }
    }
    Ok(deleted)
}

/// Deletes topics none of whose messages is left in the commit log.
pub(crate) fn clean_expired(core: &Core) -> Result<usize, StoreError> {
    let log_min = core.log.min_offset();
    let mut queues: Vec<(String, i32, i64)> = Vec::new();
    core.dispatcher.queues.for_each_queue(|topic, queue_id, _min, max| {
        queues.push((topic.to_string(), queue_id, max));
    });
    let mut expired: HashMap<String, bool> = HashMap::new();
    for (topic, queue_id, max) in queues {
        if topic == topic::SCHEDULE {
            continue;
        }
        let last = core.entry(&topic, queue_id, max - 1);
        if last.is_none() {
            tracing::warn!(target: "RocketmqStore", "maybe ConsumeQueue was created just now topic={topic} queueId={queue_id} maxPhysicOffset=-1 minLogicOffset=0.");
        }
        let gone = last.is_some_and(|entry| {
            entry.physical_offset.saturating_add(i64::from(entry.size)) < log_min
        });
        let all = expired.entry(topic).or_insert(true);
        *all &= gone;
    }
    let mut deleted = 0;
    for (topic, gone) in expired {
        if gone {
            core.delete_topic(&topic)?;
            deleted += 1;
        }
    }
    Ok(deleted)
}
