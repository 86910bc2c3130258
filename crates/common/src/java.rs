//! Small behaviours of Java that files, wire and texts depend on.

/// Java's `String.hashCode`: over UTF-16 code units, wrapping.
pub fn string_hash(text: &str) -> i32 {
    text.encode_utf16()
        .fold(0, |hash: i32, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)))
}

/// Java's `Double.toString`: `0.0`, `12.5`, `1.0E-10`, `NaN`, `-Infinity`. The digits are the
/// shortest that read back to the same value.
pub fn double_to_string(value: f64) -> String {
    decimal(value.is_nan(), value.is_infinite(), value.is_sign_negative(), &format!("{value:e}"))
}

/// Java's `Float.toString`.
pub fn float_to_string(value: f32) -> String {
    decimal(value.is_nan(), value.is_infinite(), value.is_sign_negative(), &format!("{value:e}"))
}

/// Java's form of a number from Rust's shortest scientific form (`-1.25e-7`).
fn decimal(nan: bool, infinite: bool, negative: bool, scientific: &str) -> String {
    if nan {
        return "NaN".to_owned();
    }
    let sign = if negative { "-" } else { "" };
    if infinite {
        return format!("{sign}Infinity");
    }
    let (mantissa, exponent) =
        scientific.trim_start_matches('-').split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    // Java writes 10^-3 <= v < 10^7 plainly, all else with an exponent.
    match exponent {
        0..=6 => {
            let point = usize::try_from(exponent).unwrap_or(0) + 1;
            let whole: String = digits.chars().chain(std::iter::repeat('0')).take(point).collect();
            let fraction = digits.get(point..).filter(|rest| !rest.is_empty()).unwrap_or("0");
            format!("{sign}{whole}.{fraction}")
        }
        -3..=-1 => {
            let zeros = "0".repeat(usize::try_from(-exponent - 1).unwrap_or(0));
            format!("{sign}0.{zeros}{digits}")
        }
        _ => {
            let fraction = if fraction.is_empty() { "0" } else { fraction };
            format!("{sign}{whole}.{fraction}E{exponent}")
        }
    }
}

/// Java's narrowing `(int) value`: the low 32 bits.
pub fn to_int(value: i64) -> i32 {
    // The cast keeps the low bits, as Java's does.
    value as i32
}

/// `Math.abs` of a hash for choosing a bucket. Java's stays negative for the smallest number, which
/// RocketMQ then replaces by 0.
pub fn abs_or_zero(hash: i32) -> i32 {
    hash.checked_abs().unwrap_or(0)
}

/// Bytes as people read them (`UtilAll.humanReadableByteCount`): powers of 1000 with `kB`, `MB` (SI)
/// or of 1024 with `KiB`, `MiB`; one digit after the point.
pub fn human_size(bytes: i64, si: bool) -> String {
    let unit: f64 = if si { 1000.0 } else { 1024.0 };
    let size = bytes as f64;
    if size < unit {
        return format!("{bytes} B");
    }
    let letters = if si { "kMGTPE" } else { "KMGTPE" };
    let mut value = size;
    let mut letter = ' ';
    for next in letters.chars() {
        if value < unit {
            break;
        }
        value /= unit;
        letter = next;
    }
    format!("{value:.1} {letter}{}B", if si { "" } else { "i" })
}

/// Sorts items as a `java.util.HashMap` with default capacity iterates over them, so that texts
/// read as Java's. Items of one bucket keep their order, which in Java is that of insertion.
pub fn sort_as_hash_map<T>(items: &mut [T], key: impl Fn(&T) -> &str) {
    sort_by_hash(items, |item| string_hash(key(item)));
}

/// As [`sort_as_hash_map`], for keys that are no strings but have that `hashCode`.
pub fn sort_by_hash<T>(items: &mut [T], hash: impl Fn(&T) -> i32) {
    let mut capacity: u32 = 16;
    while items.len() as u32 > capacity / 4 * 3 {
        capacity *= 2;
    }
    items.sort_by_key(|item| {
        let hash = hash(item) as u32;
        (hash ^ (hash >> 16)) & (capacity - 1)
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_map_is_listed_by_bucket() {
        let mut keys = ["n", "TAGS", "CLUSTER", "KEYS", "MIN_OFFSET"];
        sort_as_hash_map(&mut keys, |key| key);
        assert_eq!(keys, ["MIN_OFFSET", "KEYS", "CLUSTER", "n", "TAGS"]);
    }

    #[test]
    fn lists_what_java_lists_in_its_order() {
        // Orders recorded from a running 4.9.2.
        for recorded in [
            &["KEYS", "UNIQ_KEY", "CLUSTER", "TAGS", "n"][..],
            &["MIN_OFFSET", "MAX_OFFSET", "CONSUME_START_TIME", "UNIQ_KEY", "CLUSTER", "TAGS"],
            &[
                "LabTopicO",
                "RMQ_SYS_TRANS_HALF_TOPIC",
                "LabTopic",
                "%RETRY%LabOff",
                "BenchmarkTest",
                "OFFSET_MOVED_EVENT",
                "TBW102",
                "%RETRY%LabGroup",
                "LabTopicC",
                "LabTopicB",
                "SELF_TEST_TOPIC",
                "DefaultCluster",
                "SCHEDULE_TOPIC_XXXX",
                "RMQ_SYS_TRACE_TOPIC",
                "DefaultCluster_REPLY_TOPIC",
                "broker-a",
                "LabTopicDel",
            ],
        ] {
            let mut sorted = recorded.to_vec();
            sort_as_hash_map(&mut sorted, |key| key);
            assert_eq!(sorted, recorded);
        }
    }

    #[test]
    fn string_hash_matches_java() {
        assert_eq!(string_hash(""), 0);
        assert_eq!(string_hash("TagA"), 2_598_919);
        assert_eq!(string_hash("\u{1f600}"), 0xd83d * 31 + 0xde00);
        assert_eq!(string_hash("polygenelubricants"), i32::MIN);
    }

    #[test]
    fn doubles_print_as_java_prints_them() {
        for (value, text) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (0.17, "0.17"),
            (0.001, "0.001"),
            (0.0001, "1.0E-4"),
            (1e-10, "1.0E-10"),
            (123.456, "123.456"),
            (9_999_999.0, "9999999.0"),
            (1e7, "1.0E7"),
            (12_345_678.9, "1.23456789E7"),
            (1_000_000.0, "1000000.0"),
            (1_234_500.0, "1234500.0"),
            (f64::MAX, "1.7976931348623157E308"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
            (-2.5, "-2.5"),
        ] {
            assert_eq!(double_to_string(value), text);
        }
        assert_eq!(float_to_string(0.1), "0.1");
    }

    #[test]
    fn sizes_read_like_java() {
        assert_eq!(human_size(999, true), "999 B");
        assert_eq!(human_size(1000, true), "1.0 kB");
        assert_eq!(human_size(1536, false), "1.5 KiB");
        assert_eq!(human_size(1 << 30, false), "1.0 GiB");
    }
}
