//! The bytes on the link (contract `ha.md` 2), big-endian.
//!
//! A master sends frames: `i64 offset of the first byte | i32 n | n bytes of the commit log`; n = 0
//! is a heartbeat. A slave sends its log's end as 8 bytes, nothing else.

/// Bytes of a slave's report.
pub const REPORT_BYTES: usize = 8;
/// Bytes before the body of a frame.
pub const HEAD_BYTES: usize = 12;
/// Largest body taken: with its head it fits Java's buffer of 4 MiB.
pub const BODY_MAX: usize = (4 << 20) - HEAD_BYTES;

/// The head of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Commit log offset of the first body byte; of the next one, in a heartbeat.
    pub offset: i64,
    /// Bytes of the body.
    pub len: usize,
}

/// A frame that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a frame at {offset} announces {len} bytes: whoever sends this is no RocketMQ master")]
pub struct BadFrame {
    offset: i64,
    len: i32,
}

impl Head {
    /// The head's bytes.
    pub fn encode(self) -> [u8; HEAD_BYTES] {
        let mut bytes = [0; HEAD_BYTES];
        let (offset, len) = bytes.split_at_mut(8);
        offset.copy_from_slice(&self.offset.to_be_bytes());
        let n = i32::try_from(self.len).unwrap_or(i32::MAX);
        len.copy_from_slice(&n.to_be_bytes());
        bytes
    }

    /// The head at the front of the bytes, if all of it is there.
    ///
    /// # Errors
    /// Offset or length that no master sends.
    pub fn decode(bytes: &[u8]) -> Result<Option<Head>, BadFrame> {
        let Some((offset, rest)) = bytes.split_first_chunk::<8>() else { return Ok(None) };
        let Some(len) = rest.first_chunk::<4>() else { return Ok(None) };
        let (offset, len) = (i64::from_be_bytes(*offset), i32::from_be_bytes(*len));
        match usize::try_from(len) {
            Ok(n) if n <= BODY_MAX && offset >= 0 => Ok(Some(Head { offset, len: n })),
            _ => Err(BadFrame { offset, len }),
        }
    }
}

/// Collects a slave's reports from whatever pieces they come in.
#[derive(Debug, Default)]
pub struct Reports {
    part: [u8; REPORT_BYTES],
    filled: usize,
}

impl Reports {
    /// Takes bytes of the stream; returns the last report that is complete by now, if one is.
    pub fn push(&mut self, bytes: &[u8]) -> Option<i64> {
        let mut last = None;
        for byte in bytes {
            if let Some(place) = self.part.get_mut(self.filled) {
                *place = *byte;
            }
            self.filled += 1;
            if self.filled == REPORT_BYTES {
                self.filled = 0;
                last = Some(i64::from_be_bytes(self.part));
            }
        }
        last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_have_javas_bytes() {
        let head = Head { offset: 4096, len: 2778 };
        let bytes = [0, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0x0A, 0xDA];
        assert_eq!(head.encode(), bytes);
        assert_eq!(Head::decode(&bytes), Ok(Some(head)));
        assert_eq!(Head::decode(&bytes[..11]), Ok(None));
        let heartbeat = Head { offset: 6874, len: 0 };
        assert_eq!(Head::decode(&heartbeat.encode()), Ok(Some(heartbeat)));
        let huge = [0, 0, 0, 0, 0, 0, 0, 0, 0x7F, 0xFF, 0xFF, 0xFF];
        assert!(Head::decode(&huge).is_err());
        assert!(Head::decode(&[0xFF; 12]).is_err());
    }

    #[test]
    fn reports_come_in_any_pieces() {
        let mut reports = Reports::default();
        let stream: Vec<u8> = [7_i64, 300, 70_000].iter().flat_map(|o| o.to_be_bytes()).collect();
        assert_eq!(reports.push(&stream[..3]), None);
        assert_eq!(reports.push(&stream[3..20]), Some(300));
        assert_eq!(reports.push(&stream[20..23]), None);
        assert_eq!(reports.push(&stream[23..]), Some(70_000));
    }
}
