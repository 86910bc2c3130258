//! The collectors and their files, in the form of 1.0.0 (contract `dashboard.md` 4): a day per file,
//! one sample a minute.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rocketmq_client::admin::AdminClient;
use rocketmq_common::{clock, durable};
use rocketmq_protocol::body::BrokerStatsData;

use crate::live::{Snapshot, kind_of};

/// Samples of a day, by name: `broker:id` → `millis,tps`, or topic → `millis,in,inCount,out,outCount`,
/// or group → `millis,tps,lag`.
pub(crate) type Day = BTreeMap<String, Vec<String>>;

const DAY_MS: i64 = 86_400_000;
/// Time between two samples.
const SAMPLE: Duration = Duration::from_secs(60);

/// What is collected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Of brokers, `dashboard<date>.json`.
    Broker,
    /// Of topics, `dashboard<date>_topic.json`.
    Topic,
    /// Of groups, `dashboard<date>_group.json`; ours.
    Group,
}

impl Kind {
    fn suffix(self) -> &'static str {
        match self {
            Kind::Broker => "",
            Kind::Topic => "_topic",
            Kind::Group => "_group",
        }
    }
}

/// The histories of all clusters. That of the first lies where 1.0.0 has it, in the data folder itself; each
/// other one in a folder below it that is named after its name servers.
pub(crate) struct Histories {
    root: PathBuf,
    keep_days: i64,
    first: String,
    open: Mutex<BTreeMap<String, Arc<History>>>,
}

/// Longest name of such a folder.
const FOLDER_MAX: usize = 200;

impl Histories {
    /// `first` is the name server list that the dashboard starts with.
    pub(crate) fn new(root: PathBuf, keep_days: i64, first: String) -> Histories {
        Histories { root, keep_days, first, open: Mutex::default() }
    }

    /// The history of the cluster with this name server list.
    pub(crate) fn of(&self, name_servers: &str) -> Arc<History> {
        let mut open = self.open.lock();
        let history = open.entry(name_servers.to_string()).or_insert_with(|| {
            let folder = if name_servers == self.first {
                self.root.clone()
            } else {
                self.root.join("clusters").join(folder_name(name_servers))
            };
            Arc::new(History::open(folder, self.keep_days))
        });
        Arc::clone(history)
    }
}

fn folder_name(name_servers: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' || c == '.' { c } else { '_' };
    let name: String = name_servers.chars().take(FOLDER_MAX).map(plain).collect();
    // A name of dots alone would be a way out of the folder.
    if name.chars().all(|c| c == '.') { "_".to_string() } else { name }
}

/// The history of one cluster.
pub(crate) struct History {
    folder: PathBuf,
    keep_days: i64,
    today: Mutex<Today>,
}

#[derive(Default)]
struct Today {
    date: String,
    broker: Day,
    topic: Day,
    group: Day,
}

impl Today {
    fn of(&mut self, kind: Kind) -> &mut Day {
        match kind {
            Kind::Broker => &mut self.broker,
            Kind::Topic => &mut self.topic,
            Kind::Group => &mut self.group,
        }
    }
}

/// `yyyy-MM-dd` of a moment, local time.
pub(crate) fn date_of(ms: i64) -> String {
    clock::format_seconds(ms).chars().take(10).collect()
}

fn is_date(text: &str) -> bool {
    text.len() == 10
        && text.bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        })
}

impl History {
    /// Goes on with the files of today.
    pub(crate) fn open(folder: PathBuf, keep_days: i64) -> History {
        let history = History { folder, keep_days, today: Mutex::default() };
        let date = date_of(clock::now_ms());
        let mut today = Today { date: date.clone(), ..Today::default() };
        for kind in [Kind::Broker, Kind::Topic, Kind::Group] {
            *today.of(kind) = history.read(kind, &date);
        }
        *history.today.lock() = today;
        history
    }

    fn path(&self, kind: Kind, date: &str) -> PathBuf {
        self.folder.join(format!("dashboard{date}{}.json", kind.suffix()))
    }

    fn read(&self, kind: Kind, date: &str) -> Day {
        let read = durable::load(&self.path(kind, date), |bytes| {
            serde_json::from_slice::<Day>(bytes).map_err(|error| error.to_string())
        });
        match read {
            Ok(day) => day.unwrap_or_default(),
            Err(error) => {
                tracing::warn!(target: crate::LOGGER, "{}: {error}; the day is shown as empty", self.path(kind, date).display());
                Day::new()
            }
        }
    }

    /// The samples of a day; nothing for what is no date.
    pub(crate) fn day(&self, kind: Kind, date: &str) -> Day {
        let mut today = self.today.lock();
        match date {
            _ if today.date == date => today.of(kind).clone(),
            _ if is_date(date) => {
                drop(today);
                self.read(kind, date)
            }
            _ => Day::new(),
        }
    }

    /// Samples of one name between two moments: time and numbers.
    pub(crate) fn series(
        &self,
        kind: Kind,
        name: &str,
        from: i64,
        to: i64,
    ) -> Vec<(i64, Vec<f64>)> {
        let mut found = Vec::new();
        let mut at = from;
        let last = date_of(to);
        // At most what is kept, however far the request reaches.
        for _ in 0..=400 {
            let date = date_of(at);
            let day = self.day(kind, &date);
            for line in day.get(name).into_iter().flatten() {
                let mut fields = line.split(',');
                let time = fields.next().and_then(|field| field.parse::<i64>().ok());
                if let Some(time) = time.filter(|time| (from..=to).contains(time)) {
                    found.push((time, fields.map(|field| field.parse().unwrap_or(0.0)).collect()));
                }
            }
            if date >= last {
                break;
            }
            at += DAY_MS;
        }
        found.sort_by_key(|(time, _)| *time);
        found
    }

    /// The last sample of each name of today.
    pub(crate) fn latest(&self, kind: Kind) -> BTreeMap<String, Vec<f64>> {
        let mut today = self.today.lock();
        let lines = today.of(kind).iter().filter_map(|(name, lines)| Some((name, lines.last()?)));
        lines
            .map(|(name, line)| {
                let numbers = line.split(',').skip(1).map(|field| field.parse().unwrap_or(0.0));
                (name.clone(), numbers.collect())
            })
            .collect()
    }

    fn add(&self, now: i64, kind: Kind, samples: Vec<(String, String)>) {
        let date = date_of(now);
        let mut today = self.today.lock();
        if today.date != date {
            *today = Today { date, ..Today::default() };
        }
        for (name, line) in samples {
            today.of(kind).entry(name).or_default().push(format!("{now},{line}"));
        }
    }

    fn save(&self) {
        let _ = std::fs::create_dir_all(&self.folder);
        for kind in [Kind::Broker, Kind::Topic, Kind::Group] {
            let (path, text) = {
                let mut today = self.today.lock();
                let path = self.path(kind, &today.date);
                (path, serde_json::to_vec(today.of(kind)).unwrap_or_default())
            };
            if let Err(error) = durable::replace(&path, &text) {
                tracing::warn!(
                    target: crate::LOGGER,
                    "{}: the history cannot be written: {error}; set rocketmq.config.dataPath to a folder that can be",
                    path.display()
                );
            }
        }
        self.forget_old();
    }

    fn forget_old(&self) {
        if self.keep_days <= 0 {
            return;
        }
        let oldest = date_of(clock::now_ms() - self.keep_days * DAY_MS);
        for entry in std::fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let date = name.strip_prefix("dashboard").and_then(|rest| rest.get(..10));
            if date.is_some_and(|date| is_date(date) && date < oldest.as_str()) {
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }

    /// Takes one sample of everything.
    pub(crate) async fn sample(&self, admin: &AdminClient, snapshot: &Snapshot) {
        let now = clock::now_ms();
        let brokers = snapshot.brokers.iter().filter_map(|broker| {
            let numbers = broker.runtime.get("getTotalTps")?;
            let numbers: Vec<f64> =
                numbers.split_whitespace().filter_map(|one| one.parse().ok()).collect();
            let mean = numbers.iter().sum::<f64>() / numbers.len().max(1) as f64;
            Some((format!("{}:{}", broker.name, broker.id), format!("{mean:.2}")))
        });
        self.add(now, Kind::Broker, brokers.collect());
        let groups = snapshot.groups.iter().filter_map(|(name, group)| {
            Some((name.clone(), format!("{:.2},{}", group.out_tps, group.lag()?)))
        });
        self.add(now, Kind::Group, groups.collect());
        let mut topics = Vec::new();
        for (name, state) in &snapshot.topics {
            if kind_of(name, snapshot) != "normal" {
                continue;
            }
            let mut sum = [0.0, 0.0, 0.0, 0.0];
            for master in
                snapshot.masters().filter(|master| state.configs.contains_key(&master.name))
            {
                let put = admin.find_broker_stats(&master.address, "TOPIC_PUT_NUMS", name).await;
                add_to(&mut sum, 0, put.ok().flatten());
                for group in &state.groups {
                    let key = format!("{name}@{group}");
                    let got =
                        admin.find_broker_stats(&master.address, "GROUP_GET_NUMS", &key).await;
                    add_to(&mut sum, 2, got.ok().flatten());
                }
            }
            let [in_tps, in_count, out_tps, out_count] = sum;
            topics.push((
                name.clone(),
                format!("{in_tps:.2},{in_count:.0},{out_tps:.2},{out_count:.0}"),
            ));
        }
        self.add(now, Kind::Topic, topics);
    }
}

fn add_to(sum: &mut [f64; 4], at: usize, stats: Option<BrokerStatsData>) {
    if let Some(stats) = stats {
        sum[at] += stats.stats_minute.tps;
        // 1.0.0's order of trust: the day, else the hour, else the minute.
        let counts = [stats.stats_day.sum, stats.stats_hour.sum, stats.stats_minute.sum];
        sum[at + 1] += counts.into_iter().find(|count| *count != 0).unwrap_or(0) as f64;
    }
}

/// Samples every cluster once a minute, for as long as the dashboard runs.
pub(crate) async fn collect(app: Arc<crate::app::App>) {
    let mut ticks = tokio::time::interval(SAMPLE);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        // Beside each other: one that cannot be reached takes the others no sample.
        let lists = app.clusters.lists();
        futures_util::future::join_all(lists.iter().map(|list| collect_one(&app, list))).await;
    }
}

async fn collect_one(app: &crate::app::App, name_servers: &str) {
    let Ok(cluster) = app.clusters.get(Some(name_servers)) else { return };
    let history = app.histories.of(name_servers);
    let snapshot = cluster.live.look().await;
    if snapshot.error.is_none() && snapshot.updated > 0 {
        history.sample(&cluster.admin, &snapshot).await;
    }
    let _ = tokio::task::spawn_blocking(move || history.save()).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_kept_and_read_back_in_1_0_0s_form() {
        let folder = tempfile::tempdir().unwrap();
        let history = History::open(folder.path().to_path_buf(), 30);
        let now = clock::now_ms();
        history.add(now, Kind::Topic, vec![("T".to_string(), "1.50,10,2.00,20".to_string())]);
        history.save();
        let again = History::open(folder.path().to_path_buf(), 30);
        assert_eq!(again.day(Kind::Topic, &date_of(now))["T"], [format!("{now},1.50,10,2.00,20")]);
        assert_eq!(again.latest(Kind::Topic)["T"], [1.5, 10.0, 2.0, 20.0]);
        assert_eq!(
            again.series(Kind::Topic, "T", now - 1000, now),
            [(now, vec![1.5, 10.0, 2.0, 20.0])]
        );
        assert!(again.series(Kind::Topic, "T", now + 1, now + 5).is_empty());
    }

    #[test]
    fn each_cluster_has_a_folder_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let all = Histories::new(folder.path().to_path_buf(), 30, "a:1".to_string());
        for list in ["a:1", "b:2;c:3"] {
            let sample = (list.to_string(), "1.00".to_string());
            all.of(list).add(clock::now_ms(), Kind::Broker, vec![sample]);
            all.of(list).save();
        }
        let name = format!("dashboard{}.json", date_of(clock::now_ms()));
        let first = std::fs::read_to_string(folder.path().join(&name)).unwrap();
        let other = folder.path().join("clusters/b_2_c_3").join(&name);
        assert!(first.contains("a:1") && !first.contains("b:2"), "{first}");
        assert!(std::fs::read_to_string(other).unwrap().contains("b:2;c:3"));
        assert_eq!((folder_name("../x:1"), folder_name("..")), (".._x_1".into(), "_".into()));
    }

    #[test]
    fn what_is_no_date_opens_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let history = History::open(folder.path().to_path_buf(), 30);
        assert!(history.day(Kind::Broker, "../../etc/x").is_empty());
        assert!(is_date("2026-01-02") && !is_date("2026/01/02") && !is_date(""));
    }

    #[test]
    fn old_days_are_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let old = folder.path().join("dashboard2001-01-01_topic.json");
        std::fs::write(&old, "{}").unwrap();
        std::fs::write(folder.path().join("users.properties"), "").unwrap();
        History::open(folder.path().to_path_buf(), 30).save();
        assert!(!old.exists() && folder.path().join("users.properties").exists());
    }
}
