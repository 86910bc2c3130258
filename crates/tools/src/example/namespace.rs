//! Topics and groups of one name in several namespaces do not meet.

use rocketmq_client::{ConsumeStatus, Message, Producer, PushConsumer};

use super::failure::Failure;
use super::terminal::{asked_to_stop, line};

const NAMESPACE: &str = "InstanceTest";
const TOPIC: &str = "topicTest";

/// Sends to the namespace's topic.
pub(super) async fn producer() -> Result<(), Failure> {
    let producer = Producer::builder("pidTest").namespace(NAMESPACE).start().await?;
    for _ in 0..100 {
        let message = Message::new(TOPIC, "Hello world").with_tags("tagTest");
        let result = producer.send(message).await?;
        line(format_args!("Topic:{TOPIC} send success, misId is:{}", result.msg_id));
    }
    producer.shutdown().await;
    Ok(())
}

/// Consumes from the namespace's topic, which the listener sees without the namespace.
pub(super) async fn push_consumer() -> Result<(), Failure> {
    let consumer = PushConsumer::builder("cidTest")
        .namespace(NAMESPACE)
        .subscribe(TOPIC, "*")
        .on_messages(|delivery| async move {
            for message in &delivery.messages {
                line(format_args!(
                    "Msg topic is:{}, MsgId is:{}, reconsumeTimes is:{}",
                    message.message.topic,
                    message.msg_id(),
                    message.reconsume_times
                ));
            }
            ConsumeStatus::Success
        })
        .start()
        .await?;
    asked_to_stop().await?;
    consumer.shutdown().await;
    Ok(())
}
