//! sendMessage, and how long sends take: checkMsgSendRT, sendMsgStatus, clusterRT.

use std::time::{Duration, Instant};

use rocketmq_client::{Message, MessageQueue, Producer};
use rocketmq_common::clock;

use super::command::{Command, Session};
use super::failure::Failure;
use crate::options::{optional, required};
use crate::out::{Table, is_closed, out, outln};
use crate::printf::fixed;

pub(crate) const SEND_MESSAGE: Command = Command {
    name: "sendMessage",
    class: "SendMessageCommand",
    description: "Send a message",
    options: &[
        required("t", "topic", "Topic name"),
        required("p", "body", "UTF-8 string format of the message body"),
        optional("k", "key", "Message keys"),
        optional("c", "tags", "Message tags"),
        optional("b", "broker", "Send message to target broker"),
        optional("i", "qid", "Send message to target queue"),
        optional("m", "msgTraceEnable", "Message Trace Enable, Default: false"),
    ],
    run: |session| Box::pin(send_message(session)),
};

pub(crate) const CHECK_MSG_SEND_RT: Command = Command {
    name: "checkMsgSendRT",
    class: "CheckMsgSendRTCommand",
    description: "check message send response time",
    options: &[
        required("t", "topic", "topic name"),
        optional("a", "amount", "message amount | default 100"),
        required("s", "size", "message size | default 128 Byte"),
    ],
    run: |session| Box::pin(check_msg_send_rt(session)),
};

pub(crate) const SEND_MSG_STATUS: Command = Command {
    name: "sendMsgStatus",
    class: "SendMsgStatusCommand",
    description: "send msg to broker.",
    options: &[
        required("b", "brokerName", "Broker Name"),
        optional("s", "messageSize", "Message Size, Default: 128"),
        optional("c", "count", "send message count, Default: 50"),
    ],
    run: |session| Box::pin(send_msg_status(session)),
};

pub(crate) const CLUSTER_RT: Command = Command {
    name: "clusterRT",
    class: "CLusterSendMsgRTCommand",
    description: "List All clusters Message Send RT",
    options: &[
        optional("a", "amount", "message amount | default 100"),
        required("s", "size", "message size | default 128 Byte"),
        optional("c", "cluster", "cluster name | default display all cluster"),
        optional("p", "print log", "print as tlog | default false"),
        optional("m", "machine room", "machine room name | default noname"),
        optional("i", "interval", "print interval | default 10 seconds"),
    ],
    run: |session| Box::pin(cluster_rt(session)),
};

/// Rounds that clusterRT makes without `-a`, whatever its help says.
const CLUSTER_RT_AMOUNT: i64 = 50;

/// A body of so many bytes.
fn filler(size: usize) -> Vec<u8> {
    vec![b'a'; size]
}

/// A group name of its own for a tool's producer.
fn own_group() -> String {
    clock::now_ms().to_string()
}

async fn send_message(session: &Session) -> Result<(), Failure> {
    let Session { admin, given, .. } = session;
    let queue_id: Option<i32> = match given.has("i") {
        true => Some(given.number("i", 0)?),
        false => None,
    };
    if queue_id.is_some() && !given.has("b") {
        out!("Broker name must be set if the queue is chosen!");
        session.note(&Failure::Usage);
        return Ok(());
    }
    let topic = given.text("t");
    let mut message = Message::new(topic, given.text("p").as_bytes().to_vec());
    if let Some(tags) = given.get("c") {
        message = message.with_tags(tags);
    }
    if let Some(keys) = given.get("k") {
        message = message.with_keys(keys);
    }
    let mut producer = admin.producer(&own_group());
    if given.is_true("m") {
        // The shutdown below sends the record.
        producer = producer.trace(None);
    }
    let producer = producer.start().await?;
    let sent = match (given.get("b"), queue_id) {
        (Some(broker), Some(queue_id)) => {
            let broker_name = broker.to_string();
            let queue = MessageQueue { topic: topic.to_string(), broker_name, queue_id };
            producer.send_to_queue(message, &queue).await
        }
        _ => producer.send(message).await,
    };
    producer.shutdown().await;
    let sent = sent?;
    let format = "%-32s  %-4s  %-20s    %s";
    let columns = ["#Broker Name", "#QID", "#Send Result", "#MsgId"];
    let mut table = Table::new(given.json(), format, format, &columns);
    table.row([
        (&sent.message_queue.broker_name).into(),
        sent.message_queue.queue_id.into(),
        sent.status.name().into(),
        (&sent.msg_id).into(),
    ]);
    table.finish();
    Ok(())
}

/// Mean of all times but the first, which finds the way; ms.
fn mean(times: &[i64]) -> f64 {
    let later = times.get(1..).unwrap_or_default();
    later.iter().sum::<i64>() as f64 / (times.len() as f64 - 1.0)
}

fn elapsed_ms(start: Instant) -> i64 {
    i64::try_from(start.elapsed().as_millis()).unwrap_or(i64::MAX)
}

async fn check_msg_send_rt(session: &Session) -> Result<(), Failure> {
    let Session { admin, given, .. } = session;
    let topic = given.text("t");
    let (amount, size): (usize, usize) = (given.number("a", 100)?, given.number("s", 128)?);
    let producer = admin.producer(&own_group()).start().await?;
    let mut table = Table::new(
        given.json(),
        "%-32s  %-4s  %-20s    %s",
        "%-32s  %-4s  %-20s    %s",
        &["#Broker Name", "#QID", "#Send Result", "#RT"],
    );
    let mut times = Vec::with_capacity(amount);
    let mut queue = MessageQueue { topic: String::new(), broker_name: String::new(), queue_id: 0 };
    for index in 0..amount {
        let start = Instant::now();
        let sent = async {
            let queues = producer.fetch_publish_queues(topic).await?;
            if let Some(next) = queues.get(index % queues.len().max(1)) {
                queue = next.clone();
            }
            producer.send_to_queue(Message::new(topic, filler(size)), &queue).await
        };
        let sent = sent.await;
        let time = elapsed_ms(start);
        times.push(time);
        let name = (&queue.broker_name).into();
        table.row([name, queue.queue_id.into(), sent.is_ok().to_string().into(), time.into()]);
        if let Err(error) = sent {
            session.note(&error.into());
        }
    }
    producer.shutdown().await;
    table.finish();
    if !given.json() {
        outln!("Avg RT: {}", fixed(mean(&times), 2));
    }
    Ok(())
}

async fn send_msg_status(session: &Session) -> Result<(), Failure> {
    let Session { admin, given, .. } = session;
    // Each broker has a topic of its own name.
    let topic = given.text("b");
    let (size, count): (usize, usize) = (given.number("s", 128)?, given.number("c", 50)?);
    let producer = admin.producer("PID_SMSC").start().await?;
    producer.send(Message::new(topic, filler(16))).await?;
    for _ in 0..count {
        let start = Instant::now();
        let sent = producer.send(Message::new(topic, filler(size))).await?;
        out!("rt:{}ms, SendResult={sent}", elapsed_ms(start));
    }
    producer.shutdown().await;
    Ok(())
}

async fn cluster_rt(session: &Session) -> Result<(), Failure> {
    let Session { admin, given, .. } = session;
    let amount: i64 = given.number("a", CLUSTER_RT_AMOUNT)?;
    let interval = Duration::from_secs(given.number("i", 10)?);
    let size = given.number("s", 128)?;
    let clusters = session.cluster_info().await?.cluster_addr_table;
    let mut names: Vec<&str> = match given.get("c") {
        Some(cluster) => vec![cluster],
        None => clusters.keys().map(String::as_str).collect(),
    };
    rocketmq_common::java::sort_as_hash_map(&mut names, |name| name);
    let producer = admin.producer(&own_group()).start().await?;
    let as_log = given.is_true("p");
    let mut table = Table::headless(false, "%-24s  %-24s  %-8s  %-16s  %-16s", &[]);
    if !as_log {
        let columns = ["#Cluster Name", "#Broker Name", "#RT", "#successCount", "#failCount"];
        table = Table::new(
            false,
            "%-24s  %-24s  %-4s  %-8s  %-8s",
            "%-24s  %-24s  %-8s  %-16s  %-16s",
            &columns,
        );
    }
    loop {
        for cluster in &names {
            let Some(brokers) = clusters.get(*cluster) else {
                out!("cluster [{cluster}] not exist");
                break;
            };
            for broker in brokers {
                let (rt, done, failed) = round(session, &producer, broker, amount, size).await;
                if as_log {
                    let time = clock::format_seconds_gmt8(clock::now_ms());
                    let room = given.get("m").unwrap_or("noname");
                    outln!("{time}|{room}|{cluster}|{broker}|{}", fixed(rt, 0));
                } else {
                    let rt = fixed(rt, 2).into();
                    table.row([(*cluster).into(), broker.into(), rt, done.into(), failed.into()]);
                }
            }
        }
        if is_closed() {
            return Ok(());
        }
        tokio::time::sleep(interval).await;
    }
}

/// Sends to one broker; mean time, how many succeeded and how many failed.
async fn round(
    session: &Session,
    producer: &Producer,
    broker: &str,
    amount: i64,
    size: usize,
) -> (f64, i64, i64) {
    let (mut times, mut failed) = (Vec::new(), 0);
    for _ in 0..amount {
        let start = Instant::now();
        if let Err(error) = producer.send(Message::new(broker, filler(size))).await {
            failed += 1;
            session.note(&error.into());
        }
        times.push(elapsed_ms(start));
    }
    (mean(&times), amount - failed, failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_send_does_not_count() {
        assert_eq!(mean(&[500, 2, 4]), 3.0);
        assert!(mean(&[500]).is_nan());
    }
}
