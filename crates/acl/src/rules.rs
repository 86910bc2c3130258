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
use crate::permission::{Permission, Right};
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

/// What an account may do with a topic or a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// It may send to it.
    pub publish: bool,
    /// It may receive from it.
    pub subscribe: bool,
    /// The rule that decides, as it would stand in the file.
    pub rule: String,
}

/// What the rules give an account of a topic, or of a group by its retry topic (`%RETRY%name`).
/// White lists are not looked at.
pub fn standing(config: &PlainAccessConfig, resource: &str) -> Standing {
    let account = Account::compile(config, AddressPattern::Nobody);
    if account.admin && account.listed.is_none() {
        return Standing { publish: true, subscribe: true, rule: "admin: true".to_string() };
    }
    let (owned, rule) = account.owned(resource);
    let name = resource.strip_prefix(RETRY_PREFIX).unwrap_or(resource);
    let rule = match rule.starts_with("default") {
        true => format!("{rule}: {owned}"),
        false => format!("{rule}: {name}={owned}"),
    };
    let (publish, subscribe) = (owned.allows(Right::Pub), owned.allows(Right::Sub));
    Standing { publish, subscribe, rule }
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
            _ => needs.iter().try_for_each(|need| self.check_one(need, access_key)),
        }
    }

    /// What the account has of a topic or group, and by which rule.
    fn owned(&self, resource: &str) -> (Permission, &'static str) {
        let is_group = resource.starts_with(RETRY_PREFIX);
        let explicit = self.listed.as_ref().and_then(|listed| listed.get(resource));
        match (explicit, is_group) {
            (Some(owned), true) => (*owned, "groupPerms"),
            (Some(owned), false) => (*owned, "topicPerms"),
            (None, true) => (self.default_group, "defaultGroupPerm"),
            (None, false) => (self.default_topic, "defaultTopicPerm"),
        }
    }

    fn check_one(&self, need: &Need, access_key: &str) -> Result<(), Denial> {
        let (owned, rule) = self.owned(&need.resource);
        if owned.allows(need.right) {
            return Ok(());
        }
        let (kind, name, list) = match need.resource.strip_prefix(RETRY_PREFIX) {
            Some(group) => ("group", group, "groupPerms"),
            None => ("topic", need.resource.as_str(), "topicPerms"),
        };
        deny(format!(
            "No default permission for {kind}:{name}; the request needs {} and accessKey={access_key} has {owned} by {rule}: change {list} of the account in plain_acl.yml",
            need.right
        ))
    }
}
