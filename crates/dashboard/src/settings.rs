//! The settings, with the keys of the Java dashboard 1.0.0 (contract `dashboard.md` 3) and a few of
//! our own.

use std::path::{Path, PathBuf};

use rocketmq_common::config::{ConfigError, UnknownKey, apply_file, nearest_key};
use rocketmq_common::{config_table, home};

/// Where name servers are when nothing else is said.
const DEFAULT_NAME_SERVER: &str = "localhost:9876";

config_table! {
    /// What `application.properties`, the command line and the environment can say.
    pub struct DashboardConfig {
        /// Address to listen on.
        address: String = "server.address", "0.0.0.0";
        /// Port to listen on.
        port: i32 = "server.port", 8080;
        /// Prefix of every path.
        context_path: String = "server.servlet.context-path", "";
        /// How long a session lives without a request: seconds, or such as 30m, 2h.
        session_timeout: String = "server.servlet.session.timeout", "30m";
        /// PEM file with the certificate chain: the page is served over HTTPS.
        certificate: Option<String> = "server.ssl.certificate", None;
        /// PEM file with the certificate's key.
        private_key: Option<String> = "server.ssl.certificate-private-key", None;
        /// Java key stores cannot be read; the start says how to convert one.
        key_store: Option<String> = "server.ssl.key-store", None;
        /// Password of a Java key store.
        key_store_password: Option<String> = "server.ssl.key-store-password", None;
        /// Kind of a Java key store.
        key_store_type: Option<String> = "server.ssl.keyStoreType", None;
        /// Name of the key in a Java key store.
        key_alias: Option<String> = "server.ssl.keyAlias", None;
        /// Name servers, `host:port;host:port`; none: system property rocketmq.namesrv.addr, NAMESRV_ADDR, localhost:9876.
        namesrv_addr: Option<String> = "rocketmq.config.namesrvAddr", None;
        /// More clusters to choose from: name server lists, separated by commas.
        namesrv_addrs: Option<String> = "rocketmq.config.namesrvAddrs", None;
        /// Sends test messages to the broker's second port.
        is_vip_channel: Option<String> = "rocketmq.config.isVIPChannel", None;
        /// How long a request to a server may take, ms.
        timeout_millis: i64 = "rocketmq.config.timeoutMillis", 5000;
        /// Folder of users, roles, history and limits.
        data_path: String = "rocketmq.config.dataPath", "/tmp/rocketmq-console/data";
        /// Collects the history.
        enable_dashboard_collect: bool = "rocketmq.config.enableDashBoardCollect", true;
        /// Days for which history is kept; 0 keeps all.
        history_days: i64 = "rocketmq.config.historyDays", 60;
        /// Trace topic that the trace page offers first.
        msg_track_topic_name: Option<String> = "rocketmq.config.msgTrackTopicName", None;
        /// Accepted for old files; without effect, as in Java.
        ticket_key: Option<String> = "rocketmq.config.ticketKey", None;
        /// Asks for user and password; not said: yes, with a password made at the first start.
        login_required: Option<String> = "rocketmq.config.loginRequired", None;
        /// Connects to the servers with TLS.
        use_tls: bool = "rocketmq.config.useTLS", false;
        /// Account that requests are signed with.
        access_key: Option<String> = "rocketmq.config.accessKey", None;
        /// Its secret.
        secret_key: Option<String> = "rocketmq.config.secretKey", None;
    }
}

/// Keys of Spring that a 1.0.0 file has and that mean nothing here.
const SPRING_ONLY: [&str; 5] =
    ["spring.", "logging.", "management.", "server.tomcat.", "server.compression."];

/// What is said outside of the file and the command line.
#[derive(Clone, Copy)]
struct Outside {
    property: fn(&str) -> Option<String>,
    variable: fn(&str) -> Option<String>,
}

const OUTSIDE: Outside =
    Outside { property: home::system_property, variable: |name| std::env::var(name).ok() };

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A value does not fit, or the file cannot be read.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// HTTPS by a Java key store.
    #[error(
        "server.ssl.key-store={0} is a Java key store, which cannot be read; convert it with: openssl pkcs12 -in {0} \
         -nodes -out dashboard.pem, then set server.ssl.certificate=dashboard.pem and \
         server.ssl.certificate-private-key=dashboard.pem"
    )]
    KeyStore(String),
    /// One half of HTTPS.
    #[error(
        "HTTPS needs both server.ssl.certificate and server.ssl.certificate-private-key; set the one that is missing"
    )]
    HalfTls,
    /// An impossible port.
    #[error(
        "server.port={0} is not a port; a port lies between 0 and 65535, and 0 takes a free one"
    )]
    Port(i32),
}

impl DashboardConfig {
    /// Reads the file, then the environment, system properties and `--key=value` words over it:
    /// Spring's order, later ones win. Also returns the keys that nobody knows.
    ///
    /// # Errors
    /// See [`SettingsError`].
    pub fn load(
        file: Option<&Path>,
        words: &[(String, String)],
    ) -> Result<(DashboardConfig, Vec<UnknownKey>), SettingsError> {
        DashboardConfig::load_with(file, words, OUTSIDE)
    }

    fn load_with(
        file: Option<&Path>,
        words: &[(String, String)],
        outside: Outside,
    ) -> Result<(DashboardConfig, Vec<UnknownKey>), SettingsError> {
        let mut config = DashboardConfig::default();
        let mut unknown = Vec::new();
        let found = file.map(Path::to_path_buf).or_else(default_file);
        if let Some(path) = found {
            unknown = apply_file(&path, &mut [&mut config])?.unknown;
        }
        for info in DashboardConfig::KEYS {
            let variable = || (outside.variable)(&variable(info.name));
            if let Some(value) = (outside.property)(info.name).or_else(variable) {
                config.set(info.name, &value)?;
            }
        }
        for (key, value) in words {
            if !config.set(key, value)? {
                let nearest = nearest_key(key, DashboardConfig::KEYS.iter().map(|info| info.name));
                unknown.push(UnknownKey { key: key.clone(), nearest });
            }
        }
        unknown.retain(|unknown| !SPRING_ONLY.iter().any(|own| unknown.key.starts_with(own)));
        config.check()?;
        Ok((config, unknown))
    }

    fn check(&self) -> Result<(), SettingsError> {
        if self.certificate.is_some() != self.private_key.is_some() {
            return Err(SettingsError::HalfTls);
        }
        match &self.key_store {
            Some(store) if self.certificate.is_none() => {
                return Err(SettingsError::KeyStore(store.clone()));
            }
            _ => {}
        }
        u16::try_from(self.port).map(drop).map_err(|_| SettingsError::Port(self.port))
    }

    /// The prefix of every path: empty, or `/name` without a slash at its end.
    pub fn prefix(&self) -> String {
        match self.context_path.trim_matches('/') {
            "" => String::new(),
            name => format!("/{name}"),
        }
    }

    /// The name server lists to choose from; the first is the one in use.
    pub fn clusters(&self) -> Vec<String> {
        self.clusters_with(OUTSIDE)
    }

    fn clusters_with(&self, outside: Outside) -> Vec<String> {
        let given = |text: &Option<String>| text.clone().filter(|text| !text.trim().is_empty());
        let mut all: Vec<String> = given(&self.namesrv_addr).into_iter().collect();
        let more = given(&self.namesrv_addrs).unwrap_or_default();
        all.extend(
            more.split(',').map(str::trim).filter(|list| !list.is_empty()).map(str::to_string),
        );
        if all.is_empty() {
            let environment = || (outside.variable)("NAMESRV_ADDR").filter(|list| !list.is_empty());
            let first = (outside.property)("rocketmq.namesrv.addr").or_else(environment);
            all.push(first.unwrap_or_else(|| DEFAULT_NAME_SERVER.to_string()));
        }
        all.dedup();
        all
    }

    /// Whether test messages go to the broker's second port.
    pub fn vip_channel(&self) -> bool {
        self.vip_channel_with(OUTSIDE)
    }

    fn vip_channel_with(&self, outside: Outside) -> bool {
        let property = || (outside.property)("com.rocketmq.sendMessageWithVIPChannel");
        let said = self.is_vip_channel.clone().filter(|text| !text.is_empty()).or_else(property);
        said.is_none_or(|text| text == "true")
    }

    /// Whether users must log in; `None`: nothing is said.
    pub fn login(&self) -> Option<bool> {
        self.login_required.as_deref().filter(|text| !text.is_empty()).map(|text| text == "true")
    }

    /// A file of the data folder.
    pub fn data(&self, name: &str) -> PathBuf {
        Path::new(&self.data_path).join(name)
    }
}

/// Where Spring looks when no file is named.
fn default_file() -> Option<PathBuf> {
    let places = ["config/application.properties", "application.properties"];
    places.iter().map(PathBuf::from).find(|path| path.is_file())
}

/// Spring's name of a key as an environment variable.
fn variable(key: &str) -> String {
    key.replace('.', "_").replace('-', "").to_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(
        text: &str,
        words: &[(&str, &str)],
    ) -> Result<(DashboardConfig, Vec<UnknownKey>), SettingsError> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("application.properties");
        std::fs::write(&file, text).unwrap();
        let words: Vec<_> = words.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        DashboardConfig::load(Some(&file), &words)
    }

    #[test]
    fn a_file_of_1_0_0_is_read() {
        let text = "server.address=0.0.0.0\nserver.port=8083\n#spring.application.index=true\n\
                    spring.application.name=rocketmq-dashboard\nlogging.level.root=INFO\n\
                    rocketmq.config.namesrvAddr=a:1;b:2\nrocketmq.config.isVIPChannel=\n\
                    rocketmq.config.loginRequired=false\nserver.servlet.context-path=/rocketmq-dashboard/\n";
        let (config, unknown) = load(text, &[("server.port", "9000")]).unwrap();
        assert!(unknown.is_empty(), "{unknown:?}");
        assert_eq!((config.port, config.prefix().as_str()), (9000, "/rocketmq-dashboard"));
        assert_eq!(
            (config.clusters(), config.login(), config.vip_channel()),
            (vec!["a:1;b:2".to_string()], Some(false), true)
        );
    }

    const NOTHING: Outside = Outside { property: |_| None, variable: |_| None };

    #[test]
    fn every_key_of_the_file_counts() {
        let text = "server.address=10.1.1.1\nserver.port=8081\nserver.servlet.context-path=/console\n\
                    server.servlet.session.timeout=2h\nserver.ssl.certificate=a.pem\n\
                    server.ssl.certificate-private-key=b.pem\nrocketmq.config.namesrvAddr=a:1\n\
                    rocketmq.config.namesrvAddrs=b:2;c:3,d:4\nrocketmq.config.isVIPChannel=false\n\
                    rocketmq.config.timeoutMillis=700\nrocketmq.config.dataPath=/data\n\
                    rocketmq.config.enableDashBoardCollect=false\nrocketmq.config.historyDays=7\n\
                    rocketmq.config.msgTrackTopicName=traces\nrocketmq.config.ticketKey=ticket\n\
                    rocketmq.config.loginRequired=true\nrocketmq.config.useTLS=true\n\
                    rocketmq.config.accessKey=key\nrocketmq.config.secretKey=secret\n";
        let (config, unknown) = load(text, &[]).unwrap();
        assert!(unknown.is_empty(), "{unknown:?}");
        let expected = DashboardConfig {
            address: "10.1.1.1".to_string(),
            port: 8081,
            context_path: "/console".to_string(),
            session_timeout: "2h".to_string(),
            certificate: Some("a.pem".to_string()),
            private_key: Some("b.pem".to_string()),
            namesrv_addr: Some("a:1".to_string()),
            namesrv_addrs: Some("b:2;c:3,d:4".to_string()),
            is_vip_channel: Some("false".to_string()),
            timeout_millis: 700,
            data_path: "/data".to_string(),
            enable_dashboard_collect: false,
            history_days: 7,
            msg_track_topic_name: Some("traces".to_string()),
            ticket_key: Some("ticket".to_string()),
            login_required: Some("true".to_string()),
            use_tls: true,
            access_key: Some("key".to_string()),
            secret_key: Some("secret".to_string()),
            ..DashboardConfig::default()
        };
        assert_eq!(config, expected);
        assert_eq!(config.clusters(), ["a:1", "b:2;c:3", "d:4"]);
        assert_eq!((config.vip_channel(), config.login()), (false, Some(true)));
        assert_eq!(config.data("users.properties"), Path::new("/data/users.properties"));
    }

    #[test]
    fn words_win_over_properties_over_the_environment_over_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("application.properties");
        std::fs::write(&file, "server.port=1\nserver.address=1.1.1.1\n").unwrap();
        let variable: fn(&str) -> Option<String> =
            |name| (name == "SERVER_PORT").then(|| "2".to_string());
        let property: fn(&str) -> Option<String> =
            |name| (name == "server.port").then(|| "3".to_string());
        let words = [("server.port".to_string(), "4".to_string())];
        let port = |words: &[(String, String)], outside| {
            let (config, _) = DashboardConfig::load_with(Some(&file), words, outside).unwrap();
            assert_eq!(config.address, "1.1.1.1");
            config.port
        };
        assert_eq!(port(&[], NOTHING), 1);
        assert_eq!(port(&[], Outside { variable, ..NOTHING }), 2);
        assert_eq!(port(&[], Outside { variable, property }), 3);
        assert_eq!(port(&words, Outside { variable, property }), 4);
    }

    #[test]
    fn without_name_servers_the_property_then_namesrv_addr_then_localhost_is_taken() {
        let variable: fn(&str) -> Option<String> =
            |name| (name == "NAMESRV_ADDR").then(|| "env:1".to_string());
        let property: fn(&str) -> Option<String> =
            |name| (name == "rocketmq.namesrv.addr").then(|| "property:1".to_string());
        let empty = DashboardConfig { namesrv_addr: Some(String::new()), ..Default::default() };
        assert_eq!(empty.clusters_with(NOTHING), ["localhost:9876"]);
        assert_eq!(empty.clusters_with(Outside { variable, ..NOTHING }), ["env:1"]);
        assert_eq!(empty.clusters_with(Outside { variable, property }), ["property:1"]);
        let said = DashboardConfig { namesrv_addr: Some("a:1".to_string()), ..Default::default() };
        assert_eq!(said.clusters_with(Outside { variable, property }), ["a:1"]);
        let nowhere = Outside { variable: |_| Some(String::new()), ..NOTHING };
        assert_eq!(empty.clusters_with(nowhere), ["localhost:9876"]);
    }

    #[test]
    fn the_vip_channel_is_used_unless_the_file_or_the_property_says_no() {
        let property: fn(&str) -> Option<String> =
            |name| (name == "com.rocketmq.sendMessageWithVIPChannel").then(|| "false".to_string());
        let (silent, _) = load("rocketmq.config.isVIPChannel=\n", &[]).unwrap();
        assert!(silent.vip_channel_with(NOTHING));
        assert!(!silent.vip_channel_with(Outside { property, ..NOTHING }));
        let (said, _) = load("rocketmq.config.isVIPChannel=true\n", &[]).unwrap();
        assert!(said.vip_channel_with(Outside { property, ..NOTHING }));
    }

    #[test]
    fn what_cannot_be_used_says_what_to_do() {
        let store =
            load("server.ssl.key-store=classpath:store.p12\n", &[]).unwrap_err().to_string();
        assert!(store.contains("openssl pkcs12 -in classpath:store.p12"), "{store}");
        assert!(matches!(load("server.ssl.certificate=a.pem\n", &[]), Err(SettingsError::HalfTls)));
        assert!(matches!(load("server.port=65536\n", &[]), Err(SettingsError::Port(65536))));
        let (_, unknown) = load("rocketmq.config.namesrvAdr=a:1\n", &[]).unwrap();
        assert_eq!(unknown[0].nearest, Some("rocketmq.config.namesrvAddr"));
    }

    #[test]
    fn keys_have_springs_environment_names() {
        assert_eq!(variable("server.servlet.context-path"), "SERVER_SERVLET_CONTEXTPATH");
        assert_eq!(variable("rocketmq.config.namesrvAddr"), "ROCKETMQ_CONFIG_NAMESRVADDR");
    }
}
