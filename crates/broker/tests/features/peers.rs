//! What master and slave of ours tell each other beyond Java's link: REPLICA_STATE.

use rocketmq_protocol::RequestCode;
use rocketmq_store::BrokerRole;
use tokio::io::AsyncWriteExt;

use crate::replication::{frame, in_step, java_slave, segments, send, slave_of, small};
use crate::support::{Fixture, PATIENCE, fields_of, message, pull, records, until};

async fn state(of: &Fixture, about: &str, more: &[(&str, &str)]) -> rocketmq_protocol::Frame {
    let name = of.context().settings().broker.broker_name.clone();
    let mut fields = vec![
        ("about", about),
        ("brokerName", &name),
        ("brokerId", "0"),
        ("brokerAddr", "test"),
        ("maxOffset", "0"),
    ];
    fields.extend(more);
    of.peer.ask(RequestCode::REPLICA_STATE, &fields).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_tells_how_its_log_stands_and_hands_out_bytes_of_it() {
    let master = Fixture::with(small).await;
    send(&master, 5).await;
    let answer = state(&master, "state", &[]).await;
    let fields = fields_of(&answer);
    let end = master.context().store.max_physical_offset();
    assert_eq!((&*fields["minOffset"], &fields["maxOffset"]), ("0", &end.to_string()));
    assert!(!fields.contains_key("divergence"));
    let bytes = state(&master, "log", &[("from", "7"), ("count", "100")]).await;
    assert_eq!(bytes.body(), &*master.context().store.read_log(7, 100).unwrap());
    assert_eq!(state(&master, "log", &[("from", "-1"), ("count", "-1")]).await.body(), b"");
    assert_eq!(state(&master, "dinner", &[]).await.code, 1);
    assert_eq!(state(&master, "offsets", &[]).await.code, 1, "without a body");
    let other = [("about", "state"), ("brokerName", "another"), ("brokerId", "1")];
    let other = [&other[..], &[("brokerAddr", "x"), ("maxOffset", "0")]].concat();
    let refused = master.peer.ask(RequestCode::REPLICA_STATE, &other).await;
    assert!(refused.remark().unwrap().contains("one brokerName"));
    master.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_copy_begins_where_the_masters_log_does() {
    let master = Fixture::with(small).await;
    master.create_topic("Copied", 4).await;
    send(&master, 80).await;
    let store = &master.context().store;
    assert!(store.max_physical_offset() > 2 * 16_384, "several segments");
    let follow = slave_of(&master);
    let slave = Fixture::with(|settings| {
        follow(settings);
        settings.broker.ha_full_sync = true;
    })
    .await;
    slave.create_topic("Copied", 4).await;
    in_step(&master, &slave).await;
    assert_eq!(slave.context().store.min_physical_offset(), 0);
    assert!(slave.context().link.fits());
    let answer = slave.peer.pull(&pull("Copied", "0", "0")).await;
    assert_eq!(records(answer.body())[0].queue_offset, 0);
    let (slave, master) = (slave.stop().await, master.stop().await);
    assert!(segments(slave.path()) == segments(master.path()), "the logs differ");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slave_that_is_no_copy_says_so_and_takes_nothing() {
    let other = Fixture::with(small).await;
    send(&other, 3).await;
    let folder = other.stop().await;
    let master = Fixture::with(small).await;
    send(&master, 30).await;
    let slave = Fixture::inside(folder, slave_of(&master)).await;
    let context = slave.context();
    let end = context.store.max_physical_offset();
    until("it is found out", || context.link.divergence().is_some()).await;
    let answer = state(&slave, "state", &[]).await;
    assert!(fields_of(&answer)["divergence"].contains("are not those of the master"));
    assert_eq!(context.store.max_physical_offset(), end);
    slave.stop().await;
    // The same where the master has lost the end of its log.
    let longer = Fixture::with(small).await;
    send(&longer, 20).await;
    let folder = longer.stop().await;
    let shorter = Fixture::with(small).await;
    let slave = Fixture::inside(folder, slave_of(&shorter)).await;
    let link = &slave.context().link;
    until("it is found out", || link.divergence().is_some()).await;
    assert!(link.divergence().unwrap().contains("has lost what this slave still has"));
    slave.stop().await;
    shorter.stop().await;
    master.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_sent_back_to_a_sync_master_waits_for_the_slave() {
    let master = Fixture::with(|settings| {
        small(settings);
        settings.store.broker_role = BrokerRole::SyncMaster;
        settings.store.sync_flush_timeout = PATIENCE.as_millis() as i32;
    })
    .await;
    master.create_topic("Copied", 4).await;
    let unwaited =
        crate::support::Outgoing { properties: "WAIT\u{1}false", ..message("Copied", "0") };
    assert_eq!(master.peer.send(&unwaited).await.code, 0);
    let (store, replicas) = (&master.context().store, &master.context().replicas);
    let sent = store.max_physical_offset();
    let mut slave = java_slave(&master, sent).await;
    until("the slave is known", || replicas.reached() == sent).await;
    let back = [("offset", "0"), ("group", "g"), ("delayLevel", "0")];
    let asking = master.peer.ask(RequestCode::CONSUMER_SEND_MSG_BACK, &back);
    let mut asking = Box::pin(asking);
    let (offset, body) = tokio::select! {
        biased;
        answer = &mut asking => panic!("answered before the slave has it: {}", answer.code),
        frame = frame(&mut slave) => frame,
    };
    let end = offset + body.len() as i64;
    slave.write_all(&end.to_be_bytes()).await.unwrap();
    assert_eq!((&mut asking).await.code, 0);
    drop(asking);
    assert!(replicas.reached() > sent);
    master.stop().await;
}
