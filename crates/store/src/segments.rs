//! The commit log's segments in order, and where new ones come from.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

use crate::error::StoreError;
use crate::io::{Disk, disk_space};
use crate::segment::Segment;

/// The segments, by start offset.
#[derive(Debug)]
pub(crate) struct Segments {
    size: u64,
    list: RwLock<Vec<Arc<Segment>>>,
}

impl Segments {
    /// Opens the files of all directories.
    ///
    /// A name that is no offset fails the load as in Java. A file of another length fails it too:
    /// Java ignores it *and every later file*, and then writes over them; the usual cause is a
    /// changed `mappedFileSizeCommitLog`. Only a last file that is too short is brought to its
    /// length: its creation or its copying was interrupted, and recovery finds its end.
    pub(crate) fn load(
        directories: &[PathBuf],
        size: u64,
        disk: &Disk,
    ) -> Result<Segments, StoreError> {
        let mut files = Vec::new();
        for directory in directories {
            files.extend(segment_files(directory)?);
        }
        files.sort_by_key(|(_, start, _)| *start);
        let mut list = Vec::with_capacity(files.len());
        let count = files.len();
        for (number, (path, start, len)) in files.into_iter().enumerate() {
            if number + 1 == count && len < size {
                tracing::warn!(target: "RocketmqStore", "{}\t{len} length not matched message store config value, extend it to {size}", path.display());
                disk.extend(&path, size)?;
            } else if len != size {
                let what = format!(
                    "{len} length not matched message store config value: set \
                     mappedFileSizeCommitLog={len} as it was when the file was written, or move \
                     the file away"
                );
                return Err(StoreError::corrupt(&path, len, what));
            }
            tracing::info!(target: "RocketmqStore", "load {} OK", path.display());
            list.push(Arc::new(Segment::open(path, start, size)?));
        }
        Ok(Segments { size, list: RwLock::new(list) })
    }

    /// Opens the files of all directories to be read only. None is refused for its length.
    pub(crate) fn load_to_read(directories: &[PathBuf], size: u64) -> Result<Segments, StoreError> {
        let mut files = Vec::new();
        for directory in directories {
            files.extend(segment_files(directory)?);
        }
        files.sort_by_key(|(_, start, _)| *start);
        let open = |(path, start, len): (PathBuf, i64, u64)| match len {
            0 => None,
            _ => Some(Segment::open_to_read(path, start, size).map(Arc::new)),
        };
        let list = files.into_iter().filter_map(open).collect::<Result<Vec<_>, _>>()?;
        Ok(Segments { size, list: RwLock::new(list) })
    }

    /// Bytes of each.
    pub(crate) fn segment_size(&self) -> u64 {
        self.size
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.list.read().len()
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<Arc<Segment>> {
        self.list.read().clone()
    }

    /// The one that holds `offset`.
    pub(crate) fn find(&self, offset: i64) -> Option<Arc<Segment>> {
        let list = self.list.read();
        let after = list.partition_point(|segment| segment.start() <= offset);
        let segment = list.get(after.checked_sub(1)?)?;
        (offset < segment.end()).then(|| Arc::clone(segment))
    }

    /// Start of the first one behind `offset`.
    pub(crate) fn next_start(&self, offset: i64) -> Option<i64> {
        let list = self.list.read();
        let after = list.partition_point(|segment| segment.start() <= offset);
        list.get(after).map(|segment| segment.start())
    }

    /// The first.
    pub(crate) fn first(&self) -> Option<Arc<Segment>> {
        self.list.read().first().cloned()
    }

    /// The last.
    pub(crate) fn last(&self) -> Option<Arc<Segment>> {
        self.list.read().last().cloned()
    }

    /// Appends one.
    pub(crate) fn push(&self, segment: Arc<Segment>) {
        self.list.write().push(segment);
    }

    /// Takes the first out and deletes its file, unless it is the last one left.
    pub(crate) fn delete_first(&self) -> Result<bool, StoreError> {
        let first = {
            let mut list = self.list.write();
            if list.len() < 2 {
                return Ok(false);
            }
            list.remove(0)
        };
        first.delete()?;
        tracing::info!(target: "RocketmqStore", "delete physic file, {} OK", first.path().display());
        Ok(true)
    }

    /// Deletes every segment that starts behind `end`.
    pub(crate) fn delete_behind(&self, end: i64) -> Result<(), StoreError> {
        let dropped = {
            let mut list = self.list.write();
            let keep = list.partition_point(|segment| segment.start() <= end);
            list.split_off(keep)
        };
        for segment in dropped {
            tracing::info!(target: "RocketmqStore", "delete {} behind the end {end} of the commit log", segment.path().display());
            segment.delete()?;
        }
        Ok(())
    }

    /// Pairs of neighbours that do not touch: (end of one, start of the next).
    pub(crate) fn gaps(&self) -> Vec<(i64, i64)> {
        let list = self.list.read();
        let pairs = list.iter().zip(list.iter().skip(1));
        pairs.map(|(a, b)| (a.end(), b.start())).filter(|(end, start)| end != start).collect()
    }
}

/// Path, start offset and length of each file of a directory; none when it is missing.
fn segment_files(directory: &Path) -> Result<Vec<(PathBuf, i64, u64)>, StoreError> {
    let failed = |source| StoreError::io("list", directory, source);
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let path = entry.path();
        let start = entry.file_name().to_str().and_then(|name| name.parse().ok());
        let Some(start) = start else { return Err(StoreError::BadName { path }) };
        files.push((path, start, entry.metadata().map_err(failed)?.len()));
    }
    Ok(files)
}

/// Makes segments, the next one ahead of its use.
#[derive(Debug)]
pub(crate) struct Allocator {
    disk: Disk,
    size: u64,
    directories: Vec<PathBuf>,
    read_only: Vec<PathBuf>,
    full_ratio: f64,
    ahead: Mutex<Option<Arc<Segment>>>,
}

impl Allocator {
    /// Segments of `size` bytes in those of the directories that are not read-only.
    pub(crate) fn new(
        disk: Disk,
        size: u64,
        directories: Vec<PathBuf>,
        read_only: Vec<PathBuf>,
        full_ratio: f64,
    ) -> Allocator {
        Allocator { disk, size, directories, read_only, full_ratio, ahead: Mutex::new(None) }
    }

    /// Appends the segment that starts at `start` to the list: the one made ahead, or a new one.
    pub(crate) fn extend(
        &self,
        segments: &Segments,
        start: i64,
    ) -> Result<Arc<Segment>, StoreError> {
        let mut ahead = self.ahead.lock();
        let segment = match ahead.take() {
            Some(segment) if segment.start() == start => segment,
            other => {
                if let Some(stale) = other {
                    stale.delete()?;
                }
                self.create(start)?
            }
        };
        segments.push(Arc::clone(&segment));
        Ok(segment)
    }

    /// Makes the segment behind the last one, if there is a last one. Returns the one made ahead.
    pub(crate) fn prepare(&self, segments: &Segments) -> Result<Option<Arc<Segment>>, StoreError> {
        let mut ahead = self.ahead.lock();
        // Asked for under the lock, so that the answer is not outdated by `extend`.
        let Some(last) = segments.last() else { return Ok(None) };
        if ahead.as_ref().is_none_or(|segment| segment.start() != last.end()) {
            if let Some(stale) = ahead.take() {
                stale.delete()?;
            }
            *ahead = Some(self.create(last.end())?);
        }
        Ok(ahead.clone())
    }

    /// Deletes the segment made ahead.
    pub(crate) fn discard(&self) -> Result<(), StoreError> {
        match self.ahead.lock().take() {
            Some(segment) => segment.delete(),
            None => Ok(()),
        }
    }

    fn create(&self, start: i64) -> Result<Arc<Segment>, StoreError> {
        let directory = self.directory_for(start)?;
        Ok(Arc::new(Segment::create(&self.disk, directory, start, self.size)?))
    }

    /// Contract `store.md` 1: segment k goes to the (k mod count)-th writable directory that is
    /// not full, of all writable ones when every one is full.
    fn directory_for(&self, start: i64) -> Result<&Path, StoreError> {
        let writable: Vec<&PathBuf> =
            self.directories.iter().filter(|path| !self.read_only.contains(path)).collect();
        let not_full: Vec<&PathBuf> = if writable.len() < 2 {
            writable.clone()
        } else {
            let full = |path: &PathBuf| {
                disk_space(path).is_some_and(|space| space.ratio() > self.full_ratio)
            };
            writable.iter().copied().filter(|path| !full(path)).collect()
        };
        let candidates = if not_full.is_empty() { writable } else { not_full };
        let number = u64::try_from(start).unwrap_or(0) / self.size.max(1);
        let count = candidates.len().max(1) as u64;
        let chosen = usize::try_from(number % count).ok().and_then(|index| candidates.get(index));
        chosen.map(|path| path.as_path()).ok_or_else(|| StoreError::Config {
            key: "readOnlyCommitLogStorePaths",
            value: self
                .read_only
                .iter()
                .map(|p| p.display().to_string())
                .collect::<Vec<_>>()
                .join(","),
            reason: "every directory of storePathCommitLog is read-only; leave one writable".into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allocator(directories: &[&Path], read_only: &[&Path]) -> Allocator {
        let own = |paths: &[&Path]| paths.iter().map(|path| path.to_path_buf()).collect();
        Allocator::new(Disk::default(), 4096, own(directories), own(read_only), 2.0)
    }

    #[test]
    fn segments_are_found_by_offset_and_deleted_oldest_first() {
        let dir = tempfile::tempdir().unwrap();
        let allocator = allocator(&[dir.path()], &[]);
        let none = Segments::load(&[], 4096, &Disk::default()).unwrap();
        for start in [4096, 8192, 12288] {
            allocator.extend(&none, start).unwrap();
        }
        let segments = Segments::load(&[dir.path().to_path_buf()], 4096, &Disk::default()).unwrap();
        assert_eq!(segments.find(4095).map(|s| s.start()), None);
        assert_eq!(segments.find(8191).map(|s| s.start()), Some(4096));
        assert_eq!(segments.find(16383).map(|s| s.start()), Some(12288));
        assert_eq!(segments.find(16384).map(|s| s.start()), None);
        assert!(segments.delete_first().unwrap());
        segments.delete_behind(8192).unwrap();
        assert_eq!(segments.all().iter().map(|s| s.start()).collect::<Vec<_>>(), [8192]);
        assert!(!segments.delete_first().unwrap());
        assert!(segments.gaps().is_empty());
    }

    #[test]
    fn several_directories_take_turns_but_for_read_only_ones() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b, c) = (dir.path().join("a"), dir.path().join("b"), dir.path().join("c"));
        let allocator = allocator(&[&a, &b, &c], &[&b]);
        let none = Segments::load(&[], 4096, &Disk::default()).unwrap();
        for number in 0..4 {
            allocator.extend(&none, number * 4096).unwrap();
        }
        let count = |path: &Path| std::fs::read_dir(path).map_or(0, |entries| entries.count());
        assert_eq!((count(&a), count(&b), count(&c)), (2, 0, 2));
        let segments = Segments::load(&[a, b, c], 4096, &Disk::default()).unwrap();
        assert_eq!(segments.len(), 4);
    }

    #[test]
    fn stray_files_fail_the_load_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let load = || Segments::load(&[dir.path().to_path_buf()], 4096, &Disk::default());
        let write = |name: &str, len| std::fs::write(dir.path().join(name), vec![1; len]).unwrap();
        write("00000000000000000000", 4096);
        write("00000000000000004096", 100);
        assert_eq!(load().unwrap().len(), 2);
        let extended = std::fs::read(dir.path().join("00000000000000004096")).unwrap();
        assert_eq!((extended.len(), extended[99], extended[100]), (4096, 1, 0));
        write("00000000000000000000", 100);
        assert!(
            load().unwrap_err().to_string().contains("length not matched message store config")
        );
        write("00000000000000000000", 4096);
        write("00000000000000004096", 4097);
        assert!(load().unwrap_err().to_string().contains("set mappedFileSizeCommitLog=4097"));
        std::fs::write(dir.path().join("notes.txt"), b"").unwrap();
        assert!(load().unwrap_err().to_string().starts_with("load exception"));
    }

    #[test]
    fn what_was_made_ahead_is_taken_or_discarded() {
        let dir = tempfile::tempdir().unwrap();
        let allocator = allocator(&[dir.path()], &[]);
        let segments = Segments::load(&[dir.path().to_path_buf()], 4096, &Disk::default()).unwrap();
        assert!(allocator.prepare(&segments).unwrap().is_none());
        allocator.extend(&segments, 0).unwrap();
        let ahead = allocator.prepare(&segments).unwrap().unwrap();
        assert_eq!(ahead.warm_step().unwrap(), Some(4096));
        assert_eq!(ahead.warm_step().unwrap(), None);
        assert!(Arc::ptr_eq(&ahead, &allocator.extend(&segments, 4096).unwrap()));
        let unused = allocator.prepare(&segments).unwrap().unwrap();
        assert_eq!(unused.start(), 8192);
        allocator.discard().unwrap();
        assert!(!unused.path().exists() && ahead.path().exists());
    }
}
