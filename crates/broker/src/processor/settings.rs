//! Configuration: codes 25 and 26 (contract `requests.md` 7).

use std::path::PathBuf;

use rocketmq_common::properties::{Properties, wire_text};
use rocketmq_common::{clock, durable, fastjson, home};
use rocketmq_protocol::Frame;
use rocketmq_protocol::header::GetBrokerConfigResponseHeader;
use rocketmq_remoting::{Call, Response};

use super::{Answer, failed};
use crate::LOGGER;
use crate::broker::refuse_unserved;
use crate::context::BrokerContext;

/// GET_BROKER_CONFIG 26.
pub fn get(context: &BrokerContext, call: Call<'_>) {
    let settings = context.settings();
    let version = fastjson::to_string(&settings.version).unwrap_or_default();
    let header = GetBrokerConfigResponseHeader { version: version.into() };
    let body = wire_text(settings.set_entries()).into_bytes();
    call.respond(Response::success().fields(&header).body(body));
}

/// UPDATE_BROKER_CONFIG 25: sets the keys that are known and writes the file. Nothing changes if
/// a value does not fit.
pub fn update(context: &BrokerContext, frame: &Frame) -> Answer {
    if frame.body().is_empty() {
        return Ok(None);
    }
    let changes = Properties::parse(frame.body());
    let mut settings = (*context.settings()).clone();
    let mut permission_changed = false;
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
            tracing::info!(target: LOGGER, "updateBrokerConfig, new config: [{key}={value}]");
        }
        permission_changed |= known && key == "brokerPermission";
    }
    refuse_unserved(&settings).map_err(failed)?;
    settings.version.next(clock::now_ms());
    context.store.set_config(settings.store.clone()).map_err(failed)?;
    let path = settings.file.clone().unwrap_or_else(default_file);
    let mut file = Properties::new();
    for (key, value) in settings.entries() {
        file.set(&key, &value);
    }
    if changes.get("namesrvAddr").is_some() {
        context.outward.set_servers(settings.broker.namesrv_addr.as_deref());
    }
    context.set_settings(settings);
    if permission_changed {
        context.outward.register_all_soon();
    }
    durable::replace(&path, &file.to_file_bytes()).map_err(failed)?;
    Ok(None)
}

fn default_file() -> PathBuf {
    home::user_home().join("store/config/broker.properties")
}
