//! Which queues of a topic a member of a group consumes (contract `client.md` 6).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use md5::{Digest, Md5};
use rocketmq_protocol::message::MessageQueue;

/// Places of each member on the ring of [`Allocation::ConsistentHash`].
const VIRTUAL_NODES: usize = 10;

/// In which room a broker (by its name) or a member (by its client id) is.
pub type RoomOf = Arc<dyn Fn(&str) -> String + Send + Sync>;

/// How the members of a group share the queues of a topic. All members must use the same one; each
/// gives what Java's class of that name gives.
#[derive(Clone, Default)]
pub enum Allocation {
    /// `AVG`: contiguous, equal shares; the first members get one more.
    #[default]
    Averagely,
    /// `AVG_BY_CIRCLE`: queue by queue around the members.
    AveragelyByCircle,
    /// `CONFIG`: these queues, whoever else is in the group.
    Config(Vec<MessageQueue>),
    /// `MACHINE_ROOM`: only queues of brokers named `<room>@<name>` with one of these rooms.
    MachineRoom(BTreeSet<String>),
    /// `MACHINE_ROOM_NEARBY-…`: a room's queues among the members in it; rooms without members
    /// are shared by all.
    MachineRoomNearby {
        /// How the queues of a room are shared.
        inner: Box<Allocation>,
        /// A broker's room, by its name.
        broker_room: RoomOf,
        /// A member's room, by its client id.
        member_room: RoomOf,
    },
    /// `CONSISTENT_HASH`: few queues change hands when members come and go.
    ConsistentHash,
}

impl fmt::Debug for Allocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

impl Allocation {
    /// The name that it has in RocketMQ.
    pub fn name(&self) -> String {
        match self {
            Allocation::Averagely => "AVG".to_string(),
            Allocation::AveragelyByCircle => "AVG_BY_CIRCLE".to_string(),
            Allocation::Config(_) => "CONFIG".to_string(),
            Allocation::MachineRoom(_) => "MACHINE_ROOM".to_string(),
            Allocation::MachineRoomNearby { inner, .. } => {
                format!("MACHINE_ROOM_NEARBY-{}", inner.name())
            }
            Allocation::ConsistentHash => "CONSISTENT_HASH".to_string(),
        }
    }

    /// The share of the member `me`; nothing for a stranger. `all` and `members` are sorted.
    pub fn share(&self, me: &str, all: &[MessageQueue], members: &[String]) -> Vec<MessageQueue> {
        let Some(index) = members.iter().position(|member| member == me) else { return Vec::new() };
        match self {
            Allocation::Averagely => average(index, members.len(), all),
            Allocation::AveragelyByCircle => {
                all.iter().skip(index).step_by(members.len()).cloned().collect()
            }
            Allocation::Config(queues) => queues.clone(),
            Allocation::MachineRoom(rooms) => machine_room(index, members.len(), all, rooms),
            Allocation::MachineRoomNearby { inner, broker_room, member_room } => {
                nearby(inner, (me, all, members), (&**broker_room, &**member_room))
            }
            Allocation::ConsistentHash => consistent_hash(me, all, members),
        }
    }
}

fn average(index: usize, members: usize, all: &[MessageQueue]) -> Vec<MessageQueue> {
    let (count, more) = (all.len() / members, all.len() % members);
    let size = if index < more { count + 1 } else { count };
    let start = index * count + index.min(more);
    all.get(start..start + size).unwrap_or_default().to_vec()
}

/// Equal contiguous shares, and what is left one by one from the first member on.
fn machine_room(
    index: usize,
    members: usize,
    all: &[MessageQueue],
    rooms: &BTreeSet<String>,
) -> Vec<MessageQueue> {
    let is_there = |queue: &&MessageQueue| {
        let mut parts = queue.broker_name.split('@');
        let room = parts.next().unwrap_or_default();
        parts.next().is_some() && parts.next().is_none() && rooms.contains(room)
    };
    let near: Vec<&MessageQueue> = all.iter().filter(is_there).collect();
    let (count, more) = (near.len() / members, near.len() % members);
    let mut share: Vec<_> = near.iter().skip(index * count).take(count).copied().collect();
    if index < more {
        share.extend(near.get(count * members + index));
    }
    share.into_iter().cloned().collect()
}

type Room<'a> = &'a dyn Fn(&str) -> String;

fn nearby(
    inner: &Allocation,
    (me, all, members): (&str, &[MessageQueue], &[String]),
    (broker_room, member_room): (Room<'_>, Room<'_>),
) -> Vec<MessageQueue> {
    let mut queues: BTreeMap<String, Vec<MessageQueue>> = BTreeMap::new();
    for queue in all {
        queues.entry(broker_room(&queue.broker_name)).or_default().push(queue.clone());
    }
    let mut inhabitants: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for member in members {
        inhabitants.entry(member_room(member)).or_default().push(member.clone());
    }
    let here = member_room(me);
    let mut share = match (queues.remove(&here), inhabitants.get(&here)) {
        (Some(queues), Some(neighbours)) => inner.share(me, &queues, neighbours),
        _ => Vec::new(),
    };
    for (room, queues) in queues {
        if !inhabitants.contains_key(&room) {
            share.extend(inner.share(me, &queues, members));
        }
    }
    share
}

fn consistent_hash(me: &str, all: &[MessageQueue], members: &[String]) -> Vec<MessageQueue> {
    let mut ring: BTreeMap<u32, &str> = BTreeMap::new();
    for member in members {
        for node in 0..VIRTUAL_NODES {
            ring.insert(hash(&format!("{member}-{node}")), member);
        }
    }
    let owner = |queue: &MessageQueue| {
        let mut behind = ring.range(hash(&queue.to_string())..);
        behind.next().or(ring.first_key_value()).map(|(_, member)| *member)
    };
    all.iter().filter(|queue| owner(queue) == Some(me)).cloned().collect()
}

/// The first four bytes of the MD5, as Java's ring has them.
fn hash(key: &str) -> u32 {
    let digest = Md5::digest(key.as_bytes());
    digest.iter().take(4).fold(0, |all, byte| all << 8 | u32::from(*byte))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn queues(brokers: &[&str], count: i32) -> Vec<MessageQueue> {
        let queue = |broker: &str, queue_id| MessageQueue {
            topic: "T".into(),
            broker_name: broker.into(),
            queue_id,
        };
        let of_broker = |broker| (0..count).map(move |id| queue(broker, id));
        brokers.iter().copied().flat_map(of_broker).collect()
    }

    fn strategies() -> Vec<Allocation> {
        let room: RoomOf = Arc::new(|name| name.split('@').next().unwrap_or_default().to_string());
        let nearby = |inner| Allocation::MachineRoomNearby {
            inner: Box::new(inner),
            broker_room: Arc::clone(&room),
            member_room: Arc::clone(&room),
        };
        vec![
            Allocation::Averagely,
            Allocation::AveragelyByCircle,
            Allocation::ConsistentHash,
            Allocation::MachineRoom(["r1", "r3"].map(String::from).into()),
            nearby(Allocation::Averagely),
            nearby(Allocation::AveragelyByCircle),
        ]
    }

    /// The table that Java's classes gave: strategy, brokers, queues of each, members, client id,
    /// its queues.
    #[test]
    fn shares_are_those_of_java() {
        let path =
            concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/java-4.9.2/allocate.tsv");
        let table = std::fs::read_to_string(path).unwrap();
        let strategies = strategies();
        for line in table.lines() {
            let columns: Vec<&str> = line.split('\t').collect();
            let [name, brokers, count, members, me, expected] = columns[..] else {
                panic!("{line}");
            };
            let brokers: Vec<&str> = brokers.split(',').collect();
            let all = queues(&brokers, count.parse().unwrap());
            let member = |n: usize| format!("r{}@10.0.0.{n}@{}", n % 4 + 1, 100 + n);
            let mut members: Vec<_> = (0..members.parse().unwrap()).map(member).collect();
            members.sort();
            let strategy = strategies.iter().find(|strategy| strategy.name() == name).unwrap();
            let share: Vec<_> = strategy
                .share(me, &all, &members)
                .iter()
                .map(|queue| format!("{}:{}", queue.broker_name, queue.queue_id))
                .collect();
            assert_eq!(share.join(" "), expected, "{line}");
        }
        assert_eq!(table.lines().count(), 1080);
    }

    #[test]
    fn strangers_get_nothing_and_config_gives_what_it_names() {
        let all = queues(&["b"], 8);
        let members = ["a".to_string()];
        for strategy in strategies() {
            assert!(strategy.share("stranger", &all, &members).is_empty(), "{strategy:?}");
        }
        let config = Allocation::Config(all[2..4].to_vec());
        assert_eq!(config.share("a", &all, &members), all[2..4]);
    }

    proptest! {
        #[test]
        fn every_queue_has_exactly_one_owner(count in 0i32..100, members in 1usize..20) {
            let members: Vec<_> = (0..members).map(|n| format!("m{n:02}")).collect();
            let all = queues(&["b"], count);
            for strategy in
                [Allocation::Averagely, Allocation::AveragelyByCircle, Allocation::ConsistentHash]
            {
                let shares = members.iter().flat_map(|me| strategy.share(me, &all, &members));
                let mut owned: Vec<_> = shares.collect();
                owned.sort();
                prop_assert_eq!(&owned, &all);
            }
        }
    }
}
