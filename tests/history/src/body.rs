//! Bodies that say which message they are, and whether they are whole.
//!
//! `PRODUCER/NUMBER/LENGTH/CHECKSUM/` in text, then filler that depends on all of them. The
//! checksum is FNV-1a over everything else: not the CRC that RocketMQ keeps beside the body.

use crate::MessageId;

/// Bytes before the filler, at most.
pub const HEAD_BYTES_MAX: usize = 64;

fn fnv(parts: &[&[u8]]) -> u64 {
    let bytes = parts.iter().flat_map(|part| part.iter());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn filler(id: MessageId, len: usize) -> Vec<u8> {
    let mut state = u64::from(id.producer) << 32 | u64::from(id.number) | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// A body with `filler_bytes` bytes behind its head.
pub fn encode(id: MessageId, filler_bytes: usize) -> Vec<u8> {
    let head = format!("{}/{}/{filler_bytes}/", id.producer, id.number);
    let filler = filler(id, filler_bytes);
    let checksum = fnv(&[head.as_bytes(), &filler]);
    let mut body = format!("{head}{checksum:016x}/").into_bytes();
    body.extend_from_slice(&filler);
    body
}

/// Which message a body is; `None` if it is not exactly as [`encode`] made it.
pub fn decode(body: &[u8]) -> Option<MessageId> {
    let mut parts = body.splitn(5, |byte| *byte == b'/');
    let mut number = || std::str::from_utf8(parts.next()?).ok()?.parse::<u64>().ok();
    let (producer, message, len) = (number()?, number()?, number()?);
    let id =
        MessageId { producer: u32::try_from(producer).ok()?, number: u32::try_from(message).ok()? };
    (encode(id, usize::try_from(len).ok().filter(|len| *len <= body.len())?) == body).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_known_again_and_every_flip_is_seen() {
        let id = MessageId { producer: 7, number: 123 };
        let body = encode(id, 40);
        assert_eq!(decode(&body), Some(id));
        for at in 0..body.len() {
            let mut flipped = body.clone();
            flipped[at] ^= 4;
            assert_eq!(decode(&flipped), None, "byte {at}");
            assert_eq!(decode(&body[..at]), None);
        }
        assert_eq!(decode(b"something else"), None);
        assert!(
            encode(MessageId { producer: u32::MAX, number: u32::MAX }, 0).len() < HEAD_BYTES_MAX
        );
    }
}
