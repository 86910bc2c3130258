//! `plain_acl.yml`: its accounts and white lists (contract `broker.md` 25, `admin.md`).

use rocketmq_protocol::body::{DataVersion, PlainAccessConfig};

use crate::address::AddressPattern;
use crate::error::Fault;
use crate::permission::Permission;
use crate::yaml::{self, Node};

/// Access and secret keys are longer than this.
pub(crate) const KEY_LENGTH: usize = 6;

/// Keys of the file's top level.
pub(crate) const GLOBAL_WHITE: &str = "globalWhiteRemoteAddresses";
pub(crate) const ACCOUNTS: &str = "accounts";
pub(crate) const DATA_VERSION: &str = "dataVersion";
/// Keys of an account.
pub(crate) const ACCOUNT_KEYS: [&str; 8] = [
    "accessKey",
    "secretKey",
    "whiteRemoteAddress",
    "admin",
    "defaultTopicPerm",
    "defaultGroupPerm",
    "topicPerms",
    "groupPerms",
];

/// What a file says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct AclFile {
    pub(crate) global_white: Vec<String>,
    pub(crate) accounts: Vec<PlainAccessConfig>,
    pub(crate) version: DataVersion,
    /// What is allowed but hardly meant.
    pub(crate) warnings: Vec<String>,
}

impl AclFile {
    /// Reads a text; `None` when there is nothing in it.
    pub(crate) fn parse(text: &str) -> Result<Option<AclFile>, Fault> {
        let Some(root) = yaml::parse(text)? else { return Ok(None) };
        let Some(entries) = root.entries() else {
            return Err(root.fault("the file must consist of keys and values"));
        };
        let mut file = AclFile::default();
        for (key, value) in entries {
            match key.text().unwrap_or_default() {
                GLOBAL_WHITE => {
                    for item in list(value, GLOBAL_WHITE)? {
                        let pattern = text_of(item, GLOBAL_WHITE)?;
                        AddressPattern::parse(&pattern).map_err(|what| item.fault(what))?;
                        file.global_white.push(pattern);
                    }
                }
                ACCOUNTS => {
                    for item in list(value, ACCOUNTS)? {
                        file.add_account(item)?;
                    }
                }
                DATA_VERSION => file.version = version(value)?,
                other => file.warn(key, format!("the key {other} means nothing here")),
            }
        }
        Ok(Some(file))
    }

    fn warn(&mut self, node: &Node, what: String) {
        self.warnings.push(format!("line {}: {what}", node.line));
    }

    fn add_account(&mut self, node: &Node) -> Result<(), Fault> {
        let Some(entries) = node.entries() else {
            return Err(node.fault("an account must consist of keys and values"));
        };
        for (key, _) in entries {
            let name = key.text().unwrap_or_default();
            if !ACCOUNT_KEYS.contains(&name) {
                self.warn(key, format!("the key {name} means nothing in an account"));
            }
        }
        let text = |key: &str| node.get(key).map(|value| text_of(value, key)).transpose();
        let texts = |key: &str| {
            let texts = |value| list(value, key)?.iter().map(|item| text_of(item, key)).collect();
            node.get(key).map(texts).transpose()
        };
        let account = PlainAccessConfig {
            access_key: text("accessKey")?,
            secret_key: text("secretKey")?,
            white_remote_address: text("whiteRemoteAddress")?,
            admin: node.get("admin").map(truth).transpose()?.unwrap_or_default(),
            default_topic_perm: text("defaultTopicPerm")?,
            default_group_perm: text("defaultGroupPerm")?,
            topic_perms: texts("topicPerms")?,
            group_perms: texts("groupPerms")?,
        };
        check_keys(&account).map_err(|what| node.fault(what))?;
        if let (Some(pattern), Some(value)) =
            (&account.white_remote_address, node.get("whiteRemoteAddress"))
        {
            AddressPattern::parse(pattern).map_err(|what| value.fault(what))?;
        }
        for (key, kind) in [("topicPerms", "topic"), ("groupPerms", "group")] {
            for item in node.get(key).and_then(Node::items).unwrap_or_default() {
                let line = item.text().unwrap_or_default();
                let Some((_, word)) = resource_and_word(line) else {
                    return Err(item.fault(format!(
                        "Parse resource permission failed for {kind}:{line}; write name=PUB|SUB"
                    )));
                };
                self.check_word(item, word);
            }
        }
        for key in ["defaultTopicPerm", "defaultGroupPerm"] {
            if let Some(value) = node.get(key) {
                self.check_word(value, value.text().unwrap_or_default());
            }
        }
        if self.accounts.iter().any(|known| known.access_key == account.access_key) {
            let key = account.access_key.as_deref().unwrap_or_default();
            self.warn(node, format!("accessKey {key} has an earlier account, which is not used"));
        }
        self.accounts.push(account);
        Ok(())
    }

    fn check_word(&mut self, node: &Node, word: &str) {
        if !Permission::is_word(word) {
            self.warn(node, format!("{word:?} is no permission and counts as DENY"));
        }
    }
}

/// Access and secret key must be there and long enough; the secret is not told.
pub(crate) fn check_keys(account: &PlainAccessConfig) -> Result<(), String> {
    let long = |key: &Option<String>| {
        key.as_ref().is_some_and(|key| key.encode_utf16().count() > KEY_LENGTH)
    };
    if long(&account.access_key) && long(&account.secret_key) {
        return Ok(());
    }
    let shown = account.access_key.as_deref().unwrap_or("null");
    Err(format!(
        "The accessKey={shown} and secretKey=*** cannot be null and length should longer than {KEY_LENGTH}"
    ))
}

/// `name=PUB` in its two parts.
pub(crate) fn resource_and_word(item: &str) -> Option<(&str, &str)> {
    let (name, word) = item.split_once('=')?;
    let sound = !name.is_empty() && !word.is_empty() && !word.contains('=');
    sound.then(|| (name.trim(), word.trim()))
}

fn list<'a>(value: &'a Node, key: &str) -> Result<&'a [Node], Fault> {
    if value.is_null() {
        return Ok(&[]);
    }
    value.items().ok_or_else(|| value.fault(format!("{key} must be a list")))
}

fn text_of(value: &Node, key: &str) -> Result<String, Fault> {
    let text = value.text().map(str::to_string);
    text.ok_or_else(|| value.fault(format!("{key} must be a text")))
}

fn truth(value: &Node) -> Result<bool, Fault> {
    match value.text().unwrap_or_default().to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "y" | "1" => Ok(true),
        "false" | "no" | "off" | "n" | "0" => Ok(false),
        _ => Err(value.fault("admin must be true or false")),
    }
}

fn version(value: &Node) -> Result<DataVersion, Fault> {
    let Some(first) = list(value, DATA_VERSION)?.first() else { return Ok(DataVersion::default()) };
    let number = |key: &str| match first.get(key) {
        None => Ok(0),
        Some(value) => value
            .text()
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| value.fault(format!("{key} must be a number"))),
    };
    Ok(DataVersion { counter: number("counter")?, timestamp: number("timestamp")? })
}
