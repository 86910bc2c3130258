//! `mqdashboard`: options, first words and exit codes.

use std::path::{Path, PathBuf};

use rocketmq_common::config::KeyInfo;
use rocketmq_common::{home, logging};
use rocketmq_remoting::signal::catch_signals;

use crate::{Dashboard, DashboardConfig, LOGGER};

const USAGE: &str = "\
usage: mqdashboard [-c <arg>] [-h] [-n <arg>] [--<key>=<value>]
 -c,--configFile <arg>    application.properties of the dashboard
 -h,--help                Print help
 -n,--namesrvAddr <arg>   Name server address list, eg: '192.168.0.1:9876;192.168.0.2:9876'
    --<key>=<value>       Any key of the file, eg: --server.port=8083
    --check               Check the configuration and leave: 0 if it can be used
";

/// Exit code of a start that failed.
const FAILED: i32 = 255;

#[derive(Debug, Default, PartialEq)]
struct Options {
    file: Option<PathBuf>,
    words: Vec<(String, String)>,
    check: bool,
    help: bool,
}

fn parse(args: &[String]) -> Result<Options, String> {
    let mut options = Options::default();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let mut value =
            || args.next().cloned().ok_or_else(|| format!("Missing argument for option: {arg}"));
        match arg.as_str() {
            "-h" | "--help" => options.help = true,
            "--check" => options.check = true,
            "-c" | "--configFile" => options.file = Some(value()?.into()),
            "-n" | "--namesrvAddr" => {
                options.words.push(("rocketmq.config.namesrvAddr".to_string(), value()?));
            }
            _ => match arg.strip_prefix("--").and_then(|word| word.split_once('=')) {
                Some(("spring.config.location", file)) => options.file = Some(file.into()),
                Some((key, value)) => options.words.push((key.to_string(), value.to_string())),
                None => return Err(format!("Unrecognized option: {arg}")),
            },
        }
    }
    Ok(options)
}

/// Runs the program; returns its exit code. `broker_keys` as of [`Dashboard::start`].
pub fn run(args: &[String], broker_keys: Vec<KeyInfo>) -> i32 {
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
    let (config, unknown) = match DashboardConfig::load(options.file.as_deref(), &options.words) {
        Ok(loaded) => loaded,
        Err(error) => {
            eprintln!("{error}");
            return FAILED;
        }
    };
    for unknown in &unknown {
        let near = unknown.nearest.map(|key| format!("; did you mean {key}?")).unwrap_or_default();
        eprintln!("the key {} is unknown and has no effect{near}", unknown.key);
    }
    if options.check {
        return rocketmq_common::config::verdict(&[], unknown.len());
    }
    let guard = logging::init(logging::Profile::Dashboard, &home::user_home());
    let runtime =
        match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                eprintln!("the runtime cannot be started: {error}");
                return FAILED;
            }
        };
    let code = runtime.block_on(serve(config, broker_keys));
    runtime.shutdown_background();
    drop(guard);
    code
}

async fn serve(config: DashboardConfig, broker_keys: Vec<KeyInfo>) -> i32 {
    let name_servers = config.clusters().first().cloned().unwrap_or_default();
    let users = config.data("users.properties");
    let login = config.login();
    let data = config.data("");
    let dashboard = match Dashboard::start(config, broker_keys).await {
        Ok(dashboard) => dashboard,
        Err(error) => {
            tracing::error!(target: LOGGER, "{error}");
            eprintln!("{error}");
            return FAILED;
        }
    };
    let signals = catch_signals();
    let boot = format!("The dashboard boot success. {} shows {name_servers}", dashboard.url());
    tracing::info!(target: LOGGER, "{boot}");
    println!("{boot}");
    announce(&dashboard, &users, login);
    if let Some(hint) = fleeting(&data) {
        tracing::warn!(target: LOGGER, "{hint}");
        println!("{hint}");
    }
    let code = signals.await;
    dashboard.shutdown().await;
    code
}

/// A word of warning for a data folder that a reboot may empty, as 1.0.0's default.
fn fleeting(data: &Path) -> Option<String> {
    let places = [PathBuf::from("/tmp"), std::env::temp_dir()];
    places.iter().any(|place| data.starts_with(place)).then(|| {
        format!(
            "users, history and audit log are kept in {}, which a reboot may empty; set rocketmq.config.dataPath to a \
             folder that stays",
            data.display()
        )
    })
}

/// Who can log in; the first password is shown here and nowhere else.
pub fn announce(dashboard: &Dashboard, users: &std::path::Path, login: Option<bool>) {
    if let Some(password) = dashboard.first_password() {
        println!(
            "first start: log in as admin with the password {password}; it is kept hashed in {}",
            users.display()
        );
        println!(
            "to go without a login, as the Java dashboard does: --rocketmq.config.loginRequired=false"
        );
    } else if login == Some(false) {
        println!("nobody has to log in; set rocketmq.config.loginRequired=true to change that");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_data_folder_that_a_reboot_empties_is_told() {
        let default = DashboardConfig::default().data("");
        let told = fleeting(&default).unwrap();
        assert!(
            told.contains("/tmp/rocketmq-console/data")
                && told.contains("rocketmq.config.dataPath")
        );
        assert_eq!(fleeting(Path::new("/var/lib/rocketmq/dashboard")), None);
    }

    #[test]
    fn words_are_springs_and_ours() {
        let args =
            ["-n", "a:1;b:2", "--server.port=8083", "-c", "x.properties"].map(str::to_string);
        let options = parse(&args).unwrap();
        assert_eq!(options.file, Some("x.properties".into()));
        assert_eq!(options.words[1], ("server.port".to_string(), "8083".to_string()));
        assert!(parse(&["--port".to_string()]).is_err() && parse(&["-n".to_string()]).is_err());
    }
}
