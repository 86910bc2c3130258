//! updateAclConfig, deleteAccessConfig, clusterAclConfigVersion, updateGlobalWhiteAddr,
//! getAccessConfigSubCommand.

use rocketmq_common::{clock, java};
use rocketmq_protocol::body::{AclConfig, PlainAccessConfig};

use super::command::{Command, Session};
use super::failure::Failure;
use crate::options::{Opt, either, optional, required};
use crate::out::{Table, json, out, outln};

pub(crate) const UPDATE_ACL_CONFIG: Command = Command {
    name: "updateAclConfig",
    class: "UpdateAccessConfigSubCommand",
    description: "Update acl config yaml file in broker",
    options: &[
        either("b", "brokerAddr", "update acl config file to which broker"),
        either("c", "clusterName", "update acl config file to which cluster"),
        required("a", "accessKey", "set accessKey in acl config file"),
        optional("s", "secretKey", "set secretKey in acl config file"),
        optional("w", "whiteRemoteAddress", "set white ip Address for account in acl config file"),
        optional("i", "defaultTopicPerm", "set default topicPerm in acl config file"),
        optional("u", "defaultGroupPerm", "set default GroupPerm in acl config file"),
        optional("t", "topicPerms", "set topicPerms list,eg: topicA=DENY,topicD=SUB"),
        optional("g", "groupPerms", "set groupPerms list,eg: groupD=DENY,groupD=SUB"),
        optional("m", "admin", "set admin flag in acl config file"),
    ],
    run: |session| Box::pin(update_acl_config(session)),
};

pub(crate) const DELETE_ACCESS_CONFIG: Command = Command {
    name: "deleteAccessConfig",
    class: "DeleteAccessConfigSubCommand",
    description: "Delete Acl Config Account in broker",
    options: &[
        either("b", "brokerAddr", "delete acl config account from which broker"),
        either("c", "clusterName", "delete acl config account from which cluster"),
        required("a", "accessKey", "set accessKey in acl config file for deleting which account"),
    ],
    run: |session| Box::pin(delete_access_config(session)),
};

pub(crate) const CLUSTER_ACL_CONFIG_VERSION: Command = Command {
    name: "clusterAclConfigVersion",
    class: "ClusterAclConfigVersionListSubCommand",
    description: "List all of acl config version information in cluster",
    options: &QUERIED,
    run: |session| Box::pin(cluster_acl_config_version(session)),
};

pub(crate) const UPDATE_GLOBAL_WHITE_ADDR: Command = Command {
    name: "updateGlobalWhiteAddr",
    class: "UpdateGlobalWhiteAddrSubCommand",
    description: "Update global white address for acl Config File in broker",
    options: &[
        either("b", "brokerAddr", "update global white address to which broker"),
        either("c", "clusterName", "update global white address to which cluster"),
        required(
            "g",
            "globalWhiteRemoteAddresses",
            "set globalWhiteRemoteAddress list,eg: 10.10.103.*,192.168.0.*",
        ),
    ],
    run: |session| Box::pin(update_global_white_addr(session)),
};

pub(crate) const GET_ACCESS_CONFIG: Command = Command {
    name: "getAccessConfigSubCommand",
    class: "GetAccessConfigSubCommand",
    description: "List all of acl config information in cluster",
    options: &QUERIED,
    run: |session| Box::pin(get_access_config(session)),
};

/// Whom the two queries ask.
const QUERIED: [Opt; 2] = [
    either("b", "brokerAddr", "query acl config version for which broker"),
    either("c", "clusterName", "query acl config version for specified cluster"),
];

/// What is printed instead of a secret.
const HIDDEN: &str = "******";

/// The broker of `-b`, or every master and slave of the cluster of `-c`: each has its own file.
async fn files(session: &Session) -> Result<Vec<String>, Failure> {
    match (session.given.get("b"), session.given.get("c")) {
        (Some(address), _) => Ok(vec![address.to_string()]),
        (None, Some(cluster)) => session.masters_and_slaves(cluster).await,
        (None, None) => Err(Failure::Usage),
    }
}

async fn update_acl_config(session: &Session) -> Result<(), Failure> {
    let Session { admin, given, .. } = session;
    let text = |short: &str| given.get(short).map(str::to_string);
    let list = |short: &str| {
        given.get(short).map(|text| text.split(',').map(str::to_string).collect::<Vec<_>>())
    };
    let account = PlainAccessConfig {
        access_key: text("a"),
        admin: given.is_true("m"),
        default_group_perm: text("u"),
        default_topic_perm: text("i"),
        group_perms: list("g"),
        secret_key: text("s"),
        topic_perms: list("t"),
        white_remote_address: text("w"),
    };
    for address in files(session).await? {
        admin.update_account(&address, &account).await?;
        outln!("create or update plain access config to {address} success.");
    }
    // Java prints the identity of an object here.
    let identity = java::string_hash(given.text("a"));
    out!("org.apache.rocketmq.common.PlainAccessConfig@{identity:x}");
    Ok(())
}

async fn delete_access_config(session: &Session) -> Result<(), Failure> {
    let Session { admin, given, .. } = session;
    let access_key = given.text("a");
    for address in files(session).await? {
        admin.delete_account(&address, access_key).await?;
        outln!("delete plain access config account from {address} success.");
    }
    out!("account's accesskey is:{access_key}");
    Ok(())
}

async fn update_global_white_addr(session: &Session) -> Result<(), Failure> {
    let Session { admin, given, .. } = session;
    for address in files(session).await? {
        admin.update_global_white_addrs(&address, given.text("g")).await?;
        outln!("update global white remote addresses to {address} success.");
    }
    Ok(())
}

async fn cluster_acl_config_version(session: &Session) -> Result<(), Failure> {
    let Session { admin, given, .. } = session;
    let of_broker = given.has("b");
    let targets = session.targets().await?;
    let columns = [
        "#Cluster Name",
        "#Broker Name",
        "#Broker Addr",
        "#AclConfigVersionNum",
        "#AclLastUpdateTime",
    ];
    let format = "%-16s  %-22s  %-22s  %-20s  %-22s";
    let mut table = match of_broker {
        true => Table::headless(given.json(), format, &columns),
        false => Table::new(given.json(), format, format, &columns),
    };
    for address in targets {
        let acl = admin.acl_version(&address).await?;
        table.row([
            acl.cluster_name.into(),
            acl.broker_name.into(),
            acl.broker_addr.into(),
            acl.version.counter.into(),
            clock::format_seconds(acl.version.timestamp).into(),
        ]);
    }
    table.finish();
    if !given.json() {
        let what = if of_broker { "broker" } else { "cluster" };
        outln!("get {what}'s plain access config version success.");
    }
    Ok(())
}

async fn get_access_config(session: &Session) -> Result<(), Failure> {
    let mut all = Vec::new();
    for address in session.targets().await? {
        let mut config = session.admin.acl_config(&address).await?;
        for account in &mut config.plain_access_configs {
            account.secret_key = account.secret_key.take().map(|_| HIDDEN.to_string());
        }
        if session.given.json() {
            all.push(config);
        } else {
            print_config(&config);
        }
    }
    if session.given.json() {
        json(&all);
    }
    Ok(())
}

fn print_config(config: &AclConfig) {
    outln!("\n{:<20}: [{}]", "globalWhiteRemoteAddresses", config.global_white_addrs.join(", "));
    outln!("\naccounts:");
    for account in &config.plain_access_configs {
        let row = |name: &str, value: &str| outln!("  {name:<18}: {value}");
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let list = |value: &Option<Vec<String>>| {
            value.as_ref().map(|list| format!("[{}]", list.join(", "))).unwrap_or_default()
        };
        row("accessKey", &text(&account.access_key));
        row("secretKey", &text(&account.secret_key));
        row("whiteRemoteAddress", &text(&account.white_remote_address));
        row("admin", &account.admin.to_string());
        row("defaultTopicPerm", &text(&account.default_topic_perm));
        row("defaultGroupPerm", &text(&account.default_group_perm));
        row("topicPerms", &list(&account.topic_perms));
        row("groupPerms", &list(&account.group_perms));
        outln!();
    }
}
