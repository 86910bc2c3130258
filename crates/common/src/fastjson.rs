//! The JSON dialect of fastjson 1.2.76, which RocketMQ speaks on the wire and in its files
//! (contract wire.md 3, store.md 8).
//!
//! What differs from JSON: map keys that are numbers stand unquoted (`{0:"a"}`), map keys that are
//! objects stand inline (`{{"topic":"T"}:1}`), doubles have Java's form and NaN is `null`, a repeated
//! instance may be `{"$ref":"$.path"}`. [`to_vec`] and [`to_pretty`] write what Java writes, provided
//! that structs declare their fields alphabetically and skip what is `None`. [`from_slice`] is
//! tolerant as Java is:
//!
//! * a `null` member of a struct counts as missing, so the field's default applies;
//! * numbers and truth values fit text fields and the other way round; enum names or ordinals;
//! * number keys quoted or not, object keys inline or as a string holding the object;
//! * single quotes, unquoted names as keys and surplus commas.
//!
//! Nesting is limited to [`DEPTH_MAX`], memory to what the input really holds.
//!
//! ```
//! use rocketmq_common::fastjson;
//! use serde::{Deserialize, Serialize};
//! use std::collections::BTreeMap;
//!
//! #[derive(Serialize, Deserialize, Default)]
//! #[serde(rename_all = "camelCase", default)]
//! struct BrokerData {
//!     broker_addrs: BTreeMap<i64, String>,
//!     #[serde(skip_serializing_if = "Option::is_none")]
//!     broker_name: Option<String>,
//! }
//! let data: BrokerData = fastjson::from_slice(br#"{"brokerAddrs":{0:"1.2.3.4:5"}}"#)?;
//! assert_eq!(fastjson::to_vec(&data)?, br#"{"brokerAddrs":{0:"1.2.3.4:5"}}"#);
//! # Ok::<(), fastjson::Error>(())
//! ```

pub mod inline;
mod read;
mod reference;
mod scan;
mod value;
mod write;

#[cfg(test)]
mod tests;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use value::Value;

/// Deepest nesting of objects and arrays that is read or resolved.
pub const DEPTH_MAX: usize = 64;

/// Why a text cannot be read or a value not be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}{}", position.map(|at| format!(" at byte {at}")).unwrap_or_default())]
pub struct Error {
    message: String,
    position: Option<usize>,
}

impl Error {
    fn at(position: usize, message: impl Into<String>) -> Error {
        Error { message: message.into(), position: Some(position) }
    }

    fn plain(message: impl Into<String>) -> Error {
        Error { message: message.into(), position: None }
    }

    /// Byte offset in the input, for errors of reading.
    pub fn position(&self) -> Option<usize> {
        self.position
    }
}

impl serde::ser::Error for Error {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Error::plain(message.to_string())
    }
}

impl serde::de::Error for Error {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Error::plain(message.to_string())
    }
}

/// Reads one value; only white space may follow it.
///
/// # Errors
/// Text that is not of the dialect, nested too deeply, or does not fit `T`, with the byte position.
pub fn from_slice<T: DeserializeOwned>(input: &[u8]) -> Result<T, Error> {
    if reference::may_occur(input) {
        let resolved = reference::resolve(&read::document::<Value>(input)?)?;
        return read::document(&to_vec(&resolved)?);
    }
    read::document(input)
}

/// Reads one value from text, as [`from_slice`].
///
/// # Errors
/// As [`from_slice`].
pub fn from_str<T: DeserializeOwned>(input: &str) -> Result<T, Error> {
    from_slice(input.as_bytes())
}

/// Writes the compact form used on the wire.
///
/// # Errors
/// When the type has no form here (byte strings, enum variants with content) or refuses itself.
pub fn to_vec<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, Error> {
    write::write(value, false)
}

/// Writes the compact form as text.
///
/// # Errors
/// As [`to_vec`].
pub fn to_string<T: Serialize + ?Sized>(value: &T) -> Result<String, Error> {
    into_text(to_vec(value)?)
}

/// Writes the pretty form of the files and of mqadmin: TAB indents, no space after `:`, maps with
/// number keys on one line.
///
/// # Errors
/// As [`to_vec`].
pub fn to_pretty<T: Serialize + ?Sized>(value: &T) -> Result<String, Error> {
    into_text(write::write(value, true)?)
}

fn into_text(bytes: Vec<u8>) -> Result<String, Error> {
    String::from_utf8(bytes).map_err(|error| Error::plain(error.to_string()))
}
