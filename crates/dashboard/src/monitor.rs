//! Limits of groups, `<dataPath>/monitor/consumerMonitorConfig.json`: at least so many members, at
//! most so much lag. The Java dashboard stores them only; here, a group beyond its limits is a problem.

use std::collections::BTreeMap;
use std::path::PathBuf;

use parking_lot::RwLock;
use rocketmq_common::durable;
use serde::{Deserialize, Serialize};

use crate::answer::Failure;

/// The limits of one group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
pub(crate) struct Limits {
    pub(crate) min_count: i64,
    pub(crate) max_diff_total: i64,
}

pub(crate) struct Monitor {
    path: PathBuf,
    limits: RwLock<BTreeMap<String, Limits>>,
}

impl Monitor {
    /// Reads the file, or its backup.
    ///
    /// # Errors
    /// There is a file, and neither it nor its backup can be read.
    pub(crate) fn open(path: PathBuf) -> Result<Monitor, String> {
        let parse = |bytes: &[u8]| serde_json::from_slice(bytes).map_err(|error| error.to_string());
        let limits =
            durable::load(&path, parse).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Monitor { path, limits: RwLock::new(limits.unwrap_or_default()) })
    }

    pub(crate) fn all(&self) -> BTreeMap<String, Limits> {
        self.limits.read().clone()
    }

    pub(crate) fn get(&self, group: &str) -> Option<Limits> {
        self.limits.read().get(group).copied()
    }

    /// Sets or, without limits, removes those of a group.
    pub(crate) fn set(&self, group: &str, limits: Option<Limits>) -> Result<(), Failure> {
        let mut all = self.limits.write();
        match limits {
            Some(limits) => all.insert(group.to_string(), limits),
            None => all.remove(group),
        };
        let text = serde_json::to_vec(&*all).map_err(|error| Failure::Local(error.to_string()))?;
        let folder = self.path.parent().map(std::fs::create_dir_all).unwrap_or(Ok(()));
        let written = folder.and_then(|()| durable::replace(&self.path, &text));
        written.map_err(|error| {
            Failure::Local(format!("{}: cannot be written: {error}", self.path.display()))
        })
    }
}
