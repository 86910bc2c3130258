//! One cell: a topic of its own, a producer, a consumer, and what both say.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rocketmq_protocol::body::TopicConfig;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::column::{Column, Server};
use crate::feature::{Feature, NAMESPACE, Order, QUEUES};
use crate::peer::Peer;
use crate::scene::{Event, Outcome, Role, Scene};
use crate::traces;

/// How long a cell may take.
const PATIENCE: Duration = Duration::from_secs(120);
/// Time between two looks at what is waited for.
const PAUSE: Duration = Duration::from_millis(50);

pub(crate) struct Cell {
    order: Order,
    scene: Scene,
    server: Arc<Server>,
    producer: Peer,
    consumer: Peer,
}

impl Cell {
    pub(crate) fn new(feature: &Feature, column: &Column) -> Cell {
        let name = format!("Matrix_{}_{}", column.short, feature.name);
        Cell {
            order: feature.order,
            scene: Scene {
                feature: feature.name,
                namesrv: column.server.namesrv.clone(),
                group: format!("{name}_group"),
                topic: name,
            },
            server: Arc::clone(&column.server),
            producer: column.producer.clone(),
            consumer: column.consumer.clone(),
        }
    }

    pub(crate) async fn run(&self) -> Outcome {
        match tokio::time::timeout(PATIENCE, self.play()).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(error)) => Outcome::Failed(format!("{error:#}")),
            Err(_) => Outcome::Failed(format!("not done after {} s", PATIENCE.as_secs())),
        }
    }

    async fn play(&self) -> anyhow::Result<Outcome> {
        self.create_topics().await?;
        let mut consumer = None;
        if self.order == Order::ConsumerFirst {
            let mut events = self.consumer.play(Role::Consume, self.scene.clone()).await;
            match next(&mut events).await {
                Event::Ready => {}
                Event::Seen => bail!("the consumer saw everything before it was sent"),
                Event::Done(outcome) => return Ok(of("consumer", outcome)),
            }
            consumer = Some(events);
        }
        let mut producer = self.producer.play(Role::Produce, self.scene.clone()).await;
        let sent = loop {
            if let Event::Done(outcome) = next(&mut producer).await {
                break of("producer", outcome);
            }
        };
        if sent != Outcome::Passed {
            return Ok(sent);
        }
        let mut consumer = match consumer {
            Some(events) => events,
            None => self.consumer.play(Role::Consume, self.scene.clone()).await,
        };
        let received = loop {
            match next(&mut consumer).await {
                Event::Ready => {}
                Event::Seen => self.reset().await?,
                Event::Done(outcome) => break of("consumer", outcome),
            }
        };
        if received == Outcome::Passed && self.scene.feature == "trace" {
            traces::wait_for(&self.server, &self.scene).await?;
        }
        Ok(received)
    }

    /// Everything that a consumer would otherwise learn of half a minute later.
    async fn create_topics(&self) -> anyhow::Result<()> {
        let Scene { feature, topic, group, .. } = &self.scene;
        let mut topics = vec![(topic.clone(), QUEUES)];
        match *feature {
            "namespace" => topics[0].0 = format!("{NAMESPACE}%{topic}"),
            "retry" => {
                topics.extend(["%RETRY%", "%DLQ%"].map(|prefix| (format!("{prefix}{group}"), 1)));
            }
            _ => {}
        }
        for (topic_name, queues) in topics {
            let config = TopicConfig {
                read_queue_nums: queues,
                write_queue_nums: queues,
                topic_name,
                ..TopicConfig::default()
            };
            for broker in &self.server.brokers {
                self.server.admin.create_topic(broker, &config).await?;
            }
            while self.server.admin.topic_route(&config.topic_name).await.is_err() {
                tokio::time::sleep(PAUSE).await;
            }
        }
        Ok(())
    }

    /// Sends the running consumer back to the beginning.
    async fn reset(&self) -> anyhow::Result<()> {
        let names = (self.scene.group.as_str(), self.scene.topic.as_str());
        // The broker has to know how far the group is, which consumers tell every few seconds.
        let deadline = Instant::now() + PATIENCE / 2;
        loop {
            let mut refused = None;
            for broker in &self.server.brokers {
                let reset = self.server.admin.reset_offset(broker, names, 0, true, false).await;
                refused = reset.err().or(refused);
            }
            match refused {
                None => return Ok(()),
                Some(error) if Instant::now() > deadline => {
                    return Err(error).context("resetting the offsets");
                }
                Some(_) => tokio::time::sleep(PAUSE * 10).await,
            }
        }
    }
}

async fn next(events: &mut UnboundedReceiver<Event>) -> Event {
    let ended = || Event::Done(Outcome::Failed("the peer ended".to_string()));
    events.recv().await.unwrap_or_else(ended)
}

fn of(part: &str, outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::Failed(why) => Outcome::Failed(format!("{part}: {why}")),
        outcome => outcome,
    }
}
