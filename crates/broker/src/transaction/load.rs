//! What is open after a start: the op topic says what was ended, and the end of the log says what
//! was committed by a write that a kill cut off before its op message.

use std::collections::{HashMap, HashSet};

use rocketmq_protocol::message::{RecordView, property, sys_flag};
use rocketmq_protocol::topic;
use rocketmq_store::QueueEntry;

use super::window::Window;
use super::{GROUP, LOG, QUEUE, number, unique_key};
use crate::context::BrokerContext;
use crate::schedule::{level_of, real_place};

/// Entries read at once.
const ENTRIES: usize = 1024;
/// How much of the log's end one write may have held: what is staged at most, doubled.
const LAST_WRITE_BYTES: i64 = 16 << 20;

/// The window of the files.
pub(super) fn window(context: &BrokerContext) -> Window {
    let (half, half_end) = bounds(context, topic::TRANS_HALF);
    let (op, op_end) = bounds(context, topic::TRANS_OP_HALF);
    let mut window = Window::new(half, op);
    let mut ended = HashSet::new();
    each(context, topic::TRANS_OP_HALF, op, op_end, |offset, record| {
        let body = record.and_then(|record| std::str::from_utf8(record.body).ok());
        let half = body.and_then(|body| body.trim().parse().ok()).unwrap_or(-1);
        window.note_op(offset, half);
        window.settle(half);
        ended.insert(half);
    });
    let from = window.done().0;
    // Open ones by what all copies have in common. That a copy took a place is noted only at the
    // end of the check, so that a kill may leave all of them open.
    let mut committed = Committed::new(context);
    let mut opened: HashMap<(Box<[u8]>, i64), i64> = HashMap::new();
    each(context, topic::TRANS_HALF, from, half_end, |offset, record| {
        let Some(record) = record else { return window.settle(offset) };
        let origin = number(record, property::TRANSACTION_PREPARED_QUEUE_OFFSET);
        if window.is_open(offset)
            && (origin.is_some_and(|origin| ended.contains(&origin)) || committed.contains(record))
        {
            window.settle(offset);
        }
        let is_copy =
            origin.is_some() || number(record, property::TRANSACTION_CHECK_TIMES).is_some();
        let Some(key) = unique_key(record) else { return };
        let common = (Box::from(key), record.born_timestamp);
        let before = opened.get(&common).copied().filter(|_| is_copy);
        if window.is_open(offset) {
            if is_copy {
                window.note_copy(Some(key), offset);
            }
            opened.insert(common, offset);
        } else if before.is_some() {
            opened.remove(&common);
        }
        if let Some(before) = before {
            window.settle(before);
        }
    });
    let open = opened.len();
    if half_end > 0 {
        tracing::info!(target: LOG, thread = "main", "{open} half messages wait for their end, from offset {from}");
    }
    window
}

/// Where to begin in a topic, and where it ends.
fn bounds(context: &BrokerContext, topic: &str) -> (i64, i64) {
    let min = context.store.min_offset_in_queue(topic, QUEUE).max(0);
    let max = context.store.max_offset_in_queue(topic, QUEUE).max(min);
    (context.offsets.get(GROUP, topic, QUEUE).unwrap_or(min).clamp(min, max), max)
}

/// Shows every message of a topic; `None` for one that cannot be read.
fn each(
    context: &BrokerContext,
    topic: &str,
    from: i64,
    to: i64,
    mut see: impl FnMut(i64, Option<&RecordView<'_>>),
) {
    let mut entries: Vec<QueueEntry> = Vec::new();
    let mut offset = from;
    while offset < to {
        context.store.queue_entries(topic, QUEUE, offset, ENTRIES, &mut entries);
        if entries.is_empty() {
            // The store has said why.
            see(offset, None);
            offset += 1;
        }
        for entry in entries.iter().take(usize::try_from(to - offset).unwrap_or(0)) {
            let bytes = context.store.look_up(entry.physical_offset);
            let record = bytes.as_deref().and_then(|bytes| RecordView::parse(bytes).ok());
            let record = record.filter(|record| record.topic == topic.as_bytes());
            see(offset, record.as_ref());
            offset += 1;
        }
    }
}

/// Half messages whose committed message lies in the log's last write; each queue that they belong
/// to is looked through once.
struct Committed<'a> {
    context: &'a BrokerContext,
    oldest: i64,
    queues: HashMap<(String, i32), HashSet<i64>>,
}

impl<'a> Committed<'a> {
    fn new(context: &'a BrokerContext) -> Committed<'a> {
        let oldest = context.store.max_physical_offset() - LAST_WRITE_BYTES;
        Committed { context, oldest, queues: HashMap::new() }
    }

    fn contains(&mut self, half: &RecordView<'_>) -> bool {
        let Some((topic, queue_id)) = real_place(half) else { return false };
        let level = level_of(half.properties).min(self.context.schedule.levels().max_level());
        let queue = match level {
            level if level > 0 => (topic::SCHEDULE.to_string(), level - 1),
            _ => (topic.to_string(), queue_id),
        };
        if !self.queues.contains_key(&queue) {
            let ends = self.ends_in(&queue.0, queue.1);
            self.queues.insert(queue.clone(), ends);
        }
        self.queues.get(&queue).is_some_and(|ends| ends.contains(&half.physical_offset))
    }

    /// The half messages that committed messages of a queue stem from.
    fn ends_in(&self, topic: &str, queue_id: i32) -> HashSet<i64> {
        let store = &self.context.store;
        let min = store.min_offset_in_queue(topic, queue_id).max(0);
        let newest_first = (min..store.max_offset_in_queue(topic, queue_id)).rev();
        let places = newest_first.map_while(|at| store.physical_offset_at(topic, queue_id, at));
        let recent = places.take_while(|place| *place >= self.oldest);
        let ends = recent.filter_map(|place| {
            let bytes = store.look_up(place)?;
            let record = RecordView::parse(&bytes).ok()?;
            let state = record.sys_flag & sys_flag::TRANSACTION_MASK;
            let is_committed = state == sys_flag::TRANSACTION_COMMIT;
            is_committed.then_some(record.prepared_transaction_offset)
        });
        ends.collect()
    }
}
