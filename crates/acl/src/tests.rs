//! Patterns, permissions and signatures against the table that Java wrote
//! (`tests/interop/java/src/main/java/interop/AclTable.java`), and changes of files.

use std::fs;
use std::net::IpAddr;

use proptest::prelude::*;
use rocketmq_protocol::body::{DataVersion, PlainAccessConfig};
use serde::Deserialize;

use crate::address::AddressPattern;
use crate::edit::{Change, apply};
use crate::file::AclFile;
use crate::permission::{Permission, Right};
use crate::rules::standing;
use crate::signature::SecretKey;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Line {
    pattern: Option<String>,
    matches: String,
    error: Option<String>,
    permission: Option<String>,
    r#pub: bool,
    sub: bool,
    secret: String,
    content: String,
    signature: Option<String>,
}

/// What is deliberately otherwise: here the byte behind the range counts, Java ignores it; Java
/// never matches a range behind `::`.
const STRICTER: [&str; 3] = ["192.168.0-1.5", "192.168.*.5", "fe80::1-20"];

fn pattern(line: &Line, text: &str, addresses: &[String]) {
    let ours = AddressPattern::parse(text);
    let Some(java) = line.error.as_deref() else {
        let ours = ours.unwrap();
        for (address, java) in addresses.iter().zip(line.matches.chars()) {
            // Peers are always addresses.
            let Ok(peer) = address.parse::<IpAddr>() else { continue };
            let same = ours.matches(peer) == (java == 'T');
            assert!(same || STRICTER.contains(&text), "{text} and {address}");
        }
        return;
    };
    let ours = ours.unwrap_err();
    if let Some(java) = java.strip_prefix("org.apache.rocketmq.acl.common.AclException: ") {
        assert!(ours.starts_with(java), "{text}: {ours}, Java {java}");
    }
}

#[test]
fn javas_table_holds() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/java-4.9.2/acl.jsonl");
    let text = fs::read_to_string(path).unwrap();
    let mut lines = text.lines();
    let addresses: Vec<String> = serde_json::from_str(lines.next().unwrap()).unwrap();
    let mut seen = [0, 0, 0];
    for line in lines {
        let line: Line = serde_json::from_str(line).unwrap();
        if let Some(text) = &line.pattern {
            seen[0] += 1;
            pattern(&line, text, &addresses);
        } else if let Some(word) = &line.permission {
            seen[1] += 1;
            let owned = Permission::parse(word);
            let ours = (owned.allows(Right::Pub), owned.allows(Right::Sub));
            assert_eq!(ours, (line.r#pub, line.sub), "{word:?}");
        } else {
            seen[2] += 1;
            let content = line.content.as_bytes();
            let ours = SecretKey::new(&line.secret).sign(&mut [], &[content]);
            assert_eq!(Some(ours), line.signature);
        }
    }
    assert!(seen[0] > 50 && seen[1] > 8 && seen[2] > 3, "{seen:?}");
}

#[test]
fn what_is_written_is_what_is_meant() {
    let matches = |pattern: &str, peer: &str| {
        AddressPattern::parse(pattern).unwrap().matches(peer.parse().unwrap())
    };
    assert!(matches("192.168.*.5", "192.168.77.5") && !matches("192.168.*.5", "192.168.77.6"));
    assert!(matches("fe80::1-20", "fe80::1f") && !matches("fe80::1-20", "fe80::21"));
    assert!(matches("10.1.2.*", "::ffff:10.1.2.3"));
    for wrong in
        ["1.2.*", "1.2.3.4.*", "*.2.3.4", "::1-2-3", "1::2::*", "1:2:3:4:5:6:7:8:*", "1.2.3.{"]
    {
        assert!(AddressPattern::parse(wrong).is_err(), "{wrong}");
    }
}

const SAMPLE: &str = include_str!("../../../conf/plain_acl.yml");
const VERSION: DataVersion = DataVersion { counter: 7, timestamp: 1_700_000_000_000 };

fn account(key: &str) -> PlainAccessConfig {
    PlainAccessConfig {
        access_key: Some(key.to_string()),
        secret_key: Some("12345678".to_string()),
        ..PlainAccessConfig::default()
    }
}

fn read(text: &str) -> AclFile {
    AclFile::parse(text).unwrap().unwrap()
}

#[test]
fn the_sample_file_is_read() {
    let file = read(SAMPLE);
    assert_eq!(file.global_white, ["10.10.103.*", "192.168.0.*"]);
    assert_eq!(file.warnings, [""; 0]);
    let [first, second] = &file.accounts[..] else { panic!("{}", file.accounts.len()) };
    assert_eq!(first.access_key.as_deref(), Some("RocketMQ"));
    assert_eq!(first.white_remote_address, None);
    assert_eq!(first.topic_perms.as_ref().unwrap()[1], "topicB=PUB|SUB");
    assert_eq!(second.secret_key.as_deref(), Some("12345678"));
    assert!(second.admin && !first.admin);
}

#[test]
fn what_an_account_may_do_is_told_with_its_rule() {
    let file = read(
        "accounts:\n- accessKey: shop-account\n  secretKey: secret-of-shop\n  defaultGroupPerm: SUB\n  \
         topicPerms: [orders=PUB|SUB]\n  groupPerms: [closed=DENY]\n- accessKey: administrator\n  \
         secretKey: secret-of-admin\n  admin: true\n- accessKey: half-admin\n  secretKey: \
         secret-of-half\n  admin: true\n  topicPerms: [orders=PUB]\n",
    );
    let told = |account: usize, resource: &str| {
        let standing = standing(&file.accounts[account], resource);
        (standing.publish, standing.subscribe, standing.rule)
    };
    assert_eq!(told(0, "orders"), (true, true, "topicPerms: orders=PUB|SUB".to_string()));
    assert_eq!(told(0, "hidden"), (false, false, "defaultTopicPerm: DENY".to_string()));
    assert_eq!(told(0, "%RETRY%g"), (false, true, "defaultGroupPerm: SUB".to_string()));
    assert_eq!(told(0, "%RETRY%closed"), (false, false, "groupPerms: closed=DENY".to_string()));
    assert_eq!(told(1, "hidden"), (true, true, "admin: true".to_string()));
    // An administrator for whom something is listed may do no more than that.
    assert_eq!(told(2, "hidden"), (false, false, "defaultTopicPerm: DENY".to_string()));
}

/// Every comment and every line that the change does not concern is still there.
#[test]
fn a_change_touches_only_its_lines() {
    let mut new = account("RocketMQ");
    new.secret_key = Some("another secret: #1".into());
    new.white_remote_address = Some("10.0.0.*".into());
    new.topic_perms = Some(vec!["topicB=PUB|SUB".into(), "topicX=SUB".into()]);
    new.default_group_perm = Some("DENY".into());
    let text = apply(SAMPLE, &Change::Account(&new), VERSION).unwrap().unwrap();
    let gone: Vec<&str> = SAMPLE.lines().filter(|line| !text.lines().any(|l| l == *line)).collect();
    assert_eq!(
        gone,
        [
            "    whiteRemoteAddress:",
            "    defaultGroupPerm: SUB",
            "      - topicA=DENY",
            "      - topicC=SUB",
        ],
        "{text}"
    );
    let file = read(&text);
    assert_eq!(file.version, VERSION);
    let changed = &file.accounts[0];
    assert_eq!(changed.secret_key, new.secret_key);
    assert_eq!(changed.white_remote_address.as_deref(), Some("10.0.0.*"));
    assert_eq!(changed.topic_perms, new.topic_perms);
    assert_eq!(changed.group_perms, read(SAMPLE).accounts[0].group_perms);
    // Again: only the version changes.
    let again = DataVersion { counter: 8, ..VERSION };
    let again = apply(&text, &Change::Account(&new), again).unwrap().unwrap();
    assert_eq!(again, text.replace("counter: 7", "counter: 8"));
}

#[test]
fn accounts_come_and_go() {
    let mut new = account("newcomer");
    new.group_perms = Some(vec!["g=SUB".into()]);
    let text = apply(SAMPLE, &Change::Account(&new), VERSION).unwrap().unwrap();
    assert!(text.starts_with(SAMPLE.trim_end()), "{text}");
    assert_eq!(read(&text).accounts[2], new);
    let mut less = text.clone();
    for key in ["RocketMQ", "rocketmq2", "newcomer"] {
        less = apply(&less, &Change::Remove(key), VERSION).unwrap().unwrap();
    }
    assert_eq!(read(&less).accounts, []);
    assert_eq!(apply(&less, &Change::Remove("newcomer"), VERSION).unwrap(), None);
    let more = apply(&less, &Change::Account(&new), VERSION).unwrap().unwrap();
    assert_eq!(read(&more).accounts, [new]);
    assert_eq!(apply("", &Change::Remove("x"), VERSION).unwrap(), None);
}

#[test]
fn white_lists_are_replaced() {
    let list: Vec<String> = vec!["192.168.0.*".into(), "*".into()];
    let text = apply(SAMPLE, &Change::GlobalWhite(&list), VERSION).unwrap().unwrap();
    assert_eq!(read(&text).global_white, list);
    assert!(text.contains("# A") && text.contains("  - 192.168.0.*\n  - '*'\n"), "{text}");
    let text = apply(&text, &Change::GlobalWhite(&[]), VERSION).unwrap().unwrap();
    assert_eq!(read(&text).global_white, [""; 0]);
    let text = apply(&text, &Change::GlobalWhite(&list), VERSION).unwrap().unwrap();
    assert_eq!(read(&text).global_white, list);
}

#[test]
fn other_styles_are_changed_too() {
    let new = account("newcomer");
    for text in [
        "accounts: [{accessKey: accountA, secretKey: '12345678'}]\nother: 1\n",
        "{accounts: [{accessKey: accountA, secretKey: '12345678'}], other: 1}",
        "other: 1\naccounts:\n- accessKey: accountA\n  secretKey: 12345678",
        "other: 1\naccounts:\n-\n  # the first\n  accessKey: accountA\n  secretKey: 12345678\n...\n",
        "other: 1\naccounts:\n  - {accessKey: accountA, secretKey: 12345678}\n",
        "other: 1\r\naccounts:\r\n- accessKey: accountA\r\n  secretKey: 12345678\r\n",
    ] {
        let text = apply(text, &Change::Account(&new), VERSION).unwrap().unwrap();
        let file = read(&text);
        assert_eq!(file.accounts, [account("accountA"), new.clone()], "{text}");
        assert_eq!(file.version, VERSION);
        assert_eq!(file.warnings.len(), 1, "the other key stays: {text}");
    }
    let text = apply("other: 1\n", &Change::Account(&new), VERSION).unwrap().unwrap();
    assert_eq!(read(&text).accounts, [new]);
}

#[test]
fn faults_are_found_where_they_are() {
    for (text, line, column, what) in [
        ("accounts:\n  - accessKey: [", 3, 1, ""),
        ("accounts:\n\t- x", 2, 1, ""),
        ("accounts: 5", 1, 11, "accounts must be a list"),
        ("globalWhiteRemoteAddresses:\n- 1.2.3.400", 2, 3, "Netaddress examine Exception"),
        ("accounts:\n- accessKey: abc\n  secretKey: topsecret", 2, 3, "The accessKey=abc and"),
        (
            "accounts:\n- accessKey: accountA\n  secretKey: topsecret\n  topicPerms:\n  - T:PUB",
            5,
            5,
            "Parse resource permission failed for topic:T:PUB",
        ),
        (
            "accounts:\n- accessKey: accountA\n  secretKey: topsecret\n  admin: maybe",
            4,
            10,
            "admin",
        ),
        ("a: 1\na: 2", 2, 1, "twice"),
        ("a: &x 1\nb: *x", 2, 4, "aliases"),
    ] {
        let fault = AclFile::parse(text).unwrap_err();
        assert!(fault.what.contains(what), "{text}: {fault:?}");
        assert!(!fault.what.contains("topsecret"), "{fault:?}");
        if !what.is_empty() {
            assert_eq!((fault.line, fault.column), (line, column), "{text}: {fault:?}");
        }
    }
    for nothing in ["", "\n", "# only a comment\n", "---\n", "null"] {
        assert_eq!(AclFile::parse(nothing), Ok(None), "{nothing:?}");
    }
    assert_eq!(
        read("accounts:\n- accessKey: accountA\n  secretKey: topsecret\n  topicperms: []\n")
            .warnings
            .len(),
        1
    );
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "[-a:#'\"\\[\\]{},\n \t&*|>!%0-9é]{0,60}") {
        let _ = AclFile::parse(&text);
        let _ = apply(&text, &Change::Account(&account("newcomer")), VERSION);
    }

    #[test]
    fn any_values_survive_being_written(
        secret in "[ -~é]{7,20}",
        names in prop::collection::vec("[ -<>-~]{1,10}", 0..4),
    ) {
        let mut new = account("RocketMQ");
        new.secret_key = Some(secret);
        let perms = names.iter().filter(|name| !name.trim().is_empty());
        new.topic_perms = Some(perms.map(|name| format!("{name}=PUB|SUB")).collect());
        let text = apply(SAMPLE, &Change::Account(&new), VERSION).unwrap().unwrap();
        let mut read = read(&text).accounts[0].topic_perms.clone().unwrap_or_default();
        let mut wanted = new.topic_perms.unwrap_or_default();
        read.sort();
        wanted.sort();
        wanted.dedup();
        read.dedup();
        prop_assert_eq!(read, wanted);
    }
}
