//! Telling brokers who is here, and who no longer is (contract `client.md` 1).

use std::collections::BTreeSet;

use bytes::Bytes;
use rocketmq_common::fastjson;
use rocketmq_protocol::RequestCode;
use rocketmq_protocol::body::{ConsumerIdList, HeartbeatData, MASTER_ID, ProducerData};
use rocketmq_protocol::header::{ConsumerGroupRequestHeader, UnregisterClientRequestHeader};
use rocketmq_remoting::{Body, Request};
use tokio::task::JoinSet;

use super::{Shared, parse};
use crate::LOGGER;
use crate::error::ClientError;

impl Shared {
    /// Addresses of every broker known: all of them with consumers, else the masters.
    fn broker_addresses(&self, masters_only: bool) -> BTreeSet<String> {
        let routes = self.routes.read();
        let brokers = routes.values().flat_map(|route| &route.data.broker_datas);
        let addresses = brokers.flat_map(|data| &data.broker_addrs);
        addresses
            .filter(|(id, _)| !masters_only || **id == MASTER_ID)
            .map(|(_, address)| address.clone())
            .collect()
    }

    fn heartbeat_data(&self) -> HeartbeatData {
        let (consumers, producers) = (self.consumers.read(), self.producers.read());
        let group = |group: &String| ProducerData { group_name: group.clone() };
        HeartbeatData {
            client_id: self.client_id.clone(),
            consumer_data_set: consumers.values().map(|consumer| consumer.heartbeat()).collect(),
            producer_data_set: producers.keys().map(group).collect(),
        }
    }

    /// Tells every broker who is here.
    pub(crate) async fn heartbeat(&self) {
        let body = self.heartbeat_data();
        if body.consumer_data_set.is_empty() && body.producer_data_set.is_empty() {
            return;
        }
        let addresses = self.broker_addresses(body.consumer_data_set.is_empty());
        let Ok(body) = fastjson::to_vec(&body) else { return };
        let body = Bytes::from(body);
        let tell = |address: String| {
            let (remoting, body) = (self.remoting.clone(), body.clone());
            let timeout = self.config.timeout;
            async move {
                let request = Request::new(RequestCode::HEART_BEAT).body(body);
                if let Err(error) = remoting.invoke(&address, request, timeout).await {
                    tracing::warn!(target: LOGGER, "send heart beat to broker[{address}] error: {error}");
                }
            }
        };
        at_every_broker(addresses, tell).await;
    }

    /// Takes a group out of heartbeats and tells every broker.
    pub(crate) async fn unregister(&self, producer: Option<&str>, consumer: Option<&str>) {
        if let Some(group) = producer {
            self.producers.write().remove(group);
        }
        if let Some(group) = consumer {
            self.consumers.write().remove(group);
        }
        let owned = |group: Option<&str>| group.map(|group| group.to_string().into());
        let header = UnregisterClientRequestHeader {
            client_id: self.client_id.clone().into(),
            producer_group: owned(producer),
            consumer_group: owned(consumer),
        };
        let tell = |address: String| {
            let (remoting, header) = (self.remoting.clone(), header.clone());
            let timeout = self.config.timeout;
            async move {
                let request = Request::new(RequestCode::UNREGISTER_CLIENT).fields(&header);
                if let Err(error) = remoting.invoke(&address, request, timeout).await {
                    tracing::warn!(target: LOGGER, "unregister client exception from broker: {address}: {error}");
                }
            }
        };
        at_every_broker(self.broker_addresses(false), tell).await;
    }

    /// Client ids of a group's members, as one broker of the topic has them.
    pub(crate) async fn consumer_ids(
        &self,
        topic: &str,
        group: &str,
    ) -> Result<Vec<String>, ClientError> {
        let route = self.known_route(topic);
        let address = route
            .as_ref()
            .and_then(|route| route.data.broker_datas.iter().find_map(|data| data.any_address()));
        let Some(address) = address else { return Ok(Vec::new()) };
        let header = ConsumerGroupRequestHeader { consumer_group: group.into() };
        let frame =
            self.ask(address, RequestCode::GET_CONSUMER_LIST_BY_GROUP, &header, Body::None).await?;
        let list: ConsumerIdList = parse(&frame)?;
        Ok(list.consumer_id_list)
    }
}

/// Talks to all of them at once, so that a dead one does not hold up the others.
async fn at_every_broker<F>(addresses: BTreeSet<String>, tell: impl Fn(String) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut all: JoinSet<()> = addresses.into_iter().map(tell).collect();
    while all.join_next().await.is_some() {}
}
