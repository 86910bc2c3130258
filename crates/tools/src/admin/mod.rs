//! `mqadmin`: finding the command, its options, its errors and exit codes (contract `admin.md` 1).
//!
//! Each command is declared once, in [`COMMANDS`]; the help lists derive from it.

mod broker;
mod cluster;
mod consumer;
mod export;
mod message;
mod topic;

use std::future::Future;
use std::pin::Pin;

use rocketmq_client::admin::AdminClient;
use rocketmq_common::{home, logging};

use crate::options::{self, COMMON, Given, Opt};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// A call failed.
    #[error(transparent)]
    Client(#[from] rocketmq_client::ClientError),
    /// The options given do not go together: the usage text follows.
    #[error("usage")]
    Usage,
    /// Something on this machine.
    #[error("{0}")]
    Other(String),
}

type Outcome<'a> = Pin<Box<dyn Future<Output = Result<(), Failure>> + 'a>>;

/// One command.
pub(crate) struct Command {
    name: &'static str,
    /// Java's class, which error texts name.
    class: &'static str,
    description: &'static str,
    options: &'static [Opt],
    run: for<'a> fn(&'a AdminClient, &'a Given) -> Outcome<'a>,
}

/// Every command that works, in the order of Java's list.
const COMMANDS: &[Command] = &[
    topic::UPDATE_TOPIC,
    topic::DELETE_TOPIC,
    topic::TOPIC_ROUTE,
    topic::TOPIC_STATUS,
    broker::BROKER_STATUS,
    message::QUERY_BY_ID,
    message::QUERY_BY_KEY,
    message::QUERY_BY_UNIQUE_KEY,
    consumer::CONSUMER_PROGRESS,
    cluster::CLUSTER_LIST,
    topic::TOPIC_LIST,
    export::EXPORT_METADATA,
    export::EXPORT_CONFIGS,
    export::EXPORT_METRICS,
];

impl Command {
    fn all_options(&self) -> Vec<Opt> {
        COMMON.iter().chain(self.options).copied().collect()
    }

    fn usage(&self) -> String {
        options::usage(&format!("mqadmin {}", self.name), &self.all_options())
    }
}

/// Runs `mqadmin`; returns its exit code. As in Java, a failed command prints to standard error
/// and leaves with 0, a wrong command line prints the usage to standard output and leaves with 1.
pub fn run(args: &[String]) -> i32 {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] => print!("{}", help()),
        ["help", name] => match find(name) {
            Some(command) => print!("{}", command.usage()),
            None => println!("The sub command {name} not exist."),
        },
        [name, ..] => match find(name) {
            Some(command) => return execute(command, &args[1..]),
            None => println!("The sub command {name} not exist."),
        },
    }
    0
}

fn find(name: &str) -> Option<&'static Command> {
    COMMANDS.iter().find(|command| command.name.eq_ignore_ascii_case(name))
}

fn help() -> String {
    let mut text = "The most commonly used mqadmin commands are:\n".to_string();
    for command in COMMANDS {
        text += &format!("   {:<20} {}\n", command.name, command.description);
    }
    text + "\nSee 'mqadmin help <command>' for more information on a specific command.\n"
}

fn execute(command: &Command, args: &[String]) -> i32 {
    let given = match options::parse(&command.all_options(), args) {
        Ok(given) if !given.has("h") => given,
        Ok(_) => {
            print!("{}", command.usage());
            return 0;
        }
        Err(error) => {
            // Java prints the usage alone; the reason goes where no script looks.
            eprintln!("{error}");
            print!("{}", command.usage());
            return 1;
        }
    };
    let _logs = logging::init(logging::Profile::Tools, &home::user_home());
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("the runtime cannot be started: {error}");
            return 255;
        }
    };
    let outcome = runtime.block_on(async {
        let admin = AdminClient::connect(given.get("n"))?;
        let outcome = (command.run)(&admin, &given).await;
        admin.shutdown().await;
        outcome
    });
    match outcome {
        Ok(()) => 0,
        Err(Failure::Usage) => {
            print!("{}", command.usage());
            1
        }
        Err(failure) => {
            eprintln!(
                "org.apache.rocketmq.tools.command.SubCommandException: {} command failed\n\
                 Caused by: {}",
                command.class,
                cause(&failure)
            );
            0
        }
    }
}

/// The cause as Java's stack trace names it, and what to do about it.
fn cause(failure: &Failure) -> String {
    let Failure::Client(error) = failure else { return failure.to_string() };
    format!("{}: {error}", error.java_class())
}

/// The first characters of a cell that is `width` wide.
pub(crate) fn cut(text: &str, width: usize) -> String {
    text.chars().take(width).collect()
}
