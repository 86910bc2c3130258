//! Delay levels (contract `broker.md` 17, `store.md` 4, 16).

use std::collections::BTreeMap;
use std::path::Path;

use rocketmq_protocol::RequestCode;
use rocketmq_protocol::topic::SCHEDULE;

use crate::files::{bodies, java_store, killed, queue, sent};
use crate::support::{Fixture, Outgoing, body_text, message, parsed, pull, records, said, until};

const TOPIC: &str = "Delayed";

async fn with_levels(folder: tempfile::TempDir, levels: &str) -> Fixture {
    let fixture = Fixture::inside(folder, |settings| {
        settings.store.message_delay_level = levels.to_string();
    });
    fixture.await
}

async fn started(levels: &str) -> Fixture {
    let fixture = with_levels(tempfile::tempdir().unwrap(), levels).await;
    fixture.create_topic(TOPIC, 4).await;
    fixture
}

async fn send(fixture: &Fixture, queue_id: &str, level: i32, body: &str) {
    let properties = sent(&[("WAIT", "true"), ("TAGS", "T"), ("DELAY", &level.to_string())]);
    let message =
        Outgoing { properties: &properties, body: body.as_bytes(), ..message(TOPIC, queue_id) };
    let stored = fixture.peer.stored(&message).await;
    assert_eq!(stored.queue_id.to_string(), queue_id, "the answer names the real queue");
}

fn offsets_file(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("store/config/delayOffset.json")).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn waits_in_the_schedule_topic_and_is_delivered_as_it_was() {
    let fixture = started("1s 2h").await;
    send(&fixture, "3", 1, "soon").await;
    let waiting = queue(fixture.context(), SCHEDULE, 0).remove(0);
    let mut properties: Vec<_> =
        waiting.properties.iter().map(|(name, value)| format!("{name}={value}")).collect();
    properties.sort();
    let expected = [
        "CLUSTER=DefaultCluster",
        "DELAY=1",
        "REAL_QID=3",
        "REAL_TOPIC=Delayed",
        "TAGS=T",
        "WAIT=true",
    ];
    assert_eq!(properties, expected);
    let mut entries = Vec::new();
    fixture.context().store.queue_entries(SCHEDULE, 0, 0, 9, &mut entries);
    assert_eq!(entries[0].tags_code, waiting.store_timestamp + 1000, "the time it is due");

    until("delivered", || !queue(fixture.context(), TOPIC, 3).is_empty()).await;
    let delivered = queue(fixture.context(), TOPIC, 3).remove(0);
    assert!(delivered.store_timestamp >= waiting.store_timestamp + 1000, "not before its time");
    assert_eq!(delivered.properties, waiting.properties);
    let same = |kept: &crate::files::Kept| {
        (kept.body.clone(), kept.flag, kept.sys_flag, kept.born_timestamp, kept.reconsume_times)
    };
    assert_eq!(same(&delivered), same(&waiting));
    fixture.context().store.queue_entries(TOPIC, 3, 0, 9, &mut entries);
    assert_eq!(entries[0].tags_code, i64::from(b'T'), "the hash of its tags");
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn levels_are_clamped_and_none_is_plain() {
    let fixture = started("2h 1s").await;
    send(&fixture, "0", 99, "highest level").await;
    send(&fixture, "1", 0, "no level").await;
    send(&fixture, "1", -3, "below none").await;
    assert_eq!(queue(fixture.context(), SCHEDULE, 1)[0].property("DELAY"), Some("2"));
    assert_eq!(bodies(fixture.context(), TOPIC, 1), ["no level", "below none"]);
    until("delivered", || bodies(fixture.context(), TOPIC, 0) == ["highest level"]).await;
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_cannot_be_delayed() {
    let fixture = started("1s").await;
    let properties = sent(&[("DELAY", "1")]);
    let batch = Outgoing { properties: &properties, batch: true, ..message(TOPIC, "0") };
    let (code, text) = said(&fixture.peer.send(&batch).await);
    assert_eq!(code, 13);
    assert!(text.starts_with("the message is illegal, maybe msg body or properties"), "{text}");
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_level_that_waits_holds_up_no_other_and_order_is_kept() {
    let fixture = started("2h 1s").await;
    send(&fixture, "0", 1, "much later").await;
    let wanted: Vec<String> = (0..600).map(|number| format!("m{number}")).collect();
    for body in &wanted {
        send(&fixture, "0", 2, body).await;
    }
    until("all delivered", || bodies(fixture.context(), TOPIC, 0).len() >= wanted.len()).await;
    assert_eq!(bodies(fixture.context(), TOPIC, 0), wanted);
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_pull_is_answered_by_the_delivery() {
    let fixture = started("1s").await;
    let mut waiting = pull(TOPIC, "2", "0");
    (waiting.sys_flag, waiting.suspend_ms) = ("6", "25000");
    let peer = fixture.another_peer();
    let (answer, ()) = tokio::join!(peer.pull(&waiting), send(&fixture, "2", 1, "awaited"));
    assert_eq!(answer.code, 0);
    assert_eq!(records(answer.body())[0].body, b"awaited");
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_delivered_stays_delivered_after_a_clean_stop() {
    let fixture = started("1s 5s 2h").await;
    send(&fixture, "0", 1, "one").await;
    send(&fixture, "0", 1, "two").await;
    send(&fixture, "0", 3, "in two hours").await;
    until("delivered", || bodies(fixture.context(), TOPIC, 0).len() == 2).await;
    let one_done = |table: BTreeMap<i32, i64>| table.get(&1) == Some(&2);
    until("noted", || one_done(fixture.context().schedule.snapshot().offset_table)).await;
    let table: BTreeMap<String, BTreeMap<i32, i64>> =
        parsed(&fixture.peer.ask(RequestCode::GET_ALL_DELAY_OFFSET, &[]).await);
    assert_eq!(table["offsetTable"], BTreeMap::from([(1, 2), (3, 0)]));
    let info = fixture.peer.ask(RequestCode::GET_BROKER_RUNTIME_INFO, &[]).await;
    let info = body_text(&info);
    assert!(info.contains("\"scheduleMessageOffset_1\":\"2,2\""), "{info}");
    assert!(info.contains("\"scheduleMessageOffset_3\":\"0,1\""), "{info}");
    let folder = fixture.stop().await;
    assert_eq!(offsets_file(folder.path()), "{\n\t\"offsetTable\":{1:2,3:0\n\t}\n}");

    let fixture = with_levels(folder, "1s 5s 2h").await;
    // Behind whatever would be delivered a second time.
    send(&fixture, "0", 1, "three").await;
    until("delivered", || bodies(fixture.context(), TOPIC, 0).len() >= 3).await;
    assert_eq!(bodies(fixture.context(), TOPIC, 0), ["one", "two", "three"]);
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_by_a_kill_before_or_after_the_delivery() {
    let fixture = started("1s 2s").await;
    for number in 0..5 {
        send(&fixture, "0", 1, &format!("first {number}")).await;
        send(&fixture, "1", 2, &format!("second {number}")).await;
    }
    let before = killed(fixture.folder.path());
    until("delivered", || bodies(fixture.context(), TOPIC, 0).len() == 5).await;
    let between = killed(fixture.folder.path());
    fixture.stop().await;
    for folder in [before, between] {
        let fixture = with_levels(folder, "1s 2s").await;
        let all = |queue_id, stem: &str| {
            let there = bodies(fixture.context(), TOPIC, queue_id);
            (0..5).all(|number| there.contains(&format!("{stem} {number}")))
        };
        until("delivered", || all(0, "first") && all(1, "second")).await;
        assert_eq!(bodies(fixture.context(), TOPIC, 1).len(), 5, "none was delivered before");
        fixture.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_java_left_waiting_is_delivered() {
    for name in ["store", "store-killed"] {
        let fixture = Fixture::inside(java_store(name), |settings| {
            settings.store.mapped_file_size_commit_log = 1 << 20;
            settings.store.mapped_file_size_consume_queue = 400;
            (settings.store.max_hash_slot_num, settings.store.max_index_num) = (20, 40);
        });
        let fixture = fixture.await;
        let waiting = queue(fixture.context(), SCHEDULE, 17).remove(0);
        // Level 18 of a message of long ago.
        let is_it = |kept: &crate::files::Kept| kept.property("KEYS") == Some("delay18");
        let delivered = || queue(fixture.context(), "GoldenOne", 0).into_iter().find(is_it);
        until("delivered", || delivered().is_some()).await;
        let delivered = delivered().unwrap();
        assert_eq!(delivered.body, waiting.body);
        assert_eq!(delivered.properties, waiting.properties);
        assert_eq!(delivered.born_timestamp, waiting.born_timestamp);
        let count = |key| {
            let all = queue(fixture.context(), "GoldenOne", 0);
            all.iter().filter(|kept| kept.property("KEYS") == Some(key)).count()
        };
        assert_eq!((count("delay1"), count("delay2")), (1, 1), "not again what Java delivered");
        fixture.stop().await;
    }
}
