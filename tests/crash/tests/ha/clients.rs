//! Clients that look at their routes often, and what they were handed.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rocketmq_client::{
    ClientConfig, ConsumeFromWhere, ConsumeStatus, Message, Producer, PushConsumer, SendStatus,
};
use rocketmq_history::{MessageId, Place, body};
use rocketmq_testbed::load::TOPIC;

pub(crate) fn config(name_servers: &str) -> ClientConfig {
    ClientConfig {
        namesrv_addr: Some(name_servers.to_string()),
        poll_name_server_interval: Duration::from_millis(200),
        heartbeat_broker_interval: Duration::from_millis(500),
        persist_consumer_offset_interval: Duration::from_millis(200),
        ..ClientConfig::default()
    }
}

pub(crate) async fn producer(name_servers: &str) -> Producer {
    Producer::builder("ha_producer").client_config(config(name_servers)).start().await.unwrap()
}

/// A consumer of the load's topic, from its begin.
pub(crate) struct Consumer {
    consumer: PushConsumer,
    seen: Arc<Mutex<HashSet<Vec<u8>>>>,
}

impl Consumer {
    pub(crate) async fn start(name_servers: &str) -> Consumer {
        let seen: Arc<Mutex<HashSet<Vec<u8>>>> = Arc::default();
        let handed = Arc::clone(&seen);
        let consumer = PushConsumer::builder("ha_consumer")
            .client_config(config(name_servers))
            .consume_from(ConsumeFromWhere::FirstOffset)
            .subscribe(TOPIC, "*")
            .on_messages(move |delivery| {
                let bodies = delivery.messages.iter().map(|message| message.message.body.to_vec());
                handed.lock().extend(bodies);
                async { ConsumeStatus::Success }
            });
        Consumer { consumer: consumer.start().await.unwrap(), seen }
    }

    /// Whether it was handed all that the queues hold.
    pub(crate) fn has(&self, kept: &[(Place, Vec<u8>)]) -> bool {
        let seen = self.seen.lock();
        kept.iter().all(|(_, body)| seen.contains(body))
    }

    pub(crate) fn has_all(&self, bodies: &HashSet<Vec<u8>>) -> bool {
        bodies.is_subset(&self.seen.lock())
    }

    pub(crate) async fn end(self) {
        self.consumer.shutdown().await;
    }
}

/// Sends some by the client; all must be stored.
pub(crate) async fn send_some(producer: &Producer, sent: &mut HashSet<Vec<u8>>) {
    for _ in 0..20 {
        let bytes = body::encode(MessageId { producer: 8_000_000, number: sent.len() as u32 }, 10);
        let result = producer.send(Message::new(TOPIC, bytes.clone())).await.unwrap();
        assert_eq!(result.status, SendStatus::SendOk);
        sent.insert(bytes);
    }
}
