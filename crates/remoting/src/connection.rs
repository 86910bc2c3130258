//! One connection as everybody but its task sees it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rocketmq_protocol::frame::{FLAG_ONEWAY, FrameHead, SerializeType, encode_head, next_opaque};
use rocketmq_protocol::{Frame, HeaderFields, NoFields};
use tokio::sync::{Notify, oneshot};

use crate::call::{Body, Request, RequestHook};
use crate::error::RemotingError;
use crate::outbound::OutQueue;

/// Why a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The peer closed it.
    Peer,
    /// Nothing was read or written for the idle time.
    Idle,
    /// Reading or writing failed, or the peer sent what is no frame.
    Exception(String),
    /// This process closed it.
    Local,
}

impl std::fmt::Display for CloseReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            CloseReason::Peer => f.write_str("the peer closed the connection"),
            CloseReason::Idle => f.write_str("the connection was idle for too long"),
            CloseReason::Exception(what) => f.write_str(what),
            CloseReason::Local => f.write_str("the connection was closed here"),
        }
    }
}

/// A handle to one connection; its task lives as long as the socket does.
pub struct Connection {
    id: u64,
    peer: SocketAddr,
    local: SocketAddr,
    serialize: SerializeType,
    /// Adds to the requests of this side.
    hook: Option<Arc<dyn RequestHook>>,
    state: Mutex<State>,
    /// Wakes the connection's task: something was queued, or it is to close.
    pub(crate) wake: Notify,
    /// Requests that this side sent and that wait for their answers, by opaque.
    pending: Mutex<HashMap<i32, oneshot::Sender<Frame>>>,
    /// Bytes that the task took over and has not written yet.
    unwritten: AtomicUsize,
    /// Wakes those who wait for [`Connection::room`].
    written: Notify,
}

#[derive(Default)]
struct State {
    queued: OutQueue,
    closed: Option<CloseReason>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Connection({}, {})", self.id, self.peer)
    }
}

impl Connection {
    pub(crate) fn new(
        peer: SocketAddr,
        local: SocketAddr,
        serialize: SerializeType,
        hook: Option<Arc<dyn RequestHook>>,
    ) -> Arc<Connection> {
        static IDS: AtomicU64 = AtomicU64::new(1);
        Arc::new(Connection {
            id: IDS.fetch_add(1, Ordering::Relaxed),
            peer,
            local,
            serialize,
            hook,
            state: Mutex::default(),
            wake: Notify::new(),
            pending: Mutex::default(),
            unwritten: AtomicUsize::new(0),
            written: Notify::new(),
        })
    }

    /// A number that no other connection of this process has or had.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The peer's address; printed as RocketMQ prints it, `ip:port`.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// This side's address.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// How this side writes its headers.
    pub fn serialize(&self) -> SerializeType {
        self.serialize
    }

    /// Whether frames can still be sent.
    pub fn is_open(&self) -> bool {
        self.state.lock().closed.is_none()
    }

    /// Why it ended, once it has.
    pub fn close_reason(&self) -> Option<CloseReason> {
        self.state.lock().closed.clone()
    }

    /// Closes the connection; what is queued is dropped, requests waiting for answers fail.
    pub fn close(&self) {
        self.mark_closed(CloseReason::Local);
        self.wake.notify_one();
    }

    /// Marks the end once; later reasons are consequences of the first.
    pub(crate) fn mark_closed(&self, reason: CloseReason) {
        {
            let mut state = self.state.lock();
            if state.closed.is_some() {
                return;
            }
            state.closed = Some(reason);
            state.queued.clear();
        }
        self.pending.lock().clear();
        self.written.notify_waiters();
    }

    /// The task tells how many bytes it still has to write.
    pub(crate) fn note_unwritten(&self, bytes: usize) {
        self.unwritten.store(bytes, Ordering::Release);
        self.written.notify_waiters();
    }

    /// Waits until at most `bytes_max` bytes wait to be written to the peer, or the connection is
    /// closed: what is sent without an answer has no other brake.
    pub async fn room(&self, bytes_max: usize) {
        loop {
            let written = self.written.notified();
            tokio::pin!(written);
            written.as_mut().enable();
            let waiting = {
                let state = self.state.lock();
                if state.closed.is_some() {
                    return;
                }
                state.queued.len() + self.unwritten.load(Ordering::Acquire)
            };
            if waiting <= bytes_max {
                return;
            }
            written.await;
        }
    }

    /// Moves what other threads queued to the task's own queue. Returns false when closed.
    pub(crate) fn take_queued(&self, to: &mut OutQueue) -> bool {
        let mut state = self.state.lock();
        if !state.queued.is_empty() {
            to.append(&mut state.queued);
        }
        state.closed.is_none()
    }

    /// Encodes one frame into the queue and wakes the task.
    pub(crate) fn enqueue(
        &self,
        head: &FrameHead<'_>,
        fields: Option<&dyn HeaderFields>,
        body: Body,
    ) -> Result<(), RemotingError> {
        {
            let mut state = self.state.lock();
            if let Some(reason) = &state.closed {
                let (address, reason) = (self.peer.to_string(), reason.to_string());
                return Err(RemotingError::Send { address, reason });
            }
            encode_frame(&mut state.queued, self.serialize, head, fields, body)?;
        }
        self.wake.notify_one();
        Ok(())
    }

    /// Hands a response to whoever waits for it; false if nobody does.
    pub(crate) fn complete(&self, response: Frame) -> bool {
        let waiter = self.pending.lock().remove(&response.opaque);
        waiter.is_some_and(|waiter| waiter.send(response).is_ok())
    }

    /// Sends a request that wants no answer.
    pub fn send_oneway(&self, request: Request<'_>) -> Result<(), RemotingError> {
        let head = FrameHead {
            code: request.code.0,
            flag: FLAG_ONEWAY,
            language: request.language,
            opaque: next_opaque(),
            remark: request.remark,
        };
        self.enqueue_request(&head, request.fields, request.body)
    }

    /// Encodes a request with what the hook adds.
    fn enqueue_request(
        &self,
        head: &FrameHead<'_>,
        fields: Option<&dyn HeaderFields>,
        body: Body,
    ) -> Result<(), RemotingError> {
        let Some(hook) = &self.hook else { return self.enqueue(head, fields, body) };
        let extra = hook.extra_fields(fields, &body);
        self.enqueue(head, Some(&(fields.unwrap_or(&NoFields), extra)), body)
    }

    /// Sends a request and waits for its answer.
    ///
    /// # Errors
    /// The connection broke, or there was no answer within `timeout`.
    pub async fn invoke(
        self: &Arc<Self>,
        request: Request<'_>,
        timeout: Duration,
    ) -> Result<Frame, RemotingError> {
        let waiting = self.begin_invoke(request)?;
        waiting.response(timeout).await
    }

    /// Queues a request and returns what waits for its answer. Requests begun one after the other
    /// leave in that order.
    pub fn begin_invoke(self: &Arc<Self>, request: Request<'_>) -> Result<Waiting, RemotingError> {
        let opaque = next_opaque();
        let (sender, receiver) = oneshot::channel();
        self.pending.lock().insert(opaque, sender);
        let waiting = Waiting { connection: Arc::clone(self), opaque, receiver };
        let head = FrameHead {
            code: request.code.0,
            flag: 0,
            language: request.language,
            opaque,
            remark: request.remark,
        };
        self.enqueue_request(&head, request.fields, request.body)?;
        Ok(waiting)
    }
}

/// A request on its way. Dropping it forgets the request; a late answer is ignored.
pub struct Waiting {
    connection: Arc<Connection>,
    opaque: i32,
    receiver: oneshot::Receiver<Frame>,
}

impl Waiting {
    /// Where the request went.
    pub fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// Waits for the answer.
    pub async fn response(mut self, timeout: Duration) -> Result<Frame, RemotingError> {
        let address = || self.connection.peer.to_string();
        match tokio::time::timeout(timeout, &mut self.receiver).await {
            Ok(Ok(frame)) => Ok(frame),
            Ok(Err(_)) => {
                let reason = self.connection.close_reason().unwrap_or(CloseReason::Local);
                Err(RemotingError::Send { address: address(), reason: reason.to_string() })
            }
            Err(_) => {
                Err(RemotingError::Timeout { address: address(), timeout_ms: timeout.as_millis() })
            }
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.connection.pending.lock().remove(&self.opaque);
    }
}

/// Appends a frame to a queue: header and small bodies copied together, large ones shared.
pub(crate) fn encode_frame(
    queue: &mut OutQueue,
    serialize: SerializeType,
    head: &FrameHead<'_>,
    fields: Option<&dyn HeaderFields>,
    body: Body,
) -> Result<(), RemotingError> {
    encode_head(queue.tail(), serialize, head, fields, body.len())?;
    match body {
        Body::None => {}
        Body::One(bytes) => queue.push(bytes),
        Body::Many(parts) => parts.into_iter().for_each(|part| queue.push(part)),
    }
    Ok(())
}
