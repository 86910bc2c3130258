//! Consume queue extensions through the life of a store.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may fail like tests")]

mod support;

use std::path::Path;
use std::sync::Arc;

use rocketmq_store::verify::{repair, verify};
use rocketmq_store::{
    ArrivalListener, Disk, MessageFilter, MessageStore, MessageStoreConfig, QueueUnit,
};
use support::{bodies, mark_killed, message};

/// Makes a bit map of the first byte of the properties.
struct Bits;

impl ArrivalListener for Bits {
    fn arrived(&self, _arrival: rocketmq_store::Arrival<'_>) {}

    fn bit_map(&self, _topic: &str, properties: &[u8]) -> Vec<u8> {
        vec![properties.first().copied().unwrap_or_default(), 7]
    }
}

fn config(root: &Path, enable: bool) -> MessageStoreConfig {
    MessageStoreConfig {
        enable_consume_queue_ext: enable,
        mapped_file_size_consume_queue_ext: 100,
        ..support::config(root)
    }
}

fn open(root: &Path, enable: bool) -> Arc<MessageStore> {
    MessageStore::open_on(config(root, enable), Arc::new(Bits), Disk::default()).unwrap()
}

fn put(store: &MessageStore, topic: &str, number: u8) {
    let body = [number];
    let properties = format!("{number}\u{1}v\u{2}TAGS\u{1}T{number}");
    let sent = rocketmq_store::PutMessage {
        properties: properties.as_bytes(),
        ..message(topic, 0, &body)
    };
    store.put(&sent).unwrap();
    store.commit().unwrap();
}

fn units(store: &MessageStore, topic: &str) -> Vec<QueueUnit> {
    let mut entries = Vec::new();
    store.queue_entries(topic, 0, 0, 100, &mut entries);
    entries.iter().map(|entry| store.queue_unit(topic, 0, entry).unwrap().unwrap()).collect()
}

fn ext_files(root: &Path, topic: &str) -> usize {
    let folder = root.join("consumequeue_ext").join(topic).join("0");
    std::fs::read_dir(folder).map_or(0, Iterator::count)
}

/// Wants what has a bit, and never looks at tags.
struct ByBit(u8);

impl MessageFilter for ByBit {
    fn by_tags(&self, _tags_code: i64) -> bool {
        panic!("the entry has a unit")
    }

    fn by_unit(&self, unit: Option<&QueueUnit>) -> bool {
        unit.unwrap().bit_map[0] == self.0
    }

    fn by_record(&self, _record: &[u8]) -> bool {
        true
    }
}

#[test]
fn units_are_made_read_and_kept_over_orderly_and_other_ends() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), true);
    store.start().unwrap();
    (0..9).for_each(|number| put(&store, "T", number));
    let written = units(&store, "T");
    assert_eq!(written.iter().map(|unit| unit.bit_map[0]).collect::<Vec<_>>(), *b"012345678");
    let tags: Vec<i64> = written.iter().map(|unit| unit.tags_code).collect();
    assert_eq!(tags[1], rocketmq_protocol::message::tags_code(Some("T1")));
    let got = store.get_messages("T", 0, 0, 32, &ByBit(b'3'));
    assert_eq!(got.records().map(|record| record.body[0]).collect::<Vec<_>>(), [3]);
    store.shutdown();
    drop(store);
    // Four units of 22 bytes lie in a file of 100.
    assert_eq!(ext_files(dir.path(), "T"), 3);
    assert!(verify(&config(dir.path(), true)).unwrap().is_sound());
    let before =
        std::fs::read(dir.path().join("consumequeue_ext/T/0/00000000000000000000")).unwrap();

    let store = open(dir.path(), true);
    put(&store, "T", 9);
    assert_eq!(units(&store, "T")[..9], written);
    store.shutdown();
    drop(store);

    // Built again from nothing, the files are the same.
    std::fs::remove_dir_all(dir.path().join("consumequeue")).unwrap();
    mark_killed(dir.path());
    let store = open(dir.path(), true);
    assert_eq!(units(&store, "T")[..9], written);
    store.shutdown();
    drop(store);
    let after =
        std::fs::read(dir.path().join("consumequeue_ext/T/0/00000000000000000000")).unwrap();
    assert_eq!(before, after);

    // Switched off, what is there is still read.
    let store = open(dir.path(), false);
    put(&store, "T", 10);
    assert_eq!(bodies(&store, "T", 0, 0).len(), 11);
    assert_eq!(store.get_messages("T", 0, 0, 32, &ByTag(tags[4])).message_count, 1);
    store.delete_topic("T").unwrap();
    assert_eq!(ext_files(dir.path(), "T"), 0);
}

/// Wants one tags code.
struct ByTag(i64);

impl MessageFilter for ByTag {
    fn by_tags(&self, tags_code: i64) -> bool {
        tags_code == self.0
    }

    fn by_record(&self, _record: &[u8]) -> bool {
        true
    }
}

#[test]
fn a_lost_unit_makes_no_message_unwanted_and_is_made_again_by_a_repair() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), true);
    (0..9).for_each(|number| put(&store, "T", number));
    store.start().unwrap();
    store.shutdown();
    drop(store);
    let path = dir.path().join("consumequeue_ext/T/0/00000000000000000000");
    std::fs::write(&path, [0; 100]).unwrap();
    let store = open(dir.path(), true);
    // Of the nine, four lost their units; a unit of another tag is not wanted.
    assert_eq!(store.get_messages("T", 0, 0, 32, &ByTag(-1)).message_count, 4);
    store.shutdown();
    drop(store);
    let (before, after) = repair(&config(dir.path(), true)).unwrap();
    assert!(!before.is_sound() && after.is_sound(), "{before:?}");
    let store = open(dir.path(), true);
    assert_eq!(store.get_messages("T", 0, 0, 32, &ByTag(-1)).message_count, 0);
}

/// The bit maps that Java made, by the messages' property `n`.
struct Recorded(Vec<Vec<u8>>);

impl ArrivalListener for Recorded {
    fn arrived(&self, _arrival: rocketmq_store::Arrival<'_>) {}

    fn bit_map(&self, _topic: &str, properties: &[u8]) -> Vec<u8> {
        let n = rocketmq_protocol::message::properties::get_text(properties, "n");
        n.and_then(|n| self.0.get(n.parse::<usize>().ok()?).cloned()).unwrap_or_default()
    }
}

#[test]
fn javas_store_is_read_and_built_again_byte_by_byte() {
    let golden =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/java-4.9.2/store-ext");
    let dir = tempfile::tempdir().unwrap();
    support::copy_tree(&golden, dir.path());
    let config = MessageStoreConfig {
        enable_consume_queue_ext: true,
        mapped_file_size_commit_log: 16_384,
        mapped_file_size_consume_queue: 400,
        mapped_file_size_consume_queue_ext: 300,
        message_index_enable: false,
        ..support::config(dir.path())
    };
    assert!(verify(&config).unwrap().is_sound(), "{:?}", verify(&config));
    let open = |maps: Vec<Vec<u8>>| {
        let listener = Arc::new(Recorded(maps));
        MessageStore::open_on(config.clone(), listener, Disk::default()).unwrap()
    };
    let store = open(Vec::new());
    let found = units(&store, "Extended");
    assert_eq!(found.len(), 30);
    for (n, unit) in found.iter().enumerate() {
        let tag = format!("Tag{}", n % 3);
        assert_eq!(unit.tags_code, rocketmq_protocol::message::tags_code(Some(&tag)));
        assert_eq!(unit.bit_map.len(), 14);
        assert_eq!(unit.bit_map.iter().all(|byte| *byte == 0), n >= 10 && n % 2 == 1, "{n}");
    }
    store.shutdown();
    drop(store);
    for folder in ["consumequeue", "consumequeue_ext"] {
        std::fs::remove_dir_all(dir.path().join(folder)).unwrap();
    }
    mark_killed(dir.path());
    let store = open(found.iter().map(|unit| unit.bit_map.clone()).collect());
    store.start().unwrap();
    store.shutdown();
    for folder in ["consumequeue", "consumequeue_ext"] {
        let files = |root: &Path| {
            let folder = root.join(folder).join("Extended/0");
            let names = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name());
            let mut names: Vec<_> = names.collect();
            names.sort();
            let read = names.into_iter().map(|name| std::fs::read(folder.join(name)).unwrap());
            read.collect::<Vec<_>>()
        };
        assert_eq!(files(dir.path()), files(&golden), "{folder}");
    }
}
