//! Consumers that are connected, by group (contract `requests.md` 3.1, `broker.md` 15).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use parking_lot::RwLock;
use rocketmq_protocol::Language;
use rocketmq_protocol::body::{
    ConsumeFromWhere, ConsumeType, ConsumerData, MessageModel, SubscriptionData,
};
use rocketmq_remoting::Connection;

use crate::LOGGER;
use crate::unequal::Members;

/// A client is dropped when nothing was heard of it for so long.
pub const EXPIRED_MS: i64 = 120_000;

/// One connected client of a group.
#[derive(Clone, Debug)]
pub struct ClientChannel {
    /// Where it is reached.
    pub connection: Arc<Connection>,
    /// What it calls itself.
    pub client_id: String,
    /// Its language.
    pub language: Language,
    /// Its version number.
    pub version: i32,
    /// Time of the last heartbeat.
    pub last_update_ms: i64,
}

/// What is known of a connected group.
#[derive(Clone, Debug)]
pub struct ConsumerGroup {
    /// Pull or push, as of the last heartbeat.
    pub consume_type: ConsumeType,
    /// Shared or broadcast, as of the last heartbeat.
    pub message_model: MessageModel,
    /// Where it starts, as of the last heartbeat.
    pub consume_from_where: ConsumeFromWhere,
    /// By topic.
    pub subscriptions: BTreeMap<String, Arc<SubscriptionData>>,
    /// By connection.
    pub channels: BTreeMap<u64, ClientChannel>,
    members: Members,
}

/// Who is left of a group when a client was to be removed from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// The client was no member.
    Unknown,
    /// Others, who must be told.
    Others,
    /// Nobody: the group is gone.
    Nobody,
}

/// The table of connected consumer groups.
#[derive(Default)]
pub struct Consumers {
    groups: RwLock<HashMap<Box<str>, ConsumerGroup>>,
}

impl Consumers {
    /// Takes in one group of a heartbeat; true if the other members must be told.
    pub fn register(&self, channel: ClientChannel, data: &ConsumerData) -> bool {
        let mut groups = self.groups.write();
        let group =
            groups.entry(data.group_name.as_str().into()).or_insert_with(|| ConsumerGroup {
                consume_type: data.consume_type,
                message_model: data.message_model,
                consume_from_where: data.consume_from_where,
                subscriptions: BTreeMap::new(),
                channels: BTreeMap::new(),
                members: Members::default(),
            });
        group.consume_type = data.consume_type;
        group.message_model = data.message_model;
        group.consume_from_where = data.consume_from_where;
        let client_id = channel.client_id.clone();
        let sent = &data.subscription_data_set;
        let id = channel.connection.id();
        if let Some(line) = group.members.said(id, &data.group_name, &client_id, sent) {
            tracing::warn!(target: LOGGER, "{line}");
        }
        let old = group.channels.insert(channel.connection.id(), channel);
        if old.is_none() {
            tracing::info!(target: LOGGER, "new consumer connected, group: {} {} {} channel: {client_id}", data.group_name, data.consume_type.name(), data.message_model.name());
        }
        let changed = group.update_subscriptions(&data.group_name, sent);
        old.is_none() || changed
    }

    /// Removes a client from a group.
    pub fn unregister(&self, group: &str, connection_id: u64) -> Left {
        let mut groups = self.groups.write();
        let Some(entry) = groups.get_mut(group) else { return Left::Unknown };
        if entry.channels.remove(&connection_id).is_none() {
            return Left::Unknown;
        }
        entry.members.left(connection_id);
        if entry.channels.is_empty() {
            groups.remove(group);
            tracing::info!(target: LOGGER, "unregister consumer ok, no any connection, and remove consumer group, {group}");
            return Left::Nobody;
        }
        Left::Others
    }

    /// Removes a connection from every group; returns the groups it was in.
    pub fn connection_closed(&self, connection_id: u64) -> Vec<(String, Left)> {
        let names: Vec<String> = {
            let groups = self.groups.read();
            let with = groups.iter().filter(|(_, g)| g.channels.contains_key(&connection_id));
            with.map(|(name, _)| name.to_string()).collect()
        };
        let left = |name: String| {
            let left = self.unregister(&name, connection_id);
            (name, left)
        };
        names.into_iter().map(left).collect()
    }

    /// Clients that have not been heard of for [`EXPIRED_MS`].
    pub fn expired(&self, now_ms: i64) -> Vec<Arc<Connection>> {
        let groups = self.groups.read();
        let channels = groups.values().flat_map(|group| group.channels.values());
        channels
            .filter(|channel| channel.last_update_ms + EXPIRED_MS < now_ms)
            .map(|channel| Arc::clone(&channel.connection))
            .collect()
    }

    /// Looks at a group.
    pub fn with<T>(&self, group: &str, look: impl FnOnce(&ConsumerGroup) -> T) -> Option<T> {
        self.groups.read().get(group).map(look)
    }

    /// A group as it is now.
    pub fn group(&self, group: &str) -> Option<ConsumerGroup> {
        self.groups.read().get(group).cloned()
    }

    /// Ids of a group's clients.
    pub fn client_ids(&self, group: &str) -> Vec<String> {
        let ids = self.with(group, |g| g.channels.values().map(|c| c.client_id.clone()).collect());
        ids.unwrap_or_default()
    }

    /// The groups that are connected.
    pub fn names(&self) -> BTreeSet<String> {
        self.groups.read().keys().map(|group| group.to_string()).collect()
    }

    /// The connection of a client of a group.
    pub fn channel(&self, group: &str, client_id: &str) -> Option<ClientChannel> {
        self.with(group, |g| g.channels.values().find(|c| c.client_id == client_id).cloned())?
    }

    /// Connections of every member of a group.
    pub fn connections(&self, group: &str) -> Vec<Arc<Connection>> {
        let connections =
            self.with(group, |g| g.channels.values().map(|c| Arc::clone(&c.connection)).collect());
        connections.unwrap_or_default()
    }

    /// Groups with a subscription to the topic.
    pub fn groups_of(&self, topic: &str) -> BTreeSet<String> {
        let groups = self.groups.read();
        let with = groups.iter().filter(|(_, group)| group.subscriptions.contains_key(topic));
        with.map(|(name, _)| name.to_string()).collect()
    }
}

impl ConsumerGroup {
    /// Takes over the subscriptions of a heartbeat; true if the set of topics changed.
    fn update_subscriptions(&mut self, group: &str, sent: &[SubscriptionData]) -> bool {
        let mut changed = false;
        for subscription in sent {
            match self.subscriptions.get_mut(&subscription.topic) {
                None => {
                    tracing::info!(target: LOGGER, "subscription changed, add new topic, group: {group} {subscription}");
                    let topic = subscription.topic.clone();
                    self.subscriptions.insert(topic, Arc::new(subscription.clone()));
                    changed = true;
                }
                Some(known) if subscription.sub_version > known.sub_version => {
                    *known = Arc::new(subscription.clone());
                }
                Some(_) => {}
            }
        }
        self.subscriptions.retain(|topic, _| {
            let kept = sent.iter().any(|subscription| subscription.topic == *topic);
            if !kept {
                tracing::warn!(target: LOGGER, "subscription changed, group: {group} remove topic {topic}");
                changed = true;
            }
            kept
        });
        changed
    }
}
