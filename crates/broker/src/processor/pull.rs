//! PULL_MESSAGE 11, and LITE_PULL_MESSAGE 361 alike (contract `requests.md` 2.1, `broker.md` 12).

use std::borrow::Cow;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use rocketmq_common::fastjson;
use rocketmq_protocol::ResponseCode;
use rocketmq_protocol::body::{
    MessageModel, OffsetMovedEvent, SubscriptionData, SubscriptionGroupConfig,
};
use rocketmq_protocol::header::{PullMessageRequestHeader, PullMessageResponseHeader};
use rocketmq_protocol::message::{MessageQueue, properties, property, sys_flag};
use rocketmq_protocol::topic::{self, FAQ, TOOLS_CONSUMER_GROUP, permission};
use rocketmq_remoting::{Body, Call, Connection, Response};
use rocketmq_store::{BrokerRole, GetResult, GetStatus, PutMessage};

use super::{OVERLOAD, Refusal, client, failed, is_reached, refuse};
use crate::LOGGER;
use crate::config::BrokerConfig;
use crate::context::{BrokerContext, Settings};
use crate::filters::FilterData;
use crate::hold::Held;
use crate::stats::Pulled;
use crate::wanted::Wanted;

/// A pull, as far as it is needed once its frame is gone.
pub struct PullRequest {
    header: PullMessageRequestHeader<'static>,
    wanted: Wanted,
}

impl PullRequest {
    /// Topic.
    pub fn topic(&self) -> &str {
        &self.header.topic
    }

    /// Queue number.
    pub fn queue_id(&self) -> i32 {
        self.header.queue_id
    }

    /// Offset that is waited for.
    pub fn queue_offset(&self) -> i64 {
        self.header.queue_offset
    }

    /// Which messages are wanted.
    pub fn wanted(&self) -> &Wanted {
        &self.wanted
    }
}

/// What a pull found, ready to be answered.
struct Found {
    code: ResponseCode,
    header: PullMessageResponseHeader,
    result: GetResult,
}

impl Found {
    fn send(self, send: impl FnOnce(Response<'_>)) {
        // Java makes a queue when it is asked for, so it never says that there is none.
        let status = match self.result.status {
            GetStatus::NoMatchedLogicQueue => GetStatus::NoMessageInQueue,
            status => status,
        };
        let response = Response::new(self.code).fields(&self.header).remark(status.name());
        if self.code == ResponseCode::SUCCESS {
            send(response.body(Body::Many(self.result.chunks)));
        } else {
            send(response);
        }
    }
}

/// Handles a pull as it arrives.
pub fn pull(context: &BrokerContext, call: Call<'_>) {
    let header = match PullMessageRequestHeader::decode(call.frame.fields()) {
        Ok(header) => header,
        Err(error) => return refused(context, call, &error.into()),
    };
    let settings = context.settings();
    let wanted = match check(context, &settings, &header, call.connection) {
        Ok(wanted) => wanted,
        Err(refusal) => return refused(context, call, &refusal),
    };
    // A slave's offsets are those of its master.
    let is_slave = settings.store.broker_role == BrokerRole::Slave;
    if header.sys_flag & sys_flag::PULL_COMMIT_OFFSET != 0 && !is_slave {
        let (group, topic) = (&header.consumer_group, &header.topic);
        let peer = call.connection.peer();
        context.offsets.commit(peer, group, topic, header.queue_id, header.commit_offset);
    }
    let found = read(context, &settings, &header, &wanted);
    let may_wait = header.sys_flag & sys_flag::PULL_SUSPEND != 0 && !call.frame.is_oneway();
    if found.code == ResponseCode::PULL_NOT_FOUND && may_wait {
        let wait = if settings.broker.long_polling_enable {
            header.suspend_timeout_millis
        } else {
            settings.broker.short_polling_time_mills
        };
        if is_reached(settings.broker.pull_thread_pool_queue_capacity, context.hold.len()) {
            context.stats.refuse(ResponseCode::SYSTEM_BUSY);
            return call.respond(Response::error(ResponseCode::SYSTEM_BUSY, OVERLOAD));
        }
        let wait = Duration::from_millis(wait.max(0).unsigned_abs());
        let deferred = call.defer();
        let request = PullRequest { header: owned(&header), wanted };
        context.hold.park(request, deferred, wait);
        // A message that came between the read and the parking was told to nobody.
        let max = context.store.max_offset_in_queue(&header.topic, header.queue_id);
        if max > header.queue_offset {
            let reached = context.hold.take_reached(&header.topic, header.queue_id, max);
            run_again(context, reached);
        }
        return;
    }
    note(context, &settings, &header, &found);
    found.send(|response| call.respond(response));
}

/// Answers the pulls whose message has come; to be called after a commit.
pub fn run_ready(context: &BrokerContext) {
    let ready = context.hold.take_ready();
    if !ready.is_empty() {
        run_again(context, ready);
    }
}

/// Answers pulls that waited; they do not wait again.
pub fn run_again(context: &BrokerContext, held: Vec<Held>) {
    for Held { request, answer, .. } in held {
        if !answer.connection().is_open() {
            continue;
        }
        let settings = context.settings();
        let found = read(context, &settings, &request.header, &request.wanted);
        note(context, &settings, &request.header, &found);
        found.send(|response| answer.respond(response));
    }
}

fn refused(context: &BrokerContext, call: Call<'_>, refusal: &Refusal) {
    context.stats.refuse(refusal.code);
    call.respond(Response::error(refusal.code, &refusal.text));
}

/// Counts what is about to be answered, and tells of a moved offset.
fn note(
    context: &BrokerContext,
    settings: &Settings,
    header: &PullMessageRequestHeader<'_>,
    found: &Found,
) {
    if found.code == ResponseCode::PULL_OFFSET_MOVED {
        tell_offset_moved(context, header, found.header.next_begin_offset);
    }
    let result = &found.result;
    if result.fall_behind_bytes.is_none() || is_only_looked_at(header) {
        return;
    }
    let is_found = found.code == ResponseCode::SUCCESS;
    // Java reads the messages only when it copies them, and sees their times then.
    let is_read = is_found && settings.broker.transfer_msg_by_heap;
    let last = result.last_record().filter(|_| is_read);
    context.stats.pulled(&Pulled {
        topic: &header.topic,
        group: &header.consumer_group,
        queue_id: header.queue_id,
        count: if is_found { result.message_count } else { 0 },
        bytes: result.bytes_total,
        latency_ms: is_read.then(|| i64::try_from(result.elapsed.as_millis()).unwrap_or(0)),
        fall_behind_ms: last.map(|record| context.store.now() - record.store_timestamp),
        fall_behind_bytes: result.fall_behind_bytes.filter(|_| settings.store.disk_fall_recorded),
    });
}

fn owned(header: &PullMessageRequestHeader<'_>) -> PullMessageRequestHeader<'static> {
    let text = |text: &Cow<'_, str>| Cow::Owned(text.to_string());
    PullMessageRequestHeader {
        consumer_group: text(&header.consumer_group),
        topic: text(&header.topic),
        subscription: None,
        expression_type: None,
        queue_id: header.queue_id,
        queue_offset: header.queue_offset,
        max_msg_nums: header.max_msg_nums,
        sys_flag: header.sys_flag,
        commit_offset: header.commit_offset,
        suspend_timeout_millis: header.suspend_timeout_millis,
        sub_version: header.sub_version,
    }
}

/// Checks in Java's order; returns what the consumer wants of the topic.
fn check(
    context: &BrokerContext,
    settings: &Settings,
    header: &PullMessageRequestHeader<'_>,
    connection: &Connection,
) -> Result<Wanted, Refusal> {
    let broker = &settings.broker;
    let forbidden = |text: String| refuse(ResponseCode::NO_PERMISSION, text);
    if broker.broker_permission & permission::READ == 0 {
        let text = format!("the broker[{}] pulling message is forbidden", broker.broker_ip1);
        return Err(forbidden(text));
    }
    let (group, topic) = (&*header.consumer_group, &*header.topic);
    let config = context.groups.get_or_create(group, broker.auto_create_subscription_group);
    let Some(config) = config else {
        let text = format!("subscription group [{group}] does not exist, {FAQ}");
        return Err(refuse(ResponseCode::SUBSCRIPTION_GROUP_NOT_EXIST, text));
    };
    if !config.consume_enable {
        return Err(forbidden(format!("subscription group no permission, {group}")));
    }
    let Some(topic_config) = context.topics.get(topic) else {
        let text = format!("topic[{topic}] not exist, apply first please! {FAQ}");
        return Err(refuse(ResponseCode::TOPIC_NOT_EXIST, text));
    };
    if topic_config.perm & permission::READ == 0 {
        return Err(forbidden(format!("the topic[{topic}] pulling message is forbidden")));
    }
    if !(0..topic_config.read_queue_nums).contains(&header.queue_id) {
        return Err(failed(format!(
            "queueId[{}] is illegal, topic:[{topic}] topicConfig.readQueueNums:[{}] \
             consumer:[/{}]",
            header.queue_id,
            topic_config.read_queue_nums,
            connection.peer()
        )));
    }
    let wanted = if header.sys_flag & sys_flag::PULL_SUBSCRIPTION != 0 {
        sent_wish(header, broker)?
    } else {
        let subscription = known_subscription(context, header, &config)?;
        known_wish(context, header, subscription, broker)?
    };
    Ok(if broker.filter_support_retry { wanted.with_retry(&context.filters) } else { wanted })
}

/// The wish that the request itself carries.
fn sent_wish(
    header: &PullMessageRequestHeader<'_>,
    broker: &BrokerConfig,
) -> Result<Wanted, Refusal> {
    let unreadable = |why: &dyn Display| {
        let text = format!("parse the consumer's subscription failed{why}");
        refuse(ResponseCode::SUBSCRIPTION_PARSE_FAILED, text)
    };
    let (topic, version) = (&*header.topic, header.sub_version);
    let expression = header.subscription.as_deref().unwrap_or_default();
    let kind = header.expression_type.as_deref().unwrap_or_default();
    let mut sent = SubscriptionData {
        topic: topic.to_string(),
        sub_string: expression.to_string(),
        expression_type: kind.to_string(),
        sub_version: version,
        ..SubscriptionData::default()
    };
    if sent.is_tag_type() {
        sent = SubscriptionData::by_tags(topic, expression, version).ok_or(unreadable(&""))?;
        return Ok(Wanted::by_tags(Arc::new(sent)));
    }
    if expression.is_empty() {
        return Err(unreadable(&": the expression is empty"));
    }
    client::served_type(broker, &sent)?;
    let data = FilterData::compile(&header.consumer_group, &sent);
    // Java delivers everything here; a wish that cannot be understood is no wish for all.
    let data = data.map_err(|error| unreadable(&format_args!(": {error}")))?;
    Ok(Wanted::by_expression(Arc::new(sent), Arc::new(data)))
}

/// The wish of a subscription that came with a heartbeat.
fn known_wish(
    context: &BrokerContext,
    header: &PullMessageRequestHeader<'_>,
    subscription: Arc<SubscriptionData>,
    broker: &BrokerConfig,
) -> Result<Wanted, Refusal> {
    if subscription.is_tag_type() {
        return Ok(Wanted::by_tags(subscription));
    }
    let Some(data) = context.filters.get(&header.topic, &header.consumer_group) else {
        let text = "The broker's consumer filter data is not exist!Your expression may be wrong!";
        return Err(refuse(ResponseCode::FILTER_DATA_NOT_EXIST, text));
    };
    if data.client_version < header.sub_version {
        let text = "the consumer's consumer filter data not latest";
        return Err(refuse(ResponseCode::FILTER_DATA_NOT_LATEST, text));
    }
    client::served_type(broker, &subscription)?;
    Ok(Wanted::by_expression(subscription, data))
}

fn known_subscription(
    context: &BrokerContext,
    header: &PullMessageRequestHeader<'_>,
    config: &SubscriptionGroupConfig,
) -> Result<Arc<SubscriptionData>, Refusal> {
    let (group, topic) = (&*header.consumer_group, &*header.topic);
    let known = context.consumers.with(group, |connected| {
        let broadcast = connected.message_model == MessageModel::Broadcasting;
        (broadcast, connected.subscriptions.get(topic).cloned())
    });
    let missing = |what: &str| {
        let text = format!("the consumer's {what} not exist{FAQ}");
        refuse(ResponseCode::SUBSCRIPTION_NOT_EXIST, text)
    };
    let Some((broadcast, subscription)) = known else {
        return Err(missing("group info"));
    };
    if broadcast && !config.consume_broadcast_enable {
        let text = format!("the consumer group[{group}] can not consume by broadcast way");
        return Err(refuse(ResponseCode::NO_PERMISSION, text));
    }
    let Some(subscription) = subscription else { return Err(missing("subscription")) };
    if subscription.sub_version < header.sub_version {
        let text = "the consumer's subscription not latest";
        return Err(refuse(ResponseCode::SUBSCRIPTION_NOT_LATEST, text));
    }
    Ok(subscription)
}

/// Who looks at messages has not consumed them; Java counts tools, too.
fn is_only_looked_at(header: &PullMessageRequestHeader<'_>) -> bool {
    header.consumer_group == TOOLS_CONSUMER_GROUP
}

/// Reads the store and decides the code.
fn read(
    context: &BrokerContext,
    settings: &Settings,
    header: &PullMessageRequestHeader<'_>,
    wanted: &Wanted,
) -> Found {
    let max = usize::try_from(header.max_msg_nums).unwrap_or(0);
    let (topic, queue_id, offset) = (&*header.topic, header.queue_id, header.queue_offset);
    let result = context.store.get_messages(topic, queue_id, offset, max, wanted);
    if !is_only_looked_at(header) {
        context.store.count_read(&result);
    }
    let code = match result.status {
        GetStatus::Found => ResponseCode::SUCCESS,
        GetStatus::MessageWasRemoving | GetStatus::NoMatchedMessage => {
            ResponseCode::PULL_RETRY_IMMEDIATELY
        }
        GetStatus::NoMatchedLogicQueue | GetStatus::NoMessageInQueue => match offset {
            0 => ResponseCode::PULL_NOT_FOUND,
            _ => ResponseCode::PULL_OFFSET_MOVED,
        },
        GetStatus::OffsetFoundNull | GetStatus::OffsetOverflowOne => ResponseCode::PULL_NOT_FOUND,
        GetStatus::OffsetOverflowBadly | GetStatus::OffsetTooSmall => {
            ResponseCode::PULL_OFFSET_MOVED
        }
    };
    let broker_id = |slow: bool| {
        let auto = settings.broker.auto_create_subscription_group;
        let group = context.groups.get_or_create(&header.consumer_group, auto);
        let group = group.unwrap_or_default();
        if slow { group.which_broker_when_consume_slowly } else { group.broker_id }
    };
    let mut suggest_which_broker_id =
        if settings.broker.slave_read_enable { broker_id(result.suggest_slave) } else { 0 };
    let mut code = code;
    let store = &settings.store;
    if code == ResponseCode::PULL_OFFSET_MOVED
        && store.broker_role == BrokerRole::Slave
        && !store.offset_check_in_slave
    {
        // The slave may be behind: the consumer asks the master.
        code = ResponseCode::PULL_RETRY_IMMEDIATELY;
        suggest_which_broker_id = broker_id(false);
    }
    let header = PullMessageResponseHeader {
        suggest_which_broker_id,
        next_begin_offset: result.next_begin_offset,
        min_offset: result.min_offset,
        max_offset: result.max_offset,
    };
    Found { code, header, result }
}

/// Writes the event that a pull's offset had to be moved; it becomes readable with the commit of
/// the batch, or of the next one.
fn tell_offset_moved(
    context: &BrokerContext,
    header: &PullMessageRequestHeader<'_>,
    offset_new: i64,
) {
    let group = &*header.consumer_group;
    let event = OffsetMovedEvent {
        consumer_group: group.to_string(),
        message_queue: MessageQueue {
            topic: header.topic.to_string(),
            broker_name: context.settings().broker.broker_name.clone(),
            queue_id: header.queue_id,
        },
        offset_new,
        offset_request: header.queue_offset,
    };
    tracing::warn!(target: LOGGER, "PULL_OFFSET_MOVED:correction offset. topic={}, groupId={group}, requestOffset={}, newOffset={offset_new}", header.topic, header.queue_offset);
    let Ok(body) = fastjson::to_vec(&event) else { return };
    let mut stored = Vec::new();
    properties::append_bytes(&mut stored, property::TAGS, group.as_bytes());
    properties::append_bytes(&mut stored, property::KEYS, group.as_bytes());
    let put = context.store.put(&PutMessage {
        topic: topic::OFFSET_MOVED_EVENT,
        queue_id: 0,
        flag: 0,
        sys_flag: 0,
        born_timestamp: context.store.now(),
        born_host: context.store_host,
        store_host: context.store_host,
        reconsume_times: 0,
        prepared_transaction_offset: 0,
        body: &body,
        properties: &stored,
    });
    if let Err(error) = put {
        tracing::warn!(target: LOGGER, "the offset moved event of {group} was not stored: {error}");
    }
}
