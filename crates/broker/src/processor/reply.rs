//! SEND_REPLY_MESSAGE 324 and 325: the answer to a request message, pushed to the client that sent
//! the request (contract `requests.md` 1.6, 1.7, `broker.md` 20).

use std::sync::Arc;
use std::time::Duration;

use rocketmq_protocol::header::{
    ReplyMessageRequestHeader, SendMessageRequestHeaderV2, SendMessageResponseHeader,
};
use rocketmq_protocol::message::{properties, property};
use rocketmq_protocol::{Frame, RequestCode, ResponseCode};
use rocketmq_remoting::{Call, Connection, Request, Response};
use rocketmq_store::{PutMessage, PutResult};

use super::Refusal;
use super::kept::{Kept, Wait, when_kept};
use super::send::{any_queue, check_queue, check_time, decode, extras, put_refusal, topic_of};
use crate::LOGGER;
use crate::context::{BrokerContext, Settings};
use crate::schedule::set;
use crate::table::Pending;

/// How long the client may take to take the reply.
const PUSH_TIMEOUT: Duration = Duration::from_secs(10);
/// The message id of an answer whose message is not stored.
const NOT_STORED: &str = "0";

/// Handles both codes.
pub fn reply(context: &Arc<BrokerContext>, call: Call<'_>) {
    let settings = context.settings();
    let header = match decode(call.code(), &call.frame) {
        Ok(header) => header,
        Err(error) => {
            let refusal = Refusal::from(error);
            return call.respond(Response::error(refusal.code, &refusal.text));
        }
    };
    let checked = check_time(&settings)
        .and_then(|()| topic_of(context, &settings, &header))
        .and_then(|config| check_queue(&header, &config, &call).map(|()| config));
    let config = match checked {
        Ok(config) => config,
        Err(refusal) => {
            let response = Response::error(refusal.code, &refusal.text);
            return call.respond(response.fields(&extras(&settings)));
        }
    };
    let queue_id =
        if header.queue_id < 0 { any_queue(config.write_queue_nums) } else { header.queue_id };
    let mut pushed = Vec::new();
    if let Some(encoded) = header.properties {
        encoded.append_to(&mut pushed);
    }
    let stored = store(context, &settings, &call, &header, queue_id, &pushed);
    let new_topic = context.topics.pending_of(&header.topic);
    let client_id = properties::get_text(&pushed, property::REPLY_TO_CLIENT).map(str::to_string);
    let waits = properties::get_text(&pushed, property::WAIT);
    let waits = waits.is_none_or(|value| value.eq_ignore_ascii_case("true"));
    let wait = match stored.filter(|_| waits) {
        Some(put) => Wait::by(&settings, put.end_offset),
        None => Wait::default(),
    };
    let reply = Reply { settings, queue_id, stored };
    let Some(client_id) = client_id else {
        tracing::warn!(target: LOGGER, "REPLY_TO_CLIENT is null, can not reply message");
        let text = "reply message properties[REPLY_TO_CLIENT] is null".to_string();
        return reply.refused(context, call, wait, new_topic, text);
    };
    let Some(connection) = context.producers.client(&client_id) else {
        tracing::warn!(target: LOGGER, "push reply message fail, channel of <{client_id}> not found.");
        let text = format!("push reply message fail, channel of <{client_id}> not found.");
        return reply.refused(context, call, wait, new_topic, text);
    };
    set(&mut pushed, property::PUSH_REPLY_TIME, context.store.now().to_string().as_bytes());
    let push = Push {
        code: call.code(),
        frame: call.frame.clone(),
        born_host: format!("/{}", call.connection.peer()),
        store_host: format!("/{}", context.store_host),
        queue_id,
        properties: String::from_utf8_lossy(&pushed).into_owned(),
    };
    let deferred = call.defer();
    let context = Arc::clone(context);
    tokio::spawn(async move {
        let outcome = push.send(&context, &connection, &client_id).await;
        // Never before the message is in the log, which the batch it came with may not have
        // reached.
        let committed = context.store.commit();
        let stored = committed.is_ok();
        let wait = if stored { wait } else { Wait::default() };
        when_kept(&context, wait, new_topic, move |kept| {
            reply.answered(stored, kept, outcome, |response| deferred.respond(response));
        });
    });
}

/// Puts the reply in its topic, if replies are kept. That this fails is only logged: the reply may
/// reach its client all the same.
fn store(
    context: &BrokerContext,
    settings: &Settings,
    call: &Call<'_>,
    header: &SendMessageRequestHeaderV2<'_>,
    queue_id: i32,
    stored: &[u8],
) -> Option<PutResult> {
    if !settings.broker.store_reply_message_enable {
        return None;
    }
    let put = context.store.put(&PutMessage {
        topic: &header.topic,
        queue_id,
        flag: header.flag,
        sys_flag: header.sys_flag,
        born_timestamp: header.born_timestamp,
        born_host: call.connection.peer(),
        store_host: context.store_host,
        reconsume_times: header.reconsume_times.unwrap_or(0),
        prepared_transaction_offset: 0,
        body: call.frame.body(),
        properties: stored,
    });
    match put {
        Ok(put) => {
            let bytes = put.end_offset - put.physical_offset;
            context.stats.put(&header.topic, queue_id, 1, bytes);
            Some(put)
        }
        Err(error) => {
            tracing::warn!(target: LOGGER, "process reply message, {}", put_refusal(context, error).text);
            None
        }
    }
}

/// A reply on its way to its client.
struct Push {
    code: RequestCode,
    frame: Frame,
    born_host: String,
    store_host: String,
    queue_id: i32,
    properties: String,
}

impl Push {
    /// Sends the reply and waits for the client; the error is RocketMQ's text.
    async fn send(
        &self,
        context: &BrokerContext,
        client: &Arc<Connection>,
        client_id: &str,
    ) -> Result<(), String> {
        let failed = || Err(format!("push reply message to {client_id}fail."));
        // It was read before.
        let Ok(header) = decode(self.code, &self.frame) else { return failed() };
        let header = ReplyMessageRequestHeader {
            producer_group: header.producer_group,
            topic: header.topic,
            default_topic: header.default_topic,
            default_topic_queue_nums: header.default_topic_queue_nums,
            queue_id: self.queue_id,
            sys_flag: header.sys_flag,
            born_timestamp: header.born_timestamp,
            flag: header.flag,
            properties: Some(self.properties.as_str().into()),
            reconsume_times: header.reconsume_times,
            unit_mode: header.unit_mode,
            born_host: self.born_host.as_str().into(),
            store_host: self.store_host.as_str().into(),
            store_timestamp: context.store.now(),
        };
        let request = Request::new(RequestCode::PUSH_REPLY_MESSAGE_TO_CLIENT);
        let request = request.fields(&header).body(self.frame.body_bytes());
        match client.invoke(request, PUSH_TIMEOUT).await {
            Ok(frame) if frame.code == ResponseCode::SUCCESS.0 => Ok(()),
            Ok(frame) => {
                let remark = frame.remark().unwrap_or_default();
                tracing::warn!(target: LOGGER, "push reply message to <{client_id}> return fail, response remark: {remark}");
                failed()
            }
            Err(error) => {
                tracing::warn!(target: LOGGER, "push reply message to <{client_id}> fail. {error}");
                failed()
            }
        }
    }
}

/// What an answer is made of.
struct Reply {
    settings: Arc<Settings>,
    queue_id: i32,
    stored: Option<PutResult>,
}

impl Reply {
    /// Answers a reply whose message could not be pushed.
    fn refused(
        self,
        context: &BrokerContext,
        call: Call<'_>,
        wait: Wait,
        new_topic: Option<Pending>,
        why: String,
    ) {
        if wait.is_none() && new_topic.is_none() {
            return self.answered(true, Kept::Yes, Err(why), |response| call.respond(response));
        }
        let deferred = call.defer();
        when_kept(context, wait, new_topic, move |kept| {
            self.answered(true, kept, Err(why), |response| deferred.respond(response));
        });
    }

    /// The push decides the code; id and place are those of the stored message, if there is one.
    fn answered(
        &self,
        committed: bool,
        kept: Kept,
        pushed: Result<(), String>,
        send: impl FnOnce(Response<'_>),
    ) {
        let is_kept = committed && !matches!(kept, Kept::No(..));
        let stored = self.stored.filter(|_| is_kept);
        let header = SendMessageResponseHeader {
            msg_id: stored.map_or_else(|| NOT_STORED.to_string(), |put| put.message_id()).into(),
            queue_id: self.queue_id,
            queue_offset: stored.map_or(0, |put| put.queue_offset),
            transaction_id: None,
        };
        let fields = (header, extras(&self.settings));
        match pushed {
            Ok(()) => send(Response::success().fields(&fields)),
            Err(why) => {
                send(Response::error(ResponseCode::SYSTEM_ERROR, &why).fields(&fields));
            }
        }
    }
}
