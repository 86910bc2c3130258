//! Calls of tools: looking at and changing topics, groups, brokers and name servers (contract
//! `client.md` 14, `admin.md` 2).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rocketmq_common::properties::Properties;
use rocketmq_common::{clock, java};
use rocketmq_protocol::body::{
    BrokerStatsData, ClusterInfo, ConsumeMessageDirectlyResult, ConsumeStats, ConsumeType,
    ConsumerConnection, ConsumerRunningInfo, GroupList, KvTable, MASTER_ID, MessageModel,
    SubscriptionGroupWrapper, TopicConfig, TopicConfigSerializeWrapper, TopicList, TopicRouteData,
    TopicStatsTable,
};
use rocketmq_protocol::header::{
    ConsumeMessageDirectlyRequestHeader, ConsumerGroupRequestHeader, CreateTopicRequestHeader,
    GetConsumeStatsRequestHeader, GetConsumerRunningInfoRequestHeader, GetKvConfigResponseHeader,
    KvConfigRequestHeader, PutKvConfigRequestHeader, QueryMessageRequestHeader, TopicRequestHeader,
    ViewBrokerStatsDataRequestHeader, ViewMessageRequestHeader,
};
use rocketmq_protocol::message::{MessageExt, RecordView, message_id, property};
use rocketmq_protocol::topic::{AUTO_CREATE, RETRY_PREFIX};
use rocketmq_protocol::{Frame, HeaderFields, NoFields, RequestCode, ResponseCode};
use rocketmq_remoting::Body;

use crate::config::ClientConfig;
use crate::error::ClientError;
use crate::instance::{Instance, parse};
use crate::{Producer, SendResult, unique_id};

/// How long admin requests may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Group under which messages are sent again.
const RESEND_GROUP: &str = "CLIENT_INNER_PRODUCER";

/// What is known of a message's consumption by one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageTrack {
    /// The group.
    pub consumer_group: String,
    /// `CONSUMED`, `CONSUMED_BUT_FILTERED`, `PULL`, `NOT_CONSUME_YET`, `NOT_ONLINE`, `UNKNOWN`.
    pub track_type: &'static str,
    /// Why it could not be found out.
    pub exception: Option<String>,
}

impl fmt::Display for MessageTrack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "MessageTrack [consumerGroup={}, trackType={}, exceptionDesc={}]",
            self.consumer_group,
            self.track_type,
            self.exception.as_deref().unwrap_or("null")
        )
    }
}

/// A client for tools. Nothing is connected before it is needed.
pub struct AdminClient(Arc<Instance>);

impl AdminClient {
    /// A client for these name servers, or those of `NAMESRV_ADDR`. Must be called inside a
    /// runtime.
    pub fn connect(namesrv_addr: Option<&str>) -> Result<AdminClient, ClientError> {
        let mut config = ClientConfig { timeout: TIMEOUT, ..ClientConfig::default() };
        if let Some(list) = namesrv_addr {
            config.namesrv_addr = Some(list.to_string());
        }
        config.instance_name = clock::now_ms().to_string();
        Ok(AdminClient(Instance::start(config)))
    }

    /// Closes the connections.
    pub async fn shutdown(&self) {
        self.0.shutdown().await;
    }

    async fn name_server(
        &self,
        code: RequestCode,
        fields: &dyn HeaderFields,
    ) -> Result<Frame, ClientError> {
        self.0.ask_name_server(code, fields).await
    }

    async fn broker(
        &self,
        address: &str,
        code: RequestCode,
        fields: &dyn HeaderFields,
    ) -> Result<Frame, ClientError> {
        let answer = self.0.ask(address, code, fields, Body::None).await;
        // Tools print a broker's refusal as the client's own error.
        answer.map_err(|error| match error {
            ClientError::Broker { code, text, .. } => ClientError::Client { code, text },
            other => other,
        })
    }

    /// Brokers and queues of a topic.
    pub async fn topic_route(&self, topic: &str) -> Result<TopicRouteData, ClientError> {
        let header = TopicRequestHeader { topic: topic.into() };
        parse(&self.name_server(RequestCode::GET_ROUTEINFO_BY_TOPIC, &header).await?)
    }

    /// Every cluster and broker.
    pub async fn cluster_info(&self) -> Result<ClusterInfo, ClientError> {
        parse(&self.name_server(RequestCode::GET_BROKER_CLUSTER_INFO, &NoFields).await?)
    }

    /// Every topic, in the order in which Java lists them.
    pub async fn topic_list(&self) -> Result<TopicList, ClientError> {
        let code = RequestCode::GET_ALL_TOPIC_LIST_FROM_NAMESERVER;
        let mut list: TopicList = parse(&self.name_server(code, &NoFields).await?)?;
        java::sort_as_hash_map(&mut list.topic_list, |topic| topic);
        Ok(list)
    }

    /// What a broker says of itself.
    pub async fn broker_runtime_info(
        &self,
        address: &str,
    ) -> Result<BTreeMap<String, String>, ClientError> {
        let frame = self.broker(address, RequestCode::GET_BROKER_RUNTIME_INFO, &NoFields).await?;
        Ok(parse::<KvTable>(&frame)?.table)
    }

    /// A broker's configuration.
    pub async fn broker_config(&self, address: &str) -> Result<Properties, ClientError> {
        let frame = self.broker(address, RequestCode::GET_BROKER_CONFIG, &NoFields).await?;
        Ok(Properties::parse(frame.body()))
    }

    /// Every topic of a broker.
    pub async fn all_topic_config(
        &self,
        address: &str,
    ) -> Result<TopicConfigSerializeWrapper, ClientError> {
        parse(&self.broker(address, RequestCode::GET_ALL_TOPIC_CONFIG, &NoFields).await?)
    }

    /// Every consumer group of a broker.
    pub async fn all_subscription_groups(
        &self,
        address: &str,
    ) -> Result<SubscriptionGroupWrapper, ClientError> {
        let code = RequestCode::GET_ALL_SUBSCRIPTIONGROUP_CONFIG;
        parse(&self.broker(address, code, &NoFields).await?)
    }

    /// Names of a broker's system topics.
    pub async fn system_topics(&self, address: &str) -> Result<Vec<String>, ClientError> {
        let code = RequestCode::GET_SYSTEM_TOPIC_LIST_FROM_BROKER;
        let list: TopicList = parse(&self.broker(address, code, &NoFields).await?)?;
        Ok(list.topic_list)
    }

    /// Rates of one statistic of a broker; `None` if it has none under that name and key.
    pub async fn broker_stats(
        &self,
        address: &str,
        name: &str,
        key: &str,
    ) -> Result<Option<BrokerStatsData>, ClientError> {
        let header =
            ViewBrokerStatsDataRequestHeader { stats_name: name.into(), stats_key: key.into() };
        match self.broker(address, RequestCode::VIEW_BROKER_STATS_DATA, &header).await {
            Ok(frame) => parse(&frame).map(Some),
            Err(ClientError::Client { code: ResponseCode::SYSTEM_ERROR, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The name servers this client knows.
    pub fn name_servers(&self) -> Vec<String> {
        self.0.name_servers.all()
    }

    /// Creates or changes a topic on one broker.
    pub async fn create_topic(
        &self,
        address: &str,
        config: &TopicConfig,
    ) -> Result<(), ClientError> {
        let header = CreateTopicRequestHeader {
            topic: config.topic_name.as_str().into(),
            default_topic: AUTO_CREATE.into(),
            read_queue_nums: config.read_queue_nums,
            write_queue_nums: config.write_queue_nums,
            perm: config.perm,
            topic_filter_type: config.topic_filter_type.name().into(),
            topic_sys_flag: Some(config.topic_sys_flag),
            order: config.order,
        };
        self.broker(address, RequestCode::UPDATE_AND_CREATE_TOPIC, &header).await.map(drop)
    }

    /// Deletes a topic on one broker.
    pub async fn delete_topic_in_broker(
        &self,
        address: &str,
        topic: &str,
    ) -> Result<(), ClientError> {
        let header = TopicRequestHeader { topic: topic.into() };
        self.broker(address, RequestCode::DELETE_TOPIC_IN_BROKER, &header).await.map(drop)
    }

    /// Deletes a topic on every name server.
    pub async fn delete_topic_in_name_servers(&self, topic: &str) -> Result<(), ClientError> {
        let header = TopicRequestHeader { topic: topic.into() };
        for server in self.0.name_servers.all() {
            self.broker(&server, RequestCode::DELETE_TOPIC_IN_NAMESRV, &header).await?;
        }
        Ok(())
    }

    /// Sets a key-value entry on every name server.
    pub async fn put_kv_config(
        &self,
        namespace: &str,
        key: &str,
        value: &str,
    ) -> Result<(), ClientError> {
        let header = PutKvConfigRequestHeader {
            namespace: Some(namespace.into()),
            key: Some(key.into()),
            value: Some(value.into()),
        };
        for server in self.0.name_servers.all() {
            self.broker(&server, RequestCode::PUT_KV_CONFIG, &header).await?;
        }
        Ok(())
    }

    /// A key-value entry; `None` if there is none.
    pub async fn get_kv_config(
        &self,
        namespace: &str,
        key: &str,
    ) -> Result<Option<String>, ClientError> {
        let header = KvConfigRequestHeader { namespace: namespace.into(), key: key.into() };
        match self.name_server(RequestCode::GET_KV_CONFIG, &header).await {
            Ok(frame) => {
                let header = GetKvConfigResponseHeader::decode(frame.fields());
                Ok(header.ok().and_then(|header| header.value).map(|value| value.into_owned()))
            }
            Err(error) if error.code() == ResponseCode::QUERY_NOT_FOUND => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Bounds of a topic's queues, over all its masters.
    pub async fn topic_stats(&self, topic: &str) -> Result<TopicStatsTable, ClientError> {
        let route = self.topic_route(topic).await?;
        let header = TopicRequestHeader { topic: topic.into() };
        let mut table = TopicStatsTable::default();
        for address in route.broker_datas.iter().filter_map(|data| data.master()) {
            let frame = self.broker(address, RequestCode::GET_TOPIC_STATS_INFO, &header).await?;
            table.offset_table.extend(parse::<TopicStatsTable>(&frame)?.offset_table);
        }
        if table.offset_table.is_empty() {
            return Err(ClientError::illegal("Not found the topic stats info"));
        }
        Ok(table)
    }

    /// Groups that consume a topic, as one of its brokers knows them.
    pub async fn topic_consumer_groups(&self, topic: &str) -> Result<Vec<String>, ClientError> {
        let route = self.topic_route(topic).await?;
        let header = TopicRequestHeader { topic: topic.into() };
        let Some(address) = route.broker_datas.iter().find_map(|data| data.any_address()) else {
            return Ok(Vec::new());
        };
        let frame = self.broker(address, RequestCode::QUERY_TOPIC_CONSUME_BY_WHO, &header).await?;
        let mut groups = parse::<GroupList>(&frame)?.group_list;
        java::sort_as_hash_map(&mut groups, |group| group);
        Ok(groups)
    }

    /// Progress of a group, over all brokers of its retry topic.
    pub async fn consume_stats(&self, group: &str) -> Result<ConsumeStats, ClientError> {
        let route = self.topic_route(&format!("{RETRY_PREFIX}{group}")).await?;
        let header = GetConsumeStatsRequestHeader { consumer_group: group.into(), topic: None };
        let mut stats = ConsumeStats::default();
        for address in route.broker_datas.iter().filter_map(|data| data.any_address()) {
            let frame = self.broker(address, RequestCode::GET_CONSUME_STATS, &header).await?;
            let part: ConsumeStats = parse(&frame)?;
            stats.consume_tps += part.consume_tps;
            stats.offset_table.extend(part.offset_table);
        }
        if stats.offset_table.is_empty() {
            let text = "Not found the consumer group consume stats, because return offset table \
                        is empty, maybe the consumer not consume any message";
            return Err(ClientError::client(ResponseCode::CONSUMER_NOT_ONLINE, text));
        }
        Ok(stats)
    }

    /// Connected members of a group.
    pub async fn consumer_connection(
        &self,
        group: &str,
    ) -> Result<ConsumerConnection, ClientError> {
        let address = self.group_broker(group).await?;
        let header = ConsumerGroupRequestHeader { consumer_group: group.into() };
        let code = RequestCode::GET_CONSUMER_CONNECTION_LIST;
        parse(&self.broker(&address, code, &header).await?)
    }

    /// A broker of the group's retry topic.
    async fn group_broker(&self, group: &str) -> Result<String, ClientError> {
        let route = self.topic_route(&format!("{RETRY_PREFIX}{group}")).await?;
        let address = route.broker_datas.iter().find_map(|data| data.any_address());
        address.map(str::to_string).ok_or_else(|| {
            ClientError::illegal(format!("Not found the consumer group connection, {group}"))
        })
    }

    /// The inside of one consumer.
    pub async fn consumer_running_info(
        &self,
        group: &str,
        client_id: &str,
        jstack: bool,
    ) -> Result<ConsumerRunningInfo, ClientError> {
        let address = self.group_broker(group).await?;
        let header = GetConsumerRunningInfoRequestHeader {
            consumer_group: group.into(),
            client_id: client_id.into(),
            jstack_enable: jstack,
        };
        parse(&self.broker(&address, RequestCode::GET_CONSUMER_RUNNING_INFO, &header).await?)
    }

    /// Has a consumer consume one message at once; answers with the result's text form.
    pub async fn consume_message_directly(
        &self,
        group: &str,
        client_id: &str,
        offset_msg_id: &str,
    ) -> Result<String, ClientError> {
        let message = self.view_message(offset_msg_id).await?;
        let header = ConsumeMessageDirectlyRequestHeader {
            consumer_group: group.into(),
            client_id: Some(client_id.into()),
            msg_id: Some(offset_msg_id.into()),
            broker_name: None,
        };
        let address = message.store_host.to_string();
        let frame = self.broker(&address, RequestCode::CONSUME_MESSAGE_DIRECTLY, &header).await?;
        let result: ConsumeMessageDirectlyResult = parse(&frame)?;
        Ok(format!(
            "ConsumeMessageDirectlyResult [order={}, autoCommit={}, consumeResult={}, remark={}, \
             spentTimeMills={}]",
            result.order,
            result.auto_commit,
            result.consume_result,
            result.remark.as_deref().unwrap_or("null"),
            result.spent_time_mills
        ))
    }

    /// The message that an offset id names.
    pub async fn view_message(&self, offset_msg_id: &str) -> Result<MessageExt, ClientError> {
        let none = || {
            let text = "query message by id finished, but no message.";
            ClientError::client(ResponseCode::NO_MESSAGE, text)
        };
        let (host, offset) = message_id::decode(offset_msg_id).ok_or_else(none)?;
        let header = ViewMessageRequestHeader { offset };
        let frame =
            self.broker(&host.to_string(), RequestCode::VIEW_MESSAGE_BY_ID, &header).await?;
        decode_messages(frame.body()).pop().ok_or_else(none)
    }

    /// Messages of a topic that carry the key, stored between the times.
    pub async fn query_message(
        &self,
        topic: &str,
        key: &str,
        max: i32,
        begin_ms: i64,
        end_ms: i64,
    ) -> Result<Vec<MessageExt>, ClientError> {
        let found = self.query(topic, key, max, (begin_ms, end_ms), false).await?;
        let has_key = |message: &MessageExt| {
            let keys = message.message.keys().unwrap_or_default();
            keys.split(' ').any(|one| one == key)
        };
        none_is_an_error(found.into_iter().filter(has_key).collect())
    }

    /// Messages of a topic with that unique id; the earliest stored first.
    pub async fn query_message_by_unique_key(
        &self,
        topic: &str,
        id: &str,
    ) -> Result<Vec<MessageExt>, ClientError> {
        let begin = unique_id::time_of(id).map_or(0, |time| time - 1000);
        let mut found = self.query(topic, id, 32, (begin, i64::MAX), true).await?;
        found.retain(|message| message.msg_id() == id);
        found.sort_by_key(|message| message.store_timestamp);
        none_is_an_error(found)
    }

    async fn query(
        &self,
        topic: &str,
        key: &str,
        max: i32,
        (begin_timestamp, end_timestamp): (i64, i64),
        unique: bool,
    ) -> Result<Vec<MessageExt>, ClientError> {
        let route = match self.topic_route(topic).await {
            Err(error) if error.code() == ResponseCode::TOPIC_NOT_EXIST => {
                let text = format!("The topic[{topic}] not matched route info");
                return Err(ClientError::client(ResponseCode::TOPIC_NOT_EXIST, text));
            }
            route => route?,
        };
        let header = QueryMessageRequestHeader {
            topic: topic.into(),
            key: key.into(),
            max_num: max,
            begin_timestamp,
            end_timestamp,
            unique_key_query: Some(unique),
        };
        let mut found = Vec::new();
        for address in route.broker_datas.iter().filter_map(|data| data.any_address()) {
            match self.broker(address, RequestCode::QUERY_MESSAGE, &header).await {
                Ok(frame) => found.extend(decode_messages(frame.body())),
                Err(error) if error.code() == ResponseCode::QUERY_NOT_FOUND => {}
                Err(error) => return Err(error),
            }
        }
        found.retain(|message| message.message.topic == topic);
        Ok(found)
    }

    /// Sends a message once more, to the topic it came from.
    pub async fn resend(&self, message: &MessageExt) -> Result<SendResult, ClientError> {
        let mut builder = Producer::builder(RESEND_GROUP);
        if let Some(list) = &self.0.config.namesrv_addr {
            builder = builder.namesrv_addr(list);
        }
        let producer = builder.start().await?;
        let mut again = message.message.clone();
        again.properties.remove(property::UNIQUE_KEY);
        let sent = producer.send(again).await;
        producer.shutdown().await;
        sent
    }

    /// Which groups have consumed a message.
    pub async fn message_track(
        &self,
        message: &MessageExt,
    ) -> Result<Vec<MessageTrack>, ClientError> {
        let groups = self.topic_consumer_groups(&message.message.topic).await?;
        let mut tracks = Vec::with_capacity(groups.len());
        for group in groups {
            tracks.push(match self.track(message, &group).await {
                Ok(track_type) => {
                    MessageTrack { consumer_group: group, track_type, exception: None }
                }
                Err(error) => unknown_track(group, &error),
            });
        }
        Ok(tracks)
    }

    async fn track(&self, message: &MessageExt, group: &str) -> Result<&'static str, ClientError> {
        let connection = self.consumer_connection(group).await?;
        if connection.consume_type == ConsumeType::Actively {
            return Ok("PULL");
        }
        if !self.is_consumed(message, group).await? {
            return Ok("NOT_CONSUME_YET");
        }
        if connection.message_model == MessageModel::Broadcasting {
            return Ok("CONSUMED");
        }
        let topic = &message.message.topic;
        let subscription = connection.subscription_table.get(topic);
        let filtered = subscription.is_some_and(|subscription| {
            let tags = message.message.tags().unwrap_or_default();
            !subscription.tags_set.is_empty() && !subscription.tags_set.contains(tags)
        });
        Ok(if filtered { "CONSUMED_BUT_FILTERED" } else { "CONSUMED" })
    }

    async fn is_consumed(&self, message: &MessageExt, group: &str) -> Result<bool, ClientError> {
        let stats = self.consume_stats(group).await?;
        let info = self.cluster_info().await?;
        let store = message.store_host.to_string();
        let found = stats.offset_table.iter().find(|(queue, _)| {
            let broker = info.broker_addr_table.get(&queue.broker_name);
            let master = broker.and_then(|data| data.broker_addrs.get(&MASTER_ID));
            queue.topic == message.message.topic
                && queue.queue_id == message.queue_id
                && master == Some(&store)
        });
        Ok(found.is_some_and(|(_, offset)| offset.consumer_offset > message.queue_offset))
    }
}

fn unknown_track(consumer_group: String, error: &ClientError) -> MessageTrack {
    let (track_type, exception) = match error {
        ClientError::Client { code: ResponseCode::CONSUMER_NOT_ONLINE, text } => {
            ("NOT_ONLINE", format!("CODE:206 DESC:{text}"))
        }
        other => ("UNKNOWN", format!("{}: {other}", other.java_class())),
    };
    MessageTrack { consumer_group, track_type, exception: Some(exception) }
}

fn none_is_an_error(found: Vec<MessageExt>) -> Result<Vec<MessageExt>, ClientError> {
    if found.is_empty() {
        let text = "query message by key finished, but no message.";
        return Err(ClientError::client(ResponseCode::NO_MESSAGE, text));
    }
    Ok(found)
}

/// The messages of an answer's body; stops at the first malformed one.
pub(crate) fn decode_messages(body: &[u8]) -> Vec<MessageExt> {
    let mut rest = body;
    let mut messages = Vec::new();
    while let Ok(record) = RecordView::parse(rest) {
        match MessageExt::from_record(&record) {
            Ok(message) => messages.push(message),
            Err(error) => tracing::error!(target: crate::LOGGER, "{error}"),
        }
        rest = rest.get(record.size()..).unwrap_or_default();
    }
    messages
}
