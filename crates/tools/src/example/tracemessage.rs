//! Messages whose way is recorded: `mqadmin queryMsgTraceById` shows it.

use rocketmq_client::{Message, Producer};

use super::failure::Failure;
use super::terminal::line;

/// Sends messages and records when and where they were stored.
pub(super) async fn producer() -> Result<(), Failure> {
    let producer = Producer::builder("ProducerGroupName").trace(None).start().await?;
    for _ in 0..128 {
        let message =
            Message::new("TopicTest", "Hello world").with_tags("TagA").with_keys("OrderID188");
        line(format_args!("{}", producer.send(message).await?));
    }
    // Sends the records that wait.
    producer.shutdown().await;
    Ok(())
}
