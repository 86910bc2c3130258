//! Values and how they compare.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

use rocketmq_common::java;

use crate::error::EvaluateError;
use crate::number;

/// What an expression or a part of one is. Properties of messages are texts.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// Unknown: a property that the message does not have.
    Null,
    /// TRUE or FALSE.
    Bool(bool),
    /// A literal of 32 bits; what is compared with it must fit, too.
    Int(i32),
    /// A literal of 64 bits.
    Long(i64),
    /// A literal with a point or an exponent.
    Double(f64),
    /// A property or a literal in quotes.
    Text(Cow<'a, str>),
}

impl Value<'_> {
    /// The negative number; of what is no number, unknown.
    pub(crate) fn negated(&self) -> Value<'static> {
        match self {
            Value::Int(value) => Value::Int(value.wrapping_neg()),
            Value::Long(value) => Value::Long(value.wrapping_neg()),
            Value::Double(value) => Value::Double(-value),
            Value::Null | Value::Bool(_) | Value::Text(_) => Value::Null,
        }
    }

    /// Whether it is a number.
    pub(crate) fn is_number(&self) -> bool {
        matches!(self, Value::Int(_) | Value::Long(_) | Value::Double(_))
    }
}

/// As `Comparable` values print, without quotes.
impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => f.write_str("null"),
            Value::Bool(value) => value.fmt(f),
            Value::Int(value) => value.fmt(f),
            Value::Long(value) => value.fmt(f),
            Value::Double(value) => f.write_str(&java::double_to_string(*value)),
            Value::Text(value) => f.write_str(value),
        }
    }
}

/// How two known values compare. A text is read as the other one's type. Values that have no order
/// (a number and a truth value) give `Less`, as in Java.
pub(crate) fn compare(left: &Value<'_>, right: &Value<'_>) -> Result<Ordering, EvaluateError> {
    use Value::{Bool, Double, Int, Long, Text};
    let text = |error| EvaluateError::Number(error);
    Ok(match (left, right) {
        (Text(left), Text(right)) => left.encode_utf16().cmp(right.encode_utf16()),
        (Text(left), Bool(right)) => left.eq_ignore_ascii_case("true").cmp(right),
        (Text(left), Int(right)) => number::int(left).map_err(text)?.cmp(right),
        (Text(left), Long(right)) => number::long(left).map_err(text)?.cmp(right),
        (Text(left), Double(right)) => by_double(number::double(left).map_err(text)?, *right),
        (Bool(_), Text(_)) => return Err(EvaluateError::BooleanBeforeText),
        (Int(left), Text(right)) => left.cmp(&number::int(right).map_err(text)?),
        (Long(left), Text(right)) => left.cmp(&number::long(right).map_err(text)?),
        (Double(left), Text(right)) => by_double(*left, number::double(right).map_err(text)?),
        (Bool(left), Bool(right)) => left.cmp(right),
        (Int(left), Int(right)) => left.cmp(right),
        (Int(left), Long(right)) => i64::from(*left).cmp(right),
        (Long(left), Int(right)) => left.cmp(&i64::from(*right)),
        (Long(left), Long(right)) => left.cmp(right),
        (Int(left), Double(right)) => by_double(f64::from(*left), *right),
        (Double(left), Int(right)) => by_double(*left, f64::from(*right)),
        (Long(left), Double(right)) => by_double(*left as f64, *right),
        (Double(left), Long(right)) => by_double(*left, *right as f64),
        (Double(left), Double(right)) => by_double(*left, *right),
        (Bool(_), _) | (_, Bool(_)) | (Value::Null, _) | (_, Value::Null) => Ordering::Less,
    })
}

/// `Double.compareTo`: NaN is above all and equal to itself, -0.0 below 0.0.
pub(crate) fn by_double(left: f64, right: f64) -> Ordering {
    // Java has one NaN; `total_cmp` would order them by sign.
    let one = |value: f64| if value.is_nan() { f64::NAN.abs() } else { value };
    one(left).total_cmp(&one(right))
}
