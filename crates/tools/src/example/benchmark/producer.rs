//! `benchmark.Producer`: many senders, one message a request.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use rocketmq_client::Producer;
use rocketmq_common::clock;
use tokio::task::JoinSet;

use super::stats::{self, Counters, Milliseconds, Sends, SendsAt};
use super::{PAUSE, Shape, config, is_signed, is_traced, report};
use crate::example::failure::Failure;
use crate::example::{client, execute, terminal};
use crate::options::{COMMON, Given, Opt, optional};

const OPTIONS: [Opt; 11] = [
    COMMON[0],
    COMMON[1],
    optional("w", "threadCount", "Thread count, Default: 64"),
    optional("s", "messageSize", "Message Size, Default: 128"),
    optional("k", "keyEnable", "Message Key Enable, Default: false"),
    optional("p", "propertySize", "Property Size, Default: 0"),
    optional("t", "topic", "Topic name, Default: BenchmarkTest"),
    optional("l", "tagCount", "Tag count, Default: 0"),
    optional("m", "msgTraceEnable", "Message Trace Enable, Default: false"),
    optional("a", "aclEnable", "Acl Enable, Default: false"),
    optional("q", "messageQuantity", "Send message quantity, Default: 0, running forever"),
];
const GROUP: &str = "benchmark_producer";

/// Runs until the quantity is sent or the process is asked to stop.
pub(in crate::example) fn run(args: &[String]) -> i32 {
    match terminal::arguments("benchmarkProducer", &OPTIONS, args) {
        Ok(given) => execute(produce(given)),
        Err(code) => code,
    }
}

/// What the senders share.
struct Run {
    producer: Producer,
    shape: Shape,
    /// Messages to send; 0: without end.
    quantity: u64,
    /// Messages that senders have taken up.
    taken: AtomicU64,
    counters: SingleSends,
}

async fn produce(given: Given) -> Result<(), Failure> {
    let shape = Shape::read(&given)?;
    let threads = terminal::number(&given, "w", 64usize, 1)?;
    let quantity = terminal::number(&given, "q", 0, 0)?;
    terminal::line(format_args!(
        "topic: {} threadCount: {threads} messageSize: {} keyEnable: {} propertySize: {} \
         tagCount: {} traceEnable: {} aclEnable: {} messageQuantity: {quantity}",
        shape.topic,
        shape.body.len(),
        shape.keys,
        shape.property_size,
        shape.tag_count,
        is_traced(&given),
        is_signed(&given),
    ));
    let config = config(&given, given.get("n"))?;
    let producer = super::producer(GROUP, config, &given).compress_over(usize::MAX).start().await?;
    let (taken, counters) = (AtomicU64::new(0), SingleSends::default());
    let run = Arc::new(Run { producer, shape, quantity, taken, counters });
    let from = run.counters.snapshot();
    let mut senders = JoinSet::new();
    for _ in 0..threads {
        senders.spawn(send_on(Arc::clone(&run)));
    }
    let ended = tokio::select! {
        () = async { while senders.join_next().await.is_some() {} } => {
            terminal::line(format_args!("{}", run.counters.summary(&from)));
            Ok(())
        }
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
    while run.quantity == 0 || run.taken.fetch_add(1, Ordering::Relaxed) < run.quantity {
        let message = run.shape.message(clock::now_ms().unsigned_abs());
        let begin = Instant::now();
        let sends = &run.counters.0;
        match run.producer.send(message).await {
            Ok(_) => sends.succeed(1, begin.elapsed()),
            Err(error) => {
                let refused = client::is_refusal(&error);
                let counter = if refused { &sends.refused } else { &sends.failed };
                counter.fetch_add(1, Ordering::Relaxed);
                report(&error);
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

#[derive(Default)]
struct SingleSends(Sends);

impl Counters for SingleSends {
    type Snapshot = SendsAt;

    fn snapshot(&self) -> SendsAt {
        self.0.snapshot()
    }

    fn line(&self, from: &SendsAt, to: &SendsAt) -> String {
        format!("Current Time: {} {}", clock::now_ms(), self.figures(from, to))
    }
}

impl SingleSends {
    /// The last line, about the whole run.
    fn summary(&self, from: &SendsAt) -> String {
        let to = self.snapshot();
        let total = to.succeeded + to.failed + to.refused;
        format!("[Complete] Send Total: {total} {}", self.figures(from, &to))
    }

    fn figures(&self, from: &SendsAt, to: &SendsAt) -> String {
        let sent = to.succeeded - from.succeeded;
        format!(
            "Send TPS: {} Max RT(ms): {} Average RT(ms): {} Send Failed: {} Response Failed: {}",
            stats::rate(sent, from.time_ms, to.time_ms),
            self.0.time_max_ms(),
            Milliseconds(stats::average_ms(to.time_total_us - from.time_total_us, sent)),
            to.failed,
            to.refused,
        )
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn prints_the_lines_of_java() {
        let counters = SingleSends::default();
        let mut from = counters.snapshot();
        for _ in 0..10 {
            counters.0.succeed(1, Duration::from_micros(1500));
        }
        counters.0.refused.fetch_add(2, Ordering::Relaxed);
        let to = counters.snapshot();
        from.time_ms = to.time_ms - 2000;
        let figures =
            "Send TPS: 5 Max RT(ms): 1 Average RT(ms):   1.500 Send Failed: 0 Response Failed: 2";
        assert!(counters.line(&from, &to).ends_with(figures), "{}", counters.line(&from, &to));
        assert!(counters.summary(&from).starts_with("[Complete] Send Total: 12 Send TPS: "));
    }
}
