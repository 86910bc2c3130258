//! One stored message: encoding it and reading it in place (contract `store.md` 3.1).
//!
//! ```text
//! i32 totalSize | i32 magic | i32 bodyCRC | i32 queueId | i32 flag | i64 queueOffset
//! | i64 physicalOffset | i32 sysFlag | i64 bornTimestamp | bornHost (4|16 + i32 port)
//! | i64 storeTimestamp | storeHost (4|16 + i32 port) | i32 reconsumeTimes
//! | i64 preparedTransactionOffset | i32 n, body | i8 n, topic | i16 n, properties
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::sys_flag;
use super::{crc32, properties};

/// Second word of a message record.
pub const MESSAGE_MAGIC: i32 = 0xDAA3_20A7_u32 as i32;
/// Second word of the record that fills a segment's end.
pub const BLANK_MAGIC: i32 = 0xCBD4_3194_u32 as i32;
/// Bytes of a blank record that are written; also what must stay free at a segment's end.
pub const BLANK_BYTES: usize = 8;
/// Where the queue offset lies.
pub const QUEUE_OFFSET_AT: usize = 20;
/// Where the physical offset lies.
pub const PHYSICAL_OFFSET_AT: usize = 28;
/// Where the sysFlag lies.
pub const SYS_FLAG_AT: usize = 36;
/// Bytes of a record beside body, topic and properties when both hosts are IPv4.
pub const FIXED_BYTES: usize = 91;

/// What is wrong with bytes that should be a record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The bytes end before the record does.
    #[error("the record ends early: {have} of {want} bytes")]
    Short {
        /// Bytes there.
        have: usize,
        /// Bytes needed.
        want: usize,
    },
    /// The second word is no message magic.
    #[error("found a illegal magic code 0x{0:x}")]
    Magic(i32),
    /// A length field contradicts the total size.
    #[error("[BUG]read total count not equals msg total size. totalSize={total}, at {what}")]
    Length {
        /// The first word.
        total: i32,
        /// The field that does not fit.
        what: &'static str,
    },
    /// The body's checksum differs.
    #[error("CRC check failed. bodyCRC={stored}, computed={computed}")]
    Crc {
        /// In the record.
        stored: i32,
        /// Of the body.
        computed: i32,
    },
    /// A batch item is malformed.
    #[error("a message of the batch is malformed at byte {0}")]
    Batch(usize),
}

/// Everything of a record that is known before it gets its place.
#[derive(Clone, Copy, Debug)]
pub struct RecordHead<'a> {
    /// Topic, at most 127 bytes.
    pub topic: &'a str,
    /// Queue number.
    pub queue_id: i32,
    /// The user's flag.
    pub flag: i32,
    /// See [`sys_flag`]; the IPv6 bits are set from the hosts.
    pub sys_flag: i32,
    /// Client clock, ms.
    pub born_timestamp: i64,
    /// The producer's address.
    pub born_host: SocketAddr,
    /// The broker's address.
    pub store_host: SocketAddr,
    /// How often it was consumed in vain.
    pub reconsume_times: i32,
    /// The half message's physical offset of a committed message, else 0.
    pub prepared_transaction_offset: i64,
}

/// Which fields of an encoded record are still to be filled in, and where.
#[derive(Clone, Copy, Debug)]
pub struct Encoded {
    /// Where in the buffer the record starts.
    pub start: usize,
    /// Its size.
    pub size: usize,
    /// Where, from the record's start, the store timestamp lies.
    pub store_timestamp_at: usize,
}

impl RecordHead<'_> {
    /// Size of the record with that body and those properties, in bytes.
    pub fn size(&self, body_len: usize, properties_len: usize) -> usize {
        let wide = |host: SocketAddr| if host.is_ipv6() { 12 } else { 0 };
        FIXED_BYTES
            + wide(self.born_host)
            + wide(self.store_host)
            + body_len
            + self.topic.len()
            + properties_len
    }

    /// Appends the record with queue offset, physical offset and store timestamp 0;
    /// [`Encoded::place`] fills them in. The caller has checked the length limits: topic below
    /// 128 bytes, properties below 32768.
    pub fn encode(&self, body: &[u8], properties: &[u8], out: &mut Vec<u8>) -> Encoded {
        let start = out.len();
        let size = self.size(body.len(), properties.len());
        out.reserve(size);
        let mut sys_flag = self.sys_flag & !(sys_flag::BORN_HOST_V6 | sys_flag::STORE_HOST_V6);
        if self.born_host.is_ipv6() {
            sys_flag |= sys_flag::BORN_HOST_V6;
        }
        if self.store_host.is_ipv6() {
            sys_flag |= sys_flag::STORE_HOST_V6;
        }
        out.extend_from_slice(&(size as i32).to_be_bytes());
        out.extend_from_slice(&MESSAGE_MAGIC.to_be_bytes());
        out.extend_from_slice(&crc32(body).to_be_bytes());
        out.extend_from_slice(&self.queue_id.to_be_bytes());
        out.extend_from_slice(&self.flag.to_be_bytes());
        out.extend_from_slice(&[0; 16]);
        out.extend_from_slice(&sys_flag.to_be_bytes());
        out.extend_from_slice(&self.born_timestamp.to_be_bytes());
        put_host(out, self.born_host);
        let store_timestamp_at = out.len() - start;
        out.extend_from_slice(&[0; 8]);
        put_host(out, self.store_host);
        out.extend_from_slice(&self.reconsume_times.to_be_bytes());
        out.extend_from_slice(&self.prepared_transaction_offset.to_be_bytes());
        out.extend_from_slice(&(body.len() as i32).to_be_bytes());
        out.extend_from_slice(body);
        out.push(self.topic.len() as u8);
        out.extend_from_slice(self.topic.as_bytes());
        out.extend_from_slice(&(properties.len() as i16).to_be_bytes());
        out.extend_from_slice(properties);
        debug_assert_eq!(out.len() - start, size);
        Encoded { start, size, store_timestamp_at }
    }
}

impl Encoded {
    /// Fills in where and when the record is stored. `record` is the record's own bytes.
    pub fn place(
        &self,
        record: &mut [u8],
        queue_offset: i64,
        physical_offset: i64,
        store_timestamp: i64,
    ) {
        let mut put = |at: usize, value: i64| {
            if let Some(place) = record.get_mut(at..at + 8) {
                place.copy_from_slice(&value.to_be_bytes());
            }
        };
        put(QUEUE_OFFSET_AT, queue_offset);
        put(PHYSICAL_OFFSET_AT, physical_offset);
        put(self.store_timestamp_at, store_timestamp);
    }
}

fn put_host(out: &mut Vec<u8>, host: SocketAddr) {
    match host.ip() {
        IpAddr::V4(ip) => out.extend_from_slice(&ip.octets()),
        IpAddr::V6(ip) => out.extend_from_slice(&ip.octets()),
    }
    out.extend_from_slice(&i32::from(host.port()).to_be_bytes());
}

/// A record read in place.
#[derive(Clone, Copy, Debug)]
pub struct RecordView<'a> {
    bytes: &'a [u8],
    /// Queue number.
    pub queue_id: i32,
    /// The user's flag.
    pub flag: i32,
    /// Index within the queue.
    pub queue_offset: i64,
    /// Place in the commit log.
    pub physical_offset: i64,
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
    /// Checksum of the body as stored.
    pub body_crc: i32,
    /// How often it was consumed in vain.
    pub reconsume_times: i32,
    /// The half message's physical offset of a committed message, else 0.
    pub prepared_transaction_offset: i64,
    /// The body as stored (compressed if the sysFlag says so).
    pub body: &'a [u8],
    /// The topic.
    pub topic: &'a [u8],
    /// The properties, encoded.
    pub properties: &'a [u8],
}

impl<'a> RecordView<'a> {
    /// Total size and magic of whatever starts here; `None` below eight bytes.
    pub fn peek(bytes: &[u8]) -> Option<(i32, i32)> {
        let head = bytes.first_chunk::<8>()?;
        Some((
            i32::from_be_bytes([head[0], head[1], head[2], head[3]]),
            i32::from_be_bytes([head[4], head[5], head[6], head[7]]),
        ))
    }

    /// Reads the record at the front of the bytes. Every length is checked against the total
    /// size; the body's checksum is not (see [`RecordView::check_crc`]).
    pub fn parse(bytes: &'a [u8]) -> Result<RecordView<'a>, RecordError> {
        let short = RecordError::Short { have: bytes.len(), want: FIXED_BYTES };
        let (total, magic) = RecordView::peek(bytes).ok_or(short)?;
        if magic != MESSAGE_MAGIC {
            return Err(RecordError::Magic(magic));
        }
        let size = usize::try_from(total).unwrap_or(0);
        if size < FIXED_BYTES {
            return Err(RecordError::Length { total, what: "totalSize" });
        }
        let bytes =
            bytes.get(..size).ok_or(RecordError::Short { have: bytes.len(), want: size })?;
        let mut reader = Reader { bytes, at: 8, total };
        let body_crc = reader.i32("bodyCRC")?;
        let queue_id = reader.i32("queueId")?;
        let flag = reader.i32("flag")?;
        let queue_offset = reader.i64("queueOffset")?;
        let physical_offset = reader.i64("physicalOffset")?;
        let sys_flag = reader.i32("sysFlag")?;
        let born_timestamp = reader.i64("bornTimestamp")?;
        let born_host = reader.host(sys_flag & sys_flag::BORN_HOST_V6 != 0, "bornHost")?;
        let store_timestamp = reader.i64("storeTimestamp")?;
        let store_host = reader.host(sys_flag & sys_flag::STORE_HOST_V6 != 0, "storeHost")?;
        let reconsume_times = reader.i32("reconsumeTimes")?;
        let prepared_transaction_offset = reader.i64("preparedTransactionOffset")?;
        let body_len = reader.i32("bodyLength")?;
        let body = reader.slice(i64::from(body_len), "body")?;
        // Java reads a signed byte here; a topic of more than 127 bytes cannot be read back.
        let topic_len = i8::from_be_bytes(reader.take("topicLength")?);
        let topic = reader.slice(i64::from(topic_len), "topic")?;
        let properties_len = i16::from_be_bytes(reader.take("propertiesLength")?);
        let properties = reader.slice(i64::from(properties_len), "properties")?;
        if reader.at != size {
            return Err(RecordError::Length { total, what: "end" });
        }
        Ok(RecordView {
            bytes,
            queue_id,
            flag,
            queue_offset,
            physical_offset,
            sys_flag,
            born_timestamp,
            born_host,
            store_timestamp,
            store_host,
            body_crc,
            reconsume_times,
            prepared_transaction_offset,
            body,
            topic,
            properties,
        })
    }

    /// Compares the body with its checksum. An empty body has none to compare, as in Java.
    pub fn check_crc(&self) -> Result<(), RecordError> {
        if self.body.is_empty() {
            return Ok(());
        }
        let computed = crc32(self.body);
        if computed != self.body_crc {
            return Err(RecordError::Crc { stored: self.body_crc, computed });
        }
        Ok(())
    }

    /// The whole record.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Size of the record in bytes.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The topic as text; invalid UTF-8 reads as an empty topic.
    pub fn topic_text(&self) -> &'a str {
        std::str::from_utf8(self.topic).unwrap_or_default()
    }

    /// The value of a property, if it is there and UTF-8.
    pub fn property(&self, name: &str) -> Option<&'a str> {
        properties::get_text(self.properties, name)
    }

    /// Id by which VIEW_MESSAGE_BY_ID finds it.
    pub fn offset_msg_id(&self) -> String {
        super::message_id::encode(self.store_host, self.physical_offset)
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    total: i32,
}

impl<'a> Reader<'a> {
    fn take<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], RecordError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let taken =
            rest.first_chunk::<N>().ok_or(RecordError::Length { total: self.total, what })?;
        self.at += N;
        Ok(*taken)
    }

    fn i32(&mut self, what: &'static str) -> Result<i32, RecordError> {
        Ok(i32::from_be_bytes(self.take(what)?))
    }

    fn i64(&mut self, what: &'static str) -> Result<i64, RecordError> {
        Ok(i64::from_be_bytes(self.take(what)?))
    }

    fn slice(&mut self, len: i64, what: &'static str) -> Result<&'a [u8], RecordError> {
        let error = RecordError::Length { total: self.total, what };
        let len = usize::try_from(len).map_err(|_| error.clone())?;
        let end = self.at.checked_add(len).ok_or_else(|| error.clone())?;
        let slice = self.bytes.get(self.at..end).ok_or(error)?;
        self.at = end;
        Ok(slice)
    }

    fn host(&mut self, v6: bool, what: &'static str) -> Result<SocketAddr, RecordError> {
        let ip: IpAddr = if v6 {
            Ipv6Addr::from(self.take::<16>(what)?).into()
        } else {
            Ipv4Addr::from(self.take::<4>(what)?).into()
        };
        // Java keeps the port in an i32; only its low 16 bits can be a port.
        Ok(SocketAddr::new(ip, self.i32(what)? as u16))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The record of contract `store.md` 21.
    const VECTOR: &str = "00000087daa320a73610a686000000020000000700000000000000000000000000000000\
        0000000001020304050607080a010203000004d2000001a20745aac90a030af400002a9f\
        0000000000000000000000000000000568656c6c6f0254310025750176024b455953016b\
        31206b3202554e49515f4b455901554b3102544147530154616741";

    fn vector() -> Vec<u8> {
        (0..VECTOR.len() / 2)
            .map(|i| u8::from_str_radix(&VECTOR[2 * i..2 * i + 2], 16).unwrap())
            .collect()
    }

    fn head() -> RecordHead<'static> {
        RecordHead {
            topic: "T1",
            queue_id: 2,
            flag: 7,
            sys_flag: 0,
            born_timestamp: 0x0102_0304_0506_0708,
            born_host: "10.1.2.3:1234".parse().unwrap(),
            store_host: "10.3.10.244:10911".parse().unwrap(),
            reconsume_times: 0,
            prepared_transaction_offset: 0,
        }
    }

    #[test]
    fn encodes_the_vector_of_the_contract() {
        let properties = b"u\x01v\x02KEYS\x01k1 k2\x02UNIQ_KEY\x01UK1\x02TAGS\x01TagA";
        let mut out = Vec::new();
        let encoded = head().encode(b"hello", properties, &mut out);
        encoded.place(&mut out, 0, 0, 0x1A2_0745_AAC9);
        assert_eq!(out, vector());
        let view = RecordView::parse(&out).unwrap();
        assert_eq!(view.check_crc(), Ok(()));
        assert_eq!(view.body, b"hello");
        assert_eq!(view.topic_text(), "T1");
        assert_eq!(view.property("TAGS"), Some("TagA"));
        assert_eq!(view.offset_msg_id(), "0A030AF400002A9F0000000000000000");
        assert_eq!(super::super::tags_code(view.property("TAGS")), 2_598_919);
    }

    #[test]
    fn wide_hosts_set_their_flags() {
        let mut head = head();
        head.born_host = "[2001:db8::1]:1".parse().unwrap();
        head.store_host = "[2001:db8::2]:10911".parse().unwrap();
        let mut out = Vec::new();
        head.encode(b"v6", b"", &mut out);
        assert_eq!(out.len(), 119);
        let view = RecordView::parse(&out).unwrap();
        assert_eq!(view.sys_flag, 0x30);
        assert_eq!(view.born_host, head.born_host);
    }

    #[test]
    fn no_prefix_and_no_flip_panics_or_reads_out_of_bounds() {
        let whole = vector();
        for len in 0..whole.len() {
            assert!(RecordView::parse(&whole[..len]).is_err());
        }
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut flipped = whole.clone();
                flipped[at] ^= 1 << bit;
                if let Ok(view) = RecordView::parse(&flipped) {
                    assert!(view.size() == whole.len());
                }
            }
        }
    }
}
