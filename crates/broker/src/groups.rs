//! Consumer groups and `config/subscriptionGroup.json` (contract `broker.md` 15).

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use rocketmq_common::{clock, durable, fastjson};
use rocketmq_protocol::body::{DataVersion, SubscriptionGroupConfig, SubscriptionGroupWrapper};
use rocketmq_protocol::topic::SYSTEM_GROUP_PREFIX;

use crate::LOGGER;

/// Groups that every broker has.
const BUILT_IN: [&str; 7] = [
    "TOOLS_CONSUMER",
    "FILTERSRV_CONSUMER",
    "SELF_TEST_C_GROUP",
    "CID_ONS-HTTP-PROXY",
    "CID_ONSAPI_PULL",
    "CID_ONSAPI_PERMISSION",
    "CID_ONSAPI_OWNER",
];

/// The table of groups and its file.
pub struct Groups {
    path: PathBuf,
    table: RwLock<HashMap<Box<str>, Arc<SubscriptionGroupConfig>>>,
    version: Mutex<DataVersion>,
    writing: Mutex<()>,
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
            BUILT_IN.iter().map(|name| ((*name).into(), Arc::new(named(name)))).collect();
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
        Ok(Groups {
            path,
            table: RwLock::new(table),
            version: Mutex::new(version),
            writing: Mutex::default(),
        })
    }

    /// The settings of a group; an unknown one is created if that is allowed.
    pub fn get_or_create(
        &self,
        group: &str,
        auto_create: bool,
    ) -> Option<Arc<SubscriptionGroupConfig>> {
        if let Some(known) = self.table.read().get(group) {
            return Some(Arc::clone(known));
        }
        if !auto_create && !group.starts_with(SYSTEM_GROUP_PREFIX) {
            return None;
        }
        let created = {
            let mut table = self.table.write();
            let place = table.entry(group.into());
            Arc::clone(place.or_insert_with(|| Arc::new(named(group))))
        };
        tracing::info!(target: LOGGER, "auto create a subscription group, {created}");
        if let Err(error) = self.changed() {
            tracing::error!(target: LOGGER, "{error}");
        }
        Some(created)
    }

    /// Creates or changes a group and writes the file.
    pub fn update(&self, config: SubscriptionGroupConfig) -> io::Result<()> {
        let name = config.group_name.clone();
        let old = self.table.write().insert(name.into(), Arc::new(config.clone()));
        match old {
            Some(old) => {
                tracing::info!(target: LOGGER, "update subscription group config, old: {old} new: {config}")
            }
            None => tracing::info!(target: LOGGER, "create new subscription group, {config}"),
        }
        self.changed()
    }

    /// Forgets a group and writes the file.
    pub fn delete(&self, group: &str) -> io::Result<()> {
        let Some(old) = self.table.write().remove(group) else {
            tracing::warn!(target: LOGGER, "delete subscription group failed, subscription groupName: {group} not exist");
            return Ok(());
        };
        tracing::info!(target: LOGGER, "delete subscription group OK, subscription group:{old}");
        self.changed()
    }

    /// The whole table.
    pub fn snapshot(&self) -> SubscriptionGroupWrapper {
        let table = self.table.read();
        let groups: BTreeMap<_, _> =
            table.iter().map(|(name, config)| (name.to_string(), (**config).clone())).collect();
        let data_version = *self.version.lock();
        SubscriptionGroupWrapper { data_version, subscription_group_table: groups }
    }

    fn changed(&self) -> io::Result<()> {
        let _writing = self.writing.lock();
        self.version.lock().next(clock::now_ms());
        let text = fastjson::to_pretty(&self.snapshot()).map_err(io::Error::other)?;
        durable::replace(&self.path, text.as_bytes())
    }
}
