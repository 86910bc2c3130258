//! TLS on both sides of a connection: Java's keys, where they come from and the lines they are
//! logged with (contract `wire.md` 7.2, `namesrv.md` 9).

mod client;
mod error;
mod inspect;
mod pem;
mod server;
mod verify;

use std::path::Path;

use rocketmq_common::properties::Properties;

pub use client::ClientTls;
pub use error::TlsError;
pub(crate) use error::explained;
pub use inspect::{Certificate, CertificateFile, shown_by};
pub use server::ServerTls;

/// First byte of a TLS handshake. No plain frame starts with it: it would be too long.
pub(crate) const HANDSHAKE: u8 = 0x16;

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
    /// `tls.enable`: whether this process connects with TLS; `None` when not set.
    pub enable: Option<bool>,
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
        TlsSettings { mode: TlsMode::default(), enable: None, values, from_file: false }
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
        settings.enable = system.get("tls.enable").map(|value| value.eq_ignore_ascii_case("true"));
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

    /// The value of a key that must be there.
    fn needed(&self, key: &'static str) -> Result<&str, TlsError> {
        self.get(key).filter(|value| !value.is_empty()).ok_or(TlsError::Missing(key))
    }

    /// Sets a key of the settings file; one that is none has no effect.
    pub fn set(&mut self, key: &str, value: &str) {
        if let Some((_, place)) = self.values.iter_mut().find(|(name, _)| *name == key) {
            *place = Some(value.to_string());
        }
    }

    fn is_on(&self, key: &str) -> bool {
        self.get(key).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// The lines of a boot, in Java's order. Passwords are not shown.
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
            let shown = match value.as_deref() {
                Some(_) if key.ends_with("Password") => "******",
                Some(value) => value,
                None => "null",
            };
            logger(format!("{key} = {shown}"));
        }
    }
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
            "-server -Dtls.server.mode=enforcing -Dtls.config.file=/none -Dtls.server.keyPath=/k \
             -Dtls.server.keyPassword=opensesame -Dtls.enable=true",
        );
        let settings = TlsSettings::from_sources(&system);
        assert_eq!(settings.mode, TlsMode::Enforcing);
        assert_eq!(settings.get("tls.server.keyPath"), Some("/k"));
        assert_eq!(settings.get("tls.test.mode.enable"), Some("true"));
        let lines = std::cell::RefCell::new(Vec::new());
        settings.log(|line| lines.borrow_mut().push(line));
        assert_eq!(lines.borrow().len(), 15);
        assert!(!lines.borrow().concat().contains("opensesame"));
        assert_eq!(settings.enable, Some(true));
        assert_eq!(lines.borrow()[1], "Tls config file doesn't exist, skip it");
    }
}
