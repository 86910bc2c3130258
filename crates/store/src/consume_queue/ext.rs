//! Consume queue extensions: for each entry a unit with what has no room in it, the bit map of the
//! filters that want the message (contract `store.md` 5).
//!
//! An entry leads to its unit by an address in place of its tags code. Units are appended while
//! entries are put, written with the round and synced before the queues. What cannot be read makes
//! no message unwanted: whoever filters looks at the record then.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

use super::files;
use crate::error::StoreError;
use crate::io::{Disk, open_files_max};

/// Bytes of a unit without its bit map.
const UNIT_BYTES: usize = 20;
/// What a unit leaves free at least at the end of its file.
const END_BYTES: u64 = 4;
/// Stands instead of a unit's size where the rest of a file is empty.
const FULL: i16 = -1;
/// Values of a tags code up to this one are addresses.
const ADDRESS_MAX: i64 = i32::MIN as i64 - 1;
/// Bytes read at once where all units are walked.
const CHUNK_BYTES: usize = 64 * 1024;
/// Of the files that the process may open, one of so many may be an extension's.
const OPEN_SHARE: usize = 16;

/// What an entry's extension holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueUnit {
    /// The tags code proper, or the delivery time of a delayed message.
    pub tags_code: i64,
    /// When the message was stored, ms.
    pub store_timestamp: i64,
    /// The bits of the groups whose filters want the message; empty if none were asked.
    pub bit_map: Vec<u8>,
}

impl QueueUnit {
    /// Its size on disk in bytes.
    pub fn size(&self) -> usize {
        UNIT_BYTES + self.bit_map.len()
    }

    fn encode(&self, size: i16, out: &mut Vec<u8>) {
        out.extend_from_slice(&size.to_be_bytes());
        out.extend_from_slice(&self.tags_code.to_be_bytes());
        out.extend_from_slice(&self.store_timestamp.to_be_bytes());
        out.extend_from_slice(&(size - UNIT_BYTES as i16).to_be_bytes());
        out.extend_from_slice(&self.bit_map);
    }

    /// `None` if there is no unit, or part of one.
    pub(crate) fn decode(bytes: &[u8]) -> Option<QueueUnit> {
        let (size, rest) = bytes.split_first_chunk::<2>()?;
        let (tags_code, rest) = rest.split_first_chunk::<8>()?;
        let (store_timestamp, rest) = rest.split_first_chunk::<8>()?;
        let (bits, rest) = rest.split_first_chunk::<2>()?;
        let size = usize::try_from(i16::from_be_bytes(*size)).ok()?;
        let bits = usize::try_from(i16::from_be_bytes(*bits)).ok()?;
        (size == UNIT_BYTES + bits).then_some(())?;
        Some(QueueUnit {
            tags_code: i64::from_be_bytes(*tags_code),
            store_timestamp: i64::from_be_bytes(*store_timestamp),
            bit_map: rest.get(..bits)?.to_vec(),
        })
    }
}

/// Whether a tags code is the address of a unit.
pub(crate) fn is_address(tags_code: i64) -> bool {
    tags_code <= ADDRESS_MAX
}

fn address_of(at: u64) -> Option<i64> {
    let address = i64::MIN.checked_add_unsigned(at)?;
    is_address(address).then_some(address)
}

fn place_of(address: i64) -> u64 {
    address.wrapping_sub(i64::MIN) as u64
}

/// The extension of one queue.
struct Ext {
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
    fn load(folder: PathBuf, file_size: u64) -> Result<Ext, StoreError> {
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
    fn put(&self, unit: &QueueUnit) -> Option<i64> {
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
    fn write(&self, disk: &Disk) -> Result<(), StoreError> {
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

    fn get(&self, address: i64) -> Result<Option<QueueUnit>, StoreError> {
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
    fn recover(&self, is_empty: bool, last: i64) -> Result<(), StoreError> {
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
    fn delete_before(&self, address: i64) -> Result<(), StoreError> {
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
    fn sync(&self, disk: &Disk) -> Result<(), StoreError> {
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

    fn close_if_idle(&self) -> bool {
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

/// The extensions of one topic's queues.
type OfTopic = HashMap<i32, Arc<Ext>>;

/// The extensions of all queues.
pub(super) struct Exts {
    root: PathBuf,
    file_size: u64,
    /// Units are made for new entries; else they are only read.
    pub(super) writes: bool,
    table: RwLock<HashMap<Box<str>, OfTopic>>,
    /// Those with units that are not in their files.
    round: Mutex<Vec<Arc<Ext>>>,
    /// Those with units that are not on the medium.
    dirty: Mutex<Vec<Arc<Ext>>>,
    open_max: usize,
}

impl Exts {
    pub(super) fn new(store: &Path, file_size: u64, writes: bool) -> Exts {
        Exts {
            root: store.join("consumequeue_ext"),
            file_size,
            writes,
            table: RwLock::default(),
            round: Mutex::default(),
            dirty: Mutex::default(),
            open_max: open_files_max() / OPEN_SHARE,
        }
    }

    /// Whether a store has any.
    pub(super) fn exist(store: &Path) -> bool {
        store.join("consumequeue_ext").is_dir()
    }

    fn of(&self, topic: &str, queue_id: i32) -> Result<Arc<Ext>, StoreError> {
        let known = |topics: &HashMap<Box<str>, HashMap<i32, Arc<Ext>>>| {
            topics.get(topic).and_then(|queues| queues.get(&queue_id)).cloned()
        };
        if let Some(ext) = known(&self.table.read()) {
            return Ok(ext);
        }
        let mut table = self.table.write();
        if let Some(ext) = known(&table) {
            return Ok(ext);
        }
        let folder = self.root.join(topic).join(queue_id.to_string());
        let ext = Arc::new(Ext::load(folder, self.file_size)?);
        table.entry(topic.into()).or_default().insert(queue_id, Arc::clone(&ext));
        Ok(ext)
    }

    /// The tags code of an entry that is about to be put: the address of its unit, or the code
    /// itself when there can be none.
    pub(super) fn put(&self, topic: &str, queue_id: i32, unit: &QueueUnit) -> i64 {
        let ext = match self.of(topic, queue_id) {
            Ok(ext) => ext,
            Err(error) => {
                tracing::error!(target: "RocketmqStoreError", "{error}");
                return unit.tags_code;
            }
        };
        let Some(address) = ext.put(unit) else { return unit.tags_code };
        let mut round = self.round.lock();
        if round.last().is_none_or(|last| !Arc::ptr_eq(last, &ext)) {
            round.push(ext);
        }
        address
    }

    /// Writes the units of the round.
    pub(super) fn end_round(&self, disk: &Disk) -> Result<(), StoreError> {
        let round = std::mem::take(&mut *self.round.lock());
        let outcome = round.iter().try_for_each(|ext| ext.write(disk));
        let mut dirty = self.dirty.lock();
        for ext in round {
            if !dirty.iter().any(|known| Arc::ptr_eq(known, &ext)) {
                dirty.push(ext);
            }
        }
        let is_many = dirty.len() > self.open_max;
        drop(dirty);
        if is_many {
            self.close_idle();
        }
        outcome
    }

    /// Brings all units to the medium.
    pub(super) fn flush(&self, disk: &Disk) -> Result<(), StoreError> {
        self.end_round(disk)?;
        let mut dirty = std::mem::take(&mut *self.dirty.lock());
        while let Some(ext) = dirty.pop() {
            if let Err(error) = ext.sync(disk) {
                dirty.push(ext);
                self.dirty.lock().append(&mut dirty);
                return Err(error);
            }
        }
        Ok(())
    }

    /// The unit at an address; `None`, which is logged, if it cannot be read.
    pub(super) fn get(&self, topic: &str, queue_id: i32, address: i64) -> Option<QueueUnit> {
        let found = self.of(topic, queue_id).and_then(|ext| ext.get(address));
        let why = match found {
            Ok(Some(unit)) => return Some(unit),
            Ok(None) => String::new(),
            Err(error) => format!(": {error}"),
        };
        tracing::error!(target: "RocketmqStoreError", "[BUG] can't find consume queue extend file content!addr={address}, topic={topic}, queueId={queue_id}{why}");
        None
    }

    /// Deletes those of queues that are not there, so that none begins with another's units.
    pub(super) fn delete_others(
        &self,
        is_there: impl Fn(&str, i32) -> bool,
    ) -> Result<(), StoreError> {
        if !self.root.is_dir() {
            return Ok(());
        }
        for topic in files::names(&self.root)? {
            let folder = self.root.join(&topic);
            let queues = if folder.is_dir() { files::names(&folder)? } else { Vec::new() };
            for name in queues {
                if name.parse().is_ok_and(|queue_id| !is_there(&topic, queue_id)) {
                    let folder = folder.join(name);
                    std::fs::remove_dir_all(&folder)
                        .map_err(|source| StoreError::io("delete", &folder, source))?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn recover(
        &self,
        topic: &str,
        queue_id: i32,
        (is_empty, last): (bool, i64),
    ) -> Result<(), StoreError> {
        self.of(topic, queue_id)?.recover(is_empty, last)
    }

    pub(super) fn delete_before(
        &self,
        topic: &str,
        queue_id: i32,
        address: i64,
    ) -> Result<(), StoreError> {
        self.of(topic, queue_id)?.delete_before(address)
    }

    pub(super) fn delete_topic(&self, topic: &str) -> Result<(), StoreError> {
        for ext in self.table.write().remove(topic).into_iter().flatten().map(|(_, ext)| ext) {
            *ext.state.lock() = State { forgotten: true, ..State::default() };
        }
        let folder = self.root.join(topic);
        match std::fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(StoreError::io("delete", &folder, error))
            }
            _ => Ok(()),
        }
    }

    /// Closes files that were not used since the last call.
    pub(super) fn close_idle(&self) {
        for ext in self.table.read().values().flat_map(HashMap::values) {
            ext.close_if_idle();
        }
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
