//! Pulling one queue, again and again, for as long as it is this consumer's (contract `client.md`
//! 5, 9).

use std::sync::Arc;
use std::time::{Duration, Instant};

use rocketmq_protocol::body::{MessageModel, SubscriptionData};
use rocketmq_protocol::message::{MessageExt, MessageQueue, property};
use rocketmq_protocol::topic::RETRY_PREFIX;

use super::fetch::{Fetch, PullStatus, Pulled};
use super::group::{Group, Member};
use super::limits::Limits;
use super::process_queue::ProcessQueue;
use super::stacks::Step;
use crate::error::ClientError;
use crate::{LOGGER, namespace};

/// Longest rest when enough messages wait here.
const FLOW_CONTROL_REST: Duration = Duration::from_millis(50);
/// Rest after an error, while pulling is suspended, and while the queue is not locked.
const REST: Duration = Duration::from_secs(1);
/// Time until a queue whose offset was illegal is taken again.
const ILLEGAL_OFFSET_REST: Duration = Duration::from_secs(10);

/// How a consumer pulls.
pub(super) struct Pulling {
    /// Most messages of one pull.
    pub(super) batch: i32,
    /// Time between two pulls.
    pub(super) interval: Duration,
    /// See [`Fetch`].
    pub(super) flags: i32,
    pub(super) suspend: Duration,
    pub(super) timeout: Duration,
    /// Offsets travel with the pulls.
    pub(super) commits: bool,
    /// Pulls go by the version of a subscription by tags that heartbeats told.
    pub(super) versioned: bool,
    pub(super) limits: Limits,
}

/// A consumer that pulls by itself.
pub(super) trait Puller: Member {
    fn pulling(&self) -> &Pulling;
    /// What is wanted of a topic.
    fn wanted(&self, topic: &str) -> Option<Arc<SubscriptionData>> {
        self.group().subscription(topic)
    }
    /// Whether the queue is not to be pulled for now, however much room there is.
    fn is_paused(&self, queue: &MessageQueue, process: &ProcessQueue) -> bool;
    /// Whether there is too much of other queues.
    fn is_full(&self) -> bool {
        false
    }
    /// Takes what a pull brought (perhaps nothing); the queue goes on at `next`.
    fn deliver(
        self: &Arc<Self>,
        queue: &MessageQueue,
        process: &Arc<ProcessQueue>,
        messages: Vec<Arc<MessageExt>>,
        next: i64,
    );
    /// Goes on by itself where the broker says when the offset is not in the queue; otherwise the
    /// queue is let go and taken again.
    fn follows_moved_offsets(&self) -> bool;
}

/// Pulls until the queue is halted.
pub(super) async fn run<P: Puller>(
    puller: Arc<P>,
    queue: MessageQueue,
    process: Arc<ProcessQueue>,
    mut offset: i64,
) {
    let (group, pulling) = (puller.group(), puller.pulling());
    let mut broker_id = 0;
    while !process.is_halted() && !group.is_stopped() {
        // Whatever it does, it has not got stuck.
        process.note_pull();
        if puller.is_paused(&queue, &process) {
            process.step.set(Step::Pause);
            process.rest(REST).await;
            continue;
        }
        if puller.is_full() || pulling.limits.is_exceeded(&process) {
            process.step.set(Step::Full);
            let _ = tokio::time::timeout(FLOW_CONTROL_REST, process.removed.notified()).await;
            continue;
        }
        process.step.set(Step::Pull);
        let asked = Instant::now();
        match pull(&*puller, &queue, offset, broker_id).await {
            Ok(pulled) => {
                broker_id = pulled.header.suggest_which_broker_id;
                let next = pulled.header.next_begin_offset;
                if process.is_dropped() {
                    return;
                }
                if pulled.status == PullStatus::OffsetIllegal {
                    tracing::warn!(target: LOGGER, "the pull request offset illegal, {queue} at {offset}, next offset {next}");
                    if !puller.follows_moved_offsets() {
                        return start_over(group, &queue, &process, next).await;
                    }
                }
                offset = next;
                if !pulled.messages.is_empty() {
                    let figures = &group.figures;
                    figures.pulled(&queue.topic, pulled.messages.len(), asked.elapsed());
                }
                let restore = |message| Arc::new(restored(group, message));
                let messages = pulled.messages.into_iter().map(restore).collect();
                puller.deliver(&queue, &process, messages, next);
                if !pulling.interval.is_zero() {
                    process.step.set(Step::Rest);
                    process.rest(pulling.interval).await;
                }
            }
            Err(error) => {
                tracing::warn!(target: LOGGER, "execute the pull request exception, {queue}: {error}");
                process.step.set(Step::Rest);
                process.rest(REST).await;
                let _ = group.instance.refresh_route(&queue.topic).await;
            }
        }
    }
}

async fn pull<P: Puller>(
    puller: &P,
    queue: &MessageQueue,
    offset: i64,
    broker_id: i64,
) -> Result<Pulled, ClientError> {
    let (group, pulling) = (puller.group(), puller.pulling());
    let subscription = puller.wanted(&queue.topic);
    let subscription = subscription
        .ok_or_else(|| ClientError::illegal("find the consumer's subscription failed"))?;
    let commits = pulling.commits && group.sharing.model == MessageModel::Clustering;
    let consumed = group.offsets.known(queue).filter(|offset| commits && *offset > 0);
    let fetch = Fetch {
        group: &group.name,
        queue,
        broker_id,
        offset,
        max: pulling.batch,
        flags: pulling.flags,
        commit: consumed,
        suspend: pulling.suspend,
        timeout: pulling.timeout,
        version: match pulling.versioned || !subscription.is_tag_type() {
            true => subscription.sub_version,
            false => 0,
        },
        subscription: &subscription,
    };
    fetch.send(&group.instance).await
}

/// The queue is let go and taken again where the broker says.
async fn start_over(group: &Group, queue: &MessageQueue, process: &Arc<ProcessQueue>, next: i64) {
    process.drop_queue();
    process.step.set(Step::StartOver);
    tokio::time::sleep(ILLEGAL_OFFSET_REST).await;
    {
        let mut queues = group.queues.lock();
        if !queues.get(queue).is_some_and(|known| Arc::ptr_eq(known, process)) {
            return;
        }
        group.offsets.update(queue, next, false);
        queues.remove(queue);
    }
    group.offsets.commit(queue).await;
    group.wake.notify_one();
}

/// The message as the application knows it: under its own topic when it comes from the group's
/// retry topic, and without the namespace.
pub(super) fn restored(group: &Group, mut message: MessageExt) -> MessageExt {
    let topic = &message.message.topic;
    if topic.strip_prefix(RETRY_PREFIX) == Some(&group.name)
        && let Some(topic) = message.message.get(property::RETRY_TOPIC)
    {
        message.message.topic = topic.to_string();
    }
    if !group.namespace.is_empty() {
        let topic = namespace::without(&message.message.topic, &group.namespace);
        message.message.topic = topic.into_owned();
    }
    message
}
