//! startMonitoring: looks at every group once a minute and logs what it sees.

use std::collections::BTreeMap;
use std::time::Duration;

use rocketmq_client::{ConsumeStatus, MessageExt, PushConsumer};
use rocketmq_common::fastjson;
use rocketmq_protocol::body::{ConsumeStats, ConsumerRunningInfo, OffsetMovedEvent};
use rocketmq_protocol::topic::{OFFSET_MOVED_EVENT, RETRY_PREFIX};

use super::command::{Command, Session};
use super::failure::Failure;
use super::running_info;

pub(crate) const START_MONITORING: Command = Command {
    name: "startMonitoring",
    class: "StartMonitoringSubCommand",
    description: "Start Monitoring",
    options: &[],
    run: |session| Box::pin(start_monitoring(session)),
};

/// Time before the first round, and between rounds.
const FIRST: Duration = Duration::from_secs(20);
const INTERVAL: Duration = Duration::from_secs(60);

/// Group that hears of offsets that brokers had to move.
const EVENT_GROUP: &str = "__MONITOR_CONSUMER";

async fn start_monitoring(session: &Session) -> Result<(), Failure> {
    let _events = PushConsumer::builder(EVENT_GROUP)
        .client_config(session.admin.client_config())
        .subscribe(OFFSET_MOVED_EVENT, "*")
        .on_messages(|delivery| {
            delivery.messages.iter().for_each(report_moved);
            std::future::ready(ConsumeStatus::Success)
        })
        .start()
        .await?;
    tokio::time::sleep(FIRST).await;
    let mut rounds = tokio::time::interval(INTERVAL);
    loop {
        rounds.tick().await;
        log("=========================================beginRound");
        if let Err(failure) = round(session).await {
            log(&format!("doMonitorWork Exception, {}", failure.cause()));
        }
        log("=========================================endRound");
    }
}

fn log(text: &str) {
    tracing::info!(target: rocketmq_client::LOGGER, "[MONITOR] {text}");
}

fn report_moved(message: &MessageExt) {
    let Ok(event) = fastjson::from_slice::<OffsetMovedEvent>(&message.message.body) else { return };
    log(&format!(
        "reportDeleteMsgsEvent: DeleteMsgsEvent [offsetMovedEvent=OffsetMovedEvent [consumerGroup={}, \
         messageQueue={}, offsetRequest={}, offsetNew={}], eventTimestamp={}]",
        event.consumer_group,
        event.message_queue,
        event.offset_request,
        event.offset_new,
        message.store_timestamp
    ));
}

async fn round(session: &Session) -> Result<(), Failure> {
    for topic in session.admin.topic_list().await?.topic_list {
        let Some(group) = topic.strip_prefix(RETRY_PREFIX) else { continue };
        if let Ok(stats) = session.admin.consume_stats(group, None).await {
            for (topic, mut behind) in behind(&stats) {
                behind.delay_ms = delay(session, &topic, &stats).await;
                log(&format!("reportUndoneMsgs: {}", behind.describe(group, &topic)));
            }
        }
        if let Some(members) = members(session, group).await {
            for line in troubles(&members) {
                log(&format!("[NOTIFY] reportConsumerRunningInfo: ConsumerGroup: {group}, {line}"));
            }
        }
    }
    Ok(())
}

type Members = BTreeMap<String, ConsumerRunningInfo>;

async fn members(session: &Session, group: &str) -> Option<Members> {
    let connection = session.admin.consumer_connection(group).await.ok()?;
    let mut members = BTreeMap::new();
    for client in connection.connection_set {
        let info = session.admin.consumer_running_info(group, &client.client_id, false).await;
        members.extend(info.ok().map(|info| (client.client_id, info)));
    }
    Some(members)
}

/// What is wrong with a group's members, a line each.
fn troubles(members: &Members) -> Vec<String> {
    let mut lines = Vec::new();
    if !running_info::same_subscriptions(members) {
        lines.push("Subscription different".to_string());
    }
    for (id, info) in members {
        let trouble = running_info::queue_troubles(id, info);
        if !trouble.is_empty() {
            lines.push(format!("ClientId: {id}, {trouble}"));
        }
    }
    lines
}

/// How far a group is behind in one topic.
#[derive(Default)]
struct Behind {
    total: i64,
    most_in_a_queue: i64,
    delay_ms: i64,
}

impl Behind {
    fn describe(&self, group: &str, topic: &str) -> String {
        format!(
            "UndoneMsgs [consumerGroup={group}, topic={topic}, undoneMsgsTotal={}, \
             undoneMsgsSingleMQ={}, undoneMsgsDelayTimeMills={}]",
            self.total, self.most_in_a_queue, self.delay_ms
        )
    }
}

fn behind(stats: &ConsumeStats) -> BTreeMap<String, Behind> {
    let mut topics: BTreeMap<String, Behind> = BTreeMap::new();
    for (queue, offset) in &stats.offset_table {
        let behind = topics.entry(queue.topic.clone()).or_default();
        let diff = offset.diff().max(0);
        behind.total += diff;
        behind.most_in_a_queue = behind.most_in_a_queue.max(diff);
    }
    topics
}

/// The longest time between the newest message of a queue and the last one consumed, ms.
async fn delay(session: &Session, topic: &str, stats: &ConsumeStats) -> i64 {
    let Ok(bounds) = session.admin.topic_stats(topic).await else { return 0 };
    let queues = stats.offset_table.iter().filter(|(_, offset)| offset.last_timestamp > 0);
    let delays = queues.filter_map(|(queue, offset)| {
        Some(bounds.offset_table.get(queue)?.last_update_timestamp - offset.last_timestamp)
    });
    delays.max().unwrap_or(0).max(0)
}

#[cfg(test)]
mod tests {
    use rocketmq_protocol::body::OffsetWrapper;
    use rocketmq_protocol::message::MessageQueue;

    use super::*;

    #[test]
    fn sums_up_what_is_behind_by_topic() {
        let mut stats = ConsumeStats::default();
        for (topic, queue_id, diff) in [("A", 0, 3), ("A", 1, 5), ("B", 0, -1)] {
            let broker_name = "b".to_string();
            let queue = MessageQueue { topic: topic.to_string(), broker_name, queue_id };
            let offset = OffsetWrapper { broker_offset: diff, ..OffsetWrapper::default() };
            stats.offset_table.insert(queue, offset);
        }
        let behind = behind(&stats);
        assert_eq!(
            behind["A"].describe("G", "A"),
            "UndoneMsgs [consumerGroup=G, topic=A, undoneMsgsTotal=8, undoneMsgsSingleMQ=5, \
             undoneMsgsDelayTimeMills=0]"
        );
        assert_eq!(behind["B"].total, 0);
    }
}
