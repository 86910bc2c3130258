//! Files of a store with any content: opening, reading, writing on, looking over and mending.

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use rocketmq_store::verify::verify;
use rocketmq_store::{AcceptAll, MessageStore, MessageStoreConfig, NoListener, PutMessage};

const SEGMENT_BYTES: usize = 4096;
const QUEUE_BYTES: usize = 400;

fn config(root: &Path) -> MessageStoreConfig {
    MessageStoreConfig {
        store_path_root_dir: root.display().to_string(),
        store_path_commit_log: root.join("commitlog").display().to_string(),
        mapped_file_size_commit_log: SEGMENT_BYTES as i32,
        mapped_file_size_consume_queue: QUEUE_BYTES as i32,
        max_hash_slot_num: 20,
        max_index_num: 100,
        ..MessageStoreConfig::default()
    }
}

fn message<'a>(queue_id: i32, body: &'a [u8]) -> PutMessage<'a> {
    PutMessage {
        topic: "T",
        queue_id,
        flag: 0,
        sys_flag: 0,
        born_timestamp: 0,
        born_host: ([127, 0, 0, 1], 1).into(),
        store_host: ([127, 0, 0, 1], 2).into(),
        reconsume_times: 0,
        prepared_transaction_offset: 0,
        body,
        properties: b"KEYS\x01k\x02TAGS\x01a",
    }
}

/// A folder in memory where there is one: what is synced here needs no medium.
pub(crate) fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// The files of a small store, closed in order.
pub(crate) static STORE: LazyLock<Vec<(PathBuf, Vec<u8>)>> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("store");
    let store = MessageStore::open(config(&root), Arc::new(NoListener)).unwrap();
    store.start().unwrap();
    for number in 0..20 {
        store.put(&message(number % 2, &[number as u8; 300])).unwrap();
    }
    store.commit().unwrap();
    store.shutdown();
    let mut files = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(&root).unwrap().to_path_buf();
                files.push((name, std::fs::read(&path).unwrap()));
            }
        }
    }
    files.sort();
    files
});

/// The first file of a kind.
pub(crate) fn content_of(kind: &str) -> &'static [u8] {
    let found = STORE.iter().find(|(path, _)| path.starts_with(kind));
    &found.unwrap().1
}

/// Opens the store with the first file of that kind replaced; the last bit of the content says
/// whether the broker was killed.
fn open_with(kind: &str, content: &[u8], len: usize) {
    let folder = scratch();
    let root = folder.path();
    let mut replaced = false;
    for (path, whole) in STORE.iter() {
        let target = root.join(path);
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        if !replaced && path.starts_with(kind) {
            replaced = true;
            let mut content = content.to_vec();
            content.resize(len, 0);
            std::fs::write(target, content).unwrap();
        } else {
            std::fs::write(target, whole).unwrap();
        }
    }
    if content.last().is_some_and(|byte| byte & 1 == 1) {
        std::fs::write(root.join("abort"), b"").unwrap();
    }
    let before = verify(&config(root)).unwrap();
    let _ = before.is_sound();
    let Ok(store) = MessageStore::open(config(root), Arc::new(NoListener)) else { return };
    let mut queues = Vec::new();
    store.for_each_queue(|topic, queue_id, min, max| {
        queues.push((topic.to_string(), queue_id, min, max));
    });
    for (topic, queue_id, min, max) in queues.into_iter().take(50) {
        let mut at = min.max(max.saturating_sub(1000));
        for _ in 0..50 {
            let got = store.get_messages(&topic, queue_id, at, 32, &AcceptAll);
            for record in got.records() {
                // Whatever the file says, nobody is handed a message of another queue.
                assert_eq!((record.topic_text(), record.queue_id), (&*topic, queue_id));
                record.check_crc().unwrap();
            }
            if got.next_begin_offset <= at {
                break;
            }
            at = got.next_begin_offset;
        }
        let _ = store.offset_by_time(&topic, queue_id, 1);
    }
    let _ = store.query_by_key("T", "k", 64, 0, i64::MAX);
    if store.put(&message(0, b"next")).is_ok() {
        store.commit().unwrap();
    }
    store.shutdown();
}

/// A commit log segment.
pub fn commit_log(bytes: &[u8]) {
    open_with("commitlog", bytes, SEGMENT_BYTES);
}

/// A consume queue file.
pub fn consume_queue(bytes: &[u8]) {
    open_with("consumequeue", bytes, QUEUE_BYTES);
}

/// An index file.
pub fn index(bytes: &[u8]) {
    open_with("index", bytes, 40 + 4 * 20 + 20 * 100);
}
