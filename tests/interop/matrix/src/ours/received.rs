//! What a consumer of ours has received, held against what it has to receive.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use parking_lot::Mutex;
use rocketmq_client::MessageExt;
use tokio::sync::Notify;

use crate::feature::{MESSAGES, body, is_wanted, tag};

/// How long to go on watching for what must not come.
const AFTERWARDS: Duration = Duration::from_millis(500);

#[derive(Default)]
struct State {
    /// Deliveries of each message, by its number.
    counts: BTreeMap<usize, usize>,
    wrong: Option<String>,
}

/// Counts the deliveries of each message and checks them.
pub(super) struct Received {
    feature: &'static str,
    state: Mutex<State>,
    changed: Notify,
}

impl Received {
    pub(super) fn new(feature: &'static str) -> Arc<Received> {
        Arc::new(Received { feature, state: Mutex::default(), changed: Notify::new() })
    }

    /// Notes a delivery; returns the message's number.
    pub(super) fn add(&self, message: &MessageExt) -> Option<usize> {
        let text = String::from_utf8_lossy(&message.message.body).into_owned();
        let index = (0..MESSAGES).find(|index| body(*index) == text);
        match index {
            Some(index) if is_wanted(self.feature, index) => {
                let properties = &message.message;
                let right = properties.tags() == Some(tag(index))
                    && properties.keys() == Some(&format!("key{index}"))
                    && properties.get("n") == Some(&index.to_string());
                // A Java 4.9.2 broker spoils the last property of a message sent in a batch.
                if !right && self.feature != "batch" {
                    self.wrong(format!("properties of {index}: {:?}", properties.properties));
                }
                *self.state.lock().counts.entry(index).or_default() += 1;
            }
            _ => self.wrong(format!("got a message that it must not get: {text:?}")),
        }
        self.changed.notify_one();
        index
    }

    /// Notes what must not be.
    pub(super) fn wrong(&self, what: String) {
        self.state.lock().wrong.get_or_insert(what);
        self.changed.notify_one();
    }

    /// Whether each wanted message was delivered so often; an error if something is wrong.
    pub(super) fn has(&self, times: impl Fn(usize) -> usize) -> anyhow::Result<bool> {
        let state = self.state.lock();
        if let Some(wrong) = &state.wrong {
            bail!("{wrong}");
        }
        let count = |index| state.counts.get(&index).copied().unwrap_or(0);
        Ok((0..MESSAGES)
            .filter(|index| is_wanted(self.feature, *index))
            .all(|index| count(index) >= times(index)))
    }

    /// Waits until each wanted message was delivered so often, or something is wrong.
    pub(super) async fn all(&self, times: impl Fn(usize) -> usize) -> anyhow::Result<()> {
        while !self.has(&times)? {
            self.changed.notified().await;
        }
        // What must not come would come about now.
        tokio::time::sleep(AFTERWARDS).await;
        self.has(times).map(drop)
    }
}
