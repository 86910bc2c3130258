//! Messages that are sent together (contract `client.md` 3, batch).

use rocketmq_protocol::message::batch::{BatchItem, encode_item};
use rocketmq_protocol::message::{Message, properties, property};
use rocketmq_protocol::topic::RETRY_PREFIX;
use rocketmq_protocol::{RequestCode, ResponseCode};

use super::MESSAGE_BYTES_MAX;
use super::options::Options;
use super::outgoing::Outgoing;
use crate::error::ClientError;
use crate::trace::Traced;
use crate::{namespace, unique_id, validate};

/// Bytes that a message has in a batch beside body and properties, with room for the unique id
/// and the namespace that sending adds.
const ITEM_BYTES: usize = 22 + 128;

/// Puts messages together; checks that they go together.
pub(super) fn encode(
    messages: &[Message],
    namespace: &str,
    options: &Options,
    traces: bool,
) -> Result<Outgoing, ClientError> {
    let Some(first) = messages.first() else {
        return Err(ClientError::illegal("messages must not be empty"));
    };
    let mut body = Vec::with_capacity(messages.iter().map(size).sum());
    let mut ids = String::new();
    for message in messages {
        validate::message(message, options.message_bytes_max)?;
        check_goes_with(first, message)?;
        let id = message.get(property::UNIQUE_KEY).map_or_else(unique_id::next, str::to_string);
        let mut stored = message.properties.clone();
        stored.insert(property::UNIQUE_KEY.to_string(), id.clone());
        if !namespace.is_empty() {
            stored.insert(property::INSTANCE_ID.to_string(), namespace.to_string());
        }
        let stored = properties::encode(&stored);
        let item =
            BatchItem { flag: message.flag, body: &message.body, properties: stored.as_bytes() };
        encode_item(&item, &mut body);
        if !ids.is_empty() {
            ids.push(',');
        }
        ids.push_str(&id);
    }
    if body.len() > options.message_bytes_max {
        let text = format!(
            "the message body size over max value, MAX: {}; {} messages are {} bytes together: \
             split them with batches()",
            options.message_bytes_max,
            messages.len(),
            body.len()
        );
        return Err(ClientError::client(ResponseCode::MESSAGE_ILLEGAL, text));
    }
    let wait = first.get(property::WAIT).unwrap_or("true");
    let mut encoded = String::new();
    properties::append(&mut encoded, property::WAIT, wait);
    Ok(Outgoing {
        topic: namespace::wrap(namespace, &first.topic).into_owned(),
        flag: 0,
        sys_flag: 0,
        properties: encoded,
        traced: traces.then(|| Traced::of_batch(&first.topic, &ids, body.len())),
        body: body.into(),
        unique_id: ids,
        code: RequestCode::SEND_BATCH_MESSAGE,
        batch: true,
        reconsume_times: 0,
        max_reconsume_times: None,
    })
}

fn check_goes_with(first: &Message, message: &Message) -> Result<(), ClientError> {
    let delay = message.get(property::DELAY).and_then(|level| level.parse::<i32>().ok());
    if delay.is_some_and(|level| level > 0) {
        return Err(ClientError::illegal("TimeDelayLevel is not supported for batching"));
    }
    if message.topic.starts_with(RETRY_PREFIX) {
        return Err(ClientError::illegal("Retry Group is not supported for batching"));
    }
    if message.topic != first.topic {
        let text = "The topic of the messages in one batch should be the same";
        return Err(ClientError::illegal(text));
    }
    if message.get(property::WAIT) != first.get(property::WAIT) {
        let text = "The waitStoreMsgOK of the messages in one batch should the same";
        return Err(ClientError::illegal(text));
    }
    Ok(())
}

fn size(message: &Message) -> usize {
    let pairs = message.properties.iter().map(|(name, value)| name.len() + value.len() + 2);
    ITEM_BYTES + message.body.len() + pairs.sum::<usize>()
}

/// Splits messages into batches that brokers take, in order: each is at most 4 MiB when encoded.
/// A message that is too large by itself is a batch of its own, which sending refuses.
///
/// ```no_run
/// # use rocketmq_client::{ClientError, Message, Producer, batches};
/// # async fn example(producer: Producer, messages: Vec<Message>) -> Result<(), ClientError> {
/// for batch in batches(&messages) {
///     producer.send_batch(batch).await?;
/// }
/// # Ok(())
/// # }
/// ```
pub fn batches(messages: &[Message]) -> impl Iterator<Item = &[Message]> {
    batches_of(messages, MESSAGE_BYTES_MAX)
}

/// [`batches`] of at most so many bytes.
pub fn batches_of(messages: &[Message], bytes_max: usize) -> impl Iterator<Item = &[Message]> {
    let mut rest = messages;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fitting = rest.iter().take_while(|message| {
            bytes += size(message);
            bytes <= bytes_max
        });
        let count = fitting.count().max(1).min(rest.len());
        let (batch, behind) = rest.split_at(count);
        rest = behind;
        (!batch.is_empty()).then_some(batch)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refusal(messages: &[Message]) -> String {
        match encode(messages, "", &Options::default(), false) {
            Err(ClientError::Client { text, .. }) => text,
            _ => panic!("not refused"),
        }
    }

    #[test]
    fn messages_that_do_not_go_together_are_refused() {
        let message = |topic: &str| Message::new(topic, "x");
        let mut delayed = message("T");
        delayed.set(property::DELAY, "3");
        assert_eq!(refusal(&[delayed]), "TimeDelayLevel is not supported for batching");
        let retry = message("%RETRY%g");
        assert_eq!(refusal(&[retry]), "Retry Group is not supported for batching");
        let text = "The topic of the messages in one batch should be the same";
        assert_eq!(refusal(&[message("T"), message("U")]), text);
        let mut hasty = message("T");
        hasty.set(property::WAIT, "false");
        let text = "The waitStoreMsgOK of the messages in one batch should the same";
        assert_eq!(refusal(&[message("T"), hasty]), text);
        let large = vec![Message::new("T", vec![0; 3_000_000]); 2];
        assert!(refusal(&large).starts_with("the message body size over max value, MAX: 4194304"));
    }

    proptest! {
        #[test]
        fn batches_keep_every_message_in_order_and_fit(sizes in prop::collection::vec(1usize..3000, 0..60)) {
            let messages: Vec<_> =
                sizes.iter().map(|size| Message::new("T", vec![0; *size])).collect();
            let options = Options { message_bytes_max: 4000, ..Options::default() };
            let mut together = Vec::new();
            for batch in batches_of(&messages, 4000) {
                prop_assert!(encode(batch, "namespace", &options, false).is_ok());
                together.extend_from_slice(batch);
            }
            prop_assert_eq!(together, messages);
        }
    }
}
