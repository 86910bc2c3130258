//! Putting and reading.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may fail like tests")]

mod support;

use std::sync::{Arc, Mutex};

use rocketmq_protocol::message::{RecordView, batch};
use rocketmq_store::{
    AcceptAll, Arrival, ArrivalListener, GetStatus, MessageFilter, MessageStore, PutBatch, PutError,
};
use support::{SEGMENT_BYTES, bodies, config, message, open, put};

#[test]
fn nothing_is_readable_before_the_commit_and_everything_behind_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(config(dir.path()));
    let first = store.put(&message("T", 1, b"one")).unwrap();
    assert_eq!(store.max_offset_in_queue("T", 1), 0);
    assert!(store.look_up(first.physical_offset).is_none());
    let second = store.put(&message("T", 1, b"two")).unwrap();
    store.commit().unwrap();
    assert_eq!((first.queue_offset, second.queue_offset), (0, 1));
    assert_eq!(second.physical_offset, first.end_offset);
    assert_eq!(bodies(&store, "T", 1, 0), [b"one", b"two"]);
    assert_eq!(store.max_offset_in_queue("T", 1), 2);
    assert_eq!(store.min_offset_in_queue("T", 1), 0);
    assert_eq!(store.min_offset_in_queue("T", 2), -1);
    let record = store.look_up(second.physical_offset).unwrap();
    let view = RecordView::parse(&record).unwrap();
    assert_eq!(view.offset_msg_id(), second.message_id());
    assert_eq!((view.flag, view.store_timestamp), (7, second.store_timestamp));
    assert!(store.look_up(second.physical_offset + 1).is_none());
    assert!(store.look_up(-1).is_none() && store.look_up(i64::MAX).is_none());
    assert_eq!(store.dispatch_behind_bytes(), 0);
}

#[test]
fn segments_roll_with_a_blank_and_without_a_gap_in_the_queue() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(config(dir.path()));
    let body = [b'x'; 1000];
    let results: Vec<_> = (0..10).map(|_| store.put(&message("T", 0, &body)).unwrap()).collect();
    store.commit().unwrap();
    // 1000 + 91 + 1 + 9 bytes: three to a segment of 4096, the blank behind them.
    assert_eq!(results[2].end_offset, 3303);
    assert_eq!(results[3].physical_offset, i64::from(SEGMENT_BYTES));
    let first = std::fs::read(support::segment_path(dir.path(), 0)).unwrap();
    assert_eq!(first.len(), SEGMENT_BYTES as usize);
    assert_eq!(first[3303..3311], [0, 0, 0x03, 0x19, 0xCB, 0xD4, 0x31, 0x94]);
    assert_eq!(bodies(&store, "T", 0, 0).len(), 10);
    let too_big = vec![0; 4096 - 91 - 8];
    let refused = store.put(&message("T", 0, &too_big));
    assert!(matches!(refused, Err(PutError::MessageIllegal(_))));
}

#[test]
fn a_batch_lies_in_one_segment_and_its_properties_are_joined_as_in_4_9_3() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(config(dir.path()));
    put(&store, "T", 0, &[0; 2000]);
    let mut body = Vec::new();
    for (number, properties) in [&b"TAGS\x01TagB"[..], b"a\x01b\x02", b""].iter().enumerate() {
        let item_body = vec![number as u8; 900];
        let item = batch::BatchItem { flag: number as i32, body: &item_body, properties };
        batch::encode_item(&item, &mut body);
    }
    let plain = message("T", 0, b"");
    let put_batch = PutBatch {
        topic: "T",
        queue_id: 0,
        sys_flag: 0,
        born_timestamp: 5,
        born_host: plain.born_host,
        store_host: plain.store_host,
        reconsume_times: 2,
        body: &body,
        properties: b"CLUSTER\x01DC",
    };
    let result = store.put_batch(&put_batch).unwrap();
    store.commit().unwrap();
    assert_eq!(result.queue_offset, 1);
    assert_eq!(result.physical_offsets[0], i64::from(SEGMENT_BYTES));
    assert_eq!(result.message_ids().split(',').count(), 3);
    let got = store.get_messages("T", 0, 1, 32, &AcceptAll);
    let properties: Vec<_> = got.records().map(|record| record.properties.to_vec()).collect();
    assert_eq!(
        properties,
        [
            b"TAGS\x01TagB\x02CLUSTER\x01DC".to_vec(),
            b"a\x01b\x02CLUSTER\x01DC".to_vec(),
            b"CLUSTER\x01DC".to_vec(),
        ]
    );
    // Neighbours in the log come as one chunk.
    assert_eq!((got.message_count, got.chunks.len()), (3, 1));
    let flags: Vec<_> =
        got.records().map(|r| (r.flag, r.queue_offset, r.reconsume_times)).collect();
    assert_eq!(flags, [(0, 1, 2), (1, 2, 2), (2, 3, 2)]);

    let broken = PutBatch { body: &body[..body.len() - 1], ..put_batch };
    assert!(matches!(store.put_batch(&broken), Err(PutError::MessageIllegal(_))));
    let empty = PutBatch { body: b"", ..put_batch };
    assert!(matches!(store.put_batch(&empty), Err(PutError::MessageIllegal(_))));
    assert_eq!(store.put(&message("T", 0, b"")).unwrap().queue_offset, 4);
}

#[test]
fn the_limits_are_javas() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path());
    config.mapped_file_size_commit_log = 1 << 20;
    config.max_message_size = 50_000;
    let store = open(config);
    let long_topic = "t".repeat(128);
    let properties = vec![b'p'; 32_768];
    let wide = "é".repeat(20_000);
    let body = vec![0; 50_000];
    let illegal = |m| matches!(store.put(&m), Err(PutError::MessageIllegal(_)));
    assert!(illegal(message(&long_topic, 0, b"")));
    assert!(illegal(message("../T", 0, b"")) && illegal(message("..", 0, b"")));
    assert!(illegal(message("", 0, b"")) && illegal(message("T", -1, b"")));
    assert!(illegal(message("T", 0, &body)));
    let mut too_many = message("T", 0, b"");
    too_many.properties = &properties;
    assert!(illegal(too_many));
    too_many.properties = wide.as_bytes();
    let exceeded = store.put(&too_many);
    assert_eq!(exceeded, Err(PutError::PropertiesSizeExceeded(40_000)));
    too_many.properties = &properties[1..];
    assert_eq!(store.put(&too_many).unwrap().queue_offset, 0);
}

#[test]
fn a_read_ends_where_the_limits_say() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path());
    config.mapped_file_size_commit_log = 1 << 20;
    let store = open(config.clone());
    for number in 0..50u8 {
        put(&store, "T", 0, &[number; 10_000]);
    }
    let get = |offset, max| store.get_messages("T", 0, offset, max, &AcceptAll);
    assert_eq!(get(0, 5).message_count, 5);
    assert_eq!(get(0, 5).next_begin_offset, 5);
    // 262144 bytes of 10101 each.
    assert_eq!(get(0, 100).message_count, 25);
    assert_eq!(get(45, 100).message_count, 5);
    // Everything counts as old when nothing counts as recent.
    config.access_message_in_memory_max_ratio = 0;
    store.set_config(config).unwrap();
    let got = get(0, 100);
    assert_eq!((got.message_count, got.suggest_slave), (6, true));
    assert!(store.is_in_disk_by_consume_offset("T", 0, 3));
}

#[test]
fn every_status_has_its_case() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(config(dir.path()));
    put(&store, "T", 0, b"one");
    put(&store, "T", 0, b"two");
    let status = |topic: &str, queue, offset| {
        let got = store.get_messages(topic, queue, offset, 32, &AcceptAll);
        (got.status, got.next_begin_offset)
    };
    assert_eq!(status("U", 0, 5), (GetStatus::NoMatchedLogicQueue, 0));
    assert_eq!(status("T", 0, 0), (GetStatus::Found, 2));
    assert_eq!(status("T", 0, 2), (GetStatus::OffsetOverflowOne, 2));
    assert_eq!(status("T", 0, 3), (GetStatus::OffsetOverflowBadly, 0));
    assert_eq!(status("T", 0, -1), (GetStatus::OffsetTooSmall, 0));
    struct Nothing;
    impl MessageFilter for Nothing {
        fn by_tags(&self, tags_code: i64) -> bool {
            tags_code != 2_598_919
        }
        fn by_record(&self, _record: &[u8]) -> bool {
            false
        }
    }
    let got = store.get_messages("T", 0, 0, 32, &Nothing);
    assert_eq!((got.status, got.next_begin_offset), (GetStatus::NoMatchedMessage, 2));
}

#[test]
fn the_listener_hears_of_every_message_in_order() {
    #[derive(Default)]
    struct Heard(Mutex<Vec<(String, i32, i64, i64)>>);
    impl ArrivalListener for Heard {
        fn arrived(&self, a: Arrival<'_>) {
            let view = RecordView::parse(a.record).unwrap();
            assert_eq!(view.queue_offset, a.queue_offset);
            let heard = (a.topic.to_string(), a.queue_id, a.queue_offset, a.tags_code);
            self.0.lock().unwrap().push(heard);
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let heard = Arc::new(Heard::default());
    let store = MessageStore::open(config(dir.path()), heard.clone()).unwrap();
    for queue in [0, 1, 0] {
        store.put(&message("T", queue, &[0; 2000])).unwrap();
    }
    assert!(heard.0.lock().unwrap().is_empty());
    store.commit().unwrap();
    let code = 2_598_919;
    let expected = [(0, 0), (1, 0), (0, 1)].map(|(q, offset)| ("T".to_string(), q, offset, code));
    assert_eq!(*heard.0.lock().unwrap(), expected);
}

#[test]
fn many_threads_leave_no_gap_and_no_duplicate() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path());
    config.mapped_file_size_commit_log = 64 << 10;
    let store = open(config);
    store.start().unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let store = &store;
            scope.spawn(move || {
                for number in 0..500 {
                    let body = format!("{thread} {number}");
                    let result = store.put(&message("T", number % 3, body.as_bytes())).unwrap();
                    if number % 7 == 0 {
                        store.commit().unwrap();
                        let record = store.look_up(result.physical_offset).unwrap();
                        assert_eq!(RecordView::parse(&record).unwrap().body, body.as_bytes());
                    }
                }
                store.commit().unwrap();
            });
        }
    });
    let mut all: Vec<_> = (0..3).flat_map(|queue| bodies(&store, "T", queue, 0)).collect();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 2000);
    store.shutdown();
    assert!(!dir.path().join("abort").exists());
    let store = open((*store.config()).clone());
    assert_eq!((0..3).map(|queue| bodies(&store, "T", queue, 0).len()).sum::<usize>(), 2000);
}
