//! clusterList.

use std::collections::BTreeMap;
use std::time::Duration;

use rocketmq_common::clock;

use super::command::{Command, Session};
use super::failure::Failure;
use crate::options::{flag, optional};
use crate::out::{Table, is_closed, outln};
use crate::printf::{fixed, printf};

pub(crate) const CLUSTER_LIST: Command = Command {
    name: "clusterList",
    class: "ClusterListSubCommand",
    description: "List all of clusters",
    options: &[
        flag("m", "moreStats", "Print more stats"),
        optional("i", "interval", "specify intervals numbers, it is in seconds"),
    ],
    run: |session| Box::pin(cluster_list(session)),
};

async fn cluster_list(session: &Session) -> Result<(), Failure> {
    let given = &session.given;
    let interval: Option<u64> = match given.has("i") {
        true => Some(given.number("i", 1)?),
        false => None,
    };
    loop {
        if given.has("m") {
            print_totals(session).await?;
        } else {
            print_brokers(session).await?;
        }
        let Some(interval) = interval.filter(|_| !is_closed()) else { return Ok(()) };
        tokio::time::sleep(Duration::from_secs(interval)).await;
        outln!();
    }
}

/// What one broker says of itself; empty when it cannot be reached.
async fn runtime_info(session: &Session, address: &str) -> BTreeMap<String, String> {
    match session.admin.broker_runtime_info(address).await {
        Ok(table) => table,
        Err(error) => {
            session.complain(error);
            BTreeMap::new()
        }
    }
}

async fn print_brokers(session: &Session) -> Result<(), Failure> {
    let info = session.cluster_info().await?;
    let format = "%-16s  %-22s  %-4s  %-22s %-16s %19s %19s %10s %5s %6s";
    let mut table = Table::new(
        session.given.json(),
        format,
        format,
        &[
            "#Cluster Name",
            "#Broker Name",
            "#BID",
            "#Addr",
            "#Version",
            "#InTPS(LOAD)",
            "#OutTPS(LOAD)",
            "#PCWait(ms)",
            "#Hour",
            "#SPACE",
        ],
    );
    for (cluster, names) in &info.cluster_addr_table {
        let mut names = names.clone();
        names.sort();
        for data in names.iter().filter_map(|name| info.broker_addr_table.get(name)) {
            for (id, address) in &data.broker_addrs {
                let info = runtime_info(session, address).await;
                let about = About { cluster, name: &data.broker_name, id: *id, address };
                print_broker(&mut table, &about, &info);
            }
        }
    }
    table.finish();
    Ok(())
}

/// Which broker a row is about.
struct About<'a> {
    cluster: &'a str,
    name: &'a str,
    id: i64,
    address: &'a str,
}

fn print_broker(table: &mut Table, about: &About<'_>, info: &BTreeMap<String, String>) {
    let text = |key: &str| info.get(key).map(String::as_str).unwrap_or_default();
    let first = |key: &str| -> f64 {
        text(key).split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0.0)
    };
    let load = |tps: &str, queue: &str| {
        let (size, wait) = (format!("{queue}QueueSize"), format!("{queue}QueueHeadWaitTimeMills"));
        let cells = [first(tps).into(), text(&size).into(), text(&wait).into()];
        printf("%9.2f(%s,%sms)", &cells)
    };
    let (hours, space) = if info.is_empty() {
        (0.0, 0.0)
    } else {
        let earliest: i64 = text("earliestMessageTimeStamp").parse().unwrap_or(0);
        let ratio: f64 = text("commitLogDiskRatio").parse().unwrap_or(0.0);
        ((clock::now_ms() - earliest) as f64 / 3_600_000.0, ratio)
    };
    table.row([
        about.cluster.into(),
        about.name.into(),
        about.id.into(),
        about.address.into(),
        text("brokerVersionDesc").into(),
        load("putTps", "sendThreadPool").into(),
        load("getTransferedTps", "pullThreadPool").into(),
        text("pageCacheLockTimeMills").into(),
        fixed(hours, 2).into(),
        fixed(space, 4).into(),
    ]);
}

async fn print_totals(session: &Session) -> Result<(), Failure> {
    let info = session.cluster_info().await?;
    let mut table = Table::new(
        session.given.json(),
        "%-16s  %-32s %14s %14s %14s %14s",
        "%-16s  %-32s %14d %14d %14d %14d",
        &[
            "#Cluster Name",
            "#Broker Name",
            "#InTotalYest",
            "#OutTotalYest",
            "#InTotalToday",
            "#OutTotalToday",
        ],
    );
    for (cluster, names) in &info.cluster_addr_table {
        for data in names.iter().filter_map(|name| info.broker_addr_table.get(name)) {
            for address in data.broker_addrs.values() {
                let info = runtime_info(session, address).await;
                let number = |key: &str| -> i64 {
                    info.get(key).and_then(|text| text.parse().ok()).unwrap_or(0)
                };
                let day = |kind: &str, later: &str, earlier: &str| {
                    number(&format!("msg{kind}Total{later}"))
                        - number(&format!("msg{kind}Total{earlier}"))
                };
                table.row([
                    cluster.into(),
                    (&data.broker_name).into(),
                    day("Put", "TodayMorning", "YesterdayMorning").into(),
                    day("Get", "TodayMorning", "YesterdayMorning").into(),
                    day("Put", "TodayNow", "TodayMorning").into(),
                    day("Get", "TodayNow", "TodayMorning").into(),
                ]);
            }
        }
    }
    table.finish();
    Ok(())
}
