//! The table of GET_BROKER_RUNTIME_INFO (contract `store.md` 19).

use std::collections::BTreeMap;

use rocketmq_protocol::{topic, version};

use crate::context::BrokerContext;

/// Every key and its value.
pub(crate) fn table(context: &BrokerContext) -> BTreeMap<String, String> {
    let settings = context.settings();
    let broker = &settings.broker;
    let mut table: BTreeMap<String, String> = context.store.runtime_info().into_iter().collect();
    let mut put = |key: &str, value: String| {
        table.insert(key.to_string(), value);
    };
    put("brokerVersionDesc", version::describe(version::CURRENT));
    put("brokerVersion", version::CURRENT.to_string());
    let mornings = context.stats.mornings();
    put("msgPutTotalYesterdayMorning", mornings.put_yesterday.to_string());
    put("msgPutTotalTodayMorning", mornings.put_today.to_string());
    put("msgPutTotalTodayNow", context.store.put_message_count().to_string());
    put("msgGetTotalYesterdayMorning", mornings.get_yesterday.to_string());
    put("msgGetTotalTodayMorning", mornings.get_today.to_string());
    put("msgGetTotalTodayNow", context.store.get_message_count().to_string());
    // Requests are handled as they are read; nothing queues.
    for (queue, capacity) in [
        ("sendThreadPoolQueue", broker.send_thread_pool_queue_capacity),
        ("pullThreadPoolQueue", broker.pull_thread_pool_queue_capacity),
        ("queryThreadPoolQueue", broker.query_thread_pool_queue_capacity),
    ] {
        put(&format!("{queue}Size"), "0".to_string());
        put(&format!("{queue}Capacity"), capacity.to_string());
        put(&format!("{queue}HeadWaitTimeMills"), "0".to_string());
    }
    put("EndTransactionQueueSize", "0".to_string());
    let capacity = broker.end_transaction_pool_queue_capacity;
    put("EndTransactionThreadPoolQueueCapacity", capacity.to_string());
    for (level, offset) in context.schedule.snapshot().offset_table {
        let max = context.store.max_offset_in_queue(topic::SCHEDULE, level - 1);
        put(&format!("scheduleMessageOffset_{level}"), format!("{offset},{max}"));
    }
    let start = broker.start_accept_send_request_time_stamp;
    put("startAcceptSendRequestTimeStamp", start.to_string());
    table
}
