//! Looking at certificates without trusting them: what a file holds, what a port shows. For tools
//! that tell why a connection fails, or when it will.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use pkcs8::der::asn1::{AnyRef, GeneralizedTime, UtcTime};
use pkcs8::der::{Decode, Error, SliceReader, Tag, Tagged};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::verify_server_name;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::{ClientConfig, crypto};

use super::error::explained;
use super::pem::certificates;
use super::verify::ServerTrust;
use super::{TlsError, TlsSettings};

/// A certificate that somebody shows.
#[derive(Clone, Debug)]
pub struct Certificate {
    der: CertificateDer<'static>,
    /// First second of its validity, Unix time.
    pub not_before_s: u64,
    /// Last second of its validity, Unix time.
    pub not_after_s: u64,
}

/// A certificate that a setting names.
#[derive(Debug)]
pub struct CertificateFile {
    /// The setting, `tls.server.certPath` and the like.
    pub key: &'static str,
    /// The file's path.
    pub path: String,
    /// Its first certificate.
    pub certificate: Result<Certificate, TlsError>,
}

impl Certificate {
    fn new(der: CertificateDer<'static>) -> Result<Certificate, Error> {
        let (not_before, not_after) = validity(&der)?;
        Ok(Certificate {
            der,
            not_before_s: not_before.as_secs(),
            not_after_s: not_after.as_secs(),
        })
    }

    /// Whether it was made for that host name or address. RocketMQ's own clients never ask.
    pub fn is_for(&self, host: &str) -> bool {
        let Ok(name) = ServerName::try_from(host) else { return false };
        let parsed = ParsedCertificate::try_from(&self.der);
        parsed.is_ok_and(|parsed| verify_server_name(&parsed, &name).is_ok())
    }
}

/// First and last second of a certificate's validity.
fn validity(der: &[u8]) -> Result<(Duration, Duration), Error> {
    let certificate = AnyRef::from_der(der)?;
    let to_be_signed = AnyRef::decode(&mut SliceReader::new(certificate.value())?)?;
    let mut fields = SliceReader::new(to_be_signed.value())?;
    // In front of the validity stand a version, which may be left out, and a serial number, an
    // algorithm and the issuer.
    if AnyRef::decode(&mut fields)?.tag() != Tag::Integer {
        AnyRef::decode(&mut fields)?;
    }
    AnyRef::decode(&mut fields)?;
    AnyRef::decode(&mut fields)?;
    let validity = AnyRef::decode(&mut fields)?;
    let mut times = SliceReader::new(validity.value())?;
    Ok((time(AnyRef::decode(&mut times)?)?, time(AnyRef::decode(&mut times)?)?))
}

fn time(any: AnyRef<'_>) -> Result<Duration, Error> {
    match any.tag() {
        Tag::UtcTime => Ok(any.decode_as::<UtcTime>()?.to_unix_duration()),
        _ => Ok(any.decode_as::<GeneralizedTime>()?.to_unix_duration()),
    }
}

impl TlsSettings {
    /// The certificates that the settings name, those of test mode excepted: it reads no files.
    pub fn certificate_files(&self) -> Vec<CertificateFile> {
        if self.is_test() {
            return Vec::new();
        }
        let keys = [
            "tls.server.certPath",
            "tls.server.trustCertPath",
            "tls.client.certPath",
            "tls.client.trustCertPath",
        ];
        let named = keys.into_iter().filter_map(|key| Some((key, self.get(key)?)));
        let named = named.filter(|(_, path)| !path.is_empty());
        named
            .map(|(key, path)| {
                let path = path.to_string();
                let certificate = first_of(&path);
                CertificateFile { key, path, certificate }
            })
            .collect()
    }

    /// Whether the settings are those of test mode: certificates are made up and never checked.
    pub fn is_test(&self) -> bool {
        self.is_on("tls.test.mode.enable")
    }

    /// Whether this side checks who the servers are that it connects to.
    pub fn checks_servers(&self) -> bool {
        !self.is_test() && self.is_on("tls.client.authServer")
    }
}

fn first_of(path: &str) -> Result<Certificate, TlsError> {
    let content = |what: String| TlsError::Content { path: path.to_string(), what };
    let first = certificates(path)?.into_iter().next();
    let first = first.ok_or_else(|| content("no certificate in it".to_string()))?;
    Certificate::new(first).map_err(|error| content(error.to_string()))
}

/// The certificate that a port shows to whoever asks; it is not judged.
///
/// # Errors
/// Nobody listens there, or it takes no TLS.
pub async fn shown_by(address: &str, patience: Duration) -> io::Result<Certificate> {
    let late = |_| io::Error::from(io::ErrorKind::TimedOut);
    tokio::time::timeout(patience, ask(address)).await.map_err(late)?
}

async fn ask(address: &str) -> io::Result<Certificate> {
    let provider = Arc::new(crypto::ring::default_provider());
    let trust = Arc::new(ServerTrust { provider: Arc::clone(&provider), roots: None });
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(trust)
        .with_no_client_auth();
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::from(stream.peer_addr()?.ip());
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    let stream = stream.map_err(explained)?;
    let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    let shown = shown.ok_or_else(|| io::Error::other("it showed no certificate"))?;
    Certificate::new(shown.clone().into_owned()).map_err(io::Error::other)
}
