//! Finds groups whose members subscribe differently. RocketMQ takes the last heartbeat's
//! subscriptions for the whole group, so that such members lose messages without a word; Java
//! leaves it at that.

use std::collections::BTreeMap;

use rocketmq_protocol::body::SubscriptionData;
use rocketmq_protocol::topic::RETRY_PREFIX;

/// What each member of a group said last, by connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Members(BTreeMap<u64, Member>);

#[derive(Clone, Debug)]
struct Member {
    client_id: String,
    wants: String,
}

impl Members {
    /// Takes in what a member subscribes to; a line for the operator if that is new and another
    /// member's is not the same.
    pub(crate) fn said(
        &mut self,
        connection_id: u64,
        group: &str,
        client_id: &str,
        sent: &[SubscriptionData],
    ) -> Option<String> {
        let wants = text(sent);
        if self.0.get(&connection_id).is_some_and(|known| known.wants == wants) {
            return None;
        }
        let member = Member { client_id: client_id.to_string(), wants };
        let other = self.0.iter().find(|(id, o)| **id != connection_id && o.wants != member.wants);
        let line = other.map(|(_, other)| {
            format!(
                "the clients of group {group} subscribe differently: [{client_id}] to {}, [{}] to \
                 {}; some of their messages reach nobody: give every client of a group the same \
                 subscriptions, or the clients different groups",
                member.wants, other.client_id, other.wants
            )
        });
        self.0.insert(connection_id, member);
        line
    }

    pub(crate) fn left(&mut self, connection_id: u64) {
        self.0.remove(&connection_id);
    }
}

/// Topics and expressions in a fixed order. The retry topic comes and goes by itself.
fn text(sent: &[SubscriptionData]) -> String {
    let own = sent.iter().filter(|subscription| !subscription.topic.starts_with(RETRY_PREFIX));
    let mut parts: Vec<_> = own.map(|s| format!("{}:{}", s.topic, s.sub_string)).collect();
    parts.sort();
    match parts.is_empty() {
        true => "nothing".to_string(),
        false => parts.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wants(list: &[(&str, &str)]) -> Vec<SubscriptionData> {
        let all = list.iter().chain([&("%RETRY%g", "*")]);
        all.map(|(topic, tags)| SubscriptionData::by_tags(topic, tags, 1).unwrap()).collect()
    }

    #[test]
    fn members_that_differ_are_named_once() {
        let mut members = Members::default();
        assert_eq!(members.said(1, "g", "c1", &wants(&[("T", "a"), ("U", "*")])), None);
        // The same in another order.
        assert_eq!(members.said(2, "g", "c2", &wants(&[("U", "*"), ("T", "a")])), None);
        let line = members.said(3, "g", "c3", &wants(&[("T", "b")])).unwrap();
        assert!(line.contains("[c3] to T:b, [c1] to T:a, U:*;"), "{line}");
        // Said before.
        assert_eq!(members.said(3, "g", "c3", &wants(&[("T", "b")])), None);
        members.left(1);
        members.left(2);
        assert_eq!(members.said(3, "g", "c3", &wants(&[("T", "c")])), None);
    }
}
