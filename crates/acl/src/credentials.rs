//! With what a client signs its requests.

use std::borrow::Cow;
use std::fmt;
use std::path::Path;

use rocketmq_protocol::HeaderFields;
use rocketmq_protocol::fields;
use rocketmq_remoting::{Body, RequestHook};

use crate::error::AclError;
use crate::signature::{ACCESS_KEY, SECURITY_TOKEN, SIGNATURE, SecretKey};
use crate::yaml;

/// An account's keys; signs every request of the client it is given to.
#[derive(Clone)]
pub struct Credentials {
    access_key: String,
    secret_key: SecretKey,
    security_token: Option<String>,
}

impl Credentials {
    /// From an account's two keys.
    pub fn new(access_key: impl Into<String>, secret_key: &str) -> Credentials {
        let secret_key = SecretKey::new(secret_key);
        Credentials { access_key: access_key.into(), secret_key, security_token: None }
    }

    /// With the token of a temporary account.
    pub fn security_token(mut self, token: impl Into<String>) -> Credentials {
        self.security_token = Some(token.into());
        self
    }

    /// Reads `accessKey` and `secretKey` of a file such as `conf/tools.yml`; `None` if there is no
    /// such file or one of the two is not set.
    ///
    /// # Errors
    /// The file is there but cannot be read; the text names line and column.
    pub fn from_file(path: &Path) -> Result<Option<Credentials>, AclError> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(AclError::Io { path: path.to_path_buf(), source }),
        };
        let root = yaml::parse(&text).map_err(|fault| fault.in_file(path))?;
        let key = |name: &str| {
            let text = root.as_ref()?.get(name)?.text()?;
            (!text.trim().is_empty()).then_some(text)
        };
        let both = key("accessKey").zip(key("secretKey"));
        Ok(both.map(|(access_key, secret_key)| Credentials::new(access_key, secret_key)))
    }
}

impl RequestHook for Credentials {
    fn extra_fields(
        &self,
        header: Option<&dyn HeaderFields>,
        body: &Body,
    ) -> Vec<(String, String)> {
        let mut extra = vec![(ACCESS_KEY.to_string(), self.access_key.clone())];
        extra.extend(self.security_token.iter().map(|t| (SECURITY_TOKEN.to_string(), t.clone())));
        let of_header = header.map(fields::collect).unwrap_or_default();
        let all = of_header.iter().chain(&extra);
        let mut signed: Vec<(Cow<'_, str>, Cow<'_, str>)> =
            all.map(|(name, value)| (name.into(), value.into())).collect();
        let parts: Vec<&[u8]> = match body {
            Body::None => Vec::new(),
            Body::One(bytes) => vec![bytes],
            Body::Many(parts) => parts.iter().map(|part| &**part).collect(),
        };
        let signature = self.secret_key.sign(&mut signed, &parts);
        extra.push((SIGNATURE.to_string(), signature));
        extra
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({}, ***)", self.access_key)
    }
}
