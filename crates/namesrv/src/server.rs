//! A running name server.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use rocketmq_common::clock;
use rocketmq_common::properties::Properties;
use rocketmq_protocol::SerializeType;
use rocketmq_remoting::Server;
use rocketmq_remoting::config::NettyServerConfig;
use rocketmq_remoting::probe::{Probe, ProbeConfig};
use rocketmq_remoting::tls::ServerTls;
use tokio::task::JoinHandle;
use tokio::time::{Instant, interval_at};

use crate::metrics::NamesrvProbe;
use crate::processor::{LiveConfig, Processor};
use crate::routes::BROKER_EXPIRED_MS;
use crate::{KvConfig, LOGGER, NamesrvConfig, Routes};

/// First scan for expired brokers after the start, and the time between scans.
const SCAN_FIRST: Duration = Duration::from_secs(5);
const SCAN_PERIOD: Duration = Duration::from_secs(10);
/// The same for logging the key-value table.
const KV_LOG_FIRST: Duration = Duration::from_secs(60);
const KV_LOG_PERIOD: Duration = Duration::from_secs(600);

/// What a name server is started with.
#[derive(Clone, Debug, Default)]
pub struct NameServerSettings {
    /// Its own settings.
    pub namesrv: NamesrvConfig,
    /// Those of its port.
    pub netty: NettyServerConfig,
    /// Those of metrics and probes.
    pub probe: ProbeConfig,
    /// Keys of the configuration file that belong to neither.
    pub extra: Properties,
    /// How it writes headers.
    pub serialize: SerializeType,
    /// Whether it takes TLS connections.
    pub tls: ServerTls,
    /// The address to listen on; `None` for all of the host's at `listenPort`.
    pub listen: Option<SocketAddr>,
}

/// Why a name server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The port cannot be bound.
    #[error(
        "java.net.BindException: {source}: listenPort={port}; stop the process that listens there, or set another listenPort with -c"
    )]
    Bind {
        /// The port that was asked for.
        port: i32,
        /// The system's reason.
        source: io::Error,
    },
    /// The key-value table cannot be read.
    #[error("{0}")]
    KvConfig(io::Error),
}

/// What all connections share.
pub(crate) struct State {
    pub(crate) routes: RwLock<Routes>,
    pub(crate) kv: Mutex<KvConfig>,
    pub(crate) config: Mutex<LiveConfig>,
}

/// A name server; stops when dropped.
pub struct NameServer {
    server: Server,
    tasks: Vec<JoinHandle<()>>,
    /// Of metrics; gone when the server is.
    probe: Option<Probe>,
}

impl NameServer {
    /// Reads the key-value table, binds the port and serves. Must run inside a tokio runtime.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn start(settings: NameServerSettings) -> Result<NameServer, StartError> {
        let kv_path = PathBuf::from(&settings.namesrv.kv_config_path);
        let kv = KvConfig::load(kv_path).map_err(StartError::KvConfig)?;
        let port = settings.netty.listen_port;
        let asked = settings.listen.map_or(port, |address| i32::from(address.port()));
        let mut options = settings.netty.options(settings.serialize);
        options.tls = settings.tls;
        let config = LiveConfig {
            namesrv: settings.namesrv,
            netty: settings.netty,
            probe: settings.probe.clone(),
            extra: settings.extra,
        };
        let state = Arc::new(State {
            routes: RwLock::default(),
            kv: Mutex::new(kv),
            config: Mutex::new(config),
        });
        let handler = Arc::new(Processor { state: Arc::clone(&state) });
        let bound = match settings.listen {
            Some(address) => Server::bind(address, options, handler),
            None => bind_all(port, options, handler),
        };
        let server = bound.map_err(|source| StartError::Bind { port: asked, source })?;
        let tasks = vec![
            tokio::spawn(scan_brokers(Arc::clone(&state))),
            tokio::spawn(log_kv(Arc::clone(&state))),
        ];
        let probed = NamesrvProbe { state, connections: server.connection_count() };
        let probe = Probe::start(&settings.probe, Arc::new(probed));
        Ok(NameServer { server, tasks, probe })
    }

    /// The bound address.
    pub fn local(&self) -> SocketAddr {
        self.server.local()
    }

    /// Where `/metrics`, `/healthz` and `/readyz` are, if anywhere.
    pub fn probe(&self) -> Option<SocketAddr> {
        self.probe.as_ref().map(Probe::local)
    }

    /// Stops serving and closes every connection.
    pub fn shutdown(&self) {
        self.server.shutdown();
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.shutdown();
    }
}

fn bind_all(
    port: i32,
    options: rocketmq_remoting::ServerOptions,
    handler: Arc<Processor>,
) -> io::Result<Server> {
    let port = u16::try_from(port).map_err(|_| {
        io::Error::new(io::ErrorKind::InvalidInput, "a port lies between 0 and 65535")
    })?;
    Server::bind_all(port, options, handler)
}

/// Drops brokers that have stopped registering.
async fn scan_brokers(state: Arc<State>) {
    let mut ticks = interval_at(Instant::now() + SCAN_FIRST, SCAN_PERIOD);
    loop {
        ticks.tick().await;
        let expired = state.routes.read().expired(clock::monotonic_ms());
        for (broker_addr, _) in expired {
            tracing::warn!(target: LOGGER, thread = "NSScheduledThread1", "The broker channel expired, {broker_addr} {BROKER_EXPIRED_MS}ms");
            state.routes.write().broker_lost(&broker_addr);
        }
    }
}

async fn log_kv(state: Arc<State>) {
    let mut ticks = interval_at(Instant::now() + KV_LOG_FIRST, KV_LOG_PERIOD);
    loop {
        ticks.tick().await;
        state.kv.lock().log_all();
    }
}
