//! Retries and dead letters (contract `broker.md` 11, `requests.md` 1.3, 1.5).

use rocketmq_protocol::RequestCode;
use rocketmq_protocol::topic::SCHEDULE;

use crate::files::{Kept, bodies, killed, queue, sent};
use crate::support::{FAQ, Fixture, Outgoing, message, said, until};

const TOPIC: &str = "Retried";
const GROUP: &str = "retry_group";
const RETRY: &str = "%RETRY%retry_group";
const DLQ: &str = "%DLQ%retry_group";

async fn started(levels: &str) -> Fixture {
    let levels = levels.to_string();
    let fixture = Fixture::with(|settings| settings.store.message_delay_level = levels).await;
    fixture.create_topic(TOPIC, 4).await;
    let properties = sent(&[("TAGS", "T"), ("KEYS", "k")]);
    let message = Outgoing { properties: &properties, flag: "7", ..message(TOPIC, "1") };
    fixture.peer.stored(&message).await;
    fixture
}

/// Changes the group's settings.
async fn set_group(fixture: &Fixture, settings: &str) {
    let body = format!("{{\"groupName\":\"{GROUP}\",{settings}}}").into_bytes();
    let code = RequestCode::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP;
    assert_eq!(fixture.peer.ask_with(code, &[], body).await.code, 0);
}

async fn send_back(
    fixture: &Fixture,
    offset: i64,
    level: &str,
    max: Option<&str>,
) -> (i32, String) {
    let offset = offset.to_string();
    let mut fields = vec![
        ("offset", offset.as_str()),
        ("group", GROUP),
        ("delayLevel", level),
        ("originTopic", TOPIC),
        ("unitMode", "false"),
    ];
    fields.extend(max.map(|max| ("maxReconsumeTimes", max)));
    said(&fixture.peer.ask(RequestCode::CONSUMER_SEND_MSG_BACK, &fields).await)
}

fn only(fixture: &Fixture, topic: &str, queue_id: i32) -> Kept {
    let mut kept = queue(fixture.context(), topic, queue_id);
    assert_eq!(kept.len(), 1, "{topic} {queue_id}");
    kept.remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_sent_back_comes_again_on_the_retry_topic() {
    let fixture = started("1s 2h").await;
    let first = only(&fixture, TOPIC, 1);
    assert_eq!(send_back(&fixture, first.physical_offset, "1", None).await, (0, String::new()));
    let waiting = only(&fixture, SCHEDULE, 0);
    for (name, value) in [
        ("RETRY_TOPIC", TOPIC),
        ("ORIGIN_MESSAGE_ID", &first.msg_id),
        ("REAL_TOPIC", RETRY),
        ("REAL_QID", "0"),
        ("DELAY", "1"),
        ("WAIT", "false"),
        ("TAGS", "T"),
        ("KEYS", "k"),
        ("CLUSTER", "DefaultCluster"),
    ] {
        assert_eq!(waiting.property(name), Some(value), "{name}");
    }
    until("it comes again", || !bodies(fixture.context(), RETRY, 0).is_empty()).await;
    let again = only(&fixture, RETRY, 0);
    assert_eq!((again.reconsume_times, again.flag, &*again.body), (1, 7, "hello"));
    assert_eq!(again.born_timestamp, first.born_timestamp);

    // The second time: topic and id of the first are kept.
    assert_eq!(send_back(&fixture, again.physical_offset, "1", None).await.0, 0);
    until("and again", || bodies(fixture.context(), RETRY, 0).len() == 2).await;
    let second = queue(fixture.context(), RETRY, 0).remove(1);
    assert_eq!(second.reconsume_times, 2);
    assert_eq!(second.property("RETRY_TOPIC"), Some(TOPIC));
    assert_eq!(second.property("ORIGIN_MESSAGE_ID"), Some(&*first.msg_id));
    let key = format!("{TOPIC}@{GROUP}");
    assert!(fixture.context().stats.view("SNDBCK_PUT_NUMS", &key).is_some());
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_level_the_delay_grows_with_the_tries() {
    let fixture = started("1s 1s 1s 1s 2h").await;
    let mut last = only(&fixture, TOPIC, 1);
    for (tries, waits_in) in [(0, 2), (1, 3)] {
        assert_eq!(last.reconsume_times, tries);
        assert_eq!(send_back(&fixture, last.physical_offset, "0", None).await.0, 0);
        assert_eq!(queue(fixture.context(), SCHEDULE, waits_in).len(), 1);
        let count = tries as usize + 1;
        until("it comes again", || bodies(fixture.context(), RETRY, 0).len() == count).await;
        last = queue(fixture.context(), RETRY, 0).remove(tries as usize);
    }
    assert_eq!(send_back(&fixture, last.physical_offset, "0", None).await.0, 0);
    assert_eq!(queue(fixture.context(), SCHEDULE, 4).len(), 1, "level 5 after two tries");
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dead_letters_take_what_was_tried_often_enough() {
    let fixture = started("1s").await;
    let offset = only(&fixture, TOPIC, 1).physical_offset;
    // By the consumer's will, by its limit, and by the group's.
    assert_eq!(send_back(&fixture, offset, "-1", None).await.0, 0);
    assert_eq!(send_back(&fixture, offset, "3", Some("0")).await.0, 0);
    set_group(&fixture, "\"retryMaxTimes\":0,\"retryQueueNums\":1,\"consumeEnable\":true").await;
    assert_eq!(send_back(&fixture, offset, "3", None).await.0, 0);
    let dead = queue(fixture.context(), DLQ, 0);
    assert_eq!(dead.len(), 3);
    for letter in &dead {
        assert_eq!((letter.reconsume_times, letter.property("DELAY")), (1, Some("0")));
        assert_eq!(letter.property("RETRY_TOPIC"), Some(TOPIC));
    }
    assert!(bodies(fixture.context(), SCHEDULE, 0).is_empty());
    let topic = fixture.context().topics.get(DLQ).unwrap();
    assert_eq!((topic.perm, topic.read_queue_nums, topic.write_queue_nums), (6, 1, 1));

    // A kill right after the answer loses neither letter nor topic.
    let folder = killed(fixture.folder.path());
    fixture.stop().await;
    let fixture = Fixture::inside(folder, |_| {}).await;
    assert_eq!(queue(fixture.context(), DLQ, 0).len(), 3);
    assert!(fixture.context().topics.get(DLQ).is_some());
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_sent_back_is_refused_in_javas_words() {
    let fixture = Fixture::with(|settings| {
        settings.broker.auto_create_subscription_group = false;
    });
    let fixture = fixture.await;
    let unknown = (26, format!("subscription group not exist, {GROUP} {FAQ}"));
    assert_eq!(send_back(&fixture, 0, "0", None).await, unknown);
    set_group(&fixture, "\"retryMaxTimes\":16,\"retryQueueNums\":0").await;
    assert_eq!(send_back(&fixture, 0, "0", None).await, (0, String::new()), "no retries wanted");
    set_group(&fixture, "\"retryMaxTimes\":16,\"retryQueueNums\":2").await;
    let lost = (1, "look message by offset failed, 123456".to_string());
    assert_eq!(send_back(&fixture, 123_456, "0", None).await, lost);
    assert_eq!(fixture.context().topics.get(RETRY).unwrap().write_queue_nums, 2);
    fixture.create_topic_with(RETRY, 2, 2, 4, "SINGLE_TAG").await;
    let forbidden = (16, format!("the topic[{RETRY}] sending message is forbidden"));
    assert_eq!(send_back(&fixture, 0, "0", None).await, forbidden);
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_sends_to_the_retry_topic_itself_is_served_alike() {
    let fixture = started("1s").await;
    let properties = sent(&[("DELAY", "1"), ("RETRY_TOPIC", TOPIC), ("RECONSUME_TIME", "1")]);
    let retry = Outgoing {
        properties: &properties,
        reconsume_times: "1",
        max_reconsume_times: Some("2"),
        body: b"by itself",
        ..message(RETRY, "0")
    };
    fixture.peer.stored(&retry).await;
    assert_eq!(only(&fixture, SCHEDULE, 0).property("REAL_TOPIC"), Some(RETRY));
    until("delivered", || bodies(fixture.context(), RETRY, 0) == ["by itself"]).await;
    assert_eq!(only(&fixture, RETRY, 0).reconsume_times, 1);
    fixture.peer.stored(&Outgoing { reconsume_times: "2", ..retry }).await;
    assert_eq!(only(&fixture, DLQ, 0).property("DELAY"), None, "without a delay");
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_sync_flush_the_answer_waits_for_the_disk() {
    let fixture = Fixture::with(|settings| {
        settings.store.flush_disk_type = rocketmq_store::FlushDiskType::SyncFlush;
    });
    let fixture = fixture.await;
    fixture.peer.stored(&message(TOPIC, "1")).await;
    let offset = only(&fixture, TOPIC, 1).physical_offset;
    assert_eq!(send_back(&fixture, offset, "18", None).await, (0, String::new()));
    let store = &fixture.context().store;
    assert!(store.flushed_offset() > only(&fixture, SCHEDULE, 17).physical_offset);
    fixture.stop().await;
}
