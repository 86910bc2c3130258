//! Corpus, crashes and mutations, through the functions that `cargo fuzz` runs.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use rocketmq_fuzzing::mutate::Random;
use rocketmq_fuzzing::{TARGETS, Target, is_slow, seeds};

/// Runs a target; an input that fails it is kept.
fn run(name: &str, target: Target, input: &[u8]) {
    let begun = Instant::now();
    let done = catch_unwind(AssertUnwindSafe(|| target(input)));
    let took = begun.elapsed();
    if done.is_ok() && took < Duration::from_secs(20) {
        return;
    }
    let folder =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/fuzz-failures").join(name);
    std::fs::create_dir_all(&folder).unwrap();
    let hash = input.iter().fold(5381u64, |hash, byte| hash.wrapping_mul(33) ^ u64::from(*byte));
    let path = folder.join(format!("{hash:016x}"));
    std::fs::write(&path, input).unwrap();
    panic!(
        "{name} took {took:?} and {}; the input is kept in {}: add it to fuzz/crashes/{name}/",
        if done.is_ok() { "returned" } else { "panicked" },
        path.display()
    );
}

#[test]
fn what_real_peers_and_files_held_is_read() {
    for (name, target) in TARGETS {
        let seeds = seeds::of(name);
        assert!(seeds.iter().any(|seed| !seed.is_empty()), "{name} has no seeds");
        for seed in &seeds {
            run(name, target, seed);
        }
    }
}

/// A few seconds in a test run, `SOAK_SECONDS` for each target in a soak.
fn mutations_of(slow: bool) {
    let soak = std::env::var("SOAK_SECONDS").ok().and_then(|text| text.parse().ok());
    let given = soak.map(Duration::from_secs);
    let seed = std::env::var("SEED").ok().and_then(|text| text.parse().ok()).unwrap_or_else(|| {
        let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        clock.as_nanos() as u64 % 1_000_000_000
    });
    println!("mutations: SEED={seed}");
    for (name, target) in TARGETS.into_iter().filter(|(name, _)| is_slow(name) == slow) {
        let (seeds, mut random) = (seeds::of(name), Random::new(seed));
        let begun = Instant::now();
        let mut runs = 0;
        while begun.elapsed() < given.unwrap_or(Duration::from_millis(1500)) {
            run(name, target, &random.mutate(&seeds));
            runs += 1;
        }
        println!("{name}: {runs} mutations of {} seeds", seeds.len());
    }
}

#[test]
fn mutations_of_bytes_do_no_harm() {
    mutations_of(false);
}

#[test]
fn mutations_of_files_do_no_harm() {
    mutations_of(true);
}
