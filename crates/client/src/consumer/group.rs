//! A member of a consumer group, of whatever kind: its queues, its subscriptions, and what brokers
//! learn of it (contract `client.md` 5, 6).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use rocketmq_common::{clock, fastjson};
use rocketmq_protocol::body::{
    CheckClientBody, ConsumeFromWhere, ConsumeType, ConsumerData, ConsumerRunningInfo,
    MessageModel, SubscriptionData,
};
use rocketmq_protocol::message::{MessageExt, MessageQueue};
use rocketmq_protocol::topic::FAQ;
use rocketmq_protocol::{NoFields, RequestCode, version};
use rocketmq_remoting::Body;
use tokio::sync::Notify;

use super::allocate::Allocation;
use super::figures::{self, Figures};
use super::offsets::Offsets;
use super::process_queue::ProcessQueue;
use super::rebalance;
use super::stacks::{self, Task};
use super::tasks::Tasks;
use crate::config::ClientConfig;
use crate::error::ClientError;
use crate::instance::{Consumer, DirectAnswer, Instance};
use crate::{namespace, validate};

/// The group name that is refused because everybody would have it.
const DEFAULT_GROUP: &str = "DEFAULT_CONSUMER";
/// Time from the start to the first time that offsets are kept.
const FIRST_PERSIST: Duration = Duration::from_secs(10);

/// The settings of what members share, for the `impl` of a builder with the field `sharing`.
macro_rules! sharing_settings {
    () => {
        /// Whether the members of the group share the messages (they do) or each get all.
        pub fn message_model(mut self, model: $crate::MessageModel) -> Self {
            self.sharing.model = model;
            self
        }

        /// Where a group without stored offset starts; at the end.
        pub fn consume_from(mut self, from: $crate::ConsumeFromWhere) -> Self {
            self.sharing.from = from;
            self
        }

        /// The time that `ConsumeFromWhere::Timestamp` means, epoch ms; 30 minutes ago.
        pub fn consume_timestamp(mut self, ms: i64) -> Self {
            self.sharing.timestamp = ms;
            self
        }

        /// How the members share the queues; averagely. All members must use the same one.
        pub fn allocation(mut self, allocation: $crate::consumer::Allocation) -> Self {
            self.sharing.allocation = allocation;
            self
        }
    };
}
pub(super) use sharing_settings;

/// How the members of a group share its messages, and where they begin.
#[derive(Clone)]
pub(super) struct Sharing {
    pub(super) model: MessageModel,
    pub(super) from: ConsumeFromWhere,
    /// What `ConsumeFromWhere::Timestamp` means, epoch ms.
    pub(super) timestamp: i64,
    pub(super) allocation: Allocation,
}

impl Default for Sharing {
    fn default() -> Self {
        Sharing {
            model: MessageModel::Clustering,
            from: ConsumeFromWhere::LastOffset,
            timestamp: clock::now_ms() - 30 * 60 * 1000,
            allocation: Allocation::default(),
        }
    }
}

/// What a kind of consumer adds to its [`Group`].
pub(super) trait Member: Send + Sync + 'static {
    /// The group it is in.
    fn group(&self) -> &Group;
    /// A queue was taken; its messages are to be got from that offset on.
    fn taken(self: &Arc<Self>, queue: MessageQueue, process: Arc<ProcessQueue>, from: i64);
    /// Queues were taken or left.
    fn queues_changed(&self) {}
    /// This member's queues of a topic are others now; `all` has every queue of the topic.
    fn share_changed(
        &self,
        _topic: &str,
        _all: &[MessageQueue],
        _mine: &[MessageQueue],
    ) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
    /// Tasks of its kind, for tools.
    fn tasks(&self) -> Vec<Task> {
        Vec::new()
    }
    /// Settings that tools are shown.
    fn settings(&self) -> Vec<(&'static str, String)>;
    /// Consumes one message for a tool, if this kind has a listener.
    fn consume_directly(&self, _message: MessageExt, _answer: DirectAnswer) -> bool {
        false
    }
}

/// One member of a group.
pub(super) struct Group {
    /// As brokers know it.
    pub(super) name: String,
    pub(super) namespace: String,
    pub(super) kind: ConsumeType,
    /// Queues are locked at their brokers, so that only one member consumes each.
    pub(super) orderly: bool,
    pub(super) sharing: Sharing,
    pub(super) subscriptions: RwLock<BTreeMap<String, Arc<SubscriptionData>>>,
    /// Queues that were given by name instead of by subscription.
    pub(super) assigned: Mutex<Option<BTreeSet<MessageQueue>>>,
    pub(super) offsets: Offsets,
    pub(super) queues: Mutex<BTreeMap<MessageQueue, Arc<ProcessQueue>>>,
    /// Where queues that are about to be taken begin, if that was said.
    pub(super) starts: Mutex<BTreeMap<MessageQueue, i64>>,
    /// Wakes the rebalance.
    pub(super) wake: Notify,
    stopped: AtomicBool,
    /// Nothing is pulled for now.
    pub(super) suspended: AtomicBool,
    /// Tasks in which listeners run.
    pub(super) tasks: Tasks,
    started_ms: i64,
    /// What tools are shown of its work.
    pub(super) figures: Figures,
    pub(super) instance: Arc<Instance>,
}

impl Group {
    /// Prepares a member; nothing is connected yet.
    ///
    /// # Errors
    /// The group's name is refused, or the file with its offsets cannot be read.
    pub(super) fn new(
        name: &str,
        mut config: ClientConfig,
        sharing: Sharing,
        kind: ConsumeType,
        orderly: bool,
    ) -> Result<Group, ClientError> {
        validate::group(name)?;
        if name == DEFAULT_GROUP {
            return Err(ClientError::illegal(format!(
                "consumerGroup can not equal {DEFAULT_GROUP}, please specify another one.{FAQ}"
            )));
        }
        // The file of a broadcasting consumer is found by the client id.
        if sharing.model == MessageModel::Clustering {
            config.make_unique();
        }
        let namespace = config.namespace().to_string();
        let name = namespace::wrap(&namespace, name).into_owned();
        let instance = Instance::start(config);
        let offsets = match sharing.model {
            MessageModel::Clustering => Ok(Offsets::remote(&instance, &name)),
            MessageModel::Broadcasting => Offsets::local(&instance, &name),
        };
        let offsets = offsets.inspect_err(|_| instance.abandon())?;
        Ok(Group {
            name,
            namespace,
            kind,
            orderly,
            sharing,
            subscriptions: RwLock::default(),
            assigned: Mutex::default(),
            offsets,
            queues: Mutex::default(),
            starts: Mutex::default(),
            wake: Notify::new(),
            stopped: AtomicBool::new(false),
            suspended: AtomicBool::new(false),
            tasks: Tasks::new(),
            started_ms: clock::now_ms(),
            figures: Figures::default(),
            instance,
        })
    }

    /// Joins the group.
    ///
    /// # Errors
    /// The name servers cannot be reached, the group is taken within this process, or a broker
    /// refuses a subscription. Nothing of the consumer runs any more then.
    pub(super) async fn join<M: Member>(member: &Arc<M>) -> Result<(), ClientError> {
        let group = member.group();
        let joined = group.try_join(member).await;
        if joined.is_err() {
            group.stopped.store(true, Ordering::SeqCst);
            group.instance.shutdown().await;
        }
        joined
    }

    async fn try_join<M: Member>(&self, member: &Arc<M>) -> Result<(), ClientError> {
        self.instance.find_name_servers().await;
        if let Some(error) = self.instance.name_servers.missing() {
            return Err(error);
        }
        let subscriptions: Vec<_> = self.subscriptions.read().values().cloned().collect();
        for subscription in &subscriptions {
            self.instance.refresh_route(&subscription.topic).await?;
        }
        self.instance.register_consumer(Arc::clone(member) as _)?;
        for subscription in &subscriptions {
            self.check(subscription).await?;
        }
        self.instance.heartbeat().await;
        let period = self.instance.config.persist_consumer_offset_interval;
        let weak = Arc::downgrade(member);
        self.instance.repeat(FIRST_PERSIST.min(period), period, move |_| {
            let member = weak.upgrade();
            async move {
                if let Some(member) = member {
                    member.group().offsets.persist().await;
                }
            }
        });
        let weak = Arc::downgrade(member);
        self.instance.repeat(figures::PERIOD, figures::PERIOD, move |_| {
            if let Some(member) = weak.upgrade() {
                member.group().figures.look();
            }
            std::future::ready(())
        });
        self.instance.keep(tokio::spawn(rebalance::run(Arc::clone(member))));
        Ok(())
    }

    /// Has a broker of its topic look at a subscription that is not by tags.
    async fn check(&self, subscription: &SubscriptionData) -> Result<(), ClientError> {
        if subscription.is_tag_type() {
            return Ok(());
        }
        let route = self.instance.known_route(&subscription.topic);
        let broker = route.as_ref().and_then(|route| route.data.broker_datas.first());
        let Some(address) = broker.and_then(|data| data.any_address()) else { return Ok(()) };
        let body = CheckClientBody {
            client_id: self.instance.client_id.clone(),
            group: self.name.clone(),
            subscription_data: subscription.clone(),
        };
        let body = fastjson::to_vec(&body);
        let body = body.map_err(|error| ClientError::illegal(error.to_string()))?;
        let code = RequestCode::CHECK_CLIENT_CONFIG;
        match self.instance.ask(address, code, &NoFields, Body::from(body)).await {
            Err(ClientError::Broker { code, text, .. }) => Err(ClientError::client(code, text)),
            checked => checked.map(drop),
        }
    }

    /// Changes what is subscribed to, of a member that has joined.
    ///
    /// # Errors
    /// The name servers cannot be reached, or a broker refuses the subscription; nothing has
    /// changed then.
    pub(super) async fn subscribe(
        &self,
        subscription: SubscriptionData,
    ) -> Result<(), ClientError> {
        let topic = subscription.topic.clone();
        self.instance.refresh_route(&topic).await?;
        self.check(&subscription).await?;
        self.subscriptions.write().insert(topic, Arc::new(subscription));
        self.instance.heartbeat().await;
        self.wake.notify_one();
        Ok(())
    }

    /// Ends a subscription; the queues of its topic are left.
    pub(super) fn unsubscribe(&self, topic: &str) {
        let topic = namespace::wrap(&self.namespace, topic);
        self.subscriptions.write().remove(&*topic);
        self.wake.notify_one();
    }

    pub(super) fn subscription(&self, topic: &str) -> Option<Arc<SubscriptionData>> {
        self.subscriptions.read().get(topic).cloned()
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }

    /// The queues of this member, as the application knows them.
    pub(super) fn known_queues(&self) -> Vec<MessageQueue> {
        let queues = self.queues.lock();
        queues.keys().map(|queue| namespace::queue_without(queue, &self.namespace)).collect()
    }

    /// The tasks that every member has.
    fn tasks_of_queues(&self) -> Vec<Task> {
        let count = self.queues.lock().len();
        let thread = "RebalanceService".to_string();
        let what = format!("looks after the share of the queues; {count} are taken");
        let mut tasks = vec![Task { thread, state: "TIMED_WAITING", what }];
        for (queue, process) in &*self.queues.lock() {
            let (state, does) = process.step.get().describe();
            let (since, waiting) = (clock::format_millis(process.last_pull()), process.load().0);
            let what = format!("{does} {queue} since {since}; {waiting} messages wait here");
            tasks.push(Task { thread: "PullMessageService".to_string(), state, what });
        }
        tasks
    }

    /// Leaves the group: lets listeners finish, keeps the offsets, tells the brokers and ends
    /// every task. False if that was done before.
    pub(super) async fn leave(&self, grace: Duration) -> bool {
        if self.stopped.swap(true, Ordering::SeqCst) {
            return false;
        }
        self.queues.lock().values().for_each(|process| process.halt());
        self.tasks.close(grace).await;
        self.offsets.persist().await;
        let queues = std::mem::take(&mut *self.queues.lock());
        queues.values().for_each(|process| process.drop_queue());
        if self.orderly {
            rebalance::unlock(self, queues.into_keys().collect()).await;
        }
        self.instance.unregister(None, Some(&self.name)).await;
        self.instance.shutdown().await;
        true
    }

    /// Ends every task without a word to anybody.
    pub(super) fn abandon(&self) {
        if !self.stopped.swap(true, Ordering::SeqCst) {
            self.tasks.abandon();
            self.instance.abandon();
        }
    }
}

impl<M: Member> Consumer for M {
    fn group(&self) -> &str {
        &Member::group(self).name
    }

    fn heartbeat(&self) -> ConsumerData {
        let group = Member::group(self);
        ConsumerData {
            consume_from_where: group.sharing.from,
            consume_type: group.kind,
            group_name: group.name.clone(),
            message_model: group.sharing.model,
            subscription_data_set: subscriptions(group),
            unit_mode: group.instance.config.unit_mode,
        }
    }

    fn topics(&self) -> Vec<String> {
        Member::group(self).subscriptions.read().keys().cloned().collect()
    }

    fn rebalance_soon(&self) {
        Member::group(self).wake.notify_one();
    }

    fn reset_offsets(&self, topic: &str, offsets: &BTreeMap<MessageQueue, i64>) {
        let group = Member::group(self);
        // The queues are let go; the next rebalance takes them again at the new offsets.
        let mut queues = group.queues.lock();
        for (queue, offset) in offsets.iter().filter(|(queue, _)| queue.topic == topic) {
            if let Some(process) = queues.remove(queue) {
                process.drop_queue();
                group.offsets.update(queue, *offset, false);
            }
        }
        drop(queues);
        group.wake.notify_one();
    }

    fn status(&self, topic: &str) -> BTreeMap<MessageQueue, i64> {
        let offsets = Member::group(self).offsets.all();
        offsets.into_iter().filter(|(queue, _)| queue.topic == topic).collect()
    }

    fn running_info(&self, stacks: bool) -> ConsumerRunningInfo {
        let group = Member::group(self);
        let servers = group.instance.name_servers.all();
        let servers: String = servers.iter().map(|server| format!("{server};")).collect();
        let common = [
            ("PROP_NAMESERVER_ADDR", servers),
            ("PROP_CONSUME_TYPE", group.kind.name().to_string()),
            ("PROP_CLIENT_VERSION", version::describe(version::CURRENT)),
            ("PROP_CONSUMER_START_TIMESTAMP", group.started_ms.to_string()),
            ("consumerGroup", group.name.clone()),
            ("messageModel", group.sharing.model.name().to_string()),
            ("consumeFromWhere", group.sharing.from.name().to_string()),
            ("allocateMessageQueueStrategy", group.sharing.allocation.name()),
        ];
        let all_tasks = match stacks {
            true => group.tasks_of_queues().into_iter().chain(self.tasks()).collect(),
            false => Vec::new(),
        };
        let properties = common.into_iter().chain(self.settings());
        let subscriptions = group.subscriptions.read();
        let topics = subscriptions.keys();
        let queues = group.queues.lock();
        let info = |queue: &MessageQueue, process: &ProcessQueue| {
            (queue.clone(), process.info(group.offsets.known(queue).unwrap_or(0)))
        };
        ConsumerRunningInfo {
            jstack: stacks.then(|| stacks::text(&all_tasks)),
            mq_table: queues.iter().map(|(queue, process)| info(queue, process)).collect(),
            properties: properties.map(|(key, value)| (key.to_string(), value)).collect(),
            status_table: topics.map(|topic| (topic.clone(), group.figures.of(topic))).collect(),
            subscription_set: subscriptions.values().map(|s| (**s).clone()).collect(),
        }
    }

    fn consume_directly(&self, message: MessageExt, answer: DirectAnswer) -> bool {
        Member::consume_directly(self, message, answer)
    }
}

fn subscriptions(group: &Group) -> Vec<SubscriptionData> {
    group.subscriptions.read().values().map(|subscription| (**subscription).clone()).collect()
}
