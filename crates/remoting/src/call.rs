//! A received request and its answer.

use std::sync::Arc;

use bytes::Bytes;
use rocketmq_protocol::frame::{FLAG_RESPONSE, FrameHead};
use rocketmq_protocol::{Frame, HeaderFields, Language, RequestCode, ResponseCode};

use crate::connection::{Connection, encode_frame};
use crate::outbound::OutQueue;

/// Body of a frame to be sent.
#[derive(Debug, Default)]
pub enum Body {
    /// No body.
    #[default]
    None,
    /// In one piece.
    One(Bytes),
    /// In pieces that are sent back to back, each from where it lies.
    Many(Vec<Bytes>),
}

impl Body {
    /// Its length in bytes.
    pub fn len(&self) -> usize {
        match self {
            Body::None => 0,
            Body::One(bytes) => bytes.len(),
            Body::Many(parts) => parts.iter().map(Bytes::len).sum(),
        }
    }

    /// Whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Body {
        Body::One(bytes.into())
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Body {
        Body::One(bytes)
    }
}

/// A request to be sent.
pub struct Request<'a> {
    pub(crate) code: RequestCode,
    pub(crate) fields: Option<&'a dyn HeaderFields>,
    pub(crate) body: Body,
    pub(crate) remark: Option<&'a str>,
    pub(crate) language: Language,
}

impl<'a> Request<'a> {
    /// A request without header and body.
    pub fn new(code: RequestCode) -> Request<'a> {
        Request { code, fields: None, body: Body::None, remark: None, language: Language::JAVA }
    }

    /// With that custom header.
    pub fn fields(mut self, fields: &'a dyn HeaderFields) -> Request<'a> {
        self.fields = Some(fields);
        self
    }

    /// With that body.
    pub fn body(mut self, body: impl Into<Body>) -> Request<'a> {
        self.body = body.into();
        self
    }

    /// As if written in that language, which decides the form of some answers.
    pub fn language(mut self, language: Language) -> Request<'a> {
        self.language = language;
        self
    }

    /// With that remark (END_TRANSACTION carries one).
    pub fn remark(mut self, remark: &'a str) -> Request<'a> {
        self.remark = Some(remark);
        self
    }
}

/// Adds header fields to every request of a client, as access control wants.
pub trait RequestHook: Send + Sync {
    /// The fields to add to a request with that header and body.
    fn extra_fields(&self, header: Option<&dyn HeaderFields>, body: &Body)
    -> Vec<(String, String)>;
}

/// An answer.
pub struct Response<'a> {
    code: ResponseCode,
    fields: Option<&'a dyn HeaderFields>,
    remark: Option<&'a str>,
    body: Body,
}

impl<'a> Response<'a> {
    /// An answer with that code alone.
    pub fn new(code: ResponseCode) -> Response<'a> {
        Response { code, fields: None, remark: None, body: Body::None }
    }

    /// SUCCESS.
    pub fn success() -> Response<'a> {
        Response::new(ResponseCode::SUCCESS)
    }

    /// An error with its text.
    pub fn error(code: ResponseCode, remark: &'a str) -> Response<'a> {
        Response::new(code).remark(remark)
    }

    /// With that custom header.
    pub fn fields(mut self, fields: &'a dyn HeaderFields) -> Response<'a> {
        self.fields = Some(fields);
        self
    }

    /// With that text.
    pub fn remark(mut self, remark: &'a str) -> Response<'a> {
        self.remark = Some(remark);
        self
    }

    /// With that body.
    pub fn body(mut self, body: impl Into<Body>) -> Response<'a> {
        self.body = body.into();
        self
    }

    fn head(&self, opaque: i32) -> FrameHead<'a> {
        FrameHead {
            code: self.code.0,
            flag: FLAG_RESPONSE,
            language: Language::JAVA,
            opaque,
            remark: self.remark,
        }
    }
}

/// A request being handled on its connection's task.
pub struct Call<'a> {
    /// The request.
    pub frame: Frame,
    /// Where it came from.
    pub connection: &'a Arc<Connection>,
    pub(crate) out: &'a mut OutQueue,
    pub(crate) answered: &'a mut Vec<i32>,
}

impl Call<'_> {
    /// The request's code.
    pub fn code(&self) -> RequestCode {
        RequestCode(self.frame.code)
    }

    /// Answers now; the bytes leave with those of the whole batch. A oneway request is not
    /// answered.
    pub fn respond(self, response: Response<'_>) {
        if self.frame.is_oneway() {
            return;
        }
        let head = response.head(self.frame.opaque);
        let serialize = self.connection.serialize();
        self.answered.push(self.frame.opaque);
        let sent = encode_frame(self.out, serialize, &head, response.fields, response.body);
        if let Err(error) = sent {
            tracing::error!(target: crate::LOGGER, "process request over, but response failed, {error}, channel: {}", self.connection.peer());
        }
    }

    /// Answers later, from anywhere.
    pub fn defer(&self) -> Deferred {
        Deferred {
            connection: Arc::clone(self.connection),
            opaque: self.frame.opaque,
            oneway: self.frame.is_oneway(),
        }
    }
}

/// The right to answer one request later. Dropping it leaves the peer without an answer.
#[derive(Debug, Clone)]
pub struct Deferred {
    connection: Arc<Connection>,
    opaque: i32,
    oneway: bool,
}

impl Deferred {
    /// Where the request came from.
    pub fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// Answers. Nothing happens when the connection is gone or the request was oneway.
    pub fn respond(self, response: Response<'_>) {
        if self.oneway {
            return;
        }
        let head = response.head(self.opaque);
        if let Err(error) = self.connection.enqueue(&head, response.fields, response.body) {
            tracing::warn!(target: crate::LOGGER, "process request over, but response failed, {error}");
        }
    }
}
