//! TLS on the listening port: Java's keys, where they come from, the lines they are logged with,
//! and the server context (contract `wire.md` 7.2, `namesrv.md` 9).

use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;
use std::sync::Arc;

use rocketmq_common::properties::Properties;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Where Java looks for the settings unless told otherwise.
pub const DEFAULT_CONFIG_FILE: &str = "/etc/rocketmq/tls.properties";

/// What a listening port does with TLS handshakes and plain connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsMode {
    /// Plain only.
    Disabled,
    /// Both.
    #[default]
    Permissive,
    /// TLS only.
    Enforcing,
}

impl TlsMode {
    /// The mode of that name; an unknown one is permissive, as in Java.
    pub fn from_name(name: &str) -> TlsMode {
        match name.to_ascii_lowercase().as_str() {
            "disabled" => TlsMode::Disabled,
            "enforcing" => TlsMode::Enforcing,
            _ => TlsMode::Permissive,
        }
    }

    /// The name.
    pub fn name(self) -> &'static str {
        match self {
            TlsMode::Disabled => "disabled",
            TlsMode::Permissive => "permissive",
            TlsMode::Enforcing => "enforcing",
        }
    }
}

/// Every TLS key that may stand in the settings file, in the order in which they are logged.
const FILE_KEYS: [&str; 12] = [
    "tls.test.mode.enable",
    "tls.server.need.client.auth",
    "tls.server.keyPath",
    "tls.server.keyPassword",
    "tls.server.certPath",
    "tls.server.authClient",
    "tls.server.trustCertPath",
    "tls.client.keyPath",
    "tls.client.keyPassword",
    "tls.client.certPath",
    "tls.client.authServer",
    "tls.client.trustCertPath",
];

/// The settings in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSettings {
    /// The server's mode.
    pub mode: TlsMode,
    values: Vec<(&'static str, Option<String>)>,
    /// Whether the settings file was there.
    from_file: bool,
}

impl Default for TlsSettings {
    fn default() -> Self {
        let default = |key| match key {
            "tls.test.mode.enable" => Some("true".to_string()),
            "tls.server.need.client.auth" => Some("none".to_string()),
            "tls.server.authClient" | "tls.client.authServer" => Some("false".to_string()),
            _ => None,
        };
        let values = FILE_KEYS.map(|key| (key, default(key))).to_vec();
        TlsSettings { mode: TlsMode::default(), values, from_file: false }
    }
}

impl TlsSettings {
    /// Reads the system properties (`-Dtls...=` words of `JAVA_OPT`, `JAVA_OPT_EXT`) and the
    /// settings file that `tls.config.file` names; the file wins.
    pub fn load() -> TlsSettings {
        let options =
            ["JAVA_OPT", "JAVA_OPT_EXT"].map(|name| std::env::var(name).unwrap_or_default());
        TlsSettings::from_sources(&system_properties(&options.join(" ")))
    }

    fn from_sources(system: &Properties) -> TlsSettings {
        let mut settings = TlsSettings::default();
        if let Some(mode) = system.get("tls.server.mode") {
            settings.mode = TlsMode::from_name(mode);
        }
        let path = system.get("tls.config.file").unwrap_or(DEFAULT_CONFIG_FILE);
        let file = Properties::from_file(Path::new(path));
        settings.from_file = file.is_ok();
        for source in [Some(system), file.as_ref().ok()].into_iter().flatten() {
            for (key, value) in &mut settings.values {
                if let Some(given) = source.get(key) {
                    *value = Some(given.to_string());
                }
            }
        }
        settings
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.values.iter().find(|(name, _)| *name == key).and_then(|(_, value)| value.as_deref())
    }

    /// The lines of a boot, in Java's order.
    pub fn log(&self, logger: impl Fn(String)) {
        logger(format!("Server is running in TLS {} mode", self.mode.name()));
        if self.mode == TlsMode::Disabled {
            return;
        }
        if !self.from_file {
            logger("Tls config file doesn't exist, skip it".to_string());
        }
        logger("Log the final used tls related configuration".to_string());
        for (key, value) in &self.values {
            logger(format!("{key} = {}", value.as_deref().unwrap_or("null")));
        }
    }
}

/// How a listening port treats the first byte of a connection.
#[derive(Clone, Default)]
pub struct ServerTls {
    /// What is allowed.
    pub mode: TlsMode,
    /// Certificate and key; without them TLS connections are closed.
    pub(crate) acceptor: Option<TlsAcceptor>,
}

impl std::fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ServerTls({}, context: {})", self.mode.name(), self.acceptor.is_some())
    }
}

/// A server context that cannot be made. The server starts all the same, without TLS, as Java's.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A key is missing.
    #[error(
        "{0} is not set; set it in the file that tls.config.file names, or tls.test.mode.enable=true"
    )]
    Missing(&'static str),
    /// A file cannot be read.
    #[error("{path}: {source}")]
    File {
        /// Its path.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// A setting that is not served.
    #[error("{key}={value} is not supported; {remedy}")]
    Unsupported {
        /// The key.
        key: &'static str,
        /// Its value.
        value: String,
        /// What to set instead.
        remedy: &'static str,
    },
    /// Certificate and key do not make a context.
    #[error("{0}")]
    Context(String),
}

impl TlsSettings {
    /// The server's context: a self-signed certificate in test mode, else the configured one.
    /// Disabled mode has none.
    ///
    /// # Errors
    /// See [`TlsError`].
    pub fn server(&self) -> Result<ServerTls, TlsError> {
        if self.mode == TlsMode::Disabled {
            return Ok(ServerTls { mode: self.mode, acceptor: None });
        }
        let (certificates, key) = if self.is_on("tls.test.mode.enable") {
            self_signed()?
        } else {
            self.refuse_client_certificates()?;
            self.configured()?
        };
        let context = |error: tokio_rustls::rustls::Error| TlsError::Context(error.to_string());
        let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(context)?
            .with_no_client_auth()
            .with_single_cert(certificates, key)
            .map_err(context)?;
        Ok(ServerTls { mode: self.mode, acceptor: Some(TlsAcceptor::from(Arc::new(config))) })
    }

    /// [`TlsSettings::server`] with the lines of a boot; without a context TLS connections are
    /// refused and plain ones served, as in Java.
    pub fn server_with_log(&self, line: impl Fn(String)) -> ServerTls {
        self.log(&line);
        match self.server() {
            Ok(tls) => {
                if tls.acceptor.is_some() {
                    // Java names one of its two providers here; scripts look for the words.
                    line("Using JDK SSL provider".to_string());
                    line("SSLContext created for server".to_string());
                }
                tls
            }
            Err(error) => {
                tracing::error!(target: crate::LOGGER, thread = "main", "Failed to create SSLContext for server: {error}");
                ServerTls { mode: self.mode, acceptor: None }
            }
        }
    }

    fn is_on(&self, key: &str) -> bool {
        self.get(key).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// Client certificates are not asked for, so a setting that relies on them must not be
    /// silently ignored.
    fn refuse_client_certificates(&self) -> Result<(), TlsError> {
        let key = "tls.server.need.client.auth";
        match self.get(key) {
            Some(value) if value.eq_ignore_ascii_case("require") => Err(TlsError::Unsupported {
                key,
                value: value.to_string(),
                remedy: "set it to none or optional",
            }),
            _ => Ok(()),
        }
    }

    fn configured(&self) -> Result<CertifiedKey, TlsError> {
        let path = |key| self.get(key).ok_or(TlsError::Missing(key));
        let (cert_path, key_path) = (path("tls.server.certPath")?, path("tls.server.keyPath")?);
        let open = |path: &str| {
            let named = |source| TlsError::File { path: path.to_string(), source };
            File::open(path).map(BufReader::new).map_err(named)
        };
        let damaged = |path: &str, error: String| TlsError::File {
            path: path.to_string(),
            source: io::Error::new(io::ErrorKind::InvalidData, error),
        };
        let certificates: Result<Vec<_>, _> =
            CertificateDer::pem_reader_iter(open(cert_path)?).collect();
        let certificates = certificates.map_err(|e| damaged(cert_path, e.to_string()))?;
        let key = PrivateKeyDer::from_pem_reader(open(key_path)?)
            .map_err(|e| damaged(key_path, format!("{e}; an unencrypted PKCS#8 key is needed")))?;
        Ok((certificates, key))
    }
}

type CertifiedKey = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// A certificate that lives as long as the process, as Java makes in test mode.
fn self_signed() -> Result<CertifiedKey, TlsError> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_string()]);
    let made = made.map_err(|error| TlsError::Context(error.to_string()))?;
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der())
        .map_err(|error| TlsError::Context(error.to_string()))?;
    Ok((vec![made.cert.der().clone()], key))
}

/// The `-Dname=value` words of a Java command line.
pub fn system_properties(options: &str) -> Properties {
    let mut properties = Properties::new();
    for word in options.split_whitespace() {
        if let Some((name, value)) = word.strip_prefix("-D").and_then(|word| word.split_once('=')) {
            properties.set(name, value);
        }
    }
    properties
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_properties_are_taken_from_java_options() {
        let system = system_properties(
            "-server -Dtls.server.mode=enforcing -Dtls.config.file=/none -Dtls.server.keyPath=/k",
        );
        let settings = TlsSettings::from_sources(&system);
        assert_eq!(settings.mode, TlsMode::Enforcing);
        assert_eq!(settings.get("tls.server.keyPath"), Some("/k"));
        assert_eq!(settings.get("tls.test.mode.enable"), Some("true"));
        let lines = std::cell::RefCell::new(Vec::new());
        settings.log(|line| lines.borrow_mut().push(line));
        assert_eq!(lines.borrow().len(), 15);
        assert_eq!(lines.borrow()[1], "Tls config file doesn't exist, skip it");
    }
}
