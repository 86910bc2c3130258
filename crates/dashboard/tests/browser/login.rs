//! Logging in, a session that ends, and HTTPS.

use base64ct::{Base64, Encoding};
use serde_json::json;

use crate::stage::{Stage, WIDE};
use crate::support::Scene;

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

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium: make dashboard-test"]
async fn a_session_that_ends_leads_back_to_the_login() {
    // The page asks again every five seconds: the session ends before.
    let words =
        [("rocketmq.config.loginRequired", "true"), ("server.servlet.session.timeout", "4s")];
    let stage = Stage::bare(Scene::start(&words).await).await;
    let browser = &stage.browser;
    stage.load("topics").await;
    browser.write("[name=username]", "admin").await;
    browser.write("[name=password]", stage.scene.dashboard.first_password().unwrap()).await;
    browser.click("[data-submit]").await;
    browser.see("main[data-page=topics]").await;
    browser.see("main[data-page=login][data-ready=true]").await;
    assert_eq!(browser.value("location.hash").await, "#/login?redirect=%23%2Ftopics");
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium: make dashboard-test"]
async fn pages_and_writes_go_over_https() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_string()]).unwrap();
    let file = |kind: &str, content: &[u8]| {
        let path = folder.path().join(kind);
        let text = Base64::encode_string(content);
        let lines = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap());
        let lines = lines.collect::<Vec<_>>().join("\n");
        let pem = format!("-----BEGIN {kind}-----\n{lines}\n-----END {kind}-----\n");
        std::fs::write(&path, pem).unwrap();
        path.to_string_lossy().into_owned()
    };
    let certificate = file("CERTIFICATE", made.cert.der());
    let key = file("PRIVATE KEY", &made.signing_key.serialize_der());
    let words = [
        ("server.ssl.certificate", certificate.as_str()),
        ("server.ssl.certificate-private-key", key.as_str()),
        ("rocketmq.config.loginRequired", "true"),
    ];
    let stage = Stage::start(&words, "/rocketmq-dashboard").await;
    let browser = &stage.browser;
    browser.resize(WIDE).await;
    assert!(stage.scene.dashboard.url().starts_with("https://"));
    stage.load("topics").await;
    browser.write("[name=username]", "admin").await;
    browser.write("[name=password]", stage.scene.dashboard.first_password().unwrap()).await;
    browser.click("[data-submit]").await;
    browser.see("main[data-page=topics][data-ready=true] tr[data-key=Busy]").await;
    stage.choose("Busy", "send", "send").await;
    browser.write("dialog[open] [name=messageBody]", "over HTTPS").await;
    let before = stage.messages("Busy").await.unwrap();
    stage.submit().await;
    assert_eq!(stage.messages("Busy").await, Some(before + 1));
    assert_eq!(
        browser.value("[location.protocol, window.isSecureContext]").await,
        json!(["https:", true])
    );
    stage.is_quiet("HTTPS").await;
    stage.stop().await;
}
