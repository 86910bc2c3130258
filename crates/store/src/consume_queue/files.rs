//! The files of one consume queue: names, allocation ahead of the writer, reading and writing at
//! byte positions of the queue.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::FallocateFlags;
use rustix::io::Errno;

use crate::error::StoreError;
use crate::io::write_zeros;

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

/// Start offsets of a queue's files, ascending and adjacent. As in Java, a file of another length
/// hides those behind it.
pub(crate) fn starts(folder: &Path, file_size: u64) -> Result<Vec<u64>, StoreError> {
    let mut names = names(folder)?;
    names.sort();
    let mut starts: Vec<u64> = Vec::with_capacity(names.len());
    for name in names {
        let path = folder.join(&name);
        let start: u64 = name.parse().map_err(|_| StoreError::BadName { path: path.clone() })?;
        let metadata =
            std::fs::metadata(&path).map_err(|source| StoreError::io("stat", &path, source))?;
        if metadata.len() != file_size {
            tracing::warn!(target: "RocketmqStore", "{}\t{} length not matched message store config value, ignore it", path.display(), metadata.len());
            return Ok(starts);
        }
        if starts.last().is_some_and(|last| last + file_size != start) {
            tracing::error!(target: "RocketmqStoreError", "{} does not follow the file before it; it and the files behind it are ignored", path.display());
            return Ok(starts);
        }
        starts.push(start);
    }
    Ok(starts)
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
pub(crate) fn create(folder: &Path, start: u64, file_size: u64) -> Result<File, StoreError> {
    let path = path(folder, start);
    let failed = |action| {
        let path = path.clone();
        move |source: io::Error| StoreError::io(action, &path, source)
    };
    std::fs::create_dir_all(folder).map_err(failed("create"))?;
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).create(true).truncate(false).open(&path);
    let file = file.map_err(failed("create"))?;
    file.set_len(file_size).map_err(failed("set the length of"))?;
    Ok(file)
}

/// Makes sure that the blocks of `from..to` exist, and some beyond; returns the new end of what
/// is known to be allocated. `file_size` bounds it.
pub(crate) fn allocate(file: &File, from: u64, to: u64, file_size: u64) -> io::Result<u64> {
    // Small queues take small steps: the first step is a page.
    let ahead = to.next_power_of_two().clamp(4096, AHEAD_BYTES);
    let end = (to + ahead).min(file_size);
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
