//! Which topics and groups a request touches, and what it needs of them (contract `broker.md` 25).

use rocketmq_common::fastjson;
use rocketmq_protocol::body::HeartbeatData;
use rocketmq_protocol::topic::RETRY_PREFIX;
use rocketmq_protocol::{Frame, RequestCode};

use crate::permission::Right;

/// One topic or group; groups appear as their retry topics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Need {
    pub(crate) resource: String,
    pub(crate) right: Right,
}

/// Where a request names a topic or a group.
#[derive(Clone, Copy)]
enum In {
    Topic(&'static str),
    Group(&'static str),
}

/// Fields that name resources. Batches (320) and the lite pull (361) are unchecked in 4.9.2, which
/// makes the permission of single sends and of pulls pointless; they are checked as in 5.x.
fn fields_of(code: RequestCode) -> &'static [(In, Right)] {
    use In::{Group, Topic};
    match code {
        RequestCode::SEND_MESSAGE => &[(Topic("topic"), Right::Pub)],
        RequestCode::SEND_MESSAGE_V2 | RequestCode::SEND_BATCH_MESSAGE => {
            &[(Topic("b"), Right::Pub)]
        }
        RequestCode::CONSUMER_SEND_MSG_BACK => {
            &[(Topic("originTopic"), Right::Pub), (Group("group"), Right::Sub)]
        }
        RequestCode::PULL_MESSAGE
        | RequestCode::LITE_PULL_MESSAGE
        | RequestCode::UPDATE_CONSUMER_OFFSET => {
            &[(Topic("topic"), Right::Sub), (Group("consumerGroup"), Right::Sub)]
        }
        RequestCode::QUERY_MESSAGE => &[(Topic("topic"), Right::Sub)],
        RequestCode::UNREGISTER_CLIENT | RequestCode::GET_CONSUMER_LIST_BY_GROUP => {
            &[(Group("consumerGroup"), Right::Sub)]
        }
        _ => &[],
    }
}

/// What a request needs.
///
/// # Errors
/// A heartbeat whose body cannot be read.
pub(crate) fn needs_of(frame: &Frame) -> Result<Vec<Need>, fastjson::Error> {
    let code = RequestCode(frame.code);
    if code == RequestCode::HEART_BEAT {
        return heartbeat(frame);
    }
    let mut fields = frame.fields();
    let named = fields_of(code).iter().filter_map(|(place, right)| {
        let (key, prefix) = match place {
            In::Topic(key) => (key, ""),
            In::Group(key) => (key, RETRY_PREFIX),
        };
        // An absent field is refused, or not needed, when the request is served.
        let value = fields.get(key)?.text();
        Some(Need { resource: format!("{prefix}{value}"), right: *right })
    });
    Ok(named.collect())
}

fn heartbeat(frame: &Frame) -> Result<Vec<Need>, fastjson::Error> {
    let data: HeartbeatData = fastjson::from_slice(frame.body())?;
    let mut needs = Vec::new();
    for consumer in data.consumer_data_set {
        let resource = format!("{RETRY_PREFIX}{}", consumer.group_name);
        needs.push(Need { resource, right: Right::Sub });
        for subscription in consumer.subscription_data_set {
            needs.push(Need { resource: subscription.topic, right: Right::Sub });
        }
    }
    Ok(needs)
}
