//! Name servers: reachable, and of one mind.

use rocketmq_client::admin::AdminClient;
use rocketmq_protocol::body::ClusterInfo;

use super::finding::Findings;
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
                known.push((server, info));
            }
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
        }
    }
}

#[cfg(test)]
mod tests {
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
}
