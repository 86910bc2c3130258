//! Calls of tools: looking at and changing topics, groups, brokers and name servers (contract
//! `client.md` 14, `admin.md` 2).

mod acl;
mod broker;
mod group;
mod message;
mod name_server;
mod offset;
mod read;
mod topic;
mod track;

use std::sync::Arc;
use std::time::Duration;

use rocketmq_acl::Credentials;
use rocketmq_common::clock;
use rocketmq_protocol::{Frame, HeaderFields, RequestCode, ResponseCode};
use rocketmq_remoting::{AddressServer, Body, Request};

pub use acl::AclVersion;
pub use track::MessageTrack;

use crate::ProducerBuilder;
use crate::config::ClientConfig;
use crate::error::ClientError;
use crate::instance::Instance;
pub(crate) use message::decode_some;

/// How long admin requests may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A client for tools. Nothing is connected before it is needed.
pub struct AdminClient(Arc<Instance>);

impl AdminClient {
    /// A client for these name servers, or those of `NAMESRV_ADDR`. Must be called inside a
    /// runtime.
    pub fn connect(namesrv_addr: Option<&str>) -> Result<AdminClient, ClientError> {
        AdminClient::connect_as(namesrv_addr, None)
    }

    /// As [`AdminClient::connect`], signing with an account.
    ///
    /// # Errors
    /// As of [`AdminClient::connect`].
    pub fn connect_as(
        namesrv_addr: Option<&str>,
        credentials: Option<Credentials>,
    ) -> Result<AdminClient, ClientError> {
        let mut config = ClientConfig {
            timeout: TIMEOUT,
            credentials,
            // Who runs a tool without name server is told so at once, unless he named an address server.
            address_server: AddressServer::configured(),
            ..ClientConfig::default()
        };
        if let Some(list) = namesrv_addr {
            config.namesrv_addr = Some(list.to_string());
        }
        AdminClient::with_config(config)
    }

    /// A client with these settings; it gets an instance name of its own.
    ///
    /// # Errors
    /// As of [`AdminClient::connect`].
    pub fn with_config(mut config: ClientConfig) -> Result<AdminClient, ClientError> {
        config.instance_name = clock::now_ms().to_string();
        Ok(AdminClient(Instance::start(config)))
    }

    /// Closes the connections.
    pub async fn shutdown(&self) {
        self.0.shutdown().await;
    }

    /// Settings for clients that talk to the same cluster.
    pub fn client_config(&self) -> ClientConfig {
        let instance_name = "DEFAULT".to_string();
        ClientConfig {
            namesrv_addr: self.0.config.namesrv_addr.clone(),
            address_server: self.0.config.address_server.clone(),
            credentials: self.0.config.credentials.clone(),
            use_tls: self.0.config.use_tls,
            vip_channel_enabled: self.0.config.vip_channel_enabled,
            timeout: self.0.config.timeout,
            instance_name,
            ..ClientConfig::default()
        }
    }

    /// A producer on the same cluster.
    pub fn producer(&self, group: &str) -> ProducerBuilder {
        crate::Producer::builder(group).client_config(self.client_config())
    }

    /// The name servers this client knows.
    pub fn name_servers(&self) -> Vec<String> {
        self.0.name_servers.all()
    }

    async fn name_server(
        &self,
        code: RequestCode,
        fields: &dyn HeaderFields,
    ) -> Result<Frame, ClientError> {
        self.0.ask_name_server(code, fields).await
    }

    /// Asks one broker or name server; a refusal is the broker's (`MQBrokerException`).
    async fn ask(
        &self,
        address: &str,
        code: RequestCode,
        fields: &dyn HeaderFields,
    ) -> Result<Frame, ClientError> {
        self.0.ask(address, code, fields, Body::None).await
    }

    /// Has one broker or name server do something; a refusal is the client's own
    /// (`MQClientException`), as Java words it.
    async fn tell(
        &self,
        address: &str,
        code: RequestCode,
        fields: &dyn HeaderFields,
        body: Body,
    ) -> Result<Frame, ClientError> {
        self.0.ask(address, code, fields, body).await.map_err(own)
    }

    /// As [`AdminClient::tell`], with more time than usual.
    async fn tell_within(
        &self,
        address: &str,
        code: RequestCode,
        fields: &dyn HeaderFields,
        timeout: Duration,
    ) -> Result<Frame, ClientError> {
        let request = Request::new(code).fields(fields);
        let frame = self.0.remoting.invoke(address, request, timeout).await?;
        match ResponseCode(frame.code) {
            ResponseCode::SUCCESS => Ok(frame),
            _ => Err(own(ClientError::of_broker(&frame, address))),
        }
    }
}

/// A broker's refusal as the client's own error.
fn own(error: ClientError) -> ClientError {
    match error {
        ClientError::Broker { code, text, .. } => ClientError::Client { code, text },
        other => other,
    }
}
