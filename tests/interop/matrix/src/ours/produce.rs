//! Our producers.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::ensure;
use rocketmq_client::{
    LocalTransactionState, Message, Producer, SendResult, SendStatus, by_number,
};

use super::config;
use crate::feature::{MESSAGES, QUEUES, body, tag};
use crate::scene::Scene;

/// How long a request waits for its reply.
const REPLY_TIME: Duration = Duration::from_secs(30);

fn message(scene: &Scene, index: usize) -> Message {
    let mut message = Message::new(&scene.topic, body(index))
        .with_tags(tag(index))
        .with_keys(format!("key{index}"));
    message.set("n", index.to_string());
    message
}

/// Sends all messages in the feature's way.
pub(super) async fn run(scene: &Scene) -> anyhow::Result<()> {
    let mut builder =
        Producer::builder(format!("{}_producer", scene.group)).client_config(config(scene));
    builder = builder.send_timeout(Duration::from_secs(10));
    if scene.feature == "trace" {
        builder = builder.trace(None);
    }
    if scene.feature == "transaction" {
        return transactions(scene, builder).await;
    }
    let producer = builder.start().await?;
    let messages: Vec<_> = (0..MESSAGES).map(|index| message(scene, index)).collect();
    match scene.feature {
        "async" => {
            let mut under_way = Vec::new();
            for message in messages {
                under_way.push(producer.start_send(message).await?);
            }
            for pending in under_way {
                stored(&pending.await?)?;
            }
        }
        "oneway" => {
            for message in messages {
                producer.send_oneway(message).await?;
            }
        }
        "batch" => stored(&producer.send_batch(&messages).await?)?,
        "orderly" => {
            for (index, message) in messages.into_iter().enumerate() {
                let lane = index as i64 % i64::from(QUEUES);
                stored(&producer.send_selected(message, by_number(lane)).await?)?;
            }
        }
        "request" => {
            for (index, message) in messages.into_iter().enumerate() {
                let reply = producer.request(message, REPLY_TIME).await?;
                let expected = format!("reply to {}", body(index));
                ensure!(reply.body == expected, "the reply to {index} is {:?}", reply.body);
            }
        }
        "delay" => {
            for mut message in messages {
                message.set("DELAY", "2");
                stored(&producer.send(message).await?)?;
            }
        }
        _ => {
            for message in messages {
                stored(&producer.send(message).await?)?;
            }
        }
    }
    producer.shutdown().await;
    Ok(())
}

fn stored(result: &SendResult) -> anyhow::Result<()> {
    ensure!(result.status == SendStatus::SendOk, "{result}");
    Ok(())
}

/// One is committed, one rolled back, one left open until the broker asks, and so on.
async fn transactions(
    scene: &Scene,
    builder: rocketmq_client::ProducerBuilder,
) -> anyhow::Result<()> {
    let asked = Arc::new(AtomicUsize::new(0));
    let asking = Arc::clone(&asked);
    let producer = builder
        .start_transactional(move |_half| {
            asking.fetch_add(1, Ordering::SeqCst);
            std::future::ready(LocalTransactionState::CommitMessage)
        })
        .await?;
    let mut open = 0;
    for index in 0..MESSAGES {
        let state = match index % 3 {
            0 => LocalTransactionState::CommitMessage,
            1 => LocalTransactionState::RollbackMessage,
            _ => LocalTransactionState::Unknown,
        };
        open += usize::from(state == LocalTransactionState::Unknown);
        let sent = producer
            .send_in_transaction(message(scene, index), |_message| async move {
                Ok::<_, Infallible>(state)
            })
            .await?;
        stored(&sent.send)?;
    }
    while asked.load(Ordering::SeqCst) < open {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // The answer to the last question is sent before the connections close.
    producer.shutdown().await;
    Ok(())
}
