//! Measures consume queues and index alone:
//! `cargo run --release -p rocketmq-store --example queue_bench [DIR]`.
//!
//! Prints nanoseconds per entry put and read, what 50,000 idle queues cost, and how long 10,000
//! topics with 4 queues each take to load.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement that ends when it fails"
)]

use std::path::Path;
use std::time::Instant;

use rocketmq_store::Disk;
use rocketmq_store::consume_queue::{ConsumeQueues, QueueEntry};
use rocketmq_store::index::{Index, IndexShape};

/// Size of a consume queue file, as by default.
const FILE_BYTES: u64 = 6_000_000;
/// Size of a record, for the offsets.
const RECORD_BYTES: i64 = 1200;
/// Slots and entries of an index file, as by default.
const SLOTS: u32 = 5_000_000;
const INDEX_ENTRIES: u32 = 20_000_000;

fn main() {
    let dir = std::env::args().nth(1).map_or_else(std::env::temp_dir, Into::into);
    let dir = tempfile::tempdir_in(dir).unwrap();
    for (queues, per_round) in [(1, 1), (1, 16), (16, 1), (16, 4), (1000, 1)] {
        let root = dir.path().join(format!("put-{queues}-{per_round}"));
        put(&root, queues, per_round, 1_000_000);
    }
    index(&dir.path().join("index"), 3_000_000);
    idle(&dir.path().join("idle"), 50_000);
    boot(&dir.path().join("boot"), 10_000, 4);
    large(&dir.path().join("large"), 20, 800_000);
}

/// Puts entries into queues in turn, with so many entries for each queue in a round; reads them.
fn put(root: &Path, queues: i64, per_round: i64, entries: i64) {
    let tables = ConsumeQueues::load(root, FILE_BYTES, &Disk::default()).unwrap();
    let topics: Vec<String> = (0..queues).map(|n| format!("BenchTopic{n}")).collect();
    let rounds = entries / queues / per_round;
    let mut physical = 0;
    let begin = Instant::now();
    for round in 0..rounds {
        for topic in &topics {
            for n in 0..per_round {
                let entry = QueueEntry {
                    physical_offset: physical,
                    size: RECORD_BYTES as i32,
                    tags_code: 2_598_919,
                };
                tables.put(topic, 0, round * per_round + n, entry);
                physical += RECORD_BYTES;
            }
        }
        tables.end_round().unwrap();
    }
    let put = begin.elapsed().as_nanos() as i64 / (rounds * queues * per_round);
    let reads = 300_000;
    let mut out = Vec::new();
    let mut nanos = [0; 2];
    for (max, nanos) in [1, 32].into_iter().zip(&mut nanos) {
        let begin = Instant::now();
        for n in 0..reads {
            out.clear();
            let topic = &topics[n % topics.len()];
            let from = n as i64 % (rounds * per_round - max as i64 + 1);
            tables.read(topic, 0, from, max, &mut out).unwrap();
            assert_eq!(out.len(), max);
        }
        *nanos = begin.elapsed().as_nanos() / reads as u128;
    }
    let [one, many] = nanos;
    println!(
        "{queues} queues, {per_round} entries each per round: put {put} ns per entry; read of 1 entry {one} ns, of 32 {many} ns"
    );
}

/// Indexes messages with a unique key and one more.
fn index(folder: &Path, messages: i64) {
    let index =
        Index::load(folder, IndexShape::new(SLOTS, INDEX_ENTRIES), false, 0, &Disk::default())
            .unwrap();
    let mut unique = String::from("7F00000100002A9F0000000000000000");
    for keys in ["", "order"] {
        let count = if keys.is_empty() { 1 } else { 2 };
        let begin = Instant::now();
        for n in 0..messages {
            unique.truncate(24);
            unique.push_str(&format!("{n:08X}"));
            index
                .put("BenchTopic", keys, Some(&unique), n * RECORD_BYTES, 1_700_000_000_000 + n)
                .unwrap();
        }
        let nanos = begin.elapsed().as_nanos() / messages as u128 / count;
        println!("index put (with making the key): {nanos} ns per key, {count} keys per message");
    }
    let begin = Instant::now();
    let queries = 100_000;
    for n in 0..queries {
        unique.truncate(24);
        unique.push_str(&format!("{:08X}", n * 29));
        let found = index.query("BenchTopic", &unique, 64, 0, i64::MAX).unwrap();
        assert!(!found.physical_offsets.is_empty());
    }
    println!("index query: {} ns", begin.elapsed().as_nanos() / queries as u128);
}

/// What queues cost that nobody uses.
fn idle(root: &Path, queues: i32) {
    let before = anonymous_bytes();
    let tables = ConsumeQueues::load(root, FILE_BYTES, &Disk::default()).unwrap();
    let begin = Instant::now();
    for n in 0..queues {
        let entry = QueueEntry { physical_offset: i64::from(n) * 100, size: 100, tags_code: 0 };
        tables.put(&format!("IdleTopic{}", n / 4), n % 4, 0, entry);
        if n % 100 == 0 {
            tables.end_round().unwrap();
        }
    }
    tables.end_round().unwrap();
    let made = begin.elapsed().as_secs_f64();
    let open = open_files();
    tables.close_idle();
    tables.close_idle();
    let bytes = (anonymous_bytes() - before) / i64::from(queues);
    println!(
        "{queues} queues made in {made:.2} s with {open} files open; idle: {bytes} bytes of memory per queue, {} files open",
        open_files()
    );
}

/// How long it takes to find the queues after a restart.
fn boot(root: &Path, topics: i32, queues: i32) {
    let tables = ConsumeQueues::load(root, FILE_BYTES, &Disk::default()).unwrap();
    let mut physical = 0;
    for topic in 0..topics {
        for queue in 0..queues {
            for n in 0..3 {
                let entry = QueueEntry { physical_offset: physical, size: 100, tags_code: 0 };
                tables.put(&format!("BootTopic{topic}"), queue, n, entry);
                physical += 100;
            }
        }
        tables.end_round().unwrap();
        tables.close_idle();
    }
    drop(tables);
    for min in [0, 150] {
        reload(root, min, &format!("{topics} topics with {queues} queues each"));
    }
}

/// How long it takes to find the ends of queues with several files.
fn large(root: &Path, queues: i32, entries: i64) {
    let tables = ConsumeQueues::load(root, FILE_BYTES, &Disk::default()).unwrap();
    for n in 0..entries {
        for queue in 0..queues {
            let physical_offset = (n * i64::from(queues) + i64::from(queue)) * 100;
            let entry = QueueEntry { physical_offset, size: 100, tags_code: 0 };
            tables.put("Large", queue, n, entry);
        }
        if n % 100 == 99 {
            tables.end_round().unwrap();
        }
    }
    tables.end_round().unwrap();
    drop(tables);
    reload(root, 0, &format!("{queues} queues of {entries} entries"));
}

fn reload(root: &Path, commit_log_min: i64, what: &str) {
    let begin = Instant::now();
    let tables = ConsumeQueues::load(root, FILE_BYTES, &Disk::default()).unwrap();
    let loaded = begin.elapsed().as_secs_f64();
    tables.recover(&(0..i64::MAX)).unwrap();
    let recovered = begin.elapsed().as_secs_f64();
    tables.correct_min(commit_log_min);
    let all = begin.elapsed().as_secs_f64();
    println!(
        "{what}, log from {commit_log_min}: listed after {loaded:.3} s, ends found after {recovered:.3} s, minima after {all:.3} s, {} files open",
        open_files()
    );
}

fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

/// Memory of this process that belongs to no file (Linux; 0 elsewhere).
fn anonymous_bytes() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let word = line.and_then(|line| line.split_whitespace().next());
    word.and_then(|word| word.parse::<i64>().ok()).unwrap_or(0) * 1024
}
