//! What an account may do with a topic or a group.

use std::fmt;

/// What a request needs of a topic or a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Right {
    /// To send.
    Pub,
    /// To receive.
    Sub,
}

/// What an account has of a topic or a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Permission {
    publish: bool,
    subscribe: bool,
}

impl Permission {
    /// Reads a word of the file; what is no such word means DENY, as in Java.
    pub(crate) fn parse(word: &str) -> Permission {
        let (publish, subscribe) = match word.trim() {
            "PUB" => (true, false),
            "SUB" => (false, true),
            "PUB|SUB" | "SUB|PUB" => (true, true),
            _ => (false, false),
        };
        Permission { publish, subscribe }
    }

    /// Whether the word is one that the file may have.
    pub(crate) fn is_word(word: &str) -> bool {
        ["DENY", "PUB", "SUB", "PUB|SUB", "SUB|PUB"].contains(&word.trim())
    }

    /// Whether it covers what is needed.
    pub(crate) fn allows(self, needed: Right) -> bool {
        match needed {
            Right::Pub => self.publish,
            Right::Sub => self.subscribe,
        }
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Right::Pub => "PUB",
            Right::Sub => "SUB",
        })
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.publish, self.subscribe) {
            (false, false) => "DENY",
            (true, false) => "PUB",
            (false, true) => "SUB",
            (true, true) => "PUB|SUB",
        })
    }
}
