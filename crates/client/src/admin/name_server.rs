//! Name servers: their configuration, key-value entries and the write permission of brokers.

use bytes::Bytes;
use rocketmq_common::properties::{self, Properties};
use rocketmq_protocol::header::{
    AddWritePermResponseHeader, BrokerNameRequestHeader, GetKvConfigResponseHeader,
    KvConfigRequestHeader, PutKvConfigRequestHeader, WipeWritePermResponseHeader,
};
use rocketmq_protocol::{NoFields, RequestCode, ResponseCode};
use rocketmq_remoting::Body;

use super::AdminClient;
use crate::error::ClientError;

impl AdminClient {
    /// Sets a key-value entry on every name server.
    pub async fn put_kv_config(
        &self,
        namespace: &str,
        key: &str,
        value: &str,
    ) -> Result<(), ClientError> {
        let header = PutKvConfigRequestHeader {
            namespace: Some(namespace.into()),
            key: Some(key.into()),
            value: Some(value.into()),
        };
        for server in self.name_servers() {
            self.tell(&server, RequestCode::PUT_KV_CONFIG, &header, Body::None).await?;
        }
        Ok(())
    }

    /// Removes a key-value entry on every name server.
    pub async fn delete_kv_config(&self, namespace: &str, key: &str) -> Result<(), ClientError> {
        let header = KvConfigRequestHeader { namespace: namespace.into(), key: key.into() };
        for server in self.name_servers() {
            self.tell(&server, RequestCode::DELETE_KV_CONFIG, &header, Body::None).await?;
        }
        Ok(())
    }

    /// A key-value entry.
    ///
    /// # Errors
    /// QUERY_NOT_FOUND if there is none.
    pub async fn get_kv_config(&self, namespace: &str, key: &str) -> Result<String, ClientError> {
        let header = KvConfigRequestHeader { namespace: namespace.into(), key: key.into() };
        let frame = self.name_server(RequestCode::GET_KV_CONFIG, &header).await?;
        let header = GetKvConfigResponseHeader::decode(frame.fields());
        let value = header.ok().and_then(|header| header.value);
        Ok(value.map(|value| value.into_owned()).unwrap_or_default())
    }

    /// A key-value entry; `None` if there is none.
    pub async fn find_kv_config(
        &self,
        namespace: &str,
        key: &str,
    ) -> Result<Option<String>, ClientError> {
        match self.get_kv_config(namespace, key).await {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.code() == ResponseCode::QUERY_NOT_FOUND => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The configuration of one name server.
    pub async fn name_server_config(&self, server: &str) -> Result<Properties, ClientError> {
        let code = RequestCode::GET_NAMESRV_CONFIG;
        let frame = self.tell(server, code, &NoFields, Body::None).await?;
        Ok(Properties::parse(frame.body()))
    }

    /// Changes one entry of a name server's configuration.
    pub async fn update_name_server_config(
        &self,
        server: &str,
        key: &str,
        value: &str,
    ) -> Result<(), ClientError> {
        let body = Bytes::from(properties::wire_text([(key, value)]));
        let code = RequestCode::UPDATE_NAMESRV_CONFIG;
        self.tell(server, code, &NoFields, body.into()).await.map(drop)
    }

    /// Makes a broker's topics unwritable in the eyes of one name server; how many they are.
    pub async fn wipe_write_perm(&self, server: &str, broker: &str) -> Result<i32, ClientError> {
        let header = BrokerNameRequestHeader { broker_name: broker.into() };
        let code = RequestCode::WIPE_WRITE_PERM_OF_BROKER;
        let frame = self.tell(server, code, &header, Body::None).await?;
        let header = WipeWritePermResponseHeader::decode(frame.fields());
        header.map(|header| header.wipe_topic_count).map_err(unreadable)
    }

    /// Makes a broker's topics writable again in the eyes of one name server; how many they are.
    pub async fn add_write_perm(&self, server: &str, broker: &str) -> Result<i32, ClientError> {
        let header = BrokerNameRequestHeader { broker_name: broker.into() };
        let code = RequestCode::ADD_WRITE_PERM_OF_BROKER;
        let frame = self.tell(server, code, &header, Body::None).await?;
        let header = AddWritePermResponseHeader::decode(frame.fields());
        header.map(|header| header.add_topic_count).map_err(unreadable)
    }
}

/// An answer whose header lacks what it must have.
pub(super) fn unreadable(error: rocketmq_protocol::HeaderError) -> ClientError {
    ClientError::illegal(error.to_string())
}
