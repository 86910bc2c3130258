//! Everything of the commit log that depends on the operating system: allocating, writing and
//! syncing files, locks, disk figures. Linux and macOS; the macOS branches are not run in CI.

mod facts;
mod lock;

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) use facts::{disk_space, modified_ms, next_data, open_files_max, physical_memory};
pub(crate) use lock::RecordLock;

use crate::error::StoreError;

/// What is done to a file, as a fault injector sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskOperation {
    /// Creating a file, or making sure that blocks of it exist.
    Allocate,
    /// Writing.
    Write,
    /// Making a file's content durable.
    Sync,
    /// Making the names in a directory durable.
    SyncNames,
}

/// A deliberate defect of the store, with which tests show that they would find it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defect {
    /// Syncs say that they are done without doing anything.
    SyncsNothing,
    /// Body checksums are not compared.
    TrustsBodies,
    /// Recovery cuts the last valid record too.
    DropsTail,
}

/// Decides in tests which operations fail, and how; sees what was done.
pub trait DiskFaults: Send + Sync {
    /// Called before each operation; an error is returned instead of doing it.
    fn before(&self, operation: DiskOperation, path: &Path) -> io::Result<()>;

    /// Called after each operation that succeeded.
    fn after(&self, _operation: DiskOperation, _path: &Path) {}

    /// Whether the store is to have that defect.
    fn has_defect(&self, _defect: Defect) -> bool {
        false
    }
}

/// The way to the disk. It costs one branch when no faults are injected.
#[derive(Clone, Default)]
pub struct Disk {
    faults: Option<Arc<dyn DiskFaults>>,
}

impl std::fmt::Debug for Disk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Disk").field("faults", &self.faults.is_some()).finish()
    }
}

impl Disk {
    /// A disk on which the given faults happen.
    pub fn with_faults(faults: Arc<dyn DiskFaults>) -> Disk {
        Disk { faults: Some(faults) }
    }

    /// Whether a test wants that defect.
    pub(crate) fn has_defect(&self, defect: Defect) -> bool {
        self.faults.as_ref().is_some_and(|faults| faults.has_defect(defect))
    }

    /// Does something to a file, unless it is to fail. The path is put together only when a fault
    /// injector or an error wants it.
    pub(crate) fn run<T>(
        &self,
        operation: DiskOperation,
        action: &'static str,
        path: impl Fn() -> PathBuf,
        work: impl FnOnce() -> io::Result<T>,
    ) -> Result<T, StoreError> {
        let done = match &self.faults {
            None => work(),
            Some(faults) => {
                let path = path();
                let done = faults.before(operation, &path).and_then(|()| work());
                if done.is_ok() {
                    faults.after(operation, &path);
                }
                done
            }
        };
        done.map_err(|source| StoreError::io(action, &path(), source))
    }

    /// Creates a file of `len` zero bytes whose blocks really exist, so that writing to it cannot
    /// fail for lack of space. Nothing is left behind on failure.
    pub(crate) fn create_allocated(&self, path: &Path, len: u64) -> Result<File, StoreError> {
        let own = || path.to_path_buf();
        let file = self.run(DiskOperation::Allocate, "create", own, || {
            OpenOptions::new().read(true).write(true).create_new(true).open(path)
        })?;
        if let Err(source) = allocate(&file, 0, len) {
            let _ = std::fs::remove_file(path);
            return Err(StoreError::io("allocate", path, source));
        }
        Ok(file)
    }

    /// Brings a file that is too short to its length, with zero bytes whose blocks exist.
    pub(crate) fn extend(&self, path: &Path, len: u64) -> Result<(), StoreError> {
        self.run(
            DiskOperation::Allocate,
            "allocate",
            || path.to_path_buf(),
            || {
                let file = OpenOptions::new().read(true).write(true).open(path)?;
                let from = file.metadata()?.len();
                allocate(&file, from, len)
            },
        )
    }

    /// Writes all bytes at a place in the file.
    pub(crate) fn write_all_at(
        &self,
        file: &File,
        path: impl Fn() -> PathBuf,
        bytes: &[u8],
        at: u64,
    ) -> Result<(), StoreError> {
        self.run(DiskOperation::Write, "write", path, || write_all_at(file, bytes, at))
    }

    /// Makes the file's data (not its times) durable.
    pub(crate) fn sync_data(
        &self,
        file: &File,
        path: impl Fn() -> PathBuf,
    ) -> Result<(), StoreError> {
        if self.has_defect(Defect::SyncsNothing) {
            return Ok(());
        }
        self.run(DiskOperation::Sync, "fdatasync", path, || sync_data(file))
    }

    /// Brings everything of the file system that holds `folder` to the medium, names too; false
    /// where the system has no call for it. Errors since `folder` was opened are told (Linux 5.8).
    pub(crate) fn sync_file_system(
        &self,
        folder: &File,
        path: impl Fn() -> PathBuf,
    ) -> Result<bool, StoreError> {
        #[cfg(target_os = "linux")]
        return self
            .run(DiskOperation::Sync, "fsync", path, || Ok(rustix::fs::syncfs(folder)?))
            .map(|()| true);
        #[cfg(not(target_os = "linux"))]
        return Ok(false);
    }

    /// Makes names created or removed in a directory durable.
    pub(crate) fn sync_directory(&self, path: &Path) -> Result<(), StoreError> {
        self.run(
            DiskOperation::SyncNames,
            "fsync",
            || path.to_path_buf(),
            || File::open(path).and_then(|dir| dir.sync_all()),
        )
    }

    /// Creates a directory and those above it, and makes their names durable: a synced file is
    /// lost with its directory.
    pub(crate) fn create_directory(&self, path: &Path) -> Result<(), StoreError> {
        let missing = path.ancestors().take_while(|path| !path.exists()).count();
        if missing == 0 {
            return Ok(());
        }
        std::fs::create_dir_all(path).map_err(|source| StoreError::io("create", path, source))?;
        let parents = path.ancestors().skip(1).take(missing);
        let here = Path::new(".");
        parents
            .map(|parent| if parent.as_os_str().is_empty() { here } else { parent })
            .try_for_each(|parent| self.sync_directory(parent))
    }
}

/// Allocates the file's blocks from `from` on and gives it that length.
fn allocate(file: &File, from: u64, len: u64) -> io::Result<()> {
    use rustix::fs::FallocateFlags;
    use rustix::io::Errno;
    loop {
        match rustix::fs::fallocate(file, FallocateFlags::empty(), from, len - from) {
            Ok(()) => return file.set_len(len),
            Err(Errno::INTR) => {}
            // The file system cannot reserve blocks: write them.
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
                return write_zeros(file, from, len);
            }
            Err(error) => return Err(error.into()),
        }
    }
}

static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];

/// Writes zeros from `from` up to `to`.
pub(crate) fn write_zeros(file: &File, mut from: u64, to: u64) -> io::Result<()> {
    while from < to {
        let len = usize::try_from(to - from).unwrap_or(usize::MAX).min(ZEROS.len());
        write_all_at(file, &ZEROS[..len], from)?;
        from += len as u64;
    }
    Ok(())
}

fn write_all_at(file: &File, mut bytes: &[u8], mut at: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::pwrite(file, bytes, at) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                bytes = bytes.get(written..).unwrap_or_default();
                at += written as u64;
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Waits until the file's data is on the medium.
fn sync_data(file: &File) -> io::Result<()> {
    // macOS answers fsync from the drive's cache; only F_FULLFSYNC reaches the medium.
    #[cfg(target_vendor = "apple")]
    return Ok(rustix::fs::fcntl_fullfsync(file)?);
    #[cfg(not(target_vendor = "apple"))]
    loop {
        match rustix::fs::fdatasync(file) {
            Err(rustix::io::Errno::INTR) => {}
            done => return Ok(done?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_allocated_file_has_its_length_and_its_blocks() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        let file = Disk::default().create_allocated(&path, 1 << 20).unwrap();
        let metadata = file.metadata().unwrap();
        assert_eq!(metadata.len(), 1 << 20);
        use std::os::unix::fs::MetadataExt;
        assert!(metadata.blocks() * 512 >= 1 << 20);
    }

    #[test]
    fn a_failed_allocation_leaves_no_file() {
        struct Full;
        impl DiskFaults for Full {
            fn before(&self, _: DiskOperation, _: &Path) -> io::Result<()> {
                Err(io::ErrorKind::StorageFull.into())
            }
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        let disk = Disk::with_faults(Arc::new(Full));
        assert!(disk.create_allocated(&path, 4096).is_err());
        assert!(!path.exists());
    }
}
