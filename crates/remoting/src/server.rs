//! Listening for connections.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rocketmq_protocol::SerializeType;
use rocketmq_protocol::frame::FRAME_BYTES_MAX;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::LOGGER;
use crate::connection::{CloseReason, Connection};
use crate::driver::{DriverOptions, RequestHandler, drive, drive_tls};
use crate::tls::{self, ServerTls, TlsMode};

/// How long accepting rests after the system refused (too many open files, say).
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);
/// Length of the accept queue, as Java's.
const BACKLOG: i32 = 1024;
/// How long, and for how many reads, a peer whose handshake failed is listened to.
const REFUSED_TIME: Duration = Duration::from_secs(1);
const REFUSED_READS_MAX: usize = 64;

/// What a server may be told.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Limits of each connection.
    pub driver: DriverOptions,
    /// How answers are written.
    pub serialize: SerializeType,
    /// SO_SNDBUF in bytes; 0 leaves it to the system.
    pub send_buffer_bytes: usize,
    /// SO_RCVBUF in bytes; 0 leaves it to the system.
    pub receive_buffer_bytes: usize,
    /// Whether TLS connections are taken.
    pub tls: ServerTls,
}

impl Default for ServerOptions {
    fn default() -> Self {
        ServerOptions {
            driver: DriverOptions {
                idle_timeout: Duration::from_secs(120),
                frame_bytes_max: FRAME_BYTES_MAX,
                outbound_bytes_max: Some(8 * 1024 * 1024),
            },
            serialize: SerializeType::Json,
            send_buffer_bytes: 0,
            receive_buffer_bytes: 0,
            tls: ServerTls::default(),
        }
    }
}

/// How many connections a port has.
#[derive(Clone)]
pub struct ConnectionCount(Arc<Mutex<Vec<std::sync::Weak<Connection>>>>);

impl ConnectionCount {
    /// Those that are open now.
    pub fn open(&self) -> usize {
        let connections = self.0.lock();
        let is_open = |known: &&std::sync::Weak<Connection>| {
            known.upgrade().is_some_and(|connection| connection.is_open())
        };
        connections.iter().filter(is_open).count()
    }
}

/// A listening port and its connections.
pub struct Server {
    local: SocketAddr,
    shutdown: watch::Sender<bool>,
    connections: Arc<Mutex<Vec<std::sync::Weak<Connection>>>>,
}

impl Server {
    /// Binds the address; `[::]` takes IPv4 connections too. Must run inside the runtime that is
    /// to serve the connections; accepting starts at once.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub fn bind(
        address: SocketAddr,
        options: ServerOptions,
        handler: Arc<dyn RequestHandler>,
    ) -> io::Result<Server> {
        let listener = listen(address, &options)?;
        let local = listener.local_addr()?;
        let (shutdown, stopped) = watch::channel(false);
        let connections = Arc::default();
        tokio::spawn(accept(listener, options, handler, stopped, Arc::clone(&connections)));
        Ok(Server { local, shutdown, connections })
    }

    /// [`Server::bind`] on every address of the host: IPv6 and IPv4, or IPv4 alone where the host
    /// has no IPv6.
    ///
    /// # Errors
    /// The port cannot be bound.
    pub fn bind_all(
        port: u16,
        options: ServerOptions,
        handler: Arc<dyn RequestHandler>,
    ) -> io::Result<Server> {
        let all = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
        match Server::bind(all, options.clone(), Arc::clone(&handler)) {
            Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
                Server::bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)), options, handler)
            }
            bound => bound,
        }
    }

    /// The bound address.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// Counts the connections, whenever it is asked.
    pub fn connection_count(&self) -> ConnectionCount {
        ConnectionCount(Arc::clone(&self.connections))
    }

    /// Stops accepting; connections live on.
    pub fn stop_accepting(&self) {
        self.shutdown.send_replace(true);
    }

    /// Stops accepting and closes every connection; [`Server::ended`] tells when they are.
    pub fn shutdown(&self) {
        self.stop_accepting();
        for connection in self.connections.lock().drain(..) {
            if let Some(connection) = connection.upgrade() {
                connection.close();
            }
        }
    }

    /// After [`Server::shutdown`]: waits until no connection handles requests any more.
    pub async fn ended(&self) {
        self.shutdown.closed().await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shutdown();
    }
}

fn listen(address: SocketAddr, options: &ServerOptions) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    if options.send_buffer_bytes > 0 {
        socket.set_send_buffer_size(options.send_buffer_bytes)?;
    }
    if options.receive_buffer_bytes > 0 {
        socket.set_recv_buffer_size(options.receive_buffer_bytes)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

async fn accept(
    listener: TcpListener,
    options: ServerOptions,
    handler: Arc<dyn RequestHandler>,
    mut stopped: watch::Receiver<bool>,
    connections: Arc<Mutex<Vec<std::sync::Weak<Connection>>>>,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopped.changed() => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                let Ok(local) = stream.local_addr() else { continue };
                let peer = unmapped(peer);
                let connection = Connection::new(peer, unmapped(local), options.serialize, None);
                remember(&connections, &connection);
                let serving = serve(stream, connection, Arc::clone(&handler), options.clone());
                // Held by the task: `Server::ended` waits for all of them.
                let alive = stopped.clone();
                tokio::spawn(async move {
                    serving.await;
                    drop(alive);
                });
            }
            Err(error) => {
                tracing::warn!(target: LOGGER, "accepting on {:?} failed: {error}", listener.local_addr());
                tokio::time::sleep(ACCEPT_BACKOFF).await;
            }
        }
    }
}

/// Keeps a weak handle, dropping dead ones whenever the list has doubled.
fn remember(connections: &Mutex<Vec<std::sync::Weak<Connection>>>, connection: &Arc<Connection>) {
    let mut connections = connections.lock();
    if connections.len() == connections.capacity() {
        connections.retain(|known| known.strong_count() > 0);
    }
    connections.push(Arc::downgrade(connection));
}

/// An IPv4 address that arrived at an IPv6 socket, as IPv4.
fn unmapped(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

async fn serve(
    stream: TcpStream,
    connection: Arc<Connection>,
    handler: Arc<dyn RequestHandler>,
    options: ServerOptions,
) {
    if let Err(error) = serve_stream(stream, &connection, handler, options).await {
        tracing::warn!(target: LOGGER, "the connection of {} was closed: {error}", connection.peer());
        connection.mark_closed(CloseReason::Exception(error.to_string()));
    }
}

async fn serve_stream(
    stream: TcpStream,
    connection: &Arc<Connection>,
    handler: Arc<dyn RequestHandler>,
    options: ServerOptions,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let connection = Arc::clone(connection);
    let (mode, acceptor) = (options.tls.mode, options.tls.acceptor());
    let driver = options.driver;
    if acceptor.is_none() && mode != TlsMode::Enforcing {
        drive(stream.into_split(), connection, handler, driver).await;
        return Ok(());
    }
    let mut first = [0];
    let peeked = tokio::time::timeout(driver.idle_timeout, stream.peek(&mut first));
    match peeked.await {
        Ok(Ok(1)) => {}
        Ok(Ok(_)) => return Ok(()),
        Ok(Err(error)) => return Err(error),
        Err(_) => return Err(io::Error::new(io::ErrorKind::TimedOut, "nothing was sent")),
    }
    match (first[0] == tls::HANDSHAKE, acceptor) {
        (true, Some(acceptor)) => {
            let accepting = acceptor.accept(stream).into_fallible();
            let handshake = tokio::time::timeout(driver.idle_timeout, accepting);
            match handshake.await.map_err(|_| io::ErrorKind::TimedOut)? {
                Ok(stream) => drive_tls(stream, connection, handler, driver).await,
                Err((error, stream)) => {
                    read_out(stream).await;
                    return Err(tls::explained(error));
                }
            }
            Ok(())
        }
        (false, _) if mode != TlsMode::Enforcing => {
            drive(stream.into_split(), connection, handler, driver).await;
            Ok(())
        }
        (true, None) => Err(io::Error::other(
            "it is a TLS connection, and no TLS context could be made at the start",
        )),
        (false, _) => Err(io::Error::other(
            "it is not a TLS connection, and tls.server.mode=enforcing takes no other; \
             let the client set useTLS (-Dtls.enable=true)",
        )),
    }
}

/// Ends a refused connection so that the peer gets to see the alert: closing while bytes wait to be
/// read would reset the connection and take the alert away from the peer.
async fn read_out(mut stream: TcpStream) {
    let mut rest = [0; 1024];
    let reading = async {
        stream.shutdown().await?;
        for _ in 0..REFUSED_READS_MAX {
            if stream.read(&mut rest).await? == 0 {
                break;
            }
        }
        io::Result::Ok(())
    };
    let _ = tokio::time::timeout(REFUSED_TIME, reading).await;
}
