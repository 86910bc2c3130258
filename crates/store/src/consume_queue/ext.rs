//! The extension of one consume queue: for each entry a unit with what has no room in it, the bit map
//! of the filters that want the message (contract `store.md` 5).
//!
//! Units are appended while entries are put, written with the round and synced before the queues.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::files;
use super::unit::{QueueUnit, UNIT_BYTES, address_of, is_address, place_of};
use crate::error::StoreError;
use crate::io::Disk;

/// What a unit leaves free at least at the end of its file.
const END_BYTES: u64 = 4;
/// Stands instead of a unit's size where the rest of a file is empty.
const FULL: i16 = -1;
/// Bytes read at once where all units are walked.
const CHUNK_BYTES: usize = 64 * 1024;

/// The extension of one queue.
pub(super) struct Ext {
    folder: PathBuf,
    file_size: u64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Start of the first file.
    first: u64,
    /// Start behind the last file; equal to `first` when there is none.
    files_end: u64,
    /// End of the units that are in the files.
    written: u64,
    /// Units that follow; they are lost with the process, as the entries that lead to them are.
    pending: Vec<u8>,
    open: Option<(u64, Arc<File>)>,
    /// Starts of files that are not on the medium yet.
    unsynced: BTreeSet<u64>,
    /// A file was created whose name may not be there either.
    new_name: bool,
    /// Used since the last look of [`Ext::close_if_idle`].
    used: bool,
    /// The topic was deleted.
    forgotten: bool,
}

impl State {
    fn end(&self) -> u64 {
        self.written + self.pending.len() as u64
    }
}

impl Ext {
    pub(super) fn load(folder: PathBuf, file_size: u64) -> Result<Ext, StoreError> {
        let mut state = State::default();
        if folder.is_dir() {
            let files = files::list(&folder)?;
            if let Some((start, len)) = files.iter().find(|(_, len)| *len != file_size && *len > 0)
            {
                let what = format!(
                    "{len} length not matched message store config value: set \
                     mappedFileSizeConsumeQueueExt={len} as it was when the file was written, or \
                     move the consumequeue and consumequeue_ext folders away; both are then built \
                     again from the commit log"
                );
                return Err(StoreError::corrupt(&files::path(&folder, *start), *len, what));
            }
            let (starts, _) = files::keep_whole(&folder, &files, file_size)?;
            state.first = starts.first().copied().unwrap_or(0);
            state.files_end = starts.last().map_or(0, |last| last + file_size);
            state.written = state.files_end;
        }
        Ok(Ext { folder, file_size, state: Mutex::new(state) })
    }

    /// Appends a unit; `None` when it has no room, or no address is left.
    pub(super) fn put(&self, unit: &QueueUnit) -> Option<i64> {
        let size = i16::try_from(unit.size()).ok()?;
        let needed = size as u64 + END_BYTES;
        let mut state = self.state.lock();
        let left = self.file_size - state.end() % self.file_size;
        if needed > self.file_size || state.forgotten {
            return None;
        }
        let skipped = if needed > left { left } else { 0 };
        let address = address_of(state.end() + skipped)?;
        if skipped > 0 {
            let full = state.pending.len();
            state.pending.resize(full + skipped as usize, 0);
            if let Some(mark) = state.pending.get_mut(full..full + 2) {
                mark.copy_from_slice(&FULL.to_be_bytes());
            }
        }
        unit.encode(size, &mut state.pending);
        Some(address)
    }

    /// Writes what is pending; it stays pending if that fails.
    pub(super) fn write(&self, disk: &Disk) -> Result<(), StoreError> {
        let mut state = self.state.lock();
        while !state.pending.is_empty() && !state.forgotten {
            let start = state.written - state.written % self.file_size;
            let in_file = state.written - start;
            let len = state.pending.len().min((self.file_size - in_file) as usize);
            let file = self.file(&mut state, start, Some(disk))?;
            let path = || files::path(&self.folder, start);
            disk.write_all_at(&file, path, &state.pending[..len], in_file)?;
            state.unsynced.insert(start);
            state.written += len as u64;
            state.pending.drain(..len);
        }
        Ok(())
    }

    /// The open file that starts there; with a disk it is created if it is the next one.
    fn file(
        &self,
        state: &mut State,
        start: u64,
        disk: Option<&Disk>,
    ) -> Result<Arc<File>, StoreError> {
        state.used = true;
        if let Some((open, file)) = &state.open
            && *open == start
        {
            return Ok(Arc::clone(file));
        }
        let file = match disk.filter(|_| start >= state.files_end) {
            Some(disk) => {
                let file = files::create(disk, &self.folder, start, self.file_size)?;
                state.new_name = true;
                state.files_end = start + self.file_size;
                file
            }
            None => files::open(&self.folder, start)?,
        };
        let file = Arc::new(file);
        state.open = Some((start, Arc::clone(&file)));
        Ok(file)
    }

    /// Bytes from a place on, within one file.
    fn read(&self, state: &mut State, at: u64, into: &mut [u8]) -> Result<usize, StoreError> {
        if at >= state.written {
            let from = usize::try_from(at - state.written).unwrap_or(usize::MAX);
            let found = state.pending.get(from..).unwrap_or_default();
            let len = found.len().min(into.len());
            into[..len].copy_from_slice(&found[..len]);
            return Ok(len);
        }
        if at < state.first {
            return Ok(0);
        }
        let start = at - at % self.file_size;
        let file = self.file(state, start, None)?;
        let len = into.len().min((start + self.file_size - at) as usize);
        files::read_at(&file, &mut into[..len], at - start)
            .map_err(|source| StoreError::io("read", &files::path(&self.folder, start), source))
    }

    pub(super) fn get(&self, address: i64) -> Result<Option<QueueUnit>, StoreError> {
        let mut state = self.state.lock();
        let at = place_of(address);
        // Most units are as short as this; a longer one is read again.
        let mut head = [0; 64];
        let read = self.read(&mut state, at, &mut head)?;
        let Some(size) = head.first_chunk::<2>().map(|size| i16::from_be_bytes(*size)) else {
            return Ok(None);
        };
        match usize::try_from(size) {
            Ok(size) if size > head.len() => {
                let mut whole = vec![0; size];
                let read = self.read(&mut state, at, &mut whole)?;
                Ok(QueueUnit::decode(&whole[..read]))
            }
            _ => Ok(QueueUnit::decode(&head[..read])),
        }
    }

    /// Ends the units behind that of the queue's last entry. A queue without entries has none.
    pub(super) fn recover(&self, is_empty: bool, last: i64) -> Result<(), StoreError> {
        if is_empty {
            return self.clear();
        }
        let end = if is_address(last) {
            let size = self.get(last)?.map_or(UNIT_BYTES, |unit| unit.size());
            place_of(last).saturating_add(size as u64)
        } else {
            self.walked_end()?
        };
        let mut state = self.state.lock();
        while state.files_end > state.first && state.files_end - self.file_size >= end {
            state.files_end -= self.file_size;
            delete(&self.folder, state.files_end)?;
        }
        state.written = end.min(state.files_end.max(state.first));
        state.open = None;
        Ok(())
    }

    /// Where the walk from unit to unit, from the first on, ends.
    fn walked_end(&self) -> Result<u64, StoreError> {
        let mut state = self.state.lock();
        let mut end = state.first;
        let mut start = state.first;
        let mut chunk = vec![0; CHUNK_BYTES];
        while start < state.files_end {
            let mut at = start;
            'file: while at < start + self.file_size {
                let read = self.read(&mut state, at, &mut chunk)?;
                let mut done = 0;
                while let Some(size) = chunk[..read].get(done..).and_then(|b| b.first_chunk::<2>())
                {
                    let size = usize::try_from(i16::from_be_bytes(*size)).unwrap_or(0);
                    if size == 0 {
                        break 'file;
                    }
                    if done + size > read && done > 0 {
                        break;
                    }
                    done += size;
                    end = at + done as u64;
                }
                if done == 0 {
                    break;
                }
                at += done as u64;
            }
            start += self.file_size;
        }
        Ok(end)
    }

    fn clear(&self) -> Result<(), StoreError> {
        let mut state = self.state.lock();
        while state.first < state.files_end {
            delete(&self.folder, state.first)?;
            state.first += self.file_size;
        }
        *state = State::default();
        Ok(())
    }

    /// Deletes files that end before the first entry's unit, never the last.
    pub(super) fn delete_before(&self, address: i64) -> Result<(), StoreError> {
        let mut state = self.state.lock();
        while state.first + self.file_size < state.files_end.min(place_of(address)) {
            delete(&self.folder, state.first)?;
            let first = state.first;
            state.unsynced.remove(&first);
            state.open.take_if(|(start, _)| *start == first);
            state.first += self.file_size;
        }
        Ok(())
    }

    /// Brings what is written to the medium.
    pub(super) fn sync(&self, disk: &Disk) -> Result<(), StoreError> {
        self.write(disk)?;
        let (unsynced, new_name) = {
            let mut state = self.state.lock();
            (std::mem::take(&mut state.unsynced), std::mem::take(&mut state.new_name))
        };
        let sync = |start: &u64| {
            let path = || files::path(&self.folder, *start);
            match files::open(&self.folder, *start) {
                Ok(file) => disk.sync_data(&file, path),
                Err(_) if !path().exists() => Ok(()),
                Err(error) => Err(error),
            }
        };
        let mut outcome = unsynced.iter().try_for_each(sync);
        if outcome.is_ok() && new_name {
            let mut folders = self.folder.ancestors().take(4).filter(|folder| folder.exists());
            outcome = folders.try_for_each(|folder| disk.sync_directory(folder));
        }
        if outcome.is_err() {
            let mut state = self.state.lock();
            state.unsynced.extend(unsynced);
            state.new_name |= new_name;
        }
        outcome
    }

    /// Its topic is deleted: what comes for it is dropped.
    pub(super) fn forget(&self) {
        *self.state.lock() = State { forgotten: true, ..State::default() };
    }

    pub(super) fn close_if_idle(&self) -> bool {
        let mut state = self.state.lock();
        if std::mem::take(&mut state.used) {
            return false;
        }
        state.open = None;
        true
    }
}

fn delete(folder: &Path, start: u64) -> Result<(), StoreError> {
    let path = files::path(folder, start);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(StoreError::io("delete", &path, error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(tags_code: i64, bits: &[u8]) -> QueueUnit {
        QueueUnit { tags_code, store_timestamp: 77, bit_map: bits.to_vec() }
    }

    #[test]
    fn units_are_laid_out_as_java_has_them() {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::default();
        let ext = Ext::load(dir.path().join("0"), 64).unwrap();
        let first = ext.put(&unit(5, &[1, 2])).unwrap();
        let second = ext.put(&unit(-6, &[])).unwrap();
        // 22 + 20 bytes are used; 20 + 4 do not fit any more.
        let third = ext.put(&unit(7, &[9])).unwrap();
        assert_eq!([first, second, third].map(place_of), [0, 22, 64]);
        assert!(is_address(third) && !is_address(i64::from(i32::MIN)) && !is_address(0));
        assert_eq!(ext.get(second).unwrap(), Some(unit(-6, &[])));
        ext.write(&disk).unwrap();
        assert_eq!(ext.get(first).unwrap(), Some(unit(5, &[1, 2])));
        assert_eq!(ext.get(third).unwrap(), Some(unit(7, &[9])));
        let file = std::fs::read(files::path(&ext.folder, 0)).unwrap();
        assert_eq!(
            file[..22],
            [0, 22, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 77, 0, 2, 1, 2]
        );
        assert_eq!((&file[42..44], file.len()), (&[255, 255][..], 64));
        assert_eq!(ext.get(address_of(85).unwrap()).unwrap(), None);
        // A unit that no file has room for has no address.
        assert_eq!(ext.put(&unit(1, &[0; 50])), None);
    }

    #[test]
    fn recovery_ends_behind_the_last_entrys_unit_and_the_minimum_deletes_whole_files() {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::default();
        let ext = Ext::load(dir.path().join("0"), 64).unwrap();
        let all: Vec<i64> = (0..9).map(|n| ext.put(&unit(n, &[])).unwrap()).collect();
        ext.sync(&disk).unwrap();
        drop(ext);
        let again = || Ext::load(dir.path().join("0"), 64).unwrap();
        let ext = again();
        ext.recover(false, 12).unwrap();
        assert_eq!(ext.state.lock().end(), place_of(all[8]) + 20);
        ext.recover(false, all[4]).unwrap();
        assert_eq!(ext.state.lock().end(), place_of(all[4]) + 20);
        assert_eq!(ext.put(&unit(50, &[])).unwrap(), all[5]);
        ext.write(&disk).unwrap();
        assert_eq!(ext.get(all[4]).unwrap(), Some(unit(4, &[])));
        assert_eq!(ext.get(all[5]).unwrap(), Some(unit(50, &[])));
        ext.delete_before(all[4]).unwrap();
        assert_eq!(files::list(&ext.folder).unwrap(), [(64, 64)]);
        assert_eq!(ext.get(all[0]).unwrap(), None);
        let ext = again();
        ext.recover(true, 0).unwrap();
        assert!(files::list(&ext.folder).unwrap().is_empty());
        assert_eq!(place_of(ext.put(&unit(1, &[])).unwrap()), 0);
    }
}
