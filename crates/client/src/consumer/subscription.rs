//! Which messages of a topic a consumer wants (contract `client.md` 5).

use rocketmq_protocol::body::{EXPRESSION_SQL92, SUBSCRIBE_ALL, SubscriptionData};
use rocketmq_protocol::message::MessageExt;

use crate::error::ClientError;
use crate::{namespace, validate};

/// An expression that brokers choose messages by. Text alone is an expression by tags.
///
/// ```
/// use rocketmq_client::MessageSelector;
///
/// assert_eq!(MessageSelector::from("TagA || TagB"), MessageSelector::by_tag("TagA || TagB"));
/// let cheap = MessageSelector::by_sql("price BETWEEN 1 AND 9 AND region IS NOT NULL");
/// # let _ = cheap;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MessageSelector {
    /// `*` (or nothing) for all messages, else tags separated by `||`.
    Tags(String),
    /// An SQL92 condition on the messages' properties; brokers need `enablePropertyFilter=true`.
    Sql92(String),
}

impl MessageSelector {
    /// All messages that have one of the tags, `TagA || TagB`; `*` for all.
    pub fn by_tag(expression: impl Into<String>) -> MessageSelector {
        MessageSelector::Tags(expression.into())
    }

    /// All messages whose properties fulfil an SQL92 condition.
    pub fn by_sql(expression: impl Into<String>) -> MessageSelector {
        MessageSelector::Sql92(expression.into())
    }

    /// What brokers are told; `None` if nothing could match the expression.
    pub(super) fn subscription(&self, topic: &str, version: i64) -> Option<SubscriptionData> {
        match self {
            MessageSelector::Tags(tags) => SubscriptionData::by_tags(topic, tags.trim(), version),
            MessageSelector::Sql92(sql) if sql.is_empty() => None,
            MessageSelector::Sql92(sql) => Some(SubscriptionData {
                topic: topic.to_string(),
                sub_string: sql.clone(),
                sub_version: version,
                expression_type: EXPRESSION_SQL92.to_string(),
                ..SubscriptionData::default()
            }),
        }
    }
}

impl Default for MessageSelector {
    /// All messages.
    fn default() -> Self {
        MessageSelector::by_tag(SUBSCRIBE_ALL)
    }
}

impl From<&str> for MessageSelector {
    fn from(tags: &str) -> Self {
        MessageSelector::by_tag(tags)
    }
}

impl From<String> for MessageSelector {
    fn from(tags: String) -> Self {
        MessageSelector::by_tag(tags)
    }
}

impl From<&String> for MessageSelector {
    fn from(tags: &String) -> Self {
        MessageSelector::by_tag(tags)
    }
}

/// Whether the message's tag is one of the subscription's; brokers compare hashes only.
pub(super) fn has_wanted_tag(subscription: &SubscriptionData, message: &MessageExt) -> bool {
    subscription.tags_set.is_empty()
        || message.message.tags().is_some_and(|tags| subscription.tags_set.contains(tags))
}

/// What brokers are told of a topic that the application wants; `refusal` is what is said of an
/// expression that nothing could match.
pub(super) fn subscription(
    space: &str,
    topic: &str,
    selector: &MessageSelector,
    version: i64,
    refusal: &str,
) -> Result<SubscriptionData, ClientError> {
    validate::topic(topic)?;
    let subscription = selector.subscription(&namespace::wrap(space, topic), version);
    subscription.ok_or_else(|| ClientError::illegal(refusal))
}
