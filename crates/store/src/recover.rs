//! Finding the end of the commit log, and damage before it (contract `store.md` 12).
//!
//! A scan walks record after record. Where no valid record is, there are two cases. Either nothing
//! valid follows: the place is the end, and what lies there is a torn tail that is cut. Or valid
//! records follow: then the place is *damaged*. Java would cut there and lose what follows; we keep
//! the log, step over the damage, and the store refuses writes until it is repaired.

use std::ops::Range;
use std::sync::Arc;

use memchr::memmem;
use rocketmq_protocol::message::record::{BLANK_BYTES, BLANK_MAGIC, MESSAGE_MAGIC};
use rocketmq_protocol::message::{RecordError, RecordView};

use crate::error::StoreError;
use crate::io::{self, Disk};
use crate::segment::Segment;
use crate::segments::Segments;

/// Zeros are looked for, and written, in pieces of this size.
const PIECE_BYTES: usize = 64 * 1024;

/// A part of the commit log that holds no valid record, with valid ones behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Damage {
    /// Commit log offsets.
    pub(crate) range: Range<i64>,
    /// What was found at its front.
    pub(crate) cause: String,
    /// Store time of the last valid record before it.
    pub(crate) newer_than: i64,
}

/// What a scan found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Scanned {
    /// Where the log goes on.
    pub(crate) end: i64,
    /// Store time of the last valid record; 0 when there is none.
    pub(crate) last_timestamp: i64,
    /// Where the last valid record begins.
    pub(crate) last_record: i64,
    /// Valid records.
    pub(crate) records: u64,
    /// Bytes of them.
    pub(crate) bytes: u64,
    /// Damaged parts, in order.
    pub(crate) damages: Vec<Damage>,
}

impl Scanned {
    fn add_damage(&mut self, range: Range<i64>, cause: String) {
        self.damages.push(Damage { range, cause, newer_than: self.last_timestamp });
    }
}

/// What lies at a place of a segment.
enum Found<'a> {
    Record(RecordView<'a>),
    Blank,
    Nothing(RecordError),
}

/// How to scan.
pub(crate) struct Scan<'a> {
    pub(crate) segments: &'a Segments,
    /// Compare body checksums.
    pub(crate) check_crc: bool,
    /// Whether a consume queue has an entry for this record: then it is a message of this log
    /// even where its time says that it is left over from an earlier life of the file.
    pub(crate) is_in_queue: &'a dyn Fn(&RecordView<'_>) -> bool,
    /// Where the scan may stop looking for records behind an invalid place: the log is known to
    /// end there.
    pub(crate) known_end: Option<i64>,
}

impl Scan<'_> {
    /// Walks from `from`, which must be the place of a record, to the end of the log. Calls
    /// `on_record` for each valid record; its error ends the scan.
    pub(crate) fn run<E: From<StoreError>>(
        &self,
        from: i64,
        on_record: &mut dyn FnMut(&RecordView<'_>) -> Result<(), E>,
    ) -> Result<Scanned, E> {
        let mut scanned = Scanned { end: from, last_record: from, ..Scanned::default() };
        let mut at = from;
        loop {
            let Some(segment) = self.segments.find(at) else {
                let Some(next) = self.segments.next_start(at) else { break };
                scanned.add_damage(at..next, MISSING.to_string());
                at = next;
                continue;
            };
            let bytes = segment.bytes()?;
            let place = usize::try_from(at - segment.start()).unwrap_or(usize::MAX);
            let rest = bytes.get(place..).unwrap_or_default();
            match self.look(rest, at) {
                Found::Record(view) => {
                    on_record(&view)?;
                    scanned.last_record = at;
                    at += view.size() as i64;
                    scanned.end = at;
                    // Not the largest: the clock may have been set back.
                    scanned.last_timestamp = view.store_timestamp;
                    scanned.records += 1;
                    scanned.bytes += view.size() as u64;
                }
                Found::Blank => match self.segments.next_start(at) {
                    Some(next) => {
                        if next != segment.end() {
                            let range = segment.end()..next;
                            scanned.add_damage(range, MISSING.to_string());
                        }
                        at = next;
                        scanned.end = next;
                    }
                    None => break,
                },
                Found::Nothing(error) => {
                    if self.known_end == Some(at) {
                        break;
                    }
                    let Some(next) = self.next_record(at + 1, scanned.last_timestamp)? else {
                        tracing::info!(target: "RocketmqStore", "recover physics file end, no valid record from {at} on: {error}");
                        break;
                    };
                    scanned.add_damage(at..next, error.to_string());
                    at = next;
                }
            }
        }
        Ok(scanned)
    }

    fn look<'a>(&self, bytes: &'a [u8], at: i64) -> Found<'a> {
        if RecordView::peek(bytes).is_some_and(|(_, magic)| magic == BLANK_MAGIC)
            || bytes.len() < BLANK_BYTES
        {
            return Found::Blank;
        }
        match valid_record(bytes, at, self.check_crc) {
            Ok(view) => Found::Record(view),
            Err(error) => Found::Nothing(error),
        }
    }

    /// The first valid record at or behind `from`, in any segment.
    fn next_record(&self, from: i64, newer_than: i64) -> Result<Option<i64>, StoreError> {
        let finder = memmem::Finder::new(&MAGIC_BYTES);
        for segment in self.segments.all() {
            if segment.end() <= from {
                continue;
            }
            let bytes = segment.bytes()?;
            let mut place = usize::try_from(from - segment.start()).unwrap_or(0);
            while let Some(data) = next_data(&segment, place)? {
                // A record begins four bytes before its magic.
                let Some(found) = bytes.get(data + 4..).and_then(|rest| finder.find(rest)) else {
                    break;
                };
                let candidate = data + found;
                let at = segment.start() + candidate as i64;
                if let Some(rest) = bytes.get(candidate..)
                    && let Ok(view) = valid_record(rest, at, true)
                    && (view.store_timestamp >= newer_than || (self.is_in_queue)(&view))
                {
                    return Ok(Some(at));
                }
                place = candidate + 1;
            }
        }
        Ok(None)
    }
}

/// Cause of a damage that spans whole segments.
const MISSING: &str = "a segment file is missing";
/// The magic as it lies in files.
const MAGIC_BYTES: [u8; 4] = MESSAGE_MAGIC.to_be_bytes();

/// The place of the next byte at or behind `place` that the file system does not know to be zero.
fn next_data(segment: &Segment, place: usize) -> Result<Option<usize>, StoreError> {
    let next = io::next_data(segment.file(), place as u64)
        .map_err(|source| StoreError::io("seek", segment.path(), source))?;
    Ok(next.and_then(|at| usize::try_from(at).ok()).map(|at| at.max(place)))
}

/// The record at the front of `bytes`, if everything about it is right.
pub(crate) fn valid_record(
    bytes: &[u8],
    at: i64,
    check_crc: bool,
) -> Result<RecordView<'_>, RecordError> {
    let view = RecordView::parse(bytes)?;
    let wrong = |what: &'static str| {
        let total = i32::try_from(view.size()).unwrap_or(i32::MAX);
        Err(RecordError::Length { total, what })
    };
    if view.physical_offset != at {
        return wrong("physicalOffset");
    }
    // The checksum covers the body only. Behind it, zeros tell a torn record: no topic holds one,
    // and `put` ends no properties with one.
    if memchr::memchr(0, view.topic).is_some() {
        return wrong("topic");
    }
    if view.properties.last() == Some(&0) {
        return wrong("properties");
    }
    if check_crc {
        view.check_crc()?;
    }
    Ok(view)
}

/// Overwrites with zeros what is left of a torn record behind the end, so that nothing of it can
/// be taken for a record later.
pub(crate) fn clear_tail(segment: &Segment, disk: &Disk, end: i64) -> Result<u64, StoreError> {
    let bytes = segment.bytes()?.clone();
    let mut place = usize::try_from(end - segment.start()).unwrap_or(usize::MAX);
    let mut cleared = 0;
    while let Some(data) = next_data(segment, place)? {
        let Some(rest) = bytes.get(data..).filter(|rest| !rest.is_empty()) else { break };
        let piece = rest.get(..PIECE_BYTES).unwrap_or(rest);
        if piece.iter().any(|byte| *byte != 0) {
            segment.write(disk, segment.start() + data as i64, &vec![0; piece.len()])?;
            cleared += piece.len() as u64;
        }
        place = data + piece.len();
    }
    if cleared > 0 {
        segment.sync(disk)?;
    }
    Ok(cleared)
}

/// Where an abnormal recovery begins: the last segment whose first record was stored before the
/// checkpoint, else the first one.
pub(crate) fn segment_before(segments: &Segments, checkpoint_ms: i64) -> Option<Arc<Segment>> {
    let all = segments.all();
    let before = all.iter().rev().find(|segment| {
        let bytes = segment.bytes().map(|bytes| bytes.get(..).unwrap_or_default());
        bytes.ok().and_then(first_timestamp).is_some_and(|ms| ms != 0 && ms <= checkpoint_ms)
    });
    before.or(all.first()).cloned()
}

fn first_timestamp(bytes: &[u8]) -> Option<i64> {
    RecordView::parse(bytes).ok().map(|view| view.store_timestamp)
}

/// Where a normal recovery begins: at the third-last segment.
pub(crate) fn third_last(segments: &Segments) -> Option<Arc<Segment>> {
    let all = segments.all();
    all.get(all.len().saturating_sub(3)).cloned()
}
