//! Compression of large bodies (contract `client.md` 3).

use bytes::Bytes;
use rocketmq_protocol::message::message_ext::deflate;

/// The body as it is sent, and whether it is compressed: from the threshold on.
pub(crate) fn compressed(body: &Bytes, threshold: usize, level: u32) -> (Bytes, bool) {
    if body.len() < threshold {
        return (body.clone(), false);
    }
    match deflate(body, level) {
        Ok(small) => (small.into(), true),
        // Deflating to memory cannot fail; if it did, the body can go as it is.
        Err(_) => (body.clone(), false),
    }
}
