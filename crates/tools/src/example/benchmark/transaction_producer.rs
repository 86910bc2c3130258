//! `benchmark.TransactionProducer`: many senders, each message in a transaction; runs until it is
//! stopped.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rocketmq_client::{LocalTransactionState, MessageExt, SendStatus, TransactionProducer};
use rocketmq_common::clock;
use tokio::task::JoinSet;

use super::plan::{BYTES, Plan, Rates};
use super::stats::{self, Counters, Sends, SendsAt};
use super::{TOPIC, config, report};
use crate::example::failure::Failure;
use crate::example::{client, execute, terminal};
use crate::options::{COMMON, Given, Opt, optional};

const OPTIONS: [Opt; 12] = [
    COMMON[0],
    COMMON[1],
    optional("w", "threadCount", "Thread count, Default: 32"),
    optional("s", "messageSize", "Message Size, Default: 2048"),
    optional("t", "topic", "Topic name, Default: BenchmarkTest"),
    optional("sr", "send rollback rate", "Send rollback rate, Default: 0.0"),
    optional("su", "send unknown rate", "Send unknown rate, Default: 0.0"),
    optional("cr", "check rollback rate", "Check rollback rate, Default: 0.0"),
    optional("cu", "check unknown rate", "Check unknown rate, Default: 0.0"),
    optional("b", "test batch id", "test batch id, Default: System.currentMillis()"),
    optional("i", "send interval", "sleep interval in millis between messages, Default: 0"),
    optional("a", "aclEnable", "Acl Enable, Default: false"),
];
const GROUP: &str = "benchmark_transaction_producer";
/// Queues of a topic that it creates.
const QUEUES: i32 = 1000;
/// Messages of which it is kept which questions came.
const CHECKED_MAX: usize = 200_000;
/// The property in which the broker counts its questions.
const CHECK_TIMES: &str = "TRANSACTION_CHECK_TIMES";

/// Runs until the process is asked to stop.
pub(in crate::example) fn run(args: &[String]) -> i32 {
    match terminal::arguments("TransactionProducer", &OPTIONS, args) {
        Ok(given) => execute(produce(given)),
        Err(code) => code,
    }
}

/// What senders and the listener share.
struct Run {
    topic: String,
    size: usize,
    rates: Rates,
    batch: i64,
    interval: Duration,
    next_id: AtomicI64,
    counters: Transactions,
    /// Which questions came of a message, a bit each.
    checked: Mutex<HashMap<i64, u32>>,
}

async fn produce(given: Given) -> Result<(), Failure> {
    let threads = terminal::number(&given, "w", 32usize, 1)?;
    let rate = |short| terminal::number(&given, short, 0.0, 0.0);
    let run = Arc::new(Run {
        topic: given.get("t").unwrap_or(TOPIC).trim().to_string(),
        size: terminal::number(&given, "s", 2048, BYTES)?,
        rates: Rates {
            send_rollback: rate("sr")?,
            send_unknown: rate("su")?,
            check_rollback: rate("cr")?,
            check_unknown: rate("cu")?,
        },
        batch: terminal::number(&given, "b", clock::now_ms(), i64::MIN)?,
        interval: Duration::from_millis(terminal::number(&given, "i", 0, 0)?),
        // The upper half tells processes of one batch apart.
        next_id: AtomicI64::new(clock::now_ms() << 32),
        counters: Transactions::default(),
        checked: Mutex::default(),
    });
    let config = config(&given, given.get("n"))?;
    let asked = Arc::clone(&run);
    let producer = client::producer(GROUP, config)
        .default_topic_queue_nums(QUEUES)
        .start_transactional(move |half| std::future::ready(asked.check(&half)))
        .await?;
    let mut senders = JoinSet::new();
    for _ in 0..threads {
        senders.spawn(send_on(Arc::clone(&run), producer.clone()));
    }
    let ended = tokio::select! {
        () = stats::watch(&run.counters) => Ok(()),
        asked = terminal::asked_to_stop() => asked,
    };
    senders.shutdown().await;
    producer.shutdown().await;
    ended
}

async fn send_on(run: Arc<Run>, producer: TransactionProducer) {
    let sends = &run.counters.sends;
    loop {
        let id = run.next_id.fetch_add(1, Ordering::Relaxed);
        let plan = Plan::draw(run.batch, id, &run.rates);
        let local = |_| std::future::ready(Ok::<_, Infallible>(plan.first));
        let begin = Instant::now();
        let message = plan.message(&run.topic, run.size);
        match producer.send_in_transaction(message, local).await {
            Ok(result) if result.send.status == SendStatus::SendOk => {
                sends.succeed(1, begin.elapsed());
            }
            Ok(_) => {
                sends.failed.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => {
                sends.failed.fetch_add(1, Ordering::Relaxed);
                report(&error);
                tokio::time::sleep(super::PAUSE).await;
            }
        }
        if !run.interval.is_zero() {
            tokio::time::sleep(run.interval).await;
        }
    }
}

impl Run {
    /// Answers the broker.
    fn check(&self, half: &MessageExt) -> LocalTransactionState {
        let plan = Plan::read(&half.message.body).filter(|plan| plan.batch == self.batch);
        // A message of another run.
        let Some(plan) = plan else { return LocalTransactionState::RollbackMessage };
        self.counters.checks.fetch_add(1, Ordering::Relaxed);
        let told = half.message.get(CHECK_TIMES).unwrap_or_default();
        let Ok(times) = told.parse::<usize>() else {
            return LocalTransactionState::RollbackMessage;
        };
        let times = times.clamp(1, plan.answers.len());
        if self.is_repeated(plan.id, times) {
            self.counters.repeated.fetch_add(1, Ordering::Relaxed);
        }
        let known = |state: &LocalTransactionState| *state != LocalTransactionState::Unknown;
        if known(&plan.first) {
            self.unexpected(half, told, &format!("sendResult={}", plan.first.name()));
            return plan.first;
        }
        if let Some(last) = plan.answers[..times - 1].iter().copied().find(known) {
            self.unexpected(half, told, &format!("sendResult,lastCheckResult={}", last.name()));
            return last;
        }
        plan.answers[times - 1]
    }

    /// Whether the broker has asked this before.
    fn is_repeated(&self, id: i64, times: usize) -> bool {
        let mut checked = self.checked.lock().unwrap_or_else(PoisonError::into_inner);
        if checked.len() >= CHECKED_MAX {
            checked.clear();
        }
        let bits = checked.entry(id).or_default();
        let bit = 1 << (times - 1);
        let repeated = *bits & bit != 0;
        *bits |= bit;
        repeated
    }

    /// The broker asks though it has been told.
    fn unexpected(&self, half: &MessageExt, times: &str, what: &str) {
        let time = clock::format_time_of_day(clock::now_ms()).replace('.', ",");
        let id = half.msg_id();
        terminal::line(format_args!(
            "{time} unexpected check: msgId={id},txId={id},checkTimes={times},{what}"
        ));
        self.counters.unexpected.fetch_add(1, Ordering::Relaxed);
    }
}

#[derive(Debug, Default)]
struct Transactions {
    sends: Sends,
    checks: AtomicU64,
    unexpected: AtomicU64,
    repeated: AtomicU64,
}

/// [`Transactions`] at one moment.
struct TransactionsAt {
    sends: SendsAt,
    checks: u64,
    unexpected: u64,
    repeated: u64,
}

impl Counters for Transactions {
    type Snapshot = TransactionsAt;

    fn snapshot(&self) -> TransactionsAt {
        TransactionsAt {
            sends: self.sends.snapshot(),
            checks: self.checks.load(Ordering::Relaxed),
            unexpected: self.unexpected.load(Ordering::Relaxed),
            repeated: self.repeated.load(Ordering::Relaxed),
        }
    }

    /// The longest time is that since the last line.
    fn line(&self, from: &TransactionsAt, to: &TransactionsAt) -> String {
        let succeeded = to.sends.succeeded - from.sends.succeeded;
        let failed = to.sends.failed - from.sends.failed;
        let time_us = to.sends.time_total_us - from.sends.time_total_us;
        format!(
            "Current Time: {} Send TPS:{:5} Max RT(ms):{:5} AVG RT(ms):{:3.1} Send Failed: {failed} \
             check: {} unexpectedCheck: {} duplicatedCheck: {} ",
            clock::now_ms(),
            stats::rate(succeeded + failed, from.sends.time_ms, to.sends.time_ms),
            self.sends.take_time_max_ms(),
            stats::average_ms(time_us, succeeded),
            to.checks - from.checks,
            to.unexpected - from.unexpected,
            to.repeated - from.repeated,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_the_line_of_java() {
        let counters = Transactions::default();
        let mut from = counters.snapshot();
        for _ in 0..9 {
            counters.sends.succeed(1, Duration::from_micros(1500));
        }
        counters.sends.failed.fetch_add(1, Ordering::Relaxed);
        counters.checks.fetch_add(3, Ordering::Relaxed);
        let to = counters.snapshot();
        from.sends.time_ms = to.sends.time_ms - 2000;
        let line = counters.line(&from, &to);
        let figures = "Send TPS:    5 Max RT(ms):    1 AVG RT(ms):1.5 Send Failed: 1 check: 3 \
                       unexpectedCheck: 0 duplicatedCheck: 0 ";
        assert!(line.ends_with(figures), "{line}");
        // The longest time begins anew.
        assert!(counters.line(&from, &to).contains("Max RT(ms):    0 "));
    }

    #[test]
    fn notices_questions_that_come_again() {
        let run = Run {
            topic: TOPIC.to_string(),
            size: BYTES,
            rates: Rates::default(),
            batch: 1,
            interval: Duration::ZERO,
            next_id: AtomicI64::new(0),
            counters: Transactions::default(),
            checked: Mutex::default(),
        };
        let asked = [(1, 1), (1, 2), (2, 1), (1, 1)].map(|(id, times)| run.is_repeated(id, times));
        assert_eq!(asked, [false, false, false, true]);
    }
}
