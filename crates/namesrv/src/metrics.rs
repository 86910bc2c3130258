//! The name server's `/metrics`, `/healthz` and `/readyz`.

use std::sync::Arc;

use rocketmq_remoting::ConnectionCount;
use rocketmq_remoting::probe::{Exposition, Kind, Probed};

use crate::server::State;

/// A running name server as monitoring sees it.
pub(crate) struct NamesrvProbe {
    pub(crate) state: Arc<State>,
    pub(crate) connections: ConnectionCount,
}

impl Probed for NamesrvProbe {
    fn metrics(&self) -> String {
        let mut out = Exposition::default();
        let routes = self.state.routes.read();
        let (info, topics) = (routes.cluster_info(), routes.topics_where(|_| true));
        drop(routes);
        let name = "rocketmq_namesrv_broker";
        out.family(name, Kind::Gauge, "Addresses registered, by cluster and name of the broker.");
        for (cluster, names) in &info.cluster_addr_table {
            for broker in names {
                let known = info.broker_addr_table.get(broker);
                let labels = [("cluster", cluster.as_str()), ("broker", broker)];
                out.sample(name, &labels, known.map_or(0, |data| data.broker_addrs.len()));
            }
        }
        let count = topics.topic_list.len();
        out.single("rocketmq_namesrv_topics", Kind::Gauge, "Topics with a route.", &[], count);
        let (name, help) = ("rocketmq_namesrv_connections", "Open connections.");
        out.single(name, Kind::Gauge, help, &[], self.connections.open());
        out.finish()
    }

    fn health(&self) -> Result<(), String> {
        Ok(())
    }

    /// It serves as soon as it listens: routes are not waited for, as clients ask again.
    fn readiness(&self) -> Result<(), String> {
        Ok(())
    }
}
