//! What is wrong now, with the reason and what to do.

use std::collections::BTreeMap;

use rocketmq_client::MessageModel;
use rocketmq_protocol::body::ConsumeType;
use serde::Serialize;

use crate::live::Snapshot;
use crate::monitor::Limits;

/// Shares of a full disk at which RocketMQ warns, and at which it refuses messages.
const DISK_WARNING: f64 = 0.75;
const DISK_ERROR: f64 = 0.90;
/// A send that waits so long is near the limit of 200 ms at which brokers refuse it, ms.
const WAIT_WARNING: f64 = 100.0;
/// A slave that misses so many bytes is behind.
const SLAVE_BEHIND: f64 = 256.0 * 1024.0 * 1024.0;
/// A lag below this is no problem, however it grows.
const LAG_MIN: i64 = 1000;

/// How bad it is; the worst is shown first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Severity {
    Error,
    Warning,
    Info,
}

/// One problem.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Problem {
    pub(crate) severity: Severity,
    pub(crate) kind: &'static str,
    pub(crate) subject_type: &'static str,
    pub(crate) subject: String,
    pub(crate) message: String,
    pub(crate) fix: String,
}

/// Everything that is wrong in the picture, the worst first.
pub(crate) fn of(snapshot: &Snapshot, limits: &BTreeMap<String, Limits>) -> Vec<Problem> {
    let mut found = Vec::new();
    if let Some(error) = &snapshot.error {
        found.push(problem(
            Severity::Error,
            "unreachable",
            ("nameServer", "name servers"),
            error.clone(),
            "start the name server, or set rocketmq.config.namesrvAddr (or the list on the Ops page) to one that runs",
        ));
    }
    brokers(snapshot, &mut found);
    groups(snapshot, limits, &mut found);
    found.sort_by(|one, other| (one.severity, &one.subject).cmp(&(other.severity, &other.subject)));
    found
}

fn problem(
    severity: Severity,
    kind: &'static str,
    (subject_type, subject): (&'static str, &str),
    message: String,
    fix: &str,
) -> Problem {
    Problem {
        severity,
        kind,
        subject_type,
        subject: subject.to_string(),
        message,
        fix: fix.to_string(),
    }
}

fn brokers(snapshot: &Snapshot, found: &mut Vec<Problem>) {
    for broker in &snapshot.brokers {
        let name = format!("{}:{}", broker.name, broker.id);
        let subject = ("broker", name.as_str());
        if let Some(error) = &broker.error {
            let fix = "look at broker.log on its machine; mqadmin doctor says more";
            found.push(problem(Severity::Error, "unreachable", subject, error.clone(), fix));
            continue;
        }
        if let Some(ratio) =
            broker.number("commitLogDiskRatio").filter(|ratio| *ratio > DISK_WARNING)
        {
            let severity = if ratio > DISK_ERROR { Severity::Error } else { Severity::Warning };
            let text = format!("the disk of the commit log is {:.0} % full", ratio * 100.0);
            let fix = "make room, or lower fileReservedTime: mqadmin updateBrokerConfig -k fileReservedTime -v <hours>";
            found.push(problem(severity, "disk", subject, text, fix));
        }
        if let Some(wait) = broker
            .number("sendThreadPoolQueueHeadWaitTimeMills")
            .filter(|wait| *wait > WAIT_WARNING)
        {
            let text = format!("the oldest send waits for {wait:.0} ms");
            found.push(problem(
                Severity::Warning,
                "sendWait",
                subject,
                text,
                "the disk or the CPU is at its limit: add a broker, or send less",
            ));
        }
        let behind = broker.number("dispatchBehindBytes").filter(|behind| *behind > SLAVE_BEHIND);
        if let Some(behind) = behind {
            let text = format!(
                "{:.0} MiB of the commit log are not in the consume queues yet",
                behind / 1024.0 / 1024.0
            );
            found.push(problem(
                Severity::Warning,
                "dispatch",
                subject,
                text,
                "consumers see messages late; look at the disk",
            ));
        }
        if !broker.is_master() {
            slave(snapshot, broker, subject, found);
        }
    }
    for (name, data) in &snapshot.info.broker_addr_table {
        if data.master().is_none() {
            let text =
                "there is no master: nothing can be sent to it, and consumers read from the slave"
                    .to_string();
            found.push(problem(
                Severity::Error,
                "noMaster",
                ("broker", name),
                text,
                "start the master again",
            ));
        }
    }
}

fn slave(
    snapshot: &Snapshot,
    slave: &crate::live::BrokerState,
    subject: (&'static str, &str),
    found: &mut Vec<Problem>,
) {
    let master = snapshot.masters().find(|master| master.name == slave.name);
    let (Some(of_master), Some(of_slave)) = (
        master.and_then(|master| master.number("commitLogMaxOffset")),
        slave.number("commitLogMaxOffset"),
    ) else {
        return;
    };
    if of_master - of_slave > SLAVE_BEHIND {
        let text =
            format!("it is {:.0} MiB behind its master", (of_master - of_slave) / 1024.0 / 1024.0);
        found.push(problem(
            Severity::Warning,
            "slaveBehind",
            subject,
            text,
            "look at its store.log and at the network to the master's haListenPort",
        ));
    }
    if of_slave > of_master {
        let text = "its commit log is longer than its master's: they have diverged".to_string();
        found.push(problem(
            Severity::Error,
            "slaveDiverged",
            subject,
            text,
            "stop it, move its store away and start it again: it copies the master",
        ));
    }
}

fn groups(snapshot: &Snapshot, limits: &BTreeMap<String, Limits>, found: &mut Vec<Problem>) {
    for (name, group) in &snapshot.groups {
        let subject = ("group", name.as_str());
        let members =
            group.connection.as_ref().map_or(0, |connection| connection.connection_set.len());
        let lag = group.lag().unwrap_or(0);
        let is_broadcast = group
            .connection
            .as_ref()
            .is_some_and(|connection| connection.message_model == MessageModel::Broadcasting);
        if members == 0 && lag > 0 && group.connection_seen > 0 {
            let text = format!("{lag} messages wait and nobody consumes");
            let severity = if lag >= LAG_MIN { Severity::Warning } else { Severity::Info };
            found.push(problem(
                severity,
                "noConsumer",
                subject,
                text,
                "start a consumer of the group, or delete the group if it is gone for good",
            ));
        } else if grows(&group.lags) && !is_broadcast {
            let text = format!("the lag grows: {lag} messages");
            found.push(problem(
                Severity::Warning,
                "lagGrows",
                subject,
                text,
                "add consumers (up to one for each queue) or make them faster",
            ));
        }
        let queues = group.offsets.keys().filter(|queue| !queue.topic.starts_with('%')).count();
        let passive = group
            .connection
            .as_ref()
            .is_some_and(|connection| connection.consume_type == ConsumeType::Passively);
        if passive && !is_broadcast && queues > 0 && members > queues {
            let text = format!(
                "{members} consumers share {queues} queues: {} have nothing to do",
                members - queues
            );
            found.push(problem(
                Severity::Info,
                "idleConsumers",
                subject,
                text,
                "add queues to the topic or stop some consumers",
            ));
        }
        let dlq = snapshot.dlq_of(name);
        if dlq > 0 {
            let recent =
                snapshot.topics.get(&format!("%DLQ%{name}")).and_then(|topic| topic.bounds);
            let tps = recent.and_then(|bounds| bounds.tps).unwrap_or(0.0);
            let severity = if tps > 0.0 { Severity::Error } else { Severity::Warning };
            let text = format!("{dlq} messages have failed for good and lie in %DLQ%{name}");
            found.push(problem(
                severity,
                "dlq",
                subject,
                text,
                "look at them on the DLQ page, mend the consumer, and send them again",
            ));
        }
        if let Some(limit) = limits.get(name) {
            if (members as i64) < limit.min_count {
                let text =
                    format!("{members} consumers are fewer than the limit of {}", limit.min_count);
                found.push(problem(
                    Severity::Error,
                    "tooFewConsumers",
                    subject,
                    text,
                    "start the missing consumers",
                ));
            }
            if limit.max_diff_total > 0 && lag > limit.max_diff_total {
                let text =
                    format!("a lag of {lag} is more than the limit of {}", limit.max_diff_total);
                found.push(problem(
                    Severity::Error,
                    "lagLimit",
                    subject,
                    text,
                    "add consumers or make them faster",
                ));
            }
        }
    }
}

/// Whether the lag was larger at each of the last looks than at the one before.
fn grows(lags: &[i64]) -> bool {
    let last = lags.len().checked_sub(4).and_then(|from| lags.get(from..));
    last.is_some_and(|last| {
        last.windows(2).all(|pair| pair[1] > pair[0]) && last[last.len() - 1] >= LAG_MIN
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::{BrokerState, GroupState};
    use rocketmq_client::MessageQueue;
    use rocketmq_protocol::body::OffsetWrapper;

    fn with_group(lag: i64) -> Snapshot {
        let mut group = GroupState { connection_seen: 1, ..GroupState::default() };
        let queue =
            MessageQueue { topic: "T".to_string(), broker_name: "a".to_string(), queue_id: 0 };
        group.offsets.insert(
            queue,
            OffsetWrapper { broker_offset: lag, consumer_offset: 0, last_timestamp: 5 },
        );
        let mut snapshot = Snapshot::default();
        snapshot.groups.insert("g".to_string(), group);
        snapshot
    }

    #[test]
    fn the_worst_comes_first() {
        let mut snapshot = with_group(5000);
        let full = BrokerState {
            name: "a".to_string(),
            runtime: [("commitLogDiskRatio".to_string(), "0.95".to_string())].into(),
            ..BrokerState::default()
        };
        snapshot.brokers.push(full);
        let limits = [("g".to_string(), Limits { min_count: 1, max_diff_total: 10 })].into();
        let kinds: Vec<_> =
            of(&snapshot, &limits).iter().map(|problem| (problem.severity, problem.kind)).collect();
        assert_eq!(kinds[0], (Severity::Error, "disk"));
        assert!(
            kinds.contains(&(Severity::Error, "lagLimit"))
                && kinds.contains(&(Severity::Error, "tooFewConsumers"))
        );
        assert_eq!(kinds.last(), Some(&(Severity::Warning, "noConsumer")));
    }

    #[test]
    fn only_a_lag_that_keeps_growing_grows() {
        assert!(grows(&[1, 2000, 2001, 2002, 2003]));
        assert!(!grows(&[2000, 2001, 2001, 2002]) && !grows(&[1, 2, 3, 4]) && !grows(&[5000]));
    }
}
