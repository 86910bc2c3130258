//! Reading a topic's messages by time, newest first, without counting as consumption.

use std::collections::HashMap;

use futures_util::stream::{self, StreamExt};
use rocketmq_client::admin::AdminClient;
use rocketmq_client::{ClientError, MessageExt, MessageQueue};
use rocketmq_protocol::ResponseCode;
use rocketmq_protocol::message::message_id;

use crate::answer::Failure;

/// Messages that one pull asks for: what brokers give at most.
const CHUNK: i64 = 32;
/// Queues that are read at once.
const AT_ONCE: usize = 8;

/// A part of a queue: from `begin` to before `end`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct QueueRange {
    pub(crate) queue: MessageQueue,
    pub(crate) address: String,
    pub(crate) begin: i64,
    pub(crate) end: i64,
}

impl QueueRange {
    pub(crate) fn len(&self) -> i64 {
        (self.end - self.begin).max(0)
    }
}

/// The part of each queue of a topic that was stored between the times, ms.
pub(crate) async fn ranges(
    admin: &AdminClient,
    topic: &str,
    begin: i64,
    end: i64,
) -> Result<Vec<QueueRange>, Failure> {
    if end < begin {
        return Err(Failure::invalid("the end of the time lies before its begin"));
    }
    let route = admin.topic_route(topic).await?;
    let mut queues = Vec::new();
    for data in &route.broker_datas {
        let Some(address) = data.any_address() else { continue };
        for (queue, bounds) in admin.topic_stats_of(address, topic).await?.offset_table {
            queues.push((queue, address.to_string(), bounds.min_offset, bounds.max_offset));
        }
    }
    let search = |(queue, address, min, max): (MessageQueue, String, i64, i64)| async move {
        if min >= max {
            return Ok::<_, ClientError>(QueueRange { queue, address, begin: max, end: max });
        }
        let first =
            if begin <= 0 { min } else { admin.search_offset(&address, &queue, begin).await? };
        // A search finds the nearest message, which may lie outside; the edges are looked at again.
        let last = admin.search_offset(&address, &queue, end.saturating_add(1)).await?;
        let mut range =
            QueueRange { queue, address, begin: first.clamp(min, max), end: last.clamp(min, max) };
        range.trim(admin, begin, end, max).await?;
        Ok(range)
    };
    let found: Vec<_> = stream::iter(queues).map(search).buffered(AT_ONCE).collect().await;
    Ok(found.into_iter().collect::<Result<_, _>>()?)
}

impl QueueRange {
    /// Moves the edges to the messages that lie between the times.
    async fn trim(
        &mut self,
        admin: &AdminClient,
        begin: i64,
        end: i64,
        max: i64,
    ) -> Result<(), ClientError> {
        while self.end < max && self.time_at(admin, self.end).await?.is_some_and(|time| time <= end)
        {
            self.end += 1;
        }
        while self.begin < self.end
            && self.time_at(admin, self.begin).await?.is_some_and(|time| time < begin)
        {
            self.begin += 1;
        }
        while self.begin < self.end
            && self.time_at(admin, self.end - 1).await?.is_some_and(|time| time > end)
        {
            self.end -= 1;
        }
        Ok(())
    }

    async fn time_at(&self, admin: &AdminClient, offset: i64) -> Result<Option<i64>, ClientError> {
        let found = read(admin, self, offset, 1).await?;
        Ok(found.first().map(|message| message.store_timestamp))
    }
}

/// Messages of a queue from an offset on; topics that may not be read are read by their index.
pub(crate) async fn read(
    admin: &AdminClient,
    range: &QueueRange,
    offset: i64,
    count: i64,
) -> Result<Vec<MessageExt>, ClientError> {
    let pulled = admin.read_queue(&range.address, &range.queue, offset, count as i32).await;
    match pulled {
        Ok(outcome) => Ok(outcome.messages),
        // Dead-letter topics of 4.9.2 are written only.
        Err(error) if error.code() == ResponseCode::NO_PERMISSION => {
            let queue = &range.queue;
            let index = admin
                .query_consume_queue(
                    &range.address,
                    (&queue.topic, queue.queue_id),
                    offset,
                    count as i32,
                    None,
                )
                .await?;
            let mut found = Vec::new();
            let host = range.address.parse().ok();
            for entry in index.queue_data {
                let Some(host) = host else { break };
                let id = message_id::encode(host, entry.physic_offset);
                let mut message = admin.view_message(&id).await?;
                message.broker_name = Some(queue.broker_name.clone());
                found.push(message);
            }
            Ok(found)
        }
        Err(error) => Err(error),
    }
}

/// Messages `first` to `first + count` of the ranges, one after the other.
pub(crate) async fn slice(
    admin: &AdminClient,
    ranges: &[QueueRange],
    first: i64,
    count: i64,
) -> Result<Vec<MessageExt>, Failure> {
    let (mut skip, mut left) = (first, count);
    let mut found = Vec::new();
    for range in ranges {
        if skip >= range.len() {
            skip -= range.len();
            continue;
        }
        let mut at = range.begin + skip;
        skip = 0;
        while left > 0 && at < range.end {
            let want = left.min(range.end - at).min(CHUNK);
            let messages = read(admin, range, at, want).await?;
            let Some(last) = messages.last() else { break };
            at = last.queue_offset + 1;
            left -= messages.len() as i64;
            found.extend(messages);
        }
    }
    Ok(found)
}

/// A search from the newest message back, which can go on later.
pub(crate) struct Search {
    /// What is left to read: each range ends where reading goes on.
    pub(crate) ranges: Vec<QueueRange>,
    /// Messages looked at.
    pub(crate) scanned: usize,
    waiting: HashMap<usize, Vec<MessageExt>>,
}

impl Search {
    pub(crate) fn new(ranges: Vec<QueueRange>) -> Search {
        Search { ranges, scanned: 0, waiting: HashMap::new() }
    }

    /// The newest messages that are wanted, up to `max`, in the order in which they were stored,
    /// newest first. Stops after [`Search::scan_max`] messages, too.
    pub(crate) async fn newest(
        &mut self,
        admin: &AdminClient,
        max: usize,
        wanted: impl Fn(&MessageExt) -> bool,
    ) -> Result<Vec<MessageExt>, Failure> {
        let mut found = Vec::new();
        while found.len() < max && self.scanned < SCAN_MAX {
            self.fill(admin).await?;
            let heads = self.waiting.iter().filter_map(|(at, all)| Some((*at, all.last()?)));
            let newest = heads
                .max_by_key(|(_, message)| (message.store_timestamp, message.commit_log_offset));
            let Some(at) = newest.map(|(at, _)| at) else { break };
            let Some(message) = self.waiting.get_mut(&at).and_then(Vec::pop) else { break };
            self.scanned += 1;
            self.ranges[at].end = message.queue_offset;
            if wanted(&message) {
                found.push(message);
            }
        }
        Ok(found)
    }

    /// Whether everything was looked at.
    pub(crate) fn is_complete(&self) -> bool {
        self.ranges.iter().all(|range| range.len() == 0)
    }

    /// Reads a chunk more of each queue of which nothing waits.
    async fn fill(&mut self, admin: &AdminClient) -> Result<(), Failure> {
        let empty: Vec<usize> = (0..self.ranges.len())
            .filter(|at| {
                self.ranges[*at].len() > 0 && self.waiting.get(at).is_none_or(Vec::is_empty)
            })
            .collect();
        let chunk = |at: usize| {
            let range = &self.ranges[at];
            async move {
                let from = (range.end - CHUNK).max(range.begin);
                let mut messages = Vec::new();
                let mut next = from;
                while next < range.end {
                    let more = read(admin, range, next, range.end - next).await?;
                    let Some(last) = more.last() else { break };
                    next = last.queue_offset + 1;
                    messages.extend(more);
                }
                messages.retain(|message| message.queue_offset < range.end);
                Ok::<_, ClientError>((at, from, messages))
            }
        };
        let read: Vec<_> = stream::iter(empty).map(chunk).buffer_unordered(AT_ONCE).collect().await;
        for part in read {
            let (at, from, messages) = part?;
            if messages.is_empty() {
                // Deleted meanwhile.
                self.ranges[at].end = from;
            }
            self.waiting.insert(at, messages);
        }
        Ok(())
    }
}

/// Messages that one search looks at before it answers what it has.
pub(crate) const SCAN_MAX: usize = 20_000;
