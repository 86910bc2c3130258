//! Settings of a producer, and its start.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use rocketmq_protocol::ResponseCode;
use rocketmq_protocol::topic::AUTO_CREATE;
use tokio::sync::Semaphore;

use super::transaction::{self, Check, CheckListener, LocalTransactionState, TransactionProducer};
use super::{Inner, MESSAGE_BYTES_MAX, Producer};
use crate::config::{ClientConfig, client_settings};
use crate::error::ClientError;
use crate::fault::Faults;
use crate::instance::Instance;
use crate::trace::{Role, Trace};
use crate::{MessageExt, namespace, validate};

/// The group name that is refused because everybody would have it.
const DEFAULT_GROUP: &str = "DEFAULT_PRODUCER";
/// The group that tools and consumers send by; it keeps a common instance name.
pub(crate) const INNER_GROUP: &str = "CLIENT_INNER_PRODUCER";
/// Sends that may be under way at once with [`Producer::start_send`].
const PENDING_MAX: usize = 65_535;
/// Kilobytes of bodies that may be under way at once with [`Producer::start_send`].
const PENDING_KIB_MAX: usize = 256 * 1024;

/// Settings of a producer to be started.
#[derive(Clone, Debug)]
pub struct ProducerBuilder {
    group: String,
    config: ClientConfig,
    options: Options,
}

#[derive(Clone, Debug)]
pub(super) struct Options {
    pub(super) create_topic_key: String,
    pub(super) default_topic_queue_nums: i32,
    pub(super) send_timeout: Duration,
    pub(super) compress_over: usize,
    pub(super) compress_level: u32,
    pub(super) message_bytes_max: usize,
    pub(super) retry_times: usize,
    pub(super) retry_times_async: usize,
    pub(super) retry_when_not_ok: bool,
    pub(super) retry_codes: Vec<ResponseCode>,
    pub(super) latency_fault: bool,
    pub(super) pending_max: usize,
    pub(super) pending_kib_max: usize,
    pub(super) trace: bool,
    pub(super) trace_topic: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            create_topic_key: AUTO_CREATE.to_string(),
            default_topic_queue_nums: 4,
            send_timeout: Duration::from_secs(3),
            compress_over: 4096,
            compress_level: 5,
            message_bytes_max: MESSAGE_BYTES_MAX,
            retry_times: 2,
            retry_times_async: 2,
            retry_when_not_ok: false,
            retry_codes: vec![
                ResponseCode::TOPIC_NOT_EXIST,
                ResponseCode::SERVICE_NOT_AVAILABLE,
                ResponseCode::SYSTEM_ERROR,
                ResponseCode::NO_PERMISSION,
                ResponseCode::NO_BUYER_ID,
                ResponseCode::NOT_IN_CURRENT_UNIT,
            ],
            latency_fault: false,
            pending_max: PENDING_MAX,
            pending_kib_max: PENDING_KIB_MAX,
            trace: false,
            trace_topic: None,
        }
    }
}

impl ProducerBuilder {
    pub(super) fn new(group: String) -> ProducerBuilder {
        ProducerBuilder { group, config: ClientConfig::default(), options: Options::default() }
    }

    client_settings!();

    /// How long a send may take, retries included; 3 s.
    pub fn send_timeout(mut self, timeout: Duration) -> Self {
        self.options.send_timeout = timeout;
        self
    }

    /// Bodies from this size on are compressed, bytes; 4096.
    pub fn compress_over(mut self, bytes: usize) -> Self {
        self.options.compress_over = bytes;
        self
    }

    /// How hard bodies are compressed, 0 to 9; 5.
    pub fn compress_level(mut self, level: u32) -> Self {
        self.options.compress_level = level.min(9);
        self
    }

    /// Largest body that is sent, bytes; 4 MiB. Brokers have their own limit.
    pub fn max_message_size(mut self, bytes: usize) -> Self {
        self.options.message_bytes_max = bytes;
        self
    }

    /// How often a failed [`Producer::send`] is repeated; 2.
    pub fn retry_times(mut self, times: usize) -> Self {
        self.options.retry_times = times;
        self
    }

    /// How often a send begun by [`Producer::start_send`] is repeated when no answer came; 2.
    pub fn retry_times_async(mut self, times: usize) -> Self {
        self.options.retry_times_async = times;
        self
    }

    /// Another answer of brokers after which another broker is tried.
    pub fn retry_code(mut self, code: ResponseCode) -> Self {
        self.options.retry_codes.push(code);
        self
    }

    /// Tries another broker when a message was stored but not flushed or replicated in time.
    pub fn retry_another_broker_when_not_store_ok(mut self, retry: bool) -> Self {
        self.options.retry_when_not_ok = retry;
        self
    }

    /// Avoids brokers that were slow.
    pub fn latency_fault_tolerance(mut self, enable: bool) -> Self {
        self.options.latency_fault = enable;
        self
    }

    /// Queues of topics that are created by sending; 4.
    pub fn default_topic_queue_nums(mut self, queues: i32) -> Self {
        self.options.default_topic_queue_nums = queues;
        self
    }

    /// Topic whose settings topics that are created by sending inherit; `TBW102`.
    pub fn create_topic_key(mut self, topic: impl Into<String>) -> Self {
        self.options.create_topic_key = topic.into();
        self
    }

    /// Sends and kilobytes of bodies that may be under way with [`Producer::start_send`]; 65,535
    /// and 256 MiB.
    pub fn pending_limits(mut self, sends: usize, kib: usize) -> Self {
        self.options.pending_max = sends.clamp(1, Semaphore::MAX_PERMITS);
        self.options.pending_kib_max = kib.clamp(1, u32::MAX as usize);
        self
    }

    /// Traces what is sent, to `topic` or else `RMQ_SYS_TRACE_TOPIC`.
    pub fn trace(mut self, topic: Option<&str>) -> Self {
        self.options.trace = true;
        self.options.trace_topic = topic.map(str::to_string);
        self
    }

    /// Starts the producer. Brokers are connected when the first message goes to them.
    ///
    /// # Errors
    /// The group's name is refused, or another producer with the same client id has it.
    pub async fn start(self) -> Result<Producer, ClientError> {
        self.begin()
    }

    /// Starts a producer of transactions. `check` is asked what became of a transaction whose end
    /// the broker did not learn; it runs for one message after the other.
    ///
    /// # Errors
    /// As [`ProducerBuilder::start`].
    pub async fn start_transactional<F>(
        self,
        check: impl Fn(MessageExt) -> F + Send + Sync + 'static,
    ) -> Result<TransactionProducer, ClientError>
    where
        F: Future<Output = LocalTransactionState> + Send + 'static,
    {
        let check: CheckListener = Box::new(move |message| Box::pin(check(message)));
        let (checks, queue) = Check::channel();
        let producer = self.begin_with(checks)?;
        let instance = &producer.0.instance;
        instance.keep(tokio::spawn(transaction::answer_checks(
            queue,
            Arc::downgrade(&producer.0.0),
            check,
        )));
        Ok(TransactionProducer::new(producer))
    }

    /// [`ProducerBuilder::start`], which never waits.
    pub(crate) fn begin(self) -> Result<Producer, ClientError> {
        self.begin_with(Check::none())
    }

    fn begin_with(mut self, checks: Check) -> Result<Producer, ClientError> {
        validate::group(&self.group)?;
        if self.group == DEFAULT_GROUP {
            return Err(ClientError::illegal(format!(
                "producerGroup can not equal {DEFAULT_GROUP}, please specify another one."
            )));
        }
        if self.group != INNER_GROUP {
            self.config.make_unique();
        }
        let group = namespace::wrap(self.config.namespace(), &self.group).into_owned();
        let options = self.options;
        let trace = match options.trace {
            true => {
                let topic = options.trace_topic.as_deref();
                Some(Trace::start(&self.config, &group, Role::Produce, topic)?)
            }
            false => None,
        };
        let instance = Instance::start(self.config);
        instance.register_producer(&group, Arc::new(checks))?;
        Ok(Producer::of(Inner {
            group,
            namespace: instance.config.namespace().to_string(),
            pending: Arc::new(Semaphore::new(options.pending_max)),
            pending_kib: Arc::new(Semaphore::new(options.pending_kib_max)),
            options,
            instance,
            faults: Faults::default(),
            trace,
            announced: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
        }))
    }
}
