//! What the programs share towards the terminal: lines, arguments and signals.

use std::fmt;
use std::io::{self, Write};
use std::str::FromStr;

use rocketmq_common::clock;

use super::failure::Failure;
use crate::options::{self, Given, Opt};

/// Prints a line. A reader that went away is no reason to stop: messages still count.
pub(super) fn line(text: fmt::Arguments<'_>) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{text}");
}

/// Reads the command line; `Err` is the exit code after help or a wrong line was answered.
pub(super) fn arguments(program: &str, options: &[Opt], args: &[String]) -> Result<Given, i32> {
    match options::parse(options, args) {
        Ok(given) if !given.has("h") => Ok(given),
        Ok(_) => {
            line(format_args!("{}", options::usage(program, options).trim_end()));
            Err(0)
        }
        Err(error) => {
            eprintln!("{error}");
            line(format_args!("{}", options::usage(program, options).trim_end()));
            Err(1)
        }
    }
}

/// A number given, or the default; refused below `least`.
pub(super) fn number<T>(given: &Given, short: &str, default: T, least: T) -> Result<T, Failure>
where
    T: FromStr + PartialOrd + fmt::Display,
{
    let Some(text) = given.get(short) else { return Ok(default) };
    let number = text.parse().ok().filter(|number| *number >= least);
    number.ok_or_else(|| {
        let (text, short) = (text.to_string(), short.to_string());
        Failure::BadNumber { text, short, least: least.to_string() }
    })
}

/// Whether the option says `true`, as Java reads it.
pub(super) fn truth(given: &Given, short: &str, default: bool) -> bool {
    given.get(short).map_or(default, |text| text.eq_ignore_ascii_case("true"))
}

/// Ends when the process is asked to: SIGINT or SIGTERM.
pub(super) async fn asked_to_stop() -> Result<(), Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::Signal)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(Failure::Signal)?;
    tokio::select! {
        _ = interrupt.recv() => (),
        _ = terminate.recv() => (),
    }
    Ok(())
}

/// The instance name of a benchmark's client: the time, so that each run is a client of its own.
pub(super) fn instance_name() -> String {
    clock::now_ms().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::optional;

    #[test]
    fn reads_numbers_and_truths_or_says_what_is_wrong() {
        let options = [optional("w", "threadCount", ""), optional("k", "keyEnable", "")];
        let args = ["-w", "0", "-k", "TRUE"].map(str::to_string);
        let given = arguments("test", &options, &args).unwrap();
        assert_eq!(number(&given, "s", 128, 1).unwrap(), 128);
        assert_eq!(number(&given, "w", 64, 0).unwrap(), 0);
        let text = number(&given, "w", 64, 1).unwrap_err().to_string();
        assert!(text.starts_with("For input string: \"0\""), "{text}");
        assert!(truth(&given, "k", false) && truth(&given, "p", true));
    }
}
