//! The rules in force, and whether a request keeps them (contract `broker.md` 25).

use std::borrow::Cow;
use std::collections::HashMap;
use std::net::IpAddr;

use rocketmq_protocol::body::PlainAccessConfig;
use rocketmq_protocol::topic::RETRY_PREFIX;
use rocketmq_protocol::{Frame, RequestCode};

use crate::address::AddressPattern;
use crate::file::{AclFile, resource_and_word};
use crate::needs::{Need, needs_of};
use crate::permission::Permission;
use crate::signature::{ACCESS_KEY, SIGNATURE, SecretKey};

/// Requests that only an administrator may make. The last four are open to every account in
/// 4.9.2, which lets any of them make itself an administrator.
const ADMIN_CODES: [RequestCode; 10] = [
    RequestCode::UPDATE_AND_CREATE_TOPIC,
    RequestCode::UPDATE_BROKER_CONFIG,
    RequestCode::DELETE_TOPIC_IN_BROKER,
    RequestCode::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP,
    RequestCode::DELETE_SUBSCRIPTIONGROUP,
    RequestCode::UPDATE_AND_CREATE_ACL_CONFIG,
    RequestCode::DELETE_ACL_CONFIG,
    RequestCode::UPDATE_GLOBAL_WHITE_ADDRS_CONFIG,
    RequestCode::GET_BROKER_CLUSTER_ACL_CONFIG,
    // Hands out the log and sets offsets.
    RequestCode::REPLICA_STATE,
];

/// A request that is refused: Java's words, then the rule and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("org.apache.rocketmq.acl.common.AclException: {0}")]
pub struct Denial(String);

fn deny<T>(text: String) -> Result<T, Denial> {
    Err(Denial(text))
}

#[derive(Debug)]
struct Account {
    secret: SecretKey,
    white: AddressPattern,
    admin: bool,
    default_topic: Permission,
    default_group: Permission,
    /// By topic, with `%RETRY%` in front for groups. `None` when the file lists none: then an
    /// administrator may do everything.
    listed: Option<HashMap<String, Permission>>,
}

/// Compiled rules.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    global_white: Vec<AddressPattern>,
    accounts: HashMap<String, Account>,
}

impl Rules {
    /// Compiles a file that was read without a fault.
    pub(crate) fn compile(file: &AclFile) -> Rules {
        // Every pattern was tried when the file was read.
        let pattern = |text: &str| AddressPattern::parse(text).unwrap_or(AddressPattern::Nobody);
        let account = |config: &PlainAccessConfig| {
            let key = config.access_key.clone().unwrap_or_default();
            (
                key,
                Account::compile(
                    config,
                    pattern(config.white_remote_address.as_deref().unwrap_or_default()),
                ),
            )
        };
        Rules {
            global_white: file.global_white.iter().map(|text| pattern(text)).collect(),
            accounts: file.accounts.iter().map(account).collect(),
        }
    }

    /// Whether a request of that peer may be served.
    pub(crate) fn check(&self, frame: &Frame, peer: IpAddr) -> Result<(), Denial> {
        if self.global_white.iter().any(|pattern| pattern.matches(peer)) {
            return Ok(());
        }
        let mut fields: Vec<(Cow<'_, str>, Cow<'_, str>)> = frame.fields().iter().collect();
        fields.sort_by(|(one, _), (other, _)| one.cmp(other));
        // Which of two would be served is not for this check to guess.
        if let Some(twice) = fields.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return deny(format!("the field {} was sent twice", twice[0].0));
        }
        let value_of = |name: &str| {
            let at = fields.binary_search_by(|(known, _)| (**known).cmp(name)).ok()?;
            Some(fields[at].1.to_string())
        };
        let Some(access_key) = value_of(ACCESS_KEY) else {
            return deny(format!(
                "No accessKey is configured; the request from {peer} is not signed: give the client an accessKey and secretKey (mqadmin reads conf/tools.yml), or list the address under globalWhiteRemoteAddresses in plain_acl.yml"
            ));
        };
        let Some(account) = self.accounts.get(&access_key) else {
            return deny(format!(
                "No acl config for {access_key}; no account of plain_acl.yml has this accessKey"
            ));
        };
        if account.white.matches(peer) {
            return Ok(());
        }
        let signature = value_of(SIGNATURE).unwrap_or_default();
        if !account.secret.verify(&mut fields, frame.body(), &signature) {
            return deny(format!(
                "Check signature failed for accessKey={access_key}; the client's secretKey is not that of the account in plain_acl.yml, or the request was changed on its way"
            ));
        }
        account.check(frame, &access_key)
    }
}

impl Account {
    fn compile(config: &PlainAccessConfig, white: AddressPattern) -> Account {
        let word =
            |word: &Option<String>| word.as_deref().map(Permission::parse).unwrap_or_default();
        let of = |items: &Option<Vec<String>>, prefix: &str| -> Vec<(String, Permission)> {
            let items = items.iter().flatten().filter_map(|item| resource_and_word(item));
            items.map(|(name, word)| (format!("{prefix}{name}"), Permission::parse(word))).collect()
        };
        let mut listed = of(&config.topic_perms, "");
        listed.extend(of(&config.group_perms, RETRY_PREFIX));
        Account {
            secret: SecretKey::new(config.secret_key.as_deref().unwrap_or_default()),
            white,
            admin: config.admin,
            default_topic: word(&config.default_topic_perm),
            default_group: word(&config.default_group_perm),
            listed: (!listed.is_empty()).then(|| listed.into_iter().collect()),
        }
    }

    fn check(&self, frame: &Frame, access_key: &str) -> Result<(), Denial> {
        let code = RequestCode(frame.code);
        if ADMIN_CODES.contains(&code) && !self.admin {
            return deny(format!(
                "Need admin permission for request code={code}, but accessKey={access_key} is not; use an account with admin: true"
            ));
        }
        let needs = match needs_of(frame) {
            Ok(needs) => needs,
            Err(error) => return deny(format!("the request cannot be read: {error}")),
        };
        match &self.listed {
            None if self.admin => Ok(()),
            listed => {
                needs.iter().try_for_each(|need| self.check_one(listed.as_ref(), need, access_key))
            }
        }
    }

    fn check_one(
        &self,
        listed: Option<&HashMap<String, Permission>>,
        need: &Need,
        access_key: &str,
    ) -> Result<(), Denial> {
        let group = need.resource.strip_prefix(RETRY_PREFIX);
        let explicit = listed.and_then(|listed| listed.get(&need.resource)).copied();
        let (kind, name, default) = match group {
            Some(group) => ("group", group, self.default_group),
            None => ("topic", need.resource.as_str(), self.default_topic),
        };
        let owned = explicit.unwrap_or(default);
        if owned.allows(need.right) {
            return Ok(());
        }
        let list = if group.is_some() { "groupPerms" } else { "topicPerms" };
        let rule = match (explicit, group) {
            (Some(_), _) => list,
            (None, Some(_)) => "defaultGroupPerm",
            (None, None) => "defaultTopicPerm",
        };
        deny(format!(
            "No default permission for {kind}:{name}; the request needs {} and accessKey={access_key} has {owned} by {rule}: change {list} of the account in plain_acl.yml",
            need.right
        ))
    }
}
