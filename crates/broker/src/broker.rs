//! A running broker: how it starts, what it does by the clock, how it stops (contract `broker.md`
//! 4, 5, 6).

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rocketmq_acl::AccessControl;
use rocketmq_common::{clock, durable};
use rocketmq_filter::BloomFilter;
use rocketmq_protocol::SerializeType;
use rocketmq_remoting::probe::Probe;
use rocketmq_remoting::tls::{ClientTls, ServerTls, TlsMode, TlsSettings};
use rocketmq_remoting::{Server, ServerOptions};
use rocketmq_replication::Replicas;
use rocketmq_store::{BrokerRole, Disk, MessageStore, StoreError};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::{interval_at, sleep, timeout};

use crate::arrivals::Arrivals;
use crate::context::{BrokerContext, Parts, Settings};
use crate::filters::Filters;
use crate::groups::Groups;
use crate::handler::Handler;
use crate::hold::PullHold;
use crate::metrics::BrokerProbe;
use crate::offsets::Offsets;
use crate::outward::Outward;
use crate::peer::Line;
use crate::processor::{acl, pull};
use crate::protect;
use crate::schedule::Schedule;
use crate::topics::Topics;
use crate::{LOGGER, address_server, inert, metadata, pod};

/// The thread that Java runs timers on.
const TIMER: &str = "BrokerControllerScheduledThread1";
/// How often waiting pulls are looked through for those whose time is up.
const HOLD_SWEEP: Duration = Duration::from_secs(1);
/// How often sends that wait for a slave are looked through for those whose time is up.
const REPLICA_SWEEP: Duration = Duration::from_millis(100);
/// How often groups are looked through for those that are too far behind.
const PROTECT: Duration = Duration::from_secs(180);
/// How often the file of access control is looked at.
const ACL_WATCH: Duration = Duration::from_millis(500);
/// How long an orderly end waits for requests that are being handled.
const CLOSE_PATIENCE: Duration = Duration::from_secs(1);
/// How often clients are looked through for those not heard of.
const CLIENT_SCAN: Duration = Duration::from_secs(10);

/// What a broker is started with.
#[derive(Clone, Debug, Default)]
pub struct BrokerSettings {
    /// Every setting.
    pub settings: Settings,
    /// How it writes headers.
    pub serialize: SerializeType,
    /// Where it listens; `None` for every address of the host at `listenPort`. With port 0 a free
    /// one is taken, and the second port is left out if its place is taken.
    pub listen: Option<SocketAddr>,
    /// The way to the disk; tests give one on which faults happen.
    pub disk: Disk,
    /// The rules of access control; `None` for `conf/plain_acl.yml` of the installation.
    pub acl_file: Option<PathBuf>,
}

/// Why a broker did not start.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// A port cannot be bound.
    #[error(
        "java.net.BindException: {source}: {address}; stop the process that listens there, or set another listenPort (the broker also uses listenPort-2 and listenPort+1)"
    )]
    Bind {
        /// Where.
        address: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file of the configuration tables cannot be read.
    #[error("{0}")]
    Tables(io::Error),
    /// A thread cannot be started.
    #[error("a thread cannot be started: {0}")]
    Thread(io::Error),
    /// A setting cannot be served.
    #[error("{0}")]
    Setting(String),
}

/// A running broker; [`Broker::shutdown`] stops it in order.
pub struct Broker {
    context: Arc<BrokerContext>,
    servers: Vec<Server>,
    tasks: Vec<JoinHandle<()>>,
    /// Of metrics; gone when the broker is.
    probe: Option<Probe>,
}

impl Broker {
    /// Loads everything, binds the ports and registers. Must run inside a tokio runtime.
    ///
    /// # Errors
    /// See [`BrokerError`]; nothing is left running.
    pub async fn start(mut start: BrokerSettings) -> Result<Broker, BrokerError> {
        refuse_unserved(&start.settings)?;
        inert::warn(&start.settings);
        let config = config_folder(&start.settings);
        let bits = bloom(&start.settings)?.bits();
        start.settings.store.bit_map_length_consume_queue_ext =
            i32::try_from(bits).unwrap_or(i32::MAX);
        let settings = &start.settings;
        let is_slave = settings.store.broker_role == BrokerRole::Slave;
        let topics = Topics::load(config.join("topics.json"), &settings.broker);
        let topics = topics.map_err(BrokerError::Tables)?;
        let offsets = Offsets::load(config.join("consumerOffset.json"), is_slave);
        let offsets = offsets.map_err(BrokerError::Tables)?;
        let groups = Groups::load(config.join("subscriptionGroup.json"));
        let groups = groups.map_err(BrokerError::Tables)?;
        let filters = Filters::load(config.join("consumerFilter.json"), bloom(settings)?);
        let filters = Arc::new(filters.map_err(BrokerError::Tables)?);
        let levels = settings.store.delay_levels()?;
        let schedule = Schedule::load(config.join("delayOffset.json"), levels);
        let schedule = Arc::new(schedule.map_err(BrokerError::Tables)?);
        let acl = load_acl(&start)?;
        let hold = Arc::new(PullHold::default());
        let replicas = Arc::<Replicas>::default();
        let arrivals = Arrivals {
            hold: Arc::clone(&hold),
            schedule: (!is_slave).then(|| Arc::clone(&schedule)),
            replicas: Arc::clone(&replicas),
            filters: settings.broker.enable_calc_filter_bit_map.then(|| Arc::clone(&filters)),
        };
        let store =
            MessageStore::open_on(settings.store.clone(), Arc::new(arrivals), start.disk.clone())?;
        warn_of_missing_tables(&config, &store);
        if let Some(servers) = &settings.broker.namesrv_addr {
            tracing::info!(target: LOGGER, thread = "main", "Set user specified name server address: {servers}");
        }
        let tls = TlsSettings::load();
        let client_tls = connects_with_tls(&tls, settings).then(|| tls.client());
        let tls = tls.server_with_log(|line| {
            tracing::info!(target: rocketmq_remoting::LOGGER, thread = "main", "{line}");
        });
        // The port is part of message ids, so it must be known before anything is stored.
        let port = reserve_port(&mut start)?;
        let ip = advertised_ip(&start.settings)?;
        let mut options = start.settings.client.options(start.serialize);
        options.tls = client_tls;
        let outward = Outward::new(options, start.settings.broker.namesrv_addr.as_deref());
        let context = Arc::new(BrokerContext::new(Parts {
            settings: start.settings.clone(),
            store_host: SocketAddr::new(ip, port),
            store: Arc::clone(&store),
            topics,
            groups,
            offsets,
            filters,
            hold,
            schedule,
            outward,
            replicas,
            acl,
        }));
        context.outward.attach(&context);
        store.start()?;
        if !is_slave {
            context.transactions.load(&context);
        }
        let bound = match bind(&start, &context, port, tls) {
            Ok(servers) => bind_replication(&start, port).await.map(|slaves| (servers, slaves)),
            Err(error) => Err(error),
        };
        let (servers, slaves) = match bound {
            Ok(bound) => bound,
            Err(error) => {
                store.shutdown();
                return Err(error);
            }
        };
        log_services(context.acl.is_some());
        // A slave delivers and checks nothing: its master does.
        let started = match is_slave {
            true => Ok(()),
            false => {
                let started = context.schedule.start(&context);
                started.and_then(|()| context.transactions.start(&context))
            }
        };
        if let Err(error) = started {
            context.schedule.stop();
            servers.iter().for_each(Server::shutdown);
            store.shutdown();
            return Err(BrokerError::Thread(error));
        }
        context.outward.register_all(&context, true).await;
        let mut tasks = start_tasks(&context);
        tasks.extend(start_replication(&context, slaves));
        let connections = servers.iter().map(Server::connection_count).collect();
        let probed = BrokerProbe { context: Arc::clone(&context), connections };
        let probe = Probe::start(&context.settings().probe, Arc::new(probed));
        Ok(Broker { context, servers, tasks, probe })
    }

    /// The bound address of the main port.
    pub fn local(&self) -> Option<SocketAddr> {
        self.servers.first().map(Server::local)
    }

    /// Where `/metrics`, `/healthz` and `/readyz` are, if anywhere.
    pub fn probe(&self) -> Option<SocketAddr> {
        self.probe.as_ref().map(Probe::local)
    }

    /// Everything the processors work with.
    pub fn context(&self) -> &Arc<BrokerContext> {
        &self.context
    }

    /// Why the broker cannot go on, once it cannot.
    pub fn fatal(&self) -> Option<String> {
        self.context.store.fatal()
    }

    /// Leaves the name servers, stops serving, and brings everything to the disk.
    pub async fn shutdown(self) {
        let context = &self.context;
        self.tasks.iter().for_each(JoinHandle::abort);
        context.replicas.give_up();
        self.servers.iter().for_each(Server::stop_accepting);
        context.outward.unregister_all(context).await;
        pull::run_again(context, context.hold.take_all());
        // Answers that are on their way leave before the connections close.
        sleep(Duration::from_millis(50)).await;
        self.servers.iter().for_each(Server::shutdown);
        // What is acknowledged by now is in the tables that are written below.
        for server in &self.servers {
            let _ = timeout(CLOSE_PATIENCE, server.ended()).await;
        }
        let own = Arc::clone(context);
        let stopped = tokio::task::spawn_blocking(move || {
            own.schedule.stop();
            own.transactions.stop();
            own.store.shutdown();
            own.schedule.persist_last();
        });
        let stopped = stopped.await;
        if let Err(error) = stopped {
            tracing::error!(target: LOGGER, "the store did not stop: {error}");
        }
        context.outward.shutdown().await;
        if let Err(error) = context.offsets.persist() {
            tracing::error!(target: LOGGER, "{error}");
        }
        context.topics.flush();
        context.groups.flush();
        persist_filters(context);
    }
}

/// Whether name servers and brokers are asked over TLS: Java's rule, as this port demands of others
/// unless `tls.enable` says otherwise.
fn connects_with_tls(tls: &TlsSettings, settings: &Settings) -> bool {
    tls.enable.unwrap_or(tls.mode == TlsMode::Enforcing) || settings.client.use_tls
}

/// The number of the address that clients are told.
fn advertised_ip(settings: &Settings) -> Result<IpAddr, BrokerError> {
    let name = &settings.broker.broker_ip1;
    if let Ok(ip) = name.parse() {
        return Ok(ip);
    }
    // A name stays what clients are told; message ids need the number behind it.
    let found = (name.as_str(), 0).to_socket_addrs().map(Iterator::collect::<Vec<_>>);
    let found = found.unwrap_or_default();
    let best = found.iter().find(|address| address.is_ipv4()).or_else(|| found.first());
    best.map(SocketAddr::ip).ok_or_else(|| {
        BrokerError::Setting(format!("brokerIP1={name} is no IP address and no name that this host resolves; set it to the address that clients reach this broker at"))
    })
}

/// `listenPort`, if it is a port.
fn configured_port(settings: &Settings) -> Result<u16, BrokerError> {
    let port = settings.server.listen_port;
    u16::try_from(port).map_err(|_| {
        BrokerError::Setting(format!(
            "listenPort={port} is not a port; a port lies between 1 and 65535"
        ))
    })
}

/// What would keep a broker with these settings from starting, as far as can be told without
/// binding a port or touching the store.
pub(crate) fn check(start: &BrokerSettings) -> Vec<String> {
    let settings = &start.settings;
    let tls = TlsSettings::load();
    let client = connects_with_tls(&tls, settings).then(|| tls.client());
    let client = client.as_ref().and_then(ClientTls::error);
    let checks = [
        refuse_unserved(settings),
        configured_port(settings).map(drop),
        advertised_ip(settings).map(drop),
        bloom(settings).map(drop),
        settings.store.delay_levels().map(drop).map_err(BrokerError::from),
        load_acl(start).map(drop),
        tls.server().map(drop).map_err(|error| BrokerError::Setting(format!("TLS: {error}"))),
        client.map_or(Ok(()), |error| {
            Err(BrokerError::Setting(format!("TLS of outgoing connections: {error}")))
        }),
        settings.probe.check().map_err(BrokerError::Setting),
    ];
    checks.into_iter().filter_map(Result::err).map(|error| error.to_string()).collect()
}

/// Says so when a store with messages lacks its tables: it starts, but not silently.
fn warn_of_missing_tables(config: &Path, store: &MessageStore) {
    if store.topics().is_empty() {
        return;
    }
    for (name, means) in [
        ("topics.json", "topics other than the system's are unknown until they are created again"),
        ("consumerOffset.json", "consumer groups begin where a new group would"),
    ] {
        let path = config.join(name);
        if !path.exists() && !durable::backup_path(&path).exists() {
            tracing::warn!(target: LOGGER, thread = "main", "{} is missing though the store holds messages: {means}; bring it back from a copy and restart if that is not wanted", path.display());
        }
    }
}

fn persist_filters(context: &BrokerContext) {
    let clean_after_ms = context.settings().broker.filter_data_clean_time_span;
    if let Err(error) = context.filters.persist(clean_after_ms) {
        tracing::error!(target: LOGGER, "{error}");
    }
}

/// Access control, if it is on. Without its rules the broker does not start.
fn load_acl(start: &BrokerSettings) -> Result<Option<Arc<AccessControl>>, BrokerError> {
    if !start.settings.broker.acl_enable {
        return Ok(None);
    }
    let loaded = match &start.acl_file {
        Some(path) => AccessControl::load(path).map_err(|error| error.to_string()),
        None => acl::load().map_err(|refusal| refusal.text.into_owned()),
    };
    loaded
        .map(|acl| Some(Arc::new(acl)))
        .map_err(|text| BrokerError::Setting(format!("aclEnable=true: {text}")))
}

/// The parameters of filter bit maps.
fn bloom(settings: &Settings) -> Result<BloomFilter, BrokerError> {
    let broker = &settings.broker;
    let (percent, groups) =
        (broker.max_error_rate_of_bloom_filter, broker.expect_consumer_num_use_filter);
    BloomFilter::new(percent, groups).ok_or_else(|| {
        BrokerError::Setting(format!(
            "maxErrorRateOfBloomFilter={percent} must lie between 1 and 99 and expectConsumerNumUseFilter={groups} be at least 1"
        ))
    })
}

fn config_folder(settings: &Settings) -> PathBuf {
    PathBuf::from(&settings.store.store_path_root_dir).join("config")
}

/// Settings that this version cannot do are refused, never ignored.
pub(crate) fn refuse_unserved(settings: &Settings) -> Result<(), BrokerError> {
    let refuse = |text: &str| Err(BrokerError::Setting(text.to_string()));
    if settings.store.enable_dleger_commit_log {
        return refuse(
            "enableDLegerCommitLog=true is not supported by this version; set it to false. The modes there are: several masters (brokerRole=ASYNC_MASTER, each with a brokerName of its own), and masters with slaves (brokerRole=ASYNC_MASTER or SYNC_MASTER with brokerId=0, and brokerRole=SLAVE with brokerId=1 or more and the same brokerName)",
        );
    }
    let plug_in = &settings.broker.message_store_plug_in;
    if !plug_in.trim().is_empty() {
        return refuse(&format!(
            "messageStorePlugIn={plug_in} cannot be loaded: this broker runs no Java classes; remove the key"
        ));
    }
    Ok(())
}

/// The port to listen on; a free one if 0 is asked for.
fn reserve_port(start: &mut BrokerSettings) -> Result<u16, BrokerError> {
    let port = match start.listen {
        Some(address) => address.port(),
        None => configured_port(&start.settings)?,
    };
    if port != 0 {
        return Ok(port);
    }
    let address = start.listen.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0)));
    let failed = |source| BrokerError::Bind { address, source };
    let probe = std::net::TcpListener::bind(address).map_err(failed)?;
    let port = probe.local_addr().map_err(failed)?.port();
    start.listen = Some(SocketAddr::new(address.ip(), port));
    start.settings.server.listen_port = i32::from(port);
    Ok(port)
}

fn bind(
    start: &BrokerSettings,
    context: &Arc<BrokerContext>,
    port: u16,
    tls: ServerTls,
) -> Result<Vec<Server>, BrokerError> {
    let mut options = start.settings.server.options(start.serialize);
    options.tls = tls;
    let main = Handler::new(Arc::clone(context), false);
    let vip = Handler::new(Arc::clone(context), true);
    let mut servers = vec![bind_one(start.listen, port, options.clone(), main)?];
    match bind_one(start.listen, port.wrapping_sub(2), options, vip) {
        Ok(server) => servers.push(server),
        // An embedded broker took any free port; its neighbour may be taken.
        Err(error) if start.listen.is_some() => {
            tracing::warn!(target: LOGGER, "the second port is left out: {error}");
        }
        Err(error) => return Err(error),
    }
    Ok(servers)
}

/// The port for slaves. Java's is always listenPort + 1.
async fn bind_replication(
    start: &BrokerSettings,
    port: u16,
) -> Result<Option<TcpListener>, BrokerError> {
    let ip = start.listen.map_or(IpAddr::from([0, 0, 0, 0]), |address| address.ip());
    let address = SocketAddr::new(ip, port.wrapping_add(1));
    match rocketmq_replication::bind(address).await {
        Ok(listener) => Ok(Some(listener)),
        Err(error) if start.listen.is_some() => {
            tracing::warn!(target: LOGGER, "the port for slaves is left out: {address}: {error}");
            Ok(None)
        }
        Err(source) => Err(BrokerError::Bind { address, source }),
    }
}

fn bind_one(
    listen: Option<SocketAddr>,
    port: u16,
    options: ServerOptions,
    handler: Handler,
) -> Result<Server, BrokerError> {
    let handler: Arc<Handler> = Arc::new(handler);
    let bound = match listen {
        Some(address) => {
            let address = SocketAddr::new(address.ip(), port);
            return Server::bind(address, options, handler)
                .map_err(|source| BrokerError::Bind { address, source });
        }
        None => Server::bind_all(port, options, handler),
    };
    let address = SocketAddr::from(([0, 0, 0, 0], port));
    bound.map_err(|source| BrokerError::Bind { address, source })
}

/// The lines of the services that Java starts beside the ports.
fn log_services(with_acl: bool) {
    tracing::warn!(target: LOGGER, thread = "main", "Load default transaction message hook service: TransactionalMessageServiceImpl");
    tracing::warn!(target: LOGGER, thread = "main", "Load default discard message hook service: DefaultTransactionalMessageCheckListener");
    if !with_acl {
        tracing::info!(target: LOGGER, thread = "main", "The broker dose not enable acl");
    }
    tracing::info!(target: LOGGER, thread = "main", "Try to start service thread:PullRequestHoldService started:false lastThread:null");
}

/// Repeats a piece of work; `first` after the start, then every `period`.
fn every(
    first: Duration,
    period: Duration,
    context: &Arc<BrokerContext>,
    work: impl Fn(&Arc<BrokerContext>) + Send + 'static,
) -> JoinHandle<()> {
    let context = Arc::clone(context);
    tokio::spawn(async move {
        let mut ticks = interval_at(tokio::time::Instant::now() + first, period);
        loop {
            ticks.tick().await;
            work(&context);
        }
    })
}

/// Likewise, for work that waits for the disk: beside the threads that serve connections.
fn every_beside(
    first: Duration,
    period: Duration,
    context: &Arc<BrokerContext>,
    work: fn(&BrokerContext),
) -> JoinHandle<()> {
    let context = Arc::clone(context);
    tokio::spawn(async move {
        let mut ticks = interval_at(tokio::time::Instant::now() + first, period);
        loop {
            ticks.tick().await;
            let context = Arc::clone(&context);
            if let Err(error) = tokio::task::spawn_blocking(move || work(&context)).await {
                tracing::error!(target: LOGGER, thread = TIMER, "{error}");
            }
        }
    })
}

fn persist_offsets(context: &BrokerContext) {
    if let Err(error) = context.offsets.persist() {
        tracing::error!(target: LOGGER, thread = TIMER, "{error}");
    }
}

fn start_tasks(context: &Arc<BrokerContext>) -> Vec<JoinHandle<()>> {
    let settings = context.settings();
    let seconds = Duration::from_secs;
    let offsets_period = settings.broker.flush_consumer_offset_interval.max(100).unsigned_abs();
    vec![
        tokio::spawn(register_regularly(Arc::clone(context))),
        every_beside(
            seconds(10),
            Duration::from_millis(offsets_period.into()),
            context,
            persist_offsets,
        ),
        every(seconds(10), seconds(60), context, |context| {
            let behind = context.store.dispatch_behind_bytes();
            tracing::info!(target: LOGGER, thread = TIMER, "dispatch behind commit log {behind} bytes");
            // Without a slave it is the whole log, as in Java.
            if !context.is_slave() {
                let behind = context.store.max_physical_offset() - context.replicas.reached();
                tracing::info!(target: LOGGER, thread = TIMER, "Slave fall behind master: {behind} bytes");
            }
        }),
        every(seconds(10), seconds(1), context, |_| {
            for queue in ["Send", "Pull", "Query", "Transaction"] {
                tracing::info!(target: "RocketmqWaterMark", "[WATERMARK] {queue} Queue Size: 0 SlowTimeMills: 0");
            }
        }),
        every_beside(seconds(10), seconds(10), context, persist_filters),
        every(ACL_WATCH, ACL_WATCH, context, |context| {
            if let Some(acl) = &context.acl {
                acl.reload_if_changed();
            }
        }),
        every(HOLD_SWEEP, HOLD_SWEEP, context, |context| {
            let max = |topic: &str, queue_id| context.store.max_offset_in_queue(topic, queue_id);
            pull::run_again(context, context.hold.take_due(Instant::now(), max));
        }),
        every(CLIENT_SCAN, CLIENT_SCAN, context, |context| {
            let now = clock::monotonic_ms();
            let expired = context.consumers.expired(now).into_iter();
            for connection in expired.chain(context.producers.expired(now)) {
                tracing::warn!(target: LOGGER, "SCAN: remove expired channel from client tables, channel: {}", connection.peer());
                // The end of the connection removes it from the tables.
                connection.close();
            }
        }),
        every(PROTECT, PROTECT, context, |context| protect::slow_groups(context)),
        tokio::spawn(ask_address_server(Arc::clone(context))),
        tokio::spawn(sample_stats(Arc::clone(context))),
        tokio::spawn(log_stats(Arc::clone(context))),
        tokio::spawn(note_midnights(Arc::clone(context))),
    ]
}

/// The tasks of replication: serving slaves, and following the master if this is a slave.
fn start_replication(
    context: &Arc<BrokerContext>,
    slaves: Option<TcpListener>,
) -> Vec<JoinHandle<()>> {
    let store = || Arc::clone(&context.store);
    let mut tasks = Vec::new();
    if let Some(listener) = slaves {
        let replicas = Arc::clone(&context.replicas);
        tasks.push(tokio::spawn(rocketmq_replication::serve(listener, store(), replicas)));
    }
    if context.is_slave() {
        let (line, master) = (Line(Arc::clone(context)), context.master.replication());
        let (link, full) = (Arc::clone(&context.link), context.settings().broker.ha_full_sync);
        let following = rocketmq_replication::follow(store(), master, line, link, full);
        tasks.push(tokio::spawn(following));
        tasks.push(tokio::spawn(metadata::follow(Arc::clone(context))));
        tasks.push(tokio::spawn(pod::watch_for_master(Arc::clone(context))));
    } else {
        tasks.push(every(REPLICA_SWEEP, REPLICA_SWEEP, context, |c| c.replicas.expire()));
        tasks.push(tokio::spawn(persist_delay_offsets(Arc::clone(context))));
    }
    tasks
}

async fn register_regularly(context: Arc<BrokerContext>) {
    sleep(Duration::from_secs(10)).await;
    loop {
        context.outward.register_all(&context, false).await;
        let period = context.settings().broker.register_name_server_period.clamp(10_000, 60_000);
        sleep(Duration::from_millis(period.unsigned_abs().into())).await;
    }
}

async fn persist_delay_offsets(context: Arc<BrokerContext>) {
    loop {
        let period = context.settings().store.flush_delay_offset_interval.max(100);
        sleep(Duration::from_millis(period.unsigned_abs())).await;
        context.schedule.persist(&context.store).await;
    }
}

async fn ask_address_server(context: Arc<BrokerContext>) {
    let settings = context.settings();
    let is_wanted = settings.broker.fetch_namesrv_addr_by_address_server;
    if settings.broker.namesrv_addr.is_some() || !is_wanted {
        return;
    }
    sleep(Duration::from_secs(10)).await;
    loop {
        address_server::update(&context).await;
        sleep(Duration::from_secs(120)).await;
    }
}

async fn sample_stats(context: Arc<BrokerContext>) {
    let mut ticks = interval_at(tokio::time::Instant::now(), Duration::from_secs(10));
    for tick in 0.. {
        ticks.tick().await;
        context.stats.sample(tick, clock::now_ms());
    }
}

/// Writes stats.log when a minute, an hour, a day of the local clock begins.
async fn log_stats(context: Arc<BrokerContext>) {
    const MINUTE_MS: i64 = 60_000;
    let stats = &context.stats;
    for minute in 0_u64.. {
        let left = MINUTE_MS - clock::now_ms().rem_euclid(MINUTE_MS);
        sleep(Duration::from_millis(left.unsigned_abs())).await;
        let (now, before) = (clock::now_ms(), clock::now_ms() - MINUTE_MS);
        stats.log_minute();
        if minute.is_multiple_of(5) {
            stats.log_moments();
        }
        if clock::local_hour(now) != clock::local_hour(before) {
            stats.log_hour();
        }
        if clock::local_midnight(now, 0) != clock::local_midnight(before, 0) {
            stats.log_day();
        }
    }
}

async fn note_midnights(context: Arc<BrokerContext>) {
    loop {
        let now = clock::now_ms();
        let left = (clock::local_midnight(now, 1) - now).max(1000);
        sleep(Duration::from_millis(left.unsigned_abs())).await;
        let store = &context.store;
        context.stats.midnight(store.put_message_count(), store.get_message_count());
    }
}
