//! What the doctor has found out.

use serde::Serialize;

use crate::out::outln;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) enum Severity {
    /// As it should be.
    #[serde(rename = "ok")]
    Fine,
    /// Works, but not for long, or not for everybody.
    #[serde(rename = "warning")]
    Warning,
    /// Does not work.
    #[serde(rename = "error")]
    Error,
}

impl Severity {
    fn word(self) -> &'static str {
        match self {
            Severity::Fine => "ok",
            Severity::Warning => "WARNING",
            Severity::Error => "ERROR",
        }
    }
}

/// One finding: what, where, why it matters, what to type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    #[serde(rename = "do", skip_serializing_if = "Option::is_none")]
    pub(crate) todo: Option<String>,
    pub(crate) severity: Severity,
    pub(crate) what: String,
    #[serde(rename = "where")]
    pub(crate) place: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) why: Option<String>,
}

/// Everything found, in the order of looking.
#[derive(Debug, Default)]
pub(crate) struct Findings(pub(crate) Vec<Finding>);

impl Findings {
    pub(crate) fn fine(&mut self, place: &str, what: impl Into<String>) {
        self.add(Severity::Fine, place, what.into(), None);
    }

    pub(crate) fn warn(&mut self, place: &str, what: impl Into<String>, why: &str, todo: &str) {
        self.add(Severity::Warning, place, what.into(), Some((why, todo)));
    }

    pub(crate) fn error(&mut self, place: &str, what: impl Into<String>, why: &str, todo: &str) {
        self.add(Severity::Error, place, what.into(), Some((why, todo)));
    }

    fn add(&mut self, severity: Severity, place: &str, what: String, more: Option<(&str, &str)>) {
        let (why, todo) = match more {
            Some((why, todo)) => (Some(why.to_string()), Some(todo.to_string())),
            None => (None, None),
        };
        self.0.push(Finding { todo, severity, what, place: place.to_string(), why });
    }

    fn count(&self, severity: Severity) -> usize {
        self.0.iter().filter(|finding| finding.severity == severity).count()
    }

    /// Whether something does not work.
    pub(crate) fn has_errors(&self) -> bool {
        self.count(Severity::Error) > 0
    }

    /// Prints every finding, then how many there are.
    pub(crate) fn print(&self) {
        for finding in &self.0 {
            outln!("{:<8} {}: {}", finding.severity.word(), finding.place, finding.what);
            if let Some(why) = &finding.why {
                outln!("         why: {why}");
            }
            if let Some(todo) = &finding.todo {
                outln!("         do:  {todo}");
            }
        }
        let (errors, warnings) = (self.count(Severity::Error), self.count(Severity::Warning));
        outln!("{errors} errors, {warnings} warnings, {} ok", self.count(Severity::Fine));
    }
}
