//! Brokers: what they say of themselves, their configuration, their housekeeping.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use rocketmq_common::properties::{self, Properties};
use rocketmq_protocol::body::{BrokerStatsData, KvTable, QueryConsumeQueueBody};
use rocketmq_protocol::header::{
    QueryConsumeQueueRequestHeader, ReplicaStateRequestHeader, ReplicaStateResponseHeader,
    ViewBrokerStatsDataRequestHeader, replica_state,
};
use rocketmq_protocol::{NoFields, RequestCode, ResponseCode};
use rocketmq_remoting::Body;

use super::AdminClient;
use crate::error::ClientError;
use crate::instance::parse;

impl AdminClient {
    /// What a broker says of itself.
    pub async fn broker_runtime_info(
        &self,
        address: &str,
    ) -> Result<BTreeMap<String, String>, ClientError> {
        let frame = self.ask(address, RequestCode::GET_BROKER_RUNTIME_INFO, &NoFields).await?;
        Ok(parse::<KvTable>(&frame)?.table)
    }

    /// Why a slave cannot follow its master, if it says so; one of Java's never does.
    pub async fn slave_divergence(
        &self,
        broker_name: &str,
        address: &str,
    ) -> Result<Option<String>, ClientError> {
        let header = ReplicaStateRequestHeader {
            about: replica_state::STATE.into(),
            broker_name: broker_name.into(),
            // The asking side is no slave.
            broker_id: 0,
            broker_addr: "".into(),
            max_offset: 0,
            from: 0,
            count: 0,
        };
        let frame = self.ask(address, RequestCode::REPLICA_STATE, &header).await?;
        let header = ReplicaStateResponseHeader::decode(frame.fields());
        Ok(header.ok().and_then(|header| header.divergence).map(Cow::into_owned))
    }

    /// A broker's configuration.
    pub async fn broker_config(&self, address: &str) -> Result<Properties, ClientError> {
        let frame = self.ask(address, RequestCode::GET_BROKER_CONFIG, &NoFields).await?;
        Ok(Properties::parse(frame.body()))
    }

    /// Changes one entry of a broker's configuration; what our broker says of its effect.
    pub async fn update_broker_config(
        &self,
        address: &str,
        key: &str,
        value: &str,
    ) -> Result<Option<String>, ClientError> {
        let body = Bytes::from(properties::wire_text([(key, value)]));
        let code = RequestCode::UPDATE_BROKER_CONFIG;
        let frame = self.0.ask(address, code, &NoFields, body.into()).await?;
        Ok(frame.remark().map(Into::into))
    }

    /// Rates of one statistic of a broker.
    ///
    /// # Errors
    /// SYSTEM_ERROR if it has none under that name and key.
    pub async fn broker_stats(
        &self,
        address: &str,
        name: &str,
        key: &str,
    ) -> Result<BrokerStatsData, ClientError> {
        let header =
            ViewBrokerStatsDataRequestHeader { stats_name: name.into(), stats_key: key.into() };
        let code = RequestCode::VIEW_BROKER_STATS_DATA;
        parse(&self.tell(address, code, &header, Body::None).await?)
    }

    /// As [`AdminClient::broker_stats`]; `None` if the broker has no such statistic.
    pub async fn find_broker_stats(
        &self,
        address: &str,
        name: &str,
        key: &str,
    ) -> Result<Option<BrokerStatsData>, ClientError> {
        match self.broker_stats(address, name, key).await {
            Ok(data) => Ok(Some(data)),
            Err(ClientError::Client { code: ResponseCode::SYSTEM_ERROR, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Has a broker remove consume queue files whose messages are gone.
    pub async fn clean_expired_consume_queue(&self, address: &str) -> Result<(), ClientError> {
        let code = RequestCode::CLEAN_EXPIRED_CONSUMEQUEUE;
        self.tell(address, code, &NoFields, Body::None).await.map(drop)
    }

    /// Has a broker remove the consume queues of topics that are gone.
    pub async fn clean_unused_topic(&self, address: &str) -> Result<(), ClientError> {
        self.tell(address, RequestCode::CLEAN_UNUSED_TOPIC, &NoFields, Body::None).await.map(drop)
    }

    /// Entries of a consume queue from an index on, and how a group would filter them.
    pub async fn query_consume_queue(
        &self,
        address: &str,
        (topic, queue_id): (&str, i32),
        index: i64,
        count: i32,
        group: Option<&str>,
    ) -> Result<QueryConsumeQueueBody, ClientError> {
        let header = QueryConsumeQueueRequestHeader {
            topic: topic.into(),
            queue_id,
            index,
            count,
            consumer_group: group.map(Into::into),
        };
        parse(&self.tell(address, RequestCode::QUERY_CONSUME_QUEUE, &header, Body::None).await?)
    }
}
