//! The port, plain or with TLS. Handshakes run in tasks of their own, so that a slow one keeps nobody
//! waiting.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;
use rocketmq_remoting::tls::TlsSettings;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::DashboardError;
use crate::settings::DashboardConfig;

/// How long a handshake may take.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// Connections that are ready and not yet served.
const READY_MAX: usize = 64;

/// Who sent a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

impl Connected<IncomingStream<'_, Listener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Listener>) -> Peer {
        Peer(*stream.remote_addr())
    }
}

pub(crate) struct Listener {
    local: SocketAddr,
    ready: mpsc::Receiver<(Stream, SocketAddr)>,
}

impl Listener {
    pub(crate) async fn bind(config: &DashboardConfig) -> Result<Listener, DashboardError> {
        let address = format!("{}:{}", config.address, config.port);
        let failed = |cause| DashboardError::Bind { address: address.clone(), cause };
        let tls = acceptor(config)?;
        let tcp = TcpListener::bind(&address).await.map_err(failed)?;
        let local = tcp.local_addr().map_err(failed)?;
        let (sender, ready) = mpsc::channel(READY_MAX);
        tokio::spawn(accept(tcp, tls, sender));
        Ok(Listener { local, ready })
    }

    pub(crate) fn local(&self) -> SocketAddr {
        self.local
    }
}

/// The certificate of `server.ssl.*`, which is taken over when it is renewed.
fn acceptor(
    config: &DashboardConfig,
) -> Result<Option<impl Fn() -> Option<TlsAcceptor> + use<>>, DashboardError> {
    let (Some(certificate), Some(key)) = (&config.certificate, &config.private_key) else {
        return Ok(None);
    };
    let mut settings = TlsSettings::default();
    settings.set("tls.test.mode.enable", "false");
    settings.set("tls.server.certPath", certificate);
    settings.set("tls.server.keyPath", key);
    settings.server().map_err(|error| DashboardError::File(format!("HTTPS: {error}")))?;
    let tls = settings.server_with_log(|_| {});
    Ok(Some(move || tls.acceptor()))
}

/// Accepts until the receiver is gone.
async fn accept(
    tcp: TcpListener,
    tls: Option<impl Fn() -> Option<TlsAcceptor>>,
    ready: mpsc::Sender<(Stream, SocketAddr)>,
) {
    loop {
        let accepted = tokio::select! {
            accepted = tcp.accept() => accepted,
            () = ready.closed() => return,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of files, mostly: wait for some to close.
                tracing::warn!(target: crate::LOGGER, "a connection cannot be accepted: {error}");
                tokio::time::sleep(Duration::from_millis(200)).await;
                continue;
            }
        };
        let _ = stream.set_nodelay(true);
        let Some(tls) = &tls else {
            if ready.send((Stream::Plain(stream), peer)).await.is_err() {
                return;
            }
            continue;
        };
        let Some(acceptor) = tls() else { continue };
        let ready = ready.clone();
        tokio::spawn(async move {
            match tokio::time::timeout(HANDSHAKE_MAX, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => drop(ready.send((Stream::Tls(Box::new(stream)), peer)).await),
                Ok(Err(error)) => tracing::warn!(target: crate::LOGGER, "{peer}: TLS: {error}"),
                Err(_) => {
                    tracing::warn!(target: crate::LOGGER, "{peer}: TLS: no handshake within 10 s")
                }
            }
        });
    }
}

impl axum::serve::Listener for Listener {
    type Io = Stream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Stream, SocketAddr) {
        match self.ready.recv().await {
            Some(accepted) => accepted,
            // The accepting task ends only with this listener.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.local)
    }
}

/// A connection.
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
