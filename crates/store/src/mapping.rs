//! Maps of files: the only unsafe code of the store.

use std::fs::File;
use std::io;

use bytes::Bytes;
use memmap2::{Mmap, MmapMut};

/// Maps the whole file for reading. The map lives as long as any slice of the returned bytes, so
/// a segment can be deleted while readers still hold parts of it.
pub(crate) fn map(file: &File) -> io::Result<Bytes> {
    // SAFETY: memmap2 asks that the file is not truncated while mapped and that mapped bytes do
    // not change while they are read. Segments are never shortened (only unlinked), the store
    // directory is locked against other brokers, and bytes are written (by pwrite) only behind
    // the published end of the log, while readers look only before it.
    let mapped = unsafe { Mmap::map(file)? };
    Ok(Bytes::from_owner(mapped))
}

/// A file that is read and written through a map (index files).
pub(crate) struct WritableMap(MmapMut);

impl WritableMap {
    /// Maps the whole file.
    pub(crate) fn new(file: &File) -> io::Result<WritableMap> {
        // SAFETY: index files are never shortened while mapped, the store directory is locked
        // against other brokers, and nothing of this process writes to them but through this
        // map, which its owner keeps behind a lock.
        unsafe { MmapMut::map_mut(file) }.map(WritableMap)
    }

    /// The content.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The content, to be changed. Only blocks that are allocated may be touched.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}
