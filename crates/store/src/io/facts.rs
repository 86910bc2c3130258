//! Questions to the operating system about disks, files and memory.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::UNIX_EPOCH;

/// Sizes of the file system that holds a path, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DiskSpace {
    /// Whole size.
    pub(crate) total: u64,
    /// Not in use.
    pub(crate) free: u64,
    /// Not in use and not reserved for the super-user.
    pub(crate) usable: u64,
}

impl DiskSpace {
    /// RocketMQ's usage ratio: used of used-plus-usable in percent, rounded up, over 100
    /// (contract `store.md` 15).
    pub(crate) fn ratio(&self) -> f64 {
        let used = u128::from(self.total.saturating_sub(self.free));
        let of = used + u128::from(self.usable);
        if of == 0 {
            return -1.0;
        }
        (used * 100).div_ceil(of) as f64 / 100.0
    }
}

/// Sizes of the file system of `path`; `None` if the path is missing.
pub(crate) fn disk_space(path: &Path) -> Option<DiskSpace> {
    let stat = rustix::fs::statvfs(path).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
    Some(DiskSpace {
        total: bytes(stat.f_blocks),
        free: bytes(stat.f_bfree),
        usable: bytes(stat.f_bavail),
    })
}

/// When the file was last written, epoch ms.
pub(crate) fn modified_ms(path: &Path) -> Option<i64> {
    let modified = std::fs::metadata(path).ok()?.modified().ok()?;
    i64::try_from(modified.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok()
}

/// The first place at or behind `from` that may hold anything but zeros: file systems skip
/// allocated blocks that were never written. `None` when there is none up to the end.
pub(crate) fn next_data(file: &File, from: u64) -> io::Result<Option<u64>> {
    match rustix::fs::seek(file, rustix::fs::SeekFrom::Data(from)) {
        Ok(at) => Ok(Some(at)),
        Err(rustix::io::Errno::NXIO) => Ok(None),
        // Not supported here: everything may be data.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::OPNOTSUPP) => Ok(Some(from)),
        Err(error) => Err(error.into()),
    }
}

/// How many files this process may have open.
pub(crate) fn open_files_max() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX)
}

/// RocketMQ's guess of the memory size where it cannot be read: 24 GiB.
const MEMORY_UNKNOWN: u64 = 24 << 30;

/// Bytes of memory in this machine.
pub(crate) fn physical_memory() -> u64 {
    #[cfg(target_os = "linux")]
    {
        let info = rustix::system::sysinfo();
        let unit = u64::from(info.mem_unit.max(1));
        #[allow(clippy::useless_conversion, reason = "32-bit platforms have a narrower field")]
        let bytes = u64::from(info.totalram).saturating_mul(unit);
        if bytes > 0 { bytes } else { MEMORY_UNKNOWN }
    }
    #[cfg(not(target_os = "linux"))]
    MEMORY_UNKNOWN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_rounds_up() {
        let space = DiskSpace { total: 1000, free: 525, usable: 515 };
        assert_eq!(space.ratio(), 0.48);
        assert_eq!(DiskSpace { total: 100, free: 50, usable: 50 }.ratio(), 0.5);
    }

    #[test]
    fn a_missing_path_has_no_space() {
        assert_eq!(disk_space(Path::new("/no/such/path")), None);
        assert!(disk_space(Path::new("/")).is_some());
    }

    #[test]
    fn unwritten_blocks_are_no_data() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        let file = crate::io::Disk::default().create_allocated(&path, 1 << 20).unwrap();
        crate::io::Disk::default().write_all_at(&file, || path.clone(), b"x", 600_000).unwrap();
        let at = next_data(&file, 0).unwrap().unwrap();
        assert!(at <= 600_000);
    }
}
