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
//!
//! | To | see |
//! |---|---|
//! | send, alone or many at once | [`Producer::send`], [`Producer::start_send`], [`Producer::send_oneway`] |
//! | send in order | [`Producer::send_selected`] with [`by_hash`] |
//! | send batches | [`Producer::send_batch`], [`batches`] |
//! | send in transactions | [`TransactionProducer`] |
//! | ask and answer | [`Producer::request`], [`create_reply`] |
//! | be handed messages: by tags or SQL92, in order, to all members | [`PushConsumer`], [`MessageSelector`] |
//! | poll messages, go to any offset | [`LitePullConsumer`] |
//! | pull queue by queue | [`PullConsumer`] |
//! | be called for each queue to pull it | [`ScheduledPullConsumer`] |
//!
//! A message that is delivered later, at one of the broker's delay levels:
//!
//! ```no_run
//! # use rocketmq_client::{ClientError, Message, Producer};
//! # async fn example(producer: Producer) -> Result<(), ClientError> {
//! let mut message = Message::new("TopicTest", "in ten seconds");
//! message.set("DELAY", "3");
//! producer.send(message).await?;
//! # Ok(())
//! # }
//! ```
//!
//! Any client with an account, inside a namespace, over TLS:
//!
//! ```no_run
//! use rocketmq_client::{ClientConfig, Credentials, Message, Producer};
//!
//! # async fn example() -> Result<(), rocketmq_client::ClientError> {
//! let config = ClientConfig {
//!     namesrv_addr: Some("127.0.0.1:9876".to_string()),
//!     credentials: Some(Credentials::new("access key", "secret key")),
//!     namespace: Some("tenant".to_string()),
//!     use_tls: true,
//!     ..ClientConfig::default()
//! };
//! let producer = Producer::builder("my_group").client_config(config).start().await?;
//! // Stored in the topic `tenant%TopicTest`.
//! producer.send(Message::new("TopicTest", "Hello RocketMQ")).await?;
//! # Ok(())
//! # }
//! ```
//!
//! What is sent and consumed, traced to `RMQ_SYS_TRACE_TOPIC` (brokers need `traceTopicEnable=true`):
//!
//! ```no_run
//! # use rocketmq_client::{ClientError, ConsumeStatus, Producer, PushConsumer};
//! # async fn example() -> Result<(), ClientError> {
//! let producer = Producer::builder("senders").trace(None).start().await?;
//! let consumer = PushConsumer::builder("receivers")
//!     .subscribe("TopicTest", "*")
//!     .trace(None)
//!     .on_messages(|_| async { ConsumeStatus::Success })
//!     .start()
//!     .await?;
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
    PullStatus, PullTask, PushConsumer, QueueChange, ScheduledPullConsumer,
};
pub use error::ClientError;
pub use producer::{
    LocalTransactionState, PendingSend, Producer, ProducerBuilder, SendResult, SendStatus,
    TransactionProducer, TransactionSendResult, batches, batches_of, by_hash, by_number,
    create_reply,
};
pub use trace::TraceRecord;

pub use rocketmq_acl::Credentials;
pub use rocketmq_protocol::body::{ConsumeFromWhere, MessageModel};
pub use rocketmq_protocol::message::{Message, MessageExt, MessageQueue};
pub use rocketmq_remoting::AddressServer;

/// Name of the logger whose lines rocketmq_client.log holds.
pub const LOGGER: &str = "RocketmqClient";
