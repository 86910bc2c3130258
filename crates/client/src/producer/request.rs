//! Request and reply over topics (contract `client.md` 3).

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use rocketmq_protocol::ResponseCode;
use rocketmq_protocol::message::property;
use rocketmq_protocol::topic::REPLY_SUFFIX;

use super::outgoing::REPLY_TYPE;
use super::{Outgoing, Producer};
use crate::error::ClientError;
use crate::{Message, SendStatus};

impl Producer {
    /// Sends a message and waits for the reply to it, which a consumer sends with [`create_reply`].
    ///
    /// ```no_run
    /// # use rocketmq_client::{ClientError, Message, Producer};
    /// # use std::time::Duration;
    /// # async fn example(producer: Producer) -> Result<(), ClientError> {
    /// let request = Message::new("RequestTopic", "Hello world");
    /// let reply = producer.request(request, Duration::from_secs(3)).await?;
    /// println!("{}", String::from_utf8_lossy(&reply.body));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The request was not sent, or no reply came in time (code 10006).
    pub async fn request(
        &self,
        mut message: Message,
        timeout: Duration,
    ) -> Result<Message, ClientError> {
        let started = Instant::now();
        let topic = message.topic.clone();
        let instance = &self.0.instance;
        let id = correlation_id();
        message.set(property::CORRELATION_ID, id.as_str());
        message.set(property::REPLY_TO_CLIENT, instance.client_id.as_str());
        message.set(property::TTL, timeout.as_millis().to_string());
        let outgoing = self.outgoing(message)?;
        self.announce(&outgoing).await?;
        let reply = instance.expect_reply(&id);
        let exchange = async {
            let sent = self.0.send_with_retry(&outgoing).await;
            match sent {
                Ok(sent) if sent.status == SendStatus::SendOk => {}
                Ok(sent) => return Err(not_sent(&topic, sent.status.name())),
                Err(error) => return Err(not_sent(&topic, &error.to_string())),
            }
            reply.await.map_err(|_| ClientError::illegal("the producer is shut down"))
        };
        let left = timeout.saturating_sub(started.elapsed());
        match tokio::time::timeout(left, exchange).await {
            Ok(outcome) => outcome,
            Err(_) => {
                let text = format!(
                    "send request message to <{topic}> OK, but wait reply message timeout, {} ms.",
                    timeout.as_millis()
                );
                Err(ClientError::client(ResponseCode::REQUEST_TIMEOUT_EXCEPTION, text))
            }
        }
    }

    /// Makes sure that the topic's brokers know this client: they send replies to it.
    async fn announce(&self, outgoing: &Outgoing) -> Result<(), ClientError> {
        let known = self.0.instance.known_route(&outgoing.topic).is_some();
        self.0.route(&outgoing.topic).await?;
        if !known || !self.0.announced.swap(true, std::sync::atomic::Ordering::SeqCst) {
            self.0.instance.heartbeat().await;
        }
        Ok(())
    }
}

fn not_sent(topic: &str, why: &str) -> ClientError {
    let text = format!("send request message to <{topic}> fail\nCaused by: {why}");
    ClientError::illegal(text)
}

/// A random UUID as text.
fn correlation_id() -> String {
    // Each RandomState has its own random keys.
    let halves = (RandomState::new().hash_one(0), RandomState::new().hash_one(1));
    let bits = (u128::from(halves.0) << 64) | u128::from(halves.1);
    let bits = (bits & !(0xF << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

/// The reply to a received request; send it with [`Producer::send`].
///
/// ```no_run
/// # use rocketmq_client::{ClientError, MessageExt, Producer, create_reply};
/// # async fn example(producer: Producer, request: &MessageExt) -> Result<(), ClientError> {
/// producer.send(create_reply(&request.message, "reply message contents")?).await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// The message is no request: it does not name a cluster (code 10007).
pub fn create_reply(
    request: &Message,
    body: impl Into<bytes::Bytes>,
) -> Result<Message, ClientError> {
    let Some(cluster) = request.get(property::CLUSTER) else {
        let text = "create reply message fail, requestMessage error, property[CLUSTER] is null.";
        return Err(ClientError::client(ResponseCode::CREATE_REPLY_MESSAGE_EXCEPTION, text));
    };
    let mut reply = Message::new(format!("{cluster}{REPLY_SUFFIX}"), body);
    reply.set(property::MSG_TYPE, REPLY_TYPE);
    for name in [property::CORRELATION_ID, property::REPLY_TO_CLIENT, property::TTL] {
        if let Some(value) = request.get(name) {
            reply.set(name, value);
        }
    }
    Ok(reply)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_go_where_the_request_says() {
        let mut request = Message::new("T", "?");
        let refused = create_reply(&request, "!").unwrap_err();
        assert_eq!(refused.code(), ResponseCode::CREATE_REPLY_MESSAGE_EXCEPTION);
        for (name, value) in
            [("CLUSTER", "c"), ("CORRELATION_ID", "id"), ("REPLY_TO_CLIENT", "me"), ("TTL", "9")]
        {
            request.set(name, value);
        }
        let reply = create_reply(&request, "!").unwrap();
        assert_eq!(reply.topic, "c_REPLY_TOPIC");
        let told: Vec<_> = ["MSG_TYPE", "CORRELATION_ID", "REPLY_TO_CLIENT", "TTL"]
            .map(|name| reply.get(name).unwrap_or_default())
            .to_vec();
        assert_eq!(told, ["reply", "id", "me", "9"]);
    }

    #[test]
    fn correlation_ids_are_uuids() {
        let (one, other) = (correlation_id(), correlation_id());
        assert_ne!(one, other);
        assert_eq!((one.len(), one.as_bytes()[14]), (36, b'4'));
        assert!(matches!(one.as_bytes()[19], b'8' | b'9' | b'a' | b'b'));
    }
}
