//! UPDATE_BROKER_CONFIG 25 and GET_BROKER_CONFIG 26 (contract `requests.md` 7, `broker.md` 27).

use rocketmq_common::properties::Properties;
use rocketmq_protocol::{Frame, RequestCode};

use crate::support::{FAQ, Fixture, body_text, fields_of, message, pull, said};

impl Fixture {
    async fn update(&self, text: &str) -> Frame {
        let code = RequestCode::UPDATE_BROKER_CONFIG;
        self.peer.ask_with(code, &[], text.as_bytes().to_vec()).await
    }

    async fn shown(&self) -> (String, Properties) {
        let answer = self.peer.ask(RequestCode::GET_BROKER_CONFIG, &[]).await;
        assert_eq!(answer.code, 0);
        (fields_of(&answer)["version"].clone(), Properties::parse(answer.body()))
    }
}

#[tokio::test]
async fn every_setting_is_shown() {
    let broker = Fixture::start().await;
    let answer = broker.peer.ask(RequestCode::GET_BROKER_CONFIG, &[]).await;
    let text = body_text(&answer);
    for line in [
        "brokerName=broker-a\n",
        "brokerClusterName=DefaultCluster\n",
        "serverWorkerThreads=8\n",
        "clientWorkerThreads=4\n",
        "flushDiskType=ASYNC_FLUSH\n",
        "deleteWhen=04\n",
    ] {
        assert!(text.contains(line), "{line}");
    }
    let version = &fields_of(&answer)["version"];
    assert!(version.starts_with(r#"{"counter":"#) && version.contains(r#""timestamp":"#));
    broker.stop().await;
}

#[tokio::test]
async fn a_change_acts_and_is_written() {
    let broker = Fixture::start().await;
    let (version, _) = broker.shown().await;
    let answer = broker.update("brokerPermission=2\nfileReservedTime=48\nnoSuchKey=1\n").await;
    assert_eq!(
        (answer.code, answer.remark().as_deref()),
        (0, Some("unknown and not set: noSuchKey"))
    );
    let (changed, shown) = broker.shown().await;
    assert_ne!(version, changed);
    assert_eq!(shown.get("brokerPermission"), Some("2"));
    assert_eq!(shown.get("fileReservedTime"), Some("48"));
    assert_eq!(shown.get("noSuchKey"), None);
    broker.create_topic("T", 1).await;
    assert_eq!(broker.peer.pull(&pull("T", "0", "0")).await.code, 16);
    let file = std::fs::read(broker.folder.path().join("broker.properties")).unwrap();
    let file = Properties::parse(&file);
    assert_eq!(file.get("brokerPermission"), Some("2"));
    assert_eq!(file.get("brokerName"), Some("broker-a"));
    broker.stop().await;
}

#[tokio::test]
async fn a_value_that_does_not_fit_changes_nothing() {
    let broker = Fixture::start().await;
    let answer = broker.update("regionId=elsewhere\nbrokerPermission=many\n").await;
    let (code, text) = said(&answer);
    assert_eq!(code, 1);
    assert!(text.contains("brokerPermission") && text.contains("many"), "{text}");
    assert_eq!(broker.shown().await.1.get("regionId"), Some("DefaultRegion"));
    // Nothing to do is done.
    assert_eq!(broker.update("").await.code, 0);
    broker.stop().await;
}

#[tokio::test]
async fn a_running_master_does_not_become_a_slave() {
    let broker = Fixture::start().await;
    let (version, _) = broker.shown().await;
    let answer = broker.update("brokerRole=SLAVE\n").await;
    let remark = answer.remark().unwrap_or_default();
    assert!(answer.code == 1 && remark.contains("restart the broker"), "{remark}");
    let (after, shown) = broker.shown().await;
    assert_eq!((after, shown.get("brokerRole")), (version, Some("ASYNC_MASTER")));
    assert_eq!(broker.update("brokerRole=SYNC_MASTER\n").await.code, 0);
    broker.stop().await;
}

#[tokio::test]
async fn settings_that_act_at_once() {
    let broker = Fixture::start().await;
    assert_eq!(broker.update("autoCreateSubscriptionGroup=false").await.code, 0);
    let answer = broker.peer.pull(&pull("T", "0", "0")).await;
    let text = format!("subscription group [test_consumer] does not exist, {FAQ}");
    assert_eq!(said(&answer), (26, text));
    assert_eq!(broker.update("startAcceptSendRequestTimeStamp=4102444800000").await.code, 0);
    assert_eq!(broker.peer.send(&message("T", "0")).await.code, 1);
    assert_eq!(broker.update("startAcceptSendRequestTimeStamp=0").await.code, 0);
    assert_eq!(broker.peer.send(&message("T", "0")).await.code, 0);
    assert_eq!(broker.update("maxMessageSize=100").await.code, 0);
    let body = [0; 200];
    let mut sent = message("T", "0");
    sent.body = &body;
    assert_eq!(broker.peer.send(&sent).await.code, 13);
    broker.stop().await;
}

#[tokio::test]
async fn the_answer_names_what_has_no_effect_yet() {
    let broker = Fixture::start().await;
    let answer = broker.update("regionId=here\nlistenPort=10000\nhighSpeedMode=true\n").await;
    let text = "in effect after a restart: listenPort; \
        without effect: highSpeedMode (nothing uses it, in Java neither)";
    assert_eq!((answer.code, answer.remark().as_deref()), (0, Some(text)));
    // As it was: there is nothing to say.
    let answer = broker.update("highSpeedMode=true").await;
    assert_eq!((answer.code, answer.remark().as_deref()), (0, None));
    broker.stop().await;
}

#[tokio::test]
async fn the_file_keeps_its_comments_and_order() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("broker.properties");
    std::fs::write(&file, "# ours\nregionId = there\n\n! why\nbrokerName=broker-a\n").unwrap();
    let broker = Fixture::inside(folder, |_| {}).await;
    assert_eq!(broker.update("regionId=here\nfileReservedTime=48\n").await.remark(), None);
    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!(text, "# ours\nregionId=here\n\n! why\nbrokerName=broker-a\nfileReservedTime=48\n");
    broker.stop().await;
}

#[tokio::test]
async fn topics_are_created_or_not_as_the_setting_says_now() {
    let broker = Fixture::with(|settings| settings.broker.auto_create_topic_enable = false).await;
    assert_eq!(broker.peer.send(&message("New", "0")).await.code, 17);
    assert_eq!(broker.update("autoCreateTopicEnable=true").await.remark(), None);
    assert_eq!(broker.peer.send(&message("New", "0")).await.code, 0);
    assert_eq!(broker.update("autoCreateTopicEnable=false").await.remark(), None);
    assert_eq!(broker.peer.send(&message("Another", "0")).await.code, 17);
    broker.stop().await;
}
