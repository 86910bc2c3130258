//! A message as 1.0.0 shows it.

use rocketmq_client::MessageExt;
use serde_json::{Value, json};

/// The message, with its body as text where it is some.
pub(crate) fn view(message: &MessageExt, with_body: bool) -> Value {
    let inner = &message.message;
    let body = with_body.then(|| String::from_utf8_lossy(&inner.body).into_owned());
    json!({
        "queueId": message.queue_id,
        "storeSize": message.store_size,
        "queueOffset": message.queue_offset,
        "sysFlag": message.sys_flag,
        "bornTimestamp": message.born_timestamp,
        "bornHost": message.born_host.to_string(),
        "storeTimestamp": message.store_timestamp,
        "storeHost": message.store_host.to_string(),
        "msgId": message.msg_id(),
        "commitLogOffset": message.commit_log_offset,
        "bodyCRC": message.body_crc,
        "reconsumeTimes": message.reconsume_times,
        "preparedTransactionOffset": message.prepared_transaction_offset,
        "topic": inner.topic,
        "flag": inner.flag,
        "properties": crate::api::properties_of(message),
        "messageBody": body,
    })
}
