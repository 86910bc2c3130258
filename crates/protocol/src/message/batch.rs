//! The body of a batch send (contract `wire.md` 9):
//! repeated `i32 total | i32 magic 0 | i32 crc 0 | i32 flag | i32 n, body | i16 n, properties`.

use super::RecordError;

/// One message of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchItem<'a> {
    /// The user's flag.
    pub flag: i32,
    /// The body.
    pub body: &'a [u8],
    /// The properties, encoded.
    pub properties: &'a [u8],
}

/// Bytes of an item beside body and properties.
const ITEM_FIXED_BYTES: usize = 22;

/// Appends one message.
pub fn encode_item(item: &BatchItem<'_>, out: &mut Vec<u8>) {
    let total = ITEM_FIXED_BYTES + item.body.len() + item.properties.len();
    out.extend_from_slice(&(total as i32).to_be_bytes());
    out.extend_from_slice(&[0; 8]);
    out.extend_from_slice(&item.flag.to_be_bytes());
    out.extend_from_slice(&(item.body.len() as i32).to_be_bytes());
    out.extend_from_slice(item.body);
    out.extend_from_slice(&(item.properties.len() as i16).to_be_bytes());
    out.extend_from_slice(item.properties);
}

/// The messages of a batch body; stops behind the first malformed one. The total, magic and
/// checksum words are ignored, as the broker ignores them.
pub fn items(body: &[u8]) -> impl Iterator<Item = Result<BatchItem<'_>, RecordError>> {
    let mut at = 0;
    let mut failed = false;
    std::iter::from_fn(move || {
        if failed || at >= body.len() {
            return None;
        }
        let item = item_at(body, &mut at).ok_or(RecordError::Batch(at));
        failed = item.is_err();
        Some(item)
    })
}

fn item_at<'a>(body: &'a [u8], at: &mut usize) -> Option<BatchItem<'a>> {
    let rest = body.get(*at..)?;
    let flag = i32::from_be_bytes(*rest.get(12..)?.first_chunk()?);
    let body_len = usize::try_from(i32::from_be_bytes(*rest.get(16..)?.first_chunk()?)).ok()?;
    let rest = rest.get(20..)?;
    let item_body = rest.get(..body_len)?;
    let rest = rest.get(body_len..)?;
    let properties_len = usize::try_from(i16::from_be_bytes(*rest.first_chunk()?)).ok()?;
    let properties = rest.get(2..)?.get(..properties_len)?;
    *at += ITEM_FIXED_BYTES + body_len + properties_len;
    Some(BatchItem { flag, body: item_body, properties })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_and_refuses_every_truncation() {
        let sent = [
            BatchItem { flag: 1, body: b"one", properties: b"A\x01b" },
            BatchItem { flag: 0, body: b"", properties: b"" },
        ];
        let mut body = Vec::new();
        sent.iter().for_each(|item| encode_item(item, &mut body));
        let read: Result<Vec<_>, _> = items(&body).collect();
        assert_eq!(read.unwrap(), sent);
        let first_len = ITEM_FIXED_BYTES + 6;
        for len in 1..body.len() {
            let complete = items(&body[..len]).all(|item| item.is_ok());
            assert_eq!(complete, len == first_len, "{len}");
        }
    }
}
