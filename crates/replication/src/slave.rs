//! The slave's side: follows a master's commit log (contract `ha.md` 4).

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use rocketmq_store::{MessageStore, StoreError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::codec::{BadFrame, HEAD_BYTES, Head};
use crate::fit::{Fit, fit};
use crate::link::{LinkState, MasterLine};
use crate::{LOGGER, millis};

/// How long connecting may take.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);
/// Between two connections.
const PAUSE: Duration = Duration::from_secs(1);
/// Between two connections when the logs do not fit: nothing will change soon.
const LONG_PAUSE: Duration = Duration::from_secs(5);
/// Bytes read at once.
const READ_BYTES: usize = 256 << 10;
/// Java's name of the thread.
const THREAD: &str = "HAClient";

/// What to do about a log that is no copy.
const REPAIR: &str = "Stop this broker, keep a copy of its store, and start it with an empty one (haFullSync=true copies the master's whole log)";

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("{0}")]
    Frame(#[from] BadFrame),
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("the master closed the connection")]
    Closed,
    #[error("HAClient, master not response some time, so close connection")]
    Silent,
    #[error("the master moved")]
    Moved,
    #[error("{0}")]
    Diverged(String),
    #[error("{0}")]
    Later(String),
}

/// Follows the master whose address is told until the task is aborted; waits while there is none.
/// With `full` an empty log begins where the master's does, if that is one of ours.
pub async fn follow(
    store: Arc<MessageStore>,
    mut master: watch::Receiver<Option<String>>,
    line: impl MasterLine,
    state: Arc<LinkState>,
    full: bool,
) {
    let slave = Slave { store, line, state, full };
    loop {
        let address = master.borrow_and_update().clone();
        let Some(address) = address else {
            if master.changed().await.is_err() {
                return;
            }
            continue;
        };
        let ended = slave.follow(&address, &mut master).await;
        let pause = match &ended {
            Ended::Store(StoreError::OutOfStep { own, master }) => {
                tracing::error!(target: LOGGER, thread = THREAD, "{ended}; this slave's commit log ends at {own}, the master's bytes begin at {master}: they are not copies of one log. {REPAIR}");
                slave.state.judged(Err(ended.to_string()));
                LONG_PAUSE
            }
            Ended::Store(_) => {
                tracing::error!(target: LOGGER, thread = THREAD, "{ended}");
                LONG_PAUSE
            }
            Ended::Diverged(why) => {
                tracing::error!(target: LOGGER, thread = THREAD, "slave does not follow master {address}: {why}. They are not copies of one log. {REPAIR}");
                slave.state.judged(Err(why.clone()));
                LONG_PAUSE
            }
            Ended::Moved => Duration::ZERO,
            _ => {
                tracing::warn!(target: LOGGER, thread = THREAD, "replication from {address} ends: {ended}");
                PAUSE
            }
        };
        sleep(pause).await;
    }
}

struct Slave<L> {
    store: Arc<MessageStore>,
    line: L,
    state: Arc<LinkState>,
    full: bool,
}

impl<L: MasterLine> Slave<L> {
    async fn follow(&self, address: &str, master: &mut watch::Receiver<Option<String>>) -> Ended {
        self.state.unjudged();
        tokio::select! {
            ended = self.follow_one(address) => ended,
            changed = master.changed() => match changed {
                Ok(()) => Ended::Moved,
                Err(_) => Ended::Closed,
            },
        }
    }

    async fn follow_one(&self, address: &str) -> Ended {
        let (offset, known) = match fit(&self.store, &self.line, self.full).await {
            Fit::From { offset, known } => (offset, known),
            Fit::Not(why) => return Ended::Diverged(why),
            Fit::Later(why) => return Ended::Later(why),
        };
        if known {
            self.state.judged(Ok(()));
        }
        let stream = match connect(address).await {
            Ok(stream) => stream,
            Err(ended) => return ended,
        };
        tracing::info!(target: LOGGER, thread = THREAD, "HAClient connects to master {address}, from offset {offset}");
        self.line.connected();
        let follower = Follower {
            store: &self.store,
            state: &self.state,
            stream,
            line: &self.line,
            buffer: BytesMut::new(),
            reported: 0,
        };
        follower.run(offset).await.err().unwrap_or(Ended::Closed)
    }
}

async fn connect(address: &str) -> Result<TcpStream, Ended> {
    let connecting = timeout(CONNECT_PATIENCE, TcpStream::connect(address)).await;
    let stream = match connecting {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Err(Ended::Io(error)),
        Err(_) => return Err(Ended::Silent),
    };
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

/// A connection to a master.
struct Follower<'a, L> {
    store: &'a MessageStore,
    state: &'a LinkState,
    stream: TcpStream,
    line: &'a L,
    buffer: BytesMut,
    /// What the master was told last.
    reported: i64,
}

impl<L: MasterLine> Follower<'_, L> {
    async fn run(mut self, from: i64) -> Result<(), Ended> {
        self.report(from).await?;
        let mut reported_at = Instant::now();
        let mut heard_at = Instant::now();
        loop {
            let config = self.store.config();
            let beat = reported_at + millis(config.ha_send_heartbeat_interval);
            let silent = heard_at + millis(config.ha_housekeeping_interval);
            self.buffer.reserve(READ_BYTES);
            tokio::select! {
                read = self.stream.read_buf(&mut self.buffer) => {
                    if read? == 0 {
                        return Err(Ended::Closed);
                    }
                    heard_at = Instant::now();
                    let end = self.append()?;
                    if end > self.reported {
                        self.line.appended();
                        if config.is_sync_flush() {
                            self.flushed(end).await?;
                        }
                        self.report(end).await?;
                        reported_at = Instant::now();
                    }
                }
                () = sleep_until(beat) => {
                    self.report(self.reported).await?;
                    reported_at = Instant::now();
                }
                () = sleep_until(silent) => {
                    tracing::warn!(target: LOGGER, thread = THREAD, "HAClient, housekeeping, found this connection[{:?}] expired, {}", self.stream.peer_addr().ok(), heard_at.elapsed().as_millis());
                    return Err(Ended::Silent);
                }
            }
        }
    }

    /// Appends every whole frame; returns the log's end.
    fn append(&mut self) -> Result<i64, Ended> {
        loop {
            let own = self.store.max_physical_offset();
            let Some(head) = Head::decode(&self.buffer)? else { return Ok(own) };
            self.state.came(head.offset + head.len as i64);
            if own != 0 && own != head.offset {
                return Err(StoreError::OutOfStep { own, master: head.offset }.into());
            }
            if self.buffer.len() < HEAD_BYTES + head.len {
                return Ok(own);
            }
            self.buffer.advance(HEAD_BYTES);
            let body = self.buffer.split_to(head.len);
            if !body.is_empty() {
                self.store.append_replicated(head.offset, &body)?;
            }
        }
    }

    /// Waits for the disk: with SYNC_FLUSH the master is told only what is on it.
    async fn flushed(&self, end: i64) -> Result<(), Ended> {
        let (sender, told) = oneshot::channel();
        self.store.when_flushed(
            end,
            Box::new(move |_| {
                let _ = sender.send(());
            }),
        );
        let _ = told.await;
        match self.store.flushed_offset() >= end {
            true => Ok(()),
            false => Err(StoreError::NotWritable("the disk did not flush in time".into()).into()),
        }
    }

    async fn report(&mut self, offset: i64) -> Result<(), Ended> {
        self.stream.write_all(&offset.to_be_bytes()).await?;
        self.reported = offset;
        Ok(())
    }
}
