//! A log file that is set aside when it has reached its size.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::route::{Keep, LogFile, Pattern};

const BUFFER_BYTES: usize = 64 * 1024;

/// One log file of the profile.
///
/// The full file becomes number 1 and the others move up by one; the one beyond the last index
/// goes. Packing runs on a thread of its own so that lines need not wait for it; a packing that
/// was interrupted is repeated at the next opening.
pub(super) struct RollingFile {
    file: LogFile,
    path: PathBuf,
    directory: PathBuf,
    output: Option<BufWriter<File>>,
    size: u64,
    packing: Option<JoinHandle<()>>,
}

impl RollingFile {
    pub(super) fn new(file: &LogFile, directory: &Path) -> RollingFile {
        RollingFile {
            file: *file,
            path: directory.join(format!("{}.log", file.name)),
            directory: directory.to_owned(),
            output: None,
            size: 0,
            packing: None,
        }
    }

    pub(super) fn pattern(&self) -> Pattern {
        self.file.pattern
    }

    /// Opens the file for appending, with its directory.
    pub(super) fn open(&mut self) -> io::Result<()> {
        fs::create_dir_all(&self.directory)?;
        let file = OpenOptions::new().append(true).create(true).open(&self.path)?;
        self.size = file.metadata()?.len();
        self.output = Some(BufWriter::with_capacity(BUFFER_BYTES, file));
        if self.file.keep == Keep::Gzip && self.unpacked().exists() {
            self.pack();
        }
        Ok(())
    }

    /// Appends the parts of one line; begins a new file first if this one is full.
    pub(super) fn write(&mut self, parts: &[&[u8]]) -> io::Result<()> {
        if self.size >= self.file.size_max {
            let rolled = self.roll();
            if rolled.is_err() {
                // The line matters more: go on in the full file and try again one file later.
                self.open()?;
                self.size = 0;
                self.append(parts)?;
                return rolled;
            }
        }
        self.append(parts)
    }

    fn append(&mut self, parts: &[&[u8]]) -> io::Result<()> {
        if self.output.is_none() {
            self.open()?;
        }
        if let Some(output) = &mut self.output {
            for part in parts {
                output.write_all(part)?;
                self.size += part.len() as u64;
            }
        }
        Ok(())
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.output.as_mut().map_or(Ok(()), Write::flush)
    }

    fn roll(&mut self) -> io::Result<()> {
        self.flush()?;
        self.output = None;
        self.finish_packing();
        if self.file.keep == Keep::Gzip {
            fs::create_dir_all(self.directory.join("otherdays"))?;
        }
        for index in (1..self.file.index_max).rev() {
            let (from, to) = (self.kept(index), self.kept(index + 1));
            if from.exists() {
                fs::rename(from, to)?;
            }
        }
        match self.file.keep {
            Keep::Suffix => fs::rename(&self.path, self.kept(1))?,
            Keep::Gzip => {
                fs::rename(&self.path, self.unpacked())?;
                self.pack();
            }
        }
        self.open()
    }

    /// Where the set-aside file with this number lies.
    fn kept(&self, index: u32) -> PathBuf {
        let name = self.file.name;
        match self.file.keep {
            Keep::Gzip => self.directory.join("otherdays").join(format!("{name}.{index}.log.gz")),
            Keep::Suffix => self.directory.join(format!("{name}.log.{index}")),
        }
    }

    /// Where the newest set-aside file lies until it is packed.
    fn unpacked(&self) -> PathBuf {
        self.directory.join("otherdays").join(format!("{}.1.log", self.file.name))
    }

    fn pack(&mut self) {
        if self.packing.is_some() {
            return;
        }
        let (from, to) = (self.unpacked(), self.kept(1));
        // Without a thread, or with a full disk, the file stays unpacked and is tried again later.
        self.packing = thread::Builder::new()
            .name(format!("LogPacking-{}", self.file.name))
            .spawn(move || {
                let _ = gzip(&from, &to);
            })
            .ok();
    }

    fn finish_packing(&mut self) {
        if let Some(thread) = self.packing.take() {
            let _ = thread.join();
        }
    }
}

fn gzip(from: &Path, to: &Path) -> io::Result<()> {
    let partial = to.with_extension("gz.tmp");
    let mut encoder = GzEncoder::new(File::create(&partial)?, Compression::default());
    io::copy(&mut File::open(from)?, &mut encoder)?;
    encoder.finish()?;
    fs::rename(partial, to)?;
    fs::remove_file(from)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::*;
    use crate::logging::Profile;

    fn read_gz(path: PathBuf) -> String {
        let mut text = String::new();
        GzDecoder::new(File::open(path).unwrap()).read_to_string(&mut text).unwrap();
        text
    }

    fn small(keep: Keep) -> LogFile {
        let file = Profile::Namesrv.files()[0];
        LogFile { name: "a", size_max: 4, index_max: 3, keep, ..file }
    }

    #[test]
    fn full_files_are_packed_and_the_oldest_goes() {
        let directory = tempfile::tempdir().unwrap();
        let mut file = RollingFile::new(&small(Keep::Gzip), directory.path());
        for line in ["one\n", "two\n", "six\n", "ten\n", "odd\n"] {
            file.write(&[line.as_bytes()]).unwrap();
        }
        file.flush().unwrap();
        file.finish_packing();
        let old = directory.path().join("otherdays");
        assert_eq!(fs::read_to_string(directory.path().join("a.log")).unwrap(), "odd\n");
        assert_eq!(read_gz(old.join("a.1.log.gz")), "ten\n");
        assert_eq!(read_gz(old.join("a.3.log.gz")), "two\n");
        assert_eq!(fs::read_dir(old).unwrap().count(), 3);
    }

    #[test]
    fn a_file_that_cannot_be_set_aside_grows_on() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("otherdays"), "in the way").unwrap();
        let mut file = RollingFile::new(&small(Keep::Gzip), directory.path());
        file.write(&[b"one\n"]).unwrap();
        assert!(file.write(&[b"two\n"]).is_err());
        file.flush().unwrap();
        assert_eq!(fs::read_to_string(directory.path().join("a.log")).unwrap(), "one\ntwo\n");
    }

    #[test]
    fn an_interrupted_packing_is_repeated() {
        let directory = tempfile::tempdir().unwrap();
        let old = directory.path().join("otherdays");
        fs::create_dir_all(&old).unwrap();
        fs::write(old.join("a.1.log"), "left\n").unwrap();
        let mut file = RollingFile::new(&small(Keep::Gzip), directory.path());
        file.open().unwrap();
        file.finish_packing();
        assert_eq!(read_gz(old.join("a.1.log.gz")), "left\n");
        assert!(!old.join("a.1.log").exists());
    }

    #[test]
    fn client_files_are_numbered_behind_their_name() {
        let directory = tempfile::tempdir().unwrap();
        let mut file = RollingFile::new(&small(Keep::Suffix), directory.path());
        for line in ["one\n", "two\n", "six\n"] {
            file.write(&[line.as_bytes()]).unwrap();
        }
        drop(file);
        assert_eq!(fs::read_to_string(directory.path().join("a.log.2")).unwrap(), "one\n");
        assert_eq!(fs::read_to_string(directory.path().join("a.log")).unwrap(), "six\n");
    }
}
