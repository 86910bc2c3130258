//! Filling parts of the commit log that hold no valid record, so that whoever walks the log gets
//! past them: Java too, which otherwise cuts the log there.
//!
//! A part is filled with one record of the type that a rolled back transaction has. It is put into
//! no queue and no index, and keeps the bytes that were there as its body. Where the part reaches
//! to the segment's end, the blank record that ends a segment is enough.

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;

use rocketmq_protocol::message::record::{BLANK_BYTES, BLANK_MAGIC};
use rocketmq_protocol::message::{RecordHead, sys_flag};

use crate::error::StoreError;
use crate::io::Disk;
use crate::recover::Damage;
use crate::segment::Segment;
use crate::segments::Segments;

/// Topics of the records that fill; the short one where there is no room for the other.
const TOPICS: [&str; 2] = ["RMQ_SYS_DAMAGED", "-"];
/// Bytes that file systems write at once, or not at all.
const BLOCK_BYTES: usize = 4096;
/// A record never begins with so many zeros: a size may be one flipped bit away from four, the
/// magic behind it is not.
const TELLING_BYTES: usize = 5;

/// Whether a part lacks a block that was written: it never reached the medium, as when the power is
/// cut, rather than being damaged later. An older state of the block is there then, which ends
/// with zeros from where the log ended at that time.
pub(crate) fn lacks_block(segments: &Segments, damage: &Damage) -> Result<bool, StoreError> {
    for (segment, range) in parts(segments, damage) {
        let bytes = segment.bytes()?;
        let mut from = range.start;
        while from < range.end {
            let block_end = (from + 1).next_multiple_of(BLOCK_BYTES);
            let rest = bytes.get(from..block_end.min(bytes.len())).unwrap_or_default();
            if block_end <= range.end
                && rest.len() >= TELLING_BYTES
                && rest.iter().all(|byte| *byte == 0)
            {
                return Ok(true);
            }
            from = block_end;
        }
    }
    Ok(false)
}

/// Fills a part; false if it cannot be, since segments are missing or there is no room.
pub(crate) fn fill(segments: &Segments, disk: &Disk, damage: &Damage) -> Result<bool, StoreError> {
    let parts = parts(segments, damage);
    let covered: usize = parts.iter().map(|(_, range)| range.len()).sum();
    if covered as i64 != damage.range.end - damage.range.start {
        return Ok(false);
    }
    let mut fillings = Vec::with_capacity(parts.len());
    for (segment, range) in parts {
        let old = segment.bytes()?.slice(range.clone());
        let to_end = segment.start() + range.end as i64 == segment.end();
        let offset = segment.start() + range.start as i64;
        let filling = match to_end {
            true => Some(blank(range.len())),
            false => filling(&old, offset, damage.newer_than),
        };
        let Some(filling) = filling else { return Ok(false) };
        fillings.push((segment, offset, filling));
    }
    for (segment, offset, filling) in fillings {
        segment.write(disk, offset, &filling)?;
        segment.sync(disk)?;
        tracing::warn!(target: "RocketmqStoreError", "{}: {} bytes from commit log offset {offset} on that held no record are filled", segment.path().display(), filling.len());
    }
    Ok(true)
}

/// The segments of a part, and where in them it lies.
fn parts(segments: &Segments, damage: &Damage) -> Vec<(std::sync::Arc<Segment>, Range<usize>)> {
    let (from, to) = (damage.range.start, damage.range.end);
    let within = segments.all().into_iter().filter(|s| s.start() < to && s.end() > from);
    within
        .map(|segment| {
            let place = |offset: i64| usize::try_from(offset - segment.start()).unwrap_or(0);
            let range = place(from.max(segment.start()))..place(to.min(segment.end()));
            (segment, range)
        })
        .collect()
}

fn blank(len: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(BLANK_BYTES);
    bytes.extend_from_slice(&(len as i32).to_be_bytes());
    bytes.extend_from_slice(&BLANK_MAGIC.to_be_bytes());
    bytes.truncate(len);
    bytes
}

/// A record of exactly the old bytes' length; `None` if they are too few.
fn filling(old: &[u8], offset: i64, store_timestamp: i64) -> Option<Vec<u8>> {
    let nobody = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    TOPICS.iter().find_map(|topic| {
        let head = RecordHead {
            topic,
            queue_id: 0,
            flag: 0,
            sys_flag: sys_flag::TRANSACTION_ROLLBACK,
            born_timestamp: store_timestamp,
            born_host: nobody,
            store_host: nobody,
            reconsume_times: 0,
            prepared_transaction_offset: 0,
        };
        let body = old.get(..old.len().checked_sub(head.size(0, 0))?)?;
        let mut bytes = Vec::with_capacity(old.len());
        let encoded = head.encode(body, b"", &mut bytes);
        encoded.place(&mut bytes, 0, offset, store_timestamp);
        Some(bytes)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recover::valid_record;

    #[test]
    fn a_filling_is_a_record_of_the_same_length_in_no_queue() {
        for len in [92, 100, 106, 107, 5000] {
            let bytes = filling(&vec![7; len], 4711, 5).unwrap();
            assert_eq!(bytes.len(), len);
            let view = valid_record(&bytes, 4711, true).unwrap();
            assert_eq!(view.sys_flag & sys_flag::TRANSACTION_MASK, sys_flag::TRANSACTION_ROLLBACK);
            assert!(view.body.iter().all(|byte| *byte == 7));
        }
        assert!(filling(&[7; 91], 0, 0).is_none());
    }
}
