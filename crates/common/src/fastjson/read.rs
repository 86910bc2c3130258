//! The reader: a serde deserializer over the scanner.

use std::borrow::Cow;

use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess,
    Visitor,
};
use serde::forward_to_deserialize_any;

use super::Error;
use super::scan::Scanner;

/// Reads a whole text as one value.
pub(super) fn document<T: DeserializeOwned>(input: &[u8]) -> Result<T, Error> {
    let mut scanner = Scanner::new(input, 0);
    let value = T::deserialize(Node { scanner: &mut scanner, key: false });
    // An error of the type itself (a wrong type, a missing field) arises where the scanner stands.
    let position = scanner.at;
    let value =
        value.map_err(|error| Error { position: error.position.or(Some(position)), ..error })?;
    match scanner.peek() {
        None => Ok(value),
        Some(_) => Err(scanner.unexpected("the end of the text")),
    }
}

/// One value or map key that is to be read.
struct Node<'a, 's> {
    scanner: &'a mut Scanner<'s>,
    key: bool,
}

/// A value that is neither object nor array.
enum Scalar<'s> {
    Null,
    Bool(bool),
    Number(&'s str),
    Text(Cow<'s, str>),
}

impl<'s> Node<'_, 's> {
    fn scalar(&mut self) -> Result<Scalar<'s>, Error> {
        match self.scanner.peek() {
            Some(b'"' | b'\'') => self.scanner.string().map(Scalar::Text),
            Some(b'0'..=b'9' | b'-' | b'+' | b'.') => Ok(Scalar::Number(self.scanner.number())),
            Some(b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'$') => {
                let start = self.scanner.at;
                match self.scanner.word() {
                    "null" | "NaN" => Ok(Scalar::Null),
                    "true" => Ok(Scalar::Bool(true)),
                    "false" => Ok(Scalar::Bool(false)),
                    name if self.key => Ok(Scalar::Text(Cow::Borrowed(name))),
                    name => Err(Error::at(start, format!("a value expected but {name} found"))),
                }
            }
            _ => Err(self.scanner.unexpected("a value")),
        }
    }

    fn number<'de, V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
        self.scanner.peek();
        let start = self.scanner.at;
        match self.scalar()? {
            Scalar::Null => visitor.visit_unit(),
            Scalar::Bool(value) => visitor.visit_i64(value.into()),
            Scalar::Number(text) => visit_number(text, start, true, visitor),
            Scalar::Text(text) => visit_number(text.trim(), start, true, visitor),
        }
    }

    fn text<'de, V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
        match self.scalar()? {
            Scalar::Null if self.key => visitor.visit_str("null"),
            Scalar::Null => visitor.visit_unit(),
            Scalar::Bool(value) => visitor.visit_str(if value { "true" } else { "false" }),
            Scalar::Number(text) => visitor.visit_str(text),
            Scalar::Text(Cow::Borrowed(text)) => visitor.visit_str(text),
            Scalar::Text(Cow::Owned(text)) => visitor.visit_string(text),
        }
    }

    fn object<'de, V: Visitor<'de>>(self, visitor: V, is_struct: bool) -> Result<V::Value, Error> {
        if self.key && matches!(self.scanner.peek(), Some(b'"' | b'\'')) {
            let start = self.scanner.at;
            let text = self.scanner.string()?;
            let mut inner = Scanner::new(text.as_bytes(), self.scanner.depth());
            return Node { scanner: &mut inner, key: false }
                .object(visitor, is_struct)
                .map_err(|error| Error { position: Some(start), ..error });
        }
        self.scanner.enter(b'{')?;
        let mut members = Members { scanner: self.scanner, is_struct };
        let value = visitor.visit_map(&mut members)?;
        if members.scanner.leave(b'}') {
            return Ok(value);
        }
        Err(members.scanner.unexpected("'}'"))
    }
}

/// Hands a number to the visitor: whole if it is written so (or `whole` allows to drop `.0`).
fn visit_number<'de, V: Visitor<'de>>(
    text: &str,
    start: usize,
    whole: bool,
    visitor: V,
) -> Result<V::Value, Error> {
    if let Ok(value) = text.parse::<i64>() {
        return visitor.visit_i64(value);
    }
    if let Ok(value) = text.parse::<u64>() {
        return visitor.visit_u64(value);
    }
    // Beyond 2^53 a double no longer tells neighbours apart.
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    match text.parse::<f64>() {
        Ok(value) if whole && value.fract() == 0.0 && value.abs() <= EXACT_MAX && value != 0.0 => {
            visitor.visit_i64(value as i64)
        }
        Ok(value) => visitor.visit_f64(value),
        Err(_) => Err(Error::at(start, "a number expected")),
    }
}

impl<'de> Deserializer<'de> for Node<'_, '_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
        match self.scanner.peek() {
            Some(b'{') => return self.object(visitor, false),
            Some(b'[') => return self.deserialize_seq(visitor),
            _ => {}
        }
        let start = self.scanner.at;
        match self.scalar()? {
            Scalar::Null => visitor.visit_unit(),
            Scalar::Bool(value) => visitor.visit_bool(value),
            Scalar::Number(text) => visit_number(text, start, false, visitor),
            Scalar::Text(Cow::Borrowed(text)) => visitor.visit_str(text),
            Scalar::Text(Cow::Owned(text)) => visitor.visit_string(text),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
        match self.scalar()? {
            Scalar::Null => visitor.visit_unit(),
            Scalar::Bool(value) => visitor.visit_bool(value),
            Scalar::Number(text) => visitor.visit_bool(text == "1"),
            Scalar::Text(text) => {
                visitor.visit_bool(text.eq_ignore_ascii_case("true") || text == "1")
            }
        }
    }

    fn deserialize_i8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.number(visitor)
    }

    fn deserialize_i16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.number(visitor)
    }

    fn deserialize_i32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.number(visitor)
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.number(visitor)
    }

    fn deserialize_u8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.number(visitor)
    }

    fn deserialize_u16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.number(visitor)
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.number(visitor)
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.number(visitor)
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.number(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.number(visitor)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.text(visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.text(visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.text(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.text(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
        if self.scanner.peek() == Some(b'n') {
            let start = self.scanner.at;
            if matches!(self.scalar()?, Scalar::Null) {
                return visitor.visit_none();
            }
            self.scanner.at = start;
        }
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.scanner.enter(b'[')?;
        let mut items = Items { scanner: self.scanner };
        let value = visitor.visit_seq(&mut items)?;
        if items.scanner.leave(b']') {
            return Ok(value);
        }
        Err(items.scanner.unexpected("']'"))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.object(visitor, false)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.object(visitor, true)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        mut self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let start = self.scanner.at;
        match self.scalar()? {
            Scalar::Text(name) => visitor.visit_enum(name.as_ref().into_deserializer()),
            Scalar::Number(text) => match text.parse::<u32>() {
                Ok(ordinal) => visitor.visit_enum(ordinal.into_deserializer()),
                Err(_) => Err(Error::at(start, "an enum name expected")),
            },
            Scalar::Null | Scalar::Bool(_) => Err(Error::at(start, "an enum name expected")),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.scanner.skip_value()?;
        visitor.visit_unit()
    }

    forward_to_deserialize_any! { bytes byte_buf unit unit_struct }
}

/// The items of an array.
struct Items<'a, 's> {
    scanner: &'a mut Scanner<'s>,
}

impl<'de> SeqAccess<'de> for &mut Items<'_, '_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        while self.scanner.take(b',') {}
        if self.scanner.peek() == Some(b']') {
            return Ok(None);
        }
        let item = seed.deserialize(Node { scanner: &mut *self.scanner, key: false })?;
        self.scanner.end_item(b']')?;
        Ok(Some(item))
    }
}

/// The members of an object.
struct Members<'a, 's> {
    scanner: &'a mut Scanner<'s>,
    is_struct: bool,
}

impl Members<'_, '_> {
    /// Passes over a member whose value is `null`; true if there was one.
    fn skip_null(&mut self) -> Result<bool, Error> {
        let start = self.scanner.at;
        self.scanner.skip_value()?;
        self.scanner.expect(b':')?;
        if self.scanner.peek() == Some(b'n') && self.scanner.word() == "null" {
            self.scanner.end_item(b'}')?;
            return Ok(true);
        }
        self.scanner.at = start;
        Ok(false)
    }
}

impl<'de> MapAccess<'de> for &mut Members<'_, '_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        loop {
            while self.scanner.take(b',') {}
            if self.scanner.peek() == Some(b'}') {
                return Ok(None);
            }
            if !(self.is_struct && self.skip_null()?) {
                break;
            }
        }
        let key = seed.deserialize(Node { scanner: &mut *self.scanner, key: true })?;
        self.scanner.expect(b':')?;
        Ok(Some(key))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let value = seed.deserialize(Node { scanner: &mut *self.scanner, key: false })?;
        self.scanner.end_item(b'}')?;
        Ok(value)
    }
}
