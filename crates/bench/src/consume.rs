//! Loads of consumers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use bytes::Bytes;
use parking_lot::Mutex;
use rocketmq_client::{ConsumeFromWhere, ConsumeStatus, Message, MessageExt, PushConsumer};
use tokio::sync::mpsc;

use crate::figures::{Latencies, Line, Usage};
use crate::options::Options;
use crate::{send, spread};

/// Nothing received for so long: the run has failed.
const STALLED: Duration = Duration::from_secs(60);

/// A push consumer of a group of its own that hands each delivery to `take`.
pub(crate) async fn consumer(
    options: &Options,
    topic: &str,
    group: &str,
    take: impl Fn(&[MessageExt]) + Send + Sync + 'static,
) -> Result<PushConsumer> {
    let builder = PushConsumer::builder(group).client_config(send::client(options)?);
    let builder = builder
        .consume_from(ConsumeFromWhere::FirstOffset)
        .pull_batch(options.number("pull-batch", 32)?)
        .consume_batch(options.number("consume-batch", 32)?)
        .subscribe(topic, "*");
    let builder = builder.on_messages(move |delivery| {
        take(&delivery.messages);
        std::future::ready(ConsumeStatus::Success)
    });
    Ok(builder.start().await?)
}

/// Waits until so many were received.
pub(crate) async fn all_received(received: &AtomicU64, count: u64) -> Result<()> {
    let mut seen = (0, Instant::now());
    loop {
        let now = received.load(Ordering::Relaxed);
        if now >= count {
            return Ok(());
        }
        if now != seen.0 {
            seen = (now, Instant::now());
        } else if seen.1.elapsed() > STALLED {
            bail!("stalled at {now} of {count} messages");
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// From the first to the last of the `count=` messages that lie in `topic=`.
pub(crate) async fn drain(options: &Options, line: &mut Line) -> Result<()> {
    let topic = options.required("topic")?;
    let count: u64 = options.number("count", 100_000)?;
    let received = Arc::new(AtomicU64::new(0));
    let first = Arc::new(Mutex::new(None));
    let before = Usage::of_broker(options)?;
    let (counter, begun) = (Arc::clone(&received), Arc::clone(&first));
    let consumer = consumer(options, topic, "bench_drain", move |messages| {
        if counter.fetch_add(messages.len() as u64, Ordering::Relaxed) == 0 {
            *begun.lock() = Some(Instant::now());
        }
    });
    let consumer = consumer.await?;
    all_received(&received, count).await?;
    let time = first.lock().map_or(Duration::ZERO, |first| first.elapsed());
    line.rate(count, time);
    line.usage(options, before, count)?;
    consumer.shutdown().await;
    Ok(())
}

/// Beats at a fixed rate from a thread of its own: the runtime's timer counts whole milliseconds.
fn beats(rate: u64, count: u64) -> mpsc::UnboundedReceiver<(u64, Instant)> {
    let (sender, receiver) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        let begin = Instant::now() + Duration::from_millis(500);
        let shortest = if rate > 5_000 { Duration::from_millis(1) } else { Duration::ZERO };
        for index in 0..count {
            let due = begin + Duration::from_secs_f64(index as f64 / rate as f64);
            while let Some(ahead) = due.checked_duration_since(Instant::now()) {
                // Fast beats come in bursts: waking for each would cost more than the send.
                std::thread::sleep(ahead.max(shortest));
            }
            if sender.send((index, due)).is_err() {
                return;
            }
        }
    });
    receiver
}

/// A body that says when it was due (ns since `epoch`) and which one it is.
fn stamped(epoch: Instant, due: Instant, index: u64, pattern: &[u8]) -> Bytes {
    let mut body = pattern.to_vec();
    body[..8].copy_from_slice(&(due.duration_since(epoch).as_nanos() as u64).to_be_bytes());
    body[8..16].copy_from_slice(&index.to_be_bytes());
    body.into()
}

fn stamp(body: &[u8]) -> Option<(Duration, u64)> {
    let number = |range| -> Option<u64> {
        Some(u64::from_be_bytes(
            <[u8; 8]>::try_from(body.get::<std::ops::Range<usize>>(range)?).ok()?,
        ))
    };
    Some((Duration::from_nanos(number(0..8)?), number(8..16)?))
}

/// What a run at a fixed rate needs and yields.
struct Paced {
    rate: u64,
    warm: u64,
    count: u64,
    size: usize,
}

impl Paced {
    /// Sends on the beat and consumes; a latency counts from the moment the message was due until
    /// the listener has it, so a pause is charged to all that it delays.
    async fn run(&self, options: &Options, line: &mut Line) -> Result<()> {
        let producer = send::producer(options).await?;
        let topic = send::topic(options).await?;
        let pattern = send::body(self.size.max(16));
        let epoch = Instant::now();
        let latencies = Arc::new(Mutex::new(Latencies::new()?));
        let received = Arc::new(AtomicU64::new(0));
        let (own, counter, warm) = (Arc::clone(&latencies), Arc::clone(&received), self.warm);
        let consumer = consumer(options, &topic, "bench_latency", move |messages| {
            let now = epoch.elapsed();
            let mut latencies = own.lock();
            for (due, index) in messages.iter().filter_map(|message| stamp(&message.message.body)) {
                if index >= warm {
                    latencies.record(now.saturating_sub(due));
                }
            }
            counter.fetch_add(messages.len() as u64, Ordering::Relaxed);
        });
        let consumer = consumer.await?;
        let failed = Arc::new(AtomicU64::new(0));
        let mut before = Usage::default();
        let mut begun = Instant::now();
        let mut lag_max = 0;
        let mut beats = beats(self.rate, self.warm + self.count);
        while let Some((index, due)) = beats.recv().await {
            if index == self.warm {
                (before, begun) = (Usage::of_broker(options)?, Instant::now());
                lag_max = 0;
            }
            lag_max = lag_max.max(index.saturating_sub(received.load(Ordering::Relaxed)));
            let message = Message::new(topic.as_str(), stamped(epoch, due, index, &pattern));
            let (producer, failed) = (producer.clone(), Arc::clone(&failed));
            tokio::spawn(async move {
                if producer.send(message).await.is_err() {
                    failed.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let sent = self.warm + self.count - failed.load(Ordering::Relaxed);
        all_received(&received, sent).await?;
        line.put("target_rate", self.rate);
        line.rate(self.count, begun.elapsed());
        line.latencies(&latencies.lock());
        line.put("lag_max", lag_max);
        line.put("lag_ms_max", lag_max * 1000 / self.rate.max(1));
        line.put("failed", failed.load(Ordering::Relaxed));
        line.usage(options, before, self.count)?;
        consumer.shutdown().await;
        producer.shutdown().await;
        Ok(())
    }
}

/// Sends `rate=` messages a second for `seconds=` and consumes them.
pub(crate) async fn latency(options: &Options, line: &mut Line) -> Result<()> {
    let rate = options.number("rate", 1000)?;
    let paced = Paced {
        rate,
        warm: rate * options.number("warm-seconds", 5)?,
        count: rate * options.number("seconds", 20)?,
        size: options.number("size", 1024)?,
    };
    paced.run(options, line).await
}

/// Finds the peak of 64 senders whose messages are consumed meanwhile, then produces and consumes
/// at 70 % of it.
pub(crate) async fn together(options: &Options, line: &mut Line) -> Result<()> {
    let mut peak = Line::new("peak");
    let mut words: Vec<String> =
        ["connections=1", "inflight=64", "warm=20000"].map(str::to_string).to_vec();
    words.push(format!("namesrv={}", options.required("namesrv")?));
    words.push(format!("count={}", options.number("peak-count", 200_000)?));
    spread::run(&Options::parse(&words)?, &mut peak).await?;
    let peak = peak.number("rate");
    let rate = (peak * 0.7) as u64;
    line.put("peak_rate", peak);
    let paced = Paced {
        rate,
        warm: rate * options.number("warm-seconds", 3)?,
        count: rate * options.number("seconds", 10)?,
        size: options.number("size", 1024)?,
    };
    paced.run(options, line).await
}
