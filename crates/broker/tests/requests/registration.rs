//! What the broker tells the name servers: REGISTER_BROKER 103, UNREGISTER_BROKER 104,
//! QUERY_DATA_VERSION 322 (contract `requests.md` N, `broker.md` 5).

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use rocketmq_broker::Settings;
use rocketmq_common::fastjson;
use rocketmq_namesrv::{NameServer, NameServerSettings};
use rocketmq_protocol::body::{RegisterBrokerBody, TopicRouteData};
use rocketmq_protocol::message::crc32;
use rocketmq_protocol::{RequestCode, ResponseCode};
use rocketmq_remoting::{Call, Deferred, RequestHandler, Response, Server, ServerOptions};

use crate::support::{Fixture, PATIENCE, Peer, fields_of, message, parsed, until};

/// One registration as it arrived.
struct Registered {
    topics: BTreeSet<String>,
    body: RegisterBrokerBody,
    fields: std::collections::BTreeMap<String, String>,
}

/// A name server that notes what it is told, and answers when it is let.
#[derive(Default)]
struct Notes {
    registered: Mutex<Vec<Registered>>,
    asked_version: Mutex<usize>,
    left: Mutex<usize>,
    /// Answers are kept here while this is some.
    held: Mutex<Option<Vec<Deferred>>>,
    refuses: Mutex<bool>,
    ordered: Mutex<Vec<u8>>,
}

struct NotingServer(Arc<Notes>);

impl RequestHandler for NotingServer {
    fn handle(&self, call: Call<'_>) {
        let notes = &self.0;
        match call.code() {
            RequestCode::REGISTER_BROKER => {
                let body: RegisterBrokerBody = fastjson::from_slice(call.frame.body()).unwrap();
                let fields = fields_of(&call.frame);
                assert_eq!(fields["bodyCrc32"], crc32(call.frame.body()).to_string());
                let topics = body.topic_config_serialize_wrapper.topic_config_table.keys();
                let topics = topics.cloned().collect();
                notes.registered.lock().push(Registered { topics, body, fields });
                if *notes.refuses.lock() {
                    return call.respond(Response::error(ResponseCode::SYSTEM_ERROR, "not now"));
                }
                if let Some(held) = notes.held.lock().as_mut() {
                    return held.push(call.defer());
                }
                call.respond(Response::success().body(notes.ordered.lock().clone()));
            }
            RequestCode::QUERY_DATA_VERSION => {
                *notes.asked_version.lock() += 1;
                let changed = [("changed", "false")];
                call.respond(Response::success().fields(&changed.as_slice()));
            }
            code => {
                assert_eq!(code, RequestCode::UNREGISTER_BROKER);
                *notes.left.lock() += 1;
                call.respond(Response::success());
            }
        }
    }
}

/// The server, and its notes.
fn noting_server() -> (Server, Arc<Notes>) {
    let notes = Arc::new(Notes::default());
    let handler = Arc::new(NotingServer(Arc::clone(&notes)));
    let any = "127.0.0.1:0".parse().unwrap();
    (Server::bind(any, ServerOptions::default(), handler).unwrap(), notes)
}

fn at(server: &Server) -> impl FnOnce(&mut Settings) + use<> {
    let address = server.local().to_string();
    move |settings| settings.broker.namesrv_addr = Some(address)
}

#[tokio::test]
async fn a_broker_comes_and_goes() {
    let (server, notes) = noting_server();
    let broker = Fixture::with(at(&server)).await;
    let port = broker.broker.local().unwrap().port();
    {
        let registered = notes.registered.lock();
        let first = &registered[0];
        assert_eq!(first.fields["brokerName"], "broker-a");
        assert_eq!(first.fields["brokerAddr"], format!("127.0.0.1:{port}"));
        assert_eq!(first.fields["clusterName"], "DefaultCluster");
        assert_eq!(first.fields["haServerAddr"], format!("127.0.0.1:{}", port + 1));
        assert_eq!((&*first.fields["brokerId"], &*first.fields["compressed"]), ("0", "false"));
        assert_eq!(first.body.filter_server_list, Some(vec![]));
        let expected = [
            "BenchmarkTest",
            "DefaultCluster",
            "DefaultCluster_REPLY_TOPIC",
            "OFFSET_MOVED_EVENT",
            "SCHEDULE_TOPIC_XXXX",
            "SELF_TEST_TOPIC",
            "TBW102",
            "broker-a",
        ];
        assert_eq!(first.topics.iter().collect::<Vec<_>>(), expected);
    }
    broker.stop().await;
    assert_eq!(*notes.left.lock(), 1);
}

#[tokio::test]
async fn many_new_topics_make_few_registrations() {
    let (server, notes) = noting_server();
    let broker = Fixture::with(at(&server)).await;
    assert_eq!(notes.registered.lock().len(), 1);
    // Nothing is answered until every topic is there, as a slow name server does.
    *notes.held.lock() = Some(Vec::new());
    for index in 0..200 {
        broker.peer.stored(&message(&format!("New{index}"), "0")).await;
    }
    until("the first change is told", || notes.registered.lock().len() == 2).await;
    let held = notes.held.lock().take().unwrap();
    held.into_iter().for_each(|answer| answer.respond(Response::success()));
    let told = || {
        let registered = notes.registered.lock();
        registered[1..].iter().flat_map(|r| r.topics.clone()).collect::<BTreeSet<_>>()
    };
    until("every topic is told", || told().len() == 200).await;
    assert!(notes.registered.lock().len() <= 4, "{}", notes.registered.lock().len());
    // Only what changed is told.
    assert!(told().iter().all(|topic| topic.starts_with("New")));
    broker.stop().await;
}

#[tokio::test]
async fn a_name_server_that_missed_changes_is_told_all() {
    let (server, notes) = noting_server();
    let broker = Fixture::with(at(&server)).await;
    *notes.refuses.lock() = true;
    broker.create_topic("Missed", 1).await;
    until("it was tried", || notes.registered.lock().len() == 2).await;
    *notes.refuses.lock() = false;
    broker.create_topic("Next", 1).await;
    until("all is told", || {
        let registered = notes.registered.lock();
        registered.last().is_some_and(|last| {
            ["Missed", "Next", "TBW102"].iter().all(|topic| last.topics.contains(*topic))
        })
    })
    .await;
    broker.stop().await;
}

#[tokio::test]
async fn a_restricted_broker_restricts_its_topics() {
    let (server, notes) = noting_server();
    let address = at(&server);
    let broker = Fixture::with(|settings| {
        address(settings);
        settings.broker.broker_permission = 4;
    })
    .await;
    let perms = |registered: &Registered| {
        let table = &registered.body.topic_config_serialize_wrapper.topic_config_table;
        table.values().map(|topic| topic.perm).collect::<BTreeSet<_>>()
    };
    assert_eq!(perms(&notes.registered.lock()[0]), BTreeSet::from([4]));
    // A change of the permission is told at once, for all topics.
    let body = b"brokerPermission=6\n".to_vec();
    let answer = broker.peer.ask_with(RequestCode::UPDATE_BROKER_CONFIG, &[], body).await;
    assert_eq!(answer.code, 0, "{:?}", answer.remark());
    until("it is told", || notes.registered.lock().len() == 2).await;
    assert_eq!(perms(&notes.registered.lock()[1]), BTreeSet::from([6, 7]));
    broker.stop().await;
}

#[tokio::test]
async fn what_is_ordered_is_the_name_servers_to_say() {
    let (server, notes) = noting_server();
    *notes.ordered.lock() = br#"{"table":{"Ordered":"broker-a:4"}}"#.to_vec();
    let broker = Fixture::with(at(&server)).await;
    let is_ordered = |topic: &str| broker.context().topics.get(topic).unwrap().order;
    broker.create_topic("Ordered", 4).await;
    until("the topic is ordered", || is_ordered("Ordered")).await;
    assert!(!is_ordered("TBW102"));
    *notes.ordered.lock() = br#"{"table":{}}"#.to_vec();
    broker.create_topic("Other", 4).await;
    until("the topic is ordered no more", || !is_ordered("Ordered")).await;
    broker.stop().await;
}

#[tokio::test]
async fn an_unforced_broker_asks_what_is_known() {
    let (server, notes) = noting_server();
    let address = at(&server);
    let broker = Fixture::with(|settings| {
        address(settings);
        settings.broker.force_register = false;
    })
    .await;
    // The first registration is forced all the same.
    assert_eq!((notes.registered.lock().len(), *notes.asked_version.lock()), (1, 0));
    broker.context().outward.register_all(broker.context(), false).await;
    assert_eq!((notes.registered.lock().len(), *notes.asked_version.lock()), (1, 1));
    broker.stop().await;
}

/// A real one on a free port, with its files in the folder.
pub(crate) fn name_server(folder: &Path) -> NameServer {
    name_server_at(folder, "127.0.0.1:0".parse().unwrap()).unwrap()
}

fn name_server_at(folder: &Path, address: SocketAddr) -> std::io::Result<NameServer> {
    let path = |name: &str| folder.join(name).to_string_lossy().into_owned();
    let mut start = NameServerSettings { listen: Some(address), ..NameServerSettings::default() };
    start.namesrv.kv_config_path = path("kvConfig.json");
    start.namesrv.config_store_path = path("namesrv.properties");
    NameServer::start(start).map_err(std::io::Error::other)
}

#[tokio::test]
async fn a_compressed_registration_is_understood() {
    let folder = tempfile::tempdir().unwrap();
    let server = name_server(folder.path());
    let address = server.local();
    let broker = Fixture::with(|settings| {
        settings.broker.namesrv_addr = Some(address.to_string());
        settings.broker.compressed_register = true;
    })
    .await;
    let peer = Peer::to(address);
    let fields = [("topic", "BenchmarkTest")];
    let answer = peer.ask(RequestCode::GET_ROUTEINFO_BY_TOPIC, &fields).await;
    let route: TopicRouteData = parsed(&answer);
    assert_eq!(route.queue_datas[0].write_queue_nums, 1024);
    assert_eq!(route.broker_datas[0].broker_name, "broker-a");
    broker.stop().await;
    server.shutdown();
}

/// One that started again knows nothing: the next change must not be all that it hears, for under
/// the version that came with it, it would take nothing else.
#[tokio::test]
async fn a_name_server_that_started_again_is_told_all() {
    let folder = tempfile::tempdir().unwrap();
    let server = name_server(folder.path());
    let address = server.local();
    let broker =
        Fixture::with(|settings| settings.broker.namesrv_addr = Some(address.to_string())).await;
    broker.create_topic("Before", 1).await;
    server.shutdown();
    let mut server = None;
    until("its port is free", || {
        server = name_server_at(folder.path(), address).ok();
        server.is_some()
    })
    .await;
    let peer = Peer::to(address);
    let deadline = Instant::now() + PATIENCE;
    for topic in ["After", "Before", "TBW102"] {
        let fields = [("topic", topic)];
        while peer.ask(RequestCode::GET_ROUTEINFO_BY_TOPIC, &fields).await.code != 0 {
            assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {topic} is routed");
            // One that meets the closing connection is not told; the next is.
            broker.create_topic("After", 1).await;
        }
    }
    broker.stop().await;
    drop(server);
}
