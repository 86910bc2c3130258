//! One function for each request code.

pub mod acl;
pub mod admin;
pub mod client;
pub mod consumption;
pub mod filter_server;
mod kept;
pub mod offset;
pub mod pull;
pub mod query;
pub mod replica;
pub mod reply;
pub mod send;
pub mod send_back;
pub mod settings;
pub mod topic;
pub mod transaction;

use std::borrow::Cow;

use rocketmq_common::fastjson;
use rocketmq_protocol::{HeaderError, ResponseCode};
use rocketmq_remoting::{Call, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::context::BrokerContext;
use crate::table::Waiter;

/// A request that is answered with an error.
#[derive(Debug)]
pub struct Refusal {
    /// Response code.
    pub code: ResponseCode,
    /// Text; begins with RocketMQ's own.
    pub text: Cow<'static, str>,
}

/// A refusal with that code and text.
pub(crate) fn refuse(code: ResponseCode, text: impl Into<Cow<'static, str>>) -> Refusal {
    Refusal { code, text: text.into() }
}

/// A refusal with SYSTEM_ERROR.
pub(crate) fn failed(error: impl std::fmt::Display) -> Refusal {
    refuse(ResponseCode::SYSTEM_ERROR, error.to_string())
}

impl From<HeaderError> for Refusal {
    fn from(error: HeaderError) -> Refusal {
        // Java's strict decoder says it with its exception's name, which clients print.
        let name = "org.apache.rocketmq.remoting.exception.RemotingCommandException";
        refuse(ResponseCode::SYSTEM_ERROR, format!("{name}: {error}"))
    }
}

/// The answer of most processors: SUCCESS without header, with a JSON body or without.
pub(crate) type Answer = Result<Option<Vec<u8>>, Refusal>;

/// Sends what a processor answered.
pub(crate) fn respond(call: Call<'_>, answer: Answer) {
    match answer {
        Ok(Some(body)) => call.respond(Response::success().body(body)),
        Ok(None) => call.respond(Response::success()),
        Err(refusal) => call.respond(Response::error(refusal.code, &refusal.text)),
    }
}

/// The remark of 17 and 222 when all went well: Java's own slip, which tools have learned to expect.
pub(crate) const UNSET: &str = "not set any response code";

/// Calls the waiter when every change of topics and groups made so far is on the disk.
pub(crate) fn when_written(context: &BrokerContext, waiter: Waiter) {
    let writes = [context.topics.pending(), context.groups.pending()];
    let chained = writes.into_iter().flatten().fold(waiter, |next, write| {
        Box::new(move |written| match written {
            Ok(()) => write.then(next),
            Err(why) => next(Err(why)),
        })
    });
    chained(Ok(()));
}

/// Sends what a processor answered when the changes that it made are on the disk; the connection
/// serves other requests meanwhile.
pub(crate) fn respond_when_written(context: &BrokerContext, call: Call<'_>, answer: Answer) {
    if answer.is_err() || (context.topics.pending().is_none() && context.groups.pending().is_none())
    {
        return respond(call, answer);
    }
    let deferred = call.defer();
    when_written(
        context,
        Box::new(move |written| match (written, answer) {
            (Err(why), _) => deferred.respond(Response::error(ResponseCode::SYSTEM_ERROR, &why)),
            (Ok(()), Ok(Some(body))) => deferred.respond(Response::success().body(body)),
            (Ok(()), _) => deferred.respond(Response::success()),
        }),
    );
}

/// A JSON body.
pub(crate) fn json(body: &impl Serialize) -> Answer {
    fastjson::to_vec(body).map(Some).map_err(failed)
}

/// The request's JSON body.
pub(crate) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    if body.is_empty() {
        return Err(failed("the request has no body"));
    }
    fastjson::from_slice(body).map_err(failed)
}

/// What Java answers when a queue of requests is full.
pub(crate) const OVERLOAD: &str = "[OVERLOAD]system busy, start flow control for a while";

/// Whether so many requests wait that no more may: what a full queue of a thread pool is in Java.
pub(crate) fn is_reached(capacity: i32, waiting: usize) -> bool {
    usize::try_from(capacity).is_ok_and(|capacity| waiting >= capacity.max(1))
}
