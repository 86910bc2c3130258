//! Measures the store alone: `cargo run --release -p rocketmq-store --example store_bench [DIR]`.
//!
//! Prints wall and CPU nanoseconds per message (flushing included) for putting 1 KiB messages (properties as a Java producer sends
//! them, indexed by unique key) with different numbers of messages per commit, and for reading.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement that ends when it fails"
)]

use std::sync::Arc;
use std::time::Instant;

use rocketmq_protocol::message::batch;
use rocketmq_store::{
    AcceptAll, FlushDiskType, MessageStore, MessageStoreConfig, NoListener, PutBatch, PutMessage,
};

/// Messages per case.
const MESSAGES: usize = 400_000;
/// Bytes of a body.
const BODY_BYTES: usize = 1024;
/// Messages of a batch.
const BATCH: usize = 32;

fn main() {
    let dir = std::env::args().nth(1).map_or_else(std::env::temp_dir, Into::into);
    let dir = tempfile::tempdir_in(dir).unwrap();
    let root = dir.path().display().to_string();
    let config = MessageStoreConfig {
        store_path_root_dir: root.clone(),
        store_path_commit_log: format!("{root}/commitlog"),
        flush_disk_type: FlushDiskType::AsyncFlush,
        ..MessageStoreConfig::default()
    };
    let boot = Instant::now();
    let store = MessageStore::open(config.clone(), Arc::new(NoListener)).unwrap();
    store.start().unwrap();
    println!("open and start an empty store {:?}", boot.elapsed());
    put_singly(&store, "warm-up", 1, MESSAGES / 10);
    for per_commit in [1, 4, 16, 64] {
        put_singly(&store, "put", per_commit, MESSAGES);
    }
    put_batches(&store, MESSAGES);
    put_by_threads(&store, 2, MESSAGES);
    for max in [1, 32] {
        read(&store, max, MESSAGES);
    }
    let begin = Instant::now();
    store.shutdown();
    println!("shutdown {:?}", begin.elapsed());
    drop(store);
    recover(config, dir.path());
}

/// Opens the store as after a clean end, and as after a kill with everything to be scanned.
fn recover(config: MessageStoreConfig, root: &std::path::Path) {
    for killed in [false, true] {
        if killed {
            std::fs::write(root.join("abort"), b"").unwrap();
            std::fs::remove_file(root.join("checkpoint")).unwrap();
        }
        let begin = Instant::now();
        let store = MessageStore::open(config.clone(), Arc::new(NoListener)).unwrap();
        let bytes = store.max_physical_offset() - store.min_physical_offset();
        let seconds = begin.elapsed().as_secs_f64();
        let how = if killed { "a kill" } else { "a clean end" };
        let rate = bytes as f64 / seconds / f64::from(1 << 30);
        println!("open after {how}: {seconds:.3} s, log of {bytes} bytes, {rate:.2} GiB/s");
    }
}

/// CPU ns of all threads of this process so far (Linux; 0 elsewhere).
fn cpu_nanos() -> usize {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Behind the name in parentheses: the 12th and 13th words, in ticks of 10 ms.
    let words = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    words.skip(11).take(2).map(|word| word.parse().unwrap_or(0) * 10_000_000).sum()
}

struct Begin {
    wall: Instant,
    cpu: usize,
}

fn begin() -> Begin {
    Begin { wall: Instant::now(), cpu: cpu_nanos() }
}

fn report(what: &str, messages: usize, begin: Begin) {
    let wall = begin.wall.elapsed().as_nanos() as usize / messages;
    let cpu = (cpu_nanos() - begin.cpu) / messages;
    println!("{what:<36} {wall:>6} ns wall {cpu:>6} ns CPU per message");
}

fn properties(number: usize) -> Vec<u8> {
    format!(
        "UNIQ_KEY\x01C000020251655FFD2B277{number:011X}\x02WAIT\x01true\x02TAGS\x01TagA\x02\
         CLUSTER\x01DefaultCluster\x02MSG_REGION\x01DefaultRegion\x02TRACE_ON\x01true"
    )
    .into_bytes()
}

fn message<'a>(body: &'a [u8], properties: &'a [u8], queue_id: i32) -> PutMessage<'a> {
    PutMessage {
        topic: "BenchmarkTest",
        queue_id,
        flag: 0,
        sys_flag: 0,
        born_timestamp: 1_700_000_000_000,
        born_host: ([10, 1, 2, 3], 1234).into(),
        store_host: ([10, 1, 2, 4], 10911).into(),
        reconsume_times: 0,
        prepared_transaction_offset: 0,
        body,
        properties,
    }
}

fn put_singly(store: &MessageStore, what: &str, per_commit: usize, messages: usize) {
    let body = [b'x'; BODY_BYTES];
    let all: Vec<_> = (0..1024).map(properties).collect();
    let begin = begin();
    for number in 0..messages {
        let properties = &all[number % all.len()];
        store.put(&message(&body, properties, number as i32 % 8)).unwrap();
        if number % per_commit == per_commit - 1 {
            store.commit().unwrap();
        }
    }
    store.commit().unwrap();
    report(&format!("{what}, {per_commit} per commit"), messages, begin);
}

fn put_batches(store: &MessageStore, messages: usize) {
    let body = [b'x'; BODY_BYTES];
    let mut items = Vec::new();
    for number in 0..BATCH {
        let properties = format!("UNIQ_KEY\x01C000020251655FFD2B278{number:011X}\x02TAGS\x01TagA");
        let item = batch::BatchItem { flag: 0, body: &body, properties: properties.as_bytes() };
        batch::encode_item(&item, &mut items);
    }
    let plain = message(&[], &[], 0);
    let begin = begin();
    for number in 0..messages / BATCH {
        let batch = PutBatch {
            topic: plain.topic,
            queue_id: number as i32 % 8,
            sys_flag: 0,
            born_timestamp: plain.born_timestamp,
            born_host: plain.born_host,
            store_host: plain.store_host,
            reconsume_times: 0,
            body: &items,
            properties: b"CLUSTER\x01DefaultCluster",
        };
        store.put_batch(&batch).unwrap();
        store.commit().unwrap();
    }
    report(&format!("batch of {BATCH}, 1 per commit"), messages, begin);
}

fn put_by_threads(store: &MessageStore, threads: usize, messages: usize) {
    let begin = begin();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let body = [b'x'; BODY_BYTES];
                for number in 0..messages / threads {
                    let properties = properties(number);
                    store.put(&message(&body, &properties, number as i32 % 8)).unwrap();
                    store.commit().unwrap();
                }
            });
        }
    });
    report(&format!("put by {threads} threads, 1 per commit"), messages, begin);
}

fn read(store: &MessageStore, max: usize, messages: usize) {
    let mut offset = store.min_offset_in_queue("BenchmarkTest", 0);
    let mut read = 0;
    let begin = begin();
    while read < messages {
        let got = store.get_messages("BenchmarkTest", 0, offset, max, &AcceptAll);
        if got.message_count == 0 {
            offset = 0;
            continue;
        }
        read += got.message_count;
        offset = got.next_begin_offset;
    }
    report(&format!("read, up to {max} at once"), messages, begin);
}
