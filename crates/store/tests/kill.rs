//! A process that stores messages is killed again and again; what it acknowledged must be there.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may fail like tests")]

mod support;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use rocketmq_store::MessageStoreConfig;
use support::{bodies, config, message, open};

/// Tells the second process where the store is.
const ROOT: &str = "ROCKETMQ_STORE_KILL_TEST";
const ROUNDS: usize = 8;
const QUEUES: i32 = 3;

fn settings(root: &Path) -> MessageStoreConfig {
    MessageStoreConfig { mapped_file_size_commit_log: 16 << 10, ..config(root) }
}

/// The second process: stores messages of growing numbers and says which are committed, until it
/// is killed. Run as a test without the variable it has nothing to do.
#[test]
fn writer() {
    let Some(root) = std::env::var_os(ROOT) else { return };
    let store = open(settings(Path::new(&root)));
    store.start().unwrap();
    let mut out = std::io::stdout();
    let first: i64 = (0..QUEUES).map(|queue| store.max_offset_in_queue("T", queue)).sum();
    for batch in 0.. {
        let numbers = (first + batch * 5)..(first + batch * 5 + 5);
        for number in numbers.clone() {
            let body = format!("{number}:{}", "x".repeat((number * 37 % 900) as usize));
            store.put(&message("T", (number % i64::from(QUEUES)) as i32, body.as_bytes())).unwrap();
        }
        store.commit().unwrap();
        // One write: a line is there wholly or not at all.
        out.write_all(format!("acknowledged {}\n", numbers.end).as_bytes()).unwrap();
        out.flush().unwrap();
    }
}

#[test]
fn no_acknowledged_message_is_lost_to_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = 0;
    for round in 0..ROUNDS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "writer", "--nocapture"])
            .env(ROOT, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut heard = 0;
        for line in lines {
            // The harness prints lines of its own.
            if let Some((_, number)) = line.unwrap().rsplit_once("acknowledged ") {
                acknowledged = number.parse().unwrap();
                heard += 1;
                if heard == 20 + round * 13 {
                    child.kill().unwrap();
                }
            }
        }
        child.wait().unwrap();
        assert!(heard > 0);
        let store = open(settings(dir.path()));
        assert_eq!(store.writable(), Ok(()));
        let mut total = 0;
        for queue in 0..QUEUES {
            let all = bodies(&store, "T", queue, 0);
            assert_eq!(all.len() as i64, store.max_offset_in_queue("T", queue));
            for (index, body) in all.iter().enumerate() {
                let number = i64::from(queue) + index as i64 * i64::from(QUEUES);
                assert!(body.starts_with(format!("{number}:").as_bytes()), "{number}");
            }
            total += all.len() as i64;
        }
        assert!(total >= acknowledged, "round {round}: {total} of {acknowledged}");
        // A round that ends without shutdown leaves the abort file, as the kill did.
        assert!(dir.path().join("abort").exists());
    }
}
