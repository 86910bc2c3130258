//! `rocketmq/nsaddr`, `ops/*`, `cluster/*`.

use std::collections::BTreeMap;

use futures_util::stream::{self, StreamExt};
use rocketmq_protocol::body::ClusterInfo;
use serde_json::{Value, json};

use crate::answer::{Classic, Failure};
use crate::app::{ClassicResult, Ctx, Params};

/// Bare text, no envelope.
pub(super) async fn name_servers(ctx: Ctx) -> String {
    ctx.cluster.name_servers.clone()
}

pub(super) async fn ops_page(ctx: Ctx) -> ClassicResult {
    let switches = ctx.app.clusters.switches();
    Ok(Classic::of(json!({
        "namesvrAddrList": ctx.app.clusters.lists(),
        "useVIPChannel": switches.vip_channel,
        "useTLS": switches.use_tls,
    }))?)
}

pub(super) async fn update_name_servers(ctx: Ctx, params: Params) -> ClassicResult {
    let list = params.get("nameSvrAddrList")?;
    let is_address = |one: &str| {
        one.rsplit_once(':')
            .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
    };
    let valid = list.split(';').map(str::trim).filter(|one| !one.is_empty());
    if valid.clone().count() == 0 || !valid.clone().all(is_address) {
        let fix = "write host:port, several separated by semicolons";
        return Err(Failure::Invalid(
            format!("{list} is no list of name servers"),
            Some(fix.to_string()),
        )
        .into());
    }
    ctx.app.clusters.choose(list);
    ctx.note("update name servers", list, &Ok(()));
    Ok(Classic::done()?)
}

pub(super) async fn update_vip_channel(ctx: Ctx, params: Params) -> ClassicResult {
    let on = params.get("useVIPChannel")? == "true";
    ctx.app.clusters.switch(|switches| switches.vip_channel = on).await;
    ctx.note("update VIP channel", &on.to_string(), &Ok(()));
    Ok(Classic::done()?)
}

pub(super) async fn update_use_tls(ctx: Ctx, params: Params) -> ClassicResult {
    let on = params.get("useTLS")? == "true";
    ctx.app.clusters.switch(|switches| switches.use_tls = on).await;
    ctx.note("update TLS", &on.to_string(), &Ok(()));
    Ok(Classic::done()?)
}

/// 1.0.0's two checks check nothing; scripts read the keys.
pub(super) async fn status(_ctx: Ctx) -> ClassicResult {
    Ok(Classic::of(json!({"CLUSTER_HEALTH_CHECK": null, "TOPIC_ONLY_ONE_BROKER_CHECK": null}))?)
}

pub(super) async fn cluster_list(ctx: Ctx) -> ClassicResult {
    let info = ctx.admin().cluster_info().await?;
    let mut addresses = Vec::new();
    for data in info.broker_addr_table.values() {
        for (id, address) in &data.broker_addrs {
            addresses.push((data.broker_name.clone(), *id, address.clone()));
        }
    }
    let admin = ctx.admin();
    let asked = stream::iter(addresses).map(|(name, id, address)| async move {
        let runtime = admin.broker_runtime_info(&address).await;
        (name, id, runtime)
    });
    let answers: Vec<_> = asked.buffered(8).collect().await;
    let mut servers: BTreeMap<String, BTreeMap<String, BTreeMap<String, String>>> = BTreeMap::new();
    for (name, id, runtime) in answers {
        servers.entry(name).or_default().insert(id.to_string(), runtime?);
    }
    Ok(Classic::of(json!({"clusterInfo": cluster_info(&info), "brokerServer": servers}))?)
}

pub(super) fn cluster_info(info: &ClusterInfo) -> Value {
    let brokers: BTreeMap<&str, Value> = info
        .broker_addr_table
        .iter()
        .map(|(name, data)| {
            let addresses: BTreeMap<String, &String> =
                data.broker_addrs.iter().map(|(id, address)| (id.to_string(), address)).collect();
            let data = json!({"cluster": data.cluster, "brokerName": data.broker_name, "brokerAddrs": addresses});
            (name.as_str(), data)
        })
        .collect();
    json!({"brokerAddrTable": brokers, "clusterAddrTable": info.cluster_addr_table})
}

pub(super) async fn broker_config(ctx: Ctx, params: Params) -> ClassicResult {
    let config = ctx.admin().broker_config(params.get("brokerAddr")?).await?;
    let entries: BTreeMap<&str, &str> = config.iter().collect();
    Ok(Classic::of(entries)?)
}

/// Addresses of the masters of these clusters and brokers, each once, with the brokers' names.
pub(super) fn masters(
    info: &ClusterInfo,
    clusters: &[String],
    brokers: &[String],
) -> Result<Vec<(String, String)>, Failure> {
    let of_clusters =
        clusters.iter().filter_map(|name| info.cluster_addr_table.get(name)).flatten();
    let mut names: Vec<&String> = of_clusters.chain(brokers).collect();
    names.sort();
    names.dedup();
    let find = |name: &String| {
        let address = info.broker_addr_table.get(name).and_then(|data| data.master());
        let none = || Failure::invalid(format!("the broker {name} has no master now"));
        Ok((name.clone(), address.ok_or_else(none)?.to_string()))
    };
    let found: Result<Vec<_>, Failure> = names.into_iter().map(find).collect();
    match found {
        Ok(found) if found.is_empty() => {
            let fix = "name clusterNameList or brokerNameList; cluster/list.query lists them";
            Err(Failure::Invalid(
                "clusterName or brokerName can not be all blank".to_string(),
                Some(fix.to_string()),
            ))
        }
        found => found,
    }
}
