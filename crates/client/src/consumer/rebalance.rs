//! Taking and leaving queues as the group changes (contract `client.md` 6), and the locks of
//! orderly consumption.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use rocketmq_common::{clock, fastjson};
use rocketmq_protocol::body::{LockBatchBody, LockOkBody, MessageModel};
use rocketmq_protocol::message::MessageQueue;
use rocketmq_protocol::{NoFields, RequestCode};

use super::process_queue::ProcessQueue;
use super::push::{Inner, Owned};
use super::worker;
use crate::LOGGER;
use crate::error::ClientError;
use crate::instance::parse;

/// Time between rebalances when nothing wakes them, and between renewals of locks.
const PERIOD: Duration = Duration::from_secs(20);
/// Time to the next try when a queue could not be taken.
const RETRY: Duration = Duration::from_secs(1);
/// How long a lock holds here; the broker keeps it for 60 s.
const LOCK_LIVE_MS: i64 = 30_000;

/// Rebalances until the consumer stops.
pub(super) async fn run(inner: Arc<Inner>) {
    while !inner.is_stopped() {
        let complete = rebalance(&inner).await;
        let wait = if complete { PERIOD } else { RETRY };
        tokio::select! {
            () = inner.wake.notified() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// One round over all topics; false if something has to be tried again soon.
async fn rebalance(inner: &Arc<Inner>) -> bool {
    let mut complete = true;
    for topic in inner.subscriptions.keys() {
        match rebalance_topic(inner, topic).await {
            Ok(done) => complete &= done,
            Err(error) => {
                tracing::warn!(target: LOGGER, "rebalanceByTopic Exception, {topic}: {error}");
                complete = false;
            }
        }
    }
    complete
}

async fn rebalance_topic(inner: &Arc<Inner>, topic: &str) -> Result<bool, ClientError> {
    let Some(route) = inner.instance.route(topic).await? else { return Ok(true) };
    let mine: BTreeSet<MessageQueue> = match inner.options.model {
        MessageModel::Broadcasting => route.subscribe.iter().cloned().collect(),
        MessageModel::Clustering => {
            let mut members = inner.instance.consumer_ids(topic, &inner.group).await?;
            members.sort();
            let me = &inner.instance.client_id;
            if !members.contains(me) {
                // The broker has not heard of this consumer yet.
                inner.instance.heartbeat().await;
                return Ok(false);
            }
            let strategy = &inner.options.allocation;
            strategy.share(me, &route.subscribe, &members).into_iter().collect()
        }
    };
    leave(inner, topic, &mine).await;
    take(inner, mine).await
}

/// Lets go of queues that are somebody else's now.
async fn leave(inner: &Arc<Inner>, topic: &str, mine: &BTreeSet<MessageQueue>) {
    let left: Vec<(MessageQueue, Owned)> = {
        let mut queues = inner.queues.lock();
        let gone: Vec<_> =
            queues.keys().filter(|q| q.topic == topic && !mine.contains(q)).cloned().collect();
        gone.into_iter().filter_map(|queue| queues.remove_entry(&queue)).collect()
    };
    for (queue, owned) in &left {
        owned.process.drop_queue();
        inner.offsets.commit(queue).await;
        inner.offsets.forget(queue);
        tracing::info!(target: LOGGER, "doRebalance, {}, remove unnecessary mq, {queue}", inner.group);
    }
    if inner.is_orderly() && !left.is_empty() {
        unlock(inner, left.into_iter().map(|(queue, _)| queue).collect()).await;
    }
}

/// Takes queues that are this consumer's and not taken yet, and renews the locks of the others.
async fn take(inner: &Arc<Inner>, mine: BTreeSet<MessageQueue>) -> Result<bool, ClientError> {
    let clustering = inner.options.model == MessageModel::Clustering;
    let locked = match inner.is_orderly() && clustering {
        true => Some(lock(inner, &mine).await),
        false => None,
    };
    let mut complete = true;
    for queue in mine {
        if let Some(locked) = &locked
            && !locked.contains(&queue)
        {
            complete = false;
            continue;
        }
        let lock_until = match locked {
            Some(_) => clock::now_ms() + LOCK_LIVE_MS,
            // Nobody else has a broadcast queue's messages to keep in order with.
            None => i64::MAX,
        };
        let known = inner.queues.lock().get(&queue).cloned();
        if let Some(owned) = known {
            owned.process.lock_until(lock_until);
            continue;
        }
        let (from, timestamp) = (inner.options.from, inner.options.timestamp);
        let reset = inner.offsets.known(&queue);
        let start = match reset {
            Some(offset) => offset,
            None => inner.offsets.start_of(&queue, from, timestamp).await?,
        };
        inner.offsets.update(&queue, start, false);
        let process = ProcessQueue::new();
        process.lock_until(lock_until);
        tracing::info!(target: LOGGER, "doRebalance, {}, add a new mq, {queue} from {start}", inner.group);
        inner.queues.lock().insert(queue.clone(), Owned { process: Arc::clone(&process) });
        worker::start(inner, queue, process, start);
    }
    Ok(complete)
}

/// Locks queues at their brokers; returns those that are locked.
async fn lock(inner: &Inner, queues: &BTreeSet<MessageQueue>) -> BTreeSet<MessageQueue> {
    let mut locked = BTreeSet::new();
    for (address, queues) in by_broker(inner, queues.iter().cloned()) {
        match ask(inner, &address, RequestCode::LOCK_BATCH_MQ, queues).await {
            Ok(frame) => {
                let body: Result<LockOkBody, _> = parse(&frame);
                locked.extend(body.unwrap_or_default().lock_ok_mq_set);
            }
            Err(error) => {
                tracing::error!(target: LOGGER, "lockBatchMQ exception, {address}: {error}");
            }
        }
    }
    locked
}

/// Unlocks queues at their brokers.
pub(super) async fn unlock(inner: &Inner, queues: Vec<MessageQueue>) {
    for (address, queues) in by_broker(inner, queues.into_iter()) {
        if let Err(error) = ask(inner, &address, RequestCode::UNLOCK_BATCH_MQ, queues).await {
            tracing::error!(target: LOGGER, "unlockBatchMQ exception, {address}: {error}");
        }
    }
}

async fn ask(
    inner: &Inner,
    address: &str,
    code: RequestCode,
    mq_set: Vec<MessageQueue>,
) -> Result<rocketmq_protocol::Frame, ClientError> {
    let body = LockBatchBody {
        client_id: inner.instance.client_id.clone(),
        consumer_group: inner.group.clone(),
        mq_set,
    };
    let body = fastjson::to_vec(&body).map_err(|error| ClientError::illegal(error.to_string()))?;
    inner.instance.ask(address, code, &NoFields, body.into()).await
}

/// Queues by the address of their master.
fn by_broker(
    inner: &Inner,
    queues: impl Iterator<Item = MessageQueue>,
) -> BTreeMap<String, Vec<MessageQueue>> {
    let mut by_broker: BTreeMap<String, Vec<MessageQueue>> = BTreeMap::new();
    for queue in queues {
        let route = inner.instance.known_route(&queue.topic);
        let address = route.as_ref().and_then(|route| route.master(&queue.broker_name));
        if let Some(address) = address {
            by_broker.entry(address.to_string()).or_default().push(queue);
        }
    }
    by_broker
}
