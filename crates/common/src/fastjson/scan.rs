//! The scanner: positions in the text, numbers, words and strings.

use std::borrow::Cow;

use super::{DEPTH_MAX, Error};

/// A position in the text, and how deep it is nested.
pub(super) struct Scanner<'s> {
    input: &'s [u8],
    pub(super) at: usize,
    depth: usize,
}

impl<'s> Scanner<'s> {
    pub(super) fn new(input: &'s [u8], depth: usize) -> Scanner<'s> {
        Scanner { input, at: 0, depth }
    }

    pub(super) fn depth(&self) -> usize {
        self.depth
    }

    pub(super) fn error(&self, message: impl Into<String>) -> Error {
        Error::at(self.at, message)
    }

    /// The next byte that is not white space, without taking it.
    pub(super) fn peek(&mut self) -> Option<u8> {
        while let Some(&byte) = self.input.get(self.at) {
            if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0c | 0x08) {
                return Some(byte);
            }
            self.at += 1;
        }
        None
    }

    /// Takes `wanted` if it comes next.
    pub(super) fn take(&mut self, wanted: u8) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.at += 1;
        }
        found
    }

    pub(super) fn expect(&mut self, wanted: u8) -> Result<(), Error> {
        if self.take(wanted) {
            return Ok(());
        }
        Err(self.unexpected(&format!("'{}'", char::from(wanted))))
    }

    /// The error for what stands here instead of `wanted`.
    pub(super) fn unexpected(&mut self, wanted: &str) -> Error {
        match self.peek() {
            None => self.error(format!("{wanted} expected but the text ends")),
            Some(byte) if byte.is_ascii_graphic() => {
                self.error(format!("{wanted} expected but '{}' found", char::from(byte)))
            }
            Some(byte) => self.error(format!("{wanted} expected but byte {byte:#04x} found")),
        }
    }

    /// Enters an object or array by its opening byte.
    pub(super) fn enter(&mut self, open: u8) -> Result<(), Error> {
        self.expect(open)?;
        if self.depth >= DEPTH_MAX {
            return Err(self.error(format!("nested deeper than {DEPTH_MAX}")));
        }
        self.depth += 1;
        Ok(())
    }

    /// Whether the current object or array ends here; takes its end and commas before it.
    pub(super) fn leave(&mut self, close: u8) -> bool {
        while self.take(b',') {}
        let ends = self.take(close);
        if ends {
            self.depth = self.depth.saturating_sub(1);
        }
        ends
    }

    /// Between two items: a comma or the end must follow.
    pub(super) fn end_item(&mut self, close: u8) -> Result<(), Error> {
        match self.peek() {
            Some(b',') => Ok(()),
            Some(byte) if byte == close => Ok(()),
            _ => Err(self.unexpected(&format!("',' or '{}'", char::from(close)))),
        }
    }

    /// Takes the bytes that may belong to a number.
    pub(super) fn number(&mut self) -> &'s str {
        self.take_while(|b| matches!(b, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'))
    }

    /// Takes a word: `null`, `true`, `false`, or a name without quotes.
    pub(super) fn word(&mut self) -> &'s str {
        self.take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'$'))
    }

    fn take_while(&mut self, belongs: impl Fn(u8) -> bool) -> &'s str {
        self.peek();
        let rest = self.input.get(self.at..).unwrap_or(&[]);
        let length = rest.iter().position(|&b| !belongs(b)).unwrap_or(rest.len());
        self.at += length;
        // ASCII only, by what `belongs` accepts.
        std::str::from_utf8(rest.get(..length).unwrap_or(&[])).unwrap_or("")
    }

    /// Takes a string in single or double quotes. Bytes that are not UTF-8 become U+FFFD, as Java
    /// reads them.
    pub(super) fn string(&mut self) -> Result<Cow<'s, str>, Error> {
        let (content, escaped) = self.raw_string()?;
        if escaped {
            let start = self.at - content.len() - 1;
            return unescape(content, start).map(Cow::Owned);
        }
        Ok(String::from_utf8_lossy(content))
    }

    /// Takes a string; its bytes as written and whether they hold escapes.
    pub(super) fn raw_string(&mut self) -> Result<(&'s [u8], bool), Error> {
        let quote = match self.peek() {
            Some(quote @ (b'"' | b'\'')) => quote,
            _ => return Err(self.unexpected("a string")),
        };
        let start = self.at + 1;
        let mut end = start;
        let mut escaped = false;
        loop {
            match self.input.get(end) {
                None => return Err(self.error("string without end")),
                Some(b'\\') => {
                    escaped = true;
                    end += 2;
                }
                Some(&byte) if byte == quote => break,
                Some(_) => end += 1,
            }
        }
        self.at = end + 1;
        Ok((self.input.get(start..end).unwrap_or(&[]), escaped))
    }

    /// Passes over one value, whatever it is, keeping nothing.
    pub(super) fn skip_value(&mut self) -> Result<(), Error> {
        match self.peek() {
            Some(b'{') => {
                self.enter(b'{')?;
                while !self.leave(b'}') {
                    self.skip_value()?;
                    self.expect(b':')?;
                    self.skip_value()?;
                    self.end_item(b'}')?;
                }
                Ok(())
            }
            Some(b'[') => {
                self.enter(b'[')?;
                while !self.leave(b']') {
                    self.skip_value()?;
                    self.end_item(b']')?;
                }
                Ok(())
            }
            Some(b'"' | b'\'') => self.raw_string().map(|_| ()),
            Some(b'0'..=b'9' | b'-' | b'+' | b'.') => {
                self.number();
                Ok(())
            }
            _ if !self.word().is_empty() => Ok(()),
            _ => Err(self.unexpected("a value")),
        }
    }
}

/// Undoes the escapes of a string that starts at byte `start` of the text.
fn unescape(content: &[u8], start: usize) -> Result<String, Error> {
    let mut out = Vec::with_capacity(content.len());
    // A high surrogate that waits for its second half.
    let mut high: Option<u16> = None;
    let mut at = 0;
    while let Some(&byte) = content.get(at) {
        let (unit, length) = if byte == b'\\' {
            escape(content, at).ok_or_else(|| Error::at(start + at, "unknown escape"))?
        } else {
            flush(&mut out, &mut high);
            out.push(byte);
            at += 1;
            continue;
        };
        at += length;
        match (high.take(), unit) {
            (Some(first), 0xdc00..=0xdfff) => push_units(&mut out, &[first, unit]),
            (pending, 0xd800..=0xdbff) => {
                flush(&mut out, &mut { pending });
                high = Some(unit);
            }
            (pending, _) => {
                flush(&mut out, &mut { pending });
                push_units(&mut out, &[unit]);
            }
        }
    }
    flush(&mut out, &mut high);
    Ok(String::from_utf8(out).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into()))
}

fn flush(out: &mut Vec<u8>, high: &mut Option<u16>) {
    if let Some(unit) = high.take() {
        push_units(out, &[unit]);
    }
}

fn push_units(out: &mut Vec<u8>, units: &[u16]) {
    let mut buffer = [0; 4];
    for c in char::decode_utf16(units.iter().copied()) {
        let c = c.unwrap_or(char::REPLACEMENT_CHARACTER);
        out.extend_from_slice(c.encode_utf8(&mut buffer).as_bytes());
    }
}

/// The UTF-16 unit of the escape at `at`, and the escape's length.
fn escape(content: &[u8], at: usize) -> Option<(u16, usize)> {
    let hex = |from: usize, digits: usize| {
        let text = content.get(at + from..at + from + digits)?;
        let text = text.iter().all(u8::is_ascii_hexdigit).then_some(text)?;
        u16::from_str_radix(std::str::from_utf8(text).ok()?, 16).ok()
    };
    let unit = match content.get(at + 1)? {
        b'b' => 0x08,
        b't' => 0x09,
        b'n' => 0x0a,
        b'v' => 0x0b,
        b'f' | b'F' => 0x0c,
        b'r' => 0x0d,
        &same @ (b'"' | b'\'' | b'\\' | b'/') => u16::from(same),
        &digit @ b'0'..=b'7' => u16::from(digit - b'0'),
        b'u' => return Some((hex(2, 4)?, 6)),
        b'x' => return Some((hex(2, 2)?, 4)),
        _ => return None,
    };
    Some((unit, 2))
}
