//! The same load over one connection of each kind and over many.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Instant;

use anyhow::Result;
use rocketmq_client::Message;
use tokio::task::JoinSet;

use crate::consume;
use crate::figures::{Line, Usage};
use crate::options::Options;
use crate::send;

/// `connections=` producers with a connection and `inflight=` sends on their way each, and as many
/// consumers of one group, which get everything; the clock stops when all is received.
pub(crate) async fn run(options: &Options, line: &mut Line) -> Result<()> {
    let connections: usize = options.number("connections", 100)?;
    let inflight: usize = options.number("inflight", 16)?;
    let warm: u64 = options.number("warm", 20_000)?;
    let count: u64 = options.number("count", 200_000)?;
    let size = options.number("size", 1024)?;
    let topic = send::topic(options).await?;
    let received = Arc::new(AtomicU64::new(0));
    let mut consumers = Vec::new();
    for _ in 0..connections {
        let counter = Arc::clone(&received);
        let take = move |messages: &[_]| {
            counter.fetch_add(messages.len() as u64, Ordering::Relaxed);
        };
        consumers.push(consume::consumer(options, &topic, "bench_spread", take).await?);
    }
    let mut producers = Vec::new();
    for _ in 0..connections {
        producers.push(send::producer(options).await?);
    }
    let body = send::body(size);
    let phase = async |count: u64| {
        let left = Arc::new(AtomicI64::new(count as i64));
        let mut tasks = JoinSet::new();
        for sender in 0..inflight * connections {
            let producer = producers[sender % connections].clone();
            let (left, topic, body) = (Arc::clone(&left), topic.clone(), body.clone());
            tasks.spawn(async move {
                while left.fetch_sub(1, Ordering::Relaxed) > 0 {
                    // A broker that is flooded may refuse some: they are sent again.
                    if let Err(error) =
                        producer.send(Message::new(topic.as_str(), body.clone())).await
                    {
                        left.fetch_add(1, Ordering::Relaxed);
                        eprintln!("{error}");
                    }
                }
            });
        }
        tasks.join_all().await;
    };
    phase(warm).await;
    consume::all_received(&received, warm).await?;
    let before = Usage::of_broker(options)?;
    let begun = Instant::now();
    phase(count).await;
    consume::all_received(&received, warm + count).await?;
    line.put("connections", connections);
    line.rate(count, begun.elapsed());
    line.usage(options, before, count)?;
    for consumer in consumers {
        consumer.shutdown().await;
    }
    for producer in producers {
        producer.shutdown().await;
    }
    Ok(())
}
