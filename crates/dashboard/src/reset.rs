//! Setting a group's progress: what would happen, queue by queue, and doing it.

use std::collections::BTreeMap;

use rocketmq_client::MessageQueue;
use rocketmq_client::admin::AdminClient;
use rocketmq_protocol::ResponseCode;
use serde::Serialize;

use crate::answer::Failure;

/// Where to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// After the newest message.
    End,
    /// At the oldest message that is still there.
    Begin,
    /// At the first message stored at or after a time, ms.
    Time(i64),
}

impl Target {
    /// `-1` is the end, `-2` the beginning, anything else a time.
    pub(crate) fn from_time(time: i64) -> Target {
        match time {
            -1 => Target::End,
            -2 => Target::Begin,
            time => Target::Time(time),
        }
    }

    /// As INVOKE_BROKER_TO_RESET_OFFSET has it.
    fn timestamp(self) -> i64 {
        match self {
            Target::End => -1,
            Target::Begin => 0,
            Target::Time(time) => time,
        }
    }
}

/// One queue of a reset.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct QueueReset {
    pub(crate) broker: String,
    pub(crate) queue_id: i32,
    pub(crate) min: i64,
    pub(crate) max: i64,
    /// Where the group is; the end of the queue if it has never consumed it.
    pub(crate) from: i64,
    pub(crate) to: i64,
    /// Messages that would be consumed again.
    pub(crate) repeats: i64,
    /// Messages that would never be consumed.
    pub(crate) skips: i64,
}

/// A reset, done or only thought of.
#[derive(Debug, Serialize)]
pub(crate) struct Outcome {
    /// Whether members were told; else the brokers' tables were written.
    pub(crate) online: bool,
    pub(crate) queues: Vec<QueueReset>,
}

/// What a reset would do.
pub(crate) async fn preview(
    admin: &AdminClient,
    group: &str,
    topic: &str,
    target: Target,
) -> Result<Outcome, Failure> {
    let online = admin.consumer_connection(group).await.is_ok();
    let queues = plan(admin, group, topic, target).await?;
    Ok(Outcome { online, queues: queues.into_iter().map(|(_, queue)| queue).collect() })
}

/// Every queue of the topic with the broker's address.
async fn plan(
    admin: &AdminClient,
    group: &str,
    topic: &str,
    target: Target,
) -> Result<Vec<(String, QueueReset)>, Failure> {
    let route = admin.topic_route(topic).await?;
    let mut all = Vec::new();
    for data in &route.broker_datas {
        let Some(address) = data.any_address() else { continue };
        let progress = match admin.consume_stats_of(address, group, Some(topic)).await {
            Ok(stats) => stats.offset_table,
            Err(_) => BTreeMap::new(),
        };
        let bounds = admin.topic_stats_of(address, topic).await?.offset_table;
        for (queue, bounds) in bounds {
            let (min, max) = (bounds.min_offset, bounds.max_offset);
            let to = match target {
                Target::End => max,
                Target::Begin => min,
                Target::Time(time) => admin.search_offset(address, &queue, time).await?,
            };
            let from = progress.get(&queue).map_or(max, |offset| offset.consumer_offset);
            let queue = QueueReset {
                broker: queue.broker_name.clone(),
                queue_id: queue.queue_id,
                min,
                max,
                from,
                to,
                repeats: (from.min(max) - to.max(min)).max(0),
                skips: (to.min(max) - from.max(min)).max(0),
            };
            all.push((address.to_string(), queue));
        }
    }
    Ok(all)
}

/// Resets; members are told, and of a group without members the brokers' tables are written.
///
/// Without `force` no queue goes forward, as the brokers have it.
pub(crate) async fn act(
    admin: &AdminClient,
    group: &str,
    topic: &str,
    target: Target,
    force: bool,
) -> Result<Outcome, Failure> {
    let planned = plan(admin, group, topic, target).await?;
    let told = admin.reset_offset_of_members((group, topic), target.timestamp(), force, false);
    match told.await {
        Ok(told) => {
            let known: BTreeMap<(&str, i32), &QueueReset> = planned
                .iter()
                .map(|(_, queue)| ((queue.broker.as_str(), queue.queue_id), queue))
                .collect();
            let queues = told.iter().map(|(queue, offset)| {
                let before = known.get(&(queue.broker_name.as_str(), queue.queue_id));
                let (min, max, from) = before
                    .map_or((0, *offset, *offset), |known| (known.min, known.max, known.from));
                QueueReset {
                    broker: queue.broker_name.clone(),
                    queue_id: queue.queue_id,
                    min,
                    max,
                    from,
                    to: *offset,
                    repeats: (from.min(max) - (*offset).max(min)).max(0),
                    skips: ((*offset).min(max) - from.max(min)).max(0),
                }
            });
            Ok(Outcome { online: true, queues: queues.collect() })
        }
        Err(error) if error.code() == ResponseCode::CONSUMER_NOT_ONLINE => {
            let mut queues = Vec::new();
            for (address, mut queue) in planned {
                if !force && queue.to > queue.from {
                    queue.to = queue.from;
                    (queue.repeats, queue.skips) = (0, 0);
                }
                let name = MessageQueue {
                    topic: topic.to_string(),
                    broker_name: queue.broker.clone(),
                    queue_id: queue.queue_id,
                };
                admin.update_consumer_offset(&address, group, &name, queue.to).await?;
                queues.push(queue);
            }
            Ok(Outcome { online: false, queues })
        }
        Err(error) => Err(error.into()),
    }
}
