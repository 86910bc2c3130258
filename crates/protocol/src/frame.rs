//! One command on the wire (contract `wire.md` 1 and 2).
//!
//! ```text
//! i32 length (of all that follows) | u8 serialize type | u24 header length | header | body
//! ```
//!
//! Decoding copies nothing: a [`Frame`] is the received bytes with the places of its fields.
//! Encoding appends to the connection's buffer and patches the lengths in.

use std::borrow::Cow;
use std::sync::atomic::{AtomicI32, Ordering};

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::fields::{FieldSpan, FieldSpans, FieldWriter, Fields, HeaderFields, Span};
use crate::json_header;
use crate::language::Language;
use crate::text::put_escaped;
use crate::version;

/// Largest frame, length field included, unless configured otherwise: 16 MiB.
pub const FRAME_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Bytes before the header: length and header-length word.
const PREFIX_BYTES: usize = 8;
/// Bit of [`Frame::flag`]: the frame is a response.
pub const FLAG_RESPONSE: i32 = 1;
/// Bit of [`Frame::flag`]: nobody waits for a response.
pub const FLAG_ONEWAY: i32 = 2;

/// How a header is written; each frame says its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum SerializeType {
    /// A JSON object; what Java peers send by default.
    #[default]
    Json,
    /// RocketMQ's binary form.
    RocketMq,
}

impl SerializeType {
    /// The name in configuration and boot lines.
    pub fn name(self) -> &'static str {
        match self {
            SerializeType::Json => "JSON",
            SerializeType::RocketMq => "ROCKETMQ",
        }
    }

    /// The type of that name (case-sensitive, as Java's).
    pub fn from_name(name: &str) -> Option<SerializeType> {
        [SerializeType::Json, SerializeType::RocketMq].into_iter().find(|t| t.name() == name)
    }
}

/// Bytes that are no frame. The connection they came on cannot be read any further.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The length field is above the limit or negative.
    #[error("frame length {length} exceeds the limit of {limit} bytes")]
    TooLong {
        /// What the length field says, itself included.
        length: i64,
        /// The limit in force.
        limit: usize,
    },
    /// The length field leaves no room for what it must cover.
    #[error("frame length {length} is too small for a header of {header} bytes")]
    TooShort {
        /// What the length field says.
        length: usize,
        /// The header length it must hold.
        header: usize,
    },
    /// The serialize type is neither JSON nor ROCKETMQ.
    #[error("serialize type {0} is unknown")]
    SerializeType(u8),
    /// The header cannot be parsed.
    #[error("header is malformed at byte {at}: {what}")]
    Header {
        /// Byte of the header.
        at: usize,
        /// What is wrong there.
        what: &'static str,
    },
    /// A frame to be sent is larger than a frame may be.
    #[error("a frame of {0} bytes cannot be sent")]
    Unsendable(usize),
}

pub(crate) fn malformed(at: usize, what: &'static str) -> FrameError {
    FrameError::Header { at, what }
}

/// The next request id of this process (contract `wire.md` 2: one counter, which may wrap).
pub fn next_opaque() -> i32 {
    static COUNTER: AtomicI32 = AtomicI32::new(0);
    COUNTER.fetch_add(1, Ordering::Relaxed)
}

/// A received command.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Header and body, without the prefix.
    bytes: Bytes,
    header_len: usize,
    /// How the peer wrote the header.
    pub serialize: SerializeType,
    /// Request or response code.
    pub code: i32,
    /// The peer's language.
    pub language: Language,
    /// The peer's version number, 0 if it never set one.
    pub version: i32,
    /// Request id, echoed by the response.
    pub opaque: i32,
    /// [`FLAG_RESPONSE`], [`FLAG_ONEWAY`].
    pub flag: i32,
    pub(crate) remark: Option<Span>,
    pub(crate) spans: FieldSpans,
}

impl Frame {
    /// Takes one frame off the front of what was read; `None` until it is complete.
    ///
    /// The claimed length is checked before anything is reserved for it.
    pub fn take(input: &mut BytesMut, frame_bytes_max: usize) -> Result<Option<Frame>, FrameError> {
        let Some(length) = input.first_chunk::<4>().map(|bytes| i32::from_be_bytes(*bytes)) else {
            return Ok(None);
        };
        let total = i64::from(length) + 4;
        if length < 0 || total > frame_bytes_max as i64 {
            return Err(FrameError::TooLong { length: total, limit: frame_bytes_max });
        }
        let length = length as usize;
        if length < 4 {
            return Err(FrameError::TooShort { length, header: 0 });
        }
        if input.len() < PREFIX_BYTES {
            return Ok(None);
        }
        let (serialize, header_len) = header_word(&input[4..8])?;
        if header_len > length - 4 {
            return Err(FrameError::TooShort { length, header: header_len });
        }
        if input.len() < length + 4 {
            return Ok(None);
        }
        let mut bytes = input.split_to(length + 4);
        bytes.advance(PREFIX_BYTES);
        Frame::parse(bytes.freeze(), serialize, header_len).map(Some)
    }

    /// How many bytes must be there before [`Frame::take`] can return the next frame, as far as
    /// the input tells; 0 if not even its length is known.
    pub fn bytes_wanted(input: &[u8]) -> usize {
        match input.first_chunk::<4>() {
            Some(bytes) => (i32::from_be_bytes(*bytes).max(0) as usize).saturating_add(4),
            None => 0,
        }
    }

    /// Parses header and body bytes (without the prefix).
    pub fn parse(
        bytes: Bytes,
        serialize: SerializeType,
        header_len: usize,
    ) -> Result<Frame, FrameError> {
        let mut frame = Frame {
            bytes,
            header_len,
            serialize,
            code: 0,
            language: Language::JAVA,
            version: 0,
            opaque: 0,
            flag: 0,
            remark: None,
            spans: FieldSpans::default(),
        };
        let bytes = frame.bytes.clone();
        let Some(header) = bytes.get(..header_len) else {
            return Err(FrameError::TooShort { length: bytes.len(), header: header_len });
        };
        match serialize {
            SerializeType::Json => json_header::parse(header, &mut frame)?,
            SerializeType::RocketMq => parse_binary_header(header, &mut frame)?,
        }
        Ok(frame)
    }

    /// The header as it came.
    pub fn header_bytes(&self) -> &[u8] {
        self.bytes.get(..self.header_len).unwrap_or_default()
    }

    pub(crate) fn field_spans(&self) -> &FieldSpans {
        &self.spans
    }

    /// The custom header's fields.
    pub fn fields(&self) -> Fields<'_> {
        Fields::of(self)
    }

    /// The human text of a response.
    pub fn remark(&self) -> Option<Cow<'_, str>> {
        let span = self.remark?;
        let raw = span.of(self.header_bytes());
        if !span.is_escaped() {
            return Some(String::from_utf8_lossy(raw));
        }
        let mut text = Vec::with_capacity(raw.len());
        crate::text::unescape_into(&mut text, raw);
        Some(Cow::Owned(String::from_utf8_lossy(&text).into_owned()))
    }

    /// The body; empty when there is none.
    pub fn body(&self) -> &[u8] {
        self.bytes.get(self.header_len..).unwrap_or_default()
    }

    /// The body, sharing the frame's memory.
    pub fn body_bytes(&self) -> Bytes {
        self.bytes.slice(self.header_len..)
    }

    /// Whether this answers a request of ours.
    pub fn is_response(&self) -> bool {
        self.flag & FLAG_RESPONSE != 0
    }

    /// Whether the sender wants no answer.
    pub fn is_oneway(&self) -> bool {
        self.flag & FLAG_ONEWAY != 0
    }
}

/// Splits the header-length word into its two parts.
fn header_word(word: &[u8]) -> Result<(SerializeType, usize), FrameError> {
    let &[kind, a, b, c] = word else { return Err(malformed(0, "no header length")) };
    let serialize = match kind {
        0 => SerializeType::Json,
        1 => SerializeType::RocketMq,
        other => return Err(FrameError::SerializeType(other)),
    };
    Ok((serialize, u32::from_be_bytes([0, a, b, c]) as usize))
}

/// Reads the binary header (contract `wire.md` 2.2).
fn parse_binary_header(header: &[u8], frame: &mut Frame) -> Result<(), FrameError> {
    let mut reader = BinaryReader { header, at: 0 };
    frame.code = i32::from(reader.i16()?);
    frame.language = Language(reader.u8()?);
    frame.version = i32::from(reader.i16()?);
    frame.opaque = reader.i32()?;
    frame.flag = reader.i32()?;
    let remark_len = reader.length()?;
    if remark_len > 0 {
        frame.remark = Some(reader.span(remark_len)?);
    }
    let fields_len = reader.length()?;
    let end = reader.at + fields_len;
    if end > header.len() {
        return Err(malformed(reader.at, "extFields are longer than the header"));
    }
    while reader.at < end {
        let key_len = usize::try_from(reader.i16()?)
            .map_err(|_| malformed(reader.at, "a field name has a negative length"))?;
        let key = reader.span(key_len)?;
        let value_len = reader.length()?;
        let value = reader.span(value_len)?;
        frame.spans.push(FieldSpan { key, value });
    }
    if reader.at != end {
        return Err(malformed(reader.at, "a field reaches beyond extFields"));
    }
    Ok(())
}

struct BinaryReader<'a> {
    header: &'a [u8],
    at: usize,
}

impl BinaryReader<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], FrameError> {
        let rest = self.header.get(self.at..).unwrap_or_default();
        let bytes = rest.first_chunk::<N>().ok_or(malformed(self.at, "the header ends early"))?;
        self.at += N;
        Ok(*bytes)
    }

    fn u8(&mut self) -> Result<u8, FrameError> {
        Ok(self.take::<1>()?[0])
    }

    fn i16(&mut self) -> Result<i16, FrameError> {
        Ok(i16::from_be_bytes(self.take()?))
    }

    fn i32(&mut self) -> Result<i32, FrameError> {
        Ok(i32::from_be_bytes(self.take()?))
    }

    fn length(&mut self) -> Result<usize, FrameError> {
        let at = self.at;
        usize::try_from(self.i32()?).map_err(|_| malformed(at, "a length is negative"))
    }

    fn span(&mut self, len: usize) -> Result<Span, FrameError> {
        if self.header.len() - self.at < len {
            return Err(malformed(self.at, "a text is longer than the header"));
        }
        let span = Span::new(self.at, len, false);
        self.at += len;
        Ok(span)
    }
}

/// The fixed part of a command to be sent. The version is this process's own.
#[derive(Clone, Debug)]
pub struct FrameHead<'a> {
    /// Request or response code.
    pub code: i32,
    /// [`FLAG_RESPONSE`], [`FLAG_ONEWAY`].
    pub flag: i32,
    /// What the sender says it is written in: [`Language::JAVA`] but for tools that speak to C++
    /// clients.
    pub language: Language,
    /// Request id.
    pub opaque: i32,
    /// The human text.
    pub remark: Option<&'a str>,
}

/// Appends a whole frame except its body, whose length it announces: the caller sends the body
/// right behind.
///
/// # Errors
/// The frame would exceed what the length fields can say; `out` is left as it was.
pub fn encode_head(
    out: &mut BytesMut,
    serialize: SerializeType,
    head: &FrameHead<'_>,
    fields: Option<&dyn HeaderFields>,
    body_len: usize,
) -> Result<(), FrameError> {
    let start = out.len();
    out.put_bytes(0, PREFIX_BYTES);
    match serialize {
        SerializeType::Json => put_json_header(out, head, fields),
        SerializeType::RocketMq => put_binary_header(out, head, fields),
    }
    let header_len = out.len() - start - PREFIX_BYTES;
    let total = header_len + body_len + PREFIX_BYTES;
    if header_len >= 1 << 24 || i32::try_from(total).is_err() {
        out.truncate(start);
        return Err(FrameError::Unsendable(total));
    }
    let length = (4 + header_len + body_len) as u32;
    let kind = match serialize {
        SerializeType::Json => 0u32,
        SerializeType::RocketMq => 1u32,
    };
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
    out[start + 4..start + 8].copy_from_slice(&(kind << 24 | header_len as u32).to_be_bytes());
    Ok(())
}

/// Members in alphabetical order, as fastjson writes them (contract `wire.md` 2.1).
fn put_json_header(out: &mut BytesMut, head: &FrameHead<'_>, fields: Option<&dyn HeaderFields>) {
    let mut digits = itoa::Buffer::new();
    out.put_slice(b"{\"code\":");
    out.put_slice(digits.format(head.code).as_bytes());
    if let Some(fields) = fields {
        out.put_slice(b",\"extFields\":{");
        fields.write_to(&mut FieldWriter::new(out, SerializeType::Json));
        out.put_u8(b'}');
    }
    out.put_slice(b",\"flag\":");
    out.put_slice(digits.format(head.flag).as_bytes());
    out.put_slice(b",\"language\":\"");
    out.put_slice(head.language.name().as_bytes());
    out.put_slice(b"\",\"opaque\":");
    out.put_slice(digits.format(head.opaque).as_bytes());
    if let Some(remark) = head.remark {
        out.put_slice(b",\"remark\":\"");
        put_escaped(out, remark);
        out.put_u8(b'"');
    }
    out.put_slice(b",\"serializeTypeCurrentRPC\":\"JSON\",\"version\":");
    out.put_slice(digits.format(version::CURRENT).as_bytes());
    out.put_u8(b'}');
}

fn put_binary_header(out: &mut BytesMut, head: &FrameHead<'_>, fields: Option<&dyn HeaderFields>) {
    out.put_i16(head.code as i16);
    out.put_u8(head.language.0);
    out.put_i16(version::CURRENT as i16);
    out.put_i32(head.opaque);
    out.put_i32(head.flag);
    let remark = head.remark.unwrap_or_default();
    out.put_i32(remark.len() as i32);
    out.put_slice(remark.as_bytes());
    let length_at = out.len();
    out.put_i32(0);
    if let Some(fields) = fields {
        let mut writer = FieldWriter::new(out, SerializeType::RocketMq);
        fields.write_to(&mut writer);
        if writer.count() > 0 {
            let length = (out.len() - length_at - 4) as i32;
            out[length_at..length_at + 4].copy_from_slice(&length.to_be_bytes());
        }
    }
}
