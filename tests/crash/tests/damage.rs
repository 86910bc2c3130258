//! Files that are torn or have flipped bits: found, bounded, and never a panic or an endless boot.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rocketmq_history::{History, Report, Violation};
use rocketmq_testbed::cluster::{Broker, SMALL_FILES};
use rocketmq_testbed::load::{self, Load, Wanted};
use rocketmq_testbed::random::Random;
use rocketmq_testbed::{Scratch, copy_tree, files_below, soak};
use tokio::task::block_in_place;

/// A store that was closed in order, and what is in it.
struct Original {
    scratch: Scratch,
    history: Arc<History>,
}

impl Original {
    async fn make() -> Original {
        let history = Arc::new(History::default());
        let mut broker = Broker::start("original", SMALL_FILES);
        // Twice, so that the tables have backups.
        for _ in 0..2 {
            let load = Load::start(&history, &broker.address(), Wanted::default());
            assert!(load.reach(120).await);
            load.end(true).await;
            assert_eq!(block_in_place(|| broker.running().terminate()), 143);
            block_in_place(|| broker.boot());
        }
        assert_eq!(block_in_place(|| broker.running().terminate()), 143);
        assert!(!broker.store().join("abort").exists(), "it was not closed in order");
        let scratch = Scratch::new("damage");
        copy_tree(broker.store(), &scratch.path().join("store"));
        Original { scratch, history }
    }

    fn store(&self) -> PathBuf {
        self.scratch.path().join("store")
    }

    /// Files of one kind, relative to the store.
    fn files(&self, kind: &str) -> Vec<PathBuf> {
        let store = self.store();
        let all = files_below(&store).into_iter();
        let relative = all.map(|path| path.strip_prefix(&store).unwrap().to_path_buf());
        relative.filter(|path| path.to_string_lossy().contains(kind)).collect()
    }
}

/// What a start with a damaged file led to.
enum Outcome {
    /// It serves.
    Serves(Report),
    /// It refuses to start, and says why.
    Refuses(String),
}

/// Starts a broker on a copy of the store that was changed, and judges it. `killed`: as if the
/// broker had not been closed in order.
async fn start(original: &Original, killed: bool, change: impl Fn(&Path)) -> (Outcome, Broker) {
    let mut broker = Broker::new("damaged", SMALL_FILES);
    copy_tree(&original.store(), broker.store());
    if killed {
        std::fs::write(broker.store().join("abort"), b"").unwrap();
    }
    change(broker.store());
    if !block_in_place(|| broker.try_boot()) {
        let output = broker.running().output_until_end();
        assert!(!output.contains("panicked"), "{output}");
        assert!([253, 255].contains(&broker.running().wait()), "{output}");
        return (Outcome::Refuses(output), broker);
    }
    let report = load::judge(&original.history, &broker.address()).await;
    (Outcome::Serves(report), broker)
}

/// Asserts that a damage costs at most that many messages, and nothing else.
fn assert_bounded(report: &Report, lost_most: usize, what: &str, broker: &Broker) {
    let other = report
        .count(|violation| !matches!(violation, Violation::Lost { .. } | Violation::Gap { .. }));
    assert!(
        report.lost() <= lost_most && other == 0,
        "{what}: {report}\n{}",
        broker.store_errors()
    );
}

/// Which bytes of a file are tried: all in a soak.
fn places(len: usize, most: usize, random: &mut Random) -> Vec<usize> {
    if soak().is_some() || len <= most {
        return (0..len).collect();
    }
    (0..most).map(|_| random.below(len)).collect()
}

async fn flips_of(kind: &str, most: usize, lost_most: usize) {
    let (_, mut random) = Random::of_run(&format!("flips, {kind}"));
    let original = Original::make().await;
    let (mut tried, mut lost, mut refused) = (0, 0, 0);
    for file in original.files(kind) {
        let content = std::fs::read(original.store().join(&file)).unwrap();
        // What was never written is no place to flip: holes are not worth the time.
        let used = content.len() - content.iter().rev().take_while(|byte| **byte == 0).count();
        for at in places(used, most, &mut random) {
            let (bit, killed) = (random.below(8), random.below(2) == 0);
            let what = format!("{} byte {at} bit {bit}, killed {killed}", file.display());
            let flip = |store: &Path| {
                let mut content = content.clone();
                content[at] ^= 1 << bit;
                std::fs::write(store.join(&file), content).unwrap();
            };
            let (outcome, broker) = start(&original, killed, flip).await;
            tried += 1;
            match outcome {
                Outcome::Serves(report) => {
                    assert_bounded(&report, lost_most, &what, &broker);
                    lost += report.lost();
                }
                Outcome::Refuses(output) => {
                    let name = file.file_name().unwrap().to_string_lossy().into_owned();
                    assert!(output.contains(&name), "{what}: {output}");
                    refused += 1;
                }
            }
        }
    }
    println!(
        "flips, {kind}: {tried} flips, {lost} messages lost, {refused} starts refused, 0 invented"
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: the stage crash of tests/run.sh runs it"]
async fn a_flip_in_the_commit_log_costs_at_most_its_message() {
    flips_of("commitlog/", 60, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: the stage crash of tests/run.sh runs it"]
async fn a_flip_in_a_consume_queue_costs_at_most_its_message() {
    flips_of("consumequeue/", 15, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: the stage crash of tests/run.sh runs it"]
async fn a_flip_in_index_or_checkpoint_costs_no_message() {
    flips_of("index/", 20, 0).await;
    flips_of("checkpoint", 24, 0).await;
}

/// A table may say something else after a flip, since it has no checksum; but it is read, or the
/// backup is, or the start is refused; and the messages are there once it is right again.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: the stage crash of tests/run.sh runs it"]
async fn flips_and_cuts_of_tables_never_end_in_a_panic_or_in_empty_tables() {
    let (_, mut random) = Random::of_run("flips, config");
    let original = Original::make().await;
    let (mut tried, mut refused) = (0, 0);
    for file in original.files("config/") {
        let content = std::fs::read(original.store().join(&file)).unwrap();
        let is_backup = file.extension().is_some_and(|extension| extension == "bak");
        for at in places(content.len(), 20, &mut random) {
            for cut in [true, false] {
                let bit = random.below(8);
                let change = |store: &Path| {
                    let mut content = content.clone();
                    content[at] ^= 1 << bit;
                    let content = if cut { &content[..at] } else { &content[..] };
                    std::fs::write(store.join(&file), content).unwrap();
                };
                let what = format!("{} byte {at}, cut {cut}", file.display());
                let mut broker = Broker::new("tables", SMALL_FILES);
                copy_tree(&original.store(), broker.store());
                change(broker.store());
                tried += 1;
                if block_in_place(|| broker.try_boot()) {
                    // A torn table is replaced by its backup, with a warning.
                    if cut || is_backup {
                        let mut report = load::judge(&original.history, &broker.address()).await;
                        // The backup's offsets are those before the last.
                        report.violations.retain(|violation| {
                            !matches!(violation, Violation::OffsetWentBack { .. })
                        });
                        assert_bounded(&report, 0, &what, &broker);
                    }
                } else {
                    let output = broker.running().output_until_end();
                    assert!(!output.contains("panicked"), "{what}: {output}");
                    let name = file.file_name().unwrap().to_string_lossy().into_owned();
                    assert!(output.contains(name.trim_end_matches(".bak")), "{what}: {output}");
                    refused += 1;
                }
            }
        }
    }
    println!("flips, config: {tried} flips and cuts, {refused} starts refused");
}

/// A file that ends anywhere within its last record or entry.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: the stage crash of tests/run.sh runs it"]
async fn files_cut_at_any_length_cost_at_most_the_last_message() {
    let (_, mut random) = Random::of_run("cuts");
    let original = Original::make().await;
    let mut tried = 0;
    for (kind, span, lost_most) in [
        ("commitlog/", 1700, 1),
        ("consumequeue/", 2000, 0),
        ("index/", 400, 0),
        ("checkpoint", 24, 0),
    ] {
        let Some(file) = original.files(kind).pop() else { panic!("no file of {kind}") };
        let content = std::fs::read(original.store().join(&file)).unwrap();
        let used = content.len() - content.iter().rev().take_while(|byte| **byte == 0).count();
        // The last record of the log begins where its size says so.
        let magic = 0xdaa3_20a7_u32.to_be_bytes();
        let last = (0..used.saturating_sub(4)).rev().find(|at| content[*at..at + 4] == magic);
        let first = match kind {
            "commitlog/" => last.unwrap() - 4,
            _ => used.saturating_sub(span),
        };
        for cut in places(used - first, 60, &mut random) {
            let len = first + cut;
            for killed in [true, false] {
                let what = format!("{} cut to {len} of {used}, killed {killed}", file.display());
                let change = |store: &Path| {
                    std::fs::write(store.join(&file), &content[..len]).unwrap();
                };
                let (outcome, broker) = start(&original, killed, change).await;
                tried += 1;
                match outcome {
                    Outcome::Serves(report) => assert_bounded(&report, lost_most, &what, &broker),
                    Outcome::Refuses(output) => panic!("{what}: {output}"),
                }
            }
        }
    }
    println!("cuts: {tried} cuts, at most the last message lost each time");
}
