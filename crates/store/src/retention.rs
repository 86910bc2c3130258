//! Deleting what is old, and watching the disk (contract `store.md` 15).

use std::path::Path;
use std::sync::atomic::Ordering;

use rocketmq_common::clock::{local_hour, now_ms};
use rocketmq_common::home::system_property;

use crate::error::StoreError;
use crate::flush::millis;
use crate::io::{disk_space, modified_ms};
use crate::service::Signal;
use crate::shared::Core;
use crate::state::Refusal;

/// Most commit log segments deleted in one pass.
const DELETED_PER_PASS_MAX: usize = 10;
/// Passes that a request by hand asks for.
const MANUAL_PASSES: i64 = 20;
const HOUR_MS: i64 = 3_600_000;

/// Parts of a disk in use at which the store acts (contract `store.md` 15).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DiskLimits {
    /// Above it messages are refused.
    pub warning: f64,
    /// Above it segments are deleted before they expire.
    pub clean_forcibly: f64,
}

impl Default for DiskLimits {
    fn default() -> DiskLimits {
        DiskLimits { warning: 0.90, clean_forcibly: 0.85 }
    }
}

impl DiskLimits {
    /// What the system properties of this process say.
    pub fn of_process() -> DiskLimits {
        let defaults = DiskLimits::default();
        DiskLimits {
            warning: ratio_from("rocketmq.broker.diskSpaceWarningLevelRatio", defaults.warning),
            clean_forcibly: ratio_from(
                "rocketmq.broker.diskSpaceCleanForciblyRatio",
                defaults.clean_forcibly,
            ),
        }
    }
}

fn ratio_from(property: &str, default: f64) -> f64 {
    let value = system_property(property).and_then(|text| text.parse().ok());
    value.filter(|ratio: &f64| ratio.is_finite()).unwrap_or(default)
}

/// Usage ratio of the file system of a path; -1 when the path is missing.
pub(crate) fn disk_ratio(path: &Path) -> f64 {
    disk_space(path).map_or(-1.0, |space| space.ratio())
}

/// What a look at the disks said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Space {
    /// Messages must be refused.
    full: bool,
    /// Segments must go before they expire.
    clean_immediately: bool,
    /// Expired segments must go at any hour.
    to_delete: bool,
}

fn judge(ratio: f64, max_used_percent: i32, limits: DiskLimits) -> Space {
    let max_used = f64::from(max_used_percent.clamp(10, 95)) / 100.0;
    let full = ratio > limits.warning;
    Space {
        full,
        clean_immediately: full || ratio > limits.clean_forcibly,
        to_delete: ratio < 0.0 || ratio > max_used,
    }
}

impl Core {
    /// The usage ratio that counts for the commit log: the least of its directories'.
    pub(crate) fn commit_log_ratio(&self) -> f64 {
        let paths = self.settings().commit_log_paths();
        paths.iter().map(|path| disk_ratio(path)).fold(f64::INFINITY, f64::min)
    }

    /// Usage ratio of the consume queues' directory.
    pub(crate) fn consume_queue_ratio(&self) -> f64 {
        disk_ratio(&self.root.join("consumequeue"))
    }

    /// Looks at the disks and sets or clears the disk-full flag. Returns whether expired segments
    /// are to be deleted at any hour.
    pub(crate) fn check_disk(&self) -> bool {
        let config = self.settings();
        self.check_last_segment();
        let physical = self.commit_log_ratio();
        let logical = self.consume_queue_ratio();
        let limits = DiskLimits::of_process();
        let max_used = config.disk_max_used_space_ratio;
        let (log, queues) = (judge(physical, max_used, limits), judge(logical, max_used, limits));
        self.clean_immediately
            .store(log.clean_immediately || queues.clean_immediately, Ordering::Release);
        if log.full || queues.full {
            let (what, ratio, path) = match log.full {
                true => ("physic", physical, config.store_path_commit_log.clone()),
                false => ("logics", logical, config.store_path_root_dir.clone()),
            };
            let reason = format!(
                "{what} disk maybe full soon {ratio}, so mark disk full, storePathPhysic={path}"
            );
            let advice = format!(
                "the limit is {} (-Drocketmq.broker.diskSpaceWarningLevelRatio in JAVA_OPT_EXT): \
                 free space on it, lower fileReservedTime, or raise the limit",
                limits.warning
            );
            if self.state.refuse(Refusal::DiskFull, format!("{reason}; {advice}")) {
                tracing::error!(target: "RocketmqStoreError", "{reason}");
            }
        } else if self.state.lift(Refusal::DiskFull) {
            tracing::info!(target: "RocketmqStore", "physic disk space OK {physical}, so mark disk ok, storePathPhysic={}", config.store_path_commit_log);
        }
        log.to_delete || queues.to_delete
    }

    /// A file that was removed while it is open takes what is written to it along.
    fn check_last_segment(&self) {
        let Some(last) = self.log.segments().last() else { return };
        if last.path().try_exists().is_ok_and(|there| !there) {
            let path = last.path().display();
            let reason =
                format!("{path} was removed from outside while messages are written to it");
            self.state.fail(reason);
            self.flusher.give_up();
        }
    }

    /// One pass over commit log, consume queues and index.
    pub(crate) fn clean(&self, signal: &Signal) -> Result<(), StoreError> {
        let deleted = self.clean_commit_log(signal, self.check_disk())?;
        let min = self.log.min_offset();
        if deleted > 0 {
            self.dispatcher.queues.delete_before(min)?;
            self.dispatcher.queues.correct_min(min);
            if let Some(index) = &self.dispatcher.index {
                index.delete_before(min)?;
            }
        }
        self.dispatcher.queues.close_idle();
        Ok(())
    }

    fn clean_commit_log(&self, signal: &Signal, space_full: bool) -> Result<usize, StoreError> {
        let config = self.settings();
        let time_up = config.delete_hours()?.contains(&local_hour(now_ms()));
        let manual = self.manual_passes.load(Ordering::Acquire);
        if !time_up && !space_full && manual <= 0 {
            return Ok(0);
        }
        if manual > 0 {
            self.manual_passes.fetch_sub(1, Ordering::AcqRel);
        }
        let at_once =
            config.clean_file_forcibly_enable && self.clean_immediately.load(Ordering::Acquire);
        tracing::info!(
            target: "RocketmqStore",
            "begin to delete before {} hours file. timeup: {time_up} spacefull: {space_full} manualDeleteFileSeveralTimes: {manual} cleanAtOnce: {at_once}",
            config.file_reserved_time,
        );
        let expired_before = now_ms() - i64::from(config.file_reserved_time) * HOUR_MS;
        let mut deleted = 0;
        while deleted < DELETED_PER_PASS_MAX {
            let segments = self.log.segments();
            let Some(first) = segments.first().filter(|_| segments.len() > 1) else { break };
            let modified = modified_ms(first.path()).unwrap_or(i64::MAX);
            // What is not yet on the disk, or not in the queues, is never old.
            let in_use = first.end() > self.flusher.flushed()
                || first.end() > self.dispatched_end.load(Ordering::Acquire);
            if in_use || (modified > expired_before && !at_once) || !segments.delete_first()? {
                break;
            }
            deleted += 1;
            if !signal.sleep(millis(config.delete_commit_log_files_interval)) {
                break;
            }
        }
        if deleted == 0 && space_full {
            tracing::warn!(target: "RocketmqStore", "disk space will be full soon, but delete file failed.");
        }
        Ok(deleted)
    }

    /// See [`crate::MessageStore::delete_expired_files_manually`].
    pub(crate) fn ask_for_deletion(&self) {
        self.manual_passes.store(MANUAL_PASSES, Ordering::Release);
    }

    /// Looks for segments that do not touch (every ten minutes).
    pub(crate) fn self_check(&self) {
        for (end, start) in self.log.segments().gaps() {
            tracing::error!(target: "RocketmqStoreError", "[BUG]The mappedFile queue's data is damaged, the adjacent mappedFile's offset don't match. pre file ends at {end}, cur file starts at {start}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::config::MessageStoreConfig;
    use crate::get::{AcceptAll, GetStatus, NoListener};
    use crate::io::Disk;
    use crate::put::PutMessage;

    #[test]
    fn the_ratios_decide_in_steps() {
        let all = |full, clean_immediately, to_delete| Space { full, clean_immediately, to_delete };
        assert_eq!(judge(0.95, 75, DiskLimits::default()), all(true, true, true));
        assert_eq!(judge(0.90, 75, DiskLimits::default()), all(false, true, true));
        assert_eq!(judge(0.80, 75, DiskLimits::default()), all(false, false, true));
        assert_eq!(judge(0.75, 75, DiskLimits::default()), all(false, false, false));
        assert_eq!(judge(-1.0, 75, DiskLimits::default()), all(false, false, true));
        assert_eq!(judge(0.20, 1, DiskLimits::default()), all(false, false, true));
        assert_eq!(judge(0.85, 100, DiskLimits::default()), all(false, false, false));
    }

    #[test]
    fn a_missing_path_has_ratio_minus_one() {
        assert_eq!(disk_ratio(Path::new("/no/such/path")), -1.0);
    }

    /// A store with six segments, everything on the disk.
    fn filled(root: &Path) -> Core {
        let config = MessageStoreConfig {
            store_path_root_dir: root.display().to_string(),
            store_path_commit_log: root.join("commitlog").display().to_string(),
            mapped_file_size_commit_log: 4096,
            mapped_file_size_consume_queue: 60,
            enable_consume_queue_ext: true,
            mapped_file_size_consume_queue_ext: 64,
            delete_commit_log_files_interval: 1,
            // Whatever the hour and the disk of the test: only what is asked for by hand.
            delete_when: String::new(),
            disk_max_used_space_ratio: 95,
            clean_file_forcibly_enable: false,
            max_hash_slot_num: 10,
            max_index_num: 10,
            ..MessageStoreConfig::default()
        };
        let core = crate::open::open(config, Arc::new(NoListener), Disk::default()).unwrap();
        for number in 0..18u8 {
            let here = ([127, 0, 0, 1], 1).into();
            let message = PutMessage {
                topic: "T",
                queue_id: 0,
                flag: 0,
                sys_flag: 0,
                born_timestamp: 0,
                born_host: here,
                store_host: here,
                reconsume_times: 0,
                prepared_transaction_offset: 0,
                body: &[number; 1000],
                properties: b"KEYS\x01k",
            };
            core.put(&message).unwrap();
        }
        core.commit().unwrap();
        assert!(core.flusher.flush(&core.log, &core.checkpoint, &core.state));
        core
    }

    fn set_age(core: &Core, hours: u64) {
        for segment in core.log.segments().all() {
            let modified = SystemTime::now() - Duration::from_secs(hours * 3600);
            segment.file().set_modified(modified).unwrap();
        }
    }

    #[test]
    fn expired_segments_go_with_their_queue_and_index_entries_but_readers_keep_theirs() {
        let dir = tempfile::tempdir().unwrap();
        let core = filled(dir.path());
        let held = core.get_messages("T", 0, 0, 1, &AcceptAll);
        core.ask_for_deletion();
        core.clean(&Signal::default()).unwrap();
        assert_eq!(core.log.min_offset(), 0, "nothing is expired yet");
        set_age(&core, 73);
        core.clean(&Signal::default()).unwrap();
        // All but the last of six; three messages lie in each, and three units in each file.
        let units = std::fs::read_dir(dir.path().join("consumequeue_ext/T/0")).unwrap();
        assert_eq!(units.count(), 2);
        assert_eq!(core.log.min_offset(), 5 * 4096);
        let got = core.get_messages("T", 0, 0, 32, &AcceptAll);
        assert_eq!((got.status, got.next_begin_offset), (GetStatus::OffsetTooSmall, 15));
        assert_eq!(core.get_messages("T", 0, 15, 32, &AcceptAll).message_count, 3);
        assert_eq!(core.query_by_key("T", "k", 64, 0, i64::MAX).records.len(), 3);
        assert_eq!(held.records().next().unwrap().body, [0; 1000]);
        assert_eq!(core.log.with_queue_offsets(|table| table.take("T", 0, 0)), 18);
    }

    #[test]
    fn what_is_not_on_the_disk_is_never_deleted() {
        let dir = tempfile::tempdir().unwrap();
        let core = filled(dir.path());
        drop(core);
        let core = filled(dir.path());
        set_age(&core, 1000);
        // Without a wish, at no deletion hour and with space left, nothing goes.
        core.clean_commit_log(&Signal::default(), false).unwrap();
        assert_eq!(core.log.min_offset(), 0);
        assert_eq!(core.log.segments().len(), 12);
        core.ask_for_deletion();
        assert_eq!(core.clean_commit_log(&Signal::default(), false).unwrap(), DELETED_PER_PASS_MAX);
    }
}
