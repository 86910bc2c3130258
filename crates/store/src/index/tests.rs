//! The index against a model, and against the files Java wrote.

use std::path::Path;

use super::*;

fn load(folder: &Path) -> Index {
    Index::load(folder, IndexShape::new(7, 10), false, 0, &Disk::default()).unwrap()
}

#[test]
fn hashes_are_those_of_the_contract() {
    assert_eq!(key_hash("T1", "k1"), 79_072_524);
    assert_eq!(key_hash("T1", "UK1"), 1_843_739_339);
}

#[test]
fn entries_lie_on_disk_as_the_contract_says() {
    let folder = tempfile::tempdir().unwrap();
    let index =
        Index::load(folder.path(), IndexShape::new(100, 10), false, 0, &Disk::default()).unwrap();
    index.put("T1", "k1 k2", Some("UK1"), 5, 10_000).unwrap();
    index.put("T1", "k1", None, 140, 12_500).unwrap();
    index.flush().unwrap();
    let path = std::fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
    assert_eq!(path.file_name().unwrap().len(), 17);
    let file = std::fs::read(&path).unwrap();
    let i32_at = |at: usize| i32::from_be_bytes(file[at..at + 4].try_into().unwrap());
    let i64_at = |at: usize| i64::from_be_bytes(file[at..at + 8].try_into().unwrap());
    assert_eq!(file.len(), 40 + 400 + 200);
    assert_eq!([i64_at(0), i64_at(8), i64_at(16), i64_at(24)], [10_000, 12_500, 5, 140]);
    assert_eq!([i32_at(32), i32_at(36)], [3, 5]);
    let slot = 40 + 4 * 24;
    assert_eq!(i32_at(slot), 4, "the newest entry of k1");
    let entry = 440 + 20 * 4;
    assert_eq!(i32_at(entry), 79_072_524);
    assert_eq!(i64_at(entry + 4), 140);
    assert_eq!([i32_at(entry + 12), i32_at(entry + 16)], [2, 2]);
}

#[test]
fn finds_over_files_and_reloads() {
    let folder = tempfile::tempdir().unwrap();
    let index = load(folder.path());
    for number in 0..50 {
        let (key, time) = (format!("k{}", number % 5), 1_000_000 + number * 1000);
        index.put("T", &key, None, number * 10, time).unwrap();
    }
    assert!(index.files.read().len() > 4);
    assert!(index.take_rolled().is_some());
    for index in [index, load(folder.path())] {
        let mut found = index.query("T", "k3", 64, 0, i64::MAX).unwrap();
        found.physical_offsets.sort();
        let expected: Vec<i64> = (0..50).filter(|n| n % 5 == 3).map(|n| n * 10).collect();
        assert_eq!(found.physical_offsets, expected);
        assert_eq!(found.last_update_physical_offset, 490);
        let part = index.query("T", "k3", 64, 1_010_000, 1_030_000).unwrap();
        let mut part = part.physical_offsets;
        part.sort();
        assert_eq!(part, [130, 180, 230, 280]);
        assert_eq!(index.query("T", "k3", 2, 0, i64::MAX).unwrap().physical_offsets, [480, 430]);
        assert!(index.query("U", "k3", 64, 0, i64::MAX).unwrap().physical_offsets.is_empty());
    }
}

#[test]
fn replays_are_passed_over_and_old_files_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let index = load(folder.path());
    for number in 0..30 {
        index.put("T", "k", None, number * 10, 1000 + number).unwrap();
    }
    index.put("T", "k", None, 100, 5000).unwrap();
    assert_eq!(index.query("T", "k", 64, 0, i64::MAX).unwrap().physical_offsets.len(), 30);
    let files = index.files.read().len();
    assert_eq!(index.delete_before(i64::MAX).unwrap(), files - 1);
    assert!(!index.query("T", "k", 64, 0, i64::MAX).unwrap().physical_offsets.is_empty());
}

#[test]
fn a_loop_in_a_chain_ends() {
    let folder = tempfile::tempdir().unwrap();
    let index = load(folder.path());
    for number in 0..8 {
        index.put("T", "k", None, number * 10, 1000).unwrap();
    }
    index.flush().unwrap();
    drop(index);
    let path = std::fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
    let mut file = std::fs::read(&path).unwrap();
    let entries_at = 40 + 4 * 7;
    for number in 1..9 {
        let at = entries_at + 20 * number;
        file[at + 16..at + 20].copy_from_slice(&(9 - number as i32).to_be_bytes());
    }
    std::fs::write(&path, file).unwrap();
    let found = load(folder.path()).query("T", "k", 1000, 0, i64::MAX).unwrap();
    assert!(found.physical_offsets.len() < 20);
}

#[test]
fn an_abnormal_end_deletes_what_the_checkpoint_does_not_cover() {
    let folder = tempfile::tempdir().unwrap();
    let index = load(folder.path());
    for number in 0..20 {
        index.put("T", "k", None, number * 10, 1000 + number).unwrap();
    }
    let covered = index.take_rolled().unwrap();
    drop(index);
    let index = Index::load(folder.path(), IndexShape::new(7, 10), true, covered, &Disk::default())
        .unwrap();
    assert_eq!(index.files.read().len(), 2);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn java_indexes_are_read() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/java-4.9.2");
    let folder = tempfile::tempdir().unwrap();
    for name in names(&golden.join("store/index")).unwrap() {
        std::fs::copy(golden.join("store/index").join(&name), folder.path().join(&name)).unwrap();
    }
    let index =
        Index::load(folder.path(), IndexShape::new(20, 40), false, 0, &Disk::default()).unwrap();
    assert_eq!(index.files.read().len(), 3);
    let found = index.query("%DLQ%golden_retry_group", "dead", 64, 0, i64::MAX).unwrap();
    assert!(found.physical_offsets.contains(&10960), "{found:?}");
}
