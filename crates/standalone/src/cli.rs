//! `mqstandalone`: both daemons on their default ports, with one data folder.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rocketmq_common::{home, logging};
use rocketmq_dashboard::{Dashboard, DashboardConfig};
use rocketmq_remoting::signal::catch_signals;

use crate::Standalone;

/// The name server's port.
pub(crate) const NAMESRV_PORT: i32 = 9876;
/// Port of the dashboard unless told otherwise.
const DASHBOARD_PORT: i32 = 8080;
/// Exit code of a start that failed.
const FAILED: i32 = 255;
/// How often the broker is asked whether it can go on.
const FATAL_CHECK: Duration = Duration::from_millis(200);

const USAGE: &str = "\
usage: mqstandalone [-d <arg>] [-h] [-w <arg>]
 -d,--dataDir <arg>         Folder for everything it keeps (default ~/rocketmq-standalone)
 -h,--help                  Print help
 -w,--dashboardPort <arg>   Port of the dashboard on 127.0.0.1 (default 8080); 0: no dashboard
";

/// Runs the program; returns its exit code.
pub fn run(args: &[String]) -> i32 {
    let mut folder = home::user_home().join("rocketmq-standalone");
    let mut dashboard_port = DASHBOARD_PORT;
    let mut words = args.iter().map(String::as_str);
    while let Some(word) = words.next() {
        match (word, words.next()) {
            ("-h" | "--help", _) => {
                print!("{USAGE}");
                return 0;
            }
            ("-d" | "--dataDir", Some(given)) => folder = PathBuf::from(given),
            ("-w" | "--dashboardPort", Some(port)) if port.parse::<u16>().is_ok() => {
                dashboard_port = port.parse().unwrap_or(DASHBOARD_PORT);
            }
            _ => {
                print!("{USAGE}");
                return 1;
            }
        }
    }
    let guard = logging::init(logging::Profile::Standalone, &home::user_home());
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("the runtime cannot be started: {error}");
            return FAILED;
        }
    };
    let code = runtime.block_on(serve(folder, dashboard_port));
    runtime.shutdown_background();
    drop(guard);
    code
}

async fn serve(folder: PathBuf, dashboard_port: i32) -> i32 {
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
    let dashboard = start_dashboard(&system, &folder, dashboard_port).await;
    let code = tokio::select! {
        code = signals => code,
        why = until_fatal(&system) => {
            eprintln!("the broker cannot go on: {why}; mend the disk and start it again");
            FAILED
        }
    };
    if let Some(dashboard) = dashboard {
        dashboard.shutdown().await;
    }
    system.shutdown().await;
    code
}

/// On this machine only, so that nobody has to log in; a port that is taken is told, no more.
async fn start_dashboard(system: &Standalone, folder: &Path, port: i32) -> Option<Dashboard> {
    if port == 0 {
        return None;
    }
    let config = DashboardConfig {
        address: "127.0.0.1".to_string(),
        port,
        namesrv_addr: Some(system.namesrv_addr()),
        data_path: folder.join("dashboard").to_string_lossy().into_owned(),
        login_required: Some("false".to_string()),
        ..DashboardConfig::default()
    };
    match Dashboard::start(config, rocketmq_broker::configuration_keys()).await {
        Ok(dashboard) => {
            println!("the dashboard is at {}", dashboard.url());
            Some(dashboard)
        }
        Err(error) => {
            eprintln!("no dashboard: {error}; or choose another port: mqstandalone -w <port>");
            None
        }
    }
}

async fn until_fatal(system: &Standalone) -> String {
    loop {
        if let Some(why) = system.broker().fatal() {
            return why;
        }
        tokio::time::sleep(FATAL_CHECK).await;
    }
}
