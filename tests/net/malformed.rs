//! Whatever arrives on their ports, the daemons stay alive, small and useful to everybody else.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test fails by panicking

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use rocketmq_protocol::frame::{FrameHead, SerializeType, encode_head};
use rocketmq_protocol::{HeaderFields, Language, RequestCode};
use rocketmq_remoting::Request;
use rocketmq_testbed::cluster::{Broker, NameServer};
use rocketmq_testbed::random::Random;
use rocketmq_testbed::talk;

fn frame(code: i32, serialize: SerializeType, fields: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let head = FrameHead { code, flag: 0, language: Language::JAVA, opaque: 7, remark: None };
    let mut out = BytesMut::new();
    let fields: &dyn HeaderFields = &fields;
    encode_head(&mut out, serialize, &head, Some(fields), body.len()).unwrap();
    out.extend_from_slice(body);
    out.to_vec()
}

/// Writes bytes and reads whatever comes back until the peer closes or rests.
fn poke(port: u16, bytes: &[u8]) -> Vec<u8> {
    let mut socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(30))).unwrap();
    // The peer may close while we still write.
    let _ = socket.write_all(bytes);
    let mut answer = Vec::new();
    let mut part = [0; 4096];
    while let Ok(read @ 1..) = socket.read(&mut part) {
        answer.extend_from_slice(&part[..read]);
    }
    answer
}

fn hostile_frames(random: &mut Random) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    let send = [
        ("a", "g"),
        ("b", "Hostile"),
        ("c", "TBW102"),
        ("d", "4"),
        ("e", "0"),
        ("f", "0"),
        ("g", "1"),
        ("h", "0"),
        ("i", "TAGS\u{1}a"),
        ("j", "0"),
        ("k", "false"),
        ("m", "false"),
    ];
    for serialize in [SerializeType::Json, SerializeType::RocketMq] {
        for code in (0..420).chain([1000, 32767]) {
            frames.push(frame(code, serialize, &[], b""));
            frames.push(frame(
                code,
                serialize,
                &[("topic", "%RETRY%\u{0}/../x"), ("queueId", "-9")],
                b"{",
            ));
        }
        for index in 0..send.len() {
            for value in ["", "-1", "99999999999999999999", "\u{1}\u{2}", "x", "../../etc"] {
                let mut fields = send;
                fields[index].1 = value;
                frames.push(frame(310, serialize, &fields, b"body"));
                frames.push(frame(320, serialize, &fields, b"\0\0\0\x16\0\0"));
            }
            let mut fields = send.to_vec();
            fields.remove(index);
            frames.push(frame(310, serialize, &fields, b"body"));
        }
    }
    let good = frame(310, SerializeType::Json, &send, b"body");
    for len in (0..good.len()).step_by(7) {
        frames.push(good[..len].to_vec());
    }
    for _ in 0..200 {
        let mut flipped = good.clone();
        let at = random.below(flipped.len());
        flipped[at] ^= 1 << random.below(8);
        frames.push(flipped);
        let len = random.below(300);
        frames.push(random.bytes(len));
    }
    for claimed in [0x7fff_ffffu32, 0x8000_0000, 0xffff_ffff, 16 * 1024 * 1024 - 4, 0, 3] {
        let mut bytes = claimed.to_be_bytes().to_vec();
        bytes.extend_from_slice(&[0, 0, 0, 9, b'{']);
        frames.push(bytes);
    }
    frames
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_input_harms_nobody() {
    let mut server = NameServer::start("malformed-namesrv");
    let settings = format!("mappedFileSizeCommitLog=1048576\nnamesrvAddr={}", server.address());
    let mut broker = Broker::start("malformed", &settings);
    let client = talk::client();
    let address = broker.address();
    let queue = ("Bystander", 0);
    let sent = talk::send(&client, &address, queue, "", Bytes::from_static(b"before")).await;
    assert!(sent.unwrap().is_ok());
    let (_, mut random) = Random::of_run("malformed");
    let frames = hostile_frames(&mut random);
    let ports = [broker.port, broker.port - 2, server.port];
    let before = [broker.running().resident_kib(), server.daemon.resident_kib()];
    let poking = tokio::task::spawn_blocking(move || {
        std::thread::scope(|scope| {
            for chunk in frames.chunks(frames.len() / 16 + 1) {
                scope.spawn(move || {
                    for bytes in chunk {
                        for port in ports {
                            poke(port, bytes);
                        }
                    }
                });
            }
        });
    });
    poking.await.unwrap();
    // Hundreds of peers claim 16 MiB each and send a few bytes: none of it may be reserved.
    let mut claimers = Vec::new();
    for _ in 0..300 {
        for port in [broker.port, server.port] {
            let mut socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
            socket.write_all(&(16 * 1024 * 1024u32 - 4).to_be_bytes()).unwrap();
            socket.write_all(&[0, 0, 0, 2, b'{', b'}', 1, 2, 3]).unwrap();
            claimers.push(socket);
        }
    }
    // The connections above were accepted before this answer, so their memory is counted.
    let sent = talk::send(&client, &address, queue, "", Bytes::from_static(b"after")).await;
    assert!(sent.unwrap().is_ok());
    let request = Request::new(RequestCode::GET_BROKER_CLUSTER_INFO);
    let info = client.invoke(&server.address(), request, talk::TIMEOUT).await.unwrap();
    assert_eq!(info.code, 0);
    let after = [broker.running().resident_kib(), server.daemon.resident_kib()];
    println!("resident KiB before {before:?}, after {after:?}");
    for (before, after) in before.iter().zip(after) {
        assert!(after < before + 100 * 1024, "{after} KiB, before {before} KiB");
    }
    let read = talk::read_queue(&client, &address, "Bystander", 0).await;
    let bodies: Vec<_> = read.iter().map(|(_, body)| &body[..]).collect();
    assert_eq!(bodies, [&b"before"[..], b"after"]);
    assert_eq!(tokio::task::block_in_place(|| broker.running().terminate()), 143);
    assert_eq!(tokio::task::block_in_place(|| server.daemon.terminate()), 143);
}
