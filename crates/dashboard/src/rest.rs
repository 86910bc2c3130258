//! The REST paths of the Java dashboard 1.0.0, with its parameters and answers (contract
//! `dashboard.md` 6), so that scripts keep working.

mod broker;
mod consumer;
mod message;
mod record;
mod session;
mod stored;
mod topic;
mod trace;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use crate::app::App;

pub(crate) use consumer::{delete_group, lowest_version, owners};
pub(crate) use message::{PageCache, consume, find as find_message};
pub(crate) use record::view;
pub(crate) use topic::{delete_topic, send_one};

/// Paths that need a user.
pub(crate) fn routes() -> Router<Arc<App>> {
    let places = Router::new()
        .route("/rocketmq/nsaddr", get(broker::name_servers))
        .route("/ops/homePage.query", get(broker::ops_page))
        .route("/ops/updateNameSvrAddr.do", post(broker::update_name_servers))
        .route("/ops/updateIsVIPChannel.do", post(broker::update_vip_channel))
        .route("/ops/updateUseTLS.do", post(broker::update_use_tls))
        .route("/ops/rocketMqStatus.query", get(broker::status))
        .route("/cluster/list.query", get(broker::cluster_list))
        .route("/cluster/brokerConfig.query", get(broker::broker_config))
        .route("/producer/producerConnection.query", get(consumer::producer_connection));
    let topics = Router::new()
        .route("/topic/list.query", get(topic::list))
        .route("/topic/stats.query", get(topic::stats))
        .route("/topic/route.query", get(topic::route))
        .route("/topic/examineTopicConfig.query", get(topic::config))
        .route("/topic/createOrUpdate.do", post(topic::create))
        .route("/topic/queryConsumerByTopic.query", get(topic::consumers))
        .route("/topic/queryTopicConsumerInfo.query", get(topic::groups))
        .route("/topic/sendTopicMessage.do", post(topic::send))
        .route("/topic/deleteTopic.do", post(topic::delete))
        .route("/topic/deleteTopicByBroker.do", post(topic::delete_on_broker));
    let groups = Router::new()
        .route("/consumer/groupList.query", get(consumer::list))
        .route("/consumer/group.query", get(consumer::one))
        .route("/consumer/examineSubscriptionGroupConfig.query", get(consumer::config))
        .route("/consumer/fetchBrokerNameList.query", get(consumer::brokers))
        .route("/consumer/queryTopicByConsumer.query", get(consumer::topics))
        .route("/consumer/consumerConnection.query", get(consumer::connection))
        .route("/consumer/consumerRunningInfo.query", get(consumer::running_info))
        .route("/consumer/createOrUpdate.do", post(consumer::create))
        .route("/consumer/deleteSubGroup.do", post(consumer::delete))
        .route("/consumer/resetOffset.do", post(consumer::reset))
        .route("/consumer/skipAccumulate.do", post(consumer::skip));
    let messages = Router::new()
        .route("/message/viewMessage.query", get(message::view_message))
        .route("/message/queryMessagePageByTopic.query", post(message::page))
        .route("/message/queryMessageByTopic.query", get(message::by_topic))
        .route("/message/queryMessageByTopicAndKey.query", get(message::by_key))
        .route("/message/consumeMessageDirectly.do", post(message::consume_directly))
        .route("/messageTrace/viewMessage.query", get(trace::view_message))
        .route("/messageTrace/viewMessageTraceDetail.query", get(trace::detail))
        .route("/messageTrace/viewMessageTraceGraph.query", get(trace::graph));
    let kept = Router::new()
        .route("/dashboard/broker.query", get(stored::broker_history))
        .route("/dashboard/topic.query", get(stored::topic_history))
        .route("/dashboard/topicCurrent", get(stored::topic_current))
        .route("/monitor/createOrUpdateConsumerMonitor.do", post(stored::set_limits))
        .route("/monitor/consumerMonitorConfig.query", get(stored::all_limits))
        .route("/monitor/consumerMonitorConfigByGroupName.query", get(stored::limits))
        .route("/monitor/deleteConsumerMonitor.do", post(stored::delete_limits));
    places.merge(topics).merge(groups).merge(messages).merge(kept)
}

/// Paths for everybody.
pub(crate) fn login_routes() -> Router<Arc<App>> {
    Router::new()
        .route("/login/check.query", get(session::check))
        .route("/login/login.do", post(session::log_in))
        .route("/login/logout.do", post(session::log_out))
}
