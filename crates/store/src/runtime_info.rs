//! The store's part of the broker runtime info (contract `store.md` 19).

use rocketmq_common::java::double_to_string;

use crate::io::disk_space;
use crate::retention::disk_ratio;
use crate::shared::Core;

/// Free buffers as Java prints them when the transient pool is off.
const NO_POOL: i32 = i32::MAX;

impl Core {
    /// See [`crate::MessageStore::runtime_info`].
    pub(crate) fn runtime_info(&self) -> Vec<(String, String)> {
        let mut table = Vec::with_capacity(32);
        self.stats.runtime_info(&mut table);
        let mut put = |key: &str, value: String| table.push((key.to_string(), value));
        put("commitLogDiskRatio", double_to_string(self.commit_log_ratio()));
        for path in self.settings().commit_log_paths() {
            let key = format!("commitLogDiskRatio_{}", path.display());
            put(&key, double_to_string(disk_ratio(&path)));
        }
        put("consumeQueueDiskRatio", double_to_string(self.consume_queue_ratio()));
        put("commitLogMinOffset", self.log.min_offset().to_string());
        put("commitLogMaxOffset", self.log.written_end().to_string());
        put("dispatchBehindBytes", self.dispatch_behind_bytes().to_string());
        put("pageCacheLockTimeMills", self.lock_time_ms().to_string());
        put("earliestMessageTimeStamp", self.earliest_time_of_store().to_string());
        put("remainTransientStoreBufferNumbs", NO_POOL.to_string());
        let unflushed = self.log.written_end() - self.flusher.flushed();
        put("remainHowManyDataToFlush", human_bytes(u64::try_from(unflushed).unwrap_or(0)));
        let capacity = disk_space(&self.root).map_or_else(
            || "Total : 0 B, Free : 0 B.".to_string(),
            |space| {
                let (total, free) = (human_bytes(space.total), human_bytes(space.usable));
                format!("Total : {total}, Free : {free}.")
            },
        );
        put("commitLogDirCapacity", capacity);
        table
    }

    /// Store time of the log's first message; -1 when there is none.
    pub(crate) fn earliest_time_of_store(&self) -> i64 {
        let min = self.log.min_offset();
        if min < 0 { -1 } else { self.store_time_of(min).unwrap_or(-1) }
    }
}

/// `512 B`, `1.5 KiB`, `2.0 GiB`: one decimal from KiB on.
fn human_bytes(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64;
    let mut name = "B";
    for unit in UNITS {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        name = unit;
    }
    format!("{value:.1} {name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_for_people() {
        assert_eq!(human_bytes(0), "0 B");
        assert_eq!(human_bytes(1023), "1023 B");
        assert_eq!(human_bytes(1536), "1.5 KiB");
        assert_eq!(human_bytes(1 << 31), "2.0 GiB");
        assert_eq!(human_bytes(u64::MAX), "16.0 EiB");
    }
}
