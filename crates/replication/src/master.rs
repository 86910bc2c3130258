//! The master's side: listens for slaves and sends them the commit log (contract `ha.md` 3).

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Buf;
use rocketmq_store::MessageStore;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::codec::{BODY_MAX, Head, Reports};
use crate::replicas::Replicas;
use crate::{LOGGER, millis};

/// Binds the port for slaves.
///
/// # Errors
/// The system's: the port is taken, usually.
pub async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).await
}

/// Serves slaves until the task is aborted; their connections end with it.
pub async fn serve(listener: TcpListener, store: Arc<MessageStore>, replicas: Arc<Replicas>) {
    let mut connections = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                tracing::info!(target: LOGGER, thread = "AcceptSocketService", "HAService receive new connection, /{peer}");
                let slave =
                    Slave { store: Arc::clone(&store), replicas: Arc::clone(&replicas), peer };
                connections.spawn(slave.serve(stream));
            }
            Err(error) => {
                tracing::error!(target: LOGGER, thread = "AcceptSocketService", "AcceptSocketService service has exception. {error}");
                sleep(millis(100)).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
}

/// Counts a connection as long as it lives, however it ends.
struct Joined(Arc<Replicas>);

impl Drop for Joined {
    fn drop(&mut self) {
        self.0.leave();
    }
}

/// A connected slave.
struct Slave {
    store: Arc<MessageStore>,
    replicas: Arc<Replicas>,
    peer: SocketAddr,
}

impl Slave {
    async fn serve(self, stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        let (reader, writer) = stream.into_split();
        self.replicas.join();
        let _joined = Joined(Arc::clone(&self.replicas));
        let (asked, start) = oneshot::channel();
        let ended = tokio::select! {
            ended = self.read_reports(reader, asked) => ended,
            ended = self.send_log(writer, start) => ended,
        };
        let why = ended.err().map_or_else(|| "closed".to_string(), |error| error.to_string());
        tracing::info!(target: LOGGER, thread = "ReadSocketService", "ha connection to slave[/{}] ends: {why}", self.peer);
    }

    async fn read_reports(
        &self,
        mut reader: OwnedReadHalf,
        asked: oneshot::Sender<i64>,
    ) -> io::Result<()> {
        let mut asked = Some(asked);
        let mut reports = Reports::default();
        let mut buffer = [0; 1024];
        loop {
            let patience = millis(self.store.config().ha_housekeeping_interval);
            let Ok(read) = timeout(patience, reader.read(&mut buffer)).await else {
                tracing::warn!(target: LOGGER, thread = "ReadSocketService", "ha housekeeping, found this connection[/{}] expired, {}", self.peer, patience.as_millis());
                return Err(io::ErrorKind::TimedOut.into());
            };
            let read = read?;
            if read == 0 {
                return Ok(());
            }
            let Some(offset) = reports.push(buffer.get(..read).unwrap_or_default()) else {
                continue;
            };
            if let Some(asked) = asked.take() {
                tracing::info!(target: LOGGER, thread = "ReadSocketService", "slave[/{}] request offset {offset}", self.peer);
                let _ = asked.send(offset);
            }
            // Nobody can have what this log does not hold.
            if offset <= self.store.max_physical_offset() {
                self.replicas.acknowledge(offset);
            }
        }
    }

    async fn send_log(
        &self,
        mut writer: OwnedWriteHalf,
        start: oneshot::Receiver<i64>,
    ) -> io::Result<()> {
        let Ok(asked) = start.await else { return Ok(()) };
        let mut next = self.first_offset(asked);
        tracing::info!(target: LOGGER, thread = "WriteSocketService", "master transfer data from {next} to slave[/{}], and slave request {asked}", self.peer);
        let (min, max) = (self.store.min_physical_offset(), self.store.max_physical_offset());
        if next > max || next < min.min(max) {
            tracing::error!(target: LOGGER, thread = "WriteSocketService", "slave[/{}] asks for offset {next}, but this commit log reaches from {min} to {max}: it cannot follow. Stop it, keep a copy of its store, and start it with an empty one (or with a copy of this broker's)", self.peer);
        }
        loop {
            let written = self.replicas.written.notified();
            tokio::pin!(written);
            // Before the look at the log, so that nothing written after it is missed.
            written.as_mut().enable();
            let config = self.store.config();
            let batch =
                usize::try_from(config.ha_transfer_batch_size).unwrap_or(0).clamp(1, BODY_MAX);
            if let Some(body) = self.store.read_log(next, batch) {
                let head = Head { offset: next, len: body.len() };
                next += body.len() as i64;
                let head = head.encode();
                let mut frame = Buf::chain(head.as_slice(), body);
                writer.write_all_buf(&mut frame).await?;
                continue;
            }
            let heartbeat = millis(config.ha_send_heartbeat_interval);
            if timeout(heartbeat, written).await.is_err() {
                writer.write_all(&Head { offset: next, len: 0 }.encode()).await?;
            }
        }
    }

    /// A slave without a log begins with the last segment.
    fn first_offset(&self, asked: i64) -> i64 {
        if asked != 0 {
            return asked;
        }
        let max = self.store.max_physical_offset();
        max - max % i64::from(self.store.config().mapped_file_size_commit_log).max(1)
    }
}
