//! Many messages with one request.

use rocketmq_client::{Message, Producer, batches_of};

use super::failure::Failure;
use super::terminal::line;

const TOPIC: &str = "BatchTest";

fn message(key: impl std::fmt::Display, index: usize) -> Message {
    Message::new(TOPIC, format!("Hello world {index}"))
        .with_tags("Tag")
        .with_keys(format!("OrderID{key}"))
}

/// Sends three messages together.
pub(super) async fn simple_producer() -> Result<(), Failure> {
    let producer = Producer::builder("BatchProducerGroupName").start().await?;
    let messages = [message("001", 0), message("002", 1), message("003", 2)];
    let result = producer.send_batch(&messages).await?;
    line(format_args!("{result}"));
    producer.shutdown().await;
    Ok(())
}

/// Sends more messages than fit into one request: batches of at most 1 MB.
pub(super) async fn split_producer() -> Result<(), Failure> {
    let producer = Producer::builder("BatchProducerGroupName").start().await?;
    let messages: Vec<_> = (0..100 * 1000).map(|index| message(index, index)).collect();
    for batch in batches_of(&messages, 1000 * 1000) {
        let result = producer.send_batch(batch).await?;
        line(format_args!(
            "{} messages: {} {}",
            batch.len(),
            result.status.name(),
            result.message_queue
        ));
    }
    producer.shutdown().await;
    Ok(())
}
