//! updateKvConfig, deleteKvConfig, wipeWritePerm, addWritePerm, getNamesrvConfig,
//! updateNamesrvConfig.

use std::collections::BTreeMap;

use super::broker::{as_map, print_config};
use super::command::{Command, Session};
use super::failure::Failure;
use crate::options::required;
use crate::out::{json, outln};

pub(crate) const UPDATE_KV_CONFIG: Command = Command {
    name: "updateKvConfig",
    class: "UpdateKvConfigCommand",
    description: "Create or update KV config.",
    options: &[
        required("s", "namespace", "set the namespace"),
        required("k", "key", "set the key name"),
        required("v", "value", "set the key value"),
    ],
    run: |session| Box::pin(update_kv_config(session)),
};

pub(crate) const DELETE_KV_CONFIG: Command = Command {
    name: "deleteKvConfig",
    class: "DeleteKvConfigCommand",
    description: "Delete KV config.",
    options: &[
        required("s", "namespace", "set the namespace"),
        required("k", "key", "set the key name"),
    ],
    run: |session| Box::pin(delete_kv_config(session)),
};

pub(crate) const WIPE_WRITE_PERM: Command = Command {
    name: "wipeWritePerm",
    class: "WipeWritePermSubCommand",
    description: "Wipe write perm of broker in all name server you defined in the -n param",
    options: &[required("b", "brokerName", "broker name")],
    run: |session| Box::pin(write_perm(session, "wipe")),
};

pub(crate) const ADD_WRITE_PERM: Command = Command {
    name: "addWritePerm",
    class: "AddWritePermSubCommand",
    description: "Add write perm of broker in all name server you defined in the -n param",
    options: &[required("b", "brokerName", "broker name")],
    run: |session| Box::pin(write_perm(session, "add")),
};

pub(crate) const GET_NAMESRV_CONFIG: Command = Command {
    name: "getNamesrvConfig",
    class: "GetNamesrvConfigCommand",
    description: "Get configs of name server.",
    options: &[],
    run: |session| Box::pin(get_namesrv_config(session)),
};

pub(crate) const UPDATE_NAMESRV_CONFIG: Command = Command {
    name: "updateNamesrvConfig",
    class: "UpdateNamesrvConfigCommand",
    description: "Update configs of name server.",
    options: &[required("k", "key", "config key"), required("v", "value", "config value")],
    run: |session| Box::pin(update_namesrv_config(session)),
};

async fn update_kv_config(session: &Session) -> Result<(), Failure> {
    let Session { admin, given, .. } = session;
    admin.put_kv_config(given.text("s"), given.text("k"), given.text("v")).await?;
    outln!("create or update kv config to namespace success.");
    Ok(())
}

async fn delete_kv_config(session: &Session) -> Result<(), Failure> {
    let Session { admin, given, .. } = session;
    admin.delete_kv_config(given.text("s"), given.text("k")).await?;
    outln!("delete kv config from namespace success.");
    Ok(())
}

/// Wipes or adds on every name server; one that fails does not keep the others from it.
async fn write_perm(session: &Session, what: &str) -> Result<(), Failure> {
    let Session { admin, given, .. } = session;
    let broker = given.text("b");
    for server in admin.name_servers() {
        let changed = match what {
            "wipe" => admin.wipe_write_perm(&server, broker).await,
            _ => admin.add_write_perm(&server, broker).await,
        };
        let text = format!("{what} write perm of broker[{broker}] in name server[{server}]");
        match changed {
            Ok(count) => outln!("{text} OK, {count}"),
            Err(error) => {
                outln!("{text} Failed");
                session.complain(error);
            }
        }
    }
    Ok(())
}

async fn get_namesrv_config(session: &Session) -> Result<(), Failure> {
    let mut all = BTreeMap::new();
    for server in session.admin.name_servers() {
        let config = session.admin.name_server_config(&server).await?;
        if session.given.json() {
            all.insert(server, as_map(&config));
        } else {
            outln!("============{server}============");
            print_config(&config);
        }
    }
    if session.given.json() {
        json(&all);
    }
    Ok(())
}

async fn update_namesrv_config(session: &Session) -> Result<(), Failure> {
    let Session { admin, given, .. } = session;
    let (key, value) = (given.text("k"), given.text("v"));
    let servers = admin.name_servers();
    for server in &servers {
        admin.update_name_server_config(server, key, value).await?;
    }
    outln!("update name server config success![{}]\n{key} : {value}", servers.join(", "));
    Ok(())
}
