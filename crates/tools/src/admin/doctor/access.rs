//! Access control: whether it is the same everywhere, who may what, and by which rule.

use rocketmq_acl::standing;
use rocketmq_protocol::body::{AclConfig, ClusterInfo, PlainAccessConfig};
use rocketmq_protocol::topic::RETRY_PREFIX;

use super::finding::Findings;
use crate::admin::command::Session;

/// Secrets of the file that comes with RocketMQ: everybody knows them.
const SAMPLES: [(&str, &str); 2] = [("RocketMQ", "12345678"), ("rocketmq2", "12345678")];

/// What is asked: an account, a topic, a group; each may be left out.
#[derive(Clone, Copy, Default)]
pub(super) struct Question<'a> {
    pub(super) account: Option<&'a str>,
    pub(super) topic: Option<&'a str>,
    pub(super) group: Option<&'a str>,
}

pub(super) async fn look(
    session: &Session,
    clusters: &ClusterInfo,
    question: Question<'_>,
    findings: &mut Findings,
) {
    let mut known: Vec<(String, AclConfig)> = Vec::new();
    let mut open = Vec::new();
    for data in clusters.broker_addr_table.values() {
        let Some(address) = data.master() else { continue };
        let place = format!("access control of {}", data.broker_name);
        match session.admin.broker_config(address).await {
            Ok(config) if config.get("aclEnable") != Some("true") => open.push(place),
            Ok(_) => match session.admin.acl_config(address).await {
                Ok(rules) => known.push((place, rules)),
                Err(error) => refused(&place, &error.to_string(), findings),
            },
            Err(error) => refused(&place, &error.to_string(), findings),
        }
    }
    if let (Some(place), false) = (open.first(), known.is_empty()) {
        findings.warn(
            place,
            "is off, and on at other brokers",
            "whoever is refused there is served here",
            "set aclEnable=true in its configuration, copy conf/plain_acl.yml, and restart it",
        );
    } else if let (Some(place), Some(account)) = (open.first(), question.account) {
        let what = format!("is off (aclEnable=false): {account} may do everything, and so may all");
        findings.fine(place, what);
    }
    compare(&known, findings);
    for (place, rules) in &known {
        judge(place, rules, findings);
        explain(place, rules, question, findings);
    }
}

/// The broker does not let this tool look.
fn refused(place: &str, error: &str, findings: &mut Findings) {
    // Brokers that do not answer at all are told of elsewhere.
    if error.contains("AclException") {
        findings.error(
            place,
            format!("refuses this tool: {error}"),
            "what needs an account fails, and rules can be told to administrators only",
            "write accessKey and secretKey of an account with admin: true into conf/tools.yml",
        );
    }
}

fn sorted(rules: &AclConfig) -> (Vec<&String>, Vec<&PlainAccessConfig>) {
    let mut white: Vec<_> = rules.global_white_addrs.iter().collect();
    white.sort();
    let mut accounts: Vec<_> = rules.plain_access_configs.iter().collect();
    accounts.sort_by(|one, other| one.access_key.cmp(&other.access_key));
    (white, accounts)
}

/// Each broker reads a file of its own; clients meet all of them.
fn compare(known: &[(String, AclConfig)], findings: &mut Findings) {
    let Some((first, rules)) = known.first() else { return };
    for (place, others) in known.iter().skip(1) {
        if sorted(others) != sorted(rules) {
            findings.error(
                place,
                format!("has other rules than {first}"),
                "the same request is served by one broker and refused by the other",
                "mqadmin getAccessConfigSubCommand -c CLUSTER shows both; updateAclConfig -c CLUSTER \
                 changes all of them",
            );
        }
    }
}

/// Rules that hardly anybody wants.
fn judge(place: &str, rules: &AclConfig, findings: &mut Findings) {
    let everybody = ["*", "*.*.*.*", "*:*:*:*:*:*:*:*"];
    if rules.global_white_addrs.iter().any(|pattern| everybody.contains(&pattern.as_str())) {
        findings.warn(
            place,
            "globalWhiteRemoteAddresses has *: nobody is checked",
            "whoever reaches the broker may do everything",
            "mqadmin updateGlobalWhiteAddr -c CLUSTER -g ADDRESSES",
        );
    }
    for account in &rules.plain_access_configs {
        let keys = (account.access_key.as_deref(), account.secret_key.as_deref());
        if SAMPLES.iter().any(|(access, secret)| keys == (Some(access), Some(secret))) {
            findings.warn(
                place,
                format!("account {} still has the secret of the sample file", keys.0.unwrap_or("")),
                "everybody knows it",
                "mqadmin updateAclConfig -c CLUSTER -a ACCOUNT -s ANOTHER, or deleteAccessConfig",
            );
        }
    }
    let count = rules.plain_access_configs.len();
    findings.fine(place, format!("is on, {count} accounts"));
}

fn explain(place: &str, rules: &AclConfig, question: Question<'_>, findings: &mut Findings) {
    let resources: Vec<(String, String)> = [
        question.topic.map(|topic| (format!("topic {topic}"), topic.to_string())),
        question.group.map(|group| (format!("group {group}"), format!("{RETRY_PREFIX}{group}"))),
    ]
    .into_iter()
    .flatten()
    .collect();
    let key_of = |account: &PlainAccessConfig| account.access_key.clone().unwrap_or_default();
    let Some(wanted) = question.account else {
        for (name, resource) in &resources {
            who_may(place, rules, name, resource, findings);
        }
        return;
    };
    let Some(account) = rules.plain_access_configs.iter().find(|one| key_of(one) == wanted) else {
        findings.error(
            place,
            format!("No acl config for {wanted}"),
            "every request of this account is refused",
            &format!("mqadmin updateAclConfig -c CLUSTER -a {wanted} -s SECRET -t TOPIC=PUB|SUB"),
        );
        return;
    };
    if resources.is_empty() {
        listed(place, wanted, account, findings);
    }
    for (name, resource) in &resources {
        one(place, wanted, account, name, resource, findings);
    }
}

/// Everything that is written about an account, but for its secret.
fn listed(place: &str, key: &str, account: &PlainAccessConfig, findings: &mut Findings) {
    let list = |items: &Option<Vec<String>>| items.as_deref().unwrap_or_default().join(", ");
    let default = |word: &Option<String>| word.clone().unwrap_or_else(|| "DENY".to_string());
    findings.fine(
        place,
        format!(
            "account {key}: admin={}, defaultTopicPerm={}, topicPerms=[{}], defaultGroupPerm={}, \
             groupPerms=[{}], whiteRemoteAddress={}",
            account.admin,
            default(&account.default_topic_perm),
            list(&account.topic_perms),
            default(&account.default_group_perm),
            list(&account.group_perms),
            account.white_remote_address.as_deref().unwrap_or_default(),
        ),
    );
}

/// What one account may do with one topic or group.
fn one(
    place: &str,
    key: &str,
    account: &PlainAccessConfig,
    name: &str,
    resource: &str,
    findings: &mut Findings,
) {
    let standing = standing(account, resource);
    let is_group = resource.starts_with(RETRY_PREFIX);
    let rights = match is_group {
        true => vec![("consume", "SUB", standing.subscribe)],
        false => vec![("send", "PUB", standing.publish), ("consume", "SUB", standing.subscribe)],
    };
    let bare = resource.strip_prefix(RETRY_PREFIX).unwrap_or(resource);
    let (flag, list) = if is_group { ("-g", "groupPerms") } else { ("-t", "topicPerms") };
    for (verb, right, is_granted) in rights {
        if is_granted {
            let what = format!("{key} may {verb}, {name}: {}", standing.rule);
            findings.fine(place, what);
            continue;
        }
        findings.warn(
            place,
            format!("{key} may not {verb}, {name}: it needs {right} and has {}", standing.rule),
            &format!(
                "its requests are refused: No default permission for {}",
                name.replace(' ', ":")
            ),
            &format!(
                "mqadmin updateAclConfig -c CLUSTER -a {key} -s SECRET {flag} {bare}={right} \
                 (replaces the account's {list}: name all of them)"
            ),
        );
    }
}

/// All accounts that may do something with a topic or group.
fn who_may(place: &str, rules: &AclConfig, name: &str, resource: &str, findings: &mut Findings) {
    let of = |has: fn(&rocketmq_acl::Standing) -> bool| {
        let accounts = rules.plain_access_configs.iter();
        let accounts = accounts.filter(|account| has(&standing(account, resource)));
        let keys: Vec<_> = accounts.filter_map(|account| account.access_key.clone()).collect();
        if keys.is_empty() { "nobody".to_string() } else { keys.join(", ") }
    };
    let consume = of(|standing| standing.subscribe);
    let white = match rules.global_white_addrs.as_slice() {
        [] => String::new(),
        patterns => format!("; unsigned from {}: everything", patterns.join(", ")),
    };
    let what = match resource.starts_with(RETRY_PREFIX) {
        true => format!("{name}: may consume: {consume}{white}"),
        false => {
            let send = of(|standing| standing.publish);
            format!("{name}: may send: {send}; may consume: {consume}{white}")
        }
    };
    findings.fine(place, what);
}

#[cfg(test)]
mod tests {
    use super::super::finding::Severity;
    use super::*;

    fn rules() -> AclConfig {
        let text = |text: &str| Some(text.to_string());
        let shop = PlainAccessConfig {
            access_key: text("shop-account"),
            secret_key: text("secret-of-shop"),
            topic_perms: Some(vec!["orders=PUB|SUB".to_string(), "prices=SUB".to_string()]),
            ..PlainAccessConfig::default()
        };
        let admin = PlainAccessConfig {
            access_key: text("RocketMQ"),
            secret_key: text("12345678"),
            admin: true,
            ..PlainAccessConfig::default()
        };
        AclConfig {
            global_white_addrs: vec!["10.0.0.*".to_string()],
            plain_access_configs: vec![shop, admin],
        }
    }

    fn told(question: Question<'_>) -> Vec<(Severity, String)> {
        let mut findings = Findings::default();
        explain("p", &rules(), question, &mut findings);
        let all = findings.0.into_iter();
        all.map(|finding| (finding.severity, finding.what)).collect()
    }

    #[test]
    fn accounts_topics_and_rules_are_explained() {
        let shop = Question { account: Some("shop-account"), ..Question::default() };
        let prices = told(Question { topic: Some("prices"), group: Some("G"), ..shop });
        assert_eq!(
            prices,
            [
                (
                    Severity::Warning,
                    "shop-account may not send, topic prices: it needs PUB and has topicPerms: \
                     prices=SUB"
                        .to_string()
                ),
                (
                    Severity::Fine,
                    "shop-account may consume, topic prices: topicPerms: prices=SUB".to_string()
                ),
                (
                    Severity::Warning,
                    "shop-account may not consume, group G: it needs SUB and has \
                     defaultGroupPerm: DENY"
                        .to_string()
                ),
            ]
        );
        let all = told(shop).remove(0).1;
        assert!(all.contains("prices=SUB") && !all.contains("secret-of"), "{all}");
        let nobody = told(Question { account: Some("nobody"), ..Question::default() });
        assert_eq!(nobody, [(Severity::Error, "No acl config for nobody".to_string())]);
        let who = told(Question { topic: Some("prices"), ..Question::default() });
        assert_eq!(
            who[0].1,
            "topic prices: may send: RocketMQ; may consume: shop-account, RocketMQ; unsigned from \
             10.0.0.*: everything"
        );
    }

    #[test]
    fn rules_that_differ_and_sample_secrets_are_told() {
        let mut findings = Findings::default();
        judge("p", &rules(), &mut findings);
        assert_eq!(findings.0[0].what, "account RocketMQ still has the secret of the sample file");
        let mut shuffled = rules();
        shuffled.plain_access_configs.reverse();
        let mut findings = Findings::default();
        let mut known = vec![("a".to_string(), rules()), ("b".to_string(), shuffled)];
        compare(&known, &mut findings);
        assert!(findings.0.is_empty());
        known[1].1.global_white_addrs.clear();
        compare(&known, &mut findings);
        assert_eq!(findings.0[0].severity, Severity::Error);
    }
}
