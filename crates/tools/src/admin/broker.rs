//! brokerStatus.

use rocketmq_client::admin::AdminClient;

use super::{Command, Failure};
use crate::options::{Given, optional};

pub(crate) const BROKER_STATUS: Command = Command {
    name: "brokerStatus",
    class: "BrokerStatusSubCommand",
    description: "Fetch broker runtime status data",
    options: &[
        optional("b", "brokerAddr", "Broker address"),
        optional("c", "clusterName", "which cluster"),
    ],
    run: |admin, given| Box::pin(broker_status(admin, given)),
};

async fn broker_status(admin: &AdminClient, given: &Given) -> Result<(), Failure> {
    if let Some(address) = given.get("b") {
        for (key, value) in admin.broker_runtime_info(address).await? {
            println!("{key:<32}: {value}");
        }
        return Ok(());
    }
    let Some(cluster) = given.get("c") else { return Ok(()) };
    for address in addresses(admin, cluster).await? {
        match admin.broker_runtime_info(&address).await {
            Ok(table) => {
                for (key, value) in table {
                    println!("{address:<24} {key:<32}: {value}");
                }
            }
            Err(error) => eprintln!("{}: {error}", error.java_class()),
        }
    }
    Ok(())
}

/// Addresses of every master and slave of a cluster.
async fn addresses(admin: &AdminClient, cluster: &str) -> Result<Vec<String>, Failure> {
    let info = admin.cluster_info().await?;
    let Some(names) = info.cluster_addr_table.get(cluster) else {
        println!("{}", super::topic::NO_CLUSTER);
        return Ok(Vec::new());
    };
    let data = names.iter().filter_map(|name| info.broker_addr_table.get(name));
    Ok(data.flat_map(|data| data.broker_addrs.values().cloned()).collect())
}
