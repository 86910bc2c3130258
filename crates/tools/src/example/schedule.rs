//! Messages that are delivered later than they are sent.

use rocketmq_client::{ConsumeStatus, Message, Producer, PushConsumer};
use rocketmq_common::clock;

use super::failure::Failure;
use super::terminal::{asked_to_stop, line};

const TOPIC: &str = "TestTopic";

/// Sends messages of the third delay level: ten seconds, as brokers are set up.
pub(super) async fn producer() -> Result<(), Failure> {
    let producer = Producer::builder("ExampleProducerGroup").start().await?;
    for index in 0..100 {
        let mut message = Message::new(TOPIC, format!("Hello scheduled message {index}"));
        message.set("DELAY", "3");
        line(format_args!("{}", producer.send(message).await?));
    }
    producer.shutdown().await;
    Ok(())
}

/// Prints how long after its sending each message came. Start it first: it begins at the end.
pub(super) async fn consumer() -> Result<(), Failure> {
    let consumer = PushConsumer::builder("ExampleConsumer")
        .subscribe(TOPIC, "*")
        .on_messages(|delivery| async move {
            for message in &delivery.messages {
                let later = clock::now_ms() - message.born_timestamp;
                let id = message.msg_id();
                line(format_args!("Receive message[msgId={id}] {later}ms later"));
            }
            ConsumeStatus::Success
        })
        .start()
        .await?;
    line(format_args!("Consumer Started."));
    asked_to_stop().await?;
    consumer.shutdown().await;
    Ok(())
}
