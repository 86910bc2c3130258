//! clusterList.

use std::collections::BTreeMap;
use std::time::Duration;

use rocketmq_client::admin::AdminClient;
use rocketmq_common::clock;

use super::{Command, Failure};
use crate::options::{Given, flag, optional};

pub(crate) const CLUSTER_LIST: Command = Command {
    name: "clusterList",
    class: "ClusterListSubCommand",
    description: "List all of clusters",
    options: &[
        flag("m", "moreStats", "Print more stats"),
        optional("i", "interval", "specify intervals numbers, it is in seconds"),
    ],
    run: |admin, given| Box::pin(cluster_list(admin, given)),
};

async fn cluster_list(admin: &AdminClient, given: &Given) -> Result<(), Failure> {
    let interval = match given.get("i") {
        None => None,
        Some(text) => Some(Duration::from_secs(text.parse().map_err(|_| Failure::Usage)?)),
    };
    loop {
        if given.has("m") {
            print_totals(admin).await?;
        } else {
            print_brokers(admin).await?;
        }
        let Some(interval) = interval else { return Ok(()) };
        tokio::time::sleep(interval).await;
        println!();
    }
}

/// What one broker says of itself; empty when it cannot be reached.
async fn runtime_info(admin: &AdminClient, address: &str) -> BTreeMap<String, String> {
    match admin.broker_runtime_info(address).await {
        Ok(table) => table,
        Err(error) => {
            eprintln!("{}: {error}", error.java_class());
            BTreeMap::new()
        }
    }
}

async fn print_brokers(admin: &AdminClient) -> Result<(), Failure> {
    let info = admin.cluster_info().await?;
    println!(
        "{:<16}  {:<22}  {:<4}  {:<22} {:<16} {:>19} {:>19} {:>10} {:>5} {:>6}",
        "#Cluster Name",
        "#Broker Name",
        "#BID",
        "#Addr",
        "#Version",
        "#InTPS(LOAD)",
        "#OutTPS(LOAD)",
        "#PCWait(ms)",
        "#Hour",
        "#SPACE"
    );
    for (cluster, names) in &info.cluster_addr_table {
        let mut names = names.clone();
        names.sort();
        for name in &names {
            let Some(data) = info.broker_addr_table.get(name) else { continue };
            for (id, address) in &data.broker_addrs {
                let table = runtime_info(admin, address).await;
                print_broker(cluster, name, *id, address, &table);
            }
        }
    }
    Ok(())
}

fn print_broker(
    cluster: &str,
    name: &str,
    id: i64,
    address: &str,
    table: &BTreeMap<String, String>,
) {
    let text = |key: &str| table.get(key).map(String::as_str).unwrap_or_default();
    let first = |key: &str| -> f64 {
        text(key).split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0.0)
    };
    let load = |tps: &str, queue: &str| {
        let (size, wait) = (format!("{queue}QueueSize"), format!("{queue}QueueHeadWaitTimeMills"));
        format!("{:9.2}({},{}ms)", first(tps), text(&size), text(&wait))
    };
    let (hours, space) = if table.is_empty() {
        (0.0, 0.0)
    } else {
        let earliest: i64 = text("earliestMessageTimeStamp").parse().unwrap_or(0);
        let ratio: f64 = text("commitLogDiskRatio").parse().unwrap_or(0.0);
        ((clock::now_ms() - earliest) as f64 / 3_600_000.0, ratio)
    };
    println!(
        "{cluster:<16}  {name:<22}  {id:<4}  {address:<22} {:<16} {:>19} {:>19} {:>10} {:>5} {:>6}",
        text("brokerVersionDesc"),
        load("putTps", "sendThreadPool"),
        load("getTransferedTps", "pullThreadPool"),
        text("pageCacheLockTimeMills"),
        format!("{hours:.2}"),
        format!("{space:.4}"),
    );
}

async fn print_totals(admin: &AdminClient) -> Result<(), Failure> {
    let info = admin.cluster_info().await?;
    println!(
        "{:<16}  {:<32} {:>14} {:>14} {:>14} {:>14}",
        "#Cluster Name",
        "#Broker Name",
        "#InTotalYest",
        "#OutTotalYest",
        "#InTotalToday",
        "#OutTotalToday"
    );
    for (cluster, names) in &info.cluster_addr_table {
        for name in names {
            let Some(data) = info.broker_addr_table.get(name) else { continue };
            for address in data.broker_addrs.values() {
                let table = runtime_info(admin, address).await;
                let number = |key: &str| -> i64 {
                    table.get(key).and_then(|text| text.parse().ok()).unwrap_or(0)
                };
                let day = |kind: &str, later: &str, earlier: &str| {
                    number(&format!("msg{kind}Total{later}"))
                        - number(&format!("msg{kind}Total{earlier}"))
                };
                println!(
                    "{cluster:<16}  {name:<32} {:>14} {:>14} {:>14} {:>14}",
                    day("Put", "TodayMorning", "YesterdayMorning"),
                    day("Get", "TodayMorning", "YesterdayMorning"),
                    day("Put", "TodayNow", "TodayMorning"),
                    day("Get", "TodayNow", "TodayMorning"),
                );
            }
        }
    }
    Ok(())
}
