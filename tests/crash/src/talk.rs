//! Requests to a broker, frame by frame, independent of our client library.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rocketmq_history::Place;
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

pub fn send_header<'a>(
    topic: &'a str,
    queue_id: i32,
    properties: &'a str,
) -> SendMessageRequestHeaderV2<'a> {
    SendMessageRequestHeaderV2 {
        producer_group: "test_producer".into(),
        topic: topic.into(),
        default_topic: "TBW102".into(),
        default_topic_queue_nums: 4,
        queue_id,
        sys_flag: 0,
        born_timestamp: 1_700_000_000_000,
        flag: 0,
        properties: Some(properties.into()),
        reconsume_times: Some(0),
        unit_mode: false,
        max_reconsume_times: None,
        batch: false,
    }
}

/// How a send was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub code: i32,
    pub remark: String,
    /// Where the message is, if the code says that it is stored.
    pub place: Option<Place>,
}

impl Answer {
    pub fn is_ok(&self) -> bool {
        self.code == ResponseCode::SUCCESS.0
    }
}

/// Messages with their places.
pub type Messages = Vec<(Place, Vec<u8>)>;

/// Sends one message.
pub async fn send(
    client: &RemotingClient,
    address: &str,
    (topic, queue_id): (&str, i32),
    properties: &str,
    body: Bytes,
) -> Result<Answer, RemotingError> {
    let header = send_header(topic, queue_id, properties);
    let request = Request::new(RequestCode::SEND_MESSAGE_V2).fields(&header).body(body);
    let frame = client.invoke(address, request, TIMEOUT).await?;
    let stored = [ResponseCode::SUCCESS, ResponseCode::FLUSH_DISK_TIMEOUT];
    let place = stored.contains(&ResponseCode(frame.code)).then(|| {
        let header = SendMessageResponseHeader::decode(frame.fields()).unwrap();
        Place::new(topic, header.queue_id, header.queue_offset)
    });
    let remark = frame.remark().as_deref().unwrap_or_default().to_string();
    Ok(Answer { code: frame.code, remark, place })
}

/// Pulls once, without waiting.
pub async fn pull(
    client: &RemotingClient,
    address: &str,
    (topic, queue_id): (&str, i32),
    offset: i64,
) -> Result<Frame, RemotingError> {
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
    client.invoke(address, request, TIMEOUT).await
}

/// The messages of a pull's answer, and where to pull next; `None` at the queue's end.
pub fn pulled(
    (topic, queue_id): (&str, i32),
    offset: i64,
    frame: &Frame,
) -> Option<(Messages, i64)> {
    let code = ResponseCode(frame.code);
    let mut messages = Vec::new();
    if code == ResponseCode::SUCCESS {
        let mut rest = frame.body();
        while !rest.is_empty() {
            let record = RecordView::parse(rest).unwrap();
            assert_eq!((record.topic_text(), record.queue_id), (topic, queue_id));
            let place = Place::new(topic, queue_id, record.queue_offset);
            messages.push((place, record.body.to_vec()));
            rest = &rest[record.size()..];
        }
    } else if code != ResponseCode::PULL_RETRY_IMMEDIATELY
        && code != ResponseCode::PULL_OFFSET_MOVED
        && code != ResponseCode::PULL_NOT_FOUND
    {
        panic!("{topic} {queue_id} at {offset}: {code:?} {:?}", frame.remark());
    }
    let next = PullMessageResponseHeader::decode(frame.fields()).unwrap().next_begin_offset;
    (next > offset || !messages.is_empty()).then_some((messages, next))
}

/// Every message of a queue from the first that is there, in order.
pub async fn read_queue(
    client: &RemotingClient,
    address: &str,
    topic: &str,
    queue_id: i32,
) -> Messages {
    let mut messages = Vec::new();
    let first = bound(client, address, RequestCode::GET_MIN_OFFSET, topic, queue_id).await;
    let mut offset = first.max(0);
    loop {
        let frame = pull(client, address, (topic, queue_id), offset).await.unwrap();
        // Nothing was ever sent there.
        if frame.code == ResponseCode::TOPIC_NOT_EXIST.0 {
            return messages;
        }
        let Some((part, next)) = pulled((topic, queue_id), offset, &frame) else {
            return messages;
        };
        messages.extend(part);
        offset = next;
    }
}

/// GET_MIN_OFFSET or GET_MAX_OFFSET.
pub async fn bound(
    client: &RemotingClient,
    address: &str,
    code: RequestCode,
    topic: &str,
    queue_id: i32,
) -> i64 {
    let header = TopicQueueRequestHeader { topic: topic.into(), queue_id };
    let request = Request::new(code).fields(&header);
    let frame = client.invoke(address, request, TIMEOUT).await.unwrap();
    assert_eq!(frame.code, 0, "{:?}", frame.remark());
    frame.fields().get("offset").unwrap().int().unwrap()
}

/// Stores a consumer's offset.
pub async fn store_offset(
    client: &RemotingClient,
    address: &str,
    group: &str,
    queue: (&str, i32),
    offset: i64,
) -> Result<Frame, RemotingError> {
    let offset = offset.to_string();
    let id = queue.1.to_string();
    let fields = [
        ("consumerGroup", group),
        ("topic", queue.0),
        ("queueId", id.as_str()),
        ("commitOffset", offset.as_str()),
    ];
    let fields = &fields[..];
    let request = Request::new(RequestCode::UPDATE_CONSUMER_OFFSET).fields(&fields);
    client.invoke(address, request, TIMEOUT).await
}

/// A consumer's offset; `None` when the broker has none.
pub async fn stored_offset(
    client: &RemotingClient,
    address: &str,
    group: &str,
    queue: (&str, i32),
) -> Option<i64> {
    let id = queue.1.to_string();
    let fields = [("consumerGroup", group), ("topic", queue.0), ("queueId", id.as_str())];
    let fields = &fields[..];
    let request = Request::new(RequestCode::QUERY_CONSUMER_OFFSET).fields(&fields);
    let frame = client.invoke(address, request, TIMEOUT).await.unwrap();
    match ResponseCode(frame.code) {
        ResponseCode::SUCCESS => frame.fields().get("offset").unwrap().int(),
        ResponseCode::QUERY_NOT_FOUND => None,
        code => panic!("{code:?} {:?}", frame.remark()),
    }
}
