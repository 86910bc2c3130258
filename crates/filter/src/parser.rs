//! The grammar, by recursive descent. Where Java's generated parser looks ahead, so does this one:
//! which error comes first, and where, is part of what users see.
//!
//! ```text
//! or         := and ( OR and )*                    -- what stands behind it is ignored
//! and        := equality ( AND equality )*
//! equality   := comparison ( "=" comparison | "<>" comparison | IS [NOT] NULL )*
//! comparison := unary ( ">" unary | ">=" unary | "<" unary | "<=" unary
//!             | [NOT] BETWEEN unary AND unary | [NOT] IN "(" text ("," text)* ")" )*
//! unary      := "+" unary | "-" unary | NOT unary | literal | name | "(" or ")"
//! ```

use std::borrow::Cow;
use std::collections::VecDeque;

use rocketmq_common::java;

use crate::error::FilterError;
use crate::expression::{Expression, Mismatch, Order};
use crate::lexer::{Kind, Lexer, Token};
use crate::value::Value;

/// Most levels of parentheses, signs and NOT within each other; twice as many equalities of equalities in
/// the whole expression.
const DEPTH_MAX: usize = 64;

const OPERAND: &[&str] = &[
    "\"NOT\"",
    "\"TRUE\"",
    "\"FALSE\"",
    "\"NULL\"",
    "<DECIMAL_LITERAL>",
    "<FLOATING_POINT_LITERAL>",
    "<STRING_LITERAL>",
    "<ID>",
    "\"(\"",
    "\"-\"",
];
const AFTER_NOT: &[&str] = &["\"BETWEEN\"", "\"IN\"", "\">\"", "\">=\"", "\"<\"", "\"<=\""];
const CLOSE: &[&str] = &[
    "\"NOT\"",
    "\"AND\"",
    "\"OR\"",
    "\"BETWEEN\"",
    "\"IN\"",
    "\"IS\"",
    "\"=\"",
    "\"<>\"",
    "\">\"",
    "\">=\"",
    "\"<\"",
    "\"<=\"",
    "\")\"",
];

const CLOSE_AFTER_IS_NULL: &[&str] = &["\"AND\"", "\"OR\"", "\"IS\"", "\"=\"", "\"<>\"", "\")\""];

/// Parses a text; also gives the place of what is ignored behind it.
pub(crate) fn parse(text: &str) -> Result<(Expression, Option<(usize, usize)>), FilterError> {
    let mut parser = Parser {
        lexer: Lexer::new(text),
        ahead: VecDeque::new(),
        scanned: None,
        depth: 0,
        chained: 0,
        after_is_null: false,
    };
    let (line, column) = parser.place()?;
    let expression = parser.or()?;
    let rest = parser.peek(0)?;
    let ignored = (rest.kind != Kind::End).then_some((rest.line, rest.column));
    let expression = expression.condition().map_err(|wrong| meaning(wrong, (line, column)))?;
    Ok((expression, ignored))
}

struct Parser {
    lexer: Lexer,
    /// Tokens read from the lexer and not consumed.
    ahead: VecDeque<Token>,
    /// When looking ahead over a whole operand: how many tokens are behind us. Nothing is consumed
    /// then, and parts that do not go together are not noticed.
    scanned: Option<usize>,
    depth: usize,
    /// Equalities of equalities (`a = b = c`) so far.
    chained: usize,
    /// The last tokens consumed were IS NULL or IS NOT NULL, which no comparison can follow.
    after_is_null: bool,
}

type Place = (usize, usize);
type Parsed = Result<Expression, FilterError>;

fn meaning((exception, text): Mismatch, (line, column): Place) -> FilterError {
    FilterError::Meaning { exception, text, line, column }
}

impl Parser {
    /// The token `distance` behind the next one.
    fn peek(&mut self, distance: usize) -> Result<&Token, FilterError> {
        let index = self.scanned.unwrap_or(0) + distance;
        while self.ahead.len() <= index {
            let token = self.lexer.next()?;
            self.ahead.push_back(token);
        }
        Ok(&self.ahead[index])
    }

    fn kind(&mut self) -> Result<Kind, FilterError> {
        Ok(self.peek(0)?.kind)
    }

    fn place(&mut self) -> Result<Place, FilterError> {
        self.peek(0).map(|token| (token.line, token.column))
    }

    /// Consumes the next token.
    fn take(&mut self) -> Result<Token, FilterError> {
        let token = self.peek(0)?.clone();
        self.after_is_null = false;
        match &mut self.scanned {
            Some(scanned) => *scanned += 1,
            None => drop(self.ahead.pop_front()),
        }
        Ok(token)
    }

    fn unexpected(&mut self, expected: &'static [&'static str]) -> FilterError {
        match self.peek(0) {
            Ok(token) => FilterError::Syntax {
                line: token.line,
                column: token.column,
                found: token.found(),
                expected,
            },
            Err(error) => error,
        }
    }

    fn expect(
        &mut self,
        kind: Kind,
        expected: &'static [&'static str],
    ) -> Result<Token, FilterError> {
        if self.kind()? == kind { self.take() } else { Err(self.unexpected(expected)) }
    }

    /// Joins parts, unless only looking ahead.
    fn build(&self, place: Place, join: impl FnOnce() -> Result<Expression, Mismatch>) -> Parsed {
        match self.scanned {
            Some(_) => Ok(Expression::Constant(Value::Null)),
            None => join().map_err(|wrong| meaning(wrong, place)),
        }
    }

    /// Runs a rule one level deeper.
    fn deeper(&mut self, rule: impl FnOnce(&mut Parser) -> Parsed) -> Parsed {
        if self.depth == DEPTH_MAX {
            return Err(self.too_deep());
        }
        self.depth += 1;
        let parsed = rule(self);
        self.depth -= 1;
        parsed
    }

    fn too_deep(&mut self) -> FilterError {
        match self.place() {
            Ok((line, column)) => FilterError::TooDeep { line, column, limit: DEPTH_MAX },
            Err(error) => error,
        }
    }

    fn or(&mut self) -> Parsed {
        self.chain(Kind::Or, Parser::and, Expression::Or)
    }

    fn and(&mut self) -> Parsed {
        self.chain(Kind::And, Parser::equality, Expression::And)
    }

    /// `part ( operator part )*`; two and more parts must be conditions.
    fn chain(
        &mut self,
        operator: Kind,
        part: fn(&mut Parser) -> Parsed,
        join: fn(Vec<Expression>) -> Expression,
    ) -> Parsed {
        let place = self.place()?;
        let first = part(self)?;
        if self.kind()? != operator {
            return Ok(first);
        }
        let mut first = Some((place, first));
        let mut parts = Vec::new();
        while self.kind()? == operator {
            self.take()?;
            let place = self.place()?;
            let next = part(self)?;
            for (place, part) in first.take().into_iter().chain([(place, next)]) {
                parts.push(self.build(place, || part.condition())?);
            }
        }
        Ok(join(parts))
    }

    fn equality(&mut self) -> Parsed {
        let place = self.place()?;
        let mut left = self.comparison()?;
        let mut chained = false;
        loop {
            let kind = self.kind()?;
            if !matches!(kind, Kind::Equal | Kind::NotEqual | Kind::Is) {
                return Ok(left);
            }
            if chained {
                self.chained += 1;
            }
            if self.chained > DEPTH_MAX * 2 && self.scanned.is_none() {
                return Err(self.too_deep());
            }
            chained = true;
            self.take()?;
            let (built, negative) = if kind == Kind::Is {
                let negative = self.kind()? != Kind::Null;
                if negative {
                    self.expect(Kind::Not, &["\"NOT\""])?;
                }
                self.expect(Kind::Null, &["\"NULL\""])?;
                self.after_is_null = true;
                (left.null_test(), negative)
            } else {
                let right = self.comparison()?;
                let equal = self.build(place, || Expression::equal(left, right))?;
                (equal, kind == Kind::NotEqual)
            };
            left = if negative { Expression::Not(Box::new(built)) } else { built };
        }
    }

    fn comparison(&mut self) -> Parsed {
        let place = self.place()?;
        let mut left = self.unary()?;
        loop {
            let kind = self.kind()?;
            let order = match kind {
                Kind::Greater => Some(Order::Greater),
                Kind::GreaterOrEqual => Some(Order::GreaterOrEqual),
                Kind::Less => Some(Order::Less),
                Kind::LessOrEqual => Some(Order::LessOrEqual),
                _ => None,
            };
            left = match (kind, order) {
                (_, Some(order)) => {
                    self.take()?;
                    let right = self.unary()?;
                    self.build(place, || Expression::compared(order, left, right))?
                }
                (Kind::Between, _) => self.between(place, left, false)?,
                (Kind::In, _) => self.is_in(place, left, false)?,
                (Kind::Not, _) => match self.peek(1)?.kind {
                    Kind::Between => {
                        self.take()?;
                        self.between(place, left, true)?
                    }
                    Kind::In => {
                        self.take()?;
                        self.is_in(place, left, true)?
                    }
                    _ => return Err(self.unexpected(AFTER_NOT)),
                },
                _ => return Ok(left),
            };
        }
    }

    fn between(&mut self, place: Place, value: Expression, not: bool) -> Parsed {
        self.take()?;
        let low = self.unary()?;
        self.expect(Kind::And, &["\"AND\""])?;
        let high = self.unary()?;
        self.build(place, || match not {
            false => Expression::between(value, low, high),
            true => Expression::not_between(value, low, high),
        })
    }

    fn is_in(&mut self, place: Place, value: Expression, not: bool) -> Parsed {
        const TEXT: &[&str] = &["<STRING_LITERAL>"];
        self.take()?;
        self.expect(Kind::Open, &["\"(\""])?;
        let mut texts = vec![unquoted(&self.expect(Kind::Text, TEXT)?.image)];
        while self.kind()? == Kind::Comma {
            self.take()?;
            texts.push(unquoted(&self.expect(Kind::Text, TEXT)?.image));
        }
        self.expect(Kind::Close, &["\",\"", "\")\""])?;
        self.build(place, || Expression::is_in(value, texts, not))
    }

    fn unary(&mut self) -> Parsed {
        let kind = self.kind()?;
        let place = self.place()?;
        match kind {
            Kind::Plus => {
                self.scan_signed()?;
                self.take()?;
                self.deeper(Parser::unary)
            }
            Kind::Minus => {
                self.take()?;
                let inner = self.deeper(Parser::unary)?;
                Ok(Expression::Negative(Box::new(inner)))
            }
            Kind::Not => {
                self.take()?;
                let inner = self.deeper(Parser::unary)?;
                self.build(place, || Ok(Expression::Not(Box::new(inner.condition()?))))
            }
            Kind::Open => {
                self.take()?;
                let inner = self.deeper(Parser::or)?;
                let expected = if self.after_is_null { CLOSE_AFTER_IS_NULL } else { CLOSE };
                self.expect(Kind::Close, expected)?;
                Ok(inner)
            }
            _ => self.operand(place),
        }
    }

    /// Java takes a plus only if a whole operand follows, and blames the plus if not.
    fn scan_signed(&mut self) -> Result<(), FilterError> {
        if self.scanned.is_some() {
            return Ok(());
        }
        self.scanned = Some(1);
        let outcome = self.deeper(Parser::unary);
        self.scanned = None;
        match outcome {
            Err(FilterError::Syntax { .. }) => Err(self.unexpected(OPERAND)),
            Err(other) => Err(other),
            Ok(_) => Ok(()),
        }
    }

    fn operand(&mut self, place: Place) -> Parsed {
        let constant = |value| Ok(Expression::Constant(value));
        if !matches!(
            self.kind()?,
            Kind::True
                | Kind::False
                | Kind::Null
                | Kind::Integer
                | Kind::Float
                | Kind::Text
                | Kind::Name
        ) {
            return Err(self.unexpected(OPERAND));
        }
        let token = self.take()?;
        match token.kind {
            Kind::True => constant(Value::Bool(true)),
            Kind::False => constant(Value::Bool(false)),
            Kind::Integer => self.build(place, || integer(&token.image)),
            Kind::Float => self.build(place, || float(&token.image)),
            Kind::Text => constant(Value::Text(Cow::Owned(unquoted(&token.image).into_string()))),
            Kind::Name => Ok(Expression::Property(token.image.into_boxed_str())),
            _ => constant(Value::Null),
        }
    }
}

/// The text between the quotes.
fn unquoted(image: &str) -> Box<str> {
    let inner = image.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
    inner.unwrap_or_default().replace("''", "'").into_boxed_str()
}

/// A literal that fits 32 bits has 32 bits, even with an L.
fn integer(image: &str) -> Result<Expression, Mismatch> {
    let digits = image.trim_end_matches(['l', 'L']);
    let value: i64 = digits.parse().map_err(|_| {
        ("java.lang.NumberFormatException", format!("For input string: \"{digits}\""))
    })?;
    let value = i32::try_from(value).map_or(Value::Long(value), Value::Int);
    Ok(Expression::Constant(value))
}

/// Java takes no literal below its smallest double, 0.0 included.
fn float(image: &str) -> Result<Expression, Mismatch> {
    let value: f64 = image.parse().unwrap_or(f64::INFINITY);
    let refused = |how: &str, bound: f64| {
        let text = format!("{image} is {how} than {}", java::double_to_string(bound));
        Err(("java.lang.RuntimeException", text))
    };
    if value > f64::MAX {
        return refused("greater", f64::MAX);
    }
    if value <= 0.0 {
        // Rust prints the smallest double as 5E-324, Java as 4.9E-324.
        let text = format!("{image} is less than 4.9E-324");
        return Err(("java.lang.RuntimeException", text));
    }
    Ok(Expression::Constant(Value::Double(value)))
}
