//! Topics and clusters.

use rocketmq_common::java;
use rocketmq_protocol::body::{
    ClusterInfo, GroupList, TopicConfig, TopicConfigSerializeWrapper, TopicList, TopicRouteData,
    TopicStatsTable,
};
use rocketmq_protocol::header::{CreateTopicRequestHeader, TopicRequestHeader};
use rocketmq_protocol::topic::AUTO_CREATE;
use rocketmq_protocol::{NoFields, RequestCode};
use rocketmq_remoting::Body;

use super::AdminClient;
use crate::error::ClientError;
use crate::instance::parse;

impl AdminClient {
    /// Brokers and queues of a topic.
    pub async fn topic_route(&self, topic: &str) -> Result<TopicRouteData, ClientError> {
        let header = TopicRequestHeader { topic: topic.into() };
        parse(&self.name_server(RequestCode::GET_ROUTEINFO_BY_TOPIC, &header).await?)
    }

    /// Every cluster and broker.
    pub async fn cluster_info(&self) -> Result<ClusterInfo, ClientError> {
        parse(&self.name_server(RequestCode::GET_BROKER_CLUSTER_INFO, &NoFields).await?)
    }

    /// Every topic, in the order in which Java lists them.
    pub async fn topic_list(&self) -> Result<TopicList, ClientError> {
        let code = RequestCode::GET_ALL_TOPIC_LIST_FROM_NAMESERVER;
        let mut list: TopicList = parse(&self.name_server(code, &NoFields).await?)?;
        java::sort_as_hash_map(&mut list.topic_list, |topic| topic);
        Ok(list)
    }

    /// Every topic of a broker.
    pub async fn all_topic_config(
        &self,
        address: &str,
    ) -> Result<TopicConfigSerializeWrapper, ClientError> {
        parse(&self.ask(address, RequestCode::GET_ALL_TOPIC_CONFIG, &NoFields).await?)
    }

    /// Names of a broker's system topics.
    pub async fn system_topics(&self, address: &str) -> Result<Vec<String>, ClientError> {
        let code = RequestCode::GET_SYSTEM_TOPIC_LIST_FROM_BROKER;
        let list: TopicList = parse(&self.tell(address, code, &NoFields, Body::None).await?)?;
        Ok(list.topic_list)
    }

    /// Names of clusters and brokers, which are topics too, as the name server has them, and the
    /// address of a broker that has the other system topics.
    pub async fn name_server_system_topics(&self) -> Result<TopicList, ClientError> {
        parse(&self.name_server(RequestCode::GET_SYSTEM_TOPIC_LIST_FROM_NS, &NoFields).await?)
    }

    /// Creates or changes a topic on one broker.
    pub async fn create_topic(
        &self,
        address: &str,
        config: &TopicConfig,
    ) -> Result<(), ClientError> {
        let header = CreateTopicRequestHeader {
            topic: config.topic_name.as_str().into(),
            default_topic: AUTO_CREATE.into(),
            read_queue_nums: config.read_queue_nums,
            write_queue_nums: config.write_queue_nums,
            perm: config.perm,
            topic_filter_type: config.topic_filter_type.name().into(),
            topic_sys_flag: Some(config.topic_sys_flag),
            order: config.order,
        };
        let code = RequestCode::UPDATE_AND_CREATE_TOPIC;
        self.tell(address, code, &header, Body::None).await.map(drop)
    }

    /// Deletes a topic on one broker.
    pub async fn delete_topic_in_broker(
        &self,
        address: &str,
        topic: &str,
    ) -> Result<(), ClientError> {
        let header = TopicRequestHeader { topic: topic.into() };
        let code = RequestCode::DELETE_TOPIC_IN_BROKER;
        self.tell(address, code, &header, Body::None).await.map(drop)
    }

    /// Deletes a topic on every name server.
    pub async fn delete_topic_in_name_servers(&self, topic: &str) -> Result<(), ClientError> {
        let header = TopicRequestHeader { topic: topic.into() };
        for server in self.name_servers() {
            self.tell(&server, RequestCode::DELETE_TOPIC_IN_NAMESRV, &header, Body::None).await?;
        }
        Ok(())
    }

    /// Bounds of a topic's queues, over all its masters.
    pub async fn topic_stats(&self, topic: &str) -> Result<TopicStatsTable, ClientError> {
        let route = self.topic_route(topic).await?;
        let mut table = TopicStatsTable::default();
        for address in route.broker_datas.iter().filter_map(|data| data.any_address()) {
            table.offset_table.extend(self.topic_stats_of(address, topic).await?.offset_table);
        }
        if table.offset_table.is_empty() {
            return Err(ClientError::illegal("Not found the topic stats info"));
        }
        Ok(table)
    }

    /// Bounds of a topic's queues on one broker.
    pub async fn topic_stats_of(
        &self,
        address: &str,
        topic: &str,
    ) -> Result<TopicStatsTable, ClientError> {
        let header = TopicRequestHeader { topic: topic.into() };
        parse(&self.ask(address, RequestCode::GET_TOPIC_STATS_INFO, &header).await?)
    }

    /// Groups that consume a topic, as one of its brokers knows them.
    pub async fn topic_consumer_groups(&self, topic: &str) -> Result<Vec<String>, ClientError> {
        let route = self.topic_route(topic).await?;
        let header = TopicRequestHeader { topic: topic.into() };
        let Some(address) = route.broker_datas.iter().find_map(|data| data.any_address()) else {
            return Ok(Vec::new());
        };
        let frame = self.ask(address, RequestCode::QUERY_TOPIC_CONSUME_BY_WHO, &header).await?;
        let mut groups = parse::<GroupList>(&frame)?.group_list;
        java::sort_as_hash_map(&mut groups, |group| group);
        Ok(groups)
    }
}
