//! The benchmark programs, with the options and the periodic lines of RocketMQ's own.

pub(super) mod batch_producer;
pub(super) mod consumer;
mod plan;
pub(super) mod producer;
mod stats;
pub(super) mod transaction_producer;

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use rocketmq_client::{ClientConfig, ClientError, Credentials, LOGGER, Message, ProducerBuilder};
use rocketmq_common::clock;

use super::failure::Failure;
use super::{client, terminal};
use crate::options::Given;

/// Topic unless `-t` names another.
const TOPIC: &str = "BenchmarkTest";
/// Pause of a sender after a failure.
const PAUSE: Duration = Duration::from_secs(3);
/// Step of the generator's state (the golden ratio in 64 bits).
const WEYL: u64 = 0x9E37_79B9_7F4A_7C15;

/// Whether messages are traced: `-m`.
fn is_traced(given: &Given) -> bool {
    terminal::truth(given, "m", false)
}

/// A producer of that group, to be started.
fn producer(group: &str, config: ClientConfig, given: &Given) -> ProducerBuilder {
    let producer = client::producer(group, config);
    if is_traced(given) { producer.trace(None) } else { producer }
}

/// Whether requests are signed: `-a`.
fn is_signed(given: &Given) -> bool {
    terminal::truth(given, "a", false)
}

/// The client's settings; signed ones take the first sample account that is an administrator, as
/// Java's programs do.
fn config(given: &Given, name_servers: Option<&str>) -> Result<ClientConfig, Failure> {
    let mut config = client::config(name_servers, Some(terminal::instance_name()))?;
    config.credentials = is_signed(given).then(|| Credentials::new("rocketmq2", "12345678"));
    Ok(config)
}

/// The next number of a generator that tasks share without a lock (SplitMix64).
fn random() -> u64 {
    static STATE: OnceLock<AtomicU64> = OnceLock::new();
    let state = STATE.get_or_init(|| AtomicU64::new(RandomState::new().hash_one(0)));
    let mut mixed = state.fetch_add(WEYL, Ordering::Relaxed).wrapping_add(WEYL);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

/// What every message of a run looks like.
struct Shape {
    topic: String,
    /// Random letters and digits, the same for every message of a run.
    body: Bytes,
    keys: bool,
    /// Characters of extra properties, at least; 0: none.
    property_size: usize,
    tag_count: u64,
}

impl Shape {
    fn read(given: &Given) -> Result<Shape, Failure> {
        const LETTERS: &[u8; 62] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        let size = terminal::number(given, "s", 128usize, 1)?;
        let letter = |_| LETTERS[(random() % LETTERS.len() as u64) as usize];
        Ok(Shape {
            topic: given.get("t").unwrap_or(TOPIC).to_string(),
            body: (0..size).map(letter).collect(),
            keys: terminal::truth(given, "k", false),
            property_size: terminal::number(given, "p", 0, 0)?,
            tag_count: terminal::number(given, "l", 0, 0)?,
        })
    }

    /// The message; `tag` picks one of the tags.
    fn message(&self, tag: u64) -> Message {
        let mut message = Message::new(self.topic.as_str(), self.body.clone());
        if self.keys {
            message = message.with_keys((clock::now_ms() / 1000).to_string());
        }
        if self.tag_count > 0 {
            message = message.with_tags(format!("tag{}", tag % self.tag_count));
        }
        self.add_properties(&mut message);
        message
    }

    fn add_properties(&self, message: &mut Message) {
        let start = random() % 100;
        let mut size = 0;
        for index in 0u64.. {
            if self.property_size == 0 || size > self.property_size {
                return;
            }
            let (name, value) = (format!("prop{index}"), format!("hello{}", start + index));
            size += name.len() + value.len();
            message.set(&name, value);
        }
    }
}

/// Logs a failed send as Java's benchmark does, and says the first one on the terminal, where a
/// rate of 0 would otherwise be all there is to see.
fn report(error: &ClientError) {
    static SAID: OnceLock<()> = OnceLock::new();
    tracing::error!(target: LOGGER, "[BENCHMARK_PRODUCER] Send Exception: {error}");
    if SAID.set(()).is_ok() {
        eprintln!("{error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_messages() {
        let shape = Shape {
            topic: "T".to_string(),
            body: "b".into(),
            keys: true,
            property_size: 40,
            tag_count: 3,
        };
        let message = shape.message(7);
        assert_eq!(message.tags(), Some("tag1"));
        assert!(message.keys().is_some_and(|keys| keys.parse::<u64>().is_ok()));
        let extra = message.properties.iter().filter(|(name, _)| name.starts_with("prop"));
        assert!(extra.map(|(name, value)| name.len() + value.len()).sum::<usize>() > 40);
    }

    #[test]
    fn plain_messages_have_nothing_extra() {
        let given = Given::default();
        let shape = Shape::read(&given).unwrap();
        let message = shape.message(0);
        assert_eq!((message.topic.as_str(), message.body.len()), (TOPIC, 128));
        assert!(message.body.iter().all(u8::is_ascii_alphanumeric));
        assert_eq!((message.tags(), message.keys()), (None, None));
    }
}
