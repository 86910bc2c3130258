//! Topics and groups: codes 17, 21, 200, 201, 202, 207, 215, 300, 305, 306, 316, 343, 345, 351, 352
//! (contract `requests.md` 4).

use rocketmq_protocol::body::{
    GroupList, QuerySubscriptionResponseBody, SubscriptionGroupConfig, TopicConfig,
    TopicFilterType, TopicList, TopicOffset, TopicStatsTable,
};
use rocketmq_protocol::header::{
    CreateTopicRequestHeader, DeleteSubscriptionGroupRequestHeader, GroupRequestHeader,
    QuerySubscriptionByConsumerRequestHeader, TopicRequestHeader,
};
use rocketmq_protocol::message::MessageQueue;
use rocketmq_protocol::{Frame, ResponseCode};
use rocketmq_remoting::{Call, Response};

use super::{Answer, Refusal, UNSET, failed, json, parse, refuse, respond, send, when_written};
use crate::context::BrokerContext;

/// UPDATE_AND_CREATE_TOPIC 17.
pub fn update(context: &BrokerContext, call: Call<'_>) {
    if let Err(refusal) = update_inner(context, &call.frame) {
        return respond(call, Err(refusal));
    }
    let deferred = call.defer();
    when_written(
        context,
        Box::new(move |written| match written {
            Ok(()) => deferred.respond(Response::success().remark(UNSET)),
            Err(why) => deferred.respond(Response::error(ResponseCode::SYSTEM_ERROR, &why)),
        }),
    );
}

fn check_name(context: &BrokerContext, topic: &str) -> Result<(), Refusal> {
    send::check_topic_name(topic)?;
    if context.topics.is_system(topic) {
        return Err(failed(format!("The topic[{topic}] is conflict with system topic.")));
    }
    Ok(())
}

fn update_inner(context: &BrokerContext, frame: &Frame) -> Result<(), Refusal> {
    let header = CreateTopicRequestHeader::decode(frame.fields())?;
    check_name(context, &header.topic)?;
    let kind = TopicFilterType::from_name(&header.topic_filter_type).ok_or_else(|| {
        failed(format!(
            "create or update topic failed, topicFilterType = [{}] value invalid; use SINGLE_TAG or MULTI_TAG",
            header.topic_filter_type
        ))
    })?;
    let config = TopicConfig {
        // What is ordered is the name servers' to say.
        order: false,
        perm: header.perm,
        read_queue_nums: header.read_queue_nums,
        topic_filter_type: kind,
        topic_name: header.topic.to_string(),
        topic_sys_flag: header.topic_sys_flag.unwrap_or(0),
        write_queue_nums: header.write_queue_nums,
    };
    let topic = config.topic_name.clone();
    context.topics.update(config);
    context.outward.register_topic_soon(&topic);
    Ok(())
}

/// DELETE_TOPIC_IN_BROKER 215.
pub fn delete(context: &BrokerContext, frame: &Frame) -> Answer {
    let header = TopicRequestHeader::decode(frame.fields())?;
    check_name(context, &header.topic)?;
    context.topics.delete(&header.topic);
    context.store.delete_topic(&header.topic).map_err(failed)?;
    if context.settings().broker.auto_delete_unused_stats {
        context.stats.topic_deleted(&header.topic);
    }
    Ok(None)
}

/// GET_ALL_TOPIC_CONFIG 21.
pub fn all(context: &BrokerContext, _: &Frame) -> Answer {
    json(&context.topics.snapshot())
}

/// GET_TOPIC_CONFIG 351, which 5.x has and dashboards from 2.0 on ask for.
pub fn one(context: &BrokerContext, frame: &Frame) -> Answer {
    let header = TopicRequestHeader::decode(frame.fields())?;
    let config = context.topics.get(&header.topic).ok_or_else(|| {
        let text = format!("No topic in this broker. topic: {}", header.topic);
        refuse(ResponseCode::TOPIC_NOT_EXIST, text)
    })?;
    json(&*config)
}

/// GET_SUBSCRIPTIONGROUP_CONFIG 352, which 5.x has.
pub fn one_group(context: &BrokerContext, frame: &Frame) -> Answer {
    let header = GroupRequestHeader::decode(frame.fields())?;
    let config = context.groups.get(&header.group).ok_or_else(|| {
        refuse(ResponseCode::SUBSCRIPTION_GROUP_NOT_EXIST, "No group in this broker")
    })?;
    json(&*config)
}

/// GET_TOPIC_STATS_INFO 202.
pub fn stats(context: &BrokerContext, frame: &Frame) -> Answer {
    let header = TopicRequestHeader::decode(frame.fields())?;
    let topic = &*header.topic;
    let Some(config) = context.topics.get(topic) else {
        let text = format!("topic[{topic}] not exist");
        return Err(refuse(ResponseCode::TOPIC_NOT_EXIST, text));
    };
    let settings = context.settings();
    let mut table = TopicStatsTable::default();
    for queue_id in 0..config.write_queue_nums {
        let queue = MessageQueue {
            topic: topic.to_string(),
            broker_name: settings.broker.broker_name.clone(),
            queue_id,
        };
        let min_offset = context.store.min_offset_in_queue(topic, queue_id).max(0);
        let max_offset = context.store.max_offset_in_queue(topic, queue_id).max(0);
        let last_update_timestamp = match max_offset {
            0 => 0,
            max => context.store.store_time_at(topic, queue_id, max - 1).max(0),
        };
        table
            .offset_table
            .insert(queue, TopicOffset { last_update_timestamp, max_offset, min_offset });
    }
    json(&table)
}

/// QUERY_TOPICS_BY_CONSUMER 343, which tools of 5.x ask: the topics that the group has offsets of.
pub fn consumed_of(context: &BrokerContext, frame: &Frame) -> Answer {
    let header = GroupRequestHeader::decode(frame.fields())?;
    let topic_list = context.offsets.topics_of(&header.group).into_iter().collect();
    json(&TopicList { broker_addr: Some(context.address()), topic_list })
}

/// QUERY_SUBSCRIPTION_BY_CONSUMER 345, which tools of 5.x ask.
pub fn subscription_of(context: &BrokerContext, frame: &Frame) -> Answer {
    let header = QuerySubscriptionByConsumerRequestHeader::decode(frame.fields())?;
    let topic = header.topic.map(|topic| topic.to_string());
    let wanted = topic.as_deref().and_then(|topic| {
        context.consumers.with(&header.group, |group| group.subscriptions.get(topic).cloned())?
    });
    json(&QuerySubscriptionResponseBody {
        group: header.group.to_string(),
        subscription_data: wanted.map(|subscription| (*subscription).clone()),
        topic,
    })
}

/// QUERY_TOPIC_CONSUME_BY_WHO 300.
pub fn consumed_by(context: &BrokerContext, frame: &Frame) -> Answer {
    let header = TopicRequestHeader::decode(frame.fields())?;
    let mut groups = context.consumers.groups_of(&header.topic);
    groups.extend(context.offsets.groups_of(&header.topic));
    json(&GroupList { group_list: groups.into_iter().collect() })
}

/// GET_SYSTEM_TOPIC_LIST_FROM_BROKER 305.
pub fn system_topics(context: &BrokerContext, _: &Frame) -> Answer {
    json(&TopicList { broker_addr: None, topic_list: context.topics.system_topics() })
}

/// UPDATE_AND_CREATE_SUBSCRIPTIONGROUP 200.
pub fn update_group(context: &BrokerContext, frame: &Frame) -> Answer {
    let config: SubscriptionGroupConfig = parse(frame.body())?;
    if config.group_name.is_empty() {
        return Err(failed("the specified group is blank; give groupName"));
    }
    context.groups.update(config);
    Ok(None)
}

/// GET_ALL_SUBSCRIPTIONGROUP_CONFIG 201.
pub fn all_groups(context: &BrokerContext, _: &Frame) -> Answer {
    json(&context.groups.snapshot())
}

/// DELETE_SUBSCRIPTIONGROUP 207.
pub fn delete_group(context: &BrokerContext, frame: &Frame) -> Answer {
    let header = DeleteSubscriptionGroupRequestHeader::decode(frame.fields())?;
    context.groups.delete(&header.group_name);
    if header.remove_offset {
        context.offsets.remove_group(&header.group_name);
    }
    if context.settings().broker.auto_delete_unused_stats {
        context.stats.group_deleted(&header.group_name);
    }
    Ok(None)
}

/// CLEAN_EXPIRED_CONSUMEQUEUE 306.
pub fn clean_expired(context: &BrokerContext, _: &Frame) -> Answer {
    context.store.clean_expired_consume_queues().map_err(failed)?;
    Ok(None)
}

/// CLEAN_UNUSED_TOPIC 316.
pub fn clean_unused(context: &BrokerContext, _: &Frame) -> Answer {
    let used = |topic: &str| context.topics.get(topic).is_some();
    context.store.clean_unused_topics(used).map_err(failed)?;
    Ok(None)
}
