//! The parts of the core path by themselves: `rocketmq-micro CASE COUNT`.
//!
//! Prints nanoseconds per operation. `tests/instructions.sh` counts the instructions instead, which
//! repeat where times do not.
#![allow(clippy::unwrap_used, reason = "a measurement that ends when it fails")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use bytes::BytesMut;
use rocketmq_protocol::frame::{FLAG_RESPONSE, FRAME_BYTES_MAX, FrameHead, encode_head};
use rocketmq_protocol::header::{SendMessageRequestHeaderV2, SendMessageResponseHeader};
use rocketmq_protocol::{Frame, Language, ResponseCode, SerializeType};
use rocketmq_store::{
    AcceptAll, MessageFilter, MessageStore, MessageStoreConfig, NoListener, PutMessage,
};

/// A SEND_MESSAGE_V2 header as the Java client writes it.
const HEADER: &str = r#"{"code":310,"extFields":{"a":"ProducerGroupName","b":"BenchmarkTest","c":"TBW102","d":"4","e":"2","f":"0","g":"1637743815329","h":"0","i":"KEYS\u0001k1\u0002UNIQ_KEY\u0001C000020208D95FFD2B277304341F0000\u0002WAIT\u0001true\u0002TAGS\u0001TagA","j":"0","k":"false","m":"false"},"flag":0,"language":"JAVA","opaque":88,"serializeTypeCurrentRPC":"JSON","version":397}"#;
const PROPERTIES: &[u8] = b"UNIQ_KEY\x01C000020208D95FFD2B277304341F0000\x02WAIT\x01true\x02TAGS\x01TagA\x02CLUSTER\x01DefaultCluster";
const TOPIC: &str = "BenchmarkTest";
/// Messages that one socket read brings under load.
const PER_COMMIT: usize = 64;

fn main() {
    let mut words = std::env::args().skip(1);
    let (case, count) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let count: usize = count.parse().unwrap_or(0);
    let begun = Instant::now();
    match case.as_str() {
        "frame" => frame(count),
        "answer" => answer(count),
        "append" => drop(append(count)),
        "scan" => scan(count, &AcceptAll),
        "filter" => scan(count, &RefuseAll),
        _ => {
            eprintln!("usage: rocketmq-micro frame|answer|append|scan|filter COUNT");
            std::process::exit(2);
        }
    }
    println!("{case} {count} {} ns", begun.elapsed().as_nanos() / count.max(1) as u128);
}

/// Takes frames of a send with a 1 KiB body from a buffer, reads their headers and unescapes the
/// properties.
fn frame(count: usize) {
    let mut wire = Vec::new();
    wire.extend_from_slice(&(4 + HEADER.len() as u32 + 1024).to_be_bytes());
    wire.extend_from_slice(&(HEADER.len() as u32).to_be_bytes());
    wire.extend_from_slice(HEADER.as_bytes());
    wire.resize(wire.len() + 1024, b'x');
    let mut input = BytesMut::with_capacity(wire.len() * PER_COMMIT);
    let mut properties = Vec::new();
    for _ in 0..count / PER_COMMIT {
        for _ in 0..PER_COMMIT {
            input.extend_from_slice(&wire);
        }
        while let Some(frame) = Frame::take(&mut input, FRAME_BYTES_MAX).unwrap() {
            let header = SendMessageRequestHeaderV2::decode(frame.fields()).unwrap();
            properties.clear();
            header.properties.unwrap().append_to(&mut properties);
            black_box((header.queue_id, &properties));
        }
    }
}

/// Writes answers to sends.
fn answer(count: usize) {
    let mut out = BytesMut::with_capacity(64 * 1024);
    for opaque in 0..count {
        let header = SendMessageResponseHeader {
            msg_id: "C000020200002A9F0000000000000000".into(),
            queue_id: 2,
            queue_offset: opaque as i64,
            transaction_id: None,
        };
        let head = FrameHead {
            code: ResponseCode::SUCCESS.0,
            language: Language::JAVA,
            flag: FLAG_RESPONSE,
            opaque: opaque as i32,
            remark: None,
        };
        encode_head(&mut out, SerializeType::Json, &head, Some(&header), 0).unwrap();
        if opaque % PER_COMMIT == 0 {
            black_box(&out);
            out.clear();
        }
    }
}

/// Puts messages of 1 KiB and commits each 64.
fn append(count: usize) -> (tempfile::TempDir, Arc<MessageStore>) {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().display().to_string();
    let config = MessageStoreConfig {
        store_path_commit_log: format!("{root}/commitlog"),
        store_path_root_dir: root,
        mapped_file_size_commit_log: 64 << 20,
        ..MessageStoreConfig::default()
    };
    let store = MessageStore::open(config, Arc::new(NoListener)).unwrap();
    store.start().unwrap();
    for number in 0..count {
        let put = store.put(&PutMessage {
            topic: TOPIC,
            queue_id: (number % 4) as i32,
            flag: 0,
            sys_flag: 0,
            born_timestamp: 1_700_000_000_000,
            born_host: ([10, 1, 2, 3], 1234).into(),
            store_host: ([10, 1, 2, 4], 10911).into(),
            reconsume_times: 0,
            prepared_transaction_offset: 0,
            body: &[b'x'; 1024],
            properties: PROPERTIES,
        });
        black_box(put.unwrap());
        if number % PER_COMMIT == PER_COMMIT - 1 {
            store.commit().unwrap();
        }
    }
    store.commit().unwrap();
    (dir, store)
}

/// Refuses every message by its tags.
struct RefuseAll;

impl MessageFilter for RefuseAll {
    fn by_tags(&self, _: i64) -> bool {
        false
    }

    fn by_record(&self, _: &[u8]) -> bool {
        false
    }
}

/// Pulls of up to 32 messages, `count` in all, from a queue of 4,096.
fn scan(count: usize, filter: &dyn MessageFilter) {
    let (_dir, store) = append(4096 * 4);
    let (mut offset, mut seen) = (0, 0);
    while seen < count {
        let got = store.get_messages(TOPIC, 1, offset, 32, filter);
        seen += (got.next_begin_offset - offset).max(0) as usize;
        offset = if got.next_begin_offset >= 4096 { 0 } else { got.next_begin_offset };
        black_box(got.message_count);
    }
}
