//! The quick start: a producer of 1,000 messages and a consumer that prints what it receives.

use std::sync::Once;
use std::time::Duration;

use rocketmq_client::{ConsumeFromWhere, ConsumeStatus, Message, MessageExt, Producer};

use super::{client, execute, received, terminal};

const TOPIC: &str = "TopicTest";
const TAGS: &str = "TagA";
const PRODUCER_GROUP: &str = "please_rename_unique_group_name";
const CONSUMER_GROUP: &str = "please_rename_unique_group_name_4";
const MESSAGES: usize = 1000;
/// Pause after a message that could not be sent.
const PAUSE: Duration = Duration::from_secs(1);

/// `quickstart.Producer`: sends the messages one after another and prints each answer.
pub(super) fn produce(_args: &[String]) -> i32 {
    execute(async {
        let config = client::config(None, None)?;
        let producer = client::producer(PRODUCER_GROUP, config).start().await?;
        let sent = tokio::select! {
            () = send_all(&producer) => Ok(()),
            asked = terminal::asked_to_stop() => asked,
        };
        producer.shutdown().await;
        sent
    })
}

async fn send_all(producer: &Producer) {
    for index in 0..MESSAGES {
        let message = Message::new(TOPIC, format!("Hello RocketMQ {index}")).with_tags(TAGS);
        match producer.send(message).await {
            Ok(result) => terminal::line(format_args!("{result}")),
            Err(error) => {
                eprintln!("{error}");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// `quickstart.Consumer`: prints messages from the topic's beginning until it is asked to stop.
pub(super) fn consume(_args: &[String]) -> i32 {
    execute(async {
        let config = client::config(None, None)?;
        let consumer = client::consumer(CONSUMER_GROUP, config, print_received)
            .consume_from(ConsumeFromWhere::FirstOffset)
            .subscribe(TOPIC, "*");
        let consumer = consumer.start().await?;
        say_started();
        let asked = terminal::asked_to_stop().await;
        consumer.shutdown().await;
        asked
    })
}

/// Says so before the first message, which may arrive before the start has returned.
fn say_started() {
    static SAID: Once = Once::new();
    SAID.call_once(|| terminal::line(format_args!("Consumer Started.")));
}

fn print_received(worker: usize, messages: &[MessageExt]) -> ConsumeStatus {
    say_started();
    terminal::line(format_args!("{} ", received::text(worker, messages)));
    ConsumeStatus::Success
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_what_java_prints() {
        let mut message = Message { topic: TOPIC.to_string(), ..Message::default() };
        message.body = "Hi".into();
        message.set("TAGS", TAGS);
        let message = MessageExt {
            message,
            broker_name: Some("broker-a".to_string()),
            queue_id: 3,
            store_size: 214,
            queue_offset: 0,
            sys_flag: 0,
            born_timestamp: 1,
            born_host: ([127, 0, 0, 1], 58552).into(),
            store_timestamp: 2,
            store_host: ([127, 0, 0, 1], 27911).into(),
            offset_msg_id: "7F00000100006D070000000000000000".to_string(),
            commit_log_offset: 0,
            body_crc: 613185359,
            reconsume_times: 0,
            prepared_transaction_offset: 0,
        };
        assert_eq!(
            received::text(1, &[message]),
            "ConsumeMessageThread_1 Receive New Messages: [MessageExt [brokerName=broker-a, \
             queueId=3, storeSize=214, queueOffset=0, sysFlag=0, bornTimestamp=1, \
             bornHost=/127.0.0.1:58552, storeTimestamp=2, storeHost=/127.0.0.1:27911, \
             msgId=7F00000100006D070000000000000000, commitLogOffset=0, bodyCRC=613185359, \
             reconsumeTimes=0, preparedTransactionOffset=0, \
             toString()=Message{topic='TopicTest', flag=0, properties={TAGS=TagA}, \
             body=[72, 105], transactionId='null'}]]"
        );
    }
}
