//! The server's side, and certificates that are renewed while it runs.

use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::RwLock;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::server::danger::ClientCertVerifier;

use super::pem::{CertifiedKey, Keys};
use super::verify::AnyClient;
use super::{TlsError, TlsMode, TlsSettings};

const KEYS: Keys = Keys {
    cert: "tls.server.certPath",
    key: "tls.server.keyPath",
    password: "tls.server.keyPassword",
    trust: "tls.server.trustCertPath",
};

/// How often the files are looked at, as in Java.
const WATCH_INTERVAL: Duration = Duration::from_millis(500);

/// How a listening port treats the first byte of a connection.
#[derive(Clone, Default)]
pub struct ServerTls {
    /// What is allowed.
    pub mode: TlsMode,
    /// Certificate and key; without them TLS connections are closed. Connections take it when they
    /// begin, so a renewed one leaves them alone.
    context: Option<Arc<RwLock<TlsAcceptor>>>,
}

impl std::fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ServerTls({}, context: {})", self.mode.name(), self.context.is_some())
    }
}

impl ServerTls {
    /// The context for a new connection.
    pub fn acceptor(&self) -> Option<TlsAcceptor> {
        self.context.as_ref().map(|context| context.read().clone())
    }
}

impl TlsSettings {
    /// The server's context: a self-signed certificate in test mode, else the configured one.
    /// Disabled mode has none.
    ///
    /// # Errors
    /// See [`TlsError`].
    pub fn server(&self) -> Result<ServerTls, TlsError> {
        let context = match self.mode {
            TlsMode::Disabled => None,
            _ => Some(Arc::new(RwLock::new(self.acceptor()?))),
        };
        Ok(ServerTls { mode: self.mode, context })
    }

    fn acceptor(&self) -> Result<TlsAcceptor, TlsError> {
        let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?;
        let config = if self.is_on("tls.test.mode.enable") {
            let (chain, key) = self_signed()?;
            config.with_no_client_auth().with_single_cert(chain, key)?
        } else {
            let (chain, key) = self.certified_key(&KEYS)?;
            let config = match self.client_verifier(provider)? {
                Some(verifier) => config.with_client_cert_verifier(verifier),
                None => config.with_no_client_auth(),
            };
            config.with_single_cert(chain, key).map_err(|error| TlsError::Content {
                path: self.get(KEYS.key).unwrap_or_default().to_string(),
                what: format!("{error}; is it the key of {}?", KEYS.cert),
            })?
        };
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    /// What is asked of clients: `tls.server.need.client.auth`, `tls.server.authClient`.
    fn client_verifier(
        &self,
        provider: Arc<CryptoProvider>,
    ) -> Result<Option<Arc<dyn ClientCertVerifier>>, TlsError> {
        let need = self.get("tls.server.need.client.auth").unwrap_or_default().to_ascii_lowercase();
        let is_mandatory = match need.as_str() {
            "require" => true,
            "optional" => false,
            _ => return Ok(None),
        };
        if !self.is_on("tls.server.authClient") {
            return Ok(Some(Arc::new(AnyClient { provider, is_mandatory })));
        }
        let roots = Arc::new(self.trusted(&KEYS)?);
        let builder = WebPkiClientVerifier::builder_with_provider(roots, provider);
        let builder = if is_mandatory { builder } else { builder.allow_unauthenticated() };
        let verifier = builder.build().map_err(|error| TlsError::Context(error.to_string()))?;
        Ok(Some(verifier))
    }

    /// [`TlsSettings::server`] with the lines of a boot; without a context TLS connections are
    /// refused and plain ones served, as in Java. Renewed certificates are taken over while the
    /// server runs; must be called inside its runtime.
    pub fn server_with_log(self, line: impl Fn(String)) -> ServerTls {
        self.log(&line);
        // Before they are used: a change from now on is seen.
        let files = self.files();
        match self.server() {
            Ok(tls) => {
                if let Some(context) = &tls.context {
                    // Java names one of its two providers here; scripts look for the words.
                    line("Using JDK SSL provider".to_string());
                    line("SSLContext created for server".to_string());
                    if !self.is_on("tls.test.mode.enable") {
                        tokio::spawn(watch(self, Arc::downgrade(context), files));
                    }
                }
                tls
            }
            Err(error) => {
                tracing::error!(target: crate::LOGGER, thread = "main", "Failed to create SSLContext for server: {error}");
                ServerTls { mode: self.mode, context: None }
            }
        }
    }

    /// What the certificate files hold now; `None` for one that cannot be read.
    fn files(&self) -> Files {
        [KEYS.cert, KEYS.key, KEYS.trust].map(|key| std::fs::read(self.get(key)?).ok())
    }
}

/// What stands in the files of certificate, key and trust.
type Files = [Option<Vec<u8>>; 3];

/// Replaces the context whenever the files have changed and belong together; until they do the old
/// one is used. Ends with the servers.
async fn watch(settings: TlsSettings, context: Weak<RwLock<TlsAcceptor>>, mut known: Files) {
    let settings = Arc::new(settings);
    loop {
        tokio::time::sleep(WATCH_INTERVAL).await;
        let reader = Arc::clone(&settings);
        let Ok(files) = tokio::task::spawn_blocking(move || reader.files()).await else { return };
        let Some(context) = context.upgrade() else { return };
        if known != files {
            match settings.acceptor() {
                Ok(acceptor) => {
                    *context.write() = acceptor;
                    tracing::info!(target: crate::LOGGER, thread = "FileWatchService", "The certificate and private key changed, reload the ssl context");
                }
                Err(error) => {
                    tracing::error!(target: crate::LOGGER, thread = "FileWatchService", "the changed TLS files make no context, the old ones stay in use: {error}");
                }
            }
        }
        known = files;
        drop(context);
    }
}

/// A certificate that lives as long as the process, as Java makes in test mode.
fn self_signed() -> Result<CertifiedKey, TlsError> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_string()]);
    let made = made.map_err(|error| TlsError::Context(error.to_string()))?;
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der())
        .map_err(|error| TlsError::Context(error.to_string()))?;
    Ok((vec![made.cert.der().clone()], key))
}
