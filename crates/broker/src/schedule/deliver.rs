//! One pass over one level's queue.

use rocketmq_common::clock;
use rocketmq_protocol::message::RecordView;
use rocketmq_protocol::topic;
use rocketmq_store::{PutError, QueueEntry};

use super::{Schedule, THREAD, copy_of, real_place};
use crate::LOGGER;
use crate::context::BrokerContext;
use crate::processor::pull;

/// Messages of one level that are delivered before the next level's turn.
const MESSAGES_MAX: usize = 256;
/// Bytes of them, about.
const BYTES_MAX: usize = 4 << 20;
/// How long to wait after the store refused a message (DELAY_FOR_A_PERIOD), ms.
pub(super) const AFTER_REFUSAL_MS: i64 = 10_000;

/// What a pass did.
pub(super) struct Pass {
    /// Next offset to be delivered.
    pub(super) next: i64,
    /// Whether there was anything in the queue.
    pub(super) had_entries: bool,
    /// Commit log offset behind what was delivered; 0 for nothing.
    pub(super) delivered_end: i64,
    /// When to look again; `None` when the queue has nothing left.
    pub(super) look_at: Option<i64>,
}

/// Why a pass ended before the entries did.
enum Stop {
    /// The next entry is due then.
    Due(i64),
    /// The store refused the message for now.
    Refused(PutError),
}

/// Delivers what is due of one level.
pub(super) fn pass(context: &BrokerContext, schedule: &Schedule, level: i32, from: i64) -> Pass {
    let store = &context.store;
    let mut entries = Vec::new();
    store.queue_entries(topic::SCHEDULE, level - 1, from, MESSAGES_MAX, &mut entries);
    if entries.is_empty() {
        return nothing_at(context, level, from);
    }
    let mut pass =
        Pass { next: from, had_entries: true, delivered_end: 0, look_at: Some(i64::MIN) };
    let mut bytes = 0;
    for entry in &entries {
        match deliver(context, schedule, level, entry) {
            Ok(Some(end)) => pass.delivered_end = end,
            Ok(None) => {}
            Err(Stop::Due(due)) => {
                pass.look_at = Some(due);
                break;
            }
            Err(Stop::Refused(error)) => {
                tracing::error!(target: LOGGER, thread = THREAD, "ScheduleMessageService, a message time up, but reput it failed, level {level} offset {}: {error}; it is tried again in {} s", pass.next, AFTER_REFUSAL_MS / 1000);
                pass.look_at = Some(clock::now_ms() + AFTER_REFUSAL_MS);
                break;
            }
        }
        pass.next += 1;
        bytes += usize::try_from(entry.size).unwrap_or(0);
        if bytes > BYTES_MAX {
            break;
        }
    }
    if pass.delivered_end == 0 {
        return pass;
    }
    let committed = store.commit();
    pull::run_ready(context);
    if let Err(error) = committed {
        tracing::error!(target: LOGGER, thread = THREAD, "level {level} from offset {from}: {error}; it is tried again in {} s", AFTER_REFUSAL_MS / 1000);
        pass.next = from;
        pass.delivered_end = 0;
        pass.look_at = Some(clock::now_ms() + AFTER_REFUSAL_MS);
    }
    pass
}

/// The queue has no entry there: its end, or its first messages have expired.
fn nothing_at(context: &BrokerContext, level: i32, from: i64) -> Pass {
    let min = context.store.min_offset_in_queue(topic::SCHEDULE, level - 1).max(0);
    let max = context.store.max_offset_in_queue(topic::SCHEDULE, level - 1).max(min);
    let next = from.clamp(min, max);
    if next != from {
        tracing::error!(target: LOGGER, thread = THREAD, "schedule CQ offset invalid. offset={from}, cqMinOffset={min}, cqMaxOffset={max}, queueId={}", level - 1);
    }
    // An entry that is there but cannot be read: the store has said why.
    let unreadable = || clock::now_ms() + AFTER_REFUSAL_MS;
    let look_at = match next {
        next if next >= max => None,
        next if next != from => Some(i64::MIN),
        _ => Some(unreadable()),
    };
    Pass { next, had_entries: next != from, delivered_end: 0, look_at }
}

/// When the message of an entry is to be delivered; where its extension unit is lost, as long after
/// it was stored as its level says.
fn delivery_time(
    context: &BrokerContext,
    schedule: &Schedule,
    level: i32,
    entry: &QueueEntry,
) -> i64 {
    match context.store.queue_unit(topic::SCHEDULE, level - 1, entry) {
        None => entry.tags_code,
        Some(Ok(unit)) => unit.tags_code,
        Some(Err(_)) => {
            let record = context.store.look_up(entry.physical_offset);
            let view = record.as_deref().and_then(|bytes| RecordView::parse(bytes).ok());
            let stored = view.map_or(0, |view| view.store_timestamp);
            schedule.levels().delivery_time(level, stored)
        }
    }
}

/// Puts the message of one entry where it belongs, if it is due; returns the commit log offset
/// behind it, or nothing when there is nothing to deliver.
fn deliver(
    context: &BrokerContext,
    schedule: &Schedule,
    level: i32,
    entry: &QueueEntry,
) -> Result<Option<i64>, Stop> {
    let now = clock::now_ms();
    // A time further away than the delay comes from a clock that was set back.
    let wished = delivery_time(context, schedule, level, entry);
    let due = if wished > schedule.levels().delivery_time(level, now) { now } else { wished };
    if due > now {
        return Err(Stop::Due(due));
    }
    let record = context.store.look_up(entry.physical_offset);
    let record = record.as_deref().and_then(|bytes| RecordView::parse(bytes).ok());
    let is_of_schedule = |record: &RecordView<'_>| {
        record.topic == topic::SCHEDULE.as_bytes() && i32::try_from(record.size()) == Ok(entry.size)
    };
    let Some(record) = record.filter(is_of_schedule) else {
        tracing::warn!(target: LOGGER, thread = THREAD, "level {level}: no message at {}; it is passed over", entry.physical_offset);
        return Ok(None);
    };
    let Some((topic, queue_id)) = real_place(&record) else {
        tracing::error!(target: LOGGER, thread = THREAD, "the message at {} does not say where it belongs; it stays in {}", entry.physical_offset, topic::SCHEDULE);
        return Ok(None);
    };
    if topic == topic::TRANS_HALF {
        tracing::error!(target: LOGGER, thread = THREAD, "[BUG] the real topic of schedule msg is {topic}, discard the msg. msg={}", record.offset_msg_id());
        return Ok(None);
    }
    match context.store.put(&copy_of(&record, topic, queue_id, record.properties)) {
        Ok(put) => {
            if context.settings().store.enable_schedule_message_stats {
                let bytes = put.end_offset - put.physical_offset;
                context.stats.delivered(level, topic, queue_id, bytes);
            }
            Ok(Some(put.end_offset))
        }
        Err(error @ (PutError::MessageIllegal(_) | PutError::PropertiesSizeExceeded(_))) => {
            tracing::error!(target: LOGGER, thread = THREAD, "the message at {} cannot be put in {topic}: {error}; it stays in {}", entry.physical_offset, topic::SCHEDULE);
            Ok(None)
        }
        Err(error) => Err(Stop::Refused(error)),
    }
}
