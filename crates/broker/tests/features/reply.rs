//! Replies to request messages (contract `requests.md` 1.6, 1.7, `broker.md` 20).

use rocketmq_protocol::RequestCode;

use crate::files::{bodies, queue, sent};
use crate::support::{Fixture, Outgoing, Peer, fields_of, message, said};

const REPLIES: &str = "DefaultCluster_REPLY_TOPIC";

/// A client that sent a request.
async fn requester(fixture: &Fixture) -> Peer {
    let peer = fixture.another_peer();
    let body = b"{\"clientID\":\"asker@1\",\"producerDataSet\":[{\"groupName\":\"askers\"}]}";
    let answer = peer.ask_with(RequestCode::HEART_BEAT, &[], body.to_vec()).await;
    assert_eq!(answer.code, 0);
    peer
}

fn reply_to(client: &str) -> String {
    sent(&[
        ("MSG_TYPE", "reply"),
        ("CORRELATION_ID", "c-1"),
        ("REPLY_TO_CLIENT", client),
        ("TTL", "3000"),
    ])
}

async fn send_reply(fixture: &Fixture, properties: &str) -> rocketmq_protocol::Frame {
    let reply = Outgoing { properties, flag: "5", body: b"the answer", ..message(REPLIES, "0") };
    let code = RequestCode::SEND_REPLY_MESSAGE_V2;
    fixture.peer.ask_with(code, &reply.fields(), reply.body.to_vec()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_is_pushed_to_its_client_and_kept() {
    let fixture = Fixture::start().await;
    let requester = requester(&fixture).await;
    let answer = send_reply(&fixture, &reply_to("asker@1")).await;
    assert_eq!(said(&answer), (0, String::new()));
    let push = requester.pushed().await;
    assert_eq!((push.code, push.oneway), (RequestCode::PUSH_REPLY_MESSAGE_TO_CLIENT.0, false));
    assert_eq!(push.body, b"the answer");
    let local = fixture.peer.local().await;
    let store_host = fixture.broker.local().unwrap();
    for (name, value) in [
        ("producerGroup", "test_producer"),
        ("topic", REPLIES),
        ("queueId", "0"),
        ("sysFlag", "0"),
        ("flag", "5"),
        ("bornTimestamp", "1700000000000"),
        ("bornHost", &format!("/{local}")),
        ("storeHost", &format!("/{store_host}")),
    ] {
        assert_eq!(push.fields[name], value, "{name}");
    }
    assert!(push.fields["storeTimestamp"].parse::<i64>().unwrap() > 0);
    let properties = &push.fields["properties"];
    for part in ["CORRELATION_ID\u{1}c-1", "REPLY_TO_CLIENT\u{1}asker@1", "PUSH_REPLY_TIME\u{1}"] {
        assert!(properties.contains(part), "{properties:?}");
    }
    let kept = queue(fixture.context(), REPLIES, 0).remove(0);
    assert_eq!((&*kept.body, kept.flag), ("the answer", 5));
    let mut names: Vec<_> = kept.properties.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["CORRELATION_ID", "MSG_TYPE", "REPLY_TO_CLIENT", "TTL"], "as they came");
    let fields = fields_of(&answer);
    assert_eq!((&*fields["msgId"], &*fields["queueOffset"]), (&*kept.msg_id, "0"));
    assert_eq!((&*fields["MSG_REGION"], &*fields["TRACE_ON"]), ("DefaultRegion", "true"));
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_reaches_nobody_is_an_error_and_kept_all_the_same() {
    let fixture = Fixture::start().await;
    let gone = requester(&fixture).await;
    let connected = fixture.context().producers.channels("askers");
    gone.close().await;
    crate::support::until("it is noticed", || !connected[0].connection.is_open()).await;
    for (properties, text) in [
        (reply_to("asker@1"), "push reply message fail, channel of <asker@1> not found."),
        (reply_to("nobody"), "push reply message fail, channel of <nobody> not found."),
        (sent(&[("A", "b")]), "reply message properties[REPLY_TO_CLIENT] is null"),
    ] {
        let answer = send_reply(&fixture, &properties).await;
        assert_eq!(said(&answer), (1, text.to_string()));
        let kept = queue(fixture.context(), REPLIES, 0).pop().unwrap();
        assert_eq!(fields_of(&answer)["msgId"], kept.msg_id);
    }
    assert_eq!(bodies(fixture.context(), REPLIES, 0).len(), 3);
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_need_not_be_kept() {
    let fixture = Fixture::with(|settings| settings.broker.store_reply_message_enable = false);
    let fixture = fixture.await;
    let requester = requester(&fixture).await;
    let answer = send_reply(&fixture, &reply_to("asker@1")).await;
    assert_eq!((answer.code, &*fields_of(&answer)["msgId"]), (0, "0"));
    assert_eq!(requester.pushed().await.body, b"the answer");
    assert!(bodies(fixture.context(), REPLIES, 0).is_empty());
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_long_header_the_checks_of_a_send_and_sync_flush() {
    let fixture = Fixture::with(|settings| {
        settings.store.flush_disk_type = rocketmq_store::FlushDiskType::SyncFlush;
    });
    let fixture = fixture.await;
    let requester = requester(&fixture).await;
    let properties = reply_to("asker@1");
    let long = |topic| {
        vec![
            ("producerGroup", "repliers"),
            ("topic", topic),
            ("defaultTopic", "TBW102"),
            ("defaultTopicQueueNums", "4"),
            ("queueId", "0"),
            ("sysFlag", "0"),
            ("bornTimestamp", "1"),
            ("flag", "0"),
            ("properties", properties.as_str()),
        ]
    };
    let code = RequestCode::SEND_REPLY_MESSAGE;
    let answer = fixture.peer.ask_with(code, &long(REPLIES), b"long".to_vec()).await;
    assert_eq!(said(&answer), (0, String::new()));
    assert_eq!(requester.pushed().await.body, b"long");
    let kept = queue(fixture.context(), REPLIES, 0).remove(0);
    assert!(fixture.context().store.flushed_offset() > kept.physical_offset);
    let answer = fixture.peer.ask_with(code, &long("bad topic!"), b"long".to_vec()).await;
    assert_eq!(answer.code, 1);
    assert_eq!(fields_of(&answer)["TRACE_ON"], "true");
    assert!(requester.nothing_pushed().await);
    fixture.stop().await;
}
