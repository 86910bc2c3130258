//! Standard output of the tools: lines, tables, and JSON for `--json`.
//!
//! A reader that goes away (`mqadmin topicList | head -1`) ends neither the process nor what it is
//! doing: what cannot be written is dropped, as in Java.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

use rocketmq_common::fastjson;
use serde::Serialize;

use crate::printf::{Cell, fixed, printf};

/// Whether standard output was found closed.
static CLOSED: AtomicBool = AtomicBool::new(false);

/// Writes text as it is.
pub(crate) fn write(text: &str) {
    let mut out = std::io::stdout().lock();
    if out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_err() {
        CLOSED.store(true, Ordering::Relaxed);
    }
}

/// Whether nobody reads the output any more; commands without end then end.
pub(crate) fn is_closed() -> bool {
    CLOSED.load(Ordering::Relaxed)
}

/// Prints without a line end.
macro_rules! out {
    ($($arg:tt)*) => { $crate::out::write(&format!($($arg)*)) };
}

/// Prints a line.
macro_rules! outln {
    () => { $crate::out::write("\n") };
    ($($arg:tt)*) => { $crate::out::write(&(format!($($arg)*) + "\n")) };
}

pub(crate) use {out, outln};

/// Prints a value as one line of JSON.
pub(crate) fn json(value: &impl Serialize) {
    // Only types without a JSON form fail, and none of them is printed here.
    outln!("{}", fastjson::to_string(value).unwrap_or_default());
}

/// A value in JSON.
#[derive(Serialize)]
#[serde(untagged)]
enum JsonCell {
    Text(String),
    Int(i64),
    Float(f64),
}

/// A table that is printed row by row, or as one JSON array of objects when it is complete.
pub(crate) struct Table {
    row: &'static str,
    names: Vec<String>,
    json: Option<Vec<BTreeMap<String, JsonCell>>>,
}

impl Table {
    /// A table whose header is printed with the first format and its rows with the second. The
    /// columns' names, such as `#Broker Name`, give the members of the JSON objects.
    pub(crate) fn new(json: bool, header: &str, row: &'static str, columns: &[&str]) -> Table {
        if !json {
            let cells: Vec<Cell> = columns.iter().map(|column| Cell::from(*column)).collect();
            outln!("{}", printf(header, &cells));
        }
        Table::headless(json, row, columns)
    }

    /// A table that has no header line; the columns are named in JSON only.
    pub(crate) fn headless(json: bool, row: &'static str, columns: &[&str]) -> Table {
        let names = columns.iter().map(|column| member(column)).collect();
        Table { row, names, json: json.then(Vec::new) }
    }

    /// Adds a row.
    pub(crate) fn row<const N: usize>(&mut self, cells: [Cell; N]) {
        self.row_as(self.row, cells);
    }

    /// Adds a row that is printed with a format of its own.
    pub(crate) fn row_as<const N: usize>(&mut self, format: &str, cells: [Cell; N]) {
        match &mut self.json {
            None => outln!("{}", printf(format, &cells)),
            Some(rows) => {
                let values = cells.into_iter().map(|cell| match cell {
                    Cell::Text(text) => JsonCell::Text(text),
                    Cell::Int(number) => JsonCell::Int(number),
                    Cell::Float(number) => {
                        JsonCell::Float(fixed(number, 4).parse().unwrap_or(number))
                    }
                });
                rows.push(self.names.iter().cloned().zip(values).collect());
            }
        }
    }

    /// Prints what is still to be printed.
    pub(crate) fn finish(self) {
        if let Some(rows) = self.json {
            json(&rows);
        }
    }
}

/// `#Broker Name` → `brokerName`, `#QID` → `qid`, `#InTPS(LOAD)` → `inTPS`.
fn member(column: &str) -> String {
    let column = column.trim_start_matches('#');
    let column = column.split('(').next().unwrap_or_default();
    let mut name = String::new();
    for (index, word) in column.split_whitespace().enumerate() {
        let capitals = word.chars().take_while(|c| c.is_uppercase()).count();
        let is_all = capitals == word.chars().count();
        let lower = match (index, capitals) {
            (0, 0 | 1) => capitals,
            (0, _) if is_all => capitals,
            (0, _) => capitals - 1,
            _ => 0,
        };
        name.extend(
            word.chars().enumerate().map(
                |(at, c)| {
                    if at < lower { c.to_ascii_lowercase() } else { c }
                },
            ),
        );
    }
    name
}

#[cfg(test)]
mod tests {
    use super::member;

    #[test]
    fn columns_name_members() {
        for (column, name) in [
            ("#Broker Name", "brokerName"),
            ("#QID", "qid"),
            ("#InTPS(LOAD)", "inTPS"),
            ("#PCWait(ms)", "pcWait"),
            ("#Last Updated", "lastUpdated"),
            ("#successCount", "successCount"),
            ("#TPS", "tps"),
        ] {
            assert_eq!(member(column), name);
        }
    }
}
