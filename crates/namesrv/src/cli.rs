//! `mqnamesrv`: options, boot lines and exit codes (contract `namesrv.md` 1, 9, 10).

use std::path::{Path, PathBuf};
use std::time::Instant;

use rocketmq_common::config::{ConfigTable, apply_file, verdict};
use rocketmq_common::{clock, home, logging};
use rocketmq_remoting::config::{NettyServerConfig, serialize_type_from_env};
use rocketmq_remoting::probe::NAMESRV_PORT;
use rocketmq_remoting::signal::catch_signals;
use rocketmq_remoting::tls::TlsSettings;

use crate::{KvConfig, LOGGER, NameServer, NameServerSettings};

/// The port, whatever the class default of the settings says.
const DEFAULT_PORT: i32 = 9876;

const USAGE: &str = "\
usage: mqnamesrv [-c <arg>] [-h] [-n <arg>] [-p]
 -c,--configFile <arg>    Name server config properties file
 -h,--help                Print help
 -n,--namesrvAddr <arg>   Name server address list, eg: 192.168.0.1:9876;192.168.0.2:9876
 -p,--printConfigItem     Print all config item
    --check               Check the configuration and leave: 0 if it can be used
";

/// Exit code of a start without ROCKETMQ_HOME.
const NO_HOME: i32 = 254;
/// Exit code of a start that failed.
const FAILED: i32 = 255;

#[derive(Default)]
struct Options {
    config_file: Option<String>,
    print_config: bool,
    check: bool,
    help: bool,
}

fn parse(args: &[String]) -> Result<Options, String> {
    let mut options = Options::default();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let (name, inline) = match arg.strip_prefix("--").and_then(|long| long.split_once('=')) {
            Some((name, value)) => (name.to_string(), Some(value.to_string())),
            None => (arg.trim_start_matches('-').to_string(), None),
        };
        if !arg.starts_with('-') {
            continue;
        }
        let mut value = || {
            let value = inline.clone().or_else(|| args.next().cloned());
            value.ok_or_else(|| format!("Missing argument for option: {name}"))
        };
        match name.as_str() {
            "c" | "configFile" => options.config_file = Some(value()?),
            "n" | "namesrvAddr" => drop(value()?),
            "p" | "printConfigItem" => options.print_config = true,
            "check" => options.check = true,
            "h" | "help" => options.help = true,
            _ => return Err(format!("Unrecognized option: {arg}")),
        }
    }
    Ok(options)
}

/// Runs the program; returns its exit code. Signals end the process with Java's codes.
pub fn run(args: &[String]) -> i32 {
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
    let (settings, unknown) = match load(&options) {
        Ok(loaded) => loaded,
        Err(error) => {
            eprintln!("{error}");
            return FAILED;
        }
    };
    if options.print_config {
        for (key, value) in entries(&settings) {
            let time = clock::format_time_of_day(clock::now_ms());
            println!("{time} [main] INFO  RocketmqNamesrvConsole - {key}={value}");
        }
        return 0;
    }
    if settings.namesrv.rocketmq_home.is_none() {
        println!(
            "Please set the ROCKETMQ_HOME variable in your environment to match the location of \
             the RocketMQ installation"
        );
        return NO_HOME;
    }
    if options.check {
        return check_and_leave(&settings, unknown);
    }
    serve(settings)
}

/// `--check`: nothing is bound, nothing written.
fn check_and_leave(settings: &NameServerSettings, unknown: usize) -> i32 {
    let port = settings.netty.listen_port;
    let port = u16::try_from(port)
        .map(drop)
        .map_err(|_| format!("listenPort={port} is not a port; a port lies between 1 and 65535"));
    let tls = TlsSettings::load().server().map(drop).map_err(|error| format!("TLS: {error}"));
    let kv = KvConfig::load(PathBuf::from(&settings.namesrv.kv_config_path));
    let kv = kv.map(drop).map_err(|error| error.to_string());
    let checks = [port, tls, kv, settings.probe.check()];
    let problems: Vec<_> = checks.into_iter().filter_map(Result::err).collect();
    verdict(&problems, unknown)
}

/// The settings, and how many keys of the file are unknown; they are named on standard error.
fn load(options: &Options) -> Result<(NameServerSettings, usize), String> {
    let mut unknown_keys = 0;
    let serialize = serialize_type_from_env().map_err(|name| {
        format!(
            "ROCKETMQ_SERIALIZE_TYPE={name} is unknown; set it to JSON or ROCKETMQ, or unset it"
        )
    })?;
    let mut settings = NameServerSettings { serialize, ..NameServerSettings::default() };
    settings.netty =
        NettyServerConfig { listen_port: DEFAULT_PORT, ..NettyServerConfig::default() };
    settings.probe.metrics_prom_exporter_port = NAMESRV_PORT;
    if let Some(file) = &options.config_file {
        let tables: &mut [&mut dyn ConfigTable] =
            &mut [&mut settings.namesrv, &mut settings.netty, &mut settings.probe];
        let report = apply_file(Path::new(file), tables).map_err(|error| error.to_string())?;
        for unknown in &report.unknown {
            unknown_keys += 1;
            let near = unknown.nearest.map(|key| format!("; did you mean {key}?"));
            let near = near.unwrap_or_default();
            eprintln!("{file}: the key {} is unknown and has no effect{near}", unknown.key);
            if let Some(value) = report.properties.get(&unknown.key) {
                settings.extra.set(&unknown.key, value);
            }
        }
        settings.namesrv.config_store_path = file.clone();
        println!("load config properties file OK, {file}");
    }
    Ok((settings, unknown_keys))
}

fn entries(settings: &NameServerSettings) -> Vec<(&'static str, String)> {
    [settings.namesrv.entries(), settings.netty.entries(), settings.probe.entries()].concat()
}

fn serve(settings: NameServerSettings) -> i32 {
    let guard = logging::init(logging::Profile::Namesrv, &home::user_home());
    for (key, value) in entries(&settings) {
        tracing::info!(target: LOGGER, thread = "main", "{key}={value}");
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("the runtime cannot be started: {error}");
            return FAILED;
        }
    };
    let code = runtime.block_on(serve_until_signal(settings));
    // Nothing to save: connections that are still open are simply lost.
    runtime.shutdown_background();
    drop(guard);
    code
}

async fn serve_until_signal(mut settings: NameServerSettings) -> i32 {
    settings.tls = TlsSettings::load()
        .server_with_log(|line| tracing::info!(target: LOGGER, thread = "main", "{line}"));
    let serialize = settings.serialize.name();
    let server = match NameServer::start(settings) {
        Ok(server) => server,
        Err(error) => {
            tracing::error!(target: LOGGER, thread = "main", "{error}");
            eprintln!("{error}");
            return FAILED;
        }
    };
    log_services();
    let signals = catch_signals();
    let boot = format!("The Name Server boot success. serializeType={serialize}");
    tracing::info!(target: LOGGER, thread = "main", "{boot}");
    println!("{boot}");
    let code = signals.await;
    shut_down(&server);
    code
}

/// The lines of what Java starts beside the port.
fn log_services() {
    tracing::info!(target: LOGGER, thread = "NettyEventExecutor", "NettyEventExecutor service started");
    tracing::info!(target: LOGGER, thread = "main", "Try to start service thread:FileWatchService started:false lastThread:null");
    tracing::info!(target: LOGGER, thread = "FileWatchService", "FileWatchService service started");
}

fn shut_down(server: &NameServer) {
    let started = Instant::now();
    let thread = "ShutdownHook";
    tracing::info!(target: LOGGER, thread, "shutdown hook was invoked, 1 times.");
    server.shutdown();
    for service in ["NettyEventExecutor", "FileWatchService"] {
        tracing::info!(target: LOGGER, thread, "shutdown thread {service} interrupt false");
        tracing::info!(target: LOGGER, thread = service, "{service} service end");
    }
    let millis = started.elapsed().as_millis();
    tracing::info!(target: LOGGER, thread, "shutdown hook done, consuming time total(ms): {millis}");
}
