//! `mqadmin`: finding the command, its options, its errors and exit codes (contract `admin.md` 1).
//!
//! Each command is declared once, in [`COMMANDS`]; the help lists derive from it.

mod acl;
mod broker;
mod cluster;
mod command;
mod completion;
mod connection;
mod consume_stats;
mod consumer;
mod consumer_status;
mod doctor;
mod export;
mod failure;
mod group;
mod message;
mod message_print;
mod message_view;
mod monitor;
mod name_server;
mod offset;
mod order;
mod query_cq;
mod running_info;
mod send;
mod stats_all;
mod store_verify;
mod topic;
mod topic_view;
mod trace;

use std::path::Path;

use rocketmq_client::Credentials;
use rocketmq_client::admin::AdminClient;
use rocketmq_common::{home, logging};

use self::command::{Command, Session};
use self::failure::{Failure, exit};
use crate::options;
use crate::out::{out, outln};

/// Every command: Java's in the order of its list, then ours.
const COMMANDS: &[Command] = &[
    topic::UPDATE_TOPIC,
    topic::DELETE_TOPIC,
    group::UPDATE_SUB_GROUP,
    group::DELETE_SUB_GROUP,
    broker::UPDATE_BROKER_CONFIG,
    topic::UPDATE_TOPIC_PERM,
    topic_view::TOPIC_ROUTE,
    topic_view::TOPIC_STATUS,
    topic_view::TOPIC_CLUSTER_LIST,
    broker::BROKER_STATUS,
    message::QUERY_BY_ID,
    message::QUERY_BY_KEY,
    message::QUERY_BY_UNIQUE_KEY,
    message::QUERY_BY_OFFSET,
    trace::QUERY_TRACE,
    message_print::PRINT_MSG,
    message_print::PRINT_MSG_BY_QUEUE,
    send::SEND_MSG_STATUS,
    consume_stats::BROKER_CONSUME_STATS,
    connection::PRODUCER_CONNECTION,
    connection::CONSUMER_CONNECTION,
    consumer::CONSUMER_PROGRESS,
    consumer_status::CONSUMER_STATUS,
    offset::CLONE_GROUP_OFFSET,
    cluster::CLUSTER_LIST,
    topic_view::TOPIC_LIST,
    name_server::UPDATE_KV_CONFIG,
    name_server::DELETE_KV_CONFIG,
    name_server::WIPE_WRITE_PERM,
    name_server::ADD_WRITE_PERM,
    offset::RESET_OFFSET_BY_TIME,
    order::UPDATE_ORDER_CONF,
    broker::CLEAN_EXPIRED_CQ,
    broker::CLEAN_UNUSED_TOPIC,
    monitor::START_MONITORING,
    stats_all::STATS_ALL,
    topic_view::ALLOCATE_MQ,
    send::CHECK_MSG_SEND_RT,
    send::CLUSTER_RT,
    name_server::GET_NAMESRV_CONFIG,
    name_server::UPDATE_NAMESRV_CONFIG,
    broker::GET_BROKER_CONFIG,
    group::GET_CONSUMER_CONFIG,
    query_cq::QUERY_CQ,
    send::SEND_MESSAGE,
    message_print::CONSUME_MESSAGE,
    acl::UPDATE_ACL_CONFIG,
    acl::DELETE_ACCESS_CONFIG,
    acl::CLUSTER_ACL_CONFIG_VERSION,
    acl::UPDATE_GLOBAL_WHITE_ADDR,
    acl::GET_ACCESS_CONFIG,
    export::EXPORT_METADATA,
    export::EXPORT_CONFIGS,
    export::EXPORT_METRICS,
    doctor::DOCTOR,
    completion::COMPLETION,
    store_verify::STORE_VERIFY,
];

/// Runs `mqadmin`; returns its exit code. As in Java, a failed command prints to standard error
/// and leaves with 0, a wrong command line prints the usage to standard output and leaves with 1.
/// With `--strict` failures have codes of their own.
pub fn run(args: &[String]) -> i32 {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let name = match words.as_slice() {
        [] => {
            out!("{}", help());
            return 0;
        }
        ["help", name] | [name, ..] => name,
    };
    let Some(command) = find(name) else {
        outln!("The sub command {name} not exist.");
        return if words.contains(&"--strict") { exit::USAGE } else { 0 };
    };
    if let ["help", _] = words.as_slice() {
        out!("{}", command.usage());
        return 0;
    }
    execute(command, &args[1..])
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
            out!("{}", command.usage());
            return 0;
        }
        Err(error) => {
            // Java prints the usage alone; the reason goes where no script looks.
            eprintln!("{error}");
            out!("{}", command.usage());
            return exit::USAGE;
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
    let (strict, verbose) = (given.has("strict"), given.has("verbose"));
    let (outcome, complaint) = runtime.block_on(async {
        let admin = match AdminClient::connect_as(given.get("n"), credentials()) {
            Ok(admin) => admin,
            Err(error) => return (Err(error.into()), None),
        };
        let session = Session::new(admin, given);
        let outcome = (command.run)(&session).await;
        session.admin.shutdown().await;
        (outcome, session.complaint())
    });
    match outcome {
        Ok(()) if strict => complaint.unwrap_or(0),
        Ok(()) => 0,
        Err(Failure::Ill) => exit::FAILED,
        Err(Failure::Usage) => {
            out!("{}", command.usage());
            if strict { exit::USAGE } else { 0 }
        }
        Err(failure) => {
            eprint!("{}", explain(command, &failure, verbose));
            if strict { failure.exit_code() } else { 0 }
        }
    }
}

/// The account of `$ROCKETMQ_HOME/conf/tools.yml`. A file that cannot be read is told of; the command
/// goes on unsigned, as in Java, which many brokers take.
fn credentials() -> Option<Credentials> {
    let path = Path::new(&home::rocketmq_home()?).join("conf/tools.yml");
    Credentials::from_file(&path).unwrap_or_else(|error| {
        eprintln!("requests are not signed: {error}");
        None
    })
}

/// Java's first line and cause, then what to do about it.
fn explain(command: &Command, failure: &Failure, verbose: bool) -> String {
    let mut text = format!(
        "org.apache.rocketmq.tools.command.SubCommandException: {} command failed\nCaused by: {}\n",
        command.class,
        failure.cause()
    );
    if let Some(advice) = failure.advice() {
        text += &format!("Hint: {advice}\n");
    }
    if verbose {
        let mut source = std::error::Error::source(failure);
        while let Some(error) = source {
            text += &format!("\tbehind it: {error}\n");
            source = error.source();
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Recorded {
        cmd: String,
        out: String,
    }

    /// Commands that Java does not have.
    const OWN: [&str; 3] = ["doctor", "completion", "storeVerify"];

    /// Calls of Java's mqadmin, and what it printed.
    fn recorded() -> Vec<Recorded> {
        let file = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../tests/golden/java-4.9.2/observed/mqadmin.jsonl");
        let text = std::fs::read_to_string(file).unwrap();
        text.lines().map(|line| rocketmq_common::fastjson::from_str(line).unwrap()).collect()
    }

    #[test]
    fn the_list_of_commands_is_javas() {
        let java = recorded().into_iter().find(|call| call.cmd.is_empty()).unwrap();
        let ours: Vec<String> = help().lines().map(str::to_string).collect();
        let own = |line: &&String| OWN.iter().any(|name| line.starts_with(&format!("   {name} ")));
        assert_eq!(ours.iter().filter(own).count(), OWN.len());
        let rest: Vec<&str> = ours.iter().filter(|line| !own(line)).map(String::as_str).collect();
        assert_eq!(rest, java.out.lines().collect::<Vec<_>>());
    }

    #[test]
    fn every_usage_text_is_javas() {
        let recorded = recorded();
        for command in COMMANDS.iter().filter(|command| !OWN.contains(&command.name)) {
            let call = format!("help {}", command.name);
            let java = recorded.iter().find(|recorded| recorded.cmd == call).unwrap();
            assert_eq!(command.usage(), java.out, "{call}");
        }
    }
}
