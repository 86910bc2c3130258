//! Producers that are connected, by group (contract `broker.md` 15).

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::RwLock;
use rocketmq_remoting::Connection;

use crate::LOGGER;
use crate::consumers::{ClientChannel, EXPIRED_MS};

/// The table of connected producer groups.
#[derive(Default)]
pub struct Producers {
    groups: RwLock<HashMap<Box<str>, BTreeMap<u64, ClientChannel>>>,
    /// The newest connection of each client, for replies.
    clients: RwLock<HashMap<Box<str>, Arc<Connection>>>,
    /// Whose turn it is to be asked.
    turn: AtomicUsize,
}

impl Producers {
    /// Takes in one group of a heartbeat.
    pub fn register(&self, group: &str, channel: ClientChannel) {
        let (client_id, peer) = (channel.client_id.clone(), channel.connection.peer());
        let is_new = |known: &Arc<Connection>| known.id() != channel.connection.id();
        if self.clients.read().get(client_id.as_str()).is_none_or(is_new) {
            let connection = Arc::clone(&channel.connection);
            self.clients.write().insert(client_id.as_str().into(), connection);
        }
        let mut groups = self.groups.write();
        let channels = groups.entry(group.into()).or_default();
        if channels.insert(channel.connection.id(), channel).is_none() {
            tracing::info!(target: LOGGER, "new producer connected, group: {group} channel: {client_id} {peer}");
        }
    }

    /// Removes a client from a group.
    pub fn unregister(&self, group: &str, connection_id: u64) {
        let mut groups = self.groups.write();
        let Some(channels) = groups.get_mut(group) else { return };
        let gone = channels.remove(&connection_id);
        if channels.is_empty() {
            groups.remove(group);
            tracing::info!(target: LOGGER, "unregister a producer group[{group}] from groupChannelTable");
        }
        drop(groups);
        if let Some(gone) = gone {
            self.forget_client(&gone.client_id, connection_id);
        }
    }

    /// Forgets that a client is reached by that connection. A heartbeat brings it back.
    fn forget_client(&self, client_id: &str, connection_id: u64) {
        let mut clients = self.clients.write();
        if clients.get(client_id).is_some_and(|known| known.id() == connection_id) {
            clients.remove(client_id);
        }
    }

    /// Removes a connection from every group.
    pub fn connection_closed(&self, connection_id: u64) {
        let mut client_id = None;
        self.groups.write().retain(|_, channels| {
            let gone = channels.remove(&connection_id);
            client_id = gone.map(|channel| channel.client_id).or(client_id.take());
            !channels.is_empty()
        });
        if let Some(client_id) = client_id {
            self.forget_client(&client_id, connection_id);
        }
    }

    /// Clients that have not been heard of for [`EXPIRED_MS`].
    pub fn expired(&self, now_ms: i64) -> Vec<Arc<Connection>> {
        let groups = self.groups.read();
        let channels = groups.values().flat_map(BTreeMap::values);
        channels
            .filter(|channel| channel.last_update_ms + EXPIRED_MS < now_ms)
            .map(|channel| Arc::clone(&channel.connection))
            .collect()
    }

    /// The connection of one client of a group, another one each time; one that is open if any is.
    pub fn next_of(&self, group: &str) -> Option<Arc<Connection>> {
        let groups = self.groups.read();
        let channels = groups.get(group)?;
        let first = self.turn.fetch_add(1, Ordering::Relaxed) % channels.len().max(1);
        let in_turn = channels.values().skip(first).chain(channels.values().take(first));
        let mut connections = in_turn.map(|channel| &channel.connection);
        connections.find(|connection| connection.is_open()).cloned()
    }

    /// The connection of a client that has been a producer.
    pub fn client(&self, client_id: &str) -> Option<Arc<Connection>> {
        self.clients.read().get(client_id).filter(|connection| connection.is_open()).cloned()
    }

    /// Groups and how many clients each has.
    pub fn counts(&self) -> BTreeMap<String, usize> {
        let groups = self.groups.read();
        groups.iter().map(|(group, channels)| (group.to_string(), channels.len())).collect()
    }

    /// A group's clients.
    pub fn channels(&self, group: &str) -> Vec<ClientChannel> {
        let groups = self.groups.read();
        groups.get(group).map(|channels| channels.values().cloned().collect()).unwrap_or_default()
    }
}
