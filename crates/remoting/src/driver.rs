//! The task of one connection: the only place that touches its socket.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use rocketmq_protocol::frame::{FLAG_RESPONSE, FrameHead};
use rocketmq_protocol::{Frame, Language, ResponseCode};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::Instant;

use crate::call::{Body, Call};
use crate::connection::{CloseReason, Connection, encode_frame};
use crate::outbound::{OutQueue, SLICES_MAX};
use crate::{LOGGER, tls};

/// Smallest and largest number of bytes that one read asks for; in between it follows the load.
const READ_BYTES_MIN: usize = 2 * 1024;
const READ_BYTES_MAX: usize = 256 * 1024;

/// What the requests of a batch depend on did not happen: each of them that was answered gets this
/// answer instead.
#[derive(Debug)]
pub struct BatchFailed {
    /// Code of the answer.
    pub code: ResponseCode,
    /// Its text.
    pub remark: String,
}

/// What requests mean. One handler serves all connections of a server or client.
pub trait RequestHandler: Send + Sync + 'static {
    /// Handles one request, on the connection's task: it must not block. It answers through the
    /// call, or keeps a [`crate::Deferred`] and answers later.
    fn handle(&self, call: Call<'_>);

    /// Every request of one socket read was handled; their answers leave when this returns.
    ///
    /// # Errors
    /// None of them may leave; see [`BatchFailed`].
    fn batch_end(&self, _connection: &Arc<Connection>) -> Result<(), BatchFailed> {
        Ok(())
    }

    /// A connection was made.
    fn connected(&self, _connection: &Arc<Connection>) {}

    /// A connection ended.
    fn closed(&self, _connection: &Arc<Connection>, _reason: &CloseReason) {}
}

/// Limits of one connection.
#[derive(Clone, Debug)]
pub struct DriverOptions {
    /// Closes the connection when nothing was read or written for so long.
    pub idle_timeout: Duration,
    /// Largest frame accepted, length field included, in bytes.
    pub frame_bytes_max: usize,
    /// Stops reading while more than so many bytes wait to be written to this peer. `None` on the
    /// client side, which must always read: two peers that both stop would wait for each other.
    pub outbound_bytes_max: Option<usize>,
}

/// Runs a connection until it ends.
pub(crate) async fn drive(
    (reader, writer): (OwnedReadHalf, OwnedWriteHalf),
    connection: Arc<Connection>,
    handler: Arc<dyn RequestHandler>,
    options: DriverOptions,
) {
    run((reader, writer, false), connection, handler, options).await;
}

/// [`drive`] on an encrypted stream.
pub(crate) async fn drive_tls<S: AsyncRead + AsyncWrite>(
    stream: S,
    connection: Arc<Connection>,
    handler: Arc<dyn RequestHandler>,
    options: DriverOptions,
) {
    let (reader, writer) = tokio::io::split(stream);
    run((reader, writer, true), connection, handler, options).await;
}

async fn run<R, W>(
    (reader, writer, buffers): (R, W, bool),
    connection: Arc<Connection>,
    handler: Arc<dyn RequestHandler>,
    options: DriverOptions,
) where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    handler.connected(&connection);
    let mut driver = Driver {
        reader,
        writer,
        buffers,
        unflushed: false,
        connection: Arc::clone(&connection),
        handler: Arc::clone(&handler),
        options,
        input: BytesMut::new(),
        read_bytes: READ_BYTES_MIN,
        out: OutQueue::default(),
        answers: OutQueue::default(),
        answered: Vec::new(),
        active: Instant::now(),
    };
    let reason = driver.run().await;
    connection.mark_closed(reason.clone());
    drop(driver);
    let reason = connection.close_reason().unwrap_or(reason);
    if let CloseReason::Exception(what) = &reason {
        tracing::warn!(target: LOGGER, "NETTY PIPELINE: exceptionCaught {}: {what}, the channel was closed", connection.peer());
    }
    handler.closed(&connection, &reason);
}

struct Driver<R, W> {
    reader: R,
    writer: W,
    /// The writer may keep back what it took (an encrypted one does), until it is flushed.
    buffers: bool,
    /// It may be keeping something now.
    unflushed: bool,
    connection: Arc<Connection>,
    handler: Arc<dyn RequestHandler>,
    options: DriverOptions,
    input: BytesMut,
    read_bytes: usize,
    /// What may be written.
    out: OutQueue,
    /// Answers of the batch being handled, which may not be written yet.
    answers: OutQueue,
    /// The requests that they answer.
    answered: Vec<i32>,
    active: Instant,
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Driver<R, W> {
    async fn run(&mut self) -> CloseReason {
        let connection = Arc::clone(&self.connection);
        let idle = tokio::time::sleep(self.options.idle_timeout);
        tokio::pin!(idle);
        loop {
            if !connection.take_queued(&mut self.out) {
                return CloseReason::Local;
            }
            // The server side has its own budget, by which it stops reading.
            if self.options.outbound_bytes_max.is_none() {
                connection.note_unwritten(self.out.len());
            }
            let may_read = self.options.outbound_bytes_max.is_none_or(|max| self.out.len() <= max);
            self.reserve();
            tokio::select! {
                biased;
                written = write_front(&mut self.writer, &mut self.out),
                    if !self.out.is_empty() || self.unflushed =>
                {
                    match written {
                        Ok(Some(0)) => return CloseReason::Peer,
                        Ok(Some(written)) => {
                            self.out.advance(written);
                            self.unflushed = self.buffers;
                        }
                        Ok(None) => self.unflushed = false,
                        Err(error) => return close_reason(error),
                    }
                    self.active = Instant::now();
                }
                read = self.reader.read_buf(&mut self.input), if may_read => {
                    match read {
                        Ok(0) => return CloseReason::Peer,
                        Ok(read) => self.adapt(read),
                        Err(error) => return close_reason(error),
                    }
                    self.active = Instant::now();
                    if let Err(reason) = self.handle_batch() {
                        return reason;
                    }
                }
                () = connection.wake.notified() => {}
                () = &mut idle => {
                    let deadline = self.active + self.options.idle_timeout;
                    if Instant::now() >= deadline {
                        return CloseReason::Idle;
                    }
                    idle.as_mut().reset(deadline);
                }
            }
        }
    }

    /// Makes room for the next read: for the rest of a frame that is known to come, as far as
    /// bytes of it have arrived (a claimed length alone reserves little).
    fn reserve(&mut self) {
        let room = self.input.capacity() - self.input.len();
        if room >= self.read_bytes / 2 && room > 0 {
            return;
        }
        let missing = Frame::bytes_wanted(&self.input).saturating_sub(self.input.len());
        let trusted = self.input.len().max(self.read_bytes);
        self.input.reserve(missing.clamp(self.read_bytes, trusted.max(self.read_bytes)));
    }

    /// Follows the load: a read that filled its room asks for more next time, many small ones
    /// give room back.
    fn adapt(&mut self, read: usize) {
        if read >= self.read_bytes {
            self.read_bytes = (self.read_bytes * 4).min(READ_BYTES_MAX);
        } else if read < self.read_bytes / 8 {
            self.read_bytes = (self.read_bytes / 2).max(READ_BYTES_MIN);
        }
    }

    /// Handles every complete frame of the input.
    fn handle_batch(&mut self) -> Result<(), CloseReason> {
        let mut requests = 0;
        let outcome = loop {
            match Frame::take(&mut self.input, self.options.frame_bytes_max) {
                Ok(Some(frame)) if frame.is_response() => {
                    let (opaque, code) = (frame.opaque, frame.code);
                    if !self.connection.complete(frame) {
                        tracing::debug!(target: LOGGER, "receive response, but not matched any request, {}: opaque={opaque}, code={code}", self.connection.peer());
                    }
                }
                Ok(Some(frame)) => {
                    requests += 1;
                    let (out, answered) = (&mut self.answers, &mut self.answered);
                    let connection = &self.connection;
                    self.handler.handle(Call { frame, connection, out, answered });
                }
                Ok(None) => break Ok(()),
                Err(error) => {
                    let mut what = error.to_string();
                    if self.input.first() == Some(&tls::HANDSHAKE) {
                        what += "; it looks like TLS, which this port does not take \
                            (tls.server.mode=disabled)";
                    }
                    break Err(CloseReason::Exception(what));
                }
            }
        };
        if requests > 0 {
            if let Err(failed) = self.handler.batch_end(&self.connection) {
                self.answer_all(&failed);
            }
            self.answered.clear();
        }
        self.out.append(&mut self.answers);
        outcome
    }
}

impl<R, W> Driver<R, W> {
    /// Replaces the answers of the batch.
    fn answer_all(&mut self, BatchFailed { code, remark }: &BatchFailed) {
        self.answers.clear();
        for opaque in &self.answered {
            let head = FrameHead {
                code: code.0,
                flag: FLAG_RESPONSE,
                opaque: *opaque,
                language: Language::JAVA,
                remark: Some(remark),
            };
            let serialize = self.connection.serialize();
            let sent = encode_frame(&mut self.answers, serialize, &head, None, Body::None);
            if let Err(error) = sent {
                tracing::error!(target: LOGGER, "process request over, but response failed, {error}, channel: {}", self.connection.peer());
            }
        }
    }
}

/// Writes the front of the queue; `None`: there was nothing, and the writer was flushed.
async fn write_front<W: AsyncWrite + Unpin>(
    writer: &mut W,
    out: &mut OutQueue,
) -> io::Result<Option<usize>> {
    if out.is_empty() {
        return writer.flush().await.map(|()| None);
    }
    let chunks = out.chunks();
    if let [one] = chunks.as_slices().0
        && chunks.len() == 1
    {
        return writer.write(one).await.map(Some);
    }
    let slices: Vec<_> =
        chunks.iter().take(SLICES_MAX).map(|chunk| io::IoSlice::new(chunk)).collect();
    writer.write_vectored(&slices).await.map(Some)
}

fn close_reason(error: io::Error) -> CloseReason {
    match error.kind() {
        // A TLS peer that ends without a farewell is an unexpected end.
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::UnexpectedEof => CloseReason::Peer,
        _ => CloseReason::Exception(tls::explained(error).to_string()),
    }
}
