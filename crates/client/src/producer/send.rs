//! Sending: choosing a queue, one attempt, and the attempts after it (contract `client.md` 3).

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rocketmq_common::clock;
use rocketmq_protocol::header::SendMessageResponseExtras;
use rocketmq_protocol::message::MessageQueue;
use rocketmq_protocol::topic::FAQ;
use rocketmq_protocol::{Frame, ResponseCode};
use rocketmq_remoting::{RemotingError, Request, Waiting};

use super::outgoing::Outgoing;
use super::{Inner, result};
use crate::error::ClientError;
use crate::fault::FAILED;
use crate::instance::no_route;
use crate::route::Route;
use crate::trace::Published;
use crate::{SendResult, SendStatus, namespace};

/// A request on its way to a broker.
pub(super) struct Attempt {
    waiting: Waiting,
    address: String,
    queue: MessageQueue,
    started: Instant,
    started_ms: i64,
}

impl Inner {
    /// The route to send a topic's messages by.
    pub(super) async fn route(&self, topic: &str) -> Result<Arc<Route>, ClientError> {
        let options = &self.options;
        let queues = options.default_topic_queue_nums;
        self.instance.publish_route(topic, &options.create_topic_key, queues).await
    }

    /// The queue to send to; on a retry one of another broker, if there is one.
    pub(super) fn pick<'a>(
        &self,
        route: &'a Route,
        last_broker: Option<&str>,
    ) -> Option<&'a MessageQueue> {
        if self.options.latency_fault {
            return self.pick_by_latency(route);
        }
        let other = |queue: &MessageQueue| last_broker.is_none_or(|last| queue.broker_name != last);
        route.pick(other).or_else(|| route.pick(|_| true))
    }

    fn pick_by_latency<'a>(&self, route: &'a Route) -> Option<&'a MessageQueue> {
        let faults = &self.faults;
        if let Some(queue) = route.pick(|queue| faults.is_available(&queue.broker_name)) {
            return Some(queue);
        }
        let least_bad = faults.one_of_the_best();
        let of_it = |queue: &MessageQueue| Some(&queue.broker_name) == least_bad.as_ref();
        route.pick(of_it).or_else(|| {
            // A broker that no longer has the topic says nothing about those that have.
            faults.forget(least_bad.as_deref().unwrap_or_default());
            route.pick(|_| true)
        })
    }

    /// The address of a queue's master, or its second port.
    fn address<'a>(
        &self,
        route: &'a Route,
        queue: &MessageQueue,
    ) -> Result<Cow<'a, str>, ClientError> {
        let Some(master) = route.master(&queue.broker_name) else {
            let text = format!("The broker[{}] not exist", queue.broker_name);
            return Err(ClientError::client(ResponseCode::BROKER_NOT_EXIST_EXCEPTION, text));
        };
        if !self.instance.config.vip_channel_enabled {
            return Ok(Cow::Borrowed(master));
        }
        let vip = master.rsplit_once(':').and_then(|(host, port)| {
            Some(format!("{host}:{}", port.parse::<u16>().ok()?.checked_sub(2)?))
        });
        Ok(vip.map_or(Cow::Borrowed(master), Cow::Owned))
    }

    /// Puts a request on its way.
    pub(super) async fn begin(
        &self,
        route: &Route,
        queue: &MessageQueue,
        outgoing: &Outgoing,
        timeout: Duration,
    ) -> Result<Attempt, ClientError> {
        let (started, started_ms) = (Instant::now(), clock::now_ms());
        let address = self.address(route, queue)?;
        let unit_mode = self.instance.config.unit_mode;
        let header = outgoing.header(&self.group, unit_mode, &self.options, queue);
        let request = Request::new(outgoing.code).fields(&header).body(outgoing.body.clone());
        let begun = self.instance.remoting.begin_invoke(&address, request, timeout).await;
        let waiting = begun.inspect_err(|_| self.note(&queue.broker_name, FAILED))?;
        let address = address.into_owned();
        Ok(Attempt { waiting, address, queue: queue.clone(), started, started_ms })
    }

    /// Waits for the answer to a request.
    pub(super) async fn finish(
        &self,
        attempt: Attempt,
        outgoing: &Outgoing,
        timeout: Duration,
    ) -> Result<SendResult, ClientError> {
        let Attempt { waiting, address, queue, started, started_ms } = attempt;
        let broker_name = queue.broker_name.clone();
        let answer = self.instance.remoting.response(waiting, timeout).await;
        let sent = answer.map_err(ClientError::from).and_then(|frame| {
            let queue = namespace::queue_without(&queue, &self.namespace);
            let sent = result::read(&frame, &address, queue, &outgoing.unique_id)?;
            self.trace_sent(&frame, &address, outgoing, &sent, started_ms);
            Ok(sent)
        });
        self.note(&broker_name, if sent.is_ok() { started.elapsed() } else { FAILED });
        sent
    }

    fn note(&self, broker_name: &str, latency: Duration) {
        if self.options.latency_fault {
            self.faults.note(broker_name, latency);
        }
    }

    fn trace_sent(
        &self,
        frame: &Frame,
        address: &str,
        outgoing: &Outgoing,
        sent: &SendResult,
        started_ms: i64,
    ) {
        let (Some(trace), Some(traced)) = (&self.trace, &outgoing.traced) else { return };
        // Brokers that keep no traces say so, or say nothing.
        let Ok(extras) = SendMessageResponseExtras::decode(frame.fields()) else { return };
        if !extras.trace_on {
            return;
        }
        trace.published(&Published {
            traced,
            timestamp: started_ms,
            region: &extras.msg_region,
            group: trace.group(),
            store_host: address,
            cost_ms: clock::now_ms() - started_ms,
            offset_msg_id: &sent.offset_msg_id,
            success: sent.status == SendStatus::SendOk,
        });
    }

    async fn attempt(
        &self,
        route: &Route,
        queue: &MessageQueue,
        outgoing: &Outgoing,
        timeout: Duration,
    ) -> Result<SendResult, ClientError> {
        let started = Instant::now();
        let attempt = self.begin(route, queue, outgoing, timeout).await?;
        self.finish(attempt, outgoing, timeout.saturating_sub(started.elapsed())).await
    }

    /// Sends to the queue that is chosen of the topic's, without a retry.
    pub(super) async fn send_to(
        &self,
        outgoing: &Outgoing,
        choose: impl FnOnce(&[MessageQueue]) -> Option<MessageQueue>,
    ) -> Result<SendResult, ClientError> {
        let started = Instant::now();
        let timeout = self.options.send_timeout;
        let route = self.route_within(&outgoing.topic, timeout).await?;
        let queue = choose(&route.publish)
            .ok_or_else(|| ClientError::illegal("select message queue return null."))?;
        self.attempt(&route, &queue, outgoing, timeout.saturating_sub(started.elapsed())).await
    }

    /// Sends without waiting for an answer.
    pub(super) async fn send_oneway(&self, outgoing: &Outgoing) -> Result<(), ClientError> {
        let route = self.route_within(&outgoing.topic, self.options.send_timeout).await?;
        let queue = self.pick(&route, None).ok_or_else(|| no_route(&outgoing.topic))?;
        let address = self.address(&route, queue)?;
        let unit_mode = self.instance.config.unit_mode;
        let header = outgoing.header(&self.group, unit_mode, &self.options, queue);
        let request = Request::new(outgoing.code).fields(&header).body(outgoing.body.clone());
        Ok(self.instance.remoting.send_oneway(&address, request).await?)
    }

    /// [`Inner::route`] within a send's time.
    pub(super) async fn route_within(
        &self,
        topic: &str,
        timeout: Duration,
    ) -> Result<Arc<Route>, ClientError> {
        let found = tokio::time::timeout(timeout, self.route(topic)).await;
        found.unwrap_or_else(|_| Err(call_timeout(None)))
    }

    /// Sends, and tries other brokers when one fails.
    pub(super) async fn send_with_retry(
        &self,
        outgoing: &Outgoing,
    ) -> Result<SendResult, ClientError> {
        let options = &self.options;
        let started = Instant::now();
        let left = || options.send_timeout.saturating_sub(started.elapsed());
        let mut route = self.route_within(&outgoing.topic, left()).await?;
        let mut brokers: Vec<String> = Vec::new();
        let mut last_error = None;
        for attempt in 0..=options.retry_times {
            if left().is_zero() {
                return Err(call_timeout(last_error));
            }
            let last_broker = brokers.last().map(String::as_str);
            let Some(queue) = self.pick(&route, last_broker) else {
                return Err(no_route(&outgoing.topic));
            };
            brokers.push(queue.broker_name.clone());
            match self.attempt(&route, queue, outgoing, left()).await {
                Ok(result) => {
                    let ok = result.status == SendStatus::SendOk || !options.retry_when_not_ok;
                    if ok || attempt == options.retry_times {
                        return Ok(result);
                    }
                }
                Err(error) if !self.is_retried(&error) => return Err(error),
                Err(error) => {
                    last_error = Some(error);
                    route = self.fresh_route(route, &outgoing.topic, left()).await;
                }
            }
        }
        Err(exhausted(&outgoing.topic, &brokers, started.elapsed(), last_error))
    }

    /// The route after a failure: a broker that is gone may have left it.
    async fn fresh_route(&self, known: Arc<Route>, topic: &str, timeout: Duration) -> Arc<Route> {
        match tokio::time::timeout(timeout, self.instance.refresh_route(topic)).await {
            Ok(Ok(Some(fresh))) if !fresh.publish.is_empty() => fresh,
            _ => known,
        }
    }

    fn is_retried(&self, error: &ClientError) -> bool {
        match error {
            ClientError::Broker { code, .. } => self.options.retry_codes.contains(code),
            ClientError::Remoting(RemotingError::Frame(_)) => false,
            ClientError::Remoting(_) | ClientError::Client { .. } => true,
        }
    }
}

fn because(error: Option<ClientError>) -> String {
    error.map(|error| format!("\nCaused by: {error}")).unwrap_or_default()
}

/// The time for all attempts is over.
pub(super) fn call_timeout(last_error: Option<ClientError>) -> ClientError {
    let text = format!("sendDefaultImpl call timeout{}", because(last_error));
    ClientError::client(ResponseCode::ACCESS_BROKER_TIMEOUT, text)
}

fn exhausted(
    topic: &str,
    brokers: &[String],
    elapsed: Duration,
    last_error: Option<ClientError>,
) -> ClientError {
    let code = match &last_error {
        None => ResponseCode::SYSTEM_ERROR,
        // Java's code for whatever went wrong in the client itself.
        Some(ClientError::Client { .. }) => ResponseCode::BROKER_NOT_EXIST_EXCEPTION,
        Some(error) => error.code(),
    };
    ClientError::client(
        code,
        format!(
            "Send [{}] times, still failed, cost [{}]ms, Topic: {topic}, BrokersSent: [{}]{FAQ}{}",
            brokers.len(),
            elapsed.as_millis(),
            brokers.join(", "),
            because(last_error)
        ),
    )
}
