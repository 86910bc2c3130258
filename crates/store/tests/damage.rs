//! Damage of every kind of file: what it costs, and that it is found.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may fail like tests")]

mod support;

use std::path::{Path, PathBuf};

use rocketmq_store::{AcceptAll, GetStatus, MessageStore, NoListener};
use support::{bodies, config, copy_tree, mark_killed, open, put, segment_path};

const MESSAGES: u8 = 30;

/// A closed store: thirty messages in two queues, over several files of each kind.
fn filled(root: &Path) {
    let store = open(config(root));
    store.start().unwrap();
    for number in 0..MESSAGES {
        put(&store, "T", i32::from(number % 2), &[number; 300]);
    }
    store.shutdown();
}

fn all_bodies(store: &MessageStore) -> Vec<u8> {
    let mut first: Vec<u8> =
        (0..2).flat_map(|queue| bodies(store, "T", queue, 0)).map(|body| body[0]).collect();
    first.sort_unstable();
    first
}

fn queue_file(root: &Path, queue: i32, start: u64) -> PathBuf {
    root.join(format!("consumequeue/T/{queue}/{start:020}"))
}

fn flip(path: &Path, byte: usize, bit: u8) {
    let mut content = std::fs::read(path).unwrap();
    content[byte] ^= 1 << bit;
    std::fs::write(path, content).unwrap();
}

#[test]
fn a_flipped_bit_of_a_consume_queue_costs_at_most_its_message_and_moves_no_offset() {
    let dir = tempfile::tempdir().unwrap();
    let whole = dir.path().join("whole");
    filled(&whole);
    let whole_bodies: Vec<u8> = (0..MESSAGES).collect();
    // Every bit of offset and size of a first, a middle and the last entry; tags are filters.
    for (killed, entry, bit) in [0, 7, 14]
        .into_iter()
        .flat_map(|entry| (0..96).step_by(5).map(move |bit| (entry, bit)))
        .flat_map(|(entry, bit)| [(false, entry, bit), (true, entry, bit)])
    {
        let root = dir.path().join("hurt");
        copy_tree(&whole, &root);
        flip(&queue_file(&root, 0, 0), entry * 20 + bit / 8, (bit % 8) as u8);
        if killed {
            mark_killed(&root);
        }
        let store = open(config(&root));
        let here = format!("killed {killed}, entry {entry}, bit {bit}");
        assert_eq!(store.max_offset_in_queue("T", 0), 15, "{here}");
        let found = all_bodies(&store);
        let missing: Vec<&u8> = whole_bodies.iter().filter(|body| !found.contains(body)).collect();
        let lost = (entry * 2) as u8;
        assert!(missing.is_empty() || missing == [&lost], "{here}: {missing:?} missing");
        assert_eq!(found.len() + missing.len(), whole_bodies.len(), "{here}: something twice");
        assert_eq!(put(&store, "T", 0, b"next").queue_offset, 15, "{here}");
        drop(store);
        std::fs::remove_dir_all(&root).unwrap();
    }
}

#[test]
fn queue_files_that_are_torn_or_gone_are_built_again() {
    for (queue, killed) in [(0, false), (1, false), (0, true)] {
        for keep in [Some(0), Some(19), Some(137), Some(399), None] {
            let dir = tempfile::tempdir().unwrap();
            filled(dir.path());
            let path = queue_file(dir.path(), queue, 0);
            match keep {
                Some(len) => {
                    let content = std::fs::read(&path).unwrap();
                    std::fs::write(&path, &content[..len]).unwrap();
                }
                None => std::fs::write(&path, vec![0; 400]).unwrap(),
            }
            if killed {
                mark_killed(dir.path());
            }
            let store = open(config(dir.path()));
            assert_eq!(all_bodies(&store), (0..MESSAGES).collect::<Vec<_>>(), "{keep:?}");
            assert_eq!(put(&store, "T", queue, b"next").queue_offset, 15);
            assert_eq!(store.writable(), Ok(()));
        }
    }
}

#[test]
fn a_lost_record_leaves_the_offsets_of_those_behind_it() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    // The sixth message, offset 2 of queue 1; and the queues have to be built again.
    let store = open(config(dir.path()));
    let hurt = store.physical_offset_at("T", 1, 2).unwrap();
    drop(store);
    flip(&segment_path(dir.path(), 0), hurt as usize + 90, 3);
    std::fs::remove_dir_all(dir.path().join("consumequeue")).unwrap();
    mark_killed(dir.path());
    let store = open(config(dir.path()));
    assert!(store.writable().unwrap_err().contains("damaged"));
    assert_eq!(store.max_offset_in_queue("T", 1), 15);
    let got = store.get_messages("T", 1, 0, 32, &AcceptAll);
    assert_eq!(got.status, GetStatus::Found);
    let offsets: Vec<i64> = got.records().map(|record| record.queue_offset).collect();
    let expected: Vec<i64> = (0..15).filter(|offset| *offset != 2).collect();
    assert_eq!(offsets, expected);
    for record in got.records() {
        assert_eq!(i64::from(record.body[0]), record.queue_offset * 2 + 1);
    }
    assert_eq!(bodies(&store, "T", 0, 0).len(), 15);
}

#[test]
fn a_flipped_body_of_an_earlier_life_is_not_handed_out() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    // The first of several segments: a normal start reads the last three.
    flip(&segment_path(dir.path(), 0), 100, 0);
    let store = open(config(dir.path()));
    assert_eq!(all_bodies(&store), (1..MESSAGES).collect::<Vec<_>>());
}

#[test]
fn a_checkpoint_that_says_anything_costs_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let whole = dir.path().join("whole");
    filled(&whole);
    for (number, content) in
        [vec![], vec![0xff; 4096], vec![0x7f; 4096], vec![0; 10], vec![1; 4096]].iter().enumerate()
    {
        for lost in [false, true] {
            let root = dir.path().join(format!("{number}{lost}"));
            copy_tree(&whole, &root);
            std::fs::write(root.join("checkpoint"), content).unwrap();
            if lost {
                std::fs::write(queue_file(&root, 0, 0), vec![0; 400]).unwrap();
            }
            mark_killed(&root);
            let store = open(config(&root));
            assert_eq!(all_bodies(&store), (0..MESSAGES).collect::<Vec<_>>());
        }
    }
}

#[test]
fn another_queue_file_size_is_a_clear_error() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    let mut other = config(dir.path());
    other.mapped_file_size_consume_queue = 200;
    let error = MessageStore::open(other, std::sync::Arc::new(NoListener)).unwrap_err();
    assert!(error.to_string().contains("set mappedFileSizeConsumeQueue=400"), "{error}");
    let mut other = config(dir.path());
    other.mapped_file_size_commit_log = 8192;
    let error = MessageStore::open(other, std::sync::Arc::new(NoListener)).unwrap_err();
    assert!(error.to_string().contains("set mappedFileSizeCommitLog=4096"), "{error}");
    assert_eq!(all_bodies(&open(config(dir.path()))).len(), usize::from(MESSAGES));
}

#[test]
fn a_block_that_never_reached_the_disk_is_filled_and_writing_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let large = |root: &Path| {
        let mut config = config(root);
        config.mapped_file_size_commit_log = 1 << 16;
        config
    };
    let store = open(large(dir.path()));
    for number in 0..MESSAGES {
        put(&store, "T", 0, &[number + 1; 900]);
    }
    drop(store);
    let path = segment_path(dir.path(), 0);
    let mut content = std::fs::read(&path).unwrap();
    content[8192..12288].fill(0);
    std::fs::write(&path, content).unwrap();
    mark_killed(dir.path());
    for _ in 0..2 {
        let store = open(large(dir.path()));
        assert_eq!(store.writable(), Ok(()));
        let found: Vec<u8> = bodies(&store, "T", 0, 0).iter().map(|body| body[0]).collect();
        // 1002 bytes each: those that touch the bytes from 8192 to 12288.
        let expected: Vec<u8> = (1..=MESSAGES).filter(|n| !(9..=13).contains(n)).collect();
        assert_eq!(found, expected);
        assert_eq!(store.max_offset_in_queue("T", 0), i64::from(MESSAGES));
        drop(store);
        mark_killed(dir.path());
    }
    // The same hole in what was synced long ago is damage.
    std::fs::write(dir.path().join("checkpoint"), [0x7f; 4096]).unwrap();
    let mut content = std::fs::read(&path).unwrap();
    content[16384..20480].fill(0);
    std::fs::write(&path, content).unwrap();
    assert!(open(large(dir.path())).writable().unwrap_err().contains("damaged"));
}
