//! A master and its slave (contract `ha.md`): both of ours, and each with a peer that speaks the
//! bytes of Java's.

use std::net::SocketAddr;
use std::path::Path;

use rocketmq_broker::Settings;
use rocketmq_namesrv::{NameServer, NameServerSettings};
use rocketmq_protocol::message::message_id;
use rocketmq_protocol::{RequestCode, ResponseCode};
use rocketmq_store::{BrokerRole, FlushDiskType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::support::{Fixture, PATIENCE, fields_of, message, pull, records, until};

/// So small that a few messages fill it.
const SEGMENT: i32 = 16_384;

pub fn small(settings: &mut Settings) {
    settings.store.mapped_file_size_commit_log = SEGMENT;
    settings.store.message_index_enable = false;
}

pub fn slave_of(master: &Fixture) -> impl FnOnce(&mut Settings) + use<> {
    let address = replication_port(master).to_string();
    move |settings| {
        small(settings);
        settings.store.broker_role = BrokerRole::Slave;
        settings.broker.broker_id = 1;
        settings.store.ha_master_address = Some(address);
    }
}

fn replication_port(master: &Fixture) -> SocketAddr {
    let mut address = master.broker.local().unwrap();
    address.set_port(address.port() + 1);
    address
}

pub async fn send(master: &Fixture, count: usize) {
    for number in 0..count {
        let body = format!("{number}:{}", "x".repeat(number * 37 % 900));
        let message = message("Copied", "0");
        master.peer.stored(&crate::support::Outgoing { body: body.as_bytes(), ..message }).await;
    }
}

pub async fn in_step(master: &Fixture, slave: &Fixture) {
    let end = |fixture: &Fixture| fixture.context().store.max_physical_offset();
    until("the slave has everything", || end(master) == end(slave)).await;
    until("its queues too", || slave.context().store.dispatch_behind_bytes() == 0).await;
}

pub fn segments(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let files = std::fs::read_dir(folder.join("store/commitlog")).unwrap();
    let mut files: Vec<_> = files
        .map(|file| {
            let file = file.unwrap();
            let name = file.file_name().into_string().unwrap();
            (name, std::fs::read(file.path()).unwrap())
        })
        .collect();
    files.sort();
    files
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slave_is_a_copy_serves_readers_and_takes_nothing() {
    let master = Fixture::with(small).await;
    let slave = Fixture::with(slave_of(&master)).await;
    master.create_topic("Copied", 4).await;
    slave.create_topic("Copied", 4).await;
    send(&master, 120).await;
    in_step(&master, &slave).await;
    let refused = slave.peer.send(&message("Copied", "0")).await;
    assert_eq!(ResponseCode(refused.code), ResponseCode::SERVICE_NOT_AVAILABLE);
    assert!(refused.remark().unwrap().contains("message store is slave mode"));
    // A slave that was away catches up, wherever in a segment it stopped.
    let mut folder = slave.stop().await;
    for _ in 0..3 {
        send(&master, 31).await;
        let slave = Fixture::inside(folder, slave_of(&master)).await;
        in_step(&master, &slave).await;
        folder = slave.stop().await;
    }
    let slave = Fixture::inside(folder, slave_of(&master)).await;
    send(&master, 20).await;
    in_step(&master, &slave).await;
    let master_folder = master.stop().await;
    // The master is gone, and everything is there to be read.
    let mut next = 0;
    while next < 233 {
        let offset = next.to_string();
        let answer = slave.peer.pull(&pull("Copied", "0", &offset)).await;
        assert_eq!(answer.code, 0, "{:?}", answer.remark());
        assert_eq!(fields_of(&answer)["suggestWhichBrokerId"], "0");
        for record in records(answer.body()) {
            assert_eq!(record.queue_offset, next);
            next += 1;
        }
    }
    let slave_folder = slave.stop().await;
    let (own, copy) = (segments(master_folder.path()), segments(slave_folder.path()));
    assert!(own.len() > 5);
    assert_eq!(own.len(), copy.len());
    for (own, copy) in own.iter().zip(&copy) {
        assert!(own == copy, "{} differs", own.0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_that_waits_at_a_slave_is_answered_when_the_message_comes() {
    let master = Fixture::with(small).await;
    let slave = Fixture::with(slave_of(&master)).await;
    for broker in [&master, &slave] {
        broker.create_topic("Copied", 4).await;
    }
    send(&master, 1).await;
    in_step(&master, &slave).await;
    let held =
        crate::support::Pull { sys_flag: "6", suspend_ms: "60000", ..pull("Copied", "0", "1") };
    let (answer, ()) = tokio::join!(slave.peer.pull(&held), async {
        until("it waits", || slave.context().hold.len() == 1).await;
        send(&master, 1).await;
    });
    assert_eq!(answer.code, 0);
    slave.stop().await;
    master.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slave_finds_its_master_by_the_name_server_and_copies_its_tables() {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let mut start = NameServerSettings { listen: Some(any), ..NameServerSettings::default() };
    start.namesrv.kv_config_path = path("kvConfig.json");
    start.namesrv.config_store_path = path("namesrv.properties");
    let servers = NameServer::start(start).unwrap();
    let address = servers.local().to_string();
    let registered = |settings: &mut Settings| {
        small(settings);
        settings.broker.namesrv_addr = Some(address.clone());
    };
    let master = Fixture::with(registered).await;
    master.create_topic("Copied", 4).await;
    let slave = Fixture::with(|settings| {
        registered(settings);
        settings.store.broker_role = BrokerRole::Slave;
        settings.broker.broker_id = 1;
    })
    .await;
    send(&master, 5).await;
    let commit =
        [("consumerGroup", "g"), ("topic", "Copied"), ("queueId", "0"), ("commitOffset", "3")];
    master.peer.ask(RequestCode::UPDATE_CONSUMER_OFFSET, &commit).await;
    in_step(&master, &slave).await;
    let context = slave.context();
    until("the offsets are copied", || context.offsets.get("g", "Copied", 0) == Some(3)).await;
    until("the topics are copied", || {
        context.topics.snapshot() == master.context().topics.snapshot()
    })
    .await;
    slave.stop().await;
    master.stop().await;
    servers.shutdown();
}

/// A peer that speaks as Java's slave does.
pub async fn java_slave(master: &Fixture, asks: i64) -> TcpStream {
    let mut stream = TcpStream::connect(replication_port(master)).await.unwrap();
    stream.write_all(&asks.to_be_bytes()).await.unwrap();
    stream
}

pub async fn frame(stream: &mut TcpStream) -> (i64, Vec<u8>) {
    let mut head = [0; 12];
    timeout(PATIENCE, stream.read_exact(&mut head)).await.unwrap().unwrap();
    let offset = i64::from_be_bytes(head[..8].try_into().unwrap());
    let len = i32::from_be_bytes(head[8..].try_into().unwrap());
    let mut body = vec![0; len as usize];
    timeout(PATIENCE, stream.read_exact(&mut body)).await.unwrap().unwrap();
    (offset, body)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slave_of_javas_gets_the_last_segment_then_heartbeats() {
    let master = Fixture::with(|settings| {
        small(settings);
        settings.store.ha_send_heartbeat_interval = 50;
        settings.store.ha_transfer_batch_size = 1000;
    })
    .await;
    master.create_topic("Copied", 4).await;
    send(&master, 60).await;
    let store = &master.context().store;
    let end = store.max_physical_offset();
    let mut next = end - end % i64::from(SEGMENT);
    assert!(next > 0);
    let mut slave = java_slave(&master, 0).await;
    loop {
        let (offset, body) = frame(&mut slave).await;
        assert_eq!(offset, next);
        assert!(body.len() <= 1000);
        if body.is_empty() {
            break;
        }
        assert_eq!(store.read_log(offset, body.len()).unwrap(), body);
        next += body.len() as i64;
    }
    assert_eq!(next, end);
    // Asked for an offset it gives exactly that, to the segment's end with all that lies there.
    let mut slave = java_slave(&master, 100).await;
    let mut next = 100;
    while next < end {
        let (offset, body) = frame(&mut slave).await;
        assert_eq!(offset, next);
        next += body.len() as i64;
        let (first, last) = (offset / i64::from(SEGMENT), (next - 1) / i64::from(SEGMENT));
        assert_eq!(first, last, "a frame crosses a segment");
    }
    master.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_master_answers_by_what_a_slave_has() {
    let master = Fixture::with(|settings| {
        small(settings);
        settings.store.broker_role = BrokerRole::SyncMaster;
        settings.store.sync_flush_timeout = 300;
        settings.store.ha_slave_fallbehind_max = 3000;
    })
    .await;
    master.create_topic("Copied", 4).await;
    let code = async || ResponseCode(master.peer.send(&message("Copied", "0")).await.code);
    assert_eq!(code().await, ResponseCode::SLAVE_NOT_AVAILABLE);
    let unwaited =
        crate::support::Outgoing { properties: "WAIT\u{1}false", ..message("Copied", "0") };
    assert_eq!(master.peer.send(&unwaited).await.code, 0);
    let (store, replicas) = (&master.context().store, &master.context().replicas);
    let mut slave = java_slave(&master, store.max_physical_offset()).await;
    until("the slave is known", || replicas.reached() == store.max_physical_offset()).await;
    assert_eq!(code().await, ResponseCode::FLUSH_SLAVE_TIMEOUT);
    // It is stored all the same, and sent.
    let (offset, body) = frame(&mut slave).await;
    let end = offset + body.len() as i64;
    assert_eq!(end, store.max_physical_offset());
    // Others do not wait behind one that waits: this is answered by the slave's report alone.
    slave.write_all(&end.to_be_bytes()).await.unwrap();
    let (code_of_second, ()) = tokio::join!(code(), async {
        let (offset, body) = frame(&mut slave).await;
        let end = offset + body.len() as i64;
        slave.write_all(&end.to_be_bytes()).await.unwrap();
    });
    assert_eq!(code_of_second, ResponseCode::SUCCESS);
    // So far behind a slave is as good as none.
    let large = vec![7; 4000];
    let large = crate::support::Outgoing { body: &large, ..message("Copied", "0") };
    let answer = master.peer.send(&large).await;
    assert_eq!(ResponseCode(answer.code), ResponseCode::SLAVE_NOT_AVAILABLE);
    drop(slave);
    until("the slave is gone", || replicas.connected() == 0).await;
    assert_eq!(code().await, ResponseCode::SLAVE_NOT_AVAILABLE);
    master.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_of_ours_replicate_synchronously_whatever_the_flush_mode() {
    for flush in [FlushDiskType::AsyncFlush, FlushDiskType::SyncFlush] {
        let master = Fixture::with(|settings| {
            small(settings);
            settings.store.broker_role = BrokerRole::SyncMaster;
            settings.store.flush_disk_type = flush;
        })
        .await;
        let follow = slave_of(&master);
        let slave = Fixture::with(|settings| {
            follow(settings);
            settings.store.flush_disk_type = flush;
        })
        .await;
        master.create_topic("Copied", 4).await;
        let replicas = &master.context().replicas;
        until("the slave is there", || replicas.connected() == 1).await;
        for _ in 0..50 {
            master.peer.stored(&message("Copied", "0")).await;
            // Acknowledged is what the slave has; flushed, if it flushes.
            let (own, copy) = (&master.context().store, &slave.context().store);
            assert!(copy.max_physical_offset() >= own.max_physical_offset());
            if flush == FlushDiskType::SyncFlush {
                assert!(copy.flushed_offset() >= own.max_physical_offset());
            }
        }
        slave.stop().await;
        master.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slave_of_a_master_of_javas_reports_appends_and_refuses_what_does_not_fit() {
    let source = Fixture::with(small).await;
    source.create_topic("Copied", 4).await;
    send(&source, 60).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let slave = Fixture::with(|settings| {
        small(settings);
        settings.store.broker_role = BrokerRole::Slave;
        settings.broker.broker_id = 1;
        settings.store.ha_master_address = Some(address.to_string());
    })
    .await;
    let accept = async || timeout(PATIENCE, listener.accept()).await.unwrap().unwrap().0;
    let report = async |stream: &mut TcpStream| {
        let mut report = [0; 8];
        timeout(PATIENCE, stream.read_exact(&mut report)).await.unwrap().unwrap();
        i64::from_be_bytes(report)
    };
    let mut master = accept().await;
    assert_eq!(report(&mut master).await, 0);
    let store = &source.context().store;
    // It begins with the second segment, in pieces that end anywhere.
    let (mut next, end) = (i64::from(SEGMENT), store.max_physical_offset());
    while next < end {
        let body = store.read_log(next, 777).unwrap();
        let mut bytes = next.to_be_bytes().to_vec();
        bytes.extend((body.len() as i32).to_be_bytes());
        bytes.extend(&body);
        for piece in bytes.chunks(100) {
            master.write_all(piece).await.unwrap();
        }
        next += body.len() as i64;
        assert_eq!(report(&mut master).await, next);
    }
    assert_eq!(slave.context().store.dispatch_behind_bytes(), 0);
    let bounds = |fixture: &Fixture| fixture.context().store.max_offset_in_queue("Copied", 0);
    assert_eq!(bounds(&slave), bounds(&source));
    assert!(slave.context().store.min_offset_in_queue("Copied", 0) > 0);
    // A frame that does not go on there ends the connection, and nothing of it is kept.
    let mut bytes = (end + 1).to_be_bytes().to_vec();
    bytes.extend(3_i32.to_be_bytes());
    bytes.extend([1, 2, 3]);
    master.write_all(&bytes).await.unwrap();
    let mut rest = Vec::new();
    let _ = timeout(PATIENCE, master.read_to_end(&mut rest)).await.unwrap();
    let mut master = accept().await;
    assert_eq!(report(&mut master).await, end);
    slave.stop().await;
    source.stop().await;
}

/// What else a SYNC_MASTER stores for a request is answered when the slave has it.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_back_replied_and_committed_waits_for_the_slave_too() {
    let master = Fixture::with(|settings| {
        small(settings);
        settings.store.broker_role = BrokerRole::SyncMaster;
        settings.store.sync_flush_timeout = 60_000;
    })
    .await;
    master.create_topic("Copied", 4).await;
    let unwaited =
        crate::support::Outgoing { properties: "WAIT\u{1}false", ..message("Copied", "0") };
    master.peer.stored(&unwaited).await;
    let half = "TRAN_MSG\u{1}true\u{2}PGROUP\u{1}test_producer\u{2}WAIT\u{1}false";
    let half = crate::support::Outgoing { properties: half, ..message("Copied", "0") };
    let half = master.peer.stored(&half).await;
    let half_at = message_id::decode(&half.msg_id).unwrap().1.to_string();
    let table_offset = half.queue_offset.to_string();
    let send_back = [("offset", "0"), ("group", "g"), ("delayLevel", "0")];
    let commit = [
        ("producerGroup", "test_producer"),
        ("tranStateTableOffset", &*table_offset),
        ("commitLogOffset", &*half_at),
        ("commitOrRollback", "8"),
        ("msgId", "unused"),
    ];
    let reply = message("DefaultCluster_REPLY_TOPIC", "0");
    let reply = reply.fields();
    // The code of a reply says whether it was pushed, and nobody asked for this one.
    let requests = [
        (RequestCode::CONSUMER_SEND_MSG_BACK, &send_back[..], 0),
        (RequestCode::END_TRANSACTION, &commit[..], 0),
        (RequestCode::SEND_REPLY_MESSAGE_V2, &reply[..], 1),
    ];
    let (store, replicas) = (&master.context().store, &master.context().replicas);
    for (request, fields, code) in requests {
        let mut slave = java_slave(&master, store.max_physical_offset()).await;
        until("the slave is known", || replicas.reached() == store.max_physical_offset()).await;
        let before = store.max_physical_offset();
        let asked = master.peer.ask_with(request, fields, b"body".to_vec());
        tokio::pin!(asked);
        // The slave has the bytes, and has not said so: no answer.
        let (offset, body) = tokio::select! {
            answer = &mut asked => panic!("{request:?} was not held: {answer:?}"),
            frame = frame(&mut slave) => frame,
        };
        assert_eq!(offset, before, "{request:?}");
        assert!(timeout(std::time::Duration::from_millis(50), &mut asked).await.is_err());
        // And nobody else waits behind it.
        assert_eq!(master.peer.send(&unwaited).await.code, 0);
        let end = offset + body.len() as i64;
        slave.write_all(&end.to_be_bytes()).await.unwrap();
        let end = store.max_physical_offset();
        slave.write_all(&end.to_be_bytes()).await.unwrap();
        let answer = timeout(PATIENCE, asked).await.unwrap();
        assert_eq!(answer.code, code, "{request:?} {:?}", answer.remark());
        drop(slave);
        until("the slave is gone", || replicas.connected() == 0).await;
    }
    // Without a slave the answers are the same, at once.
    let answer = master.peer.ask(RequestCode::CONSUMER_SEND_MSG_BACK, &send_back).await;
    assert_eq!(answer.code, 0, "{:?}", answer.remark());
    master.stop().await;
}
