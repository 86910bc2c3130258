//! What is left after kills, torn writes and damage.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may fail like tests")]

mod support;

use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;
use rocketmq_store::{AcceptAll, MessageStore, NoListener, PutError, StoreError};
use support::{bodies, config, copy_tree, mark_killed, message, open, put, segment_path};

/// Overwrites bytes of the segment that starts at 0.
fn overwrite(root: &Path, at: usize, bytes: &[u8]) {
    let path = segment_path(root, 0);
    let mut content = std::fs::read(&path).unwrap();
    content[at..at + bytes.len()].copy_from_slice(bytes);
    std::fs::write(path, content).unwrap();
}

#[test]
fn a_record_torn_at_any_byte_is_cut_and_its_place_used_again() {
    let dir = tempfile::tempdir().unwrap();
    let whole = dir.path().join("whole");
    let store = open(config(&whole));
    put(&store, "T", 0, b"first");
    put(&store, "U", 3, b"second");
    let last = put(&store, "T", 0, b"torn");
    drop(store);
    for cut in last.physical_offset..last.end_offset {
        let root = dir.path().join(format!("cut{cut}"));
        copy_tree(&whole, &root);
        overwrite(&root, cut as usize, &vec![0; (last.end_offset - cut) as usize]);
        mark_killed(&root);
        let store = open(config(&root));
        assert_eq!(bodies(&store, "T", 0, 0), [b"first"], "{cut}");
        assert_eq!(bodies(&store, "U", 3, 0), [b"second"], "{cut}");
        assert_eq!(store.max_physical_offset(), last.physical_offset);
        let next = put(&store, "T", 0, b"next");
        assert_eq!((next.physical_offset, next.queue_offset), (last.physical_offset, 1));
        assert_eq!(bodies(&store, "T", 0, 0), [b"first".to_vec(), b"next".to_vec()]);
        drop(store);
        std::fs::remove_dir_all(&root).unwrap();
    }
}

/// A store whose second record is damaged, closed or killed.
fn damaged(root: &Path, killed: bool) -> Arc<MessageStore> {
    let store = open(config(root));
    store.start().unwrap();
    put(&store, "T", 0, b"first");
    let hurt = put(&store, "T", 0, b"second");
    put(&store, "T", 1, b"third");
    put(&store, "T", 0, b"fourth");
    store.shutdown();
    drop(store);
    if killed {
        mark_killed(root);
    }
    // In the body: only the checksum tells.
    overwrite(root, hurt.physical_offset as usize + 90, b"?");
    open(config(root))
}

#[test]
fn damage_in_the_middle_costs_no_neighbour_and_stops_writes_until_repaired() {
    for killed in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let store = damaged(dir.path(), killed);
        assert_eq!(bodies(&store, "T", 0, 0), [b"first".to_vec(), b"fourth".to_vec()]);
        assert_eq!(bodies(&store, "T", 1, 0), [b"third"]);
        assert_eq!(store.max_offset_in_queue("T", 0), 3);
        let Err(PutError::ServiceNotAvailable(reason)) = store.put(&message("T", 0, b"x")) else {
            panic!("a damaged store took a message");
        };
        assert!(reason.contains("topic T queue 0 offset 1"), "{reason}");
        assert!(reason.contains("damaged from offset 106 to 213"), "{reason}");
        // The abort file stays, so the damage is found again, however often it is opened.
        store.start().unwrap();
        store.shutdown();
        drop(store);
        assert!(dir.path().join("abort").exists());
        let store = open(config(dir.path()));
        assert!(store.writable().is_err());
        drop(store);
        overwrite(dir.path(), 106 + 90, b"c");
        let content = std::fs::read(segment_path(dir.path(), 0)).unwrap();
        assert_eq!(&content[106 + 88..106 + 94], b"second");
        let store = open(config(dir.path()));
        assert_eq!(store.writable(), Ok(()));
        assert_eq!(bodies(&store, "T", 0, 0).len(), 3);
        assert_eq!(put(&store, "T", 0, b"x").queue_offset, 3);
    }
}

#[test]
fn a_missing_segment_hides_only_its_own_messages() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(config(dir.path()));
    for number in 0..9u8 {
        put(&store, "T", 0, &[number + 1; 1000]);
    }
    drop(store);
    std::fs::remove_file(segment_path(dir.path(), 4096)).unwrap();
    mark_killed(dir.path());
    let store = open(config(dir.path()));
    let first: Vec<u8> = bodies(&store, "T", 0, 0).iter().map(|body| body[0]).collect();
    assert_eq!(first, [1, 2, 3, 7, 8, 9]);
    assert!(store.writable().unwrap_err().contains("a segment file is missing"));
}

#[test]
fn lost_consume_queues_are_rebuilt_from_the_log() {
    for killed in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let store = open(config(dir.path()));
        for number in 0..40u8 {
            put(&store, "T", i32::from(number % 2), &[number; 500]);
        }
        store.shutdown();
        drop(store);
        std::fs::remove_dir_all(dir.path().join("consumequeue")).unwrap();
        if killed {
            mark_killed(dir.path());
        }
        let store = open(config(dir.path()));
        assert_eq!(bodies(&store, "T", 0, 0).len(), 20);
        assert_eq!(bodies(&store, "T", 1, 0).len(), 20);
        assert_eq!(put(&store, "T", 1, b"x").queue_offset, 20);
    }
}

#[test]
fn without_a_commit_log_the_queues_begin_anew() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(config(dir.path()));
    put(&store, "T", 0, b"one");
    store.shutdown();
    drop(store);
    std::fs::remove_dir_all(dir.path().join("commitlog")).unwrap();
    let store = open(config(dir.path()));
    assert_eq!(store.max_offset_in_queue("T", 0), 0);
    assert_eq!((store.min_physical_offset(), store.earliest_message_time_of_store()), (-1, -1));
    assert_eq!(put(&store, "T", 0, b"two").queue_offset, 0);
}

#[test]
fn two_stores_do_not_share_a_directory() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(config(dir.path()));
    let second = MessageStore::open(config(dir.path()), Arc::new(NoListener));
    let error = second.unwrap_err();
    assert!(matches!(error, StoreError::Locked { .. }));
    assert!(error.to_string().starts_with("Lock failed,MQ already started"), "{error}");
    assert_eq!(std::fs::read(dir.path().join("lock")).unwrap(), b"lock");
    store.shutdown();
    open(config(dir.path()));
}

#[test]
fn the_abort_file_marks_a_store_in_use() {
    let dir = tempfile::tempdir().unwrap();
    let abort = dir.path().join("abort");
    let store = open(config(dir.path()));
    assert!(!abort.exists());
    store.start().unwrap();
    assert!(abort.exists());
    put(&store, "T", 0, b"one");
    store.shutdown();
    assert!(!abort.exists());
    assert_eq!(std::fs::read(dir.path().join("checkpoint")).unwrap().len(), 4096);
    assert!(matches!(store.put(&message("T", 0, b"late")), Err(PutError::ServiceNotAvailable(_))));
    // What was readable stays readable for those who still answer.
    assert_eq!(bodies(&store, "T", 0, 0), [b"one"]);
}

#[test]
fn segments_made_ahead_are_gone_after_shutdown_and_used_after_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(config(dir.path()));
    store.start().unwrap();
    put(&store, "T", 0, b"one");
    let ahead = segment_path(dir.path(), 4096);
    support::wait_until("the next segment is made", || ahead.exists());
    let killed = dir.path().join("killed");
    copy_tree(&dir.path().join("commitlog"), &killed.join("commitlog"));
    copy_tree(&dir.path().join("consumequeue"), &killed.join("consumequeue"));
    mark_killed(&killed);
    store.shutdown();
    assert!(!ahead.exists());
    let store = open(config(&killed));
    store.start().unwrap();
    for _ in 0..12 {
        put(&store, "T", 0, &[1; 1000]);
    }
    assert_eq!(bodies(&store, "T", 0, 0).len(), 13);
}

/// Bodies of one run: queue and size of each message, and after which a commit follows.
fn messages() -> impl Strategy<Value = Vec<(i32, usize, bool)>> {
    prop::collection::vec((0..3, 0..2500usize, any::<bool>()), 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn whatever_is_put_is_read_back_after_close_and_after_kill(
        first in messages(), second in messages(), killed in any::<bool>()
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut expected = vec![Vec::new(); 3];
        let mut number = 0u8;
        for run in [first, second] {
            let store = open(config(dir.path()));
            for (queue, size, commit) in run {
                number = number.wrapping_add(1);
                let body = vec![number; size];
                let result = store.put(&message("T", queue, &body)).unwrap();
                let of_queue: &mut Vec<Vec<u8>> = &mut expected[queue as usize];
                prop_assert_eq!(result.queue_offset, of_queue.len() as i64);
                of_queue.push(body);
                if commit {
                    store.commit().unwrap();
                }
            }
            store.commit().unwrap();
            if killed {
                mark_killed(dir.path());
            } else {
                store.shutdown();
            }
        }
        let store = open(config(dir.path()));
        prop_assert_eq!(store.writable(), Ok(()));
        for (queue, bodies_put) in expected.iter().enumerate() {
            prop_assert_eq!(&bodies(&store, "T", queue as i32, 0), bodies_put);
        }
        let all = store.get_messages("T", 0, 0, 1, &AcceptAll);
        prop_assert_eq!(all.min_offset, 0);
    }
}
