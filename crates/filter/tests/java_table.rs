//! Every case of the reference table that Java's own filter module wrote
//! (`tests/interop/java/src/main/java/interop/FilterTable.java`).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;

use rocketmq_filter::{Filter, Value};
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    expression: String,
    #[serde(default)]
    printed: String,
    #[serde(default)]
    results: String,
    exception: Option<String>,
    error: Option<String>,
}

type Message = BTreeMap<String, String>;

fn letter(filter: &Filter, message: &Message, exceptions: &mut Vec<String>) -> char {
    let property = |name: &str| message.get(name).map(|value| Cow::Borrowed(value.as_str()));
    match filter.evaluate(&property) {
        Ok(Value::Null) => 'N',
        Ok(Value::Bool(true)) => 'T',
        Ok(Value::Bool(false)) => 'F',
        Ok(_) => '?',
        Err(error) => {
            exceptions.push(error.to_string());
            'E'
        }
    }
}

/// What is in both texts, but for what only one Java version says of a failed cast.
fn words(text: &str) -> String {
    let text = text.replace("class java.lang.", "java.lang.");
    text.split(" (java.lang.").next().unwrap_or_default().to_owned()
}

fn differences(case: &Case, messages: &[Message]) -> Vec<String> {
    let mut found = Vec::new();
    let mut differs = |what: &str, ours: &str, java: &str| {
        found.push(format!("{:?}: {what}\n  ours {ours:?}\n  Java {java:?}", case.expression));
    };
    let filter = match Filter::compile(&case.expression) {
        Ok(filter) => filter,
        Err(error) => {
            let java = case.error.as_deref().unwrap_or("no error");
            if !words(&error.to_string()).starts_with(&words(java)) {
                differs("error", &error.to_string(), java);
            }
            return found;
        }
    };
    if let Some(error) = &case.error {
        differs("error", &filter.to_string(), error);
        return found;
    }
    if filter.to_string() != case.printed {
        differs("printed", &filter.to_string(), &case.printed);
    }
    let mut exceptions = Vec::new();
    let ours: String = messages.iter().map(|m| letter(&filter, m, &mut exceptions)).collect();
    if ours != case.results {
        differs("results", &ours, &case.results);
    }
    if let (Some(ours), Some(java)) = (exceptions.first(), &case.exception)
        && !ours.starts_with(&words(java))
    {
        differs("exception", ours, java);
    }
    found
}

#[test]
fn every_case_comes_out_as_in_java() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/java-4.9.2/sql92.jsonl");
    let text = fs::read_to_string(path).unwrap();
    let mut lines = text.lines();
    let messages: Vec<Message> = serde_json::from_str(lines.next().unwrap()).unwrap();
    let cases: Vec<Case> = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
    let evaluated: usize = cases.iter().map(|case| case.results.len()).sum();
    assert!(evaluated >= 2000 && cases.iter().filter(|case| case.error.is_some()).count() >= 200);
    let found: Vec<String> = cases.iter().flat_map(|case| differences(case, &messages)).collect();
    assert!(found.is_empty(), "{} differences\n{}", found.len(), found.join("\n"));
}
