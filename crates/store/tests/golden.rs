//! Stores written by Java 4.9.2, clean and killed, read back message by message.
//!
//! The fixtures lie in `tests/golden/java-4.9.2`: 1 MiB commit log segments, 400-byte consume queue
//! segments, index files of 20 slots and 40 entries.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may fail like tests")]

mod support;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rocketmq_protocol::message::{MessageExt, RecordView, message_id, properties, property};
use rocketmq_store::{MessageStore, MessageStoreConfig};
use serde_json::Value;
use support::{copy_tree, open};

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/java-4.9.2")
}

/// The store under that name, opened on a copy.
fn opened(name: &str, root: &Path) -> Arc<MessageStore> {
    copy_tree(&golden().join(name), root);
    open(MessageStoreConfig {
        store_path_root_dir: root.display().to_string(),
        store_path_commit_log: root.join("commitlog").display().to_string(),
        mapped_file_size_commit_log: 1 << 20,
        mapped_file_size_consume_queue: 400,
        max_hash_slot_num: 20,
        max_index_num: 40,
        ..MessageStoreConfig::default()
    })
}

fn manifest() -> Vec<Value> {
    let text = std::fs::read_to_string(golden().join("manifest.json")).unwrap();
    let manifest: Value = serde_json::from_str(&text).unwrap();
    manifest["messages"].as_array().unwrap().clone()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// The topic on disk: that of a namespace carries its name.
fn topic_of(message: &Value) -> String {
    match text(message, "topic") {
        "GoldenNs" => "gns%GoldenNs".to_string(),
        topic => topic.to_string(),
    }
}

/// Whether the record is the message that was sent.
fn assert_equal(record: &RecordView<'_>, sent: &Value) {
    record.check_crc().unwrap();
    let read = MessageExt::from_record(record).unwrap();
    let what = &sent["n"];
    let body = &read.message.body;
    assert_eq!(body.len() as u64, sent["bodyLength"].as_u64().unwrap(), "{what}");
    let crc = sent["bodyCrc32"].as_u64().unwrap() as u32 & 0x7FFF_FFFF;
    assert_eq!(rocketmq_protocol::message::crc32(body), crc as i32, "{what}");
    assert_eq!(i64::from(read.message.flag), sent["flag"].as_i64().unwrap(), "{what}");
    let stored = properties::decode(record.properties);
    for (name, value) in sent["properties"].as_object().unwrap() {
        let value = value.as_str().unwrap();
        let found = stored.get(name).map(String::as_str).unwrap_or_default();
        // What the broker takes off: a batch's WAIT lies in the batch's own properties, and a
        // delayed or transactional message comes out of its system topic without its mark.
        let taken_off = ["WAIT", "DELAY", "TRAN_MSG"].contains(&name.as_str());
        // Java 4.9.2 glues the batch's properties to the last one of each message.
        let glued = text(sent, "kind") == "batch" && found.starts_with(value);
        assert!(found == value || taken_off || glued, "{what}: {name}={found:?}");
    }
}

fn unique_key<'a>(record: &RecordView<'a>) -> Option<&'a str> {
    record.property(property::UNIQUE_KEY)
}

/// Every record of every queue.
fn for_each_record(store: &MessageStore, mut see: impl FnMut(&RecordView<'_>)) {
    let mut queues = Vec::new();
    store.for_each_queue(|topic, id, min, max| queues.push((topic.to_string(), id, min, max)));
    for (topic, id, min, max) in queues {
        let mut offset = min;
        while offset < max {
            let got = store.get_messages(&topic, id, offset, 32, &rocketmq_store::AcceptAll);
            assert!(got.message_count > 0, "{topic} {id} {offset}: {:?}", got.status);
            for (index, record) in got.records().enumerate() {
                assert_eq!(record.queue_offset, offset + index as i64);
                assert_eq!((record.topic_text(), record.queue_id), (topic.as_str(), id));
                see(&record);
            }
            offset = got.next_begin_offset;
        }
    }
}

/// Whether the message lies where the manifest says (delayed and half messages lie elsewhere).
fn is_placed(message: &Value) -> bool {
    !["delay", "transaction"].contains(&text(message, "kind")) && message["queueOffset"].is_i64()
}

fn every_message_is_read_back(name: &str) {
    let dir = tempfile::tempdir().unwrap();
    let store = opened(name, dir.path());
    assert_eq!(store.writable(), Ok(()));
    let mut keys: Vec<String> = Vec::new();
    for_each_record(&store, |record| keys.extend(unique_key(record).map(str::to_string)));
    for sent in manifest() {
        let unique = text(&sent["properties"], "UNIQ_KEY").to_string();
        assert!(keys.contains(&unique), "{sent}");
        if is_placed(&sent) {
            by_queue(&store, &sent, &unique);
        }
        by_offset_id(&store, &sent, &unique);
        by_key(&store, &sent, &unique);
    }
}

fn by_queue(store: &MessageStore, sent: &Value, unique: &str) {
    let queue_id = sent["queueId"].as_i64().unwrap() as i32;
    let offset = sent["queueOffset"].as_i64().unwrap();
    let topic = topic_of(sent);
    let got = store.get_messages(&topic, queue_id, offset, 1, &rocketmq_store::AcceptAll);
    let record = got.records().next().unwrap();
    assert_eq!(unique_key(&record), Some(unique));
    assert_equal(&record, sent);
    let time = record.store_timestamp;
    assert_eq!(store.store_time_at(&topic, queue_id, offset), time);
}

fn by_offset_id(store: &MessageStore, sent: &Value, unique: &str) {
    let Some(id) = sent["offsetMsgId"].as_str().filter(|id| !id.contains(',')) else { return };
    let (_, offset) = message_id::decode(id).unwrap();
    let bytes = store.look_up(offset).unwrap();
    let record = RecordView::parse(&bytes).unwrap();
    assert_eq!(unique_key(&record), Some(unique));
    assert_eq!(record.offset_msg_id(), id);
    assert_equal(&record, sent);
}

fn by_key(store: &MessageStore, sent: &Value, unique: &str) {
    let topic = topic_of(sent);
    // A message that was delayed or half, or rolled back, has other topics on its way.
    let topics = match text(sent, "kind") {
        "delay" => vec!["SCHEDULE_TOPIC_XXXX".to_string(), topic],
        "transaction" => vec!["RMQ_SYS_TRANS_HALF_TOPIC".to_string(), topic],
        _ => vec![topic],
    };
    let keys = text(sent, "keys").split(' ').filter(|key| !key.is_empty());
    for key in keys.chain([unique]) {
        let found = topics.iter().any(|topic| {
            let result = store.query_by_key(topic, key, 64, 0, i64::MAX);
            result.records.iter().any(|bytes| {
                let record = RecordView::parse(bytes).unwrap();
                let same = unique_key(&record) == Some(unique);
                if same {
                    assert_equal(&record, sent);
                }
                same
            })
        });
        assert!(found, "key {key} of {sent}");
    }
}

#[test]
fn every_message_of_the_clean_store_is_read_back_equal() {
    every_message_is_read_back("store");
}

#[test]
fn every_message_of_the_killed_store_is_read_back_equal() {
    every_message_is_read_back("store-killed");
}

#[test]
fn every_record_reads_as_javas_decoder_read_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = opened("store", dir.path());
    let lines = std::fs::read_to_string(golden().join("decoded.jsonl")).unwrap();
    for line in lines.lines() {
        let java: Value = serde_json::from_str(line).unwrap();
        let number = |key: &str| java[key].as_i64().unwrap();
        let bytes = store.look_up(number("commitLogOffset")).unwrap();
        let record = RecordView::parse(&bytes).unwrap();
        assert_eq!(record.topic_text(), text(&java, "topic"));
        assert_eq!(i64::from(record.queue_id), number("queueId"));
        assert_eq!(record.queue_offset, number("queueOffset"));
        assert_eq!(record.size() as i64, number("storeSize"));
        assert_eq!(i64::from(record.sys_flag), number("sysFlag"));
        assert_eq!(i64::from(record.flag), number("flag"));
        assert_eq!(i64::from(record.body_crc), number("bodyCRC"));
        assert_eq!(record.born_timestamp, number("bornTimestamp"));
        assert_eq!(record.store_timestamp, number("storeTimestamp"));
        assert_eq!(format!("/{}", record.born_host), text(&java, "bornHost"));
        assert_eq!(format!("/{}", record.store_host), text(&java, "storeHost"));
        assert_eq!(i64::from(record.reconsume_times), number("reconsumeTimes"));
        // The reader of a pull adds where the queue begins and ends.
        let mut of_java = java["properties"].as_object().unwrap().clone();
        let stored = properties::decode(record.properties);
        of_java.retain(|name, _| {
            stored.get(name).is_some() || !["MIN_OFFSET", "MAX_OFFSET"].contains(&name.as_str())
        });
        assert_eq!(
            Value::Object(stored.iter().map(|(k, v)| (k.clone(), v.as_str().into())).collect()),
            Value::Object(of_java)
        );
    }
}

#[test]
fn a_store_of_javas_goes_on_where_it_ended() {
    for name in ["store", "store-killed"] {
        let dir = tempfile::tempdir().unwrap();
        let store = opened(name, dir.path());
        store.start().unwrap();
        let (end, next) = (store.max_physical_offset(), store.max_offset_in_queue("GoldenOne", 0));
        let put = support::put(&store, "GoldenOne", 0, b"from us");
        assert_eq!((put.physical_offset, put.queue_offset), (end, next));
        let mut records = 0;
        for_each_record(&store, |_| records += 1);
        store.shutdown();
        assert!(!dir.path().join("abort").exists());
        drop(store);
        let config = MessageStoreConfig {
            store_path_root_dir: dir.path().display().to_string(),
            store_path_commit_log: dir.path().join("commitlog").display().to_string(),
            mapped_file_size_commit_log: 1 << 20,
            mapped_file_size_consume_queue: 400,
            max_hash_slot_num: 20,
            max_index_num: 40,
            ..MessageStoreConfig::default()
        };
        let again = open(config);
        let mut records_again = 0;
        for_each_record(&again, |_| records_again += 1);
        assert_eq!(records_again, records);
        assert_eq!(again.max_physical_offset(), put.end_offset);
    }
}
