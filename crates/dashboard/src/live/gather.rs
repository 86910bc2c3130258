//! One round: asks the servers and makes the next picture from the last one.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures_util::stream::{self, StreamExt};
use rocketmq_client::ClientError;
use rocketmq_client::admin::AdminClient;
use rocketmq_common::clock;
use rocketmq_protocol::ResponseCode;
use rocketmq_protocol::body::{
    ClusterInfo, Connection, ConsumeStatsList, ConsumerConnection, OffsetWrapper,
    SubscriptionGroupWrapper, TopicConfigSerializeWrapper,
};

use super::model::{Bounds, BrokerState, GroupState, Snapshot, TopicState};

/// Requests that are under way at once.
const AT_ONCE: usize = 16;
/// How long a round asks topic by topic, and group by group.
const BUDGET: Duration = Duration::from_millis(150);
/// The same for the first round, which has to fill the lists.
const FIRST_BUDGET: Duration = Duration::from_secs(3);
/// Lags that are kept to see whether one grows.
const LAGS: usize = 20;
/// Groups whose members are asked for their subscriptions in one round.
const GROUPS_A_ROUND: usize = 4;
/// Groups with more members are not asked.
const MEMBERS_MAX: usize = 32;
/// How long a round waits for a member.
const PATIENCE: Duration = Duration::from_millis(300);
/// How long a broker may take for the progress of all groups.
const STATS_TIMEOUT: Duration = Duration::from_secs(5);

/// What a master tells in a few answers.
struct Master {
    name: String,
    address: String,
    topics: Option<TopicConfigSerializeWrapper>,
    groups: Option<SubscriptionGroupWrapper>,
    stats: Option<ConsumeStatsList>,
}

pub(super) async fn round(admin: &AdminClient, old: &Snapshot) -> Snapshot {
    let info = match admin.cluster_info().await {
        Ok(info) => info,
        Err(error) => {
            let error = error.to_string();
            if old.error.as_ref() != Some(&error) {
                tracing::warn!(target: crate::LOGGER, "{}", crate::problems::name_servers_gone(&error));
            }
            return Snapshot { error: Some(error), updated: clock::now_ms(), ..old.clone() };
        }
    };
    if old.error.is_some() {
        tracing::info!(target: crate::LOGGER, "the name servers answer again");
    }
    let brokers = brokers(admin, &info).await;
    let mut asked = Vec::new();
    for broker in &brokers {
        if broker.is_master() && broker.error.is_none() {
            asked.push(master(admin, broker.name.clone(), broker.address.clone()));
        }
    }
    let masters: Vec<Master> = stream::iter(asked).buffered(AT_ONCE).collect().await;
    let mut new = Snapshot {
        updated: clock::now_ms(),
        error: None,
        info,
        brokers,
        topics: BTreeMap::new(),
        groups: BTreeMap::new(),
    };
    for master in &masters {
        merge(master, &mut new);
    }
    keep(old, &mut new);
    let budget = if old.updated == 0 { FIRST_BUDGET } else { BUDGET };
    bounds(admin, &masters, &mut new, budget).await;
    members(admin, &masters, &mut new, budget).await;
    subscriptions(admin, &mut new).await;
    new
}

/// Every broker of the cluster, with its runtime table.
async fn brokers(admin: &AdminClient, info: &ClusterInfo) -> Vec<BrokerState> {
    let mut all = Vec::new();
    for data in info.broker_addr_table.values() {
        for (id, address) in &data.broker_addrs {
            all.push(BrokerState {
                cluster: data.cluster.clone(),
                name: data.broker_name.clone(),
                id: *id,
                address: address.clone(),
                ..BrokerState::default()
            });
        }
    }
    let ask = |mut broker: BrokerState| async move {
        match admin.broker_runtime_info(&broker.address).await {
            Ok(runtime) => broker.runtime = runtime,
            Err(error) => broker.error = Some(error.to_string()),
        }
        broker
    };
    stream::iter(all).map(ask).buffered(AT_ONCE).collect().await
}

async fn master(admin: &AdminClient, name: String, address: String) -> Master {
    let topics = admin.all_topic_config(&address).await.ok();
    let groups = admin.all_subscription_groups(&address).await.ok();
    let stats = admin.broker_consume_stats(&address, false, STATS_TIMEOUT).await.ok();
    Master { name, address, topics, groups, stats }
}

fn merge(master: &Master, new: &mut Snapshot) {
    for (name, config) in master.topics.iter().flat_map(|table| &table.topic_config_table) {
        let topic = new.topics.entry(name.clone()).or_default();
        topic.configs.insert(master.name.clone(), config.clone());
    }
    for (name, config) in master.groups.iter().flat_map(|table| &table.subscription_group_table) {
        let group = new.groups.entry(name.clone()).or_default();
        group.configs.insert(master.name.clone(), config.clone());
    }
    let groups = master.stats.iter().flat_map(|list| &list.consume_stats_list).flatten();
    for (name, stats) in groups {
        let group = new.groups.entry(name.clone()).or_default();
        for part in stats {
            group.out_tps += part.consume_tps;
            group
                .offsets
                .extend(part.offset_table.iter().map(|(queue, offset)| (queue.clone(), *offset)));
            let topics: std::collections::BTreeSet<_> =
                part.offset_table.keys().map(|queue| &queue.topic).collect();
            for name_of in topics {
                let topic = new.topics.entry(name_of.clone()).or_default();
                topic.groups.insert(name.clone());
                topic.out_tps += part.consume_tps;
            }
        }
    }
}

/// Takes over what is not asked for in every round.
fn keep(old: &Snapshot, new: &mut Snapshot) {
    for (name, topic) in &mut new.topics {
        if let Some(before) = old.topics.get(name) {
            topic.bounds = before.bounds;
            topic.error = before.error.clone();
        }
    }
    for (name, group) in &mut new.groups {
        if let Some(before) = old.groups.get(name) {
            group.connection = before.connection.clone();
            group.connection_seen = before.connection_seen;
            group.error = before.error.clone();
            group.differing = before.differing.clone();
            group.subscriptions_seen = before.subscriptions_seen;
            group.lags = before.lags.clone();
            let is_behind = |offset: &OffsetWrapper| offset.diff() > 0;
            for (queue, offset) in group.offsets.iter().filter(|(_, offset)| is_behind(offset)) {
                let stood = before.offsets.get(queue).is_some_and(|before| {
                    before.consumer_offset == offset.consumer_offset && is_behind(before)
                });
                if stood {
                    let since = before.standing.get(queue).copied().unwrap_or(old.updated);
                    group.standing.insert(queue.clone(), since);
                }
            }
        }
        if let Some(lag) = group.lag() {
            group.lags.push(lag);
            let extra = group.lags.len().saturating_sub(LAGS);
            group.lags.drain(..extra);
        }
    }
}

/// Bounds of topics, those seen longest ago first.
async fn bounds(admin: &AdminClient, masters: &[Master], new: &mut Snapshot, budget: Duration) {
    let mut order: Vec<(i64, String)> = new
        .topics
        .iter()
        .map(|(name, topic)| (topic.bounds.map_or(0, |bounds| bounds.seen), name.clone()))
        .collect();
    order.sort();
    let jobs = order.into_iter().map(|(_, name)| {
        let configs = new.topics.get(&name).map(|topic| &topic.configs);
        let on = masters
            .iter()
            .filter(|master| configs.is_some_and(|all| all.contains_key(&master.name)));
        let addresses: Vec<String> = on.map(|master| master.address.clone()).collect();
        (name, addresses)
    });
    let jobs: Vec<_> = jobs.collect();
    let started = Instant::now();
    let asked = stream::iter(jobs)
        .take_while(|_| std::future::ready(started.elapsed() < budget))
        .map(|(name, addresses)| async move {
            let seen = bounds_of(admin, &name, &addresses).await;
            (name, seen)
        });
    let found: Vec<_> = asked.buffer_unordered(AT_ONCE).collect().await;
    for (name, seen) in found {
        let Some(topic) = new.topics.get_mut(&name) else { continue };
        apply_bounds(topic, seen);
    }
}

fn apply_bounds(topic: &mut TopicState, seen: Result<Bounds, ClientError>) {
    match seen {
        Ok(mut bounds) => {
            if let Some(before) = topic.bounds {
                let seconds = (bounds.seen - before.seen) as f64 / 1000.0;
                let more = (bounds.ends - before.ends).max(0) as f64;
                bounds.tps = (seconds > 0.0).then(|| more / seconds).or(before.tps);
            }
            topic.bounds = Some(bounds);
            topic.error = None;
        }
        Err(error) => topic.error = Some(error.to_string()),
    }
}

async fn bounds_of(
    admin: &AdminClient,
    topic: &str,
    addresses: &[String],
) -> Result<Bounds, ClientError> {
    let mut sum = Bounds { seen: clock::now_ms(), ..Bounds::default() };
    for address in addresses {
        let table = admin.topic_stats_of(address, topic).await?.offset_table;
        for offset in table.values() {
            sum.ends += offset.max_offset;
            sum.messages += (offset.max_offset - offset.min_offset).max(0);
            sum.last_update = sum.last_update.max(offset.last_update_timestamp);
        }
    }
    Ok(sum)
}

/// Members of groups, those seen longest ago first.
async fn members(admin: &AdminClient, masters: &[Master], new: &mut Snapshot, budget: Duration) {
    let mut order: Vec<(i64, String)> =
        new.groups.iter().map(|(name, group)| (group.connection_seen, name.clone())).collect();
    order.sort();
    let addresses: Vec<&str> = masters.iter().map(|master| master.address.as_str()).collect();
    let started = Instant::now();
    let asked = stream::iter(order)
        .take_while(|_| std::future::ready(started.elapsed() < budget))
        .map(|(_, name)| {
            let addresses = &addresses;
            async move {
                let seen = members_of(admin, &name, addresses).await;
                (name, seen)
            }
        });
    let found: Vec<_> = asked.buffer_unordered(AT_ONCE).collect().await;
    for (name, seen) in found {
        let Some(group) = new.groups.get_mut(&name) else { continue };
        apply_members(group, seen);
    }
}

fn apply_members(group: &mut GroupState, seen: Result<Option<ConsumerConnection>, ClientError>) {
    group.connection_seen = clock::now_ms();
    match seen {
        Ok(connection) => (group.connection, group.error) = (connection, None),
        Err(error) => group.error = Some(error.to_string()),
    }
}

/// What the members of a few groups subscribe to, those asked longest ago first: it is the members that must be asked.
async fn subscriptions(admin: &AdminClient, new: &mut Snapshot) {
    let mut order: Vec<(i64, String, Vec<Connection>)> = Vec::new();
    for (name, group) in &mut new.groups {
        let found = group.connection.as_ref().map(|connection| connection.connection_set.clone());
        let found = found.unwrap_or_default();
        if found.len() < 2 {
            group.differing.clear();
        } else if found.len() <= MEMBERS_MAX {
            order.push((group.subscriptions_seen, name.clone(), found));
        }
    }
    order.sort_by(|one, other| (one.0, &one.1).cmp(&(other.0, &other.1)));
    order.truncate(GROUPS_A_ROUND);
    let asked = order.into_iter().map(|(_, name, found)| async move {
        let answers = crate::members::ask(admin, &name, &found, PATIENCE).await;
        (name, answers)
    });
    for (name, answers) in futures_util::future::join_all(asked).await {
        let Some(group) = new.groups.get_mut(&name) else { continue };
        group.subscriptions_seen = clock::now_ms();
        // While members are silent, as after a reset, nothing new is known.
        if answers.iter().filter(|(_, info)| info.is_some()).count() >= 2 {
            group.differing = crate::members::differing(&answers);
        }
    }
}

/// The members as the first broker that has some sees them; every member connects to all brokers.
async fn members_of(
    admin: &AdminClient,
    group: &str,
    addresses: &[&str],
) -> Result<Option<ConsumerConnection>, ClientError> {
    for address in addresses {
        match admin.consumer_connection_of(address, group).await {
            Ok(connection) => return Ok(Some(connection)),
            Err(error) if error.code() == ResponseCode::CONSUMER_NOT_ONLINE => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}
