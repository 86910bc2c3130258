//! Which half messages are settled: committed, rolled back, replaced by a copy or given up.
//!
//! Everything before `next_half` is settled, so memory holds only what lies behind the oldest open
//! one. Both `next` offsets are what `consumerOffset.json` keeps for Java's check and ours; the
//! rest is read from the op topic at the start.

use std::collections::{BTreeMap, HashMap, HashSet};

/// How many half messages that were put again or given up are remembered, to know a late end.
const REMEMBERED_MAX: usize = 100_000;

/// What is to be done with a producer's END_TRANSACTION.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begin {
    /// End the half message at this queue offset, which is reserved now: the one named, or the
    /// copy that took its place.
    Open(i64),
    /// It was ended before.
    Done,
    /// It is too long ago to say; as in Java, what the producer says is done.
    Unknown,
}

#[derive(Debug, Default)]
pub(crate) struct Window {
    /// Every half message before it is settled.
    next_half: i64,
    /// Settled ones from it on.
    settled: HashSet<i64>,
    /// Those that a producer is ending right now.
    ending: HashSet<i64>,
    /// Every op message before it speaks of a half message before `next_half`.
    next_op: i64,
    /// Op messages from it on, and the half messages they speak of.
    ops: BTreeMap<i64, i64>,
    /// Queue offset of the newest copy of a half message that was put again, by unique key.
    copies: HashMap<Box<[u8]>, i64>,
    /// Unique keys of those whose copy was ended.
    answered: HashSet<Box<[u8]>>,
    /// Half messages from here on that are settled were ended, but for those of `not_ended`.
    known_from: i64,
    /// Settled by a copy, or given up.
    not_ended: HashSet<i64>,
}

impl Window {
    /// A window that begins there.
    pub(crate) fn new(next_half: i64, next_op: i64) -> Window {
        Window { next_half, next_op, known_from: next_half, ..Window::default() }
    }

    /// Offsets of both topics before which everything is done.
    pub(crate) fn done(&self) -> (i64, i64) {
        (self.next_half, self.next_op)
    }

    /// Whether the half message waits for its end.
    pub(crate) fn is_open(&self, half: i64) -> bool {
        half >= self.next_half && !self.settled.contains(&half) && !self.ending.contains(&half)
    }

    /// Everything before an offset has expired.
    pub(crate) fn expired(&mut self, half_min: i64, op_min: i64) {
        self.next_half = self.next_half.max(half_min);
        self.next_op = self.next_op.max(op_min);
        self.settled.retain(|half| *half >= half_min);
        self.ops = self.ops.split_off(&op_min);
        self.advance();
    }

    /// A producer ends the half message with that offset and unique key. An open one is reserved
    /// until [`Window::end`] or [`Window::cancel`].
    pub(crate) fn begin(&mut self, half: i64, key: Option<&[u8]>) -> Begin {
        let copy = key.and_then(|key| self.copies.get(key)).copied();
        for candidate in [Some(half), copy].into_iter().flatten() {
            if self.is_open(candidate) {
                self.ending.insert(candidate);
                return Begin::Open(candidate);
            }
        }
        let is_ended = half >= self.known_from && !self.not_ended.contains(&half);
        // A copy that is not open is being ended right now.
        if is_ended || copy.is_some() || key.is_some_and(|key| self.answered.contains(key)) {
            return Begin::Done;
        }
        Begin::Unknown
    }

    /// The reserved half message is ended; `op` is the queue offset of the op message.
    pub(crate) fn end(&mut self, half: i64, key: Option<&[u8]>, op: i64) {
        self.ending.remove(&half);
        if let Some(key) = key
            && self.copies.remove(key).is_some()
        {
            self.answered.insert(key.into());
        }
        self.note_op(op, half);
        self.settle(half);
    }

    /// The reserved half message could not be ended.
    pub(crate) fn cancel(&mut self, half: i64) {
        self.ending.remove(&half);
    }

    /// A copy at `copy` takes the place of the half message.
    pub(crate) fn replace(&mut self, half: i64, key: Option<&[u8]>, copy: i64) {
        self.note_copy(key, copy);
        self.settle_without_end(half);
    }

    /// There is a copy at that offset.
    pub(crate) fn note_copy(&mut self, key: Option<&[u8]>, copy: i64) {
        if let Some(key) = key {
            self.copies.insert(key.into(), copy);
        }
    }

    /// The half message is given up; a late end of it is served as Java does.
    pub(crate) fn give_up(&mut self, half: i64, key: Option<&[u8]>) {
        if let Some(key) = key {
            self.copies.remove(key);
        }
        self.settle_without_end(half);
    }

    fn settle_without_end(&mut self, half: i64) {
        if self.not_ended.len() >= REMEMBERED_MAX {
            self.not_ended.clear();
            self.answered.clear();
            self.known_from = self.next_half;
        }
        self.not_ended.insert(half);
        self.settle(half);
    }

    /// There is an op message about a half message.
    pub(crate) fn note_op(&mut self, op: i64, half: i64) {
        if op >= self.next_op {
            self.ops.insert(op, half);
        }
        self.advance();
    }

    /// The half message needs no more attention.
    pub(crate) fn settle(&mut self, half: i64) {
        if half >= self.next_half {
            self.settled.insert(half);
        }
        self.advance();
    }

    fn advance(&mut self) {
        while self.settled.remove(&self.next_half) {
            self.next_half += 1;
        }
        while let Some(first) = self.ops.first_entry() {
            if *first.key() != self.next_op || *first.get() >= self.next_half {
                break;
            }
            first.remove();
            self.next_op += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_contiguous_prefix_is_done() {
        let mut window = Window::new(10, 5);
        assert_eq!(window.begin(11, None), Begin::Open(11));
        assert_eq!(window.begin(11, None), Begin::Done, "somebody is at it");
        window.end(11, None, 5);
        assert_eq!(window.done(), (10, 5));
        assert!(window.is_open(10) && !window.is_open(11));
        assert_eq!(window.begin(10, None), Begin::Open(10));
        window.cancel(10);
        assert_eq!(window.begin(10, None), Begin::Open(10));
        // Two connections may learn their op offsets in the other order.
        window.end(10, None, 7);
        assert_eq!(window.done(), (12, 6));
        assert_eq!(window.begin(10, None), Begin::Done);
        assert_eq!(window.begin(9, None), Begin::Unknown, "before this window's time");
        assert_eq!(window.begin(12, None), Begin::Open(12));
        window.end(12, None, 6);
        assert_eq!(window.done(), (13, 8));
        assert!(window.settled.is_empty() && window.ops.is_empty() && window.ending.is_empty());
    }

    #[test]
    fn the_end_of_a_replaced_half_message_ends_its_copy_once() {
        let key = Some(&b"K"[..]);
        let mut window = Window::new(0, 0);
        window.replace(0, key, 4);
        window.replace(4, key, 9);
        assert_eq!(window.begin(0, key), Begin::Open(9));
        window.end(9, key, 0);
        for half in [0, 4, 9] {
            assert_eq!(window.begin(half, key), Begin::Done, "{half}");
        }
        assert_eq!(window.begin(0, None), Begin::Unknown);
    }

    #[test]
    fn what_was_given_up_is_unknown() {
        let key = Some(&b"K"[..]);
        let mut window = Window::new(0, 0);
        window.replace(0, key, 1);
        window.give_up(1, key);
        assert_eq!(window.begin(1, key), Begin::Unknown);
        window.expired(5, 3);
        assert_eq!(window.done(), (5, 3));
        assert_eq!(window.begin(1, None), Begin::Unknown);
    }
}
