//! The store behind a broker: takes messages, in time; and what nobody needs any more.

use std::collections::BTreeMap;

use rocketmq_common::clock;
use rocketmq_common::properties::Properties;
use rocketmq_protocol::topic::{DLQ_PREFIX, RETRY_PREFIX, permission};

use super::finding::Findings;
use crate::admin::command::Session;

/// How long an append may hold the log before sends are refused (osPageCacheBusyTimeOutMills).
const BUSY_MS: i64 = 1000;
/// How long a send may wait in the queue (waitTimeMillsInSendQueue).
const SEND_WAIT_MS: i64 = 200;
/// Names that a finding lists.
const NAMES: usize = 5;

/// Whether the broker takes messages and hands them out, as it is set and as it is doing.
pub(super) fn judge_state(
    place: &str,
    info: &BTreeMap<String, String>,
    config: &Properties,
    findings: &mut Findings,
) {
    let number = |key: &str| info.get(key).and_then(|text| text.parse::<i64>().ok()).unwrap_or(0);
    let permission: i32 = config.get("brokerPermission").and_then(|p| p.parse().ok()).unwrap_or(6);
    for (bit, what) in [(permission::READ, "read from"), (permission::WRITE, "sent to")] {
        if permission & bit == 0 {
            findings.warn(
                place,
                format!("cannot be {what}: brokerPermission={permission}"),
                "clients pass it by; meant while a broker is taken out",
                "mqadmin updateBrokerConfig -b ADDRESS -k brokerPermission -v 6",
            );
        }
    }
    let opens = number("startAcceptSendRequestTimeStamp");
    if opens > clock::now_ms() {
        findings.error(
            place,
            format!("takes no messages before {}", clock::format_seconds(opens)),
            "sends are refused: broker unable to service, until then",
            "mqadmin updateBrokerConfig -b ADDRESS -k startAcceptSendRequestTimeStamp -v 0",
        );
    }
    let locked = number("pageCacheLockTimeMills");
    if locked > BUSY_MS {
        findings.error(
            place,
            format!("an append holds the log for {locked} ms"),
            "sends are refused: [PCBUSY_CLEAN_QUEUE]broker busy",
            "look at its disk (iostat -x 1) and at storeerror.log",
        );
    }
    let waits = number("sendThreadPoolQueueHeadWaitTimeMills");
    if waits > SEND_WAIT_MS {
        findings.warn(
            place,
            format!("sends wait {waits} ms in its queue"),
            "beyond waitTimeMillsInSendQueue they are refused: [TIMEOUT_CLEAN_QUEUE]broker busy",
            "look at its disk and processors; spread the load over more brokers",
        );
    }
}

/// What deleted groups left behind.
pub(super) async fn leftovers(
    session: &Session,
    place: &str,
    address: &str,
    findings: &mut Findings,
) {
    let (Ok(topics), Ok(groups)) = (
        session.admin.all_topic_config(address).await,
        session.admin.all_subscription_groups(address).await,
    ) else {
        return;
    };
    let topics: Vec<&str> = topics.topic_config_table.keys().map(String::as_str).collect();
    let is_known = |group: &str| groups.subscription_group_table.contains_key(group);
    judge_leftovers(place, &topics, is_known, findings);
}

fn judge_leftovers(
    place: &str,
    topics: &[&str],
    is_known: impl Fn(&str) -> bool,
    findings: &mut Findings,
) {
    let group_of = |topic: &str| {
        let group = topic.strip_prefix(RETRY_PREFIX).or_else(|| topic.strip_prefix(DLQ_PREFIX));
        group.map(str::to_string)
    };
    let left: Vec<_> = topics
        .iter()
        .filter(|topic| group_of(topic).is_some_and(|group| !is_known(&group)))
        .copied()
        .collect();
    if !left.is_empty() {
        let shown = left.iter().take(NAMES).copied().collect::<Vec<_>>().join(", ");
        let more = if left.len() > NAMES { ", ..." } else { "" };
        findings.warn(
            place,
            format!("{} topics of groups that are gone: {shown}{more}", left.len()),
            "they take room in the routes, and their messages are never consumed",
            &format!("mqadmin deleteTopic -c CLUSTER -t '{}'", left[0]),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Severity;
    use super::*;

    #[test]
    fn a_store_that_takes_nothing_says_why() {
        let told = |key: &str, value: &str, config: &str| {
            let info = BTreeMap::from([(key.to_string(), value.to_string())]);
            let mut findings = Findings::default();
            judge_state("b", &info, &Properties::parse(config.as_bytes()), &mut findings);
            findings
                .0
                .into_iter()
                .map(|finding| (finding.severity, finding.what))
                .collect::<Vec<_>>()
        };
        assert_eq!(told("pageCacheLockTimeMills", "12", "brokerPermission=6"), []);
        assert_eq!(told("pageCacheLockTimeMills", "1200", "")[0].0, Severity::Error);
        assert_eq!(told("sendThreadPoolQueueHeadWaitTimeMills", "300", "")[0].0, Severity::Warning);
        let later = (clock::now_ms() + 100_000).to_string();
        assert_eq!(told("startAcceptSendRequestTimeStamp", &later, "")[0].0, Severity::Error);
        let closed = told("", "", "brokerPermission=4");
        assert_eq!(closed[0].1, "cannot be sent to: brokerPermission=4");
    }

    #[test]
    fn topics_of_groups_that_are_gone_are_told() {
        let topics = ["T", "%RETRY%here", "%RETRY%gone", "%DLQ%gone"];
        let mut findings = Findings::default();
        judge_leftovers("b", &topics, |group| group == "here", &mut findings);
        assert_eq!(findings.0.len(), 1);
        assert_eq!(findings.0[0].what, "2 topics of groups that are gone: %RETRY%gone, %DLQ%gone");
        judge_leftovers("b", &topics, |_| true, &mut findings);
        assert_eq!(findings.0.len(), 1);
    }
}
