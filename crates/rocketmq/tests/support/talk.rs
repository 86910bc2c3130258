//! Requests to a broker, frame by frame, independent of our client library.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rocketmq_protocol::header::{
    PullMessageRequestHeader, PullMessageResponseHeader, SendMessageRequestHeaderV2,
    SendMessageResponseHeader, TopicQueueRequestHeader,
};
use rocketmq_protocol::message::RecordView;
use rocketmq_protocol::{Frame, RequestCode, ResponseCode};
use rocketmq_remoting::{
    Call, ClientOptions, RemotingClient, RemotingError, Request, RequestHandler,
};

struct Ignore;

impl RequestHandler for Ignore {
    fn handle(&self, _: Call<'_>) {}
}

pub const TIMEOUT: Duration = Duration::from_secs(20);

pub fn client() -> Arc<RemotingClient> {
    Arc::new(RemotingClient::new(ClientOptions::default(), Arc::new(Ignore)))
}

pub fn send_header(topic: &str, queue_id: i32) -> SendMessageRequestHeaderV2<'_> {
    SendMessageRequestHeaderV2 {
        producer_group: "test_producer".into(),
        topic: topic.into(),
        default_topic: "TBW102".into(),
        default_topic_queue_nums: 4,
        queue_id,
        sys_flag: 0,
        born_timestamp: 1_700_000_000_000,
        flag: 0,
        properties: Some("WAIT\u{1}true\u{2}TAGS\u{1}TagA".into()),
        reconsume_times: Some(0),
        unit_mode: false,
        max_reconsume_times: None,
        batch: false,
    }
}

/// Where a message was stored.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Stored {
    pub queue_id: i32,
    pub queue_offset: i64,
    pub msg_id: String,
}

/// Sends one message; the answer's place when it was acknowledged.
pub async fn send(
    client: &RemotingClient,
    address: &str,
    topic: &str,
    queue_id: i32,
    body: Bytes,
) -> Result<Stored, RemotingError> {
    let header = send_header(topic, queue_id);
    let request = Request::new(RequestCode::SEND_MESSAGE_V2).fields(&header).body(body);
    let frame = client.invoke(address, request, TIMEOUT).await?;
    assert_eq!(frame.code, 0, "{:?}", frame.remark());
    let header = SendMessageResponseHeader::decode(frame.fields()).unwrap();
    Ok(Stored {
        queue_id: header.queue_id,
        queue_offset: header.queue_offset,
        msg_id: header.msg_id.into_owned(),
    })
}

/// Pulls once, without waiting.
pub async fn pull(
    client: &RemotingClient,
    address: &str,
    topic: &str,
    queue_id: i32,
    offset: i64,
) -> Frame {
    let header = PullMessageRequestHeader {
        consumer_group: "test_consumer".into(),
        topic: topic.into(),
        queue_id,
        queue_offset: offset,
        max_msg_nums: 32,
        sys_flag: 4,
        commit_offset: 0,
        suspend_timeout_millis: 0,
        subscription: Some("*".into()),
        sub_version: 1,
        expression_type: Some("TAG".into()),
    };
    let request = Request::new(RequestCode::PULL_MESSAGE).fields(&header);
    client.invoke(address, request, TIMEOUT).await.unwrap()
}

/// A stored message, as far as tests compare it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    pub queue_offset: i64,
    pub msg_id: String,
    pub body: Vec<u8>,
}

/// Every message of a queue, in order.
pub async fn read_queue(
    client: &RemotingClient,
    address: &str,
    topic: &str,
    queue_id: i32,
) -> Vec<Read> {
    let mut messages = Vec::new();
    let mut offset = 0;
    loop {
        let frame = pull(client, address, topic, queue_id, offset).await;
        match ResponseCode(frame.code) {
            ResponseCode::SUCCESS => {}
            ResponseCode::PULL_NOT_FOUND => return messages,
            code => panic!("{topic} {queue_id} at {offset}: {code:?} {:?}", frame.remark()),
        }
        let mut rest = frame.body();
        while !rest.is_empty() {
            let record = RecordView::parse(rest).unwrap();
            record.check_crc().unwrap();
            messages.push(Read {
                queue_offset: record.queue_offset,
                msg_id: record.offset_msg_id(),
                body: record.body.to_vec(),
            });
            rest = &rest[record.size()..];
        }
        offset = PullMessageResponseHeader::decode(frame.fields()).unwrap().next_begin_offset;
    }
}

pub async fn max_offset(client: &RemotingClient, address: &str, topic: &str, queue_id: i32) -> i64 {
    let header = TopicQueueRequestHeader { topic: topic.into(), queue_id };
    let request = Request::new(RequestCode::GET_MAX_OFFSET).fields(&header);
    let frame = client.invoke(address, request, TIMEOUT).await.unwrap();
    frame.fields().get("offset").unwrap().int().unwrap()
}
