//! Telling brokers who is here, and who leaves (contract `client.md` 1).

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use rocketmq_common::fastjson;
use rocketmq_protocol::RequestCode;
use rocketmq_protocol::body::{ConsumerIdList, HeartbeatData, MASTER_ID, ProducerData};
use rocketmq_protocol::header::{ConsumerGroupRequestHeader, UnregisterClientRequestHeader};
use rocketmq_remoting::{Body, Request};
use tokio::task::JoinSet;

use super::{Instance, parse};
use crate::LOGGER;
use crate::error::ClientError;

impl Instance {
    /// Tells every broker who is here. Brokers are told side by side: one that is gone does not
    /// keep the others waiting.
    pub(crate) async fn heartbeat(self: &Arc<Self>) {
        let body = {
            let (consumers, producers) = (self.consumers.read(), self.producers.read());
            HeartbeatData {
                client_id: self.client_id.clone(),
                consumer_data_set: consumers.values().map(|c| c.heartbeat()).collect(),
                producer_data_set: producers
                    .keys()
                    .map(|group| ProducerData { group_name: group.clone() })
                    .collect(),
            }
        };
        if body.consumer_data_set.is_empty() && body.producer_data_set.is_empty() {
            return;
        }
        let masters_only = body.consumer_data_set.is_empty();
        let Ok(body) = fastjson::to_vec(&body) else { return };
        let body = Bytes::from(body);
        self.for_each_broker(masters_only, move |instance, address| {
            let body = body.clone();
            async move {
                let request = Request::new(RequestCode::HEART_BEAT).body(body);
                let timeout = instance.config.timeout;
                let sent = instance.remoting.invoke(&address, request, timeout).await;
                if let Err(error) = sent {
                    tracing::warn!(target: LOGGER, "send heart beat to broker[{address}] error: {error}");
                }
            }
        })
        .await;
    }

    /// Takes a group out of heartbeats and tells every broker.
    pub(crate) async fn unregister(
        self: &Arc<Self>,
        producer: Option<&str>,
        consumer: Option<&str>,
    ) {
        if let Some(group) = producer {
            self.producers.write().remove(group);
        }
        if let Some(group) = consumer {
            self.consumers.write().remove(group);
        }
        let producer: Option<Arc<str>> = producer.map(Into::into);
        let consumer: Option<Arc<str>> = consumer.map(Into::into);
        self.for_each_broker(false, move |instance, address| {
            let (producer, consumer) = (producer.clone(), consumer.clone());
            async move {
                let header = UnregisterClientRequestHeader {
                    client_id: instance.client_id.as_str().into(),
                    producer_group: producer.as_deref().map(Into::into),
                    consumer_group: consumer.as_deref().map(Into::into),
                };
                let request = Request::new(RequestCode::UNREGISTER_CLIENT).fields(&header);
                let timeout = instance.config.timeout;
                let sent = instance.remoting.invoke(&address, request, timeout).await;
                if let Err(error) = sent {
                    tracing::warn!(target: LOGGER, "unregister client exception from broker: {address}: {error}");
                }
            }
        })
        .await;
    }

    async fn for_each_broker<F>(
        self: &Arc<Self>,
        masters_only: bool,
        work: impl Fn(Arc<Instance>, String) -> F,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        let mut running = JoinSet::new();
        for address in self.broker_addresses(masters_only) {
            running.spawn(work(Arc::clone(self), address));
        }
        while running.join_next().await.is_some() {}
    }

    /// Addresses of every broker known: all of them, or the masters.
    fn broker_addresses(&self, masters_only: bool) -> BTreeSet<String> {
        let routes = self.routes.read();
        let brokers = routes.values().flat_map(|route| &route.data.broker_datas);
        let addresses = brokers.flat_map(|data| &data.broker_addrs);
        addresses
            .filter(|(id, _)| !masters_only || **id == MASTER_ID)
            .map(|(_, address)| address.clone())
            .collect()
    }

    /// Client ids of a group's members, as one broker of the topic has them; the next one is
    /// asked when one cannot be reached.
    ///
    /// # Errors
    /// No broker answered.
    pub(crate) async fn consumer_ids(
        &self,
        topic: &str,
        group: &str,
    ) -> Result<Vec<String>, ClientError> {
        let Some(route) = self.known_route(topic) else { return Ok(Vec::new()) };
        let header = ConsumerGroupRequestHeader { consumer_group: group.into() };
        let mut failed = None;
        for address in route.data.broker_datas.iter().filter_map(|data| data.any_address()) {
            let code = RequestCode::GET_CONSUMER_LIST_BY_GROUP;
            match self.ask(address, code, &header, Body::None).await {
                Ok(frame) => {
                    let list: ConsumerIdList = parse(&frame)?;
                    return Ok(list.consumer_id_list);
                }
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or_else(|| Ok(Vec::new()), Err)
    }
}
