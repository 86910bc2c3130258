//! Consumers that want some messages of a topic only.

use rocketmq_client::{ConsumeStatus, Message, MessageSelector, Producer, PushConsumer};

use super::failure::Failure;
use super::received;
use super::terminal::{asked_to_stop, line};

const TAGS: [&str; 3] = ["TagA", "TagB", "TagC"];

/// Sends messages of three tags in turn.
pub(super) async fn tag_producer() -> Result<(), Failure> {
    let producer = Producer::builder("please_rename_unique_group_name").start().await?;
    for index in 0..60 {
        let message = Message::new("TagFilterTest", "Hello world").with_tags(TAGS[index % 3]);
        line(format_args!("{}", producer.send(message).await?));
    }
    producer.shutdown().await;
    Ok(())
}

/// Prints the messages of two of the tags.
pub(super) async fn tag_consumer() -> Result<(), Failure> {
    let consumer = PushConsumer::builder("please_rename_unique_group_name")
        .subscribe("TagFilterTest", "TagA || TagC")
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

/// Sends messages with a property that an SQL92 expression can ask for.
pub(super) async fn sql_producer() -> Result<(), Failure> {
    let producer = Producer::builder("please_rename_unique_group_name").start().await?;
    for index in 0..10 {
        let mut message = Message::new("SqlFilterTest", format!("Hello RocketMQ {index}"))
            .with_tags(TAGS[index % 3]);
        message.set("a", index.to_string());
        line(format_args!("{}", producer.send(message).await?));
    }
    producer.shutdown().await;
    Ok(())
}

/// Prints the messages that an SQL92 expression is true for; the broker has
/// `enablePropertyFilter=true`.
pub(super) async fn sql_consumer() -> Result<(), Failure> {
    let wanted = "(TAGS is not null and TAGS in ('TagA', 'TagB')) \
                  and (a is not null and a between 0 and 3)";
    let consumer = PushConsumer::builder("please_rename_unique_group_name")
        .subscribe("SqlFilterTest", MessageSelector::by_sql(wanted))
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
