//! Transactions and delayed messages under `kill -9`: exactly what was committed is delivered, once,
//! and no delayed message is lost.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rocketmq_history::{MessageId, body};
use rocketmq_protocol::header::{
    CheckTransactionStateRequestHeader, EndTransactionRequestHeader, SendMessageRequestHeaderV2,
    SendMessageResponseHeader,
};
use rocketmq_protocol::message::{RecordView, message_id};
use rocketmq_protocol::{RequestCode, ResponseCode};
use rocketmq_remoting::{Call, ClientOptions, RemotingClient, Request, RequestHandler};
use rocketmq_testbed::cluster::{Broker, SMALL_FILES};
use rocketmq_testbed::random::Random;
use rocketmq_testbed::{PATIENCE, soak, talk};
use tokio::task::{JoinSet, block_in_place};

const ROUNDS: usize = 100;
/// Rounds of one store; then a fresh one is taken, so that recovery stays quick.
const ROUNDS_PER_STORE: usize = 5;
const TRADED: &str = "Traded";
const LATER: &str = "Later";
const GROUP: &str = "test_producer";
const QUEUES: i32 = 4;
const PREPARED: i32 = 4;
const COMMIT: i32 = 8;
const ROLLBACK: i32 = 12;
/// Checks begin at once and do not end, whatever the kills cost; a level waits one second.
const SETTINGS: &str = "transactionCheckInterval=50\ntransactionCheckMax=100000\n\
    fileReservedTime=1000000\nmessageDelayLevel=1s 2s\n";

/// What was acknowledged.
#[derive(Default)]
struct Acknowledged {
    halves: BTreeSet<MessageId>,
    delayed: BTreeSet<MessageId>,
}

/// What the producer decides about a message: it depends on nothing else, so that whoever asks
/// when gets the same answer.
fn is_committed(id: MessageId) -> bool {
    (id.number * 7 + id.producer * 13) % 5 < 3
}

/// Whether the producer says so by itself or waits to be asked.
fn waits(id: MessageId) -> bool {
    (id.number * 11 + id.producer).is_multiple_of(4)
}

fn end(
    table_offset: i64,
    commit_log_offset: i64,
    id: MessageId,
) -> EndTransactionRequestHeader<'static> {
    EndTransactionRequestHeader {
        producer_group: GROUP.into(),
        tran_state_table_offset: table_offset,
        commit_log_offset,
        commit_or_rollback: if is_committed(id) { COMMIT } else { ROLLBACK },
        from_transaction_check: false,
        msg_id: "unused".into(),
        transaction_id: None,
    }
}

/// Answers the broker's questions.
struct Producer;

impl RequestHandler for Producer {
    fn handle(&self, call: Call<'_>) {
        if call.code() != RequestCode::CHECK_TRANSACTION_STATE {
            return;
        }
        let asked = CheckTransactionStateRequestHeader::decode(call.frame.fields()).unwrap();
        let record = RecordView::parse(call.frame.body()).unwrap();
        let id = body::decode(record.body).expect("asked about a message that nobody sent");
        let header = EndTransactionRequestHeader {
            from_transaction_check: true,
            ..end(asked.tran_state_table_offset, asked.commit_log_offset, id)
        };
        // When the broker is killed it asks again.
        let request = Request::new(RequestCode::END_TRANSACTION).fields(&header);
        let _ = call.connection.send_oneway(request);
    }
}

async fn producer(address: &str) -> Arc<RemotingClient> {
    let client = Arc::new(RemotingClient::new(ClientOptions::default(), Arc::new(Producer)));
    let text =
        format!("{{\"clientID\":\"p\",\"producerDataSet\":[{{\"groupName\":\"{GROUP}\"}}]}}");
    let request = Request::new(RequestCode::HEART_BEAT).body(text.into_bytes());
    let answer = client.invoke(address, request, talk::TIMEOUT).await.unwrap();
    assert_eq!(answer.code, 0);
    client
}

/// Sends until the broker is gone.
async fn send(
    client: Arc<RemotingClient>,
    address: String,
    producer: u32,
    acknowledged: Arc<Mutex<Acknowledged>>,
) {
    let is_delayed = producer.is_multiple_of(3);
    for number in 0.. {
        let id = MessageId { producer, number };
        let (topic, sys_flag, properties) = match is_delayed {
            true => (LATER, 0, "DELAY\u{1}1\u{2}".to_string()),
            false => (TRADED, PREPARED, format!("TRAN_MSG\u{1}true\u{2}PGROUP\u{1}{GROUP}\u{2}")),
        };
        let properties = format!("{properties}UNIQ_KEY\u{1}{producer}-{number}");
        let queue_id = (number % 4) as i32;
        let header = talk::send_header(topic, queue_id, &properties);
        let header = SendMessageRequestHeaderV2 { sys_flag, ..header };
        let request = Request::new(RequestCode::SEND_MESSAGE_V2);
        let request = request.fields(&header).body(body::encode(id, 200));
        let Ok(answer) = client.invoke(&address, request, talk::TIMEOUT).await else { return };
        if answer.code != ResponseCode::SUCCESS.0 {
            return;
        }
        let stored = SendMessageResponseHeader::decode(answer.fields()).unwrap();
        if is_delayed {
            acknowledged.lock().delayed.insert(id);
            continue;
        }
        acknowledged.lock().halves.insert(id);
        if waits(id) {
            continue;
        }
        let (_, at) = message_id::decode(&stored.msg_id).unwrap();
        let header = end(stored.queue_offset, at, id);
        let request = Request::new(RequestCode::END_TRANSACTION).fields(&header);
        if client.send_oneway(&address, request).await.is_err() {
            return;
        }
    }
}

/// How often each message is in the topic's queues.
async fn kept(address: &str, topic: &str) -> HashMap<MessageId, usize> {
    let client = talk::client();
    let mut counts = HashMap::new();
    for queue_id in 0..QUEUES {
        for (place, bytes) in talk::read_queue(&client, address, topic, queue_id).await {
            let id = body::decode(&bytes).unwrap_or_else(|| panic!("{place:?} was never sent"));
            *counts.entry(id).or_default() += 1;
        }
    }
    counts
}

#[derive(Default)]
struct Tally {
    halves: usize,
    committed: usize,
    delayed: usize,
    delayed_twice: usize,
}

async fn rounds_of_one_store(random: &mut Random, next: &AtomicU32, tally: &mut Tally) {
    let acknowledged = Arc::new(Mutex::new(Acknowledged::default()));
    let mut broker = Broker::new("features", &format!("{SMALL_FILES}{SETTINGS}"));
    for _ in 0..ROUNDS_PER_STORE {
        block_in_place(|| broker.boot());
        let client = producer(&broker.address()).await;
        let mut senders = JoinSet::new();
        for _ in 0..6 {
            let producer = next.fetch_add(1, Ordering::Relaxed);
            let (client, address) = (Arc::clone(&client), broker.address());
            senders.spawn(send(client, address, producer, Arc::clone(&acknowledged)));
        }
        tokio::time::sleep(Duration::from_micros(20_000 + random.number() % 120_000)).await;
        block_in_place(|| broker.running().kill());
        while let Some(done) = senders.join_next().await {
            done.unwrap();
        }
    }
    block_in_place(|| broker.boot());
    let _asked = producer(&broker.address()).await;
    let acknowledged = std::mem::take(&mut *acknowledged.lock());
    let committed: BTreeSet<MessageId> =
        acknowledged.halves.iter().copied().filter(|id| is_committed(*id)).collect();
    let deadline = Instant::now() + PATIENCE;
    let (traded, later) = loop {
        let traded = kept(&broker.address(), TRADED).await;
        let later = kept(&broker.address(), LATER).await;
        if let Some(wrong) = traded.keys().find(|id| !is_committed(**id)) {
            panic!("{wrong:?} was rolled back and is delivered");
        }
        let missing = committed.iter().filter(|id| !traded.contains_key(id)).count();
        let lost = acknowledged.delayed.iter().filter(|id| !later.contains_key(id)).count();
        if missing + lost == 0 {
            break (traded, later);
        }
        assert!(Instant::now() < deadline, "{missing} committed and {lost} delayed are missing");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    if let Some((twice, n)) = traded.iter().find(|(_, n)| **n > 1) {
        panic!("{twice:?} was committed {n} times");
    }
    let twice = |counts: &HashMap<MessageId, usize>| counts.values().filter(|n| **n > 1).count();
    tally.halves += acknowledged.halves.len();
    tally.committed += committed.len();
    tally.delayed += acknowledged.delayed.len();
    tally.delayed_twice += twice(&later);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: the stage crash of tests/run.sh runs it"]
async fn transactions_and_delays_survive_kills() {
    let (_, mut random) = Random::of_run("kill, transactions and delays");
    let (next, mut tally) = (AtomicU32::new(0), Tally::default());
    let begun = Instant::now();
    let mut rounds = 0;
    while rounds < ROUNDS || soak().is_some_and(|time| begun.elapsed() < time) {
        rounds_of_one_store(&mut random, &next, &mut tally).await;
        rounds += ROUNDS_PER_STORE;
    }
    let Tally { halves, committed, delayed, delayed_twice } = tally;
    println!(
        "kill, transactions and delays: {rounds} rounds in {:?}; {halves} halves acknowledged, {committed} of them committed and all delivered, none twice and none that was rolled back; {delayed} delayed messages acknowledged and all delivered ({delayed_twice} twice)",
        begun.elapsed(),
    );
}
