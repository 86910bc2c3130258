//! How far each level is delivered, and `config/delayOffset.json` (contract `store.md` 8, 16).

use std::io;
use std::path::PathBuf;

use parking_lot::Mutex;
use rocketmq_common::{durable, fastjson};
use rocketmq_protocol::body::DelayOffsets as OffsetsFile;

use crate::LOGGER;

/// Next offset of each level's queue, by level from 1; levels that never had a message are not in
/// it.
pub(crate) struct DelayOffsets {
    path: PathBuf,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    offsets: OffsetsFile,
    /// Commit log offset behind everything that was delivered up to these offsets.
    delivered_end: i64,
    /// What the file holds.
    written: OffsetsFile,
}

impl DelayOffsets {
    /// Reads the file.
    pub(crate) fn load(path: PathBuf) -> io::Result<DelayOffsets> {
        let parse =
            |bytes: &[u8]| fastjson::from_slice::<OffsetsFile>(bytes).map_err(|e| e.to_string());
        let loaded = durable::load(&path, parse)?;
        if loaded.is_some() {
            tracing::info!(target: LOGGER, thread = "main", "load {} OK", path.display());
        }
        let offsets = loaded.unwrap_or_default();
        let table = Table { written: offsets.clone(), offsets, delivered_end: 0 };
        Ok(DelayOffsets { path, table: Mutex::new(table) })
    }

    /// The next offset of a level, if it has one.
    pub(crate) fn get(&self, level: i32) -> Option<i64> {
        self.table.lock().offsets.offset_table.get(&level).copied()
    }

    /// Takes a level in that has its first message.
    pub(crate) fn begin(&self, level: i32, next: i64) {
        self.table.lock().offsets.offset_table.entry(level).or_insert(next);
    }

    /// Sets the next offset of a level, everything before which lies, delivered, before
    /// `delivered_end` in the commit log.
    pub(crate) fn set(&self, level: i32, next: i64, delivered_end: i64) {
        let mut table = self.table.lock();
        table.delivered_end = table.delivered_end.max(delivered_end);
        table.offsets.offset_table.insert(level, next);
    }

    /// The table as the file and GET_ALL_DELAY_OFFSET have it.
    pub(crate) fn snapshot(&self) -> OffsetsFile {
        self.table.lock().offsets.clone()
    }

    /// The table if the file differs, and the commit log offset that must be on the disk before
    /// it may be written: else a crash of the machine would lose what the file says is delivered.
    pub(crate) fn unwritten(&self) -> Option<(OffsetsFile, i64)> {
        let table = self.table.lock();
        let differs = table.offsets != table.written;
        differs.then(|| (table.offsets.clone(), table.delivered_end))
    }

    /// Takes over another table and writes it, if it differs.
    pub(crate) fn replace(&self, offsets: OffsetsFile) -> io::Result<()> {
        self.table.lock().offsets = offsets;
        match self.unwritten() {
            Some((offsets, _)) => self.write(offsets),
            None => Ok(()),
        }
    }

    /// Writes a table.
    pub(crate) fn write(&self, offsets: OffsetsFile) -> io::Result<()> {
        let text = fastjson::to_pretty(&offsets).map_err(io::Error::other)?;
        durable::replace(&self.path, text.as_bytes())?;
        self.table.lock().written = offsets;
        Ok(())
    }
}
