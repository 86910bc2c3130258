//! What all requests share, and what each one carries.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use rocketmq_client::admin::AdminClient;
use rocketmq_common::config::KeyInfo;
use serde::de::DeserializeOwned;

use crate::answer::{Classic, Envelope, Failure};
use crate::audit::Audit;
use crate::cluster::{Cluster, Clusters};
use crate::history::{Histories, History};
use crate::login::{Login, User};
use crate::monitor::Monitor;
use crate::rest::PageCache;
use crate::settings::DashboardConfig;
use crate::tasks::Tasks;

/// Largest body of a request, bytes: a message of 4 MiB, escaped.
pub(crate) const BODY_MAX: usize = 32 << 20;

/// The dashboard's state.
pub(crate) struct App {
    pub(crate) config: DashboardConfig,
    pub(crate) prefix: String,
    pub(crate) clusters: Clusters,
    pub(crate) login: Login,
    pub(crate) audit: Audit,
    pub(crate) histories: Histories,
    pub(crate) monitor: Monitor,
    pub(crate) tasks: Tasks,
    pub(crate) pages: PageCache,
    /// Keys of a broker's configuration, for their defaults and meanings.
    pub(crate) broker_keys: Vec<KeyInfo>,
}

/// A request's surroundings: who asks, from where, about which cluster.
#[derive(Clone)]
pub(crate) struct Ctx {
    pub(crate) app: Arc<App>,
    pub(crate) user: User,
    pub(crate) peer: SocketAddr,
    pub(crate) cluster: Arc<Cluster>,
}

impl Ctx {
    pub(crate) fn admin(&self) -> &AdminClient {
        &self.cluster.admin
    }

    /// The history of the cluster that is asked about.
    pub(crate) fn history(&self) -> Arc<History> {
        self.app.histories.of(&self.cluster.name_servers)
    }

    /// Notes a change in the audit log.
    pub(crate) fn note<T>(&self, action: &str, subject: &str, result: &Result<T, Failure>) {
        let text = match result {
            Ok(_) => "ok".to_string(),
            Err(failure) => failure.message(),
        };
        self.app.audit.note(&self.user.name, &self.peer.ip().to_string(), action, subject, &text);
        self.cluster.live.renew_soon();
    }
}

/// Puts itself into the request; see `server`.
impl<S: Sync> FromRequestParts<S> for Ctx {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Ctx, Response> {
        parts.extensions.get::<Ctx>().cloned().ok_or_else(|| Failure::Login.into_response())
    }
}

/// The parameters of a request: query and form together, as Spring has them.
pub(crate) struct Params(HashMap<String, String>);

impl Params {
    /// A parameter that must be there.
    pub(crate) fn get(&self, name: &str) -> Result<&str, Failure> {
        self.find(name).ok_or_else(|| {
            Failure::invalid(format!("Required String parameter '{name}' is not present"))
        })
    }

    /// A parameter that may be there; an empty one is not.
    pub(crate) fn find(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A number that must be there.
    pub(crate) fn number(&self, name: &str) -> Result<i64, Failure> {
        number(name, self.get(name)?)
    }

    /// A number, or what stands for it when it is not there.
    pub(crate) fn number_or(&self, name: &str, default: i64) -> Result<i64, Failure> {
        self.find(name).map_or(Ok(default), |text| number(name, text))
    }

    /// `true`, or anything else.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.find(name) == Some("true")
    }
}

fn number(name: &str, text: &str) -> Result<i64, Failure> {
    text.trim()
        .parse()
        .map_err(|_| Failure::invalid(format!("parameter '{name}' is not a number: {text}")))
}

impl<S: Send + Sync> FromRequest<S> for Params {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Params, Response> {
        let query = request.uri().query().unwrap_or_default().to_string();
        let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let is_form =
            kind.is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
        let mut pairs: HashMap<String, String> = decode(&query);
        if is_form {
            let body =
                Bytes::from_request(request, state).await.map_err(IntoResponse::into_response)?;
            pairs.extend(decode(&String::from_utf8_lossy(&body)));
        }
        Ok(Params(pairs))
    }
}

/// Pairs of a query or form.
fn decode(text: &str) -> HashMap<String, String> {
    let uri: Option<axum::http::Uri> = format!("/?{text}").parse().ok();
    let pairs =
        uri.and_then(|uri| axum::extract::Query::<Vec<(String, String)>>::try_from_uri(&uri).ok());
    pairs.map(|pairs| pairs.0.into_iter().collect()).unwrap_or_default()
}

/// A JSON body of a 1.0.0 method; what is wrong with it comes in the envelope.
pub(crate) struct Body<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Body<T>, Response> {
        let is_ours = request.extensions().get::<Ours>().is_some();
        let body =
            Bytes::from_request(request, state).await.map_err(IntoResponse::into_response)?;
        serde_json::from_slice(&body).map(Body).map_err(|error| {
            let failure = Failure::invalid(format!("JSON parse error: {error}"));
            if is_ours { failure.into_response() } else { Envelope(Err(failure)).into_response() }
        })
    }
}

/// Marks requests of our own API.
#[derive(Clone, Copy)]
pub(crate) struct Ours;

/// What a method of 1.0.0 answers.
pub(crate) type ClassicResult = Result<Classic, ClassicFailure>;

/// A failure that is told in the envelope.
pub(crate) struct ClassicFailure(Failure);

impl<E: Into<Failure>> From<E> for ClassicFailure {
    fn from(error: E) -> ClassicFailure {
        ClassicFailure(error.into())
    }
}

impl IntoResponse for ClassicFailure {
    fn into_response(self) -> Response {
        Envelope(Err(self.0)).into_response()
    }
}

impl IntoResponse for Classic {
    fn into_response(self) -> Response {
        Envelope(Ok(self)).into_response()
    }
}
