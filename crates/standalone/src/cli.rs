//! `mqstandalone`: both daemons on their default ports, with one data folder.

use std::path::PathBuf;
use std::time::Duration;

use rocketmq_common::{home, logging};
use rocketmq_remoting::signal::catch_signals;

use crate::Standalone;

/// The name server's port.
pub(crate) const NAMESRV_PORT: i32 = 9876;
/// Exit code of a start that failed.
const FAILED: i32 = 255;
/// How often the broker is asked whether it can go on.
const FATAL_CHECK: Duration = Duration::from_millis(200);

const USAGE: &str = "\
usage: mqstandalone [-d <arg>] [-h]
 -d,--dataDir <arg>   Folder for everything it keeps (default ~/rocketmq-standalone)
 -h,--help            Print help
";

/// Runs the program; returns its exit code.
pub fn run(args: &[String]) -> i32 {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let folder = match words.as_slice() {
        [] => home::user_home().join("rocketmq-standalone"),
        ["-h" | "--help"] => {
            print!("{USAGE}");
            return 0;
        }
        ["-d" | "--dataDir", folder] => PathBuf::from(folder),
        _ => {
            print!("{USAGE}");
            return 1;
        }
    };
    let guard = logging::init(logging::Profile::Standalone, &home::user_home());
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("the runtime cannot be started: {error}");
            return FAILED;
        }
    };
    let code = runtime.block_on(serve(folder));
    runtime.shutdown_background();
    drop(guard);
    code
}

async fn serve(folder: PathBuf) -> i32 {
    let mut settings = rocketmq_broker::cli::default_settings();
    // A laptop changes its addresses; what runs on it stays.
    settings.probe.metrics_prom_exporter_port = rocketmq_remoting::probe::BROKER_PORT;
    settings.broker.broker_ip1 = "127.0.0.1".to_string();
    settings.broker.broker_ip2 = "127.0.0.1".to_string();
    let system = match Standalone::start(&folder, settings, None, None).await {
        Ok(system) => system,
        Err(error) => {
            eprintln!("{error}");
            return FAILED;
        }
    };
    let signals = catch_signals();
    println!("The Name Server boot success. serializeType=JSON");
    println!(
        "The broker[{}, {}] boot success. serializeType=JSON and name server is {}",
        system.broker().context().settings().broker.broker_name,
        system.broker_addr(),
        system.namesrv_addr()
    );
    println!("data in {}; clients use NAMESRV_ADDR={}", folder.display(), system.namesrv_addr());
    let code = tokio::select! {
        code = signals => code,
        why = until_fatal(&system) => {
            eprintln!("the broker cannot go on: {why}; mend the disk and start it again");
            FAILED
        }
    };
    system.shutdown().await;
    code
}

async fn until_fatal(system: &Standalone) -> String {
    loop {
        if let Some(why) = system.broker().fatal() {
            return why;
        }
        tokio::time::sleep(FATAL_CHECK).await;
    }
}
