//! The client's side.

use std::io;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use super::error::explained;
use super::pem::Keys;
use super::verify::ServerTrust;
use super::{TlsError, TlsSettings};

const KEYS: Keys = Keys {
    cert: "tls.client.certPath",
    key: "tls.client.keyPath",
    password: "tls.client.keyPassword",
    trust: "tls.client.trustCertPath",
};

/// What an end in the middle of the handshake means.
const NO_ANSWER: &str = "TLS: the server closed the connection; either it takes no TLS \
    (tls.server.mode=disabled) or its log says why it has no certificate";

/// Makes connections TLS connections. One that could not be set up refuses every connection: what
/// was to be encrypted is never sent in clear.
#[derive(Clone)]
pub struct ClientTls(Result<TlsConnector, Arc<TlsError>>);

impl std::fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ClientTls(context: {})", self.0.is_ok())
    }
}

impl TlsSettings {
    /// The client's context: in test mode every server is trusted; else as `tls.client.*` say. A
    /// failure is logged, and becomes the error of every connection.
    pub fn client(&self) -> ClientTls {
        let made = self.connector().map_err(Arc::new);
        if let Err(error) = &made {
            tracing::error!(target: crate::LOGGER, "Failed to create SSLContext: {error}");
        }
        ClientTls(made)
    }

    fn connector(&self) -> Result<TlsConnector, TlsError> {
        let is_test = self.is_on("tls.test.mode.enable");
        let authenticate = !is_test && self.is_on("tls.client.authServer");
        let roots = authenticate.then(|| self.trusted(&KEYS)).transpose()?;
        let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
        let trust = Arc::new(ServerTrust { provider: Arc::clone(&provider), roots });
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(trust);
        let has_certificate = [KEYS.cert, KEYS.key].iter().any(|key| self.get(key).is_some());
        let config = if !is_test && has_certificate {
            let (chain, key) = self.certified_key(&KEYS)?;
            config.with_client_auth_cert(chain, key)?
        } else {
            config.with_no_client_auth()
        };
        Ok(TlsConnector::from(Arc::new(config)))
    }
}

impl ClientTls {
    /// Why it could not be set up.
    pub fn error(&self) -> Option<&TlsError> {
        self.0.as_ref().err().map(AsRef::as_ref)
    }

    /// The handshake on a connected stream.
    pub(crate) async fn connect(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let connector = match &self.0 {
            Ok(connector) => connector,
            Err(error) => return Err(io::Error::other(format!("TLS: {error}"))),
        };
        let name = ServerName::from(stream.peer_addr()?.ip());
        connector.connect(name, stream).await.map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => {
                io::Error::new(error.kind(), NO_ANSWER)
            }
            _ => explained(error),
        })
    }
}
