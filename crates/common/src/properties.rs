//! Java `.properties` text: reading, editing in place, and the plain `key=value` wire form.
//!
//! The reader follows `java.util.Properties` (separators `=`, `:` or white space, comments `#` and
//! `!`, `\` continuation, `\uXXXX` escapes). Bytes that are valid UTF-8 are read as UTF-8, others as
//! ISO-8859-1. Order, comments and untouched lines survive editing; of a key that occurs twice the
//! last value counts, as in Java. A broken `\u` escape is kept as its letters instead of failing.

use std::collections::HashMap;
use std::io;
use std::path::Path;

use crate::durable;

/// The lines of one `.properties` text, with the values of its keys.
#[derive(Debug, Clone, Default)]
pub struct Properties {
    lines: Vec<Line>,
    /// Key to its (last) entry in `lines`.
    index: HashMap<String, usize>,
    /// The text was not UTF-8 and is written back byte for byte.
    latin1: bool,
}

#[derive(Debug, Clone)]
enum Line {
    /// Comment, blank line, or an entry that a later one overrides: kept as it stands.
    Verbatim(String),
    /// `raw` is the text as read; `None` once the entry was set by program.
    Entry { key: String, value: String, raw: Option<String> },
    /// A removed entry.
    Gone,
}

impl Properties {
    /// An empty set.
    pub fn new() -> Properties {
        Properties::default()
    }

    /// Reads the text of a file or of a wire body. Every input has a meaning; nothing fails.
    pub fn parse(bytes: &[u8]) -> Properties {
        let mut properties = Properties::new();
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text).to_owned(),
            Err(_) => {
                properties.latin1 = true;
                bytes.iter().map(|&byte| char::from(byte)).collect()
            }
        };
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let (logical, raw, after) = take_logical_line(rest);
            rest = after;
            match logical {
                None => properties.lines.push(Line::Verbatim(raw.to_owned())),
                Some(logical) => {
                    let (key, value) = split_entry(&logical);
                    properties.push_entry(key, value, Some(raw.to_owned()));
                }
            }
        }
        properties
    }

    /// Reads a file.
    pub fn from_file(path: &Path) -> io::Result<Properties> {
        Ok(Properties::parse(&std::fs::read(path)?))
    }

    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&str> {
        match self.lines.get(*self.index.get(key)?)? {
            Line::Entry { value, .. } => Some(value),
            Line::Verbatim(_) | Line::Gone => None,
        }
    }

    /// Whether `key` has a value.
    pub fn contains_key(&self, key: &str) -> bool {
        self.index.contains_key(key)
    }

    /// Writes changed entries into a file, whose comments and order stay; a file that is not there
    /// gets `all` entries.
    ///
    /// # Errors
    /// The file cannot be read or replaced; it is as it was then.
    pub fn update_file(
        path: &Path,
        changed: &[(&str, &str)],
        all: impl FnOnce() -> Vec<(String, String)>,
    ) -> io::Result<()> {
        let mut file = match Properties::from_file(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mut file = Properties::new();
                all().iter().for_each(|(key, value)| file.set(key, value));
                file
            }
            Err(error) => return Err(error),
        };
        changed.iter().for_each(|(key, value)| file.set(key, value));
        durable::replace(path, &file.to_file_bytes())
    }

    /// Gives `key` a value: in its place when it exists (comments round it stay), else at the end.
    /// An entry that already has this value keeps its line as it was written.
    pub fn set(&mut self, key: &str, value: &str) {
        let place = self.index.get(key).copied().and_then(|index| self.lines.get_mut(index));
        match place {
            Some(Line::Entry { value: old, raw, .. }) => {
                if old != value {
                    value.clone_into(old);
                    *raw = None;
                }
            }
            _ => self.push_entry(key.to_owned(), value.to_owned(), None),
        }
    }

    /// Removes `key`; returns the value it had.
    pub fn remove(&mut self, key: &str) -> Option<String> {
        let line = self.lines.get_mut(self.index.remove(key)?)?;
        match std::mem::replace(line, Line::Gone) {
            Line::Entry { value, .. } => Some(value),
            Line::Verbatim(_) | Line::Gone => None,
        }
    }

    /// Keys and values in the order of the text.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.lines.iter().filter_map(|line| match line {
            Line::Entry { key, value, .. } => Some((key.as_str(), value.as_str())),
            Line::Verbatim(_) | Line::Gone => None,
        })
    }

    /// Number of keys.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// The wire form of GET_BROKER_CONFIG and GET_NAMESRV_CONFIG: `key=value\n`, nothing escaped.
    pub fn to_wire_text(&self) -> String {
        wire_text(self.iter())
    }

    /// The file form: lines not edited are as they were read, new ones are escaped for Java
    /// (non-ASCII as `\uXXXX`), so that Java and this reader see the same values.
    pub fn to_file_bytes(&self) -> Vec<u8> {
        let mut text = String::new();
        for line in &self.lines {
            match line {
                Line::Verbatim(raw) | Line::Entry { raw: Some(raw), .. } => text.push_str(raw),
                Line::Entry { key, value, raw: None } => {
                    escape_into(&mut text, key, true);
                    text.push('=');
                    escape_into(&mut text, value, false);
                }
                Line::Gone => continue,
            }
            text.push('\n');
        }
        if self.latin1 {
            text.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect()
        } else {
            text.into_bytes()
        }
    }

    fn push_entry(&mut self, key: String, value: String, raw: Option<String>) {
        if let Some(previous) = self.index.insert(key.clone(), self.lines.len())
            && let Some(line) = self.lines.get_mut(previous)
        {
            *line = match std::mem::replace(line, Line::Gone) {
                Line::Entry { raw: Some(raw), .. } => Line::Verbatim(raw),
                other => other,
            };
        }
        self.lines.push(Line::Entry { key, value, raw });
    }
}

/// `key=value\n` for each pair, nothing escaped (the wire form of configuration bodies).
pub fn wire_text<'a, K, V>(entries: impl IntoIterator<Item = (K, V)>) -> String
where
    K: AsRef<str> + 'a,
    V: AsRef<str> + 'a,
{
    let mut text = String::new();
    for (key, value) in entries {
        text.push_str(key.as_ref());
        text.push('=');
        text.push_str(value.as_ref());
        text.push('\n');
    }
    text
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\u{c}')
}

/// Cuts one physical line: its text and what follows its line end (`\n`, `\r` or `\r\n`).
fn take_physical_line(text: &str) -> (&str, &str) {
    match text.find(['\n', '\r']) {
        None => (text, ""),
        Some(end) => {
            let (line, rest) = text.split_at(end);
            let rest = rest.strip_prefix("\r\n").or_else(|| rest.get(1..)).unwrap_or("");
            (line, rest)
        }
    }
}

/// Cuts one logical line: its joined text (`None` for comments and blank lines), its lines as
/// written, and the text after it.
fn take_logical_line(text: &str) -> (Option<String>, &str, &str) {
    let (first, mut rest) = take_physical_line(text);
    let start = first.trim_start_matches(is_blank);
    if start.is_empty() || start.starts_with(['#', '!']) {
        return (None, first, rest);
    }
    let mut logical = String::new();
    let mut part = start;
    let mut raw = first;
    loop {
        let backslashes = part.len() - part.trim_end_matches('\\').len();
        if backslashes % 2 == 0 {
            logical.push_str(part);
            return (Some(logical), raw, rest);
        }
        logical.push_str(part.get(..part.len() - 1).unwrap_or(""));
        if rest.is_empty() {
            return (Some(logical), raw, rest);
        }
        let (next, after) = take_physical_line(rest);
        // `next` lies inside `text`: the raw text is everything up to its end.
        let end = text.len() - rest.len() + next.len();
        raw = text.get(..end).unwrap_or(raw);
        part = next.trim_start_matches(is_blank);
        rest = after;
    }
}

/// Splits a logical line at its separator and undoes the escapes.
fn split_entry(line: &str) -> (String, String) {
    let mut escaped = false;
    let mut key_end = line.len();
    for (at, c) in line.char_indices() {
        if escaped {
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if matches!(c, '=' | ':') || is_blank(c) {
            key_end = at;
            break;
        }
    }
    let (key, rest) = line.split_at(key_end);
    let rest = rest.trim_start_matches(is_blank);
    let value = rest.strip_prefix(['=', ':']).unwrap_or(rest).trim_start_matches(is_blank);
    (unescape(key), unescape(value))
}

fn unescape(text: &str) -> String {
    if !text.contains('\\') {
        return text.to_owned();
    }
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut chars = text.chars();
    let mut buffer = [0u16; 2];
    while let Some(c) = chars.next() {
        if c != '\\' {
            units.extend_from_slice(c.encode_utf16(&mut buffer));
            continue;
        }
        match chars.next() {
            None => {}
            Some('t') => units.push(0x09),
            Some('n') => units.push(0x0a),
            Some('r') => units.push(0x0d),
            Some('f') => units.push(0x0c),
            Some('u') => {
                let digits = chars.as_str();
                let unit = digits
                    .get(..4)
                    .filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()))
                    .and_then(|hex| u16::from_str_radix(hex, 16).ok());
                match unit {
                    Some(unit) => {
                        units.push(unit);
                        chars = digits.get(4..).unwrap_or("").chars();
                    }
                    None => units.push(u16::from(b'u')),
                }
            }
            Some(other) => units.extend_from_slice(other.encode_utf16(&mut buffer)),
        }
    }
    String::from_utf16_lossy(&units)
}

fn escape_into(out: &mut String, text: &str, is_key: bool) {
    let mut leading = true;
    let mut buffer = [0u16; 2];
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{c}' => out.push_str("\\f"),
            ' ' if is_key || leading => out.push_str("\\ "),
            '=' | ':' | '#' | '!' if is_key => {
                out.push('\\');
                out.push(c);
            }
            ' '..='~' => out.push(c),
            _ => {
                for unit in c.encode_utf16(&mut buffer) {
                    out.push_str(&format!("\\u{unit:04X}"));
                }
            }
        }
        if c != ' ' {
            leading = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pairs(text: &[u8]) -> Vec<(String, String)> {
        let properties = Properties::parse(text);
        properties.iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
    }

    fn pair(key: &str, value: &str) -> (String, String) {
        (key.to_owned(), value.to_owned())
    }

    #[test]
    fn separators_comments_and_continuations_follow_java() {
        let text =
            b"# c\r\n! d\n\n a = 1\nb:2\nc 3\nd\t=\t4 \ne\nf=x\\\n   y\ng\\ h=i\nj==k\nl=\\\n";
        assert_eq!(
            pairs(text),
            [
                pair("a", "1"),
                pair("b", "2"),
                pair("c", "3"),
                pair("d", "4 "),
                pair("e", ""),
                pair("f", "xy"),
                pair("g h", "i"),
                pair("j", "=k"),
                pair("l", ""),
            ]
        );
    }

    #[test]
    fn escapes_and_both_charsets_are_read() {
        assert_eq!(pairs(b"a=\\u4f60\\t\\q\\ud83d\\ude00"), [pair("a", "\u{4f60}\tq\u{1f600}")]);
        assert_eq!(pairs("a=\u{e9}".as_bytes()), [pair("a", "\u{e9}")]);
        assert_eq!(pairs(b"a=\xe9"), [pair("a", "\u{e9}")]);
        assert_eq!(pairs(b"a=\\u12"), [pair("a", "u12")]);
    }

    #[test]
    fn editing_keeps_order_comments_and_untouched_lines() {
        let mut properties =
            Properties::parse(b"# head\nbrokerName = a\n\nlong=x\\\n  y\nlast : 1\n# tail");
        properties.set("brokerName", "b");
        properties.set("new", " \u{e9}\\");
        properties.set("last", "1");
        assert_eq!(
            String::from_utf8(properties.to_file_bytes()).unwrap(),
            "# head\nbrokerName=b\n\nlong=x\\\n  y\nlast : 1\n# tail\nnew=\\ \\u00E9\\\\\n"
        );
        assert_eq!(properties.remove("long").as_deref(), Some("xy"));
        assert_eq!(properties.to_wire_text(), "brokerName=b\nlast=1\nnew= \u{e9}\\\n");
    }

    #[test]
    fn the_last_of_two_values_counts() {
        let mut properties = Properties::parse(b"a=1\na=2\n");
        assert_eq!(properties.get("a"), Some("2"));
        assert_eq!(properties.len(), 1);
        properties.set("a", "3");
        assert_eq!(properties.to_file_bytes(), b"a=1\na=3\n");
    }

    #[test]
    fn latin1_files_keep_their_bytes() {
        let mut properties = Properties::parse(b"# caf\xe9\na=\xe9\n");
        properties.set("b", "\u{4f60}");
        assert_eq!(properties.to_file_bytes(), b"# caf\xe9\na=\xe9\nb=\\u4F60\n");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let properties = Properties::parse(&bytes);
            let again = Properties::parse(&properties.to_file_bytes());
            prop_assert_eq!(properties.len(), again.len());
        }

        #[test]
        fn set_values_survive_the_file(entries in proptest::collection::hash_map(".+", ".*", 0..8)) {
            let mut properties = Properties::parse(b"# head\n");
            for (key, value) in &entries {
                properties.set(key, value);
            }
            let again = Properties::parse(&properties.to_file_bytes());
            for (key, value) in &entries {
                prop_assert_eq!(again.get(key), Some(value.as_str()));
            }
        }
    }
}
