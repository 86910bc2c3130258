//! Wall and monotonic time, and Java's date patterns.
//!
//! Patterns named "local" use the zone of the process (as Java's default zone), those named
//! `gmt8` the fixed zone GMT+8 of the logs. Milliseconds since the epoch everywhere.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};

/// What tests have set the clock forward by.
static SHIFT_MS: AtomicI64 = AtomicI64::new(0);

/// Milliseconds since the epoch (`System.currentTimeMillis`).
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let now = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
    now.saturating_add(SHIFT_MS.load(Ordering::Relaxed))
}

/// Sets this process's clock that far ahead of the system's (or behind it): for tests of clocks
/// that jump.
pub fn shift(ms: i64) {
    SHIFT_MS.store(ms, Ordering::Relaxed);
}

/// Monotonic nanoseconds from a start of no meaning (`System.nanoTime`), which differs between
/// processes, so that it tells two runs with the same process id apart.
pub fn monotonic_nanos() -> i64 {
    static START: OnceLock<(Instant, i64)> = OnceLock::new();
    let (start, wall) = START.get_or_init(|| (Instant::now(), now_ms().saturating_mul(1_000_000)));
    wall.saturating_add(i64::try_from(start.elapsed().as_nanos()).unwrap_or(i64::MAX))
}

/// Monotonic milliseconds from a start of no meaning, for measuring spans.
pub fn monotonic_ms() -> i64 {
    monotonic_nanos() / 1_000_000
}

/// H1: `yyyy-MM-dd HH:mm:ss`, local.
pub fn format_seconds(ms: i64) -> String {
    seconds(local(ms))
}

/// H2: `yyyy-MM-dd HH:mm:ss,SSS`, local.
pub fn format_millis(ms: i64) -> String {
    let time = local(ms);
    format!("{},{:03}", seconds(time), time.millisecond())
}

/// `yyyyMMddHHmmssSSS`, local: names of index files.
pub fn format_compact_millis(ms: i64) -> String {
    let time = local(ms);
    format!("{}{:03}", compact(time), time.millisecond())
}

/// `yyyyMMddHHmmss`, local: consume timestamps.
pub fn format_compact_seconds(ms: i64) -> String {
    compact(local(ms))
}

/// `HH:mm:ss.SSS`, local: logback's built-in layout.
pub fn format_time_of_day(ms: i64) -> String {
    let t = local(ms);
    format!("{:02}:{:02}:{:02}.{:03}", t.hour(), t.minute(), t.second(), t.millisecond())
}

/// `yyyy-MM-dd HH:mm:ss` in GMT+8: the time of log lines.
pub fn format_seconds_gmt8(ms: i64) -> String {
    seconds(Offset::constant(8).to_datetime(timestamp(ms)))
}

/// Reads `yyyy-MM-dd#HH:mm:ss:SSS`, local (the time options of mqadmin).
pub fn parse_tool_time(text: &str) -> Option<i64> {
    parse(text, "yyyy-MM-dd#HH:mm:ss:SSS")
}

/// Reads `yyyyMMddHHmmss`, local (consume timestamps).
pub fn parse_compact_seconds(text: &str) -> Option<i64> {
    parse(text, "yyyyMMddHHmmss")
}

/// Reads H1: `yyyy-MM-dd HH:mm:ss`, local.
pub fn parse_seconds(text: &str) -> Option<i64> {
    parse(text, "yyyy-MM-dd HH:mm:ss")
}

/// Hour of the day, local (0 to 23): deletion times.
pub fn local_hour(ms: i64) -> u8 {
    u8::try_from(local(ms).hour()).unwrap_or(0)
}

/// The time at which the local day, `days` after that of `ms`, begins.
pub fn local_midnight(ms: i64, days: i32) -> i64 {
    let day = local(ms).date();
    let day = day.checked_add(jiff::Span::new().days(days.clamp(-10_000, 10_000))).unwrap_or(day);
    to_ms(day.to_datetime(jiff::civil::Time::midnight())).unwrap_or(ms)
}

fn timestamp(ms: i64) -> Timestamp {
    let nearest = if ms < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_millisecond(ms).unwrap_or(nearest)
}

fn local(ms: i64) -> DateTime {
    TimeZone::system().to_datetime(timestamp(ms))
}

fn to_ms(time: DateTime) -> Option<i64> {
    TimeZone::system().to_timestamp(time).ok().map(Timestamp::as_millisecond)
}

fn seconds(t: DateTime) -> String {
    let (year, month, day) = (t.year(), t.month(), t.day());
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}", t.hour(), t.minute(), t.second())
}

fn compact(t: DateTime) -> String {
    let (year, month, day) = (t.year(), t.month(), t.day());
    format!("{year:04}{month:02}{day:02}{:02}{:02}{:02}", t.hour(), t.minute(), t.second())
}

/// Reads `text` by a Java pattern whose letters stand for exactly one digit each.
fn parse(text: &str, pattern: &str) -> Option<i64> {
    if text.len() != pattern.len() {
        return None;
    }
    let (mut year, mut month, mut day, mut hour, mut minute, mut second, mut millis) =
        (0i16, 0i8, 0i8, 0i8, 0i8, 0i8, 0i32);
    for (letter, byte) in pattern.bytes().zip(text.bytes()) {
        if !letter.is_ascii_alphabetic() {
            if letter != byte {
                return None;
            }
            continue;
        }
        let digit = i8::try_from(char::from(byte).to_digit(10)?).ok()?;
        match letter {
            b'y' => year = year * 10 + i16::from(digit),
            b'M' => month = month * 10 + digit,
            b'd' => day = day * 10 + digit,
            b'H' => hour = hour * 10 + digit,
            b'm' => minute = minute * 10 + digit,
            b's' => second = second * 10 + digit,
            _ => millis = millis * 10 + i32::from(digit),
        }
    }
    to_ms(DateTime::new(year, month, day, hour, minute, second, millis * 1_000_000).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gmt8_is_eight_hours_ahead() {
        assert_eq!(format_seconds_gmt8(0), "1970-01-01 08:00:00");
        assert_eq!(format_seconds_gmt8(1_795_420_811_123), "2026-11-23 16:00:11");
    }

    #[test]
    fn local_patterns_read_back() {
        let ms = 1_795_420_811_123;
        assert_eq!(parse_seconds(&format_seconds(ms)), Some(ms - 123));
        assert_eq!(parse_compact_seconds(&format_compact_seconds(ms)), Some(ms - 123));
        let millis = format_millis(ms);
        assert!(millis.ends_with(",123"), "{millis}");
        assert_eq!(parse_tool_time(&millis.replace(' ', "#").replace(',', ":")), Some(ms));
        assert_eq!(format_compact_millis(ms), format!("{}123", format_compact_seconds(ms)));
        let midnight = local_midnight(ms, 1);
        assert!(midnight > ms && midnight - ms <= 25 * 3_600_000);
        assert_eq!(local_hour(midnight), 0);
    }

    #[test]
    fn wrong_texts_and_far_times_are_no_panic() {
        for text in
            ["", "2026", "2026-13-01 00:00:00", "2026-02-30 00:00:00", "2026-01-01x00:00:00"]
        {
            assert_eq!(parse_seconds(text), None, "{text}");
        }
        assert_eq!(parse_compact_seconds("2026010\u{e9}000000"), None);
        for ms in [i64::MIN, -1, i64::MAX] {
            assert!(!format_millis(ms).is_empty());
            local_midnight(ms, i32::MAX);
        }
    }
}
