//! Which queues of a topic a member of a group consumes (contract `client.md` 6).

use rocketmq_protocol::message::MessageQueue;

/// Contiguous, equal shares; the first members get one more. `all` and `members` are sorted.
pub fn average(me: &str, all: &[MessageQueue], members: &[String]) -> Vec<MessageQueue> {
    let Some(index) = members.iter().position(|member| member == me) else { return Vec::new() };
    let (count, more) = (all.len() / members.len(), all.len() % members.len());
    let size = if index < more { count + 1 } else { count };
    let start = index * count + index.min(more);
    all.get(start..start + size).unwrap_or_default().to_vec()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn queues(count: usize) -> Vec<MessageQueue> {
        let queue =
            |queue_id| MessageQueue { topic: "T".into(), broker_name: "b".into(), queue_id };
        (0..count as i32).map(queue).collect()
    }

    #[test]
    fn shares_are_those_of_java() {
        let members: Vec<_> = ["a", "b", "c"].map(String::from).to_vec();
        let ids = |me: &str, count| -> Vec<i32> {
            average(me, &queues(count), &members).iter().map(|q| q.queue_id).collect()
        };
        assert_eq!(
            [ids("a", 8), ids("b", 8), ids("c", 8)],
            [vec![0, 1, 2], vec![3, 4, 5], vec![6, 7]]
        );
        assert_eq!([ids("a", 2), ids("b", 2), ids("c", 2)], [vec![0], vec![1], vec![]]);
        assert!(ids("stranger", 8).is_empty());
    }

    proptest! {
        #[test]
        fn every_queue_has_exactly_one_owner(count in 0usize..100, members in 1usize..20) {
            let members: Vec<_> = (0..members).map(|n| format!("m{n:02}")).collect();
            let all = queues(count);
            let owned: Vec<_> = members.iter().flat_map(|me| average(me, &all, &members)).collect();
            prop_assert_eq!(owned, all);
        }
    }
}
