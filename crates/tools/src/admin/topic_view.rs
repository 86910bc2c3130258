//! topicRoute, topicStatus, topicClusterList, topicList, allocateMQ.

use std::collections::BTreeMap;

use rocketmq_client::consumer::Allocation;
use rocketmq_common::{clock, fastjson, java};
use rocketmq_protocol::body::TopicRouteData;
use rocketmq_protocol::message::MessageQueue;
use rocketmq_protocol::topic::{DLQ_PREFIX, RETRY_PREFIX, permission};
use serde::{Serialize, Serializer};

use super::command::{Command, Session};
use super::failure::Failure;
use crate::options::{flag, required};
use crate::out::{Table, json, outln};

pub(crate) const TOPIC_ROUTE: Command = Command {
    name: "topicRoute",
    class: "TopicRouteSubCommand",
    description: "Examine topic route info",
    options: &[
        required("t", "topic", "topic name"),
        flag("l", "list", "Use list format to print data"),
    ],
    run: |session| Box::pin(topic_route(session)),
};

pub(crate) const TOPIC_STATUS: Command = Command {
    name: "topicStatus",
    class: "TopicStatusSubCommand",
    description: "Examine topic Status info",
    options: &[required("t", "topic", "topic name")],
    run: |session| Box::pin(topic_status(session)),
};

pub(crate) const TOPIC_CLUSTER_LIST: Command = Command {
    name: "topicClusterList",
    class: "TopicClusterSubCommand",
    description: "get cluster info for topic",
    options: &[required("t", "topic", "topic name")],
    run: |session| Box::pin(topic_cluster_list(session)),
};

pub(crate) const TOPIC_LIST: Command = Command {
    name: "topicList",
    class: "TopicListSubCommand",
    description: "Fetch all topic list from name server",
    options: &[flag("c", "clusterModel", "clusterModel")],
    run: |session| Box::pin(topic_list(session)),
};

pub(crate) const ALLOCATE_MQ: Command = Command {
    name: "allocateMQ",
    class: "AllocateMQSubCommand",
    description: "Allocate MQ",
    options: &[required("t", "topic", "topic name"), required("i", "ipList", "ipList")],
    run: |session| Box::pin(allocate_mq(session)),
};

async fn topic_route(session: &Session) -> Result<(), Failure> {
    let Session { admin, given, .. } = session;
    let route = admin.topic_route(given.text("t")).await?;
    if given.has("l") {
        print_route(&route, given.json());
    } else if given.json() {
        json(&as_json(&route));
    } else {
        let text =
            fastjson::to_pretty(&route).map_err(|error| Failure::Other(error.to_string()))?;
        outln!("{text}");
    }
    Ok(())
}

/// A broker of a route, for strict JSON readers: broker ids are quoted.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RouteRow<'a> {
    broker_addrs: BTreeMap<String, &'a str>,
    broker_name: &'a str,
    cluster: &'a str,
    perm: i32,
    read_queue_nums: i32,
    topic_sys_flag: i32,
    write_queue_nums: i32,
}

fn as_json(route: &TopicRouteData) -> Vec<RouteRow<'_>> {
    let brokers = route.broker_datas.iter().filter_map(|data| {
        let queues = route.queue_datas.iter().find(|q| q.broker_name == data.broker_name)?;
        let addresses = data.broker_addrs.iter();
        Some(RouteRow {
            broker_addrs: addresses.map(|(id, a)| (id.to_string(), a.as_str())).collect(),
            broker_name: &data.broker_name,
            cluster: &data.cluster,
            perm: queues.perm,
            read_queue_nums: queues.read_queue_nums,
            topic_sys_flag: queues.topic_sys_flag,
            write_queue_nums: queues.write_queue_nums,
        })
    });
    brokers.collect()
}

fn print_route(route: &TopicRouteData, json: bool) {
    let format = "%-45s %-32s %-50s %-10s %-11s %-5s";
    let columns =
        ["#ClusterName", "#BrokerName", "#BrokerAddrs", "#ReadQueue", "#WriteQueue", "#Perm"];
    let mut table = Table::new(json, format, format, &columns);
    let (mut read, mut write) = (0, 0);
    for data in &route.broker_datas {
        let addresses: Vec<_> =
            data.broker_addrs.iter().map(|(id, address)| format!("{id}={address}")).collect();
        let queues = route.queue_datas.iter().find(|q| q.broker_name == data.broker_name);
        let Some(queues) = queues else { continue };
        read += queues.read_queue_nums;
        write += queues.write_queue_nums;
        table.row([
            (&data.cluster).into(),
            (&data.broker_name).into(),
            format!("{{{}}}", addresses.join(", ")).into(),
            queues.read_queue_nums.into(),
            queues.write_queue_nums.into(),
            queues.perm.into(),
        ]);
    }
    if !json {
        outln!("{}", "-".repeat(158));
        let count = route.broker_datas.len().into();
        table.row(["Total:".into(), count, "".into(), read.into(), write.into(), "".into()]);
    }
    table.finish();
}

async fn topic_status(session: &Session) -> Result<(), Failure> {
    let stats = session.admin.topic_stats(session.given.text("t")).await?;
    let mut table = Table::new(
        session.given.json(),
        "%-32s  %-4s  %-20s  %-20s    %s",
        "%-32.32s  %-4d  %-20d  %-20d    %s",
        &["#Broker Name", "#QID", "#Min Offset", "#Max Offset", "#Last Updated"],
    );
    for (queue, offset) in &stats.offset_table {
        let updated = match offset.last_update_timestamp {
            0 => String::new(),
            ms => clock::format_millis(ms),
        };
        table.row([
            (&queue.broker_name).into(),
            queue.queue_id.into(),
            offset.min_offset.into(),
            offset.max_offset.into(),
            updated.into(),
        ]);
    }
    table.finish();
    Ok(())
}

async fn topic_cluster_list(session: &Session) -> Result<(), Failure> {
    let Session { admin, given, .. } = session;
    let info = session.cluster_info().await?;
    let route = admin.topic_route(given.text("t")).await?;
    let holds = |names: &Vec<String>| {
        route.broker_datas.iter().any(|data| names.contains(&data.broker_name))
    };
    let clusters = info.cluster_addr_table.iter().filter(|(_, names)| holds(names));
    let clusters: Vec<&String> = clusters.map(|(cluster, _)| cluster).collect();
    if given.json() {
        json(&clusters);
    } else {
        clusters.iter().for_each(|cluster| outln!("{cluster}"));
    }
    Ok(())
}

async fn topic_list(session: &Session) -> Result<(), Failure> {
    let Session { admin, given, .. } = session;
    let topics = admin.topic_list().await?.topic_list;
    if !given.has("c") {
        if given.json() {
            json(&topics);
        } else {
            topics.iter().for_each(|topic| outln!("{topic}"));
        }
        return Ok(());
    }
    let mut table = Table::new(
        given.json(),
        "%-20s  %-48s  %-48s",
        "%-20.20s  %-48.48s  %-48.48s",
        &["#Cluster Name", "#Topic", "#Consumer Group"],
    );
    for topic in &topics {
        if topic.starts_with(RETRY_PREFIX) || topic.starts_with(DLQ_PREFIX) {
            continue;
        }
        let route = admin.topic_route(topic).await;
        let cluster =
            route.ok().and_then(|route| Some(route.broker_datas.first()?.cluster.clone()));
        let cluster = cluster.unwrap_or_default();
        let mut groups = admin.topic_consumer_groups(topic).await.unwrap_or_default();
        if groups.is_empty() {
            groups.push(String::new());
        }
        for group in groups {
            table.row([(&cluster).into(), topic.into(), group.into()]);
        }
    }
    table.finish();
    Ok(())
}

/// Queues by the address that would consume them, in Java's order.
#[derive(Serialize)]
struct Shares {
    #[serde(serialize_with = "as_map")]
    result: Vec<(String, Vec<MessageQueue>)>,
}

fn as_map<S: Serializer>(
    pairs: &[(String, Vec<MessageQueue>)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(pairs.iter().map(|(name, queues)| (name, queues)))
}

async fn allocate_mq(session: &Session) -> Result<(), Failure> {
    let Session { admin, given, .. } = session;
    let topic = given.text("t");
    let route = admin.topic_route(topic).await?;
    let members: Vec<String> = given.text("i").split(',').map(str::to_string).collect();
    let mut queues = Vec::new();
    for data in route.queue_datas.iter().filter(|queues| queues.perm & permission::READ != 0) {
        queues.extend((0..data.read_queue_nums).map(|queue_id| MessageQueue {
            topic: topic.to_string(),
            broker_name: data.broker_name.clone(),
            queue_id,
        }));
    }
    // Java does not sort them here as its consumers do, but takes them as a hash set has them.
    java::sort_by_hash(&mut queues, MessageQueue::java_hash);
    let share = |member: &String| Allocation::Averagely.share(member, &queues, &members);
    let mut result: Vec<_> = members.iter().map(|m| (m.clone(), share(m))).collect();
    java::sort_as_hash_map(&mut result, |(member, _)| member);
    json(&Shares { result });
    Ok(())
}
