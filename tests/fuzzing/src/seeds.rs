//! What real peers sent and real files held: the recorded fixtures of Java 4.9.2.

use std::path::{Path, PathBuf};

use bytes::BytesMut;
use rocketmq_common::fastjson::{self, Value};
use rocketmq_protocol::frame::{FrameHead, SerializeType, encode_head};
use rocketmq_protocol::message::record::MESSAGE_MAGIC;
use rocketmq_protocol::message::{RecordView, batch};
use rocketmq_protocol::{HeaderFields, Language};

use crate::files;

/// Most seeds of a target.
const SEEDS_MAX: usize = 300;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../golden/java-4.9.2")
}

fn lines(name: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(golden().join(name)).unwrap();
    text.lines().filter_map(|line| fastjson::from_str(line).ok()).collect()
}

fn base64(text: &str) -> Vec<u8> {
    let value = |byte: u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let (mut out, mut bits, mut count) = (Vec::new(), 0u32, 0);
    for value in text.bytes().filter_map(value) {
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
        }
    }
    out
}

fn text<'a>(line: &'a Value, key: &str) -> Option<&'a str> {
    line.get(key)?.as_str()
}

/// Bodies that were sent, by whether they are JSON.
fn recorded_bodies() -> Vec<Vec<u8>> {
    let lines = lines("wire-json.jsonl").into_iter().chain(lines("wire-extra-json.jsonl"));
    let bodies = lines.filter_map(|line| text(&line, "body").map(base64));
    bodies.filter(|body| !body.is_empty()).collect()
}

fn json_headers() -> Vec<Vec<u8>> {
    let lines = lines("wire-json.jsonl");
    lines.iter().filter_map(|line| Some(text(line, "header_text")?.as_bytes().to_vec())).collect()
}

/// Frames around recorded headers and bodies.
fn frames(serialize: SerializeType) -> Vec<BytesMut> {
    let fields = [
        ("a", "group"),
        ("b", "Topic"),
        ("c", "TBW102"),
        ("d", "4"),
        ("e", "0"),
        ("f", "0"),
        ("g", "1700000000000"),
        ("h", "0"),
        ("i", "KEYS\u{1}k\u{2}TAGS\u{1}a"),
        ("consumerGroup", "g"),
        ("topic", "T"),
        ("queueId", "-1"),
        ("queueOffset", "9223372036854775807"),
    ];
    let fields = &fields[..];
    let fields: &dyn HeaderFields = &fields;
    let bodies = recorded_bodies();
    [10, 11, 34, 103, 310, 320]
        .into_iter()
        .zip(bodies.iter().chain([&Vec::new()]).cycle())
        .map(|(code, body)| {
            let (flag, language) = (0, Language::JAVA);
            let head = FrameHead { code, flag, language, opaque: 7, remark: Some("r\"\\") };
            let mut out = BytesMut::new();
            encode_head(&mut out, serialize, &head, Some(fields), body.len()).unwrap();
            out.extend_from_slice(body);
            out
        })
        .collect()
}

/// Records of the recorded commit logs.
fn records() -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    for store in ["store", "store-killed"] {
        let Ok(entries) = std::fs::read_dir(golden().join(store).join("commitlog")) else {
            continue;
        };
        for entry in entries.flatten() {
            let content = std::fs::read(entry.path()).unwrap();
            let mut at = 0;
            while let Some(rest) = content.get(at..) {
                if RecordView::peek(rest).is_none_or(|(_, magic)| magic != MESSAGE_MAGIC) {
                    break;
                }
                let Ok(view) = RecordView::parse(rest) else { break };
                records.push(view.bytes().to_vec());
                at += view.size();
            }
        }
    }
    records
}

fn batches() -> Vec<Vec<u8>> {
    let mut body = Vec::new();
    for record in records().iter().take(5) {
        let view = RecordView::parse(record).unwrap();
        let (flag, properties) = (view.flag, view.properties);
        batch::encode_item(&batch::BatchItem { flag, body: view.body, properties }, &mut body);
    }
    vec![body]
}

fn tables() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for folder in ["store/config", "store-killed/config", "observed/config"] {
        let Ok(entries) = std::fs::read_dir(golden().join(folder)) else { continue };
        let files = entries.flatten().filter(|entry| entry.path().is_file());
        all.extend(files.map(|entry| std::fs::read(entry.path()).unwrap()));
    }
    all
}

fn repository(path: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)).unwrap()
}

/// The seeds of a target, and what once failed it.
pub fn of(target: &str) -> Vec<Vec<u8>> {
    let mut seeds = match target {
        "frame" => {
            let all =
                frames(SerializeType::Json).into_iter().chain(frames(SerializeType::RocketMq));
            all.map(|frame| frame.to_vec()).collect()
        }
        "json_header" => json_headers(),
        "rocketmq_header" => frames(SerializeType::RocketMq)
            .into_iter()
            .map(|frame| {
                let len = u32::from_be_bytes([0, frame[5], frame[6], frame[7]]) as usize;
                frame[8..8 + len].to_vec()
            })
            .collect(),
        "bodies" => recorded_bodies(),
        "batch" => batches(),
        "record" => records(),
        "properties" => records()
            .iter()
            .map(|record| RecordView::parse(record).unwrap().properties.to_vec())
            .collect(),
        "filter" => lines("sql92.jsonl")
            .iter()
            .filter_map(|line| Some(text(line, "expression")?.as_bytes().to_vec()))
            .collect(),
        "configuration" => vec![
            std::fs::read(golden().join("broker.conf")).unwrap(),
            b"a\\u0041=\\\n  b:c d\\:e=f\n#x\n!y\nlistenPort = 10911\nflushDiskType=SYNC_FLUSH"
                .to_vec(),
        ],
        "tables" => tables(),
        "accounts" => vec![repository("conf/plain_acl.yml")],
        "commit_log" => vec![files::content_of("commitlog").to_vec()],
        "consume_queue" => vec![files::content_of("consumequeue").to_vec()],
        "index" => vec![files::content_of("index").to_vec()],
        other => panic!("no seeds for {other}"),
    };
    seeds.sort();
    seeds.dedup();
    let step = seeds.len().div_ceil(SEEDS_MAX).max(1);
    let mut seeds: Vec<_> = seeds.into_iter().step_by(step).collect();
    seeds.push(Vec::new());
    seeds.extend(stored(target));
    seeds
}

/// Inputs that once failed a target, and what a fuzzer found worth keeping.
fn stored(target: &str) -> Vec<Vec<u8>> {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
    let mut inputs = Vec::new();
    for kind in ["crashes", "corpus"] {
        let Ok(entries) = std::fs::read_dir(fuzz.join(kind).join(target)) else { continue };
        inputs.extend(entries.flatten().map(|entry| std::fs::read(entry.path()).unwrap()));
    }
    inputs
}
