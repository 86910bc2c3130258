//! Why a TLS context cannot be made.

use std::io;

use tokio_rustls::rustls::{CertificateError, Error};

/// A context that cannot be made. A server starts all the same, without TLS, as Java's; a client
/// that was told to use TLS never connects in clear instead.
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
    /// A file does not hold what it should.
    #[error("{path}: {what}")]
    Content {
        /// Its path.
        path: String,
        /// What is wrong with it, and what to do.
        what: String,
    },
    /// Certificate and key do not make a context.
    #[error("{0}")]
    Context(String),
}

impl From<Error> for TlsError {
    fn from(error: Error) -> Self {
        TlsError::Context(error.to_string())
    }
}

/// Adds to an error of TLS what to look at; others stay as they are.
pub(crate) fn explained(error: io::Error) -> io::Error {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    let remedy = match tls {
        Some(Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        )) => "renew the peer's certificate, or set this host's clock",
        Some(Error::InvalidCertificate(_)) => {
            "the peer's certificate must be signed by one of trustCertPath \
             (tls.client.trustCertPath on a client, tls.server.trustCertPath on a server)"
        }
        Some(Error::NoCertificatesPresented) => {
            "tls.server.need.client.auth=require: let the client set tls.client.certPath and \
             tls.client.keyPath to a certificate that one of tls.server.trustCertPath signed"
        }
        Some(Error::AlertReceived(_)) => {
            "the peer refused this side's certificate or handshake; its log says why (remoting.log \
             of a broker, namesrv.log of a name server)"
        }
        _ => return error,
    };
    io::Error::new(error.kind(), format!("TLS: {error}; {remedy}"))
}
