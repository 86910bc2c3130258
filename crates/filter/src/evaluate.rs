//! The value of an expression for a message.

use std::borrow::Cow;
use std::cmp::Ordering;

use crate::error::EvaluateError;
use crate::expression::{Expression, Order};
use crate::number;
use crate::value::{Value, by_double, compare};

type Evaluated<'a> = Result<Value<'a>, EvaluateError>;

impl Expression {
    /// Evaluates from left to right; AND and OR stop as soon as the result is certain.
    pub(crate) fn evaluate<'a, 'd: 'a, P>(&'a self, property: &P) -> Evaluated<'a>
    where
        P: Fn(&str) -> Option<Cow<'d, str>>,
    {
        match self {
            Expression::Constant(value) => Ok(borrowed(value)),
            Expression::Property(name) => Ok(property(name).map_or(Value::Null, Value::Text)),
            Expression::Negative(inner) => Ok(inner.evaluate(property)?.negated()),
            Expression::Not(inner) => Ok(match inner.evaluate(property)? {
                Value::Bool(value) => Value::Bool(!value),
                _ => Value::Null,
            }),
            // A property is a text, so it is never true by itself.
            Expression::Truth(name) => {
                Ok(property(name).map_or(Value::Null, |_| Value::Bool(false)))
            }
            Expression::In { name, texts, not } => Ok(match property(name) {
                None => Value::Null,
                Some(value) => Value::Bool(texts.iter().any(|text| **text == *value) != *not),
            }),
            Expression::Equal(sides) => {
                equal(sides.0.evaluate(property)?, sides.1.evaluate(property)?)
            }
            Expression::Compare(order, sides) => {
                let left = sides.0.evaluate(property)?;
                if left == Value::Null {
                    return Ok(Value::Null);
                }
                let right = sides.1.evaluate(property)?;
                if right == Value::Null {
                    return Ok(Value::Null);
                }
                by_order(*order, &left, &right).map(Value::Bool)
            }
            Expression::And(parts) => logic(parts, false, property),
            Expression::Or(parts) => logic(parts, true, property),
        }
    }
}

/// AND (`decisive` FALSE) and OR (`decisive` TRUE).
fn logic<'a, 'd: 'a, P>(parts: &'a [Expression], decisive: bool, property: &P) -> Evaluated<'a>
where
    P: Fn(&str) -> Option<Cow<'d, str>>,
{
    let mut known = true;
    for part in parts {
        match part.evaluate(property)? {
            Value::Bool(value) if value == decisive => return Ok(Value::Bool(decisive)),
            Value::Bool(_) => {}
            _ => known = false,
        }
    }
    Ok(if known { Value::Bool(!decisive) } else { Value::Null })
}

fn equal<'a>(left: Value<'_>, right: Value<'_>) -> Evaluated<'a> {
    Ok(match (&left, &right) {
        (Value::Null, Value::Null) => Value::Bool(true),
        (Value::Null, _) => Value::Null,
        (_, Value::Null) => Value::Bool(false),
        _ => Value::Bool(compare(&left, &right)? == Ordering::Equal),
    })
}

fn by_order(order: Order, left: &Value<'_>, right: &Value<'_>) -> Result<bool, EvaluateError> {
    let ordering = match (left, right) {
        (Value::Text(left), Value::Text(right)) => {
            let read = |text: &str| {
                number::double(text).map_err(|_| EvaluateError::TextOrder {
                    left: left.to_string(),
                    right: right.to_string(),
                })
            };
            by_double(read(left)?, read(right)?)
        }
        _ => compare(left, right)?,
    };
    Ok(match order {
        Order::Greater => ordering.is_gt(),
        Order::GreaterOrEqual => ordering.is_ge(),
        Order::Less => ordering.is_lt(),
        Order::LessOrEqual => ordering.is_le(),
    })
}

fn borrowed<'a>(value: &'a Value<'static>) -> Value<'a> {
    match value {
        Value::Text(text) => Value::Text(Cow::Borrowed(text)),
        Value::Null => Value::Null,
        Value::Bool(value) => Value::Bool(*value),
        Value::Int(value) => Value::Int(*value),
        Value::Long(value) => Value::Long(*value),
        Value::Double(value) => Value::Double(*value),
    }
}
