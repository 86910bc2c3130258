//! What became of a message that was sent.

use rocketmq_protocol::header::SendMessageResponseHeader;
use rocketmq_protocol::message::MessageQueue;
use rocketmq_protocol::{Frame, ResponseCode};

use crate::error::ClientError;

/// How a message was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendStatus {
    /// Stored as the broker is configured.
    SendOk,
    /// Stored, but not on the medium in time.
    FlushDiskTimeout,
    /// Stored, but not on a slave in time.
    FlushSlaveTimeout,
    /// Stored, but no slave is there.
    SlaveNotAvailable,
}

impl SendStatus {
    /// The name in texts.
    pub fn name(self) -> &'static str {
        match self {
            SendStatus::SendOk => "SEND_OK",
            SendStatus::FlushDiskTimeout => "FLUSH_DISK_TIMEOUT",
            SendStatus::FlushSlaveTimeout => "FLUSH_SLAVE_TIMEOUT",
            SendStatus::SlaveNotAvailable => "SLAVE_NOT_AVAILABLE",
        }
    }
}

/// Where a message was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendResult {
    /// How.
    pub status: SendStatus,
    /// The unique id; of a batch, all of them joined by commas.
    pub msg_id: String,
    /// The id that names its place in the broker's log.
    pub offset_msg_id: String,
    /// The queue.
    pub message_queue: MessageQueue,
    /// Its place in the queue.
    pub queue_offset: i64,
}

impl std::fmt::Display for SendResult {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "SendResult [sendStatus={}, msgId={}, offsetMsgId={}, messageQueue={}, queueOffset={}]",
            self.status.name(),
            self.msg_id,
            self.offset_msg_id,
            self.message_queue,
            self.queue_offset
        )
    }
}

/// Reads a broker's answer to a send; `queue` is as the application knows it.
pub(super) fn read(
    frame: &Frame,
    address: &str,
    queue: MessageQueue,
    unique_id: &str,
) -> Result<SendResult, ClientError> {
    let status = match ResponseCode(frame.code) {
        ResponseCode::SUCCESS => SendStatus::SendOk,
        ResponseCode::FLUSH_DISK_TIMEOUT => SendStatus::FlushDiskTimeout,
        ResponseCode::FLUSH_SLAVE_TIMEOUT => SendStatus::FlushSlaveTimeout,
        ResponseCode::SLAVE_NOT_AVAILABLE => SendStatus::SlaveNotAvailable,
        _ => return Err(ClientError::of_broker(frame, address)),
    };
    let header = SendMessageResponseHeader::decode(frame.fields());
    let header = header.map_err(|error| ClientError::illegal(error.to_string()))?;
    Ok(SendResult {
        status,
        msg_id: unique_id.to_string(),
        offset_msg_id: header.msg_id.into_owned(),
        message_queue: MessageQueue { queue_id: header.queue_id, ..queue },
        queue_offset: header.queue_offset,
    })
}
