//! The producer and the consumer that were at work while the Java dashboard was recorded.

use rocketmq_client::{
    ConsumeFromWhere, ConsumeStatus, Message, Producer, PushConsumer, SendResult,
};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// The consumer's group.
pub(crate) const GROUP: &str = "please_rename_unique_group_name_4";
const TOPIC: &str = "TopicTest";
const MESSAGES: usize = 20;

/// A producer that has sent, and a push consumer.
pub(crate) struct Clients {
    producer: Producer,
    consumer: PushConsumer,
    /// Of the last message.
    pub(crate) sent: SendResult,
}

impl Clients {
    pub(crate) async fn start(namesrv: &str, producer_group: &str) -> Clients {
        let producer =
            Producer::builder(producer_group).namesrv_addr(namesrv).start().await.unwrap();
        let mut sent = None;
        for n in 0..MESSAGES {
            let message = Message::new(TOPIC, format!("m{n}")).with_tags("TagA");
            sent = Some(producer.send(message).await.unwrap());
        }
        let (consumer, _) = consumer(namesrv, GROUP).await;
        Clients { producer, consumer, sent: sent.unwrap() }
    }

    pub(crate) async fn stop(self) {
        self.consumer.shutdown().await;
        self.producer.shutdown().await;
    }
}

/// A group that has received every message and left.
pub(crate) async fn come_and_go(namesrv: &str, group: &str) {
    let (consumer, mut seen) = consumer(namesrv, group).await;
    for _ in 0..MESSAGES {
        seen.recv().await.unwrap();
    }
    consumer.shutdown().await;
}

/// A member of the group, and what it tells of each message.
async fn consumer(namesrv: &str, group: &str) -> (PushConsumer, UnboundedReceiver<()>) {
    let (tell, seen) = unbounded_channel();
    let consumer = PushConsumer::builder(group)
        .namesrv_addr(namesrv)
        .consume_from(ConsumeFromWhere::FirstOffset)
        .subscribe(TOPIC, "*")
        .on_messages(move |delivery| {
            let tell = tell.clone();
            async move {
                for _ in delivery.messages.iter() {
                    let _ = tell.send(());
                }
                ConsumeStatus::Success
            }
        })
        .start()
        .await
        .unwrap();
    (consumer, seen)
}
