//! The load tool on our own client: `rocketmq-load MODE [key=value ...]` (see `bench/README.md`).
//!
//! Each mode warms up, measures a fixed count or time, and prints one JSON line with the keys that
//! the driver on the Java client prints too. The broker's CPU time is read over exactly the
//! measured part.

mod consume;
mod echo;
mod figures;
mod options;
mod send;
mod spread;
mod topics;

use anyhow::{Result, bail};

use crate::figures::Line;
use crate::options::Options;

const USAGE: &str = "usage: rocketmq-load sync|async|oneway|batch|fill|drain|latency|together|spread|topics namesrv=ADDR [pid=BROKER_PID] [key=value ...]
       rocketmq-load echo -c FILE     (the floor: answers sends, stores nothing)";

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let Some((mode, rest)) = words.split_first() else { bail!(USAGE) };
    if mode == "echo" {
        return echo::serve(rest);
    }
    let options = Options::parse(rest)?;
    // One thread: what a client library costs is not what is measured, and on two cores the
    // broker needs the other one.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut line = Line::new(mode);
    runtime.block_on(async {
        match mode.as_str() {
            "sync" | "async" => send::closed_loop(&options, &mut line, 1).await,
            "batch" => send::closed_loop(&options, &mut line, options.number("batch", 32)?).await,
            "oneway" => send::oneway(&options, &mut line).await,
            "fill" => send::fill(&options, &mut line).await,
            "drain" => consume::drain(&options, &mut line).await,
            "latency" => consume::latency(&options, &mut line).await,
            "together" => consume::together(&options, &mut line).await,
            "spread" => spread::run(&options, &mut line).await,
            "topics" => topics::run(&options, &mut line).await,
            _ => bail!(USAGE),
        }
    })?;
    println!("{}", line.text());
    Ok(())
}
