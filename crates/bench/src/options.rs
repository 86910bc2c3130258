//! `key=value` words of the command line.

use std::collections::HashMap;
use std::str::FromStr;

use anyhow::{Context, Result, bail};

/// The words after the mode.
pub(crate) struct Options(HashMap<String, String>);

impl Options {
    /// Fails on a word without `=`.
    pub(crate) fn parse(words: &[String]) -> Result<Options> {
        let mut values = HashMap::new();
        for word in words {
            let Some((key, value)) = word.split_once('=') else {
                bail!("{word}: key=value wanted")
            };
            values.insert(key.to_string(), value.to_string());
        }
        Ok(Options(values))
    }

    /// The value of a key, if given.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// The value of a key that must be given.
    pub(crate) fn required(&self, key: &str) -> Result<&str> {
        self.text(key).with_context(|| format!("{key}=... is missing"))
    }

    /// A number, else the default.
    pub(crate) fn number<T: FromStr>(&self, key: &str, default: T) -> Result<T> {
        match self.text(key) {
            None => Ok(default),
            Some(text) => text.parse().ok().with_context(|| format!("{key}={text} is no number")),
        }
    }
}
