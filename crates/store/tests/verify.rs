//! Looking stores over and mending them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may fail like tests")]

mod support;

use std::path::Path;

use rocketmq_store::verify::{Severity, repair, take_sizes, verify};
use rocketmq_store::{MessageStoreConfig, PutMessage, StoreError};
use support::{bodies, config, copy_tree, message, open, put, segment_path};

const MESSAGES: u8 = 40;

/// A closed store with keys, over several files of each kind.
fn filled(root: &Path) {
    let store = open(config(root));
    store.start().unwrap();
    for number in 0..MESSAGES {
        let body = [number; 300];
        let keyed = PutMessage {
            properties: b"KEYS\x01k1 k2\x02TAGS\x01TagA",
            ..message("T", i32::from(number % 2), &body)
        };
        store.put(&keyed).unwrap();
        store.commit().unwrap();
    }
    store.shutdown();
}

fn flip(path: &Path, byte: usize) {
    let mut content = std::fs::read(path).unwrap();
    content[byte] ^= 0x10;
    std::fs::write(path, content).unwrap();
}

#[test]
fn a_sound_store_is_sound_open_or_closed_and_nothing_is_changed() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    let found = verify(&config(dir.path())).unwrap();
    assert!(found.is_sound() && found.findings.is_empty(), "{:?}", found.findings);
    assert_eq!((found.records, found.entries, found.queues), (40, 40, 2));
    assert_eq!((found.index_entries, found.is_live), (80, false));
    let store = open(config(dir.path()));
    store.start().unwrap();
    put(&store, "T", 0, b"more");
    let found = verify(&config(dir.path())).unwrap();
    assert!(found.is_sound() && found.is_live, "{:?}", found.findings);
    assert_eq!(found.records, 41);
    assert!(matches!(repair(&config(dir.path())), Err(StoreError::Locked { .. })));
    // The last entries of a running or killed broker are not in the files, nor need a new queue be.
    put(&store, "T", 7, b"a new queue");
    let found = verify(&config(dir.path())).unwrap();
    assert!(found.is_sound() && found.is_live, "{:?}", found.findings);
    let killed = tempfile::tempdir().unwrap();
    copy_tree(dir.path(), killed.path());
    let found = verify(&config(killed.path())).unwrap();
    assert!(found.is_sound() && !found.is_live, "{:?}", found.findings);
    assert_eq!(found.records, 42);
    store.shutdown();
}

#[test]
fn the_stores_of_java_are_sound() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/java-4.9.2");
    for name in ["store", "store-killed"] {
        let dir = tempfile::tempdir().unwrap();
        copy_tree(&golden.join(name), dir.path());
        let mut settings = MessageStoreConfig {
            store_path_root_dir: dir.path().display().to_string(),
            store_path_commit_log: dir.path().join("commitlog").display().to_string(),
            max_hash_slot_num: 20,
            max_index_num: 40,
            ..MessageStoreConfig::default()
        };
        take_sizes(&mut settings).unwrap();
        let found = verify(&settings).unwrap();
        assert!(found.is_sound(), "{name}: {:?}", found.findings);
        assert!(found.records > 50 && found.index_files > 0, "{name}: {found:?}");
    }
}

#[test]
fn each_kind_of_damage_is_found_and_mended() {
    let dir = tempfile::tempdir().unwrap();
    let whole = dir.path().join("whole");
    filled(&whole);
    let index = std::fs::read_dir(whole.join("index")).unwrap().next().unwrap().unwrap();
    let index = Path::new("index").join(index.file_name());
    for (file, byte, severity, lost) in [
        ("commitlog/00000000000000000000", 100, Severity::Loss, 1),
        ("commitlog/00000000000000000000", 1000, Severity::Loss, 1),
        ("consumequeue/T/0/00000000000000000000", 46, Severity::Repairable, 0),
        ("consumequeue/T/1/00000000000000000000", 59, Severity::Repairable, 0),
        (&*index.to_string_lossy(), 40 + 400 + 20 * 5 + 3, Severity::Repairable, 0),
        ("checkpoint", 1, Severity::Repairable, 0),
    ] {
        let root = dir.path().join("hurt");
        copy_tree(&whole, &root);
        flip(&root.join(file), byte);
        let found = verify(&config(&root)).unwrap();
        let here = format!("{file} {byte}: {:?}", found.findings);
        assert!(!found.is_sound(), "{here}");
        assert!(found.findings.iter().any(|finding| finding.severity == severity), "{here}");
        assert!(
            found.findings.iter().any(|finding| finding.path.ends_with(file)
                || root.join(file).starts_with(&finding.path)),
            "{here}"
        );
        let (before, after) = repair(&config(&root)).unwrap();
        assert_eq!(before.findings, found.findings);
        assert!(after.is_sound(), "{file}: {:?}", after.findings);
        let store = open(config(&root));
        assert_eq!(store.writable(), Ok(()));
        let kept = bodies(&store, "T", 0, 0).len() + bodies(&store, "T", 1, 0).len();
        assert_eq!(kept, usize::from(MESSAGES) - lost, "{file}");
        assert_eq!(store.query_by_key("T", "k1", 64, 0, i64::MAX).records.len(), kept, "{file}");
        assert_eq!(put(&store, "T", 0, b"next").queue_offset, 20, "{file}");
        drop(store);
        std::fs::remove_dir_all(&root).unwrap();
    }
}

#[test]
fn lost_queue_files_are_built_again_and_deleted_topics_stay_deleted() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    let store = open(config(dir.path()));
    store.start().unwrap();
    put(&store, "Gone", 0, b"gone");
    put(&store, "T", 0, b"behind it");
    store.delete_topic("Gone").unwrap();
    store.shutdown();
    drop(store);
    assert!(verify(&config(dir.path())).unwrap().is_sound());
    std::fs::remove_file(dir.path().join("consumequeue/T/1/00000000000000000000")).unwrap();
    let (before, after) = repair(&config(dir.path())).unwrap();
    assert!(!before.is_sound() && after.is_sound(), "{:?}", after.findings);
    let store = open(config(dir.path()));
    assert_eq!(bodies(&store, "T", 1, 0).len(), 20);
    assert_eq!(store.topics(), ["T"]);
}

#[test]
fn a_store_that_is_not_there_is_an_error_and_stays_so() {
    let dir = tempfile::tempdir().unwrap();
    let nowhere = dir.path().join("nowhere");
    assert!(verify(&config(&nowhere)).is_err());
    assert!(!nowhere.exists());
    let segment = segment_path(dir.path(), 0);
    std::fs::create_dir_all(segment.parent().unwrap()).unwrap();
    std::fs::write(segment, b"").unwrap();
    assert!(verify(&config(dir.path())).unwrap().is_sound());
}
