//! Read-only maps of segments: the only unsafe code of the store.

use std::fs::File;
use std::io;

use bytes::Bytes;
use memmap2::Mmap;

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
