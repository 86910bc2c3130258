//! Messages as applications see them, with the text forms that tools print (contract `client.md` 11).

use std::fmt;
use std::io::Read;
use std::net::SocketAddr;

use bytes::Bytes;

use super::properties::{self, Properties, property};
use super::record::RecordView;
use super::sys_flag;

/// A message to be sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// Topic.
    pub topic: String,
    /// The user's flag, which RocketMQ only carries.
    pub flag: i32,
    /// Properties, the system's among them.
    pub properties: Properties,
    /// Body.
    pub body: Bytes,
}

impl Message {
    /// A message that waits for the flush and replication that the broker is configured for.
    pub fn new(topic: impl Into<String>, body: impl Into<Bytes>) -> Message {
        let mut message = Message { topic: topic.into(), body: body.into(), ..Message::default() };
        message.set(property::WAIT, "true");
        message
    }

    /// Sets tags (one, usually).
    pub fn with_tags(mut self, tags: impl Into<String>) -> Message {
        self.set(property::TAGS, tags);
        self
    }

    /// Sets keys, separated by blanks.
    pub fn with_keys(mut self, keys: impl Into<String>) -> Message {
        self.set(property::KEYS, keys);
        self
    }

    /// Sets a property.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.properties.insert(name.to_string(), value.into());
    }

    /// The value of a property.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.properties.get(name).map(String::as_str)
    }

    /// The tags.
    pub fn tags(&self) -> Option<&str> {
        self.get(property::TAGS)
    }

    /// The keys, separated by blanks.
    pub fn keys(&self) -> Option<&str> {
        self.get(property::KEYS)
    }
}

/// `Message{topic='T', flag=0, properties={KEYS=k}, body=[98], transactionId='null'}`
impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let properties = properties::display(&self.properties);
        write!(f, "Message{{topic='{}', flag={}, properties={properties}", self.topic, self.flag)?;
        write!(f, ", body=[")?;
        for (index, byte) in self.body.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{}", *byte as i8)?;
        }
        let transaction_id = self.get(property::UNIQUE_KEY).filter(|_| self.is_transactional());
        write!(f, "], transactionId='{}'}}", transaction_id.unwrap_or("null"))
    }
}

impl Message {
    fn is_transactional(&self) -> bool {
        self.get(property::TRANSACTION_PREPARED) == Some("true")
    }
}

/// A received message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageExt {
    /// What was sent; the body decompressed.
    pub message: Message,
    /// Name of the broker it came from, when known.
    pub broker_name: Option<String>,
    /// Queue number.
    pub queue_id: i32,
    /// Bytes of the stored record.
    pub store_size: i32,
    /// Index within the queue.
    pub queue_offset: i64,
    /// See [`sys_flag`].
    pub sys_flag: i32,
    /// Client clock, ms.
    pub born_timestamp: i64,
    /// The producer's address.
    pub born_host: SocketAddr,
    /// Broker clock, ms.
    pub store_timestamp: i64,
    /// The broker's address.
    pub store_host: SocketAddr,
    /// Id by which VIEW_MESSAGE_BY_ID finds it.
    pub offset_msg_id: String,
    /// Place in the broker's commit log.
    pub commit_log_offset: i64,
    /// Checksum of the body as stored.
    pub body_crc: i32,
    /// How often it was consumed in vain.
    pub reconsume_times: i32,
    /// The half message's offset of a committed message.
    pub prepared_transaction_offset: i64,
}

/// A body that claims to be compressed but cannot be inflated.
#[derive(Debug, thiserror::Error)]
#[error("the body of message {id} cannot be inflated: {source}")]
pub struct InflateError {
    /// The message's offset id.
    pub id: String,
    /// What the inflater says.
    pub source: std::io::Error,
}

/// Most bytes that a compressed body may inflate to: 256 MiB guards against zip bombs; brokers
/// take 4 MiB compressed.
const INFLATED_BYTES_MAX: u64 = 256 * 1024 * 1024;

impl MessageExt {
    /// The message of a stored record, its body inflated if it is compressed.
    pub fn from_record(record: &RecordView<'_>) -> Result<MessageExt, InflateError> {
        let offset_msg_id = record.offset_msg_id();
        let body = if record.sys_flag & sys_flag::COMPRESSED != 0 {
            let inflated = inflate(record.body);
            inflated.map_err(|source| InflateError { id: offset_msg_id.clone(), source })?.into()
        } else {
            Bytes::copy_from_slice(record.body)
        };
        Ok(MessageExt {
            message: Message {
                topic: record.topic_text().to_string(),
                flag: record.flag,
                properties: properties::decode(record.properties),
                body,
            },
            broker_name: None,
            queue_id: record.queue_id,
            store_size: record.size() as i32,
            queue_offset: record.queue_offset,
            sys_flag: record.sys_flag,
            born_timestamp: record.born_timestamp,
            born_host: record.born_host,
            store_timestamp: record.store_timestamp,
            store_host: record.store_host,
            offset_msg_id,
            commit_log_offset: record.physical_offset,
            body_crc: record.body_crc,
            reconsume_times: record.reconsume_times,
            prepared_transaction_offset: record.prepared_transaction_offset,
        })
    }

    /// The id users know: the client's unique one, else the offset id.
    pub fn msg_id(&self) -> &str {
        self.message.get(property::UNIQUE_KEY).unwrap_or(&self.offset_msg_id)
    }
}

impl fmt::Display for MessageExt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "MessageExt [brokerName={}, queueId={}, storeSize={}, queueOffset={}, sysFlag={}, \
             bornTimestamp={}, bornHost=/{}, storeTimestamp={}, storeHost=/{}, msgId={}, \
             commitLogOffset={}, bodyCRC={}, reconsumeTimes={}, preparedTransactionOffset={}, \
             toString()={}]",
            self.broker_name.as_deref().unwrap_or("null"),
            self.queue_id,
            self.store_size,
            self.queue_offset,
            self.sys_flag,
            self.born_timestamp,
            self.born_host,
            self.store_timestamp,
            self.store_host,
            self.offset_msg_id,
            self.commit_log_offset,
            self.body_crc,
            self.reconsume_times,
            self.prepared_transaction_offset,
            self.message
        )
    }
}

/// Inflates a zlib body.
pub fn inflate(compressed: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut body = Vec::with_capacity(compressed.len().saturating_mul(2).min(1 << 20));
    let mut reader = flate2::read::ZlibDecoder::new(compressed).take(INFLATED_BYTES_MAX + 1);
    reader.read_to_end(&mut body)?;
    if body.len() as u64 > INFLATED_BYTES_MAX {
        return Err(std::io::Error::other("it inflates to more than 256 MiB"));
    }
    Ok(body)
}

/// Deflates a body as the client does; `level` 0 to 9, Java's default is 5.
pub fn deflate(body: &[u8], level: u32) -> std::io::Result<Vec<u8>> {
    let mut reader = flate2::read::ZlibEncoder::new(body, flate2::Compression::new(level.min(9)));
    let mut compressed = Vec::with_capacity(body.len() / 2);
    reader.read_to_end(&mut compressed)?;
    Ok(compressed)
}
