//! exportMetadata, exportConfigs, exportMetrics (contract `admin.md` 3).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rocketmq_client::admin::AdminClient;
use rocketmq_common::{clock, durable, fastjson};
use rocketmq_protocol::body::{
    BrokerStatsData, SubscriptionGroupConfig, SubscriptionGroupWrapper, TopicConfig,
    TopicConfigSerializeWrapper,
};
use rocketmq_protocol::topic::{
    BUILT_IN_GROUPS, DLQ_PREFIX, RETRY_PREFIX, SCHEDULE, SYSTEM_GROUP_PREFIX, TRANS_HALF,
};
use rocketmq_protocol::version;
use serde::Serialize;

use super::command::{Command, Session, masters};
use super::failure::Failure;
use crate::options::{Given, flag, optional, required};
use crate::out::out;

/// Where the files go unless told otherwise.
const DEFAULT_FOLDER: &str = "/tmp/rocketmq/export";

pub(crate) const EXPORT_METADATA: Command = Command {
    name: "exportMetadata",
    class: "ExportMetadataCommand",
    description: "export metadata",
    options: &[
        optional("c", "clusterName", "choose a cluster to export"),
        optional("b", "brokerAddr", "choose a broker to export"),
        optional("f", "filePath", "export metadata.json path | default /tmp/rocketmq/export"),
        flag("t", "topic", "only export topic metadata"),
        flag("g", "subscriptionGroup", "only export subscriptionGroup metadata"),
        flag("s", "specialTopic", "need retryTopic and dlqTopic"),
    ],
    run: |session| Box::pin(export_metadata(session)),
};

pub(crate) const EXPORT_CONFIGS: Command = Command {
    name: "exportConfigs",
    class: "ExportConfigsCommand",
    description: "export configs",
    options: &[
        required("c", "clusterName", "choose a cluster to export"),
        optional("f", "filePath", "export configs.json path | default /tmp/rocketmq/export"),
    ],
    run: |session| Box::pin(export_configs(session)),
};

pub(crate) const EXPORT_METRICS: Command = Command {
    name: "exportMetrics",
    class: "ExportMetricsCommand",
    description: "export metrics",
    options: &[
        required("c", "clusterName", "choose a cluster to export"),
        optional("f", "filePath", "export metrics.json path | default /tmp/rocketmq/export"),
    ],
    run: |session| Box::pin(export_metrics(session)),
};

/// Keys of a broker's configuration that are exported.
const CONFIG_KEYS: [&str; 16] = [
    "autoCreateSubscriptionGroup",
    "autoCreateTopicEnable",
    "brokerClusterName",
    "brokerId",
    "brokerName",
    "brokerRole",
    "fileReservedTime",
    "filterServerNums",
    "flushDiskType",
    "maxMessageSize",
    "messageDelayLevel",
    "msgTraceTopicName",
    "slaveReadEnable",
    "traceOn",
    "traceTopicEnable",
    "useTLS",
];

fn write(given: &Given, name: &str, content: &impl Serialize) -> Result<(), Failure> {
    let folder = given.get("f").filter(|path| !path.is_empty()).unwrap_or(DEFAULT_FOLDER);
    let path = Path::new(folder).join(name);
    let text = fastjson::to_pretty(content).map_err(|error| Failure::Other(error.to_string()))?;
    durable::replace(&path, text.as_bytes())
        .map_err(|error| Failure::Other(format!("java.io.IOException: {error}")))?;
    out!("export {} success", path.display());
    Ok(())
}

/// A broker's own topics, without the system's; retry and dead-letter topics on demand.
async fn user_topics(
    admin: &AdminClient,
    address: &str,
    special: bool,
) -> Result<TopicConfigSerializeWrapper, Failure> {
    let system: BTreeSet<String> = admin.system_topics(address).await?.into_iter().collect();
    let mut topics = admin.all_topic_config(address).await?;
    topics.topic_config_table.retain(|name, _| {
        let is_special = name.starts_with(RETRY_PREFIX) || name.starts_with(DLQ_PREFIX);
        !rocketmq_protocol::topic::is_system(name)
            && !system.contains(name)
            && (special || !is_special)
    });
    Ok(topics)
}

/// Groups that every broker has.
fn is_system_group(name: &str) -> bool {
    BUILT_IN_GROUPS.contains(&name) || name.starts_with(SYSTEM_GROUP_PREFIX)
}

async fn user_groups(
    admin: &AdminClient,
    address: &str,
) -> Result<SubscriptionGroupWrapper, Failure> {
    let mut groups = admin.all_subscription_groups(address).await?;
    groups.subscription_group_table.retain(|name, _| !is_system_group(name));
    Ok(groups)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    export_time: i64,
    rocketmq_version: String,
    subscription_group_table: BTreeMap<String, SubscriptionGroupConfig>,
    topic_config_table: BTreeMap<String, TopicConfig>,
}

async fn export_metadata(session: &Session) -> Result<(), Failure> {
    let Session { admin, given, .. } = session;
    let special = given.has("s");
    let addresses = session.targets().await?;
    if given.has("b")
        && let Some(address) = addresses.first()
    {
        if given.has("t") {
            return write(given, "topic.json", &user_topics(admin, address, special).await?);
        }
        if given.has("g") {
            return write(given, "subscriptionGroup.json", &user_groups(admin, address).await?);
        }
    }
    let mut metadata = Metadata {
        export_time: clock::now_ms(),
        rocketmq_version: version::describe(version::CURRENT),
        subscription_group_table: BTreeMap::new(),
        topic_config_table: BTreeMap::new(),
    };
    for address in &addresses {
        for (name, topic) in user_topics(admin, address, special).await?.topic_config_table {
            match metadata.topic_config_table.get_mut(&name) {
                // A topic's queues are those of all masters together.
                Some(known) => {
                    known.read_queue_nums += topic.read_queue_nums;
                    known.write_queue_nums += topic.write_queue_nums;
                }
                None => drop(metadata.topic_config_table.insert(name, topic)),
            }
        }
        let groups = user_groups(admin, address).await?;
        metadata.subscription_group_table.extend(groups.subscription_group_table);
    }
    let name = match (given.has("t"), given.has("g")) {
        (true, _) => {
            metadata.subscription_group_table.clear();
            "topic.json"
        }
        (_, true) => {
            metadata.topic_config_table.clear();
            "subscriptionGroup.json"
        }
        _ => "metadata.json",
    };
    write(given, name, &metadata)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Configs {
    broker_configs: BTreeMap<String, BTreeMap<&'static str, String>>,
    cluster_scale: ClusterScale,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ClusterScale {
    master_broker_size: usize,
    namesrv_size: usize,
    slave_broker_size: usize,
}

async fn export_configs(session: &Session) -> Result<(), Failure> {
    let Session { admin, given, .. } = session;
    let cluster = given.get("c").unwrap_or_default();
    let info = session.cluster_info().await?;
    let masters = masters(&info, cluster);
    let names = info.cluster_addr_table.get(cluster).into_iter().flatten();
    let brokers: usize = names
        .filter_map(|name| info.broker_addr_table.get(name))
        .map(|d| d.broker_addrs.len())
        .sum();
    let mut broker_configs = BTreeMap::new();
    for (name, address) in &masters {
        let config = admin.broker_config(address).await?;
        let wanted = CONFIG_KEYS.into_iter();
        let values = wanted.filter_map(|key| Some((key, config.get(key)?.to_string())));
        broker_configs.insert(name.clone(), values.collect());
    }
    let configs = Configs {
        broker_configs,
        cluster_scale: ClusterScale {
            master_broker_size: masters.len(),
            namesrv_size: admin.name_servers().len(),
            slave_broker_size: brokers.saturating_sub(masters.len()),
        },
    };
    write(given, "configs.json", &configs)
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Tps {
    normal_in_tps: f64,
    normal_out_tps: f64,
    schedule_in_tps: f64,
    trans_in_tps: f64,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct TotalTps {
    total_normal_in_tps: f64,
    total_normal_out_tps: f64,
    total_schedule_in_tps: f64,
    total_trans_in_tps: f64,
}

#[derive(Clone, Copy, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct OneDayNum {
    normal_one_day_in_num: i64,
    normal_one_day_out_num: i64,
    schedule_one_day_in_num: i64,
    trans_one_day_in_num: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Quota {
    disk_ratio: BTreeMap<&'static str, String>,
    group_size: usize,
    message_average_size: String,
    one_day_num: OneDayNum,
    topic_size: usize,
    tps: Tps,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BrokerReport {
    runtime_env: BTreeMap<&'static str, String>,
    runtime_quota: Quota,
    runtime_version: RuntimeVersion,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RuntimeVersion {
    #[serde(with = "rocketmq_common::fastjson::inline")]
    client_info: Vec<String>,
    rocketmq_version: String,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct TotalData {
    total_one_day_num: OneDayNum,
    total_tps: TotalTps,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Metrics {
    evaluate_report: BTreeMap<String, BrokerReport>,
    total_data: TotalData,
}

async fn export_metrics(session: &Session) -> Result<(), Failure> {
    let Session { admin, given, .. } = session;
    let cluster = given.get("c").unwrap_or_default();
    let masters = masters(&session.cluster_info().await?, cluster);
    let mut metrics = Metrics::default();
    for (name, address) in &masters {
        let report = broker_report(admin, address).await?;
        let (day, tps) = (&report.runtime_quota.one_day_num, &report.runtime_quota.tps);
        let total = &mut metrics.total_data;
        total.total_one_day_num.normal_one_day_in_num += day.normal_one_day_in_num;
        total.total_one_day_num.normal_one_day_out_num += day.normal_one_day_out_num;
        total.total_one_day_num.schedule_one_day_in_num += day.schedule_one_day_in_num;
        total.total_one_day_num.trans_one_day_in_num += day.trans_one_day_in_num;
        total.total_tps.total_normal_in_tps += tps.normal_in_tps;
        total.total_tps.total_normal_out_tps += tps.normal_out_tps;
        total.total_tps.total_schedule_in_tps += tps.schedule_in_tps;
        total.total_tps.total_trans_in_tps += tps.trans_in_tps;
        metrics.evaluate_report.insert(name.clone(), report);
    }
    write(given, "metrics.json", &metrics)
}

async fn broker_report(admin: &AdminClient, address: &str) -> Result<BrokerReport, Failure> {
    let info = admin.broker_runtime_info(address).await?;
    let config = admin.broker_config(address).await?;
    let text = |key: &str| info.get(key).cloned().unwrap_or_default();
    let number = |key: &str| text(key).parse::<i64>().unwrap_or(0);
    let first = |key: &str| text(key).split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0.0);
    let put = async |topic: &str| -> Result<BrokerStatsData, Failure> {
        Ok(admin.find_broker_stats(address, "TOPIC_PUT_NUMS", topic).await?.unwrap_or_default())
    };
    let (transactions, delayed) = (put(TRANS_HALF).await?, put(SCHEDULE).await?);
    let day = |later: &str, earlier: &str| number(later) - number(earlier);
    let quota = Quota {
        disk_ratio: BTreeMap::from([
            ("commitLogDiskRatio", text("commitLogDiskRatio")),
            ("consumeQueueDiskRatio", text("consumeQueueDiskRatio")),
        ]),
        group_size: user_groups(admin, address).await?.subscription_group_table.len(),
        message_average_size: text("putMessageAverageSize"),
        one_day_num: OneDayNum {
            normal_one_day_in_num: day("msgPutTotalTodayMorning", "msgPutTotalYesterdayMorning"),
            normal_one_day_out_num: day("msgGetTotalTodayMorning", "msgGetTotalYesterdayMorning"),
            schedule_one_day_in_num: delayed.stats_day.sum,
            trans_one_day_in_num: transactions.stats_day.sum,
        },
        topic_size: user_topics(admin, address, false).await?.topic_config_table.len(),
        tps: Tps {
            normal_in_tps: first("putTps"),
            normal_out_tps: first("getTransferedTps"),
            schedule_in_tps: delayed.stats_minute.tps,
            trans_in_tps: transactions.stats_minute.tps,
        },
    };
    let processors = config.get("clientCallbackExecutorThreads").unwrap_or_default();
    Ok(BrokerReport {
        runtime_env: BTreeMap::from([("cpuNum", processors.to_string())]),
        runtime_quota: quota,
        runtime_version: RuntimeVersion {
            client_info: clients(admin, address).await?,
            rocketmq_version: version::describe(version::CURRENT),
        },
    })
}

/// Languages and versions of the consumers that are connected, each once: `JAVA%V4_9_2`.
async fn clients(admin: &AdminClient, address: &str) -> Result<Vec<String>, Failure> {
    let mut clients = BTreeSet::new();
    for group in user_groups(admin, address).await?.subscription_group_table.keys() {
        // A group that is not connected has no clients to name.
        let Ok(connection) = admin.consumer_connection(group).await else { continue };
        clients.extend(
            connection
                .connection_set
                .iter()
                .map(|c| format!("{}%{}", c.language, version::describe(c.version))),
        );
    }
    Ok(clients.into_iter().collect())
}
