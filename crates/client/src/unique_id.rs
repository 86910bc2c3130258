//! Unique message ids (contract `client.md` 2): upper-case hex of address, low 16 bits of the
//! process id, four bytes that stay the same within a process, milliseconds since the month began
//! (i32), and a counter (i16).

use std::net::IpAddr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, Ordering};

use parking_lot::Mutex;
use rocketmq_common::{clock, host};
use rocketmq_protocol::message::message_id::append_hex;

/// Start of the present month and of the next one, ms.
static MONTH: Mutex<(i64, i64)> = Mutex::new((0, 0));
static COUNTER: AtomicU16 = AtomicU16::new(0);

/// What all ids of this process begin with.
fn prefix() -> &'static str {
    static PREFIX: OnceLock<String> = OnceLock::new();
    PREFIX.get_or_init(|| {
        let mut prefix = String::with_capacity(56);
        match host::local_address().parse() {
            Ok(IpAddr::V4(ip)) => append_hex(&mut prefix, &ip.octets()),
            Ok(IpAddr::V6(ip)) => append_hex(&mut prefix, &ip.octets()),
            Err(_) => append_hex(&mut prefix, &(clock::now_ms() as i32).to_be_bytes()),
        }
        append_hex(&mut prefix, &(host::process_id() as u16).to_be_bytes());
        let seed = clock::now_ms() ^ clock::monotonic_nanos().rotate_left(17);
        append_hex(&mut prefix, &(seed as i32).to_be_bytes());
        prefix
    })
}

/// A new id.
pub(crate) fn next() -> String {
    let now = clock::now_ms();
    let since = (now - month_start(now)) as i32;
    let mut id = String::with_capacity(56);
    id.push_str(prefix());
    append_hex(&mut id, &since.to_be_bytes());
    append_hex(&mut id, &COUNTER.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    id
}

/// First moment of the local month that the time lies in.
fn month_start(now: i64) -> i64 {
    let mut month = MONTH.lock();
    if now < month.0 || now >= month.1 {
        // The compact form begins yyyyMM; the first of the month is found in text, so that the
        // local calendar stays in one place.
        let text = clock::format_compact_seconds(now);
        let first =
            |year_month: &str| clock::parse_compact_seconds(&format!("{year_month}01000000"));
        let start = text.get(..6).and_then(first).unwrap_or(now);
        let next = clock::format_compact_seconds(start + 32 * 24 * 3_600_000);
        *month = (start, next.get(..6).and_then(first).unwrap_or(i64::MAX));
    }
    month.0
}

/// When an id was made, as far as the month allows to tell; `None` if it is no such id.
pub(crate) fn time_of(id: &str) -> Option<i64> {
    let at = match id.len() {
        32 => 20,
        56 => 44,
        _ => return None,
    };
    let span = i64::from(u32::from_str_radix(id.get(at..at + 8)?, 16).ok()? as i32);
    let now = clock::now_ms();
    let start = month_start(now);
    let time = start + span;
    if time <= now { Some(time) } else { Some(time - (start - month_start_before(start))) }
}

fn month_start_before(start: i64) -> i64 {
    let text = clock::format_compact_seconds(start - 1);
    let first = text.get(..6).and_then(|m| clock::parse_compact_seconds(&format!("{m}01000000")));
    first.unwrap_or(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_tell_their_time() {
        let before = clock::now_ms();
        let ids: Vec<_> = (0..1000).map(|_| next()).collect();
        let mut unique = ids.clone();
        unique.sort();
        unique.dedup();
        assert_eq!(unique.len(), ids.len());
        for id in &ids {
            assert!(id.len() == 32 || id.len() == 56);
            let time = time_of(id).unwrap();
            assert!(time >= before && time <= clock::now_ms(), "{time}");
        }
        assert_eq!(time_of("short"), None);
        assert_eq!(time_of(&"Z".repeat(32)), None);
    }
}
