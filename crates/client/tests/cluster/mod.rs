//! A name server and a broker of this process, for clients under test.

#![allow(dead_code)] // each test program uses a part of it

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rocketmq_broker::Settings;
use rocketmq_client::admin::AdminClient;
use rocketmq_client::consumer::{Delivery, PushConsumerBuilder};
use rocketmq_client::{
    ClientConfig, ConsumeFromWhere, ConsumeStatus, Message, MessageExt, MessageQueue, Producer,
    PushConsumer,
};
use rocketmq_protocol::body::TopicConfig;
use rocketmq_standalone::Standalone;
use tokio::runtime::{Handle, Runtime};

/// The cluster on a runtime of its own, so that the tasks of the test's runtime are the clients'.
pub(crate) struct Cluster {
    system: Option<Standalone>,
    runtime: Option<Runtime>,
    namesrv_addr: String,
    folder: tempfile::TempDir,
}

impl Cluster {
    /// Starts both on free ports with a fresh folder. Retries and delays take a second.
    pub(crate) async fn start() -> Cluster {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let mut cluster = Cluster {
            system: None,
            runtime: Some(runtime),
            namesrv_addr: String::new(),
            folder: tempfile::tempdir().unwrap(),
        };
        let any = ([127, 0, 0, 1], 0).into();
        cluster.boot(any, any).await;
        cluster
    }

    async fn boot(&mut self, namesrv: SocketAddr, broker: SocketAddr) {
        let mut settings = rocketmq_broker::cli::default_settings();
        quick(&mut settings);
        let folder = self.folder.path().to_path_buf();
        let starting =
            async move { Standalone::start(&folder, settings, Some(namesrv), Some(broker)).await };
        let system = self.runtime.as_ref().unwrap().spawn(starting).await.unwrap().unwrap();
        self.namesrv_addr = system.namesrv_addr();
        self.system = Some(system);
    }

    /// Stops both, calls `meanwhile`, and starts them again where they were.
    pub(crate) async fn restart(&mut self, meanwhile: impl AsyncFnOnce()) {
        let system = self.system.take().unwrap();
        let broker = system.broker_addr().parse().unwrap();
        let namesrv = self.namesrv_addr.parse().unwrap();
        self.runtime.as_ref().unwrap().spawn(system.shutdown()).await.unwrap();
        meanwhile().await;
        self.boot(namesrv, broker).await;
    }

    /// A configuration for clients of this cluster.
    pub(crate) fn config(&self) -> ClientConfig {
        ClientConfig {
            namesrv_addr: Some(self.namesrv_addr.clone()),
            client_ip: "127.0.0.1".to_string(),
            persist_consumer_offset_interval: Duration::from_millis(200),
            local_offset_store_dir: self.folder.path().join("offsets"),
            ..ClientConfig::default()
        }
    }

    /// How many pulls wait at the broker.
    pub(crate) fn waiting_pulls(&self) -> usize {
        self.system.as_ref().unwrap().broker().context().hold.len()
    }

    pub(crate) fn broker_addr(&self) -> String {
        self.system.as_ref().unwrap().broker_addr()
    }

    /// A client for tools; to be shut down.
    pub(crate) fn admin(&self) -> AdminClient {
        AdminClient::connect(Some(&self.namesrv_addr)).unwrap()
    }

    /// Creates a topic, and waits until the name server knows it.
    pub(crate) async fn topic(&self, topic: &str, queues: i32) {
        let admin = self.admin();
        let config = TopicConfig {
            topic_name: topic.to_string(),
            read_queue_nums: queues,
            write_queue_nums: queues,
            ..TopicConfig::default()
        };
        admin.create_topic(&self.broker_addr(), &config).await.unwrap();
        let deadline = Instant::now() + PATIENCE;
        while admin.topic_route(topic).await.is_err() {
            assert!(Instant::now() < deadline, "topic {topic} did not appear");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        admin.shutdown().await;
    }

    pub(crate) async fn producer(&self, group: &str) -> Producer {
        Producer::builder(group).client_config(self.config()).start().await.unwrap()
    }

    /// A consumer that starts at the beginning.
    pub(crate) fn consumer(&self, group: &str) -> PushConsumerBuilder {
        PushConsumer::builder(group)
            .client_config(self.config())
            .consume_from(ConsumeFromWhere::FirstOffset)
    }

    /// Waits until the group has exactly so many dead letters.
    pub(crate) async fn wait_dead_letters(&self, group: &str, count: i64) {
        let queue = MessageQueue {
            topic: format!("%DLQ%{group}"),
            broker_name: "broker-a".to_string(),
            queue_id: 0,
        };
        let admin = self.admin();
        let deadline = Instant::now() + PATIENCE;
        let address = self.broker_addr();
        loop {
            let stored = admin.max_offset(&address, &queue).await.unwrap_or(0);
            assert!(stored <= count, "{stored} dead letters");
            if stored == count {
                break;
            }
            assert!(Instant::now() < deadline, "{stored} dead letters came");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        admin.shutdown().await;
    }

    /// Sends messages with these bodies, one after the other.
    pub(crate) async fn send(&self, topic: &str, bodies: impl IntoIterator<Item = String>) {
        let producer = self.producer("sender").await;
        for body in bodies {
            producer.send(Message::new(topic, body)).await.unwrap();
        }
        producer.shutdown().await;
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let (system, runtime) = (self.system.take(), self.runtime.take());
        let stop = std::thread::spawn(move || {
            if let (Some(system), Some(runtime)) = (system, runtime) {
                runtime.block_on(system.shutdown());
                runtime.shutdown_timeout(PATIENCE);
            }
        });
        let _ = stop.join();
    }
}

fn quick(settings: &mut Settings) {
    settings.broker.broker_ip1 = "127.0.0.1".to_string();
    settings.broker.broker_ip2 = "127.0.0.1".to_string();
    settings.broker.broker_name = "broker-a".to_string();
    settings.broker.enable_property_filter = true;
    settings.broker.trace_topic_enable = true;
    settings.store.message_delay_level = ["1s"; 18].join(" ");
    settings.store.mapped_file_size_commit_log = 16 << 20;
    settings.store.mapped_file_size_consume_queue = 600_000;
    (settings.store.max_hash_slot_num, settings.store.max_index_num) = (50_000, 200_000);
}

/// What listeners were handed.
#[derive(Clone, Default)]
pub(crate) struct Inbox(Arc<Mutex<Vec<MessageExt>>>);

impl Inbox {
    /// Takes a delivery.
    pub(crate) fn take(&self, delivery: Delivery) -> std::future::Ready<ConsumeStatus> {
        self.0.lock().extend(delivery.messages);
        std::future::ready(ConsumeStatus::Success)
    }

    pub(crate) fn add(&self, messages: Vec<MessageExt>) {
        self.0.lock().extend(messages);
    }

    pub(crate) fn messages(&self) -> Vec<MessageExt> {
        self.0.lock().clone()
    }

    /// The bodies, in the order in which they came.
    pub(crate) fn bodies(&self) -> Vec<String> {
        self.0.lock().iter().map(body).collect()
    }

    /// Waits until so many came.
    pub(crate) async fn wait(&self, count: usize) {
        until(&format!("{count} messages came"), || self.0.lock().len() >= count).await;
    }

    /// Waits until each of so many different bodies came at least once; returns them.
    pub(crate) async fn wait_different(&self, count: usize) -> BTreeSet<String> {
        let different = || self.bodies().into_iter().collect::<BTreeSet<_>>();
        until(&format!("{count} different messages came"), || different().len() >= count).await;
        different()
    }
}

pub(crate) fn body(message: &MessageExt) -> String {
    String::from_utf8_lossy(&message.message.body).into_owned()
}

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits for a condition.
pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Tasks of this test's runtime.
pub(crate) fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}
