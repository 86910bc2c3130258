//! Networks that delay, split, drop, reset and swallow: what was acknowledged is there, once, in
//! order; and whoever has a good connection notices nothing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rocketmq_history::History;
use rocketmq_testbed::cluster::{Broker, SMALL_FILES};
use rocketmq_testbed::load::{self, Load, Wanted};
use rocketmq_testbed::proxy::{Fault, Proxy};
use rocketmq_testbed::random::Random;
use rocketmq_testbed::{PATIENCE, soak};

const FAULTS: [Fault; 7] = [
    Fault::None,
    Fault::Delay(Duration::from_millis(30)),
    Fault::SingleBytes,
    Fault::Drop,
    Fault::Reset,
    Fault::HalfOpen,
    Fault::Partition,
];

#[tokio::test(flavor = "multi_thread")]
async fn faults_between_client_and_broker_lose_and_invent_nothing() {
    let (_, mut random) = Random::of_run("network faults");
    let history = Arc::new(History::default());
    let broker = Broker::start("net-faults", SMALL_FILES);
    let proxy = Proxy::start(broker.port).await;
    let wanted = Wanted { goes_on: true, senders: 8, ..Wanted::default() };
    let behind = Load::start(&history, &proxy.address(), wanted);
    let beside =
        Load::start(&history, &broker.address(), Wanted { senders: 2, consumes: false, ..wanted });
    let begun = Instant::now();
    let mut phases = 0;
    while phases < 14 || soak().is_some_and(|time| begun.elapsed() < time) {
        let fault = FAULTS[if phases < 7 { phases } else { random.below(7) }];
        phases += 1;
        proxy.set(fault);
        // Those with a good connection get on whatever the others suffer.
        let before = beside.acknowledged();
        assert!(beside.reach(before + 200).await, "{fault:?}");
        // And so do those behind the proxy, once it is over.
        proxy.set(Fault::None);
        let before = behind.acknowledged();
        assert!(behind.reach(before + 20).await, "after {fault:?}");
    }
    let connections = proxy.connections();
    let (behind, beside) = (behind.end(true).await, beside.end(true).await);
    assert_eq!(beside.unanswered.load(Ordering::Relaxed), 0);
    let unanswered = behind.unanswered.load(Ordering::Relaxed);
    assert!(unanswered > 0 && connections > 20, "the faults had no effect");
    let report = load::judge(&history, &broker.address()).await;
    assert!(report.violations.is_empty(), "{report}");
    println!(
        "network faults: {phases} phases, {unanswered} sends unanswered, {connections} connections; {report}"
    );
    assert!(begun.elapsed() < PATIENCE * 10 || soak().is_some());
}
