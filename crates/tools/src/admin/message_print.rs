//! printMsg, printMsgByQueue, consumeMessage: messages in the order of their queues.

use std::collections::BTreeMap;

use rocketmq_client::{ClientError, MessageQueue, PullConsumer, PullStatus};
use rocketmq_common::{clock, java};
use rocketmq_protocol::ResponseCode;

use super::command::{Command, Session};
use super::failure::Failure;
use super::message_view::print_line;
use crate::options::{Given, NotANumber, Opt, optional, required};
use crate::out::{out, outln};

pub(crate) const PRINT_MSG: Command = Command {
    name: "printMsg",
    class: "PrintMessageSubCommand",
    description: "Print Message Detail",
    options: &[
        required("t", "topic", "topic name"),
        CHARSET,
        EXPRESSION,
        BEGIN,
        END,
        optional("d", "printBody ", "print body"),
    ],
    run: |session| Box::pin(print_msg(session)),
};

pub(crate) const PRINT_MSG_BY_QUEUE: Command = Command {
    name: "printMsgByQueue",
    class: "PrintMessageByQueueCommand",
    description: "Print Message Detail",
    options: &[
        required("t", "topic", "topic name"),
        required("a", "brokerName ", "broker name"),
        required("i", "queueId ", "queue id"),
        CHARSET,
        EXPRESSION,
        BEGIN,
        END,
        optional("p", "print msg", "print msg. eg: true | false(default)"),
        optional("d", "printBody ", "print body. eg: true | false(default)"),
        optional("f", "calculate", "calculate by tag. eg: true | false(default)"),
    ],
    run: |session| Box::pin(print_msg_by_queue(session)),
};

pub(crate) const CONSUME_MESSAGE: Command = Command {
    name: "consumeMessage",
    class: "ConsumeMessageCommand",
    description: "Consume message",
    options: &[
        required("t", "topic", "Topic name"),
        optional("b", "brokerName", "Broker name"),
        optional("i", "queueId", "Queue Id"),
        optional("o", "offset", "Queue offset"),
        optional("g", "consumerGroup", "Consumer group name"),
        optional("s", BEGIN.long, BEGIN.help),
        optional("e", END.long, END.help),
        optional("c", "MessageNumber", "Number of message to be consumed"),
    ],
    run: |session| Box::pin(consume_message(session)),
};

// The blanks at the ends of the names are Java's.
const CHARSET: Opt = optional("c", "charsetName ", "CharsetName(eg: UTF-8,GBK)");
const EXPRESSION: Opt = optional("s", "subExpression ", "Subscribe Expression(eg: TagA || TagB)");
const BEGIN: Opt =
    optional("b", "beginTimestamp ", "Begin timestamp[currentTimeMillis|yyyy-MM-dd#HH:mm:ss:SSS]");
const END: Opt =
    optional("e", "endTimestamp ", "End timestamp[currentTimeMillis|yyyy-MM-dd#HH:mm:ss:SSS]");

/// Group that the tools read as.
pub(crate) const TOOLS_GROUP: &str = "TOOLS_CONSUMER";
/// Messages that one pull asks for.
const BATCH: i32 = 32;

/// The time that an option gives, ms.
fn time(given: &Given, short: &str) -> Result<Option<i64>, NotANumber> {
    let Some(text) = given.get(short) else { return Ok(None) };
    let time = text.parse().ok().or_else(|| clock::parse_tool_time(text));
    time.map(Some).ok_or_else(|| NotANumber(text.to_string()))
}

/// A reader of queues and what it needs of the brokers.
pub(crate) struct Reader<'a> {
    session: &'a Session,
    consumer: PullConsumer,
    /// Master addresses by broker name.
    addresses: BTreeMap<String, String>,
}

impl<'a> Reader<'a> {
    pub(crate) async fn start(
        session: &'a Session,
        group: &str,
        topic: &str,
    ) -> Result<Reader<'a>, Failure> {
        let route = session.admin.topic_route(topic).await?;
        let addresses = route
            .broker_datas
            .iter()
            .filter_map(|data| Some((data.broker_name.clone(), data.any_address()?.to_string())));
        let addresses = addresses.collect();
        let consumer = PullConsumer::start(group, session.admin.client_config()).await?;
        Ok(Reader { session, consumer, addresses })
    }

    fn address(&self, queue: &MessageQueue) -> Result<&str, ClientError> {
        let name = &queue.broker_name;
        let address = self.addresses.get(name).map(String::as_str);
        address.ok_or_else(|| ClientError::illegal(format!("The broker[{name}] not exist")))
    }

    /// Bounds of a queue, narrowed to what was stored between the times.
    async fn bounds(
        &self,
        queue: &MessageQueue,
        begin: Option<i64>,
        end: Option<i64>,
    ) -> Result<(i64, i64), ClientError> {
        let (admin, address) = (&self.session.admin, self.address(queue)?);
        let min = match begin {
            Some(time) => admin.search_offset(address, queue, time).await?,
            None => admin.min_offset(address, queue).await?,
        };
        let max = match end {
            Some(time) => admin.search_offset(address, queue, time).await?,
            None => admin.max_offset(address, queue).await?,
        };
        Ok((min, max))
    }

    /// The topic's queues, in Java's order.
    async fn queues(&self, topic: &str) -> Result<Vec<MessageQueue>, ClientError> {
        let mut queues = self.consumer.fetch_queues(topic).await?;
        java::sort_by_hash(&mut queues, MessageQueue::java_hash);
        Ok(queues)
    }
}

async fn print_msg(session: &Session) -> Result<(), Failure> {
    let given = &session.given;
    let topic = given.text("t");
    let (begin, end) = (time(given, "b")?, time(given, "e")?);
    let charset = given.get("c").unwrap_or("UTF-8");
    let expression = given.get("s").unwrap_or("*");
    let with_body = !given.has("d") || given.is_true("d");
    let reader = Reader::start(session, TOOLS_GROUP, topic).await?;
    for queue in reader.queues(topic).await? {
        let (min, max) = reader.bounds(&queue, begin, end).await?;
        out!("minOffset={min}, maxOffset={max}, {queue}");
        let mut offset = min;
        while offset < max {
            let pulled = match reader.consumer.pull(&queue, expression, offset, BATCH).await {
                Ok(pulled) => pulled,
                Err(error) => {
                    session.complain(error);
                    break;
                }
            };
            offset = pulled.next_begin_offset;
            let status = pulled.status.name();
            match pulled.status {
                PullStatus::Found => {
                    pulled.messages.iter().for_each(|m| print_line(m, charset, with_body));
                }
                PullStatus::NoMatchedMsg => {
                    out!("{queue} no matched msg. status={status}, offset={offset}");
                }
                PullStatus::NoNewMsg | PullStatus::OffsetIllegal => {
                    out!("{queue} print msg finished. status={status}, offset={offset}");
                    break;
                }
            }
        }
    }
    reader.consumer.shutdown().await;
    Ok(())
}

async fn print_msg_by_queue(session: &Session) -> Result<(), Failure> {
    let given = &session.given;
    let topic = given.text("t");
    let (begin, end) = (time(given, "b")?, time(given, "e")?);
    let charset = given.get("c").unwrap_or("UTF-8");
    let expression = given.get("s").unwrap_or("*");
    let queue = MessageQueue {
        topic: topic.to_string(),
        broker_name: given.text("a").to_string(),
        queue_id: given.number("i", 0)?,
    };
    let reader = Reader::start(session, TOOLS_GROUP, topic).await?;
    let (mut offset, max) = reader.bounds(&queue, begin, end).await?;
    let mut counts: BTreeMap<String, i64> = BTreeMap::new();
    while offset < max {
        let pulled = match reader.consumer.pull(&queue, expression, offset, BATCH).await {
            Ok(pulled) => pulled,
            Err(error) => {
                session.complain(error);
                break;
            }
        };
        offset = pulled.next_begin_offset;
        if !matches!(pulled.status, PullStatus::Found | PullStatus::NoMatchedMsg) {
            break;
        }
        for message in &pulled.messages {
            if let Some(tag) = message.message.tags().filter(|tag| !tag.trim().is_empty()) {
                *counts.entry(tag.to_string()).or_default() += 1;
            }
            if given.is_true("p") {
                print_line(message, charset, given.is_true("d"));
            }
        }
    }
    reader.consumer.shutdown().await;
    if given.is_true("f") {
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_by_key(|(_, count)| -count);
        counts.iter().for_each(|(tag, count)| outln!("Tag: {tag:<30} Count: {count}"));
    }
    Ok(())
}

/// What consumeMessage is asked for.
struct Wanted {
    begin: Option<i64>,
    end: Option<i64>,
    count: i64,
}

/// What is wrong with the options, in Java's words.
fn refusal(given: &Given, wanted: &Wanted) -> Option<&'static str> {
    let now = clock::now_ms();
    if given.has("c") && wanted.count <= 0 {
        return Some("Please input a positive messageNumber!");
    }
    if given.has("i") && !given.has("b") {
        return Some("Please set the brokerName before queueId!");
    }
    if given.has("o") && !given.has("i") {
        return Some("Please set queueId before offset!");
    }
    if wanted.begin.is_some_and(|begin| begin > now) {
        return Some("Please set the beginTimestamp before now!");
    }
    if wanted.end.is_some_and(|end| end > now) {
        return Some("Please set the endTimestamp before now!");
    }
    if wanted.end.is_some_and(|end| wanted.begin.unwrap_or(0) > end) {
        return Some(
            "Please make sure that the beginTimestamp is less than or equal to the endTimestamp",
        );
    }
    None
}

async fn consume_message(session: &Session) -> Result<(), Failure> {
    let given = &session.given;
    let topic = given.text("t");
    let wanted =
        Wanted { begin: time(given, "s")?, end: time(given, "e")?, count: given.number("c", 128)? };
    if let Some(text) = refusal(given, &wanted) {
        out!("{text}");
        session.note(&Failure::Usage);
        return Ok(());
    }
    let (queue_id, offset) = (given.number("i", 0)?, given.number("o", 0)?);
    let group = given.get("g").unwrap_or(TOOLS_GROUP);
    let done = match Reader::start(session, group, topic).await {
        Ok(reader) => {
            let done = if given.has("i") {
                let broker_name = given.text("b").to_string();
                let queue = MessageQueue { topic: topic.to_string(), broker_name, queue_id };
                of_one_queue(&reader, &queue, offset, &wanted).await
            } else {
                of_all_queues(&reader, topic, &wanted).await
            };
            reader.consumer.shutdown().await;
            done
        }
        Err(Failure::Client(error)) if error.code() == ResponseCode::TOPIC_NOT_EXIST => {
            let text = format!("Can not find Message Queue for this topic, {topic}");
            Err(ClientError::illegal(text).into())
        }
        Err(failure) => Err(failure),
    };
    if let Err(failure) = done {
        session.complain(failure);
    }
    Ok(())
}

async fn of_all_queues(reader: &Reader<'_>, topic: &str, wanted: &Wanted) -> Result<(), Failure> {
    let mut left = wanted.count;
    for queue in reader.queues(topic).await? {
        if left == 0 {
            break;
        }
        let (min, mut max) = reader.bounds(&queue, wanted.begin, wanted.end).await?;
        if max - min > left {
            let id = queue.queue_id;
            outln!("The older {left} message of the {id} queue will be provided");
            max = min + left - 1;
            left = 0;
        } else {
            // One more than there was, as in Java: scripts know the numbers.
            left -= max - min + 1;
        }
        pull(reader, &queue, min, max).await;
    }
    Ok(())
}

async fn of_one_queue(
    reader: &Reader<'_>,
    queue: &MessageQueue,
    offset: i64,
    wanted: &Wanted,
) -> Result<(), Failure> {
    let (min, mut max) = reader.bounds(queue, wanted.begin, wanted.end).await?;
    if offset > max {
        outln!("{queue} no matched msg, offset={offset}");
        return Ok(());
    }
    let min = min.max(offset);
    if max - min > wanted.count {
        outln!("The oldler {} message will be provided", wanted.count);
        max = min + wanted.count - 1;
    }
    pull(reader, queue, min, max).await;
    Ok(())
}

/// Prints what lies from one offset to another, both included.
async fn pull(reader: &Reader<'_>, queue: &MessageQueue, min: i64, max: i64) {
    let mut offset = min;
    while offset <= max {
        let count = i32::try_from(max - offset + 1).unwrap_or(i32::MAX);
        let pulled = match reader.consumer.pull(queue, "*", offset, count).await {
            Ok(pulled) => pulled,
            Err(error) => return reader.session.complain(error),
        };
        offset = pulled.next_begin_offset;
        let status = pulled.status.name();
        match pulled.status {
            PullStatus::Found => {
                outln!("Consume ok");
                pulled.messages.iter().for_each(|message| print_line(message, "UTF-8", true));
            }
            PullStatus::NoMatchedMsg => {
                outln!("{queue} no matched msg. status={status}, offset={offset}");
            }
            PullStatus::NoNewMsg | PullStatus::OffsetIllegal => {
                outln!("{queue} print msg finished. status={status}, offset={offset}");
                return;
            }
        }
    }
}
