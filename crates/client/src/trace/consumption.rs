//! Traces of what a listener gets and says: a record before for each message, and one after (contract
//! `client.md` 13).

use std::time::Duration;

use rocketmq_common::clock;
use rocketmq_protocol::message::{MessageExt, property};

use super::record::record;
use super::{Trace, split_keys};
use crate::unique_id;

/// What came of a consumption, by Java's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Success = 0,
    TimeOut = 1,
    Exception = 2,
    Failed = 4,
}

/// A consumption that has begun.
pub(crate) struct Consumption {
    request_id: String,
    started_ms: i64,
    messages: Vec<Consumed>,
}

/// What a trace tells of a message that is consumed.
struct Consumed {
    topic: String,
    region: String,
    msg_id: String,
    keys: String,
    retry_times: i32,
}

impl Consumed {
    fn of(message: &MessageExt) -> Consumed {
        let text = |value: Option<&str>| value.unwrap_or("null").to_string();
        Consumed {
            topic: message.message.topic.clone(),
            region: text(message.message.get(property::MSG_REGION)),
            msg_id: message.msg_id().to_string(),
            keys: text(message.message.keys()),
            retry_times: message.reconsume_times,
        }
    }

    fn index(&self) -> Vec<String> {
        std::iter::once(self.msg_id.clone()).chain(split_keys(&self.keys)).collect()
    }
}

impl Trace {
    /// Records that messages are handed to a listener; `None` if none of them is traced.
    pub(crate) fn consuming(&self, messages: &[MessageExt]) -> Option<Consumption> {
        let traced = messages
            .iter()
            .filter(|message| message.message.get(property::TRACE_ON) != Some("false"));
        let consumption = Consumption {
            request_id: unique_id::next(),
            started_ms: clock::now_ms(),
            messages: traced.map(Consumed::of).collect(),
        };
        for message in &consumption.messages {
            let Consumed { topic, region, msg_id, keys, retry_times } = message;
            let text = record(&[
                &"SubBefore",
                &consumption.started_ms,
                region,
                &self.group,
                &consumption.request_id,
                msg_id,
                retry_times,
                keys,
            ]);
            self.queue(topic, region, message.index(), text);
        }
        (!consumption.messages.is_empty()).then_some(consumption)
    }

    /// Records what the listener said; what took longer than `limit` counts as timed out.
    pub(crate) fn consumed(&self, consumption: Consumption, outcome: Outcome, limit: Duration) {
        let Consumption { request_id, started_ms, messages } = consumption;
        let now = clock::now_ms();
        let late = i64::try_from(limit.as_millis()).is_ok_and(|limit| now - started_ms >= limit);
        let code = match outcome {
            Outcome::Success | Outcome::Failed if late => Outcome::TimeOut,
            outcome => outcome,
        };
        let cost = (now - started_ms) / (messages.len().max(1) as i64);
        for message in &messages {
            let Consumed { topic, region, msg_id, keys, .. } = message;
            let text = record(&[
                &"SubAfter",
                &request_id,
                msg_id,
                &cost,
                &(outcome == Outcome::Success),
                keys,
                &(code as i32),
                &now,
                &self.group,
            ]);
            self.queue(topic, region, message.index(), text);
        }
    }
}
