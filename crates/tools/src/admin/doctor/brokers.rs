//! Brokers: reachable where the name server sends clients, in time, with room, replicated.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use rocketmq_client::ClientError;
use rocketmq_common::clock;
use rocketmq_protocol::RequestCode;
use rocketmq_protocol::body::{BrokerData, ClusterInfo, MASTER_ID};
use rocketmq_store::DiskLimits;

use super::finding::Findings;
use super::{local, ports, store, tls};
use crate::admin::command::Session;

/// Differences of clocks that matter: message times, delays and transaction checks are off by them.
const SKEW_MS: i64 = 5_000;
/// Part of a disk from which the broker deletes what has expired at any hour.
const DISK_FULL_SOON: f64 = 0.75;
/// Bytes that a slave may be behind.
const REPLICATION_LAG: i64 = 64 * 1024 * 1024;
/// Bytes that queues and index may be behind the log.
const DISPATCH_LAG: i64 = 64 * 1024 * 1024;

type RuntimeInfo = BTreeMap<String, String>;

pub(super) async fn look(session: &Session, clusters: &ClusterInfo, findings: &mut Findings) {
    if clusters.broker_addr_table.is_empty() {
        findings.error(
            "brokers",
            "no broker is registered",
            "nothing can be sent or read",
            "sh bin/mqbroker -n <these name servers>; broker.log tells why a broker does not register",
        );
    }
    for data in clusters.broker_addr_table.values() {
        broker(session, data, findings).await;
    }
}

/// A broker's place in findings.
pub(super) fn place(data: &BrokerData, id: i64, address: &str) -> String {
    let role = if id == MASTER_ID { "master".to_string() } else { format!("slave {id}") };
    format!("{} ({role}, {address})", data.broker_name)
}

async fn broker(session: &Session, data: &BrokerData, findings: &mut Findings) {
    if data.master().is_none() {
        findings.error(
            &data.broker_name,
            "has no master",
            "messages can be read from its slaves, but none can be sent to it",
            "start the master, the broker with brokerId=0",
        );
    }
    let mut ends = BTreeMap::new();
    for (id, address) in &data.broker_addrs {
        let place = place(data, *id, address);
        judge_address(&place, address, &session.admin.name_servers(), findings);
        match session.admin.broker_runtime_info(address).await {
            Ok(info) => {
                answers(session, data, *id, address, &info, findings).await;
                ends.insert(*id, number(&info, "commitLogMaxOffset"));
            }
            Err(error @ ClientError::Remoting(_)) => {
                silent(session, &place, address, &error, findings).await;
            }
            // Access control refuses; told of with it.
            Err(_) => findings.fine(&place, "answers, but not what it was asked"),
        }
    }
    judge_replication(data, &ends, findings);
}

/// Looks closer at a broker that answers.
async fn answers(
    session: &Session,
    data: &BrokerData,
    id: i64,
    address: &str,
    info: &RuntimeInfo,
    findings: &mut Findings,
) {
    let place = &place(data, id, address);
    judge_address(place, address, &session.admin.name_servers(), findings);
    findings.fine(place, format!("answers, {}", text(info, "brokerVersionDesc")));
    tls::look_at(place, address, findings).await;
    judge_clock(place, info, clock::now_ms(), findings);
    judge_disk(place, info, DiskLimits::of_process(), findings);
    judge_dispatch(place, info, findings);
    if id != MASTER_ID {
        let divergence = session.admin.slave_divergence(&data.broker_name, address).await;
        judge_divergence(place, divergence.ok().flatten(), findings);
    }
    if let Ok(config) = session.admin.broker_config(address).await {
        ports::look(place, data, id, address, &config, findings).await;
        store::judge_state(place, info, &config, findings);
        local::look(session, place, address, &config, findings).await;
    }
    store::leftovers(session, place, address, findings).await;
}

/// A broker that the name server names and that is not there.
async fn silent(
    session: &Session,
    place: &str,
    address: &str,
    error: &ClientError,
    findings: &mut Findings,
) {
    judge_address(place, address, &session.admin.name_servers(), findings);
    let uses_tls = session.admin.client_config().use_tls;
    let code = RequestCode::GET_BROKER_RUNTIME_INFO;
    if tls::explains(place, address, uses_tls, code, findings).await {
        return;
    }
    findings.error(
        place,
        format!("does not answer: {error}"),
        "the name server sends clients to this address; every send and pull to it fails",
        "start the broker; if it runs, set brokerIP1 to an address that clients reach, open \
         its ports (listenPort, listenPort-2), and restart it",
    );
}

fn text<'a>(info: &'a RuntimeInfo, key: &str) -> &'a str {
    info.get(key).map(String::as_str).unwrap_or_default()
}

fn number(info: &RuntimeInfo, key: &str) -> i64 {
    text(info, key).parse().unwrap_or(0)
}

/// A loopback address is of use on the broker's own machine only.
fn judge_address(place: &str, address: &str, name_servers: &[String], findings: &mut Findings) {
    let is_local = |address: &str| {
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    };
    if is_local(address) && !name_servers.iter().any(|server| is_local(server)) {
        findings.error(
            place,
            "is registered with a loopback address",
            "clients on other machines look for the broker on themselves",
            "set brokerIP1 in its configuration to an address that clients reach, and restart it",
        );
    }
}

/// The broker's clock, from its start and how long it runs; a second exact.
fn broker_time(info: &RuntimeInfo) -> Option<i64> {
    let digits = text(info, "runtime").split(|c: char| !c.is_ascii_digit());
    let parts: Vec<i64> = digits.filter_map(|part| part.parse().ok()).collect();
    let [days, hours, minutes, seconds] = parts.as_slice() else { return None };
    let boot = text(info, "bootTimestamp").parse::<i64>().ok()?;
    let runs = ((days * 24 + hours) * 60 + minutes) * 60 + seconds;
    Some(boot + i64::try_from(Duration::from_secs(u64::try_from(runs).ok()?).as_millis()).ok()?)
}

fn judge_clock(place: &str, info: &RuntimeInfo, now: i64, findings: &mut Findings) {
    let Some(skew) = broker_time(info).map(|theirs| theirs - now) else { return };
    if skew.abs() > SKEW_MS {
        findings.warn(
            place,
            format!("its clock is {:.0} s off from this machine's", skew as f64 / 1000.0),
            "store times, delays, transaction checks and resetOffsetByTime are wrong by as much",
            "synchronise the clocks (chronyc makestep, or timedatectl set-ntp true)",
        );
    }
}

fn judge_disk(place: &str, info: &RuntimeInfo, limits: DiskLimits, findings: &mut Findings) {
    let mut fullest: Option<(&str, f64)> = None;
    for (key, value) in info.iter().filter(|(key, _)| key.contains("DiskRatio")) {
        let Ok(ratio) = value.parse::<f64>() else { continue };
        if fullest.is_none_or(|(_, most)| ratio > most) {
            fullest = Some((key, ratio));
        }
    }
    let Some((key, ratio)) = fullest else { return };
    let what = format!("disk is {:.0} % full ({key})", ratio * 100.0);
    let todo = "free the disk, add one, or shorten fileReservedTime (mqadmin updateBrokerConfig)";
    if ratio > limits.warning {
        let why = "the broker refuses messages: code 14, service not available";
        findings.error(place, what, why, todo);
    } else if ratio >= DISK_FULL_SOON {
        let why = "old messages are deleted before fileReservedTime is over, and soon writes stop";
        findings.warn(place, what, why, todo);
    } else {
        findings.fine(place, what);
    }
}

fn judge_dispatch(place: &str, info: &RuntimeInfo, findings: &mut Findings) {
    let behind = number(info, "dispatchBehindBytes");
    if behind > DISPATCH_LAG {
        findings.warn(
            place,
            format!("queues are {behind} bytes behind the log"),
            "messages are stored, but consumers do not see them yet",
            "look at the broker's disk (iostat -x 1) and at store.log",
        );
    }
}

fn judge_divergence(place: &str, divergence: Option<String>, findings: &mut Findings) {
    if let Some(why) = divergence {
        findings.error(
            place,
            format!("does not follow its master: {why}"),
            "nothing sent from now on is copied, and what is read from it may not be what the master holds",
            "stop the slave, keep a copy of its store, and start it with an empty one; \
             haFullSync=true copies the master's whole log",
        );
    }
}

fn judge_replication(data: &BrokerData, ends: &BTreeMap<i64, i64>, findings: &mut Findings) {
    let Some(master) = ends.get(&MASTER_ID) else { return };
    for (id, end) in ends.iter().filter(|(id, _)| **id != MASTER_ID) {
        let address = data.broker_addrs.get(id).map(String::as_str).unwrap_or_default();
        let place = place(data, *id, address);
        let behind = master - end;
        if behind > REPLICATION_LAG {
            findings.warn(
                &place,
                format!("is {behind} bytes behind its master"),
                "what is not copied is lost if the master is; SYNC_MASTER answers \
                 SLAVE_NOT_AVAILABLE beyond haSlaveFallbehindMax",
                "look at the network between them and at the slave's store.log",
            );
        } else {
            findings.fine(&place, format!("is {} bytes behind its master", behind.max(0)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Severity;
    use super::*;

    fn info(entries: &[(&str, &str)]) -> RuntimeInfo {
        entries.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
    }

    fn severities(findings: &Findings) -> Vec<Severity> {
        findings.0.iter().map(|finding| finding.severity).collect()
    }

    #[test]
    fn a_clock_that_is_off_is_told() {
        let info = info(&[
            ("bootTimestamp", "1000000"),
            ("runtime", "[ 0 days, 1 hours, 0 minutes, 10 seconds ]"),
        ]);
        assert_eq!(broker_time(&info), Some(1_000_000 + 3_610_000));
        let mut findings = Findings::default();
        judge_clock("b", &info, 4_610_000, &mut findings);
        assert!(findings.0.is_empty());
        judge_clock("b", &info, 4_680_000, &mut findings);
        assert_eq!(findings.0[0].what, "its clock is -70 s off from this machine's");
    }

    #[test]
    fn the_fullest_disk_counts() {
        for (ratio, severity) in
            [("0.30", Severity::Fine), ("0.80", Severity::Warning), ("0.95", Severity::Error)]
        {
            let info = info(&[("commitLogDiskRatio", "0.2"), ("consumeQueueDiskRatio", ratio)]);
            let mut findings = Findings::default();
            judge_disk("b", &info, DiskLimits::default(), &mut findings);
            assert_eq!(severities(&findings), [severity]);
        }
    }

    #[test]
    fn loopback_addresses_are_for_one_machine() {
        let mut findings = Findings::default();
        judge_address("b", "127.0.0.1:10911", &["127.0.0.1:9876".to_string()], &mut findings);
        assert!(findings.0.is_empty());
        judge_address("b", "127.0.0.1:10911", &["10.0.0.1:9876".to_string()], &mut findings);
        assert_eq!(severities(&findings), [Severity::Error]);
    }

    #[test]
    fn slaves_that_are_no_copies_are_told() {
        let mut findings = Findings::default();
        judge_divergence("b", None, &mut findings);
        assert!(findings.0.is_empty());
        judge_divergence("b", Some("the end is another".into()), &mut findings);
        assert_eq!(severities(&findings), [Severity::Error]);
        assert_eq!(findings.0[0].what, "does not follow its master: the end is another");
    }

    #[test]
    fn slaves_that_fall_behind_are_told() {
        let mut data = BrokerData { broker_name: "b".to_string(), ..BrokerData::default() };
        data.broker_addrs.insert(1, "h:1".to_string());
        let mut findings = Findings::default();
        judge_replication(&data, &BTreeMap::from([(0, 100), (1, 40)]), &mut findings);
        let far = REPLICATION_LAG + 1;
        judge_replication(&data, &BTreeMap::from([(0, far), (1, 0)]), &mut findings);
        assert_eq!(severities(&findings), [Severity::Fine, Severity::Warning]);
    }
}
