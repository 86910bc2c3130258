//! Ready-made choices of a queue for [`super::Producer::send_selected`].

use rocketmq_common::java;
use rocketmq_protocol::message::MessageQueue;

/// The queue for a key: equal keys go to equal queues as long as the topic keeps its queues, which
/// is what ordered sending needs. Chooses as Java's `SelectMessageQueueByHash` does for a string.
///
/// ```no_run
/// # use rocketmq_client::{Message, Producer, ClientError, by_hash};
/// # async fn example(producer: Producer) -> Result<(), ClientError> {
/// producer.send_selected(Message::new("Orders", "paid"), by_hash("order-17")).await?;
/// # Ok(())
/// # }
/// ```
pub fn by_hash(key: &str) -> impl FnOnce(&[MessageQueue]) -> Option<usize> + use<> {
    by_number(i64::from(java::string_hash(key)))
}

/// The queue for a number: its remainder by the number of queues, without its sign.
pub fn by_number(number: i64) -> impl FnOnce(&[MessageQueue]) -> Option<usize> + use<> {
    move |queues| {
        let count = i64::try_from(queues.len()).ok().filter(|count| *count > 0)?;
        usize::try_from((number % count).abs()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_their_queue() {
        let queue =
            |queue_id| MessageQueue { topic: "T".into(), broker_name: "b".into(), queue_id };
        let queues: Vec<_> = (0..4).map(queue).collect();
        // "abc".hashCode() is 96354; that of "polygenelubricants" is the smallest there is.
        assert_eq!(by_hash("abc")(&queues), Some(96354 % 4));
        assert_eq!(by_hash("polygenelubricants")(&queues[..3]), Some(2));
        assert_eq!(by_number(-7)(&queues), Some(3));
        assert_eq!(by_hash("abc")(&[]), None);
    }
}
