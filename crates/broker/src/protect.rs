//! Keeps consumers that read far behind from wearing out the disk (protectBroker, contract
//! `broker.md` 5).

use rocketmq_common::logging::PROTECTION;

use crate::context::BrokerContext;

/// With `disableConsumeIfConsumerReadSlowly`: stops groups from consuming whose last read of some
/// queue was further behind than `consumerFallbehindThreshold`. A tool can let them again.
pub fn slow_groups(context: &BrokerContext) {
    let settings = context.settings();
    if !settings.broker.disable_consume_if_consumer_read_slowly {
        return;
    }
    let threshold = settings.broker.consumer_fallbehind_threshold;
    context.stats.each_fall_behind(|group, bytes| {
        if bytes > threshold {
            tracing::info!(target: PROTECTION, "[PROTECT_BROKER] the consumer[{group}] consume slowly, {bytes} bytes, disable it");
            context.groups.disable_consume(group);
        }
    });
}
