//! The page, which is part of the program.

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

/// Name below `web/`, kind and content of every file of the page.
const FILES: &[(&str, &str, &[u8])] =
    &[("index.html", "text/html;charset=UTF-8", include_bytes!("../web/index.html"))];

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
