//! Where each queue goes on: kept at the broker (clustering) or in a file (broadcasting)
//! (contract `client.md` 7, 8).

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use rocketmq_common::{durable, fastjson};
use rocketmq_protocol::body::{ConsumeFromWhere, QueueOffsets};
use rocketmq_protocol::header::{
    OffsetResponseHeader, QueryConsumerOffsetRequestHeader, SearchOffsetRequestHeader,
    TopicQueueRequestHeader, UpdateConsumerOffsetRequestHeader,
};
use rocketmq_protocol::message::MessageQueue;
use rocketmq_protocol::topic::RETRY_PREFIX;
use rocketmq_protocol::{Frame, HeaderFields, RequestCode, ResponseCode};
use rocketmq_remoting::{Body, Request};

use crate::LOGGER;
use crate::error::ClientError;
use crate::instance::Instance;

/// The offsets of one group.
pub(crate) struct Offsets {
    instance: Arc<Instance>,
    group: String,
    /// The file, when the group broadcasts.
    file: Option<PathBuf>,
    table: Mutex<BTreeMap<MessageQueue, i64>>,
}

impl Offsets {
    /// Kept at the broker.
    pub(crate) fn remote(instance: &Arc<Instance>, group: &str) -> Offsets {
        Offsets {
            instance: Arc::clone(instance),
            group: group.to_string(),
            file: None,
            table: Mutex::default(),
        }
    }

    /// Kept in a file, which is read now.
    ///
    /// # Errors
    /// File and backup hold something that cannot be read.
    pub(crate) fn local(instance: &Arc<Instance>, group: &str) -> Result<Offsets, ClientError> {
        let folder = &instance.config.local_offset_store_dir;
        let path = folder.join(&instance.client_id).join(group).join("offsets.json");
        let parse =
            |bytes: &[u8]| fastjson::from_slice::<QueueOffsets>(bytes).map_err(|e| e.to_string());
        let file = durable::load(&path, parse)
            .map_err(|error| ClientError::illegal(error.to_string()))?
            .unwrap_or_default();
        let mut offsets = Offsets::remote(instance, group);
        offsets.file = Some(path);
        offsets.table = Mutex::new(file.offset_table);
        Ok(offsets)
    }

    /// Moves a queue's offset, forwards only if so asked.
    pub(crate) fn update(&self, queue: &MessageQueue, offset: i64, increase_only: bool) {
        let mut table = self.table.lock();
        let place = table.entry(queue.clone()).or_insert(offset);
        if !increase_only || offset > *place {
            *place = offset;
        }
    }

    /// The offset as it is known here.
    pub(crate) fn known(&self, queue: &MessageQueue) -> Option<i64> {
        self.table.lock().get(queue).copied()
    }

    /// Every offset known here.
    pub(crate) fn all(&self) -> BTreeMap<MessageQueue, i64> {
        self.table.lock().clone()
    }

    /// Forgets a queue, so that its offset is asked for when it comes back.
    pub(crate) fn forget(&self, queue: &MessageQueue) {
        if self.file.is_none() {
            self.table.lock().remove(queue);
        }
    }

    /// Keeps every offset where it belongs.
    pub(crate) async fn persist(&self) {
        if let Some(path) = &self.file {
            let content = QueueOffsets { offset_table: self.all() };
            let written = fastjson::to_pretty(&content)
                .map_err(std::io::Error::other)
                .and_then(|text| durable::replace(path, text.as_bytes()));
            if let Err(error) = written {
                tracing::error!(target: LOGGER, "persistAll consumer offset Exception, {error}");
            }
            return;
        }
        for queue in self.all().keys() {
            self.commit(queue).await;
        }
    }

    /// Tells the broker one queue's offset, without waiting for an answer.
    pub(crate) async fn commit(&self, queue: &MessageQueue) {
        let Some(offset) = self.known(queue).filter(|_| self.file.is_none()) else { return };
        let Ok(address) = self.address(queue).await else { return };
        let header = self.update_of(queue, offset);
        let request = Request::new(RequestCode::UPDATE_CONSUMER_OFFSET).fields(&header);
        if let Err(error) = self.instance.remoting.send_oneway(&address, request).await {
            tracing::warn!(target: LOGGER, "updateConsumerOffsetToBroker exception, {queue}: {error}");
        }
    }

    /// Tells the broker one queue's offset, and waits until it has it.
    ///
    /// # Errors
    /// The broker cannot be reached or refuses.
    pub(crate) async fn commit_surely(&self, queue: &MessageQueue) -> Result<(), ClientError> {
        let Some(offset) = self.known(queue).filter(|_| self.file.is_none()) else { return Ok(()) };
        let address = self.address(queue).await?;
        let (code, header) = (RequestCode::UPDATE_CONSUMER_OFFSET, self.update_of(queue, offset));
        self.instance.ask(&address, code, &header, Body::None).await.map(drop)
    }

    fn update_of<'a>(
        &'a self,
        queue: &'a MessageQueue,
        commit_offset: i64,
    ) -> UpdateConsumerOffsetRequestHeader<'a> {
        UpdateConsumerOffsetRequestHeader {
            consumer_group: self.group.as_str().into(),
            topic: queue.topic.as_str().into(),
            queue_id: queue.queue_id,
            commit_offset,
        }
    }

    async fn address(&self, queue: &MessageQueue) -> Result<String, ClientError> {
        let route = self.instance.route(&queue.topic).await?;
        let address = route.as_ref().and_then(|route| route.address(&queue.broker_name, 0));
        address.map(str::to_string).ok_or_else(|| {
            let text = format!("The broker[{}] not exist", queue.broker_name);
            ClientError::client(ResponseCode::BROKER_NOT_EXIST_EXCEPTION, text)
        })
    }

    async fn ask(
        &self,
        queue: &MessageQueue,
        code: RequestCode,
        fields: &dyn HeaderFields,
    ) -> Result<i64, ClientError> {
        let address = self.address(queue).await?;
        let frame: Frame = self.instance.ask(&address, code, fields, Body::None).await?;
        let header = OffsetResponseHeader::decode(frame.fields());
        header.map(|h| h.offset).map_err(|error| ClientError::illegal(error.to_string()))
    }

    /// The offset that the broker has for the group; `None` if it has none.
    pub(crate) async fn fetch(&self, queue: &MessageQueue) -> Result<Option<i64>, ClientError> {
        let header = QueryConsumerOffsetRequestHeader {
            consumer_group: self.group.as_str().into(),
            topic: queue.topic.as_str().into(),
            queue_id: queue.queue_id,
        };
        match self.ask(queue, RequestCode::QUERY_CONSUMER_OFFSET, &header).await {
            Ok(offset) => Ok(Some(offset)),
            Err(error) if error.code() == ResponseCode::QUERY_NOT_FOUND => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The offset as it is kept, at the broker or in the file; `None` if it is not.
    pub(crate) async fn stored(&self, queue: &MessageQueue) -> Result<Option<i64>, ClientError> {
        match &self.file {
            Some(_) => Ok(self.known(queue)),
            None => self.fetch(queue).await,
        }
    }

    /// The queue's end.
    pub(crate) async fn max(&self, queue: &MessageQueue) -> Result<i64, ClientError> {
        self.edge(queue, RequestCode::GET_MAX_OFFSET).await
    }

    /// The first offset that is still there.
    pub(crate) async fn min(&self, queue: &MessageQueue) -> Result<i64, ClientError> {
        self.edge(queue, RequestCode::GET_MIN_OFFSET).await
    }

    async fn edge(&self, queue: &MessageQueue, code: RequestCode) -> Result<i64, ClientError> {
        let header = TopicQueueRequestHeader {
            topic: queue.topic.as_str().into(),
            queue_id: queue.queue_id,
        };
        self.ask(queue, code, &header).await
    }

    /// The offset of the message that was stored nearest to that time.
    pub(crate) async fn search(
        &self,
        queue: &MessageQueue,
        timestamp: i64,
    ) -> Result<i64, ClientError> {
        let header = SearchOffsetRequestHeader {
            topic: queue.topic.as_str().into(),
            queue_id: queue.queue_id,
            timestamp,
        };
        self.ask(queue, RequestCode::SEARCH_OFFSET_BY_TIMESTAMP, &header).await
    }

    /// Where a queue that was just taken over starts.
    pub(crate) async fn start_of(
        &self,
        queue: &MessageQueue,
        from: ConsumeFromWhere,
        timestamp: i64,
    ) -> Result<i64, ClientError> {
        let stored = self.stored(queue).await?;
        if let Some(offset) = stored.filter(|offset| *offset >= 0) {
            return Ok(offset);
        }
        let retry = queue.topic.starts_with(RETRY_PREFIX);
        match from {
            ConsumeFromWhere::FirstOffset => Ok(0),
            ConsumeFromWhere::Timestamp if retry => self.max(queue).await,
            ConsumeFromWhere::Timestamp => self.search(queue, timestamp).await,
            _ if retry => Ok(0),
            _ => self.max(queue).await,
        }
    }
}
