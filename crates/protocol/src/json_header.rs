//! The JSON header, read by position: one pass, no map, no string built (contract `wire.md` 2.1).
//!
//! As tolerant as Java 4.9.2: unknown members of any shape are passed over, missing ones take
//! their defaults, scalar field values that are no strings count as their text, nulls as absent.

use crate::fields::{FieldSpan, Span};
use crate::frame::{Frame, FrameError, malformed, next_opaque};
use crate::language::Language;
use crate::text::{decimal, hex4, plain_run};

/// How deep an unknown member may nest.
const DEPTH_MAX: usize = 32;

/// Fills the frame's fields from the header text.
pub(crate) fn parse(header: &[u8], frame: &mut Frame) -> Result<(), FrameError> {
    // Checked once here, so that every span below is known to be UTF-8.
    if let Err(error) = std::str::from_utf8(header) {
        return Err(malformed(error.valid_up_to(), "it is not UTF-8"));
    }
    let mut reader = Reader { header, at: 0 };
    let mut opaque = None;
    reader.object(|reader, key| {
        match key.of(reader.header) {
            b"code" => frame.code = reader.number()?.unwrap_or(0),
            b"flag" => frame.flag = reader.number()?.unwrap_or(0),
            b"opaque" => opaque = reader.number()?,
            b"version" => frame.version = reader.number()?.unwrap_or(0),
            b"language" => frame.language = reader.language()?,
            b"remark" => frame.remark = reader.scalar()?,
            b"extFields" => reader.fields(frame)?,
            _ => reader.skip(0)?,
        }
        Ok(())
    })?;
    frame.opaque = opaque.unwrap_or_else(next_opaque);
    reader.blank();
    if reader.at != header.len() {
        return Err(malformed(reader.at, "text follows the object"));
    }
    Ok(())
}

struct Reader<'a> {
    header: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.header.get(self.at).copied()
    }

    fn blank(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn error(&self, what: &'static str) -> FrameError {
        malformed(self.at, what)
    }

    fn expect(&mut self, byte: u8, what: &'static str) -> Result<(), FrameError> {
        self.blank();
        if self.peek() != Some(byte) {
            return Err(self.error(what));
        }
        self.at += 1;
        Ok(())
    }

    /// Reads an object; `member` is called behind each colon and reads the value.
    fn object(
        &mut self,
        mut member: impl FnMut(&mut Self, Span) -> Result<(), FrameError>,
    ) -> Result<(), FrameError> {
        self.expect(b'{', "an object should start here")?;
        self.blank();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.blank();
            let key = self.string()?;
            self.expect(b':', "a colon should follow the name")?;
            self.blank();
            member(self, key)?;
            self.blank();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return Err(self.error("a comma or a closing brace should follow the value")),
            }
        }
    }

    fn fields(&mut self, frame: &mut Frame) -> Result<(), FrameError> {
        if self.word(b"null") {
            return Ok(());
        }
        self.object(|reader, key| {
            if let Some(value) = reader.scalar()? {
                frame.spans.push(FieldSpan { key, value });
            }
            Ok(())
        })
    }

    /// A string, number or boolean as its text; null as nothing.
    fn scalar(&mut self) -> Result<Option<Span>, FrameError> {
        match self.peek() {
            Some(b'"') => self.string().map(Some),
            Some(b'{' | b'[') => Err(self.error("a plain value should stand here")),
            _ if self.word(b"null") => Ok(None),
            _ => self.bare().map(Some),
        }
    }

    fn number(&mut self) -> Result<Option<i32>, FrameError> {
        let at = self.at;
        let Some(span) = self.scalar()? else { return Ok(None) };
        let number = decimal(span.of(self.header)).and_then(|number| i32::try_from(number).ok());
        number.map(Some).ok_or_else(|| malformed(at, "a 32-bit number should stand here"))
    }

    /// A name, or the number of one.
    fn language(&mut self) -> Result<Language, FrameError> {
        let Some(span) = self.scalar()? else { return Ok(Language::UNKNOWN) };
        let text = std::str::from_utf8(span.of(self.header)).unwrap_or_default();
        Ok(match text.parse::<u8>() {
            Ok(number) => Language(number),
            Err(_) => Language::from_name(text),
        })
    }

    /// The inside of a string.
    fn string(&mut self) -> Result<Span, FrameError> {
        if self.peek() != Some(b'"') {
            return Err(self.error("a string should start here"));
        }
        let start = self.at + 1;
        let mut escaped = false;
        let mut at = start;
        loop {
            let rest = self.header.get(at..).unwrap_or_default();
            let Some(run) = plain_run(rest) else {
                return Err(malformed(self.header.len(), "a string does not end"));
            };
            at += run;
            if rest.get(run) == Some(&b'"') {
                break;
            }
            escaped = true;
            at += self.escape_length(at)?;
        }
        self.at = at + 1;
        Ok(Span::new(start, at - start, escaped))
    }

    /// Length of the escape that starts at the backslash, checked to be a complete one.
    fn escape_length(&self, at: usize) -> Result<usize, FrameError> {
        match self.header.get(at + 1) {
            Some(b'u') => match self.header.get(at + 2..).and_then(hex4) {
                Some(_) => Ok(6),
                None => Err(malformed(at, "an escape is not \\uXXXX")),
            },
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' | b'v' | b'\'') => Ok(2),
            _ => Err(malformed(at, "an escape is unknown")),
        }
    }

    /// A number or word up to the next delimiter.
    fn bare(&mut self) -> Result<Span, FrameError> {
        let start = self.at;
        while let Some(b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'+' | b'-' | b'.') = self.peek() {
            self.at += 1;
        }
        if self.at == start {
            return Err(self.error("a value should stand here"));
        }
        Ok(Span::new(start, self.at - start, false))
    }

    fn word(&mut self, word: &[u8]) -> bool {
        let found = self.header.get(self.at..).is_some_and(|rest| rest.starts_with(word));
        if found {
            self.at += word.len();
        }
        found
    }

    /// Passes over a value of any shape.
    fn skip(&mut self, depth: usize) -> Result<(), FrameError> {
        if depth > DEPTH_MAX {
            return Err(self.error("the nesting is too deep"));
        }
        match self.peek() {
            Some(b'{') => self.object(|reader, _| reader.skip(depth + 1)),
            Some(b'[') => self.skip_array(depth),
            _ => self.scalar().map(|_| ()),
        }
    }

    fn skip_array(&mut self, depth: usize) -> Result<(), FrameError> {
        self.at += 1;
        self.blank();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.blank();
            self.skip(depth + 1)?;
            self.blank();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return Err(self.error("a comma or a closing bracket should follow")),
            }
        }
    }
}
