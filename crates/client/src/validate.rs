//! Names and messages that are refused before they are sent (contract `client.md` 4).

use rocketmq_protocol::ResponseCode;
use rocketmq_protocol::topic::{
    GROUP_LENGTH_MAX, NAME_PATTERN, SCHEDULE, TOPIC_LENGTH_MAX, has_legal_characters,
};

use crate::Message;
use crate::error::ClientError;

/// Refuses names that cannot be a group's.
pub(crate) fn group(name: &str) -> Result<(), ClientError> {
    if name.trim().is_empty() {
        return Err(ClientError::illegal("the specified group is blank"));
    }
    if name.chars().count() > GROUP_LENGTH_MAX {
        let text = "the specified group is longer than group max length 255.";
        return Err(ClientError::illegal(text));
    }
    if !has_legal_characters(name) {
        return Err(ClientError::illegal(format!(
            "the specified group[{name}] contains illegal characters, allowing only {NAME_PATTERN}"
        )));
    }
    Ok(())
}

/// Refuses names that cannot be a topic's.
pub(crate) fn topic(name: &str) -> Result<(), ClientError> {
    if name.trim().is_empty() {
        return Err(ClientError::illegal("The specified topic is blank"));
    }
    if name.chars().count() > TOPIC_LENGTH_MAX {
        let text = "The specified topic is longer than topic max length 127.";
        return Err(ClientError::illegal(text));
    }
    if !has_legal_characters(name) {
        return Err(ClientError::illegal(format!(
            "The specified topic[{name}] contains illegal characters, allowing only {NAME_PATTERN}"
        )));
    }
    Ok(())
}

/// Refuses messages that no broker would take; bodies may have so many bytes.
pub(crate) fn message(message: &Message, bytes_max: usize) -> Result<(), ClientError> {
    let illegal = |text: String| ClientError::client(ResponseCode::MESSAGE_ILLEGAL, text);
    topic(&message.topic)?;
    if message.topic == SCHEDULE {
        let text = format!("Sending message to topic[{SCHEDULE}] is forbidden.");
        return Err(ClientError::illegal(text));
    }
    if message.body.is_empty() {
        return Err(illegal("the message body length is zero".to_string()));
    }
    if message.body.len() > bytes_max {
        let text = format!("the message body size over max value, MAX: {bytes_max}");
        return Err(illegal(text));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_javas() {
        let text = |result: Result<(), ClientError>| match result {
            Err(ClientError::Client { text, .. }) => text,
            other => panic!("{other:?}"),
        };
        assert_eq!(text(group("")), "the specified group is blank");
        assert_eq!(
            text(group("a b")),
            "the specified group[a b] contains illegal characters, allowing only ^[%|a-zA-Z0-9_-]+$"
        );
        assert!(group(&"g".repeat(255)).is_ok() && group(&"g".repeat(256)).is_err());
        assert!(topic(&"t".repeat(127)).is_ok() && topic(&"t".repeat(128)).is_err());
        assert_eq!(text(message(&Message::new("T", ""), 9)), "the message body length is zero");
        assert!(message(&Message::new("T", "0123456789"), 9).is_err());
        assert!(message(&Message::new("%RETRY%g", "x"), 9).is_ok());
    }
}
