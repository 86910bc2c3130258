//! A cluster with content, its dashboard and a browser before it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rocketmq_client::{ConsumeFromWhere, ConsumeStatus, Message, Producer, PushConsumer};
use rocketmq_protocol::body::{SubscriptionGroupConfig, TopicConfig};

use crate::support::Scene;
use crate::webdriver::Browser;

/// Sizes of a page: of a desk, and of a hand.
pub(crate) const WIDE: (u32, u32) = (1440, 900);
pub(crate) const NARROW: (u32, u32) = (400, 800);
/// A text that would run if a page took it for HTML.
pub(crate) const HOSTILE: &str = "<img src=x onerror=\"window.hacked=1;document.title='hacked'\">";
/// Messages in the busy topic at first.
const SENT: usize = 20;
/// Characters of a long body.
pub(crate) const LONG: usize = 10_000;

/// A cluster with content, its dashboard and a browser before it.
pub(crate) struct Stage {
    pub(crate) scene: Scene,
    pub(crate) browser: Browser,
    producer: Option<Producer>,
    consumers: Vec<PushConsumer>,
    /// What consumers got: group and body.
    heard: Arc<Mutex<Vec<String>>>,
}

impl Stage {
    /// A browser before a scene as it is.
    pub(crate) async fn bare(scene: Scene) -> Stage {
        Stage {
            browser: Browser::start().await,
            scene,
            producer: None,
            consumers: Vec::new(),
            heard: Arc::default(),
        }
    }

    /// A cluster in which there is something to see.
    pub(crate) async fn start(words: &[(&str, &str)], prefix: &str) -> Stage {
        let mut words = words.to_vec();
        words.push(("server.servlet.context-path", prefix));
        let scene =
            Scene::start(if prefix.is_empty() { &words[..words.len() - 1] } else { &words }).await;
        for topic in ["Busy", "Deadly"] {
            let config = TopicConfig {
                topic_name: topic.into(),
                read_queue_nums: 4,
                write_queue_nums: 4,
                ..TopicConfig::default()
            };
            scene.admin.create_topic(&scene.broker(), &config).await.unwrap();
        }
        let producer = Producer::builder("makers")
            .namesrv_addr(scene.cluster.namesrv_addr())
            .start()
            .await
            .unwrap();
        for n in 0..SENT {
            producer
                .send(Message::new("Busy", format!("message {n}")).with_tags("A"))
                .await
                .unwrap();
        }
        producer
            .send(Message::new("Deadly", "cannot be consumed").with_keys("dead"))
            .await
            .unwrap();
        let mut stage = Stage::bare(scene).await;
        stage.consume("live", "Busy", ConsumeStatus::Success).await;
        stage.consume("failing", "Deadly", ConsumeStatus::ReconsumeLater).await;
        stage.consume("behind", "Busy", ConsumeStatus::Success).await;
        let heard = async |stage: &Stage| stage.has_heard("behind") == SENT;
        stage.eventually("behind has consumed all", heard).await;
        stage.consumers.pop().unwrap().shutdown().await;
        stage.catch_up("behind").await;
        let long = Message::new("Busy", "x".repeat(LONG)).with_tags("A").with_keys("long");
        producer.send(long).await.unwrap();
        let hostile = Message::new("Busy", HOSTILE).with_tags(HOSTILE).with_keys("hostile");
        producer.send(hostile).await.unwrap();
        stage.producer = Some(producer);
        stage.lag_is("behind", 2).await;
        stage
            .eventually("a dead letter", async |stage| {
                stage.messages("%DLQ%failing").await == Some(1)
            })
            .await;
        stage
    }

    /// Commits the end of every queue, which consumers do only every few seconds.
    async fn catch_up(&self, group: &str) {
        let (admin, broker) = (&self.scene.admin, self.scene.broker());
        for (queue, bounds) in admin.topic_stats_of(&broker, "Busy").await.unwrap().offset_table {
            let end = bounds.max_offset;
            admin.update_consumer_offset(&broker, group, &queue, end).await.unwrap();
        }
        self.lag_is(group, 0).await;
    }

    async fn consume(&mut self, group: &str, topic: &str, answer: ConsumeStatus) {
        let (heard, name) = (Arc::clone(&self.heard), group.to_string());
        let consumer = PushConsumer::builder(group)
            .namesrv_addr(self.scene.cluster.namesrv_addr())
            .consume_from(ConsumeFromWhere::FirstOffset)
            .subscribe(topic, "*")
            .max_reconsume_times(0)
            .on_messages(move |delivery| {
                let bodies = delivery
                    .messages
                    .iter()
                    .map(|one| String::from_utf8_lossy(&one.message.body).into_owned());
                heard.lock().unwrap().extend(bodies.map(|body| format!("{name} {body}")));
                async move { answer }
            })
            .start()
            .await
            .unwrap();
        self.consumers.push(consumer);
    }

    pub(crate) async fn eventually(&self, what: &str, holds: impl AsyncFn(&Stage) -> bool) {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
        while !holds(self).await {
            assert!(tokio::time::Instant::now() < deadline, "not so: {what}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Messages of a topic; none if there is no such topic.
    pub(crate) async fn messages(&self, topic: &str) -> Option<i64> {
        let stats = self.scene.admin.topic_stats_of(&self.scene.broker(), topic).await.ok()?;
        Some(stats.offset_table.values().map(|queue| queue.max_offset - queue.min_offset).sum())
    }

    pub(crate) async fn lag_is(&self, group: &str, lag: i64) {
        self.eventually(&format!("{group} is {lag} behind"), async |stage| {
            let stats = stage
                .scene
                .admin
                .consume_stats_of(&stage.scene.broker(), group, Some("Busy"))
                .await;
            stats.is_ok_and(|stats| stats.offset_table.len() == 4 && stats.total_diff() == lag)
        })
        .await;
    }

    /// How many messages a group got.
    fn has_heard(&self, group: &str) -> usize {
        let start = format!("{group} ");
        self.heard.lock().unwrap().iter().filter(|line| line.starts_with(&start)).count()
    }

    /// How often a group got a message.
    pub(crate) fn times_heard(&self, group: &str, body: &str) -> usize {
        let line = format!("{group} {body}");
        self.heard.lock().unwrap().iter().filter(|known| **known == line).count()
    }

    pub(crate) async fn topic(&self, name: &str) -> Option<TopicConfig> {
        let mut all = self.scene.admin.all_topic_config(&self.scene.broker()).await.unwrap();
        all.topic_config_table.remove(name)
    }

    pub(crate) async fn group(&self, name: &str) -> SubscriptionGroupConfig {
        let mut all = self.scene.admin.all_subscription_groups(&self.scene.broker()).await.unwrap();
        all.subscription_group_table.remove(name).expect("the group")
    }

    pub(crate) async fn load(&self, hash: &str) {
        self.browser.load(&format!("{}#/{hash}", self.scene.dashboard.url())).await;
    }

    pub(crate) async fn open(&self, hash: &str, page: &str) {
        self.load(hash).await;
        self.browser.see(&format!("main[data-page={page}][data-ready=true]")).await;
    }

    /// Chooses from the menu of a row; waits for the dialog that this opens.
    pub(crate) async fn choose(&self, row: &str, action: &str, dialog: &str) {
        self.browser.click(&format!("tr[data-key='{row}'] [data-action=menu]")).await;
        self.browser.click(&format!(".menu [data-action={action}]")).await;
        self.browser.see(&format!("dialog[open][data-dialog={dialog}][data-ready=true]")).await;
    }

    pub(crate) async fn submit(&self) {
        let old = "[...document.querySelectorAll('[data-toast]')].map((toast) => toast.remove())";
        self.browser.value(old).await;
        self.browser.click("dialog[open] [data-submit]:not([disabled])").await;
        self.browser.see("[data-toast=ok]").await;
    }

    pub(crate) async fn is_quiet(&self, where_: &str) {
        assert_eq!(self.browser.severe().await, Vec::<String>::new(), "{where_}");
    }

    pub(crate) async fn picture(&self, name: &str) {
        if let Some(folder) = std::env::var_os("DASHBOARD_SCREENSHOTS") {
            std::fs::create_dir_all(&folder).unwrap();
            let file = std::path::Path::new(&folder).join(format!("{name}.png"));
            std::fs::write(file, self.browser.picture().await).unwrap();
        }
    }

    pub(crate) async fn stop(self) {
        self.browser.stop().await;
        for consumer in self.consumers {
            consumer.shutdown().await;
        }
        if let Some(producer) = self.producer {
            producer.shutdown().await;
        }
        self.scene.stop().await;
    }
}
