//! The interop matrix: every messaging feature between each pair of clients and brokers, as one
//! Markdown table. `tests/interop/matrix.sh` starts what it needs.
//!
//! ```text
//! rocketmq-matrix ours=NAMESRV java=NAMESRV java-peer=COMMAND [go-peer=COMMAND] [only=FEATURE,…]
//! ```
//!
//! Exit code 0 when no cell failed, 1 when one did, 2 when the call is wrong.

#![allow(missing_docs, reason = "a test program: nothing here is anybody's interface")]

mod cell;
mod column;
mod feature;
mod ours;
mod peer;
mod scene;
mod table;
mod traces;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use cell::Cell;
use column::Column;
use feature::FEATURES;
use table::Table;

/// Cells that run at once: they wait for most of their time.
const AT_ONCE: usize = 16;

#[tokio::main]
async fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match run(&args).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("matrix: {error:#}");
            ExitCode::from(2)
        }
    }
}

async fn run(args: &[String]) -> anyhow::Result<bool> {
    let mut given = BTreeMap::new();
    for arg in args {
        let (name, value) =
            arg.split_once('=').with_context(|| format!("not NAME=VALUE: {arg}"))?;
        given.insert(name, value);
    }
    let only: Option<Vec<&str>> = given.remove("only").map(|names| names.split(',').collect());
    let columns = Column::all(&mut given).await?;
    if let Some(name) = given.keys().next() {
        bail!("there is no option {name}");
    }
    let room = Arc::new(Semaphore::new(AT_ONCE));
    let mut running = JoinSet::new();
    for (row, feature) in FEATURES.iter().enumerate() {
        if only.as_ref().is_some_and(|only| !only.contains(&feature.name)) {
            continue;
        }
        for (place, column) in columns.iter().enumerate() {
            let cell = Cell::new(feature, column);
            let room = Arc::clone(&room);
            running.spawn(async move {
                let _permit = room.acquire().await;
                (row, place, cell.run().await)
            });
        }
    }
    let mut table = Table::new(columns.iter().map(|column| column.title));
    while let Some(done) = running.join_next().await {
        let (row, place, outcome) = done.context("a cell panicked")?;
        eprintln!("{:<18} {:<36} {outcome}", FEATURES[row].name, columns[place].title);
        table.set(row, place, outcome);
    }
    print!("{table}");
    Ok(table.failed() == 0)
}
