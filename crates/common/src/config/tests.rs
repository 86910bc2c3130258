use super::*;

crate::config_enum! {
    /// Role.
    enum Role {
        /// Master.
        AsyncMaster = "ASYNC_MASTER",
        /// Slave.
        Slave = "SLAVE",
    }
}

fn host_name() -> String {
    "host".to_owned()
}

crate::config_table! {
    /// All types.
    struct Example {
        /// Name.
        /// Second line.
        broker_name: String = "brokerName", host_name(), important;
        /// Cluster.
        cluster: String = "brokerClusterName", "DefaultCluster", important, reloadable;
        /// Address.
        namesrv_addr: Option<String> = "namesrvAddr", None;
        /// Port.
        listen_port: i32 = "listenPort", 10911;
        /// Long.
        broker_id: i64 = "brokerId", 0;
        /// Flag.
        slave_read: bool = "slaveReadEnable", false;
        /// Ratio.
        ratio: f64 = "ratio", 0.75;
        /// Role.
        role: Role = "brokerRole", Role::AsyncMaster;
        /// Threads.
        threads: i32 = "threads", 2 + 2, shown("2 + C"), reloadable;
        /// Odd one.
        batch_push: bool = "enableBatchPush", false, listed("isEnableBatchPush");
    }
}

crate::config_table! {
    /// A second table of the same file.
    struct Other {
        /// Port.
        port: i32 = "otherPort", 1;
        /// Also there.
        broker_name: String = "brokerName", "x";
    }
}

#[test]
fn keys_describe_the_declaration() {
    let name = Example::KEYS[0];
    assert_eq!((name.name, name.type_name, name.default), ("brokerName", "string", "host_name()"));
    assert_eq!(name.doc, "Name. Second line.");
    assert!(name.important && !name.reloadable);
    let cluster = Example::KEYS[1];
    assert_eq!(cluster.default, "DefaultCluster");
    assert!(cluster.important && cluster.reloadable);
    assert_eq!(Example::KEYS[2].default, "");
    assert_eq!(Example::KEYS[7].type_name, "ASYNC_MASTER/SLAVE");
    assert_eq!(Example::KEYS[8].default, "2 + C");
    assert!(Example::KEYS[8].reloadable);
    assert_eq!(Example::KEYS[9].listed_name, "isEnableBatchPush");
}

#[test]
fn values_are_set_and_listed_by_java_name() {
    let mut config = Example::default();
    for (key, value) in [
        ("brokerName", "b"),
        ("namesrvAddr", "a:1"),
        ("listenPort", " 7 "),
        ("slaveReadEnable", "TRUE"),
        ("brokerRole", "SLAVE"),
        ("enableBatchPush", "true"),
    ] {
        assert_eq!(config.set(key, value), Ok(true), "{key}");
    }
    assert_eq!(config.listen_port, 7);
    assert_eq!(config.role, Role::Slave);
    assert_eq!(config.get("isEnableBatchPush").as_deref(), Some("true"));
    assert_eq!(config.get("enableBatchPush").as_deref(), Some("true"));
    assert_eq!(config.get("none"), None);
    config.set("namesrvAddr", "").unwrap();
    let entries = config.entries();
    assert_eq!(entries[2], ("namesrvAddr", String::new()));
    assert_eq!(entries[6], ("ratio", "0.75".to_owned()));
    assert_eq!(entries[9], ("isEnableBatchPush", "true".to_owned()));
}

#[test]
fn errors_name_file_key_value_and_remedy() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("broker.conf");
    let load = |text: &str| {
        std::fs::write(&path, text).unwrap();
        apply_file(&path, &mut [&mut Example::default()]).map(|report| report.unknown)
    };
    assert_eq!(
        load("listenPort=abc").unwrap_err().to_string(),
        "broker.conf: listenPort=abc is not a whole number; give one between -2147483648 and \
         2147483647, without unit"
    );
    assert_eq!(
        load("brokerRole=MASTER").unwrap_err().to_string(),
        "broker.conf: brokerRole=MASTER is not one of ASYNC_MASTER, SLAVE; write the name exactly so"
    );
    let missing = apply_file(&directory.path().join("none"), &mut []).unwrap_err().to_string();
    assert!(missing.contains("none: cannot be read: "), "{missing}");
}

#[test]
fn one_file_fills_several_tables_and_reports_unknown_keys() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("broker.conf");
    std::fs::write(&path, "brokerName=n\notherPort=9\nlistenprot=1\nwhatever=2\n").unwrap();
    let (mut example, mut other) = (Example::default(), Other::default());
    let report = apply_file(&path, &mut [&mut example, &mut other]).unwrap();
    assert_eq!((example.broker_name.as_str(), other.broker_name.as_str()), ("n", "n"));
    assert_eq!(other.port, 9);
    assert_eq!(
        report.unknown,
        [
            UnknownKey { key: "listenprot".to_owned(), nearest: Some("listenPort") },
            UnknownKey { key: "whatever".to_owned(), nearest: None },
        ]
    );
    assert_eq!(report.properties.get("whatever"), Some("2"));
}

#[test]
fn nearest_needs_to_be_near() {
    let keys = ["brokerName", "brokerIP1", "namesrvAddr"];
    assert_eq!(nearest_key("brokerIP", keys), Some("brokerIP1"));
    assert_eq!(nearest_key("namesrvAddress", keys), Some("namesrvAddr"));
    assert_eq!(nearest_key("x", keys), None);
    assert_eq!(nearest_key(&"x".repeat(100_000), keys), None);
}
