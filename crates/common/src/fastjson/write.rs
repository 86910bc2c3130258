//! The writer: fastjson's compact and pretty forms as a serde serializer.

use serde::Serialize;
use serde::ser::{self, Impossible};

use super::{Error, inline};

/// Writes `value` in the compact or pretty form.
pub(super) fn write<T: Serialize + ?Sized>(value: &T, pretty: bool) -> Result<Vec<u8>, Error> {
    let mut writer =
        Writer { out: Vec::with_capacity(128), pretty, indent: 0, inline_sequence: false };
    value.serialize(&mut writer)?;
    Ok(writer.out)
}

pub(super) struct Writer {
    out: Vec<u8>,
    pretty: bool,
    indent: usize,
    /// The next sequence stays on one line (Java's arrays and sets, unlike lists).
    inline_sequence: bool,
}

impl Writer {
    /// New line and indent, in the pretty form only.
    fn break_line(&mut self) {
        if self.pretty {
            self.out.push(b'\n');
            self.out.resize(self.out.len() + self.indent, b'\t');
        }
    }

    fn integer(&mut self, value: impl itoa::Integer) {
        self.out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    }

    fn double(&mut self, finite: bool, text: &str) {
        self.out.extend_from_slice(if finite { text.as_bytes() } else { b"null" });
    }

    fn string(&mut self, text: &str) {
        self.out.push(b'"');
        let bytes = text.as_bytes();
        let mut copied = 0;
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            // Escaped: quote, backslash, U+0000..1F, U+007F..9F, U+2028 and U+2029.
            let next = |distance: usize| bytes.get(at + distance).copied().unwrap_or(0);
            let (unit, length) = match byte {
                b'"' | b'\\' | 0..=0x1f | 0x7f => (u16::from(byte), 1),
                0xc2 if next(1) < 0xa0 => (u16::from(next(1)), 2),
                0xe2 if next(1) == 0x80 && matches!(next(2), 0xa8 | 0xa9) => {
                    (0x2000 + u16::from(next(2) & 0x3f), 3)
                }
                _ => {
                    at += 1;
                    continue;
                }
            };
            self.out.extend_from_slice(bytes.get(copied..at).unwrap_or(&[]));
            self.escape(unit);
            at += length;
            copied = at;
        }
        self.out.extend_from_slice(bytes.get(copied..).unwrap_or(&[]));
        self.out.push(b'"');
    }

    fn escape(&mut self, unit: u16) {
        let short = match unit {
            0x08 => b'b',
            0x09 => b't',
            0x0a => b'n',
            0x0c => b'f',
            0x0d => b'r',
            0x22 => b'"',
            0x5c => b'\\',
            _ => {
                self.out.extend_from_slice(format!("\\u{unit:04X}").as_bytes());
                return;
            }
        };
        self.out.extend_from_slice(&[b'\\', short]);
    }

    /// Writes a map key. In the pretty form only text keys begin a line of their own, as fastjson
    /// leaves maps with other keys on one line.
    fn map_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        let start = self.out.len();
        key.serialize(&mut *self)?;
        if self.pretty && self.out.get(start) == Some(&b'"') {
            let line = std::iter::once(b'\n').chain(std::iter::repeat_n(b'\t', self.indent));
            self.out.splice(start..start, line);
        }
        self.out.push(b':');
        Ok(())
    }

    fn open(&mut self, form: Form) -> Compound<'_> {
        self.out.push(if matches!(form, Form::Map | Form::Struct) { b'{' } else { b'[' });
        if !matches!(form, Form::Inline) {
            self.indent += 1;
        }
        if matches!(form, Form::Struct) {
            self.break_line();
        }
        Compound { writer: self, form, empty: true }
    }
}

#[derive(Clone, Copy)]
enum Form {
    /// A list: each item on a line.
    List,
    /// An array or set: on one line.
    Inline,
    Map,
    Struct,
}

pub(super) struct Compound<'w> {
    writer: &'w mut Writer,
    form: Form,
    empty: bool,
}

impl Compound<'_> {
    /// The comma before every item but the first; true for the first.
    fn separate(&mut self) -> bool {
        let first = std::mem::replace(&mut self.empty, false);
        if !first {
            self.writer.out.push(b',');
        }
        first
    }

    fn item<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), Error> {
        self.separate();
        if matches!(self.form, Form::List) {
            self.writer.break_line();
        }
        item.serialize(&mut *self.writer)
    }

    fn close(self) {
        let writer = self.writer;
        if !matches!(self.form, Form::Inline) {
            writer.indent -= 1;
            if !self.empty || matches!(self.form, Form::Struct) {
                writer.break_line();
            }
        }
        writer.out.push(if matches!(self.form, Form::Map | Form::Struct) { b'}' } else { b']' });
    }
}

impl<'w> ser::Serializer for &'w mut Writer {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Compound<'w>;
    type SerializeTuple = Compound<'w>;
    type SerializeTupleStruct = Compound<'w>;
    type SerializeTupleVariant = Impossible<(), Error>;
    type SerializeMap = Compound<'w>;
    type SerializeStruct = Compound<'w>;
    type SerializeStructVariant = Impossible<(), Error>;

    fn serialize_bool(self, value: bool) -> Result<(), Error> {
        self.out.extend_from_slice(if value { b"true" } else { b"false" });
        Ok(())
    }

    fn serialize_i8(self, value: i8) -> Result<(), Error> {
        self.serialize_i64(value.into())
    }

    fn serialize_i16(self, value: i16) -> Result<(), Error> {
        self.serialize_i64(value.into())
    }

    fn serialize_i32(self, value: i32) -> Result<(), Error> {
        self.serialize_i64(value.into())
    }

    fn serialize_i64(self, value: i64) -> Result<(), Error> {
        self.integer(value);
        Ok(())
    }

    fn serialize_u8(self, value: u8) -> Result<(), Error> {
        self.serialize_u64(value.into())
    }

    fn serialize_u16(self, value: u16) -> Result<(), Error> {
        self.serialize_u64(value.into())
    }

    fn serialize_u32(self, value: u32) -> Result<(), Error> {
        self.serialize_u64(value.into())
    }

    fn serialize_u64(self, value: u64) -> Result<(), Error> {
        self.integer(value);
        Ok(())
    }

    fn serialize_f32(self, value: f32) -> Result<(), Error> {
        self.double(value.is_finite(), &crate::java::float_to_string(value));
        Ok(())
    }

    fn serialize_f64(self, value: f64) -> Result<(), Error> {
        self.double(value.is_finite(), &crate::java::double_to_string(value));
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<(), Error> {
        self.string(value.encode_utf8(&mut [0; 4]));
        Ok(())
    }

    fn serialize_str(self, value: &str) -> Result<(), Error> {
        self.string(value);
        Ok(())
    }

    fn serialize_bytes(self, _: &[u8]) -> Result<(), Error> {
        Err(Error::plain("byte strings have no JSON form here"))
    }

    fn serialize_none(self) -> Result<(), Error> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Error> {
        self.out.extend_from_slice(b"null");
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Error> {
        self.out.extend_from_slice(b"{}");
        Ok(())
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<(), Error> {
        self.string(variant);
        Ok(())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        if name == inline::MARK {
            self.inline_sequence = true;
        }
        let result = value.serialize(&mut *self);
        self.inline_sequence = false;
        result
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: &T,
    ) -> Result<(), Error> {
        Err(with_content(variant))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Compound<'w>, Error> {
        let inline = std::mem::replace(&mut self.inline_sequence, false);
        Ok(self.open(if inline { Form::Inline } else { Form::List }))
    }

    fn serialize_tuple(self, _: usize) -> Result<Compound<'w>, Error> {
        Ok(self.open(Form::Inline))
    }

    fn serialize_tuple_struct(self, _: &'static str, len: usize) -> Result<Compound<'w>, Error> {
        self.serialize_tuple(len)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Error> {
        Err(with_content(variant))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Compound<'w>, Error> {
        Ok(self.open(Form::Map))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Compound<'w>, Error> {
        Ok(self.open(Form::Struct))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Error> {
        Err(with_content(variant))
    }
}

fn with_content(variant: &str) -> Error {
    Error::plain(format!("the enum variant {variant} has content, which has no JSON form here"))
}

impl ser::SerializeSeq for Compound<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), Error> {
        self.item(item)
    }

    fn end(self) -> Result<(), Error> {
        self.close();
        Ok(())
    }
}

impl ser::SerializeTuple for Compound<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), Error> {
        self.item(item)
    }

    fn end(self) -> Result<(), Error> {
        self.close();
        Ok(())
    }
}

impl ser::SerializeTupleStruct for Compound<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), Error> {
        self.item(item)
    }

    fn end(self) -> Result<(), Error> {
        self.close();
        Ok(())
    }
}

impl ser::SerializeMap for Compound<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        self.separate();
        self.writer.map_key(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        value.serialize(&mut *self.writer)
    }

    fn end(self) -> Result<(), Error> {
        self.close();
        Ok(())
    }
}

impl ser::SerializeStruct for Compound<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        if !self.separate() {
            self.writer.break_line();
        }
        self.writer.string(key);
        self.writer.out.push(b':');
        value.serialize(&mut *self.writer)
    }

    fn end(self) -> Result<(), Error> {
        self.close();
        Ok(())
    }
}
