//! Name server and broker in one process, for laptops and test suites.
//!
//! ```no_run
//! # async fn example() -> Result<(), rocketmq_standalone::StandaloneError> {
//! let folder = std::env::temp_dir().join("cluster");
//! let cluster = rocketmq_standalone::Standalone::on_free_ports(&folder).await?;
//! println!("name server at {}", cluster.namesrv_addr());
//! cluster.shutdown().await;
//! # Ok(())
//! # }
//! ```

pub mod cli;

use std::net::SocketAddr;
use std::path::Path;

use rocketmq_broker::{Broker, BrokerError, BrokerSettings, Settings};
use rocketmq_namesrv::{NameServer, NameServerSettings, StartError};

/// Why a standalone system did not start.
#[derive(Debug, thiserror::Error)]
pub enum StandaloneError {
    /// The name server did not.
    #[error(transparent)]
    NameServer(#[from] StartError),
    /// The broker did not.
    #[error(transparent)]
    Broker(#[from] BrokerError),
}

/// A running name server and broker.
pub struct Standalone {
    namesrv: NameServer,
    broker: Broker,
}

impl Standalone {
    /// Starts both on loopback, on ports that are free, with small files in the folder: what a
    /// test suite wants. Must run inside a tokio runtime.
    ///
    /// # Errors
    /// See [`StandaloneError`].
    pub async fn on_free_ports(folder: &Path) -> Result<Standalone, StandaloneError> {
        let mut settings = rocketmq_broker::cli::default_settings();
        settings.broker.broker_ip1 = "127.0.0.1".to_string();
        settings.broker.broker_ip2 = "127.0.0.1".to_string();
        settings.broker.broker_name = "broker-a".to_string();
        settings.store.mapped_file_size_commit_log = 16 << 20;
        settings.store.mapped_file_size_consume_queue = 600_000;
        (settings.store.max_hash_slot_num, settings.store.max_index_num) = (50_000, 200_000);
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        Standalone::start(folder, settings, Some(any), Some(any)).await
    }

    /// Starts both with one data folder; `None` listens on every address at the configured port.
    ///
    /// # Errors
    /// See [`StandaloneError`].
    pub async fn start(
        folder: &Path,
        mut settings: Settings,
        namesrv_listen: Option<SocketAddr>,
        broker_listen: Option<SocketAddr>,
    ) -> Result<Standalone, StandaloneError> {
        let path = |name: &str| folder.join(name).to_string_lossy().into_owned();
        let mut start = NameServerSettings { listen: namesrv_listen, ..Default::default() };
        start.netty.listen_port = cli::NAMESRV_PORT;
        start.namesrv.kv_config_path = path("namesrv/kvConfig.json");
        start.namesrv.config_store_path = path("namesrv/namesrv.properties");
        let namesrv = NameServer::start(start)?;
        settings.store.store_path_root_dir = path("store");
        settings.store.store_path_commit_log = path("store/commitlog");
        let port = namesrv.local().port();
        settings.broker.namesrv_addr = Some(format!("127.0.0.1:{port}"));
        settings.file = Some(folder.join("broker.properties"));
        let start = BrokerSettings { settings, listen: broker_listen, ..BrokerSettings::default() };
        let broker = Broker::start(start).await?;
        Ok(Standalone { namesrv, broker })
    }

    /// Where clients find the name server.
    pub fn namesrv_addr(&self) -> String {
        format!("127.0.0.1:{}", self.namesrv.local().port())
    }

    /// Where clients find the broker.
    pub fn broker_addr(&self) -> String {
        self.broker.context().address()
    }

    /// The broker.
    pub fn broker(&self) -> &Broker {
        &self.broker
    }

    /// Stops the broker, then the name server.
    pub async fn shutdown(self) {
        self.broker.shutdown().await;
        self.namesrv.shutdown();
    }
}
