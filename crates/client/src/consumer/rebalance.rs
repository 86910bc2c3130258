//! Taking and leaving queues as the group changes (contract `client.md` 6), and the locks of
//! orderly consumption.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use rocketmq_common::{clock, fastjson};
use rocketmq_protocol::body::{ConsumeType, LockBatchBody, LockOkBody, MessageModel};
use rocketmq_protocol::message::MessageQueue;
use rocketmq_protocol::topic::RETRY_PREFIX;
use rocketmq_protocol::{NoFields, RequestCode};

use super::group::{Group, Member, Sharing};
use super::process_queue::ProcessQueue;
use crate::LOGGER;
use crate::error::ClientError;
use crate::instance::parse;

/// Time between rebalances when nothing wakes them, and between renewals of locks.
const PERIOD: Duration = Duration::from_secs(20);
/// Time to the next try when a queue could not be taken.
const RETRY: Duration = Duration::from_secs(1);
/// How long a lock holds here; the broker keeps it for 60 s.
const LOCK_LIVE_MS: i64 = 30_000;

/// How long a listener may go on with a queue that is to be left before the next round tries again.
const IDLE_WAIT: Duration = Duration::from_secs(1);

/// Rebalances until the consumer stops.
pub(super) async fn run<M: Member>(member: Arc<M>) {
    let group = member.group();
    while !group.is_stopped() {
        let complete = rebalance(&member).await;
        let wait = if complete { PERIOD } else { RETRY };
        tokio::select! {
            () = group.wake.notified() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// One round over all topics; false if something has to be tried again soon.
async fn rebalance<M: Member>(member: &Arc<M>) -> bool {
    let group = member.group();
    let assigned = group.assigned.lock().clone();
    if let Some(assigned) = assigned {
        return exchange(member, |_| true, assigned).await;
    }
    let topics: BTreeSet<_> = group.subscriptions.read().keys().cloned().collect();
    let mut complete =
        exchange(member, |queue| !topics.contains(&queue.topic), BTreeSet::new()).await;
    for topic in &topics {
        match share_of(group, topic).await {
            Ok(Some((all, mine))) => {
                let before = queues_of(group, topic);
                complete &= exchange(member, |queue| queue.topic == *topic, mine).await;
                let after = queues_of(group, topic);
                if before != after {
                    member.share_changed(topic, &all, &after).await;
                }
            }
            Ok(None) => complete = false,
            Err(error) => {
                tracing::warn!(target: LOGGER, "rebalanceByTopic Exception, {topic}: {error}");
                complete = false;
            }
        }
    }
    complete
}

/// The queues of a topic that this member has.
fn queues_of(group: &Group, topic: &str) -> Vec<MessageQueue> {
    let queues = group.queues.lock();
    queues.keys().filter(|queue| queue.topic == topic).cloned().collect()
}

/// The queues of a topic, and those of them that are this member's; `None` if that is not known yet.
async fn share_of(
    group: &Group,
    topic: &str,
) -> Result<Option<(Vec<MessageQueue>, BTreeSet<MessageQueue>)>, ClientError> {
    let Some(route) = group.instance.route(topic).await? else {
        // A broker that has just heard of the group is creating its retry topic.
        let comes = topic.starts_with(RETRY_PREFIX) && !group.queues.lock().is_empty();
        return Ok((!comes).then(Default::default));
    };
    if group.sharing.model == MessageModel::Broadcasting {
        let all = route.subscribe.to_vec();
        return Ok(Some((all.clone(), all.into_iter().collect())));
    }
    let mut members = group.instance.consumer_ids(topic, &group.name).await?;
    members.sort();
    let me = &group.instance.client_id;
    if !members.contains(me) {
        // The broker has not heard of this consumer yet.
        group.instance.heartbeat().await;
        return Ok(None);
    }
    let strategy = &group.sharing.allocation;
    let mine = strategy.share(me, &route.subscribe, &members).into_iter().collect();
    Ok(Some((route.subscribe.to_vec(), mine)))
}

/// Of the queues that `concerned` names, has `mine` and no others from now on; false if something
/// has to be tried again soon.
async fn exchange<M: Member>(
    member: &Arc<M>,
    concerned: impl Fn(&MessageQueue) -> bool,
    mine: BTreeSet<MessageQueue>,
) -> bool {
    let group = member.group();
    let before: Vec<_> = group.queues.lock().keys().cloned().collect();
    let left = leave(group, &concerned, &mine).await;
    let taken = take(member, mine).await.unwrap_or_else(|error| {
        tracing::warn!(target: LOGGER, "doRebalance, {}, a queue cannot be taken yet: {error}", group.name);
        false
    });
    if !group.queues.lock().keys().eq(before.iter()) {
        member.queues_changed();
    }
    left && taken
}

/// Lets go of queues that are somebody else's now; false if a listener is still at work on one.
async fn leave(
    group: &Group,
    concerned: &impl Fn(&MessageQueue) -> bool,
    mine: &BTreeSet<MessageQueue>,
) -> bool {
    let leaving: Vec<_> = {
        let queues = group.queues.lock();
        if group.is_stopped() {
            // The end of the consumer lets go of every queue.
            return true;
        }
        let gone = queues.iter().filter(|(queue, process)| {
            concerned(queue)
                && (!mine.contains(queue) || process.is_leaving() || is_stuck(group, process))
        });
        gone.map(|(queue, process)| (queue.clone(), Arc::clone(process))).collect()
    };
    let mut complete = true;
    for (queue, process) in leaving {
        if mine.contains(&queue) && !process.is_leaving() {
            tracing::error!(target: LOGGER, "[BUG]doRebalance, {}, remove unnecessary mq, {queue}, because pull is pause, so try to fixed it", group.name);
        }
        process.halt();
        // The next owner must not begin before the listener is done with what it has.
        let idle = tokio::time::timeout(IDLE_WAIT, process.busy.lock()).await;
        if group.orderly && idle.is_err() {
            complete = false;
            continue;
        }
        process.drop_queue();
        group.queues.lock().remove(&queue);
        group.offsets.commit(&queue).await;
        group.offsets.forget(&queue);
        tracing::info!(target: LOGGER, "doRebalance, {}, remove unnecessary mq, {queue}", group.name);
        if group.orderly {
            unlock(group, vec![queue]).await;
        }
    }
    complete
}

/// Whether the task that pulls a push consumer's queue has got nowhere for too long; it is taken again
/// then.
fn is_stuck(group: &Group, process: &ProcessQueue) -> bool {
    group.kind == ConsumeType::Passively
        && !process.is_dropped()
        && process.is_idle_for(group.instance.config.pull_max_idle_time)
}

/// Takes queues that are this member's and not taken yet, and renews the locks of the others.
async fn take<M: Member>(
    member: &Arc<M>,
    mine: BTreeSet<MessageQueue>,
) -> Result<bool, ClientError> {
    let group = member.group();
    let clustering = group.sharing.model == MessageModel::Clustering;
    let locked = match group.orderly && clustering {
        true => Some(lock(group, &mine).await),
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
            None if group.orderly => i64::MAX,
            None => 0,
        };
        let known = group.queues.lock().get(&queue).cloned();
        if let Some(process) = known {
            process.lock_until(lock_until);
            continue;
        }
        let said = group.starts.lock().get(&queue).copied();
        let start = match said.or_else(|| group.offsets.known(&queue)) {
            Some(offset) => offset,
            None => {
                let Sharing { from, timestamp, .. } = group.sharing;
                group.offsets.start_of(&queue, from, timestamp).await?
            }
        };
        let process = ProcessQueue::new();
        process.lock_until(lock_until);
        let mut queues = group.queues.lock();
        if group.is_stopped() {
            return Ok(true);
        }
        let start = group.starts.lock().remove(&queue).unwrap_or(start);
        queues.insert(queue.clone(), Arc::clone(&process));
        drop(queues);
        tracing::info!(target: LOGGER, "doRebalance, {}, add a new mq, {queue} from {start}", group.name);
        member.taken(queue, process, start);
    }
    Ok(complete)
}

/// Locks queues at their brokers; returns those that are locked.
async fn lock(group: &Group, queues: &BTreeSet<MessageQueue>) -> BTreeSet<MessageQueue> {
    let mut locked = BTreeSet::new();
    for (address, queues) in by_broker(group, queues.iter().cloned()) {
        match ask(group, &address, RequestCode::LOCK_BATCH_MQ, queues).await {
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
pub(super) async fn unlock(group: &Group, queues: Vec<MessageQueue>) {
    for (address, queues) in by_broker(group, queues.into_iter()) {
        if let Err(error) = ask(group, &address, RequestCode::UNLOCK_BATCH_MQ, queues).await {
            tracing::error!(target: LOGGER, "unlockBatchMQ exception, {address}: {error}");
        }
    }
}

async fn ask(
    group: &Group,
    address: &str,
    code: RequestCode,
    mq_set: Vec<MessageQueue>,
) -> Result<rocketmq_protocol::Frame, ClientError> {
    let body = LockBatchBody {
        client_id: group.instance.client_id.clone(),
        consumer_group: group.name.clone(),
        mq_set,
    };
    let body = fastjson::to_vec(&body).map_err(|error| ClientError::illegal(error.to_string()))?;
    group.instance.ask(address, code, &NoFields, body.into()).await
}

/// Queues by the address of their master.
fn by_broker(
    group: &Group,
    queues: impl Iterator<Item = MessageQueue>,
) -> BTreeMap<String, Vec<MessageQueue>> {
    let mut by_broker: BTreeMap<String, Vec<MessageQueue>> = BTreeMap::new();
    for queue in queues {
        let route = group.instance.known_route(&queue.topic);
        let address = route.as_ref().and_then(|route| route.master(&queue.broker_name));
        if let Some(address) = address {
            by_broker.entry(address.to_string()).or_default().push(queue);
        }
    }
    by_broker
}
