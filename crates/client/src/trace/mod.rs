//! Message traces: records of what was sent and consumed, which a producer of its own sends to
//! the trace topic (contract `client.md` 13).

mod consumption;
mod read;
mod record;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rocketmq_protocol::message::Message;
use rocketmq_protocol::topic::TRACE;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

pub(crate) use consumption::{Consumption, Outcome};
pub use read::TraceRecord;
pub(crate) use record::{MessageType, Published, Traced, TransactionEnded};

use crate::config::ClientConfig;
use crate::error::ClientError;
use crate::producer::Producer;
use crate::{LOGGER, namespace};

/// Records that may wait; further ones are dropped.
const QUEUE: usize = 1024;
/// Records of one round.
const ROUND: usize = 100;
/// Most bytes of one trace message's body.
const BODY_BYTES_MAX: usize = 118_000;
/// How long sending one may take.
const SEND_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the end waits for what is queued.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);

/// One record with what it is gathered by.
struct Entry {
    /// Of the traced message; records of one topic and region travel together.
    topic: String,
    region: String,
    keys: Vec<String>,
    text: String,
}

/// Takes records and sends them in the background; sends and consumptions never wait for it.
pub(crate) struct Trace {
    group: String,
    entries: mpsc::Sender<Entry>,
    producer: Producer,
    task: Mutex<Option<JoinHandle<()>>>,
}

/// Whose traces.
pub(crate) enum Role {
    Produce,
    Consume,
}

impl Trace {
    /// Starts the producer of trace messages for one client; `topic` replaces the usual one.
    pub(crate) fn start(
        config: &ClientConfig,
        group: &str,
        role: Role,
        topic: Option<&str>,
    ) -> Result<Arc<Trace>, ClientError> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let group = namespace::without(group, config.namespace()).into_owned();
        let role = match role {
            Role::Produce => "PRODUCE",
            Role::Consume => "CONSUME",
        };
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let mut config = config.clone();
        let servers = config.namesrv_addr.as_deref().unwrap_or_default();
        config.instance_name = format!("PID_CLIENT_INNER_TRACE_PRODUCER_{servers}#{count}");
        // The trace topic belongs to no namespace.
        config.namespace = Some(String::new());
        let producer = Producer::builder(format!("_INNER_TRACE_PRODUCER-{group}-{role}-{count}"))
            .client_config(config)
            .send_timeout(SEND_TIMEOUT)
            .begin()?;
        let (entries, queue) = mpsc::channel(QUEUE);
        let topic = topic.unwrap_or(TRACE).to_string();
        let task = tokio::spawn(run(queue, producer.clone(), topic));
        Ok(Arc::new(Trace { group, entries, producer, task: Mutex::new(Some(task)) }))
    }

    /// The group as records name it.
    pub(crate) fn group(&self) -> &str {
        &self.group
    }

    /// Records a send.
    pub(crate) fn published(&self, published: &Published<'_>) {
        self.add(published.traced, published.region, published.text());
    }

    /// Records the end of a transaction.
    pub(crate) fn transaction_ended(&self, ended: &TransactionEnded<'_>) {
        self.add(ended.traced, ended.region, ended.text());
    }

    fn add(&self, traced: &Traced, region: &str, text: String) {
        let mut keys = vec![traced.msg_id.clone()];
        keys.extend(split_keys(&traced.keys));
        self.queue(&traced.topic, region, keys, text);
    }

    fn queue(&self, topic: &str, region: &str, keys: Vec<String>, text: String) {
        let (topic, region) = (topic.to_string(), region.to_string());
        if self.entries.try_send(Entry { topic, region, keys, text }).is_err() {
            tracing::info!(target: LOGGER, "buffer full, a trace record of group {} is dropped", self.group);
        }
    }

    /// Sends what is queued, then ends.
    pub(crate) async fn shutdown(&self) {
        let task = self.task.lock().take();
        if let Some(mut task) = task {
            // An entry without keys marks the end.
            let end = Entry {
                topic: String::new(),
                region: String::new(),
                keys: Vec::new(),
                text: String::new(),
            };
            let ended = async {
                let _ = self.entries.send(end).await;
                let _ = (&mut task).await;
            };
            if tokio::time::timeout(FLUSH_TIMEOUT, ended).await.is_err() {
                tracing::warn!(target: LOGGER, "trace records of group {} were not sent in time", self.group);
                task.abort();
            }
        }
        self.producer.shutdown().await;
    }
}

fn split_keys(keys: &str) -> impl Iterator<Item = String> + '_ {
    keys.split(' ').filter(|key| !key.is_empty() && *key != "null").map(str::to_string)
}

async fn run(mut queue: mpsc::Receiver<Entry>, producer: Producer, topic: String) {
    let mut round = Vec::with_capacity(ROUND);
    let mut ending = false;
    while !ending && queue.recv_many(&mut round, ROUND).await > 0 {
        ending = round.iter().any(|entry| entry.keys.is_empty());
        let entries = round.drain(..).filter(|entry| !entry.keys.is_empty());
        for message in gather(entries, &topic) {
            if let Err(error) = producer.send(message).await {
                tracing::warn!(target: LOGGER, "send trace data failed: {error}");
            }
        }
    }
}

/// One message for each topic and region, or more where a body would grow too large.
fn gather(entries: impl Iterator<Item = Entry>, trace_topic: &str) -> Vec<Message> {
    let mut bodies: BTreeMap<(String, String), (Vec<String>, String)> = BTreeMap::new();
    let mut messages = Vec::new();
    for Entry { topic, region, keys, text } in entries {
        let (all_keys, body) = bodies.entry((topic, region)).or_default();
        if !body.is_empty() && body.len() + text.len() > BODY_BYTES_MAX {
            messages.push(message(trace_topic, std::mem::take(all_keys), std::mem::take(body)));
        }
        for key in keys {
            if !all_keys.contains(&key) {
                all_keys.push(key);
            }
        }
        body.push_str(&text);
    }
    messages.extend(bodies.into_values().map(|(keys, body)| message(trace_topic, keys, body)));
    messages
}

fn message(topic: &str, keys: Vec<String>, body: String) -> Message {
    Message::new(topic, body).with_keys(keys.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_a_topic_and_region_share_a_message_until_it_is_full() {
        let entry = |topic: &str, key: &str, size: usize| Entry {
            topic: topic.to_string(),
            region: "r".to_string(),
            keys: vec![key.to_string()],
            text: "x".repeat(size),
        };
        let entries = [
            entry("a", "1", 60_000),
            entry("b", "2", 10),
            entry("a", "1", 50_000),
            entry("a", "3", 9000),
        ];
        let messages = gather(entries.into_iter(), "trace");
        let told: Vec<_> =
            messages.iter().map(|m| (m.keys().unwrap_or_default(), m.body.len())).collect();
        assert_eq!(told, [("1", 110_000), ("3", 9000), ("2", 10)]);
    }
}
