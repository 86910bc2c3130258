//! The body of REGISTER_BROKER as `compressedRegister=true` sends it (contract `requests.md` N).

use std::io;

use rocketmq_common::fastjson;
use rocketmq_protocol::body::RegisterBrokerBody;
use rocketmq_protocol::message::message_ext::deflate;
use serde::Serialize;

/// Zlib's strongest level, as Java's.
const LEVEL: u32 = 9;

/// The body: version, topics and filter servers, each with its length before it.
pub(crate) fn encode(body: &RegisterBrokerBody) -> io::Result<Vec<u8>> {
    let wrapper = &body.topic_config_serialize_wrapper;
    let mut plain = Vec::new();
    put(&mut plain, &json(&wrapper.data_version)?)?;
    put_len(&mut plain, wrapper.topic_config_table.len())?;
    for topic in wrapper.topic_config_table.values() {
        let line = format!(
            "{} {} {} {} {}",
            topic.topic_name,
            topic.read_queue_nums,
            topic.write_queue_nums,
            topic.perm,
            topic.topic_filter_type.name()
        );
        put(&mut plain, &line)?;
    }
    let servers = body.filter_server_list.clone().unwrap_or_default();
    put(&mut plain, &json(&servers)?)?;
    deflate(&plain, LEVEL)
}

fn json(value: &impl Serialize) -> io::Result<String> {
    fastjson::to_string(value).map_err(io::Error::other)
}

fn put_len(out: &mut Vec<u8>, len: usize) -> io::Result<()> {
    let len = i32::try_from(len).map_err(io::Error::other)?;
    out.extend_from_slice(&len.to_be_bytes());
    Ok(())
}

fn put(out: &mut Vec<u8>, text: &str) -> io::Result<()> {
    put_len(out, text.len())?;
    out.extend_from_slice(text.as_bytes());
    Ok(())
}
