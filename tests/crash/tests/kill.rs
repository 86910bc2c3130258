//! `kill -9` again and again, at random points and at chosen ones: whatever was acknowledged is
//! there, in order, once.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rocketmq_history::{History, Report};
use rocketmq_protocol::RequestCode;
use rocketmq_remoting::Request;
use rocketmq_testbed::cluster::{Broker, NameServer, SMALL_FILES};
use rocketmq_testbed::load::{self, Load, QUEUES, TOPIC, Wanted};
use rocketmq_testbed::random::Random;
use rocketmq_testbed::{soak, talk};
use rustix::process::Signal;
use tokio::task::block_in_place;

/// Rounds of one store; then a fresh one is taken, so that reading everything stays quick.
const ROUNDS_PER_STORE: usize = 12;

/// Where a process dies, as a line of the fault script with `{}` for how often it is spared.
const POINTS: [(&str, &str, usize); 7] = [
    ("segment roll", "allocate /commitlog/ {} kill", 4),
    ("new name of a segment", "names commitlog {} kill", 4),
    ("dispatch", "write /consumequeue/ {} kill", 20),
    ("queue roll", "allocate /consumequeue/ {} kill", 12),
    ("index roll", "allocate /index/ {} kill", 3),
    ("log write", "write /commitlog/ {} kill", 300),
    ("sync", "sync * {} kill", 60),
];

#[derive(Default)]
struct Tally {
    rounds: BTreeMap<String, usize>,
    boots_killed: usize,
    acknowledged: usize,
    kept: usize,
}

impl Tally {
    fn add(&mut self, report: &Report) {
        self.acknowledged += report.acknowledged;
        self.kept += report.kept;
    }
}

async fn rounds_of_one_store(mode: &str, rounds: usize, random: &mut Random, tally: &mut Tally) {
    let history = Arc::new(History::default());
    let mut broker = Broker::new("kill", &format!("{SMALL_FILES}{mode}"));
    for _ in 0..rounds {
        // Recovery is killed too, at any operation on the disk.
        broker.set_faults("");
        if broker.store().join("abort").exists() && random.below(3) == 0 {
            for _ in 0..1 + random.below(2) {
                broker.set_faults(&format!("any * {} kill", random.below(12)));
                let served = block_in_place(|| broker.try_boot());
                tally.boots_killed += usize::from(!served);
                block_in_place(|| broker.running().kill());
            }
            broker.set_faults("");
        }
        block_in_place(|| broker.boot());
        let report = load::judge(&history, &broker.address()).await;
        assert!(report.violations.is_empty(), "{mode}: {report}\n{}", broker.store_errors());
        let load = Load::start(&history, &broker.address(), Wanted::default());
        let kind = random.below(10);
        let kind = match kind {
            0..6 => {
                let (name, line, most) = POINTS[random.below(POINTS.len())];
                load.reach(random.below(100)).await;
                broker.set_faults(&line.replace("{}", &random.below(most).to_string()));
                // Not every point is reached by every load.
                let given = Duration::from_millis(700);
                let begun = Instant::now();
                while broker.running().ended().is_none() && begun.elapsed() < given {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
                match broker.running().ended() {
                    Some(_) => name,
                    None => "point not reached",
                }
            }
            6 => {
                load.reach(random.below(300)).await;
                broker.running().signal(Signal::TERM);
                // Within flush, offset persist and the rest of an orderly end.
                tokio::time::sleep(Duration::from_micros(random.number() % 90_000)).await;
                "orderly end"
            }
            7 if random.below(3) == 0 => {
                load.reach(random.below(300)).await;
                assert_eq!(block_in_place(|| broker.running().terminate()), 143);
                "none (ended in order)"
            }
            _ => {
                load.reach(random.below(600)).await;
                tokio::time::sleep(Duration::from_micros(random.number() % 20_000)).await;
                "anywhere"
            }
        };
        block_in_place(|| broker.running().kill());
        load.end(false).await;
        match kind.starts_with("none") {
            true => history.offsets_settled(),
            false => history.crashed(),
        }
        *tally.rounds.entry(kind.to_string()).or_default() += 1;
    }
    broker.set_faults("");
    block_in_place(|| broker.boot());
    let report = load::judge(&history, &broker.address()).await;
    assert!(report.violations.is_empty(), "{mode}: {report}\n{}", broker.store_errors());
    tally.add(&report);
    assert_eq!(block_in_place(|| broker.running().terminate()), 143);
}

async fn rounds(name: &str, mode: &str, rounds: usize) {
    let (_, mut random) = Random::of_run(name);
    let mut tally = Tally::default();
    let begun = Instant::now();
    let mut done = 0;
    while done < rounds || soak().is_some_and(|time| begun.elapsed() < time) {
        rounds_of_one_store(mode, ROUNDS_PER_STORE, &mut random, &mut tally).await;
        done += ROUNDS_PER_STORE;
    }
    println!(
        "{name}: {done} rounds in {:?}, killed at {:?}, {} times while recovering; {} acknowledged, {} kept, 0 lost, 0 invented",
        begun.elapsed(),
        tally.rounds,
        tally.boots_killed,
        tally.acknowledged,
        tally.kept
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: the stage crash of tests/run.sh runs it"]
async fn acknowledged_messages_survive_kills_under_async_flush() {
    rounds("kill, ASYNC_FLUSH", "flushDiskType=ASYNC_FLUSH\n", 72).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: the stage crash of tests/run.sh runs it"]
async fn acknowledged_messages_survive_kills_under_async_flush_woken() {
    let mode = "flushDiskType=ASYNC_FLUSH\nflushCommitLogTimed=false\nflushCommitLogLeastPages=0\n\
        flushConsumeQueueThoroughInterval=200\nflushIntervalConsumeQueue=20\n";
    rounds("kill, ASYNC_FLUSH woken", mode, 48).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: the stage crash of tests/run.sh runs it"]
async fn acknowledged_messages_survive_kills_under_sync_flush() {
    rounds("kill, SYNC_FLUSH", "flushDiskType=SYNC_FLUSH\n", 72).await;
}

/// Old segments are deleted all the time, and the process is killed meanwhile.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: the stage crash of tests/run.sh runs it"]
async fn kills_while_old_files_are_deleted_cost_nothing_that_is_kept() {
    let hours: Vec<String> = (0..24).map(|hour| format!("{hour:02}")).collect();
    let mode = format!(
        "fileReservedTime=0\ndeleteWhen={}\ncleanResourceInterval=20\ndeleteCommitLogFilesInterval=1\n",
        hours.join(";")
    );
    let (_, mut random) = Random::of_run("kill, retention");
    let history = Arc::new(History::default());
    let mut broker = Broker::start("retention", &format!("{SMALL_FILES}{mode}"));
    let wanted = Wanted { senders: 4, ..Wanted::default() };
    let load = Load::start(&history, &broker.address(), wanted);
    // The first look for old files comes after a minute.
    let segments = |broker: &Broker| {
        let names = std::fs::read_dir(broker.store().join("commitlog")).unwrap();
        names.map(|entry| entry.unwrap().file_name()).min()
    };
    assert!(load.reach(200).await);
    let first = segments(&broker);
    let deadline = Instant::now() + Duration::from_secs(100);
    while segments(&broker) == first {
        assert!(Instant::now() < deadline, "nothing is deleted");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tokio::time::sleep(Duration::from_micros(random.number() % 50_000)).await;
    block_in_place(|| broker.running().kill());
    load.end(false).await;
    history.crashed();
    block_in_place(|| broker.boot());
    let client = talk::client();
    for queue_id in 0..QUEUES {
        let code = RequestCode::GET_MIN_OFFSET;
        let min = talk::bound(&client, &broker.address(), code, TOPIC, queue_id).await;
        history.expired_before(TOPIC, queue_id, min);
    }
    let report = load::judge(&history, &broker.address()).await;
    assert!(report.violations.is_empty(), "{report}");
    println!("kill, retention: {report}");
}

/// What a name server answered to is there after a kill: its key-value table.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: the stage crash of tests/run.sh runs it"]
async fn a_killed_name_server_keeps_its_table() {
    let (_, mut random) = Random::of_run("kill, name server");
    let mut server = NameServer::start("namesrv-kill");
    let mut acknowledged: BTreeMap<String, String> = BTreeMap::new();
    for round in 0..40 {
        let client = talk::client();
        let address = server.address();
        for (key, value) in &acknowledged {
            assert_eq!(get(&client, &address, key).await.as_ref(), Some(value), "{key}");
        }
        let (keys, stop) = (acknowledged.clone(), random.below(12));
        let writer = tokio::spawn(async move {
            let mut done = keys;
            for number in 0.. {
                let (key, value) = (format!("k{}", number % 7), format!("{round}-{number}"));
                let fields = [("namespace", "N"), ("key", key.as_str()), ("value", value.as_str())];
                let fields = &fields[..];
                let request = Request::new(RequestCode::PUT_KV_CONFIG).fields(&fields);
                match client.invoke(&address, request, talk::TIMEOUT).await {
                    Ok(answer) => assert_eq!(answer.code, 0),
                    // It may or may not be there.
                    Err(_) => {
                        done.remove(&key);
                        return done;
                    }
                }
                done.insert(key, value);
            }
            done
        });
        tokio::time::sleep(Duration::from_millis(stop as u64 * 3)).await;
        block_in_place(|| server.daemon.kill());
        acknowledged = writer.await.unwrap();
        block_in_place(|| server.boot_again());
    }
    println!("kill, name server: 40 rounds");
}

async fn get(
    client: &rocketmq_remoting::RemotingClient,
    address: &str,
    key: &str,
) -> Option<String> {
    let fields = [("namespace", "N"), ("key", key)];
    let fields = &fields[..];
    let request = Request::new(RequestCode::GET_KV_CONFIG).fields(&fields);
    let frame = client.invoke(address, request, talk::TIMEOUT).await.unwrap();
    frame.fields().get("value").map(|value| value.text().to_string())
}
