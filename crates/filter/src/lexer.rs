//! Tokens. Each is the longest one that fits, over UTF-16 code units as Java counts them.

use crate::error::FilterError;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    End,
    Not,
    And,
    Or,
    Between,
    In,
    True,
    False,
    Null,
    Is,
    Integer,
    Float,
    Text,
    Name,
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    Open,
    Comma,
    Close,
    Plus,
    Minus,
}

impl Kind {
    /// As Java's messages call it.
    fn image(self) -> &'static str {
        match self {
            Kind::End => "<EOF>",
            Kind::Not => "\"NOT\"",
            Kind::And => "\"AND\"",
            Kind::Or => "\"OR\"",
            Kind::Between => "\"BETWEEN\"",
            Kind::In => "\"IN\"",
            Kind::True => "\"TRUE\"",
            Kind::False => "\"FALSE\"",
            Kind::Null => "\"NULL\"",
            Kind::Is => "\"IS\"",
            Kind::Integer => "<DECIMAL_LITERAL>",
            Kind::Float => "<FLOATING_POINT_LITERAL>",
            Kind::Text => "<STRING_LITERAL>",
            Kind::Name => "<ID>",
            Kind::Equal => "\"=\"",
            Kind::NotEqual => "\"<>\"",
            Kind::Greater => "\">\"",
            Kind::GreaterOrEqual => "\">=\"",
            Kind::Less => "\"<\"",
            Kind::LessOrEqual => "\"<=\"",
            Kind::Open => "\"(\"",
            Kind::Comma => "\",\"",
            Kind::Close => "\")\"",
            Kind::Plus => "\"+\"",
            Kind::Minus => "\"-\"",
        }
    }
}

const KEYWORDS: [(&str, Kind); 9] = [
    ("NOT", Kind::Not),
    ("AND", Kind::And),
    ("OR", Kind::Or),
    ("BETWEEN", Kind::Between),
    ("IN", Kind::In),
    ("TRUE", Kind::True),
    ("FALSE", Kind::False),
    ("NULL", Kind::Null),
    ("IS", Kind::Is),
];

/// One token and where it begins.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) image: String,
    pub(crate) line: usize,
    pub(crate) column: usize,
}

impl Token {
    /// As Java's messages show it.
    pub(crate) fn found(&self) -> String {
        match self.kind {
            Kind::End => "<EOF>".to_owned(),
            kind => format!(" {} \"{} \"", kind.image(), escaped(self.image.encode_utf16())),
        }
    }
}

/// The tokens of a text, read as the parser asks for them: what it never asks for is never
/// refused.
pub(crate) struct Lexer {
    units: Vec<u16>,
    at: usize,
    /// Line and column of the last unit read; the line is 0 before the first.
    line: usize,
    column: usize,
}

/// What a run of the rules over the text at hand came to.
enum Match {
    /// So many units are skipped: blanks and comments.
    Skip(usize),
    Token(Kind, usize),
    /// So many units could have begun a token.
    Nothing(usize),
}

fn is_blank(unit: u16) -> bool {
    matches!(unit, 0x20 | 0x09 | 0x0a | 0x0d | 0x0c)
}

fn is_ascii(unit: Option<&u16>, test: impl Fn(u8) -> bool) -> bool {
    unit.is_some_and(|unit| u8::try_from(*unit).is_ok_and(test))
}

fn digits(units: &[u16]) -> usize {
    units.iter().take_while(|unit| is_ascii(Some(unit), |b| b.is_ascii_digit())).count()
}

impl Lexer {
    pub(crate) fn new(text: &str) -> Lexer {
        Lexer { units: text.encode_utf16().collect(), at: 0, line: 0, column: 0 }
    }

    /// The next token; at the end of the text [`Kind::End`], again and again.
    pub(crate) fn next(&mut self) -> Result<Token, FilterError> {
        loop {
            let Some(rest) = self.units.get(self.at..).filter(|rest| !rest.is_empty()) else {
                let (line, column) = (self.line, self.column);
                return Ok(Token { kind: Kind::End, image: String::new(), line, column });
            };
            match longest(rest) {
                Match::Skip(len) => self.advance(len),
                Match::Token(kind, len) => {
                    let image = String::from_utf16_lossy(&rest[..len]);
                    self.advance(1);
                    let (line, column) = (self.line, self.column);
                    self.advance(len - 1);
                    return Ok(Token { kind, image, line, column });
                }
                Match::Nothing(good) => return Err(self.refused(good)),
            }
        }
    }

    /// Moves on and keeps count of lines and columns.
    fn advance(&mut self, len: usize) {
        for _ in 0..len {
            let before = self.at.checked_sub(1).and_then(|at| self.units.get(at)).copied();
            let unit = self.units.get(self.at).copied().unwrap_or_default();
            self.at += 1;
            let after_line_end = match before {
                None => true,
                Some(0x0a) => true,
                Some(0x0d) => unit != 0x0a,
                Some(_) => false,
            };
            match after_line_end {
                true => (self.line, self.column) = (self.line + 1, 1),
                false => self.column += 1,
            }
            if unit == 0x09 {
                self.column -= 1;
                self.column += 8 - self.column % 8;
            }
        }
    }

    /// The error for a text of which `good` units could begin a token and the next one ends that.
    fn refused(&mut self, good: usize) -> FilterError {
        let rest = self.units.get(self.at..).unwrap_or_default().to_vec();
        // Java reports the end of the text if nothing stands behind the unit that does not fit.
        let at_end = good + 1 >= rest.len();
        let read = (good + 1).min(rest.len());
        self.advance(read);
        let (line, mut column) = (self.line, self.column);
        let (found, shown) = if at_end {
            column += 1;
            ("<EOF> ".to_owned(), if read <= 1 { 0 } else { read })
        } else {
            let unit = rest.get(good).copied().unwrap_or_default();
            (format!("\"{}\" ({unit}), ", escaped([unit])), good)
        };
        let last = rest.get(read.saturating_sub(1)).copied();
        let (line, column) = match (at_end, last) {
            (true, Some(0x0a | 0x0d)) => (line + 1, 0),
            _ => (line, column),
        };
        let after = escaped(rest.iter().take(shown).copied());
        FilterError::Lexical { line, column, found, after }
    }
}

/// Tries every rule on the text at hand, which is not empty.
fn longest(rest: &[u16]) -> Match {
    let first = rest.first().copied().unwrap_or_default();
    let second = rest.get(1).copied();
    if is_blank(first) {
        return Match::Skip(1);
    }
    let sign = |kind| Match::Token(kind, 1);
    let pair = |kind| Match::Token(kind, 2);
    match u8::try_from(first).unwrap_or(0) {
        b'-' if second == Some(u16::from(b'-')) => line_comment(rest),
        b'-' => sign(Kind::Minus),
        b'+' => sign(Kind::Plus),
        b'=' => sign(Kind::Equal),
        b'(' => sign(Kind::Open),
        b')' => sign(Kind::Close),
        b',' => sign(Kind::Comma),
        b'<' if second == Some(u16::from(b'>')) => pair(Kind::NotEqual),
        b'<' if second == Some(u16::from(b'=')) => pair(Kind::LessOrEqual),
        b'<' => sign(Kind::Less),
        b'>' if second == Some(u16::from(b'=')) => pair(Kind::GreaterOrEqual),
        b'>' => sign(Kind::Greater),
        b'/' => block_comment(rest),
        b'\'' => quoted(rest),
        b'0'..=b'9' | b'.' => number(rest),
        b'A'..=b'Z' | b'a'..=b'z' | b'_' | b'$' => name(rest),
        _ => Match::Nothing(0),
    }
}

/// `-- …` to the end of the line, which must be there; without it, a minus.
fn line_comment(rest: &[u16]) -> Match {
    match rest.iter().position(|unit| matches!(unit, 0x0a | 0x0d)) {
        Some(end) => Match::Skip(end + 1),
        None => Match::Token(Kind::Minus, 1),
    }
}

fn block_comment(rest: &[u16]) -> Match {
    if rest.get(1) != Some(&u16::from(b'*')) {
        return Match::Nothing(1);
    }
    let end = [u16::from(b'*'), u16::from(b'/')];
    let body = rest.get(2..).unwrap_or_default();
    match body.windows(2).position(|two| two == end) {
        Some(at) => Match::Skip(at + 4),
        None => Match::Nothing(rest.len()),
    }
}

/// `'…'` in which two quotes stand for one.
fn quoted(rest: &[u16]) -> Match {
    let quote = u16::from(b'\'');
    let mut at = 1;
    // The longest text that is complete.
    let mut complete = None;
    while let Some(unit) = rest.get(at) {
        at += 1;
        if *unit == quote {
            complete = Some(at);
            if rest.get(at) != Some(&quote) {
                break;
            }
            at += 1;
        }
    }
    match complete {
        Some(len) => Match::Token(Kind::Text, len),
        None => Match::Nothing(rest.len()),
    }
}

/// `5`, `5L`, `5.`, `.5`, `5e3`.
fn number(rest: &[u16]) -> Match {
    let whole = digits(rest);
    let dot = rest.get(whole) == Some(&u16::from(b'.'));
    let fraction = if dot { digits(rest.get(whole + 1..).unwrap_or_default()) } else { 0 };
    if whole == 0 && fraction == 0 {
        return Match::Nothing(1);
    }
    let mantissa = whole + usize::from(dot) + fraction;
    let exponent = exponent(rest.get(mantissa..).unwrap_or_default());
    if dot || exponent > 0 {
        return Match::Token(Kind::Float, mantissa + exponent);
    }
    // An integer that begins with 0 is 0; the digits behind it are a token of their own.
    if rest.first() == Some(&u16::from(b'0')) {
        return Match::Token(Kind::Integer, 1);
    }
    let long = is_ascii(rest.get(whole), |b| matches!(b, b'l' | b'L'));
    Match::Token(Kind::Integer, whole + usize::from(long))
}

fn exponent(rest: &[u16]) -> usize {
    if !is_ascii(rest.first(), |b| matches!(b, b'e' | b'E')) {
        return 0;
    }
    let sign = usize::from(is_ascii(rest.get(1), |b| matches!(b, b'+' | b'-')));
    match digits(rest.get(1 + sign..).unwrap_or_default()) {
        0 => 0,
        digits => 1 + sign + digits,
    }
}

fn name(rest: &[u16]) -> Match {
    let in_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'$');
    let len = rest.iter().take_while(|unit| is_ascii(Some(unit), in_name)).count();
    let text = String::from_utf16_lossy(&rest[..len]);
    let keyword = KEYWORDS.iter().find(|(word, _)| text.eq_ignore_ascii_case(word));
    Match::Token(keyword.map_or(Kind::Name, |(_, kind)| *kind), len)
}

/// A text as Java's messages show it: printable ASCII, everything else escaped, NUL left out.
fn escaped(units: impl IntoIterator<Item = u16>) -> String {
    let mut text = String::new();
    for unit in units {
        match unit {
            0x00 => {}
            0x08 => text.push_str("\\b"),
            0x09 => text.push_str("\\t"),
            0x0a => text.push_str("\\n"),
            0x0c => text.push_str("\\f"),
            0x0d => text.push_str("\\r"),
            0x22 => text.push_str("\\\""),
            0x27 => text.push_str("\\'"),
            0x5c => text.push_str("\\\\"),
            0x20..=0x7e => text.push(char::from(unit as u8)),
            _ => text.push_str(&format!("\\u{unit:04x}")),
        }
    }
    text
}
