//! brokerStatus, updateBrokerConfig, getBrokerConfig, cleanExpiredCQ, cleanUnusedTopic.

use std::collections::BTreeMap;

use rocketmq_common::properties::Properties;
use rocketmq_protocol::body::MASTER_ID;

use super::command::{Command, NO_CLUSTER, Session};
use super::failure::Failure;
use crate::options::{optional, required};
use crate::out::{json, out, outln};

pub(crate) const BROKER_STATUS: Command = Command {
    name: "brokerStatus",
    class: "BrokerStatusSubCommand",
    description: "Fetch broker runtime status data",
    options: &[
        optional("b", "brokerAddr", "Broker address"),
        optional("c", "clusterName", "which cluster"),
    ],
    run: |session| Box::pin(broker_status(session)),
};

pub(crate) const UPDATE_BROKER_CONFIG: Command = Command {
    name: "updateBrokerConfig",
    class: "UpdateBrokerConfigSubCommand",
    description: "Update broker's config",
    options: &[
        optional("b", "brokerAddr", "update which broker"),
        optional("c", "clusterName", "update which cluster"),
        required("k", "key", "config key"),
        required("v", "value", "config value"),
    ],
    run: |session| Box::pin(update_broker_config(session)),
};

pub(crate) const GET_BROKER_CONFIG: Command = Command {
    name: "getBrokerConfig",
    class: "GetBrokerConfigCommand",
    description: "Get broker config by cluster or special broker!",
    options: &[
        optional("b", "brokerAddr", "get which broker"),
        optional("c", "clusterName", "get which cluster"),
    ],
    run: |session| Box::pin(get_broker_config(session)),
};

pub(crate) const CLEAN_EXPIRED_CQ: Command = Command {
    name: "cleanExpiredCQ",
    class: "CleanExpiredCQSubCommand",
    description: "Clean expired ConsumeQueue on broker.",
    options: &[
        optional("b", "brokerAddr", "Broker address"),
        optional("c", "cluster", "clustername"),
    ],
    run: |session| Box::pin(clean(session, Cleaning::ExpiredConsumeQueue)),
};

pub(crate) const CLEAN_UNUSED_TOPIC: Command = Command {
    name: "cleanUnusedTopic",
    class: "CleanUnusedTopicCommand",
    description: "Clean unused topic on broker.",
    options: &[
        optional("b", "brokerAddr", "Broker address"),
        optional("c", "cluster", "cluster name"),
    ],
    run: |session| Box::pin(clean(session, Cleaning::UnusedTopic)),
};

async fn broker_status(session: &Session) -> Result<(), Failure> {
    let Session { admin, given, .. } = session;
    let mut tables = BTreeMap::new();
    if let Some(address) = given.get("b") {
        let table = admin.broker_runtime_info(address).await?;
        if given.json() {
            tables.insert(address.to_string(), table);
        } else {
            table.iter().for_each(|(key, value)| outln!("{key:<32}: {value}"));
        }
    } else if let Some(cluster) = given.get("c") {
        for address in session.masters_and_slaves(cluster).await? {
            match admin.broker_runtime_info(&address).await {
                Ok(table) if given.json() => drop(tables.insert(address, table)),
                Ok(table) => {
                    let print = |(key, value)| outln!("{address:<24} {key:<32}: {value}");
                    table.iter().for_each(print);
                }
                Err(error) => session.complain(error),
            }
        }
    }
    if given.json() {
        json(&tables);
    }
    Ok(())
}

async fn update_broker_config(session: &Session) -> Result<(), Failure> {
    let (key, value) = (session.given.text("k"), session.given.text("v"));
    if session.given.has("b") {
        for address in session.targets().await? {
            let effect = session.admin.update_broker_config(&address, key, value).await?;
            outln!("update broker config success, {address}");
            tell(effect);
        }
        return Ok(());
    }
    for address in session.targets().await? {
        match session.admin.update_broker_config(&address, key, value).await {
            Ok(effect) => {
                outln!("update broker config success, {address}");
                tell(effect);
            }
            Err(error) => session.complain(error),
        }
    }
    Ok(())
}

/// What a broker says beside success, for people only: scripts read standard output.
fn tell(effect: Option<String>) {
    if let Some(effect) = effect {
        eprintln!("Hint: {effect}");
    }
}

async fn get_broker_config(session: &Session) -> Result<(), Failure> {
    let Session { admin, given, .. } = session;
    let mut titled: Vec<(String, String)> = Vec::new();
    if let Some(address) = given.get("b") {
        titled.push((format!("============{address}============"), address.to_string()));
    } else if let Some(cluster) = given.get("c") {
        let info = session.cluster_info().await?;
        let Some(names) = info.cluster_addr_table.get(cluster) else {
            out!("{NO_CLUSTER}");
            return Ok(());
        };
        for data in names.iter().filter_map(|name| info.broker_addr_table.get(name)) {
            let Some(master) = data.master() else { continue };
            titled.push((format!("============Master: {master}============"), master.to_string()));
            let slaves = data.broker_addrs.iter().filter(|(id, _)| **id != MASTER_ID);
            titled.extend(slaves.map(|(_, slave)| {
                let title =
                    format!("============My Master: {master}=====Slave: {slave}============");
                (title, slave.clone())
            }));
        }
    }
    let mut all = BTreeMap::new();
    for (title, address) in titled {
        if !given.json() {
            outln!("{title}");
        }
        let config = admin.broker_config(&address).await?;
        if given.json() {
            all.insert(address, as_map(&config));
        } else {
            print_config(&config);
            outln!();
        }
    }
    if given.json() {
        json(&all);
    }
    Ok(())
}

/// The entries of a configuration, sorted.
pub(crate) fn as_map(config: &Properties) -> BTreeMap<String, String> {
    config.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
}

/// Prints the entries of a configuration, sorted.
pub(crate) fn print_config(config: &Properties) {
    for (key, value) in as_map(config) {
        outln!("{key:<50}=  {value}");
    }
}

/// What is cleaned away.
#[derive(Clone, Copy)]
enum Cleaning {
    ExpiredConsumeQueue,
    UnusedTopic,
}

/// On one broker, on those of a cluster, or on all.
async fn clean(session: &Session, what: Cleaning) -> Result<(), Failure> {
    let Session { admin, given, .. } = session;
    let addresses = match given.get("b") {
        Some(address) => vec![address.to_string()],
        None => {
            let info = session.cluster_info().await?;
            let wanted = |cluster: &String| given.get("c").is_none_or(|name| name == cluster);
            let clusters = info.cluster_addr_table.iter().filter(|(cluster, _)| wanted(cluster));
            let data = clusters.flat_map(|(_, names)| names);
            let data = data.filter_map(|name| info.broker_addr_table.get(name));
            data.flat_map(|data| data.broker_addrs.values().cloned()).collect()
        }
    };
    for address in &addresses {
        match what {
            Cleaning::ExpiredConsumeQueue => admin.clean_expired_consume_queue(address).await?,
            Cleaning::UnusedTopic => admin.clean_unused_topic(address).await?,
        }
    }
    out!("{}", if addresses.is_empty() { "false" } else { "success" });
    Ok(())
}
