//! The commit log as bytes, for replication (contract `ha.md` 2 to 4): a master reads it verbatim,
//! a slave appends what it reads to its own, and builds queues and index of every record as soon
//! as all of it is there.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use rocketmq_protocol::message::RecordView;
use rocketmq_protocol::message::record::{BLANK_MAGIC, MESSAGE_MAGIC};

use crate::error::StoreError;
use crate::shared::Core;

/// How many of the bytes at a place of the log are whole records. `to_segment_end` says that the
/// bytes reach to the end of their segment: then a blank counts too. What is neither record nor
/// blank counts as whole, so that it is reported once rather than waited for.
pub(crate) fn whole_records(bytes: &[u8], to_segment_end: bool) -> usize {
    let mut at = 0;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        match RecordView::peek(rest) {
            Some((size, MESSAGE_MAGIC)) if size > 0 => {
                let size = usize::try_from(size).unwrap_or(usize::MAX);
                if size > rest.len() {
                    return if to_segment_end { bytes.len() } else { at };
                }
                at += size;
            }
            _ if to_segment_end => return bytes.len(),
            None | Some((_, BLANK_MAGIC)) => return at,
            Some(_) => return bytes.len(),
        }
    }
    at
}

impl Core {
    /// See [`crate::MessageStore::read_log`].
    pub(crate) fn read_log(&self, offset: i64, max: usize) -> Option<Bytes> {
        let end = self.log.written_end();
        if offset < 0 || offset >= end {
            return None;
        }
        let segment = self.log.segments().find(offset)?;
        let readable = usize::try_from(segment.end().min(end) - offset).ok()?;
        segment.slice(offset, readable.min(max))
    }

    /// See [`crate::MessageStore::append_replicated`].
    pub(crate) fn append_replicated(&self, offset: i64, bytes: &[u8]) -> Result<i64, StoreError> {
        let _one = self.writer.lock();
        if self.state.is_shut_down() {
            return Err(StoreError::Shutdown);
        }
        if let Some(reason) = self.state.fatal() {
            return Err(StoreError::NotWritable(reason.to_string()));
        }
        if self.log.written_end() == 0 && offset != 0 {
            self.begin_log_at(offset)?;
        }
        let end = self.log.written_end();
        if offset != end {
            return Err(StoreError::OutOfStep { own: end, master: offset });
        }
        let written = self.log.write_raw(offset, bytes);
        let end = written.inspect_err(|error| self.fail_if_lost(error))?;
        self.log.publish(end, self.newest_timestamp(end));
        if self.flushes_at_once() {
            self.flusher.signal.wake();
        }
        self.listener.written(end);
        // What cannot be dispatched now is tried again; the log has it.
        if let Err(error) = self.catch_up() {
            tracing::error!(target: "RocketmqStoreError", "{error}");
        }
        Ok(end)
    }

    fn fail_if_lost(&self, error: &StoreError) {
        if error.ends_writing() {
            self.state.fail(error.to_string());
            self.flusher.give_up();
        }
    }

    /// An empty log begins where its master's last segment does.
    fn begin_log_at(&self, offset: i64) -> Result<(), StoreError> {
        let size = i64::try_from(self.log.segments().segment_size()).unwrap_or(i64::MAX);
        if offset < 0 || offset % size != 0 {
            return Err(StoreError::Config {
                key: "mappedFileSizeCommitLog",
                value: size.to_string(),
                reason: format!("the master's segment begins at {offset}; set what the master has"),
            });
        }
        self.log.segments().delete_behind(-1)?;
        self.log.set_end(offset, 0);
        self.flusher.begin_at(offset);
        self.dispatched_end.store(offset, Ordering::Release);
        Ok(())
    }

    /// Store time of the last whole record before `end`, which is not dispatched yet.
    fn newest_timestamp(&self, end: i64) -> Option<i64> {
        let from = self.dispatched_end.load(Ordering::Acquire);
        let segment = self.log.segments().find(from)?;
        let len = usize::try_from(segment.end().min(end) - from).ok()?;
        let bytes = segment.slice(from, len)?;
        let (mut at, mut newest) = (0, None);
        while let Some(Ok(view)) = bytes.get(at..).map(RecordView::parse) {
            newest = Some(view.store_timestamp);
            at += view.size();
        }
        newest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(size: i32, magic: i32, len: usize) -> Vec<u8> {
        let mut bytes = [size.to_be_bytes(), magic.to_be_bytes()].concat();
        bytes.resize(len, 7);
        bytes
    }

    #[test]
    fn only_whole_records_count() {
        let record = head(100, MESSAGE_MAGIC, 100);
        let two = [record.clone(), record.clone()].concat();
        assert_eq!(whole_records(&two, false), 200);
        assert_eq!(whole_records(&two[..199], false), 100);
        assert_eq!(whole_records(&two[..103], false), 100);
        assert_eq!(whole_records(&two[..4], false), 0);
        let blank = [record, head(50, BLANK_MAGIC, 50)].concat();
        assert_eq!(whole_records(&blank[..130], false), 100);
        assert_eq!(whole_records(&blank, true), 150);
        assert_eq!(whole_records(&head(5, 5, 40), false), 40);
    }
}
