//! Name servers that die, and start late and empty: brokers and clients that know another one notice
//! nothing, and the new one learns everything.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::time::Instant;

use rocketmq_protocol::RequestCode;
use rocketmq_remoting::Request;
use rocketmq_testbed::load::TOPIC;
use rocketmq_testbed::pair::{ASYNC, Mode, Pair, SYNC};
use rocketmq_testbed::{fault_rounds, talk, until};
use tokio::task::block_in_place;

use crate::clients::{Consumer, producer, send_some};
use crate::master::without_fixed_master;

/// Whether a name server knows both brokers.
async fn knows_both(address: &str) -> bool {
    let client = talk::client();
    let request = Request::new(RequestCode::GET_BROKER_CLUSTER_INFO);
    let Ok(frame) = client.invoke(address, request, talk::TIMEOUT).await else { return false };
    let body = String::from_utf8_lossy(frame.body()).into_owned();
    body.contains("0:\"127.0.0.1:") && body.contains("1:\"127.0.0.1:")
}

/// Waits until a name server alone leads to master, slave and topic.
async fn leads(address: &str) {
    until("it is told of both brokers", async || knows_both(address).await).await;
    let asks = producer(address).await;
    until("it is told of the topic", async || asks.fetch_publish_queues(TOPIC).await.is_ok()).await;
    asks.shutdown().await;
}

async fn one_is_enough(mode: Mode) {
    let mut pair = Pair::start("name-servers", mode).await;
    // Only name servers tell the slave where its master is.
    pair.slave.running().terminate();
    pair.slave.settings = without_fixed_master(&pair.slave.settings);
    block_in_place(|| pair.slave.boot());
    pair.in_step().await;
    let both = pair.namesrv_addr();
    let sends = producer(&both).await;
    let consumer = Consumer::start(&both).await;
    let mut sent = HashSet::new();
    let begun = Instant::now();
    for round in 0..fault_rounds() {
        let (gone, left) = (round % 2, 1 - round % 2);
        let load = pair.load();
        block_in_place(|| pair.name_servers[gone].daemon.kill());
        // The other one goes on, and so do master, slave and clients; also who comes now.
        send_some(&sends, &mut sent).await;
        let new = producer(&both).await;
        send_some(&new, &mut sent).await;
        new.shutdown().await;
        assert!(load.reach(load.acknowledged() + 50).await);
        assert!(knows_both(&pair.name_servers[left].address()).await);
        assert_eq!(load.end(true).await.unanswered.load(Ordering::Relaxed), 0);
        block_in_place(|| pair.slave.running().kill());
        block_in_place(|| pair.slave.boot());
        pair.in_step().await;
        // It comes back late, with an empty table.
        block_in_place(|| pair.name_servers[gone].boot_again());
        leads(&pair.name_servers[gone].address()).await;
        pair.same().await;
    }
    until("all is consumed", async || consumer.has_all(&sent)).await;
    consumer.end().await;
    sends.shutdown().await;
    println!(
        "name servers, {}: {} rounds in {:?}; {} acknowledged of a load, {} by clients, all consumed, 0 refused",
        mode.name,
        fault_rounds(),
        begun.elapsed(),
        pair.history.acknowledged_count(),
        sent.len()
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: the stage crash of tests/run.sh runs it"]
async fn one_name_server_of_two_is_enough_for_a_sync_master() {
    one_is_enough(SYNC).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: the stage crash of tests/run.sh runs it"]
async fn one_name_server_of_two_is_enough_for_an_async_master() {
    one_is_enough(ASYNC).await;
}
