//! The dashboard: a page, the REST paths of the Java dashboard 1.0.0, and a JSON API of our own, all
//! over the admin client (contract `dashboard.md`).
//!
//! ```no_run
//! use rocketmq_dashboard::{Dashboard, DashboardConfig};
//!
//! # async fn example() -> Result<(), rocketmq_dashboard::DashboardError> {
//! let mut config = DashboardConfig::default();
//! config.namesrv_addr = Some("127.0.0.1:9876".to_string());
//! config.login_required = Some("false".to_string());
//! let dashboard = Dashboard::start(config, Vec::new()).await?;
//! println!("{}", dashboard.url());
//! # Ok(())
//! # }
//! ```

mod answer;
mod api;
mod app;
mod assets;
mod audit;
pub mod cli;
mod cluster;
mod explorer;
mod history;
mod life;
mod listener;
mod live;
mod login;
mod members;
mod monitor;
mod problems;
mod reset;
mod rest;
mod server;
mod settings;
mod tasks;
mod text;

use std::net::SocketAddr;
use std::sync::Arc;

use rocketmq_common::config::KeyInfo;
use tokio::task::JoinHandle;

pub use settings::{DashboardConfig, SettingsError};

use app::App;
use audit::Audit;
use cluster::Clusters;
use history::Histories;
use listener::Listener;
use login::Login;
use monitor::Monitor;

/// Name of the logger whose lines rocketmq-console.log holds.
pub const LOGGER: &str = rocketmq_common::logging::DASHBOARD;

/// Why a dashboard did not start.
#[derive(Debug, thiserror::Error)]
pub enum DashboardError {
    /// The settings cannot be used.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// A file of the data folder, or the certificate.
    #[error("{0}")]
    File(String),
    /// The port.
    #[error(
        "{address}: cannot listen: {cause}; set server.address and server.port to an address of this machine and a free port"
    )]
    Bind {
        /// Where.
        address: String,
        /// The system's reason.
        cause: std::io::Error,
    },
}

/// A running dashboard.
pub struct Dashboard {
    app: Arc<App>,
    local: SocketAddr,
    url: String,
    tasks: Vec<JoinHandle<()>>,
}

impl Dashboard {
    /// Reads the data folder and listens. Nothing is asked of the cluster before somebody looks;
    /// one that cannot be reached is told on the page. `broker_keys` are the keys of a broker's
    /// configuration, for their defaults. Must run inside a tokio runtime.
    ///
    /// # Errors
    /// See [`DashboardError`].
    pub async fn start(
        config: DashboardConfig,
        broker_keys: Vec<KeyInfo>,
    ) -> Result<Dashboard, DashboardError> {
        let login = Login::open(&config).map_err(DashboardError::File)?;
        let monitor = Monitor::open(config.data("monitor/consumerMonitorConfig.json"));
        let app = Arc::new(App {
            prefix: config.prefix(),
            clusters: Clusters::new(&config),
            login,
            audit: Audit::open(config.data("audit.log")),
            histories: Histories::new(
                config.data(""),
                config.history_days,
                config.clusters().first().cloned().unwrap_or_default(),
            ),
            monitor: monitor.map_err(DashboardError::File)?,
            tasks: Default::default(),
            pages: Default::default(),
            broker_keys,
            config,
        });
        let listener = Listener::bind(&app.config).await?;
        let local = listener.local();
        let scheme = if app.config.certificate.is_some() { "https" } else { "http" };
        let host = if local.ip().is_unspecified() {
            format!("localhost:{}", local.port())
        } else {
            local.to_string()
        };
        let url = format!("{scheme}://{host}{}/", app.prefix);
        let mut tasks = vec![tokio::spawn(server::serve(Arc::clone(&app), listener))];
        if app.config.enable_dashboard_collect {
            tasks.push(tokio::spawn(history::collect(Arc::clone(&app))));
        }
        Ok(Dashboard { app, local, url, tasks })
    }

    /// Where it listens.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// What to open in a browser.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The password that was made at this start for the user `admin`; it is kept nowhere in clear.
    pub fn first_password(&self) -> Option<&str> {
        self.app.login.first_password()
    }

    /// Stops listening and closes every connection.
    pub async fn shutdown(self) {
        for task in &self.tasks {
            task.abort();
        }
        self.app.clusters.close().await;
    }
}
