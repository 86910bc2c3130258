//! What can go wrong between two processes; the texts begin with RocketMQ's own.

use rocketmq_protocol::FrameError;

/// A request that got no answer, or could not be sent.
#[derive(Debug, thiserror::Error)]
pub enum RemotingError {
    /// No connection could be made.
    #[error("connect to {address} failed{}", because(.source))]
    Connect {
        /// `ip:port`, or `null` when there is none to try.
        address: String,
        /// Why.
        source: Option<std::io::Error>,
    },
    /// The connection broke before the request was answered.
    #[error("send request to <{address}> failed: {reason}")]
    Send {
        /// `ip:port`.
        address: String,
        /// What became of the connection.
        reason: String,
    },
    /// No answer in time.
    #[error("wait response on the channel <{address}> timeout, {timeout_ms}(ms)")]
    Timeout {
        /// `ip:port`.
        address: String,
        /// How long it was waited for.
        timeout_ms: u128,
    },
    /// The request does not fit into a frame.
    #[error(transparent)]
    Frame(#[from] FrameError),
}

fn because(source: &Option<std::io::Error>) -> String {
    source.as_ref().map(|error| format!(": {error}")).unwrap_or_default()
}
