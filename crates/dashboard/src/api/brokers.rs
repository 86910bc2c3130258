//! A broker's configuration, with what differs from the default.

use axum::Json;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Answer;
use crate::answer::Failure;
use crate::app::{Body, Ctx, Params};

/// Parts of a key's name whose value is a secret.
const SECRET: [&str; 3] = ["password", "secret", "accesskey"];

pub(super) async fn config(ctx: Ctx, params: Params) -> Answer {
    let config = ctx.admin().broker_config(params.get("addr")?).await?;
    let rows: Vec<Value> = config
        .iter()
        .map(|(key, value)| {
            let info =
                ctx.app.broker_keys.iter().find(|info| info.name == key || info.listed_name == key);
            // A default that is computed cannot be compared.
            let default =
                info.map(|info| info.default).filter(|text| !text.contains([' ', '(', ':']));
            let secret =
                SECRET.iter().any(|part| key.to_lowercase().contains(part)) && !value.is_empty();
            json!({
                "key": key,
                "value": if secret { "***" } else { value },
                "default": default,
                "differs": default.map(|default| default != value),
                "reloadable": info.map(|info| info.reloadable),
                "doc": info.map(|info| info.doc),
            })
        })
        .collect();
    Ok(Json(json!(rows)))
}

#[derive(Deserialize)]
pub(super) struct Change {
    addr: String,
    key: String,
    value: String,
}

pub(super) async fn set(ctx: Ctx, Body(change): Body<Change>) -> Answer {
    let done = ctx
        .admin()
        .update_broker_config(&change.addr, &change.key, &change.value)
        .await
        .map_err(Failure::from);
    ctx.note("set broker configuration", &format!("{} {}", change.addr, change.key), &done);
    Ok(Json(json!({"hint": done?})))
}
