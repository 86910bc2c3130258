//! The page as a user has it: in a real browser, in front of a live cluster.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;
mod webdriver;

use std::time::Duration;

use rocketmq_client::{ConsumeFromWhere, ConsumeStatus, Message, Producer, PushConsumer};
use rocketmq_protocol::body::TopicConfig;
use serde_json::json;
use support::Scene;
use webdriver::Browser;

const PAGES: [(&str, &str); 12] = [
    ("", "overview"),
    ("cluster", "cluster"),
    ("topics", "topics"),
    ("groups", "groups"),
    ("producers", "producers"),
    ("messages?topic=Busy&begin=2020-01-01T00:00:00", "messages"),
    ("trace", "trace"),
    ("dlq?group=failing", "dlq"),
    ("acl", "acl"),
    ("history", "history"),
    ("ops", "ops"),
    ("audit", "audit"),
];
const WIDE: (u32, u32) = (1440, 900);
const NARROW: (u32, u32) = (400, 800);
const HOSTILE: &str = "<img src=x onerror=\"window.hacked=1;document.title='hacked'\">";

/// A cluster with content, its dashboard and a browser before it.
struct Stage {
    scene: Scene,
    browser: Browser,
    prefix: &'static str,
    producer: Producer,
    consumers: Vec<PushConsumer>,
}

impl Stage {
    async fn start(words: &[(&str, &str)], prefix: &'static str) -> Stage {
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
        for n in 0..20 {
            producer
                .send(Message::new("Busy", format!("message {n}")).with_tags("A"))
                .await
                .unwrap();
        }
        producer
            .send(Message::new("Deadly", "cannot be consumed").with_keys("dead"))
            .await
            .unwrap();
        let mut stage = Stage {
            browser: Browser::start().await,
            scene,
            prefix,
            producer,
            consumers: Vec::new(),
        };
        stage.consume("live", "Busy", ConsumeStatus::Success).await;
        stage.consume("failing", "Deadly", ConsumeStatus::ReconsumeLater).await;
        stage.consume("behind", "Busy", ConsumeStatus::Success).await;
        stage.lag_is("behind", 0).await;
        stage.consumers.pop().unwrap().shutdown().await;
        let hostile = Message::new("Busy", HOSTILE).with_tags(HOSTILE).with_keys("hostile");
        stage.producer.send(hostile).await.unwrap();
        stage.lag_is("behind", 1).await;
        stage
            .eventually("a dead letter", async |stage| {
                stage.messages("%DLQ%failing").await == Some(1)
            })
            .await;
        stage
    }

    async fn consume(&mut self, group: &str, topic: &str, answer: ConsumeStatus) {
        let consumer = PushConsumer::builder(group)
            .namesrv_addr(self.scene.cluster.namesrv_addr())
            .consume_from(ConsumeFromWhere::FirstOffset)
            .subscribe(topic, "*")
            .max_reconsume_times(0)
            .on_messages(move |_| async move { answer })
            .start()
            .await
            .unwrap();
        self.consumers.push(consumer);
    }

    async fn eventually(&self, what: &str, holds: impl AsyncFn(&Stage) -> bool) {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
        while !holds(self).await {
            assert!(tokio::time::Instant::now() < deadline, "not so: {what}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Messages of a topic; none if there is no such topic.
    async fn messages(&self, topic: &str) -> Option<i64> {
        let stats = self.scene.admin.topic_stats_of(&self.scene.broker(), topic).await.ok()?;
        Some(stats.offset_table.values().map(|queue| queue.max_offset - queue.min_offset).sum())
    }

    async fn lag_is(&self, group: &str, lag: i64) {
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

    async fn topic(&self, name: &str) -> Option<TopicConfig> {
        let mut all = self.scene.admin.all_topic_config(&self.scene.broker()).await.unwrap();
        all.topic_config_table.remove(name)
    }

    async fn load(&self, hash: &str) {
        self.browser
            .load(&format!("http://{}{}/#/{hash}", self.scene.dashboard.local(), self.prefix))
            .await;
    }

    async fn open(&self, hash: &str, page: &str) {
        self.load(hash).await;
        self.browser.see(&format!("main[data-page={page}][data-ready=true]")).await;
    }

    /// Chooses from the menu of a row; waits for the dialog that this opens.
    async fn choose(&self, row: &str, action: &str, dialog: &str) {
        self.browser.click(&format!("tr[data-key='{row}'] [data-action=menu]")).await;
        self.browser.click(&format!(".menu [data-action={action}]")).await;
        self.browser.see(&format!("dialog[open][data-dialog={dialog}][data-ready=true]")).await;
    }

    async fn submit(&self) {
        self.browser.click("dialog[open] [data-submit]:not([disabled])").await;
        self.browser.see("[data-toast=ok]").await;
    }

    async fn is_quiet(&self, where_: &str) {
        assert_eq!(self.browser.severe().await, Vec::<String>::new(), "{where_}");
    }

    async fn picture(&self, name: &str) {
        if let Some(folder) = std::env::var_os("DASHBOARD_SCREENSHOTS") {
            std::fs::create_dir_all(&folder).unwrap();
            let file = std::path::Path::new(&folder).join(format!("{name}.png"));
            std::fs::write(file, self.browser.picture().await).unwrap();
        }
    }

    async fn stop(self) {
        self.browser.stop().await;
        for consumer in self.consumers {
            consumer.shutdown().await;
        }
        self.producer.shutdown().await;
        self.scene.stop().await;
    }
}

async fn every_page_fits(prefix: &'static str) {
    let stage = Stage::start(&[], prefix).await;
    let browser = &stage.browser;
    let mut titles = Vec::new();
    for language in ["en", "zh"] {
        for (size, width) in [(WIDE, "wide"), (NARROW, "narrow")] {
            browser.resize(WIDE).await;
            stage.open("", "overview").await;
            browser.click(&format!("select[name=lang] option[value={language}]")).await;
            browser.until(&format!("document.documentElement.lang.startsWith('{language}')")).await;
            browser.resize(size).await;
            for (hash, page) in PAGES {
                stage.open(hash, page).await;
                let place = format!("{prefix}/#/{hash} in {language}, {width}");
                assert!(
                    browser
                        .value("document.documentElement.lang")
                        .await
                        .as_str()
                        .unwrap()
                        .starts_with(language),
                    "{place}"
                );
                let sizes =
                    browser.value("[document.documentElement.scrollWidth, innerWidth]").await;
                assert_eq!(sizes[1], size.0, "{place}");
                assert!(sizes[0].as_i64() <= sizes[1].as_i64(), "{place} is too wide: {sizes}");
                assert_eq!(browser.value("window.hacked ?? null").await, json!(null), "{place}");
                stage.is_quiet(&place).await;
                titles.push(browser.value("document.title").await.to_string());
                if prefix.is_empty() && language == "en" {
                    stage.picture(&format!("{page}-{width}")).await;
                }
            }
        }
    }
    for at in 0..PAGES.len() {
        assert_ne!(titles[at], titles[at + 2 * PAGES.len()], "the same title in both languages");
    }
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium: make dashboard-test"]
async fn every_page_fits_at_the_root() {
    every_page_fits("").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium: make dashboard-test"]
async fn every_page_fits_below_a_context_path() {
    every_page_fits("/rocketmq-dashboard").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium: make dashboard-test"]
async fn what_a_message_holds_is_text_and_the_theme_changes() {
    let stage = Stage::start(&[], "").await;
    let browser = &stage.browser;
    browser.resize(WIDE).await;
    stage.open("messages?topic=Busy&key=hostile&begin=2020-01-01T00:00:00", "messages").await;
    browser.until("document.querySelector('tr[data-key]')?.innerText.includes('<img')").await;
    browser.click("tr[data-key] [data-action=view]").await;
    browser.until("document.querySelector('dialog[open][data-dialog=message]')?.innerText.includes('onerror')").await;
    stage.picture("message-wide").await;
    assert_eq!(
        browser
            .value("[window.hacked ?? null, document.querySelectorAll('img[src=x]').length]")
            .await,
        json!([null, 0])
    );
    assert_ne!(browser.value("document.title").await, "hacked");
    let before = browser.value("document.documentElement.dataset.theme").await;
    browser.click("dialog[open] [data-action=close]").await;
    browser.click("[data-action=theme]").await;
    browser.until(&format!("document.documentElement.dataset.theme !== {before}")).await;
    for (size, width) in [(WIDE, "wide"), (NARROW, "narrow")] {
        browser.resize(size).await;
        for (hash, page) in [PAGES[0], PAGES[2]] {
            stage.open(hash, page).await;
            assert_ne!(
                browser.value("document.documentElement.dataset.theme").await,
                before,
                "kept over a load"
            );
            stage.picture(&format!("{page}-dark-{width}")).await;
        }
    }
    stage.is_quiet("a hostile message").await;
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium: make dashboard-test"]
async fn a_topic_is_made_filled_changed_and_deleted() {
    let stage = Stage::start(&[], "").await;
    let browser = &stage.browser;
    browser.resize(WIDE).await;
    stage.open("topics", "topics").await;
    browser.click("main [data-action=add]").await;
    browser.write("dialog[open] [name=topicName]", "Fresh").await;
    browser.write("dialog[open] [name=writeQueueNums]", "3").await;
    stage.submit().await;
    let made = stage.topic("Fresh").await.expect("the topic");
    assert_eq!((made.write_queue_nums, made.read_queue_nums, made.perm), (3, 8, 6));

    stage.open("topics", "topics").await;
    stage.choose("Fresh", "send", "send").await;
    browser.write("dialog[open] [name=key]", "by-hand").await;
    browser.write("dialog[open] [name=messageBody]", "hello").await;
    stage.submit().await;
    assert_eq!(stage.messages("Fresh").await, Some(1));

    stage.open("topics", "topics").await;
    stage.choose("Fresh", "config", "config").await;
    browser.write("dialog[open] [name=readQueueNums]", "5").await;
    browser.click("dialog[open] [name=perm] option[value='4']").await;
    stage.submit().await;
    let changed = stage.topic("Fresh").await.unwrap();
    assert_eq!((changed.write_queue_nums, changed.read_queue_nums, changed.perm), (3, 5, 4));

    stage.open("topics", "topics").await;
    stage.choose("Fresh", "delete", "confirm").await;
    browser.write("dialog[open] [name=confirm]", "fresh").await;
    assert_eq!(
        browser.value("document.querySelector('dialog [data-submit]').disabled").await,
        true
    );
    browser.write("dialog[open] [name=confirm]", "Fresh").await;
    stage.submit().await;
    assert_eq!(stage.topic("Fresh").await, None);
    stage.is_quiet("topics").await;
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium: make dashboard-test"]
async fn a_group_is_reset_skipped_limited_and_deleted() {
    let stage = Stage::start(&[], "").await;
    let browser = &stage.browser;
    browser.resize(WIDE).await;
    stage.open("groups", "groups").await;
    stage.choose("behind", "limits", "limits").await;
    browser.write("dialog[open] [name=maxDiffTotal]", "7").await;
    stage.submit().await;
    let limits = stage
        .scene
        .data_of("/monitor/consumerMonitorConfigByGroupName.query?consumeGroupName=behind")
        .await;
    assert_eq!((&limits["minCount"], &limits["maxDiffTotal"]), (&json!(1), &json!(7)));

    stage.scene.until("/api/v1/groups", |answer| answer.to_string().contains("Busy")).await;
    stage.open("groups", "groups").await;
    stage.choose("behind", "reset", "reset").await;
    browser.click("dialog[open] [name=topic] option[value=Busy]").await;
    browser.click("dialog[open] [name=to] option[value='-2']").await;
    browser
        .until("document.querySelector('dialog [data-preview]')?.innerText.includes('20')")
        .await;
    stage.lag_is("behind", 1).await;
    stage.submit().await;
    stage.lag_is("behind", 21).await;

    stage.open("topics", "topics").await;
    stage.choose("Busy", "skip", "skip").await;
    browser.click("dialog[open] [name=group] option[value=behind]").await;
    browser
        .until("document.querySelector('dialog [data-preview]')?.innerText.includes('21')")
        .await;
    stage.submit().await;
    stage.lag_is("behind", 0).await;

    stage.open("groups", "groups").await;
    stage.choose("behind", "delete", "confirm").await;
    browser.write("dialog[open] [name=confirm]", "behind").await;
    stage.submit().await;
    let left = stage.scene.admin.all_subscription_groups(&stage.scene.broker()).await.unwrap();
    assert!(!left.subscription_group_table.contains_key("behind"));
    stage.is_quiet("groups").await;
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium: make dashboard-test"]
async fn dead_letters_are_sent_again_and_name_servers_changed() {
    let stage = Stage::start(&[], "").await;
    let browser = &stage.browser;
    browser.resize(WIDE).await;
    stage.open("dlq", "dlq").await;
    browser.click("tr[data-key=failing] [data-action=open]").await;
    browser.click("tr [name=pick]").await;
    browser.click("[data-action=again]:not([disabled])").await;
    browser.see("[data-toast=ok]").await;
    stage.eventually("sent again", async |stage| stage.messages("Deadly").await == Some(2)).await;

    let known = stage.scene.cluster.namesrv_addr();
    let twice = format!("{known};{known}");
    stage.open("ops", "ops").await;
    browser.write("[name=nameSvrAddrList]", &twice).await;
    browser.click("[data-action=nameservers]").await;
    browser.see("[data-toast=ok]").await;
    let home = stage.scene.data_of("/ops/homePage.query").await;
    assert!(home["namesvrAddrList"].as_array().unwrap().contains(&json!(twice)), "{home}");
    stage.is_quiet("dead letters and name servers").await;
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium: make dashboard-test"]
async fn the_first_password_logs_in_and_a_wrong_one_does_not() {
    let words = [("rocketmq.config.loginRequired", "true")];
    let stage = Stage::start(&words, "/rocketmq-dashboard").await;
    let browser = &stage.browser;
    browser.resize(WIDE).await;
    stage.load("topics").await;
    browser.see("main[data-page=login][data-ready=true]").await;
    stage.picture("login-wide").await;
    browser.write("[name=username]", "admin").await;
    browser.write("[name=password]", "wrong").await;
    browser.click("[data-submit]").await;
    browser.until("document.querySelector('[data-toast=error]')?.innerText.includes('Bad username or password!')").await;
    assert_eq!(browser.value("document.querySelector('main').dataset.page").await, "login");
    browser.write("[name=password]", stage.scene.dashboard.first_password().unwrap()).await;
    browser.click("[data-submit]").await;
    browser.see("main[data-page=topics][data-ready=true] tr[data-key=Busy]").await;
    browser.click("[data-action=logout]").await;
    browser.see("main[data-page=login][data-ready=true]").await;
    let refused = browser.value("fetch('api/v1/topics').then((reply) => reply.status)").await;
    assert_eq!(refused, 401);
    stage.stop().await;
}
