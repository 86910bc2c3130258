//! From a written record to consume queue, index and waiting readers (contract `store.md` 13).

use std::sync::Arc;

use rocketmq_protocol::message::record::BLANK_MAGIC;
use rocketmq_protocol::message::{RecordView, properties, sys_flag, tags_code};
use rocketmq_protocol::topic;

use crate::consume_queue::{ConsumeQueues, QueueEntry, QueueUnit};
use crate::delay_level::DelayLevels;
use crate::error::StoreError;
use crate::get::{Arrival, ArrivalListener};
use crate::index::Index;

/// Builds consume queues and index. One thread at a time dispatches, in log order.
pub(crate) struct Dispatcher {
    pub(crate) queues: ConsumeQueues,
    /// Knows the filters whose bit maps go into extension units.
    pub(crate) bit_maps: Arc<dyn ArrivalListener>,
    pub(crate) index: Option<Index>,
    pub(crate) delay_levels: DelayLevels,
}

/// Which part failed: it decides the running flag.
#[derive(Debug)]
pub(crate) enum DispatchError {
    /// A consume queue.
    Queue(StoreError),
    /// The index.
    Index(StoreError),
}

/// A dispatched record, to tell the listener of once the round is visible.
#[derive(Clone, Copy, Debug)]
struct Told {
    at: usize,
    size: usize,
    tags_code: i64,
}

/// The records of one round; kept between rounds for its memory.
#[derive(Debug, Default)]
pub(crate) struct Round {
    told: Vec<Told>,
}

/// What dispatch needs of a message's properties, found in one pass.
#[derive(Debug, Default)]
struct Wanted<'a> {
    tags: Option<&'a str>,
    keys: Option<&'a str>,
    unique_key: Option<&'a str>,
    delay: Option<&'a str>,
}

impl<'a> Wanted<'a> {
    fn of(encoded: &'a [u8]) -> Wanted<'a> {
        let mut wanted = Wanted::default();
        for (name, value) in properties::pairs(encoded) {
            let place = match name {
                b"TAGS" => &mut wanted.tags,
                b"KEYS" => &mut wanted.keys,
                b"UNIQ_KEY" => &mut wanted.unique_key,
                b"DELAY" => &mut wanted.delay,
                _ => continue,
            };
            *place = std::str::from_utf8(value).ok();
        }
        wanted
    }
}

impl Dispatcher {
    /// Dispatches the records in `bytes`, which lie one after the other, up to `records_max`, and
    /// adds them to the round. `bytes[0]` is byte `base` of what [`Dispatcher::tell`] will be
    /// given. Returns how many of the bytes are done; all of them when a blank or something
    /// unreadable ends the segment.
    pub(crate) fn dispatch(
        &self,
        bytes: &[u8],
        base: usize,
        records_max: usize,
        round: &mut Round,
    ) -> Result<usize, DispatchError> {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| rest.len() > 8) {
            if round.len() >= records_max {
                return Ok(at);
            }
            match RecordView::parse(rest) {
                Ok(view) => {
                    let tags_code = self.dispatch_record(&view)?;
                    round.told.push(Told { at: base + at, size: view.size(), tags_code });
                    at += view.size();
                }
                Err(error) => {
                    // A blank ends its segment.
                    if RecordView::peek(rest).is_none_or(|(_, magic)| magic != BLANK_MAGIC) {
                        tracing::error!(target: "RocketmqStoreError", "[BUG]dispatch message to consume queue error, {error}");
                    }
                    break;
                }
            }
        }
        Ok(bytes.len())
    }

    /// Dispatches one record; returns its tags code.
    pub(crate) fn dispatch_record(&self, view: &RecordView<'_>) -> Result<i64, DispatchError> {
        self.dispatch_with(view, false, self.index.as_ref())
    }

    /// Puts the entry of a record into its consume queue, if the queue is there and lacks it.
    pub(crate) fn dispatch_again(&self, view: &RecordView<'_>) -> Result<(), DispatchError> {
        self.dispatch_with(view, true, None).map(drop)
    }

    fn dispatch_with(
        &self,
        view: &RecordView<'_>,
        again: bool,
        index: Option<&Index>,
    ) -> Result<i64, DispatchError> {
        let transaction = view.sys_flag & sys_flag::TRANSACTION_MASK;
        let wanted = Wanted::of(view.properties);
        let code = code_of(view, &wanted, &self.delay_levels);
        let topic = view.topic_text();
        if topic.is_empty() {
            tracing::error!(target: "RocketmqStoreError", "the record at {} has no readable topic; it gets no queue entry", view.physical_offset);
            return Ok(code);
        }
        if matches!(transaction, 0 | sys_flag::TRANSACTION_COMMIT) {
            let entry = QueueEntry {
                physical_offset: view.physical_offset,
                size: i32::try_from(view.size()).unwrap_or(i32::MAX),
                tags_code: code,
            };
            let place = (topic, view.queue_id, view.queue_offset);
            let entry = match self.queues.extends() {
                true => self.queues.with_unit(place, entry, again, || self.unit_of(view, code)),
                false => entry,
            };
            match again {
                true => self.queues.put_again(topic, view.queue_id, view.queue_offset, entry),
                false => self.queues.put(topic, view.queue_id, view.queue_offset, entry),
            }
        }
        if transaction != sys_flag::TRANSACTION_ROLLBACK
            && let Some(index) = index
            && (wanted.keys.is_some() || wanted.unique_key.is_some())
        {
            let keys = wanted.keys.unwrap_or_default();
            index
                .put(topic, keys, wanted.unique_key, view.physical_offset, view.store_timestamp)
                .map_err(DispatchError::Index)?;
        }
        Ok(code)
    }

    fn unit_of(&self, view: &RecordView<'_>, tags_code: i64) -> QueueUnit {
        let bit_map = self.bit_maps.bit_map(view.topic_text(), view.properties);
        QueueUnit { tags_code, store_timestamp: view.store_timestamp, bit_map }
    }

    /// Makes everything dispatched visible to readers.
    pub(crate) fn end_round(&self) -> Result<(), DispatchError> {
        self.queues.end_round().map_err(DispatchError::Queue)
    }

    /// Tells the listener of the round's records, whose bytes are in `bytes`, and empties it.
    pub(crate) fn tell(bytes: &[u8], round: &mut Round, listener: &dyn ArrivalListener) {
        for told in round.told.drain(..) {
            let record = bytes.get(told.at..told.at + told.size).unwrap_or_default();
            if let Ok(view) = RecordView::parse(record) {
                listener.arrived(Arrival {
                    topic: view.topic_text(),
                    queue_id: view.queue_id,
                    queue_offset: view.queue_offset,
                    tags_code: told.tags_code,
                    store_timestamp: view.store_timestamp,
                    record,
                });
            }
        }
    }
}

/// The consume queue's third field: hash of the tags, or delivery time of a delayed message.
fn code_of(view: &RecordView<'_>, wanted: &Wanted<'_>, levels: &DelayLevels) -> i64 {
    if view.topic == topic::SCHEDULE.as_bytes()
        && let Some(level) = wanted.delay.and_then(|text| text.parse::<i32>().ok())
        && level > 0
    {
        return levels.delivery_time(level.min(levels.max_level()), view.store_timestamp);
    }
    tags_code(wanted.tags)
}

/// The entry that a record must have in its queue; `None` if it has none.
pub(crate) fn entry_of(view: &RecordView<'_>, levels: &DelayLevels) -> Option<QueueEntry> {
    let transaction = view.sys_flag & sys_flag::TRANSACTION_MASK;
    let has_entry = matches!(transaction, 0 | sys_flag::TRANSACTION_COMMIT);
    (has_entry && !view.topic_text().is_empty()).then(|| QueueEntry {
        physical_offset: view.physical_offset,
        size: i32::try_from(view.size()).unwrap_or(i32::MAX),
        tags_code: code_of(view, &Wanted::of(view.properties), levels),
    })
}

impl Round {
    /// How many records it holds.
    pub(crate) fn len(&self) -> usize {
        self.told.len()
    }

    /// Forgets them.
    pub(crate) fn clear(&mut self) {
        self.told.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_it_wants_in_one_pass() {
        let wanted = Wanted::of(b"u\x01v\x02KEYS\x01k1 k2\x02UNIQ_KEY\x01UK1\x02TAGS\x01TagA");
        assert_eq!(wanted.tags, Some("TagA"));
        assert_eq!(wanted.keys, Some("k1 k2"));
        assert_eq!(wanted.unique_key, Some("UK1"));
        assert_eq!(wanted.delay, None);
    }
}
