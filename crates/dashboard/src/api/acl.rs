//! Accounts and white lists of the brokers. Secrets are written, never shown.

use axum::Json;
use rocketmq_protocol::body::{AclConfig, PlainAccessConfig};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Answer;
use crate::answer::Failure;
use crate::app::{Body, Ctx};

/// The rules of the first master that answers; they are the same on all when they were set here.
async fn rules(ctx: &Ctx) -> Result<AclConfig, Failure> {
    let snapshot = ctx.cluster.live.look().await;
    let mut last = Failure::Unsupported("no broker can be reached".to_string());
    for broker in snapshot.masters() {
        if broker.runtime.is_empty() {
            continue;
        }
        match ctx.admin().acl_config(&broker.address).await {
            Ok(rules) => return Ok(rules),
            Err(error) => last = error.into(),
        }
    }
    Err(last)
}

/// Whether the brokers check accounts at all.
async fn is_enabled(ctx: &Ctx) -> Option<bool> {
    let snapshot = ctx.cluster.live.look().await;
    let broker = snapshot.masters().next()?;
    let config = ctx.admin().broker_config(&broker.address).await.ok()?;
    Some(config.get("aclEnable") == Some("true"))
}

pub(super) async fn show(ctx: Ctx) -> Answer {
    let enabled = is_enabled(&ctx).await;
    if enabled == Some(false) {
        return Ok(Json(json!({"enabled": false, "accounts": [], "white": []})));
    }
    let rules = rules(&ctx).await?;
    let accounts: Vec<Value> = rules.plain_access_configs.iter().map(account_value).collect();
    Ok(Json(json!({"enabled": enabled, "accounts": accounts, "white": rules.global_white_addrs})))
}

fn account_value(account: &PlainAccessConfig) -> Value {
    json!({
        "accessKey": account.access_key,
        "admin": account.admin,
        "defaultTopicPerm": account.default_topic_perm,
        "defaultGroupPerm": account.default_group_perm,
        "whiteRemoteAddress": account.white_remote_address,
        "topicPerms": account.topic_perms.clone().unwrap_or_default(),
        "groupPerms": account.group_perms.clone().unwrap_or_default(),
    })
}

/// Has every broker do the same.
async fn on_all<F>(ctx: &Ctx, action: &str, subject: &str, act: impl Fn(String) -> F) -> Answer
where
    F: Future<Output = Result<(), rocketmq_client::ClientError>>,
{
    let snapshot = ctx.cluster.live.look().await;
    let mut done = Ok(());
    for broker in &snapshot.brokers {
        if let Err(error) = act(broker.address.clone()).await {
            done = Err(Failure::from(error));
            break;
        }
    }
    ctx.note(action, subject, &done);
    done.map(|()| Json(json!({})))
}

pub(super) async fn account(ctx: Ctx, Body(account): Body<PlainAccessConfig>) -> Answer {
    let name = account.access_key.clone().unwrap_or_default();
    if name.is_empty() {
        return Err(Failure::invalid("accessKey can not be blank"));
    }
    let (ctx, account) = (&ctx, &account);
    on_all(ctx, "set account", &name, |address| async move {
        let mut account = account.clone();
        if account.secret_key.as_deref().is_none_or(str::is_empty) {
            account.secret_key = secret_of(ctx, &address, &account).await?;
        }
        ctx.admin().update_account(&address, &account).await
    })
    .await
}

/// What a broker has as the account's secret: it wants one with every change.
async fn secret_of(
    ctx: &Ctx,
    broker: &str,
    account: &PlainAccessConfig,
) -> Result<Option<String>, rocketmq_client::ClientError> {
    let known = ctx.admin().acl_config(broker).await?.plain_access_configs;
    let known = known.into_iter().find(|one| one.access_key == account.access_key);
    Ok(known.and_then(|one| one.secret_key))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeleteAccount {
    access_key: String,
    #[serde(default)]
    confirm: String,
}

pub(super) async fn delete(ctx: Ctx, Body(request): Body<DeleteAccount>) -> Answer {
    super::topics::confirmed(&request.access_key, &request.confirm)?;
    let (ctx, key) = (&ctx, request.access_key.as_str());
    on_all(ctx, "delete account", key, |address| async move {
        ctx.admin().delete_account(&address, key).await
    })
    .await
}

#[derive(Deserialize)]
pub(super) struct White {
    white: Vec<String>,
}

pub(super) async fn white(ctx: Ctx, Body(request): Body<White>) -> Answer {
    let (ctx, list) = (&ctx, request.white.join(","));
    let list = list.as_str();
    on_all(ctx, "set white list", list, |address| async move {
        ctx.admin().update_global_white_addrs(&address, list).await
    })
    .await
}

/// May this account do that?
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
pub(super) struct Question {
    access_key: String,
    topic: Option<String>,
    group: Option<String>,
    /// PUB or SUB.
    action: String,
    addr: Option<String>,
}

pub(super) async fn test(ctx: Ctx, Body(question): Body<Question>) -> Answer {
    let rules = rules(&ctx).await?;
    let (allowed, rule) = decide(&rules, &question)?;
    Ok(Json(json!({"allowed": allowed, "rule": rule})))
}

/// What the rules say, and which one of them.
fn decide(rules: &AclConfig, question: &Question) -> Result<(bool, String), Failure> {
    let needed = match question.action.as_str() {
        "PUB" => "PUB",
        "SUB" => "SUB",
        other => {
            return Err(Failure::invalid(format!("there is no action {other}; choose PUB or SUB")));
        }
    };
    if let Some(addr) = question.addr.as_deref().filter(|addr| !addr.is_empty()) {
        for pattern in &rules.global_white_addrs {
            if rocketmq_acl::address_matches(pattern, addr) {
                return Ok((true, format!("globalWhiteRemoteAddresses: {pattern}")));
            }
        }
    }
    let account = rules
        .plain_access_configs
        .iter()
        .find(|account| account.access_key.as_deref() == Some(&question.access_key));
    let Some(account) = account else {
        return Ok((false, format!("No acl config for {}", question.access_key)));
    };
    // An administrator with permissions of its own has only those, as at the broker.
    let is_listed = [&account.topic_perms, &account.group_perms]
        .into_iter()
        .flatten()
        .any(|list| !list.is_empty());
    if account.admin && !is_listed {
        return Ok((true, "admin: true".to_string()));
    }
    let resource = |kind: &str,
                    name: &Option<String>,
                    perms: &Option<Vec<String>>,
                    default: &Option<String>| {
        let name = name.as_deref().filter(|name| !name.is_empty())?;
        let own = perms
            .iter()
            .flatten()
            .find_map(|line| line.split_once('=').filter(|(known, _)| *known == name));
        let (rule, perm) = match own {
            Some((_, perm)) => (format!("{kind}Perms: {name}={perm}"), perm.to_string()),
            None => {
                let default = default.clone().unwrap_or_else(|| "DENY".to_string());
                (
                    format!("default{}Perm: {default}", kind[..1].to_uppercase() + &kind[1..]),
                    default,
                )
            }
        };
        Some((perm.split('|').any(|one| one.trim() == needed), rule))
    };
    let topic =
        resource("topic", &question.topic, &account.topic_perms, &account.default_topic_perm);
    let group =
        resource("group", &question.group, &account.group_perms, &account.default_group_perm);
    match [topic, group].into_iter().flatten().reduce(|one, other| if one.0 { other } else { one })
    {
        Some(decided) => Ok(decided),
        None => Err(Failure::invalid("name a topic or a group")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> AclConfig {
        let account = PlainAccessConfig {
            access_key: Some("a".to_string()),
            default_topic_perm: Some("DENY".to_string()),
            topic_perms: Some(vec!["T=PUB|SUB".to_string()]),
            group_perms: Some(vec!["G=SUB".to_string()]),
            ..PlainAccessConfig::default()
        };
        AclConfig {
            global_white_addrs: vec!["10.1.*.*".to_string()],
            plain_access_configs: vec![account],
        }
    }

    fn ask(topic: &str, group: &str, action: &str, addr: &str) -> (bool, String) {
        let text = |text: &str| Some(text.to_string());
        let question = Question {
            access_key: "a".to_string(),
            topic: text(topic),
            group: text(group),
            action: action.to_string(),
            addr: text(addr),
        };
        decide(&rules(), &question).unwrap()
    }

    #[test]
    fn the_rule_that_decides_is_named() {
        assert_eq!(ask("T", "G", "SUB", ""), (true, "groupPerms: G=SUB".to_string()));
        assert_eq!(ask("U", "G", "SUB", ""), (false, "defaultTopicPerm: DENY".to_string()));
        assert_eq!(ask("T", "", "PUB", ""), (true, "topicPerms: T=PUB|SUB".to_string()));
        assert_eq!(
            ask("U", "", "PUB", "10.1.2.3"),
            (true, "globalWhiteRemoteAddresses: 10.1.*.*".to_string())
        );
    }
}
