//! Keys, times, delays, topics, and what the store tells about itself.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may fail like tests")]

mod support;

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use rocketmq_protocol::message::RecordView;
use rocketmq_store::{
    FlushDiskType, GetStatus, MessageFilter, MessageStore, MessageStoreConfig, PutError,
};
use support::{bodies, config, message, open, put, wait_until};

/// The message of contract `store.md` 21.
fn put_vector(store: &MessageStore) -> i64 {
    let mut vector = message("T1", 2, b"hello");
    vector.properties = b"u\x01v\x02KEYS\x01k1 k2\x02UNIQ_KEY\x01UK1\x02TAGS\x01TagA";
    let put = store.put(&vector).unwrap();
    store.commit().unwrap();
    put.store_timestamp
}

/// A queue's file, once the flush has written an entry.
fn flushed(path: &Path) -> Vec<u8> {
    let read = || std::fs::read(path).unwrap_or_default();
    wait_until("the queue is written", || read().iter().any(|byte| *byte != 0));
    read()
}

#[test]
fn the_vector_of_the_contract_lies_in_queue_and_index() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(config(dir.path()));
    store.start().unwrap();
    let stored = put_vector(&store);
    let content = flushed(&dir.path().join("consumequeue/T1/2/00000000000000000000"));
    assert_eq!(content.len(), 400);
    let entry = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 135, 0, 0, 0, 0, 0, 0x27, 0xA8, 0x07];
    assert_eq!(content[..20], entry);
    let id = store.look_up(0).map(|bytes| RecordView::parse(&bytes).unwrap().offset_msg_id());
    assert_eq!(id.as_deref(), Some("7F00000100002A9F0000000000000000"));
    for key in ["k1", "k2", "UK1"] {
        let found = store.query_by_key("T1", key, 10, stored - 1, stored + 1);
        assert_eq!(found.records.len(), 1, "{key}");
        assert_eq!(found.index_last_update_timestamp, stored);
        assert_eq!(found.index_last_update_physical_offset, 0);
    }
    assert!(store.query_by_key("T2", "k1", 10, 0, i64::MAX).records.is_empty());
    assert!(store.query_by_key("T1", "k1", 10, 0, stored - 5000).records.is_empty());
}

#[test]
fn delayed_messages_carry_their_delivery_time() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(config(dir.path()));
    store.start().unwrap();
    let mut delayed = message("SCHEDULE_TOPIC_XXXX", 2, b"later");
    delayed.properties = b"DELAY\x013\x02TAGS\x01TagA";
    let put = store.put(&delayed).unwrap();
    store.commit().unwrap();
    let content =
        flushed(&dir.path().join("consumequeue/SCHEDULE_TOPIC_XXXX/2/00000000000000000000"));
    let code = i64::from_be_bytes(content[12..20].try_into().unwrap());
    assert_eq!(code, put.store_timestamp + 10_000);
}

#[test]
fn messages_are_found_by_their_time() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(config(dir.path()));
    let mut times = Vec::new();
    for number in 0..100u8 {
        // Times have to differ; the files' own times follow the clock in larger steps.
        if let Some(last) = times.last() {
            wait_until("the clock moves", || store.now() > *last);
        }
        times.push(put(&store, "T", 0, &[number]).store_timestamp);
    }
    for (offset, time) in times.iter().enumerate() {
        assert_eq!(store.offset_by_time("T", 0, *time), offset as i64);
        assert_eq!(store.store_time_at("T", 0, offset as i64), *time);
    }
    assert_eq!(store.offset_by_time("T", 0, 0), 0);
    assert_eq!(store.offset_by_time("T", 0, i64::MAX), 99);
    assert_eq!(store.offset_by_time("U", 0, times[3]), 0);
    assert_eq!(store.earliest_message_time("T", 0), times[0]);
    assert_eq!(store.earliest_message_time("U", 0), -1);
    assert_eq!(store.earliest_message_time_of_store(), times[0]);
    assert_eq!(store.store_time_at("T", 0, 100), -1);
    assert!(store.physical_offset_at("T", 0, 99).is_some());
    assert!(store.physical_offset_at("T", 0, 100).is_none());
}

#[test]
fn a_deleted_topic_begins_anew() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(config(dir.path()));
    for topic in ["A", "B", "SCHEDULE_TOPIC_XXXX"] {
        put(&store, topic, 0, b"x");
    }
    store.delete_topic("A").unwrap();
    assert_eq!(store.max_offset_in_queue("A", 0), 0);
    assert_eq!(put(&store, "A", 0, b"y").queue_offset, 0);
    assert_eq!(bodies(&store, "A", 0, 0), [b"y"]);
    assert_eq!(store.clean_unused_topics(|topic| topic == "A").unwrap(), 1);
    let mut topics = store.topics();
    topics.sort();
    assert_eq!(topics, ["A", "SCHEDULE_TOPIC_XXXX"]);
    assert_eq!(store.clean_expired_consume_queues().unwrap(), 0);
}

#[test]
fn queues_that_cannot_be_written_stop_messages_until_they_can() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(config(dir.path()));
    store.start().unwrap();
    put(&store, "A", 0, b"before");
    // A file where the queue's directory has to be.
    let obstacle = dir.path().join("consumequeue").join("B");
    std::fs::write(&obstacle, b"").unwrap();
    store.put(&message("B", 0, b"stuck")).unwrap();
    store.commit().unwrap();
    wait_until("the queue is found not to be writable", || store.writable().is_err());
    let refused = store.put(&message("A", 0, b"x"));
    assert!(matches!(refused, Err(PutError::ServiceNotAvailable(_))), "{refused:?}");
    assert!(store.fatal().is_none());
    assert_eq!(bodies(&store, "B", 0, 0), [b"stuck"], "it was acknowledged");
    std::fs::remove_file(&obstacle).unwrap();
    wait_until("the queues catch up", || store.writable().is_ok());
    assert_eq!(bodies(&store, "B", 0, 0), [b"stuck"]);
    assert_eq!(store.dispatch_behind_bytes(), 0);
    put(&store, "B", 0, b"after");
    assert_eq!(bodies(&store, "B", 0, 0), [b"stuck".to_vec(), b"after".to_vec()]);
}

#[test]
fn the_runtime_info_has_every_key_of_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(config(dir.path()));
    put_vector(&store);
    let info = store.runtime_info();
    let value = |key: &str| {
        let found = info.iter().find(|(name, _)| name == key);
        found.unwrap_or_else(|| panic!("{key}")).1.clone()
    };
    for (key, expected) in [
        ("commitLogMinOffset", "0"),
        ("commitLogMaxOffset", "135"),
        ("dispatchBehindBytes", "0"),
        ("putMessageTimesTotal", "1"),
        ("putMessageSizeTotal", "135"),
        ("putMessageAverageSize", "135.0"),
        ("remainTransientStoreBufferNumbs", "2147483647"),
        ("remainHowManyDataToFlush", "135 B"),
        ("dispatchMaxBuffer", "0"),
        ("pageCacheLockTimeMills", "0"),
    ] {
        assert_eq!(value(key), expected, "{key}");
    }
    for key in [
        "bootTimestamp",
        "runtime",
        "putMessageEntireTimeMax",
        "getMessageEntireTimeMax",
        "commitLogDiskRatio",
        "consumeQueueDiskRatio",
        "earliestMessageTimeStamp",
    ] {
        assert!(!value(key).is_empty());
    }
    assert!(value("commitLogDirCapacity").starts_with("Total : "));
    value(&format!("commitLogDiskRatio_{}", dir.path().join("commitlog").display()));
}

#[test]
fn under_sync_flush_segments_are_warmed_and_messages_survive() {
    let dir = tempfile::tempdir().unwrap();
    let config = MessageStoreConfig {
        flush_disk_type: FlushDiskType::SyncFlush,
        flush_least_pages_when_warm_maped_file: 1,
        mapped_file_size_commit_log: 64 << 10,
        ..config(dir.path())
    };
    let store = open(config.clone());
    store.start().unwrap();
    let (sent, received) = std::sync::mpsc::channel();
    for number in 0..300usize {
        let end = put(&store, "T", 0, &number.to_string().repeat(300).into_bytes()).end_offset;
        let sent = sent.clone();
        store.when_flushed(end, Box::new(move |outcome| sent.send(outcome).unwrap()));
    }
    drop(sent);
    let outcomes: Vec<_> = received.iter().collect();
    assert_eq!(outcomes, vec![rocketmq_store::FlushOutcome::Flushed; 300]);
    store.shutdown();
    let store = open(config);
    let all = bodies(&store, "T", 0, 0);
    assert_eq!(all.len(), 300);
    assert_eq!(all[299], "299".repeat(300).into_bytes());
}

/// Wants nothing but a message that is put while the first two are looked at: behind the log's end
/// as the read knows it, and before the read reaches the queue's next entries.
struct PutsMeanwhile<'a> {
    store: &'a MessageStore,
    looked_at: AtomicUsize,
}

impl MessageFilter for PutsMeanwhile<'_> {
    fn by_tags(&self, _tags_code: i64) -> bool {
        let looked_at = self.looked_at.fetch_add(1, Ordering::Relaxed);
        if looked_at == 1 {
            put(self.store, "T", 0, b"late");
        }
        looked_at >= 3
    }

    fn by_record(&self, _record: &[u8]) -> bool {
        true
    }
}

#[test]
fn a_message_put_while_a_read_is_under_way_is_not_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(config(dir.path()));
    for body in [b"a", b"b", b"c"] {
        put(&store, "T", 0, body);
    }
    let filter = PutsMeanwhile { store: &store, looked_at: AtomicUsize::new(0) };
    // Two at most: so many entries are read first, and the rest of the queue after the put.
    let got = store.get_messages("T", 0, 0, 2, &filter);
    let late: Vec<_> = got.records().map(|record| record.body.to_vec()).collect();
    match got.next_begin_offset {
        // Not looked at yet: the next read finds it.
        3 => assert_eq!(bodies(&store, "T", 0, 3), [b"late"]),
        4 => {
            assert_eq!(got.status, GetStatus::Found);
            assert_eq!(late, [b"late"]);
        }
        next => panic!("the next read would begin at {next}"),
    }
}
