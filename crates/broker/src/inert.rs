//! Settings of Java's that do nothing here, and why. Who sets one is told.

use crate::LOGGER;
use crate::context::Settings;

const NO_POOLS: &str =
    "requests are handled as they are read; no pool of threads and no queue is between";
const NO_BUFFERS: &str = "messages are written without a pool of buffers of their own";
const NO_NETTY: &str = "connections are served by tasks on as many threads as there are processors";
const NO_BOUND: &str = "the number of requests under way is not bounded";
const FILES: &str = "a file that is being read stays readable after its end";
const UNUSED: &str = "nothing uses it, in Java neither";

/// Keys and reasons.
const INERT: &[(&str, &str)] = &[
    ("sendMessageThreadPoolNums", NO_POOLS),
    ("pullMessageThreadPoolNums", NO_POOLS),
    ("processReplyMessageThreadPoolNums", NO_POOLS),
    ("queryMessageThreadPoolNums", NO_POOLS),
    ("adminBrokerThreadPoolNums", NO_POOLS),
    ("clientManageThreadPoolNums", NO_POOLS),
    ("consumerManageThreadPoolNums", NO_POOLS),
    ("heartbeatThreadPoolNums", NO_POOLS),
    ("endTransactionThreadPoolNums", NO_POOLS),
    ("sendThreadPoolQueueCapacity", NO_POOLS),
    ("pullThreadPoolQueueCapacity", NO_POOLS),
    ("replyThreadPoolQueueCapacity", NO_POOLS),
    ("queryThreadPoolQueueCapacity", NO_POOLS),
    ("clientManagerThreadPoolQueueCapacity", NO_POOLS),
    ("consumerManagerThreadPoolQueueCapacity", NO_POOLS),
    ("heartbeatThreadPoolQueueCapacity", NO_POOLS),
    ("endTransactionPoolQueueCapacity", NO_POOLS),
    ("brokerFastFailureEnable", NO_POOLS),
    ("waitTimeMillsInSendQueue", NO_POOLS),
    ("waitTimeMillsInPullQueue", NO_POOLS),
    ("waitTimeMillsInHeartbeatQueue", NO_POOLS),
    ("waitTimeMillsInTransactionQueue", NO_POOLS),
    ("filterServerNums", "filter servers are gone; filter with SQL92 (enablePropertyFilter=true)"),
    ("commercialEnable", UNUSED),
    ("commercialTimerCount", UNUSED),
    ("commercialTransCount", UNUSED),
    ("commercialBigCount", UNUSED),
    ("commercialBaseCount", UNUSED),
    ("highSpeedMode", UNUSED),
    ("maxDelayTime", UNUSED),
    ("flushConsumerOffsetHistoryInterval", UNUSED),
    ("channelNotActiveInterval", UNUSED),
    ("serverWorkerThreads", NO_NETTY),
    ("serverCallbackExecutorThreads", NO_NETTY),
    ("serverSelectorThreads", NO_NETTY),
    ("serverPooledByteBufAllocatorEnable", NO_NETTY),
    ("useEpollNativeSelector", NO_NETTY),
    ("clientWorkerThreads", NO_NETTY),
    ("clientCallbackExecutorThreads", NO_NETTY),
    ("clientPooledByteBufAllocatorEnable", NO_NETTY),
    ("serverOnewaySemaphoreValue", NO_BOUND),
    ("serverAsyncSemaphoreValue", NO_BOUND),
    ("clientOnewaySemaphoreValue", NO_BOUND),
    ("clientAsyncSemaphoreValue", NO_BOUND),
    ("transientStorePoolEnable", NO_BUFFERS),
    ("transientStorePoolSize", NO_BUFFERS),
    ("fastFailIfNoBufferInStorePool", NO_BUFFERS),
    ("commitIntervalCommitLog", NO_BUFFERS),
    ("commitCommitLogLeastPages", NO_BUFFERS),
    ("commitCommitLogThoroughInterval", NO_BUFFERS),
    ("useReentrantLockWhenPutMessage", "who waits to write spins shortly, then sleeps"),
    ("putMsgIndexHightWater", "the index is written with the dispatch and has no queue"),
    ("debugLockEnable", "there is no lock to be watched"),
    ("duplicationEnable", UNUSED),
    ("deleteConsumeQueueFilesInterval", "consume queue files end together"),
    ("destroyMapedFileIntervalForcibly", FILES),
    ("redeleteHangedFileInterval", FILES),
    ("flushConsumeQueueLeastPages", "consume queues are flushed by time"),
];

/// Why a key has no effect, if it has none.
pub(crate) fn why(key: &str) -> Option<&'static str> {
    INERT.iter().find(|(inert, _)| *inert == key).map(|(_, why)| *why)
}

/// Those that are set to other than their defaults, with value and reason.
pub(crate) fn set_in_vain(settings: &Settings) -> Vec<(&'static str, String, &'static str)> {
    let defaults = crate::cli::default_settings();
    let value = |settings: &Settings, key: &str| {
        settings.tables().into_iter().find_map(|table| table.get(key))
    };
    let changed = INERT.iter().filter_map(|(key, why)| {
        let set = value(settings, key)?;
        (Some(&set) != value(&defaults, key).as_ref()).then_some((*key, set, *why))
    });
    changed.collect()
}

/// Says so in broker.log.
pub(crate) fn warn(settings: &Settings) {
    for (key, value, why) in set_in_vain(settings) {
        tracing::warn!(target: LOGGER, thread = "main", "{key}={value} has no effect: {why}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_exists_once() {
        let settings = crate::cli::default_settings();
        let mut keys: Vec<_> = INERT.iter().map(|(key, _)| *key).collect();
        for key in &keys {
            let tables = settings.tables().into_iter().filter(|table| table.get(key).is_some());
            assert_eq!(tables.count(), 1, "{key}");
        }
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), INERT.len());
    }

    #[test]
    fn what_is_set_in_vain_is_named() {
        let mut settings = crate::cli::default_settings();
        assert!(set_in_vain(&settings).is_empty());
        settings.broker.filter_server_nums = 2;
        settings.store.transient_store_pool_enable = true;
        let named: Vec<_> =
            set_in_vain(&settings).into_iter().map(|(key, value, _)| (key, value)).collect();
        let expected =
            [("filterServerNums", "2".to_string()), ("transientStorePoolEnable", "true".into())];
        assert_eq!(named, expected);
    }
}
