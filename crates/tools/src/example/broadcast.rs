//! Every consumer of a group gets all messages.

use rocketmq_client::{ConsumeFromWhere, ConsumeStatus, MessageModel, PushConsumer};

use super::failure::Failure;
use super::received;
use super::terminal::{asked_to_stop, line};

/// Prints all messages, however many consumers of its group there are.
pub(super) async fn push_consumer() -> Result<(), Failure> {
    let consumer = PushConsumer::builder("please_rename_unique_group_name_1")
        .consume_from(ConsumeFromWhere::FirstOffset)
        .message_model(MessageModel::Broadcasting)
        .subscribe("TopicTest", "TagA || TagC || TagD")
        .on_messages(|delivery| async move {
            received::print(&delivery);
            ConsumeStatus::Success
        })
        .start()
        .await?;
    line(format_args!("Broadcast Consumer Started."));
    asked_to_stop().await?;
    consumer.shutdown().await;
    Ok(())
}
