//! What the consumers print of the messages they receive, as Java's do.

use rocketmq_client::MessageExt;
use rocketmq_client::consumer::Delivery;

use super::terminal::line;

/// Prints a delivery; the line ends in a blank.
pub(super) fn print(delivery: &Delivery) {
    line(format_args!("{} ", text(delivery.worker, &delivery.messages)));
}

/// Messages as Java prints a list.
pub(super) fn list(messages: &[MessageExt]) -> String {
    let texts: Vec<String> = messages.iter().map(MessageExt::to_string).collect();
    format!("[{}]", texts.join(", "))
}

/// What a worker received.
pub(super) fn text(worker: usize, messages: &[MessageExt]) -> String {
    format!("ConsumeMessageThread_{worker} Receive New Messages: {}", list(messages))
}
