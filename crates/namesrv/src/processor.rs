//! One function for each request code a name server serves (contract `requests.md` N).

use std::sync::Arc;

use rocketmq_common::config::ConfigTable;
use rocketmq_common::properties::{Properties, wire_text};
use rocketmq_common::{clock, fastjson};
use rocketmq_protocol::body::{DataVersion, KvTable};
use rocketmq_protocol::header::{
    AddWritePermResponseHeader, BrokerIdentityRequestHeader, BrokerNameRequestHeader,
    ClusterRequestHeader, GetKvConfigResponseHeader, KvConfigRequestHeader, NamespaceRequestHeader,
    PutKvConfigRequestHeader, QueryDataVersionResponseHeader, RegisterBrokerRequestHeader,
    RegisterBrokerResponseHeader, TopicRequestHeader, WipeWritePermResponseHeader,
};
use rocketmq_protocol::message::crc32;
use rocketmq_protocol::topic::{FAQ, ORDER_TOPIC_CONFIG};
use rocketmq_protocol::{HeaderError, RequestCode, ResponseCode};
use rocketmq_remoting::{BatchFailed, Call, CloseReason, Connection, RequestHandler, Response};
use serde::Serialize;

use crate::LOGGER;
use crate::registration;
use crate::routes::Registration;
use crate::server::State;

/// Serves every connection of a name server.
pub(crate) struct Processor {
    pub(crate) state: Arc<State>,
}

/// A request that failed: response code and text.
struct Refusal(ResponseCode, String);

impl From<HeaderError> for Refusal {
    fn from(error: HeaderError) -> Refusal {
        Refusal(ResponseCode::SYSTEM_ERROR, error.to_string())
    }
}

fn failed(text: impl ToString) -> Refusal {
    Refusal(ResponseCode::SYSTEM_ERROR, text.to_string())
}

/// A JSON body, or a refusal if it cannot be written.
fn json(body: &impl Serialize) -> Result<Vec<u8>, Refusal> {
    fastjson::to_vec(body).map_err(failed)
}

type Handled = Result<(), Refusal>;

impl RequestHandler for Processor {
    fn handle(&self, call: Call<'_>) {
        let frame = call.frame.clone();
        let mut call = Some(call);
        if let Err(Refusal(code, text)) = self.route(&frame, &mut call)
            && let Some(call) = call
        {
            call.respond(Response::error(code, &text));
        }
    }

    fn batch_end(&self, _: &Arc<Connection>) -> Result<(), BatchFailed> {
        Ok(())
    }

    fn connected(&self, connection: &Arc<Connection>) {
        let (peer, thread) = (connection.peer(), "NettyServerCodecThread_1");
        tracing::info!(target: LOGGER, thread, "NETTY SERVER PIPELINE: channelRegistered {peer}");
        tracing::info!(target: LOGGER, thread, "NETTY SERVER PIPELINE: channelActive, the channel[{peer}]");
    }

    fn closed(&self, connection: &Arc<Connection>, reason: &CloseReason) {
        let (peer, thread) = (connection.peer(), "NettyServerCodecThread_1");
        if *reason == CloseReason::Idle {
            tracing::warn!(target: LOGGER, thread, "NETTY SERVER PIPELINE: IDLE exception [{peer}]");
        }
        tracing::info!(target: LOGGER, thread, "NETTY SERVER PIPELINE: channelInactive, the channel[{peer}]");
        tracing::info!(target: LOGGER, thread, "NETTY SERVER PIPELINE: channelUnregistered, the channel[{peer}]");
        let mut routes = self.state.routes.write();
        if let Some(broker_addr) = routes.broker_of_connection(connection.id()) {
            routes.broker_lost(&broker_addr);
        }
    }
}

/// Takes the call out of its place to answer it.
fn answer(call: &mut Option<Call<'_>>, response: Response<'_>) {
    if let Some(call) = call.take() {
        call.respond(response);
    }
}

impl Processor {
    fn route(&self, frame: &rocketmq_protocol::Frame, call: &mut Option<Call<'_>>) -> Handled {
        let routes = || self.state.routes.read();
        let list = match RequestCode(frame.code) {
            RequestCode::GET_ROUTEINFO_BY_TOPIC => return self.topic_route(frame, call),
            RequestCode::REGISTER_BROKER => return self.register_broker(frame, call),
            RequestCode::QUERY_DATA_VERSION => return self.query_data_version(frame, call),
            RequestCode::UNREGISTER_BROKER => {
                let header = BrokerIdentityRequestHeader::decode(frame.fields())?;
                let mut routes = self.state.routes.write();
                routes.unregister(&header.broker_name, &header.broker_addr, header.broker_id);
                drop(routes);
                answer(call, Response::success());
                return Ok(());
            }
            RequestCode::GET_BROKER_CLUSTER_INFO => {
                let body = json(&routes().cluster_info())?;
                answer(call, Response::success().body(body));
                return Ok(());
            }
            RequestCode::DELETE_TOPIC_IN_NAMESRV => {
                let header = TopicRequestHeader::decode(frame.fields())?;
                self.state.routes.write().delete_topic(&header.topic);
                answer(call, Response::success());
                return Ok(());
            }
            RequestCode::WIPE_WRITE_PERM_OF_BROKER | RequestCode::ADD_WRITE_PERM_OF_BROKER => {
                return self.change_write_permission(frame, call);
            }
            RequestCode::PUT_KV_CONFIG
            | RequestCode::GET_KV_CONFIG
            | RequestCode::DELETE_KV_CONFIG
            | RequestCode::GET_KVLIST_BY_NAMESPACE => return self.kv(frame, call),
            RequestCode::UPDATE_NAMESRV_CONFIG => return self.update_config(frame, call),
            RequestCode::GET_NAMESRV_CONFIG => {
                let body = self.state.config.lock().wire_text();
                answer(call, Response::success().body(body.into_bytes()));
                return Ok(());
            }
            RequestCode::GET_ALL_TOPIC_LIST_FROM_NAMESERVER => routes().topics_where(|_| true),
            RequestCode::GET_TOPICS_BY_CLUSTER => {
                let header = ClusterRequestHeader::decode(frame.fields())?;
                routes().topics_of_cluster(&header.cluster)
            }
            RequestCode::GET_SYSTEM_TOPIC_LIST_FROM_NS => routes().system_topics(),
            RequestCode::GET_UNIT_TOPIC_LIST => {
                routes().topics_where(|q| q.topic_sys_flag & 1 != 0)
            }
            RequestCode::GET_HAS_UNIT_SUB_TOPIC_LIST => {
                routes().topics_where(|q| q.topic_sys_flag & 2 != 0)
            }
            RequestCode::GET_HAS_UNIT_SUB_UNUNIT_TOPIC_LIST => {
                routes().topics_where(|q| q.topic_sys_flag & 3 == 2)
            }
            unknown => {
                // Java 4.9.2 sends nothing here and lets the caller wait for its time-out.
                tracing::warn!(target: LOGGER, "request type {unknown} not supported");
                call.take();
                return Ok(());
            }
        };
        let body = json(&list)?;
        answer(call, Response::success().body(body));
        Ok(())
    }

    fn topic_route(
        &self,
        frame: &rocketmq_protocol::Frame,
        call: &mut Option<Call<'_>>,
    ) -> Handled {
        // A missing topic is looked up as Java does, under the name "null".
        let header = TopicRequestHeader::decode(frame.fields());
        let topic = header.as_ref().map_or("null", |header| &header.topic);
        let Some(mut route) = self.state.routes.read().route(topic) else {
            let text = format!("No topic route info in name server for the topic: {topic}{FAQ}");
            return Err(Refusal(ResponseCode::TOPIC_NOT_EXIST, text));
        };
        if self.state.config.lock().attaches_order() {
            let kv = self.state.kv.lock();
            route.order_topic_conf = kv.get(ORDER_TOPIC_CONFIG, topic).map(str::to_string);
        }
        answer(call, Response::success().body(json(&route)?));
        Ok(())
    }

    fn register_broker(
        &self,
        frame: &rocketmq_protocol::Frame,
        call: &mut Option<Call<'_>>,
    ) -> Handled {
        let header = RegisterBrokerRequestHeader::decode(frame.fields())?;
        if header.body_crc32 != 0 && header.body_crc32 != crc32(frame.body()) {
            return Err(failed("crc32 not match"));
        }
        let body =
            registration::decode(frame.body(), header.compressed, frame.version).map_err(failed)?;
        let Some(connection_id) = call.as_ref().map(|call| call.connection.id()) else {
            return Ok(());
        };
        let broker = Registration {
            cluster: &header.cluster_name,
            broker_name: &header.broker_name,
            broker_addr: &header.broker_addr,
            broker_id: header.broker_id,
            ha_server_addr: &header.ha_server_addr,
            connection_id,
        };
        let topics = &body.topic_config_serialize_wrapper;
        let mut routes = self.state.routes.write();
        let master =
            routes.register(broker, topics, body.filter_server_list, clock::monotonic_ms());
        drop(routes);
        let fields = RegisterBrokerResponseHeader {
            ha_server_addr: master.ha_server_addr.map(Into::into),
            master_addr: master.master_addr.map(Into::into),
        };
        let mut response = Response::success().fields(&fields);
        let order: Option<KvTable> = self.state.kv.lock().namespace(ORDER_TOPIC_CONFIG);
        if let Some(order) = order {
            response = response.body(json(&order)?);
        }
        answer(call, response);
        Ok(())
    }

    fn query_data_version(
        &self,
        frame: &rocketmq_protocol::Frame,
        call: &mut Option<Call<'_>>,
    ) -> Handled {
        let header = BrokerIdentityRequestHeader::decode(frame.fields())?;
        let version: DataVersion = fastjson::from_slice(frame.body()).map_err(failed)?;
        let mut routes = self.state.routes.write();
        let changed =
            routes.query_data_version(&header.broker_addr, version, clock::monotonic_ms());
        let known = routes.data_version(&header.broker_addr);
        drop(routes);
        let fields = QueryDataVersionResponseHeader { changed };
        let mut response = Response::success().fields(&fields);
        if let Some(known) = known {
            response = response.body(json(&known)?);
        }
        answer(call, response);
        Ok(())
    }

    fn change_write_permission(
        &self,
        frame: &rocketmq_protocol::Frame,
        call: &mut Option<Call<'_>>,
    ) -> Handled {
        let header = BrokerNameRequestHeader::decode(frame.fields())?;
        let name = &header.broker_name;
        let peer = call.as_ref().map(|call| call.connection.peer().to_string()).unwrap_or_default();
        let mut routes = self.state.routes.write();
        if RequestCode(frame.code) == RequestCode::WIPE_WRITE_PERM_OF_BROKER {
            let count = routes.wipe_write_permission(name) as i32;
            drop(routes);
            tracing::info!(target: LOGGER, "wipe write perm of broker[{name}], client: {peer}, {count}");
            let fields = WipeWritePermResponseHeader { wipe_topic_count: count };
            answer(call, Response::success().fields(&fields));
        } else {
            let count = routes.add_write_permission(name) as i32;
            drop(routes);
            tracing::info!(target: LOGGER, "add write perm of broker[{name}], client: {peer}, {count}");
            let fields = AddWritePermResponseHeader { add_topic_count: count };
            answer(call, Response::success().fields(&fields));
        }
        Ok(())
    }

    fn kv(&self, frame: &rocketmq_protocol::Frame, call: &mut Option<Call<'_>>) -> Handled {
        let missing = |text: String| Refusal(ResponseCode::QUERY_NOT_FOUND, text);
        let mut kv = self.state.kv.lock();
        match RequestCode(frame.code) {
            RequestCode::PUT_KV_CONFIG => {
                let header = PutKvConfigRequestHeader::decode(frame.fields())?;
                let (Some(namespace), Some(key)) = (&header.namespace, &header.key) else {
                    return Err(failed("namespace or key is null"));
                };
                kv.put(namespace, key, header.value.as_deref()).map_err(failed)?;
                answer(call, Response::success());
            }
            RequestCode::DELETE_KV_CONFIG => {
                let header = KvConfigRequestHeader::decode(frame.fields())?;
                kv.delete(&header.namespace, &header.key).map_err(failed)?;
                answer(call, Response::success());
            }
            RequestCode::GET_KV_CONFIG => {
                let header = KvConfigRequestHeader::decode(frame.fields())?;
                let (namespace, key) = (&header.namespace, &header.key);
                let Some(value) = kv.get(namespace, key) else {
                    let text = format!("No config item, Namespace: {namespace} Key: {key}");
                    return Err(missing(text));
                };
                let fields = GetKvConfigResponseHeader { value: Some(value.into()) };
                answer(call, Response::success().fields(&fields));
            }
            _ => {
                let header = NamespaceRequestHeader::decode(frame.fields())?;
                let namespace = &header.namespace;
                let Some(table) = kv.namespace(namespace) else {
                    return Err(missing(format!("No config item, Namespace: {namespace}")));
                };
                answer(call, Response::success().body(json(&table)?));
            }
        }
        Ok(())
    }

    fn update_config(
        &self,
        frame: &rocketmq_protocol::Frame,
        call: &mut Option<Call<'_>>,
    ) -> Handled {
        if !frame.body().is_empty() {
            let changes = Properties::parse(frame.body());
            let restart = self.state.config.lock().update(&changes).map_err(failed)?;
            if !restart.is_empty() {
                let remark = format!("in effect after a restart: {}", restart.join(", "));
                answer(call, Response::success().remark(&remark));
                return Ok(());
            }
        }
        answer(call, Response::success());
        Ok(())
    }
}

/// The name server's settings as they are now, and the file they are kept in.
pub(crate) struct LiveConfig {
    pub(crate) namesrv: crate::NamesrvConfig,
    pub(crate) netty: rocketmq_remoting::config::NettyServerConfig,
    pub(crate) probe: rocketmq_remoting::probe::ProbeConfig,
    /// Keys of the configuration file that no table has; kept and shown, as in Java.
    pub(crate) extra: Properties,
}

impl LiveConfig {
    fn attaches_order(&self) -> bool {
        self.namesrv.order_message_enable || self.namesrv.cluster_test
    }

    fn entries(&self) -> Vec<(String, String)> {
        let tables: [&dyn ConfigTable; 3] = [&self.namesrv, &self.netty, &self.probe];
        let known = tables.into_iter().flat_map(ConfigTable::entries);
        let extra = self.extra.iter().map(|(key, value)| (key.to_string(), value.to_string()));
        known.map(|(key, value)| (key.to_string(), value)).chain(extra).collect()
    }

    fn wire_text(&self) -> String {
        wire_text(self.entries())
    }

    /// Sets the keys that exist already, then writes the file, whose comments and order stay.
    /// Nothing changes if a value does not fit. Returns the keys that wait for a restart.
    fn update(&mut self, changes: &Properties) -> Result<Vec<String>, String> {
        let mut written = Vec::new();
        let mut restart = Vec::new();
        let mut namesrv = self.namesrv.clone();
        let (mut netty, mut probe) = (self.netty.clone(), self.probe.clone());
        let mut extra = self.extra.clone();
        for (key, value) in changes.iter() {
            let known = namesrv.set(key, value).map_err(|error| error.to_string())?
                | netty.set(key, value).map_err(|error| error.to_string())?
                | probe.set(key, value).map_err(|error| error.to_string())?;
            if known || extra.contains_key(key) {
                written.push((key, value));
                if known && value != self.value(key) && !self.is_reloadable(key) {
                    restart.push(key.to_string());
                }
                tracing::info!(target: LOGGER, "Replace, key: {key}, value: {} -> {value}", self.value(key));
            }
            if !known && extra.contains_key(key) {
                extra.set(key, value);
            }
        }
        (self.namesrv, self.netty, self.probe, self.extra) = (namesrv, netty, probe, extra);
        let path = std::path::Path::new(&self.namesrv.config_store_path);
        Properties::update_file(path, &written, || self.entries())
            .map_err(|error| error.to_string())?;
        Ok(restart)
    }

    fn is_reloadable(&self, key: &str) -> bool {
        self.namesrv.keys().iter().any(|info| info.name == key && info.reloadable)
    }

    fn value(&self, key: &str) -> String {
        let tables: [&dyn ConfigTable; 3] = [&self.namesrv, &self.netty, &self.probe];
        let known = tables.into_iter().find_map(|table| table.get(key));
        known.or_else(|| self.extra.get(key).map(str::to_string)).unwrap_or_default()
    }
}
