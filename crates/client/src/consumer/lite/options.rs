//! Settings of a lite pull consumer, and its start (contract `client.md` 9).

use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use parking_lot::Mutex;
use rocketmq_common::clock;
use rocketmq_protocol::body::ConsumeType;
use rocketmq_protocol::message::sys_flag;

use super::cache::Cache;
use super::inner::Inner;
use super::{LitePullConsumer, topics};
use crate::config::{ClientConfig, client_settings};
use crate::consumer::group::{Group, Sharing, sharing_settings};
use crate::consumer::limits::Limits;
use crate::consumer::pulling::Pulling;
use crate::error::ClientError;
use crate::trace::{Role, Trace};

/// How long a broker holds a pull, and how long its answer may take.
const SUSPEND: Duration = Duration::from_secs(20);
const SUSPENDED_TIMEOUT: Duration = Duration::from_secs(30);
/// Shortest time between automatic commits.
const COMMIT_INTERVAL_MIN: Duration = Duration::from_secs(1);

pub(super) struct Options {
    pub(super) auto_commit: bool,
    pub(super) commit_interval: Duration,
    pub(super) all_messages: usize,
    pub(super) check_interval: Duration,
    pull_batch: i32,
    queue_messages: usize,
    queue_mib: usize,
    span: i64,
    trace: bool,
    trace_topic: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            auto_commit: true,
            commit_interval: Duration::from_secs(5),
            all_messages: 10_000,
            check_interval: Duration::from_secs(30),
            pull_batch: 10,
            queue_messages: 1000,
            queue_mib: 100,
            span: 2000,
            trace: false,
            trace_topic: None,
        }
    }
}

/// Settings of a lite pull consumer to be started.
pub struct LitePullConsumerBuilder {
    group: String,
    config: ClientConfig,
    sharing: Sharing,
    options: Options,
}

impl LitePullConsumerBuilder {
    pub(super) fn new(group: String) -> LitePullConsumerBuilder {
        LitePullConsumerBuilder {
            group,
            config: ClientConfig::default(),
            sharing: Sharing::default(),
            options: Options::default(),
        }
    }

    client_settings!();

    sharing_settings!();

    /// Whether what was polled counts as consumed by itself, at a later poll; it does.
    pub fn auto_commit(mut self, auto: bool) -> Self {
        self.options.auto_commit = auto;
        self
    }

    /// Time between automatic commits; 5 s. Less than 1 s is ignored.
    pub fn auto_commit_interval(mut self, interval: Duration) -> Self {
        if interval >= COMMIT_INTERVAL_MIN {
            self.options.commit_interval = interval;
        }
        self
    }

    /// Most messages of one pull, and of one poll; 10.
    pub fn pull_batch(mut self, messages: i32) -> Self {
        self.options.pull_batch = messages;
        self
    }

    /// Messages of all queues that may wait here before pulling rests; 10,000.
    pub fn pull_threshold_for_all(mut self, messages: usize) -> Self {
        self.options.all_messages = messages;
        self
    }

    /// Messages of a queue that may wait here before pulling rests; 1000.
    pub fn pull_threshold_for_queue(mut self, messages: usize) -> Self {
        self.options.queue_messages = messages;
        self
    }

    /// MiB of a queue that may wait here before pulling rests; 100.
    pub fn pull_threshold_size_for_queue(mut self, mib: usize) -> Self {
        self.options.queue_mib = mib;
        self
    }

    /// Most offsets between the first and the last waiting message of a queue; 2000.
    pub fn consume_max_span(mut self, offsets: i64) -> Self {
        self.options.span = offsets;
        self
    }

    /// Time between looks at the queues of topics that have a listener; 30 s.
    pub fn topic_metadata_check_interval(mut self, interval: Duration) -> Self {
        self.options.check_interval = interval;
        self
    }

    /// Traces what is polled, to `topic` or else `RMQ_SYS_TRACE_TOPIC`.
    pub fn trace(mut self, topic: Option<&str>) -> Self {
        self.options.trace = true;
        self.options.trace_topic = topic.map(str::to_string);
        self
    }

    /// Starts the consumer; it has no queues before it subscribes or is assigned some.
    ///
    /// # Errors
    /// The group's name is refused, or there is no name server to ask.
    pub async fn start(self) -> Result<LitePullConsumer, ClientError> {
        let LitePullConsumerBuilder { group, config, sharing, options } = self;
        let group = Group::new(&group, config.clone(), sharing, ConsumeType::Actively, false)?;
        let trace = match options.trace {
            true => {
                let topic = options.trace_topic.as_deref();
                Some(Trace::start(&config, &group.name, Role::Consume, topic))
            }
            false => None,
        };
        let trace = trace.transpose().inspect_err(|_| group.abandon())?;
        let pulling = Pulling {
            batch: options.pull_batch.max(1),
            interval: Duration::ZERO,
            flags: sys_flag::PULL_SUSPEND | sys_flag::PULL_SUBSCRIPTION | sys_flag::PULL_LITE,
            suspend: SUSPEND,
            timeout: SUSPENDED_TIMEOUT,
            commits: false,
            versioned: false,
            limits: Limits::new(
                (options.queue_messages, options.queue_mib),
                (None, None),
                Some(options.span),
            ),
        };
        let commit_at = clock::monotonic_ms() + options.commit_interval.as_millis() as i64;
        let inner = Arc::new(Inner {
            commit_at: AtomicI64::new(commit_at),
            pulling,
            options,
            cache: Cache::default(),
            positions: Mutex::default(),
            paused: Mutex::default(),
            watched: Mutex::default(),
            trace,
            group,
        });
        Group::join(&inner).await?;
        topics::watch(&inner);
        Ok(LitePullConsumer(inner))
    }
}
