//! The page, which is part of the program.

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

const HTML: &str = "text/html;charset=UTF-8";
const CSS: &str = "text/css;charset=UTF-8";
const SCRIPT: &str = "text/javascript;charset=UTF-8";
const SVG: &str = "image/svg+xml";

/// Name below `web/`, kind and content of every file of the page.
const FILES: &[(&str, &str, &[u8])] = &[
    ("index.html", HTML, include_bytes!("../web/index.html")),
    ("app.js", SCRIPT, include_bytes!("../web/app.js")),
    ("chart.js", SCRIPT, include_bytes!("../web/chart.js")),
    ("dom.js", SCRIPT, include_bytes!("../web/dom.js")),
    ("icon.svg", SVG, include_bytes!("../web/icon.svg")),
    ("net.js", SCRIPT, include_bytes!("../web/net.js")),
    ("style.css", CSS, include_bytes!("../web/style.css")),
    ("table.js", SCRIPT, include_bytes!("../web/table.js")),
    ("words.js", SCRIPT, include_bytes!("../web/words.js")),
    ("pages/acl.js", SCRIPT, include_bytes!("../web/pages/acl.js")),
    ("pages/audit.js", SCRIPT, include_bytes!("../web/pages/audit.js")),
    ("pages/cluster.js", SCRIPT, include_bytes!("../web/pages/cluster.js")),
    ("pages/dlq.js", SCRIPT, include_bytes!("../web/pages/dlq.js")),
    ("pages/groups.js", SCRIPT, include_bytes!("../web/pages/groups.js")),
    ("pages/history.js", SCRIPT, include_bytes!("../web/pages/history.js")),
    ("pages/login.js", SCRIPT, include_bytes!("../web/pages/login.js")),
    ("pages/messages.js", SCRIPT, include_bytes!("../web/pages/messages.js")),
    ("pages/ops.js", SCRIPT, include_bytes!("../web/pages/ops.js")),
    ("pages/overview.js", SCRIPT, include_bytes!("../web/pages/overview.js")),
    ("pages/producers.js", SCRIPT, include_bytes!("../web/pages/producers.js")),
    ("pages/reset.js", SCRIPT, include_bytes!("../web/pages/reset.js")),
    ("pages/topics.js", SCRIPT, include_bytes!("../web/pages/topics.js")),
    ("pages/trace.js", SCRIPT, include_bytes!("../web/pages/trace.js")),
];

/// The file with that name; the empty name is the page itself.
pub(crate) fn file(name: &str, headers: &HeaderMap) -> Option<Response> {
    let name = if name.is_empty() { "index.html" } else { name };
    let (_, kind, content) = FILES.iter().find(|(known, ..)| *known == name)?;
    let tag = format!("\"{:x}\"", fingerprint(content));
    if headers.get(IF_NONE_MATCH).is_some_and(|seen| seen.as_bytes() == tag.as_bytes()) {
        return Some(StatusCode::NOT_MODIFIED.into_response());
    }
    let headers =
        [(CONTENT_TYPE, kind.to_string()), (CACHE_CONTROL, "no-cache".to_string()), (ETAG, tag)];
    Some((headers, *content).into_response())
}

/// FNV-1a: only to see whether a browser has this very file.
fn fingerprint(content: &[u8]) -> u64 {
    content.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn texts() -> impl Iterator<Item = (&'static str, &'static str)> {
        let scripts = FILES.iter().filter(|(_, kind, _)| *kind == SCRIPT);
        scripts.map(|(name, _, content)| (*name, std::str::from_utf8(content).unwrap()))
    }

    /// Keys of the table of words: `key: ["English", "Chinese"]`.
    fn words() -> BTreeSet<&'static str> {
        let table = texts().find(|(name, _)| *name == "words.js").unwrap().1;
        let entries = table.split("const WORDS = {").nth(1).unwrap().split("\n};").next().unwrap();
        let keys = entries.split(": [\"").map(|part| part.rsplit([' ', '\n', ',']).next().unwrap());
        keys.filter(|key| !key.is_empty() && !key.ends_with(']')).collect()
    }

    #[test]
    fn every_text_has_both_languages() {
        let table = texts().find(|(name, _)| *name == "words.js").unwrap().1;
        let words = words();
        for key in &words {
            let at = table.find(&format!("{key}: [\"")).unwrap();
            let entry = table[at..].split(']').next().unwrap();
            assert_eq!(entry.matches("\", \"").count(), 1, "{entry}");
        }
        let mut unused = words.clone();
        for (name, text) in texts() {
            for (at, _) in text.match_indices("t(\"") {
                if text[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '.') {
                    continue;
                }
                let key = text[at + 3..].split('"').next().unwrap();
                assert!(name == "words.js" || words.contains(key), "{name}: {key} has no words");
                unused.remove(key);
            }
            unused.retain(|key| !(name != "words.js" && text.contains(&format!("\"{key}\""))));
        }
        let made = ["kind_", "event_"];
        unused.retain(|key| {
            !made.iter().any(|prefix| key.starts_with(prefix))
                && key.chars().any(char::is_lowercase)
        });
        let told_by_servers = ["error", "warning", "info", "master", "slave"];
        unused.retain(|key| !told_by_servers.contains(key));
        assert!(unused.is_empty(), "nobody uses {unused:?}");
    }

    #[test]
    fn every_imported_file_is_served() {
        let known: BTreeSet<&str> = FILES.iter().map(|(name, ..)| *name).collect();
        for (name, text) in texts() {
            for part in text.split(" from \"").skip(1).chain(text.split("import(\"").skip(1)) {
                let path = part.split('"').next().unwrap();
                let file = match path.strip_prefix("../") {
                    Some(above) => above.to_string(),
                    None if name.contains('/') => format!("pages/{}", &path[2..]),
                    None => path[2..].to_string(),
                };
                assert!(known.contains(file.as_str()), "{name} imports {path}");
            }
        }
    }

    #[test]
    fn nothing_is_read_as_html() {
        for (name, text) in texts() {
            for word in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("]
            {
                assert!(!text.contains(word), "{name} uses {word}");
            }
        }
    }
}
