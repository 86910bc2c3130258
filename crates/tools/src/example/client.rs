//! How the programs start their producers and consumers.

use rocketmq_client::consumer::PushConsumerBuilder;
use rocketmq_client::{
    AddressServer, ClientConfig, ClientError, ConsumeStatus, Producer, ProducerBuilder,
};
use rocketmq_client::{MessageExt, PushConsumer};

use super::failure::Failure;

/// The client's settings; `name_servers` comes before the environment, `instance` keeps runs
/// apart.
pub(super) fn config(
    name_servers: Option<&str>,
    instance: Option<String>,
) -> Result<ClientConfig, Failure> {
    let mut config = ClientConfig::default();
    if let Some(list) = name_servers {
        config.namesrv_addr = Some(list.to_string());
    }
    if let Some(instance) = instance {
        config.instance_name = instance;
    }
    // Without one, every send would fail after a pause: say it once, at the start. An address server
    // is asked only if it was named.
    let is_known = config.namesrv_addr.is_some() || AddressServer::configured().is_some();
    if is_known { Ok(config) } else { Err(Failure::NoNameServer) }
}

/// A producer of that group, to be started.
pub(super) fn producer(group: &str, config: ClientConfig) -> ProducerBuilder {
    Producer::builder(group).client_config(config)
}

/// A consumer that hands messages, with the number of the worker, to a quick listener.
pub(super) fn consumer(
    group: &str,
    config: ClientConfig,
    listener: impl Fn(usize, &[MessageExt]) -> ConsumeStatus + Send + Sync + 'static,
) -> PushConsumerBuilder {
    PushConsumer::builder(group).client_config(config).on_messages(move |delivery| {
        std::future::ready(listener(delivery.worker, &delivery.messages))
    })
}

/// Whether the broker answered that it does not want the message.
pub(super) fn is_refusal(error: &ClientError) -> bool {
    matches!(error, ClientError::Broker { .. })
}
