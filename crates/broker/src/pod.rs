//! Master and slave of Kubernetes: two StatefulSets whose pods have different host names, paired by
//! their ordinal (`brokerNameFromPod`).

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::LOGGER;
use crate::context::BrokerContext;

/// What a StatefulSet's name ends with after the name that the pairs share.
const ROLES: [&str; 2] = ["-master", "-slave"];
/// Between two looks whether a master is known.
const LOOK: Duration = Duration::from_millis(500);

/// The `brokerName` that the pods `<x>-master-<n>` and `<x>-slave-<n>` share: `<x>-<n>`. A domain
/// after the pod's name is left out.
pub(crate) fn broker_name(host: &str) -> Option<String> {
    let pod = host.split('.').next().unwrap_or_default();
    let (set, ordinal) = pod.rsplit_once('-')?;
    let set = ROLES.iter().find_map(|role| set.strip_suffix(role))?;
    let is_number = !ordinal.is_empty() && ordinal.bytes().all(|byte| byte.is_ascii_digit());
    (is_number && !set.is_empty()).then(|| format!("{set}-{ordinal}"))
}

/// Warns when a slave has had no master of its name for `slaveWithoutMasterWarnTime`, once each time,
/// until the task is aborted.
pub(crate) async fn watch_for_master(context: Arc<BrokerContext>) {
    let mut alone_since = Some(Instant::now());
    loop {
        sleep(LOOK).await;
        if context.master.address().is_some() {
            alone_since = Some(Instant::now());
            continue;
        }
        let broker = &context.settings().broker;
        let patience =
            Duration::from_millis(broker.slave_without_master_warn_time.max(0).unsigned_abs());
        if alone_since.is_some_and(|since| since.elapsed() >= patience) {
            alone_since = None;
            tracing::warn!(target: LOGGER, "this slave has had no master for {} s: no broker with brokerName={} and brokerId=0 is registered; give master and slave the same brokerName. On Kubernetes, where the pods of two StatefulSets have different host names, set ROCKETMQ_BROKER_NAME_FROM_POD=true (brokerNameFromPod=true) in both", patience.as_secs(), broker.broker_name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_of_one_ordinal_share_a_name() {
        let name = |host| broker_name(host);
        for host in ["rocketmq-master-0", "rocketmq-slave-0", "rocketmq-slave-0.ns.svc"] {
            assert_eq!(name(host).as_deref(), Some("rocketmq-0"), "{host}");
        }
        assert_eq!(name("a-master-b-slave-12").as_deref(), Some("a-master-b-12"));
        for other in
            ["rocketmq-0", "rocketmq-master-x", "rocketmq-master-", "-master-0", "", "master-0"]
        {
            assert_eq!(name(other), None, "{other}");
        }
    }
}
