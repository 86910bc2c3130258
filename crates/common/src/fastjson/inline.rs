//! Sequences that the pretty form keeps on one line: Java's arrays and sets, unlike its lists.
//!
//! Use on a field: `#[serde(with = "rocketmq_common::fastjson::inline")]`. The compact form is the
//! same either way. Rust tuples and fixed arrays are always on one line.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Name of the marking newtype that the writer knows.
pub(super) const MARK: &str = "$fastjson::inline";

/// Writes the sequence on one line.
///
/// # Errors
/// Those of the sequence.
pub fn serialize<T: Serialize, S: Serializer>(items: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_newtype_struct(MARK, items)
}

/// Reads the sequence as any other.
///
/// # Errors
/// Those of the sequence.
pub fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    T::deserialize(deserializer)
}
