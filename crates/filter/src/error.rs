//! What can be wrong with an expression or a comparison.

/// An expression that is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// No token begins or goes on like this.
    #[error(
        "org.apache.rocketmq.filter.parser.TokenMgrError: Lexical error at line {line}, column {column}.  Encountered: {found}after : \"{after}\""
    )]
    Lexical {
        /// Line, from 1.
        line: usize,
        /// Column, from 1, in UTF-16 code units; a tab ends at a multiple of 8.
        column: usize,
        /// The character in Java's form, with a trailing blank.
        found: String,
        /// What was read of the token.
        after: String,
    },
    /// The tokens are not in an order that the grammar has.
    #[error(
        "org.apache.rocketmq.filter.parser.ParseException: Encountered \"{found}\" at line {line}, column {column}.\nWas expecting{}:\n    {}",
        if expected.len() == 1 { "" } else { " one of" },
        expected.iter().map(|one| format!("{one} ...\n    ")).collect::<String>()
    )]
    Syntax {
        /// Line, from 1; 0 when the text is empty.
        line: usize,
        /// Column, as above.
        column: usize,
        /// The token in Java's form.
        found: String,
        /// Tokens that Java names at this place.
        expected: &'static [&'static str],
    },
    /// The parts do not go together.
    #[error("{exception}: {text} (line {line}, column {column})")]
    Meaning {
        /// Java's exception.
        exception: &'static str,
        /// Java's text.
        text: String,
        /// Line of the part.
        line: usize,
        /// Column of the part.
        column: usize,
    },
    /// More nesting than anybody writes, refused so that the stack suffices.
    #[error(
        "java.lang.StackOverflowError: the expression is nested too deeply at line {line}, column {column}; at most {limit} levels are supported"
    )]
    TooDeep {
        /// Line.
        line: usize,
        /// Column.
        column: usize,
        /// Most levels.
        limit: usize,
    },
}

/// A comparison that cannot be made; the message does not match.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvaluateError {
    /// The property is no number of the kind it is compared with.
    #[error("java.lang.RuntimeException: java.lang.NumberFormatException: {0}")]
    Number(String),
    /// TRUE or FALSE stands on the left of a text.
    #[error(
        "java.lang.ClassCastException: java.lang.Boolean cannot be cast to java.lang.String; write the property on the left"
    )]
    BooleanBeforeText,
    /// Two texts that are no numbers are compared by order.
    #[error(
        "java.lang.RuntimeException: It's illegal to compare string by '>=', '>', '<', '<='. lv={left}, rv={right}"
    )]
    TextOrder {
        /// On the left.
        left: String,
        /// On the right.
        right: String,
    },
}
