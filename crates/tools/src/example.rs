//! The example programs of RocketMQ's distribution: the quick start, the benchmark, and one small
//! program for each feature, which is also the sample code of the client library.

mod batch;
mod benchmark;
mod broadcast;
mod client;
mod failure;
mod filter;
mod namespace;
mod ordermessage;
mod quickstart;
mod received;
mod rpc;
mod schedule;
mod simple;
mod terminal;
mod tracemessage;
mod transaction;

use std::future::Future;

use rocketmq_common::{home, logging};

/// A program: takes its arguments, returns its exit code.
type Program = fn(&[String]) -> i32;

/// Every program, by its Java class's name below `org.apache.rocketmq.example.`.
const PROGRAMS: &[(&str, Program)] = &[
    ("quickstart.Producer", quickstart::produce),
    ("quickstart.Consumer", quickstart::consume),
    ("simple.Producer", |_| sample(simple::producer())),
    ("simple.AsyncProducer", |_| sample(simple::async_producer())),
    ("simple.OnewayProducer", |_| sample(simple::oneway_producer())),
    ("simple.PushConsumer", |_| sample(simple::push_consumer())),
    ("simple.PullConsumer", |_| sample(simple::pull_consumer())),
    ("simple.LitePullConsumerSubscribe", |_| sample(simple::lite_pull_subscribe())),
    ("simple.LitePullConsumerAssign", |_| sample(simple::lite_pull_assign())),
    ("simple.AclClient", |_| sample(simple::acl_client())),
    ("ordermessage.Producer", |_| sample(ordermessage::producer())),
    ("ordermessage.Consumer", |_| sample(ordermessage::consumer())),
    ("schedule.ScheduledMessageProducer", |_| sample(schedule::producer())),
    ("schedule.ScheduledMessageConsumer", |_| sample(schedule::consumer())),
    ("batch.SimpleBatchProducer", |_| sample(batch::simple_producer())),
    ("batch.SplitBatchProducer", |_| sample(batch::split_producer())),
    ("filter.TagFilterProducer", |_| sample(filter::tag_producer())),
    ("filter.TagFilterConsumer", |_| sample(filter::tag_consumer())),
    ("filter.SqlFilterProducer", |_| sample(filter::sql_producer())),
    ("filter.SqlFilterConsumer", |_| sample(filter::sql_consumer())),
    ("broadcast.PushConsumer", |_| sample(broadcast::push_consumer())),
    ("transaction.TransactionProducer", |_| sample(transaction::producer())),
    ("tracemessage.TraceProducer", |_| sample(tracemessage::producer())),
    ("tracemessage.TracePushConsumer", |_| sample(tracemessage::push_consumer())),
    ("rpc.RequestProducer", |_| sample(rpc::request_producer())),
    ("rpc.AsyncRequestProducer", |_| sample(rpc::async_request_producer())),
    ("rpc.ResponseConsumer", |_| sample(rpc::response_consumer())),
    ("namespace.ProducerWithNamespace", |_| sample(namespace::producer())),
    ("namespace.PushConsumerWithNamespace", |_| sample(namespace::push_consumer())),
    ("benchmark.Producer", benchmark::producer::run),
    ("benchmark.Consumer", benchmark::consumer::run),
    ("benchmark.BatchProducer", benchmark::batch_producer::run),
    ("benchmark.TransactionProducer", benchmark::transaction_producer::run),
];

/// Names that [`run`] knows.
pub fn names() -> impl Iterator<Item = &'static str> {
    PROGRAMS.iter().map(|(name, _)| *name)
}

/// Runs a program to its end and returns its exit code; `None` if no program has that name.
pub fn run(name: &str, args: &[String]) -> Option<i32> {
    let (_, program) = PROGRAMS.iter().find(|(known, _)| *known == name)?;
    Some(program(args))
}

/// Runs a program that takes nothing but the environment: `NAMESRV_ADDR` must be set.
fn sample(work: impl Future<Output = Result<(), failure::Failure>>) -> i32 {
    execute(async {
        client::config(None, None)?;
        work.await
    })
}

/// Runs a program's work with a client's log file and a runtime; a failure goes to standard error.
fn execute(work: impl Future<Output = Result<(), failure::Failure>>) -> i32 {
    let _logs = logging::init(logging::Profile::Client, &home::user_home());
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("the runtime cannot be started: {error}");
            return 255;
        }
    };
    match runtime.block_on(work) {
        Ok(()) => 0,
        Err(failure) => {
            eprintln!("{failure}");
            1
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_its_programs_only() {
        assert_eq!(run("quickstart.Nothing", &[]), None);
        assert_eq!(run("benchmark.Producer", &["-h".to_string()]), Some(0));
        assert_eq!(run("benchmark.Consumer", &["-z".to_string()]), Some(1));
    }
}
