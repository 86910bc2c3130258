//! Senders and consumers that tell a history what they see.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use rocketmq_history::{History, MessageId, Place, Report, Survival, body};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::talk;

pub const TOPIC: &str = "Faults";
pub const GROUP: &str = "faults_consumer";
pub const QUEUES: i32 = 4;
/// How long a request may take before its client gives it up.
const PATIENCE_OF_CLIENTS: Duration = Duration::from_secs(10);

/// What is wanted of the senders.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    pub senders: u32,
    /// Bodies have up to so many bytes.
    pub body_bytes: usize,
    /// What an acknowledgement with code 0 promises.
    pub survival: Survival,
    /// Goes on with the next message after an error instead of ending.
    pub goes_on: bool,
    /// Consumes too. Of loads that run side by side only one may: offsets have one writer.
    pub consumes: bool,
}

impl Default for Wanted {
    fn default() -> Wanted {
        Wanted {
            senders: 8,
            body_bytes: 1500,
            survival: Survival::Always,
            goes_on: false,
            consumes: true,
        }
    }
}

/// Senders and consumers that run until stopped, or until the broker is gone.
pub struct Load {
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<()>>,
    pub counts: Arc<Counts>,
}

/// What the load has seen.
#[derive(Default)]
pub struct Counts {
    pub acknowledged: AtomicUsize,
    /// Answers other than 0, by code: how many, and the first one's remark.
    pub refused: Mutex<HashMap<i32, (usize, String)>>,
    /// Sends that got no answer.
    pub unanswered: AtomicUsize,
}

/// Producers never share a number.
static PRODUCERS: AtomicU32 = AtomicU32::new(0);

impl Load {
    /// Starts senders, and a consumer of each queue that stores its offsets.
    pub fn start(history: &Arc<History>, address: &str, wanted: Wanted) -> Load {
        let mut load = Load { stop: Arc::default(), tasks: Vec::new(), counts: Arc::default() };
        for _ in 0..wanted.senders {
            let producer = PRODUCERS.fetch_add(1, Ordering::Relaxed);
            let (history, address) = (Arc::clone(history), address.to_string());
            let (stop, counts) = (Arc::clone(&load.stop), Arc::clone(&load.counts));
            load.tasks.push(tokio::spawn(async move {
                send_until(&history, &address, producer, wanted, &stop, &counts).await;
            }));
        }
        for queue_id in (0..QUEUES).filter(|_| wanted.consumes) {
            let (history, address) = (Arc::clone(history), address.to_string());
            let stop = Arc::clone(&load.stop);
            load.tasks.push(tokio::spawn(async move {
                consume_until(&history, &address, queue_id, wanted.goes_on, &stop).await;
            }));
        }
        load
    }

    pub fn acknowledged(&self) -> usize {
        self.counts.acknowledged.load(Ordering::Relaxed)
    }

    /// Waits until so many are acknowledged in all; false if the load has ended before.
    pub async fn reach(&self, wanted: usize) -> bool {
        let deadline = std::time::Instant::now() + crate::PATIENCE;
        while self.acknowledged() < wanted {
            if self.tasks.iter().all(JoinHandle::is_finished) {
                return false;
            }
            assert!(std::time::Instant::now() < deadline, "the load does not get on");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        true
    }

    /// Waits until the broker is gone; with `stop`, stops the load first.
    pub async fn end(mut self, stop: bool) -> Arc<Counts> {
        self.stop.store(stop, Ordering::Relaxed);
        for task in self.tasks.drain(..) {
            task.await.unwrap();
        }
        self.counts
    }
}

async fn send_until(
    history: &History,
    address: &str,
    producer: u32,
    wanted: Wanted,
    stop: &AtomicBool,
    counts: &Counts,
) {
    let mut client = talk::client();
    let queue_id = producer as i32 % QUEUES;
    let (mut producer, mut number) = (producer, 0);
    while !stop.load(Ordering::Relaxed) {
        let id = MessageId { producer, number };
        let filler = (number as usize * 37 + producer as usize * 101) % wanted.body_bytes.max(1);
        let properties =
            format!("KEYS\u{1}k{number}\u{2}TAGS\u{1}TagA\u{2}UNIQ_KEY\u{1}{producer}-{number}");
        history.begin(id, TOPIC, queue_id);
        let body = Bytes::from(body::encode(id, filler));
        number += 1;
        let sending = talk::send(&client, address, (TOPIC, queue_id), &properties, body);
        match timeout(PATIENCE_OF_CLIENTS, sending).await {
            Ok(Ok(answer)) => {
                if let Some(place) = &answer.place {
                    let weak = !answer.is_ok();
                    let survival = if weak { Survival::MayBeLost } else { wanted.survival };
                    history.acknowledged(id, place, survival);
                    counts.acknowledged.fetch_add(1, Ordering::Relaxed);
                }
                if !answer.is_ok() {
                    counts.refused.lock().entry(answer.code).or_insert((0, answer.remark)).0 += 1;
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
            Ok(Err(_)) | Err(_) => {
                counts.unanswered.fetch_add(1, Ordering::Relaxed);
                if !wanted.goes_on {
                    return;
                }
                // The message may still be under way: no order is promised against the next ones.
                client = talk::client();
                (producer, number) = (PRODUCERS.fetch_add(1, Ordering::Relaxed), 0);
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }
}

async fn consume_until(
    history: &History,
    address: &str,
    queue_id: i32,
    goes_on: bool,
    stop: &AtomicBool,
) {
    let mut client = talk::client();
    let queue = (TOPIC, queue_id);
    let mut offset = 0;
    while !stop.load(Ordering::Relaxed) {
        let pulling = talk::pull(&client, address, queue, offset);
        let frame = match timeout(PATIENCE_OF_CLIENTS, pulling).await {
            Ok(Ok(frame)) => frame,
            _ if goes_on => {
                client = talk::client();
                tokio::time::sleep(Duration::from_millis(5)).await;
                continue;
            }
            _ => return,
        };
        // Anything else: the topic is not there yet, or the broker is about to end.
        let known = [0, 19, 20, 21].contains(&frame.code);
        let Some((messages, next)) = known.then(|| talk::pulled(queue, offset, &frame)).flatten()
        else {
            tokio::time::sleep(Duration::from_millis(3)).await;
            continue;
        };
        for (place, bytes) in &messages {
            history.delivered(place, bytes);
        }
        offset = next;
        history.offset_begun(GROUP, TOPIC, queue_id, offset);
        let storing = talk::store_offset(&client, address, GROUP, queue, offset);
        if let Ok(Ok(answer)) = timeout(PATIENCE_OF_CLIENTS, storing).await
            && answer.code == 0
        {
            history.offset_stored(GROUP, TOPIC, queue_id, offset);
        }
    }
}

/// Everything the queues hold.
pub async fn read_all(address: &str) -> Vec<(Place, Vec<u8>)> {
    let client = talk::client();
    let mut kept = Vec::new();
    for queue_id in 0..QUEUES {
        kept.extend(talk::read_queue(&client, address, TOPIC, queue_id).await);
    }
    kept
}

/// Reads everything, offsets too, and judges.
pub async fn judge(history: &History, address: &str) -> Report {
    let kept = read_all(address).await;
    let client = talk::client();
    for queue_id in 0..QUEUES {
        let queue = (TOPIC, queue_id);
        if let Some(offset) = talk::stored_offset(&client, address, GROUP, queue).await {
            history.offset_read(GROUP, TOPIC, queue_id, offset);
        }
    }
    history.judge(&kept)
}
