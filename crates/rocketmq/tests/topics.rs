//! Topics that are created at the same time all become known.

#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::time::Duration;

use rocketmq_client::admin::AdminClient;
use rocketmq_protocol::body::TopicConfig;
use rocketmq_standalone::Standalone;
use rocketmq_testbed::{PATIENCE, Scratch};

async fn wait_for_route(admin: &AdminClient, topic: &str) {
    let known = async {
        while admin.topic_route(topic).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, known).await.unwrap();
}

/// Two creations at once: the first registration already has the version of both. A name server
/// ignores what else comes under a version that it knows.
#[tokio::test(flavor = "multi_thread")]
async fn topics_created_at_once_are_all_routed() {
    let scratch = Scratch::new("topics-at-once");
    let system = Standalone::on_free_ports(scratch.path()).await.unwrap();
    let admin = AdminClient::connect(Some(&system.namesrv_addr())).unwrap();
    let context = system.broker().context();
    for topic_name in ["One", "Other"].map(str::to_string) {
        context.topics.update(TopicConfig { topic_name, ..TopicConfig::default() });
    }
    context.outward.register_topic_soon("One");
    wait_for_route(&admin, "One").await;
    context.outward.register_topic_soon("Other");
    wait_for_route(&admin, "Other").await;
    admin.shutdown().await;
    system.shutdown().await;
}
