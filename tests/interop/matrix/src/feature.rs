//! The rows: what is sent in each, and what has to arrive.

/// Messages of a cell.
pub(crate) const MESSAGES: usize = 20;
/// Queues of a cell's topic.
pub(crate) const QUEUES: i32 = 4;
/// Namespace of the cell about namespaces.
pub(crate) const NAMESPACE: &str = "MatrixSpace";
/// What the SQL92 consumer asks for.
pub(crate) const SQL: &str = "n BETWEEN 5 AND 14 AND color IS NULL";
/// What the tag consumer asks for.
pub(crate) const TAGS: &str = "TagA || TagC";
/// Deliveries after the first before a message is a dead letter, in the retry row.
pub(crate) const RETRIES: i32 = 1;

/// When the producer runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// While the consumer is there.
    ConsumerFirst,
    /// To its end before the consumer comes.
    ProducerFirst,
}

/// A row.
pub(crate) struct Feature {
    /// As the peers know it.
    pub(crate) name: &'static str,
    /// As the table shows it.
    pub(crate) title: &'static str,
    pub(crate) order: Order,
}

const fn live(name: &'static str, title: &'static str) -> Feature {
    Feature { name, title, order: Order::ConsumerFirst }
}

const fn stored(name: &'static str, title: &'static str) -> Feature {
    Feature { name, title, order: Order::ProducerFirst }
}

/// Every row.
pub(crate) const FEATURES: &[Feature] = &[
    live("sync", "send and wait, push consumer"),
    live("async", "send asynchronously"),
    live("oneway", "send one-way"),
    live("tags", "subscribe to tags"),
    live("sql", "subscribe by SQL92"),
    live("delay", "delayed messages"),
    live("retry", "retry and dead letters"),
    live("orderly", "orderly consumption"),
    live("broadcast", "broadcasting"),
    live("batch", "batch"),
    live("transaction", "transaction with check-back"),
    live("request", "request and reply"),
    live("trace", "message trace"),
    live("namespace", "namespace"),
    stored("from-where", "consume from first offset, from timestamp"),
    live("reset", "reset offset while consuming"),
    stored("pull", "classic pull consumer"),
    stored("lite-pull", "lite pull consumer"),
];

/// The body of a message; equal in all languages.
pub(crate) fn body(index: usize) -> String {
    format!("matrix {index}")
}

/// The tag of a message.
pub(crate) fn tag(index: usize) -> &'static str {
    ["TagA", "TagB", "TagC"][index % 3]
}

/// Whether the consumer of that row has to get the message; it must not get any other.
pub(crate) fn is_wanted(feature: &str, index: usize) -> bool {
    match feature {
        "tags" => tag(index) != "TagB",
        "sql" => (5..=14).contains(&index),
        // 0 is committed, 1 rolled back, 2 left open and committed when the broker asks.
        "transaction" => index % 3 != 1,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::FEATURES;

    /// The table of README.md has every row, and names nothing that is not there.
    #[test]
    fn the_table_of_what_holds_each_feature_is_true() {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
        let text = std::fs::read_to_string(repository.join("tests/interop/README.md")).unwrap();
        let (_, section) = text.split_once("## What holds each feature").unwrap();
        let mut rows = BTreeSet::new();
        let mut files = 0;
        for line in section.lines().filter(|line| line.contains("| `") || line.contains("| |")) {
            let [feature, named, held] = line.trim_matches('|').split('|').collect::<Vec<_>>()[..]
            else {
                panic!("not three cells: {line}")
            };
            let quoted = |cell: &str| {
                cell.split('`').skip(1).step_by(2).map(str::to_string).collect::<Vec<_>>()
            };
            rows.extend(quoted(named));
            let paths: Vec<_> =
                quoted(held).into_iter().filter(|path| path.contains('/')).collect();
            assert!(!paths.is_empty(), "nothing holds {feature}");
            for path in &paths {
                assert!(repository.join(path).is_file(), "{feature}: {path}");
            }
            files += paths.len();
        }
        let names = FEATURES.iter().map(|feature| feature.name.to_string()).collect();
        assert_eq!(rows, names);
        assert!(files > 40, "{files}");
    }
}
