//! Where topics are: fetched from the name servers, kept, and refreshed (contract `client.md` 3).

use std::collections::BTreeSet;
use std::sync::Arc;

use rocketmq_protocol::body::TopicRouteData;
use rocketmq_protocol::header::TopicRequestHeader;
use rocketmq_protocol::message::MessageQueue;
use rocketmq_protocol::topic::{AUTO_CREATE, FAQ};
use rocketmq_protocol::{RequestCode, ResponseCode};

use super::{Instance, parse};
use crate::error::ClientError;
use crate::route::Route;
use crate::{LOGGER, namespace};

impl Instance {
    /// A topic's route from a name server; `None` if no name server knows it.
    pub(crate) async fn fetch_route(
        &self,
        topic: &str,
    ) -> Result<Option<TopicRouteData>, ClientError> {
        let header = TopicRequestHeader { topic: topic.into() };
        let code = RequestCode::GET_ROUTEINFO_BY_TOPIC;
        match self.ask_name_server(code, &header).await {
            Ok(frame) => parse(&frame).map(Some),
            Err(ClientError::Client { code: ResponseCode::TOPIC_NOT_EXIST, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The route of a topic as it is known; fetched if it is not.
    pub(crate) async fn route(&self, topic: &str) -> Result<Option<Arc<Route>>, ClientError> {
        if let Some(route) = self.known_route(topic) {
            return Ok(Some(route));
        }
        self.refresh_route(topic).await
    }

    /// The master's address behind a broker name, of those that the known routes have.
    pub(crate) fn master_of(&self, broker_name: &str) -> Option<String> {
        let routes = self.routes.read();
        routes.values().find_map(|route| route.master(broker_name)).map(str::to_string)
    }

    /// Queues that a topic is read from, as the application knows them.
    ///
    /// # Errors
    /// There are none, or no name server answers.
    pub(crate) async fn read_queues(&self, topic: &str) -> Result<Vec<MessageQueue>, ClientError> {
        let space = self.config.namespace();
        let route = self.route(&namespace::wrap(space, topic)).await?;
        let queues = route.as_ref().map(|route| &route.subscribe).filter(|all| !all.is_empty());
        let queues = queues.ok_or_else(|| {
            let text = format!("Can not find Message Queue for this topic, {topic}{FAQ}");
            ClientError::illegal(text)
        })?;
        Ok(queues.iter().map(|queue| namespace::queue_without(queue, space)).collect())
    }

    /// The route of a topic if it is known already.
    pub(crate) fn known_route(&self, topic: &str) -> Option<Arc<Route>> {
        self.routes.read().get(topic).cloned()
    }

    /// Fetches a topic's route again; consumers are told when it changed.
    pub(crate) async fn refresh_route(
        &self,
        topic: &str,
    ) -> Result<Option<Arc<Route>>, ClientError> {
        let Some(data) = self.fetch_route(topic).await? else { return Ok(None) };
        Ok(Some(self.keep_route(topic, data)))
    }

    fn keep_route(&self, topic: &str, mut data: TopicRouteData) -> Arc<Route> {
        // Name servers list brokers in any order; another order is no change.
        data.queue_datas.sort_by(|a, b| a.broker_name.cmp(&b.broker_name));
        data.broker_datas.sort_by(|a, b| a.broker_name.cmp(&b.broker_name));
        if let Some(known) = self.known_route(topic)
            && known.data == data
        {
            return known;
        }
        let route = Arc::new(Route::new(topic, data));
        self.routes.write().insert(topic.to_string(), Arc::clone(&route));
        tracing::info!(target: LOGGER, "topicRouteTable.put. Topic = {topic}, {} queues to write, {} to read", route.publish.len(), route.subscribe.len());
        for consumer in self.consumers.read().values() {
            if consumer.topics().iter().any(|wanted| wanted == topic) {
                consumer.rebalance_soon();
            }
        }
        route
    }

    /// The route to send to a topic by. An unknown topic is sent by the route of the topic that
    /// it will be created from.
    ///
    /// # Errors
    /// No name server knows either, or none answers.
    pub(crate) async fn publish_route(
        &self,
        topic: &str,
        create_from: &str,
        queues: i32,
    ) -> Result<Arc<Route>, ClientError> {
        if let Some(route) = self.known_route(topic).filter(|route| !route.publish.is_empty()) {
            return Ok(route);
        }
        self.find_name_servers().await;
        if let Some(error) = self.name_servers.missing() {
            return Err(error);
        }
        if let Some(route) = self.refresh_route(topic).await?
            && !route.publish.is_empty()
        {
            return Ok(route);
        }
        if let Some(mut data) = self.fetch_route(create_from).await? {
            for queue in &mut data.queue_datas {
                let nums = queues.min(queue.read_queue_nums);
                (queue.read_queue_nums, queue.write_queue_nums) = (nums, nums);
            }
            return Ok(self.keep_route(topic, data));
        }
        Err(no_route(topic))
    }

    pub(super) async fn refresh_routes(&self) {
        let mut topics: BTreeSet<String> = self.routes.read().keys().cloned().collect();
        topics.extend(self.consumers.read().values().flat_map(|consumer| consumer.topics()));
        for topic in topics.iter().filter(|topic| *topic != AUTO_CREATE) {
            if let Err(error) = self.refresh_route(topic).await {
                tracing::warn!(target: LOGGER, "updateTopicRouteInfoFromNameServer Exception, {topic}: {error}");
            }
        }
    }
}

/// Nobody knows where the topic is.
pub(crate) fn no_route(topic: &str) -> ClientError {
    let text = format!("No route info of this topic: {topic}{FAQ}");
    ClientError::client(ResponseCode::NOT_FOUND_TOPIC_EXCEPTION, text)
}
