//! storeVerify: reads a store without a broker, or beside a running one, says what is wrong with
//! its files, and mends what can be mended. Ours, not Java's.

use std::path::{Path, PathBuf};

use rocketmq_common::config::apply_file;
use rocketmq_common::home;
use rocketmq_store::verify::{self, Severity, Verification};
use rocketmq_store::{MessageStoreConfig, StoreError};
use serde::Serialize;

use super::command::{Command, Session};
use super::failure::Failure;
use crate::options::{flag, optional};
use crate::out::{json, outln};

pub(crate) const STORE_VERIFY: Command = Command {
    name: "storeVerify",
    class: "StoreVerify",
    description: "Check the files of a broker's store, and mend them with -r",
    options: &[
        optional("d", "storePathRootDir", "the store's folder (default: that of -c, or ~/store)"),
        optional("c", "configFile", "the broker's configuration file, for sizes and paths"),
        flag("r", "repair", "mend what can be mended; the broker must not run"),
    ],
    run: |session| Box::pin(store_verify(session)),
};

/// What `--json` prints.
#[derive(Serialize)]
struct Told {
    live: bool,
    records: u64,
    bytes: u64,
    first: i64,
    end: i64,
    queues: usize,
    entries: u64,
    #[serde(rename = "indexFiles")]
    index_files: usize,
    #[serde(rename = "indexEntries")]
    index_entries: u64,
    findings: Vec<ToldFinding>,
}

#[derive(Serialize)]
struct ToldFinding {
    severity: &'static str,
    file: String,
    what: String,
}

async fn store_verify(session: &Session) -> Result<(), Failure> {
    let given = &session.given;
    let config = config_of(given.get("d"), given.get("c"))?;
    let other = |error: StoreError| Failure::Other(error.to_string());
    let after = if given.has("r") {
        let (before, after) = verify::repair(&config).map_err(other)?;
        if !given.json() && !before.is_sound() {
            print(&config.root(), &before);
            outln!("after the repair:");
        }
        after
    } else {
        verify::verify(&config).map_err(other)?
    };
    if given.json() {
        json(&told(&after));
    } else {
        print(&config.root(), &after);
        if !after.is_sound() && !given.has("r") {
            outln!(
                "Stop the broker and run 'mqadmin storeVerify -d {} -r': it fills damaged places of the commit log, so that \
                 messages are taken again, and builds consume queues and index from it. To get lost messages back, \
                 bring back the named files from a copy instead.",
                config.root().display()
            );
        }
    }
    if after.is_sound() { Ok(()) } else { Err(Failure::Ill) }
}

fn config_of(folder: Option<&str>, file: Option<&str>) -> Result<MessageStoreConfig, Failure> {
    let mut config = MessageStoreConfig::default();
    if let Some(file) = file {
        let applied = apply_file(Path::new(file), &mut [&mut config]);
        applied.map_err(|error| Failure::Other(error.to_string()))?;
    }
    if let Some(folder) = folder {
        config.store_path_root_dir = folder.to_string();
        config.store_path_commit_log =
            PathBuf::from(folder).join("commitlog").display().to_string();
    } else if file.is_none() {
        config.store_path_root_dir = home::user_home().join("store").display().to_string();
    }
    if file.is_none() {
        verify::take_sizes(&mut config).map_err(|error| Failure::Other(error.to_string()))?;
    }
    Ok(config)
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Note => "note",
        Severity::Repairable => "REPAIRABLE",
        Severity::Loss => "LOSS",
    }
}

fn print(root: &Path, found: &Verification) {
    let live = if found.is_live { ", a broker has it open" } else { "" };
    outln!("{}{live}", root.display());
    let (first, end) = found.range;
    outln!(
        "commit log      {} records, {} bytes, from {first} to {end}",
        found.records,
        found.bytes
    );
    outln!("consume queues  {} queues, {} entries", found.queues, found.entries);
    outln!("index           {} files, {} entries", found.index_files, found.index_entries);
    for finding in &found.findings {
        outln!("{:<10}  {}: {}", word(finding.severity), finding.path.display(), finding.what);
    }
    outln!(
        "{}",
        if found.is_sound() { "Everything is as it should be." } else { "Something is wrong." }
    );
}

fn told(found: &Verification) -> Told {
    Told {
        live: found.is_live,
        records: found.records,
        bytes: found.bytes,
        first: found.range.0,
        end: found.range.1,
        queues: found.queues,
        entries: found.entries,
        index_files: found.index_files,
        index_entries: found.index_entries,
        findings: found
            .findings
            .iter()
            .map(|finding| ToldFinding {
                severity: word(finding.severity),
                file: finding.path.display().to_string(),
                what: finding.what.clone(),
            })
            .collect(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_paths_come_from_the_files_or_from_the_configuration() {
        let dir = std::env::temp_dir().join(format!("store-verify-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(dir.join("commitlog")).unwrap();
        std::fs::write(dir.join("commitlog/00000000000000000000"), vec![0; 4096]).unwrap();
        let folder = dir.to_str();
        let config = config_of(folder, None).unwrap();
        assert_eq!(config.mapped_file_size_commit_log, 4096);
        let found = verify::verify(&config).unwrap();
        assert!(found.is_sound() && told(&found).findings.is_empty());
        let file = dir.join("broker.conf");
        let text = format!("storePathRootDir={}\nmappedFileSizeCommitLog=8192\n", dir.display());
        std::fs::write(&file, text).unwrap();
        let config = config_of(None, file.to_str()).unwrap();
        assert_eq!((config.mapped_file_size_commit_log, config.root()), (8192, dir.clone()));
        assert!(config_of(None, Some("/no/such/file")).is_err());
        std::fs::remove_dir_all(dir).unwrap();
    }
}
