//! What is written by the pages of brokers, accounts and operations; a name server that goes and comes back.

use serde_json::json;

use crate::stage::{Stage, WIDE};
use crate::support::{Gate, Scene};

const RULES: &str = "\
accounts:
  - accessKey: administrator
    secretKey: secret-of-admin
    admin: true
";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium: make dashboard-test"]
async fn a_broker_is_configured() {
    let stage = Stage::bare(Scene::start(&[]).await).await;
    let browser = &stage.browser;
    browser.resize(WIDE).await;
    stage.open("cluster", "cluster").await;
    stage.choose("broker-a:0", "status", "status").await;
    stage.picture("broker-status-wide").await;
    browser.click("dialog[open] [data-action=close]").await;
    stage.choose("broker-a:0", "config", "config").await;
    stage.picture("broker-config-wide").await;
    browser.write("dialog[open] [name=key]", "fileReservedTime").await;
    browser.click("dialog[open] [data-action=edit]").await;
    browser.see("dialog[open][data-dialog=edit][data-ready=true]").await;
    browser.write("dialog[open][data-dialog=edit] [name=value]", "73").await;
    stage.submit().await;
    let config = stage.scene.admin.broker_config(&stage.scene.broker()).await.unwrap();
    assert_eq!(config.get("fileReservedTime"), Some("73"));
    browser
        .until("document.querySelector('dialog[data-dialog=config]').innerText.includes('73')")
        .await;
    stage.is_quiet("a broker's configuration").await;
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium: make dashboard-test"]
async fn accounts_are_made_changed_tested_and_deleted() {
    let stage =
        Stage::bare(Scene::guarded(RULES, ("administrator", "secret-of-admin")).await).await;
    let browser = &stage.browser;
    browser.resize(WIDE).await;
    stage.open("acl", "acl").await;
    browser.click("main [data-action=add]").await;
    browser.write("dialog[open] [name=accessKey]", "shop-account").await;
    browser.write("dialog[open] [name=secretKey]", "secret-of-shop").await;
    browser.write("dialog[open] [name=topicPerms]", "orders=PUB|SUB").await;
    stage.submit().await;
    let perms = async || {
        let rules = stage.scene.admin.acl_config(&stage.scene.broker()).await.unwrap();
        let mut accounts = rules.plain_access_configs.into_iter();
        let found = accounts.find(|one| one.access_key.as_deref() == Some("shop-account"));
        found.map(|account| account.topic_perms.unwrap_or_default())
    };
    assert_eq!(perms().await, Some(vec!["orders=PUB|SUB".to_string()]));
    browser.click("tr[data-key=shop-account] [data-action=edit]").await;
    browser.write("dialog[open] [name=topicPerms]", "orders=SUB").await;
    stage.picture("account-wide").await;
    stage.submit().await;
    assert_eq!(perms().await, Some(vec!["orders=SUB".to_string()]));

    stage.open("acl", "acl").await;
    browser.write("form [name=accessKey]", "shop-account").await;
    browser.write("form [name=topic]", "orders").await;
    browser.click("[data-action=test]").await;
    browser
        .until("document.querySelector('main').innerText.includes('topicPerms: orders=SUB')")
        .await;
    stage.picture("accounts-wide").await;
    browser.write("[name=white]", "10.1.2.3").await;
    browser.click("[data-action=white]").await;
    browser.see("[data-toast=ok]").await;
    let rules = stage.scene.admin.acl_config(&stage.scene.broker()).await.unwrap();
    assert_eq!(rules.global_white_addrs, ["10.1.2.3"]);

    stage.open("acl", "acl").await;
    browser.click("tr[data-key=shop-account] [data-action=delete]").await;
    browser.write("dialog[open] [name=confirm]", "shop-account").await;
    stage.submit().await;
    assert_eq!(perms().await, None);
    stage.open("audit", "audit").await;
    browser.until("document.querySelector('main').innerText.includes('delete account')").await;
    let page = browser.value("document.querySelector('main').innerText").await;
    assert!(!page.as_str().unwrap().contains("secret-of"), "{page}");
    stage.picture("audit-filled-wide").await;
    stage.is_quiet("accounts").await;
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium: make dashboard-test"]
async fn name_servers_and_switches_are_changed() {
    let stage = Stage::bare(Scene::start(&[]).await).await;
    let browser = &stage.browser;
    browser.resize(WIDE).await;
    let known = stage.scene.cluster.namesrv_addr();
    let twice = format!("{known};{known}");
    stage.open("ops", "ops").await;
    for (switch, before) in [("useVIPChannel", false), ("useTLS", false)] {
        browser.click(&format!("[name={switch}]")).await;
        stage.scene.until("/ops/homePage.query", |answer| answer["data"][switch] == !before).await;
        browser.click(&format!("[name={switch}]")).await;
        stage.scene.until("/ops/homePage.query", |answer| answer["data"][switch] == before).await;
    }
    browser.write("[name=nameSvrAddrList]", &twice).await;
    browser.click("[data-action=nameservers]").await;
    stage
        .scene
        .until("/ops/homePage.query", |answer| answer["data"]["namesvrAddrList"][0] == twice)
        .await;
    browser.write("[name=nameSvrAddrList]", "nonsense").await;
    browser.click("[data-action=nameservers]").await;
    browser
        .until("document.querySelector('[data-toast=error]')?.innerText.includes('host:port')")
        .await;
    stage.open("cluster", "cluster").await;
    browser.click(&format!("select[name=cluster] option[value='{known}']")).await;
    browser
        .until("fetch('api/v1/session').then((reply) => reply.json()).then((one) => !one.cluster.includes(';'))")
        .await;
    stage.is_quiet("operations").await;
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium: make dashboard-test"]
async fn a_name_server_that_goes_is_shown_and_comes_back_by_itself() {
    let scene = Scene::start(&[("rocketmq.config.timeoutMillis", "1000")]).await;
    let mut gate = Gate::open(&scene.cluster.namesrv_addr()).await;
    let through = format!("/ops/updateNameSvrAddr.do?nameSvrAddrList={}", gate.addr());
    assert_eq!(scene.send("POST", &through, &[], "").await.json()["data"], json!(true));
    let stage = Stage::bare(scene).await;
    let browser = &stage.browser;
    browser.resize(WIDE).await;
    stage.open("", "overview").await;
    browser.until("document.querySelector('main').innerText.includes('broker-a:0')").await;
    gate.close().await;
    browser.see(".problem[data-kind=nameServer]").await;
    let told = browser.value("document.querySelector('.problem').innerText").await;
    let told = told.as_str().unwrap();
    assert!(told.contains(&format!("connect to [{}] failed", gate.addr())), "{told}");
    assert!(told.contains("rocketmq.config.namesrvAddr"), "{told}");
    stage.picture("name-server-gone-wide").await;
    gate.reopen().await;
    browser.until("!document.querySelector('.problem[data-kind=nameServer]')").await;
    stage.is_quiet("a name server that went and came back").await;
    stage.stop().await;
}
