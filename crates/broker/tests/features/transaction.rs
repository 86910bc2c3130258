//! Transactions (contract `broker.md` 18, `requests.md` 6).
//!
//! The half messages of these tests are years old by their producer's clock, so that only what
//! they were asked before, and their own immunity, keeps a check from asking about them.

use std::os::unix::fs::FileExt;

use rocketmq_broker::Settings;
use rocketmq_protocol::RequestCode;
use rocketmq_protocol::message::message_id;
use rocketmq_protocol::topic::{SCHEDULE, TRANS_CHECK_MAX_TIME, TRANS_HALF, TRANS_OP_HALF};
use rocketmq_remoting::Request;

use crate::files::{Kept, bodies, java_store, killed, queue, sent};
use crate::support::{Fixture, Outgoing, Peer, Push, message, records, said, until};

const TOPIC: &str = "Traded";
const GROUP: &str = "tx_group";
const COMMIT: &str = "8";
const ROLLBACK: &str = "12";

/// A broker that checks every few milliseconds.
fn eager(settings: &mut Settings) {
    settings.broker.transaction_check_interval = 20;
    settings.store.file_reserved_time = 1_000_000;
    settings.store.message_delay_level = "1s 2h".to_string();
}

/// A broker that never comes to check.
fn patient(settings: &mut Settings) {
    eager(settings);
    settings.broker.transaction_check_interval = 3_600_000;
}

async fn started(change: fn(&mut Settings)) -> Fixture {
    let fixture = Fixture::with(change).await;
    fixture.create_topic(TOPIC, 4).await;
    fixture
}

/// Where a half message lies, as its producer knows it.
#[derive(Clone)]
struct Half {
    commit_log_offset: String,
    table_offset: String,
}

impl Half {
    /// That of a check's copy.
    fn of(push: &Push) -> Half {
        Half {
            commit_log_offset: push.fields["commitLogOffset"].clone(),
            table_offset: push.fields["tranStateTableOffset"].clone(),
        }
    }
}

async fn send_half(fixture: &Fixture, body: &str, more: &[(&str, &str)]) -> Half {
    send_half_of(GROUP, fixture, body, more).await
}

async fn send_half_of(group: &str, fixture: &Fixture, body: &str, more: &[(&str, &str)]) -> Half {
    let mut pairs = vec![
        ("TRAN_MSG", "true"),
        ("PGROUP", group),
        ("UNIQ_KEY", body),
        ("TAGS", "T"),
        ("WAIT", "true"),
    ];
    pairs.extend(more);
    let properties = sent(&pairs);
    let message = Outgoing {
        properties: &properties,
        sys_flag: "4",
        body: body.as_bytes(),
        ..message(TOPIC, "2")
    };
    let stored = fixture.peer.stored(&message).await;
    assert_eq!(stored.queue_id, 2, "the real queue");
    Half {
        commit_log_offset: message_id::decode(&stored.msg_id).unwrap().1.to_string(),
        table_offset: stored.queue_offset.to_string(),
    }
}

fn end_fields<'a>(half: &'a Half, state: &'a str) -> [(&'a str, &'a str); 6] {
    [
        ("producerGroup", GROUP),
        ("tranStateTableOffset", &half.table_offset),
        ("commitLogOffset", &half.commit_log_offset),
        ("commitOrRollback", state),
        ("fromTransactionCheck", "false"),
        ("msgId", "unused"),
    ]
}

async fn end(fixture: &Fixture, half: &Half, state: &str) {
    let answer = fixture.peer.ask(RequestCode::END_TRANSACTION, &end_fields(half, state)).await;
    assert_eq!(said(&answer), (0, String::new()));
}

/// A producer of the group.
async fn producer(fixture: &Fixture, group: &str) -> Peer {
    let peer = fixture.another_peer();
    let body =
        format!("{{\"clientID\":\"p\",\"producerDataSet\":[{{\"groupName\":\"{group}\"}}]}}");
    let answer = peer.ask_with(RequestCode::HEART_BEAT, &[], body.into_bytes()).await;
    assert_eq!(answer.code, 0);
    peer
}

/// The next half message that the producer is asked about.
async fn asked(producer: &Peer) -> Push {
    let push = producer.pushed().await;
    assert_eq!((push.code, push.oneway), (RequestCode::CHECK_TRANSACTION_STATE.0, true));
    push
}

fn delivered(fixture: &Fixture) -> Vec<String> {
    bodies(fixture.context(), TOPIC, 2)
}

fn progress(fixture: &Fixture) -> (Option<i64>, Option<i64>) {
    let of = |topic| fixture.context().offsets.get("CID_RMQ_SYS_TRANS", topic, 0);
    (of(TRANS_HALF), of(TRANS_OP_HALF))
}

/// Two rounds of checks have passed over everything that is there.
async fn checked_again(fixture: &Fixture) {
    for body in ["probe 1", "probe 2"] {
        let before = progress(fixture).1.unwrap_or(0);
        let probe = send_half_of("prober", fixture, body, &[]).await;
        let mut fields = end_fields(&probe, ROLLBACK);
        fields[0].1 = "prober";
        let answer = fixture.peer.ask(RequestCode::END_TRANSACTION, &fields).await;
        assert_eq!(said(&answer), (0, String::new()));
        until("checked", || progress(fixture).1.is_some_and(|op| op > before)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_committed_message_appears_once_and_as_javas() {
    let fixture = started(patient).await;
    let half = send_half(&fixture, "traded", &[]).await;
    assert!(delivered(&fixture).is_empty());
    let waiting = queue(fixture.context(), TRANS_HALF, 0).remove(0);
    assert_eq!(waiting.sys_flag, 0);
    end(&fixture, &half, COMMIT).await;
    let message = queue(fixture.context(), TOPIC, 2).remove(0);
    assert_eq!((message.sys_flag, &*message.body), (8, "traded"));
    assert_eq!(message.prepared_transaction_offset, waiting.physical_offset);
    assert_eq!(message.born_timestamp, waiting.born_timestamp);
    for kept in [&waiting, &message] {
        for (name, value) in [
            ("REAL_TOPIC", TOPIC),
            ("REAL_QID", "2"),
            ("TRAN_MSG", "true"),
            ("PGROUP", GROUP),
            ("WAIT", "true"),
            ("CLUSTER", "DefaultCluster"),
            ("TAGS", "T"),
        ] {
            assert_eq!(kept.property(name), Some(value), "{name}");
        }
        assert_eq!(kept.properties.len(), 8);
    }
    let op = queue(fixture.context(), TRANS_OP_HALF, 0).remove(0);
    assert_eq!(
        (&*op.body, op.property("TAGS"), op.property("WAIT")),
        ("0", Some("d"), Some("true"))
    );
    assert_eq!(op.properties.len(), 2);
    // Whatever comes afterwards, it was committed, and once.
    end(&fixture, &half, COMMIT).await;
    end(&fixture, &half, ROLLBACK).await;
    assert_eq!(delivered(&fixture), ["traded"]);
    assert_eq!(queue(fixture.context(), TRANS_OP_HALF, 0).len(), 1);
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolled_back_message_never_appears_and_an_undecided_one_waits() {
    let fixture = started(patient).await;
    let half = send_half(&fixture, "not traded", &[]).await;
    // No answer is sent to a producer that does not know yet.
    let unknown = end_fields(&half, "0");
    let unknown = &unknown[..];
    let request = Request::new(RequestCode::END_TRANSACTION).fields(&unknown);
    let local = fixture.broker.local().unwrap().to_string();
    let connection = fixture.peer.client.connection(&local).await.unwrap();
    connection.send_oneway(request).unwrap();
    end(&fixture, &half, ROLLBACK).await;
    end(&fixture, &half, COMMIT).await;
    assert!(delivered(&fixture).is_empty());
    assert_eq!(bodies(fixture.context(), TRANS_OP_HALF, 0), ["0"]);
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_ends_are_refused_in_javas_words() {
    let fixture = started(patient).await;
    let half = send_half(&fixture, "h", &[]).await;
    let plain = fixture.peer.stored(&message(TOPIC, "0")).await;
    let plain = message_id::decode(&plain.msg_id).unwrap().1.to_string();
    for (field, value, text) in [
        ("commitLogOffset", "99999999", "Find prepared transaction message failed"),
        ("commitLogOffset", &*plain, "Find prepared transaction message failed"),
        ("producerGroup", "other", "The producer group wrong"),
        ("tranStateTableOffset", "5", "The transaction state table offset wrong"),
    ] {
        let mut fields = end_fields(&half, COMMIT);
        fields.iter_mut().filter(|(name, _)| *name == field).for_each(|pair| pair.1 = value);
        let answer = fixture.peer.ask(RequestCode::END_TRANSACTION, &fields).await;
        assert_eq!(said(&answer), (1, text.to_string()));
    }
    let folder = fixture.stop().await;
    let fixture = Fixture::inside(folder, |settings| {
        settings.broker.reject_transaction_message = true;
    });
    let fixture = fixture.await;
    let properties = sent(&[("TRAN_MSG", "true"), ("PGROUP", GROUP)]);
    let refused = Outgoing { properties: &properties, ..message(TOPIC, "0") };
    let (code, text) = said(&fixture.peer.send(&refused).await);
    let expected = "the broker[127.0.0.1] sending transaction message is forbidden";
    assert_eq!((code, &*text), (16, expected));
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_producer_is_asked_about_a_copy_and_its_answer_counts() {
    let fixture = started(eager).await;
    let first = send_half(&fixture, "asked", &[]).await;
    let producer = producer(&fixture, GROUP).await;
    let push = asked(&producer).await;
    let copy = Half::of(&push);
    assert_ne!(copy.table_offset, first.table_offset, "the half message was put again");
    assert_eq!(push.fields["msgId"], "asked");
    assert_eq!(push.fields["transactionId"], "asked");
    let record = records(&push.body)[0];
    assert_eq!((record.topic_text(), record.queue_id, record.body), (TOPIC, 2, &b"asked"[..]));
    assert_eq!(record.physical_offset.to_string(), copy.commit_log_offset);
    assert_eq!(record.queue_offset.to_string(), copy.table_offset);
    let place = message_id::decode(&push.fields["offsetMsgId"]).unwrap().1;
    assert_eq!(place, record.physical_offset);
    let stored = queue(fixture.context(), TRANS_HALF, 0);
    let stored = stored.iter().find(|kept| kept.physical_offset == place).unwrap();
    assert!(stored.property("TRANSACTION_CHECK_TIMES").is_some());
    assert_eq!(stored.property("WAIT"), Some("false"));

    end(&fixture, &copy, COMMIT).await;
    // The producer's own end, come late, and every other answer are of no effect.
    end(&fixture, &first, COMMIT).await;
    end(&fixture, &copy, COMMIT).await;
    checked_again(&fixture).await;
    assert_eq!(delivered(&fixture), ["asked"]);
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_that_comes_after_the_question_ends_the_copy() {
    let fixture = started(eager).await;
    let first = send_half(&fixture, "late", &[]).await;
    let producer = producer(&fixture, GROUP).await;
    asked(&producer).await;
    end(&fixture, &first, COMMIT).await;
    checked_again(&fixture).await;
    while !producer.nothing_pushed().await {}
    checked_again(&fixture).await;
    assert!(producer.nothing_pushed().await, "nothing is left to ask about");
    assert_eq!(delivered(&fixture), ["late"]);
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_asked_too_often_is_put_aside_and_can_be_resumed() {
    let fixture = started(|settings| {
        eager(settings);
        settings.broker.transaction_check_max = 3;
    });
    let fixture = fixture.await;
    let producer = producer(&fixture, GROUP).await;
    let half = send_half(&fixture, "silence", &[]).await;
    let aside = || queue(fixture.context(), TRANS_CHECK_MAX_TIME, 0);
    until("given up", || aside().len() == 1).await;
    let times: Vec<i64> = queue(fixture.context(), TRANS_HALF, 0)
        .iter()
        .map(|kept| kept.property("TRANSACTION_CHECK_TIMES").map_or(0, |n| n.parse().unwrap()))
        .collect();
    assert_eq!(times, [0, 1, 2, 3]);
    for _ in 0..3 {
        asked(&producer).await;
    }
    assert_eq!(aside()[0].property("REAL_TOPIC"), Some(TOPIC));
    checked_again(&fixture).await;
    assert!(producer.nothing_pushed().await);

    let id = aside()[0].msg_id.clone();
    let code = RequestCode::RESUME_CHECK_HALF_MESSAGE;
    assert_eq!(fixture.peer.ask(code, &[("msgId", &id)]).await.code, 0);
    let again = asked(&producer).await;
    end(&fixture, &Half::of(&again), COMMIT).await;
    assert_eq!(delivered(&fixture), ["silence"]);
    let (code, text) = said(&fixture.peer.ask(code, &[("msgId", "nonsense")]).await);
    assert_eq!(code, 1);
    let expected = "Exception was thrown when putting message back to RMQ_SYS_TRANS_HALF_TOPIC.";
    assert!(text.starts_with(expected), "{text}");
    drop(half);
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_immune_half_message_is_not_asked_about_and_holds_up_no_other() {
    let fixture = started(eager).await;
    let producer = producer(&fixture, GROUP).await;
    let immunity = [("CHECK_IMMUNITY_TIME_IN_SECONDS", "1000000000")];
    let immune = send_half(&fixture, "immune", &immunity).await;
    let open = send_half(&fixture, "open", &[]).await;
    assert_eq!(asked(&producer).await.fields["msgId"], "open");
    end(&fixture, &open, ROLLBACK).await;
    let copies = || {
        let all = queue(fixture.context(), TRANS_HALF, 0).into_iter();
        all.filter(|kept| kept.body == "immune").skip(1).collect::<Vec<Kept>>()
    };
    until("put back", || copies().len() >= 2).await;
    for copy in copies() {
        assert_eq!(copy.property("TRAN_PREPARED_QUEUE_OFFSET"), Some(&*immune.table_offset));
    }
    end(&fixture, &immune, COMMIT).await;
    checked_again(&fixture).await;
    let count = copies().len();
    checked_again(&fixture).await;
    assert_eq!(copies().len(), count, "it is not put back once it is ended");
    assert_eq!(delivered(&fixture), ["immune"]);
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delay_counts_from_the_commit() {
    let fixture = started(patient).await;
    let half = send_half(&fixture, "delayed", &[("DELAY", "1")]).await;
    assert!(bodies(fixture.context(), SCHEDULE, 0).is_empty());
    end(&fixture, &half, COMMIT).await;
    let waiting = queue(fixture.context(), SCHEDULE, 0).remove(0);
    assert_eq!((waiting.property("REAL_TOPIC"), waiting.sys_flag), (Some(TOPIC), 8));
    until("delivered", || delivered(&fixture) == ["delayed"]).await;
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_at_any_step_loses_no_decision() {
    let fixture = started(patient).await;
    let half = send_half(&fixture, "step", &[]).await;
    let after_half = killed(fixture.folder.path());
    end(&fixture, &half, COMMIT).await;
    let after_commit = killed(fixture.folder.path());
    fixture.stop().await;

    // Undecided: its producer is asked; killed again after the question, and asked again.
    let fixture = Fixture::inside(after_half, eager).await;
    let asker = producer(&fixture, GROUP).await;
    let copy = Half::of(&asked(&asker).await);
    let after_question = killed(fixture.folder.path());
    end(&fixture, &copy, ROLLBACK).await;
    let after_rollback = killed(fixture.folder.path());
    fixture.stop().await;

    let fixture = Fixture::inside(after_question, eager).await;
    // The first end comes only now: it ends the copy, wherever that is.
    end(&fixture, &half, COMMIT).await;
    checked_again(&fixture).await;
    let asker = producer(&fixture, GROUP).await;
    checked_again(&fixture).await;
    assert!(asker.nothing_pushed().await);
    assert_eq!(delivered(&fixture), ["step"]);
    fixture.stop().await;

    for (folder, expected) in [(after_commit, vec!["step"]), (after_rollback, vec![])] {
        let fixture = Fixture::inside(folder, eager).await;
        let asker = producer(&fixture, GROUP).await;
        checked_again(&fixture).await;
        assert!(asker.nothing_pushed().await, "it is decided");
        assert_eq!(delivered(&fixture), expected);
        let clean = fixture.stop().await;
        let fixture = Fixture::inside(clean, eager).await;
        assert_eq!(delivered(&fixture), expected);
        fixture.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_cut_off_between_message_and_op_commits_once() {
    for level in ["0", "2"] {
        let fixture = started(patient).await;
        let half = send_half(&fixture, "cut", &[("DELAY", level)]).await;
        end(&fixture, &half, COMMIT).await;
        let folder = killed(fixture.folder.path());
        let op = queue(fixture.context(), TRANS_OP_HALF, 0).remove(0);
        fixture.stop().await;
        let log = folder.path().join("store/commitlog/00000000000000000000");
        let log = std::fs::File::options().write(true).open(log).unwrap();
        log.write_all_at(&[0; 200], op.physical_offset as u64).unwrap();

        let fixture = Fixture::inside(folder, eager).await;
        assert!(bodies(fixture.context(), TRANS_OP_HALF, 0).is_empty(), "the op is gone");
        let asker = producer(&fixture, GROUP).await;
        checked_again(&fixture).await;
        assert!(asker.nothing_pushed().await, "the message is there, so it was committed");
        let waits = bodies(fixture.context(), SCHEDULE, 1);
        assert_eq!([delivered(&fixture), waits].concat(), ["cut"]);
        fixture.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_java_left_open_is_asked_about() {
    let fixture = Fixture::inside(java_store("store"), |settings| {
        eager(settings);
        settings.store.mapped_file_size_commit_log = 1 << 20;
        settings.store.mapped_file_size_consume_queue = 400;
        (settings.store.max_hash_slot_num, settings.store.max_index_num) = (20, 40);
    });
    let fixture = fixture.await;
    let asker = producer(&fixture, "golden_tx").await;
    let push = asked(&asker).await;
    let record = records(&push.body)[0];
    assert_eq!(record.topic_text(), "GoldenOne");
    let half = Half::of(&push);
    let mut fields = end_fields(&half, COMMIT);
    fields[0].1 = "golden_tx";
    assert_eq!(fixture.peer.ask(RequestCode::END_TRANSACTION, &fields).await.code, 0);
    let committed = queue(fixture.context(), "GoldenOne", 0);
    let committed = committed.iter().filter(|kept| kept.sys_flag == 8);
    let keys: Vec<_> = committed.map(|kept| kept.property("KEYS").unwrap()).collect();
    assert_eq!(keys, ["tx-COMMIT_MESSAGE", "tx-UNKNOW"], "and nothing that was rolled back");
    fixture.stop().await;
}
