//! Loads of producers.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use bytes::Bytes;
use parking_lot::Mutex;
use rocketmq_client::admin::AdminClient;
use rocketmq_client::{ClientConfig, Message, Producer, SendStatus};
use rocketmq_protocol::body::TopicConfig;
use tokio::task::JoinSet;

use crate::figures::{Latencies, Line, Usage};
use crate::options::Options;

/// The settings every client of a run has.
pub(crate) fn client(options: &Options) -> Result<ClientConfig> {
    Ok(ClientConfig {
        namesrv_addr: Some(options.required("namesrv")?.to_string()),
        client_ip: "127.0.0.1".to_string(),
        timeout: Duration::from_secs(30),
        ..ClientConfig::default()
    })
}

/// A producer with a connection of its own.
pub(crate) async fn producer(options: &Options) -> Result<Producer> {
    // Incompressible or not, a body travels as it is: the broker is judged, not the deflater.
    let builder = Producer::builder("bench_producer").client_config(client(options)?);
    let builder = builder.send_timeout(Duration::from_secs(30)).compress_over(usize::MAX);
    Ok(builder.retry_times(0).start().await?)
}

/// The topic named by `topic=`, or a fresh one; made with `queues=` queues on every broker.
pub(crate) async fn topic(options: &Options) -> Result<String> {
    let fresh = format!("Bench_{}", rocketmq_common::clock::now_ms());
    let topic = options.text("topic").unwrap_or(&fresh).to_string();
    let queues = options.number("queues", 4)?;
    let admin = AdminClient::connect(options.text("namesrv"))?;
    let config = TopicConfig::new(&topic, queues, 6);
    for broker in admin.cluster_info().await?.broker_addr_table.values() {
        if let Some(master) = broker.master() {
            admin.create_topic(master, &config).await?;
        }
    }
    let deadline = Instant::now() + Duration::from_secs(30);
    while admin.topic_route(&topic).await.is_err() {
        if Instant::now() > deadline {
            bail!("no route of {topic} within 30 s");
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    admin.shutdown().await;
    Ok(topic)
}

/// The same pseudo-random body for all messages of a run.
pub(crate) fn body(size: usize) -> Bytes {
    let mut state = size as u64 | 1;
    let byte = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..size).map(byte).collect()
}

/// What senders share.
struct Shared {
    producer: Producer,
    topic: String,
    body: Bytes,
    step: usize,
    left: AtomicI64,
    failed: AtomicU64,
    latencies: Mutex<Latencies>,
}

impl Shared {
    /// One sender: sends again when its answer is there.
    async fn sender(self: Arc<Self>) {
        let message = || Message::new(self.topic.as_str(), self.body.clone());
        while self.left.fetch_sub(1, Ordering::Relaxed) > 0 {
            let begun = Instant::now();
            let sent = if self.step == 1 {
                self.producer.send(message()).await
            } else {
                let batch: Vec<Message> = (0..self.step).map(|_| message()).collect();
                self.producer.send_batch(&batch).await
            };
            match sent {
                Ok(sent) if sent.status == SendStatus::SendOk => {
                    self.latencies.lock().record(begun.elapsed());
                }
                other => {
                    if self.failed.fetch_add(1, Ordering::Relaxed) == 0 {
                        eprintln!("first failed send: {other:?}");
                    }
                }
            }
        }
    }

    async fn run(self: &Arc<Self>, senders: usize, count: i64) {
        self.left.store(count, Ordering::Relaxed);
        let mut tasks = JoinSet::new();
        for _ in 0..senders {
            tasks.spawn(Arc::clone(self).sender());
        }
        tasks.join_all().await;
    }
}

/// `threads=` or `inflight=` senders over one connection, each waiting for its answer before it
/// sends again; `batch` messages per send.
pub(crate) async fn closed_loop(options: &Options, line: &mut Line, batch: usize) -> Result<()> {
    let senders = options.number("inflight", options.number("threads", 1)?)?;
    let size = options.number("size", 1024)?;
    let count: i64 = options.number("count", 10_000)? / batch as i64;
    let warm: i64 = options.number("warm", 2_000)? / batch as i64;
    let shared = Arc::new(Shared {
        producer: producer(options).await?,
        topic: topic(options).await?,
        body: body(size),
        step: batch,
        left: AtomicI64::new(0),
        failed: AtomicU64::new(0),
        latencies: Mutex::new(Latencies::new()?),
    });
    shared.run(senders, warm).await;
    *shared.latencies.lock() = Latencies::new()?;
    shared.failed.store(0, Ordering::Relaxed);
    let before = Usage::of_broker(options)?;
    let begun = Instant::now();
    shared.run(senders, count).await;
    let time = begun.elapsed();
    let failed = shared.failed.load(Ordering::Relaxed);
    let messages = (count as u64 - failed) * batch as u64;
    line.put("threads", senders);
    line.put("size", size);
    line.put("batch", batch);
    line.rate(messages, time);
    line.latencies(&shared.latencies.lock());
    line.put("failed", failed);
    line.usage(options, before, messages)?;
    shared.producer.shutdown().await;
    Ok(())
}

/// How many messages the topic holds, by what its queues say.
pub(crate) async fn stored(admin: &AdminClient, topic: &str) -> Result<i64> {
    let stats = admin.topic_stats(topic).await?;
    Ok(stats.offset_table.values().map(|queue| queue.max_offset - queue.min_offset).sum())
}

/// Sends that want no answer; the clock stops when all of them are stored.
pub(crate) async fn oneway(options: &Options, line: &mut Line) -> Result<()> {
    let producer = producer(options).await?;
    let topic = topic(options).await?;
    let admin = AdminClient::connect(options.text("namesrv"))?;
    let size = options.number("size", 128)?;
    let body = body(size);
    let mut sent = 0;
    let mut phase = async |count: i64| -> Result<()> {
        for index in 0..count {
            producer.send_oneway(Message::new(topic.as_str(), body.clone())).await?;
            // Lets the connection write, and keeps what waits in memory small.
            if index % 64 == 63 {
                tokio::task::yield_now().await;
            }
            if index % 4096 == 4095 {
                while stored(&admin, &topic).await? < sent + index - 16_384 {}
            }
        }
        sent += count;
        let mut seen = (0, Instant::now());
        loop {
            let now = stored(&admin, &topic).await?;
            if now >= sent {
                return Ok(());
            }
            if now != seen.0 {
                seen = (now, Instant::now());
            } else if seen.1.elapsed() > Duration::from_secs(10) {
                bail!("stalled: {now} of {sent} oneway messages stored");
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    phase(options.number("warm", 20_000)?).await?;
    let count: i64 = options.number("count", 100_000)?;
    let before = Usage::of_broker(options)?;
    let begun = Instant::now();
    phase(count).await?;
    let time = begun.elapsed();
    line.put("size", size);
    line.rate(count as u64, time);
    line.usage(options, before, count as u64)?;
    producer.shutdown().await;
    admin.shutdown().await;
    Ok(())
}

/// Puts `count=` messages into `topic=`; not part of a measurement.
pub(crate) async fn fill(options: &Options, line: &mut Line) -> Result<()> {
    let size: usize = options.number("size", 1024)?;
    let count: i64 = options.number("count", 100_000)?;
    let batch = (256 * 1024 / size).clamp(1, 64);
    let shared = Arc::new(Shared {
        producer: producer(options).await?,
        topic: topic(options).await?,
        body: body(size),
        step: batch,
        left: AtomicI64::new(0),
        failed: AtomicU64::new(0),
        latencies: Mutex::new(Latencies::new()?),
    });
    let begun = Instant::now();
    shared.run(4, count / batch as i64).await;
    if shared.failed.load(Ordering::Relaxed) > 0 {
        bail!("{} sends failed", shared.failed.load(Ordering::Relaxed));
    }
    line.rate((count / batch as i64) as u64 * batch as u64, begun.elapsed());
    shared.producer.shutdown().await;
    Ok(())
}
