//! A message that is answered by a consumer.

use std::time::{Duration, Instant};

use rocketmq_client::{
    ClientError, ConsumeFromWhere, ConsumeStatus, Message, MessageExt, Producer, PushConsumer,
    create_reply,
};

use super::failure::Failure;
use super::received;
use super::terminal::{asked_to_stop, line};

const GROUP: &str = "please_rename_unique_group_name";
const TOPIC: &str = "RequestTopic";
/// How long to wait for the reply.
const TTL: Duration = Duration::from_secs(3);

/// Sends a request and waits for its reply.
pub(super) async fn request_producer() -> Result<(), Failure> {
    let producer = Producer::builder(GROUP).start().await?;
    let begun = Instant::now();
    let reply = producer.request(Message::new(TOPIC, "Hello world"), TTL).await?;
    print_reply(begun, &reply);
    producer.shutdown().await;
    Ok(())
}

/// Sends a request and does something else until its reply comes.
pub(super) async fn async_request_producer() -> Result<(), Failure> {
    let producer = Producer::builder(GROUP).start().await?;
    let asking = tokio::spawn({
        let producer = producer.clone();
        async move {
            let begun = Instant::now();
            match producer.request(Message::new(TOPIC, "Hello world"), TTL).await {
                Ok(reply) => print_reply(begun, &reply),
                Err(error) => eprintln!("request to <{TOPIC}> fail. {error}"),
            }
        }
    });
    // Here is time for other work.
    let _ = asking.await;
    producer.shutdown().await;
    Ok(())
}

fn print_reply(begun: Instant, reply: &Message) {
    let cost = begun.elapsed().as_millis();
    line(format_args!("request to <{TOPIC}> cost: {cost} replyMessage: {reply} "));
}

/// Answers requests.
pub(super) async fn response_consumer() -> Result<(), Failure> {
    let reply_producer = Producer::builder(GROUP).start().await?;
    let replier = reply_producer.clone();
    let consumer = PushConsumer::builder(GROUP)
        .consume_from(ConsumeFromWhere::LastOffset)
        .subscribe(TOPIC, "*")
        .on_messages(move |delivery| {
            let producer = replier.clone();
            async move {
                received::print(&delivery);
                for request in &delivery.messages {
                    line(format_args!("handle message: {request}"));
                    if let Err(error) = reply(&producer, request).await {
                        eprintln!("{error}");
                    }
                }
                ConsumeStatus::Success
            }
        })
        .start()
        .await?;
    line(format_args!("Consumer Started."));
    asked_to_stop().await?;
    consumer.shutdown().await;
    reply_producer.shutdown().await;
    Ok(())
}

async fn reply(producer: &Producer, request: &MessageExt) -> Result<(), ClientError> {
    let reply = create_reply(&request.message, "reply message contents.")?;
    let result = producer.send(reply).await?;
    let client = request.message.get("REPLY_TO_CLIENT").unwrap_or("null");
    line(format_args!("reply to {client} , {result} "));
    Ok(())
}
