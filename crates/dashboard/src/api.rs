//! Our own JSON API, `api/v1/`: plain JSON, HTTP codes, unknown values as null (`docs/dashboard.md`).

mod acl;
mod brokers;
mod groups;
mod messages;
mod overview;
mod settings;
mod topics;

use std::sync::Arc;

use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::Value;

use crate::answer::Failure;
use crate::app::App;

pub(crate) use messages::{message_value, properties_of};
pub(crate) use settings::session;

/// What a handler answers.
type Answer = Result<Json<Value>, Failure>;

pub(crate) fn routes() -> Router<Arc<App>> {
    let lists = Router::new()
        .route("/overview", get(overview::overview))
        .route("/problems", get(overview::problems))
        .route("/live", get(overview::live))
        .route("/history", get(overview::history))
        .route("/topics", get(topics::list))
        .route("/topics/delete", post(topics::delete))
        .route("/groups", get(groups::list))
        .route("/groups/delete", post(groups::delete))
        .route("/groups/{group}/queues", get(groups::queues))
        .route("/groups/{group}/members", get(groups::members))
        .route("/groups/{group}/reset-preview", get(groups::reset_preview))
        .route("/groups/{group}/reset", post(groups::reset))
        .route("/producers", get(groups::producers));
    let messages = Router::new()
        .route("/messages", get(messages::search))
        .route("/messages/at", get(messages::at))
        .route("/messages/find", get(messages::find))
        .route("/messages/life", get(messages::life))
        .route("/messages/send", post(messages::send))
        .route("/messages/resend", post(messages::resend))
        .route("/dlq", get(messages::dlq))
        .route("/dlq/{group}/export", get(messages::export))
        .route("/tasks/{id}", get(messages::task));
    let settings = Router::new()
        .route("/acl", get(acl::show))
        .route("/acl/account", post(acl::account))
        .route("/acl/delete", post(acl::delete))
        .route("/acl/white", post(acl::white))
        .route("/acl/test", post(acl::test))
        .route("/brokers/config", get(brokers::config).post(brokers::set))
        .route("/cluster", post(settings::choose_cluster))
        .route("/audit", get(settings::audit));
    lists.merge(messages).merge(settings)
}
