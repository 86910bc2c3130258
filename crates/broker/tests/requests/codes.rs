//! The table of request codes in `docs/compatibility.md`: complete, and what the broker does.

use std::path::Path;

use rocketmq_protocol::RequestCode;

use crate::support::Fixture;

/// Codes that are not answered while access control is off, as in Java.
const SILENT: [i32; 2] = [52, 54];

struct Row {
    code: i32,
    name: String,
    served_by: String,
    held_by: String,
}

fn table(repository: &Path) -> Vec<Row> {
    let text = std::fs::read_to_string(repository.join("docs/compatibility.md")).unwrap();
    let (_, section) = text.split_once("## Request codes").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter_map(|line| {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [code, name, served_by, held_by] = cells[..] else { return None };
        Some(Row {
            code: code.parse().ok()?,
            name: name.to_string(),
            served_by: served_by.to_string(),
            held_by: held_by.to_string(),
        })
    });
    rows.collect()
}

#[tokio::test]
async fn no_code_is_silently_missing() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let rows = table(&repository);
    let listed: Vec<_> = rows.iter().map(|row| (&*row.name, RequestCode(row.code))).collect();
    assert_eq!(listed, RequestCode::ALL, "docs/compatibility.md lists other codes");
    let broker = Fixture::start().await;
    for row in &rows {
        let is_served = !row.served_by.contains("not in") && !row.served_by.contains("nobody");
        if is_served {
            for file in row.held_by.split(", ").map(|file| file.trim_matches('`')) {
                assert!(repository.join(file).is_file(), "{}: {file}", row.name);
            }
        }
        if SILENT.contains(&row.code) {
            continue;
        }
        let answer = broker.peer.ask(RequestCode(row.code), &[]).await;
        let refused = answer.code == 3;
        assert_eq!(
            refused,
            !row.served_by.starts_with("broker"),
            "{} {:?}",
            row.name,
            answer.remark()
        );
    }
    broker.stop().await;
}
