//! Our push consumers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rocketmq_client::consumer::PushConsumerBuilder;
use rocketmq_client::{
    ConsumeFromWhere, ConsumeStatus, MessageExt, MessageModel, MessageSelector, OrderlyStatus,
    Producer, PushConsumer, create_reply,
};
use tokio::sync::mpsc::UnboundedSender;

use super::config;
use super::received::Received;
use crate::feature::{QUEUES, RETRIES, SQL, TAGS};
use crate::scene::{Event, Scene};

/// What the delay level of the producers means here, ms.
const DELAY_MS: i64 = 1000;

fn builder(scene: &Scene, group: &str) -> PushConsumerBuilder {
    let selector = match scene.feature {
        "tags" => MessageSelector::by_tag(TAGS),
        "sql" => MessageSelector::by_sql(SQL),
        _ => MessageSelector::default(),
    };
    PushConsumer::builder(group)
        .client_config(config(scene))
        .consume_from(ConsumeFromWhere::FirstOffset)
        .subscribe(&scene.topic, selector)
}

/// Notes all that comes.
fn noting(builder: PushConsumerBuilder, received: &Arc<Received>) -> PushConsumerBuilder {
    let received = Arc::clone(received);
    builder.on_messages(move |delivery| {
        for message in &delivery.messages {
            received.add(message);
        }
        std::future::ready(ConsumeStatus::Success)
    })
}

/// Receives until all is there.
pub(super) async fn run(scene: &Scene, tell: &UnboundedSender<Event>) -> anyhow::Result<()> {
    let received = Received::new(scene.feature);
    match scene.feature {
        "broadcast" => return broadcast(scene, tell).await,
        "from-where" => return from_where(scene).await,
        "retry" => return retry(scene, tell).await,
        "request" => return answer(scene, tell).await,
        _ => {}
    }
    let builder = builder(scene, &scene.group);
    let builder = match scene.feature {
        "trace" => noting(builder.trace(None), &received),
        "orderly" => orderly(builder, &received),
        "delay" => {
            let received = Arc::clone(&received);
            builder.on_messages(move |delivery| {
                for message in &delivery.messages {
                    let after = message.store_timestamp - message.born_timestamp;
                    if after < DELAY_MS {
                        received.wrong(format!("delivered after {after} ms"));
                    }
                    received.add(message);
                }
                std::future::ready(ConsumeStatus::Success)
            })
        }
        _ => noting(builder, &received),
    };
    let consumer = builder.start().await?;
    let _ = tell.send(Event::Ready);
    received.all(|_| 1).await?;
    if scene.feature == "reset" {
        let _ = tell.send(Event::Seen);
        received.all(|_| 2).await?;
    }
    consumer.shutdown().await;
    Ok(())
}

/// Messages of a queue have to come in the order they were sent, one at a time.
fn orderly(builder: PushConsumerBuilder, received: &Arc<Received>) -> PushConsumerBuilder {
    let received = Arc::clone(received);
    let last = Mutex::new(BTreeMap::new());
    builder.on_messages_orderly(move |delivery| {
        for message in &delivery.messages {
            let Some(index) = received.add(message) else { continue };
            let before = last.lock().insert(index % QUEUES as usize, index);
            if before.is_some_and(|before| before >= index) {
                received.wrong(format!("{index} after {before:?}"));
            }
        }
        std::future::ready(OrderlyStatus::Success)
    })
}

/// Both members of the group get everything.
async fn broadcast(scene: &Scene, tell: &UnboundedSender<Event>) -> anyhow::Result<()> {
    let mut members = Vec::new();
    for name in ["one", "two"] {
        let received = Received::new(scene.feature);
        let mut config = config(scene);
        config.instance_name = format!("{}_{name}", scene.group);
        let builder = builder(scene, &scene.group)
            .client_config(config)
            .message_model(MessageModel::Broadcasting);
        members.push((noting(builder, &received).start().await?, received));
    }
    let _ = tell.send(Event::Ready);
    for (consumer, received) in members {
        received.all(|_| 1).await?;
        consumer.shutdown().await;
    }
    Ok(())
}

/// A new group gets what is there: from the first message, or from an hour ago.
async fn from_where(scene: &Scene) -> anyhow::Result<()> {
    for from in [ConsumeFromWhere::FirstOffset, ConsumeFromWhere::Timestamp] {
        let received = Received::new(scene.feature);
        let hour_ago = std::time::SystemTime::now() - Duration::from_secs(3600);
        let hour_ago = hour_ago.duration_since(std::time::UNIX_EPOCH)?.as_millis() as i64;
        let group = format!("{}_{}", scene.group, from as i32);
        let builder = builder(scene, &group).consume_from(from).consume_timestamp(hour_ago);
        let consumer = noting(builder, &received).start().await?;
        received.all(|_| 1).await?;
        consumer.shutdown().await;
    }
    Ok(())
}

/// Every message fails once; the odd ones fail again and are dead letters.
async fn retry(scene: &Scene, tell: &UnboundedSender<Event>) -> anyhow::Result<()> {
    let (tries, dead) = (Received::new(scene.feature), Received::new(scene.feature));
    let noted = Arc::clone(&tries);
    let topic = scene.topic.clone();
    let consumer = builder(scene, &scene.group)
        .max_reconsume_times(RETRIES)
        .on_messages(move |delivery| {
            let mut status = ConsumeStatus::Success;
            for message in &delivery.messages {
                let index = noted.add(message);
                if message.message.topic != topic {
                    noted.wrong(format!("comes again as of {}", message.message.topic));
                }
                if message.reconsume_times == 0 || index.is_some_and(|index| index % 2 == 1) {
                    status = ConsumeStatus::ReconsumeLater;
                }
            }
            std::future::ready(status)
        })
        .start()
        .await?;
    let letters = PushConsumer::builder(format!("{}_dead", scene.group))
        .client_config(config(scene))
        .consume_from(ConsumeFromWhere::FirstOffset)
        .subscribe(format!("%DLQ%{}", scene.group), "*");
    let letters = noting(letters, &dead).start().await?;
    let _ = tell.send(Event::Ready);
    tries.all(|_| 2).await?;
    dead.all(|index| index % 2).await?;
    letters.shutdown().await;
    consumer.shutdown().await;
    Ok(())
}

/// Answers each request.
async fn answer(scene: &Scene, tell: &UnboundedSender<Event>) -> anyhow::Result<()> {
    let received = Received::new(scene.feature);
    let answered = Received::new(scene.feature);
    let replier = format!("{}_replier", scene.group);
    let replier = Producer::builder(replier).client_config(config(scene)).start().await?;
    let (noted, done, sender) = (Arc::clone(&received), Arc::clone(&answered), replier.clone());
    let consumer = builder(scene, &scene.group)
        .on_messages(move |delivery| {
            let (noted, done, sender) = (Arc::clone(&noted), Arc::clone(&done), sender.clone());
            async move {
                for message in &delivery.messages {
                    noted.add(message);
                    match reply(&sender, message).await {
                        Ok(()) => {
                            done.add(message);
                        }
                        Err(error) => done.wrong(error.to_string()),
                    }
                }
                ConsumeStatus::Success
            }
        })
        .start()
        .await?;
    let _ = tell.send(Event::Ready);
    received.all(|_| 1).await?;
    answered.all(|_| 1).await?;
    consumer.shutdown().await;
    replier.shutdown().await;
    Ok(())
}

async fn reply(sender: &Producer, request: &MessageExt) -> anyhow::Result<()> {
    let asked = String::from_utf8_lossy(&request.message.body);
    let reply = create_reply(&request.message, format!("reply to {asked}"))?;
    sender.send(reply).await?;
    Ok(())
}
