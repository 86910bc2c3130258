//! Which messages a pull wants: by tags, by an expression over the properties, or, for a group's
//! retry topic, by the expression of the topic that a message comes from (contract `broker.md`
//! 19).

use std::sync::Arc;

use rocketmq_protocol::body::SubscriptionData;
use rocketmq_protocol::message::{RecordView, properties, property};
use rocketmq_protocol::topic::RETRY_PREFIX;
use rocketmq_store::{MessageFilter, QueueUnit};

use crate::filters::{FilterData, Filters};

/// What a pull wants of its topic.
pub struct Wanted {
    subscription: Arc<SubscriptionData>,
    expression: Expression,
}

enum Expression {
    /// Tags alone decide.
    None,
    /// That of the subscription.
    One(Arc<FilterData>),
    /// That of each message's original topic.
    OfOrigin(Arc<Filters>),
}

impl Wanted {
    /// By tags.
    pub fn by_tags(subscription: Arc<SubscriptionData>) -> Wanted {
        Wanted { subscription, expression: Expression::None }
    }

    /// By an expression.
    pub fn by_expression(subscription: Arc<SubscriptionData>, data: Arc<FilterData>) -> Wanted {
        Wanted { subscription, expression: Expression::One(data) }
    }

    /// With `filterSupportRetry`: messages of a retry topic are also held against the expression
    /// that their group has for the topic they come from.
    pub fn with_retry(self, filters: &Arc<Filters>) -> Wanted {
        if !self.subscription.topic.starts_with(RETRY_PREFIX) {
            return self;
        }
        Wanted { expression: Expression::OfOrigin(Arc::clone(filters)), ..self }
    }

    fn by_origin(&self, filters: &Filters, properties: &[u8]) -> bool {
        let group = self.subscription.topic.strip_prefix(RETRY_PREFIX).unwrap_or_default();
        let origin = properties::get_text(properties, property::RETRY_TOPIC).unwrap_or_default();
        // Without an expression it was no filter that chose the message.
        filters.get(origin, group).is_none_or(|data| data.wants(properties))
    }
}

impl MessageFilter for Wanted {
    fn by_tags(&self, tags_code: i64) -> bool {
        // The low 32 bits are the hash of the tags.
        let codes = &self.subscription.code_set;
        codes.is_empty() || codes.contains(&(tags_code as i32))
    }

    fn by_unit(&self, unit: Option<&QueueUnit>) -> bool {
        // The record has the last word.
        let Some(unit) = unit else { return true };
        match &self.expression {
            Expression::One(data) => data.may_want(unit),
            Expression::None | Expression::OfOrigin(_) => self.by_tags(unit.tags_code),
        }
    }

    fn by_record(&self, record: &[u8]) -> bool {
        let decide = |by_properties: &dyn Fn(&[u8]) -> bool| {
            RecordView::parse(record).is_ok_and(|view| by_properties(view.properties))
        };
        match &self.expression {
            Expression::None => true,
            Expression::One(data) => decide(&|properties| data.wants(properties)),
            Expression::OfOrigin(filters) => {
                decide(&|properties| self.by_origin(filters, properties))
            }
        }
    }
}
