//! What groups consume and who is connected: codes 203, 204, 208, 303, 317 (contract
//! `requests.md` 5).

use std::collections::{BTreeMap, BTreeSet};

use rocketmq_common::clock;
use rocketmq_protocol::body::{
    Connection as ConnectionInfo, ConsumeStats, ConsumeStatsList, ConsumeTimeSpans,
    ConsumerConnection, OffsetWrapper, ProducerConnection, ProducerInfo, ProducerTable,
    QueueTimeSpan, TopicConfig,
};
use rocketmq_protocol::header::{
    ConsumerGroupRequestHeader, GetBrokerConsumeStatsRequestHeader, GetConsumeStatsRequestHeader,
    ProducerGroupRequestHeader, QueryConsumeTimeSpanRequestHeader,
};
use rocketmq_protocol::message::MessageQueue;
use rocketmq_protocol::{Frame, ResponseCode};

use super::{Answer, failed, json, refuse};
use crate::consumers::ClientChannel;
use crate::context::BrokerContext;

fn info(channel: &ClientChannel) -> ConnectionInfo {
    ConnectionInfo {
        client_addr: channel.connection.peer().to_string(),
        client_id: channel.client_id.clone(),
        language: channel.language.name().to_string(),
        version: channel.version,
    }
}

/// GET_CONSUMER_CONNECTION_LIST 203.
pub fn consumer_connections(context: &BrokerContext, frame: &Frame) -> Answer {
    let header = ConsumerGroupRequestHeader::decode(frame.fields())?;
    let Some(group) = context.consumers.group(&header.consumer_group) else {
        let text = format!("the consumer group[{}] not online", header.consumer_group);
        return Err(refuse(ResponseCode::CONSUMER_NOT_ONLINE, text));
    };
    let subscriptions = group.subscriptions.iter();
    json(&ConsumerConnection {
        connection_set: group.channels.values().map(info).collect(),
        consume_from_where: group.consume_from_where,
        consume_type: group.consume_type,
        message_model: group.message_model,
        subscription_table: subscriptions.map(|(t, s)| (t.clone(), (**s).clone())).collect(),
    })
}

/// GET_PRODUCER_CONNECTION_LIST 204.
pub fn producer_connections(context: &BrokerContext, frame: &Frame) -> Answer {
    let header = ProducerGroupRequestHeader::decode(frame.fields())?;
    let channels = context.producers.channels(&header.producer_group);
    if channels.is_empty() {
        return Err(failed(format!("the producer group[{}] not exist", header.producer_group)));
    }
    json(&ProducerConnection { connection_set: channels.iter().map(info).collect() })
}

/// GET_ALL_PRODUCER_INFO 328, which 5.x has.
pub fn all_producers(context: &BrokerContext, _: &Frame) -> Answer {
    let mut table = ProducerTable::default();
    for group in context.producers.counts().into_keys() {
        let channels = context.producers.channels(&group);
        let producers = channels.iter().map(|channel| ProducerInfo {
            client_id: channel.client_id.clone(),
            language: info(channel).language,
            last_update_timestamp: channel.last_update_ms,
            remote_ip: channel.connection.peer().to_string(),
            version: channel.version,
        });
        table.data.insert(group, producers.collect());
    }
    json(&table)
}

/// GET_CONSUME_STATS 208.
pub fn stats(context: &BrokerContext, frame: &Frame) -> Answer {
    let header = GetConsumeStatsRequestHeader::decode(frame.fields())?;
    let group = &*header.consumer_group;
    let topics = match header.topic.as_deref().filter(|topic| !topic.is_empty()) {
        Some(topic) => BTreeSet::from([topic.to_string()]),
        None => context.offsets.topics_of(group),
    };
    let mut stats = ConsumeStats::default();
    for topic in topics {
        let Some(config) = context.topics.get(&topic) else { continue };
        if subscribes_elsewhere(context, group, &topic) {
            continue;
        }
        add_progress(context, group, &config, config.read_queue_nums, &mut stats);
        stats.consume_tps += context.stats.group_get_tps(&topic, group);
    }
    json(&stats)
}

/// Whether a group is online and subscribes to other topics only: it has no progress here.
fn subscribes_elsewhere(context: &BrokerContext, group: &str, topic: &str) -> bool {
    let elsewhere = context.consumers.with(group, |connected| {
        !connected.subscriptions.is_empty() && !connected.subscriptions.contains_key(topic)
    });
    elsewhere == Some(true)
}

fn add_progress(
    context: &BrokerContext,
    group: &str,
    config: &TopicConfig,
    queues: i32,
    stats: &mut ConsumeStats,
) {
    let topic = &config.topic_name;
    let broker_name = context.settings().broker.broker_name.clone();
    for queue_id in 0..queues {
        let queue =
            MessageQueue { topic: topic.clone(), broker_name: broker_name.clone(), queue_id };
        let broker_offset = context.store.max_offset_in_queue(topic, queue_id).max(0);
        let consumer_offset = context.offsets.get(group, topic, queue_id).unwrap_or(0).max(0);
        let last_timestamp = match consumer_offset {
            0 => 0,
            offset => context.store.store_time_at(topic, queue_id, offset - 1).max(0),
        };
        let progress = OffsetWrapper { broker_offset, consumer_offset, last_timestamp };
        stats.offset_table.insert(queue, progress);
    }
}

/// GET_BROKER_CONSUME_STATS 317.
pub fn broker_stats(context: &BrokerContext, frame: &Frame) -> Answer {
    let header = GetBrokerConsumeStatsRequestHeader::decode(frame.fields())?;
    let mut list =
        ConsumeStatsList { broker_addr: Some(context.address()), ..ConsumeStatsList::default() };
    for group in context.groups.snapshot().subscription_group_table.into_keys() {
        let mut of_group = Vec::new();
        for topic in context.offsets.topics_of(&group) {
            let Some(config) = context.topics.get(&topic) else { continue };
            if (header.is_order && !config.order) || subscribes_elsewhere(context, &group, &topic) {
                continue;
            }
            let mut stats = ConsumeStats::default();
            add_progress(context, &group, &config, config.write_queue_nums, &mut stats);
            stats.consume_tps = context.stats.group_get_tps(&topic, &group);
            let behind = stats.offset_table.values().map(|o| o.broker_offset - o.consumer_offset);
            list.total_diff += behind.sum::<i64>();
            of_group.push(stats);
        }
        list.consume_stats_list.push(BTreeMap::from([(group, of_group)]));
    }
    json(&list)
}

/// QUERY_CONSUME_TIME_SPAN 303.
pub fn time_span(context: &BrokerContext, frame: &Frame) -> Answer {
    let header = QueryConsumeTimeSpanRequestHeader::decode(frame.fields())?;
    let (topic, group) = (&*header.topic, &*header.group);
    let Some(config) = context.topics.get(topic) else {
        let text = format!("topic[{topic}] not exist");
        return Err(refuse(ResponseCode::TOPIC_NOT_EXIST, text));
    };
    let broker_name = context.settings().broker.broker_name.clone();
    let now = clock::now_ms();
    let text = |ms: i64| clock::format_millis(ms).replacen(' ', "#", 1).replace(',', ":");
    let mut spans = ConsumeTimeSpans::default();
    for queue_id in 0..config.write_queue_nums {
        let min = context.store.earliest_message_time(topic, queue_id);
        let max_offset = context.store.max_offset_in_queue(topic, queue_id);
        let max = context.store.store_time_at(topic, queue_id, max_offset - 1);
        let offset = context.offsets.get(group, topic, queue_id);
        let consumed = match offset {
            Some(offset) if offset > 0 => context.store.store_time_at(topic, queue_id, offset - 1),
            _ => min,
        };
        // A group without an offset is behind by all of time, as Java has it.
        let offset = offset.unwrap_or(-1);
        let next = context.store.store_time_at(topic, queue_id, offset);
        let delay_time = if offset < max_offset { now - next } else { 0 };
        spans.consume_time_span_set.push(QueueTimeSpan {
            consume_time_stamp: consumed,
            consume_time_stamp_str: text(consumed),
            delay_time,
            max_time_stamp: max,
            max_time_stamp_str: text(max),
            message_queue: MessageQueue {
                topic: topic.to_string(),
                broker_name: broker_name.clone(),
                queue_id,
            },
            min_time_stamp: min,
            min_time_stamp_str: text(min),
        });
    }
    json(&spans)
}
