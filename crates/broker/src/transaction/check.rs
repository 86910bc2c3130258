//! Asking producers what became of half messages that wait for long.

use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use rocketmq_common::clock;
use rocketmq_protocol::RequestCode;
use rocketmq_protocol::header::CheckTransactionStateRequestHeader;
use rocketmq_protocol::message::{RecordHead, RecordView, properties, property};
use rocketmq_protocol::topic::{self, permission};
use rocketmq_remoting::Request;
use rocketmq_store::{FlushOutcome, PutError, PutResult};

use super::{GROUP, LOG, QUEUE, THREAD, Transactions, number, unique_key};
use crate::context::{BrokerContext, Settings};
use crate::processor::pull;
use crate::processor::send::create_topic;
use crate::schedule::{copy_of, real_place, set};

/// How long one round may take (MAX_PROCESS_TIME_LIMIT).
const ROUND_MAX: Duration = Duration::from_secs(60);
/// Checks that are sent together.
const CHECKS_AT_ONCE: usize = 64;

/// What is to be done with an open half message.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    /// It and all behind it are too young.
    Stop,
    /// Not yet to be asked about: its own immunity has not passed.
    PutBack,
    /// Its producer is to be asked, for the n-th time.
    Ask(i64),
    /// Asked often enough, or too old.
    GiveUp,
}

/// A check that is to be sent when its copy is readable.
struct Question {
    group: String,
    header: Header,
    body: Vec<u8>,
}

struct Header {
    half: PutResult,
    unique_key: Option<String>,
}

/// One round over the open half messages.
pub(super) fn round(context: &BrokerContext, transactions: &Transactions) {
    tracing::debug!(target: LOG, thread = THREAD, "Begin to check prepare message");
    for topic in [topic::TRANS_HALF, topic::TRANS_OP_HALF] {
        ensure_topic(context, topic);
    }
    let store = &context.store;
    let min = |topic| store.min_offset_in_queue(topic, QUEUE).max(0);
    let (half_min, op_min) = (min(topic::TRANS_HALF), min(topic::TRANS_OP_HALF));
    transactions.window.lock().expired(half_min, op_min);
    let settings = context.settings();
    let (begin, begin_ms) = (Instant::now(), clock::now_ms());
    let end = store.max_offset_in_queue(topic::TRANS_HALF, QUEUE);
    let mut offset = transactions.window.lock().done().0;
    let mut questions = Vec::new();
    while offset < end && !transactions.is_stopped() {
        if begin.elapsed() > ROUND_MAX {
            tracing::info!(target: LOG, thread = THREAD, "Queue=0 process time reach max={}", ROUND_MAX.as_millis());
            break;
        }
        match step(context, transactions, &settings, begin_ms, offset) {
            Ok(true) => {}
            Ok(false) => break,
            Err(question) => questions.push(*question),
        }
        if questions.len() >= CHECKS_AT_ONCE {
            ask(context, &mut questions);
        }
        offset += 1;
    }
    ask(context, &mut questions);
    note_progress(context, transactions);
}

/// Deals with one half message: `Ok` whether to go on, or the question for its producer.
fn step(
    context: &BrokerContext,
    transactions: &Transactions,
    settings: &Settings,
    begin_ms: i64,
    offset: i64,
) -> Result<bool, Box<Question>> {
    if !transactions.window.lock().is_open(offset) {
        return Ok(true);
    }
    let store = &context.store;
    let place = store.physical_offset_at(topic::TRANS_HALF, QUEUE, offset);
    let bytes = place.and_then(|place| store.look_up(place));
    let record = bytes.as_deref().and_then(|bytes| RecordView::parse(bytes).ok());
    let Some(record) = record.filter(|record| record.queue_offset == offset) else {
        tracing::warn!(target: LOG, thread = THREAD, "Illegal offset, the miss offset={offset} in {}", topic::TRANS_HALF);
        transactions.window.lock().settle(offset);
        return Ok(true);
    };
    let done = match fate(&record, settings, begin_ms, clock::now_ms()) {
        Fate::Stop => return Ok(false),
        Fate::GiveUp => give_up(context, transactions, &record).map(|()| None),
        Fate::PutBack => put_back(context, transactions, &record, None).map(|_| None),
        Fate::Ask(times) => put_back(context, transactions, &record, Some(times))
            .map(|copy| copy.map(|copy| question(&record, &copy))),
    };
    match done {
        Ok(None) => Ok(true),
        Ok(Some(question)) => Err(Box::new(question)),
        Err(error) => {
            tracing::error!(target: LOG, thread = THREAD, "PutBackToHalfQueueReturnResult write failed, topic: {}, queueId: {QUEUE}, msgId: {}: {error}; it is tried again at the next check", topic::TRANS_HALF, record.offset_msg_id());
            Ok(false)
        }
    }
}

/// Decides by age, number of checks and immunity, in Java's order.
fn fate(record: &RecordView<'_>, settings: &Settings, begin_ms: i64, now: i64) -> Fate {
    let broker = &settings.broker;
    let asked = number(record, property::TRANSACTION_CHECK_TIMES).unwrap_or(0);
    let age = now - record.born_timestamp;
    let reserved = i64::from(settings.store.file_reserved_time).saturating_mul(3_600_000);
    if asked >= i64::from(broker.transaction_check_max) || age > reserved {
        return Fate::GiveUp;
    }
    if record.store_timestamp >= begin_ms {
        return Fate::Stop;
    }
    let immunity = property::CHECK_IMMUNITY_TIME_IN_SECONDS;
    if properties::get(record.properties, immunity).is_some() {
        let seconds = number(record, immunity).filter(|seconds| *seconds != -1);
        let immune = seconds.map_or(broker.transaction_time_out, |s| s.saturating_mul(1000));
        if age < immune {
            return Fate::PutBack;
        }
    } else if (0..broker.transaction_time_out).contains(&age) {
        return Fate::Stop;
    }
    Fate::Ask(asked + 1)
}

/// Puts a half message in the half topic once more, so that those behind it can be settled; the
/// copy takes its place. Nothing when its producer ended it meanwhile.
fn put_back(
    context: &BrokerContext,
    transactions: &Transactions,
    record: &RecordView<'_>,
    asked: Option<i64>,
) -> Result<Option<(PutResult, Vec<u8>)>, PutError> {
    let mut stored = record.properties.to_vec();
    match asked {
        Some(times) => {
            let times = times.to_string();
            set(&mut stored, property::TRANSACTION_CHECK_TIMES, times.as_bytes());
        }
        None => {
            let name = property::TRANSACTION_PREPARED_QUEUE_OFFSET;
            if properties::get(&stored, name).is_none() {
                let offset = record.queue_offset.to_string();
                properties::append_bytes(&mut stored, name, offset.as_bytes());
            }
        }
    }
    set(&mut stored, property::WAIT, b"false");
    // Under the lock, so that the producer's end meets either the one or the other.
    let mut window = transactions.window.lock();
    if !window.is_open(record.queue_offset) {
        return Ok(None);
    }
    let copy = context.store.put(&copy_of(record, topic::TRANS_HALF, QUEUE, &stored))?;
    window.replace(record.queue_offset, unique_key(record), copy.queue_offset);
    Ok(Some((copy, stored)))
}

/// Moves a half message to the topic of those that were given up.
fn give_up(
    context: &BrokerContext,
    transactions: &Transactions,
    record: &RecordView<'_>,
) -> Result<(), PutError> {
    let id = record.offset_msg_id();
    tracing::error!(target: LOG, thread = THREAD, "MsgExt:{id} has been checked too many times, so discard it by moving it to system topic TRANS_CHECK_MAXTIME_TOPIC");
    ensure_topic(context, topic::TRANS_CHECK_MAX_TIME);
    let mut window = transactions.window.lock();
    if !window.is_open(record.queue_offset) {
        return Ok(());
    }
    let message = copy_of(record, topic::TRANS_CHECK_MAX_TIME, QUEUE, record.properties);
    let put = context.store.put(&message)?;
    window.give_up(record.queue_offset, unique_key(record));
    let real = real_place(record).map_or("null", |(topic, _)| topic);
    tracing::info!(target: LOG, thread = THREAD, "Put checked-too-many-time half message to TRANS_CHECK_MAXTIME_TOPIC OK. Restored in queueOffset={}, commitLogOffset={}, real topic={real}", put.queue_offset, put.physical_offset);
    Ok(())
}

fn ensure_topic(context: &BrokerContext, topic: &str) {
    let both = permission::READ | permission::WRITE;
    if let Err(refusal) = create_topic(context, topic, 1, both) {
        tracing::error!(target: LOG, thread = THREAD, "{topic} cannot be created: {}", refusal.text);
    }
}

/// CHECK_TRANSACTION_STATE about a copy: the record as if it lay in its real topic.
fn question(record: &RecordView<'_>, (copy, stored): &(PutResult, Vec<u8>)) -> Question {
    let text = |name| properties::get_text(record.properties, name).map(str::to_string);
    let (topic, queue_id) = real_place(record).unwrap_or((record.topic_text(), record.queue_id));
    let head = RecordHead {
        topic,
        queue_id,
        flag: record.flag,
        sys_flag: record.sys_flag,
        born_timestamp: record.born_timestamp,
        born_host: record.born_host,
        store_host: record.store_host,
        reconsume_times: record.reconsume_times,
        prepared_transaction_offset: record.prepared_transaction_offset,
    };
    let mut body = Vec::new();
    let encoded = head.encode(record.body, stored, &mut body);
    encoded.place(&mut body, copy.queue_offset, copy.physical_offset, record.store_timestamp);
    Question {
        group: text(property::PRODUCER_GROUP).unwrap_or_default(),
        header: Header { half: *copy, unique_key: text(property::UNIQUE_KEY) },
        body,
    }
}

/// Makes the copies readable, then sends the questions.
fn ask(context: &BrokerContext, questions: &mut Vec<Question>) {
    let committed = context.store.commit();
    pull::run_ready(context);
    if let Err(error) = committed {
        tracing::error!(target: LOG, thread = THREAD, "Check error: {error}");
        questions.clear();
    }
    for question in questions.drain(..) {
        let Some(connection) = context.producers.next_of(&question.group) else {
            tracing::warn!(target: LOG, thread = THREAD, "Check transaction failed, channel is null. groupId={}", question.group);
            continue;
        };
        let (half, key) = (&question.header.half, question.header.unique_key.as_deref());
        let header = CheckTransactionStateRequestHeader {
            tran_state_table_offset: half.queue_offset,
            commit_log_offset: half.physical_offset,
            msg_id: key.map(Into::into),
            transaction_id: key.map(Into::into),
            offset_msg_id: Some(half.message_id().into()),
        };
        let request = Request::new(RequestCode::CHECK_TRANSACTION_STATE);
        let request = request.fields(&header).body(question.body);
        if let Err(error) = connection.send_oneway(request) {
            tracing::error!(target: LOG, thread = THREAD, "Check transaction failed because invoke producer exception. groupId={}, msgId={}, error={error}", question.group, half.message_id());
        }
    }
}

/// Notes how far both topics are done, once what took the place of half messages is on the disk:
/// a crash of the machine must not lose both.
fn note_progress(context: &BrokerContext, transactions: &Transactions) {
    let (half, op) = transactions.window.lock().done();
    let known = |topic| context.offsets.get(GROUP, topic, QUEUE);
    if known(topic::TRANS_HALF) == Some(half) && known(topic::TRANS_OP_HALF) == Some(op) {
        return;
    }
    if context.store.commit().is_err() {
        return;
    }
    let (sender, flushed) = channel();
    let waiter = Box::new(move |outcome| {
        let _ = sender.send(outcome);
    });
    context.store.when_flushed(context.store.max_physical_offset(), waiter);
    if flushed.recv() != Ok(FlushOutcome::Flushed) {
        return;
    }
    for (topic, offset) in [(topic::TRANS_HALF, half), (topic::TRANS_OP_HALF, op)] {
        context.offsets.commit(context.store_host, GROUP, topic, QUEUE, offset);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The fate of a half message of that age with those properties.
    fn fate_of(age: i64, stored: &str) -> Fate {
        let (now, host) = (1_800_000_000_000, "127.0.0.1:1".parse().unwrap());
        let head = RecordHead {
            topic: topic::TRANS_HALF,
            queue_id: 0,
            flag: 0,
            sys_flag: 0,
            born_timestamp: now - age,
            born_host: host,
            store_host: host,
            reconsume_times: 0,
            prepared_transaction_offset: 0,
        };
        let mut bytes = Vec::new();
        let encoded = head.encode(b"", stored.as_bytes(), &mut bytes);
        encoded.place(&mut bytes, 0, 0, now - age);
        fate(&RecordView::parse(&bytes).unwrap(), &Settings::default(), now, now)
    }

    #[test]
    fn age_checks_and_immunity_decide() {
        assert_eq!(fate_of(5_999, ""), Fate::Stop);
        assert_eq!(fate_of(6_000, ""), Fate::Ask(1));
        assert_eq!(fate_of(-1, ""), Fate::Stop, "stored in this round");
        assert_eq!(fate_of(60_000, "TRANSACTION_CHECK_TIMES\u{1}14"), Fate::Ask(15));
        assert_eq!(fate_of(60_000, "TRANSACTION_CHECK_TIMES\u{1}15"), Fate::GiveUp);
        assert_eq!(fate_of(73 * 3_600_000, ""), Fate::GiveUp);
        assert_eq!(fate_of(59_999, "CHECK_IMMUNITY_TIME_IN_SECONDS\u{1}60"), Fate::PutBack);
        assert_eq!(fate_of(60_000, "CHECK_IMMUNITY_TIME_IN_SECONDS\u{1}60"), Fate::Ask(1));
        assert_eq!(fate_of(1, "CHECK_IMMUNITY_TIME_IN_SECONDS\u{1}x"), Fate::PutBack);
        assert_eq!(fate_of(6_000, "CHECK_IMMUNITY_TIME_IN_SECONDS\u{1}-1"), Fate::Ask(1));
    }
}
