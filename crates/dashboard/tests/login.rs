//! Logging in: the first start, wrong passwords, roles, expired sessions, forged requests.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::json;
use support::{Reply, Scene};

const ON: (&str, &str) = ("rocketmq.config.loginRequired", "true");

async fn log_in(scene: &Scene, prefix: &str, name: &str, password: &str) -> Reply {
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    scene
        .send(
            "POST",
            &format!("{prefix}/login/login.do"),
            &form,
            &format!("username={name}&password={password}"),
        )
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_start_makes_a_password() {
    let scene = Scene::start(&[ON, ("server.servlet.context-path", "/rocketmq-dashboard")]).await;
    let prefix = "/rocketmq-dashboard";
    let page = scene.get(&format!("{prefix}/")).await;
    assert_eq!((page.status, page.body.contains("<title>RocketMQ Dashboard</title>")), (200, true));
    assert_eq!(scene.get(prefix).await.header("location"), "/rocketmq-dashboard/");
    let away = scene.get(&format!("{prefix}/topic/list.query")).await;
    assert_eq!(away.status, 302);
    assert_eq!(
        away.header("location"),
        "/rocketmq-dashboard/#/login?redirect=/rocketmq-dashboard/topic/list.query"
    );
    assert_eq!(scene.get(&format!("{prefix}/api/v1/overview")).await.status, 401);
    let session = scene.get(&format!("{prefix}/api/v1/session")).await.json();
    assert_eq!(
        (&session["user"], &session["clusters"], &session["firstStart"]),
        (&json!(null), &json!([]), &json!(true))
    );
    let password = scene.dashboard.first_password().unwrap().to_string();
    let reply = log_in(&scene, prefix, "admin", &password).await;
    assert_eq!(
        reply.json()["data"],
        json!({"loginUserName": "admin", "loginUserRole": 1, "contextPath": prefix})
    );
    let cookie = format!("JSESSIONID={}", reply.cookie("JSESSIONID"));
    let cookies = [("Cookie", cookie.as_str())];
    let check =
        scene.send("GET", &format!("{prefix}/login/check.query"), &cookies, "").await.json();
    assert_eq!(check["data"], json!({"loginRequired": true, "logined": true}));
    assert_eq!(
        scene.send("GET", &format!("{prefix}/api/v1/overview"), &cookies, "").await.status,
        200
    );
    scene.send("POST", &format!("{prefix}/login/logout.do"), &cookies, "").await;
    assert_eq!(
        scene.send("GET", &format!("{prefix}/api/v1/overview"), &cookies, "").await.status,
        401
    );
    assert!(!std::fs::read_to_string(scene.data("audit.log")).unwrap().contains(&password));
    scene.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_passwords_lock_a_name() {
    let scene = Scene::start(&[ON]).await;
    for _ in 0..5 {
        assert_eq!(
            log_in(&scene, "", "admin", "wrong").await.json()["errMsg"],
            "Bad username or password!"
        );
    }
    let locked =
        log_in(&scene, "", "admin", scene.dashboard.first_password().unwrap()).await.json();
    assert!(locked["errMsg"].as_str().unwrap().contains("locked for"), "{locked}");
    let missing = scene.send("POST", "/login/login.do", &[], "").await.json();
    assert_eq!(missing["errMsg"], "Required String parameter 'username' is not present");
    scene.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_and_forged_requests() {
    let scene = Scene::start(&[ON]).await;
    std::fs::write(scene.data("users.properties"), "boss=b,1\nuser1=u\nreader=r,read\n").unwrap();
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(5);
    std::fs::File::options()
        .write(true)
        .open(scene.data("users.properties"))
        .unwrap()
        .set_modified(later)
        .unwrap();
    let user = log_in(&scene, "", "user1", "u").await;
    assert_eq!(user.json()["data"]["loginUserRole"], 0);
    let cookie = format!("JSESSIONID={}", user.cookie("JSESSIONID"));
    let as_user = [("Cookie", cookie.as_str())];
    assert_eq!(scene.send("GET", "/topic/list.query", &as_user, "").await.json()["status"], 0);
    let refused = scene.send("GET", "/cluster/list.query", &as_user, "").await.json();
    assert!(refused["errMsg"].as_str().unwrap().starts_with("no permission"), "{refused}");
    let write = scene
        .send("POST", "/ops/updateIsVIPChannel.do?useVIPChannel=true", &as_user, "")
        .await
        .json();
    assert!(write["errMsg"].as_str().unwrap().starts_with("no permission"), "{write}");
    let boss = log_in(&scene, "", "boss", "b").await;
    let (cookie, token) =
        (format!("JSESSIONID={}", boss.cookie("JSESSIONID")), boss.cookie("XSRF-TOKEN"));
    let host = format!("http://{}", scene.dashboard.local());
    let path = "/ops/updateIsVIPChannel.do?useVIPChannel=false";
    let script = [("Cookie", cookie.as_str())];
    assert_eq!(scene.send("POST", path, &script, "").await.json()["data"], true);
    let forged = [("Cookie", cookie.as_str()), ("Origin", "http://evil.example")];
    assert!(
        scene.send("POST", path, &forged, "").await.json()["errMsg"]
            .as_str()
            .unwrap()
            .contains("another site")
    );
    let untold = [("Cookie", cookie.as_str()), ("Origin", host.as_str())];
    assert!(
        scene.send("POST", path, &untold, "").await.json()["errMsg"]
            .as_str()
            .unwrap()
            .contains("X-CSRF-Token")
    );
    let told =
        [("Cookie", cookie.as_str()), ("Origin", host.as_str()), ("X-CSRF-Token", token.as_str())];
    assert_eq!(scene.send("POST", path, &told, "").await.json()["data"], true);
    let reader = log_in(&scene, "", "reader", "r").await;
    let cookie = format!("JSESSIONID={}", reader.cookie("JSESSIONID"));
    let as_reader = [("Cookie", cookie.as_str())];
    assert_eq!(scene.send("GET", "/api/v1/groups", &as_reader, "").await.status, 200);
    assert_eq!(scene.send("POST", "/api/v1/topics/delete", &as_reader, "{}").await.status, 403);
    assert_eq!(scene.send("GET", "/api/v1/audit", &as_reader, "").await.status, 403);
    scene.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_nobody_uses_expires() {
    let scene = Scene::start(&[ON, ("server.servlet.session.timeout", "1")]).await;
    let reply = log_in(&scene, "", "admin", scene.dashboard.first_password().unwrap()).await;
    let cookie = format!("JSESSIONID={}", reply.cookie("JSESSIONID"));
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(30);
    // Each look keeps a session alive, so they are further apart than it may rest.
    while scene.send("GET", "/api/v1/groups", &[("Cookie", &cookie)], "").await.status != 401 {
        assert!(tokio::time::Instant::now() < deadline, "it does not expire");
        tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    }
    scene.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_login_another_site_still_cannot_write() {
    let scene = Scene::start(&[]).await;
    let forged = [("Origin", "http://evil.example")];
    let reply = scene.send("POST", "/ops/updateUseTLS.do?useTLS=true", &forged, "").await.json();
    assert!(reply["errMsg"].as_str().unwrap().contains("another site"), "{reply}");
    assert_eq!(scene.data_of("/ops/homePage.query").await["useTLS"], false);
    scene.stop().await;
}
