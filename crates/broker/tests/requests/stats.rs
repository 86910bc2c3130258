//! VIEW_BROKER_STATS_DATA 315, GET_BROKER_RUNTIME_INFO 28 (contract `requests.md` 7), and the
//! protection of the broker from slow groups (`broker.md` 5).

use rocketmq_broker::protect;
use rocketmq_common::clock;
use rocketmq_protocol::RequestCode;
use rocketmq_protocol::body::{BrokerStatsData, KvTable};
use rocketmq_protocol::message::batch::{BatchItem, encode_item};

use crate::support::{Fixture, body_text, message, parsed, pull, records, said};

impl Fixture {
    /// Sum and times-average of the last minute, sampled now.
    async fn minute(&self, name: &str, key: &str) -> (i64, f64) {
        let fields = [("statsName", name), ("statsKey", key)];
        let answer = self.peer.ask(RequestCode::VIEW_BROKER_STATS_DATA, &fields).await;
        let minute = parsed::<BrokerStatsData>(&answer).stats_minute;
        (minute.sum, minute.avgpt)
    }

    fn sample(&self) {
        self.context().stats.sample(0, clock::now_ms());
    }
}

#[tokio::test]
async fn messages_are_counted() {
    let broker = Fixture::start().await;
    let fields = [("statsName", "TOPIC_PUT_NUMS"), ("statsKey", "T")];
    let code = RequestCode::VIEW_BROKER_STATS_DATA;
    let answer = broker.peer.ask(code, &fields).await;
    assert_eq!(said(&answer), (1, "The stats <TOPIC_PUT_NUMS> <T> not exist".to_string()));

    let mut batch = Vec::new();
    for body in [&b"one"[..], b"two", b"three"] {
        encode_item(&BatchItem { flag: 0, body, properties: b"" }, &mut batch);
    }
    let mut sent = message("T", "0");
    (sent.batch, sent.body) = (true, &batch);
    broker.peer.stored(&sent).await;
    broker.peer.stored(&message("T", "0")).await;
    let found = broker.peer.pull(&pull("T", "0", "0")).await;
    assert_eq!(records(found.body()).len(), 4);
    let bytes = found.body().len() as i64;
    broker.sample();
    // Two sends, four messages; one pull.
    assert_eq!(broker.minute("TOPIC_PUT_NUMS", "T").await, (4, 2.0));
    assert_eq!(broker.minute("TOPIC_PUT_SIZE", "T").await, (bytes, bytes as f64 / 2.0));
    assert_eq!(broker.minute("BROKER_PUT_NUMS", "DefaultCluster").await, (4, 2.0));
    assert_eq!(broker.minute("GROUP_GET_NUMS", "T@test_consumer").await, (4, 4.0));
    assert_eq!(broker.minute("GROUP_GET_SIZE", "T@test_consumer").await.0, bytes);
    assert_eq!(broker.minute("BROKER_GET_NUMS", "DefaultCluster").await, (4, 4.0));
    // A read of some milliseconds at most.
    assert!(broker.minute("GROUP_GET_LATENCY", "0@T@test_consumer").await.0 < 60_000);
    let answer = broker.peer.ask(code, &fields).await;
    let text = body_text(&answer);
    assert!(text.starts_with(r#"{"statsDay":{"avgpt":2.0,"sum":4,"tps":"#), "{text}");
    broker.stop().await;
}

#[tokio::test]
async fn statistics_of_what_is_deleted_may_go_too() {
    for (auto_delete, code) in [(true, 1), (false, 0)] {
        let broker = Fixture::with(|s| s.broker.auto_delete_unused_stats = auto_delete).await;
        broker.create_topic("T", 1).await;
        broker.peer.stored(&message("T", "0")).await;
        let delete = RequestCode::DELETE_TOPIC_IN_BROKER;
        assert_eq!(broker.peer.ask(delete, &[("topic", "T")]).await.code, 0);
        let fields = [("statsName", "TOPIC_PUT_NUMS"), ("statsKey", "T")];
        let answer = broker.peer.ask(RequestCode::VIEW_BROKER_STATS_DATA, &fields).await;
        assert_eq!(answer.code, code);
        broker.stop().await;
    }
}

#[tokio::test]
async fn groups_that_are_too_slow_are_stopped() {
    for (enabled, threshold, code) in [(true, 100, 16), (true, 1 << 30, 0), (false, 100, 0)] {
        let broker = Fixture::with(|settings| {
            settings.broker.disable_consume_if_consumer_read_slowly = enabled;
            settings.broker.consumer_fallbehind_threshold = threshold;
        })
        .await;
        for _ in 0..3 {
            broker.peer.stored(&message("T", "0")).await;
        }
        let mut request = pull("T", "0", "0");
        request.max = "1";
        assert_eq!(broker.peer.pull(&request).await.code, 0);
        protect::slow_groups(broker.context());
        let answer = broker.peer.pull(&request).await;
        assert_eq!(answer.code, code, "{enabled} {threshold}");
        if code == 16 {
            let text = "subscription group no permission, test_consumer".to_string();
            assert_eq!(said(&answer), (16, text));
        }
        broker.stop().await;
    }
}

#[tokio::test]
async fn the_runtime_table_has_every_key() {
    let broker = Fixture::start().await;
    broker.peer.stored(&message("T", "0")).await;
    let answer = broker.peer.ask(RequestCode::GET_BROKER_RUNTIME_INFO, &[]).await;
    let table = parsed::<KvTable>(&answer).table;
    for key in [
        "bootTimestamp",
        "runtime",
        "putMessageEntireTimeMax",
        "putMessageTimesTotal",
        "putMessageSizeTotal",
        "putMessageDistributeTime",
        "putMessageAverageSize",
        "dispatchMaxBuffer",
        "getMessageEntireTimeMax",
        "putTps",
        "getFoundTps",
        "getMissTps",
        "getTotalTps",
        "getTransferedTps",
        "commitLogDiskRatio",
        "consumeQueueDiskRatio",
        "commitLogMinOffset",
        "commitLogMaxOffset",
        "brokerVersionDesc",
        "brokerVersion",
        "msgPutTotalYesterdayMorning",
        "msgPutTotalTodayMorning",
        "msgPutTotalTodayNow",
        "msgGetTotalYesterdayMorning",
        "msgGetTotalTodayMorning",
        "msgGetTotalTodayNow",
        "sendThreadPoolQueueSize",
        "sendThreadPoolQueueCapacity",
        "pullThreadPoolQueueSize",
        "pullThreadPoolQueueCapacity",
        "queryThreadPoolQueueSize",
        "queryThreadPoolQueueCapacity",
        "EndTransactionQueueSize",
        "EndTransactionThreadPoolQueueCapacity",
        "dispatchBehindBytes",
        "pageCacheLockTimeMills",
        "sendThreadPoolQueueHeadWaitTimeMills",
        "pullThreadPoolQueueHeadWaitTimeMills",
        "queryThreadPoolQueueHeadWaitTimeMills",
        "earliestMessageTimeStamp",
        "startAcceptSendRequestTimeStamp",
        "remainTransientStoreBufferNumbs",
        "remainHowManyDataToFlush",
        "commitLogDirCapacity",
    ] {
        assert!(table.contains_key(key), "{key} is missing");
    }
    assert_eq!(table["brokerVersionDesc"], "V4_9_2");
    assert_eq!(table["brokerVersion"], "397");
    assert_eq!(table["msgPutTotalTodayNow"], "1");
    assert_eq!(table["dispatchBehindBytes"], "0");
    assert_eq!(table["sendThreadPoolQueueCapacity"], "10000");
    let end = broker.context().store.max_physical_offset().to_string();
    assert_eq!((&*table["commitLogMinOffset"], &table["commitLogMaxOffset"]), ("0", &end));
    broker.stop().await;
}
