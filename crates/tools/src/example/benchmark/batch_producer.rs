//! `benchmark.BatchProducer`: many senders, many messages a request; runs until it is stopped.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use rocketmq_client::{Producer, SendStatus};
use rocketmq_common::clock;
use tokio::task::JoinSet;

use super::stats::{self, Counters, Milliseconds, Sends, SendsAt};
use super::{PAUSE, Shape, config, is_signed, is_traced, report};
use crate::example::failure::Failure;
use crate::example::{execute, terminal};
use crate::options::{COMMON, Given, Opt, optional};

const OPTIONS: [Opt; 11] = [
    COMMON[0],
    optional("w", "threadCount", "Thread count, Default: 64"),
    optional("s", "messageSize", "Message Size, Default: 128"),
    optional("b", "batchSize", "Batch Size, Default: 16"),
    optional("k", "keyEnable", "Message Key Enable, Default: false"),
    optional("t", "topic", "Topic name, Default: BenchmarkTest"),
    optional("l", "tagCount", "Tag count, Default: 0"),
    optional("m", "msgTraceEnable", "Message Trace Enable, Default: false"),
    optional("a", "aclEnable", "Acl Enable, Default: false"),
    optional("p", "propertySize", "Property Size, Default: 0"),
    optional("n", "namesrv", "name server, Default: 127.0.0.1:9876"),
];
const GROUP: &str = "benchmark_batch_producer";
/// Name server when neither `-n` nor the environment names one.
const NAME_SERVER: &str = "127.0.0.1:9876";

/// Runs until the process is asked to stop.
pub(in crate::example) fn run(args: &[String]) -> i32 {
    match terminal::arguments("benchmarkBatchProducer", &OPTIONS, args) {
        Ok(given) => execute(produce(given)),
        Err(code) => code,
    }
}

/// What the senders share.
struct Run {
    producer: Producer,
    shape: Shape,
    batch_size: u64,
    counters: BatchSends,
}

async fn produce(given: Given) -> Result<(), Failure> {
    let shape = Shape::read(&given)?;
    let threads = terminal::number(&given, "w", 64usize, 1)?;
    let batch_size = terminal::number(&given, "b", 16, 1)?;
    terminal::line(format_args!(
        "topic: {}, threadCount: {threads}, messageSize: {}, batchSize: {batch_size}, \
         keyEnable: {}, propertySize: {}, tagCount: {}, traceEnable: {}, aclEnable: {}",
        shape.topic,
        shape.body.len(),
        shape.keys,
        shape.property_size,
        shape.tag_count,
        is_traced(&given),
        is_signed(&given),
    ));
    let config = match config(&given, given.get("n")) {
        Err(Failure::NoNameServer) => config(&given, Some(NAME_SERVER))?,
        config => config?,
    };
    let producer = super::producer(GROUP, config, &given).start().await?;
    let run = Arc::new(Run { producer, shape, batch_size, counters: BatchSends::default() });
    let mut senders = JoinSet::new();
    for _ in 0..threads {
        senders.spawn(send_on(Arc::clone(&run)));
    }
    let ended = tokio::select! {
        () = stats::watch(&run.counters) => Ok(()),
        asked = terminal::asked_to_stop() => asked,
    };
    senders.shutdown().await;
    if let Some(run) = Arc::into_inner(run) {
        run.producer.shutdown().await;
    }
    ended
}

async fn send_on(run: Arc<Run>) {
    let sends = &run.counters.0;
    loop {
        let first_tag = sends.messages_succeeded.load(Ordering::Relaxed);
        let tags = first_tag..first_tag + run.batch_size;
        let messages: Vec<_> = tags.map(|tag| run.shape.message(tag)).collect();
        let begin = Instant::now();
        match run.producer.send_batch(&messages).await {
            Ok(result) if result.status == SendStatus::SendOk => {
                sends.succeed(run.batch_size, begin.elapsed());
            }
            Ok(_) => fail(&run),
            Err(error) => {
                fail(&run);
                report(&error);
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

fn fail(run: &Run) {
    run.counters.0.failed.fetch_add(1, Ordering::Relaxed);
    run.counters.0.messages_failed.fetch_add(run.batch_size, Ordering::Relaxed);
}

#[derive(Default)]
struct BatchSends(Sends);

impl Counters for BatchSends {
    type Snapshot = SendsAt;

    fn snapshot(&self) -> SendsAt {
        self.0.snapshot()
    }

    fn line(&self, from: &SendsAt, to: &SendsAt) -> String {
        let requests = to.succeeded - from.succeeded;
        let messages = to.messages_succeeded - from.messages_succeeded;
        let time_us = to.time_total_us - from.time_total_us;
        format!(
            "Current Time: {} | Send TPS: {} | Send MPS: {} | Max RT(ms): {} | \
             Average RT(ms): {} | Average Message RT(ms): {} | Send Failed: {} | \
             Send Message Failed: {}",
            clock::now_ms(),
            stats::rate(requests, from.time_ms, to.time_ms),
            stats::rate(messages, from.time_ms, to.time_ms),
            self.0.time_max_ms(),
            Milliseconds(stats::average_ms(time_us, requests)),
            Milliseconds(stats::average_ms(time_us, messages)),
            to.failed,
            to.messages_failed,
        )
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn prints_the_line_of_java() {
        let counters = BatchSends::default();
        let mut from = counters.snapshot();
        counters.0.succeed(16, Duration::from_micros(3200));
        let to = counters.snapshot();
        from.time_ms = to.time_ms - 1000;
        let line = counters.line(&from, &to);
        let figures = " | Send TPS: 1 | Send MPS: 16 | Max RT(ms): 3 | Average RT(ms):   3.200 | \
                       Average Message RT(ms):   0.200 | Send Failed: 0 | Send Message Failed: 0";
        assert!(line.ends_with(figures), "{line}");
    }
}
