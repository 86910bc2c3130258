//! Small text helpers.

/// Undoes `%XX`; what is no such sequence stays.
pub(crate) fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).and_then(|hex| std::str::from_utf8(hex).ok());
        let byte =
            hex.filter(|_| bytes[at] == b'%').and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match byte {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// A field of a CSV line; a leading `=`, `+`, `-` or `@` is kept from being run by spreadsheets.
pub(crate) fn csv_field(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@']) && text.parse::<f64>().is_err();
    let text = if formula { format!("'{text}") } else { text.to_string() };
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

/// A text with its values: `{0}` is the first, `{0:one|many}` a word that goes with its number. The page's
/// texts are written alike.
pub(crate) fn said(text: &str, values: &[String]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, inside, after)) = next_place(rest) {
        out.push_str(before);
        let (at, words) = inside.split_once(':').unwrap_or((inside, ""));
        let value = at.parse::<usize>().ok().and_then(|at| values.get(at));
        let value = value.map_or("", String::as_str);
        out.push_str(match words.split_once('|') {
            None => value,
            Some((one, _)) if value == "1" => one,
            Some((_, many)) => many,
        });
        rest = after;
    }
    out.push_str(rest);
    out
}

fn next_place(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once('{')?;
    let (inside, after) = rest.split_once('}')?;
    Some((before, inside, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_out_as_meant() {
        assert_eq!(percent_decoded("a%3A1%3b%2"), "a:1;%2");
        assert_eq!(csv_field("a,\"b\""), "\"a,\"\"b\"\"\"");
        let values = ["1".to_string(), "{9}".to_string()];
        assert_eq!(said("{0} {0:is|are}, {1:is|are} {1} {7}", &values), "1 is, are {9} ");
        assert_eq!((csv_field("=1+1"), csv_field("-5")), ("'=1+1".to_string(), "-5".to_string()));
    }
}
