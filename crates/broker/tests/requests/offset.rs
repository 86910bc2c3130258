//! Offsets: codes 14, 15, 29, 30, 31, 32, 43, 45, 308, 314 (contract `requests.md` 2.4, 5).

use rocketmq_protocol::RequestCode;

use crate::support::pull;
use crate::support::{Fixture, body_text, fields_of, message, records, said, until};

const QUEUE: [(&str, &str); 2] = [("topic", "T"), ("queueId", "0")];

impl Fixture {
    /// The one number that the answer's header holds.
    async fn number(&self, code: RequestCode, more: &[(&str, &str)]) -> i64 {
        let fields: Vec<_> = QUEUE.iter().chain(more).copied().collect();
        let answer = self.peer.ask(code, &fields).await;
        assert_eq!((answer.code, answer.remark()), (0, None));
        let fields = fields_of(&answer);
        assert_eq!(fields.len(), 1);
        fields.values().next().unwrap().parse().unwrap()
    }

    async fn commit(&self, group: &str, offset: &str) {
        let fields = [("consumerGroup", group), QUEUE[0], QUEUE[1], ("commitOffset", offset)];
        let answer = self.peer.ask(RequestCode::UPDATE_CONSUMER_OFFSET, &fields).await;
        assert_eq!((answer.code, answer.remark()), (0, None));
    }
}

#[tokio::test]
async fn bounds_of_a_queue() {
    let broker = Fixture::start().await;
    assert_eq!(broker.number(RequestCode::GET_MAX_OFFSET, &[]).await, 0);
    assert_eq!(broker.number(RequestCode::GET_MIN_OFFSET, &[]).await, 0);
    assert_eq!(broker.number(RequestCode::GET_EARLIEST_MSG_STORETIME, &[]).await, -1);
    let search = RequestCode::SEARCH_OFFSET_BY_TIMESTAMP;
    assert_eq!(broker.number(search, &[("timestamp", "0")]).await, 0);
    for _ in 0..3 {
        broker.peer.stored(&message("T", "0")).await;
    }
    assert_eq!(broker.number(RequestCode::GET_MAX_OFFSET, &[]).await, 3);
    assert_eq!(broker.number(RequestCode::GET_MIN_OFFSET, &[]).await, 0);
    let found = broker.peer.pull(&pull("T", "0", "0")).await;
    let times: Vec<_> = records(found.body()).iter().map(|r| r.store_timestamp).collect();
    assert_eq!(broker.number(RequestCode::GET_EARLIEST_MSG_STORETIME, &[]).await, times[0]);
    assert_eq!(broker.number(search, &[("timestamp", "0")]).await, 0);
    let first = times[0].to_string();
    assert_eq!(broker.number(search, &[("timestamp", &first)]).await, 0);
    let later = (times[2] + 60_000).to_string();
    assert_eq!(broker.number(search, &[("timestamp", &later)]).await, 2);
    broker.stop().await;
}

#[tokio::test]
async fn offsets_of_groups() {
    let broker = Fixture::start().await;
    let query = RequestCode::QUERY_CONSUMER_OFFSET;
    // A queue that is young is consumed from its beginning.
    assert_eq!(broker.number(query, &[("consumerGroup", "g")]).await, 0);
    broker.commit("g", "7").await;
    assert_eq!(broker.number(query, &[("consumerGroup", "g")]).await, 7);
    // It may go back.
    broker.commit("g", "3").await;
    assert_eq!(broker.number(query, &[("consumerGroup", "g")]).await, 3);
    // A negative one is none.
    broker.commit("g", "-1").await;
    assert_eq!(broker.number(query, &[("consumerGroup", "g")]).await, 0);
    broker.stop().await;
}

#[tokio::test]
async fn a_group_without_offset_of_an_old_queue_has_none() {
    // No message counts as being in memory, so offset 0 is on the disk.
    let broker =
        Fixture::with(|settings| settings.store.access_message_in_memory_max_ratio = 0).await;
    broker.peer.stored(&message("T", "0")).await;
    let fields = [("consumerGroup", "g"), QUEUE[0], QUEUE[1]];
    let answer = broker.peer.ask(RequestCode::QUERY_CONSUMER_OFFSET, &fields).await;
    let text = "Not found, V3_0_6_SNAPSHOT maybe this group consumer boot first";
    assert_eq!(said(&answer), (22, text.to_string()));
    broker.stop().await;
}

#[tokio::test]
async fn offsets_outlive_a_restart() {
    let broker = Fixture::with(|s| s.broker.flush_consumer_offset_interval = 100).await;
    broker.commit("g", "7").await;
    let folder = broker.stop().await;
    let broker = Fixture::inside(folder, |_| {}).await;
    let query = RequestCode::QUERY_CONSUMER_OFFSET;
    assert_eq!(broker.number(query, &[("consumerGroup", "g")]).await, 7);
    let answer = broker.peer.ask(RequestCode::GET_ALL_CONSUMER_OFFSET, &[]).await;
    assert_eq!(body_text(&answer), r#"{"offsetTable":{"T@g":{0:7}}}"#);
    broker.stop().await;
}

#[tokio::test]
async fn an_offset_can_be_cloned() {
    let broker = Fixture::start().await;
    broker.commit("from", "5").await;
    let code = RequestCode::CLONE_GROUP_OFFSET;
    let names = [("srcGroup", "from"), ("destGroup", "to"), ("offline", "true")];
    assert_eq!(broker.peer.ask(code, &names).await.code, 0);
    assert_eq!(broker.context().offsets.get("to", "T", 0), None);
    let fields: Vec<_> = names.into_iter().chain([QUEUE[0]]).collect();
    assert_eq!(broker.peer.ask(code, &fields).await.code, 0);
    assert_eq!(broker.context().offsets.get("to", "T", 0), Some(5));
    broker.stop().await;
}

#[tokio::test]
async fn the_offset_to_correct_to_is_the_smallest_of_all() {
    let broker = Fixture::start().await;
    for (group, offset) in [("a", "9"), ("b", "4"), ("slow", "1"), ("compared", "6")] {
        broker.commit(group, offset).await;
    }
    let ask = async |left_out: &str, compared: &str| {
        let fields = [("filterGroups", left_out), ("compareGroup", compared), ("topic", "T")];
        let answer = broker.peer.ask(RequestCode::QUERY_CORRECTION_OFFSET, &fields).await;
        assert_eq!(answer.code, 0);
        body_text(&answer).to_string()
    };
    assert_eq!(ask("", "compared").await, r#"{"correctionOffsets":{0:1}}"#);
    assert_eq!(ask("slow", "compared").await, r#"{"correctionOffsets":{0:4}}"#);
    let most = r#"{"correctionOffsets":{0:9223372036854775807}}"#;
    assert_eq!(ask("slow,b,compared", "b").await, most);
    assert_eq!(ask("", "unknown").await, r#"{"correctionOffsets":{0:1}}"#);
    // Nobody's offsets were forgotten over it.
    assert_eq!(broker.context().offsets.get("slow", "T", 0), Some(1));
    broker.stop().await;
}

#[tokio::test]
async fn offsets_are_written_regularly() {
    let broker = Fixture::start().await;
    broker.commit("g", "2").await;
    broker.context().offsets.persist().unwrap();
    let path = broker.folder.path().join("store/config/consumerOffset.json");
    until("the file is there", || path.exists()).await;
    let text = std::fs::read_to_string(path).unwrap();
    let compact: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    assert_eq!(compact, r#"{"offsetTable":{"T@g":{0:2}}}"#);
    broker.stop().await;
}
