//! The way of a request: port → guard (who, may he, which cluster) → one handler → JSON.

use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Path, Request, State};
use axum::http::header::{
    CONTENT_SECURITY_POLICY, HOST, HeaderName, HeaderValue, LOCATION, ORIGIN, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::answer::{Envelope, Failure};
use crate::app::{App, BODY_MAX, Ctx, Ours};
use crate::listener::{Listener, Peer};
use crate::login::{self, TOKEN_HEADER};
use crate::{api, assets, rest};

/// The cookie, and parameter, that chooses a cluster by its name servers.
pub(crate) const CLUSTER: &str = "rocketmq_cluster";
/// Nothing of the page comes from elsewhere, and nothing of a message is run.
const CONTENT_POLICY: &str = "default-src 'self'; img-src 'self' data:; style-src 'self'; object-src 'none'; \
                              base-uri 'none'; frame-ancestors 'none'; form-action 'self'";

pub(crate) async fn serve(app: Arc<App>, listener: Listener) {
    let service = router(Arc::clone(&app)).into_make_service_with_connect_info::<Peer>();
    if let Err(error) = axum::serve(listener, service).await {
        tracing::error!(target: crate::LOGGER, "the dashboard stopped: {error}");
    }
}

fn router(app: Arc<App>) -> Router {
    let guarded = rest::routes().merge(Router::new().nest("/api/v1", api::routes()));
    let inner = guarded
        .layer(middleware::from_fn_with_state(Arc::clone(&app), guard))
        .merge(open_routes())
        .fallback(not_found)
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(middleware::from_fn(common_headers))
        .with_state(Arc::clone(&app));
    match app.prefix.as_str() {
        "" => inner,
        prefix => {
            let to_page = format!("{prefix}/");
            let redirect = move || {
                std::future::ready(
                    (StatusCode::FOUND, [(LOCATION, to_page.clone())]).into_response(),
                )
            };
            Router::new().nest(&format!("{prefix}/"), inner).route(prefix, get(redirect))
        }
    }
}

/// What needs no login.
fn open_routes() -> Router<Arc<App>> {
    let page = |headers: HeaderMap| async move {
        assets::file("", &headers).unwrap_or_else(|| StatusCode::NOT_FOUND.into_response())
    };
    let file = |Path(name): Path<String>, headers: HeaderMap| async move {
        assets::file(&name, &headers).unwrap_or_else(|| StatusCode::NOT_FOUND.into_response())
    };
    let up = || async { axum::Json(serde_json::json!({"status": "UP"})) };
    let info = || async { axum::Json(serde_json::json!({})) };
    Router::new()
        .route("/", get(page))
        .route("/index.html", get(page))
        .route("/web/{*name}", get(file))
        .route("/actuator/health", get(up))
        .route("/actuator/info", get(info))
        .route("/healthz", get(up))
        .merge(rest::login_routes())
        .route("/api/v1/session", get(api::session))
}

async fn not_found(request: Request) -> Response {
    Failure::NotFound(format!("there is no {}", request.uri().path())).into_response()
}

async fn common_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let fixed: [(HeaderName, &'static str); 4] = [
        (CONTENT_SECURITY_POLICY, CONTENT_POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
    ];
    for (name, value) in fixed {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Lets a request through with its [`Ctx`], or answers it.
async fn guard(
    State(app): State<Arc<App>>,
    ConnectInfo(Peer(peer)): ConnectInfo<Peer>,
    mut request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path().to_string();
    let ours = path.starts_with("/api/");
    let refuse = |failure: Failure| {
        if ours { failure.into_response() } else { Envelope(Err(failure)).into_response() }
    };
    let Some(user) = app.login.user(request.headers()) else {
        if ours {
            return Failure::Login.into_response();
        }
        let to = format!("{}/#/login?redirect={}{path}", app.prefix, app.prefix);
        return (StatusCode::FOUND, [(LOCATION, to)]).into_response();
    };
    let writes = *request.method() != Method::GET;
    if writes
        && let Err(failure) =
            check_origin(request.headers(), user.session.as_deref().map(|s| s.csrf.as_str()))
    {
        return refuse(failure);
    }
    if !app.login.may(&user, &path, writes) {
        return refuse(Failure::Forbidden(format!(
            "no permission: {} may not call {path}",
            user.name
        )));
    }
    let chosen = login::cookie(request.headers(), CLUSTER).map(crate::text::percent_decoded);
    let cluster = match app.clusters.get(chosen.as_deref()) {
        Ok(cluster) => cluster,
        Err(error) => return refuse(error.into()),
    };
    request.extensions_mut().insert(Ctx { app, user, peer, cluster });
    if ours {
        request.extensions_mut().insert(Ours);
    }
    next.run(request).await
}

/// A write that another site's page sends from the user's browser is refused; scripts, which send
/// neither of the headers, need no token.
fn check_origin(headers: &HeaderMap, csrf: Option<&str>) -> Result<(), Failure> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let origin = text(ORIGIN.as_str());
    if let Some(origin) = origin {
        let host = text(HOST.as_str()).unwrap_or_default();
        let same = origin.split_once("://").is_some_and(|(_, from)| from == host);
        if !same {
            return Err(Failure::Forbidden(format!(
                "the request comes from {origin}, another site"
            )));
        }
    }
    let from_browser = origin.is_some() || headers.contains_key("sec-fetch-site");
    match csrf {
        Some(csrf) if from_browser && text(TOKEN_HEADER) != Some(csrf) => Err(Failure::Forbidden(
            "the request has no valid X-CSRF-Token header; load the page again".to_string(),
        )),
        _ => Ok(()),
    }
}
