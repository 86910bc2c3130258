//! updateTopic, deleteTopic, topicRoute, topicStatus, topicList.

use std::collections::BTreeMap;

use rocketmq_client::admin::AdminClient;
use rocketmq_common::{clock, fastjson};
use rocketmq_protocol::body::{ClusterInfo, TopicConfig, TopicRouteData};
use rocketmq_protocol::topic::{DLQ_PREFIX, ORDER_TOPIC_CONFIG, RETRY_PREFIX};

use super::{Command, Failure, cut};
use crate::options::{Given, either, flag, optional, required};

/// What Java prints, without a line end, for a cluster that is not there.
pub(crate) const NO_CLUSTER: &str = "[error] Make sure the specified clusterName exists or the \
                                     name server connected to is correct.";

pub(crate) const UPDATE_TOPIC: Command = Command {
    name: "updateTopic",
    class: "UpdateTopicSubCommand",
    description: "Update or create topic",
    options: &[
        either("b", "brokerAddr", "create topic to which broker"),
        either("c", "clusterName", "create topic to which cluster"),
        required("t", "topic", "topic name"),
        optional("r", "readQueueNums", "set read queue nums"),
        optional("w", "writeQueueNums", "set write queue nums"),
        optional("p", "perm", "set topic's permission(2|4|6), intro[2:W 4:R; 6:RW]"),
        optional("o", "order", "set topic's order(true|false)"),
        optional("u", "unit", "is unit topic (true|false)"),
        optional("s", "hasUnitSub", "has unit sub (true|false)"),
    ],
    run: |admin, given| Box::pin(update_topic(admin, given)),
};

pub(crate) const DELETE_TOPIC: Command = Command {
    name: "deleteTopic",
    class: "DeleteTopicSubCommand",
    description: "Delete topic from broker and NameServer.",
    options: &[
        required("t", "topic", "topic name"),
        required("c", "clusterName", "delete topic from which cluster"),
    ],
    run: |admin, given| Box::pin(delete_topic(admin, given)),
};

pub(crate) const TOPIC_ROUTE: Command = Command {
    name: "topicRoute",
    class: "TopicRouteSubCommand",
    description: "Examine topic route info",
    options: &[
        required("t", "topic", "topic name"),
        flag("l", "list", "Use list format to print data"),
    ],
    run: |admin, given| Box::pin(topic_route(admin, given)),
};

pub(crate) const TOPIC_STATUS: Command = Command {
    name: "topicStatus",
    class: "TopicStatusSubCommand",
    description: "Examine topic Status info",
    options: &[required("t", "topic", "topic name")],
    run: |admin, given| Box::pin(topic_status(admin, given)),
};

pub(crate) const TOPIC_LIST: Command = Command {
    name: "topicList",
    class: "TopicListSubCommand",
    description: "Fetch all topic list from name server",
    options: &[flag("c", "clusterModel", "clusterModel")],
    run: |admin, given| Box::pin(topic_list(admin, given)),
};

fn number(given: &Given, short: &str, default: i32) -> Result<i32, Failure> {
    match given.get(short) {
        None => Ok(default),
        Some(text) => text.parse().map_err(|_| {
            Failure::Other(format!("java.lang.NumberFormatException: For input string: \"{text}\""))
        }),
    }
}

fn is_true(given: &Given, short: &str) -> bool {
    given.get(short).is_some_and(|text| text.eq_ignore_ascii_case("true"))
}

/// Master addresses of a cluster by broker name; the text of [`NO_CLUSTER`] when there is none.
pub(crate) fn masters(info: &ClusterInfo, cluster: &str) -> BTreeMap<String, String> {
    let Some(names) = info.cluster_addr_table.get(cluster) else {
        print!("{NO_CLUSTER}");
        return BTreeMap::new();
    };
    let data = names.iter().filter_map(|name| info.broker_addr_table.get(name));
    data.filter_map(|data| Some((data.broker_name.clone(), data.master()?.to_string()))).collect()
}

async fn update_topic(admin: &AdminClient, given: &Given) -> Result<(), Failure> {
    let topic = given.get("t").unwrap_or_default();
    let order = is_true(given, "o");
    let config = TopicConfig {
        topic_name: topic.to_string(),
        read_queue_nums: number(given, "r", 8)?,
        write_queue_nums: number(given, "w", 8)?,
        perm: number(given, "p", 6)?,
        topic_sys_flag: i32::from(is_true(given, "u")) | i32::from(is_true(given, "s")) << 1,
        order,
        ..TopicConfig::default()
    };
    let order_of = |name: &str| format!("{name}:{}", config.write_queue_nums);
    if let Some(address) = given.get("b") {
        admin.create_topic(address, &config).await?;
        if order {
            let info = admin.cluster_info().await?;
            let mut brokers = info.broker_addr_table.values();
            let name = brokers.find(|data| data.broker_addrs.values().any(|a| a == address));
            let name = name.map(|data| data.broker_name.clone()).unwrap_or_default();
            let conf = merged_order(admin, topic, &name, &order_of(&name)).await?;
            admin.put_kv_config(ORDER_TOPIC_CONFIG, topic, &conf).await?;
            print!("set broker orderConf. isOrder={order}, orderConf=[{conf}]");
        }
        println!("create topic to {address} success.");
    } else if let Some(cluster) = given.get("c") {
        let masters = masters(&admin.cluster_info().await?, cluster);
        for address in masters.values() {
            admin.create_topic(address, &config).await?;
            println!("create topic to {address} success.");
        }
        if order {
            let conf: Vec<_> = masters.keys().map(|name| order_of(name)).collect();
            let conf = conf.join(";");
            admin.put_kv_config(ORDER_TOPIC_CONFIG, topic, &conf).await?;
            print!("set cluster orderConf. isOrder={order}, orderConf=[{conf}]");
        }
    } else {
        return Err(Failure::Usage);
    }
    print!("{config}");
    Ok(())
}

/// The topic's order configuration with one broker's part replaced.
async fn merged_order(
    admin: &AdminClient,
    topic: &str,
    broker_name: &str,
    part: &str,
) -> Result<String, Failure> {
    let old = admin.get_kv_config(ORDER_TOPIC_CONFIG, topic).await?.unwrap_or_default();
    let prefix = format!("{broker_name}:");
    let mut parts: Vec<&str> =
        old.split(';').filter(|p| !p.is_empty() && !p.starts_with(&prefix)).collect();
    parts.push(part);
    Ok(parts.join(";"))
}

async fn delete_topic(admin: &AdminClient, given: &Given) -> Result<(), Failure> {
    let (topic, cluster) = (given.get("t").unwrap_or_default(), given.get("c").unwrap_or_default());
    let masters = masters(&admin.cluster_info().await?, cluster);
    for address in masters.values() {
        admin.delete_topic_in_broker(address, topic).await?;
    }
    println!("delete topic [{topic}] from cluster [{cluster}] success.");
    admin.delete_topic_in_name_servers(topic).await?;
    println!("delete topic [{topic}] from NameServer success.");
    Ok(())
}

async fn topic_route(admin: &AdminClient, given: &Given) -> Result<(), Failure> {
    let route = admin.topic_route(given.get("t").unwrap_or_default()).await?;
    if given.has("l") {
        print_route(&route);
        return Ok(());
    }
    let text = fastjson::to_pretty(&route).map_err(|error| Failure::Other(error.to_string()))?;
    println!("{text}");
    Ok(())
}

fn print_route(route: &TopicRouteData) {
    let line = |cells: [&str; 6]| {
        println!(
            "{:<45} {:<32} {:<50} {:<10} {:<11} {:<5}",
            cells[0], cells[1], cells[2], cells[3], cells[4], cells[5]
        );
    };
    line(["#ClusterName", "#BrokerName", "#BrokerAddrs", "#ReadQueue", "#WriteQueue", "#Perm"]);
    let (mut read, mut write) = (0, 0);
    for data in &route.broker_datas {
        let addresses: Vec<_> =
            data.broker_addrs.iter().map(|(id, address)| format!("{id}={address}")).collect();
        let addresses = format!("{{{}}}", addresses.join(", "));
        let queues = route.queue_datas.iter().find(|q| q.broker_name == data.broker_name);
        let Some(queues) = queues else { continue };
        read += queues.read_queue_nums;
        write += queues.write_queue_nums;
        line([
            &data.cluster,
            &data.broker_name,
            &addresses,
            &queues.read_queue_nums.to_string(),
            &queues.write_queue_nums.to_string(),
            &queues.perm.to_string(),
        ]);
    }
    println!("{}", "-".repeat(158));
    let count = route.broker_datas.len().to_string();
    line(["Total:", &count, "", &read.to_string(), &write.to_string(), ""]);
}

async fn topic_status(admin: &AdminClient, given: &Given) -> Result<(), Failure> {
    let table = admin.topic_stats(given.get("t").unwrap_or_default()).await?;
    println!(
        "{:<32}  {:<4}  {:<20}  {:<20}    #Last Updated",
        "#Broker Name", "#QID", "#Min Offset", "#Max Offset"
    );
    for (queue, offset) in &table.offset_table {
        let updated = match offset.last_update_timestamp {
            0 => String::new(),
            ms => clock::format_millis(ms),
        };
        println!(
            "{:<32}  {:<4}  {:<20}  {:<20}    {updated}",
            cut(&queue.broker_name, 32),
            queue.queue_id,
            offset.min_offset,
            offset.max_offset
        );
    }
    Ok(())
}

async fn topic_list(admin: &AdminClient, given: &Given) -> Result<(), Failure> {
    let topics = admin.topic_list().await?.topic_list;
    if !given.has("c") {
        topics.iter().for_each(|topic| println!("{topic}"));
        return Ok(());
    }
    let row = |cluster: &str, topic: &str, group: &str| {
        println!("{:<20}  {:<48}  {:<48}", cut(cluster, 20), cut(topic, 48), cut(group, 48));
    };
    row("#Cluster Name", "#Topic", "#Consumer Group");
    for topic in &topics {
        if topic.starts_with(RETRY_PREFIX) || topic.starts_with(DLQ_PREFIX) {
            continue;
        }
        let route = admin.topic_route(topic).await;
        let cluster =
            route.ok().and_then(|route| Some(route.broker_datas.first()?.cluster.clone()));
        let cluster = cluster.unwrap_or_default();
        let groups = admin.topic_consumer_groups(topic).await.unwrap_or_default();
        if groups.is_empty() {
            row(&cluster, topic, "");
        }
        groups.iter().for_each(|group| row(&cluster, topic, group));
    }
    Ok(())
}
