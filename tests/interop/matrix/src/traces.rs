//! Whether the way of a cell's messages was recorded.

use std::time::{Duration, Instant};

use anyhow::ensure;
use rocketmq_client::{ClientConfig, PullConsumer, PullStatus};

use crate::column::Server;
use crate::feature::MESSAGES;
use crate::scene::Scene;

const TOPIC: &str = "RMQ_SYS_TRACE_TOPIC";
/// Records arrive some seconds after what they tell of.
const PAUSE: Duration = Duration::from_millis(200);
const PATIENCE: Duration = Duration::from_secs(30);

/// Records of the cell's messages.
#[derive(Default)]
struct Found {
    sent: usize,
    begun: Vec<String>,
    ended: usize,
}

/// Waits until there are records of all sends and deliveries of the cell.
pub(crate) async fn wait_for(server: &Server, scene: &Scene) -> anyhow::Result<()> {
    let config =
        ClientConfig { namesrv_addr: Some(server.namesrv.clone()), ..ClientConfig::default() };
    let consumer = PullConsumer::start("matrix_traces", config).await?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut texts = Vec::new();
        for queue in consumer.fetch_queues(TOPIC).await? {
            let mut offset = 0;
            loop {
                let pulled = consumer.pull(&queue, "*", offset, 32).await?;
                if pulled.status != PullStatus::Found {
                    break;
                }
                texts.extend(pulled.messages.into_iter().map(|message| message.message.body));
                ensure!(pulled.next_begin_offset > offset, "the pull does not advance");
                offset = pulled.next_begin_offset;
            }
        }
        let found = count(texts.iter().map(|text| String::from_utf8_lossy(text)), scene);
        if found.sent >= MESSAGES && found.begun.len() >= MESSAGES && found.ended >= MESSAGES {
            consumer.shutdown().await;
            return Ok(());
        }
        ensure!(
            Instant::now() < deadline,
            "of {MESSAGES} messages, {} sends, {} deliveries and {} results are recorded",
            found.sent,
            found.begun.len(),
            found.ended
        );
        tokio::time::sleep(PAUSE).await;
    }
}

/// Records are separated by \x02, their fields by \x01.
fn count<'a>(
    texts: impl Iterator<Item = std::borrow::Cow<'a, str>> + Clone,
    scene: &Scene,
) -> Found {
    let mut found = Found::default();
    let each = |visit: &mut dyn FnMut(&[&str])| {
        for text in texts.clone() {
            for record in text.split('\x02') {
                visit(&record.split('\x01').collect::<Vec<_>>());
            }
        }
    };
    each(&mut |fields| match fields {
        ["Pub", _, _, _, topic, ..] if *topic == scene.topic => found.sent += 1,
        ["SubBefore", _, _, group, request, ..] if *group == scene.group => {
            found.begun.push((*request).to_string());
        }
        _ => {}
    });
    each(&mut |fields| {
        if let ["SubAfter", request, ..] = fields {
            found.ended += usize::from(found.begun.iter().any(|begun| begun == request));
        }
    });
    found
}
