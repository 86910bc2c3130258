//! The files of one consume queue: names, allocation ahead of the writer, reading and writing at
//! byte positions of the queue.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::FallocateFlags;
use rustix::io::Errno;

use crate::error::StoreError;
use crate::io::{Disk, DiskOperation, write_zeros};

/// How far ahead of the writer blocks are allocated, at most.
const AHEAD_BYTES: u64 = 64 * 1024;

/// Names in a folder.
pub(crate) fn names(folder: &Path) -> Result<Vec<String>, StoreError> {
    let failed = |source| StoreError::io("list", folder, source);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        if let Ok(name) = entry.map_err(failed)?.file_name().into_string() {
            names.push(name);
        }
    }
    Ok(names)
}

/// Name, start offset and length of a queue's files, ascending.
pub(crate) fn list(folder: &Path) -> Result<Vec<(u64, u64)>, StoreError> {
    let mut files = Vec::new();
    for name in names(folder)? {
        let path = folder.join(&name);
        let start: u64 = name.parse().map_err(|_| StoreError::BadName { path: path.clone() })?;
        let metadata = std::fs::metadata(&path);
        let len = metadata.map_err(|source| StoreError::io("stat", &path, source))?.len();
        files.push((start, len));
    }
    files.sort_unstable();
    Ok(files)
}

/// Keeps the files that are adjacent and of the right length, from the first on. What comes behind
/// is deleted: it can be built again from the commit log, and would be in the way of that.
/// Returns the starts of those kept, and whether any was deleted.
pub(crate) fn keep_whole(
    folder: &Path,
    files: &[(u64, u64)],
    file_size: u64,
) -> Result<(Vec<u64>, bool), StoreError> {
    let mut starts: Vec<u64> = Vec::with_capacity(files.len());
    for (start, len) in files {
        let adjacent = starts.last().is_none_or(|last| last + file_size == *start);
        if *len != file_size || start % file_size != 0 || !adjacent {
            break;
        }
        starts.push(*start);
    }
    for (start, len) in files.get(starts.len()..).unwrap_or_default() {
        let path = path(folder, *start);
        tracing::error!(target: "RocketmqStoreError", "{}\t{len} length not matched message store config value, or not behind the file before it; it is deleted and built again from the commit log", path.display());
        std::fs::remove_file(&path).map_err(|source| StoreError::io("delete", &path, source))?;
    }
    Ok((starts.clone(), starts.len() < files.len()))
}

/// Path of the file that starts at that byte of the queue.
pub(crate) fn path(folder: &Path, start: u64) -> PathBuf {
    folder.join(format!("{start:020}"))
}

/// Opens a file for reading and writing.
pub(crate) fn open(folder: &Path, start: u64) -> Result<File, StoreError> {
    let path = path(folder, start);
    let opened = OpenOptions::new().read(true).write(true).open(&path);
    opened.map_err(|source| StoreError::io("open", &path, source))
}

/// Creates a file of full length without blocks, or opens it if it is there.
pub(crate) fn create(
    disk: &Disk,
    folder: &Path,
    start: u64,
    file_size: u64,
) -> Result<File, StoreError> {
    let path = path(folder, start);
    disk.run(
        DiskOperation::Allocate,
        "create",
        || path.clone(),
        || {
            std::fs::create_dir_all(folder)?;
            let mut options = OpenOptions::new();
            let file = options.read(true).write(true).create(true).truncate(false).open(&path)?;
            file.set_len(file_size)?;
            Ok(file)
        },
    )
}

/// Makes sure that the blocks of `from..to` exist, and some beyond; returns the new end of what
/// is known to be allocated. `file_size` bounds it.
pub(crate) fn allocate(
    disk: &Disk,
    file: &File,
    path: impl Fn() -> PathBuf,
    (from, to): (u64, u64),
    file_size: u64,
) -> Result<u64, StoreError> {
    // Small queues take small steps: the first step is a page.
    let ahead = to.next_power_of_two().clamp(4096, AHEAD_BYTES);
    let end = (to + ahead).min(file_size);
    disk.run(DiskOperation::Allocate, "allocate", path, || {
        loop {
            match rustix::fs::fallocate(file, FallocateFlags::KEEP_SIZE, from, end - from) {
                Ok(()) => return Ok(end),
                Err(Errno::INTR) => {}
                // The file system cannot reserve blocks: write what is needed now.
                Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
                    return write_zeros(file, from, to).map(|()| to);
                }
                Err(error) => return Err(error.into()),
            }
        }
    })
}

/// Reads up to `into.len()` bytes; fewer at the end of the file.
pub(crate) fn read_at(file: &File, into: &mut [u8], at: u64) -> io::Result<usize> {
    let mut done = 0;
    while done < into.len() {
        match file.read_at(&mut into[done..], at + done as u64) {
            Ok(0) => break,
            Ok(read) => done += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}
