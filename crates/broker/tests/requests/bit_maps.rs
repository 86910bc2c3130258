//! Filter bit maps (`enableCalcFilterBitMap`, `enableConsumeQueueExt`): pulls, restarts, and what
//! QUERY_CONSUME_QUEUE 321 shows of them (contract `broker.md` 19, `store.md` 5).

use std::path::Path;

use rocketmq_broker::Settings;
use rocketmq_common::{clock, fastjson};
use rocketmq_protocol::RequestCode;
use rocketmq_protocol::body::{ConsumeQueueData, QueryConsumeQueueBody};
use serde::Deserialize;

use crate::filters::{by_heartbeat, heartbeat, numbered, numbers, served, sql};
use crate::support::{Fixture, parsed, until};

fn with_maps(settings: &mut Settings) {
    served(settings);
    settings.broker.enable_calc_filter_bit_map = true;
    settings.store.enable_consume_queue_ext = true;
}

impl Fixture {
    /// The entries of the topic's first queue as they are shown to a group.
    async fn shown_to(&self, topic: &str, group: &str) -> Vec<ConsumeQueueData> {
        let fields = [
            ("topic", topic),
            ("queueId", "0"),
            ("index", "0"),
            ("count", "100"),
            ("consumerGroup", group),
        ];
        let answer = self.peer.ask(RequestCode::QUERY_CONSUME_QUEUE, &fields).await;
        parsed::<QueryConsumeQueueBody>(&answer).queue_data
    }

    /// Subscribes the group `g`, and waits until what is stored is younger than its expression.
    async fn wants(&self, expression: &str, version: i64) {
        heartbeat(&self.peer, "g", vec![sql("T", expression, version)]).await;
        let born = self.context().filters.get("T", "g").unwrap().born_time;
        until("the next millisecond", || clock::now_ms() > born).await;
    }

    /// What the group `g` gets of the queue's beginning.
    async fn gets(&self, version: &str) -> Vec<i64> {
        numbers(&self.peer.pull(&by_heartbeat("T", version)).await)
    }
}

fn verdicts(shown: &[ConsumeQueueData]) -> Vec<bool> {
    shown.iter().map(|entry| entry.eval).collect()
}

#[tokio::test]
async fn bit_maps_hide_nothing_that_a_group_wants() {
    let broker = Fixture::with(with_maps).await;
    // Nobody filters yet.
    numbered(&broker, "T", 3).await;
    broker.wants("n > 0", 7).await;
    numbered(&broker, "T", 3).await;
    assert_eq!(broker.gets("7").await, [1, 2, 1, 2]);
    // Of what was stored before, the maps tell nothing; of the rest they tell what is not wanted.
    let shown = broker.shown_to("T", "g").await;
    assert_eq!(verdicts(&shown), [true, true, true, false, true, true]);
    let has_map: Vec<_> = shown.iter().map(|entry| entry.bit_map.is_some()).collect();
    assert_eq!(has_map, [false, false, false, true, true, true]);

    let folder = broker.stop().await;
    let broker = Fixture::inside(folder, with_maps).await;
    // Maps are made for a group that is away, too.
    numbered(&broker, "T", 3).await;
    broker.wants("n > 0", 7).await;
    assert_eq!(broker.gets("7").await, [1, 2, 1, 2, 1, 2]);
    let shown = broker.shown_to("T", "g").await;
    assert_eq!(verdicts(&shown[3..]), [false, true, true, false, true, true]);

    // The maps are those of another expression now.
    broker.wants("n = 0", 8).await;
    numbered(&broker, "T", 3).await;
    assert_eq!(broker.gets("8").await, [0, 0, 0, 0]);
    assert_eq!(verdicts(&broker.shown_to("T", "g").await[9..]), [true, false, false]);

    // Without the settings, what is there is still read, and new entries have no maps.
    let folder = broker.stop().await;
    let broker = Fixture::inside(folder, served).await;
    numbered(&broker, "T", 3).await;
    broker.wants("n = 0", 8).await;
    assert_eq!(broker.gets("8").await, [0, 0, 0, 0, 0]);
    let shown = broker.shown_to("T", "g").await;
    assert_eq!(verdicts(&shown[9..]), [true, false, false, false, false, false]);
    assert!(shown[12].extend_data_json.is_none() && shown[12].tags_code > 0);
    broker.stop().await;
}

/// What Java's own code says of an entry (`StoreExtension.java`).
#[derive(Deserialize)]
struct Told {
    json: String,
    bits: String,
    low: bool,
    even: bool,
}

#[tokio::test]
async fn javas_units_are_shown_as_java_shows_them() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/java-4.9.2");
    let folder = tempfile::tempdir().unwrap();
    copy_tree(&golden.join("store-ext"), &folder.path().join("store"));
    let broker = Fixture::inside(folder, |settings| {
        with_maps(settings);
        let store = &mut settings.store;
        store.mapped_file_size_commit_log = 16_384;
        store.mapped_file_size_consume_queue = 400;
        store.mapped_file_size_consume_queue_ext = 300;
        store.message_index_enable = false;
    })
    .await;
    heartbeat(&broker.peer, "group_low", vec![sql("Extended", "n < 10", 1)]).await;
    heartbeat(&broker.peer, "group_even", vec![sql("Extended", "even = TRUE", 1)]).await;
    let low = broker.shown_to("Extended", "group_low").await;
    let even = broker.shown_to("Extended", "group_even").await;
    let text = std::fs::read_to_string(golden.join("store-ext.jsonl")).unwrap();
    let told: Vec<Told> =
        text.lines().map(|line| fastjson::from_slice(line.as_bytes()).unwrap()).collect();
    assert_eq!((told.len(), low.len(), even.len()), (30, 30, 30));
    for (n, told) in told.iter().enumerate() {
        assert_eq!(low[n].extend_data_json.as_ref(), Some(&told.json), "{n}");
        assert_eq!(low[n].bit_map.as_ref(), Some(&told.bits), "{n}");
        assert_eq!((low[n].eval, even[n].eval), (told.low, told.even), "{n}");
    }
    // Each is wanted by someone, and each group is spared something.
    assert!(told.iter().any(|told| told.low && !told.even));
    assert!(told.iter().any(|told| told.even && !told.low));
    broker.stop().await;
}

fn copy_tree(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_tree(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}
