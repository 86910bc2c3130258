//! Every request a name server serves, over a socket.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test fails by panicking

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rocketmq_common::fastjson;
use rocketmq_namesrv::{NameServer, NameServerSettings};
use rocketmq_protocol::body::{
    ClusterInfo, DataVersion, KvTable, RegisterBrokerBody, TopicConfig,
    TopicConfigSerializeWrapper, TopicList, TopicRouteData,
};
use rocketmq_protocol::message::crc32;
use rocketmq_protocol::{Frame, RequestCode};
use rocketmq_remoting::{
    Call, ClientOptions, RemotingClient, RemotingError, Request, RequestHandler,
};

struct Silent;

impl RequestHandler for Silent {
    fn handle(&self, _: Call<'_>) {}
}

struct Fixture {
    server: NameServer,
    client: RemotingClient,
    folder: tempfile::TempDir,
}

const TIMEOUT: Duration = Duration::from_secs(20);

impl Fixture {
    fn start() -> Fixture {
        let folder = tempfile::tempdir().unwrap();
        let server = NameServer::start(Fixture::settings(folder.path(), |_| {})).unwrap();
        Fixture { server, client: client(), folder }
    }

    fn settings(
        folder: &std::path::Path,
        change: impl Fn(&mut NameServerSettings),
    ) -> NameServerSettings {
        let mut settings = NameServerSettings {
            listen: Some("127.0.0.1:0".parse().unwrap()),
            ..NameServerSettings::default()
        };
        let path = |name: &str| folder.join(name).to_string_lossy().into_owned();
        settings.namesrv.kv_config_path = path("kvConfig.json");
        settings.namesrv.config_store_path = path("namesrv.properties");
        change(&mut settings);
        settings
    }

    async fn ask(&self, code: RequestCode, fields: &[(&str, &str)]) -> Frame {
        self.ask_with(code, fields, Vec::new()).await
    }

    async fn ask_with(&self, code: RequestCode, fields: &[(&str, &str)], body: Vec<u8>) -> Frame {
        let address = self.server.local().to_string();
        let request = Request::new(code).fields(&fields).body(body);
        self.client.invoke(&address, request, TIMEOUT).await.unwrap()
    }

    async fn register(
        &self,
        name: &str,
        address: &str,
        id: &str,
        version: i64,
        topics: &[&str],
    ) -> Frame {
        let table = topics.iter().map(|t| (t.to_string(), TopicConfig::new(*t, 4, 7))).collect();
        let body = RegisterBrokerBody {
            filter_server_list: Some(Vec::new()),
            topic_config_serialize_wrapper: TopicConfigSerializeWrapper {
                data_version: DataVersion { counter: version, timestamp: 5 },
                topic_config_table: table,
            },
        };
        let body = fastjson::to_vec(&body).unwrap();
        let crc = crc32(&body).to_string();
        let fields = [
            ("brokerName", name),
            ("brokerAddr", address),
            ("clusterName", "c"),
            ("haServerAddr", "10.0.0.1:10912"),
            ("brokerId", id),
            ("compressed", "false"),
            ("bodyCrc32", &crc),
        ];
        self.ask_with(RequestCode::REGISTER_BROKER, &fields, body).await
    }
}

fn client() -> RemotingClient {
    RemotingClient::new(ClientOptions::default(), Arc::new(Silent))
}

fn parsed<T: serde::de::DeserializeOwned>(frame: &Frame) -> T {
    assert_eq!(frame.code, 0, "{:?}", frame.remark());
    fastjson::from_slice(frame.body()).unwrap()
}

#[tokio::test]
async fn routes_follow_registrations() {
    let ns = Fixture::start();
    let unknown = ns.ask(RequestCode::GET_ROUTEINFO_BY_TOPIC, &[("topic", "T")]).await;
    assert_eq!(unknown.code, 17);
    assert_eq!(
        unknown.remark().unwrap(),
        "No topic route info in name server for the topic: T\nSee http://rocketmq.apache.org/docs/faq/ for further details."
    );
    let none = ns.ask(RequestCode::GET_ROUTEINFO_BY_TOPIC, &[]).await;
    assert_eq!(none.code, 17);
    assert_eq!(ns.register("a", "10.0.0.1:10911", "0", 1, &["T"]).await.code, 0);
    let frame = ns.ask(RequestCode::GET_ROUTEINFO_BY_TOPIC, &[("topic", "T")]).await;
    assert_eq!(
        std::str::from_utf8(frame.body()).unwrap(),
        r#"{"brokerDatas":[{"brokerAddrs":{0:"10.0.0.1:10911"},"brokerName":"a","cluster":"c"}],"filterServerTable":{},"queueDatas":[{"brokerName":"a","perm":7,"readQueueNums":4,"topicSysFlag":0,"writeQueueNums":4}]}"#
    );
    let slave = ns.register("a", "10.0.0.2:10911", "1", 1, &[]).await;
    assert_eq!(slave.fields().get("masterAddr").unwrap().text(), "10.0.0.1:10911");
    let info: ClusterInfo = parsed(&ns.ask(RequestCode::GET_BROKER_CLUSTER_INFO, &[]).await);
    assert_eq!(info.broker_addr_table["a"].broker_addrs.len(), 2);
    assert_eq!(info.cluster_addr_table["c"], ["a"]);
    for (address, id) in [("10.0.0.1:10911", "0"), ("10.0.0.2:10911", "1")] {
        let fields =
            [("brokerName", "a"), ("brokerAddr", address), ("clusterName", "c"), ("brokerId", id)];
        assert_eq!(ns.ask(RequestCode::UNREGISTER_BROKER, &fields).await.code, 0);
    }
    let gone = ns.ask(RequestCode::GET_ROUTEINFO_BY_TOPIC, &[("topic", "T")]).await;
    assert_eq!(gone.code, 17);
}

#[tokio::test]
async fn a_broker_leaves_with_its_connection() {
    let ns = Fixture::start();
    ns.register("a", "10.0.0.1:10911", "0", 1, &["T"]).await;
    ns.client.shutdown().await;
    let other = Fixture { server: ns.server, client: client(), folder: ns.folder };
    let deadline = std::time::Instant::now() + TIMEOUT;
    while other.ask(RequestCode::GET_ROUTEINFO_BY_TOPIC, &[("topic", "T")]).await.code != 17 {
        assert!(std::time::Instant::now() < deadline);
    }
}

#[tokio::test]
async fn damaged_registrations_are_refused() {
    let ns = Fixture::start();
    let fields = [
        ("brokerName", "a"),
        ("brokerAddr", "x:1"),
        ("clusterName", "c"),
        ("haServerAddr", "x:2"),
        ("brokerId", "0"),
        ("bodyCrc32", "7"),
    ];
    let frame = ns.ask_with(RequestCode::REGISTER_BROKER, &fields, b"{}".to_vec()).await;
    assert_eq!((frame.code, frame.remark().unwrap().as_ref()), (1, "crc32 not match"));
    let frame = ns.ask_with(RequestCode::REGISTER_BROKER, &fields[..5], b"{".to_vec()).await;
    assert_eq!(frame.code, 1);
    let frame = ns.ask(RequestCode::REGISTER_BROKER, &fields[1..5]).await;
    assert_eq!(frame.remark().unwrap(), "the custom field <brokerName> is null");
}

#[tokio::test]
async fn lists_of_topics() {
    let ns = Fixture::start();
    ns.register("a", "10.0.0.1:10911", "0", 1, &["T", "U"]).await;
    let list = |frame: Frame| parsed::<TopicList>(&frame);
    let all = list(ns.ask(RequestCode::GET_ALL_TOPIC_LIST_FROM_NAMESERVER, &[]).await);
    assert_eq!(all.topic_list, ["T", "U"]);
    let cluster = list(ns.ask(RequestCode::GET_TOPICS_BY_CLUSTER, &[("cluster", "c")]).await);
    assert_eq!(cluster.topic_list, ["T", "U"]);
    let none = ns.ask(RequestCode::GET_TOPICS_BY_CLUSTER, &[("cluster", "x")]).await;
    assert_eq!(none.body(), br#"{"topicList":[]}"#);
    let system = list(ns.ask(RequestCode::GET_SYSTEM_TOPIC_LIST_FROM_NS, &[]).await);
    assert_eq!(system.topic_list, ["c", "a"]);
    assert_eq!(system.broker_addr.as_deref(), Some("10.0.0.1:10911"));
    for code in [
        RequestCode::GET_UNIT_TOPIC_LIST,
        RequestCode::GET_HAS_UNIT_SUB_TOPIC_LIST,
        RequestCode::GET_HAS_UNIT_SUB_UNUNIT_TOPIC_LIST,
    ] {
        assert!(list(ns.ask(code, &[]).await).topic_list.is_empty());
    }
    ns.ask(RequestCode::DELETE_TOPIC_IN_NAMESRV, &[("topic", "U")]).await;
    let all = list(ns.ask(RequestCode::GET_ALL_TOPIC_LIST_FROM_NAMESERVER, &[]).await);
    assert_eq!(all.topic_list, ["T"]);
}

#[tokio::test]
async fn write_permission_is_taken_and_given_back() {
    let ns = Fixture::start();
    ns.register("a", "10.0.0.1:10911", "0", 1, &["T", "U"]).await;
    let wiped = ns.ask(RequestCode::WIPE_WRITE_PERM_OF_BROKER, &[("brokerName", "a")]).await;
    assert_eq!(wiped.fields().get("wipeTopicCount").unwrap().int(), Some(2));
    let added = ns.ask(RequestCode::ADD_WRITE_PERM_OF_BROKER, &[("brokerName", "a")]).await;
    assert_eq!(added.fields().get("addTopicCount").unwrap().int(), Some(2));
    let route = ns.ask(RequestCode::GET_ROUTEINFO_BY_TOPIC, &[("topic", "T")]).await;
    assert_eq!(parsed::<TopicRouteData>(&route).queue_datas[0].perm, 6);
}

#[tokio::test]
async fn data_versions_tell_whether_to_register() {
    let ns = Fixture::start();
    ns.register("a", "10.0.0.1:10911", "0", 3, &["T"]).await;
    let fields = [
        ("brokerName", "a"),
        ("brokerAddr", "10.0.0.1:10911"),
        ("clusterName", "c"),
        ("brokerId", "0"),
    ];
    for (counter, changed) in [(3, "false"), (4, "true")] {
        let body = fastjson::to_vec(&DataVersion { counter, timestamp: 5 }).unwrap();
        let frame = ns.ask_with(RequestCode::QUERY_DATA_VERSION, &fields, body).await;
        assert_eq!(frame.fields().get("changed").unwrap().text(), changed);
        assert_eq!(parsed::<DataVersion>(&frame).counter, 3);
    }
}

#[tokio::test]
async fn key_value_configuration_survives_a_restart() {
    let ns = Fixture::start();
    let put = [("namespace", "ORDER_TOPIC_CONFIG"), ("key", "T"), ("value", "a:4")];
    assert_eq!(ns.ask(RequestCode::PUT_KV_CONFIG, &put).await.code, 0);
    let refused = ns.ask(RequestCode::PUT_KV_CONFIG, &put[1..]).await;
    assert_eq!((refused.code, refused.remark().unwrap().as_ref()), (1, "namespace or key is null"));
    let file = std::fs::read_to_string(ns.folder.path().join("kvConfig.json")).unwrap();
    assert_eq!(file, r#"{"configTable":{"ORDER_TOPIC_CONFIG":{"T":"a:4"}}}"#);
    // Brokers learn ordered topics from the answer to their registration.
    let registered = ns.register("a", "10.0.0.1:10911", "0", 1, &["T"]).await;
    assert_eq!(parsed::<KvTable>(&registered).table, BTreeMap::from([("T".into(), "a:4".into())]));
    ns.server.shutdown();
    let server = NameServer::start(Fixture::settings(ns.folder.path(), |settings| {
        settings.namesrv.order_message_enable = true;
    }));
    let ns = Fixture { server: server.unwrap(), client: client(), folder: ns.folder };
    let value = ns.ask(RequestCode::GET_KV_CONFIG, &put[..2]).await;
    assert_eq!(value.fields().get("value").unwrap().text(), "a:4");
    ns.register("a", "10.0.0.1:10911", "0", 1, &["T"]).await;
    let route = ns.ask(RequestCode::GET_ROUTEINFO_BY_TOPIC, &[("topic", "T")]).await;
    assert_eq!(parsed::<TopicRouteData>(&route).order_topic_conf.as_deref(), Some("a:4"));
    ns.ask(RequestCode::DELETE_KV_CONFIG, &put[..2]).await;
    let gone = ns.ask(RequestCode::GET_KV_CONFIG, &put[..2]).await;
    assert_eq!(gone.code, 22);
    assert_eq!(gone.remark().unwrap(), "No config item, Namespace: ORDER_TOPIC_CONFIG Key: T");
    let list = ns.ask(RequestCode::GET_KVLIST_BY_NAMESPACE, &put[..1]).await;
    assert_eq!(list.body(), br#"{"table":{}}"#);
    let list = ns.ask(RequestCode::GET_KVLIST_BY_NAMESPACE, &[("namespace", "x")]).await;
    assert_eq!((list.code, list.remark().unwrap().as_ref()), (22, "No config item, Namespace: x"));
}

#[tokio::test]
async fn configuration_is_read_and_changed() {
    let ns = Fixture::start();
    let body = b"orderMessageEnable=true\nnoSuchKey=1\n".to_vec();
    assert_eq!(ns.ask_with(RequestCode::UPDATE_NAMESRV_CONFIG, &[], body).await.code, 0);
    let config = ns.ask(RequestCode::GET_NAMESRV_CONFIG, &[]).await;
    let text = String::from_utf8(config.body().to_vec()).unwrap();
    assert!(text.contains("orderMessageEnable=true\n"), "{text}");
    assert!(!text.contains("noSuchKey"), "{text}");
    assert!(ns.folder.path().join("namesrv.properties").exists());
    let body = b"orderMessageEnable=maybe\n".to_vec();
    let refused = ns.ask_with(RequestCode::UPDATE_NAMESRV_CONFIG, &[], body).await;
    assert_eq!(refused.code, 1, "{:?}", refused.remark());
    // A file that is there keeps its comments, and gets what was changed only.
    let file = ns.folder.path().join("namesrv.properties");
    std::fs::write(&file, "# ours\norderMessageEnable = true\n").unwrap();
    let body = b"orderMessageEnable=false\nlistenPort=1\n".to_vec();
    let answer = ns.ask_with(RequestCode::UPDATE_NAMESRV_CONFIG, &[], body).await;
    assert_eq!(answer.remark().as_deref(), Some("in effect after a restart: listenPort"));
    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!(text, "# ours\norderMessageEnable=false\nlistenPort=1\n");
}

#[tokio::test]
async fn unknown_codes_get_no_answer() {
    let ns = Fixture::start();
    let address = ns.server.local().to_string();
    let request = Request::new(RequestCode(7777));
    let answer = ns.client.invoke(&address, request, Duration::from_millis(100)).await;
    assert!(matches!(answer, Err(RemotingError::Timeout { .. })), "{answer:?}");
}

#[tokio::test]
async fn a_taken_port_and_a_damaged_table_are_refused_with_the_reason() {
    let ns = Fixture::start();
    let taken = Fixture::settings(ns.folder.path(), |settings| {
        settings.listen = Some(ns.server.local());
    });
    let error = NameServer::start(taken).err().unwrap().to_string();
    assert!(error.starts_with("java.net.BindException: Address already in use"), "{error}");
    assert!(error.contains(&format!(": listenPort={};", ns.server.local().port())), "{error}");
    std::fs::write(ns.folder.path().join("kvConfig.json"), "{\"configTable\":{").unwrap();
    let error = NameServer::start(Fixture::settings(ns.folder.path(), |_| {})).err().unwrap();
    assert!(error.to_string().contains("kvConfig.json failed"), "{error}");
}
