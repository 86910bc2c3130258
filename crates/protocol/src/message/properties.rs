//! A message's properties: `name U+0001 value` pairs joined by U+0002 (contract `store.md` 3.3).

use rocketmq_common::java;

/// Between name and value.
pub const NAME_VALUE_SEPARATOR: u8 = 1;
/// Between pairs. A trailing one is harmless.
pub const PROPERTY_SEPARATOR: u8 = 2;
/// Most bytes that the properties of a stored message may have.
pub const PROPERTIES_BYTES_MAX: usize = i16::MAX as usize;

macro_rules! properties {
    ($($(#[$meta:meta])* $konst:ident = $name:literal,)*) => {
        /// Names that RocketMQ itself uses. Users may not set those of [`property::RESERVED`].
        pub mod property {
            $($(#[$meta])* #[doc = concat!("`", $name, "`")] pub const $konst: &str = $name;)*
        }
    };
}

properties! {
    KEYS = "KEYS",
    TAGS = "TAGS",
    WAIT = "WAIT",
    DELAY = "DELAY",
    RETRY_TOPIC = "RETRY_TOPIC",
    REAL_TOPIC = "REAL_TOPIC",
    REAL_QUEUE_ID = "REAL_QID",
    TRANSACTION_PREPARED = "TRAN_MSG",
    PRODUCER_GROUP = "PGROUP",
    MIN_OFFSET = "MIN_OFFSET",
    MAX_OFFSET = "MAX_OFFSET",
    BUYER_ID = "BUYER_ID",
    ORIGIN_MESSAGE_ID = "ORIGIN_MESSAGE_ID",
    TRANSFER_FLAG = "TRANSFER_FLAG",
    CORRECTION_FLAG = "CORRECTION_FLAG",
    MQ2_FLAG = "MQ2_FLAG",
    RECONSUME_TIME = "RECONSUME_TIME",
    MSG_REGION = "MSG_REGION",
    TRACE_ON = "TRACE_ON",
    UNIQUE_KEY = "UNIQ_KEY",
    MAX_RECONSUME_TIMES = "MAX_RECONSUME_TIMES",
    CONSUME_START_TIME = "CONSUME_START_TIME",
    INSTANCE_ID = "INSTANCE_ID",
    CORRELATION_ID = "CORRELATION_ID",
    REPLY_TO_CLIENT = "REPLY_TO_CLIENT",
    TTL = "TTL",
    ARRIVE_TIME = "ARRIVE_TIME",
    PUSH_REPLY_TIME = "PUSH_REPLY_TIME",
    CLUSTER = "CLUSTER",
    MSG_TYPE = "MSG_TYPE",
    TRANSACTION_PREPARED_QUEUE_OFFSET = "TRAN_PREPARED_QUEUE_OFFSET",
    TRANSACTION_CHECK_TIMES = "TRANSACTION_CHECK_TIMES",
    CHECK_IMMUNITY_TIME_IN_SECONDS = "CHECK_IMMUNITY_TIME_IN_SECONDS",
}

/// Names that users may not set (contract `client.md` 10).
pub const RESERVED: [&str; 30] = {
    use property::*;
    [
        KEYS,
        TAGS,
        WAIT,
        DELAY,
        RETRY_TOPIC,
        REAL_TOPIC,
        REAL_QUEUE_ID,
        TRANSACTION_PREPARED,
        PRODUCER_GROUP,
        MIN_OFFSET,
        MAX_OFFSET,
        BUYER_ID,
        ORIGIN_MESSAGE_ID,
        TRANSFER_FLAG,
        CORRECTION_FLAG,
        MQ2_FLAG,
        RECONSUME_TIME,
        MSG_REGION,
        TRACE_ON,
        UNIQUE_KEY,
        MAX_RECONSUME_TIMES,
        CONSUME_START_TIME,
        INSTANCE_ID,
        CORRELATION_ID,
        REPLY_TO_CLIENT,
        TTL,
        ARRIVE_TIME,
        PUSH_REPLY_TIME,
        CLUSTER,
        MSG_TYPE,
    ]
};

/// Properties as a map that keeps the order in which names were set: Java's texts depend on it.
/// Messages have few of them, so looking through all is quicker than hashing.
#[derive(Clone, Debug, Default)]
pub struct Properties(Vec<(String, String)>);

impl Properties {
    /// Sets a property; a name that is there keeps its place. Returns the old value.
    pub fn insert(&mut self, name: String, value: String) -> Option<String> {
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, old)) => Some(std::mem::replace(old, value)),
            None => {
                self.0.push((name, value));
                None
            }
        }
    }

    /// The value of a property.
    pub fn get(&self, name: &str) -> Option<&String> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// Removes a property; returns its value.
    pub fn remove(&mut self, name: &str) -> Option<String> {
        let index = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.remove(index).1)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Names and values, in the order in which they were set.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &String)> {
        self.0.iter().map(|(name, value)| (name, value))
    }
}

/// Equal when names and values are; the order does not count.
impl PartialEq for Properties {
    fn eq(&self, other: &Properties) -> bool {
        self.len() == other.len() && self.iter().all(|(name, value)| other.get(name) == Some(value))
    }
}

impl Eq for Properties {}

impl FromIterator<(String, String)> for Properties {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Properties {
        let mut properties = Properties::default();
        for (name, value) in pairs {
            properties.insert(name, value);
        }
        properties
    }
}

impl<const N: usize> From<[(String, String); N]> for Properties {
    fn from(pairs: [(String, String); N]) -> Properties {
        pairs.into_iter().collect()
    }
}

/// The `(name, value)` pairs of encoded properties. Pieces shorter than three bytes, without a
/// name or without a value are passed over, as Java's reader does.
pub fn pairs(encoded: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    encoded.split(|b| *b == PROPERTY_SEPARATOR).filter_map(|piece| {
        let at = memchr::memchr(NAME_VALUE_SEPARATOR, piece)?;
        let (name, value) = (&piece[..at], &piece[at + 1..]);
        (piece.len() >= 3 && !name.is_empty() && !value.is_empty()).then_some((name, value))
    })
}

/// The value of the last pair with that name (Java's map keeps the last).
pub fn get<'a>(encoded: &'a [u8], name: &str) -> Option<&'a [u8]> {
    pairs(encoded).filter(|(key, _)| *key == name.as_bytes()).last().map(|(_, value)| value)
}

/// The value as text, when it is UTF-8.
pub fn get_text<'a>(encoded: &'a [u8], name: &str) -> Option<&'a str> {
    get(encoded, name).and_then(|value| std::str::from_utf8(value).ok())
}

/// Decodes to a map; invalid UTF-8 is replaced.
pub fn decode(encoded: &[u8]) -> Properties {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    pairs(encoded).map(|(name, value)| (text(name), text(value))).collect()
}

/// `{KEYS=k, TAGS=A}` in the order in which Java prints its map.
pub fn display(properties: &Properties) -> String {
    let mut pairs: Vec<(&String, &String)> = properties.iter().collect();
    java::sort_as_hash_map(&mut pairs, |(name, _)| name);
    let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    format!("{{{}}}", pairs.join(", "))
}

/// Encodes a map, without a trailing separator.
pub fn encode(properties: &Properties) -> String {
    let mut encoded = String::new();
    for (name, value) in properties.iter() {
        append(&mut encoded, name, value);
    }
    encoded
}

/// Appends one pair.
pub fn append(encoded: &mut String, name: &str, value: &str) {
    if !encoded.is_empty() {
        encoded.push(char::from(PROPERTY_SEPARATOR));
    }
    encoded.push_str(name);
    encoded.push(char::from(NAME_VALUE_SEPARATOR));
    encoded.push_str(value);
}

/// Appends one pair to encoded bytes.
pub fn append_bytes(encoded: &mut Vec<u8>, name: &str, value: &[u8]) {
    if encoded.last().is_some_and(|last| *last != PROPERTY_SEPARATOR) {
        encoded.push(PROPERTY_SEPARATOR);
    }
    encoded.extend_from_slice(name.as_bytes());
    encoded.push(NAME_VALUE_SEPARATOR);
    encoded.extend_from_slice(value);
}

/// Removes every pair with that name, in place; the other bytes stay as they are.
pub fn remove(encoded: &mut Vec<u8>, name: &str) {
    let mut at = 0;
    while at < encoded.len() {
        let piece_len =
            memchr::memchr(PROPERTY_SEPARATOR, &encoded[at..]).unwrap_or(encoded.len() - at);
        let piece = &encoded[at..at + piece_len];
        let named = piece.get(name.len()) == Some(&NAME_VALUE_SEPARATOR)
            && piece.starts_with(name.as_bytes());
        if !named {
            at += piece_len + 1;
            continue;
        }
        let end = (at + piece_len + 1).min(encoded.len());
        encoded.drain(at..end);
    }
    if encoded.last() == Some(&PROPERTY_SEPARATOR) {
        encoded.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_java_reads_and_skips_what_it_skips() {
        let encoded = b"TAGS\x01TagA\x02\x02a\x02K\x01\x02\x01v\x02KEYS\x01k1 k2\x02";
        let map = decode(encoded);
        assert_eq!(map.len(), 2);
        assert_eq!(map.get("TAGS").unwrap(), "TagA");
        assert_eq!(get_text(encoded, "KEYS"), Some("k1 k2"));
    }

    #[test]
    fn removes_a_pair_wherever_it_stands() {
        for (before, after) in [
            (&b"WAIT\x01true"[..], &b""[..]),
            (b"WAIT\x01true\x02A\x011", b"A\x011"),
            (b"A\x011\x02WAIT\x01true", b"A\x011"),
            (b"A\x011\x02WAIT\x01true\x02B\x012", b"A\x011\x02B\x012"),
            (b"WAITS\x011\x02B\x01WAIT", b"WAITS\x011\x02B\x01WAIT"),
        ] {
            let mut encoded = before.to_vec();
            remove(&mut encoded, "WAIT");
            assert_eq!(encoded, after);
        }
    }

    #[test]
    fn round_trips() {
        let map = Properties::from([("a".into(), "1".into()), ("b".into(), "ü".into())]);
        assert_eq!(decode(encode(&map).as_bytes()), map);
    }
}
