//! Outgoing connections: one per address, made when first needed (contract `wire.md` 7.5).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rocketmq_protocol::frame::FRAME_BYTES_MAX;
use rocketmq_protocol::{Frame, SerializeType};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::call::{Request, RequestHook};
use crate::connection::{Connection, Waiting};
use crate::driver::{DriverOptions, RequestHandler, drive, drive_tls};
use crate::error::RemotingError;
use crate::tls::ClientTls;

/// What a client may be told.
#[derive(Clone)]
pub struct ClientOptions {
    /// Limits of each connection.
    pub driver: DriverOptions,
    /// How requests are written.
    pub serialize: SerializeType,
    /// How long making a connection may take.
    pub connect_timeout: Duration,
    /// Whether a connection on which a request timed out is closed, as Java's are.
    pub close_on_timeout: bool,
    /// Bytes that may wait to be written to one peer before [`RemotingClient::send_oneway`] waits.
    pub oneway_bytes_max: usize,
    /// Signs every request.
    pub hook: Option<Arc<dyn RequestHook>>,
    /// Makes every connection a TLS connection.
    pub tls: Option<ClientTls>,
}

impl std::fmt::Debug for ClientOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientOptions").field("driver", &self.driver).finish_non_exhaustive()
    }
}

impl Default for ClientOptions {
    fn default() -> Self {
        ClientOptions {
            driver: DriverOptions {
                idle_timeout: Duration::from_secs(120),
                frame_bytes_max: FRAME_BYTES_MAX,
                outbound_bytes_max: None,
            },
            serialize: SerializeType::Json,
            connect_timeout: Duration::from_secs(3),
            close_on_timeout: true,
            hook: None,
            tls: None,
            oneway_bytes_max: 8 * 1024 * 1024,
        }
    }
}

/// Shared by everything that connects as one client instance.
pub struct RemotingClient {
    options: ClientOptions,
    handler: Arc<dyn RequestHandler>,
    slots: Mutex<HashMap<String, Arc<Slot>>>,
    /// The connections' tasks, which the shutdown waits for.
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

/// The connection to one address; the lock lets only one task connect.
#[derive(Default)]
struct Slot(tokio::sync::Mutex<Option<Arc<Connection>>>);

impl RemotingClient {
    /// A client without connections; `handler` serves what peers ask of it.
    pub fn new(options: ClientOptions, handler: Arc<dyn RequestHandler>) -> RemotingClient {
        RemotingClient { options, handler, slots: Mutex::default(), tasks: Mutex::default() }
    }

    /// The open connection to the address (`host:port`), made if there is none.
    ///
    /// # Errors
    /// `connect to <address> failed`.
    pub async fn connection(&self, address: &str) -> Result<Arc<Connection>, RemotingError> {
        let slot = self.slot(address);
        let mut place = slot.0.lock().await;
        if let Some(connection) = place.as_ref().filter(|connection| connection.is_open()) {
            return Ok(Arc::clone(connection));
        }
        let connection = self.connect(address).await?;
        *place = Some(Arc::clone(&connection));
        Ok(connection)
    }

    fn slot(&self, address: &str) -> Arc<Slot> {
        let mut slots = self.slots.lock();
        match slots.get(address) {
            Some(slot) => Arc::clone(slot),
            None => Arc::clone(slots.entry(address.to_string()).or_default()),
        }
    }

    async fn connect(&self, address: &str) -> Result<Arc<Connection>, RemotingError> {
        let failed =
            |source| RemotingError::Connect { address: address.to_string(), source: Some(source) };
        let timeout = self.options.connect_timeout;
        let late = |_| failed(std::io::ErrorKind::TimedOut.into());
        let connecting = tokio::time::timeout(timeout, TcpStream::connect(address));
        let stream = connecting.await.map_err(late)?.map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        let peer = stream.peer_addr().map_err(failed)?;
        let local = stream.local_addr().map_err(failed)?;
        let connection =
            Connection::new(peer, local, self.options.serialize, self.options.hook.clone());
        let handler = Arc::clone(&self.handler);
        let driver = self.options.driver.clone();
        let driven = Arc::clone(&connection);
        let task = match &self.options.tls {
            None => tokio::spawn(drive(stream.into_split(), driven, handler, driver)),
            Some(tls) => {
                let handshake = tokio::time::timeout(timeout, tls.connect(stream));
                let stream = handshake.await.map_err(late)?.map_err(failed)?;
                tokio::spawn(drive_tls(stream, driven, handler, driver))
            }
        };
        let mut tasks = self.tasks.lock();
        tasks.retain(|task| !task.is_finished());
        tasks.push(task);
        Ok(connection)
    }

    /// Sends a request to the address and waits for its answer; connecting counts.
    ///
    /// # Errors
    /// See [`RemotingError`]. The connection of a request that timed out is closed, if so
    /// configured.
    pub async fn invoke(
        &self,
        address: &str,
        request: Request<'_>,
        timeout: Duration,
    ) -> Result<Frame, RemotingError> {
        let started = Instant::now();
        let waiting = self.begin_invoke(address, request, timeout).await?;
        self.response(waiting, timeout.saturating_sub(started.elapsed())).await
    }

    /// The first half of [`RemotingClient::invoke`]: connects, at most for `timeout`, and queues
    /// the request. Requests begun one after the other to one address leave in that order.
    ///
    /// # Errors
    /// No connection, or it broke.
    pub async fn begin_invoke(
        &self,
        address: &str,
        request: Request<'_>,
        timeout: Duration,
    ) -> Result<Waiting, RemotingError> {
        let connecting = tokio::time::timeout(timeout, self.connection(address));
        let connection = connecting.await.unwrap_or_else(|_| {
            let source = Some(std::io::ErrorKind::TimedOut.into());
            Err(RemotingError::Connect { address: address.to_string(), source })
        })?;
        connection.begin_invoke(request)
    }

    /// The second half: waits for the answer.
    ///
    /// # Errors
    /// As [`RemotingClient::invoke`].
    pub async fn response(
        &self,
        waiting: Waiting,
        timeout: Duration,
    ) -> Result<Frame, RemotingError> {
        let connection = Arc::clone(waiting.connection());
        let answer = waiting.response(timeout).await;
        if self.options.close_on_timeout && matches!(answer, Err(RemotingError::Timeout { .. })) {
            connection.close();
        }
        answer
    }

    /// Sends a request that wants no answer; waits while too much waits to be written already.
    ///
    /// # Errors
    /// No connection, or it broke.
    pub async fn send_oneway(
        &self,
        address: &str,
        request: Request<'_>,
    ) -> Result<(), RemotingError> {
        let connection = self.connection(address).await?;
        connection.room(self.options.oneway_bytes_max).await;
        connection.send_oneway(request)
    }

    /// Closes the connection to one address.
    pub async fn disconnect(&self, address: &str) {
        let slot = self.slots.lock().remove(address);
        if let Some(slot) = slot
            && let Some(connection) = slot.0.lock().await.take()
        {
            connection.close();
        }
    }

    /// Closes every connection and waits until their tasks have ended. Must not be called by the
    /// handler, which runs on such a task.
    pub async fn shutdown(&self) {
        let slots: Vec<_> = self.slots.lock().drain().collect();
        for (_, slot) in slots {
            if let Some(connection) = slot.0.lock().await.take() {
                connection.close();
            }
        }
        let tasks: Vec<_> = self.tasks.lock().drain(..).collect();
        for task in tasks {
            let _ = task.await;
        }
    }
}

/// Ends the connections of a client that was not shut down.
impl Drop for RemotingClient {
    fn drop(&mut self) {
        self.tasks.lock().drain(..).for_each(|task| task.abort());
    }
}
