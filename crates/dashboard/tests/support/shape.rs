//! Whether an answer has the shape of a recorded one: names and kinds of members, not their values.

use serde_json::Value;

/// Members whose own members are data, not a form.
const TABLES: [&str; 12] = [
    "offsetTable",
    "brokerServer",
    "subscriptionTable",
    "mqTable",
    "statusTable",
    "properties",
    "brokerAddrTable",
    "clusterAddrTable",
    "brokerAddrs",
    "filterServerTable",
    "topicConfigTable",
    "subscriptionGroupTable",
];
/// Where our broker has settings and figures that Java's has not.
const MORE_HERE: [&str; 3] = ["brokerConfig", "brokerServer", "runtime"];

/// The kind of a JSON value.
pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "text",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    }
}

/// As much of an error's text as must be the same.
pub(crate) fn beginning(text: Option<&str>) -> Option<String> {
    text.map(|text| text.chars().take(40).collect())
}

/// Adds what differs to `found`, each with its place; of lists and tables the first entry counts.
pub(crate) fn compare(
    place: &str,
    is_table: bool,
    java: &Value,
    ours: &Value,
    found: &mut Vec<String>,
) {
    if kind(java) != kind(ours) {
        found.push(format!("{place}: {} in Java, {} here", kind(java), kind(ours)));
        return;
    }
    match (java, ours) {
        (Value::Object(java), Value::Object(ours)) if is_table => {
            if let (Some(java), Some(ours)) = (java.values().next(), ours.values().next()) {
                // The tables of brokers are tables again: each broker's processes.
                compare(&format!("{place}.*"), place.ends_with("brokerServer"), java, ours, found);
            }
        }
        (Value::Object(java), Value::Object(ours)) => {
            let more = ours.keys().filter(|key| !java.contains_key(*key) && *key != "fix");
            let may_have_more = MORE_HERE.iter().any(|part| place.contains(part));
            found.extend(
                more.filter(|_| !may_have_more).map(|key| format!("{place}.{key}: only here")),
            );
            // One is named after a folder, the other is there where an installation is.
            let here_or_not = |key: &str| key.contains('/') || key == "rocketmqHome";
            for (key, value) in java.iter().filter(|(key, _)| !here_or_not(key)) {
                let place = format!("{place}.{key}");
                match ours.get(key) {
                    Some(ours) => {
                        compare(&place, TABLES.contains(&key.as_str()), value, ours, found)
                    }
                    None => found.push(format!("{place}: missing")),
                }
            }
        }
        (Value::Array(java), Value::Array(ours)) => match (java.first(), ours.first()) {
            (Some(java), Some(ours)) => compare(&format!("{place}[]"), false, java, ours, found),
            (None, None) => {}
            _ => found.push(format!("{place}: {} in Java, {} here", java.len(), ours.len())),
        },
        _ => {}
    }
}
