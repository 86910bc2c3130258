//! A slave copies its master's topics, offsets and groups (contract `ha.md` 7).

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use rocketmq_common::fastjson;
use rocketmq_protocol::body::{
    ConsumerOffsets, DelayOffsets, SubscriptionGroupWrapper, TopicConfigSerializeWrapper,
    VersionedOffsets,
};
use rocketmq_protocol::header::UpdateConsumerOffsetRequestHeader;
use rocketmq_protocol::{RequestCode, ResponseCode};
use rocketmq_remoting::Request;
use serde::de::DeserializeOwned;
use tokio::time::{sleep, timeout};

use crate::LOGGER;
use crate::context::BrokerContext;
use crate::peer::{Line, NoPeer};
use crate::replica_offsets::beyond;

/// After the start, and between two rounds.
const FIRST: Duration = Duration::from_secs(3);
const PERIOD: Duration = Duration::from_secs(10);
/// Between two looks for the master's address while none is known.
const LOOK: Duration = Duration::from_secs(1);
/// Java's name of the thread.
const THREAD: &str = "BrokerControllerScheduledThread1";
/// A master's second port is that much below its first.
const VIP_DISTANCE: u16 = 2;

/// Copies until the task is aborted.
pub(crate) async fn follow(context: Arc<BrokerContext>) {
    sleep(FIRST).await;
    loop {
        let master = context.master.address().filter(|master| *master != context.address());
        let Some(master) = master else {
            sleep(LOOK).await;
            continue;
        };
        let round = Round { context: &context, master: &master };
        round.topics().await;
        round.offsets().await;
        round.delays().await;
        round.groups().await;
        // At once when the link is made again: consumers turn to a master that is back.
        let _ = timeout(PERIOD, context.link.connected.notified()).await;
    }
}

struct Round<'a> {
    context: &'a Arc<BrokerContext>,
    master: &'a str,
}

impl Round<'_> {
    async fn topics(&self) {
        let what = "topic config";
        let code = RequestCode::GET_ALL_TOPIC_CONFIG;
        // Java asks at the second port; a master without one is asked at the first.
        let mut answer = Err(String::new());
        if let Some(vip) = vip_of(self.master) {
            answer = self.ask(code, &vip).await;
        }
        if answer.is_err() {
            answer = self.ask(code, self.master).await;
        }
        let Some(table) = self.noted::<TopicConfigSerializeWrapper>(what, answer) else { return };
        if table.data_version != self.context.topics.version() {
            self.context.topics.replace(table);
            self.updated(what);
        }
    }

    async fn offsets(&self) {
        let what = "consumer offset";
        // A log that is no copy has other offsets, which mean nothing to the master.
        let joined = match self.context.link.divergence() {
            None => Line(Arc::clone(self.context)).join_offsets().await,
            Some(why) => Err(NoPeer::Unreachable(why)),
        };
        match joined {
            Ok(()) => self.updated(what),
            Err(NoPeer::Foreign) => self.offsets_of_java(what).await,
            Err(error) => self.missed(what, &error),
        }
    }

    /// Java's tables have no versions; what is ahead here is told with the request of consumers.
    async fn offsets_of_java(&self, what: &str) {
        let answer = self.ask(RequestCode::GET_ALL_CONSUMER_OFFSET, self.master).await;
        let Some(master) = self.noted::<ConsumerOffsets>(what, answer) else { return };
        let offsets = &self.context.offsets;
        let mut told = offsets.moved();
        let ahead = beyond(&told, &master.offset_table);
        let mut joined =
            VersionedOffsets { offset_table: master.offset_table, version_table: BTreeMap::new() };
        // What consumers did here while the master was away is not to be done again there.
        for (topic, group, queue_id, offset) in ahead {
            let header = UpdateConsumerOffsetRequestHeader {
                consumer_group: group.as_str().into(),
                topic: topic.as_str().into(),
                queue_id,
                commit_offset: offset,
            };
            let request = Request::new(RequestCode::UPDATE_CONSUMER_OFFSET).fields(&header);
            match self.context.outward.ask(self.master, request).await {
                Ok(_) => {
                    let queues = joined.offset_table.entry(format!("{topic}@{group}"));
                    queues.or_default().insert(queue_id, offset);
                    tracing::info!(target: LOGGER, thread = THREAD, "the master {} was told what {group} has consumed here of {topic}, queue {queue_id}: {offset}", self.master)
                }
                Err(error) => {
                    if let Some(queues) = told.offset_table.get_mut(&format!("{topic}@{group}")) {
                        queues.remove(&queue_id);
                    }
                    self.missed(what, &error);
                }
            }
        }
        offsets.adopt(&joined, &told, 0);
        self.updated(what);
    }

    async fn delays(&self) {
        let what = "delay offset";
        let answer = self.ask(RequestCode::GET_ALL_DELAY_OFFSET, self.master).await;
        let Some(table) = self.noted::<DelayOffsets>(what, answer) else { return };
        let schedule = Arc::clone(&self.context.schedule);
        match tokio::task::spawn_blocking(move || schedule.replace(table)).await {
            Ok(Ok(())) => self.updated(what),
            Ok(Err(error)) => self.missed(what, &error),
            Err(error) => self.missed(what, &error),
        }
    }

    async fn groups(&self) {
        let what = "Subscription Group";
        let answer = self.ask(RequestCode::GET_ALL_SUBSCRIPTIONGROUP_CONFIG, self.master).await;
        let Some(table) = self.noted::<SubscriptionGroupWrapper>(what, answer) else { return };
        if table.data_version != self.context.groups.version() {
            self.context.groups.replace(table);
            self.updated(what);
        }
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        code: RequestCode,
        address: &str,
    ) -> Result<T, String> {
        let answer = self.context.outward.ask(address, Request::new(code)).await;
        let frame = answer.map_err(|error| error.to_string())?;
        if ResponseCode(frame.code) != ResponseCode::SUCCESS {
            let remark = frame.remark().unwrap_or_default();
            return Err(format!("CODE: {} DESC: {remark}", frame.code));
        }
        fastjson::from_slice(frame.body()).map_err(|error| error.to_string())
    }

    fn noted<T>(&self, what: &str, answer: Result<T, String>) -> Option<T> {
        answer.inspect_err(|error| self.missed(what, error)).ok()
    }

    fn updated(&self, what: &str) {
        tracing::info!(target: LOGGER, thread = THREAD, "Update slave {what} from master, {}", self.master);
    }

    fn missed(&self, what: &str, error: &dyn Display) {
        tracing::error!(target: LOGGER, thread = THREAD, "the master's {what} cannot be copied, {}: {error}", self.master);
    }
}

fn vip_of(address: &str) -> Option<String> {
    let (host, port) = address.rsplit_once(':')?;
    let port = port.parse::<u16>().ok()?.checked_sub(VIP_DISTANCE)?;
    Some(format!("{host}:{port}"))
}
