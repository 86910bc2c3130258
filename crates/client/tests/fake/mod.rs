//! A name server and brokers that answer as a test says and remember what they were asked.

#![allow(dead_code)] // each test program uses a part of it

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;
use rocketmq_client::ClientConfig;
use rocketmq_protocol::body::{BrokerData, QueueData, TopicRouteData};
use rocketmq_protocol::message::{Properties, properties};
use rocketmq_protocol::{RequestCode, ResponseCode};
use rocketmq_remoting::{
    Call, CloseReason, Connection, Request, RequestHandler, Response, Server, ServerOptions,
};

/// A request as a broker saw it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// The broker's name.
    pub(crate) broker: String,
    pub(crate) code: RequestCode,
    pub(crate) fields: HashMap<String, String>,
    pub(crate) remark: Option<String>,
    pub(crate) body: Bytes,
    pub(crate) oneway: bool,
}

impl Seen {
    pub(crate) fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }

    /// A message property of a send.
    pub(crate) fn property(&self, name: &str) -> Option<String> {
        self.properties().get(name).cloned()
    }

    /// The message properties of a send.
    pub(crate) fn properties(&self) -> Properties {
        properties::decode(self.field("i").as_bytes())
    }
}

/// An answer; `None` is no answer at all.
pub(crate) struct Reply {
    pub(crate) code: ResponseCode,
    pub(crate) remark: String,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Time until it leaves.
    pub(crate) delay: Duration,
}

impl Reply {
    pub(crate) fn ok() -> Option<Reply> {
        Reply::code(ResponseCode::SUCCESS, "")
    }

    pub(crate) fn code(code: ResponseCode, remark: &str) -> Option<Reply> {
        Some(Reply {
            code,
            remark: remark.to_string(),
            fields: Vec::new(),
            body: Vec::new(),
            delay: Duration::ZERO,
        })
    }

    pub(crate) fn json(body: &impl serde::Serialize) -> Option<Reply> {
        let body = rocketmq_common::fastjson::to_vec(body).unwrap();
        Some(Reply { body, ..Reply::ok().unwrap() })
    }

    /// What a broker says to a send that it stored.
    pub(crate) fn stored(seen: &Seen, offset: i64) -> Option<Reply> {
        let queue = seen.field("e").to_string();
        let fields = [
            ("msgId", "7F00000100002A9F0000000000000007".to_string()),
            ("queueId", queue),
            ("queueOffset", offset.to_string()),
            ("MSG_REGION", "DefaultRegion".to_string()),
            ("TRACE_ON", "true".to_string()),
        ];
        let fields = fields.map(|(name, value)| (name.to_string(), value)).to_vec();
        Some(Reply { fields, ..Reply::ok().unwrap() })
    }
}

type Script = Box<dyn Fn(&Seen) -> Option<Reply> + Send + Sync>;

struct Peer {
    name: String,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    routes: Mutex<HashMap<String, TopicRouteData>>,
    route_requests: Mutex<Vec<String>>,
    script: Mutex<Option<Arc<Script>>>,
    seen: Mutex<Vec<Seen>>,
    connections: Mutex<Vec<(String, Arc<Connection>)>>,
}

impl RequestHandler for Peer {
    fn handle(&self, call: Call<'_>) {
        if self.name.is_empty() {
            return self.route(call);
        }
        let seen = Seen {
            broker: self.name.clone(),
            code: call.code(),
            fields: call.frame.fields().iter().map(|(k, v)| (k.into(), v.into())).collect(),
            remark: call.frame.remark().map(|text| text.into_owned()),
            body: call.frame.body_bytes(),
            oneway: call.frame.is_oneway(),
        };
        self.shared.seen.lock().push(seen.clone());
        let script = self.shared.script.lock().clone();
        let Some(reply) = script.map_or_else(Reply::ok, |script| script(&seen)) else { return };
        if reply.delay.is_zero() {
            return answer(reply, |response| call.respond(response));
        }
        let deferred = call.defer();
        tokio::spawn(async move {
            tokio::time::sleep(reply.delay).await;
            answer(reply, |response| deferred.respond(response));
        });
    }

    fn connected(&self, connection: &Arc<Connection>) {
        self.shared.connections.lock().push((self.name.clone(), Arc::clone(connection)));
    }

    fn closed(&self, connection: &Arc<Connection>, _: &CloseReason) {
        self.shared.connections.lock().retain(|(_, known)| known.id() != connection.id());
    }
}

fn answer(reply: Reply, respond: impl FnOnce(Response<'_>)) {
    let fields: &dyn rocketmq_protocol::HeaderFields = &reply.fields;
    let mut response = Response::new(reply.code).fields(fields).body(reply.body);
    if !reply.remark.is_empty() {
        response = response.remark(&reply.remark);
    }
    respond(response);
}

impl Peer {
    fn route(&self, call: Call<'_>) {
        let topic = call.frame.fields().get("topic").map(|topic| topic.text().into_owned());
        let topic = topic.unwrap_or_default();
        self.shared.route_requests.lock().push(topic.clone());
        match self.shared.routes.lock().get(&topic) {
            Some(data) => {
                let body = rocketmq_common::fastjson::to_vec(data).unwrap();
                call.respond(Response::success().body(body));
            }
            None => {
                let text = format!("No topic route info in name server for the topic: {topic}");
                call.respond(Response::error(ResponseCode::TOPIC_NOT_EXIST, &text));
            }
        }
    }
}

/// The whole.
pub(crate) struct Fake {
    shared: Arc<Shared>,
    name_server: Server,
    brokers: BTreeMap<String, Server>,
}

impl Fake {
    /// A name server and brokers of those names.
    pub(crate) fn start(names: &[&str]) -> Fake {
        let shared = Arc::new(Shared::default());
        let serve = |name: &str| {
            let peer = Peer { name: name.to_string(), shared: Arc::clone(&shared) };
            let any = "127.0.0.1:0".parse().unwrap();
            Server::bind(any, ServerOptions::default(), Arc::new(peer)).unwrap()
        };
        let brokers = names.iter().map(|name| (name.to_string(), serve(name))).collect();
        Fake { name_server: serve(""), brokers, shared }
    }

    pub(crate) fn namesrv_addr(&self) -> String {
        self.name_server.local().to_string()
    }

    pub(crate) fn broker_addr(&self, name: &str) -> String {
        self.brokers[name].local().to_string()
    }

    /// A configuration for clients of this cluster.
    pub(crate) fn config(&self) -> ClientConfig {
        ClientConfig {
            namesrv_addr: Some(self.namesrv_addr()),
            client_ip: "127.0.0.1".to_string(),
            ..ClientConfig::default()
        }
    }

    /// Gives a topic so many queues at each broker.
    pub(crate) fn topic(&self, topic: &str, queues: i32) {
        let mut data = TopicRouteData::default();
        for (name, server) in &self.brokers {
            data.broker_datas.push(BrokerData {
                broker_addrs: BTreeMap::from([(0, server.local().to_string())]),
                broker_name: name.clone(),
                cluster: "c".to_string(),
            });
            data.queue_datas.push(QueueData {
                broker_name: name.clone(),
                perm: 6,
                read_queue_nums: queues,
                write_queue_nums: queues,
                topic_sys_flag: 0,
            });
        }
        self.route(topic, data);
    }

    /// Gives a topic a route.
    pub(crate) fn route(&self, topic: &str, data: TopicRouteData) {
        self.shared.routes.lock().insert(topic.to_string(), data);
    }

    /// Makes brokers answer so.
    pub(crate) fn answer(&self, script: impl Fn(&Seen) -> Option<Reply> + Send + Sync + 'static) {
        *self.shared.script.lock() = Some(Arc::new(Box::new(script)));
    }

    /// Stops one broker: its connections break and no new ones are made.
    pub(crate) fn stop_broker(&mut self, name: &str) {
        if let Some(server) = self.brokers.get(name) {
            server.shutdown();
        }
    }

    /// Requests of that code, in order.
    pub(crate) fn seen(&self, code: RequestCode) -> Vec<Seen> {
        self.shared.seen.lock().iter().filter(|seen| seen.code == code).cloned().collect()
    }

    /// Topics whose route was asked for.
    pub(crate) fn route_requests(&self) -> Vec<String> {
        self.shared.route_requests.lock().clone()
    }

    /// Connections to a broker.
    pub(crate) fn connections(&self, broker: &str) -> Vec<Arc<Connection>> {
        let connections = self.shared.connections.lock();
        let own = connections.iter().filter(|(name, _)| name == broker);
        own.map(|(_, connection)| Arc::clone(connection)).collect()
    }

    /// Sends a request from a broker to its only client and returns the answer's code, remark and
    /// body.
    pub(crate) async fn push(&self, broker: &str, request: Request<'_>) -> (i32, String, Bytes) {
        let connection = self.connections(broker).pop().expect("a client is connected");
        let frame = connection.invoke(request, Duration::from_secs(20)).await.unwrap();
        (frame.code, frame.remark().unwrap_or_default().into_owned(), frame.body_bytes())
    }
}

/// Waits for a condition.
pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Tasks of this test's runtime.
pub(crate) fn tasks() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}
