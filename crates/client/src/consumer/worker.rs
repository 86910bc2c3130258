//! Pulling one queue and handing its messages to the listener (contract `client.md` 5).

use std::sync::Arc;
use std::time::Duration;

use rocketmq_common::clock;
use rocketmq_protocol::RequestCode;
use rocketmq_protocol::body::MessageModel;
use rocketmq_protocol::header::{ConsumerSendMsgBackRequestHeader, PullMessageRequestHeader};
use rocketmq_protocol::message::{MessageExt, MessageQueue, property, sys_flag};
use rocketmq_remoting::Body;

use super::process_queue::ProcessQueue;
use super::pull::PullStatus;
use super::push::{ConsumeStatus, Delivery, Inner, Listener, OrderlyStatus};
use super::{Pulled, has_wanted_tag, pull_once};
use crate::LOGGER;
use crate::catch::catch;
use crate::error::ClientError;

/// How long a broker holds a pull, and how long its answer may take.
const SUSPEND: Duration = Duration::from_secs(15);
const PULL_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest rest when enough messages wait here; rest after an error, and while the queue is not
/// locked.
const FLOW_CONTROL_REST: Duration = Duration::from_millis(50);
const ERROR_REST: Duration = Duration::from_secs(1);
/// Time until messages that could not be sent back are delivered again from here.
const LOCAL_RETRY: Duration = Duration::from_secs(5);
/// Rest of a queue that an orderly listener suspended.
const SUSPENDED_REST: Duration = Duration::from_secs(1);
/// Time until a queue whose offset was illegal is taken again.
const ILLEGAL_OFFSET_REST: Duration = Duration::from_secs(10);

/// Starts the tasks of a queue; they end when it is dropped or the consumer stops.
pub(super) fn start(
    inner: &Arc<Inner>,
    queue: MessageQueue,
    process: Arc<ProcessQueue>,
    from: i64,
) {
    let pulling = pull_loop(Arc::clone(inner), queue.clone(), Arc::clone(&process), from);
    inner.instance.keep(tokio::spawn(pulling));
    if inner.is_orderly() {
        inner.tasks.spawn(orderly_loop(Arc::clone(inner), queue, process));
    }
}

async fn pull_loop(
    inner: Arc<Inner>,
    queue: MessageQueue,
    process: Arc<ProcessQueue>,
    mut offset: i64,
) {
    let mut broker_id = 0;
    while !process.is_halted() && !inner.is_stopped() {
        if is_full(&inner, &process) {
            let _ = tokio::time::timeout(FLOW_CONTROL_REST, process.removed.notified()).await;
            continue;
        }
        if inner.is_orderly() && !process.is_locked() {
            process.rest(ERROR_REST).await;
            continue;
        }
        process.note_pull();
        match pull(&inner, &queue, offset, broker_id).await {
            Ok(pulled) => {
                broker_id = pulled.header.suggest_which_broker_id;
                if pulled.status == PullStatus::OffsetIllegal {
                    let next = pulled.header.next_begin_offset;
                    return start_over(&inner, &queue, &process, next).await;
                }
                offset = pulled.header.next_begin_offset;
                deliver(&inner, &queue, &process, pulled, offset);
            }
            Err(error) => {
                tracing::warn!(target: LOGGER, "execute the pull request exception, {queue}: {error}");
                process.rest(ERROR_REST).await;
                let _ = inner.instance.refresh_route(&queue.topic).await;
            }
        }
    }
}

/// Whether so much waits here that pulling rests.
fn is_full(inner: &Inner, process: &ProcessQueue) -> bool {
    let (count, bytes, span) = process.load();
    let options = &inner.options;
    count > options.queue_messages_max
        || bytes > options.queue_bytes_max
        || (!inner.is_orderly() && span > options.span_max)
}

async fn pull(
    inner: &Inner,
    queue: &MessageQueue,
    offset: i64,
    broker_id: i64,
) -> Result<Pulled, ClientError> {
    let route = inner.instance.route(&queue.topic).await?;
    let route = route.ok_or_else(|| ClientError::illegal("the topic has no route"))?;
    let subscription = inner.subscriptions.get(&queue.topic);
    let version = subscription.map_or(0, |subscription| subscription.sub_version);
    let consumed = inner.offsets.known(queue).unwrap_or(0);
    let commits = consumed > 0 && inner.options.model == MessageModel::Clustering;
    let commit = if commits { sys_flag::PULL_COMMIT_OFFSET } else { 0 };
    let header = PullMessageRequestHeader {
        consumer_group: inner.group.as_str().into(),
        topic: queue.topic.as_str().into(),
        queue_id: queue.queue_id,
        queue_offset: offset,
        max_msg_nums: inner.options.pull_batch,
        sys_flag: sys_flag::PULL_SUSPEND | commit,
        commit_offset: if commits { consumed } else { 0 },
        suspend_timeout_millis: SUSPEND.as_millis() as i64,
        subscription: None,
        sub_version: version,
        expression_type: Some("TAG".into()),
    };
    let name = &queue.broker_name;
    pull_once(&inner.instance, &route, name, broker_id, &header, PULL_TIMEOUT).await
}

/// The offset is not in the queue: the queue is let go and taken again where the broker says.
async fn start_over(inner: &Inner, queue: &MessageQueue, process: &ProcessQueue, next: i64) {
    tracing::warn!(target: LOGGER, "the pull request offset illegal, {queue}, next offset {next}");
    process.drop_queue();
    tokio::time::sleep(ILLEGAL_OFFSET_REST).await;
    inner.offsets.update(queue, next, false);
    inner.offsets.commit(queue).await;
    inner.queues.lock().remove(queue);
    inner.wake.notify_one();
}

/// Keeps what is wanted of a pull and hands it on.
fn deliver(
    inner: &Arc<Inner>,
    queue: &MessageQueue,
    process: &Arc<ProcessQueue>,
    mut pulled: Pulled,
    next: i64,
) {
    if let Some(subscription) = inner.subscriptions.get(&queue.topic) {
        pulled.messages.retain(|message| has_wanted_tag(subscription, message));
    }
    if pulled.messages.is_empty() {
        if process.is_empty() {
            inner.offsets.update(queue, next, true);
        }
        return;
    }
    let messages: Vec<_> = pulled.messages.into_iter().map(|m| Arc::new(restored(m))).collect();
    process.add(&messages);
    if let Listener::Concurrent(_) = &inner.listener {
        for batch in messages.chunks(inner.options.batch) {
            submit(inner, queue, process, batch.to_vec(), Duration::ZERO);
        }
    }
}

/// The message as the application knows it: under its own topic when it comes from a retry topic.
fn restored(mut message: MessageExt) -> MessageExt {
    if message.message.topic.starts_with("%RETRY%")
        && let Some(topic) = message.message.get(property::RETRY_TOPIC)
    {
        message.message.topic = topic.to_string();
    }
    let now = clock::now_ms().to_string();
    message.message.set(property::CONSUME_START_TIME, now);
    message
}

fn submit(
    inner: &Arc<Inner>,
    queue: &MessageQueue,
    process: &Arc<ProcessQueue>,
    batch: Vec<Arc<MessageExt>>,
    wait: Duration,
) {
    let consuming = consume(Arc::clone(inner), queue.clone(), Arc::clone(process), batch, wait);
    inner.tasks.spawn(consuming);
}

async fn consume(
    inner: Arc<Inner>,
    queue: MessageQueue,
    process: Arc<ProcessQueue>,
    batch: Vec<Arc<MessageExt>>,
    wait: Duration,
) {
    // A sleep of nothing would still last until the timer's next millisecond.
    if !wait.is_zero() {
        process.rest(wait).await;
    }
    let Ok(_permit) = inner.permits.acquire().await else { return };
    let Listener::Concurrent(listener) = &inner.listener else { return };
    if process.is_halted() {
        return;
    }
    let worker = inner.free_workers.lock().pop().unwrap_or(1);
    let messages = batch.iter().map(|message| (**message).clone()).collect();
    process.note_consume();
    let delivery = Delivery { messages, queue: queue.clone(), worker };
    // A listener that panics counts as one that wants the messages later.
    let status = catch(async { listener(delivery).await }).await;
    let status = status.unwrap_or(ConsumeStatus::ReconsumeLater);
    inner.free_workers.lock().push(worker);
    let mut done = batch;
    if status == ConsumeStatus::ReconsumeLater {
        let failed = send_back(&inner, &queue, &mut done).await;
        if !failed.is_empty() && !process.is_halted() {
            submit(&inner, &queue, &process, failed, LOCAL_RETRY);
        }
    }
    if process.is_dropped() {
        return;
    }
    let next = process.remove(done.iter().map(|message| message.queue_offset));
    inner.offsets.update(&queue, next, true);
}

/// Gives messages back to the broker for a later delivery. What the broker does not take is
/// removed from `batch` and returned, to be delivered again from here.
async fn send_back(
    inner: &Inner,
    queue: &MessageQueue,
    batch: &mut Vec<Arc<MessageExt>>,
) -> Vec<Arc<MessageExt>> {
    if inner.options.model == MessageModel::Broadcasting {
        for message in batch.iter() {
            tracing::warn!(target: LOGGER, "BROADCASTING, the message consume failed, drop it, {}", message.msg_id());
        }
        return Vec::new();
    }
    let mut failed = Vec::new();
    for message in batch.iter() {
        if let Err(error) = send_one_back(inner, queue, message).await {
            tracing::warn!(target: LOGGER, "send message back to broker exception, {}: {error}", message.msg_id());
            let mut again = (**message).clone();
            again.reconsume_times += 1;
            failed.push(Arc::new(again));
        }
    }
    batch.retain(|message| failed.iter().all(|again| again.queue_offset != message.queue_offset));
    failed
}

async fn send_one_back(
    inner: &Inner,
    queue: &MessageQueue,
    message: &MessageExt,
) -> Result<(), ClientError> {
    let max = inner.options.max_reconsume_times;
    let header = ConsumerSendMsgBackRequestHeader {
        offset: message.commit_log_offset,
        group: inner.group.as_str().into(),
        delay_level: 0,
        origin_msg_id: Some(message.msg_id().into()),
        origin_topic: Some(message.message.topic.as_str().into()),
        unit_mode: false,
        max_reconsume_times: Some(if max < 0 { 16 } else { max }),
    };
    let route = inner.instance.route(&queue.topic).await?;
    let address = route.as_ref().and_then(|route| route.master(&queue.broker_name));
    let address = address.ok_or_else(|| ClientError::illegal("the broker has no master"))?;
    let code = RequestCode::CONSUMER_SEND_MSG_BACK;
    inner.instance.ask(address, code, &header, Body::None).await.map(drop)
}

/// Consumes one queue in order, one delivery at a time.
async fn orderly_loop(inner: Arc<Inner>, queue: MessageQueue, process: Arc<ProcessQueue>) {
    let Listener::Orderly(listener) = inner.listener.clone() else { return };
    while !process.is_halted() && !inner.is_stopped() {
        let batch = process.first(inner.options.batch);
        if batch.is_empty() || !process.is_locked() {
            tokio::select! {
                () = process.added.notified() => {}
                () = process.rest(ERROR_REST) => {}
            }
            continue;
        }
        let Ok(permit) = inner.permits.acquire().await else { return };
        if process.is_halted() {
            return;
        }
        let worker = inner.free_workers.lock().pop().unwrap_or(1);
        let messages = batch.iter().map(|message| (**message).clone()).collect();
        process.note_consume();
        let delivery = Delivery { messages, queue: queue.clone(), worker };
        let status = catch(async { listener(delivery).await }).await;
        let status = status.unwrap_or(OrderlyStatus::SuspendCurrentQueueAMoment);
        inner.free_workers.lock().push(worker);
        if status == OrderlyStatus::Success && !process.is_dropped() {
            let next = process.remove(batch.iter().map(|message| message.queue_offset));
            inner.offsets.update(&queue, next, true);
        }
        drop(permit);
        if status == OrderlyStatus::SuspendCurrentQueueAMoment {
            process.rest(SUSPENDED_REST).await;
        }
    }
}
