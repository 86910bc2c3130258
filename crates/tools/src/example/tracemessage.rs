//! Messages whose way is recorded: `mqadmin queryMsgTraceById` shows it.

use rocketmq_client::{ConsumeFromWhere, ConsumeStatus, Message, Producer, PushConsumer};

use super::failure::Failure;
use super::received;
use super::terminal::{asked_to_stop, line};

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

/// Prints messages and records when they came and what became of them.
pub(super) async fn push_consumer() -> Result<(), Failure> {
    let consumer = PushConsumer::builder("CID_JODIE_1")
        .trace(None)
        .consume_from(ConsumeFromWhere::FirstOffset)
        .subscribe("TopicTest", "*")
        .on_messages(|delivery| async move {
            received::print(&delivery);
            ConsumeStatus::Success
        })
        .start()
        .await?;
    line(format_args!("Consumer Started."));
    asked_to_stop().await?;
    consumer.shutdown().await;
    Ok(())
}
