//! Every key of RocketMQ's MessageStoreConfig (contract `store.md` 20).

use std::path::PathBuf;

use rocketmq_common::home::system_property;
use rocketmq_common::{config_enum, config_table};

use crate::delay_level::{DEFAULT_DELAY_LEVELS, DelayLevels};
use crate::error::StoreError;

config_enum! {
    /// Part of a broker in replication.
    pub enum BrokerRole {
        /// A master that does not wait for slaves.
        AsyncMaster = "ASYNC_MASTER",
        /// A master whose sends wait for a slave.
        SyncMaster = "SYNC_MASTER",
        /// A copy of a master.
        Slave = "SLAVE",
    }
}

config_enum! {
    /// Whether sends wait for the disk.
    pub enum FlushDiskType {
        /// A send is answered when its message is on the disk.
        SyncFlush = "SYNC_FLUSH",
        /// A send is answered when its message is in the page cache.
        AsyncFlush = "ASYNC_FLUSH",
    }
}

fn home() -> PathBuf {
    std::env::var_os("HOME").map_or_else(|| PathBuf::from("."), PathBuf::from)
}

fn default_root() -> String {
    home().join("store").display().to_string()
}

fn default_commit_log() -> String {
    home().join("store").join("commitlog").display().to_string()
}

config_table! {
    /// Settings of the store, under RocketMQ's names.
    pub struct MessageStoreConfig {
        /// Directory of consume queues, index, checkpoint and lock. It does not move the commit
        /// log.
        store_path_root_dir: String = "storePathRootDir", default_root(), important, shown("<user.home>/store");
        /// Directories of the commit log, separated by commas.
        store_path_commit_log: String = "storePathCommitLog", default_commit_log(), important, shown("<user.home>/store/commitlog");
        /// Those of the commit log's directories that get no new segments.
        read_only_commit_log_store_paths: Option<String> = "readOnlyCommitLogStorePaths", None;
        /// Bytes of a commit log segment. It cannot change once there are segments.
        mapped_file_size_commit_log: i32 = "mappedFileSizeCommitLog", 1_073_741_824;
        /// Bytes of a consume queue segment, rounded up to whole entries of 20 bytes. It cannot
        /// change once there are segments.
        mapped_file_size_consume_queue: i32 = "mappedFileSizeConsumeQueue", 6_000_000;
        /// Keep store time and filter bit map of each message in files beside the consume queues.
        enable_consume_queue_ext: bool = "enableConsumeQueueExt", false;
        /// Bytes of a consume queue extension segment. It cannot change once there are segments.
        mapped_file_size_consume_queue_ext: i32 = "mappedFileSizeConsumeQueueExt", 50_331_648;
        /// Bits of a filter bit map; set from the bloom filter at boot.
        bit_map_length_consume_queue_ext: i32 = "bitMapLengthConsumeQueueExt", 64;
        /// Ms between syncs of the commit log under ASYNC_FLUSH.
        flush_interval_commit_log: i32 = "flushIntervalCommitLog", 500, important, reloadable;
        /// Without effect: the commit log has no transient buffer.
        commit_interval_commit_log: i32 = "commitIntervalCommitLog", 200, important;
        /// Without effect: there is one kind of append lock.
        use_reentrant_lock_when_put_message: bool = "useReentrantLockWhenPutMessage", true;
        /// Under ASYNC_FLUSH sync by the clock only; false: writes wake the flusher as well.
        flush_commit_log_timed: bool = "flushCommitLogTimed", true, important, reloadable;
        /// Ms between syncs of the consume queues.
        flush_interval_consume_queue: i32 = "flushIntervalConsumeQueue", 1000, reloadable;
        /// Ms between searches for expired files.
        clean_resource_interval: i32 = "cleanResourceInterval", 10_000, reloadable;
        /// Ms of rest between two deletions of commit log segments.
        delete_commit_log_files_interval: i32 = "deleteCommitLogFilesInterval", 100, reloadable;
        /// Ms of rest between two deletions of consume queue segments.
        delete_consume_queue_files_interval: i32 = "deleteConsumeQueueFilesInterval", 100, reloadable;
        /// Without effect: a deleted segment goes when its last reader is done.
        destroy_maped_file_interval_forcibly: i32 = "destroyMapedFileIntervalForcibly", 120_000;
        /// Without effect, for the same reason.
        redelete_hanged_file_interval: i32 = "redeleteHangedFileInterval", 120_000;
        /// Local hours at which expired segments are deleted, separated by semicolons.
        delete_when: String = "deleteWhen", "04", important, reloadable;
        /// Percent of disk usage above which expired segments are deleted at any hour (10 to 95).
        disk_max_used_space_ratio: i32 = "diskMaxUsedSpaceRatio", 75, reloadable;
        /// Hours that a segment is kept after its last write.
        file_reserved_time: i32 = "fileReservedTime", 72, important, reloadable;
        /// Without effect, as in Java.
        put_msg_index_hight_water: i32 = "putMsgIndexHightWater", 600_000;
        /// Most bytes of a stored record, and of a batch's body.
        max_message_size: i32 = "maxMessageSize", 4_194_304, reloadable;
        /// Compare body checksums during recovery.
        check_crc_on_recover: bool = "checkCRCOnRecover", true;
        /// 4 KiB pages that must be written before the commit log is synced under ASYNC_FLUSH.
        flush_commit_log_least_pages: i32 = "flushCommitLogLeastPages", 4, reloadable;
        /// Without effect: the commit log has no transient buffer.
        commit_commit_log_least_pages: i32 = "commitCommitLogLeastPages", 4;
        /// Pages of zeros written between two syncs while a segment is warmed.
        flush_least_pages_when_warm_maped_file: i32 = "flushLeastPagesWhenWarmMapedFile", 4096;
        /// Without effect: every dirty consume queue is synced each time.
        flush_consume_queue_least_pages: i32 = "flushConsumeQueueLeastPages", 2;
        /// Ms after which the commit log is synced however little was written.
        flush_commit_log_thorough_interval: i32 = "flushCommitLogThoroughInterval", 10_000, reloadable;
        /// Without effect: the commit log has no transient buffer.
        commit_commit_log_thorough_interval: i32 = "commitCommitLogThoroughInterval", 200;
        /// Ms between writes of the checkpoint.
        flush_consume_queue_thorough_interval: i32 = "flushConsumeQueueThoroughInterval", 60_000, reloadable;
        /// Most bytes of one read while the messages are recent.
        max_transfer_bytes_on_message_in_memory: i32 = "maxTransferBytesOnMessageInMemory", 262_144, important, reloadable;
        /// Most messages of one read while they are recent.
        max_transfer_count_on_message_in_memory: i32 = "maxTransferCountOnMessageInMemory", 32, important, reloadable;
        /// Most bytes of one read once the messages are old.
        max_transfer_bytes_on_message_in_disk: i32 = "maxTransferBytesOnMessageInDisk", 65_536, important, reloadable;
        /// Most messages of one read once they are old.
        max_transfer_count_on_message_in_disk: i32 = "maxTransferCountOnMessageInDisk", 8, important, reloadable;
        /// Percent of the machine's memory that counts as recent commit log.
        access_message_in_memory_max_ratio: i32 = "accessMessageInMemoryMaxRatio", 40, important, reloadable;
        /// Index messages by key.
        message_index_enable: bool = "messageIndexEnable", true, important;
        /// Hash slots of an index file. It cannot change once there are files.
        max_hash_slot_num: i32 = "maxHashSlotNum", 5_000_000;
        /// Entries of an index file. It cannot change once there are files.
        max_index_num: i32 = "maxIndexNum", 20_000_000;
        /// Most messages that a query by key returns.
        max_msgs_num_batch: i32 = "maxMsgsNumBatch", 64, reloadable;
        /// After a crash recover from where the index is safe.
        message_index_safe: bool = "messageIndexSafe", false, important;
        /// Port for slaves; always listenPort + 1.
        ha_listen_port: i32 = "haListenPort", 10_912;
        /// Ms between heartbeats to slaves.
        ha_send_heartbeat_interval: i32 = "haSendHeartbeatInterval", 5000;
        /// Ms of silence after which a replication connection is closed.
        ha_housekeeping_interval: i32 = "haHousekeepingInterval", 20_000;
        /// Bytes sent to a slave at once.
        ha_transfer_batch_size: i32 = "haTransferBatchSize", 32_768;
        /// The master's replication address; none: the name server tells it.
        ha_master_address: Option<String> = "haMasterAddress", None, important;
        /// Bytes that a slave may lag and still count as available.
        ha_slave_fallbehind_max: i32 = "haSlaveFallbehindMax", 268_435_456;
        /// Part in replication.
        broker_role: BrokerRole = "brokerRole", BrokerRole::AsyncMaster, important;
        /// Whether sends wait for the disk.
        flush_disk_type: FlushDiskType = "flushDiskType", FlushDiskType::AsyncFlush, important;
        /// Ms that a send waits for the disk, and for a slave.
        sync_flush_timeout: i32 = "syncFlushTimeout", 5000, reloadable;
        /// Delay of each level, counted from 1 (units s, m, h, d).
        message_delay_level: String = "messageDelayLevel", DEFAULT_DELAY_LEVELS, shown("1s 5s 10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h");
        /// Ms between writes of delayOffset.json.
        flush_delay_offset_interval: i64 = "flushDelayOffsetInterval", 10_000, reloadable;
        /// Delete segments that are not expired when the disk is nearly full.
        clean_file_forcibly_enable: bool = "cleanFileForciblyEnable", true, important, reloadable;
        /// Write the next segment's blocks ahead of their use (always done under SYNC_FLUSH).
        warm_maped_file_enable: bool = "warmMapedFileEnable", false;
        /// Correct consumers' offsets on a slave too.
        offset_check_in_slave: bool = "offsetCheckInSlave", false, reloadable;
        /// Without effect: there are no Java stacks to dump.
        debug_lock_enable: bool = "debugLockEnable", false;
        /// Without effect: no second copy of the log is kept.
        duplication_enable: bool = "duplicationEnable", false;
        /// Record how far readers are behind.
        disk_fall_recorded: bool = "diskFallRecorded", true, reloadable;
        /// Ms that a write may be stuck before sends are refused.
        os_page_cache_busy_time_out_mills: i64 = "osPageCacheBusyTimeOutMills", 1000, reloadable;
        /// Messages that a query returns when it does not say how many.
        default_query_max_num: i32 = "defaultQueryMaxNum", 32, reloadable;
        /// Without effect: writes go to the file at once.
        transient_store_pool_enable: bool = "transientStorePoolEnable", false, important;
        /// Without effect.
        transient_store_pool_size: i32 = "transientStorePoolSize", 5;
        /// Without effect.
        fast_fail_if_no_buffer_in_store_pool: bool = "fastFailIfNoBufferInStorePool", false;
        /// Replicate by raft.
        enable_dleger_commit_log: bool = "enableDLegerCommitLog", false;
        /// Name of the raft group.
        dleger_group: Option<String> = "dLegerGroup", None;
        /// Addresses of the raft group.
        dleger_peers: Option<String> = "dLegerPeers", None;
        /// This broker's name in the raft group.
        dleger_self_id: Option<String> = "dLegerSelfId", None;
        /// Broker to prefer as leader.
        preferred_leader_id: Option<String> = "preferredLeaderId", None;
        /// Without effect.
        enable_batch_push: bool = "enableBatchPush", false, listed("isEnableBatchPush");
        /// Count delayed messages in the statistics.
        enable_schedule_message_stats: bool = "enableScheduleMessageStats", true, reloadable;
    }
}

/// Separates the directories of `storePathCommitLog`, unless the system property
/// `rocketmq.broker.multiPathSplitter` says otherwise.
const PATH_SEPARATOR: &str = ",";
/// Bytes of a consume queue entry.
const QUEUE_ENTRY_BYTES: u64 = 20;
/// Smallest commit log segment: the head of a record and of a blank one.
const SEGMENT_BYTES_MIN: i32 = 128;

impl MessageStoreConfig {
    /// Bytes of a commit log segment.
    pub fn segment_bytes(&self) -> u64 {
        u64::try_from(self.mapped_file_size_commit_log).unwrap_or(0)
    }

    /// Bytes of a consume queue segment: whole entries.
    pub fn queue_segment_bytes(&self) -> u64 {
        let bytes = u64::try_from(self.mapped_file_size_consume_queue).unwrap_or(0);
        bytes.div_ceil(QUEUE_ENTRY_BYTES) * QUEUE_ENTRY_BYTES
    }

    /// Root directory.
    pub fn root(&self) -> PathBuf {
        PathBuf::from(&self.store_path_root_dir)
    }

    /// The commit log's directories, in the order of their names.
    pub fn commit_log_paths(&self) -> Vec<PathBuf> {
        split_paths(&self.store_path_commit_log)
    }

    /// Those of the commit log's directories that get no new segments.
    pub fn read_only_commit_log_paths(&self) -> Vec<PathBuf> {
        split_paths(self.read_only_commit_log_store_paths.as_deref().unwrap_or_default())
    }

    /// Sends wait for the disk.
    pub fn is_sync_flush(&self) -> bool {
        self.flush_disk_type == FlushDiskType::SyncFlush
    }

    /// The delay levels.
    pub fn delay_levels(&self) -> Result<DelayLevels, StoreError> {
        DelayLevels::parse(&self.message_delay_level).map_err(|reason| StoreError::Config {
            key: "messageDelayLevel",
            value: self.message_delay_level.clone(),
            reason,
        })
    }

    /// The local hours of `deleteWhen`.
    pub fn delete_hours(&self) -> Result<Vec<u8>, StoreError> {
        let hour = |text: &str| text.trim().parse().ok().filter(|hour| *hour < 24);
        let hours = self.delete_when.split(';').filter(|text| !text.trim().is_empty()).map(hour);
        hours.collect::<Option<Vec<u8>>>().ok_or_else(|| StoreError::Config {
            key: "deleteWhen",
            value: self.delete_when.clone(),
            reason: "give hours from 00 to 23, separated by semicolons".to_string(),
        })
    }

    /// Refuses what the store cannot work with. Called by [`crate::MessageStore::open`]; a broker
    /// that checks its configuration only calls it too.
    pub fn validate(&self) -> Result<(), StoreError> {
        self.delay_levels()?;
        self.delete_hours()?;
        let refuse = |key, value: String, reason: &str| {
            Err(StoreError::Config { key, value, reason: reason.to_string() })
        };
        if self.mapped_file_size_commit_log < SEGMENT_BYTES_MIN {
            let value = self.mapped_file_size_commit_log.to_string();
            return refuse("mappedFileSizeCommitLog", value, "give at least 128 bytes");
        }
        if self.commit_log_paths().is_empty() {
            let value = self.store_path_commit_log.clone();
            return refuse("storePathCommitLog", value, "give a directory");
        }
        if self.store_path_root_dir.trim().is_empty() {
            return refuse("storePathRootDir", String::new(), "give a directory");
        }
        for (key, value) in [
            ("mappedFileSizeConsumeQueue", self.mapped_file_size_consume_queue),
            ("mappedFileSizeConsumeQueueExt", self.mapped_file_size_consume_queue_ext),
            ("maxHashSlotNum", self.max_hash_slot_num),
            ("maxIndexNum", self.max_index_num),
            ("maxMessageSize", self.max_message_size),
        ] {
            if value <= 0 {
                return refuse(key, value.to_string(), "give a number above 0");
            }
        }
        Ok(())
    }
}

fn split_paths(text: &str) -> Vec<PathBuf> {
    let separator = system_property("rocketmq.broker.multiPathSplitter");
    let separator = separator.as_deref().filter(|text| !text.is_empty()).unwrap_or(PATH_SEPARATOR);
    let mut paths: Vec<PathBuf> = text
        .split(separator)
        .map(str::trim)
        .filter(|path| !path.is_empty())
        .map(PathBuf::from)
        .collect();
    paths.sort();
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_usable_and_complete() {
        let config = MessageStoreConfig::default();
        config.validate().unwrap();
        assert_eq!(MessageStoreConfig::KEYS.len(), 70);
        assert_eq!(MessageStoreConfig::KEYS.iter().filter(|key| key.important).count(), 19);
        assert_eq!(config.delete_hours().unwrap(), [4]);
    }

    #[test]
    fn unusable_values_are_refused_by_name() {
        for (key, value) in [
            ("mappedFileSizeConsumeQueueExt", "0"),
            ("mappedFileSizeCommitLog", "0"),
            ("maxMessageSize", "-1"),
            ("deleteWhen", "25"),
            ("messageDelayLevel", "1s 5x"),
            ("storePathCommitLog", ","),
        ] {
            let mut config = MessageStoreConfig::default();
            config.set(key, value).unwrap();
            let error = config.validate().unwrap_err().to_string();
            assert!(error.starts_with(&format!("{key} = {value}: ")), "{error}");
        }
    }

    #[test]
    fn queue_segments_hold_whole_entries() {
        let mut config = MessageStoreConfig::default();
        config.set("mappedFileSizeConsumeQueue", "401").unwrap();
        assert_eq!(config.queue_segment_bytes(), 420);
    }
}
