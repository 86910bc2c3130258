//! A whole broker on loopback with its files in a scratch folder, and peers that talk to it frame
//! by frame.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rocketmq_acl::Credentials;
use rocketmq_broker::{Broker, BrokerContext, BrokerSettings, Settings};
use rocketmq_common::fastjson;
use rocketmq_protocol::message::RecordView;
use rocketmq_protocol::{Frame, RequestCode};
use rocketmq_remoting::{
    Call, ClientOptions, RemotingClient, Request, RequestHandler, RequestHook, Response,
};
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// How long anything may take before the test gives up.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// What answers end with that name a missing topic or group.
pub const FAQ: &str = "\nSee http://rocketmq.apache.org/docs/faq/ for further details.";

/// A port such that the broker's second one, two below, and that for slaves, one above, are free too. Below the range the system
/// gives out by itself, so nobody takes it meanwhile.
fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let start = std::process::id().wrapping_mul(41);
    loop {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = 11000 + (start.wrapping_add(step * 4) % 21000) as u16;
        let free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
        if free(port) && free(port - 2) && free(port + 1) {
            return port;
        }
    }
}

/// A running broker and a peer connected to it.
pub struct Fixture {
    pub broker: Broker,
    pub peer: Peer,
    pub folder: tempfile::TempDir,
}

impl Fixture {
    /// A broker with default settings.
    pub async fn start() -> Fixture {
        Fixture::with(|_| {}).await
    }

    /// A broker with changed settings.
    pub async fn with(change: impl FnOnce(&mut Settings)) -> Fixture {
        Fixture::inside(tempfile::tempdir().unwrap(), change).await
    }

    /// A broker on the files of the folder.
    pub async fn inside(folder: tempfile::TempDir, change: impl FnOnce(&mut Settings)) -> Fixture {
        let mut settings = rocketmq_broker::cli::default_settings();
        let broker = &mut settings.broker;
        broker.broker_ip1 = "127.0.0.1".to_string();
        broker.broker_ip2 = "127.0.0.1".to_string();
        broker.broker_name = "broker-a".to_string();
        broker.namesrv_addr = None;
        let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
        let store = &mut settings.store;
        store.store_path_root_dir = path("store");
        store.store_path_commit_log = path("store/commitlog");
        store.mapped_file_size_commit_log = 8 << 20;
        store.mapped_file_size_consume_queue = 20_000;
        (store.max_hash_slot_num, store.max_index_num) = (1000, 4000);
        settings.file = Some(folder.path().join("broker.properties"));
        change(&mut settings);
        let port = free_port();
        settings.server.listen_port = i32::from(port);
        let listen = Some(SocketAddr::from(([127, 0, 0, 1], port)));
        let acl_file = Some(folder.path().join("plain_acl.yml"));
        let start = BrokerSettings { settings, listen, acl_file, ..BrokerSettings::default() };
        let broker = Broker::start(start).await.unwrap();
        let peer = Peer::to(broker.local().unwrap());
        Fixture { broker, peer, folder }
    }

    pub fn context(&self) -> &Arc<BrokerContext> {
        self.broker.context()
    }

    /// Another client of the broker.
    pub fn another_peer(&self) -> Peer {
        Peer::to(self.broker.local().unwrap())
    }

    /// A client of the second port.
    pub fn vip_peer(&self) -> Peer {
        let mut address = self.broker.local().unwrap();
        address.set_port(address.port() - 2);
        Peer::to(address)
    }

    /// Creates a topic with that many queues to read and to write.
    pub async fn create_topic(&self, topic: &str, queues: i32) {
        self.create_topic_with(topic, queues, queues, 6, "SINGLE_TAG").await;
    }

    pub async fn create_topic_with(
        &self,
        topic: &str,
        read: i32,
        write: i32,
        perm: i32,
        kind: &str,
    ) {
        let (read, write, perm) = (read.to_string(), write.to_string(), perm.to_string());
        let fields = [
            ("topic", topic),
            ("defaultTopic", "TBW102"),
            ("readQueueNums", &read),
            ("writeQueueNums", &write),
            ("perm", &perm),
            ("topicFilterType", kind),
            ("topicSysFlag", "0"),
            ("order", "false"),
        ];
        let answer = self.peer.ask(RequestCode::UPDATE_AND_CREATE_TOPIC, &fields).await;
        assert_eq!(answer.code, 0, "{:?}", answer.remark());
    }

    /// Stops the broker and gives the folder back.
    pub async fn stop(self) -> tempfile::TempDir {
        self.peer.client.shutdown().await;
        self.broker.shutdown().await;
        self.folder
    }
}

/// A request that the broker made of a peer.
#[derive(Debug)]
pub struct Push {
    pub code: i32,
    pub oneway: bool,
    pub fields: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

/// Keeps what the broker asks; two-way requests are answered with code 0 and the given body.
struct Recorder {
    pushes: UnboundedSender<Push>,
    answer: Vec<u8>,
}

impl RequestHandler for Recorder {
    fn handle(&self, call: Call<'_>) {
        let push = Push {
            code: call.frame.code,
            oneway: call.frame.is_oneway(),
            fields: fields_of(&call.frame),
            body: call.frame.body().to_vec(),
        };
        let _ = self.pushes.send(push);
        call.respond(Response::success().body(self.answer.clone()));
    }
}

/// One connection to a broker.
pub struct Peer {
    pub client: RemotingClient,
    address: String,
    pushes: Mutex<UnboundedReceiver<Push>>,
}

impl Peer {
    pub fn to(address: SocketAddr) -> Peer {
        Peer::answering(address, Vec::new())
    }

    /// A peer that answers what the broker asks of it with that body.
    pub fn answering(address: SocketAddr, answer: Vec<u8>) -> Peer {
        Peer::of(address, answer, ClientOptions::default())
    }

    /// A peer that signs what it asks.
    pub fn signing(address: SocketAddr, credentials: Credentials) -> Peer {
        let hook: Option<Arc<dyn RequestHook>> = Some(Arc::new(credentials));
        Peer::of(address, Vec::new(), ClientOptions { hook, ..ClientOptions::default() })
    }

    fn of(address: SocketAddr, answer: Vec<u8>, options: ClientOptions) -> Peer {
        let (sender, pushes) = unbounded_channel();
        let handler = Arc::new(Recorder { pushes: sender, answer });
        Peer {
            client: RemotingClient::new(options, handler),
            address: address.to_string(),
            pushes: Mutex::new(pushes),
        }
    }

    pub async fn ask(&self, code: RequestCode, fields: &[(&str, &str)]) -> Frame {
        self.ask_with(code, fields, Vec::new()).await
    }

    pub async fn ask_with(
        &self,
        code: RequestCode,
        fields: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Frame {
        let request = Request::new(code).fields(&fields).body(body);
        self.client.invoke(&self.address, request, PATIENCE).await.unwrap()
    }

    /// The local end of its connection, as the broker sees it.
    pub async fn local(&self) -> String {
        self.client.connection(&self.address).await.unwrap().local().to_string()
    }

    /// Waits for the next request of the broker.
    pub async fn pushed(&self) -> Push {
        let mut pushes = self.pushes.lock().await;
        tokio::time::timeout(PATIENCE, pushes.recv()).await.expect("nothing was pushed").unwrap()
    }

    /// Whether the broker has asked nothing so far.
    pub async fn nothing_pushed(&self) -> bool {
        self.pushes.lock().await.try_recv().is_err()
    }

    /// Closes the connection.
    pub async fn close(&self) {
        self.client.shutdown().await;
    }

    /// Sends one message by code 310 and returns the answer.
    pub async fn send(&self, message: &Outgoing<'_>) -> Frame {
        let code = if message.batch {
            RequestCode::SEND_BATCH_MESSAGE
        } else {
            RequestCode::SEND_MESSAGE_V2
        };
        self.ask_with(code, &message.fields(), message.body.to_vec()).await
    }

    /// Sends a message that must be stored; returns where.
    pub async fn stored(&self, message: &Outgoing<'_>) -> Stored {
        let answer = self.send(message).await;
        assert_eq!((answer.code, answer.remark()), (0, None));
        let fields = fields_of(&answer);
        Stored {
            msg_id: fields["msgId"].clone(),
            queue_id: fields["queueId"].parse().unwrap(),
            queue_offset: fields["queueOffset"].parse().unwrap(),
        }
    }

    /// Pulls with the subscription in the request.
    pub async fn pull(&self, pull: &Pull<'_>) -> Frame {
        self.ask(RequestCode::PULL_MESSAGE, &pull.fields()).await
    }
}

/// Where a message lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    pub msg_id: String,
    pub queue_id: i32,
    pub queue_offset: i64,
}

/// A message as a producer sends it.
#[derive(Clone)]
pub struct Outgoing<'a> {
    pub topic: &'a str,
    pub default_topic: &'a str,
    pub default_topic_queue_nums: &'a str,
    pub queue_id: &'a str,
    pub sys_flag: &'a str,
    pub flag: &'a str,
    pub properties: &'a str,
    pub reconsume_times: &'a str,
    pub unit_mode: &'a str,
    pub max_reconsume_times: Option<&'a str>,
    pub batch: bool,
    pub body: &'a [u8],
}

pub fn message<'a>(topic: &'a str, queue_id: &'a str) -> Outgoing<'a> {
    Outgoing {
        topic,
        default_topic: "TBW102",
        default_topic_queue_nums: "4",
        queue_id,
        sys_flag: "0",
        flag: "0",
        properties: "",
        reconsume_times: "0",
        unit_mode: "false",
        max_reconsume_times: None,
        batch: false,
        body: b"hello",
    }
}

impl<'a> Outgoing<'a> {
    /// The fields of code 310; those of code 10 have the long names.
    pub fn fields(&self) -> Vec<(&'a str, &'a str)> {
        let mut fields = vec![
            ("a", "test_producer"),
            ("b", self.topic),
            ("c", self.default_topic),
            ("d", self.default_topic_queue_nums),
            ("e", self.queue_id),
            ("f", self.sys_flag),
            ("g", "1700000000000"),
            ("h", self.flag),
            ("i", self.properties),
            ("j", self.reconsume_times),
            ("k", self.unit_mode),
            ("m", if self.batch { "true" } else { "false" }),
        ];
        fields.extend(self.max_reconsume_times.map(|max| ("l", max)));
        fields
    }
}

/// A pull as a consumer sends it.
#[derive(Clone)]
pub struct Pull<'a> {
    pub group: &'a str,
    pub topic: &'a str,
    pub queue_id: &'a str,
    pub offset: &'a str,
    pub max: &'a str,
    /// 1 commit, 2 suspend, 4 subscription in the request.
    pub sys_flag: &'a str,
    pub commit_offset: &'a str,
    pub suspend_ms: &'a str,
    pub subscription: Option<&'a str>,
    pub sub_version: &'a str,
    pub expression_type: Option<&'a str>,
}

pub fn pull<'a>(topic: &'a str, queue_id: &'a str, offset: &'a str) -> Pull<'a> {
    Pull {
        group: "test_consumer",
        topic,
        queue_id,
        offset,
        max: "32",
        sys_flag: "4",
        commit_offset: "0",
        suspend_ms: "0",
        subscription: Some("*"),
        sub_version: "1",
        expression_type: Some("TAG"),
    }
}

impl<'a> Pull<'a> {
    pub fn fields(&self) -> Vec<(&'a str, &'a str)> {
        let mut fields = vec![
            ("consumerGroup", self.group),
            ("topic", self.topic),
            ("queueId", self.queue_id),
            ("queueOffset", self.offset),
            ("maxMsgNums", self.max),
            ("sysFlag", self.sys_flag),
            ("commitOffset", self.commit_offset),
            ("suspendTimeoutMillis", self.suspend_ms),
            ("subVersion", self.sub_version),
        ];
        fields.extend(self.subscription.map(|text| ("subscription", text)));
        fields.extend(self.expression_type.map(|text| ("expressionType", text)));
        fields
    }
}

/// Header fields of a frame by name.
pub fn fields_of(frame: &Frame) -> BTreeMap<String, String> {
    frame.fields().iter().map(|(key, value)| (key.into_owned(), value.into_owned())).collect()
}

/// Code and text of an answer.
pub fn said(frame: &Frame) -> (i32, String) {
    (frame.code, frame.remark().map(|text| text.into_owned()).unwrap_or_default())
}

/// The JSON body of a successful answer.
pub fn parsed<T: DeserializeOwned>(frame: &Frame) -> T {
    assert_eq!(frame.code, 0, "{:?}", frame.remark());
    fastjson::from_slice(frame.body()).unwrap()
}

/// The body of an answer as text.
pub fn body_text(frame: &Frame) -> &str {
    std::str::from_utf8(frame.body()).unwrap()
}

/// The stored messages of a body.
pub fn records(body: &[u8]) -> Vec<RecordView<'_>> {
    let mut rest = body;
    let mut records = Vec::new();
    while !rest.is_empty() {
        let record = RecordView::parse(rest).unwrap();
        record.check_crc().unwrap();
        rest = &rest[record.size()..];
        records.push(record);
    }
    records
}

/// Waits until the condition holds.
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
