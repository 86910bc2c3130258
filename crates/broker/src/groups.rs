//! Consumer groups and `config/subscriptionGroup.json` (contract `broker.md` 15).

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rocketmq_common::{clock, durable, fastjson};
use rocketmq_protocol::body::{DataVersion, SubscriptionGroupConfig, SubscriptionGroupWrapper};
use rocketmq_protocol::topic::{BUILT_IN_GROUPS, SYSTEM_GROUP_PREFIX};

use crate::LOGGER;
use crate::table::{Pending, Table};

/// The table of groups and its file.
pub struct Groups(Table<SubscriptionGroupConfig>);

fn wrapper(
    data_version: DataVersion,
    subscription_group_table: BTreeMap<String, SubscriptionGroupConfig>,
) -> SubscriptionGroupWrapper {
    SubscriptionGroupWrapper { data_version, subscription_group_table }
}

fn named(name: &str) -> SubscriptionGroupConfig {
    SubscriptionGroupConfig { group_name: name.to_string(), ..SubscriptionGroupConfig::default() }
}

impl Groups {
    /// The built-in groups, with those of the file over them.
    ///
    /// # Errors
    /// File and backup hold something that cannot be read.
    pub fn load(path: PathBuf) -> io::Result<Groups> {
        let mut table: HashMap<Box<str>, Arc<SubscriptionGroupConfig>> =
            BUILT_IN_GROUPS.iter().map(|name| ((*name).into(), Arc::new(named(name)))).collect();
        let mut version = DataVersion { counter: 0, timestamp: clock::now_ms() };
        let parse = |bytes: &[u8]| {
            fastjson::from_slice::<SubscriptionGroupWrapper>(bytes).map_err(|e| e.to_string())
        };
        if let Some(file) = durable::load(&path, parse)? {
            for (name, config) in file.subscription_group_table {
                tracing::info!(target: LOGGER, thread = "main", "load exist subscription group, {config}");
                table.insert(name.into(), Arc::new(config));
            }
            version = file.data_version;
            tracing::info!(target: LOGGER, thread = "main", "load {} OK", path.display());
        }
        let encode = |version, groups| {
            fastjson::to_pretty(&wrapper(version, groups)).map_err(io::Error::other)
        };
        Ok(Groups(Table::new(path, encode, table, version)))
    }

    /// The settings of a group; an unknown one is created if that is allowed. The file follows.
    pub fn get_or_create(
        &self,
        group: &str,
        auto_create: bool,
    ) -> Option<Arc<SubscriptionGroupConfig>> {
        if let Some(known) = self.0.get(group) {
            return Some(known);
        }
        if !auto_create && !group.starts_with(SYSTEM_GROUP_PREFIX) {
            return None;
        }
        let (config, created) = self.0.get_or_insert(group, || named(group));
        if created {
            tracing::info!(target: LOGGER, "auto create a subscription group, {config}");
        }
        Some(config)
    }

    /// The settings of a group.
    pub fn get(&self, group: &str) -> Option<Arc<SubscriptionGroupConfig>> {
        self.0.get(group)
    }

    /// Creates or changes a group; the file follows.
    pub fn update(&self, config: SubscriptionGroupConfig) {
        match self.0.insert(&config.group_name, config.clone()) {
            Some(old) => {
                tracing::info!(target: LOGGER, "update subscription group config, old: {old} new: {config}")
            }
            None => tracing::info!(target: LOGGER, "create new subscription group, {config}"),
        }
    }

    /// Stops a group from consuming. The file holds it with the next change of any group, as in
    /// Java, so that a restart soon after gives the group another chance.
    pub fn disable_consume(&self, group: &str) {
        self.0.change_in_memory(group, |config| {
            let changed = SubscriptionGroupConfig { consume_enable: false, ..config.clone() };
            config.consume_enable.then_some(changed)
        });
    }

    /// Takes over a master's table; the file follows.
    pub(crate) fn replace(&self, master: SubscriptionGroupWrapper) {
        self.0.replace(master.data_version, master.subscription_group_table);
    }

    /// Forgets a group; the file follows.
    pub fn delete(&self, group: &str) {
        match self.0.remove(group) {
            Some(old) => {
                tracing::info!(target: LOGGER, "delete subscription group OK, subscription group:{old}")
            }
            None => {
                tracing::warn!(target: LOGGER, "delete subscription group failed, subscription groupName: {group} not exist")
            }
        }
    }

    /// The write of every change so far, unless the file holds them.
    pub fn pending(&self) -> Option<Pending> {
        self.0.pending()
    }

    /// Waits until the file holds every change.
    pub fn flush(&self) {
        self.0.flush();
    }

    /// State of the table.
    pub(crate) fn version(&self) -> DataVersion {
        self.0.version()
    }

    /// The whole table.
    pub fn snapshot(&self) -> SubscriptionGroupWrapper {
        let (version, groups) = self.0.snapshot();
        wrapper(version, groups)
    }
}
