//! Roles, and `role-permission.yml`: Ant patterns of the paths that an ordinary user may call.

use std::path::Path;

use saphyr_parser::{Event, Parser};
use serde::Serialize;

/// What a user may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    /// Everything.
    Admin,
    /// Looks, sends, resends, resets, creates; no deletes and no settings.
    Operate,
    /// Looks only.
    Read,
    /// 1.0.0's role 0: what the file says.
    #[serde(rename = "read")]
    Ordinary,
}

impl Role {
    /// From the third field of a user's line.
    pub(super) fn from_text(text: &str) -> Role {
        match text {
            "1" | "admin" => Role::Admin,
            "operate" => Role::Operate,
            "read" => Role::Read,
            _ => Role::Ordinary,
        }
    }

    /// The number that 1.0.0's login answers.
    pub(crate) fn number(self) -> i32 {
        i32::from(self == Role::Admin)
    }
}

/// 1.0.0's list for ordinary users, without its defect: they may not point everybody's dashboard at
/// other name servers.
const ORDINARY: [&str; 11] = [
    "/rocketmq/nsaddr",
    "/ops/*.query",
    "/dashboard/**",
    "/topic/*.query",
    "/topic/sendTopicMessage.do",
    "/producer/*.query",
    "/message/**",
    "/messageTrace/**",
    "/monitor/**",
    "/api/v1/**",
    "/consumer/fetchBrokerNameList.query",
];

/// Writes that change messages and progress, not what exists.
const OPERATIONS: [&str; 12] = [
    "/topic/sendTopicMessage.do",
    "/topic/createOrUpdate.do",
    "/consumer/createOrUpdate.do",
    "/consumer/resetOffset.do",
    "/consumer/skipAccumulate.do",
    "/message/**",
    "/monitor/**",
    "/api/v1/groups/*/reset",
    "/api/v1/messages/**",
    "/api/v1/cluster",
    "/api/v1/acl/test",
    "/login/**",
];

/// Writes of our API that an ordinary user may do: those that 1.0.0's list has, too.
const ORDINARY_WRITES: [&str; 2] = ["/api/v1/messages/**", "/api/v1/cluster"];
/// What tells secrets.
const ADMIN_READS: [&str; 2] = ["/api/v1/acl", "/api/v1/audit"];

pub(super) struct Roles {
    ordinary: Vec<String>,
}

impl Roles {
    /// Reads the file if there is one.
    pub(super) fn load(path: &Path) -> Result<Roles, String> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Roles { ordinary: ORDINARY.map(str::to_string).to_vec() });
            }
            Err(error) => return Err(format!("{}: cannot be read: {error}", path.display())),
        };
        let ordinary = parse(&text).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Roles { ordinary })
    }

    pub(super) fn may(&self, role: Role, path: &str, writes: bool) -> bool {
        let any = |patterns: &[&str]| patterns.iter().any(|pattern| matches(pattern, path));
        if role == Role::Admin {
            return true;
        }
        if any(&ADMIN_READS) {
            return false;
        }
        match role {
            Role::Admin => true,
            Role::Operate => !writes || any(&OPERATIONS),
            Role::Read => !writes || path.ends_with(".query") || path == "/api/v1/cluster",
            Role::Ordinary if path.starts_with("/api/") => !writes || any(&ORDINARY_WRITES),
            Role::Ordinary => self.ordinary.iter().any(|pattern| matches(pattern, path)),
        }
    }
}

/// The list under `rolePerms` / `ordinary`.
fn parse(text: &str) -> Result<Vec<String>, String> {
    let (mut found, mut list, mut last) = (Vec::new(), false, String::new());
    for event in Parser::new_from_str(text) {
        match event {
            Ok((Event::SequenceStart(..), _)) => list = last == "ordinary",
            Ok((Event::SequenceEnd, _)) => list = false,
            Ok((Event::Scalar(value, ..), _)) if list => found.push(value.into_owned()),
            Ok((Event::Scalar(value, ..), _)) => last = value.into_owned(),
            Ok(_) => {}
            Err(error) => return Err(format!("not YAML: {error}")),
        }
    }
    Ok(found)
}

/// Ant's patterns: `?` one character, `*` any of one step, `**` any number of steps.
fn matches(pattern: &str, path: &str) -> bool {
    fn steps(pattern: &[&str], path: &[&str]) -> bool {
        match (pattern.split_first(), path.split_first()) {
            (None, None) => true,
            (Some((&"**", rest)), _) => (0..=path.len()).any(|skip| steps(rest, &path[skip..])),
            (Some((one, rest)), Some((step, more))) => {
                step_matches(one.as_bytes(), step.as_bytes()) && steps(rest, more)
            }
            _ => false,
        }
    }
    fn step_matches(pattern: &[u8], step: &[u8]) -> bool {
        match (pattern.split_first(), step.split_first()) {
            (None, None) => true,
            (Some((b'*', rest)), _) => {
                (0..=step.len()).any(|skip| step_matches(rest, &step[skip..]))
            }
            (Some((b'?', rest)), Some((_, more))) => step_matches(rest, more),
            (Some((one, rest)), Some((other, more))) => one == other && step_matches(rest, more),
            _ => false,
        }
    }
    let split = |text| str::split(text, '/').collect::<Vec<&str>>();
    let (pattern, path) = (split(pattern), split(path));
    steps(&pattern, &path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_ants() {
        assert!(matches("/topic/*.query", "/topic/list.query"));
        assert!(!matches("/topic/*.query", "/topic/deleteTopic.do"));
        assert!(
            matches("/message/**", "/message/viewMessage.query")
                && matches("/message/**", "/message")
        );
        assert!(matches("/api/v1/groups/*/reset", "/api/v1/groups/a/reset"));
        assert!(!matches("/api/v1/groups/*/reset", "/api/v1/groups/a/b/reset"));
    }

    #[test]
    fn an_ordinary_user_has_1_0_0s_rights_but_not_its_defect() {
        let roles = Roles::load(Path::new("/nonexistent/role-permission.yml")).unwrap();
        let may = |path: &str| roles.may(Role::Ordinary, path, path.ends_with(".do"));
        assert!(may("/topic/list.query") && may("/message/consumeMessageDirectly.do"));
        assert!(!may("/cluster/list.query") && !may("/consumer/groupList.query"));
        assert!(!may("/ops/updateNameSvrAddr.do") && !may("/topic/deleteTopic.do"));
    }

    #[test]
    fn the_file_decides_when_there_is_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("role-permission.yml");
        std::fs::write(
            &path,
            "rolePerms:\n  # rights\n  ordinary:\n    - /rocketmq/*\n    - /ops/**\n",
        )
        .unwrap();
        let roles = Roles::load(&path).unwrap();
        assert!(roles.may(Role::Ordinary, "/ops/updateNameSvrAddr.do", true));
        assert!(!roles.may(Role::Ordinary, "/topic/list.query", false));
        std::fs::write(&path, "rolePerms: [\n").unwrap();
        assert!(Roles::load(&path).is_err());
    }

    #[test]
    fn operators_do_not_delete_and_readers_do_not_write() {
        let roles = Roles { ordinary: Vec::new() };
        assert!(roles.may(Role::Operate, "/api/v1/groups/g/reset", true));
        assert!(!roles.may(Role::Operate, "/api/v1/topics/delete", true));
        assert!(!roles.may(Role::Operate, "/api/v1/acl", false));
        assert!(!roles.may(Role::Read, "/consumer/resetOffset.do", true));
        assert!(roles.may(Role::Read, "/message/queryMessagePageByTopic.query", true));
    }
}
