//! Consumer and producer groups: settings, members, progress.

use std::time::Duration;

use bytes::Bytes;
use rocketmq_common::fastjson;
use rocketmq_protocol::body::{
    ConsumeStats, ConsumeStatsList, ConsumerConnection, ConsumerRunningInfo, ProducerConnection,
    ProducerTable, SubscriptionGroupConfig, SubscriptionGroupWrapper,
};
use rocketmq_protocol::header::{
    ConsumerGroupRequestHeader, DeleteSubscriptionGroupRequestHeader,
    GetBrokerConsumeStatsRequestHeader, GetConsumeStatsRequestHeader,
    GetConsumerRunningInfoRequestHeader, ProducerGroupRequestHeader,
};
use rocketmq_protocol::topic::RETRY_PREFIX;
use rocketmq_protocol::{NoFields, RequestCode, ResponseCode};
use rocketmq_remoting::Body;

use super::AdminClient;
use crate::error::ClientError;
use crate::instance::parse;

/// How long a consumer may take to tell of itself: it may collect its threads' stacks.
const RUNNING_INFO_TIMEOUT: Duration = Duration::from_secs(15);

impl AdminClient {
    /// Every consumer group of a broker.
    pub async fn all_subscription_groups(
        &self,
        address: &str,
    ) -> Result<SubscriptionGroupWrapper, ClientError> {
        let code = RequestCode::GET_ALL_SUBSCRIPTIONGROUP_CONFIG;
        parse(&self.ask(address, code, &NoFields).await?)
    }

    /// Creates or changes a consumer group on one broker.
    pub async fn create_subscription_group(
        &self,
        address: &str,
        config: &SubscriptionGroupConfig,
    ) -> Result<(), ClientError> {
        let body = fastjson::to_vec(config);
        let body = Bytes::from(body.map_err(|error| ClientError::illegal(error.to_string()))?);
        let code = RequestCode::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP;
        self.tell(address, code, &NoFields, body.into()).await.map(drop)
    }

    /// Deletes a consumer group on one broker.
    pub async fn delete_subscription_group(
        &self,
        address: &str,
        group: &str,
        remove_offset: bool,
    ) -> Result<(), ClientError> {
        let header =
            DeleteSubscriptionGroupRequestHeader { group_name: group.into(), remove_offset };
        let code = RequestCode::DELETE_SUBSCRIPTIONGROUP;
        self.tell(address, code, &header, Body::None).await.map(drop)
    }

    /// Progress of a group, over all brokers of its retry topic, in one topic or in all.
    pub async fn consume_stats(
        &self,
        group: &str,
        topic: Option<&str>,
    ) -> Result<ConsumeStats, ClientError> {
        let route = self.topic_route(&format!("{RETRY_PREFIX}{group}")).await?;
        let header = GetConsumeStatsRequestHeader {
            consumer_group: group.into(),
            topic: topic.map(Into::into),
        };
        let mut stats = ConsumeStats::default();
        for address in route.broker_datas.iter().filter_map(|data| data.any_address()) {
            let frame = self.ask(address, RequestCode::GET_CONSUME_STATS, &header).await?;
            let part: ConsumeStats = parse(&frame)?;
            stats.consume_tps += part.consume_tps;
            stats.offset_table.extend(part.offset_table);
        }
        if stats.offset_table.is_empty() {
            let text = "Not found the consumer group consume stats, because return offset table \
                        is empty, maybe the consumer not consume any message";
            return Err(ClientError::client(ResponseCode::CONSUMER_NOT_ONLINE, text));
        }
        Ok(stats)
    }

    /// Progress of a group as one broker has it.
    pub async fn consume_stats_of(
        &self,
        address: &str,
        group: &str,
        topic: Option<&str>,
    ) -> Result<ConsumeStats, ClientError> {
        let header = GetConsumeStatsRequestHeader {
            consumer_group: group.into(),
            topic: topic.map(Into::into),
        };
        parse(&self.ask(address, RequestCode::GET_CONSUME_STATS, &header).await?)
    }

    /// Progress of every group of a broker, in ordered topics only or in all.
    pub async fn broker_consume_stats(
        &self,
        address: &str,
        is_order: bool,
        timeout: Duration,
    ) -> Result<ConsumeStatsList, ClientError> {
        let header = GetBrokerConsumeStatsRequestHeader { is_order };
        let code = RequestCode::GET_BROKER_CONSUME_STATS;
        parse(&self.tell_within(address, code, &header, timeout).await?)
    }

    /// Connected members of a group.
    pub async fn consumer_connection(
        &self,
        group: &str,
    ) -> Result<ConsumerConnection, ClientError> {
        let address = self.group_broker(group).await?;
        self.consumer_connection_of(&address, group).await
    }

    /// Connected members of a group, as one broker has them.
    pub async fn consumer_connection_of(
        &self,
        address: &str,
        group: &str,
    ) -> Result<ConsumerConnection, ClientError> {
        let header = ConsumerGroupRequestHeader { consumer_group: group.into() };
        parse(&self.ask(address, RequestCode::GET_CONSUMER_CONNECTION_LIST, &header).await?)
    }

    /// Connected members of a producer group, as one broker of the topic has them.
    pub async fn producer_connection(
        &self,
        group: &str,
        topic: &str,
    ) -> Result<ProducerConnection, ClientError> {
        let route = self.topic_route(topic).await?;
        let none = || ClientError::illegal("Not found the producer group connection");
        let mut addresses = route.broker_datas.iter().filter_map(|data| data.any_address());
        let address = addresses.next().ok_or_else(none)?;
        let header = ProducerGroupRequestHeader { producer_group: group.into() };
        let code = RequestCode::GET_PRODUCER_CONNECTION_LIST;
        let connection: ProducerConnection = parse(&self.ask(address, code, &header).await?)?;
        if connection.connection_set.is_empty() { Err(none()) } else { Ok(connection) }
    }

    /// Every producer that is connected to a broker: ours, or one of 5.x.
    ///
    /// # Errors
    /// REQUEST_CODE_NOT_SUPPORTED of Java's 4.9.2.
    pub async fn all_producers(&self, address: &str) -> Result<ProducerTable, ClientError> {
        parse(&self.ask(address, RequestCode::GET_ALL_PRODUCER_INFO, &NoFields).await?)
    }

    /// A broker of the group's retry topic.
    async fn group_broker(&self, group: &str) -> Result<String, ClientError> {
        let route = self.topic_route(&format!("{RETRY_PREFIX}{group}")).await?;
        let address = route.broker_datas.iter().find_map(|data| data.any_address());
        address.map(str::to_string).ok_or_else(|| {
            ClientError::illegal(format!("Not found the consumer group connection, {group}"))
        })
    }

    /// The inside of one consumer.
    pub async fn consumer_running_info(
        &self,
        group: &str,
        client_id: &str,
        jstack: bool,
    ) -> Result<ConsumerRunningInfo, ClientError> {
        let address = self.group_broker(group).await?;
        let header = GetConsumerRunningInfoRequestHeader {
            consumer_group: group.into(),
            client_id: client_id.into(),
            jstack_enable: jstack,
        };
        let code = RequestCode::GET_CONSUMER_RUNNING_INFO;
        parse(&self.tell_within(&address, code, &header, RUNNING_INFO_TIMEOUT).await?)
    }
}
