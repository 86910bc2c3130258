//! Expressions by which consumer groups filter, and `config/consumerFilter.json` (contract
//! `broker.md` 19, `store.md` 8).
//!
//! The entry of a group that has left stays, so that its return with the same expression keeps its
//! `bornTime`; it is dropped when it has been dead for `filterDataCleanTimeSpan`.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use rocketmq_common::logging::FILTER as LOGGER;
use rocketmq_common::{clock, durable, fastjson};
use rocketmq_filter::{BloomFilter, BloomFilterData, Filter, FilterError};
use rocketmq_protocol::body::{EXPRESSION_SQL92, SubscriptionData};
use rocketmq_protocol::message::properties;
use rocketmq_store::QueueUnit;
use serde::{Deserialize, Serialize};

/// An entry that was alive when the broker stopped counts as dead since so long before the start.
const DEAD_BEFORE_START_MS: i64 = 30_000;

/// Why an expression cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExpressionError {
    /// The expression itself.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// Its type.
    #[error("the expression type {0:?} is not known to this broker; use TAG or {EXPRESSION_SQL92}")]
    Type(String),
}

/// What one group wants of one topic, as the file has it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FilterData {
    /// The group's bits in a filter bit map.
    pub bloom_filter_data: BloomFilterData,
    /// When the expression was registered, ms.
    pub born_time: i64,
    /// `subVersion` of the subscription.
    pub client_version: i64,
    /// Group.
    pub consumer_group: String,
    /// Whether the group has left; derived.
    #[serde(skip_deserializing)]
    dead: bool,
    /// When the group left, ms; 0 while it is there.
    pub dead_time: i64,
    /// The expression.
    pub expression: String,
    /// Its type.
    pub expression_type: String,
    /// Topic.
    pub topic: String,
    #[serde(skip)]
    compiled: Option<Filter>,
}

impl FilterData {
    /// Compiles a subscription's expression.
    ///
    /// # Errors
    /// See [`ExpressionError`].
    pub fn compile(group: &str, sent: &SubscriptionData) -> Result<FilterData, ExpressionError> {
        if sent.expression_type != EXPRESSION_SQL92 {
            return Err(ExpressionError::Type(sent.expression_type.clone()));
        }
        let compiled = Filter::compile(&sent.sub_string)?;
        if let Some((line, column)) = compiled.ignored_from() {
            tracing::warn!(target: LOGGER, "consumer group {group}, topic {}: the filter {:?} is understood as {compiled}; what begins at line {line}, column {column} is ignored", sent.topic, sent.sub_string);
        }
        Ok(FilterData {
            bloom_filter_data: BloomFilterData::default(),
            born_time: clock::now_ms(),
            client_version: sent.sub_version,
            consumer_group: group.to_string(),
            dead: false,
            dead_time: 0,
            expression: sent.sub_string.clone(),
            expression_type: sent.expression_type.clone(),
            topic: sent.topic.clone(),
            compiled: Some(compiled),
        })
    }

    /// The expression, ready to be evaluated.
    pub fn filter(&self) -> Option<&Filter> {
        self.compiled.as_ref()
    }

    /// Whether the expression wants a message with those encoded properties.
    pub fn wants(&self, encoded: &[u8]) -> bool {
        let Some(filter) = self.filter() else { return true };
        // Only what the expression names is looked up, in place.
        let property = |name: &str| properties::get(encoded, name).map(String::from_utf8_lossy);
        filter.matches(&property).unwrap_or_else(|error| {
            let (group, topic) = (&self.consumer_group, &self.topic);
            let properties = properties::display(&properties::decode(encoded));
            tracing::error!(target: LOGGER, "Message Filter error, group={group}, topic={topic}, expression={}, {properties}: {error}", self.expression);
            false
        })
    }

    /// Whether the bit map of a message leaves open that the group wants it. It says nothing of
    /// messages that were stored before the expression was known.
    pub fn may_want(&self, unit: &QueueUnit) -> bool {
        self.compiled.is_none()
            || unit.store_timestamp <= self.born_time
            || self.bloom_filter_data.may_be_in(&unit.bit_map)
    }

    /// Whether the group has left.
    pub fn is_dead(&self) -> bool {
        self.dead_time >= self.born_time
    }

    fn same_expression(&self, other: &SubscriptionData) -> bool {
        self.expression == other.sub_string && self.expression_type == other.expression_type
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct TopicFilters {
    group_filter_data: BTreeMap<String, FilterData>,
    topic: String,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct FiltersFile {
    filter_data_by_topic: BTreeMap<String, TopicFilters>,
}

type ByGroup = HashMap<Box<str>, Arc<FilterData>>;

/// The filters of a broker's groups.
pub struct Filters {
    path: PathBuf,
    bloom: BloomFilter,
    table: RwLock<HashMap<Box<str>, ByGroup>>,
    /// What the file holds, so that it is written only when something changed.
    written: Mutex<String>,
}

impl Filters {
    /// Reads the file. Entries that were made for other bit maps than `bloom`'s are all dropped,
    /// as in Java.
    ///
    /// # Errors
    /// File and backup hold something that cannot be read.
    pub fn load(path: PathBuf, bloom: BloomFilter) -> io::Result<Filters> {
        let parse =
            |bytes: &[u8]| fastjson::from_slice::<FiltersFile>(bytes).map_err(|e| e.to_string());
        let file = durable::load(&path, parse)?;
        let table = file.map(|file| restore(file, bloom)).unwrap_or_default();
        Ok(Filters { path, bloom, table: RwLock::new(table), written: Mutex::default() })
    }

    /// The entry of a group, be it dead or alive.
    pub fn get(&self, topic: &str, group: &str) -> Option<Arc<FilterData>> {
        self.table.read().get(topic)?.get(group).cloned()
    }

    /// The bit map of a message: the groups, here or gone, whose expression wants it. Empty if the
    /// topic has no expression.
    pub fn bit_map(&self, topic: &str, properties: &[u8]) -> Vec<u8> {
        let table = self.table.read();
        let Some(groups) = table.get(topic).filter(|groups| !groups.is_empty()) else {
            return Vec::new();
        };
        let mut map = self.bloom.empty_map();
        for data in groups.values().filter(|data| data.wants(properties)) {
            data.bloom_filter_data.mark(&mut map);
        }
        map
    }

    /// Takes in a group's subscriptions, all it has.
    pub fn register(&self, group: &str, subscriptions: &[SubscriptionData]) {
        let by_expression =
            |sent: &&SubscriptionData| !sent.is_tag_type() && !sent.sub_string.is_empty();
        for sent in subscriptions.iter().filter(by_expression) {
            self.register_one(group, sent);
        }
        let kept = |topic: &str| subscriptions.iter().any(|sent| sent.topic == topic);
        self.bury(group, |topic| !kept(topic));
    }

    /// Marks everything of a group as dead.
    pub fn unregister(&self, group: &str) {
        self.bury(group, |_| true);
    }

    fn bury(&self, group: &str, which: impl Fn(&str) -> bool) {
        // Most groups filter by tags: no write lock for them.
        let concerned = |groups: &ByGroup| groups.get(group).is_some_and(|data| !data.is_dead());
        if !self.table.read().iter().any(|(topic, groups)| which(topic) && concerned(groups)) {
            return;
        }
        let now = clock::now_ms();
        for (topic, groups) in self.table.write().iter_mut() {
            let Some(data) = groups.get_mut(group).filter(|data| !data.is_dead()) else { continue };
            if which(topic) {
                Arc::make_mut(data).dead_time = now;
                tracing::info!(target: LOGGER, "Unregister consumer filter: {data:?}, deadTime: {now}");
            }
        }
    }

    fn register_one(&self, group: &str, sent: &SubscriptionData) {
        let known = self.get(&sent.topic, group);
        if let Some(known) = known.filter(|known| sent.sub_version <= known.client_version) {
            if !known.same_expression(sent) {
                tracing::warn!(target: LOGGER, "Ignore consumer({group}:{}) filter, because of version {} <= {}, but maybe info changed!old={}:{}, ignored={}:{}", sent.topic, sent.sub_version, known.client_version, known.expression_type, known.expression, sent.expression_type, sent.sub_string);
            }
            if sent.sub_version == known.client_version && known.is_dead() {
                self.update(group, &sent.topic, revive);
            }
            return;
        }
        let bloom = self.bloom.positions(group, &sent.topic);
        let unchanged = self.update(group, &sent.topic, |data| {
            let unchanged = data.same_expression(sent) && data.bloom_filter_data == bloom;
            if unchanged {
                data.client_version = sent.sub_version;
                revive(data);
            }
            unchanged
        });
        if unchanged == Some(true) {
            return;
        }
        let compiled = FilterData::compile(group, sent);
        let mut table = self.table.write();
        match compiled {
            Ok(data) => {
                // The time is taken under the lock: bit maps made before it lack the group.
                let born_time = clock::now_ms();
                let data = FilterData { bloom_filter_data: bloom, born_time, ..data };
                tracing::info!(target: LOGGER, "New consumer filter registered: {data:?}");
                let groups = table.entry(sent.topic.as_str().into()).or_default();
                groups.insert(group.into(), Arc::new(data));
            }
            Err(error) => {
                tracing::error!(target: LOGGER, "parse error: expr={}, topic={}, group={group}, error={error}", sent.sub_string, sent.topic);
                if let Some(groups) = table.get_mut(sent.topic.as_str()) {
                    groups.remove(group);
                }
            }
        }
    }

    fn update<T>(
        &self,
        group: &str,
        topic: &str,
        change: impl FnOnce(&mut FilterData) -> T,
    ) -> Option<T> {
        let mut table = self.table.write();
        table.get_mut(topic)?.get_mut(group).map(|data| change(Arc::make_mut(data)))
    }

    /// Drops what has been dead for longer than `clean_after_ms`, and writes the file if it would
    /// be another one.
    pub fn persist(&self, clean_after_ms: i64) -> io::Result<()> {
        let now = clock::now_ms();
        self.table.write().retain(|_, groups| {
            groups.retain(|_, data| {
                let kept = !data.is_dead() || now - data.dead_time < clean_after_ms;
                if !kept {
                    tracing::info!(target: LOGGER, "Remove filter consumer {data:?}, died too long!");
                }
                kept
            });
            !groups.is_empty()
        });
        // Taken before the snapshot: of two writers the later one has the newer table.
        let mut written = self.written.lock();
        let text = fastjson::to_pretty(&self.snapshot()).map_err(io::Error::other)?;
        if *written != text {
            durable::replace(&self.path, text.as_bytes())?;
            *written = text;
        }
        Ok(())
    }

    fn snapshot(&self) -> FiltersFile {
        let table = self.table.read();
        let of_topic = |(topic, groups): (&str, &ByGroup)| {
            let entries = groups.iter().map(|(group, data)| {
                let data = FilterData { dead: data.is_dead(), ..(**data).clone() };
                (group.to_string(), data)
            });
            let group_filter_data = entries.collect();
            (topic.to_string(), TopicFilters { group_filter_data, topic: topic.to_string() })
        };
        FiltersFile {
            filter_data_by_topic: table
                .iter()
                .map(|(topic, groups)| of_topic((topic, groups)))
                .collect(),
        }
    }
}

fn revive(data: &mut FilterData) -> bool {
    if data.is_dead() {
        let old = std::mem::take(&mut data.dead_time);
        tracing::info!(target: LOGGER, "Re alive consumer filter: {data:?}, oldDeadTime: {old}");
    }
    true
}

fn restore(file: FiltersFile, bloom: BloomFilter) -> HashMap<Box<str>, ByGroup> {
    let mut table: HashMap<Box<str>, ByGroup> = HashMap::new();
    let now = clock::now_ms();
    for (topic, filters) in file.filter_data_by_topic {
        for (group, mut data) in filters.group_filter_data {
            if !bloom.fits(&data.bloom_filter_data) {
                tracing::info!(target: LOGGER, "Bloom filter is changed!So ignore all filter data persisted! {bloom:?}, {:?}", data.bloom_filter_data);
                return HashMap::new();
            }
            match Filter::compile(&data.expression) {
                Ok(filter) => data.compiled = Some(filter),
                Err(error) => {
                    tracing::error!(target: LOGGER, "load filter data error, {data:?}: {error}");
                }
            }
            if data.dead_time == 0 {
                // Nobody is connected yet.
                data.dead_time = (now - DEAD_BEFORE_START_MS).max(data.born_time);
            }
            tracing::info!(target: LOGGER, "load exist consumer filter data: {data:?}");
            table.entry(topic.as_str().into()).or_default().insert(group.into(), Arc::new(data));
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sql(topic: &str, expression: &str, version: i64) -> SubscriptionData {
        SubscriptionData {
            topic: topic.to_string(),
            sub_string: expression.to_string(),
            expression_type: EXPRESSION_SQL92.to_string(),
            sub_version: version,
            ..SubscriptionData::default()
        }
    }

    fn bloom() -> BloomFilter {
        BloomFilter::new(20, 32).unwrap()
    }

    fn empty(folder: &tempfile::TempDir) -> Filters {
        Filters::load(folder.path().join("consumerFilter.json"), bloom()).unwrap()
    }

    const GOLDEN: &str = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/golden/java-4.9.2/store/config/consumerFilter.json"
    );

    #[test]
    fn javas_file_is_read_and_written_back_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("consumerFilter.json");
        let golden = std::fs::read_to_string(GOLDEN).unwrap();
        std::fs::write(&path, &golden).unwrap();
        let filters = Filters::load(path.clone(), bloom()).unwrap();
        let data = filters.get("GoldenOne", "golden_group_sql").unwrap();
        let matches = |a: &'static str| data.filter().unwrap().matches(&|_: &str| Some(a.into()));
        assert_eq!((matches("10"), matches("11")), (Ok(true), Ok(false)));
        filters.persist(i64::MAX).unwrap();
        let written = std::fs::read_to_string(&path).unwrap();
        // Alive in Java's file, dead for a while in ours.
        let dead_time = filters.get("GoldenOne", "golden_group_sql").unwrap().dead_time;
        let golden = match golden.contains("\"dead\":false") {
            true => golden
                .replace("\"dead\":false", "\"dead\":true")
                .replace("\"deadTime\":0", &format!("\"deadTime\":{dead_time}")),
            false => golden,
        };
        assert_eq!(written, golden);
        let other = BloomFilter::new(10, 32).unwrap();
        assert!(Filters::load(path, other).unwrap().table.read().is_empty());
    }

    /// A store that Java 4.9.2 wrote with `enableCalcFilterBitMap` and `enableConsumeQueueExt`.
    #[test]
    fn bit_maps_are_those_of_java() {
        let golden = std::path::Path::new(GOLDEN).with_file_name("../../store-ext");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("consumerFilter.json");
        std::fs::copy(golden.join("config/consumerFilter.json"), &path).unwrap();
        let filters = Filters::load(path, bloom()).unwrap();
        let low = filters.get("Extended", "group_low").unwrap();
        let file = |n: usize| {
            let name = format!("{:020}", n / 8 * 300);
            std::fs::read(golden.join("consumequeue_ext/Extended/0").join(name)).unwrap()
        };
        for n in 0..30_usize {
            let properties = format!("n\u{1}{n}\u{2}even\u{1}{}", n % 2 == 0);
            let bit_map = filters.bit_map("Extended", properties.as_bytes());
            // Units of 20 + 14 bytes, eight in a file.
            let at = n % 8 * 34;
            assert_eq!(bit_map, file(n)[at + 20..at + 34], "{n}");
            let unit =
                QueueUnit { store_timestamp: low.born_time + 1, bit_map, ..QueueUnit::default() };
            assert!(low.may_want(&unit) || n >= 10);
            let before = QueueUnit { store_timestamp: low.born_time, bit_map: vec![0; 14], ..unit };
            assert!(low.may_want(&before));
            assert!(!low.may_want(&QueueUnit { store_timestamp: low.born_time + 1, ..before }));
        }
        assert!(filters.bit_map("Other", b"").is_empty());
    }

    #[test]
    fn a_newer_expression_replaces_an_older_one() {
        let folder = tempfile::tempdir().unwrap();
        let filters = empty(&folder);
        let expression = || filters.get("T", "g").map(|data| data.expression.clone());
        filters.register("g", &[sql("T", "a > 5", 2), SubscriptionData::default()]);
        filters.register("g", &[sql("T", "a > 6", 2)]);
        assert_eq!(expression().as_deref(), Some("a > 5"));
        filters.register("g", &[sql("T", "a > 7", 3)]);
        assert_eq!(expression().as_deref(), Some("a > 7"));
        filters.register("g", &[sql("T", "a >", 4)]);
        assert_eq!(expression(), None);
    }

    #[test]
    fn a_group_that_left_is_dead_until_it_returns_or_is_cleaned_away() {
        let folder = tempfile::tempdir().unwrap();
        let filters = empty(&folder);
        let dead = || filters.get("T", "g").map(|data| data.is_dead());
        filters.register("g", &[sql("T", "a > 5", 2)]);
        assert_eq!(dead(), Some(false));
        filters.register("g", &[]);
        assert_eq!(dead(), Some(true));
        filters.register("g", &[sql("T", "a > 5", 2)]);
        assert_eq!(dead(), Some(false));
        filters.unregister("g");
        assert_eq!(dead(), Some(true));
        filters.register("g", &[sql("T", "a > 5", 3)]);
        assert_eq!(dead(), Some(false));
        filters.persist(0).unwrap();
        assert_eq!(dead(), Some(false));
        filters.unregister("g");
        filters.persist(i64::MAX).unwrap();
        assert_eq!(dead(), Some(true));
        filters.persist(0).unwrap();
        assert_eq!(dead(), None);
    }

    #[test]
    fn other_types_are_refused() {
        let sent = SubscriptionData { expression_type: "XPATH".into(), ..sql("T", "a", 1) };
        let error = FilterData::compile("g", &sent).unwrap_err();
        assert!(error.to_string().contains("\"XPATH\""), "{error}");
    }
}
