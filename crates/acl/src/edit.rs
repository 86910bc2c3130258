//! Changes of `plain_acl.yml` that leave the rest of the text as it is, comments included.
//!
//! A change is worked out twice: on the values and on the text. The new text is read again and must
//! say exactly the new values. Texts that cannot be changed in place (accounts written with braces)
//! are written anew in block style; their comments are lost then.

use std::ops::Range;

use rocketmq_protocol::body::{DataVersion, PlainAccessConfig};

use crate::error::Fault;
use crate::file::{ACCOUNTS, AclFile, DATA_VERSION, GLOBAL_WHITE};
use crate::yaml::{self, Node, Value, scalar};

/// What is to be changed.
pub(crate) enum Change<'a> {
    /// The account's given fields are set; it is added if it is not there.
    Account(&'a PlainAccessConfig),
    /// The account with that access key goes.
    Remove(&'a str),
    /// The list of addresses that need no account.
    GlobalWhite(&'a [String]),
}

/// The text with the change and the new version; `None` if there is nothing to change.
pub(crate) fn apply(
    text: &str,
    change: &Change<'_>,
    version: DataVersion,
) -> Result<Option<String>, Fault> {
    let (Some(file), Some(root)) = (AclFile::parse(text)?, yaml::parse(text)?) else {
        return Ok(None);
    };
    let Some(wanted) = changed(file, change, version) else { return Ok(None) };
    let says_it =
        |text: &str| matches!(AclFile::parse(text), Ok(Some(file)) if same_values(&file, &wanted));
    let edited = Edits::of(text, &root, change, version).map(|edits| edits.apply(text));
    if let Some(edited) = edited.filter(|edited| says_it(edited)) {
        return Ok(Some(edited));
    }
    let anew = yaml::render(&rebuilt(&root, &wanted));
    match says_it(&anew) {
        true => Ok(Some(anew)),
        false => Err(root.fault("the file is written in a way that cannot be changed here")),
    }
}

fn same_values(one: &AclFile, other: &AclFile) -> bool {
    let empty_is_none = |file: &AclFile| {
        let mut file = file.clone();
        file.warnings.clear();
        for account in &mut file.accounts {
            for list in [&mut account.topic_perms, &mut account.group_perms].into_iter().flatten() {
                list.sort();
            }
            let white = &mut account.white_remote_address;
            *white = white.take().filter(|white| !white.is_empty());
        }
        file.global_white.sort();
        file
    };
    empty_is_none(one) == empty_is_none(other)
}

/// The values after the change.
fn changed(mut file: AclFile, change: &Change<'_>, version: DataVersion) -> Option<AclFile> {
    file.version = version;
    match change {
        Change::Account(sent) => {
            let known = file.accounts.iter_mut().rfind(|known| known.access_key == sent.access_key);
            match known {
                None => file.accounts.push((*sent).clone()),
                Some(known) => {
                    let set = |old: &mut Option<String>, new: &Option<String>| {
                        if let Some(new) = new.as_ref().filter(|new| !new.is_empty()) {
                            *old = Some(new.clone());
                        }
                    };
                    set(&mut known.secret_key, &sent.secret_key);
                    set(&mut known.default_topic_perm, &sent.default_topic_perm);
                    set(&mut known.default_group_perm, &sent.default_group_perm);
                    // An empty pattern takes the old one away.
                    if sent.white_remote_address.is_some() {
                        known.white_remote_address.clone_from(&sent.white_remote_address);
                    }
                    known.admin = sent.admin;
                    if sent.topic_perms.is_some() {
                        known.topic_perms.clone_from(&sent.topic_perms);
                    }
                    if sent.group_perms.is_some() {
                        known.group_perms.clone_from(&sent.group_perms);
                    }
                }
            }
        }
        Change::Remove(access_key) => {
            let at = file
                .accounts
                .iter()
                .rposition(|known| known.access_key.as_deref() == Some(*access_key))?;
            file.accounts.remove(at);
        }
        Change::GlobalWhite(patterns) => file.global_white = patterns.to_vec(),
    }
    Some(file)
}

/// Replacements of parts of a text.
#[derive(Default)]
struct Edits(Vec<(Range<usize>, String)>);

impl Edits {
    /// The edits for a change; `None` if it cannot be made in place.
    fn of(text: &str, root: &Node, change: &Change<'_>, version: DataVersion) -> Option<Edits> {
        if root.is_flow() {
            return None;
        }
        let mut edits = Edits::default();
        match change {
            Change::Account(account) => edits.account(text, root, account)?,
            Change::Remove(access_key) => edits.remove(text, root, access_key)?,
            Change::GlobalWhite(patterns) => edits.list(text, root, GLOBAL_WHITE, patterns)?,
        }
        edits.version(text, root, version)?;
        Some(edits)
    }

    fn apply(mut self, text: &str) -> String {
        // Stable: what is put to one place keeps its order.
        self.0.sort_by_key(|(range, _)| range.start);
        let mut out = String::with_capacity(text.len() + 256);
        let mut at = 0;
        for (range, new) in self.0 {
            out.push_str(text.get(at..range.start).unwrap_or_default());
            out.push_str(&new);
            at = range.end.max(at);
        }
        out.push_str(text.get(at..).unwrap_or_default());
        out
    }

    fn replace(&mut self, range: Range<usize>, new: impl Into<String>) {
        self.0.push((range, new.into()));
    }

    /// Puts lines behind the line that ends the part at `end`.
    fn insert_lines(&mut self, text: &str, end: usize, lines: &str) {
        let at = line_end(text, end);
        let missing = if text.get(..at).is_some_and(|t| t.ends_with('\n')) { "" } else { "\n" };
        self.replace(at..at, format!("{missing}{lines}"));
    }

    fn account(&mut self, text: &str, root: &Node, account: &PlainAccessConfig) -> Option<()> {
        let key = account.access_key.as_deref()?;
        let Some((_, accounts)) = root.entry(ACCOUNTS) else {
            let lines = format!("{ACCOUNTS}:\n{}", new_account(account, 2));
            self.insert_lines(text, text.len(), &lines);
            return Some(());
        };
        let items = accounts.items().unwrap_or_default();
        if let Some(known) = find(items, key) {
            return self.change_account(text, known, account);
        }
        match items.last() {
            // An empty list in whatever form.
            None => {
                let lines = format!("\n{}", new_account(account, 2));
                self.replace(accounts.start..accounts.end, lines.trim_end_matches('\n'));
            }
            Some(last) if !accounts.is_flow() => {
                let (_, indent) = dash_of(text, last)?;
                self.insert_lines(text, last.end, &new_account(account, indent));
            }
            Some(_) => return None,
        }
        Some(())
    }

    fn change_account(&mut self, text: &str, node: &Node, new: &PlainAccessConfig) -> Option<()> {
        if node.is_flow() {
            return None;
        }
        let given = |value: &Option<String>| value.clone().filter(|value| !value.is_empty());
        let texts = [
            ("secretKey", given(&new.secret_key)),
            ("whiteRemoteAddress", new.white_remote_address.clone()),
            ("admin", Some(new.admin.to_string())),
            ("defaultTopicPerm", given(&new.default_topic_perm)),
            ("defaultGroupPerm", given(&new.default_group_perm)),
        ];
        for (key, value) in texts {
            let Some(value) = value else { continue };
            let written = if key == "admin" { value.clone() } else { scalar(&value) };
            match node.entry(key) {
                Some((_, old)) if old.text() == Some(value.as_str()) => {}
                Some((_, old)) if matches!(old.value, Value::Scalar { .. }) => {
                    let blank = if old.start == old.end { " " } else { "" };
                    self.replace(old.start..old.end, format!("{blank}{written}"));
                }
                Some(_) => return None,
                None => self.add_entry(text, node, &format!("{key}: {written}")),
            }
        }
        for (key, items) in [("topicPerms", &new.topic_perms), ("groupPerms", &new.group_perms)] {
            if let Some(items) = items {
                self.list(text, node, key, items)?;
            }
        }
        Some(())
    }

    /// Adds a key to a mapping in block style.
    fn add_entry(&mut self, text: &str, map: &Node, lines: &str) {
        let pad = " ".repeat(map.column - 1);
        let lines: String = lines.lines().map(|line| format!("{pad}{line}\n")).collect();
        self.insert_lines(text, map.end, &lines);
    }

    /// Makes the list of a key hold exactly the given texts.
    fn list(&mut self, text: &str, map: &Node, key: &str, wanted: &[String]) -> Option<()> {
        let written: Vec<String> = wanted.iter().map(|item| scalar(item)).collect();
        let block = |pad: &str| match written.is_empty() {
            true => " []".to_owned(),
            false => written.iter().map(|item| format!("\n{pad}- {item}")).collect(),
        };
        let Some((name, value)) = map.entry(key) else {
            self.add_entry(text, map, &format!("{key}:{}", block("  ")));
            return Some(());
        };
        if value.is_flow() {
            self.replace(value.start..value.end, format!("[{}]", written.join(", ")));
            return Some(());
        }
        let old = value.items().unwrap_or_default();
        let kept =
            |node: &&Node| node.text().is_some_and(|text| wanted.iter().any(|item| item == text));
        let Some(last) = old.iter().rfind(kept) else {
            // Nothing of it stays.
            let colon = after_colon(text, name)?;
            let pad = " ".repeat(name.column + 1);
            self.replace(colon..value.end.max(colon), block(&pad));
            return Some(());
        };
        for node in old.iter().filter(|node| !kept(node)) {
            let (dash, _) = dash_of(text, node)?;
            self.replace(line_start(text, dash)..line_end(text, node.end), "");
        }
        let (_, indent) = dash_of(text, last)?;
        let pad = " ".repeat(indent);
        let new = wanted.iter().filter(|item| !old.iter().any(|node| node.text() == Some(item)));
        let lines: String = new.map(|item| format!("{pad}- {}\n", scalar(item))).collect();
        if !lines.is_empty() {
            self.insert_lines(text, last.end, &lines);
        }
        Some(())
    }

    fn remove(&mut self, text: &str, root: &Node, access_key: &str) -> Option<()> {
        let (_, accounts) = root.entry(ACCOUNTS)?;
        let items = accounts.items()?;
        let node = find(items, access_key)?;
        if accounts.is_flow() {
            return None;
        }
        let (dash, _) = dash_of(text, node)?;
        if items.len() == 1 {
            // A list without items must still be a list.
            self.replace(line_start(text, dash)..line_end(text, node.end), "  []\n");
        } else {
            self.replace(line_start(text, dash)..line_end(text, node.end), "");
        }
        Some(())
    }

    fn version(&mut self, text: &str, root: &Node, version: DataVersion) -> Option<()> {
        let DataVersion { counter, timestamp } = version;
        let Some((_, old)) = root.entry(DATA_VERSION) else {
            let lines =
                format!("{DATA_VERSION}:\n- counter: {counter}\n  timestamp: {timestamp}\n");
            self.insert_lines(text, text.len(), &lines);
            return Some(());
        };
        let first = old.items()?.first()?;
        for (key, number) in [("counter", counter), ("timestamp", timestamp)] {
            let (_, value) = first.entry(key)?;
            self.replace(value.start..value.end, number.to_string());
        }
        Some(())
    }
}

/// The last account with that access key: the one that counts.
fn find<'a>(accounts: &'a [Node], access_key: &str) -> Option<&'a Node> {
    let named = |node: &&Node| node.get("accessKey").and_then(Node::text) == Some(access_key);
    accounts.iter().rfind(named)
}

/// Place and indentation of the dash that begins a list item.
fn dash_of(text: &str, item: &Node) -> Option<(usize, usize)> {
    let before = text.get(..item.start)?.trim_end_matches([' ', '\n', '\r']);
    let dash = before.strip_suffix('-')?.len();
    let indent = text.get(line_start(text, dash)..dash)?;
    indent.chars().all(|c| c == ' ').then_some((dash, indent.len()))
}

fn after_colon(text: &str, key: &Node) -> Option<usize> {
    Some(key.end + text.get(key.end..)?.find(':')? + 1)
}

fn line_start(text: &str, at: usize) -> usize {
    text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |newline| newline + 1)
}

/// Behind the line break of the line that holds the byte before `at`.
fn line_end(text: &str, at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    rest.find('\n').map_or(text.len(), |newline| at + newline + 1)
}

/// An account in block style, its dash at the indentation.
fn new_account(account: &PlainAccessConfig, indent: usize) -> String {
    let node = account_node(account);
    let list = node_of(Value::List { items: vec![node], flow: false });
    let pad = " ".repeat(indent);
    yaml::render(&list).lines().map(|line| format!("{pad}{line}\n")).collect()
}

fn node_of(value: Value) -> Node {
    Node { value, start: 0, end: 0, line: 1, column: 1 }
}

fn text_node(text: &str) -> Node {
    node_of(Value::Scalar { text: text.to_owned(), plain: false })
}

fn word_node(word: &str) -> Node {
    node_of(Value::Scalar { text: word.to_owned(), plain: true })
}

fn list_node(items: &[String]) -> Node {
    let items = items.iter().map(|item| text_node(item)).collect();
    node_of(Value::List { items, flow: false })
}

fn account_node(account: &PlainAccessConfig) -> Node {
    let mut entries = Vec::new();
    let mut add = |key: &str, value: Option<Node>| {
        entries.extend(value.map(|value| (word_node(key), value)));
    };
    let text = |value: &Option<String>| value.as_deref().map(text_node);
    let list = |value: &Option<Vec<String>>| value.as_deref().map(list_node);
    add("accessKey", text(&account.access_key));
    add("secretKey", text(&account.secret_key));
    add("whiteRemoteAddress", text(&account.white_remote_address));
    add("admin", Some(word_node(&account.admin.to_string())));
    add("defaultTopicPerm", text(&account.default_topic_perm));
    add("defaultGroupPerm", text(&account.default_group_perm));
    add("topicPerms", list(&account.topic_perms));
    add("groupPerms", list(&account.group_perms));
    node_of(Value::Map { entries, flow: false })
}

/// The whole file as a tree, with keys that mean nothing here kept.
fn rebuilt(root: &Node, file: &AclFile) -> Node {
    let version = node_of(Value::Map {
        entries: vec![
            (word_node("counter"), word_node(&file.version.counter.to_string())),
            (word_node("timestamp"), word_node(&file.version.timestamp.to_string())),
        ],
        flow: false,
    });
    let accounts = file.accounts.iter().map(account_node).collect();
    let known = [
        (GLOBAL_WHITE, list_node(&file.global_white)),
        (ACCOUNTS, node_of(Value::List { items: accounts, flow: false })),
        (DATA_VERSION, node_of(Value::List { items: vec![version], flow: false })),
    ];
    let foreign = root.entries().unwrap_or_default().iter();
    let foreign = foreign.filter(|(key, _)| known.iter().all(|(name, _)| key.text() != Some(name)));
    let foreign: Vec<(Node, Node)> = foreign.cloned().collect();
    let entries = known.into_iter().map(|(key, value)| (word_node(key), value));
    node_of(Value::Map { entries: entries.chain(foreign).collect(), flow: false })
}
