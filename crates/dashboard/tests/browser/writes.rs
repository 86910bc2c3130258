//! What is written by the pages of topics, groups, messages and dead letters.

use serde_json::json;

use crate::stage::{Stage, WIDE};

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
        .until("document.querySelector('dialog [data-preview]')?.innerText.includes('20 messages')")
        .await;
    stage.lag_is("behind", 2).await;
    stage.submit().await;
    stage.lag_is("behind", 22).await;

    stage.open("topics", "topics").await;
    stage.choose("Busy", "skip", "skip").await;
    browser.click("dialog[open] [name=group] option[value=behind]").await;
    browser
        .until("document.querySelector('dialog [data-preview]')?.innerText.includes('22')")
        .await;
    stage.submit().await;
    stage.lag_is("behind", 0).await;

    stage.open("groups", "groups").await;
    stage.choose("behind", "delete", "confirm").await;
    browser.write("dialog[open] [name=confirm]", "behind").await;
    // On no broker at all there is nothing to delete.
    browser.click("dialog[open] [name=broker][value=broker-a]").await;
    browser.see("dialog[open] [data-submit][disabled]").await;
    browser.click("dialog[open] [name=broker]").await;
    stage.picture("group-delete-wide").await;
    stage.submit().await;
    let left = stage.scene.admin.all_subscription_groups(&stage.scene.broker()).await.unwrap();
    assert!(!left.subscription_group_table.contains_key("behind"));
    stage.is_quiet("groups").await;
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium: make dashboard-test"]
async fn a_group_is_made_and_changed() {
    let stage = Stage::start(&[], "").await;
    let browser = &stage.browser;
    browser.resize(WIDE).await;
    stage.open("groups", "groups").await;
    browser.click("main [data-action=add]").await;
    browser.write("dialog[open] [name=groupName]", "fresh").await;
    browser.write("dialog[open] [name=retryQueueNums]", "2").await;
    stage.submit().await;
    let config = stage.group("fresh").await;
    assert_eq!((config.retry_queue_nums, config.retry_max_times), (2, 16));
    stage.open("groups", "groups").await;
    stage.choose("fresh", "config", "config").await;
    browser.write("dialog[open] [name=retryMaxTimes]", "5").await;
    browser.click("dialog[open] [name=consumeEnable]").await;
    stage.submit().await;
    let config = stage.group("fresh").await;
    assert_eq!((config.retry_max_times, config.consume_enable), (5, false));
    stage.is_quiet("a new group").await;
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium: make dashboard-test"]
async fn a_message_is_consumed_at_once_and_sent_again() {
    let stage = Stage::start(&[], "").await;
    let browser = &stage.browser;
    browser.resize(WIDE).await;
    stage.eventually("consumed", async |stage| stage.times_heard("live", "message 7") == 1).await;
    stage.open("messages?topic=Busy&body=message+7&begin=2020-01-01T00:00:00", "messages").await;
    browser.click("tr[data-key] [data-action=view]").await;
    browser.click("dialog[open] [data-action=resend][data-group=live]").await;
    browser.see("[data-toast=ok]").await;
    assert_eq!(stage.times_heard("live", "message 7"), 2);
    let before = stage.messages("Busy").await.unwrap();
    browser.click("dialog[open] [data-action=again]").await;
    stage
        .eventually("sent again", async |stage| stage.messages("Busy").await == Some(before + 1))
        .await;
    browser.click("dialog[open] [data-action=forward]").await;
    browser.write("dialog[open][data-dialog=forward] [name=to]", "Deadly").await;
    browser.click("dialog[open][data-dialog=forward] [data-submit]").await;
    stage
        .eventually("sent elsewhere", async |stage| stage.messages("Deadly").await == Some(2))
        .await;
    stage.is_quiet("consume now").await;
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium: make dashboard-test"]
async fn dead_letters_are_consumed_sent_again_and_purged() {
    let stage = Stage::start(&[], "").await;
    let browser = &stage.browser;
    browser.resize(WIDE).await;
    let before = stage.times_heard("failing", "cannot be consumed");
    stage.open("dlq", "dlq").await;
    browser.click("tr[data-key=failing] [data-action=open]").await;
    browser.click("tr [name=pick]").await;
    // The consumer fails again: that is told, with what it answered.
    browser.click("[data-action=resend]:not([disabled])").await;
    browser
        .until("document.querySelector('[data-toast=error]')?.innerText.includes('CR_LATER')")
        .await;
    assert_eq!(stage.times_heard("failing", "cannot be consumed"), before + 1);
    browser.click("[data-action=again]:not([disabled])").await;
    browser.see("[data-toast=ok]").await;
    stage.eventually("sent again", async |stage| stage.messages("Deadly").await == Some(2)).await;
    for format in ["csv", "json"] {
        let file = format!(
            "fetch(document.querySelector('[data-action=export-{format}]').href).then((reply) => reply.text())"
        );
        let text = browser.value(&file).await;
        assert!(text.as_str().unwrap().contains("Deadly"), "{text}");
    }
    browser.click("[data-action=purge]").await;
    browser.write("dialog[open] [name=confirm]", "failing").await;
    browser.click("dialog[open] [data-submit]:not([disabled])").await;
    stage.eventually("no topic", async |stage| stage.topic("%DLQ%failing").await.is_none()).await;
    stage.is_quiet("dead letters").await;
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium: make dashboard-test"]
async fn a_topic_is_reset_for_a_group() {
    let stage = Stage::start(&[], "").await;
    let browser = &stage.browser;
    browser.resize(WIDE).await;
    stage.scene.until("/api/v1/topics", |answer| answer.to_string().contains("behind")).await;
    stage.open("topics", "topics").await;
    stage.choose("Busy", "reset", "reset").await;
    browser.click("dialog[open] [name=group] option[value=behind]").await;
    browser.click("dialog[open] [name=to] option[value='-2']").await;
    stage.submit().await;
    stage.lag_is("behind", 22).await;
    stage.is_quiet("a reset from the topic").await;
    stage.stop().await;
}
