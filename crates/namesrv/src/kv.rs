//! Key-value configuration, the one table a name server keeps on disk (contract `namesrv.md` 8).

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use rocketmq_common::{durable, fastjson};
use rocketmq_protocol::body::KvTable;
use serde::{Deserialize, Serialize};

use crate::LOGGER;

/// `{"configTable":{"<namespace>":{"<key>":"<value>"}}}`
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct KvFile {
    config_table: BTreeMap<String, BTreeMap<String, Option<String>>>,
}

/// The table and its file.
#[derive(Debug)]
pub struct KvConfig {
    path: PathBuf,
    file: KvFile,
}

impl KvConfig {
    /// Reads the file; a missing one is an empty table, an unreadable one falls back to its
    /// `.bak`.
    ///
    /// # Errors
    /// Neither file nor backup can be read although one is there: starting with an empty table
    /// would lose it at the next change.
    pub fn load(path: PathBuf) -> io::Result<KvConfig> {
        let parse = |bytes: &[u8]| fastjson::from_slice::<KvFile>(bytes).map_err(|e| e.to_string());
        let file = match durable::load(&path, parse)? {
            Some(loaded) => {
                tracing::info!(target: LOGGER, thread = "main", "load KV config table OK");
                loaded
            }
            None => KvFile::default(),
        };
        Ok(KvConfig { path, file })
    }

    /// Sets one value and writes the file.
    pub fn put(&mut self, namespace: &str, key: &str, value: Option<&str>) -> io::Result<()> {
        let table = self.file.config_table.entry(namespace.to_string()).or_default();
        let old = table.insert(key.to_string(), value.map(str::to_string));
        let verb = if old.is_some() { "update config item" } else { "create new config item" };
        tracing::info!(target: LOGGER, thread = "RemotingExecutorThread_1", "putKVConfig {verb}, Namespace: {namespace} Key: {key} Value: {}", value.unwrap_or("null"));
        self.persist()
    }

    /// Removes one value and writes the file.
    pub fn delete(&mut self, namespace: &str, key: &str) -> io::Result<()> {
        if let Some(table) = self.file.config_table.get_mut(namespace) {
            let old = table.remove(key).flatten();
            tracing::info!(target: LOGGER, thread = "RemotingExecutorThread_1", "deleteKVConfig delete a config item, Namespace: {namespace} Key: {key} Value: {}", old.as_deref().unwrap_or("null"));
        }
        self.persist()
    }

    /// One value.
    pub fn get(&self, namespace: &str, key: &str) -> Option<&str> {
        self.file.config_table.get(namespace)?.get(key)?.as_deref()
    }

    /// Every value of a namespace; `None` if there is no such namespace.
    pub fn namespace(&self, namespace: &str) -> Option<KvTable> {
        let table = self.file.config_table.get(namespace)?.iter();
        let values = table.filter_map(|(key, value)| Some((key.clone(), value.clone()?)));
        Some(KvTable { table: values.collect() })
    }

    /// Logs the table, as Java does every ten minutes.
    pub fn log_all(&self) {
        let thread = "NSScheduledThread1";
        tracing::info!(target: LOGGER, thread, "--------------------------------------------------------");
        tracing::info!(target: LOGGER, thread, "configTable SIZE: {}", self.file.config_table.len());
        for (namespace, table) in &self.file.config_table {
            for (key, value) in table {
                let value = value.as_deref().unwrap_or("null");
                tracing::info!(target: LOGGER, thread, "configTable NS: {namespace} Key: {key} Value: {value}");
            }
        }
    }

    fn persist(&self) -> io::Result<()> {
        let text = fastjson::to_vec(&self.file).map_err(io::Error::other)?;
        durable::replace(&self.path, &text)
    }
}
