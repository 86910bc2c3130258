//! SQL92 message filters (contract `broker.md` 19): the grammar, the types and the three-valued
//! logic of RocketMQ 4.9.2's own filter module, including its leniency towards trailing input, and
//! its texts for what it refuses. Beside them the bloom filter of consumer filter data.

mod bloom;
mod error;
mod evaluate;
mod expression;
mod lexer;
mod number;
mod parser;
mod value;

pub use bloom::{BloomFilter, BloomFilterData};
pub use error::{EvaluateError, FilterError};
pub use value::Value;

use expression::Expression;

/// A compiled filter.
///
/// ```
/// let filter = rocketmq_filter::Filter::compile("price BETWEEN 1 AND 10 OR vip = TRUE")?;
/// assert!(filter.matches(&|name: &str| (name == "price").then_some("7".into()))?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Filter {
    expression: Expression,
    trailing: Option<(usize, usize)>,
}

impl Filter {
    /// Compiles an expression.
    ///
    /// # Errors
    /// The text of Java's exception, and where in `text` the trouble lies.
    pub fn compile(text: &str) -> Result<Filter, FilterError> {
        let (expression, trailing) = parser::parse(text)?;
        Ok(Filter { expression, trailing })
    }

    /// What the expression is for a message; `property` gives the value of a named property.
    /// Anything but TRUE and FALSE comes only of a missing property or a constant.
    ///
    /// # Errors
    /// A value cannot be compared, for example a word with a number.
    pub fn evaluate<'a, 'd: 'a, P>(&'a self, property: &P) -> Result<Value<'a>, EvaluateError>
    where
        P: Fn(&str) -> Option<std::borrow::Cow<'d, str>>,
    {
        self.expression.evaluate(property)
    }

    /// Whether the message is wanted: the expression is TRUE, neither FALSE nor unknown.
    ///
    /// # Errors
    /// As of [`Filter::evaluate`]; such a message is not wanted.
    pub fn matches<'a, 'd: 'a, P>(&'a self, property: &P) -> Result<bool, EvaluateError>
    where
        P: Fn(&str) -> Option<std::borrow::Cow<'d, str>>,
    {
        Ok(matches!(self.evaluate(property)?, Value::Bool(true)))
    }

    /// Line and column of text behind the expression, which is ignored as Java ignores it: most
    /// likely the user means something that the grammar does not have, such as LIKE.
    pub fn ignored_from(&self) -> Option<(usize, usize)> {
        self.trailing
    }
}

/// The expression as Java prints it.
impl std::fmt::Display for Filter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.expression.fmt(f)
    }
}
