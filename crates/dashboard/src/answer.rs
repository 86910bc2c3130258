//! Answers: the envelope of 1.0.0, and plain JSON with HTTP codes for our own API.

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use rocketmq_client::ClientError;
use rocketmq_protocol::ResponseCode;
use serde::Serialize;
use serde_json::{Value, json};

/// Why a request could not be answered.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The cluster said no, or could not be reached.
    Cluster(ClientError),
    /// The request makes no sense; what, and what to do.
    Invalid(String, Option<String>),
    /// There is no such thing.
    NotFound(String),
    /// This cluster cannot tell.
    Unsupported(String),
    /// The user may not.
    Forbidden(String),
    /// Nobody is logged in.
    Login,
    /// A file of ours cannot be written or read.
    Local(String),
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Failure {
        Failure::Cluster(error)
    }
}

impl Failure {
    pub(crate) fn invalid(text: impl Into<String>) -> Failure {
        Failure::Invalid(text.into(), None)
    }

    /// RocketMQ's own words first.
    pub(crate) fn message(&self) -> String {
        match self {
            Failure::Cluster(error) => error.to_string(),
            Failure::Invalid(text, _)
            | Failure::NotFound(text)
            | Failure::Unsupported(text)
            | Failure::Forbidden(text)
            | Failure::Local(text) => text.clone(),
            Failure::Login => "not login".to_string(),
        }
    }

    /// As 1.0.0 says it: with the class of Java's exception, which scripts look for.
    fn classic_message(&self) -> String {
        match self {
            Failure::Cluster(error) => format!("{}: {error}", error.java_class()),
            other => other.message(),
        }
    }

    /// What to do about it.
    pub(crate) fn fix(&self) -> Option<String> {
        match self {
            Failure::Invalid(_, fix) => fix.clone(),
            Failure::Cluster(error) => fix_of(error).map(str::to_string),
            Failure::Login => Some(LOG_IN.to_string()),
            _ => None,
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Failure::Cluster(ClientError::Remoting(_)) => StatusCode::BAD_GATEWAY,
            Failure::Cluster(error) => match error.code() {
                ResponseCode::TOPIC_NOT_EXIST
                | ResponseCode::QUERY_NOT_FOUND
                | ResponseCode::NO_MESSAGE => StatusCode::NOT_FOUND,
                ResponseCode::NO_PERMISSION => StatusCode::FORBIDDEN,
                ResponseCode::REQUEST_CODE_NOT_SUPPORTED => StatusCode::NOT_IMPLEMENTED,
                _ => StatusCode::BAD_GATEWAY,
            },
            Failure::Invalid(..) => StatusCode::BAD_REQUEST,
            Failure::NotFound(_) => StatusCode::NOT_FOUND,
            Failure::Unsupported(_) => StatusCode::NOT_IMPLEMENTED,
            Failure::Forbidden(_) => StatusCode::FORBIDDEN,
            Failure::Login => StatusCode::UNAUTHORIZED,
            Failure::Local(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

// What to do; the page has each in Chinese (`web/words.js`).
const LOG_IN: &str = "log in first: POST login/login.do";
const REACH: &str = "check that the server runs and that this machine reaches the address";
const CREATE: &str = "create the topic, or check its name and the name server list on the Ops page";
const START: &str = "start a consumer of the group";
const ACCOUNT: &str =
    "set rocketmq.config.accessKey and rocketmq.config.secretKey to an account with admin: true";

fn fix_of(error: &ClientError) -> Option<&'static str> {
    match (error, error.code()) {
        (ClientError::Remoting(_), _) => Some(REACH),
        (_, ResponseCode::TOPIC_NOT_EXIST) => Some(CREATE),
        (_, ResponseCode::CONSUMER_NOT_ONLINE) => Some(START),
        (_, ResponseCode::NO_PERMISSION) => Some(ACCOUNT),
        _ => None,
    }
}

/// Our API: plain JSON.
impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let body = json!({"error": {"message": self.message(), "fix": self.fix()}});
        (self.status(), Json(body)).into_response()
    }
}

/// What a 1.0.0 method returns.
pub(crate) enum Classic {
    /// `{"status":0,"data":...,"errMsg":null}`
    Data(Value),
    /// Nothing at all: HTTP 200 without a body.
    Empty,
}

impl Classic {
    pub(crate) fn of(data: impl Serialize) -> Result<Classic, Failure> {
        let value =
            serde_json::to_value(data).map_err(|error| Failure::Local(error.to_string()))?;
        Ok(Classic::Data(value))
    }

    pub(crate) fn done() -> Result<Classic, Failure> {
        Ok(Classic::Data(Value::Bool(true)))
    }
}

/// The envelope of 1.0.0: HTTP 200 whatever happened.
pub(crate) struct Envelope(pub(crate) Result<Classic, Failure>);

impl IntoResponse for Envelope {
    fn into_response(self) -> Response {
        let body = match self.0 {
            Ok(Classic::Empty) => return StatusCode::OK.into_response(),
            Ok(Classic::Data(data)) => json!({"status": 0, "data": data, "errMsg": null}),
            Err(failure) => {
                let mut body =
                    json!({"status": -1, "data": null, "errMsg": failure.classic_message()});
                if let Some(fix) = failure.fix() {
                    body["fix"] = Value::String(fix);
                }
                body
            }
        };
        ([(CONTENT_TYPE, "application/json;charset=UTF-8")], body.to_string()).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_do_is_told_in_chinese_too() {
        let words = include_str!("../web/words.js");
        for fix in [LOG_IN, REACH, CREATE, START, ACCOUNT] {
            assert!(words.contains(&format!("\n  [\"{fix}\", \"")), "{fix}");
        }
    }
}
