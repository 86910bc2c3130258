//! Patterns of peer addresses in white lists (contract `broker.md` 25).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Which peers a white list entry means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AddressPattern {
    /// An empty entry means nobody.
    Nobody,
    /// `*`, `*.*.*.*`, `*:*:*:*:*:*:*:*`.
    Everybody,
    /// One address, `1.2.3.4,1.2.3.5` or `1.2.3.{4,5}`.
    OneOf(Vec<IpAddr>),
    /// `192.168.0-1.*`: a range for each byte.
    V4([Range; 4]),
    /// `fe80::1-ff`: a range for each group.
    V6([Range; 8]),
}

/// From the first to the last number, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range(u16, u16);

impl Range {
    fn has(self, number: u16) -> bool {
        (self.0..=self.1).contains(&number)
    }
}

/// What is wrong with a pattern, in Java's words.
type Wrong = String;

/// Whether a white list's pattern means an address; what is no pattern or no address does not.
pub fn address_matches(pattern: &str, address: &str) -> bool {
    let pattern = AddressPattern::parse(pattern);
    matches!((pattern, address.parse()), (Ok(pattern), Ok(peer)) if pattern.matches(peer))
}

impl AddressPattern {
    /// Reads a pattern.
    pub(crate) fn parse(text: &str) -> Result<AddressPattern, Wrong> {
        if text.trim().is_empty() {
            return Ok(AddressPattern::Nobody);
        }
        if ["*", "*.*.*.*", "*:*:*:*:*:*:*:*"].contains(&text) {
            return Ok(AddressPattern::Everybody);
        }
        if let Some(inner) = text.strip_suffix('}') {
            return braces(text, inner);
        }
        if text.contains(',') {
            let items = text.split(',').filter(|item| !item.is_empty());
            return items.map(address).collect::<Result<_, _>>().map(AddressPattern::OneOf);
        }
        match (text.contains(['*', '-']), text.contains(':')) {
            (false, _) => Ok(AddressPattern::OneOf(vec![address(text)?])),
            (true, false) => ranges_v4(text).map(AddressPattern::V4),
            (true, true) => ranges_v6(text).map(AddressPattern::V6),
        }
    }

    /// Whether a peer is meant. An IPv4 peer of a socket for both kinds is an IPv4 peer.
    pub(crate) fn matches(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        match (self, peer) {
            (AddressPattern::Everybody, _) => true,
            (AddressPattern::OneOf(addresses), _) => addresses.contains(&peer),
            (AddressPattern::V4(ranges), IpAddr::V4(peer)) => {
                ranges.iter().zip(peer.octets()).all(|(range, byte)| range.has(byte.into()))
            }
            (AddressPattern::V6(ranges), IpAddr::V6(peer)) => {
                ranges.iter().zip(peer.segments()).all(|(range, group)| range.has(group))
            }
            (AddressPattern::Nobody | AddressPattern::V4(_) | AddressPattern::V6(_), _) => false,
        }
    }
}

fn address(text: &str) -> Result<IpAddr, Wrong> {
    let parsed = match text.contains(':') {
        true => text.parse::<Ipv6Addr>().map(IpAddr::V6).ok(),
        false => text.parse::<Ipv4Addr>().map(IpAddr::V4).ok(),
    };
    parsed.ok_or_else(|| format!("Netaddress examine Exception netaddress is {text}"))
}

fn out_of_scope(text: &str) -> Wrong {
    format!("Netaddress examine scope Exception netaddress is {text}")
}

/// `head{a,b}`: the braces stand for the last number.
fn braces(text: &str, inner: &str) -> Result<AddressPattern, Wrong> {
    let wrong = || {
        format!(
            "MultipleRemoteAddressStrategy netaddress examine scope Exception netaddress is {text}"
        )
    };
    let (head, list) = inner.split_once('{').ok_or_else(wrong)?;
    if !head.ends_with(['.', ':']) {
        return Err(wrong());
    }
    let items = list.split(',').filter(|item| !item.is_empty());
    let addresses = items.map(|item| address(&format!("{head}{item}")));
    addresses.collect::<Result<_, _>>().map(AddressPattern::OneOf)
}

/// `*`, `a-b` or a number of one byte or group.
fn range(text: &str, radix: u32, max: u16, whole: &str) -> Result<Range, Wrong> {
    let number = |text: &str| u16::from_str_radix(text, radix).map_err(|_| out_of_scope(whole));
    let trimmed = text.trim();
    if trimmed == "*" {
        return Ok(Range(0, max));
    }
    let Some((first, last)) = trimmed.split_once('-') else {
        let number = number(trimmed)?;
        return (number <= max).then_some(Range(number, number)).ok_or_else(|| out_of_scope(whole));
    };
    if first.is_empty() {
        return Err(format!(
            "RangeRemoteAddressStrategy netaddress examine scope Exception value {trimmed} "
        ));
    }
    let (first, last) = (number(first)?, number(last)?);
    if first > last || last > max {
        return Err(format!(
            "RangeRemoteAddressStrategy netaddress examine scope Exception start is {first} , end is {last}"
        ));
    }
    Ok(Range(first, last))
}

fn ranges_v4(text: &str) -> Result<[Range; 4], Wrong> {
    let parts: Vec<&str> = text.split('.').collect();
    let read = |part: &&str| range(part, 10, 255, text);
    let ranges: Vec<Range> = parts.iter().map(read).collect::<Result<_, _>>()?;
    match <[Range; 4]>::try_from(ranges) {
        // Everybody of the first byte is written `*.*.*.*`.
        Ok(ranges @ [Range(first, last), ..]) if first == last => Ok(ranges),
        _ => Err(out_of_scope(text)),
    }
}

fn ranges_v6(text: &str) -> Result<[Range; 8], Wrong> {
    // Only the last group may be open.
    let open = text.find(['*', '-']).unwrap_or(text.len());
    if text.rfind(':').is_some_and(|colon| open < colon) {
        return Err(out_of_scope(text));
    }
    let read = |groups: &str| -> Result<Vec<Range>, Wrong> {
        let groups = groups.split(':').filter(|_| !groups.is_empty());
        groups.map(|group| range(group, 16, u16::MAX, text)).collect()
    };
    let ranges = match text.split_once("::") {
        None => read(text)?,
        Some((head, tail)) => {
            let (mut head, tail) = (read(head)?, read(tail)?);
            let zeros = 8_usize.saturating_sub(head.len() + tail.len());
            head.extend(std::iter::repeat_n(Range(0, 0), zeros));
            head.extend(tail);
            head
        }
    };
    ranges.try_into().map_err(|_| out_of_scope(text))
}
