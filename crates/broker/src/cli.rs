//! `mqbroker`: options, boot lines and exit codes (contract `broker.md` 1, `admin.md` 4).

use std::path::Path;
use std::time::{Duration, Instant};

use rocketmq_common::config::{apply_file, verdict};
use rocketmq_common::{home, host, logging};
use rocketmq_dashboard::{Dashboard, DashboardConfig};
use rocketmq_remoting::config::serialize_type_from_env;
use rocketmq_remoting::signal::catch_signals;
use rocketmq_store::{BrokerRole, Disk};

use crate::{
    Broker, BrokerError, BrokerSettings, LOGGER, Settings, address_server, broker, inert, pod,
};

/// The port and socket buffers, whatever the class defaults of the settings say.
const DEFAULT_PORT: i32 = 10911;
const SOCKET_BUFFER_BYTES: i32 = 131_072;

const USAGE: &str = "\
usage: mqbroker [-c <arg>] [-h] [-m] [-n <arg>] [-p]
 -c,--configFile <arg>       Broker config properties file
 -h,--help                   Print help
 -m,--printImportantConfig   Print important config item
 -n,--namesrvAddr <arg>      Name server address list, eg: 192.168.0.1:9876;192.168.0.2:9876
 -p,--printConfigItem        Print all config item
    --check                  Check the configuration and leave: 0 if it can be used
";

/// Exit codes of Java: -2, -3, -1 as bytes.
const NO_HOME: i32 = 254;
const REFUSED: i32 = 253;
const FAILED: i32 = 255;
/// How often a running broker is asked whether it can go on.
const FATAL_CHECK: Duration = Duration::from_millis(200);

#[derive(Default)]
struct Options {
    config_file: Option<String>,
    namesrv: Option<String>,
    print_all: bool,
    print_important: bool,
    check: bool,
    help: bool,
}

fn parse(args: &[String]) -> Result<Options, String> {
    let mut options = Options::default();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        if !arg.starts_with('-') {
            continue;
        }
        let (name, inline) = match arg.strip_prefix("--").and_then(|long| long.split_once('=')) {
            Some((name, value)) => (name, Some(value.to_string())),
            None => (arg.trim_start_matches('-'), None),
        };
        let mut value = || {
            let value = inline.clone().or_else(|| args.next().cloned());
            value.ok_or_else(|| format!("Missing argument for option: {name}"))
        };
        match name {
            "c" | "configFile" => options.config_file = Some(value()?),
            "n" | "namesrvAddr" => options.namesrv = Some(value()?),
            "p" | "printConfigItem" => options.print_all = true,
            "m" | "printImportantConfig" => options.print_important = true,
            "check" => options.check = true,
            "h" | "help" => options.help = true,
            _ => return Err(format!("Unrecognized option: {arg}")),
        }
    }
    Ok(options)
}

/// Runs the program; returns its exit code.
pub fn run(args: &[String]) -> i32 {
    run_on(args, Disk::default())
}

/// [`run`] on a disk of one's own choice: for tests of failing disks.
pub fn run_on(args: &[String], disk: Disk) -> i32 {
    let options = match parse(args) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("{error}");
            print!("{USAGE}");
            return 1;
        }
    };
    if options.help {
        print!("{USAGE}");
        return 0;
    }
    let (start, unknown) = match load(&options) {
        Ok((start, unknown)) => (BrokerSettings { disk, ..start }, unknown),
        Err(Refused(code, error)) => {
            if code == FAILED {
                eprintln!("{error}");
            } else {
                // Java prints these to standard output.
                println!("{error}");
            }
            return code;
        }
    };
    if options.print_all || options.print_important {
        print_settings(&start.settings, options.print_important);
        return 0;
    }
    if options.check {
        return check_and_leave(&start, unknown);
    }
    serve(start)
}

/// `--check`: nothing is bound, nothing written.
fn check_and_leave(start: &BrokerSettings, unknown: usize) -> i32 {
    for (key, value, why) in inert::set_in_vain(&start.settings) {
        println!("{key}={value} has no effect: {why}");
    }
    let problems = broker::check(start);
    verdict(&problems, unknown)
}

/// Exit code and text.
struct Refused(i32, String);

/// The settings, and how many keys of the file are unknown; they are named on standard error.
fn load(options: &Options) -> Result<(BrokerSettings, usize), Refused> {
    let serialize = serialize_type_from_env().map_err(|name| {
        Refused(
            FAILED,
            format!(
                "ROCKETMQ_SERIALIZE_TYPE={name} is unknown; set it to JSON or ROCKETMQ, or unset it"
            ),
        )
    })?;
    let mut settings = default_settings();
    let mut unknown_keys = 0;
    let mut is_named = false;
    settings.probe.metrics_prom_exporter_port = rocketmq_remoting::probe::BROKER_PORT;
    if let Some(file) = &options.config_file {
        let report = apply_file(Path::new(file), &mut settings.tables_mut());
        let report = report.map_err(|error| Refused(FAILED, error.to_string()))?;
        for unknown in &report.unknown {
            if let Some(value) = report.properties.get(&unknown.key) {
                settings.extra.set(&unknown.key, value);
            }
            if address_server::KEYS.contains(&unknown.key.as_str()) {
                continue;
            }
            unknown_keys += 1;
            let near = unknown.nearest.map(|key| format!("; did you mean {key}?"));
            eprintln!(
                "{file}: the key {} is unknown and has no effect{}",
                unknown.key,
                near.unwrap_or_default()
            );
        }
        is_named = report.properties.get("brokerName").is_some();
        settings.file = Some(file.into());
    }
    if settings.broker.broker_name_from_pod && !is_named {
        name_from_pod(&mut settings)?;
    }
    if let Some(servers) = &options.namesrv {
        settings.broker.namesrv_addr = Some(servers.clone());
    }
    if settings.broker.rocketmq_home.is_none() {
        return Err(Refused(NO_HOME, home::ROCKETMQ_HOME_MISSING.to_string()));
    }
    check(&mut settings)?;
    Ok((BrokerSettings { settings, serialize, ..BrokerSettings::default() }, unknown_keys))
}

/// `brokerNameFromPod`; a `brokerName` of the file goes before it.
fn name_from_pod(settings: &mut Settings) -> Result<(), Refused> {
    let host = host::local_host_name();
    settings.broker.broker_name = pod::broker_name(&host).ok_or_else(|| {
        Refused(
            FAILED,
            format!(
                "brokerNameFromPod=true: the host name {host} is neither <name>-master-<number> nor <name>-slave-<number>; name the StatefulSets <name>-master and <name>-slave, or set brokerName"
            ),
        )
    })?;
    Ok(())
}

/// The defaults of a broker process.
pub fn default_settings() -> Settings {
    let mut settings = Settings::default();
    settings.server.listen_port = DEFAULT_PORT;
    settings.server.server_socket_snd_buf_size = SOCKET_BUFFER_BYTES;
    settings.server.server_socket_rcv_buf_size = SOCKET_BUFFER_BYTES;
    settings.client.client_socket_snd_buf_size = SOCKET_BUFFER_BYTES;
    settings.client.client_socket_rcv_buf_size = SOCKET_BUFFER_BYTES;
    settings
}

fn check(settings: &mut Settings) -> Result<(), Refused> {
    if let Some(list) = &settings.broker.namesrv_addr {
        let is_address = |part: &str| {
            part.rsplit_once(':')
                .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
        };
        if !list.split(';').filter(|part| !part.is_empty()).all(is_address) {
            return Err(Refused(
                REFUSED,
                format!(
                    "The Name Server Address[{list}] illegal, please set it as follows, \
                 \"127.0.0.1:9876;192.168.0.1:9876\""
                ),
            ));
        }
    }
    match settings.store.broker_role {
        BrokerRole::Slave if settings.broker.broker_id <= 0 => {
            return Err(Refused(REFUSED, "Slave's brokerId must be > 0".to_string()));
        }
        BrokerRole::Slave => {}
        _ => settings.broker.broker_id = 0,
    }
    settings.store.ha_listen_port = settings.server.listen_port + 1;
    settings.store.validate().map_err(|error| Refused(FAILED, error.to_string()))
}

/// Prints through the console logger, as Java does.
fn print_settings(settings: &Settings, important: bool) {
    let _guard = logging::init(logging::Profile::Broker, &home::user_home());
    for table in settings.tables() {
        for (info, (key, value)) in table.keys().iter().zip(table.entries()) {
            if !important || info.important {
                tracing::info!(target: logging::CONSOLE, thread = "main", "{key}={value}");
            }
        }
    }
}

fn serve(start: BrokerSettings) -> i32 {
    let guard = logging::init(logging::Profile::Broker, &home::user_home());
    for (key, value) in start.settings.entries() {
        tracing::info!(target: LOGGER, thread = "main", "{key}={value}");
    }
    let workers = host::processors().max(2);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("the runtime cannot be started: {error}");
            return FAILED;
        }
    };
    let code = runtime.block_on(serve_until_signal(start));
    runtime.shutdown_background();
    drop(guard);
    code
}

async fn serve_until_signal(start: BrokerSettings) -> i32 {
    let (serialize, settings) = (start.serialize.name(), start.settings.clone());
    let broker = match Broker::start(start).await {
        Ok(broker) => broker,
        Err(error) => {
            tracing::error!(target: LOGGER, thread = "main", "{error}");
            eprintln!("{error}");
            return match error {
                BrokerError::Store(_) | BrokerError::Tables(_) => REFUSED,
                BrokerError::Bind { .. } | BrokerError::Thread(_) | BrokerError::Setting(_) => {
                    FAILED
                }
            };
        }
    };
    let signals = catch_signals();
    let mut boot = format!(
        "The broker[{}, {}] boot success. serializeType={serialize}",
        settings.broker.broker_name,
        broker.context().address()
    );
    if let Some(servers) = &settings.broker.namesrv_addr {
        boot += &format!(" and name server is {servers}");
    }
    tracing::info!(target: LOGGER, thread = "main", "{boot}");
    println!("{boot}");
    let dashboard = start_dashboard(&settings).await;
    let code = tokio::select! {
        code = signals => code,
        why = until_fatal(&broker) => {
            let text = format!("the broker cannot go on: {why}; mend the disk and start it again");
            tracing::error!(target: LOGGER, "{text}");
            eprintln!("{text}");
            FAILED
        }
    };
    let started = Instant::now();
    let thread = "ShutdownHook";
    tracing::info!(target: LOGGER, thread, "Shutdown hook was invoked, 1");
    if let Some(dashboard) = dashboard {
        dashboard.shutdown().await;
    }
    broker.shutdown().await;
    let millis = started.elapsed().as_millis();
    tracing::info!(target: LOGGER, thread, "Shutdown hook over, consuming total time(ms): {millis}");
    code
}

async fn until_fatal(broker: &Broker) -> String {
    loop {
        if let Some(why) = broker.fatal() {
            return why;
        }
        tokio::time::sleep(FATAL_CHECK).await;
    }
}

/// The dashboard of `dashboardPort`. Without it the broker still serves: what is wrong is told.
async fn start_dashboard(settings: &Settings) -> Option<Dashboard> {
    let port = settings.broker.dashboard_port;
    if port == 0 {
        return None;
    }
    let data = Path::new(&settings.store.store_path_root_dir).join("dashboard");
    let config = DashboardConfig {
        port,
        namesrv_addr: settings.broker.namesrv_addr.clone(),
        data_path: data.to_string_lossy().into_owned(),
        ..DashboardConfig::default()
    };
    let users = config.data("users.properties");
    match Dashboard::start(config, crate::configuration_keys()).await {
        Ok(dashboard) => {
            println!("the dashboard is at {}", dashboard.url());
            rocketmq_dashboard::cli::announce(&dashboard, &users, None);
            Some(dashboard)
        }
        Err(error) => {
            let text =
                format!("the dashboard does not start: {error}; the broker goes on without it");
            tracing::error!(target: LOGGER, thread = "main", "{text}");
            eprintln!("{text}");
            None
        }
    }
}
