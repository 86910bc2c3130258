//! Processes that stand still for a while, clocks that jump, and orderly ends under load.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rocketmq_history::History;
use rocketmq_protocol::RequestCode;
use rocketmq_remoting::Request;
use rocketmq_testbed::cluster::{Broker, NameServer, SMALL_FILES};
use rocketmq_testbed::load::{self, Load, TOPIC, Wanted};
use rocketmq_testbed::{PATIENCE, talk};
use rustix::process::Signal;
use tokio::task::block_in_place;

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_stood_still_goes_on() {
    let history = Arc::new(History::default());
    let mut broker = Broker::start("pause", &format!("{SMALL_FILES}flushDiskType=SYNC_FLUSH\n"));
    let wanted = Wanted { goes_on: true, ..Wanted::default() };
    let load = Load::start(&history, &broker.address(), wanted);
    for pause in [50, 700, 3000] {
        let seen = load.acknowledged();
        assert!(load.reach(seen + 100).await);
        broker.running().signal(Signal::STOP);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        broker.running().signal(Signal::CONT);
        let seen = load.acknowledged();
        assert!(load.reach(seen + 100).await, "after {pause} ms");
    }
    load.end(true).await;
    let report = load::judge(&history, &broker.address()).await;
    assert!(report.violations.is_empty(), "{report}");
}

/// The clock of broker and name server jumps by hours, both ways.
#[tokio::test(flavor = "multi_thread")]
async fn clocks_that_jump_lose_neither_messages_nor_clients_nor_brokers() {
    let server = NameServer::start("clock-namesrv");
    let settings = format!(
        "{SMALL_FILES}namesrvAddr={}\nfileReservedTime=72\nflushConsumeQueueThoroughInterval=100\n",
        server.address()
    );
    let mut broker = Broker::start("clock", &settings);
    let history = Arc::new(History::default());
    let load = Load::start(&history, &broker.address(), Wanted::default());
    assert!(load.reach(100).await);
    let delayed = |client| {
        let address = broker.address();
        async move {
            let body = bytes::Bytes::from_static(b"delayed");
            let client: Arc<rocketmq_remoting::RemotingClient> = client;
            talk::send(&client, &address, ("Delayed", 0), "DELAY\u{1}1", body).await.unwrap()
        }
    };
    let client = talk::client();
    let hours = |count: i64| format!("clock {}\n", count * 3_600_000);
    for (round, jump) in [5, 0, -7, 0, 30, -30, 0].into_iter().enumerate() {
        broker.set_faults(&hours(jump));
        std::fs::write(server.script(), hours(jump)).unwrap();
        let sent = delayed(Arc::clone(&client)).await;
        let serves_delays = sent.is_ok();
        let seen = load.acknowledged();
        assert!(load.reach(seen + 200).await, "after a jump to {jump} hours");
        if serves_delays {
            // One second of delay is one second, whatever the clock says by then.
            let deadline = std::time::Instant::now() + PATIENCE;
            let wanted = round as i64 + 1;
            let code = RequestCode::GET_MAX_OFFSET;
            while talk::bound(&client, &broker.address(), code, "Delayed", 0).await < wanted {
                assert!(std::time::Instant::now() < deadline, "delayed for ever, jump {jump}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        let fields = [("topic", TOPIC)];
        let fields = &fields[..];
        let request = Request::new(RequestCode::GET_ROUTEINFO_BY_TOPIC).fields(&fields);
        let route = client.invoke(&server.address(), request, talk::TIMEOUT).await.unwrap();
        assert_eq!(route.code, 0, "the name server has forgotten the broker at {jump} hours");
    }
    // Killed with the clock ahead, started with it right again.
    broker.set_faults(&hours(11));
    let seen = load.acknowledged();
    assert!(load.reach(seen + 100).await);
    block_in_place(|| broker.running().kill());
    let counts = load.end(false).await;
    history.crashed();
    assert!(counts.unanswered.load(Ordering::Relaxed) <= 8, "connections were closed meanwhile");
    broker.set_faults("");
    block_in_place(|| broker.boot());
    let report = load::judge(&history, &broker.address()).await;
    assert!(report.violations.is_empty(), "{report}");
    println!("clock: {report}");
}

/// SIGTERM under load: nothing acknowledged is lost, and what was not answered can be sent again.
#[tokio::test(flavor = "multi_thread")]
async fn an_orderly_end_under_load_loses_nothing() {
    let server = NameServer::start("stop-namesrv");
    for mode in ["flushDiskType=ASYNC_FLUSH\n", "flushDiskType=SYNC_FLUSH\n"] {
        let history = Arc::new(History::default());
        let settings = format!("{SMALL_FILES}namesrvAddr={}\n{mode}", server.address());
        let mut broker = Broker::start("stop", &settings);
        let client = talk::client();
        for _ in 0..5 {
            let wanted = Wanted { senders: 16, goes_on: true, ..Wanted::default() };
            let load = Load::start(&history, &broker.address(), wanted);
            assert!(load.reach(150).await);
            assert_eq!(block_in_place(|| broker.running().terminate()), 143, "{mode}");
            // It left the name server before it stopped serving.
            let fields = [("topic", TOPIC)];
            let fields = &fields[..];
            let request = Request::new(RequestCode::GET_ROUTEINFO_BY_TOPIC).fields(&fields);
            let route = client.invoke(&server.address(), request, talk::TIMEOUT).await.unwrap();
            assert_ne!(route.code, 0, "the broker is still registered");
            assert!(!broker.store().join("abort").exists(), "not closed in order");
            block_in_place(|| broker.boot());
            let seen = load.acknowledged();
            assert!(load.reach(seen + 50).await, "the clients do not find back");
            let counts = load.end(true).await;
            // Nobody heard anything but a closed connection, which a retry covers, or that the
            // store is being closed.
            let refused = counts.refused.lock().clone();
            assert!(refused.keys().all(|code| *code == 14), "{refused:?}");
            let report = load::judge(&history, &broker.address()).await;
            assert!(report.violations.is_empty(), "{mode}: {report}");
        }
    }
}
