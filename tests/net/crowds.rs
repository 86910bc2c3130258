//! Many connections, and peers that do not read: memory stays bounded and others are served.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use rocketmq_history::{History, MessageId, body};
use rocketmq_protocol::frame::{FrameHead, SerializeType, encode_head};
use rocketmq_protocol::header::PullMessageRequestHeader;
use rocketmq_protocol::{HeaderFields, Language, RequestCode};
use rocketmq_testbed::cluster::Broker;
use rocketmq_testbed::load::{self, Load, Wanted};
use rocketmq_testbed::{talk, wait_until};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What the broker may hold for each connection that only sits there, and for each peer that does
/// not read its answers (8 MiB of answers, most of it in the page cache and counted by nobody).
const IDLE_KIB: u64 = 24;
const SLOW_KIB: u64 = 1024;

fn frame(code: RequestCode, opaque: i32, fields: &dyn HeaderFields) -> Vec<u8> {
    let head = FrameHead { code: code.0, flag: 0, language: Language::JAVA, opaque, remark: None };
    let mut out = BytesMut::new();
    encode_head(&mut out, SerializeType::Json, &head, Some(fields), 0).unwrap();
    out.to_vec()
}

/// As many connections as this process may have, up to 10,000.
fn connections_possible() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let maximum = limit.maximum.unwrap_or(20_000);
    let wanted = maximum.min(20_000);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: limit.maximum });
    let now = getrlimit(Resource::Nofile).current.unwrap_or(20_000);
    10_000.min(now.saturating_sub(500) as usize)
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_connections_are_served_in_bounded_memory() {
    let count = connections_possible();
    let mut broker = Broker::start("crowd", "mappedFileSizeCommitLog=8388608\n");
    let history = Arc::new(History::default());
    let address = broker.address();
    let load = Load::start(&history, &address, Wanted { senders: 2, ..Wanted::default() });
    assert!(load.reach(50).await);
    let before = broker.running().resident_kib();
    let mut crowd = Vec::with_capacity(count);
    let fields = [("topic", load::TOPIC), ("queueId", "0")];
    let fields = &fields[..];
    for number in 0..count {
        let mut socket = TcpStream::connect(("127.0.0.1", broker.port)).unwrap();
        socket.write_all(&frame(RequestCode::GET_MAX_OFFSET, number as i32, &fields)).unwrap();
        crowd.push(socket);
    }
    for socket in &mut crowd {
        socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let mut len = [0; 4];
        socket.read_exact(&mut len).unwrap();
    }
    let after = broker.running().resident_kib();
    println!("{count} connections: {before} KiB before, {after} KiB with them");
    assert!(after < before + count as u64 * IDLE_KIB, "{after} KiB, {before} KiB before");
    let seen = load.acknowledged();
    assert!(load.reach(seen + 200).await, "the others are not served any more");
    drop(crowd);
    assert!(load.reach(seen + 400).await);
    let counts = load.end(true).await;
    assert_eq!(counts.unanswered.load(std::sync::atomic::Ordering::Relaxed), 0);
    let report = load::judge(&history, &address).await;
    assert!(report.violations.is_empty(), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn consumers_that_do_not_read_large_messages_cost_little_and_harm_nobody() {
    const SLOW: usize = 60;
    let mut broker = Broker::start("slow", "mappedFileSizeCommitLog=67108864\n");
    let history = Arc::new(History::default());
    let address = broker.address();
    let client = talk::client();
    for number in 0..12 {
        let id = MessageId { producer: 5_000_000, number };
        let large = Bytes::from(body::encode(id, 4_000_000));
        let sent = talk::send(&client, &address, ("Large", 0), "", large).await.unwrap();
        assert!(sent.is_ok(), "{sent:?}");
    }
    let load = Load::start(&history, &address, Wanted { senders: 2, ..Wanted::default() });
    assert!(load.reach(50).await);
    let before = broker.running().resident_kib();
    // Each asks for 48 MB a hundred times over and reads nothing.
    let mut slow = Vec::new();
    for _ in 0..SLOW {
        let mut socket = TcpStream::connect(("127.0.0.1", broker.port)).unwrap();
        socket.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
        for number in 0..1200 {
            let header = PullMessageRequestHeader {
                consumer_group: "slow".into(),
                topic: "Large".into(),
                queue_id: 0,
                queue_offset: number % 12,
                max_msg_nums: 32,
                sys_flag: 4,
                commit_offset: 0,
                suspend_timeout_millis: 0,
                subscription: Some("*".into()),
                sub_version: 1,
                expression_type: Some("TAG".into()),
            };
            // At some point the broker stops reading from us.
            if socket.write_all(&frame(RequestCode::PULL_MESSAGE, number as i32, &header)).is_err()
            {
                break;
            }
        }
        slow.push(socket);
    }
    let seen = load.acknowledged();
    assert!(load.reach(seen + 300).await, "the others are not served any more");
    let after = broker.running().resident_kib();
    println!("{SLOW} slow consumers of 4 MB messages: {before} KiB before, {after} KiB with them");
    assert!(after < before + SLOW as u64 * SLOW_KIB, "{after} KiB, {before} KiB before");
    // One of them begins to read: it gets what it asked for.
    let mut first = slow.pop().unwrap();
    first.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut len = [0; 4];
    first.read_exact(&mut len).unwrap();
    let len = u32::from_be_bytes(len) as usize;
    assert!(len > 4_000_000);
    let mut answer = vec![0; len];
    first.read_exact(&mut answer).unwrap();
    drop((slow, first));
    load.end(true).await;
    let report = load::judge(&history, &address).await;
    assert!(report.violations.is_empty(), "{report}");
    wait_until("the memory is given back", || broker.running().resident_kib() < before + 64 * 1024);
}

/// Producers that never read their answers, behind a disk that does not answer either.
#[tokio::test(flavor = "multi_thread")]
async fn a_stuck_disk_does_not_fill_the_memory() {
    let settings = "flushDiskType=SYNC_FLUSH\nmappedFileSizeCommitLog=8388608\n";
    let mut broker = Broker::start("stuck", settings);
    let client = talk::client();
    let address = broker.address();
    let sent = talk::send(&client, &address, ("T", 0), "", Bytes::from_static(b"first")).await;
    assert!(sent.unwrap().is_ok());
    broker.set_faults("sync /commitlog/ 0 sleep:4000");
    let before = broker.running().resident_kib();
    let mut flood = TcpStream::connect(("127.0.0.1", broker.port)).unwrap();
    flood.set_write_timeout(Some(Duration::from_secs(2))).unwrap();
    let header = talk::send_header("T", 0, "");
    let request = frame(RequestCode::SEND_MESSAGE_V2, 1, &header);
    let many = request.repeat(100);
    let mut written = 0;
    while written < 60_000 && flood.write_all(&many).is_ok() {
        written += 100;
    }
    // Those that are too many hear RocketMQ's own words.
    let busy = talk::send(&client, &address, ("T", 0), "", Bytes::from_static(b"x")).await.unwrap();
    let after = broker.running().resident_kib();
    println!(
        "a stuck disk: {written} sends, {before} KiB before, {after} KiB with them, then {busy:?}"
    );
    assert_eq!(busy.code, 2, "{busy:?}");
    assert!(busy.remark.contains("start flow control for a while"), "{busy:?}");
    assert!(after < before + 100 * 1024, "{after} KiB, {before} KiB before");
    broker.set_faults("");
}
