//! The one binary behind every script in `bin/`.
//!
//! The first argument says which program runs: the class name that Java's scripts use (so that
//! `ps` shows it and foreign scripts find it), or a short name.

use std::process::ExitCode;

/// Short names, and the Java classes they stand for.
const PROGRAMS: [(&str, &str); 5] = [
    ("namesrv", "org.apache.rocketmq.namesrv.NamesrvStartup"),
    ("broker", "org.apache.rocketmq.broker.BrokerStartup"),
    ("mqadmin", "org.apache.rocketmq.tools.command.MQAdminStartup"),
    ("dashboard", "org.apache.rocketmq.dashboard.App"),
    ("standalone", "org.apache.rocketmq.standalone.StandaloneStartup"),
];
/// Where Java keeps its example programs.
const EXAMPLES: &str = "org.apache.rocketmq.example.";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let Some((program, rest)) = args.split_first() else {
        return usage();
    };
    let code = match short_name(program) {
        Some("namesrv") => rocketmq_namesrv::cli::run(rest),
        Some("broker") => rocketmq_broker::cli::run(rest),
        Some("mqadmin") => rocketmq_tools::admin::run(rest),
        Some("dashboard") => {
            rocketmq_dashboard::cli::run(rest, rocketmq_broker::configuration_keys())
        }
        Some("standalone") => rocketmq_standalone::cli::run(rest),
        _ => match example(program, rest) {
            Some((name, rest)) => match rocketmq_tools::example::run(&name, rest) {
                Some(code) => code,
                None => return unknown(program),
            },
            None => return unknown(program),
        },
    };
    // Java's exit codes are one byte too.
    ExitCode::from(code as u8)
}

fn short_name(program: &str) -> Option<&'static str> {
    let known = PROGRAMS.iter().find(|(short, class)| *short == program || *class == program);
    known.map(|(short, _)| *short)
}

/// `quickstart.Producer` from the class name, or from the two words `quickstart Producer`.
fn example<'a>(program: &str, rest: &'a [String]) -> Option<(String, &'a [String])> {
    if let Some(class) = program.strip_prefix(EXAMPLES) {
        return Some((class.to_string(), rest));
    }
    let (class, rest) = rest.split_first()?;
    Some((format!("{program}.{class}"), rest))
}

fn unknown(program: &str) -> ExitCode {
    eprintln!("Error: Could not find or load main class {program}");
    usage()
}

fn usage() -> ExitCode {
    eprintln!("usage: rocketmq <program> [arguments], where the program is one of");
    for (short, class) in PROGRAMS {
        eprintln!("  {short:<12} {class}");
    }
    for name in rocketmq_tools::example::names() {
        eprintln!("  {:<12} {EXAMPLES}{name}", name.replace('.', " "));
    }
    ExitCode::FAILURE
}
