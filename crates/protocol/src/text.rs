//! JSON string escapes of headers, both ways (contract `wire.md` 2.1).

use bytes::BufMut;

/// What follows the backslash for each control character that has a short form, else 0.
const SHORT_ESCAPE: [u8; 32] = {
    let mut table = [0u8; 32];
    table[8] = b'b';
    table[9] = b't';
    table[10] = b'n';
    table[12] = b'f';
    table[13] = b'r';
    table
};
const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// Whether the byte cannot stand for itself inside a JSON string.
const fn needs_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\' || byte == 0x7F
}

/// Writes the text as the inside of a JSON string, runs of plain bytes at a time.
pub(crate) fn put_escaped(out: &mut impl BufMut, text: &str) {
    let bytes = text.as_bytes();
    let mut plain_from = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        if !needs_escape(byte) {
            continue;
        }
        out.put_slice(&bytes[plain_from..at]);
        plain_from = at + 1;
        match byte {
            b'"' | b'\\' => out.put_slice(&[b'\\', byte]),
            _ => match SHORT_ESCAPE.get(usize::from(byte)) {
                Some(&short) if short != 0 => out.put_slice(&[b'\\', short]),
                _ => out.put_slice(&[
                    b'\\',
                    b'u',
                    b'0',
                    b'0',
                    HEX[usize::from(byte >> 4)],
                    HEX[usize::from(byte & 15)],
                ]),
            },
        }
    }
    out.put_slice(&bytes[plain_from..]);
}

/// Appends the raw inside of a JSON string with its escapes resolved. The input was checked by
/// the header parser: each backslash starts a complete escape. A lone surrogate becomes U+FFFD.
pub(crate) fn unescape_into(out: &mut Vec<u8>, raw: &[u8]) {
    let mut rest = raw;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..at]);
        let Some(&kind) = rest.get(at + 1) else { return };
        rest = &rest[at + 2..];
        match kind {
            b'u' => {
                let (ch, used) = read_unicode(rest);
                rest = rest.get(used..).unwrap_or_default();
                let mut utf8 = [0; 4];
                out.extend_from_slice(ch.encode_utf8(&mut utf8).as_bytes());
            }
            b'b' => out.push(8),
            b't' => out.push(9),
            b'n' => out.push(10),
            b'f' => out.push(12),
            b'r' => out.push(13),
            b'v' => out.push(11),
            other => out.push(other),
        }
    }
    out.extend_from_slice(rest);
}

/// One `XXXX` after `\u`, or a surrogate pair `XXXX\uYYYY`; returns the bytes used.
fn read_unicode(rest: &[u8]) -> (char, usize) {
    let Some(first) = hex4(rest) else { return (char::REPLACEMENT_CHARACTER, rest.len().min(4)) };
    if (0xD800..0xDC00).contains(&first)
        && rest.get(4..6) == Some(b"\\u")
        && let Some(second) = rest.get(6..).and_then(hex4)
        && (0xDC00..0xE000).contains(&second)
    {
        let code = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
        return (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), 10);
    }
    (char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER), 4)
}

/// Four hexadecimal digits.
pub(crate) fn hex4(digits: &[u8]) -> Option<u32> {
    digits
        .get(..4)?
        .iter()
        .try_fold(0u32, |value, &digit| Some(value << 4 | char::from(digit).to_digit(16)?))
}

/// Digits that fit in 64 bits whatever they are.
const SAFE_DIGITS: usize = 18;

/// A decimal number with an optional sign, as `str::parse` reads it.
pub(crate) fn decimal(text: &[u8]) -> Option<i64> {
    let (is_negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || digits.len() > SAFE_DIGITS {
        return std::str::from_utf8(text).ok()?.parse().ok();
    }
    let mut number = 0;
    for &byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = number * 10 + i64::from(digit);
    }
    Some(if is_negative { -number } else { number })
}

/// How many bytes come before the first quote or backslash. Eight bytes at a time: most names and
/// values of a header are shorter than what pays for starting a vectorised search.
pub(crate) fn plain_run(text: &[u8]) -> Option<usize> {
    let mut chunks = text.chunks_exact(8);
    let mut at = 0;
    for chunk in &mut chunks {
        let word = chunk.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        let found = zero_bytes(word ^ repeat(b'"')) | zero_bytes(word ^ repeat(b'\\'));
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    let rest = chunks.remainder().iter().position(|byte| matches!(byte, b'"' | b'\\'));
    rest.map(|rest| at + rest)
}

const fn repeat(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// The highest bit of the first byte that is zero, and of none before it.
fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(repeat(1)) & !word & repeat(0x80)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_like_fastjson() {
        let mut out = Vec::new();
        put_escaped(&mut out, "a\u{1}b\u{2}\"\\\n\u{7f}/é");
        assert_eq!(out, "a\\u0001b\\u0002\\\"\\\\\\n\\u007F/é".as_bytes());
        let mut back = Vec::new();
        unescape_into(&mut back, &out);
        assert_eq!(back, "a\u{1}b\u{2}\"\\\n\u{7f}/é".as_bytes());
    }

    #[test]
    fn reads_numbers_like_the_standard_library() {
        for text in [
            "0",
            "-0",
            "+7",
            "-12",
            "0012",
            "123456789012345678",
            "1234567890123456789",
            "9223372036854775807",
            "-9223372036854775808",
            "9223372036854775808",
            "",
            "-",
            "+",
            "1a",
            "--1",
            " 1",
            "1 ",
            "0000000000000000000000001",
        ] {
            assert_eq!(decimal(text.as_bytes()), text.parse().ok(), "{text}");
        }
    }

    #[test]
    fn finds_the_end_of_plain_text_near_and_far() {
        for len in [0, 1, 15, 16, 17, 40] {
            for end in ["\"", "\\"] {
                let text = format!("{}{end}rest\"", "x".repeat(len));
                assert_eq!(plain_run(text.as_bytes()), Some(len));
            }
            assert_eq!(plain_run("x".repeat(len).as_bytes()), None);
        }
    }

    #[test]
    fn resolves_surrogate_pairs_and_replaces_lone_ones() {
        let mut out = Vec::new();
        unescape_into(&mut out, b"\\uD83D\\uDE00|\\uD83D|\\uDE00");
        assert_eq!(out, "😀|\u{FFFD}|\u{FFFD}".as_bytes());
    }
}
