//! Our pull consumers.

use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use rocketmq_client::{ConsumeFromWhere, LitePullConsumer, PullConsumer, PullStatus};

use super::config;
use super::received::Received;
use crate::feature::{MESSAGES, QUEUES};
use crate::scene::Scene;

/// How long a committed offset may take to be known.
const COMMIT_TIME: Duration = Duration::from_secs(20);

/// Pulls each queue to its end, commits the offsets and reads them back.
pub(super) async fn classic(scene: &Scene) -> anyhow::Result<()> {
    let received = Received::new(scene.feature);
    let consumer = PullConsumer::start(&scene.group, config(scene)).await?;
    let queues = consumer.fetch_queues(&scene.topic).await?;
    ensure!(queues.len() == QUEUES as usize, "{} queues", queues.len());
    for queue in &queues {
        let mut offset = 0;
        loop {
            let pulled = consumer.pull(queue, "*", offset, 7).await?;
            match pulled.status {
                PullStatus::Found => {
                    for message in &pulled.messages {
                        received.add(message);
                    }
                }
                PullStatus::NoNewMsg => break,
                status => bail!("{} at {offset}", status.name()),
            }
            offset = pulled.next_begin_offset;
        }
        consumer.commit_offset(queue, offset).await;
        // The broker is told without being waited for.
        let deadline = Instant::now() + COMMIT_TIME;
        while consumer.fetch_offset(queue).await? != Some(offset) {
            ensure!(Instant::now() < deadline, "the committed offset {offset} is not kept");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    received.all(|_| 1).await?;
    consumer.shutdown().await;
    Ok(())
}

/// By subscription, then by assignment from each queue's beginning.
pub(super) async fn lite(scene: &Scene) -> anyhow::Result<()> {
    for assign in [false, true] {
        let received = Received::new(scene.feature);
        let consumer = LitePullConsumer::builder(format!("{}_{assign}", scene.group))
            .client_config(config(scene))
            .consume_from(ConsumeFromWhere::FirstOffset)
            .auto_commit(false)
            .start()
            .await?;
        let queues = consumer.fetch_message_queues(&scene.topic).await?;
        if assign {
            consumer.assign(&queues).await?;
            for queue in &queues {
                consumer.seek_to_begin(queue).await?;
            }
        } else {
            consumer.subscribe(&scene.topic, "*").await?;
        }
        while !received.has(|_| 1)? {
            for message in consumer.poll(Duration::from_millis(100)).await? {
                received.add(&message);
            }
        }
        received.all(|_| 1).await?;
        consumer.commit().await?;
        let mut committed = 0;
        for queue in &queues {
            committed += consumer.committed(queue).await?.unwrap_or(0);
        }
        ensure!(committed == MESSAGES as i64, "{committed} messages are committed");
        consumer.shutdown().await;
    }
    Ok(())
}
