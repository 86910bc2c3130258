//! Bytes on their way out of one connection.

use std::collections::VecDeque;

use bytes::{Buf, Bytes, BytesMut};

/// Bodies up to this size are copied behind their header; larger ones are sent from where they lie.
const COPY_BYTES_MAX: usize = 2048;
/// Slices of one vectored write.
pub(crate) const SLICES_MAX: usize = 64;
/// Room that the small-bytes buffer starts with.
const TAIL_BYTES: usize = 4096;

/// A queue of byte chunks. Small ones are gathered in one buffer, so that many short answers
/// leave as one slice.
#[derive(Default)]
pub(crate) struct OutQueue {
    chunks: VecDeque<Bytes>,
    tail: BytesMut,
    len: usize,
}

impl OutQueue {
    /// Bytes waiting.
    pub(crate) fn len(&self) -> usize {
        self.len + self.tail.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The buffer for small bytes; what is appended to it is queued.
    pub(crate) fn tail(&mut self) -> &mut BytesMut {
        if self.tail.capacity() == 0 {
            self.tail.reserve(TAIL_BYTES);
        }
        &mut self.tail
    }

    /// Queues bytes without copying them, unless they are few.
    pub(crate) fn push(&mut self, bytes: Bytes) {
        if bytes.len() <= COPY_BYTES_MAX {
            self.tail().extend_from_slice(&bytes);
            return;
        }
        self.seal_tail();
        self.len += bytes.len();
        self.chunks.push_back(bytes);
    }

    /// Takes over everything of another queue.
    pub(crate) fn append(&mut self, other: &mut OutQueue) {
        if self.is_empty() {
            std::mem::swap(self, other);
            return;
        }
        self.seal_tail();
        other.seal_tail();
        self.len += other.len;
        other.len = 0;
        self.chunks.append(&mut other.chunks);
    }

    /// Drops everything.
    pub(crate) fn clear(&mut self) {
        *self = OutQueue::default();
    }

    fn seal_tail(&mut self) {
        if !self.tail.is_empty() {
            let sealed = self.tail.split().freeze();
            self.len += sealed.len();
            self.chunks.push_back(sealed);
        }
    }

    /// Everything queued, in order.
    pub(crate) fn chunks(&mut self) -> &VecDeque<Bytes> {
        self.seal_tail();
        &self.chunks
    }

    /// Forgets bytes that were written.
    pub(crate) fn advance(&mut self, mut written: usize) {
        self.len = self.len.saturating_sub(written);
        while let Some(front) = self.chunks.front_mut() {
            if front.len() > written {
                front.advance(written);
                return;
            }
            written -= front.len();
            self.chunks.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(queue: &mut OutQueue) -> Vec<u8> {
        queue.chunks().iter().flat_map(|chunk| chunk.to_vec()).collect()
    }

    #[test]
    fn keeps_order_over_copied_and_shared_bytes() {
        let mut queue = OutQueue::default();
        queue.tail().extend_from_slice(b"head");
        queue.push(Bytes::from(vec![b'x'; COPY_BYTES_MAX + 1]));
        queue.push(Bytes::from_static(b"tail"));
        let mut other = OutQueue::default();
        other.push(Bytes::from_static(b"more"));
        queue.append(&mut other);
        assert!(other.is_empty());
        let all = content(&mut queue);
        assert_eq!(all.len(), queue.len());
        assert!(all.starts_with(b"headx") && all.ends_with(b"xtailmore"));
        queue.advance(4 + COPY_BYTES_MAX);
        assert_eq!(content(&mut queue), b"xtailmore");
        queue.advance(9);
        assert!(queue.is_empty());
    }
}
