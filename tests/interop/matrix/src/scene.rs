//! What the peers are told, and what they tell.

use std::fmt;

/// One part of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Produce,
    Consume,
}

impl Role {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Role::Produce => "produce",
            Role::Consume => "consume",
        }
    }
}

/// What is played, and where.
#[derive(Clone, Debug)]
pub(crate) struct Scene {
    pub(crate) feature: &'static str,
    pub(crate) namesrv: String,
    pub(crate) topic: String,
    pub(crate) group: String,
}

/// How a part or a cell ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Passed,
    Failed(String),
    /// The client cannot do that; the text says what it lacks.
    Absent(String),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Passed => f.write_str("pass"),
            Outcome::Failed(why) => write!(f, "FAIL: {why}"),
            Outcome::Absent(what) => write!(f, "not offered: {what}"),
        }
    }
}

/// What a peer tells while it plays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The consumer is there: the producer may begin.
    Ready,
    /// The consumer has everything once, and waits for what the cell does next.
    Seen,
    Done(Outcome),
}
