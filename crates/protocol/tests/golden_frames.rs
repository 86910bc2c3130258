//! Every frame recorded from Java 4.9.2 decodes to what was recorded, and re-encodes to an
//! equivalent frame in both serialisations.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test fails by panicking

use std::collections::BTreeMap;
use std::path::Path;

use bytes::{Bytes, BytesMut};
use rocketmq_protocol::frame::{FRAME_BYTES_MAX, FrameHead, encode_head};
use rocketmq_protocol::{Frame, Language, SerializeType};
use serde_json::Value;

fn recorded(file: &str) -> Vec<Value> {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/java-4.9.2").join(file);
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn base64(text: &str) -> Vec<u8> {
    let value = |b: u8| match b {
        b'A'..=b'Z' => b - b'A',
        b'a'..=b'z' => b - b'a' + 26,
        b'0'..=b'9' => b - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => panic!("not base64"),
    };
    let digits: Vec<u8> = text.bytes().filter(|b| *b != b'=').map(value).collect();
    let mut out = Vec::new();
    for group in digits.chunks(4) {
        let bits =
            group.iter().fold(0u32, |bits, d| bits << 6 | u32::from(*d)) << (6 * (4 - group.len()));
        out.extend_from_slice(&bits.to_be_bytes()[1..group.len()]);
    }
    out
}

fn header_bytes(record: &Value) -> (SerializeType, Vec<u8>) {
    if let Some(text) = record["header_text"].as_str() {
        return (SerializeType::Json, text.as_bytes().to_vec());
    }
    let hex = record["header_hex"].as_str().unwrap();
    let byte = |i: usize| u8::from_str_radix(&hex[i..i + 2], 16).unwrap();
    (SerializeType::RocketMq, (0..hex.len()).step_by(2).map(byte).collect())
}

fn wire_bytes(record: &Value) -> BytesMut {
    let (serialize, header) = header_bytes(record);
    let body = record["body"].as_str().map(base64).unwrap_or_default();
    let mut wire = BytesMut::new();
    wire.extend_from_slice(&(4 + header.len() as u32 + body.len() as u32).to_be_bytes());
    let kind = if serialize == SerializeType::Json { 0u32 } else { 1 };
    wire.extend_from_slice(&(kind << 24 | header.len() as u32).to_be_bytes());
    wire.extend_from_slice(&header);
    wire.extend_from_slice(&body);
    wire
}

fn fields(frame: &Frame) -> BTreeMap<String, String> {
    frame.fields().iter().map(|(k, v)| (k.into_owned(), v.into_owned())).collect()
}

fn check(record: &Value) {
    let mut wire = wire_bytes(record);
    // Byte by byte the frame is incomplete, never wrong.
    for len in [0, 3, 7, 8, wire.len() - 1] {
        let mut part = BytesMut::from(&wire[..len]);
        assert!(Frame::take(&mut part, FRAME_BYTES_MAX).unwrap().is_none());
    }
    let frame = Frame::take(&mut wire, FRAME_BYTES_MAX).unwrap().unwrap();
    assert!(wire.is_empty());
    let header = &record["header"];
    assert_eq!(i64::from(frame.code), header["code"].as_i64().unwrap());
    assert_eq!(i64::from(frame.flag), header["flag"].as_i64().unwrap());
    assert_eq!(i64::from(frame.opaque), header["opaque"].as_i64().unwrap());
    assert_eq!(i64::from(frame.version), header["version"].as_i64().unwrap());
    assert_eq!(frame.language, Language::JAVA);
    assert_eq!(frame.remark().as_deref(), header["remark"].as_str());
    let expected: BTreeMap<String, String> = match header["extFields"].as_object() {
        Some(map) => {
            map.iter().map(|(k, v)| (k.clone(), v.as_str().unwrap().to_string())).collect()
        }
        None => BTreeMap::new(),
    };
    assert_eq!(fields(&frame), expected);
    let remark = frame.remark();
    for serialize in [SerializeType::Json, SerializeType::RocketMq] {
        let head = FrameHead {
            code: frame.code,
            flag: frame.flag,
            language: Language::JAVA,
            opaque: frame.opaque,
            remark: remark.as_deref(),
        };
        let owned: Vec<(String, String)> = expected.clone().into_iter().collect();
        let mut out = BytesMut::new();
        encode_head(&mut out, serialize, &head, Some(&owned), frame.body().len()).unwrap();
        out.extend_from_slice(frame.body());
        let again = Frame::take(&mut out, FRAME_BYTES_MAX).unwrap().unwrap();
        assert!(out.is_empty());
        assert_eq!(again.serialize, serialize);
        assert_eq!((again.code, again.flag, again.opaque), (frame.code, frame.flag, frame.opaque));
        assert_eq!(again.remark(), frame.remark().filter(|r| !r.is_empty()));
        assert_eq!(fields(&again), expected);
        assert_eq!(again.body(), frame.body());
    }
}

#[test]
fn recorded_frames_decode_and_re_encode() {
    let mut count = 0;
    for file in [
        "wire-json.jsonl",
        "wire-rocketmq.jsonl",
        "wire-extra-json.jsonl",
        "wire-extra-rocketmq.jsonl",
    ] {
        for record in recorded(file) {
            check(&record);
            count += 1;
        }
    }
    assert!(count > 1000, "{count}");
}

#[test]
fn recorded_requests_decode_as_their_typed_headers() {
    use rocketmq_protocol::RequestCode as Code;
    use rocketmq_protocol::header::*;
    let mut sends = 0;
    for record in recorded("wire-json.jsonl").iter().chain(&recorded("wire-rocketmq.jsonl")) {
        if record["dir"] == "response" {
            continue;
        }
        let frame = Frame::take(&mut wire_bytes(record), FRAME_BYTES_MAX).unwrap().unwrap();
        let again = match Code(frame.code) {
            Code::SEND_MESSAGE_V2 | Code::SEND_BATCH_MESSAGE => {
                sends += 1;
                reencode(&SendMessageRequestHeaderV2::decode(frame.fields()).unwrap())
            }
            Code::PULL_MESSAGE => {
                reencode(&PullMessageRequestHeader::decode(frame.fields()).unwrap())
            }
            Code::REGISTER_BROKER => {
                reencode(&RegisterBrokerRequestHeader::decode(frame.fields()).unwrap())
            }
            Code::END_TRANSACTION => {
                reencode(&EndTransactionRequestHeader::decode(frame.fields()).unwrap())
            }
            Code::UPDATE_AND_CREATE_TOPIC => {
                reencode(&CreateTopicRequestHeader::decode(frame.fields()).unwrap())
            }
            Code::QUERY_MESSAGE => {
                reencode(&QueryMessageRequestHeader::decode(frame.fields()).unwrap())
            }
            _ => continue,
        };
        assert_eq!(again, fields(&frame), "{:?}", Code(frame.code));
    }
    assert!(sends > 0);
}

fn reencode(header: &dyn rocketmq_protocol::HeaderFields) -> BTreeMap<String, String> {
    let head = FrameHead { code: 1, flag: 0, language: Language::JAVA, opaque: 0, remark: None };
    let mut out = BytesMut::new();
    encode_head(&mut out, SerializeType::Json, &head, Some(&header), 0).unwrap();
    fields(&Frame::take(&mut out, FRAME_BYTES_MAX).unwrap().unwrap())
}

#[test]
fn tolerates_what_java_tolerates() {
    let parse = |text: &str| {
        Frame::parse(Bytes::copy_from_slice(text.as_bytes()), SerializeType::Json, text.len())
    };
    let frame = parse(
        r#" { "x" : [1,{"y":[]}] , "language":"KLINGON","extFields":{"a":1,"b":true,"c":null,"d":"\u4e2d"},"remark":null,"code":7 } "#,
    )
    .unwrap();
    assert_eq!(frame.code, 7);
    assert_eq!(frame.language, Language::UNKNOWN);
    assert_eq!(frame.remark(), None);
    let expected = [("a", "1"), ("b", "true"), ("d", "中")];
    assert_eq!(fields(&frame), expected.map(|(k, v)| (k.to_string(), v.to_string())).into());
    assert_eq!(parse(r#"{"language":9,"opaque":-5}"#).unwrap().opaque, -5);
    for bad in [
        "",
        "{",
        "[]",
        "{}x",
        r#"{"code":"x"}"#,
        r#"{"code":1,}"#,
        r#"{"a":"\u00"}"#,
        r#"{"extFields":{"a":[]}}"#,
        "{\"a\":\"\u{1}",
        r#"{"code":99999999999}"#,
    ] {
        assert!(parse(bad).is_err(), "{bad}");
    }
    let deep = format!("{{\"x\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(parse(&deep).is_err());
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_header_round_trips(
            code in 0i32..32767, opaque: i32, remark in ".{1,40}",
            map in prop::collection::btree_map(".{0,20}", ".{0,60}", 0..20),
            json: bool, body in prop::collection::vec(any::<u8>(), 0..100),
        ) {
            let serialize = if json { SerializeType::Json } else { SerializeType::RocketMq };
            let head = FrameHead { code, flag: 1, language: Language::JAVA, opaque, remark: Some(&remark) };
            let owned: Vec<(String, String)> = map.clone().into_iter().collect();
            let mut wire = BytesMut::new();
            encode_head(&mut wire, serialize, &head, Some(&owned), body.len()).unwrap();
            wire.extend_from_slice(&body);
            let frame = Frame::take(&mut wire, FRAME_BYTES_MAX).unwrap().unwrap();
            prop_assert_eq!((frame.code, frame.opaque), (code, opaque));
            let read = frame.remark();
            prop_assert_eq!(read.as_deref(), Some(remark.as_str()));
            prop_assert_eq!(fields(&frame), map);
            prop_assert_eq!(frame.body(), &body[..]);
        }

        #[test]
        fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), kind in 0u8..3) {
            let mut wire = BytesMut::new();
            wire.extend_from_slice(&(bytes.len() as u32 + 4).to_be_bytes());
            wire.extend_from_slice(&((u32::from(kind) << 24) | (bytes.len() as u32 / 2)).to_be_bytes());
            wire.extend_from_slice(&bytes);
            let _ = Frame::take(&mut wire, FRAME_BYTES_MAX);
        }

        #[test]
        fn flipped_frames_never_panic(at in 0usize..200, bit in 0u8..8, json: bool) {
            let serialize = if json { SerializeType::Json } else { SerializeType::RocketMq };
            let head = FrameHead { code: 310, flag: 0, language: Language::JAVA, opaque: 1, remark: Some("r\u{1}") };
            let owned = vec![("i".to_string(), "a\u{1}b\u{2}".to_string()), ("b".to_string(), "T".to_string())];
            let mut wire = BytesMut::new();
            encode_head(&mut wire, serialize, &head, Some(&owned), 3).unwrap();
            wire.extend_from_slice(b"abc");
            let at = at % wire.len();
            wire[at] ^= 1 << bit;
            if let Ok(Some(frame)) = Frame::take(&mut wire, FRAME_BYTES_MAX) {
                let _ = (fields(&frame), frame.remark().map(|r| r.len()));
            }
        }
    }
}

#[test]
fn a_claimed_length_reserves_nothing() {
    let mut input = BytesMut::from(&[0x7f, 0xff, 0xff, 0xff][..]);
    assert!(Frame::take(&mut input, FRAME_BYTES_MAX).is_err());
    let mut input = BytesMut::from(&[0xff, 0xff, 0xff, 0xff][..]);
    assert!(Frame::take(&mut input, FRAME_BYTES_MAX).is_err());
    let mut input = BytesMut::from(&[0, 0, 0, 3, 0, 0, 0, 0][..]);
    assert!(Frame::take(&mut input, FRAME_BYTES_MAX).is_err());
    let mut input = BytesMut::from(&[0, 0, 0, 9, 0, 0, 0, 6][..]);
    assert!(Frame::take(&mut input, FRAME_BYTES_MAX).is_err());
}
