//! Producers and consumers for RocketMQ brokers, Java's and ours (contract `client.md`).
//!
//! ```no_run
//! use rocketmq_client::{Message, Producer};
//!
//! # async fn example() -> Result<(), rocketmq_client::ClientError> {
//! let producer = Producer::builder("my_group").namesrv_addr("127.0.0.1:9876").start().await?;
//! let result = producer.send(Message::new("TopicTest", "Hello RocketMQ").with_tags("TagA")).await?;
//! println!("{result}");
//! producer.shutdown().await;
//! # Ok(())
//! # }
//! ```

pub mod admin;
mod catch;
mod compression;
mod config;
pub mod consumer;
mod error;
mod fault;
mod instance;
mod name_server;
mod namespace;
mod producer;
mod route;
mod trace;
mod unique_id;
mod validate;

pub use config::ClientConfig;
pub use consumer::{
    ConsumeStatus, LitePullConsumer, MessageSelector, OrderlyStatus, PullConsumer, PullOutcome,
    PullStatus, PushConsumer,
};
pub use error::ClientError;
pub use producer::{
    LocalTransactionState, PendingSend, Producer, ProducerBuilder, SendResult, SendStatus,
    TransactionProducer, TransactionSendResult, batches, batches_of, by_hash, by_number,
    create_reply,
};
pub use rocketmq_acl::Credentials;
pub use rocketmq_protocol::body::{ConsumeFromWhere, MessageModel};
pub use rocketmq_protocol::message::{Message, MessageExt, MessageQueue};

/// Name of the logger whose lines rocketmq_client.log holds.
pub const LOGGER: &str = "RocketmqClient";
