//! Messages that belong together are consumed in the order they were sent.

use rocketmq_client::{
    ConsumeFromWhere, Message, OrderlyStatus, Producer, PushConsumer, by_number,
};

use super::failure::Failure;
use super::received;
use super::terminal::{asked_to_stop, line};

const TAGS: [&str; 5] = ["TagA", "TagB", "TagC", "TagD", "TagE"];

/// Sends the messages of each of ten orders to one queue.
pub(super) async fn producer() -> Result<(), Failure> {
    let producer = Producer::builder("please_rename_unique_group_name").start().await?;
    for index in 0..100 {
        let order = index % 10;
        let message = Message::new("TopicTestjjj", format!("Hello RocketMQ {index}"))
            .with_tags(TAGS[index % TAGS.len()])
            .with_keys(format!("KEY{index}"));
        let result = producer.send_selected(message, by_number(order as i64)).await?;
        line(format_args!("{result}"));
    }
    producer.shutdown().await;
    Ok(())
}

/// Prints the messages of each queue in their order. Java's subscribes to `TopicTest` only, where
/// its Producer sends nothing.
pub(super) async fn consumer() -> Result<(), Failure> {
    let consumer = PushConsumer::builder("please_rename_unique_group_name_3")
        .consume_from(ConsumeFromWhere::FirstOffset)
        .subscribe("TopicTest", "TagA || TagC || TagD")
        .subscribe("TopicTestjjj", "TagA || TagC || TagD")
        .on_messages_orderly(|delivery| async move {
            received::print(&delivery);
            OrderlyStatus::Success
        })
        .start()
        .await?;
    line(format_args!("Consumer Started."));
    asked_to_stop().await?;
    consumer.shutdown().await;
    Ok(())
}
