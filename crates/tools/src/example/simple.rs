//! The plain ways to send and to receive.

use std::sync::Arc;
use std::time::Duration;

use rocketmq_client::{
    ClientConfig, ClientError, ConsumeFromWhere, ConsumeStatus, Credentials, LitePullConsumer,
    Message, MessageQueue, Producer, PullConsumer, PullOutcome, PullStatus, PushConsumer,
};

use super::failure::Failure;
use super::received;
use super::terminal::{asked_to_stop, line};

/// How long a poll waits for messages.
const POLL_TIME: Duration = Duration::from_secs(5);

/// Sends messages one after another and prints each answer.
pub(super) async fn producer() -> Result<(), Failure> {
    let producer = Producer::builder("ProducerGroupName").start().await?;
    for _ in 0..128 {
        let message =
            Message::new("TopicTest", "Hello world").with_tags("TagA").with_keys("OrderID188");
        let result = producer.send(message).await?;
        line(format_args!("{result}"));
    }
    producer.shutdown().await;
    Ok(())
}

/// Sends messages without waiting for one answer before the next message is sent.
pub(super) async fn async_producer() -> Result<(), Failure> {
    let producer = Producer::builder("Jodie_Daily_test").retry_times_async(0).start().await?;
    let mut under_way = Vec::new();
    for _ in 0..100 {
        let message = Message::new("Jodie_topic_1023", "Hello world")
            .with_tags("TagA")
            .with_keys("OrderID188");
        // Waits only while too many sends are under way.
        under_way.push(producer.start_send(message).await?);
    }
    for (index, pending) in under_way.into_iter().enumerate() {
        match pending.await {
            Ok(result) => line(format_args!("{index:<10} OK {} ", result.msg_id)),
            Err(error) => line(format_args!("{index:<10} Exception {error} ")),
        }
    }
    producer.shutdown().await;
    Ok(())
}

/// Sends messages that nobody answers: the fastest way, for what may be lost.
pub(super) async fn oneway_producer() -> Result<(), Failure> {
    let producer = Producer::builder("please_rename_unique_group_name").start().await?;
    for index in 0..100 {
        let message =
            Message::new("TopicTest", format!("Hello RocketMQ {index}")).with_tags("TagA");
        producer.send_oneway(message).await?;
    }
    producer.shutdown().await;
    Ok(())
}

/// Prints messages as they come.
pub(super) async fn push_consumer() -> Result<(), Failure> {
    let consumer = PushConsumer::builder("CID_JODIE_1")
        .consume_from(ConsumeFromWhere::FirstOffset)
        .subscribe("TopicTest", "*")
        .on_messages(|delivery| async move {
            received::print(&delivery);
            ConsumeStatus::Success
        })
        .start()
        .await?;
    line(format_args!("Consumer Started."));
    asked_to_stop().await?;
    consumer.shutdown().await;
    Ok(())
}

/// Asks for messages itself, queue by queue, and keeps the offsets itself.
pub(super) async fn pull_consumer() -> Result<(), Failure> {
    let group = "please_rename_unique_group_name_5";
    let consumer = Arc::new(PullConsumer::start(group, ClientConfig::default()).await?);
    let mut pulling = tokio::task::JoinSet::new();
    for queue in consumer.fetch_queues("TopicTest").await? {
        line(format_args!("Consume from the queue: {queue}"));
        pulling.spawn(pull_queue(Arc::clone(&consumer), queue));
    }
    tokio::select! {
        stop = asked_to_stop() => stop?,
        Some(Ok(Err(error))) = pulling.join_next() => return Err(error.into()),
    }
    pulling.shutdown().await;
    consumer.shutdown().await;
    Ok(())
}

/// Pulls a queue from where the group was, or from its beginning; ends with a failure only.
async fn pull_queue(consumer: Arc<PullConsumer>, queue: MessageQueue) -> Result<(), ClientError> {
    let mut offset = consumer.fetch_offset(&queue).await?.unwrap_or(0);
    loop {
        let pulled = consumer.pull_block_if_not_found(&queue, "*", offset, 32).await?;
        if pulled.status == PullStatus::Found {
            line(format_args!("{}", as_text(&pulled)));
        }
        offset = pulled.next_begin_offset;
        consumer.commit_offset(&queue, offset).await;
    }
}

/// As Java prints it.
fn as_text(pulled: &PullOutcome) -> String {
    format!(
        "PullResult [pullStatus={}, nextBeginOffset={}, minOffset={}, maxOffset={}, msgFoundList={}]",
        pulled.status.name(),
        pulled.next_begin_offset,
        pulled.min_offset,
        pulled.max_offset,
        pulled.messages.len()
    )
}

/// Polls what the consumer has pulled ahead; the group shares the queues, and what was polled is
/// committed by and by.
pub(super) async fn lite_pull_subscribe() -> Result<(), Failure> {
    let consumer = LitePullConsumer::builder("lite_pull_consumer_test")
        .consume_from(ConsumeFromWhere::FirstOffset)
        .start()
        .await?;
    consumer.subscribe("TopicTest", "*").await?;
    let polled = async {
        loop {
            let messages = consumer.poll(POLL_TIME).await?;
            line(format_args!("{}", received::list(&messages)));
        }
    };
    tokio::select! {
        stop = asked_to_stop() => stop?,
        failed = polled => return failed,
    }
    consumer.shutdown().await;
    Ok(())
}

/// Polls one half of the queues, whoever else is in the group, from an offset of its choice, and
/// says itself when to commit.
pub(super) async fn lite_pull_assign() -> Result<(), Failure> {
    let consumer = LitePullConsumer::builder("please_rename_unique_group_name")
        .auto_commit(false)
        .start()
        .await?;
    let mut queues = consumer.fetch_message_queues("TopicTest").await?;
    queues.truncate((queues.len() / 2).max(1));
    consumer.assign(&queues).await?;
    consumer.seek(&queues[0], 10).await?;
    let polled = async {
        loop {
            let messages = consumer.poll(POLL_TIME).await?;
            line(format_args!("{} ", received::list(&messages)));
            consumer.commit().await?;
        }
    };
    tokio::select! {
        stop = asked_to_stop() => stop?,
        failed = polled => return failed,
    }
    consumer.shutdown().await;
    Ok(())
}

/// Sends and receives with an account: `aclEnable=true` in the broker's settings, and this account
/// in its `plain_acl.yml`.
pub(super) async fn acl_client() -> Result<(), Failure> {
    let account = Credentials::new("RocketMQ", "1234567");
    let config = ClientConfig { credentials: Some(account), ..ClientConfig::default() };
    let producer =
        Producer::builder("ProducerGroupName").client_config(config.clone()).start().await?;
    for _ in 0..128 {
        let message =
            Message::new("TopicTest", "Hello world").with_tags("TagA").with_keys("OrderID188");
        line(format_args!("{}", producer.send(message).await?));
    }
    producer.shutdown().await;

    let consumer = PushConsumer::builder("please_rename_unique_group_name_5")
        .client_config(config)
        .consume_from(ConsumeFromWhere::FirstOffset)
        .subscribe("TopicTest", "*")
        .on_messages(|delivery| async move {
            received::print(&delivery);
            ConsumeStatus::Success
        })
        .start()
        .await?;
    line(format_args!("Consumer Started."));
    asked_to_stop().await?;
    consumer.shutdown().await;
    Ok(())
}
