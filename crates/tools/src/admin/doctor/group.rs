//! A consumer group: known, connected, of one mind, moving.

use std::collections::BTreeMap;

use rocketmq_common::clock;
use rocketmq_protocol::ResponseCode;
use rocketmq_protocol::body::{ClusterInfo, ConsumeStats, ConsumerConnection, ConsumerRunningInfo};
use rocketmq_protocol::topic::{DLQ_PREFIX, RETRY_PREFIX};

use super::finding::Findings;
use crate::admin::command::Session;
use crate::admin::running_info;

/// Messages that a group may be behind in a queue before it is told.
const BEHIND: i64 = 1000;

pub(super) async fn look(
    session: &Session,
    clusters: &ClusterInfo,
    group: &str,
    findings: &mut Findings,
) {
    let place = format!("group {group}");
    settings(session, clusters, &place, group, findings).await;
    let members = match session.admin.consumer_connection(group).await {
        Ok(connection) => {
            let members = members(session, group, &connection).await;
            judge_members(&place, &connection, &members, findings);
            members
        }
        Err(error) => {
            let offline = [ResponseCode::CONSUMER_NOT_ONLINE, ResponseCode::TOPIC_NOT_EXIST];
            let what = match offline.contains(&error.code()) {
                true => "has no connected member".to_string(),
                false => format!("cannot be looked at: {error}"),
            };
            findings.error(
                &place,
                what,
                "nothing is consumed",
                "start a consumer; if one runs, compare its group name and its name servers",
            );
            BTreeMap::new()
        }
    };
    if let Ok(stats) = session.admin.consume_stats(group, None).await {
        judge_progress(&place, &stats, &members, findings);
    }
    dead_letters(session, &place, group, findings).await;
}

async fn settings(
    session: &Session,
    clusters: &ClusterInfo,
    place: &str,
    group: &str,
    findings: &mut Findings,
) {
    for data in clusters.broker_addr_table.values() {
        let Some(address) = data.master() else { continue };
        let Ok(groups) = session.admin.all_subscription_groups(address).await else { continue };
        let name = &data.broker_name;
        match groups.subscription_group_table.get(group) {
            Some(config) if !config.consume_enable => findings.error(
                place,
                format!("may not consume from {name}"),
                "pulls are answered with NO_PERMISSION",
                &format!("mqadmin updateSubGroup -b {address} -g {group} -s true"),
            ),
            Some(_) => {}
            None => findings.warn(
                place,
                format!("is not known to {name}"),
                "pulls fail until the group is created, by a heartbeat or by hand",
                &format!("mqadmin updateSubGroup -b {address} -g {group}"),
            ),
        }
    }
}

async fn members(
    session: &Session,
    group: &str,
    connection: &ConsumerConnection,
) -> BTreeMap<String, ConsumerRunningInfo> {
    let mut members = BTreeMap::new();
    for client in &connection.connection_set {
        let id = &client.client_id;
        if let Ok(info) = session.admin.consumer_running_info(group, id, false).await {
            members.insert(id.clone(), info);
        }
    }
    members
}

fn judge_members(
    place: &str,
    connection: &ConsumerConnection,
    members: &BTreeMap<String, ConsumerRunningInfo>,
    findings: &mut Findings,
) {
    let count = connection.connection_set.len();
    findings.fine(place, format!("{count} members are connected"));
    let silent = connection.connection_set.iter().filter(|c| !members.contains_key(&c.client_id));
    for client in silent {
        findings.warn(
            place,
            format!("{} ({}) does not answer", client.client_id, client.client_addr),
            "it keeps its queues as long as its connection stands, whether it consumes or not",
            "look at that process; a stopped one frees its queues",
        );
    }
    if !running_info::same_subscriptions(members) {
        findings.error(
            place,
            "its members subscribe to different topics or tags",
            "queues are shared among all members: one gets messages that it does not want and \
             they are lost to the others",
            "give every member of the group the same subscriptions, or use two groups",
        );
    }
    for (id, info) in members {
        for trouble in running_info::queue_troubles(id, info).lines() {
            findings.warn(
                place,
                trouble,
                "messages of this queue wait while the others go on",
                "mqadmin consumerStatus -g GROUP -i CLIENT -s shows where its threads are",
            );
        }
    }
}

fn judge_progress(
    place: &str,
    stats: &ConsumeStats,
    members: &BTreeMap<String, ConsumerRunningInfo>,
    findings: &mut Findings,
) {
    let owners: BTreeMap<_, _> = members
        .iter()
        .flat_map(|(id, info)| info.mq_table.keys().map(move |queue| (queue, id)))
        .collect();
    let mut behind = 0;
    for (queue, offset) in &stats.offset_table {
        let owner = owners.get(queue).map(|id| id.as_str());
        behind += offset.diff().max(0);
        if owner.is_none() && offset.diff() > 0 && !members.is_empty() {
            findings.warn(
                place,
                format!("nobody holds {queue}, {} messages wait", offset.diff()),
                "its messages are not consumed",
                "wait for the next rebalance (20 s); then look for a member that does not answer",
            );
        } else if offset.diff() > BEHIND {
            let since = match offset.last_timestamp {
                0 => String::new(),
                ms => format!(
                    ", the last one consumed was stored {} s ago",
                    (clock::now_ms() - ms) / 1000
                ),
            };
            findings.warn(
                place,
                format!(
                    "{} messages wait in {queue}, held by {}{since}",
                    offset.diff(),
                    owner.unwrap_or("nobody")
                ),
                "consumers are slower than producers, or stand still",
                "mqadmin consumerStatus -g GROUP shows rates; add members up to the number of queues",
            );
        }
    }
    findings.fine(place, format!("{behind} messages wait over all queues"));
}

/// Messages that the group gave up on.
async fn dead_letters(session: &Session, place: &str, group: &str, findings: &mut Findings) {
    let topic = format!("{DLQ_PREFIX}{group}");
    let Ok(stats) = session.admin.topic_stats(&topic).await else { return };
    let count: i64 = stats.offset_table.values().map(|one| one.max_offset - one.min_offset).sum();
    if count > 0 {
        findings.warn(
            place,
            format!("{count} messages lie in {topic}"),
            "they failed every retry and are not delivered again",
            &format!(
                "mqadmin updateTopicPerm -t {topic} -c CLUSTER -p 6, then printMsg -t {topic}; \
                      retries wait in {RETRY_PREFIX}{group}"
            ),
        );
    }
}

#[cfg(test)]
mod tests {
    use rocketmq_protocol::body::OffsetWrapper;
    use rocketmq_protocol::message::MessageQueue;

    use super::super::finding::Severity;
    use super::*;

    #[test]
    fn queues_without_owner_and_long_ones_are_told() {
        let queue = |queue_id| MessageQueue {
            topic: "T".to_string(),
            broker_name: "b".to_string(),
            queue_id,
        };
        let mut stats = ConsumeStats::default();
        for (id, diff) in [(0, 0), (1, 5), (2, 5000)] {
            let offset = OffsetWrapper { broker_offset: diff, ..OffsetWrapper::default() };
            stats.offset_table.insert(queue(id), offset);
        }
        let mut member = ConsumerRunningInfo::default();
        member.mq_table.insert(queue(0), Default::default());
        member.mq_table.insert(queue(2), Default::default());
        let members = BTreeMap::from([("c".to_string(), member)]);
        let mut findings = Findings::default();
        judge_progress("group G", &stats, &members, &mut findings);
        let told: Vec<_> = findings.0.iter().map(|f| (f.severity, f.what.as_str())).collect();
        assert_eq!(told.len(), 3);
        assert!(
            told[0].1.starts_with("nobody holds MessageQueue [topic=T, brokerName=b, queueId=1]")
        );
        assert!(told[1].1.contains("5000 messages wait") && told[1].1.contains("held by c"));
        assert_eq!(told[2], (Severity::Fine, "5005 messages wait over all queues"));
    }
}
