//! The example programs of RocketMQ's distribution: the quick start and the benchmark.

mod benchmark;
mod client;
mod failure;
mod quickstart;
mod terminal;

use std::future::Future;

use rocketmq_common::{home, logging};

/// A program: takes its arguments, returns its exit code.
type Program = fn(&[String]) -> i32;

/// Every program, by its Java class's name below `org.apache.rocketmq.example.`.
const PROGRAMS: [(&str, Program); 5] = [
    ("quickstart.Producer", quickstart::produce),
    ("quickstart.Consumer", quickstart::consume),
    ("benchmark.Producer", benchmark::producer::run),
    ("benchmark.Consumer", benchmark::consumer::run),
    ("benchmark.BatchProducer", benchmark::batch_producer::run),
];

/// Names that [`run`] knows.
pub const NAMES: &[&str] =
    &[PROGRAMS[0].0, PROGRAMS[1].0, PROGRAMS[2].0, PROGRAMS[3].0, PROGRAMS[4].0];

/// Runs a program to its end and returns its exit code; `None` if no program has that name.
pub fn run(name: &str, args: &[String]) -> Option<i32> {
    let (_, program) = PROGRAMS.iter().find(|(known, _)| *known == name)?;
    Some(program(args))
}

/// Runs a program's work with a client's log file and a runtime; a failure goes to standard error.
fn execute(work: impl Future<Output = Result<(), failure::Failure>>) -> i32 {
    let _logs = logging::init(logging::Profile::Client, &home::user_home());
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("the runtime cannot be started: {error}");
            return 255;
        }
    };
    match runtime.block_on(work) {
        Ok(()) => 0,
        Err(failure) => {
            eprintln!("{failure}");
            1
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_its_programs_only() {
        assert_eq!(run("quickstart.Nothing", &[]), None);
        assert_eq!(run("benchmark.Producer", &["-h".to_string()]), Some(0));
        assert_eq!(run("benchmark.Consumer", &["-z".to_string()]), Some(1));
    }
}
