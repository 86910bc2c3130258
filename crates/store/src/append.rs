//! Putting messages: checks, encoding outside the append lock, and the place in the log
//! (contract `store.md` 3, 9).

use std::cell::RefCell;

use rocketmq_protocol::message::properties::{PROPERTIES_BYTES_MAX, PROPERTY_SEPARATOR};
use rocketmq_protocol::message::record::Encoded;
use rocketmq_protocol::message::{RecordHead, batch, sys_flag};

use crate::commit::note_put;
use crate::config::BrokerRole;
use crate::put::{PutBatch, PutBatchResult, PutError, PutMessage, PutResult};
use crate::shared::Core;

/// Most bytes of a topic: its length is a signed byte on disk.
const TOPIC_BYTES_MAX: usize = 127;
/// Staged bytes from which on a put writes them itself, so that memory stays bounded whatever
/// the caller's batches are.
const STAGED_BYTES_MAX: usize = 8 << 20;
/// Encode buffers larger than this are given back.
const KEPT_BYTES_MAX: usize = 1 << 20;
/// A write that is stuck for longer than this is taken for a clock error (as in Java).
const BUSY_MS_MAX: i64 = 10_000_000;

#[derive(Default)]
struct Encoder {
    records: Vec<u8>,
    encoded: Vec<Encoded>,
    properties: Vec<u8>,
}

impl Encoder {
    fn clear(&mut self) {
        self.records.clear();
        self.encoded.clear();
        if self.records.capacity() > KEPT_BYTES_MAX {
            self.records = Vec::new();
        }
    }
}

thread_local! {
    static ENCODER: RefCell<Encoder> = RefCell::default();
}

impl Core {
    /// See [`crate::MessageStore::put`].
    pub(crate) fn put(&self, message: &PutMessage<'_>) -> Result<PutResult, PutError> {
        let size_max = self.check_writable()?;
        check_topic(message.topic, message.queue_id)?;
        check_properties(message.properties)?;
        let head = RecordHead {
            topic: message.topic,
            queue_id: message.queue_id,
            flag: message.flag,
            sys_flag: message.sys_flag,
            born_timestamp: message.born_timestamp,
            born_host: message.born_host,
            store_host: message.store_host,
            reconsume_times: message.reconsume_times,
            prepared_transaction_offset: message.prepared_transaction_offset,
        };
        let size = head.size(message.body.len(), message.properties.len());
        if size > size_max {
            return Err(PutError::MessageIllegal(format!(
                "message size exceeded, msg total size: {size}, maxMessageSize: {size_max}"
            )));
        }
        let placed = ENCODER.with_borrow_mut(|encoder| {
            let Encoder { records, properties, .. } = encoder;
            let encoded = if ends_open(message.properties) {
                properties.clear();
                properties.extend_from_slice(message.properties);
                properties.push(PROPERTY_SEPARATOR);
                head.encode(message.body, properties, records)
            } else {
                head.encode(message.body, message.properties, records)
            };
            let placed = self.log.append(message.topic, message.queue_id, records, &[encoded]);
            encoder.clear();
            placed
        })?;
        note_put();
        self.bound_staging(placed.staged_bytes)?;
        Ok(PutResult {
            physical_offset: placed.physical_offset,
            end_offset: placed.end_offset,
            queue_offset: placed.queue_offset,
            store_timestamp: placed.store_timestamp,
            store_host: message.store_host,
        })
    }

    /// See [`crate::MessageStore::put_batch`].
    pub(crate) fn put_batch(&self, batch: &PutBatch<'_>) -> Result<PutBatchResult, PutError> {
        let size_max = self.check_writable()?;
        check_topic(batch.topic, batch.queue_id)?;
        if batch.body.len() > size_max {
            return Err(PutError::MessageIllegal(format!(
                "PutMessages body length too long {}",
                batch.body.len()
            )));
        }
        if batch.sys_flag & sys_flag::TRANSACTION_MASK != 0 {
            return Err(PutError::MessageIllegal("a batch cannot be transactional".into()));
        }
        let (placed, physical_offsets) = ENCODER.with_borrow_mut(|encoder| {
            let placed = encode_batch(batch, size_max, encoder).and_then(|()| {
                let records = &mut encoder.records;
                self.log.append(batch.topic, batch.queue_id, records, &encoder.encoded)
            });
            let result = placed.map(|placed| {
                let place = |encoded: &Encoded| placed.physical_offset + encoded.start as i64;
                (placed, encoder.encoded.iter().map(place).collect())
            });
            encoder.clear();
            result
        })?;
        note_put();
        self.bound_staging(placed.staged_bytes)?;
        Ok(PutBatchResult {
            physical_offsets,
            end_offset: placed.end_offset,
            queue_offset: placed.queue_offset,
            store_timestamp: placed.store_timestamp,
            store_host: batch.store_host,
        })
    }

    /// Checks in Java's order whether messages are taken; returns `maxMessageSize`.
    fn check_writable(&self) -> Result<usize, PutError> {
        if self.state.is_shut_down() {
            return Err(PutError::ServiceNotAvailable("message store has shutdown".into()));
        }
        let (role, size_max) = {
            let config = self.config.read();
            (config.broker_role, config.max_message_size)
        };
        if role == BrokerRole::Slave {
            let reason = "message store is slave mode, so putMessage is forbidden";
            return Err(PutError::ServiceNotAvailable(reason.into()));
        }
        self.state.writable().map_err(|reason| {
            PutError::ServiceNotAvailable(format!("message store is not writeable: {reason}"))
        })?;
        if self.is_page_cache_busy() {
            return Err(PutError::PageCacheBusy);
        }
        Ok(usize::try_from(size_max).unwrap_or(0))
    }

    /// See [`crate::MessageStore::is_page_cache_busy`].
    pub(crate) fn is_page_cache_busy(&self) -> bool {
        let busy_ms = self.lock_time_ms();
        busy_ms > 0
            && busy_ms > self.config.read().os_page_cache_busy_time_out_mills
            && busy_ms < BUSY_MS_MAX
    }

    fn bound_staging(&self, staged_bytes: usize) -> Result<(), PutError> {
        if staged_bytes < STAGED_BYTES_MAX {
            return Ok(());
        }
        self.commit().map_err(|error| PutError::ServiceNotAvailable(error.to_string()))
    }
}

fn encode_batch(
    batch: &PutBatch<'_>,
    size_max: usize,
    encoder: &mut Encoder,
) -> Result<(), PutError> {
    let Encoder { records, encoded, properties } = encoder;
    for item in batch::items(batch.body) {
        let item = item.map_err(|error| PutError::MessageIllegal(error.to_string()))?;
        properties.clear();
        properties.extend_from_slice(item.properties);
        // Java 4.9.2 forgets the separator, so that the last property swallows the first of the
        // batch; 4.9.3 and we write it.
        let joins = !item.properties.is_empty() && !batch.properties.is_empty();
        if joins && properties.last() != Some(&PROPERTY_SEPARATOR) {
            properties.push(PROPERTY_SEPARATOR);
        }
        properties.extend_from_slice(batch.properties);
        if ends_open(properties) {
            properties.push(PROPERTY_SEPARATOR);
        }
        check_properties(properties)?;
        let head = RecordHead {
            topic: batch.topic,
            queue_id: batch.queue_id,
            flag: item.flag,
            sys_flag: batch.sys_flag,
            born_timestamp: batch.born_timestamp,
            born_host: batch.born_host,
            store_host: batch.store_host,
            reconsume_times: batch.reconsume_times,
            prepared_transaction_offset: 0,
        };
        if records.len() + head.size(item.body.len(), properties.len()) > size_max {
            return Err(PutError::BatchSizeExceeded);
        }
        encoded.push(head.encode(item.body, properties, records));
    }
    if encoded.is_empty() {
        return Err(PutError::MessageIllegal("the batch holds no message".into()));
    }
    Ok(())
}

/// Whether the properties end with a zero byte. They get a separator behind it, which says nothing
/// to a reader but lets recovery take zeros at a record's end for a torn record.
fn ends_open(properties: &[u8]) -> bool {
    properties.last() == Some(&0) && properties.len() < PROPERTIES_BYTES_MAX
}

fn check_topic(topic: &str, queue_id: i32) -> Result<(), PutError> {
    if topic.len() > TOPIC_BYTES_MAX {
        let len = topic.len();
        return Err(PutError::MessageIllegal(format!("message topic length too long {len}")));
    }
    // The topic becomes the name of a directory.
    let unfit = |byte: u8| byte == b'/' || byte == 0;
    if topic.is_empty() || topic == "." || topic == ".." || topic.bytes().any(unfit) {
        return Err(PutError::MessageIllegal(format!("{topic:?} cannot be a topic")));
    }
    if queue_id < 0 {
        return Err(PutError::MessageIllegal(format!("there is no queue {queue_id}")));
    }
    Ok(())
}

fn check_properties(properties: &[u8]) -> Result<(), PutError> {
    let bytes = properties.len();
    if bytes <= PROPERTIES_BYTES_MAX {
        return Ok(());
    }
    let chars = String::from_utf8_lossy(properties).encode_utf16().count();
    if chars > PROPERTIES_BYTES_MAX {
        let text = format!("message properties length too long {chars}");
        return Err(PutError::MessageIllegal(text));
    }
    Err(PutError::PropertiesSizeExceeded(bytes))
}
