//! Messages that consumers see only once a local transaction has succeeded.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use rocketmq_client::{LocalTransactionState, Message, Producer};

use super::failure::Failure;
use super::terminal::{asked_to_stop, line};

const TAGS: [&str; 5] = ["TagA", "TagB", "TagC", "TagD", "TagE"];

/// What became of each local transaction, by the message's key. An application asks its database.
type Outcomes = Arc<Mutex<HashMap<String, LocalTransactionState>>>;

/// Sends ten messages whose end the broker asks for: three are committed, three rolled back, and
/// four stay unknown until the broker gives up asking.
pub(super) async fn producer() -> Result<(), Failure> {
    let outcomes = Outcomes::default();
    let known = Arc::clone(&outcomes);
    let producer = Producer::builder("please_rename_unique_group_name")
        .start_transactional(move |message| {
            let known = known.lock().unwrap_or_else(PoisonError::into_inner);
            let outcome = message.message.keys().and_then(|key| known.get(key).copied());
            // Nothing known of it: the transaction was committed before this process started.
            std::future::ready(outcome.unwrap_or(LocalTransactionState::CommitMessage))
        })
        .await?;
    for index in 0..10 {
        let key = format!("KEY{index}");
        let message = Message::new("TopicTest1234", format!("Hello RocketMQ {index}"))
            .with_tags(TAGS[index % TAGS.len()])
            .with_keys(&key);
        let outcome = match index % 3 {
            0 => LocalTransactionState::Unknown,
            1 => LocalTransactionState::CommitMessage,
            _ => LocalTransactionState::RollbackMessage,
        };
        let local_transaction = |_message: Message| async {
            outcomes.lock().unwrap_or_else(PoisonError::into_inner).insert(key, outcome);
            // Usually the outcome; the example lets the broker ask.
            Ok::<_, Infallible>(LocalTransactionState::Unknown)
        };
        let result = producer.send_in_transaction(message, local_transaction).await?;
        line(format_args!("{result}"));
    }
    // The broker asks after a minute.
    asked_to_stop().await?;
    producer.shutdown().await;
    Ok(())
}
