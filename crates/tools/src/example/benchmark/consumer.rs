//! `benchmark.Consumer`: consumes a topic and tells how fast and how late.

use std::sync::Arc;

use rocketmq_client::{ConsumeStatus, MessageExt, MessageSelector};
use rocketmq_common::clock;

use super::stats::{self, Receipts};
use super::{TOPIC, config, is_signed, is_traced, random};
use crate::example::failure::Failure;
use crate::example::{client, execute, terminal};
use crate::options::{COMMON, Given, Opt, optional};

const OPTIONS: [Opt; 11] = [
    COMMON[0],
    COMMON[1],
    optional("t", "topic", "Topic name, Default: BenchmarkTest"),
    optional("w", "threadCount", "Thread count, Default: 20"),
    optional("g", "group", "Consumer group name, Default: benchmark_consumer"),
    optional("p", "group prefix enable", "Consumer group name, Default: true"),
    optional("f", "filterType", "TAG, SQL92"),
    optional("e", "expression", "filter expression content file path.ie: ./test/expr"),
    optional("r", "fail rate", "consumer fail rate, default 0"),
    optional("m", "msgTraceEnable", "Message Trace Enable, Default: false"),
    optional("a", "aclEnable", "Acl Enable, Default: false"),
];
const GROUP: &str = "benchmark_consumer";

/// Runs until the process is asked to stop.
pub(in crate::example) fn run(args: &[String]) -> i32 {
    match terminal::arguments("benchmarkConsumer", &OPTIONS, args) {
        Ok(given) => execute(consume(given)),
        Err(code) => code,
    }
}

async fn consume(given: Given) -> Result<(), Failure> {
    let topic = given.get("t").unwrap_or(TOPIC);
    let workers = terminal::number(&given, "w", 20usize, 1)?;
    let fail_rate: f64 = terminal::number(&given, "r", 0.0, 0.0)?;
    let suffix = terminal::truth(&given, "p", true);
    let group = group(given.get("g").unwrap_or(GROUP), suffix);
    terminal::line(format_args!(
        "topic: {topic}, threadCount {workers}, group: {group}, suffix: {suffix}, \
         filterType: {}, expression: {}, msgTraceEnable: {}, aclEnable: {}",
        given.get("f").unwrap_or("null"),
        given.get("e").unwrap_or("null"),
        is_traced(&given),
        is_signed(&given),
    ));
    let expression = expression(&given)?;
    let receipts = Arc::new(Receipts::default());
    let counted = Arc::clone(&receipts);
    let config = config(&given, given.get("n"))?;
    let listener = move |_, messages: &[MessageExt]| receive(&counted, fail_rate, messages);
    let consumer = client::consumer(&group, config, listener)
        .workers(workers)
        .subscribe(topic, expression.unwrap_or_default());
    let consumer = if is_traced(&given) { consumer.trace(None) } else { consumer };
    let consumer = consumer.start().await?;
    terminal::line(format_args!("Consumer Started."));
    let asked = tokio::select! {
        () = stats::watch(&*receipts) => Ok(()),
        asked = terminal::asked_to_stop() => asked,
    };
    consumer.shutdown().await;
    asked
}

/// With a number of two digits behind it, so that each run starts a group of its own.
fn group(name: &str, suffix: bool) -> String {
    if suffix { format!("{name}_{}", clock::now_ms() % 100) } else { name.to_string() }
}

/// The content of the expression's file, if a filter is asked for.
fn expression(given: &Given) -> Result<Option<MessageSelector>, Failure> {
    let (Some(kind), Some(path)) = (given.get("f"), given.get("e")) else { return Ok(None) };
    if !matches!(kind, "TAG" | "SQL92") {
        return Err(Failure::FilterType(kind.to_string()));
    }
    let text = std::fs::read_to_string(path)
        .map_err(|source| Failure::Expression { path: path.to_string(), source })?;
    let text = text.trim().to_string();
    terminal::line(format_args!("Expression: {text}"));
    let is_sql = kind == "SQL92";
    Ok(Some(if is_sql { MessageSelector::by_sql(text) } else { text.as_str().into() }))
}

fn receive(receipts: &Receipts, fail_rate: f64, messages: &[MessageExt]) -> ConsumeStatus {
    for message in messages {
        receipts.receive(message.born_timestamp, message.store_timestamp);
    }
    // 53 bits are what a number between 0 and 1 holds.
    if ((random() >> 11) as f64 / (1u64 << 53) as f64) < fail_rate {
        receipts.fail();
        return ConsumeStatus::ReconsumeLater;
    }
    ConsumeStatus::Success
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(line: &str) -> Given {
        let args: Vec<String> = line.split_whitespace().map(str::to_string).collect();
        crate::options::parse(&OPTIONS, &args).unwrap()
    }

    #[test]
    fn refuses_filters_it_does_not_know() {
        assert!(expression(&given("-f TAG")).unwrap().is_none());
        assert!(matches!(expression(&given("-f X -e y")), Err(Failure::FilterType(_))));
        assert!(matches!(
            expression(&given("-f SQL92 -e /none/x")),
            Err(Failure::Expression { .. })
        ));
        assert!(matches!(expression(&given("-f TAG -e /none/x")), Err(Failure::Expression { .. })));
    }

    #[test]
    fn reads_filters_of_both_kinds() {
        let file = std::env::temp_dir().join(format!("expression-{}", std::process::id()));
        std::fs::write(&file, " price > 5 \n").unwrap();
        let of = |kind| expression(&given(&format!("-f {kind} -e {}", file.display())));
        let (tags, sql) = (of("TAG").unwrap().unwrap(), of("SQL92").unwrap().unwrap());
        std::fs::remove_file(&file).unwrap();
        assert_eq!(tags, MessageSelector::from("price > 5"));
        assert_eq!(sql, MessageSelector::by_sql("price > 5"));
    }

    #[test]
    fn fails_as_often_as_told() {
        let receipts = Receipts::default();
        assert_eq!(receive(&receipts, 0.0, &[]), ConsumeStatus::Success);
        assert_eq!(receive(&receipts, 1.0, &[]), ConsumeStatus::ReconsumeLater);
    }
}
