//! From a topic's route to the queues that are written and read (contract `client.md` 3, 6).

use std::sync::atomic::{AtomicUsize, Ordering};

use rocketmq_common::clock;
use rocketmq_protocol::body::TopicRouteData;
use rocketmq_protocol::message::MessageQueue;
use rocketmq_protocol::topic::permission;

/// A topic's route with what follows from it.
pub(crate) struct Route {
    pub(crate) data: TopicRouteData,
    /// Queues that messages are sent to.
    pub(crate) publish: Vec<MessageQueue>,
    /// Queues that messages are read from.
    pub(crate) subscribe: Vec<MessageQueue>,
    /// Turn of the queues.
    next: AtomicUsize,
}

impl Route {
    pub(crate) fn new(topic: &str, data: TopicRouteData) -> Route {
        let start = clock::monotonic_nanos() as usize;
        Route {
            publish: publish_queues(topic, &data),
            subscribe: subscribe_queues(topic, &data),
            data,
            next: AtomicUsize::new(start),
        }
    }

    /// The next queue in turn for which the test holds.
    pub(crate) fn pick(&self, test: impl Fn(&MessageQueue) -> bool) -> Option<&MessageQueue> {
        for _ in 0..self.publish.len() {
            let index = self.next.fetch_add(1, Ordering::Relaxed) % self.publish.len();
            let queue = self.publish.get(index)?;
            if test(queue) {
                return Some(queue);
            }
        }
        None
    }

    /// The master's address behind a broker name.
    pub(crate) fn master(&self, broker_name: &str) -> Option<&str> {
        self.data.broker_datas.iter().find(|data| data.broker_name == broker_name)?.master()
    }

    /// An address behind a broker name: the one with that id, else a slave, else any.
    pub(crate) fn address(&self, broker_name: &str, broker_id: i64) -> Option<&str> {
        let data = self.data.broker_datas.iter().find(|data| data.broker_name == broker_name)?;
        let exact = data.broker_addrs.get(&broker_id);
        exact
            .or_else(|| data.broker_addrs.get(&(broker_id + 1)))
            .map(String::as_str)
            .or_else(|| data.any_address())
    }
}

fn queue(topic: &str, broker_name: &str, queue_id: i32) -> MessageQueue {
    MessageQueue { topic: topic.to_string(), broker_name: broker_name.to_string(), queue_id }
}

fn publish_queues(topic: &str, data: &TopicRouteData) -> Vec<MessageQueue> {
    if let Some(order) = data.order_topic_conf.as_deref().filter(|order| !order.is_empty()) {
        let parts = order.split(';').filter_map(|part| part.split_once(':'));
        return parts
            .flat_map(|(name, count)| {
                let count = count.parse().unwrap_or(0);
                (0..count).map(move |queue_id| queue(topic, name, queue_id))
            })
            .collect();
    }
    let mut queue_datas: Vec<_> = data.queue_datas.iter().collect();
    queue_datas.sort_by(|a, b| a.broker_name.cmp(&b.broker_name));
    let writable = queue_datas.into_iter().filter(|queues| {
        let broker = data.broker_datas.iter().find(|b| b.broker_name == queues.broker_name);
        queues.perm & permission::WRITE != 0 && broker.is_some_and(|b| b.master().is_some())
    });
    writable
        .flat_map(|queues| {
            (0..queues.write_queue_nums).map(|id| queue(topic, &queues.broker_name, id))
        })
        .collect()
}

fn subscribe_queues(topic: &str, data: &TopicRouteData) -> Vec<MessageQueue> {
    let readable = data.queue_datas.iter().filter(|queues| queues.perm & permission::READ != 0);
    let mut queues: Vec<_> = readable
        .flat_map(|queues| {
            (0..queues.read_queue_nums).map(|id| queue(topic, &queues.broker_name, id))
        })
        .collect();
    queues.sort();
    queues
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rocketmq_protocol::body::{BrokerData, QueueData};

    use super::*;

    fn data() -> TopicRouteData {
        let broker = |name: &str, id: i64| BrokerData {
            broker_addrs: BTreeMap::from([(id, format!("{name}:1"))]),
            broker_name: name.to_string(),
            cluster: "c".to_string(),
        };
        let queues = |name: &str, perm| QueueData {
            broker_name: name.to_string(),
            perm,
            read_queue_nums: 3,
            topic_sys_flag: 0,
            write_queue_nums: 2,
        };
        TopicRouteData {
            broker_datas: vec![broker("b", 0), broker("a", 0), broker("s", 1), broker("r", 0)],
            queue_datas: vec![queues("b", 6), queues("a", 6), queues("s", 6), queues("r", 4)],
            ..TopicRouteData::default()
        }
    }

    #[test]
    fn messages_go_to_writable_queues_of_masters() {
        let route = Route::new("T", data());
        let names: Vec<_> = route.publish.iter().map(|q| (&*q.broker_name, q.queue_id)).collect();
        assert_eq!(names, [("a", 0), ("a", 1), ("b", 0), ("b", 1)]);
        assert_eq!(route.subscribe.len(), 12);
        let mut picked: Vec<_> = (0..4).map(|_| route.pick(|_| true).unwrap().clone()).collect();
        picked.sort();
        assert_eq!(picked, route.publish);
        assert!(route.pick(|q| q.broker_name == "s").is_none());
    }

    #[test]
    fn ordered_topics_keep_their_order() {
        let mut data = data();
        data.order_topic_conf = Some("b:1;a:2".to_string());
        let route = Route::new("T", data);
        let names: Vec<_> = route.publish.iter().map(|q| (&*q.broker_name, q.queue_id)).collect();
        assert_eq!(names, [("b", 0), ("a", 0), ("a", 1)]);
    }
}
