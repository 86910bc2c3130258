//! SEND_MESSAGE 10, SEND_MESSAGE_V2 310, SEND_BATCH_MESSAGE 320 (contract `requests.md` 1,
//! `broker.md` 10).

use std::cell::RefCell;
use std::sync::Arc;

use rocketmq_common::clock;
use rocketmq_protocol::body::{TopicConfig, TopicFilterType};
use rocketmq_protocol::frame::Frame;
use rocketmq_protocol::header::{
    SendMessageRequestHeader, SendMessageRequestHeaderV2, SendMessageResponseExtras,
    SendMessageResponseHeader,
};
use rocketmq_protocol::message::{properties, property, sys_flag};
use rocketmq_protocol::topic::{
    self, DLQ_PREFIX, FAQ, NAME_PATTERN, RETRY_PREFIX, TOPIC_LENGTH_MAX, permission,
};
use rocketmq_protocol::{HeaderError, RequestCode, ResponseCode, version};
use rocketmq_remoting::{Call, Response};
use rocketmq_store::{PutBatch, PutError, PutMessage};

use super::kept::{Kept, Wait, when_kept};
use super::{OVERLOAD, Refusal, failed, is_reached, refuse};
use crate::context::{BrokerContext, Settings};
use crate::schedule::{divert, note_real_place};
use crate::table::Pending;
use crate::transaction;

thread_local! {
    /// The stored form of a message's properties, built in place for each send.
    static PROPERTIES: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// What an accepted send is answered with.
struct Sent {
    msg_id: String,
    queue_id: i32,
    queue_offset: i64,
    /// Where it has to be before the answer.
    wait: Wait,
    /// No slave is there to have it, though one should.
    lacks_replica: bool,
    /// The write of the topic's settings, if the topic is so new that they are not on the disk.
    new_topic: Option<Pending>,
}

/// Handles the three send codes.
pub fn send(context: &BrokerContext, call: Call<'_>) {
    let settings = context.settings();
    if settings.store.is_sync_flush()
        && is_reached(
            settings.broker.send_thread_pool_queue_capacity,
            context.store.flush_waiters(),
        )
    {
        context.stats.refuse(ResponseCode::SYSTEM_BUSY);
        let response = Response::error(ResponseCode::SYSTEM_BUSY, OVERLOAD);
        return call.respond(response);
    }
    let outcome = match decode(call.code(), &call.frame) {
        Ok(header) => accept(context, &settings, &call, header),
        // Without extFields, as Java answers a header it cannot read.
        Err(error) => {
            let refusal = Refusal::from(error);
            call.respond(Response::error(refusal.code, &refusal.text));
            return;
        }
    };
    match outcome {
        Ok(sent) => answer(context, &settings, call, sent),
        Err(refusal) => {
            context.stats.refuse(refusal.code);
            let extras = extras(&settings);
            let response = Response::error(refusal.code, &refusal.text);
            call.respond(response.fields(&extras));
        }
    }
}

/// The header of a send or a reply, under long or one-letter names.
pub(crate) fn decode(
    code: RequestCode,
    frame: &Frame,
) -> Result<SendMessageRequestHeaderV2<'_>, HeaderError> {
    if code == RequestCode::SEND_MESSAGE || code == RequestCode::SEND_REPLY_MESSAGE {
        SendMessageRequestHeader::decode(frame.fields()).map(Into::into)
    } else {
        SendMessageRequestHeaderV2::decode(frame.fields())
    }
}

pub(crate) fn extras(settings: &Settings) -> SendMessageResponseExtras<'_> {
    let broker = &settings.broker;
    SendMessageResponseExtras {
        msg_region: broker.region_id.as_str().into(),
        trace_on: broker.trace_on,
    }
}

impl Sent {
    fn respond(&self, code: ResponseCode, settings: &Settings, send: impl FnOnce(Response<'_>)) {
        let header = SendMessageResponseHeader {
            msg_id: self.msg_id.as_str().into(),
            queue_id: self.queue_id,
            queue_offset: self.queue_offset,
            transaction_id: None,
        };
        send(Response::new(code).fields(&(header, extras(settings))));
    }

    /// The code when the message is where it has to be.
    fn stored(&self) -> ResponseCode {
        if self.lacks_replica { ResponseCode::SLAVE_NOT_AVAILABLE } else { ResponseCode::SUCCESS }
    }
}

/// Answers now, or when the message, and the topic if it is new, are on the medium.
fn answer(context: &BrokerContext, settings: &Arc<Settings>, call: Call<'_>, mut sent: Sent) {
    let behind_max = settings.store.ha_slave_fallbehind_max.into();
    if sent.wait.replicate_to.is_some_and(|end| !context.replicas.is_near(end, behind_max)) {
        // Nothing to wait for: the answer goes with its batch.
        sent.wait.replicate_to = None;
        sent.lacks_replica = true;
    }
    let (wait, new_topic) = (sent.wait, sent.new_topic.take());
    if wait.is_none() && new_topic.is_none() {
        return sent.respond(sent.stored(), settings, |response| call.respond(response));
    }
    let (deferred, settings) = (call.defer(), Arc::clone(settings));
    when_kept(context, wait, new_topic, move |kept| {
        let code = match kept {
            Kept::Yes => sent.stored(),
            Kept::FlushTimedOut if sent.lacks_replica => sent.stored(),
            Kept::FlushTimedOut => ResponseCode::FLUSH_DISK_TIMEOUT,
            Kept::NoReplica => ResponseCode::SLAVE_NOT_AVAILABLE,
            Kept::ReplicaTimedOut => ResponseCode::FLUSH_SLAVE_TIMEOUT,
            Kept::No(code, text) => {
                return deferred.respond(Response::error(code, &text).fields(&extras(&settings)));
            }
        };
        sent.respond(code, &settings, |response| deferred.respond(response));
    });
}

/// Checks the request in Java's order and puts the message.
fn accept(
    context: &BrokerContext,
    settings: &Settings,
    call: &Call<'_>,
    mut header: SendMessageRequestHeaderV2<'_>,
) -> Result<Sent, Refusal> {
    check_time(settings)?;
    let config = topic_of(context, settings, &header)?;
    check_queue(&header, &config, call)?;
    let retry = header.topic.strip_prefix(RETRY_PREFIX).map(str::to_string);
    let mut to_dead_letters = false;
    if let Some(group) = &retry {
        to_dead_letters = is_exhausted(context, settings, group, &header, &call.frame)?;
        if to_dead_letters {
            let topic = format!("{DLQ_PREFIX}{group}");
            create_topic(context, &topic, 1, permission::READ | permission::WRITE)?;
            header.topic = topic.into();
            header.queue_id = 0;
        }
    }
    if header.queue_id < 0 {
        header.queue_id = any_queue(config.write_queue_nums);
    }
    if config.topic_filter_type == TopicFilterType::MultiTag {
        header.sys_flag |= sys_flag::MULTI_TAGS;
    }
    let sent = if header.batch {
        put_batch(context, settings, call, &header)
    } else {
        put_one(context, settings, call, &header, to_dead_letters)
    }?;
    Ok(sent)
}

/// Whether messages are taken yet.
pub(crate) fn check_time(settings: &Settings) -> Result<(), Refusal> {
    let start = settings.broker.start_accept_send_request_time_stamp;
    if start > 0 && clock::now_ms() < start {
        let until = clock::format_millis(start);
        return Err(failed(format!("broker unable to service, until {until}")));
    }
    Ok(())
}

/// The settings of the topic; an unknown one is created when that is allowed.
pub(crate) fn topic_of(
    context: &BrokerContext,
    settings: &Settings,
    header: &SendMessageRequestHeaderV2<'_>,
) -> Result<Arc<TopicConfig>, Refusal> {
    let topic = &*header.topic;
    let known = context.topics.get(topic);
    if settings.broker.broker_permission & permission::WRITE == 0
        && known.as_ref().is_some_and(|config| config.order)
    {
        let ip = &settings.broker.broker_ip1;
        let text = format!("the broker[{ip}] sending message is forbidden");
        return Err(refuse(ResponseCode::NO_PERMISSION, text));
    }
    if known.is_none() {
        check_topic_name(topic)?;
    }
    if topic == topic::SCHEDULE {
        let text = format!("Sending message to topic[{topic}] is forbidden.");
        return Err(refuse(ResponseCode::NO_PERMISSION, text));
    }
    if let Some(config) = known {
        return Ok(config);
    }
    let (base, queues) = (&*header.default_topic, header.default_topic_queue_nums);
    // The setting may have changed since the base topic was made.
    let may_inherit =
        base != topic::AUTO_CREATE || context.settings().broker.auto_create_topic_enable;
    if may_inherit
        && let Some(config) = context.topics.inherited(topic, base, queues, header.unit_mode)
    {
        return Ok(ensure_topic(context, config));
    }
    if topic.starts_with(RETRY_PREFIX) {
        return create_topic(context, topic, 1, permission::READ | permission::WRITE);
    }
    let text = format!("topic[{topic}] not exist, apply first please!{FAQ}");
    Err(refuse(ResponseCode::TOPIC_NOT_EXIST, text))
}

/// Creates a topic if it is not there, and tells the name servers.
pub(crate) fn create_topic(
    context: &BrokerContext,
    topic: &str,
    queues: i32,
    perm: i32,
) -> Result<Arc<TopicConfig>, Refusal> {
    if let Some(config) = context.topics.get(topic) {
        return Ok(config);
    }
    Ok(ensure_topic(context, TopicConfig::new(topic, queues, perm)))
}

/// Creates the topic if it is not there, and tells the name servers.
pub(crate) fn ensure_topic(context: &BrokerContext, config: TopicConfig) -> Arc<TopicConfig> {
    let (config, created) = context.topics.create(config);
    if created {
        context.outward.register_topic_soon(&config.topic_name);
    }
    config
}

/// The rules for names of topics (contract `broker.md` 9).
pub(crate) fn check_topic_name(topic: &str) -> Result<(), Refusal> {
    if topic.trim().is_empty() {
        return Err(failed("The specified topic is blank."));
    }
    if !topic::has_legal_characters(topic) {
        return Err(failed(format!(
            "The specified topic contains illegal characters, allowing only {NAME_PATTERN}"
        )));
    }
    if topic.len() > TOPIC_LENGTH_MAX {
        return Err(failed("The specified topic is longer than topic max length."));
    }
    Ok(())
}

/// One of a topic's queues, none preferred.
pub(crate) fn any_queue(queues: i32) -> i32 {
    (clock::monotonic_nanos() / 64 % i64::from(queues.max(1))) as i32
}

pub(crate) fn check_queue(
    header: &SendMessageRequestHeaderV2<'_>,
    config: &TopicConfig,
    call: &Call<'_>,
) -> Result<(), Refusal> {
    let queues = config.write_queue_nums.max(config.read_queue_nums);
    if header.queue_id < queues {
        return Ok(());
    }
    Err(failed(format!(
        "request queueId[{}] is illegal, {config} Producer: {}",
        header.queue_id,
        call.connection.peer()
    )))
}

/// Whether a message for a retry topic has been retried so often that it goes to the dead letters.
fn is_exhausted(
    context: &BrokerContext,
    settings: &Settings,
    group: &str,
    header: &SendMessageRequestHeaderV2<'_>,
    frame: &Frame,
) -> Result<bool, Refusal> {
    let auto = settings.broker.auto_create_subscription_group;
    let Some(config) = context.groups.get_or_create(group, auto) else {
        let text = format!("subscription group not exist, {group} {FAQ}");
        return Err(refuse(ResponseCode::SUBSCRIPTION_GROUP_NOT_EXIST, text));
    };
    let sent_max = header.max_reconsume_times.filter(|_| frame.version >= version::V3_4_9);
    let max = sent_max.unwrap_or(config.retry_max_times);
    Ok(header.reconsume_times.unwrap_or(0) >= max)
}

fn put_one(
    context: &BrokerContext,
    settings: &Settings,
    call: &Call<'_>,
    header: &SendMessageRequestHeaderV2<'_>,
    clear_delay: bool,
) -> Result<Sent, Refusal> {
    PROPERTIES.with_borrow_mut(|stored| {
        stored.clear();
        if let Some(properties) = header.properties {
            properties.append_to(stored);
        }
        let mut asked = Asked::by(stored);
        // A transaction's message that an old client sends to its retry topic still says TRAN_MSG.
        asked.half &= asked.delay_level <= 0 || header.reconsume_times.unwrap_or(0) <= 0;
        if asked.half && settings.broker.reject_transaction_message {
            let ip = &settings.broker.broker_ip1;
            let text = format!("the broker[{ip}] sending transaction message is forbidden");
            return Err(refuse(ResponseCode::NO_PERMISSION, text));
        }
        if clear_delay {
            take_out(stored, property::DELAY, asked.delay);
            asked.delay_level = 0;
        }
        take_out(stored, property::CLUSTER, asked.cluster);
        let cluster = settings.broker.broker_cluster_name.as_bytes();
        properties::append_bytes(stored, property::CLUSTER, cluster);
        let mut queue_id = header.queue_id;
        let mut diverted_to = None;
        let mut sys_flag = header.sys_flag;
        let levels = context.schedule.levels();
        if asked.half {
            // WAIT stays, as in Java; DELAY counts from the commit on.
            note_real_place(stored, &header.topic, queue_id);
            (diverted_to, queue_id) = (Some(topic::TRANS_HALF), transaction::QUEUE);
            sys_flag &= !sys_flag::TRANSACTION_MASK;
        } else if asked.delay_level > 0
            && let Some(queue) = divert(levels, asked.delay_level, &header.topic, queue_id, stored)
        {
            // WAIT stays, as in Java.
            (diverted_to, queue_id) = (Some(topic::SCHEDULE), queue);
        } else {
            take_out(stored, property::WAIT, asked.wait);
        }
        let put = context.store.put(&PutMessage {
            topic: diverted_to.unwrap_or(&header.topic),
            queue_id,
            flag: header.flag,
            sys_flag,
            born_timestamp: header.born_timestamp,
            born_host: call.connection.peer(),
            store_host: context.store_host,
            reconsume_times: header.reconsume_times.unwrap_or(0),
            prepared_transaction_offset: 0,
            body: call.frame.body(),
            properties: stored,
        });
        let put = put.map_err(|error| put_refusal(context, error))?;
        let bytes = put.end_offset - put.physical_offset;
        context.stats.put(diverted_to.unwrap_or(&header.topic), queue_id, 1, bytes);
        let wait = if asked.waits { Wait::by(settings, put.end_offset) } else { Wait::default() };
        Ok(Sent {
            msg_id: put.message_id(),
            queue_id: header.queue_id,
            queue_offset: put.queue_offset,
            wait,
            lacks_replica: false,
            new_topic: context.topics.pending_of(&header.topic),
        })
    })
}

fn put_batch(
    context: &BrokerContext,
    settings: &Settings,
    call: &Call<'_>,
    header: &SendMessageRequestHeaderV2<'_>,
) -> Result<Sent, Refusal> {
    if header.topic.len() > TOPIC_LENGTH_MAX {
        let text = format!("message topic length too long {}", header.topic.len());
        return Err(refuse(ResponseCode::MESSAGE_ILLEGAL, text));
    }
    PROPERTIES.with_borrow_mut(|stored| {
        stored.clear();
        if let Some(properties) = header.properties {
            properties.append_to(stored);
        }
        let asked = Asked::by(stored);
        if asked.delay_level > 0 {
            return Err(illegal("a batch cannot be delayed".to_string()));
        }
        take_out(stored, property::CLUSTER, asked.cluster);
        let cluster = settings.broker.broker_cluster_name.as_bytes();
        properties::append_bytes(stored, property::CLUSTER, cluster);
        let put = context.store.put_batch(&PutBatch {
            topic: &header.topic,
            queue_id: header.queue_id,
            sys_flag: header.sys_flag,
            born_timestamp: header.born_timestamp,
            born_host: call.connection.peer(),
            store_host: context.store_host,
            reconsume_times: header.reconsume_times.unwrap_or(0),
            body: call.frame.body(),
            properties: stored,
        });
        let put = put.map_err(|error| put_refusal(context, error))?;
        let count = put.physical_offsets.len();
        let bytes = put.end_offset - put.physical_offsets.first().unwrap_or(&put.end_offset);
        context.stats.put(&header.topic, header.queue_id, count, bytes);
        let wait = if asked.waits { Wait::by(settings, put.end_offset) } else { Wait::default() };
        Ok(Sent {
            msg_id: put.message_ids(),
            queue_id: header.queue_id,
            queue_offset: put.queue_offset,
            wait,
            lacks_replica: false,
            new_topic: context.topics.pending_of(&header.topic),
        })
    })
}

/// What a message's properties ask of the broker, found in one pass over them.
struct Asked {
    /// The sender waits for flush and replication: WAIT is absent or true.
    waits: bool,
    /// It is the half of a transaction.
    half: bool,
    /// The level of its delay; 0 without one.
    delay_level: i32,
    /// Which of the properties that the broker takes out are there.
    wait: bool,
    delay: bool,
    cluster: bool,
}

impl Asked {
    fn by(encoded: &[u8]) -> Asked {
        let is_true = |value: &[u8]| value.eq_ignore_ascii_case(b"true");
        let mut asked = Asked {
            waits: true,
            half: false,
            delay_level: 0,
            wait: false,
            delay: false,
            cluster: false,
        };
        // Of equal names the last counts, as in Java's map.
        for (name, value) in properties::pairs(encoded) {
            if name == property::WAIT.as_bytes() {
                (asked.wait, asked.waits) = (true, is_true(value));
            } else if name == property::TRANSACTION_PREPARED.as_bytes() {
                asked.half = is_true(value);
            } else if name == property::DELAY.as_bytes() {
                let level = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
                (asked.delay, asked.delay_level) = (true, level.unwrap_or(0));
            } else if name == property::CLUSTER.as_bytes() {
                asked.cluster = true;
            }
        }
        asked
    }
}

/// Takes a property out, if it is there.
fn take_out(encoded: &mut Vec<u8>, name: &str, is_there: bool) {
    if is_there {
        properties::remove(encoded, name);
    }
}

/// Code and text of a message that was not stored (contract `requests.md` 1.4).
pub(crate) fn put_refusal(context: &BrokerContext, error: PutError) -> Refusal {
    match error {
        PutError::CreateSegmentFailed(why) => {
            failed(format!("create mapped file failed, server is busy or broken. {why}"))
        }
        PutError::MessageIllegal(why) => illegal(why),
        PutError::PropertiesSizeExceeded(bytes) => {
            illegal(format!("the properties have {bytes} bytes"))
        }
        PutError::ServiceNotAvailable(why) => {
            let ratio = |key: &str| -> f64 {
                let info = context.store.runtime_info();
                let value = info.into_iter().find(|(name, _)| name == key).map(|(_, value)| value);
                value.and_then(|value| value.parse().ok()).unwrap_or(-1.0)
            };
            let (log, queue) = (ratio("commitLogDiskRatio"), ratio("consumeQueueDiskRatio"));
            refuse(
                ResponseCode::SERVICE_NOT_AVAILABLE,
                format!(
                    "service not available now. It may be caused by one of the following reasons: \
                 the broker's disk is full [CL: {log:5.2} CQ: {queue:5.2} INDEX: {queue:5.2}], \
                 messages are put to the slave, message store has been shut down, etc. {why}"
                ),
            )
        }
        // What Java answers before the request is queued; it seldom comes to its
        // `[PC_SYNCHRONIZED]`.
        PutError::PageCacheBusy => refuse(
            ResponseCode::SYSTEM_BUSY,
            "[REJECTREQUEST]system busy, start flow control for a while; \
             the disk has not taken a write for longer than osPageCacheBusyTimeOutMills",
        ),
        PutError::BatchSizeExceeded => failed(
            "java.lang.RuntimeException: message size exceeded; send smaller batches, or raise maxMessageSize",
        ),
    }
}

fn illegal(why: String) -> Refusal {
    refuse(
        ResponseCode::MESSAGE_ILLEGAL,
        format!(
            "the message is illegal, maybe msg body or properties length not matched. msg body \
         length limit 128k, msg properties length limit 32k. {why}"
        ),
    )
}
