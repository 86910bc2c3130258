//! The broker's `/metrics`, `/healthz` and `/readyz`. Names and labels are those of the public
//! rocketmq-exporter where it has one; `docs/operations.md` lists ours.

mod groups;
mod runtime;

use std::collections::BTreeMap;
use std::sync::Arc;

use rocketmq_protocol::topic::{DLQ_PREFIX, RETRY_PREFIX};
use rocketmq_remoting::ConnectionCount;
use rocketmq_remoting::probe::{Exposition, Kind, Probed};

use crate::context::BrokerContext;

/// A running broker as monitoring sees it.
pub(crate) struct BrokerProbe {
    pub(crate) context: Arc<BrokerContext>,
    pub(crate) connections: Vec<ConnectionCount>,
}

impl Probed for BrokerProbe {
    fn metrics(&self) -> String {
        let mut out = Exposition::default();
        let context = &self.context;
        let settings = context.settings();
        let host = context.store_host.ip().to_string();
        let here = Here {
            cluster: &settings.broker.broker_cluster_name,
            broker: &settings.broker.broker_name,
            host: &host,
        };
        rates(context, &here, &mut out);
        topics(context, &here, &mut out);
        groups::write(context, &here, &mut out);
        runtime::write(context, &here, &mut out);
        self.write_own(&here, &mut out);
        out.finish()
    }

    fn health(&self) -> Result<(), String> {
        self.context.store.fatal().map_or(Ok(()), Err)
    }

    fn readiness(&self) -> Result<(), String> {
        self.health()?;
        let states = self.context.outward.registrations();
        if states.values().any(|is_registered| *is_registered) {
            return Ok(());
        }
        if states.is_empty() {
            return Err("no name server knows this broker; set namesrvAddr".to_string());
        }
        let servers: Vec<_> = states.into_keys().collect();
        Err(format!(
            "not registered with {}; broker.log says why (registerBroker Exception)",
            servers.join(";")
        ))
    }
}

/// The labels that name this broker.
pub(crate) struct Here<'a> {
    cluster: &'a str,
    broker: &'a str,
    host: &'a str,
}

impl<'a> Here<'a> {
    /// Cluster and broker, and one more.
    fn with(&self, label: &'a str, value: &'a str) -> [(&'a str, &'a str); 3] {
        [("cluster", self.cluster), ("broker", self.broker), (label, value)]
    }

    /// Cluster, broker, topic and group.
    fn of_group(&self, topic: &'a str, group: &'a str) -> [(&'a str, &'a str); 4] {
        [("cluster", self.cluster), ("broker", self.broker), ("topic", topic), ("group", group)]
    }

    fn ip(&self) -> [(&'a str, &'a str); 3] {
        [("cluster", self.cluster), ("brokerIP", self.host), ("broker", self.broker)]
    }
}

/// The statistics' rates of the last minute: set, name of the metric, help.
const RATES: [(&str, &str, &str); 7] = [
    ("TOPIC_PUT_NUMS", "rocketmq_producer_tps", "TopicPutNums"),
    ("TOPIC_PUT_SIZE", "rocketmq_producer_message_size", "TopicPutMessageSize"),
    ("GROUP_GET_NUMS", "rocketmq_consumer_tps", "GroupGetNums"),
    ("GROUP_GET_SIZE", "rocketmq_consumer_message_size", "GroupGetMessageSize"),
    ("SNDBCK_PUT_NUMS", "rocketmq_send_back_nums", "SendBackNums"),
    ("BROKER_PUT_NUMS", "rocketmq_broker_tps", "BrokerPutNums"),
    ("BROKER_GET_NUMS", "rocketmq_broker_qps", "BrokerGetNums"),
];

fn rates(context: &BrokerContext, here: &Here<'_>, out: &mut Exposition) {
    let mut sets: BTreeMap<&str, Vec<(String, f64)>> = BTreeMap::new();
    context.stats.each_rate(|set, key, tps| {
        if RATES.iter().any(|(name, ..)| *name == set) {
            sets.entry(set).or_default().push((key, tps));
        }
    });
    for (set, name, help) in RATES {
        out.family(name, Kind::Gauge, help);
        for (key, tps) in sets.get(set).into_iter().flatten() {
            match key.split_once('@') {
                _ if set.starts_with("BROKER") => out.sample(name, &here.ip(), tps),
                Some((topic, group)) => out.sample(name, &here.of_group(topic, group), tps),
                None => out.sample(name, &here.with("topic", key), tps),
            }
        }
    }
}

fn topics(context: &BrokerContext, here: &Here<'_>, out: &mut Exposition) {
    let mut ends: BTreeMap<String, i64> = BTreeMap::new();
    context.store.for_each_queue(|topic, _, _, end| match ends.get_mut(topic) {
        Some(sum) => *sum += end,
        None => drop(ends.insert(topic.to_string(), end)),
    });
    for (name, help, prefix) in [
        ("rocketmq_producer_offset", "TopicOffset", None),
        ("rocketmq_topic_retry_offset", "TopicRetryOffset", Some(RETRY_PREFIX)),
        ("rocketmq_topic_dlq_offset", "TopicDLQOffset", Some(DLQ_PREFIX)),
    ] {
        out.family(name, Kind::Gauge, help);
        for (topic, end) in &ends {
            let special =
                [RETRY_PREFIX, DLQ_PREFIX].into_iter().find(|prefix| topic.starts_with(prefix));
            if special != prefix {
                continue;
            }
            match topic.strip_prefix(DLQ_PREFIX) {
                Some(group) => out.sample(name, &here.with("group", group), end),
                None => out.sample(name, &here.with("topic", topic), end),
            }
        }
    }
}

impl BrokerProbe {
    /// How master and slave stand to each other.
    fn write_replication(&self, here: &Here<'_>, out: &mut Exposition) {
        let (context, labels) = (&self.context, here.ip());
        let end = context.store.max_physical_offset();
        let lag = if context.is_slave() {
            out.single(
                "rocketmq_slave_divergent",
                Kind::Gauge,
                "1: this slave's commit log is no copy of its master's; store.log says why.",
                &labels,
                u8::from(context.link.divergence().is_some()),
            );
            context.link.master_end() - end
        } else {
            out.single(
                "rocketmq_slaves_connected",
                Kind::Gauge,
                "Slaves that this master sends its log to.",
                &labels,
                context.replicas.connected(),
            );
            // Who never had a slave has none that lags.
            if context.replicas.reached() > 0 { end - context.replicas.reached() } else { 0 }
        };
        out.single(
            "rocketmq_slave_lag_bytes",
            Kind::Gauge,
            "Bytes of the master's commit log that its (nearest) slave has not got yet.",
            &labels,
            lag.max(0),
        );
    }

    /// What the exporter cannot know.
    fn write_own(&self, here: &Here<'_>, out: &mut Exposition) {
        let context = &self.context;
        let name = "rocketmq_broker_connections";
        out.family(name, Kind::Gauge, "Open connections by port (listenPort, listenPort - 2).");
        for (port, count) in ["main", "vip"].into_iter().zip(&self.connections) {
            out.sample(name, &here.with("port", port), count.open());
        }
        let name = "rocketmq_broker_registered";
        out.family(
            name,
            Kind::Gauge,
            "Whether the last registration with the name server succeeded.",
        );
        for (server, is_registered) in context.outward.registrations() {
            out.sample(name, &here.with("namesrv", &server), u8::from(is_registered));
        }
        let name = "rocketmq_broker_refused_total";
        out.family(
            name,
            Kind::Counter,
            "Sends and pulls refused, by response code; acl: what access control denied.",
        );
        for (cause, count) in context.stats.refused() {
            out.sample(name, &here.with("cause", &cause), count);
        }
        let waiting = context.hold.len();
        out.single(
            "rocketmq_broker_waiting_pulls",
            Kind::Gauge,
            "Pulls that wait for messages.",
            &here.ip(),
            waiting,
        );
        self.write_replication(here, out);
        let unflushed = context.store.max_physical_offset() - context.store.flushed_offset();
        out.single(
            "rocketmq_broker_unflushed_bytes",
            Kind::Gauge,
            "Bytes of the commit log that are not on the disk yet.",
            &here.ip(),
            unflushed.max(0),
        );
        let name = "rocketmq_broker_put_latency_seconds";
        let latencies = context.store.put_latencies();
        out.family(name, Kind::Histogram, "Time a commit took, counted for each of its messages.");
        let mut below = 0;
        for (bound_ms, count) in &latencies.classes {
            below += count;
            let bound = bound_ms.map_or("+Inf".to_string(), |ms| (ms as f64 / 1000.0).to_string());
            out.sample(&format!("{name}_bucket"), &here.with("le", &bound), below);
        }
        let labels = [("cluster", here.cluster), ("broker", here.broker)];
        out.sample(&format!("{name}_sum"), &labels, latencies.sum_seconds);
        out.sample(&format!("{name}_count"), &labels, below);
    }
}
