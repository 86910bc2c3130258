//! Small stores in temporary directories.
#![allow(dead_code, reason = "each test file uses its part")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rocketmq_store::{
    AcceptAll, GetStatus, MessageStore, MessageStoreConfig, NoListener, PutMessage, PutResult,
};

/// Bytes of the commit log segments of these tests.
pub(crate) const SEGMENT_BYTES: i32 = 4096;

/// Small files in `root`.
pub(crate) fn config(root: &Path) -> MessageStoreConfig {
    MessageStoreConfig {
        store_path_root_dir: root.display().to_string(),
        store_path_commit_log: root.join("commitlog").display().to_string(),
        mapped_file_size_commit_log: SEGMENT_BYTES,
        mapped_file_size_consume_queue: 400,
        max_hash_slot_num: 100,
        max_index_num: 400,
        ..MessageStoreConfig::default()
    }
}

pub(crate) fn open(config: MessageStoreConfig) -> Arc<MessageStore> {
    MessageStore::open(config, Arc::new(NoListener)).unwrap()
}

/// What a kill leaves: the abort file, and no clean end.
pub(crate) fn mark_killed(root: &Path) {
    std::fs::write(root.join("abort"), b"").unwrap();
}

pub(crate) fn message<'a>(topic: &'a str, queue_id: i32, body: &'a [u8]) -> PutMessage<'a> {
    PutMessage {
        topic,
        queue_id,
        flag: 7,
        sys_flag: 0,
        born_timestamp: 1_700_000_000_000,
        born_host: "10.1.2.3:1234".parse().unwrap(),
        store_host: "127.0.0.1:10911".parse().unwrap(),
        reconsume_times: 0,
        prepared_transaction_offset: 0,
        body,
        properties: b"TAGS\x01TagA",
    }
}

pub(crate) fn put(store: &MessageStore, topic: &str, queue_id: i32, body: &[u8]) -> PutResult {
    let result = store.put(&message(topic, queue_id, body)).unwrap();
    store.commit().unwrap();
    result
}

/// Bodies of a queue from `offset` on; checks that queue offsets are without gap.
pub(crate) fn bodies(
    store: &MessageStore,
    topic: &str,
    queue_id: i32,
    mut offset: i64,
) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    loop {
        let got = store.get_messages(topic, queue_id, offset, 32, &AcceptAll);
        match got.status {
            GetStatus::Found => {}
            _ if got.next_begin_offset > offset && got.next_begin_offset < got.max_offset => {}
            _ => return all,
        }
        for (index, record) in got.records().enumerate() {
            assert!(record.queue_offset >= offset + index as i64);
            record.check_crc().unwrap();
            all.push(record.body.to_vec());
        }
        offset = got.next_begin_offset;
    }
}

/// Copies a directory with its files' times, which decide on retention and search by time.
pub(crate) fn copy_tree(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            let content = std::fs::read(entry.path()).unwrap();
            std::fs::write(&target, content).unwrap();
            let modified = entry.metadata().unwrap().modified().unwrap();
            let file = std::fs::File::options().write(true).open(&target).unwrap();
            file.set_modified(modified).unwrap();
        }
    }
}

/// The commit log segment that starts at `start`.
pub(crate) fn segment_path(root: &Path, start: i64) -> PathBuf {
    root.join("commitlog").join(format!("{start:020}"))
}

/// Waits until `done`, at most half a minute.
pub(crate) fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !done() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::yield_now();
    }
}
