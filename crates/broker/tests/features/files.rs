//! Folders of brokers that are gone, and what lies in them.

use std::fs;
use std::path::{Path, PathBuf};

use rocketmq_broker::BrokerContext;
use rocketmq_protocol::message::RecordView;
use rocketmq_protocol::message::{Properties, properties};

/// Properties as a producer sends them.
pub fn sent(pairs: &[(&str, &str)]) -> String {
    let pairs = pairs.iter().map(|(name, value)| (name.to_string(), value.to_string()));
    properties::encode(&pairs.collect())
}

/// The store of a broker that was killed now.
pub fn killed(folder: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    copy_tree(&folder.join("store"), &copy.path().join("store"));
    copy
}

/// A copy of a store that Java wrote.
pub fn java_store(name: &str) -> tempfile::TempDir {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/java-4.9.2");
    let copy = tempfile::tempdir().unwrap();
    copy_tree(&golden.join(name), &copy.path().join("store"));
    copy
}

fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (from, to): (PathBuf, PathBuf) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy_tree(&from, &to);
        } else {
            fs::copy(from, to).unwrap();
        }
    }
}

/// A stored message, its fields owned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    pub body: String,
    pub sys_flag: i32,
    pub flag: i32,
    pub born_timestamp: i64,
    pub store_timestamp: i64,
    pub reconsume_times: i32,
    pub physical_offset: i64,
    pub queue_offset: i64,
    pub prepared_transaction_offset: i64,
    pub msg_id: String,
    pub properties: Properties,
}

impl Kept {
    fn of(record: &RecordView<'_>) -> Kept {
        record.check_crc().unwrap();
        Kept {
            body: String::from_utf8_lossy(record.body).into_owned(),
            sys_flag: record.sys_flag,
            flag: record.flag,
            born_timestamp: record.born_timestamp,
            store_timestamp: record.store_timestamp,
            reconsume_times: record.reconsume_times,
            physical_offset: record.physical_offset,
            queue_offset: record.queue_offset,
            prepared_transaction_offset: record.prepared_transaction_offset,
            msg_id: record.offset_msg_id(),
            properties: properties::decode(record.properties),
        }
    }

    pub fn property(&self, name: &str) -> Option<&str> {
        self.properties.get(name).map(String::as_str)
    }
}

/// Every message of a queue.
pub fn queue(context: &BrokerContext, topic: &str, queue_id: i32) -> Vec<Kept> {
    let max = context.store.max_offset_in_queue(topic, queue_id);
    let min = context.store.min_offset_in_queue(topic, queue_id).max(0);
    let records = (min..max).map(|offset| {
        let at = context.store.physical_offset_at(topic, queue_id, offset).unwrap();
        Kept::of(&RecordView::parse(&context.store.look_up(at).unwrap()).unwrap())
    });
    records.collect()
}

/// Bodies of a queue's messages.
pub fn bodies(context: &BrokerContext, topic: &str, queue_id: i32) -> Vec<String> {
    queue(context, topic, queue_id).into_iter().map(|kept| kept.body).collect()
}
