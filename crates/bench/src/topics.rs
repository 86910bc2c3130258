//! Many topics: how long making them, registering them and looking up a route takes.

use std::time::{Duration, Instant};

use anyhow::Result;
use rocketmq_client::Message;
use rocketmq_client::admin::AdminClient;
use rocketmq_protocol::body::TopicConfig;

use crate::figures::{Latencies, Line, Usage};
use crate::options::Options;
use crate::send;

/// Makes `topics=` topics of `queues=` queues by request, puts a message into every queue of
/// `used=` of them, and looks up 1,000 routes.
pub(crate) async fn run(options: &Options, line: &mut Line) -> Result<()> {
    let topics: usize = options.number("topics", 10_000)?;
    let queues: i32 = options.number("queues", 4)?;
    let admin = AdminClient::connect(options.text("namesrv"))?;
    let cluster = admin.cluster_info().await?;
    let masters: Vec<_> = cluster.broker_addr_table.values().filter_map(|b| b.master()).collect();
    let before = Usage::of_broker(options)?;
    let begun = Instant::now();
    for index in 0..topics {
        for master in &masters {
            admin.create_topic(master, &TopicConfig::new(name(index), queues, 6)).await?;
        }
    }
    line.put("topics", topics);
    line.put_rounded("create_us_each", begun.elapsed().as_secs_f64() * 1e6 / topics as f64);
    let waiting = Instant::now();
    while admin.topic_route(&name(topics - 1)).await.is_err() && waiting.elapsed().as_secs() < 60 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    line.put_rounded("registered_ms_after", waiting.elapsed().as_secs_f64() * 1e3);
    let producer = send::producer(options).await?;
    for index in 0..options.number("used", topics)? {
        for queue in producer.fetch_publish_queues(&name(index)).await? {
            producer.send_to_queue(Message::new(name(index), "x"), &queue).await?;
        }
    }
    let mut latencies = Latencies::new()?;
    for index in 0..1000 {
        let begun = Instant::now();
        admin.topic_route(&name(index * 7919 % topics)).await?;
        latencies.record(begun.elapsed());
    }
    line.latencies(&latencies);
    let after = Usage::of_broker(options)?;
    let grown = after.anonymous_kib.saturating_sub(before.anonymous_kib);
    let all = (topics as u64 * queues as u64).max(1);
    line.put_rounded("bytes_per_queue", grown as f64 * 1024.0 / all as f64);
    line.usage(options, before, 0)?;
    producer.shutdown().await;
    admin.shutdown().await;
    Ok(())
}

fn name(index: usize) -> String {
    format!("Many_{index}")
}
