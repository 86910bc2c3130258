//! A topic: routed, writable, readable; and if it is missing, why.

use rocketmq_client::ClientError;
use rocketmq_protocol::ResponseCode;
use rocketmq_protocol::body::{ClusterInfo, TopicRouteData};
use rocketmq_protocol::topic::permission;

use super::finding::Findings;
use crate::admin::command::Session;

pub(super) async fn look(
    session: &Session,
    clusters: &ClusterInfo,
    topic: &str,
    findings: &mut Findings,
) {
    let place = format!("topic {topic}");
    match session.admin.topic_route(topic).await {
        Ok(route) => judge_route(&place, topic, &route, findings),
        Err(error) if error.code() == ResponseCode::TOPIC_NOT_EXIST => {
            missing(session, clusters, &place, topic, findings).await;
        }
        Err(error) => told(&place, &error, findings),
    }
}

fn told(place: &str, error: &ClientError, findings: &mut Findings) {
    findings.error(
        place,
        format!("cannot be looked at: {error}"),
        "clients meet the same error",
        "see to the name servers first",
    );
}

fn judge_route(place: &str, topic: &str, route: &TopicRouteData, findings: &mut Findings) {
    let (mut writable, mut readable) = (0, 0);
    for queues in &route.queue_datas {
        let master = route
            .broker_datas
            .iter()
            .any(|data| data.broker_name == queues.broker_name && data.master().is_some());
        if queues.perm & permission::WRITE != 0 && master {
            writable += queues.write_queue_nums;
        }
        if queues.perm & permission::READ != 0 {
            readable += queues.read_queue_nums;
        }
        if queues.read_queue_nums < queues.write_queue_nums {
            findings.error(
                place,
                format!(
                    "{} has {} queues to write and {} to read",
                    queues.broker_name, queues.write_queue_nums, queues.read_queue_nums
                ),
                "messages of the queues that nobody reads are never consumed",
                &format!("mqadmin updateTopic -t {topic} -c CLUSTER with equal -r and -w"),
            );
        }
    }
    let todo = format!("mqadmin updateTopicPerm -t {topic} -c CLUSTER -p 6; see also addWritePerm");
    if writable == 0 {
        let why = "every send fails: No route info of this topic";
        findings.error(place, "no queue can be written", why, &todo);
    }
    if readable == 0 {
        let why = "consumers are given no queue";
        findings.error(place, "no queue can be read", why, &todo);
    }
    if writable > 0 && readable > 0 {
        let brokers = route.broker_datas.len();
        findings.fine(
            place,
            format!("{writable} queues to write and {readable} to read on {brokers} brokers"),
        );
    }
}

/// Looks for the topic where it would come from.
async fn missing(
    session: &Session,
    clusters: &ClusterInfo,
    place: &str,
    topic: &str,
    findings: &mut Findings,
) {
    let mut creates = false;
    for data in clusters.broker_addr_table.values() {
        let Some(address) = data.master() else { continue };
        let name = &data.broker_name;
        if let Ok(topics) = session.admin.all_topic_config(address).await
            && topics.topic_config_table.contains_key(topic)
        {
            findings.error(
                place,
                format!("{name} has it, but the name server does not know"),
                "clients find topics through the name server",
                &format!("look in broker.log of {name} for failed registrations, or restart it"),
            );
            return;
        }
        if let Ok(config) = session.admin.broker_config(address).await {
            creates |= config.get("autoCreateTopicEnable") == Some("true");
        }
    }
    let todo = format!("mqadmin updateTopic -c CLUSTER -t {topic}");
    if creates {
        let what = "does not exist yet; the first send creates it (autoCreateTopicEnable=true)";
        let why = "a consumer that starts first waits for it, up to 30 s longer than needed";
        findings.warn(place, what, why, &todo);
    } else {
        let what = "does not exist, and no broker creates topics by itself";
        findings.error(place, what, "sends fail: No route info of this topic", &todo);
    }
}

#[cfg(test)]
mod tests {
    use rocketmq_protocol::body::{BrokerData, QueueData};

    use super::super::finding::Severity;
    use super::*;

    fn judged(perm: i32, read: i32, write: i32) -> Vec<Severity> {
        let mut data = BrokerData { broker_name: "b".to_string(), ..BrokerData::default() };
        data.broker_addrs.insert(0, "h:1".to_string());
        let queues = QueueData {
            broker_name: "b".to_string(),
            perm,
            read_queue_nums: read,
            topic_sys_flag: 0,
            write_queue_nums: write,
        };
        let route = TopicRouteData {
            broker_datas: vec![data],
            queue_datas: vec![queues],
            ..TopicRouteData::default()
        };
        let mut findings = Findings::default();
        judge_route("topic T", "T", &route, &mut findings);
        findings.0.iter().map(|finding| finding.severity).collect()
    }

    #[test]
    fn tells_what_cannot_be_written_or_read() {
        assert_eq!(judged(6, 4, 4), [Severity::Fine]);
        assert_eq!(judged(4, 4, 4), [Severity::Error]);
        assert_eq!(judged(2, 4, 4), [Severity::Error]);
        assert_eq!(judged(6, 2, 4), [Severity::Error, Severity::Fine]);
    }
}
