//! Name servers: reachable, and of one mind.

use rocketmq_client::admin::AdminClient;
use rocketmq_protocol::RequestCode;
use rocketmq_protocol::body::ClusterInfo;

use super::finding::Findings;
use super::tls;
use crate::admin::command::Session;

/// Asks each name server for itself; the clusters that the first answering one knows.
pub(super) async fn look(session: &Session, findings: &mut Findings) -> Option<ClusterInfo> {
    let servers = session.admin.name_servers();
    if servers.is_empty() {
        findings.error(
            "name servers",
            "none is given",
            "every client starts by asking a name server",
            "mqadmin doctor -n HOST:9876, or set NAMESRV_ADDR",
        );
        return None;
    }
    let mut known: Vec<(String, ClusterInfo)> = Vec::new();
    for server in servers {
        match ask(&server).await {
            Ok(info) => {
                let brokers = info.broker_addr_table.len();
                findings.fine(&server, format!("name server answers and knows {brokers} brokers"));
                tls::look_at(&server, &server, findings).await;
                known.push((server, info));
            }
            Err(_) if explained_by_tls(session, &server, findings).await => {}
            Err(error) => findings.error(
                &server,
                format!("name server does not answer: {error}"),
                "clients and brokers that are given this address wait for it before they try others",
                "start it (sh bin/mqnamesrv), open its port, or take it out of every namesrvAddr",
            ),
        }
    }
    compare(&known, findings);
    known.into_iter().next().map(|(_, info)| info)
}

async fn explained_by_tls(session: &Session, server: &str, findings: &mut Findings) -> bool {
    let uses_tls = session.admin.client_config().use_tls;
    tls::explains(server, server, uses_tls, RequestCode::GET_BROKER_CLUSTER_INFO, findings).await
}

async fn ask(server: &str) -> Result<ClusterInfo, rocketmq_client::ClientError> {
    let admin = AdminClient::connect(Some(server))?;
    let info = admin.cluster_info().await;
    admin.shutdown().await;
    info
}

/// A broker that only some name servers know is there for some clients only.
fn compare(known: &[(String, ClusterInfo)], findings: &mut Findings) {
    for (server, info) in known {
        for (other, theirs) in known {
            let missing = theirs.broker_addr_table.keys();
            for name in missing.filter(|name| !info.broker_addr_table.contains_key(*name)) {
                findings.error(
                    server,
                    format!("does not know the broker {name}, which {other} knows"),
                    "clients of this name server neither send to nor read from that broker",
                    &format!("add {server} to namesrvAddr of {name} and restart it"),
                );
            }
            twins(server, info, other, theirs, findings);
        }
    }
}

/// One name and id at two addresses: each registration throws the other broker out.
fn twins(
    server: &str,
    info: &ClusterInfo,
    other: &str,
    theirs: &ClusterInfo,
    findings: &mut Findings,
) {
    // Each pair once.
    for (name, data) in info.broker_addr_table.iter().filter(|_| server < other) {
        let Some(their) = theirs.broker_addr_table.get(name) else { continue };
        for (id, address) in &data.broker_addrs {
            let Some(their) = their.broker_addrs.get(id).filter(|their| *their != address) else {
                continue;
            };
            findings.error(
                server,
                format!("has {name} {id} at {address}, {other} has it at {their}"),
                "two brokers with one name and id take each other's place; messages are sent to one \
                 and looked for at the other",
                "give one of them another brokerName or brokerId, and restart it",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use rocketmq_protocol::body::BrokerData;

    use super::*;

    #[test]
    fn name_servers_must_agree() {
        let mut full = ClusterInfo::default();
        full.broker_addr_table.insert("broker-a".to_string(), Default::default());
        let known = [("one:1".to_string(), full), ("two:2".to_string(), ClusterInfo::default())];
        let mut findings = Findings::default();
        compare(&known, &mut findings);
        assert_eq!(findings.0.len(), 1);
        assert_eq!(findings.0[0].place, "two:2");
    }

    #[test]
    fn one_broker_at_two_addresses_is_told_once() {
        let at = |address: &str| {
            let mut info = ClusterInfo::default();
            let mut data = BrokerData { broker_name: "b".to_string(), ..BrokerData::default() };
            data.broker_addrs.insert(0, address.to_string());
            info.broker_addr_table.insert("b".to_string(), data);
            info
        };
        let known = [("one:1".to_string(), at("h:1")), ("two:2".to_string(), at("h:2"))];
        let mut findings = Findings::default();
        compare(&known, &mut findings);
        assert_eq!(findings.0.len(), 1);
        assert_eq!(findings.0[0].what, "has b 0 at h:1, two:2 has it at h:2");
    }
}
