//! The broker's other ports: the one for sends below its listenPort, the one for slaves above.

use std::time::Duration;

use rocketmq_common::properties::Properties;
use rocketmq_protocol::body::{BrokerData, MASTER_ID};
use tokio::net::TcpStream;

use super::finding::Findings;

/// How long a port may take to accept.
const PATIENCE: Duration = Duration::from_secs(3);

/// Knocks at them, from here: what a client or a slave on this machine would meet.
pub(super) async fn look(
    place: &str,
    data: &BrokerData,
    id: i64,
    address: &str,
    config: &Properties,
    findings: &mut Findings,
) {
    let Some((host, port)) = address.rsplit_once(':') else { return };
    if let Some(port) = port.parse::<u16>().ok().and_then(|port| port.checked_sub(2)) {
        let vip = format!("{host}:{port}");
        if let Err(error) = knock(&vip).await {
            findings.warn(
                place,
                format!("its port for sends, {vip}, cannot be reached: {error}"),
                "clients with vipChannelEnabled=true cannot send, and slaves cannot copy topics",
                "open listenPort-2 as well as listenPort in every firewall and port mapping",
            );
        }
    }
    let has_slaves = data.broker_addrs.keys().any(|id| *id != MASTER_ID);
    let is_waited_for = config.get("brokerRole") == Some("SYNC_MASTER");
    let ha = config.get("brokerIP2").zip(config.get("haListenPort"));
    if let (MASTER_ID, true, Some((host, port))) = (id, has_slaves || is_waited_for, ha) {
        let ha = format!("{host}:{port}");
        match knock(&ha).await {
            Ok(()) => findings.fine(place, format!("its port for slaves, {ha}, can be reached")),
            Err(error) => findings.error(
                place,
                format!("its port for slaves, {ha}, cannot be reached: {error}"),
                "slaves copy nothing; a SYNC_MASTER answers SLAVE_NOT_AVAILABLE",
                "set brokerIP2 to an address that slaves reach, open listenPort+1, restart it",
            ),
        }
    }
}

async fn knock(address: &str) -> std::io::Result<()> {
    let late = |_| std::io::Error::from(std::io::ErrorKind::TimedOut);
    tokio::time::timeout(PATIENCE, TcpStream::connect(address)).await.map_err(late)?.map(drop)
}

#[cfg(test)]
mod tests {
    use super::super::finding::Severity;
    use super::*;

    #[tokio::test]
    async fn ports_that_nobody_listens_on_are_told() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let open = listener.local_addr().unwrap().port();
        // Nobody can listen there.
        let told = async |open: u16| {
            let mut data = BrokerData { broker_name: "b".to_string(), ..BrokerData::default() };
            data.broker_addrs.insert(1, "127.0.0.1:1".to_string());
            let config = format!("brokerIP2=127.0.0.1\nhaListenPort={open}\n");
            let config = Properties::parse(config.as_bytes());
            let mut findings = Findings::default();
            look("b", &data, 0, "127.0.0.1:2", &config, &mut findings).await;
            findings.0.iter().map(|finding| finding.severity).collect::<Vec<_>>()
        };
        assert_eq!(told(open).await, [Severity::Warning, Severity::Fine]);
        assert_eq!(told(0).await, [Severity::Warning, Severity::Error]);
    }
}
