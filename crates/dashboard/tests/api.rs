//! Our own API in front of a live cluster.
#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use rocketmq_client::admin::AdminClient;
use rocketmq_client::{ConsumeFromWhere, ConsumeStatus, Message, Producer, PushConsumer};
use rocketmq_common::clock;
use rocketmq_protocol::body::TopicConfig;
use rocketmq_standalone::Standalone;
use serde_json::{Value, json};
use support::{Gate, Scene};

async fn create(scene: &Scene, topic: &str, queues: i32) {
    let body = json!({
        "clusterNameList": ["DefaultCluster"], "topicName": topic, "writeQueueNums": queues, "readQueueNums": queues, "perm": 6,
    });
    assert_eq!(scene.post("/topic/createOrUpdate.do", &body).await.json()["status"], 0);
    scene.until(&format!("/topic/route.query?topic={topic}"), |answer| answer["status"] == 0).await;
}

fn named<'a>(answer: &'a Value, list: &str, name: &str) -> Option<&'a Value> {
    answer[list].as_array()?.iter().find(|row| row["name"] == name)
}

/// All messages of a search, page by page.
async fn search(scene: &Scene, query: &str) -> Vec<Value> {
    let mut found = Vec::new();
    let mut cursor = String::new();
    loop {
        let reply = scene.get(&format!("/api/v1/messages?{query}{cursor}")).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        let answer = reply.json();
        found.extend(answer["messages"].as_array().unwrap().iter().cloned());
        match answer["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return found,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_found_newest_first_and_are_not_consumed_by_it() {
    let scene = Scene::start(&[]).await;
    create(&scene, "Explored", 4).await;
    let producer =
        Producer::builder("p").namesrv_addr(scene.cluster.namesrv_addr()).start().await.unwrap();
    for n in 0..150 {
        let mut message =
            Message::new("Explored", format!("body {n} <b>")).with_keys(format!("k{n}"));
        message = message.with_tags(if n % 3 == 0 { "A" } else { "B" });
        message.set("color", if n % 2 == 0 { "red" } else { "blue" });
        producer.send(message).await.unwrap();
    }

    let counted = runtime(&scene, "msgGetTotalTodayNow").await;
    let all = search(&scene, "topic=Explored&limit=40").await;
    assert_eq!(all.len(), 150);
    let times: Vec<i64> = all.iter().map(|row| row["storeTimestamp"].as_i64().unwrap()).collect();
    assert!(times.is_sorted_by(|one, other| one >= other));
    let ids: std::collections::BTreeSet<&str> =
        all.iter().map(|row| row["msgId"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 150);
    assert_eq!(search(&scene, "topic=Explored&tag=A").await.len(), 50);
    assert_eq!(search(&scene, "topic=Explored&property=color&value=red&tag=A").await.len(), 25);
    assert_eq!(search(&scene, "topic=Explored&property=color").await.len(), 150);
    let one = search(&scene, "topic=Explored&body=body%20149%20%3Cb%3E").await;
    assert_eq!((one.len(), &one[0]["keys"]), (1, &json!("k149")));
    assert_eq!(search(&scene, "topic=Explored&key=k7").await.len(), 1);
    assert_eq!(
        search(&scene, &format!("topic=Explored&begin=0&end={}", times[149] - 1)).await.len(),
        0
    );
    let row = &one[0];
    let path = format!(
        "/api/v1/messages/at?topic=Explored&broker=broker-a&queueId={}&offset={}",
        row["queueId"], row["offset"]
    );
    assert_eq!(scene.get(&path).await.json()["msgId"], row["msgId"]);
    let found = scene
        .get(&format!("/api/v1/messages/find?topic=Explored&id={}", row["msgId"].as_str().unwrap()))
        .await
        .json();
    assert_eq!((&found["offset"], &found["bodyTruncated"]), (&row["offset"], &json!(false)));
    assert_eq!(
        runtime(&scene, "msgGetTotalTodayNow").await,
        counted,
        "reading counted as consumption"
    );
    assert_eq!(scene.get("/api/v1/messages?topic=Explored&cursor=rubbish").await.status, 400);
    let missing = scene.get("/api/v1/messages?topic=NoSuch").await;
    assert_eq!(missing.status, 404);
    assert!(missing.json()["error"]["fix"].is_string(), "{}", missing.body);
    producer.shutdown().await;
    scene.stop().await;
}

async fn runtime(scene: &Scene, key: &str) -> String {
    let table = scene.admin.broker_runtime_info(&scene.broker()).await.unwrap();
    table.get(key).cloned().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_show_what_happens() {
    let scene = Scene::start(&[]).await;
    create(&scene, "Listed", 2).await;
    let producer =
        Producer::builder("p").namesrv_addr(scene.cluster.namesrv_addr()).start().await.unwrap();
    for n in 0..30 {
        producer.send(Message::new("Listed", format!("m{n}"))).await.unwrap();
    }
    let consumer = PushConsumer::builder("readers")
        .namesrv_addr(scene.cluster.namesrv_addr())
        .consume_from(ConsumeFromWhere::FirstOffset)
        .subscribe("Listed", "*")
        .on_messages(|_| async { ConsumeStatus::Success })
        .start()
        .await
        .unwrap();
    let topics = scene
        .until("/api/v1/topics", |answer| {
            named(answer, "topics", "Listed")
                .is_some_and(|row| row["messages"] == 30 && row["groups"] == json!(["readers"]))
        })
        .await;
    assert_eq!(named(&topics, "topics", "Listed").unwrap()["kind"], "normal");
    assert_eq!(named(&topics, "topics", "%RETRY%readers").unwrap()["kind"], "retry");
    assert_eq!(named(&topics, "topics", "TBW102").unwrap()["kind"], "system");
    let groups = scene
        .until("/api/v1/groups", |answer| {
            named(answer, "groups", "readers")
                .is_some_and(|row| row["clients"] == 1 && row["lag"] == 0)
        })
        .await;
    let row = named(&groups, "groups", "readers").unwrap();
    assert_eq!(
        (&row["model"], &row["system"], &row["dlq"]),
        (&json!("CLUSTERING"), &json!(false), &json!(0))
    );
    assert_eq!(named(&groups, "groups", "TOOLS_CONSUMER").unwrap()["system"], true);
    let overview = scene.get("/api/v1/overview").await.json();
    assert_eq!(overview["nameServers"][0]["reachable"], true);
    assert_eq!(overview["clusters"][0]["brokers"][0]["role"], "master");
    let queues = scene.get("/api/v1/groups/readers/queues").await.json();
    assert!(
        queues
            .as_array()
            .unwrap()
            .iter()
            .any(|queue| queue["topic"] == "Listed" && queue["owner"].is_string()),
        "{queues}"
    );
    let producers = scene.get("/api/v1/producers").await.json();
    assert!(
        producers["producers"].as_array().unwrap().iter().any(|one| one["group"] == "p"),
        "{producers}"
    );
    consumer.shutdown().await;
    for n in 0..5 {
        producer.send(Message::new("Listed", format!("late{n}"))).await.unwrap();
    }
    scene
        .until("/api/v1/problems", |answer| {
            answer["problems"]
                .as_array()
                .unwrap()
                .iter()
                .any(|one| one["kind"] == "noConsumer" && one["subject"] == "readers")
        })
        .await;
    let preview =
        scene.get("/api/v1/groups/readers/reset-preview?topic=Listed&time=-2").await.json();
    assert_eq!(
        (&preview["repeats"], &preview["skips"], &preview["online"]),
        (&json!(30), &json!(0), &json!(false)),
        "{preview}"
    );
    let preview =
        scene.get("/api/v1/groups/readers/reset-preview?topic=Listed&time=-1").await.json();
    assert_eq!((&preview["repeats"], &preview["skips"]), (&json!(0), &json!(5)));
    let done = scene
        .post(
            "/api/v1/groups/readers/reset",
            &json!({"topic": "Listed", "time": -1, "force": true}),
        )
        .await
        .json();
    assert_eq!((&done["skips"], &done["online"]), (&json!(5), &json!(false)), "{done}");
    let unsaid = scene.post("/api/v1/groups/delete", &json!({"group": "readers"})).await;
    assert_eq!(
        (unsaid.status, &unsaid.json()["error"]["fix"]),
        (400, &json!("confirm must be readers"))
    );
    let elsewhere = json!({"group": "readers", "confirm": "readers", "brokers": ["no-such"]});
    let elsewhere = scene.post("/api/v1/groups/delete", &elsewhere).await;
    assert_eq!(
        (elsewhere.status, &elsewhere.json()["error"]["message"]),
        (400, &json!("the broker no-such has no master now"))
    );
    let said = json!({"group": "readers", "confirm": "readers", "withOffsets": true});
    assert_eq!(scene.post("/api/v1/groups/delete", &said).await.status, 200);
    assert_eq!(
        scene
            .post("/api/v1/topics/delete", &json!({"topic": "Listed", "confirm": "Listed"}))
            .await
            .status,
        200
    );
    let audit = scene.get("/api/v1/audit").await.json();
    let actions: Vec<&str> =
        audit.as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    let expected = ["delete topic", "delete group", "delete group", "reset offsets"];
    assert!(actions.starts_with(&expected), "{audit}");
    producer.shutdown().await;
    scene.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_listed_exported_followed_and_sent_again() {
    let scene = Scene::start(&[]).await;
    create(&scene, "Deadly", 1).await;
    let producer =
        Producer::builder("p").namesrv_addr(scene.cluster.namesrv_addr()).start().await.unwrap();
    let sent = producer.send(Message::new("Deadly", "=1+1").with_keys("dead")).await.unwrap();
    let consumer = PushConsumer::builder("failing")
        .namesrv_addr(scene.cluster.namesrv_addr())
        .consume_from(ConsumeFromWhere::FirstOffset)
        .subscribe("Deadly", "*")
        .max_reconsume_times(0)
        .on_messages(|_| async { ConsumeStatus::ReconsumeLater })
        .start()
        .await
        .unwrap();
    let listed = scene
        .until("/api/v1/dlq", |answer| {
            answer["groups"]
                .as_array()
                .unwrap()
                .iter()
                .any(|row| row["group"] == "failing" && row["messages"] == 1)
        })
        .await;
    assert_eq!(listed["groups"][0]["topic"], "%DLQ%failing");
    let found = search(&scene, "topic=%25DLQ%25failing").await;
    assert_eq!((found.len(), &found[0]["keys"]), (1, &json!("dead")));
    let csv = scene.get("/api/v1/dlq/failing/export?format=csv").await;
    assert!(csv.header("content-disposition").contains("dlq-failing.csv"));
    assert!(csv.body.lines().nth(1).unwrap().contains("'=1+1"), "{}", csv.body);
    assert_eq!(
        scene.get("/api/v1/dlq/failing/export?format=json").await.json().as_array().unwrap().len(),
        1
    );
    let life =
        scene.get(&format!("/api/v1/messages/life?topic=Deadly&id={}", sent.msg_id)).await.json();
    assert_eq!(
        (&life["groups"][0]["group"], &life["groups"][0]["state"]),
        (&json!("failing"), &json!("IN_DLQ")),
        "{life}"
    );
    assert!(life["events"].as_array().unwrap().iter().any(|event| event["kind"] == "dlq"));
    consumer.shutdown().await;
    let again = json!({"topic": "%DLQ%failing", "ids": [found[0]["offsetMsgId"], "0000"]});
    let task = scene.post("/api/v1/messages/resend", &again).await.json();
    let done = scene
        .until(&format!("/api/v1/tasks/{}", task["task"]), |answer| answer["finished"] == true)
        .await;
    assert_eq!(
        (&done["total"], &done["failed"], &done["errors"][0]["id"]),
        (&json!(2), &json!(1), &json!("0000")),
        "{done}"
    );
    assert_eq!(search(&scene, "topic=Deadly").await.len(), 2);
    let elsewhere =
        json!({"topic": "%DLQ%failing", "ids": [found[0]["offsetMsgId"]], "to": "Other"});
    create(&scene, "Other", 1).await;
    let task = scene.post("/api/v1/messages/resend", &elsewhere).await.json();
    let path = format!("/api/v1/tasks/{}", task["task"]);
    let done = scene.until(&path, |answer| answer["finished"] == true).await;
    assert_eq!(done["failed"], 0, "{done}");
    assert_eq!(search(&scene, "topic=Other").await[0]["keys"], "dead");
    let none = scene.get("/api/v1/dlq/failing/export?format=json&ids=0000").await.json();
    assert_eq!(none, json!([]));
    assert_eq!(scene.get("/api/v1/tasks/77").await.status, 404);
    producer.shutdown().await;
    scene.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_does_not_run_and_long_bodies_pass() {
    let scene = Scene::start(&[]).await;
    create(&scene, "Odd", 1).await;
    let long = "x".repeat(100_000) + "<script>alert(1)</script>\u{0}\u{1F600}";
    let body = json!({"topic": "Odd", "tag": "<i>", "key": "\"k\"", "body": long, "properties": {"a": "ü"}});
    let sent = scene.post("/api/v1/messages/send", &body).await;
    assert_eq!(sent.status, 200, "{}", sent.body);
    let found = scene
        .get(&format!(
            "/api/v1/messages/find?topic=Odd&id={}",
            sent.json()["msgId"].as_str().unwrap()
        ))
        .await;
    assert_eq!(
        (&found.json()["bodySize"], &found.json()["properties"]["a"]),
        (&json!(long.len()), &json!("ü"))
    );
    assert!(
        found.header("content-type").starts_with("application/json")
            && found.header("x-content-type-options") == "nosniff"
    );
    let page = scene.get("/").await;
    assert!(page.header("content-security-policy").contains("default-src 'self'"));
    let listed = search(&scene, "topic=Odd").await;
    assert_eq!((&listed[0]["bodyTruncated"], &listed[0]["tags"]), (&json!(true), &json!("<i>")));
    for bad in [
        "/api/v1/messages",
        "/api/v1/history?series=x&from=1&to=2",
        "/api/v1/history?series=topic:T&from=5&to=1",
        "/api/v1/messages/at?topic=Odd&broker=b&queueId=x&offset=1",
    ] {
        assert!((400..500).contains(&scene.get(bad).await.status), "{bad}");
    }
    assert_eq!(scene.send("POST", "/api/v1/messages/send", &[], "{\"topic\": 5").await.status, 400);
    scene.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_server_that_is_gone_is_told_and_comes_back() {
    let scene = Scene::start(&[("rocketmq.config.timeoutMillis", "1000")]).await;
    scene
        .until("/api/v1/overview", |answer| {
            answer["clusters"][0]["brokers"][0]["reachable"] == true
        })
        .await;
    let known = scene.cluster.namesrv_addr();
    let gone =
        scene.send("POST", "/ops/updateNameSvrAddr.do?nameSvrAddrList=127.0.0.1:1", &[], "").await;
    assert_eq!(gone.json()["data"], true);
    let problems = scene
        .until("/api/v1/problems", |answer| {
            answer["problems"]
                .as_array()
                .unwrap()
                .iter()
                .any(|one| one["subjectType"] == "nameServer")
        })
        .await;
    assert!(
        problems["problems"][0]["message"].as_str().unwrap().starts_with("connect to"),
        "{problems}"
    );
    let list = scene.get("/cluster/list.query").await.json();
    assert_eq!(list["status"], -1);
    assert_eq!(scene.get("/").await.status, 200);
    let back = scene
        .send("POST", &format!("/ops/updateNameSvrAddr.do?nameSvrAddrList={known}"), &[], "")
        .await;
    assert_eq!(back.json()["data"], true);
    scene.until("/cluster/list.query", |answer| answer["status"] == 0).await;
    let mut gate = Gate::open(&known).await;
    let through = format!("/ops/updateNameSvrAddr.do?nameSvrAddrList={}", gate.addr());
    assert_eq!(scene.send("POST", &through, &[], "").await.json()["data"], true);
    scene.until("/cluster/list.query", |answer| answer["status"] == 0).await;
    gate.close().await;
    let failed = format!("connect to [{}] failed", gate.addr());
    let told = |answer: &Value| {
        answer["problems"][0]["message"].as_str().unwrap_or("").starts_with(&failed)
    };
    scene.until("/api/v1/problems", told).await;
    gate.reopen().await;
    scene.until("/api/v1/problems", |answer| !told(answer)).await;
    scene.until("/cluster/list.query", |answer| answer["status"] == 0).await;
    let bad = scene
        .send("POST", "/ops/updateNameSvrAddr.do?nameSvrAddrList=nonsense", &[], "")
        .await
        .json();
    assert_eq!((&bad["status"], bad["fix"].is_string()), (&json!(-1), true));
    scene.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_cluster_has_a_history() {
    let folder = tempfile::tempdir().unwrap();
    let other = Standalone::on_free_ports(folder.path()).await.unwrap();
    let list = other.namesrv_addr();
    let admin = AdminClient::connect(Some(&list)).unwrap();
    let there = TopicConfig { topic_name: "There".to_string(), ..TopicConfig::default() };
    admin.create_topic(&other.broker_addr(), &there).await.unwrap();
    let scene = Scene::start(&[("rocketmq.config.namesrvAddrs", &list)]).await;
    let hour = 3_600_000;
    let (from, to) = (clock::now_ms() - hour, clock::now_ms() + hour);
    let path = format!("/api/v1/history?series=topic:There&from={from}&to={to}");
    let cookie = format!("rocketmq_cluster={list}");
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    loop {
        let reply = scene.send("GET", &path, &[("Cookie", &cookie)], "").await;
        if !reply.json()["points"].as_array().unwrap().is_empty() {
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "{}", reply.body);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(scene.get(&path).await.json()["points"], json!([]), "of the first cluster");
    admin.shutdown().await;
    other.shutdown().await;
    scene.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_that_subscribe_differently_are_told() {
    let scene = Scene::start(&[]).await;
    create(&scene, "Shared", 2).await;
    let member = async |tags: &str| {
        PushConsumer::builder("mixed")
            .namesrv_addr(scene.cluster.namesrv_addr())
            .subscribe("Shared", tags)
            .on_messages(|_| async { ConsumeStatus::Success })
            .start()
            .await
            .unwrap()
    };
    let (one, other) = (member("B || A").await, member("C").await);
    let differing = json!({"Shared": {"A || B": 1, "C": 1}});
    let found = scene
        .until("/api/v1/groups/mixed/members", |answer| answer["differing"] == differing)
        .await;
    let of = |member: usize| &found["members"][member]["subscriptions"][0]["topic"];
    assert_eq!((of(0), of(1)), (&json!("Shared"), &json!("Shared")), "{found}");
    let told = |answer: &Value| {
        let all = answer["problems"].as_array().unwrap();
        all.iter().any(|one| one["kind"] == "subscriptionsDiffer" && one["subject"] == "mixed")
    };
    scene.until("/api/v1/problems", told).await;
    other.shutdown().await;
    let same = member("A||B").await;
    scene
        .until("/api/v1/groups/mixed/members", |answer| {
            answer["members"].as_array().unwrap().len() == 2 && answer["differing"] == json!({})
        })
        .await;
    same.shutdown().await;
    one.shutdown().await;
    scene.stop().await;
}
