//! The body of REGISTER_BROKER, plain or compressed (contract `namesrv.md` 3, `requests.md` N).

use std::io::Read;

use flate2::read::ZlibDecoder;
use rocketmq_common::fastjson;
use rocketmq_protocol::body::{
    DataVersion, RegisterBrokerBody, TopicConfig, TopicConfigSerializeWrapper, TopicFilterType,
};
use rocketmq_protocol::version;

/// Most bytes a compressed body may inflate to: 50,000 topics are some 4 MiB.
const INFLATED_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// A body that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the registration body cannot be read: {0}")]
pub(crate) struct BodyError(String);

/// Reads a registration body. A missing one registers no topics.
pub(crate) fn decode(
    body: &[u8],
    compressed: bool,
    peer_version: i32,
) -> Result<RegisterBrokerBody, BodyError> {
    if body.is_empty() {
        return Ok(RegisterBrokerBody::default());
    }
    if compressed {
        return decode_compressed(body).ok_or_else(|| BodyError("damaged compression".to_string()));
    }
    let failed = |error: fastjson::Error| BodyError(error.to_string());
    if peer_version >= version::V3_0_11 {
        return fastjson::from_slice(body).map_err(failed);
    }
    let topics: TopicConfigSerializeWrapper = fastjson::from_slice(body).map_err(failed)?;
    Ok(RegisterBrokerBody { filter_server_list: None, topic_config_serialize_wrapper: topics })
}

/// zlib of: i32 + DataVersion JSON, i32 topic count, i32 + text each, i32 + filter servers JSON.
fn decode_compressed(body: &[u8]) -> Option<RegisterBrokerBody> {
    let mut plain = Vec::new();
    ZlibDecoder::new(body).take(INFLATED_BYTES_MAX).read_to_end(&mut plain).ok()?;
    let mut rest = plain.as_slice();
    let data_version: DataVersion = fastjson::from_slice(text(&mut rest)?).ok()?;
    let count = int(&mut rest)?;
    let mut topics = TopicConfigSerializeWrapper { data_version, ..Default::default() };
    for _ in 0..count {
        let config = topic_config(std::str::from_utf8(text(&mut rest)?).ok()?)?;
        topics.topic_config_table.insert(config.topic_name.clone(), config);
    }
    let filter_server_list = fastjson::from_slice(text(&mut rest)?).ok()?;
    Some(RegisterBrokerBody {
        filter_server_list: Some(filter_server_list),
        topic_config_serialize_wrapper: topics,
    })
}

/// `name readQueueNums writeQueueNums perm topicFilterType`
fn topic_config(text: &str) -> Option<TopicConfig> {
    let mut parts = text.split(' ');
    let config = TopicConfig {
        topic_name: parts.next()?.to_string(),
        read_queue_nums: parts.next()?.parse().ok()?,
        write_queue_nums: parts.next()?.parse().ok()?,
        perm: parts.next()?.parse().ok()?,
        topic_filter_type: TopicFilterType::from_name(parts.next()?)?,
        ..TopicConfig::default()
    };
    parts.next().is_none().then_some(config)
}

fn int(rest: &mut &[u8]) -> Option<usize> {
    let (number, tail) = rest.split_first_chunk::<4>()?;
    *rest = tail;
    usize::try_from(i32::from_be_bytes(*number)).ok()
}

fn text<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = int(rest)?;
    let (text, tail) = rest.split_at_checked(len)?;
    *rest = tail;
    Some(text)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn compressed(plain: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::new(9));
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    fn plain() -> Vec<u8> {
        let mut plain = Vec::new();
        let mut put = |text: &str| {
            plain.extend_from_slice(&(text.len() as i32).to_be_bytes());
            plain.extend_from_slice(text.as_bytes());
        };
        put(r#"{"counter":3,"timestamp":9}"#);
        plain.extend_from_slice(&1i32.to_be_bytes());
        for text in ["T 4 8 6 MULTI_TAG", "[]"] {
            plain.extend_from_slice(&(text.len() as i32).to_be_bytes());
            plain.extend_from_slice(text.as_bytes());
        }
        plain
    }

    #[test]
    fn reads_the_compressed_form_and_refuses_each_truncation() {
        let body = decode(&compressed(&plain()), true, version::CURRENT).unwrap();
        let topics = body.topic_config_serialize_wrapper;
        assert_eq!(topics.data_version, DataVersion { counter: 3, timestamp: 9 });
        assert_eq!(topics.topic_config_table["T"].write_queue_nums, 8);
        for len in 0..plain().len() {
            assert!(decode(&compressed(&plain()[..len]), true, version::CURRENT).is_err(), "{len}");
        }
    }

    #[test]
    fn old_peers_send_the_topics_alone() {
        let body = br#"{"dataVersion":{"counter":1,"timestamp":2},"topicConfigTable":{"T":{"topicName":"T"}}}"#;
        let read = decode(body, false, version::V3_0_11 - 1).unwrap();
        assert!(read.topic_config_serialize_wrapper.topic_config_table.contains_key("T"));
    }
}
