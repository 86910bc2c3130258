//! Expressions, what may be joined to one, and how Java prints them.

use std::cmp::Ordering;
use std::fmt;

use rocketmq_common::java;

use crate::value::{Value, compare};

/// A comparison by order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

/// A part of a filter.
#[derive(Clone, Debug)]
pub(crate) enum Expression {
    Constant(Value<'static>),
    Property(Box<str>),
    Negative(Box<Expression>),
    Not(Box<Expression>),
    /// A property where a truth value is needed.
    Truth(Box<str>),
    In {
        name: Box<str>,
        texts: Vec<Box<str>>,
        not: bool,
    },
    Equal(Box<(Expression, Expression)>),
    Compare(Order, Box<(Expression, Expression)>),
    And(Vec<Expression>),
    Or(Vec<Expression>),
}

/// Java's exception and its text for parts that do not go together.
pub(crate) type Mismatch = (&'static str, String);

const RUNTIME: &str = "java.lang.RuntimeException";
const CLASS_CAST: &str = "java.lang.ClassCastException";

fn mismatch(text: String) -> Mismatch {
    (RUNTIME, text)
}

type Built = Result<Expression, Mismatch>;

impl Expression {
    fn is_boolean(&self) -> bool {
        match self {
            Expression::Constant(value) => matches!(value, Value::Bool(_) | Value::Null),
            Expression::Property(_) | Expression::Negative(_) => false,
            _ => true,
        }
    }

    /// The expression as a condition.
    pub(crate) fn condition(self) -> Built {
        match self {
            Expression::Property(name) => Ok(Expression::Truth(name)),
            other if other.is_boolean() => Ok(other),
            other => Err((
                "org.apache.rocketmq.filter.parser.ParseException",
                format!("Expression will not result in a boolean value: {other}"),
            )),
        }
    }

    /// Only numbers, properties and negatives have an order.
    fn orderable(self) -> Built {
        let refused = match &self {
            Expression::Constant(value) => !value.is_number(),
            other => other.is_boolean(),
        };
        if refused {
            Err(mismatch(format!("Value '{self}' cannot be compared.")))
        } else {
            Ok(self)
        }
    }

    /// `left > right` and the like.
    pub(crate) fn compared(order: Order, left: Expression, right: Expression) -> Built {
        Ok(Expression::Compare(order, Box::new((left.orderable()?, right.orderable()?))))
    }

    /// `left = right`.
    pub(crate) fn equal(left: Expression, right: Expression) -> Built {
        for side in [&left, &right] {
            if matches!(side, Expression::Constant(Value::Null)) {
                return Err(mismatch(format!("'{side}' cannot be compared.")));
            }
        }
        if let (Expression::Constant(Value::Bool(_)), Expression::Constant(_)) = (&left, &right)
            && !right.is_boolean()
        {
            return Err(mismatch(format!("'{left}' cannot be compared with '{right}'")));
        }
        Ok(Expression::Equal(Box::new((left, right))))
    }

    /// `expression IS NULL`.
    pub(crate) fn null_test(self) -> Expression {
        Expression::Equal(Box::new((self, Expression::Constant(Value::Null))))
    }

    /// `value BETWEEN low AND high`.
    pub(crate) fn between(value: Expression, low: Expression, high: Expression) -> Built {
        if let (Expression::Constant(low), Expression::Constant(high)) = (&low, &high) {
            if *low == Value::Null || *high == Value::Null {
                let text = "Illegal values of between, values can not be null!";
                return Err(mismatch(text.to_owned()));
            }
            let order = compare(high, low).map_err(|error| {
                let text = error.to_string();
                match text.split_once(": ") {
                    Some((RUNTIME, rest)) => mismatch(rest.to_owned()),
                    _ => (
                        CLASS_CAST,
                        text.trim_start_matches(CLASS_CAST).trim_start_matches(": ").to_owned(),
                    ),
                }
            })?;
            if order == Ordering::Less {
                return Err(mismatch(format!(
                    "Illegal values of between, left value({low}) must less than or equal to right value({high})"
                )));
            }
        }
        let above = Expression::compared(Order::GreaterOrEqual, value.clone(), low)?;
        let below = Expression::compared(Order::LessOrEqual, value, high)?;
        Ok(Expression::And(vec![above, below]))
    }

    /// `value NOT BETWEEN low AND high`.
    pub(crate) fn not_between(value: Expression, low: Expression, high: Expression) -> Built {
        let below = Expression::compared(Order::Less, value.clone(), low)?;
        let above = Expression::compared(Order::Greater, value, high)?;
        Ok(Expression::Or(vec![below, above]))
    }

    /// `value IN (texts)` and `value NOT IN (texts)`.
    pub(crate) fn is_in(value: Expression, texts: Vec<Box<str>>, not: bool) -> Built {
        match value {
            Expression::Property(name) => Ok(Expression::In { name, texts, not }),
            other => Err(mismatch(format!("Expected a property for In expression, got: {other}"))),
        }
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Order::Greater => ">",
            Order::GreaterOrEqual => ">=",
            Order::Less => "<",
            Order::LessOrEqual => "<=",
        })
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expression::Constant(Value::Null) => f.write_str("NULL"),
            Expression::Constant(Value::Bool(true)) => f.write_str("TRUE"),
            Expression::Constant(Value::Bool(false)) => f.write_str("FALSE"),
            Expression::Constant(Value::Text(text)) => write!(f, "'{}'", text.replace('\'', "''")),
            Expression::Constant(value) => value.fmt(f),
            Expression::Property(name) | Expression::Truth(name) => f.write_str(name),
            Expression::Negative(inner) => write!(f, "(- {inner})"),
            Expression::Not(inner) => write!(f, "(NOT {inner})"),
            Expression::In { name, texts, not } => {
                let mut texts: Vec<&str> = texts.iter().map(|text| &**text).collect();
                // Java keeps more than four in a hash set.
                if texts.len() > 4 {
                    let mut seen = std::collections::HashSet::new();
                    texts.retain(|text| seen.insert(*text));
                    java::sort_as_hash_map(&mut texts, |text| text);
                }
                let not = if *not { "NOT " } else { "" };
                write!(f, "{name} {not}IN ( {} )", texts.join(", "))
            }
            Expression::Equal(sides) => write!(f, "({} == {})", sides.0, sides.1),
            Expression::Compare(order, sides) => write!(f, "({} {order} {})", sides.0, sides.1),
            Expression::And(parts) => joined(f, parts, "&&"),
            Expression::Or(parts) => joined(f, parts, "||"),
        }
    }
}

/// `((a && b) && c)`.
fn joined(f: &mut fmt::Formatter<'_>, parts: &[Expression], symbol: &str) -> fmt::Result {
    f.write_str(&"(".repeat(parts.len().saturating_sub(1)))?;
    for (at, part) in parts.iter().enumerate() {
        match at {
            0 => write!(f, "{part}")?,
            _ => write!(f, " {symbol} {part})")?,
        }
    }
    Ok(())
}
