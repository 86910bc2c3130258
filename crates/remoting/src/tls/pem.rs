//! Certificates, trust anchors and keys as files.

use std::fs;

use pkcs8::pkcs5::Error as Pkcs5Error;
use pkcs8::{EncryptedPrivateKeyInfoRef, Error as Pkcs8Error, SecretDocument};
use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::{TlsError, TlsSettings};

/// A certificate chain, the leaf first, and its key.
pub(super) type CertifiedKey = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// The keys that name the three files and the password of one side.
pub(super) struct Keys {
    pub(super) cert: &'static str,
    pub(super) key: &'static str,
    pub(super) password: &'static str,
    pub(super) trust: &'static str,
}

impl TlsSettings {
    /// The certificate and key that the settings name.
    pub(super) fn certified_key(&self, keys: &Keys) -> Result<CertifiedKey, TlsError> {
        let (cert, key) = (self.needed(keys.cert)?, self.needed(keys.key)?);
        Ok((certificates(cert)?, private_key(key, self.get(keys.password), keys.password)?))
    }

    /// The certificates that peers' certificates must be signed by.
    pub(super) fn trusted(&self, keys: &Keys) -> Result<RootCertStore, TlsError> {
        let path = self.needed(keys.trust)?;
        let mut roots = RootCertStore::empty();
        for certificate in certificates(path)? {
            roots.add(certificate).map_err(|error| content(path, error.to_string()))?;
        }
        Ok(roots)
    }
}

fn read(path: &str) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|source| TlsError::File { path: path.to_string(), source })
}

fn content(path: &str, what: impl Into<String>) -> TlsError {
    TlsError::Content { path: path.to_string(), what: what.into() }
}

/// The certificates of a file, at least one.
pub(super) fn certificates(path: &str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem = read(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let found = found.map_err(|error| content(path, error.to_string()))?;
    if found.is_empty() {
        return Err(content(
            path,
            "no certificate in it; a PEM file is needed (BEGIN CERTIFICATE)",
        ));
    }
    Ok(found)
}

/// Reads a key: PKCS#8 plain or encrypted (PBES2), or an unencrypted key of the older forms.
fn private_key(
    path: &str,
    password: Option<&str>,
    password_key: &str,
) -> Result<PrivateKeyDer<'static>, TlsError> {
    let pem = read(path)?;
    let text = String::from_utf8_lossy(&pem);
    if text.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(content(path, format!("{OTHER_FORM}; {}", conversion(path))));
    }
    let Some(start) = text.find(ENCRYPTED) else {
        let key = PrivateKeyDer::from_pem_slice(&pem);
        return key.map_err(|error| content(path, format!("{error}; {}", conversion(path))));
    };
    let password = password.filter(|password| !password.is_empty()).ok_or_else(|| {
        content(path, format!("the key is encrypted; set {password_key} to its password"))
    })?;
    let (_, document) = SecretDocument::from_pem(&text[start..])
        .map_err(|error| content(path, format!("{error}; {}", conversion(path))))?;
    let other_form = || content(path, format!("{OTHER_FORM}; {}", conversion(path)));
    let encrypted = EncryptedPrivateKeyInfoRef::try_from(document.as_bytes());
    match encrypted.map_err(|_| other_form())?.decrypt(password) {
        Ok(key) => Ok(PrivatePkcs8KeyDer::from(key.as_bytes().to_vec()).into()),
        // A wrong password shows in the padding, or in what was under it.
        Err(Pkcs8Error::EncryptedPrivateKey(Pkcs5Error::DecryptFailed) | Pkcs8Error::Asn1(_)) => {
            Err(content(path, format!("the key cannot be decrypted; is {password_key} right?")))
        }
        Err(_) => Err(other_form()),
    }
}

const ENCRYPTED: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----";
const OTHER_FORM: &str = "the key is encrypted in a form that is not supported";

/// The command that makes a key of any form readable.
fn conversion(path: &str) -> String {
    format!(
        "convert it with: openssl pkcs8 -topk8 -v2 aes-256-cbc -v2prf hmacWithSHA256 -in {path} -out {path}.pk8"
    )
}
