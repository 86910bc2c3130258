//! What a consumer tells of itself: as text, and what is wrong with it. `consumerStatus` and
//! `startMonitoring` show both.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use rocketmq_common::clock;
use rocketmq_protocol::body::{
    ConsumeStatus, ConsumeType, ConsumerRunningInfo, ProcessQueueInfo, SubscriptionData,
};
use rocketmq_protocol::message::MessageQueue;

use crate::printf::{Cell, printf};

/// How long a group may be uneven after a member's start, ms.
const SETTLING_MS: i64 = 120_000;
/// How long a queue with messages may stand still, ms.
const STUCK_MS: i64 = 60_000;

fn line(text: &mut String, format: &str, cells: &[Cell]) {
    text.push_str(&printf(format, cells));
    text.push('\n');
}

/// The sections of the text form.
pub(crate) fn format(info: &ConsumerRunningInfo) -> String {
    let mut text = "#Consumer Properties#\n".to_string();
    for (key, value) in &info.properties {
        line(&mut text, "%-40s: %s", &[key.into(), value.into()]);
    }
    text += "\n\n#Consumer Subscription#\n";
    let subscriptions = subscriptions(info);
    for (index, one) in subscriptions.values().enumerate() {
        let filter = one.class_filter_mode.to_string();
        let cells =
            [(index + 1).into(), (&one.topic).into(), filter.into(), (&one.sub_string).into()];
        line(&mut text, "%03d Topic: %-40s ClassFilter: %-8s SubExpression: %s", &cells);
    }
    queues(&mut text, info);
    rates(&mut text, &info.status_table);
    if let Some(stacks) = &info.jstack {
        let _ = write!(text, "\n\n#Consumer jstack#\n{stacks}");
    }
    text
}

/// Subscriptions as Java tells them apart.
fn subscriptions(info: &ConsumerRunningInfo) -> BTreeMap<(&str, &str), &SubscriptionData> {
    let all = info.subscription_set.iter();
    all.map(|one| ((one.topic.as_str(), one.sub_string.as_str()), one)).collect()
}

fn queues(text: &mut String, info: &ConsumerRunningInfo) {
    let header = |text: &mut String, last: &str| {
        let cells = ["#Topic".into(), "#Broker Name".into(), "#QID".into(), last.into()];
        line(text, "%-32s  %-32s  %-4s  %-20s", &cells);
    };
    let row = |text: &mut String, format: &str, queue: &MessageQueue, last: Cell| {
        let (topic, broker) = ((&queue.topic).into(), (&queue.broker_name).into());
        line(text, format, &[topic, broker, queue.queue_id.into(), last]);
    };
    *text += "\n\n#Consumer Offset#\n";
    header(text, "#Consumer Offset");
    for (queue, state) in &info.mq_table {
        row(text, "%-32s  %-32s  %-4d  %-20d", queue, state.commit_offset.into());
    }
    *text += "\n\n#Consumer MQ Detail#\n";
    header(text, "#ProcessQueueInfo");
    for (queue, state) in &info.mq_table {
        row(text, "%-32s  %-32s  %-4d  %s", queue, describe(state).into());
    }
}

fn describe(state: &ProcessQueueInfo) -> String {
    let time = clock::format_compact_millis;
    format!(
        "ProcessQueueInfo [commitOffset={}, cachedMsgMinOffset={}, cachedMsgMaxOffset={}, \
         cachedMsgCount={}, cachedMsgSizeInMiB={}, transactionMsgMinOffset={}, \
         transactionMsgMaxOffset={}, transactionMsgCount={}, locked={}, tryUnlockTimes={}, \
         lastLockTimestamp={}, droped={}, lastPullTimestamp={}, lastConsumeTimestamp={}]",
        state.commit_offset,
        state.cached_msg_min_offset,
        state.cached_msg_max_offset,
        state.cached_msg_count,
        state.cached_msg_size_in_mib,
        state.transaction_msg_min_offset,
        state.transaction_msg_max_offset,
        state.transaction_msg_count,
        state.locked,
        state.try_unlock_times,
        time(state.last_lock_timestamp),
        state.droped,
        time(state.last_pull_timestamp),
        time(state.last_consume_timestamp),
    )
}

fn rates(text: &mut String, table: &BTreeMap<String, ConsumeStatus>) {
    *text += "\n\n#Consumer RT&TPS#\n";
    let columns = [
        "#Topic",
        "#Pull RT",
        "#Pull TPS",
        "#Consume RT",
        "#ConsumeOK TPS",
        "#ConsumeFailed TPS",
        "#ConsumeFailedMsgsInHour",
    ];
    line(text, "%-32s  %14s %14s %14s %14s %18s %25s", &columns.map(Cell::from));
    for (topic, status) in table {
        let cells = [
            topic.into(),
            status.pull_rt.into(),
            status.pull_tps.into(),
            status.consume_rt.into(),
            status.consume_ok_tps.into(),
            status.consume_failed_tps.into(),
            status.consume_failed_msgs.into(),
        ];
        line(text, "%-32s  %14.2f %14.2f %14.2f %14.2f %18.2f %25d", &cells);
    }
}

fn property<'a>(info: &'a ConsumerRunningInfo, key: &str) -> &'a str {
    info.properties.get(key).map(String::as_str).unwrap_or_default()
}

fn is_push(info: &ConsumerRunningInfo) -> bool {
    property(info, "PROP_CONSUME_TYPE") == ConsumeType::Passively.name()
}

/// Whether all members of a push group subscribe to the same; a group that has just changed is
/// taken to.
pub(crate) fn same_subscriptions(members: &BTreeMap<String, ConsumerRunningInfo>) -> bool {
    let Some(first) = members.values().next() else { return true };
    let started: i64 = property(first, "PROP_CONSUMER_START_TIMESTAMP").parse().unwrap_or(0);
    if !is_push(first) || clock::now_ms() - started <= SETTLING_MS {
        return true;
    }
    let of = |info: &ConsumerRunningInfo| -> BTreeSet<(String, String)> {
        let all = info.subscription_set.iter();
        all.map(|one| (one.topic.clone(), one.sub_string.clone())).collect()
    };
    let expected = of(first);
    !expected.is_empty() && members.values().all(|info| of(info) == expected)
}

/// What is wrong with the queues of a push consumer, one line each; empty if nothing is.
pub(crate) fn queue_troubles(client_id: &str, info: &ConsumerRunningInfo) -> String {
    let mut text = String::new();
    if !is_push(info) {
        return text;
    }
    let orderly = property(info, "PROP_CONSUMEORDERLY").eq_ignore_ascii_case("true");
    let now = clock::now_ms();
    for (queue, state) in &info.mq_table {
        if orderly && !state.locked {
            let ms = now - state.last_lock_timestamp;
            let _ = writeln!(text, "{client_id} {queue} can't lock for a while, {ms}ms");
        } else if orderly && state.droped && state.try_unlock_times > 0 {
            let times = state.try_unlock_times;
            let _ = writeln!(text, "{client_id} {queue} unlock {times} times, still failed");
        } else if !orderly {
            let ms = now - state.last_consume_timestamp;
            if ms > STUCK_MS && state.cached_msg_count > 0 {
                let what = "can't consume for a while, maybe blocked";
                let _ = writeln!(text, "{client_id} {queue} {what}, {ms}ms");
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(subscription: &str, orderly: bool) -> ConsumerRunningInfo {
        let mut info = ConsumerRunningInfo::default();
        for (key, value) in [
            ("PROP_CONSUME_TYPE", "CONSUME_PASSIVELY"),
            ("PROP_CONSUMER_START_TIMESTAMP", "1"),
            ("PROP_CONSUMEORDERLY", if orderly { "true" } else { "false" }),
        ] {
            info.properties.insert(key.to_string(), value.to_string());
        }
        info.subscription_set.extend(SubscriptionData::by_tags("T", subscription, 1));
        info
    }

    #[test]
    fn finds_members_that_subscribe_to_something_else() {
        let group = |one: ConsumerRunningInfo, two: ConsumerRunningInfo| {
            same_subscriptions(&BTreeMap::from([("1".to_string(), one), ("2".to_string(), two)]))
        };
        assert!(group(member("A", false), member("A", false)));
        assert!(!group(member("A", false), member("B", false)));
        let mut young = member("A", false);
        let now = clock::now_ms().to_string();
        young.properties.insert("PROP_CONSUMER_START_TIMESTAMP".to_string(), now);
        assert!(group(young, member("B", false)));
    }

    #[test]
    fn finds_queues_that_stand_still() {
        let queue =
            MessageQueue { topic: "T".to_string(), broker_name: "b".to_string(), queue_id: 1 };
        let trouble = |orderly, state: ProcessQueueInfo| {
            let mut info = member("*", orderly);
            info.mq_table.insert(queue.clone(), state);
            queue_troubles("c", &info)
        };
        let cached = ProcessQueueInfo { cached_msg_count: 1, ..ProcessQueueInfo::default() };
        assert!(trouble(false, cached).contains("maybe blocked"));
        assert_eq!(trouble(false, ProcessQueueInfo::default()), "");
        assert!(trouble(true, ProcessQueueInfo::default()).contains("can't lock"));
        let locked = ProcessQueueInfo { locked: true, ..ProcessQueueInfo::default() };
        assert_eq!(trouble(true, locked), "");
    }
}
