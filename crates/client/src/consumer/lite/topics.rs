//! Telling the application when a topic gets or loses queues.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use rocketmq_protocol::message::MessageQueue;

use super::inner::Inner;
use crate::LOGGER;
use crate::error::ClientError;

/// Time from the start to the first look.
const FIRST_LOOK: Duration = Duration::from_secs(10);

type Listener = Arc<dyn Fn(&str, &BTreeSet<MessageQueue>) + Send + Sync>;

/// A topic that the application wants to hear of.
pub(super) struct Watched {
    queues: BTreeSet<MessageQueue>,
    listener: Listener,
}

/// Calls `listener` when the topic's queues change from what they are now.
pub(super) async fn listen(
    inner: &Inner,
    topic: &str,
    listener: Listener,
) -> Result<(), ClientError> {
    let queues = inner.group.instance.read_queues(topic).await?.into_iter().collect();
    let known = inner.watched.lock().insert(topic.to_string(), Watched { queues, listener });
    if known.is_some() {
        tracing::warn!(target: LOGGER, "Topic {topic} had been registered, new listener will overwrite the old one");
    }
    Ok(())
}

/// Looks at the topics until the consumer ends.
pub(super) fn watch(inner: &Arc<Inner>) {
    let weak = Arc::downgrade(inner);
    let period = inner.options.check_interval;
    inner.group.instance.repeat(FIRST_LOOK.min(period), period, move |_| {
        let inner = weak.upgrade();
        async move {
            if let Some(inner) = inner {
                look(&inner).await;
            }
        }
    });
}

async fn look(inner: &Inner) {
    let topics: Vec<_> = inner.watched.lock().keys().cloned().collect();
    for topic in topics {
        let instance = &inner.group.instance;
        let name = crate::namespace::wrap(&inner.group.namespace, &topic);
        let found = match instance.refresh_route(&name).await {
            Ok(_) => instance.read_queues(&topic).await,
            Err(error) => Err(error),
        };
        let queues: BTreeSet<_> = match found {
            Ok(queues) => queues.into_iter().collect(),
            Err(error) => {
                tracing::warn!(target: LOGGER, "fetchMessageQueues of topic {topic} failed: {error}");
                continue;
            }
        };
        let changed = {
            let mut watched = inner.watched.lock();
            let entry = watched.get_mut(&topic).filter(|watched| watched.queues != queues);
            entry.map(|watched| {
                watched.queues.clone_from(&queues);
                Arc::clone(&watched.listener)
            })
        };
        if let Some(listener) = changed {
            listener(&topic, &queues);
        }
    }
}
