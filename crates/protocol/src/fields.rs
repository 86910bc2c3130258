//! The custom header fields of a command ("extFields"): reading by position, writing without maps.
//!
//! Reading keeps spans into the frame; a value is unescaped only when somebody asks for it.
//! Writing appends straight to the output buffer. Contract `wire.md` 2.

use std::borrow::Cow;

use bytes::{Buf, BufMut, BytesMut};

use crate::frame::{Frame, SerializeType};
use crate::text::{decimal, put_escaped, unescape_into};

/// A header field that could not be read. The text is RocketMQ's, which clients match on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// A required field is absent.
    #[error("the custom field <{0}> is null")]
    Missing(&'static str),
    /// A value does not have the field's type.
    #[error("the custom field <{field}> is not {expected}: {value}")]
    Invalid {
        /// The field's name on the wire.
        field: &'static str,
        /// What it should be.
        expected: &'static str,
        /// The beginning of what came.
        value: String,
    },
}

/// Where one field's name and value lie in the header bytes of a frame.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct FieldSpan {
    pub(crate) key: Span,
    pub(crate) value: Span,
}

/// A run of header bytes, which may hold JSON escapes. A frame carries 32 of them: kept small.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Span {
    start: u32,
    /// The highest bit says that there are escapes; a header has fewer than 2^24 bytes.
    len: u32,
}

impl Span {
    const ESCAPED: u32 = 1 << 31;

    pub(crate) fn new(start: usize, len: usize, escaped: bool) -> Span {
        let escaped = if escaped { Span::ESCAPED } else { 0 };
        Span { start: start as u32, len: len as u32 | escaped }
    }

    pub(crate) fn is_escaped(self) -> bool {
        self.len & Span::ESCAPED != 0
    }

    pub(crate) fn of(self, header: &[u8]) -> &[u8] {
        let start = self.start as usize;
        let len = (self.len & !Span::ESCAPED) as usize;
        header.get(start..start + len).unwrap_or_default()
    }
}

/// How many fields are kept without a heap allocation; a SEND has 13.
const INLINE_FIELDS: usize = 16;

/// The field spans of one frame, in wire order.
#[derive(Clone, Debug)]
pub(crate) struct FieldSpans {
    inline: [FieldSpan; INLINE_FIELDS],
    inline_len: usize,
    more: Vec<FieldSpan>,
}

impl Default for FieldSpans {
    fn default() -> Self {
        FieldSpans {
            inline: [FieldSpan::default(); INLINE_FIELDS],
            inline_len: 0,
            more: Vec::new(),
        }
    }
}

impl FieldSpans {
    pub(crate) fn push(&mut self, span: FieldSpan) {
        match self.inline.get_mut(self.inline_len) {
            Some(place) => {
                *place = span;
                self.inline_len += 1;
            }
            None => self.more.push(span),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.inline_len + self.more.len()
    }

    fn get(&self, index: usize) -> Option<&FieldSpan> {
        match index.checked_sub(self.inline_len) {
            None => self.inline.get(index),
            Some(beyond) => self.more.get(beyond),
        }
    }
}

/// The fields of a received frame. Looking fields up in the order in which they were written
/// finds each at once.
#[derive(Clone)]
pub struct Fields<'a> {
    header: &'a [u8],
    spans: &'a FieldSpans,
    /// Where the next look-up starts.
    next: usize,
}

impl<'a> Fields<'a> {
    pub(crate) fn of(frame: &'a Frame) -> Fields<'a> {
        Fields { header: frame.header_bytes(), spans: frame.field_spans(), next: 0 }
    }

    /// The value of the field with that name, if it was sent. Of duplicates, one after the last
    /// look-up wins.
    pub fn get(&mut self, key: &str) -> Option<FieldValue<'a>> {
        let count = self.spans.len();
        let next = self.next.min(count);
        for index in (next..count).chain(0..next) {
            let span = self.spans.get(index)?;
            if key_equals(span.key, self.header, key) {
                self.next = index + 1;
                return Some(FieldValue::new(span.value, self.header));
            }
        }
        None
    }

    /// Every field as `(name, value)`, in wire order.
    pub fn iter(&self) -> impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)> + '_ {
        let header = self.header;
        (0..self.spans.len()).filter_map(move |index| {
            let span = self.spans.get(index)?;
            let key = FieldValue::new(span.key, header).text();
            Some((key, FieldValue::new(span.value, header).text()))
        })
    }

    /// How many fields were sent.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether no field was sent.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn key_equals(span: Span, header: &[u8], key: &str) -> bool {
    if !span.is_escaped() {
        return span.of(header) == key.as_bytes();
    }
    FieldValue::new(span, header).text() == key
}

/// One value as it lies in the header.
#[derive(Clone, Copy, Debug)]
pub struct FieldValue<'a> {
    raw: &'a [u8],
    escaped: bool,
}

impl<'a> FieldValue<'a> {
    fn new(span: Span, header: &'a [u8]) -> FieldValue<'a> {
        FieldValue { raw: span.of(header), escaped: span.is_escaped() }
    }

    /// The text; borrowed unless it holds escapes.
    pub fn text(self) -> Cow<'a, str> {
        if !self.escaped {
            // Cheaper than the lossy conversion where nothing is lost, which is nearly always.
            return match std::str::from_utf8(self.raw) {
                Ok(text) => Cow::Borrowed(text),
                Err(_) => String::from_utf8_lossy(self.raw),
            };
        }
        let mut bytes = Vec::with_capacity(self.raw.len());
        unescape_into(&mut bytes, self.raw);
        match String::from_utf8(bytes) {
            Ok(text) => Cow::Owned(text),
            Err(error) => Cow::Owned(String::from_utf8_lossy(error.as_bytes()).into_owned()),
        }
    }

    /// Appends the text's UTF-8 bytes.
    pub fn append_to(self, out: &mut Vec<u8>) {
        if self.escaped {
            unescape_into(out, self.raw);
        } else {
            out.extend_from_slice(self.raw);
        }
    }

    /// Whether there is no text.
    pub fn is_empty(self) -> bool {
        self.raw.is_empty()
    }

    /// The text as a decimal number.
    pub fn int(self) -> Option<i64> {
        decimal(self.raw)
    }

    /// Java's `parseBoolean`: `true` in any case, all else is false.
    pub fn boolean(self) -> bool {
        self.raw.eq_ignore_ascii_case(b"true")
    }
}

/// Plain text, to be sent.
impl<'a> From<&'a str> for FieldValue<'a> {
    fn from(text: &'a str) -> FieldValue<'a> {
        FieldValue { raw: text.as_bytes(), escaped: false }
    }
}

/// Equal texts, however they are written.
impl PartialEq for FieldValue<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl Eq for FieldValue<'_> {}

/// A type that a header field can have.
pub trait FieldType<'a>: Sized {
    /// The value of a field that may be absent.
    fn decode(key: &'static str, value: Option<FieldValue<'a>>) -> Result<Self, HeaderError>;
    /// Appends the field, unless it is an absent optional one.
    fn encode(&self, key: &'static str, out: &mut FieldWriter<'_>);
}

fn invalid(field: &'static str, expected: &'static str, value: FieldValue<'_>) -> HeaderError {
    let value = value.text().chars().take(64).collect();
    HeaderError::Invalid { field, expected, value }
}

impl<'a> FieldType<'a> for Cow<'a, str> {
    fn decode(key: &'static str, value: Option<FieldValue<'a>>) -> Result<Self, HeaderError> {
        Ok(value.ok_or(HeaderError::Missing(key))?.text())
    }

    fn encode(&self, key: &'static str, out: &mut FieldWriter<'_>) {
        out.text(key, self);
    }
}

/// Text that the reader copies to a place of its own: unescaped there, without a string between.
impl<'a> FieldType<'a> for FieldValue<'a> {
    fn decode(key: &'static str, value: Option<FieldValue<'a>>) -> Result<Self, HeaderError> {
        value.ok_or(HeaderError::Missing(key))
    }

    fn encode(&self, key: &'static str, out: &mut FieldWriter<'_>) {
        out.text(key, &self.text());
    }
}

impl<'a> FieldType<'a> for i32 {
    fn decode(key: &'static str, value: Option<FieldValue<'a>>) -> Result<Self, HeaderError> {
        let value = value.ok_or(HeaderError::Missing(key))?;
        let number = value.int().and_then(|n| i32::try_from(n).ok());
        number.ok_or_else(|| invalid(key, "a 32-bit number", value))
    }

    fn encode(&self, key: &'static str, out: &mut FieldWriter<'_>) {
        out.int(key, i64::from(*self));
    }
}

impl<'a> FieldType<'a> for i64 {
    fn decode(key: &'static str, value: Option<FieldValue<'a>>) -> Result<Self, HeaderError> {
        let value = value.ok_or(HeaderError::Missing(key))?;
        value.int().ok_or_else(|| invalid(key, "a 64-bit number", value))
    }

    fn encode(&self, key: &'static str, out: &mut FieldWriter<'_>) {
        out.int(key, *self);
    }
}

impl<'a> FieldType<'a> for bool {
    fn decode(key: &'static str, value: Option<FieldValue<'a>>) -> Result<Self, HeaderError> {
        Ok(value.ok_or(HeaderError::Missing(key))?.boolean())
    }

    fn encode(&self, key: &'static str, out: &mut FieldWriter<'_>) {
        out.boolean(key, *self);
    }
}

impl<'a, T: FieldType<'a>> FieldType<'a> for Option<T> {
    fn decode(key: &'static str, value: Option<FieldValue<'a>>) -> Result<Self, HeaderError> {
        value.map(|value| T::decode(key, Some(value))).transpose()
    }

    fn encode(&self, key: &'static str, out: &mut FieldWriter<'_>) {
        if let Some(value) = self {
            value.encode(key, out);
        }
    }
}

/// A custom header that can be sent. `Sync`, so that futures which hold one can move between threads.
pub trait HeaderFields: Sync {
    /// Appends every field that has a value.
    fn write_to(&self, out: &mut FieldWriter<'_>);
}

/// The header of a command that has none.
pub struct NoFields;

impl HeaderFields for NoFields {
    fn write_to(&self, _: &mut FieldWriter<'_>) {}
}

/// Fields given one by one, for tools and tests.
impl HeaderFields for [(&str, &str)] {
    fn write_to(&self, out: &mut FieldWriter<'_>) {
        for (key, value) in self {
            out.text(key, value);
        }
    }
}

/// Fields taken over from another command, for relays.
impl HeaderFields for Vec<(String, String)> {
    fn write_to(&self, out: &mut FieldWriter<'_>) {
        for (key, value) in self {
            out.text(key, value);
        }
    }
}

/// Two headers sent as one.
impl<A: HeaderFields, B: HeaderFields> HeaderFields for (A, B) {
    fn write_to(&self, out: &mut FieldWriter<'_>) {
        self.0.write_to(out);
        self.1.write_to(out);
    }
}

impl<T: HeaderFields + ?Sized> HeaderFields for &T {
    fn write_to(&self, out: &mut FieldWriter<'_>) {
        (**self).write_to(out);
    }
}

/// The names and values that a header would be sent with, for whoever signs them.
pub fn collect(header: &dyn HeaderFields) -> Vec<(String, String)> {
    let mut bytes = BytesMut::new();
    header.write_to(&mut FieldWriter::new(&mut bytes, SerializeType::RocketMq));
    let mut pairs = Vec::new();
    // Just written here, so the lengths are right: i16 and name, i32 and value.
    while bytes.len() >= 2 {
        let name_len = usize::from(bytes.get_u16());
        let name = bytes.split_to(name_len.min(bytes.len()));
        if bytes.len() < 4 {
            break;
        }
        let value_len = bytes.get_u32() as usize;
        let value = bytes.split_to(value_len.min(bytes.len()));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        pairs.push((text(&name), text(&value)));
    }
    pairs
}

/// Appends fields in the frame's serialisation.
pub struct FieldWriter<'a> {
    out: &'a mut BytesMut,
    serialize: SerializeType,
    count: usize,
}

impl<'a> FieldWriter<'a> {
    pub(crate) fn new(out: &'a mut BytesMut, serialize: SerializeType) -> FieldWriter<'a> {
        FieldWriter { out, serialize, count: 0 }
    }

    /// How many fields were written.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Appends a text field.
    pub fn text(&mut self, key: &str, value: &str) {
        self.begin(key, value.len());
        match self.serialize {
            SerializeType::Json => {
                self.out.put_u8(b'"');
                put_escaped(self.out, value);
                self.out.put_u8(b'"');
            }
            SerializeType::RocketMq => self.out.put_slice(value.as_bytes()),
        }
        self.count += 1;
    }

    /// Appends a number.
    pub fn int(&mut self, key: &str, value: i64) {
        let mut digits = itoa::Buffer::new();
        self.plain(key, digits.format(value));
    }

    /// Appends `true` or `false`.
    pub fn boolean(&mut self, key: &str, value: bool) {
        self.plain(key, if value { "true" } else { "false" });
    }

    /// A value that needs no escapes.
    fn plain(&mut self, key: &str, value: &str) {
        self.begin(key, value.len());
        if self.serialize == SerializeType::Json {
            self.out.put_u8(b'"');
            self.out.put_slice(value.as_bytes());
            self.out.put_u8(b'"');
        } else {
            self.out.put_slice(value.as_bytes());
        }
        self.count += 1;
    }

    /// The name and what stands before the value.
    fn begin(&mut self, key: &str, value_len: usize) {
        match self.serialize {
            SerializeType::Json => {
                if self.count > 0 {
                    self.out.put_u8(b',');
                }
                self.out.put_u8(b'"');
                put_escaped(self.out, key);
                self.out.put_slice(b"\":");
            }
            SerializeType::RocketMq => {
                // Both lengths are bounded by the frame limit, which the encoder checks at the end.
                self.out.put_i16(key.len() as i16);
                self.out.put_slice(key.as_bytes());
                self.out.put_i32(value_len as i32);
            }
        }
    }
}
