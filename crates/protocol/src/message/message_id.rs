//! Message ids that name a place in a commit log (contract `store.md` 3.6): upper-case hex of
//! store host address (4 or 16 bytes), port (i32) and physical offset (i64).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

const DIGITS: &[u8; 16] = b"0123456789ABCDEF";

/// The id of the record at `physical_offset` of the broker at `store_host`: 32 hex digits, or 56
/// for an IPv6 host.
pub fn encode(store_host: SocketAddr, physical_offset: i64) -> String {
    let mut id = String::with_capacity(56);
    append(&mut id, store_host, physical_offset);
    id
}

/// Appends the id.
pub fn append(id: &mut String, store_host: SocketAddr, physical_offset: i64) {
    match store_host.ip() {
        IpAddr::V4(ip) => append_hex(id, &ip.octets()),
        IpAddr::V6(ip) => append_hex(id, &ip.octets()),
    }
    append_hex(id, &i32::from(store_host.port()).to_be_bytes());
    append_hex(id, &physical_offset.to_be_bytes());
}

/// Appends bytes as upper-case hex.
pub fn append_hex(out: &mut String, bytes: &[u8]) {
    for byte in bytes {
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
}

/// The store host and physical offset that an id names; `None` if it is no such id.
pub fn decode(id: &str) -> Option<(SocketAddr, i64)> {
    let bytes = from_hex(id)?;
    let (ip, rest): (IpAddr, &[u8]) = match bytes.len() {
        16 => (Ipv4Addr::from(<[u8; 4]>::try_from(&bytes[..4]).ok()?).into(), &bytes[4..]),
        28 => (Ipv6Addr::from(<[u8; 16]>::try_from(&bytes[..16]).ok()?).into(), &bytes[16..]),
        _ => return None,
    };
    let port = i32::from_be_bytes(*rest.first_chunk::<4>()?);
    let offset = i64::from_be_bytes(*rest.last_chunk::<8>()?);
    Some((SocketAddr::new(ip, u16::try_from(port).ok()?), offset))
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    digits
        .chunks_exact(2)
        .map(|pair| {
            let high = char::from(pair[0]).to_digit(16)?;
            let low = char::from(pair[1]).to_digit(16)?;
            u8::try_from(high << 4 | low).ok()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_the_ids_of_the_contract() {
        let host = SocketAddr::from(([10, 3, 10, 244], 10911));
        assert_eq!(encode(host, 0), "0A030AF400002A9F0000000000000000");
        let host = "[2001:db8::2]:10911".parse().unwrap();
        let id = "20010DB800000000000000000000000200002A9F0000000000000087";
        assert_eq!(encode(host, 0x87), id);
        assert_eq!(decode(id), Some((host, 0x87)));
    }

    #[test]
    fn refuses_what_is_no_id() {
        for text in ["", "0", "0A03", "ZZ030AF400002A9F0000000000000000", "é".repeat(16).as_str()]
        {
            assert_eq!(decode(text), None, "{text}");
        }
        assert_eq!(decode("0A030AF4FFFF2A9F0000000000000000"), None);
    }
}
