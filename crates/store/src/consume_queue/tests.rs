//! Queues against a model, and against the files Java wrote.

use proptest::prelude::*;

use super::*;

const FILE_SIZE: u64 = 5 * ENTRY_BYTES as u64;

fn entry(number: i64) -> QueueEntry {
    QueueEntry { physical_offset: number * 100, size: 100, tags_code: number * 7 - 3 }
}

fn all(queues: &ConsumeQueues, topic: &str, queue_id: i32) -> Vec<QueueEntry> {
    let mut entries = Vec::new();
    if let Some((min, max)) = queues.bounds(topic, queue_id) {
        queues.read(topic, queue_id, min, (max - min) as usize, &mut entries).unwrap();
    }
    entries
}

fn fill(queues: &ConsumeQueues, topic: &str, numbers: std::ops::Range<i64>) {
    for number in numbers {
        queues.put(topic, 0, number, entry(number));
    }
    queues.end_round().unwrap();
    queues.flush().unwrap();
}

#[test]
fn entries_lie_on_disk_as_the_contract_says() {
    let root = tempfile::tempdir().unwrap();
    let queues = ConsumeQueues::load(root.path(), FILE_SIZE, &Disk::default()).unwrap();
    let written = QueueEntry { physical_offset: 0, size: 135, tags_code: 2_598_919 };
    queues.put("T1", 2, 0, written);
    assert_eq!(queues.bounds("T1", 2), Some((0, 0)), "not visible before the round ends");
    queues.end_round().unwrap();
    assert_eq!(queues.bounds("T1", 2), Some((0, 1)));
    assert_eq!(all(&queues, "T1", 2), [written]);
    queues.flush().unwrap();
    let file = std::fs::read(root.path().join("consumequeue/T1/2/00000000000000000000")).unwrap();
    assert_eq!(file.len() as u64, FILE_SIZE);
    assert_eq!(
        file[..20],
        [&[0; 8][..], &[0, 0, 0, 135], &[0, 0, 0, 0, 0, 0x27, 0xa8, 0x07]].concat()[..]
    );
    assert!(file[20..].iter().all(|b| *b == 0));
}

#[test]
fn replayed_entries_are_passed_over() {
    let root = tempfile::tempdir().unwrap();
    let queues = ConsumeQueues::load(root.path(), FILE_SIZE, &Disk::default()).unwrap();
    fill(&queues, "T", 0..7);
    let again = ConsumeQueues::load(root.path(), FILE_SIZE, &Disk::default()).unwrap();
    assert_eq!(again.recover(&(0..i64::MAX)).unwrap(), 700);
    fill(&again, "T", 0..9);
    assert_eq!(all(&again, "T", 0), (0..9).map(entry).collect::<Vec<_>>());
}

#[test]
fn a_queue_may_start_in_the_middle() {
    let root = tempfile::tempdir().unwrap();
    let queues = ConsumeQueues::load(root.path(), FILE_SIZE, &Disk::default()).unwrap();
    fill(&queues, "T", 13..15);
    assert_eq!(queues.bounds("T", 0), Some((13, 15)));
    assert_eq!(all(&queues, "T", 0), [entry(13), entry(14)]);
    assert!(root.path().join("consumequeue/T/0/00000000000000000200").exists());
    let again = ConsumeQueues::load(root.path(), FILE_SIZE, &Disk::default()).unwrap();
    assert_eq!(again.recover(&(0..i64::MAX)).unwrap(), 1500);
    again.correct_min(1300);
    assert_eq!(again.bounds("T", 0), Some((13, 15)));
}

#[test]
fn old_files_are_deleted_but_never_the_last() {
    let root = tempfile::tempdir().unwrap();
    let queues = ConsumeQueues::load(root.path(), FILE_SIZE, &Disk::default()).unwrap();
    fill(&queues, "T", 0..12);
    assert_eq!(queues.delete_before(700).unwrap(), 1);
    queues.correct_min(700);
    assert_eq!(queues.bounds("T", 0), Some((7, 12)));
    assert_eq!(queues.delete_before(i64::MAX).unwrap(), 1);
    queues.correct_min(i64::MAX);
    assert_eq!(queues.bounds("T", 0), Some((12, 12)));
    fill(&queues, "T", 12..13);
    assert_eq!(all(&queues, "T", 0), [entry(12)]);
}

#[test]
fn the_first_offset_passes_over_whole_files_whose_records_are_gone() {
    let root = tempfile::tempdir().unwrap();
    let queues = ConsumeQueues::load(root.path(), FILE_SIZE, &Disk::default()).unwrap();
    fill(&queues, "T", 0..34);
    // The process died after it had deleted segments and before it came to the queues' files.
    queues.correct_min(2700);
    assert_eq!(queues.bounds("T", 0), Some((27, 34)));
    let again = ConsumeQueues::load(root.path(), FILE_SIZE, &Disk::default()).unwrap();
    again.recover(&(3000..i64::MAX)).unwrap();
    again.correct_min(3000);
    assert_eq!(again.bounds("T", 0), Some((30, 34)));
}

#[test]
fn time_finds_the_nearest_message() {
    let root = tempfile::tempdir().unwrap();
    let queues = ConsumeQueues::load(root.path(), 100 * FILE_SIZE, &Disk::default()).unwrap();
    fill(&queues, "T", 0..10);
    let at = |ms| queues.offset_by_time("T", 0, ms, |offset, _| Some(offset * 10)).unwrap();
    assert_eq!(
        [at(-5), at(0), at(1000), at(1400), at(1500), at(1600), at(99_999)],
        [0, 0, 1, 1, 1, 2, 9]
    );
    assert_eq!(queues.offset_by_time("none", 0, 1, |_, _| None).unwrap(), 0);
}

#[test]
fn deleted_topics_are_gone_and_may_come_back() {
    let root = tempfile::tempdir().unwrap();
    let queues = ConsumeQueues::load(root.path(), FILE_SIZE, &Disk::default()).unwrap();
    fill(&queues, "T", 0..3);
    queues.put("T", 0, 3, entry(3));
    queues.delete_topic("T").unwrap();
    queues.end_round().unwrap();
    assert!(queues.bounds("T", 0).is_none());
    assert!(!root.path().join("consumequeue/T").exists());
    queues.put("T", 0, 0, entry(4));
    queues.end_round().unwrap();
    assert_eq!(all(&queues, "T", 0), [entry(4)]);
}

fn open_files_below(folder: &std::path::Path) -> usize {
    let links = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
    let targets = links.filter_map(|link| std::fs::read_link(link.path()).ok());
    targets.filter(|target| target.starts_with(folder) && target.is_file()).count()
}

#[test]
fn idle_queues_keep_no_file_open() {
    let root = tempfile::tempdir().unwrap();
    let queues = ConsumeQueues::load(root.path(), FILE_SIZE, &Disk::default()).unwrap();
    let open = || open_files_below(root.path());
    for queue_id in 0..20 {
        queues.put("T", queue_id, 0, entry(i64::from(queue_id) + 1));
    }
    queues.end_round().unwrap();
    queues.flush().unwrap();
    assert_eq!(open(), 20);
    queues.close_idle();
    queues.close_idle();
    assert_eq!(open(), 0);
    assert_eq!(all(&queues, "T", 7), [entry(8)]);
}

#[test]
fn many_busy_queues_share_few_files() {
    let root = tempfile::tempdir().unwrap();
    let mut queues = ConsumeQueues::load(root.path(), FILE_SIZE, &Disk::default()).unwrap();
    queues.open_max = 8;
    let open = || open_files_below(root.path());
    for round in 0..30 {
        for queue_id in 0..50 {
            queues.put("T", queue_id, round, entry(round * 50 + i64::from(queue_id)));
        }
        queues.end_round().unwrap();
        assert!(open() <= 2 * 8, "{}", open());
    }
    queues.flush().unwrap();
    for queue_id in 0..50 {
        let expected = (0..30).map(|round| entry(round * 50 + i64::from(queue_id)));
        assert_eq!(all(&queues, "T", queue_id), expected.collect::<Vec<_>>());
    }
    assert!(open() <= 2 * 8, "{}", open());
}

#[test]
fn very_many_queues_are_synced_at_once() {
    let root = tempfile::tempdir().unwrap();
    let queues = ConsumeQueues::load(root.path(), FILE_SIZE, &Disk::default()).unwrap();
    let count = SYNC_ALL_FROM as i32 + 1;
    for round in 0..2 {
        for queue_id in 0..count {
            queues.put("T", queue_id, round, entry(round * 5000 + i64::from(queue_id)));
        }
        queues.end_round().unwrap();
        queues.flush().unwrap();
        assert!(queues.dirty.lock().is_empty());
    }
    let again = ConsumeQueues::load(root.path(), FILE_SIZE, &Disk::default()).unwrap();
    again.recover(&(0..i64::MAX)).unwrap();
    for queue_id in 0..count {
        assert_eq!(again.bounds("T", queue_id), Some((0, 2)));
    }
}

#[test]
fn a_file_with_another_name_fails_the_load() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("consumequeue/T/0");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("junk"), b"").unwrap();
    assert!(matches!(
        ConsumeQueues::load(root.path(), FILE_SIZE, &Disk::default()),
        Err(StoreError::BadName { .. })
    ));
}

#[derive(Clone, Debug)]
enum Step {
    Put(u8),
    EndRound,
    Flush,
    Reload,
    Truncate(u8),
    Replay(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1u8..9).prop_map(Step::Put),
        3 => Just(Step::EndRound),
        1 => Just(Step::Flush),
        1 => Just(Step::Reload),
        1 => (0u8..6).prop_map(Step::Truncate),
        1 => (1u8..6).prop_map(Step::Replay),
    ];
    prop::collection::vec(step, 1..30)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn behaves_like_a_list(steps in steps()) {
        let root = tempfile::tempdir().unwrap();
        let mut queues = ConsumeQueues::load(root.path(), FILE_SIZE, &Disk::default()).unwrap();
        let mut model: Vec<QueueEntry> = Vec::new();
        for step in steps {
            match step {
                Step::Put(count) => {
                    for _ in 0..count {
                        let number = model.len() as i64;
                        queues.put("T", 1, number, entry(number));
                        model.push(entry(number));
                    }
                }
                Step::EndRound => queues.end_round().unwrap(),
                Step::Flush => queues.flush().unwrap(),
                Step::Reload => {
                    queues.end_round().unwrap();
                    queues.flush().unwrap();
                    queues = ConsumeQueues::load(root.path(), FILE_SIZE, &Disk::default()).unwrap();
                    let end = queues.recover(&(0..i64::MAX)).unwrap();
                    prop_assert_eq!(end, model.len() as i64 * 100);
                }
                Step::Truncate(back) => {
                    queues.end_round().unwrap();
                    model.truncate(model.len().saturating_sub(usize::from(back)));
                    queues.truncate_dirty(model.len() as i64 * 100).unwrap();
                }
                Step::Replay(back) => {
                    queues.end_round().unwrap();
                    let from = model.len().saturating_sub(usize::from(back));
                    for number in from..model.len() {
                        queues.put("T", 1, number as i64, entry(number as i64));
                    }
                }
            }
        }
        queues.end_round().unwrap();
        prop_assert_eq!(all(&queues, "T", 1), model);
    }
}

#[test]
fn java_queues_are_read_whole() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/java-4.9.2");
    for store in ["store", "store-killed"] {
        let queues = ConsumeQueues::load(&golden.join(store), 400, &Disk::default()).unwrap();
        queues.recover(&(0..i64::MAX)).unwrap();
        let mut entries = 0;
        for topic in queues.topics() {
            queues.for_each_queue(|name, _, min, max| {
                if name == topic {
                    assert!(min == 0 && max >= min);
                }
            });
            entries += (0..18).map(|id| all(&queues, &topic, id).len()).sum::<usize>();
        }
        assert_eq!(entries, 60, "{store}");
    }
}
