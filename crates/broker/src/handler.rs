//! From a request's code to its processor.

use std::sync::Arc;

use rocketmq_protocol::{RequestCode, ResponseCode};
use rocketmq_remoting::{BatchFailed, Call, CloseReason, Connection, RequestHandler, Response};
use rocketmq_store::PutError;

use crate::context::BrokerContext;
use crate::processor::{
    Answer, acl, admin, client, consumption, filter_server, offset, pull, query, replica, reply,
    respond, respond_when_written, send, send_back, settings, topic, transaction,
};

/// Name of the logger of connections.
const LOGGER: &str = "RocketmqRemoting";

/// Serves the connections of one of the broker's two ports.
pub(crate) struct Handler {
    context: Arc<BrokerContext>,
    /// The second port serves all but pulls.
    is_vip: bool,
}

impl Handler {
    /// For the main or the second port.
    pub(crate) fn new(context: Arc<BrokerContext>, is_vip: bool) -> Handler {
        Handler { context, is_vip }
    }

    /// The requests that are answered with a body alone, by a function of the frame.
    fn simple(&self, call: &Call<'_>) -> Option<Answer> {
        type Simple = fn(&BrokerContext, &rocketmq_protocol::Frame) -> Answer;
        let process: Simple = match call.code() {
            RequestCode::GET_CONSUMER_LIST_BY_GROUP => client::consumer_list,
            RequestCode::CHECK_CLIENT_CONFIG => client::check_config,
            RequestCode::LOCK_BATCH_MQ => client::lock,
            RequestCode::UNLOCK_BATCH_MQ => client::unlock,
            RequestCode::GET_ALL_CONSUMER_OFFSET => offset::all,
            RequestCode::GET_ALL_DELAY_OFFSET => offset::delays,
            RequestCode::CLONE_GROUP_OFFSET => offset::clone_group,
            RequestCode::QUERY_CORRECTION_OFFSET => offset::correction,
            RequestCode::GET_ALL_TOPIC_CONFIG => topic::all,
            RequestCode::GET_TOPIC_CONFIG => topic::one,
            RequestCode::GET_SUBSCRIPTIONGROUP_CONFIG => topic::one_group,
            RequestCode::GET_TOPIC_STATS_INFO => topic::stats,
            RequestCode::QUERY_TOPIC_CONSUME_BY_WHO => topic::consumed_by,
            RequestCode::QUERY_TOPICS_BY_CONSUMER => topic::consumed_of,
            RequestCode::QUERY_SUBSCRIPTION_BY_CONSUMER => topic::subscription_of,
            RequestCode::GET_SYSTEM_TOPIC_LIST_FROM_BROKER => topic::system_topics,
            RequestCode::GET_ALL_SUBSCRIPTIONGROUP_CONFIG => topic::all_groups,
            RequestCode::CLEAN_EXPIRED_CONSUMEQUEUE => topic::clean_expired,
            RequestCode::CLEAN_UNUSED_TOPIC => topic::clean_unused,
            RequestCode::GET_CONSUMER_CONNECTION_LIST => consumption::consumer_connections,
            RequestCode::GET_PRODUCER_CONNECTION_LIST => consumption::producer_connections,
            RequestCode::GET_ALL_PRODUCER_INFO => consumption::all_producers,
            RequestCode::GET_CONSUME_STATS => consumption::stats,
            RequestCode::GET_BROKER_CONSUME_STATS => consumption::broker_stats,
            RequestCode::QUERY_CONSUME_TIME_SPAN => consumption::time_span,
            RequestCode::GET_BROKER_RUNTIME_INFO => admin::runtime_info,
            RequestCode::VIEW_BROKER_STATS_DATA => admin::view_stats,
            RequestCode::RESUME_CHECK_HALF_MESSAGE => transaction::resume_check,
            RequestCode::GET_BROKER_CLUSTER_ACL_CONFIG => acl::config,
            _ => return None,
        };
        Some(process(&self.context, &call.frame))
    }
}

impl RequestHandler for Handler {
    fn handle(&self, call: Call<'_>) {
        let context = &self.context;
        let Some(call) = acl::admit(context, call) else { return };
        match call.code() {
            RequestCode::SEND_MESSAGE_V2
            | RequestCode::SEND_MESSAGE
            | RequestCode::SEND_BATCH_MESSAGE => send::send(context, call),
            RequestCode::PULL_MESSAGE | RequestCode::LITE_PULL_MESSAGE if !self.is_vip => {
                pull::pull(context, call);
            }
            RequestCode::UPDATE_CONSUMER_OFFSET => offset::update(context, call),
            RequestCode::QUERY_CONSUMER_OFFSET => offset::query(context, call),
            RequestCode::HEART_BEAT => client::heartbeat(context, call),
            RequestCode::UNREGISTER_CLIENT => client::unregister(context, call),
            RequestCode::SEND_REPLY_MESSAGE_V2 | RequestCode::SEND_REPLY_MESSAGE => {
                reply::reply(context, call);
            }
            RequestCode::END_TRANSACTION => transaction::end(context, call),
            RequestCode::CONSUMER_SEND_MSG_BACK => send_back::send_back(context, call),
            RequestCode::SEARCH_OFFSET_BY_TIMESTAMP => offset::search(context, call),
            RequestCode::GET_MAX_OFFSET => offset::max(context, call),
            RequestCode::GET_MIN_OFFSET => offset::min(context, call),
            RequestCode::GET_EARLIEST_MSG_STORETIME => offset::earliest(context, call),
            RequestCode::QUERY_MESSAGE => query::query_message(context, call),
            RequestCode::VIEW_MESSAGE_BY_ID => query::view_message(context, call),
            RequestCode::QUERY_CONSUME_QUEUE => query::consume_queue(context, call),
            RequestCode::REPLICA_STATE => replica::state(context, call),
            RequestCode::REGISTER_FILTER_SERVER => filter_server::register(context, call),
            RequestCode::UPDATE_AND_CREATE_TOPIC => topic::update(context, call),
            RequestCode::GET_BROKER_CONFIG => settings::get(context, call),
            RequestCode::UPDATE_BROKER_CONFIG => settings::update(context, call),
            RequestCode::INVOKE_BROKER_TO_GET_CONSUMER_STATUS => {
                admin::consumer_status(context, call);
            }
            RequestCode::GET_CONSUMER_RUNNING_INFO | RequestCode::CONSUME_MESSAGE_DIRECTLY => {
                admin::relay(context, call);
            }
            RequestCode::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP => {
                let answer = topic::update_group(context, &call.frame);
                respond_when_written(context, call, answer);
            }
            RequestCode::INVOKE_BROKER_TO_RESET_OFFSET => admin::reset_offset(context, call),
            RequestCode::DELETE_SUBSCRIPTIONGROUP => {
                let answer = topic::delete_group(context, &call.frame);
                respond_when_written(context, call, answer);
            }
            RequestCode::DELETE_TOPIC_IN_BROKER => {
                let answer = topic::delete(context, &call.frame);
                respond_when_written(context, call, answer);
            }
            RequestCode::UPDATE_AND_CREATE_ACL_CONFIG => acl::update_account(context, call),
            RequestCode::DELETE_ACL_CONFIG => acl::delete_account(context, call),
            RequestCode::UPDATE_GLOBAL_WHITE_ADDRS_CONFIG => {
                acl::update_global_white(context, call)
            }
            RequestCode::GET_BROKER_CLUSTER_ACL_INFO => acl::version(context, call),
            code => match self.simple(&call) {
                Some(answer) => respond(call, answer),
                None => {
                    let text = format!(" request type {code} not supported");
                    let code = ResponseCode::REQUEST_CODE_NOT_SUPPORTED;
                    call.respond(Response::error(code, &text));
                }
            },
        }
    }

    fn batch_end(&self, _: &Arc<Connection>) -> Result<(), BatchFailed> {
        let committed = self.context.store.commit_own();
        // What was dispatched before a failure is readable all the same.
        pull::run_ready(&self.context);
        committed.map_err(|error| {
            let refusal =
                send::put_refusal(&self.context, PutError::ServiceNotAvailable(error.to_string()));
            BatchFailed { code: refusal.code, remark: refusal.text.into_owned() }
        })
    }

    fn connected(&self, connection: &Arc<Connection>) {
        let (peer, thread) = (connection.peer(), "NettyServerCodecThread_1");
        tracing::info!(target: LOGGER, thread, "NETTY SERVER PIPELINE: channelActive, the channel[{peer}]");
    }

    fn closed(&self, connection: &Arc<Connection>, reason: &CloseReason) {
        let (peer, thread) = (connection.peer(), "NettyServerCodecThread_1");
        if *reason == CloseReason::Idle {
            tracing::warn!(target: LOGGER, thread, "NETTY SERVER PIPELINE: IDLE exception [{peer}]");
        }
        tracing::info!(target: LOGGER, thread, "NETTY SERVER PIPELINE: channelInactive, the channel[{peer}]");
        client::connection_closed(&self.context, connection);
    }
}
