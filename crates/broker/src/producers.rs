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
    /// Whose turn it is to be asked.
    turn: AtomicUsize,
}

impl Producers {
    /// Takes in one group of a heartbeat.
    pub fn register(&self, group: &str, channel: ClientChannel) {
        let (client_id, peer) = (channel.client_id.clone(), channel.connection.peer());
        let mut groups = self.groups.write();
        let channels = groups.entry(group.into()).or_default();
        if channels.insert(channel.connection.id(), channel).is_none() {
            tracing::info!(target: LOGGER, "new producer connected, group: {group} channel: {client_id} {peer}");
        }
    }

    /// Removes a client from a group.
    pub fn unregister(&self, group: &str, connection_id: u64) {
        let mut groups = self.groups.write();
        if let Some(channels) = groups.get_mut(group) {
            channels.remove(&connection_id);
            if channels.is_empty() {
                groups.remove(group);
                tracing::info!(target: LOGGER, "unregister a producer group[{group}] from groupChannelTable");
            }
        }
    }

    /// Removes a connection from every group.
    pub fn connection_closed(&self, connection_id: u64) {
        let mut groups = self.groups.write();
        groups.retain(|_, channels| {
            channels.remove(&connection_id);
            !channels.is_empty()
        });
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

    /// A group's clients.
    pub fn channels(&self, group: &str) -> Vec<ClientChannel> {
        let groups = self.groups.read();
        groups.get(group).map(|channels| channels.values().cloned().collect()).unwrap_or_default()
    }
}
