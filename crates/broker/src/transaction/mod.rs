//! Transactions: half messages wait in a topic of their own until their producer says what became
//! of its transaction, or is asked (contract `broker.md` 18, `requests.md` 6).

mod check;
mod load;
mod window;

use std::io;
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use rocketmq_protocol::message::{RecordView, properties, property};
use rocketmq_protocol::topic;
use rocketmq_store::{PutError, PutMessage, PutResult};

use crate::LOGGER;
use crate::context::BrokerContext;

pub(crate) use self::window::Begin;
use self::window::Window;

/// The logger of transactions.
pub(crate) const LOG: &str = "RocketmqTransaction";
/// Group under which `consumerOffset.json` keeps how far both topics are done.
const GROUP: &str = "CID_RMQ_SYS_TRANS";
/// The one queue of both topics.
pub(crate) const QUEUE: i32 = 0;
/// Tag of op messages.
const OP_TAG: &[u8] = b"d";
/// Java's name of the checking thread.
const THREAD: &str = "TransactionalMessageCheckService";

/// The transactions of a broker.
#[derive(Default)]
pub struct Transactions {
    window: Mutex<Window>,
    stopped: Mutex<bool>,
    wake: Condvar,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Transactions {
    /// Finds out which half messages are open. Comes before the first request.
    pub fn load(&self, context: &BrokerContext) {
        *self.window.lock() = load::window(context);
    }

    /// Starts checking half messages.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(self: &Arc<Self>, context: &Arc<BrokerContext>) -> io::Result<()> {
        let (own, context) = (Arc::clone(self), Arc::downgrade(context));
        let thread = std::thread::Builder::new().name(THREAD.to_string());
        *self.thread.lock() = Some(thread.spawn(move || own.run(&context))?);
        Ok(())
    }

    /// Stops checking and waits for the thread's end.
    pub fn stop(&self) {
        *self.stopped.lock() = true;
        self.wake.notify_all();
        let thread = self.thread.lock().take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!(target: LOGGER, "{THREAD} ended by a panic");
        }
    }

    fn is_stopped(&self) -> bool {
        *self.stopped.lock()
    }

    fn run(&self, context: &Weak<BrokerContext>) {
        tracing::info!(target: LOG, thread = THREAD, "Start transaction check service thread!");
        loop {
            let Some(strong) = context.upgrade() else { return };
            let interval = strong.settings().broker.transaction_check_interval.max(1);
            drop(strong);
            if !self.sleep(Duration::from_millis(interval.unsigned_abs())) {
                tracing::info!(target: LOG, thread = THREAD, "End transaction check service thread!");
                return;
            }
            if let Some(context) = context.upgrade() {
                check::round(&context, self);
            }
        }
    }

    /// Sleeps; false when the thread must end.
    fn sleep(&self, time: Duration) -> bool {
        let deadline = Instant::now() + time;
        let mut stopped = self.stopped.lock();
        while !*stopped && !self.wake.wait_until(&mut stopped, deadline).timed_out() {}
        !*stopped
    }

    /// See [`Window::begin`].
    pub(crate) fn begin(&self, half: &RecordView<'_>) -> Begin {
        self.window.lock().begin(half.queue_offset, unique_key(half))
    }

    /// Puts the op message that says that a half message is ended; `half` is the record that its
    /// producer named, `offset` the one that is open.
    pub(crate) fn put_op(
        &self,
        context: &BrokerContext,
        half: &RecordView<'_>,
        offset: i64,
    ) -> Result<PutResult, PutError> {
        let body = offset.to_string();
        let mut stored = Vec::with_capacity(16);
        properties::append_bytes(&mut stored, property::WAIT, b"true");
        properties::append_bytes(&mut stored, property::TAGS, OP_TAG);
        let put = context.store.put(&PutMessage {
            topic: topic::TRANS_OP_HALF,
            queue_id: QUEUE,
            flag: 0,
            sys_flag: 0,
            born_timestamp: context.store.now(),
            born_host: context.store_host,
            store_host: context.store_host,
            reconsume_times: 0,
            prepared_transaction_offset: 0,
            body: body.as_bytes(),
            properties: &stored,
        })?;
        self.window.lock().end(offset, unique_key(half), put.queue_offset);
        Ok(put)
    }

    /// The reserved half message could not be ended.
    pub(crate) fn cancel(&self, offset: i64) {
        self.window.lock().cancel(offset);
    }
}

/// What all copies of a half message have in common.
fn unique_key<'a>(half: &RecordView<'a>) -> Option<&'a [u8]> {
    properties::get(half.properties, property::UNIQUE_KEY)
}

/// The number in a property; `None` if there is none.
fn number(record: &RecordView<'_>, name: &str) -> Option<i64> {
    properties::get_text(record.properties, name)?.parse().ok()
}
