//! updateTopic, deleteTopic, updateTopicPerm.

use rocketmq_client::ClientError;
use rocketmq_protocol::body::{TopicConfig, TopicRouteData};
use rocketmq_protocol::topic::ORDER_TOPIC_CONFIG;

use super::command::{Command, Session, masters};
use super::failure::Failure;
use crate::options::{either, optional, required};
use crate::out::{out, outln};

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
    run: |session| Box::pin(update_topic(session)),
};

pub(crate) const DELETE_TOPIC: Command = Command {
    name: "deleteTopic",
    class: "DeleteTopicSubCommand",
    description: "Delete topic from broker and NameServer.",
    options: &[
        required("t", "topic", "topic name"),
        required("c", "clusterName", "delete topic from which cluster"),
    ],
    run: |session| Box::pin(delete_topic(session)),
};

pub(crate) const UPDATE_TOPIC_PERM: Command = Command {
    name: "updateTopicPerm",
    class: "UpdateTopicPermSubCommand",
    description: "Update topic perm",
    options: &[
        optional("b", "brokerAddr", "create topic to which broker"),
        optional("c", "clusterName", "create topic to which cluster"),
        required("t", "topic", "topic name"),
        required("p", "perm", "set topic's permission(2|4|6), intro[2:W; 4:R; 6:RW]"),
    ],
    run: |session| Box::pin(update_topic_perm(session)),
};

async fn update_topic(session: &Session) -> Result<(), Failure> {
    let Session { admin, given, .. } = session;
    let topic = given.text("t");
    let order = given.is_true("o");
    let config = TopicConfig {
        topic_name: topic.to_string(),
        read_queue_nums: given.number("r", 8)?,
        write_queue_nums: given.number("w", 8)?,
        perm: given.number("p", 6)?,
        topic_sys_flag: i32::from(given.is_true("u")) | i32::from(given.is_true("s")) << 1,
        order,
        ..TopicConfig::default()
    };
    let order_of = |name: &str| format!("{name}:{}", config.write_queue_nums);
    if let Some(address) = given.get("b") {
        admin.create_topic(address, &config).await?;
        if order {
            let info = session.cluster_info().await?;
            let mut brokers = info.broker_addr_table.values();
            let name = brokers.find(|data| data.broker_addrs.values().any(|a| a == address));
            let name = name.map(|data| data.broker_name.clone()).unwrap_or_default();
            let conf = merged_order(session, topic, &name, &order_of(&name)).await?;
            admin.put_kv_config(ORDER_TOPIC_CONFIG, topic, &conf).await?;
            out!("set broker orderConf. isOrder={order}, orderConf=[{conf}]");
        }
        outln!("create topic to {address} success.");
    } else if let Some(cluster) = given.get("c") {
        let masters = session.masters(cluster).await?;
        for address in masters.values() {
            admin.create_topic(address, &config).await?;
            outln!("create topic to {address} success.");
        }
        if order {
            let conf: Vec<_> = masters.keys().map(|name| order_of(name)).collect();
            let conf = conf.join(";");
            admin.put_kv_config(ORDER_TOPIC_CONFIG, topic, &conf).await?;
            out!("set cluster orderConf. isOrder={order}, orderConf=[{conf}]");
        }
    } else {
        return Err(Failure::Usage);
    }
    out!("{config}");
    Ok(())
}

/// The topic's order configuration with one broker's part replaced.
async fn merged_order(
    session: &Session,
    topic: &str,
    broker_name: &str,
    part: &str,
) -> Result<String, Failure> {
    let old = session.admin.find_kv_config(ORDER_TOPIC_CONFIG, topic).await?.unwrap_or_default();
    let prefix = format!("{broker_name}:");
    let mut parts: Vec<&str> =
        old.split(';').filter(|p| !p.is_empty() && !p.starts_with(&prefix)).collect();
    parts.push(part);
    Ok(parts.join(";"))
}

async fn delete_topic(session: &Session) -> Result<(), Failure> {
    delete_topic_named(session, session.given.text("t"), session.given.text("c")).await
}

/// Deletes a topic of a cluster and says so.
pub(crate) async fn delete_topic_named(
    session: &Session,
    topic: &str,
    cluster: &str,
) -> Result<(), Failure> {
    for address in session.masters(cluster).await?.values() {
        session.admin.delete_topic_in_broker(address, topic).await?;
    }
    outln!("delete topic [{topic}] from cluster [{cluster}] success.");
    session.admin.delete_topic_in_name_servers(topic).await?;
    outln!("delete topic [{topic}] from NameServer success.");
    Ok(())
}

async fn update_topic_perm(session: &Session) -> Result<(), Failure> {
    let Session { admin, given, .. } = session;
    let topic = given.text("t");
    let route = admin.topic_route(topic).await?;
    let Some(queues) = route.queue_datas.first() else {
        return Err(ClientError::illegal(format!("No queue of the topic: {topic}")).into());
    };
    let mut config = TopicConfig {
        topic_name: topic.to_string(),
        read_queue_nums: queues.read_queue_nums,
        write_queue_nums: queues.write_queue_nums,
        topic_sys_flag: queues.topic_sys_flag,
        ..TopicConfig::default()
    };
    let (old, new) = (queues.perm, given.number("p", 0)?);
    config.perm = new;
    if let Some(address) = given.get("b") {
        let Some(name) = master_named(&route, address) else {
            outln!("updateTopicPerm error broker not exit or broker is not master!.");
            session.note(&Failure::Other("no such master".to_string()));
            return Ok(());
        };
        let known = route.queue_datas.iter().find(|queues| queues.broker_name == name);
        if known.is_some_and(|queues| queues.perm == new) {
            outln!("new perm equals to the old one!");
            return Ok(());
        }
        admin.create_topic(address, &config).await?;
        outln!("update topic perm from {old} to {new} in {address} success.");
        outln!("{config}.");
    } else if let Some(cluster) = given.get("c") {
        for address in masters(&session.cluster_info().await?, cluster).values() {
            admin.create_topic(address, &config).await?;
            outln!("update topic perm from {old} to {new} in {address} success.");
        }
    } else {
        return Err(Failure::Usage);
    }
    Ok(())
}

/// Name of the broker whose master has that address.
fn master_named<'a>(route: &'a TopicRouteData, address: &str) -> Option<&'a str> {
    let data = route.broker_datas.iter().find(|data| data.master() == Some(address))?;
    Some(&data.broker_name)
}
