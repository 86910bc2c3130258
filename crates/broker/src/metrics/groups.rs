//! How far groups are.

use std::collections::BTreeMap;

use rocketmq_protocol::body::MessageModel;
use rocketmq_protocol::topic::{DLQ_PREFIX, RETRY_PREFIX};
use rocketmq_remoting::probe::{Exposition, Kind};

use super::Here;
use crate::context::BrokerContext;

/// A queue as a group stands in it.
struct Queue {
    id: i32,
    end: i64,
    consumed: i64,
    /// Ms since the next message was stored; 0 when there is none.
    lag_ms: i64,
}

struct Progress {
    topic: String,
    group: String,
    online: String,
    model: &'static str,
    queues: Vec<Queue>,
}

impl Progress {
    fn sum(&self, of: impl Fn(&Queue) -> i64) -> i64 {
        self.queues.iter().map(of).sum()
    }
}

pub(super) fn write(context: &BrokerContext, here: &Here<'_>, out: &mut Exposition) {
    let all = progress(context);
    for (name, help, prefix) in [
        ("rocketmq_group_diff", "GroupDiff", None),
        ("rocketmq_group_retrydiff", "GroupRetryDiff", Some(RETRY_PREFIX)),
        ("rocketmq_group_dlqdiff", "GroupDLQDiff", Some(DLQ_PREFIX)),
    ] {
        out.family(name, Kind::Gauge, help);
        for one in &all {
            let special =
                [RETRY_PREFIX, DLQ_PREFIX].into_iter().find(|prefix| one.topic.starts_with(prefix));
            if special == prefix {
                let labels = [
                    ("group", one.group.as_str()),
                    ("topic", &one.topic),
                    ("countOfOnlineConsumers", &one.online),
                    ("msgModel", one.model),
                ];
                out.sample(name, &labels, one.sum(|queue| (queue.end - queue.consumed).max(0)));
            }
        }
    }
    type Sum = fn(&Progress) -> i64;
    let sums: [(&str, &str, Sum); 3] = [
        ("rocketmq_consumer_offset", "GroupBrokerTotalOffset", |one| one.sum(|q| q.end)),
        ("rocketmq_group_consume_total_offset", "GroupConsumeTotalOffset", |one| {
            one.sum(|q| q.consumed)
        }),
        ("rocketmq_group_get_latency_by_storetime", "GroupGetLatencyByStoreTime", |one| {
            one.queues.iter().map(|q| q.lag_ms).max().unwrap_or(0)
        }),
    ];
    for (name, help, sum) in sums {
        out.family(name, Kind::Gauge, help);
        for one in &all {
            out.sample(name, &here.of_group(&one.topic, &one.group), sum(one));
        }
    }
    let by_queue = |out: &mut Exposition, name: &str, help: &str, of: fn(&Queue) -> f64| {
        out.family(name, Kind::Gauge, help);
        for one in &all {
            for queue in &one.queues {
                let [cluster, broker, topic, group] = here.of_group(&one.topic, &one.group);
                let id = queue.id.to_string();
                out.sample(name, &[cluster, broker, topic, group, ("queue", &id)], of(queue));
            }
        }
    };
    by_queue(out, "rocketmq_group_lag_messages", "Messages not consumed yet.", |queue| {
        (queue.end - queue.consumed).max(0) as f64
    });
    by_queue(
        out,
        "rocketmq_group_lag_seconds",
        "Age of the oldest message that is not consumed yet.",
        |queue| queue.lag_ms as f64 / 1000.0,
    );
    members(context, here, out);
}

fn progress(context: &BrokerContext) -> Vec<Progress> {
    let mut ends: BTreeMap<String, BTreeMap<i32, i64>> = BTreeMap::new();
    context.store.for_each_queue(|topic, queue_id, _, end| {
        match ends.get_mut(topic) {
            Some(queues) => queues.insert(queue_id, end),
            None => ends.entry(topic.to_string()).or_default().insert(queue_id, end),
        };
    });
    let now = context.store.now();
    let mut all = Vec::new();
    for (key, offsets) in context.offsets.snapshot().offset_table {
        let Some((topic, group)) = key.split_once('@') else { continue };
        let member = context.consumers.with(group, |group| {
            (group.channels.len(), group.message_model == MessageModel::Broadcasting)
        });
        let (online, is_broadcast) = member.unwrap_or_default();
        let queues = offsets.into_iter().map(|(id, consumed)| {
            let end = ends.get(topic).and_then(|queues| queues.get(&id)).copied().unwrap_or(0);
            let stored_at =
                if consumed < end { context.store.store_time_at(topic, id, consumed) } else { 0 };
            let lag_ms = if stored_at > 0 { (now - stored_at).max(0) } else { 0 };
            Queue { id, end, consumed, lag_ms }
        });
        all.push(Progress {
            topic: topic.to_string(),
            group: group.to_string(),
            online: online.to_string(),
            // The ordinals of Java's enum.
            model: if is_broadcast { "0" } else { "1" },
            queues: queues.collect(),
        });
    }
    all
}

fn members(context: &BrokerContext, here: &Here<'_>, out: &mut Exposition) {
    out.family("rocketmq_group_count", Kind::Gauge, "GroupCount");
    for group in context.consumers.names() {
        let Some(known) = context.consumers.group(&group) else { continue };
        let join = |texts: Vec<String>| texts.join(";");
        let addresses = known.channels.values().map(|c| c.connection.peer().to_string());
        let ids = known.channels.values().map(|c| c.client_id.clone());
        let (addresses, ids) = (join(addresses.collect()), join(ids.collect()));
        let labels =
            [("caddr", addresses.as_str()), ("localaddr", ids.as_str()), ("group", &group)];
        out.sample("rocketmq_group_count", &labels, known.channels.len());
    }
    out.family("rocketmq_producer_count", Kind::Gauge, "producer instance counter");
    for (group, count) in context.producers.counts() {
        out.sample("rocketmq_producer_count", &here.with("group", &group), count);
    }
}
