//! Session, cluster, audit.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::SET_COOKIE;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Answer;
use crate::answer::Failure;
use crate::app::{App, Body, Ctx, Params};
use crate::login;
use crate::server::CLUSTER;
use crate::text::percent_decoded;

/// Who is there, and what can be chosen; needs no login.
pub(crate) async fn session(State(app): State<Arc<App>>, headers: HeaderMap) -> Json<Value> {
    let user = app.login.user(&headers);
    let lists = app.clusters.lists();
    let chosen = login::cookie(&headers, CLUSTER).map(percent_decoded);
    let cluster = chosen.filter(|chosen| lists.contains(chosen)).or_else(|| lists.first().cloned());
    let logged_in = user.is_some();
    Json(json!({
        "loginRequired": app.login.required,
        "user": user.as_ref().map(|user| &user.name),
        "role": user.as_ref().map(|user| user.role),
        "csrf": user.as_ref().and_then(|user| user.session.as_ref()).map(|session| &session.csrf),
        "contextPath": app.prefix,
        // Addresses are nobody's business before the login.
        "cluster": cluster.filter(|_| logged_in),
        "clusters": if logged_in { lists } else { Vec::new() },
        "traceTopic": app.config.msg_track_topic_name,
        "version": env!("CARGO_PKG_VERSION"),
        "firstStart": app.login.is_first_start(),
    }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ChooseCluster {
    name_servers: String,
}

/// Chooses the cluster of this browser, among those that are known.
pub(super) async fn choose_cluster(
    ctx: Ctx,
    Body(request): Body<ChooseCluster>,
) -> Result<Response, Failure> {
    if !ctx.app.clusters.lists().contains(&request.name_servers) {
        let fix = "add the list on the Ops page, or to rocketmq.config.namesrvAddrs";
        return Err(Failure::Invalid(
            format!("{} is not known", request.name_servers),
            Some(fix.to_string()),
        ));
    }
    let value = request.name_servers.replace('%', "%25").replace(';', "%3B").replace(',', "%2C");
    let path = if ctx.app.prefix.is_empty() { "/" } else { &ctx.app.prefix };
    let cookie = format!("{CLUSTER}={value}; Path={path}; SameSite=Strict");
    Ok(([(SET_COOKIE, cookie)], Json(json!({"cluster": request.name_servers}))).into_response())
}

pub(super) async fn audit(ctx: Ctx, params: Params) -> Answer {
    let limit = params.number_or("limit", 200)?.clamp(1, 1000);
    Ok(Json(json!(ctx.app.audit.latest(limit as usize))))
}
