use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::*;

fn golden(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/java-4.9.2").join(path)
}

fn text(path: &str) -> String {
    std::fs::read_to_string(golden(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn base64(text: &str) -> Vec<u8> {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = text.bytes().filter_map(|b| LETTERS.iter().position(|&letter| letter == b));
    let digits: Vec<usize> = digits.collect();
    let mut bytes = Vec::new();
    for group in digits.chunks(4) {
        let word = (0..4).fold(0, |word, i| word << 6 | group.get(i).copied().unwrap_or(0));
        bytes.extend((0..group.len() - 1).map(|i| (word >> (16 - 8 * i)) as u8));
    }
    bytes
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Queue {
    broker_name: String,
    queue_id: i32,
    topic: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum FilterType {
    #[serde(rename = "SINGLE_TAG")]
    SingleTag,
    #[serde(rename = "MULTI_TAG")]
    MultiTag,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Bean {
    count: i32,
    filter: FilterType,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    ratio: f64,
}

impl Default for Bean {
    fn default() -> Self {
        Bean { count: 7, filter: FilterType::SingleTag, name: None, ratio: 0.0 }
    }
}

fn queue(queue_id: i32) -> Queue {
    Queue { broker_name: "b".to_owned(), queue_id, topic: "T".to_owned() }
}

#[test]
fn keys_may_be_numbers_and_objects() {
    let map = BTreeMap::from([(queue(3), 5i64)]);
    let json = br#"{{"brokerName":"b","queueId":3,"topic":"T"}:5}"#;
    assert_eq!(to_vec(&map).unwrap(), json);
    assert_eq!(from_slice::<BTreeMap<Queue, i64>>(json).unwrap(), map);
    let quoted = br#"{"{\"topic\":\"T\",\"queueId\":3,\"brokerName\":\"b\"}" : 5 }"#;
    assert_eq!(from_slice::<BTreeMap<Queue, i64>>(quoted).unwrap(), map);

    let numbers: BTreeMap<i64, String> = from_str(r#"{-1:"a","2":"b",0:"c"}"#).unwrap();
    assert_eq!(to_string(&numbers).unwrap(), r#"{-1:"a",0:"c",2:"b"}"#);
    let texts: BTreeMap<String, i32> = from_str("{1:1,name:2}").unwrap();
    assert_eq!(to_string(&texts).unwrap(), r#"{"1":1,"name":2}"#);
}

#[test]
fn readers_are_as_tolerant_as_java() {
    let bean: Bean = from_str(
        r#"{"unknown":{{"a":1}:[1,{}]},"count":"12","filter":"MULTI_TAG",'name':true,"ratio":3,}"#,
    )
    .unwrap();
    let name = Some("true".to_owned());
    assert_eq!(bean, Bean { count: 12, filter: FilterType::MultiTag, name, ratio: 3.0 });
    let defaults: Bean = from_str(r#"{"count":null,"filter":0,"name":null,"ratio":null}"#).unwrap();
    assert_eq!(defaults, Bean::default());
    assert_eq!(from_str::<i32>("3.0").unwrap(), 3);
    assert_eq!(from_str::<Vec<Option<i32>>>("[1,null]").unwrap(), [Some(1), None]);
    assert_eq!(from_slice::<String>(b"\"a\xff\"").unwrap(), "a\u{fffd}");
}

#[test]
fn text_is_escaped_as_fastjson_escapes_it() {
    let raw = "\"\\/<\u{1}\u{8}\t\n\u{b}\u{c}\r\u{1f}\u{7f}\u{80}\u{9f}\u{a0}\u{e9}\u{2028}\u{2029}\u{202a}\u{1f600}";
    let json = to_string(raw).unwrap();
    assert_eq!(
        json,
        "\"\\\"\\\\/<\\u0001\\b\\t\\n\\u000B\\f\\r\\u001F\\u007F\\u0080\\u009F\u{a0}\u{e9}\\u2028\\u2029\u{202a}\u{1f600}\""
    );
    assert_eq!(from_str::<String>(&json).unwrap(), raw);
    assert_eq!(
        from_str::<String>(r#""\ud83d\ude00\ud83dx\x41\/""#).unwrap(),
        "\u{1f600}\u{fffd}xA/"
    );
}

#[test]
fn doubles_have_java_form_and_nan_is_null() {
    assert_eq!(
        to_string(&[0.0, 1e-10, f64::NAN, f64::INFINITY]).unwrap(),
        "[0.0,1.0E-10,null,null]"
    );
    assert_eq!(from_str::<f64>("1.0E-10").unwrap(), 1e-10);
}

#[test]
fn references_are_resolved() {
    let value: Value = from_str(
        r#"{"a_b":{"c":[1,{"d":2}]},0:7,"x":{"$ref":"$.a\\_b.c[1]"},"y":{"$ref":"$.x.d"},
           "z":{"$ref":".."},"n":{"$ref":"$.0"}}"#,
    )
    .unwrap();
    assert_eq!(value.get("x"), Some(&Value::Object(vec![("d".into(), 2.into())])));
    assert_eq!(value.get("y"), Some(&Value::Null), "a path through a reference names nothing");
    assert_eq!(value.get("z"), Some(&Value::Null));
    assert_eq!(value.get("n"), Some(&Value::Int(7)));
    let lists: HashMap<String, Vec<i32>> = from_str(r#"{"a":[1,2],"b":{"$ref":"$.a"}}"#).unwrap();
    assert_eq!(lists["b"], [1, 2]);
    let cycle: Value = from_str(r#"{"a":{"b":{"$ref":"$.a"}}}"#).unwrap();
    assert!(cycle.get("a").is_some());
    let bomb: String = (0..60).fold(r#"{"a0":[1]"#.to_owned(), |json, i| {
        let copy = format!(r#"{{"$ref":"$.a{i}"}}"#);
        format!(r#"{json},"a{}":[{copy},{copy}]"#, i + 1)
    }) + "}";
    assert!(from_str::<Value>(&bomb).is_err());
}

#[test]
fn errors_name_the_byte() {
    for (json, message) in [
        ("", "a value expected but the text ends at byte 0"),
        (r#"{"a":1"#, "',' or '}' expected but the text ends at byte 6"),
        (r#"{"a" 1}"#, "':' expected but '1' found at byte 5"),
        ("[1 2]", "',' or ']' expected but '2' found at byte 3"),
        ("{} x", "the end of the text expected but 'x' found at byte 3"),
        (r#""abc"#, "string without end at byte 0"),
        (r#""a\qb""#, "unknown escape at byte 2"),
        ("[nul]", "a value expected but nul found at byte 1"),
        ("1.2.3", "a number expected at byte 0"),
    ] {
        assert_eq!(from_str::<Value>(json).unwrap_err().to_string(), message, "{json}");
    }
    let wrong = from_str::<Vec<i32>>("[1,5000000000]").unwrap_err();
    assert_eq!(wrong.position(), Some(13), "{wrong}");
}

#[test]
fn nesting_is_limited() {
    for (open, close) in [("[", "]"), ("{1:", "}"), ("{{1:1}:", "}"), ("{", "}")] {
        let deep = |n: usize| format!("{}1{}", open.repeat(n), close.repeat(n));
        assert!(from_str::<Value>(&deep(100_000)).is_err());
        assert!(from_str::<Bean>(&format!(r#"{{"x":{}}}"#, deep(100_000))).is_err());
    }
    let at_limit = format!("{}{}", "[".repeat(DEPTH_MAX), "]".repeat(DEPTH_MAX));
    assert!(from_str::<Value>(&at_limit).is_ok());
    let quoted =
        (0..12).fold("{}".to_owned(), |key, _| format!("{{{}:1}}", to_string(&key).unwrap()));
    assert!(from_str::<HashMap<Queue, i32>>(&quoted).is_ok());
}

#[test]
fn every_recorded_json_body_survives() {
    #[derive(Deserialize)]
    struct Sample {
        body: String,
        body_len: usize,
    }
    let mut bodies = 0;
    for file in ["wire-json.jsonl", "wire-extra-json.jsonl"] {
        for line in text(file).lines() {
            let sample: Sample = from_str(line).unwrap();
            let body = base64(&sample.body);
            if !matches!(body.first(), Some(b'{' | b'[')) || body.len() != sample.body_len {
                continue;
            }
            let value: Value = from_slice(&body).unwrap();
            let again = to_vec(&value).unwrap();
            assert_eq!(from_slice::<Value>(&again).unwrap(), value);
            assert_eq!(String::from_utf8(again), String::from_utf8(body));
            bodies += 1;
        }
    }
    assert!(bodies > 50, "{bodies}");
}

#[test]
fn files_of_java_are_written_byte_for_byte() {
    for directory in ["store/config", "observed/config"] {
        for name in ["consumerOffset", "delayOffset", "subscriptionGroup", "topics"] {
            let file = text(&format!("{directory}/{name}.json"));
            assert_eq!(to_pretty(&from_str::<Value>(&file).unwrap()).unwrap(), file);
        }
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Bloom {
        bit_num: i32,
        #[serde(with = "inline")]
        bit_pos: Vec<i32>,
    }
    let bloom = Bloom { bit_num: 112, bit_pos: vec![13, 30, 47] };
    assert_eq!(to_pretty(&bloom).unwrap(), "{\n\t\"bitNum\":112,\n\t\"bitPos\":[13,30,47]\n}");
}

#[test]
fn topic_route_is_printed_as_mqadmin_prints_it() {
    let calls = text("observed/mqadmin.jsonl");
    let route = calls
        .lines()
        .map(|line| from_str::<Value>(line).unwrap())
        .find(|call| call.get("name").and_then(Value::as_str) == Some("081-topicRoute"))
        .and_then(|call| call.get("out").or(call.get("stdout"))?.as_str().map(str::to_owned))
        .unwrap();
    let value: Value = from_str(&route).unwrap();
    assert_eq!(to_pretty(&value).unwrap() + "\n", route);
}

fn value() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        any::<f64>().prop_filter("finite", |f| f.is_finite()).prop_map(Value::Float),
        any::<String>().prop_map(Value::Str),
    ];
    scalar.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            proptest::collection::vec((inner.clone(), inner), 0..4).prop_map(Value::Object),
        ]
    })
}

proptest! {
    #[test]
    fn values_survive_both_forms(value in value()) {
        prop_assert_eq!(&from_slice::<Value>(&to_vec(&value).unwrap()).unwrap(), &value);
        prop_assert_eq!(&from_str::<Value>(&to_pretty(&value).unwrap()).unwrap(), &value);
    }

    #[test]
    fn beans_survive(count: i32, name: Option<String>, queues: BTreeMap<i64, (String, u64)>) {
        let bean = Bean { count, name, ..Bean::default() };
        prop_assert_eq!(from_slice::<Bean>(&to_vec(&bean).unwrap()).unwrap(), bean);
        let read: BTreeMap<i64, (String, u64)> = from_slice(&to_vec(&queues).unwrap()).unwrap();
        prop_assert_eq!(read, queues);
    }

    #[test]
    fn no_input_panics(input in proptest::collection::vec(prop_oneof![
        any::<u8>(),
        proptest::sample::select(b"{}[]:,\"\\'0123e.-nulltrue$ref".to_vec()),
    ], 0..60)) {
        let _ = from_slice::<Value>(&input);
        let _ = from_slice::<Bean>(&input);
        let _ = from_slice::<HashMap<Queue, Vec<f64>>>(&input);
    }
}
