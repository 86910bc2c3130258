//! `login/*`.

use std::sync::Arc;

use axum::extract::{ConnectInfo, State};
use axum::http::HeaderMap;
use axum::http::header::SET_COOKIE;
use axum::response::{AppendHeaders, IntoResponse, Response};
use serde_json::json;

use crate::answer::{Classic, Envelope, Failure};
use crate::app::{App, Params};
use crate::listener::Peer;
use crate::login::{LOGIN_COOKIE, Session, TOKEN_COOKIE};

pub(super) async fn check(State(app): State<Arc<App>>, headers: HeaderMap) -> Envelope {
    let logged_in = app.login.user(&headers).is_some();
    Envelope(Classic::of(json!({"loginRequired": app.login.required, "logined": logged_in})))
}

pub(super) async fn log_in(
    State(app): State<Arc<App>>,
    ConnectInfo(Peer(peer)): ConnectInfo<Peer>,
    params: Params,
) -> Response {
    let (name, password) = match (params.get("username"), params.get("password")) {
        (Ok(name), Ok(password)) => (name.to_string(), password.to_string()),
        (Err(failure), _) | (_, Err(failure)) => return Envelope(Err(failure)).into_response(),
    };
    let (login, user) = (Arc::clone(&app), name.clone());
    let begun = tokio::task::spawn_blocking(move || login.login.begin(&user, &password)).await;
    let begun = begun.unwrap_or_else(|error| Err(Failure::Local(error.to_string())));
    let address = peer.ip().to_string();
    match begun {
        Ok(session) => {
            app.audit.note(&name, &address, "login", "", "ok");
            let data = json!({
                "loginUserName": session.user,
                "loginUserRole": session.role.number(),
                "contextPath": app.prefix,
            });
            (AppendHeaders(cookies(&app, &session)), Envelope(Classic::of(data))).into_response()
        }
        Err(failure) => {
            app.audit.note(&name, &address, "login", "", &failure.message());
            Envelope(Err(failure)).into_response()
        }
    }
}

/// The session's cookie, which scripts of the page cannot read, and the token's, which they must.
fn cookies(app: &App, session: &Session) -> [(axum::http::HeaderName, String); 2] {
    let path = if app.prefix.is_empty() { "/" } else { &app.prefix };
    let secure = if app.config.certificate.is_some() { "; Secure" } else { "" };
    let one = |name: &str, value: &str, more: &str| {
        (SET_COOKIE, format!("{name}={value}; Path={path}; SameSite=Strict{secure}{more}"))
    };
    [one(LOGIN_COOKIE, &session.token, "; HttpOnly"), one(TOKEN_COOKIE, &session.csrf, "")]
}

pub(super) async fn log_out(State(app): State<Arc<App>>, headers: HeaderMap) -> Envelope {
    app.login.end(&headers);
    Envelope(Classic::of(&app.prefix))
}
