//! Access control: which requests are served, and codes 50 to 54 (contract `broker.md` 25,
//! `requests.md` 7).

use std::sync::Arc;

use rocketmq_acl::{AccessControl, AclError};
use rocketmq_common::fastjson;
use rocketmq_protocol::body::PlainAccessConfig;
use rocketmq_protocol::header::{
    CreateAccessConfigRequestHeader, DeleteAccessConfigRequestHeader,
    GetBrokerAclConfigResponseHeader, UpdateGlobalWhiteAddrsConfigRequestHeader,
};
use rocketmq_protocol::{Frame, ResponseCode};
use rocketmq_remoting::{Call, Response};

use super::{Answer, Refusal, failed, json, refuse};
use crate::LOGGER;
use crate::context::BrokerContext;

/// Answers a request that access control denies; gives back one that it allows.
pub fn admit<'a>(context: &BrokerContext, call: Call<'a>) -> Option<Call<'a>> {
    let Some(acl) = &context.acl else { return Some(call) };
    let Err(denial) = acl.check(&call.frame, call.connection.peer()) else { return Some(call) };
    let (peer, code) = (call.connection.peer(), call.code());
    tracing::warn!(target: LOGGER, "request {code} of {peer} denied: {denial}");
    context.stats.refuse("acl");
    call.respond(Response::error(ResponseCode::SYSTEM_ERROR, &denial.to_string()));
    None
}

/// Access control, if it is on. Java answers such requests with an empty error, or not at all.
fn control(context: &BrokerContext, code: ResponseCode) -> Result<&Arc<AccessControl>, Refusal> {
    let off = "access control is off; set aclEnable=true in the broker's configuration";
    context.acl.as_ref().ok_or_else(|| refuse(code, off))
}

/// Changes the file where it may take its time, and answers then.
fn change(
    context: &BrokerContext,
    call: Call<'_>,
    code: ResponseCode,
    prepared: Result<impl FnOnce(&AccessControl) -> Result<(), AclError> + Send + 'static, Refusal>,
) {
    let prepared = prepared.and_then(|change| Ok((change, Arc::clone(control(context, code)?))));
    let (change, acl) = match prepared {
        Ok(prepared) => prepared,
        Err(refusal) => return call.respond(Response::error(refusal.code, &refusal.text)),
    };
    let answer = call.defer();
    tokio::task::spawn_blocking(move || match change(&acl) {
        Ok(()) => answer.respond(Response::success()),
        Err(error) => {
            tracing::warn!(target: LOGGER, "access control was not changed: {error}");
            answer.respond(Response::error(code, &error.to_string()));
        }
    });
}

/// `a,b` as Java splits it: without empty parts.
fn items(text: &str) -> Vec<String> {
    text.split(',').filter(|item| !item.is_empty()).map(str::to_string).collect()
}

/// UPDATE_AND_CREATE_ACL_CONFIG 50.
pub fn update_account(context: &BrokerContext, call: Call<'_>) {
    let prepared = account_of(&call.frame)
        .map(|account| move |acl: &AccessControl| acl.update_account(&account));
    change(context, call, ResponseCode::UPDATE_AND_CREATE_ACL_CONFIG_FAILED, prepared);
}

fn account_of(frame: &Frame) -> Result<PlainAccessConfig, Refusal> {
    let header = CreateAccessConfigRequestHeader::decode(frame.fields())?;
    let text = |value: Option<std::borrow::Cow<'_, str>>| value.map(std::borrow::Cow::into_owned);
    Ok(PlainAccessConfig {
        access_key: Some(header.access_key.into_owned()),
        admin: header.admin,
        default_group_perm: text(header.default_group_perm),
        default_topic_perm: text(header.default_topic_perm),
        group_perms: header.group_perms.as_deref().map(items),
        secret_key: text(header.secret_key),
        topic_perms: header.topic_perms.as_deref().map(items),
        white_remote_address: text(header.white_remote_address),
    })
}

/// DELETE_ACL_CONFIG 51.
pub fn delete_account(context: &BrokerContext, call: Call<'_>) {
    let prepared = DeleteAccessConfigRequestHeader::decode(call.frame.fields()).map(|header| {
        let access_key = header.access_key.into_owned();
        move |acl: &AccessControl| acl.delete_account(&access_key)
    });
    let prepared = prepared.map_err(Refusal::from);
    change(context, call, ResponseCode::DELETE_ACL_CONFIG_FAILED, prepared);
}

/// UPDATE_GLOBAL_WHITE_ADDRS_CONFIG 53.
pub fn update_global_white(context: &BrokerContext, call: Call<'_>) {
    let header = UpdateGlobalWhiteAddrsConfigRequestHeader::decode(call.frame.fields());
    let prepared = header.map_err(Refusal::from).map(|header| {
        let patterns = items(&header.global_white_addrs);
        move |acl: &AccessControl| acl.update_global_white(&patterns)
    });
    change(context, call, ResponseCode::UPDATE_GLOBAL_WHITE_ADDRS_CONFIG_FAILED, prepared);
}

/// GET_BROKER_CLUSTER_ACL_INFO 52.
pub fn version(context: &BrokerContext, call: Call<'_>) {
    let acl = match control(context, ResponseCode::SYSTEM_ERROR) {
        Ok(acl) => acl,
        Err(refusal) => return call.respond(Response::error(refusal.code, &refusal.text)),
    };
    let settings = context.settings();
    let header = GetBrokerAclConfigResponseHeader {
        version: fastjson::to_string(&acl.version()).unwrap_or_default().into(),
        broker_name: settings.broker.broker_name.as_str().into(),
        broker_addr: context.address().into(),
        cluster_name: settings.broker.broker_cluster_name.as_str().into(),
    };
    call.respond(Response::success().fields(&header));
}

/// GET_BROKER_CLUSTER_ACL_CONFIG 54.
pub fn config(context: &BrokerContext, _: &Frame) -> Answer {
    json(&control(context, ResponseCode::SYSTEM_ERROR)?.config())
}

/// Loads the rules of `$ROCKETMQ_HOME/conf/plain_acl.yml`, or of what
/// `-Drocketmq.acl.plain.file` names below `ROCKETMQ_HOME`.
pub(crate) fn load() -> Result<AccessControl, Refusal> {
    let home = rocketmq_common::home::rocketmq_home().unwrap_or_default();
    let property = rocketmq_common::home::system_property("rocketmq.acl.plain.file");
    let file = property.unwrap_or_else(|| "/conf/plain_acl.yml".to_string());
    AccessControl::load(format!("{home}/{}", file.trim_start_matches('/'))).map_err(failed)
}
