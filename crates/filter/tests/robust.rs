//! Nothing that a client sends makes the parser or the evaluation panic or run away.

use std::borrow::Cow;

use proptest::prelude::*;
use rocketmq_filter::{Filter, FilterError};

fn token() -> impl Strategy<Value = String> {
    let fixed = prop::sample::select(vec![
        "a", "b", "AND", "or", "NOT", "between", "IN", "IS", "NULL", "TRUE", "false", "=", "<>",
        "<", ">", "<=", ">=", "(", ")", ",", "+", "-", "--", "/*", "*/", "'", "'x'", "''", "0",
        "5", "5L", ".5", "1e3", "\n", "\t", "\r", "!", "é", "😀", "\0", ".",
    ])
    .prop_map(str::to_owned);
    prop_oneof![6 => fixed, 1 => any::<String>(), 1 => any::<f64>().prop_map(|n| n.to_string())]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_text_gives_a_filter_or_an_error(
        tokens in prop::collection::vec(token(), 0..40),
        glue in prop::sample::select(vec!["", " "]),
        value in any::<Option<String>>(),
    ) {
        let text = tokens.join(glue);
        match Filter::compile(&text) {
            Ok(filter) => {
                let property = |_: &str| value.as_deref().map(Cow::Borrowed);
                let _ = filter.evaluate(&property);
                // What is printed has the same meaning, if it can be read at all.
                prop_assert!(!filter.to_string().is_empty());
            }
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }

    /// NOT, AND and OR keep to three-valued logic.
    #[test]
    fn conditions_keep_de_morgans_laws(
        a in prop::sample::select(vec![None, Some("1"), Some("2")]),
        b in prop::sample::select(vec![None, Some("1"), Some("2")]),
    ) {
        let property = |name: &str| (if name == "a" { a } else { b }).map(Cow::Borrowed);
        let value = |text: &str| {
            let filter = Filter::compile(text).unwrap();
            format!("{:?}", filter.evaluate(&property))
        };
        prop_assert_eq!(value("NOT (a > 1 AND b > 1)"), value("NOT (a > 1) OR NOT (b > 1)"));
        prop_assert_eq!(value("NOT (a > 1 OR b > 1)"), value("NOT (a > 1) AND NOT (b > 1)"));
        prop_assert_eq!(value("a NOT BETWEEN 1 AND 1"), value("NOT (a BETWEEN 1 AND 1)"));
    }
}

#[test]
fn nesting_has_a_limit_and_length_has_none() {
    for deep in ["(".repeat(100_000), "NOT ".repeat(100_000), "-".repeat(100_000), "+".repeat(9999)]
    {
        let refused = Filter::compile(&format!("a = {deep}5")).unwrap_err();
        assert!(matches!(refused, FilterError::TooDeep { .. }), "{refused}");
    }
    let chain = format!("a{}", " = 5".repeat(100_000));
    assert!(matches!(Filter::compile(&chain), Err(FilterError::TooDeep { .. })));
    let fits = format!("{}a = 5{}", "(".repeat(60), ")".repeat(60));
    assert!(Filter::compile(&fits).is_ok());
    let long = format!("a = 0{}", " OR a = 1 AND b = 2".repeat(20_000));
    let filter = Filter::compile(&long).unwrap();
    let property = |_: &str| Some(Cow::Borrowed("7"));
    assert_eq!(filter.matches(&property), Ok(false));
}

#[test]
fn what_stands_behind_the_expression_is_told() {
    let from = |text: &str| Filter::compile(text).unwrap().ignored_from();
    assert_eq!(from("a = 'x'"), None);
    assert_eq!(from("a LIKE 'x'"), Some((1, 3)));
    assert_eq!(from("a = 5\n  junk"), Some((2, 3)));
}
