//! Every page in both languages and sizes, hostile and long messages, keys and addresses.

use serde_json::json;

use crate::stage::{HOSTILE, LONG, NARROW, Stage, WIDE};

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

async fn every_page_fits(prefix: &'static str, port: &str) {
    // A network of its own has the ports that users have; elsewhere a free one is taken.
    let own = std::env::var_os("DASHBOARD_OWN_NETWORK").is_some();
    let words = [("server.port", if own { port } else { "0" })];
    let stage = Stage::start(&words, prefix).await;
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
                // As a click on the menu does: without loading the whole page anew.
                browser.value(&format!("location.hash = {}", json!(format!("#/{hash}")))).await;
                browser.see(&format!("main[data-page={page}][data-ready=true]")).await;
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
                if prefix.is_empty() {
                    let more = if language == "en" { "" } else { "-zh" };
                    stage.picture(&format!("{page}-{width}{more}")).await;
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
    every_page_fits("", "8080").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium: make dashboard-test"]
async fn every_page_fits_below_a_context_path() {
    every_page_fits("/rocketmq-dashboard", "8083").await;
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
    browser.click("dialog[open] [data-action=close]").await;
    stage.open("messages?topic=Busy&key=long&begin=2020-01-01T00:00:00", "messages").await;
    browser.click("tr[data-key] [data-action=view]").await;
    let whole = format!("document.querySelector('[data-body=text]')?.innerText.length === {LONG}");
    browser.until(&whole).await;
    for (size, width) in [(WIDE, "wide"), (NARROW, "narrow")] {
        browser.resize(size).await;
        let fits = "document.querySelector('dialog[open]').scrollWidth <= innerWidth";
        browser.until(fits).await;
        stage.picture(&format!("message-long-{width}")).await;
    }
    browser.resize(WIDE).await;
    browser.click("dialog[open] [data-action=close]").await;
    // Names are no safer than bodies: a broker takes any name of a group.
    let named = json!({"clusterNameList": ["DefaultCluster"], "subscriptionGroupConfig": {"groupName": HOSTILE}});
    let made = stage.scene.post("/consumer/createOrUpdate.do", &named).await.json();
    assert_eq!(made["data"], true, "{made}");
    stage.scene.until("/api/v1/groups", |answer| answer.to_string().contains("<img")).await;
    stage.open("groups", "groups").await;
    browser.until("document.querySelector('main').innerText.includes('<img src=x')").await;
    browser.click("tr[data-key^='<img'] [data-action=menu]").await;
    browser.click(".menu [data-action=delete]").await;
    browser.until("document.querySelector('dialog[open]').innerText.includes('<img src=x')").await;
    assert_eq!(
        browser
            .value("[window.hacked ?? null, document.querySelectorAll('img[src=x]').length]")
            .await,
        json!([null, 0])
    );
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
async fn keys_and_the_address_lead_to_every_state() {
    let stage = Stage::start(&[], "").await;
    let browser = &stage.browser;
    browser.resize(WIDE).await;
    stage.open("", "overview").await;
    browser.press("body", "gt").await;
    browser.see("main[data-page=topics][data-ready=true] tr[data-key=Busy]").await;
    browser.press("body", "/").await;
    browser.until("document.activeElement.name === 'q'").await;
    browser.press("[name=q]", "dead").await;
    browser.until("document.querySelectorAll('tr[data-key]').length === 1").await;
    browser.click("tr[data-key=Deadly] [data-action=status]").await;
    browser.see("dialog[open][data-dialog=status][data-ready=true]").await;
    let there =
        browser.value("location.hash").await.as_str().unwrap().trim_start_matches("#/").to_string();
    stage.open(&there, "topics").await;
    browser.see("dialog[open][data-dialog=status][data-ready=true]").await;
    assert_eq!(browser.value("document.querySelector('[name=q]').value").await, "dead");
    for (row, dialogs) in
        [("topics", &["route", "consumers"][..]), ("groups", &["detail", "clients"][..])]
    {
        for dialog in dialogs {
            let name = if row == "topics" { "Busy" } else { "live" };
            stage.open(&format!("{row}?dialog={dialog}&name={name}"), row).await;
            browser
                .see(&format!("dialog[open][data-dialog={dialog}][data-ready=true] table"))
                .await;
            stage.picture(&format!("{dialog}-wide")).await;
        }
    }
    browser.click("dialog[open] [data-action=client]").await;
    browser.see("dialog[open][data-dialog=client][data-ready=true] table").await;
    stage.is_quiet("keys and addresses").await;
    stage.stop().await;
}
