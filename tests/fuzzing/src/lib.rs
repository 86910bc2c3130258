//! Everything that reads bytes from outside, as functions of bytes that must return: no panic, no
//! endless loop, no memory out of proportion.
//!
//! The same functions are run by `cargo fuzz` (the folder `fuzz/`, nightly) and by the tests of
//! this crate on the stable toolchain: over what real peers and files of Java's contained, over
//! every input that ever failed (`fuzz/crashes/TARGET/`), and over mutations of both.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what the targets prepare fails like a test"
)]

mod files;
pub mod mutate;
pub mod seeds;

use std::borrow::Cow;
use std::sync::LazyLock;

use bytes::{Bytes, BytesMut};
use rocketmq_broker::BrokerConfig;
use rocketmq_common::config::apply_properties;
use rocketmq_common::fastjson;
use rocketmq_common::properties::Properties;
use rocketmq_filter::Filter;
use rocketmq_protocol::body::{
    BrokerStatsData, CheckClientBody, ClusterInfo, ConsumeStats, ConsumerConnection,
    ConsumerOffsets, ConsumerRunningInfo, DelayOffsets, HeartbeatData, KvTable, LockBatchBody,
    RegisterBrokerBody, SubscriptionGroupWrapper, TopicConfigSerializeWrapper, TopicRouteData,
};
use rocketmq_protocol::frame::FRAME_BYTES_MAX;
use rocketmq_protocol::header::{
    ConsumerSendMsgBackRequestHeader, PullMessageRequestHeader, PullMessageResponseHeader,
    SendMessageRequestHeader, SendMessageRequestHeaderV2,
};
use rocketmq_protocol::message::{MessageExt, RecordView, batch, message_id, properties};
use rocketmq_protocol::{Frame, SerializeType};
use rocketmq_store::MessageStoreConfig;

pub use files::{commit_log, consume_queue, index};

/// A function of bytes.
pub type Target = fn(&[u8]);

/// Every target, by the name of its corpus.
pub const TARGETS: [(&str, Target); 14] = [
    ("frame", frame),
    ("json_header", json_header),
    ("rocketmq_header", rocketmq_header),
    ("bodies", bodies),
    ("batch", batch_items),
    ("properties", message_properties),
    ("record", record),
    ("filter", filter),
    ("configuration", configuration),
    ("tables", tables),
    ("accounts", accounts),
    ("consume_queue", consume_queue),
    ("index", index),
    ("commit_log", commit_log),
];

/// Whether a target works on files, which takes milliseconds.
pub fn is_slow(name: &str) -> bool {
    ["consume_queue", "index", "commit_log", "accounts"].contains(&name)
}

/// The bytes of a connection.
pub fn frame(bytes: &[u8]) {
    let mut input = BytesMut::from(bytes);
    let _ = Frame::bytes_wanted(&input);
    while let Ok(Some(frame)) = Frame::take(&mut input, FRAME_BYTES_MAX) {
        look_at(&frame);
    }
}

fn header(bytes: &[u8], serialize: SerializeType) {
    let whole = Bytes::copy_from_slice(bytes);
    if let Ok(frame) = Frame::parse(whole, serialize, bytes.len()) {
        look_at(&frame);
    }
}

/// A JSON header.
pub fn json_header(bytes: &[u8]) {
    header(bytes, SerializeType::Json);
}

/// A header in RocketMQ's own form.
pub fn rocketmq_header(bytes: &[u8]) {
    header(bytes, SerializeType::RocketMq);
}

fn look_at(frame: &Frame) {
    let _ = (frame.remark(), frame.body(), frame.is_oneway(), frame.is_response());
    for (key, value) in frame.fields().iter() {
        let _ = (key.len(), value.len());
    }
    let _ = SendMessageRequestHeader::decode(frame.fields());
    let _ = SendMessageRequestHeaderV2::decode(frame.fields());
    let _ = PullMessageRequestHeader::decode(frame.fields());
    let _ = PullMessageResponseHeader::decode(frame.fields());
    let _ = ConsumerSendMsgBackRequestHeader::decode(frame.fields());
}

/// JSON bodies, as each of the types they may be.
pub fn bodies(bytes: &[u8]) {
    if let Ok(value) = fastjson::from_slice::<fastjson::Value>(bytes) {
        // What was read can be written, and read again.
        let text = fastjson::to_vec(&value).unwrap();
        let _ = fastjson::from_slice::<fastjson::Value>(&text).unwrap();
    }
    let _ = fastjson::from_slice::<HeartbeatData>(bytes);
    let _ = fastjson::from_slice::<RegisterBrokerBody>(bytes);
    let _ = fastjson::from_slice::<TopicRouteData>(bytes);
    let _ = fastjson::from_slice::<ClusterInfo>(bytes);
    let _ = fastjson::from_slice::<LockBatchBody>(bytes);
    let _ = fastjson::from_slice::<CheckClientBody>(bytes);
    let _ = fastjson::from_slice::<ConsumerRunningInfo>(bytes);
    let _ = fastjson::from_slice::<ConsumerConnection>(bytes);
    let _ = fastjson::from_slice::<ConsumeStats>(bytes);
    let _ = fastjson::from_slice::<BrokerStatsData>(bytes);
}

/// The body of a batch.
pub fn batch_items(bytes: &[u8]) {
    for item in batch::items(bytes) {
        let Ok(item) = item else { break };
        let _ = (item.body.len(), properties::decode(item.properties));
    }
}

/// A message's properties.
pub fn message_properties(bytes: &[u8]) {
    for (name, value) in properties::pairs(bytes) {
        let _ = (name.len(), value.len());
    }
    let decoded = properties::decode(bytes);
    let again = properties::decode(properties::encode(&decoded).as_bytes());
    assert_eq!(decoded.len(), again.len());
    let mut changed = bytes.to_vec();
    properties::remove(&mut changed, "TAGS");
    properties::append_bytes(&mut changed, "TAGS", b"x");
    assert_eq!(properties::get_text(&changed, "TAGS"), Some("x"));
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = message_id::decode(text);
    }
}

/// A stored record.
pub fn record(bytes: &[u8]) {
    let _ = RecordView::peek(bytes);
    let Ok(view) = RecordView::parse(bytes) else { return };
    assert!(view.size() <= bytes.len());
    let _ = (view.check_crc(), view.topic_text(), view.offset_msg_id(), view.property("TAGS"));
    let _ = MessageExt::from_record(&view);
}

/// An SQL92 filter.
pub fn filter(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(filter) = Filter::compile(text) else { return };
    let _ = (filter.ignored_from(), filter.to_string());
    for value in [None, Some("5"), Some("-0.0"), Some("x"), Some("9223372036854775808")] {
        let _ = filter.matches(&|_: &str| value.map(Cow::Borrowed));
    }
}

/// A configuration file.
pub fn configuration(bytes: &[u8]) {
    let properties = Properties::parse(bytes);
    let again = Properties::parse(&properties.to_file_bytes());
    assert_eq!(properties.to_wire_text(), again.to_wire_text());
    // Asks the host for its name and addresses.
    static BROKER: LazyLock<BrokerConfig> = LazyLock::new(BrokerConfig::default);
    let (mut broker, mut store) = (BROKER.clone(), MessageStoreConfig::default());
    let _ = apply_properties("fuzz", &properties, &mut [&mut broker, &mut store]);
    let _ = store.validate();
}

/// The tables beside the store.
pub fn tables(bytes: &[u8]) {
    let _ = fastjson::from_slice::<TopicConfigSerializeWrapper>(bytes);
    let _ = fastjson::from_slice::<SubscriptionGroupWrapper>(bytes);
    let _ = fastjson::from_slice::<ConsumerOffsets>(bytes);
    let _ = fastjson::from_slice::<DelayOffsets>(bytes);
    let _ = fastjson::from_slice::<KvTable>(bytes);
}

/// `plain_acl.yml`.
pub fn accounts(bytes: &[u8]) {
    let folder = files::scratch();
    let path = folder.path().join("plain_acl.yml");
    std::fs::write(&path, bytes).unwrap();
    if let Ok(control) = rocketmq_acl::AccessControl::load(&path) {
        let _ = control.config();
    }
}
