//! Access control: accounts and addresses of one broker.

use rocketmq_common::fastjson;
use rocketmq_protocol::body::{AclConfig, DataVersion, PlainAccessConfig};
use rocketmq_protocol::header::{
    CreateAccessConfigRequestHeader, DeleteAccessConfigRequestHeader,
    GetBrokerAclConfigResponseHeader, UpdateGlobalWhiteAddrsConfigRequestHeader,
};
use rocketmq_protocol::{NoFields, RequestCode};
use rocketmq_remoting::Body;

use super::AdminClient;
use super::name_server::unreadable;
use crate::error::ClientError;
use crate::instance::parse;

/// Which rules a broker has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AclVersion {
    /// The broker's cluster.
    pub cluster_name: String,
    /// Its name.
    pub broker_name: String,
    /// Its address.
    pub broker_addr: String,
    /// When its rules changed last and how often.
    pub version: DataVersion,
}

impl AdminClient {
    /// Creates an account, or changes what is given of it.
    pub async fn update_account(
        &self,
        address: &str,
        account: &PlainAccessConfig,
    ) -> Result<(), ClientError> {
        let text = |value: &Option<String>| value.clone().map(Into::into);
        let list = |value: &Option<Vec<String>>| value.as_ref().map(|list| list.join(",").into());
        let header = CreateAccessConfigRequestHeader {
            access_key: account.access_key.clone().unwrap_or_default().into(),
            secret_key: text(&account.secret_key),
            white_remote_address: text(&account.white_remote_address),
            admin: account.admin,
            default_topic_perm: text(&account.default_topic_perm),
            default_group_perm: text(&account.default_group_perm),
            topic_perms: list(&account.topic_perms),
            group_perms: list(&account.group_perms),
        };
        let code = RequestCode::UPDATE_AND_CREATE_ACL_CONFIG;
        self.tell(address, code, &header, Body::None).await.map(drop)
    }

    /// Deletes an account.
    pub async fn delete_account(&self, address: &str, access_key: &str) -> Result<(), ClientError> {
        let header = DeleteAccessConfigRequestHeader { access_key: access_key.into() };
        self.tell(address, RequestCode::DELETE_ACL_CONFIG, &header, Body::None).await.map(drop)
    }

    /// Sets the addresses that need no account, a comma list.
    pub async fn update_global_white_addrs(
        &self,
        address: &str,
        list: &str,
    ) -> Result<(), ClientError> {
        let header = UpdateGlobalWhiteAddrsConfigRequestHeader { global_white_addrs: list.into() };
        let code = RequestCode::UPDATE_GLOBAL_WHITE_ADDRS_CONFIG;
        self.tell(address, code, &header, Body::None).await.map(drop)
    }

    /// Which rules a broker has. A broker without access control may not answer.
    pub async fn acl_version(&self, address: &str) -> Result<AclVersion, ClientError> {
        let code = RequestCode::GET_BROKER_CLUSTER_ACL_INFO;
        let frame = self.ask(address, code, &NoFields).await?;
        let header = GetBrokerAclConfigResponseHeader::decode(frame.fields());
        let header = header.map_err(unreadable)?;
        let version = fastjson::from_str(&header.version);
        Ok(AclVersion {
            cluster_name: header.cluster_name.into_owned(),
            broker_name: header.broker_name.into_owned(),
            broker_addr: header.broker_addr.into_owned(),
            version: version.map_err(|error| ClientError::illegal(error.to_string()))?,
        })
    }

    /// A broker's rules. A broker without access control may not answer.
    pub async fn acl_config(&self, address: &str) -> Result<AclConfig, ClientError> {
        let code = RequestCode::GET_BROKER_CLUSTER_ACL_CONFIG;
        parse(&self.ask(address, code, &NoFields).await?)
    }
}
