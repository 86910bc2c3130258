//! queryCq.

use rocketmq_common::fastjson;
use rocketmq_protocol::body::QueryConsumeQueueBody;

use super::command::{Command, Session};
use super::failure::Failure;
use crate::options::{optional, required};
use crate::out::{json, outln};

pub(crate) const QUERY_CQ: Command = Command {
    name: "queryCq",
    class: "QueryConsumeQueueCommand",
    description: "Query cq command.",
    options: &[
        required("t", "topic", "topic name"),
        required("q", "queue", "queue num, ie. 1"),
        required("i", "index", "start queue index."),
        optional("c", "count", "how many."),
        optional("b", "broker", "broker addr."),
        optional("g", "consumer", "consumer group."),
    ],
    run: |session| Box::pin(query_cq(session)),
};

const LINE: &str = "======================================";

async fn query_cq(session: &Session) -> Result<(), Failure> {
    // Java prints its failures without naming the command.
    match query(session).await {
        Ok(()) => Ok(()),
        Err(failure) => {
            session.complain(failure);
            Ok(())
        }
    }
}

async fn query(session: &Session) -> Result<(), Failure> {
    let Session { admin, given, .. } = session;
    let topic = given.text("t");
    let (queue, index) = (given.number("q", 0)?, given.number("i", 0)?);
    let count = given.number("c", 10)?;
    let address = match given.get("b") {
        Some(address) => address.to_string(),
        None => {
            let route = admin.topic_route(topic).await?;
            let first = route.broker_datas.first();
            first.and_then(|data| data.master()).map(str::to_string).ok_or_else(|| {
                Failure::Other("java.lang.Exception: No topic route data!".to_string())
            })?
        }
    };
    let group = given.get("g");
    let answer = admin.query_consume_queue(&address, (topic, queue), index, count, group).await?;
    if given.json() {
        json(&answer);
        return Ok(());
    }
    print(&answer, index)
}

fn print(answer: &QueryConsumeQueueBody, index: i64) -> Result<(), Failure> {
    if let Some(subscription) = &answer.subscription_data {
        let text = fastjson::to_pretty(subscription);
        let text = text.map_err(|error| Failure::Other(error.to_string()))?;
        outln!("Subscription data: \n{text}\n{LINE}");
    }
    if let Some(filter) = &answer.filter_data {
        outln!("Filter data: \n{filter}\n{LINE}");
    }
    let (max, min) = (answer.max_queue_index, answer.min_queue_index);
    outln!("Queue data: \nmax: {max}, min: {min}\n{LINE}");
    for (at, entry) in (index..).zip(&answer.queue_data) {
        let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "null".to_string());
        outln!(
            "idx: {at}\nConsumeQueueData{{physicOffset={}, physicSize={}, tagsCode={}, \
             extendDataJson='{}', bitMap='{}', eval={}, msg='{}'}}\n{LINE}",
            entry.physic_offset,
            entry.physic_size,
            entry.tags_code,
            text(&entry.extend_data_json),
            text(&entry.bit_map),
            entry.eval,
            text(&entry.msg),
        );
    }
    Ok(())
}
