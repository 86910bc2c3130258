//! Configuration: codes 25 and 26 (contract `requests.md` 7).

use std::path::PathBuf;

use rocketmq_common::config::ConfigTable;
use rocketmq_common::properties::{Properties, wire_text};
use rocketmq_common::{clock, fastjson, home};
use rocketmq_protocol::Frame;
use rocketmq_protocol::body::TopicConfig;
use rocketmq_protocol::header::GetBrokerConfigResponseHeader;
use rocketmq_protocol::topic::{self, permission};
use rocketmq_remoting::{Call, Response};
use rocketmq_store::BrokerRole;

use super::{Refusal, failed};
use crate::broker::refuse_unserved;
use crate::context::{BrokerContext, Settings};
use crate::{LOGGER, inert};

/// GET_BROKER_CONFIG 26.
pub fn get(context: &BrokerContext, call: Call<'_>) {
    let settings = context.settings();
    let version = fastjson::to_string(&settings.version).unwrap_or_default();
    let header = GetBrokerConfigResponseHeader { version: version.into() };
    let body = wire_text(settings.set_entries()).into_bytes();
    call.respond(Response::success().fields(&header).body(body));
}

/// UPDATE_BROKER_CONFIG 25: sets the keys that are known and writes the file, whose comments and
/// order stay. Nothing changes if a value does not fit. The remark tells what has no effect yet.
pub fn update(context: &BrokerContext, call: Call<'_>) {
    match change(context, &call.frame) {
        Ok(remark) if remark.is_empty() => call.respond(Response::success()),
        Ok(remark) => call.respond(Response::success().remark(&remark)),
        Err(refusal) => call.respond(Response::error(refusal.code, &refusal.text)),
    }
}

fn change(context: &BrokerContext, frame: &Frame) -> Result<String, Refusal> {
    if frame.body().is_empty() {
        return Ok(String::new());
    }
    let changes = Properties::parse(frame.body());
    let before = context.settings();
    let mut settings = (*before).clone();
    let mut permission_changed = false;
    let mut written = Vec::new();
    for (key, value) in changes.iter() {
        let mut known = false;
        for table in settings.tables_mut() {
            known |= table.set(key, value).map_err(failed)?;
        }
        if !known && settings.extra.contains_key(key) {
            settings.extra.set(key, value);
            known = true;
        }
        if known {
            written.push((key, value));
            tracing::info!(target: LOGGER, "updateBrokerConfig, new config: [{key}={value}]");
        }
        permission_changed |= known && key == "brokerPermission";
    }
    refuse_unserved(&settings).map_err(failed)?;
    refuse_change_of_side(&before, &settings)?;
    settings.version.next(clock::now_ms());
    context.store.set_config(settings.store.clone()).map_err(failed)?;
    let path = settings.file.clone().unwrap_or_else(default_file);
    let all = settings.entries();
    let remark = effects(&before, &settings, &changes);
    if changes.get("namesrvAddr").is_some() {
        context.outward.set_servers(settings.broker.namesrv_addr.as_deref());
    }
    let creates = settings.broker.auto_create_topic_enable;
    context.set_settings(settings);
    if creates && !before.broker.auto_create_topic_enable {
        offer_auto_creation(context);
    }
    if permission_changed {
        context.outward.register_all_soon();
    }
    Properties::update_file(&path, &written, || all).map_err(failed)?;
    Ok(remark)
}

/// What follows a master, and what a master runs, begins with the process.
fn refuse_change_of_side(before: &Settings, after: &Settings) -> Result<(), Refusal> {
    let is_slave = |settings: &Settings| settings.store.broker_role == BrokerRole::Slave;
    if is_slave(before) == is_slave(after) {
        return Ok(());
    }
    Err(failed(
        "brokerRole cannot change to or from SLAVE while the broker runs; set it in the configuration file and restart the broker",
    ))
}

/// The topic that others are made after is missing, or may not be inherited from, if the broker
/// started without creating topics.
fn offer_auto_creation(context: &BrokerContext) {
    let queues = context.settings().broker.default_topic_queue_nums;
    let all = permission::READ | permission::WRITE | permission::INHERIT;
    context.topics.update(TopicConfig::new(topic::AUTO_CREATE, queues, all));
    context.outward.register_topic_soon(topic::AUTO_CREATE);
}

/// Which of the changes have no effect before a restart, or none at all.
fn effects(before: &Settings, after: &Settings, changes: &Properties) -> String {
    let (mut restart, mut idle, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
    for (key, _) in changes.iter() {
        let infos = after.tables().into_iter().flat_map(ConfigTable::keys);
        let value =
            |settings: &Settings| settings.tables().into_iter().find_map(|table| table.get(key));
        match infos.into_iter().find(|info| info.name == key) {
            None if after.extra.contains_key(key) => {}
            None => unknown.push(key.to_string()),
            Some(_) if value(before) == value(after) => {}
            Some(info) => match inert::why(key) {
                Some(why) => idle.push(format!("{key} ({why})")),
                None if !info.reloadable => restart.push(key.to_string()),
                None => {}
            },
        }
    }
    let parts = [
        ("in effect after a restart", restart),
        ("without effect", idle),
        ("unknown and not set", unknown),
    ];
    let told = parts.iter().filter(|(_, keys)| !keys.is_empty());
    let told: Vec<_> = told.map(|(what, keys)| format!("{what}: {}", keys.join(", "))).collect();
    told.join("; ")
}

fn default_file() -> PathBuf {
    home::user_home().join("store/config/broker.properties")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_docs_list_what_is_in_effect_at_once() {
        let docs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
        let docs = std::fs::read_to_string(docs.join("configuration.md")).unwrap();
        let (_, list) = docs.split_once("In effect at once:").unwrap();
        let (list, _) = list.split_once("Every other key").unwrap();
        let settings = Settings::default();
        for info in settings.tables().into_iter().flat_map(ConfigTable::keys) {
            let is_listed = list.contains(&format!("`{}`", info.name));
            let acts = info.reloadable && inert::why(info.name).is_none();
            assert_eq!(is_listed, acts, "{}", info.name);
        }
    }
}
