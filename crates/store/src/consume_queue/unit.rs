//! A unit of a consume queue extension, and the address that leads to it in place of an entry's tags
//! code (contract `store.md` 5).

/// Bytes of a unit without its bit map.
pub(super) const UNIT_BYTES: usize = 20;
/// Values of a tags code up to this one are addresses.
const ADDRESS_MAX: i64 = i32::MIN as i64 - 1;

/// What an entry's extension holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueUnit {
    /// The tags code proper, or the delivery time of a delayed message.
    pub tags_code: i64,
    /// When the message was stored, ms.
    pub store_timestamp: i64,
    /// The bits of the groups whose filters want the message; empty if none were asked.
    pub bit_map: Vec<u8>,
}

impl QueueUnit {
    /// Its size on disk in bytes.
    pub fn size(&self) -> usize {
        UNIT_BYTES + self.bit_map.len()
    }

    pub(super) fn encode(&self, size: i16, out: &mut Vec<u8>) {
        out.extend_from_slice(&size.to_be_bytes());
        out.extend_from_slice(&self.tags_code.to_be_bytes());
        out.extend_from_slice(&self.store_timestamp.to_be_bytes());
        out.extend_from_slice(&(size - UNIT_BYTES as i16).to_be_bytes());
        out.extend_from_slice(&self.bit_map);
    }

    /// `None` if there is no unit, or part of one.
    pub(crate) fn decode(bytes: &[u8]) -> Option<QueueUnit> {
        let (size, rest) = bytes.split_first_chunk::<2>()?;
        let (tags_code, rest) = rest.split_first_chunk::<8>()?;
        let (store_timestamp, rest) = rest.split_first_chunk::<8>()?;
        let (bits, rest) = rest.split_first_chunk::<2>()?;
        let size = usize::try_from(i16::from_be_bytes(*size)).ok()?;
        let bits = usize::try_from(i16::from_be_bytes(*bits)).ok()?;
        (size == UNIT_BYTES + bits).then_some(())?;
        Some(QueueUnit {
            tags_code: i64::from_be_bytes(*tags_code),
            store_timestamp: i64::from_be_bytes(*store_timestamp),
            bit_map: rest.get(..bits)?.to_vec(),
        })
    }
}

/// Whether a tags code is the address of a unit.
pub(crate) fn is_address(tags_code: i64) -> bool {
    tags_code <= ADDRESS_MAX
}

pub(super) fn address_of(at: u64) -> Option<i64> {
    let address = i64::MIN.checked_add_unsigned(at)?;
    is_address(address).then_some(address)
}

pub(super) fn place_of(address: i64) -> u64 {
    address.wrapping_sub(i64::MIN) as u64
}
