//! What the broker tells of what goes wrong: too many waiting pulls, consumers that are far behind,
//! members of a group that differ (contract `broker.md` 12, 13).

use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex};

use rocketmq_protocol::RequestCode;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::client::{heartbeat, subscription};
use crate::support::{Fixture, Pull, fields_of, message, pull, said, until};

#[tokio::test]
async fn more_pulls_than_may_wait_are_told_to_come_later() {
    let broker = Fixture::with(|s| s.broker.pull_thread_pool_queue_capacity = 1).await;
    broker.create_topic("T", 1).await;
    let waiting = Pull { sys_flag: "6", suspend_ms: "20000", ..pull("T", "0", "0") };
    let peer = broker.another_peer();
    let (first, ()) = tokio::join!(peer.pull(&waiting), async {
        until("the pull waits", || broker.context().hold.len() == 1).await;
        let busy = "[OVERLOAD]system busy, start flow control for a while";
        assert_eq!(said(&broker.peer.pull(&waiting).await), (2, busy.to_string()));
        // Who does not wait is served.
        assert_eq!(broker.peer.pull(&pull("T", "0", "0")).await.code, 19);
        broker.peer.stored(&message("T", "0")).await;
    });
    assert_eq!(first.code, 0);
    broker.stop().await;
}

#[tokio::test]
async fn who_is_far_behind_is_sent_to_a_slave() {
    // With no memory for messages all of them count as old.
    for (enabled, ratio, expected) in
        [(true, 0, ["1", "3"]), (true, 40, ["0", "2"]), (false, 0, ["0", "0"])]
    {
        let broker = Fixture::with(|settings| {
            settings.broker.slave_read_enable = enabled;
            settings.store.access_message_in_memory_max_ratio = ratio;
        })
        .await;
        broker.peer.stored(&message("T", "0")).await;
        let hint = async || {
            let answer = broker.peer.pull(&pull("T", "0", "0")).await;
            assert_eq!(answer.code, 0);
            fields_of(&answer)["suggestWhichBrokerId"].clone()
        };
        let usual = hint().await;
        let group =
            r#"{"groupName":"test_consumer","brokerId":2,"whichBrokerWhenConsumeSlowly":3}"#;
        let code = RequestCode::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP;
        assert_eq!(broker.peer.ask_with(code, &[], group.into()).await.code, 0);
        assert_eq!([usual, hint().await], expected, "slaveReadEnable={enabled}, {ratio} %");
        broker.stop().await;
    }
}

#[tokio::test]
async fn members_that_subscribe_differently_are_logged_by_their_ids() {
    let lines = Lines::default();
    let _heard = tracing::subscriber::set_default(lines.clone());
    let broker = Fixture::start().await;
    let others = [broker.another_peer(), broker.another_peer()];
    let says = async |peer: &crate::support::Peer, client: &str, tags: &str| {
        let beat = heartbeat(client, "g", "CLUSTERING", &[subscription("T", tags, 1)]);
        assert_eq!(peer.heartbeat(beat).await.code, 0);
    };
    says(&broker.peer, "c1", "A").await;
    says(&others[0], "c2", "A").await;
    let told = || lines.with("subscribe differently");
    assert!(told().is_empty(), "{:?}", told());
    says(&others[1], "c3", "B").await;
    says(&others[1], "c3", "B").await;
    let [line] = &told()[..] else { panic!("told once: {:?}", told()) };
    assert!(line.contains("group g subscribe differently: [c3] to T:B, [c"), "{line}");
    broker.stop().await;
}

/// The messages of this thread's log lines.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    fn with(&self, words: &str) -> Vec<String> {
        self.0.lock().unwrap().iter().filter(|line| line.contains(words)).cloned().collect()
    }
}

struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            let _ = write!(self.0, "{value:?}");
        }
    }
}

impl Subscriber for Lines {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut message = Message(String::new());
        event.record(&mut message);
        self.0.lock().unwrap().push(message.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
