//! What is wrong now, with the reason and what to do.

use std::collections::BTreeMap;

use rocketmq_client::MessageModel;
use rocketmq_protocol::body::ConsumeType;
use serde::Serialize;

use crate::live::Snapshot;
use crate::monitor::Limits;
use crate::text::said;

/// Shares of a full disk at which RocketMQ warns, and at which it refuses messages.
const DISK_WARNING: f64 = 0.75;
const DISK_ERROR: f64 = 0.90;
/// A send that waits so long is near the limit of 200 ms at which brokers refuse it, ms.
const WAIT_WARNING: f64 = 100.0;
/// A slave that misses so many bytes is behind.
const SLAVE_BEHIND: f64 = 256.0 * 1024.0 * 1024.0;
/// A lag below this is no problem, however it grows.
const LAG_MIN: i64 = 1000;

/// A queue that stands still for so long while consumers are there has none, ms.
const STANDS_MS: i64 = 60_000;

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
    /// What stands in the message, for those who say it in another language.
    pub(crate) values: Vec<String>,
}

/// Everything that is wrong in the picture, the worst first.
pub(crate) fn of(snapshot: &Snapshot, limits: &BTreeMap<String, Limits>) -> Vec<Problem> {
    let mut found = Vec::new();
    if let Some(error) = &snapshot.error {
        found.push(problem(
            Severity::Error,
            "nameServer",
            ("nameServer", "name servers"),
            vec![error.clone()],
        ));
    }
    brokers(snapshot, &mut found);
    groups(snapshot, limits, &mut found);
    found.sort_by(|one, other| (one.severity, &one.subject).cmp(&(other.severity, &other.subject)));
    found
}

/// Kind, what is wrong and what to do. `{0}` is the first value, `{0:one|many}` a word that goes with it. The
/// page has the same in Chinese (`web/words.js`).
const TEXTS: &[(&str, &str, &str)] = &[
    (
        "nameServer",
        "{0}",
        "start the name server, or set rocketmq.config.namesrvAddr (or the list on the Ops page) to one that runs",
    ),
    ("unreachable", "{0}", "look at broker.log on its machine; mqadmin doctor says more"),
    (
        "disk",
        "the disk of the commit log is {0} % full",
        "make room, or lower fileReservedTime: mqadmin updateBrokerConfig -k fileReservedTime -v <hours>",
    ),
    (
        "sendWait",
        "the oldest send waits for {0} ms",
        "the disk or the CPU is at its limit: add a broker, or send less",
    ),
    (
        "dispatch",
        "{0} MiB of the commit log are not in the consume queues yet",
        "consumers see messages late; look at the disk",
    ),
    (
        "noMaster",
        "there is no master: nothing can be sent to it, and consumers read from the slave",
        "start the master again",
    ),
    (
        "slaveBehind",
        "it is {0} MiB behind its master",
        "look at its store.log and at the network to the master's haListenPort",
    ),
    (
        "slaveDiverged",
        "its commit log is longer than its master's: they have diverged",
        "stop it, move its store away and start it again: it copies the master",
    ),
    (
        "noConsumer",
        "{0} {0:message waits|messages wait} and nobody consumes",
        "start a consumer of the group, or delete the group if it is gone for good",
    ),
    (
        "lagGrows",
        "the lag grows: {0} {0:message|messages}",
        "add consumers (up to one for each queue) or make them faster",
    ),
    (
        "queueStands",
        "consumers are there, but {0} {0:queue stands|queues stand} still while messages wait: {1}",
        "see on the Groups page who owns it: that client hangs, or nobody took the queue",
    ),
    (
        "idleConsumers",
        "{0} consumers share {1} {1:queue|queues}: {2} {2:has|have} nothing to do",
        "add queues to the topic or stop some consumers",
    ),
    (
        "subscriptionsDiffer",
        "its members subscribe differently to {0}: {1}",
        "give every member of the group the same topics and expressions: brokers keep one subscription for a group, and \
         messages are missed",
    ),
    (
        "dlq",
        "{0} {0:message has|messages have} failed for good and {0:lies|lie} in {1}",
        "look at them on the DLQ page, mend the consumer, and send them again",
    ),
    (
        "tooFewConsumers",
        "{0} {0:consumer is|consumers are} fewer than the limit of {1}",
        "start the missing consumers",
    ),
    ("lagLimit", "a lag of {0} is more than the limit of {1}", "add consumers or make them faster"),
];

/// What the log says when no name server answers: RocketMQ's own words first, then what to set.
pub(crate) fn name_servers_gone(error: &str) -> String {
    let gone = problem(Severity::Error, "nameServer", ("", ""), vec![error.to_string()]);
    format!("{}; {}", gone.message, gone.fix)
}

fn problem(
    severity: Severity,
    kind: &'static str,
    (subject_type, subject): (&'static str, &str),
    values: Vec<String>,
) -> Problem {
    let known = TEXTS.iter().find(|(known, ..)| *known == kind);
    let (message, fix) = known.map_or(("{0}", ""), |(_, message, fix)| (*message, *fix));
    Problem {
        severity,
        kind,
        subject_type,
        subject: subject.to_string(),
        message: said(message, &values),
        fix: fix.to_string(),
        values,
    }
}

fn brokers(snapshot: &Snapshot, found: &mut Vec<Problem>) {
    for broker in &snapshot.brokers {
        let name = format!("{}:{}", broker.name, broker.id);
        let subject = ("broker", name.as_str());
        if let Some(error) = &broker.error {
            found.push(problem(Severity::Error, "unreachable", subject, vec![error.clone()]));
            continue;
        }
        if let Some(ratio) =
            broker.number("commitLogDiskRatio").filter(|ratio| *ratio > DISK_WARNING)
        {
            let severity = if ratio > DISK_ERROR { Severity::Error } else { Severity::Warning };
            found.push(problem(severity, "disk", subject, vec![format!("{:.0}", ratio * 100.0)]));
        }
        if let Some(wait) = broker
            .number("sendThreadPoolQueueHeadWaitTimeMills")
            .filter(|wait| *wait > WAIT_WARNING)
        {
            let values = vec![format!("{wait:.0}")];
            found.push(problem(Severity::Warning, "sendWait", subject, values));
        }
        let behind = broker.number("dispatchBehindBytes").filter(|behind| *behind > SLAVE_BEHIND);
        if let Some(behind) = behind {
            found.push(problem(Severity::Warning, "dispatch", subject, vec![mib(behind)]));
        }
        if !broker.is_master() {
            slave(snapshot, broker, subject, found);
        }
    }
    for (name, data) in &snapshot.info.broker_addr_table {
        if data.master().is_none() {
            found.push(problem(Severity::Error, "noMaster", ("broker", name), Vec::new()));
        }
    }
}

fn mib(bytes: f64) -> String {
    format!("{:.0}", bytes / 1024.0 / 1024.0)
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
        let values = vec![mib(of_master - of_slave)];
        found.push(problem(Severity::Warning, "slaveBehind", subject, values));
    }
    if of_slave > of_master {
        found.push(problem(Severity::Error, "slaveDiverged", subject, Vec::new()));
    }
}

fn groups(snapshot: &Snapshot, limits: &BTreeMap<String, Limits>, found: &mut Vec<Problem>) {
    for (name, group) in &snapshot.groups {
        let subject = ("group", name.as_str());
        let mut tell = |severity, kind, values: &[&dyn ToString]| {
            let values = values.iter().map(|value| value.to_string()).collect();
            found.push(problem(severity, kind, subject, values));
        };
        let connection = group.connection.as_ref();
        let members = connection.map_or(0, |connection| connection.connection_set.len());
        let lag = group.lag().unwrap_or(0);
        let is_broadcast = connection
            .is_some_and(|connection| connection.message_model == MessageModel::Broadcasting);
        if members == 0 && lag > 0 && group.connection_seen > 0 {
            let severity = if lag >= LAG_MIN { Severity::Warning } else { Severity::Info };
            tell(severity, "noConsumer", &[&lag]);
        } else if grows(&group.lags) && !is_broadcast {
            tell(Severity::Warning, "lagGrows", &[&lag]);
        }
        let long = |since: &i64| snapshot.updated - since >= STANDS_MS;
        let standing = || group.standing.iter().filter(|(_, since)| long(since));
        if let (Some((queue, _)), true, false) = (standing().next(), members > 0, is_broadcast) {
            let place = format!("{} {}:{}", queue.topic, queue.broker_name, queue.queue_id);
            tell(Severity::Warning, "queueStands", &[&standing().count(), &place]);
        }
        let queues = group.offsets.keys().filter(|queue| !queue.topic.starts_with('%')).count();
        let passive =
            connection.is_some_and(|connection| connection.consume_type == ConsumeType::Passively);
        if passive && !is_broadcast && queues > 0 && members > queues {
            tell(Severity::Info, "idleConsumers", &[&members, &queues, &(members - queues)]);
        }
        for (topic, ways) in &group.differing {
            tell(Severity::Warning, "subscriptionsDiffer", &[topic, &ways_text(ways)]);
        }
        let dead = snapshot.dlq_of(name);
        if dead > 0 {
            let topic = format!("%DLQ%{name}");
            let bounds = snapshot.topics.get(&topic).and_then(|topic| topic.bounds);
            let arrives = bounds.and_then(|bounds| bounds.tps).unwrap_or(0.0) > 0.0;
            let severity = if arrives { Severity::Error } else { Severity::Warning };
            tell(severity, "dlq", &[&dead, &topic]);
        }
        if let Some(limit) = limits.get(name) {
            if (members as i64) < limit.min_count {
                tell(Severity::Error, "tooFewConsumers", &[&members, &limit.min_count]);
            }
            if limit.max_diff_total > 0 && lag > limit.max_diff_total {
                tell(Severity::Error, "lagLimit", &[&lag, &limit.max_diff_total]);
            }
        }
    }
}

/// Each expression with how many members have it.
fn ways_text(ways: &BTreeMap<String, usize>) -> String {
    let way = |(way, count): (&String, &usize)| {
        format!("{} ({count})", if way.is_empty() { "–" } else { way.as_str() })
    };
    ways.iter().map(way).collect::<Vec<_>>().join(", ")
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
    fn every_problem_is_told_in_chinese_too() {
        let words = include_str!("../web/words.js");
        for (kind, ..) in TEXTS {
            assert!(words.contains(&format!("\n  {kind}: [\"")), "{kind}");
        }
    }

    #[test]
    fn a_queue_that_stands_still_beside_its_consumers_is_told() {
        let mut snapshot = with_group(5);
        snapshot.updated = 100_000;
        let group = snapshot.groups.get_mut("g").unwrap();
        let member = r#"{"connectionSet":[{}],"consumeFromWhere":"CONSUME_FROM_LAST_OFFSET",
            "consumeType":"CONSUME_PASSIVELY","messageModel":"CLUSTERING","subscriptionTable":{}}"#;
        group.connection = Some(serde_json::from_str(member).unwrap());
        let queue = group.offsets.keys().next().unwrap().clone();
        group.standing.insert(queue, 100_000 - STANDS_MS);
        let told = of(&snapshot, &BTreeMap::new());
        assert!(told[0].message.contains("1 queue stands still while messages wait: T a:0"));
        snapshot.updated -= 1;
        assert!(of(&snapshot, &BTreeMap::new()).is_empty());
    }

    #[test]
    fn members_that_subscribe_differently_are_told() {
        let mut snapshot = with_group(0);
        let ways = BTreeMap::from([("A".to_string(), 2), (String::new(), 1)]);
        snapshot.groups.get_mut("g").unwrap().differing.insert("T".to_string(), ways);
        let told = of(&snapshot, &BTreeMap::new());
        assert_eq!(told[0].message, "its members subscribe differently to T: – (1), A (2)");
    }

    #[test]
    fn one_message_waits_and_two_wait() {
        let told = |lag| of(&with_group(lag), &BTreeMap::new())[0].message.clone();
        assert_eq!(told(1), "1 message waits and nobody consumes");
        assert_eq!(told(2), "2 messages wait and nobody consumes");
    }

    #[test]
    fn only_a_lag_that_keeps_growing_grows() {
        assert!(grows(&[1, 2000, 2001, 2002, 2003]));
        assert!(!grows(&[2000, 2001, 2001, 2002]) && !grows(&[1, 2, 3, 4]) && !grows(&[5000]));
    }
}
