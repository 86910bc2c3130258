//! The results, as Markdown.

use std::collections::BTreeMap;
use std::fmt;

use crate::feature::FEATURES;
use crate::scene::Outcome;

/// Outcomes by row and column.
pub(crate) struct Table {
    titles: Vec<&'static str>,
    cells: BTreeMap<(usize, usize), Outcome>,
}

impl Table {
    pub(crate) fn new(titles: impl Iterator<Item = &'static str>) -> Table {
        Table { titles: titles.collect(), cells: BTreeMap::new() }
    }

    pub(crate) fn set(&mut self, row: usize, column: usize, outcome: Outcome) {
        self.cells.insert((row, column), outcome);
    }

    pub(crate) fn failed(&self) -> usize {
        self.cells.values().filter(|outcome| matches!(outcome, Outcome::Failed(_))).count()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| feature | {} |", self.titles.join(" | "))?;
        writeln!(f, "|---|{}", "---|".repeat(self.titles.len()))?;
        let mut notes = Vec::new();
        for (row, feature) in FEATURES.iter().enumerate() {
            let cells: Vec<_> =
                (0..self.titles.len()).filter_map(|place| self.cells.get(&(row, place))).collect();
            if cells.is_empty() {
                continue;
            }
            write!(f, "| {} |", feature.title)?;
            for cell in cells {
                match cell {
                    Outcome::Passed => write!(f, " pass |")?,
                    Outcome::Failed(why) => {
                        notes.push(why);
                        write!(f, " FAIL ({}) |", notes.len())?;
                    }
                    Outcome::Absent(what) => {
                        notes.push(what);
                        write!(f, " not offered ({}) |", notes.len())?;
                    }
                }
            }
            writeln!(f)?;
        }
        for (index, note) in notes.iter().enumerate() {
            writeln!(f, "\n({}) {note}", index + 1)?;
        }
        let passed = self.cells.values().filter(|outcome| **outcome == Outcome::Passed).count();
        writeln!(f, "\n{passed} passed, {} failed", self.failed())
    }
}
