//! Small files that must survive a crash: configuration and offset tables.
//!
//! A replacement is written beside the file, synced, and renamed over it, the folder is synced,
//! and what was there before stays as `.bak`; so at every moment file or backup is whole. The
//! names `.tmp` and `.bak` are RocketMQ's (contract `store.md` 8).

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Path of the backup of a file.
pub fn backup_path(path: &Path) -> PathBuf {
    with_suffix(path, ".bak")
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Replaces the file's content; folders that are missing are created.
///
/// # Errors
/// The content could not be made durable; the old file (or its backup) is still whole. The error
/// names the path.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let named = |error: io::Error| {
        io::Error::new(error.kind(), format!("writing {} failed: {error}", path.display()))
    };
    replace_inner(path, content).map_err(named)
}

fn replace_inner(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    create_folder(folder)?;
    let temporary = with_suffix(path, ".tmp");
    let mut file = File::create(&temporary)?;
    // A file that only its owner may read stays so.
    if let Ok(metadata) = fs::metadata(path) {
        file.set_permissions(metadata.permissions())?;
    }
    file.write_all(content)?;
    file.sync_all()?;
    keep_backup(path)?;
    fs::rename(&temporary, path)?;
    File::open(folder)?.sync_all()
}

/// Creates a folder and those above it, and makes their names durable.
fn create_folder(folder: &Path) -> io::Result<()> {
    let missing = folder.ancestors().take_while(|path| !path.exists()).count();
    fs::create_dir_all(folder)?;
    for parent in folder.ancestors().skip(1).take(missing) {
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        File::open(parent)?.sync_all()?;
    }
    Ok(())
}

/// Makes the present file the backup by a second link, so that the file itself never goes away.
fn keep_backup(path: &Path) -> io::Result<()> {
    // An empty or missing file is no backup worth having.
    if fs::metadata(path).map_or(true, |metadata| metadata.len() == 0) {
        return Ok(());
    }
    let linked = with_suffix(path, ".bak.tmp");
    match fs::remove_file(&linked) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    if fs::hard_link(path, &linked).is_err() {
        // File systems without hard links.
        fs::copy(path, &linked)?;
    }
    fs::rename(&linked, backup_path(path))
}

/// Reads and parses the file, or its backup when the file is missing, empty or damaged; `None`
/// when neither exists (or only an empty file without a backup).
///
/// # Errors
/// There is content, but none of it can be parsed: the caller must not go on as if there was none.
pub fn load<T>(path: &Path, parse: impl Fn(&[u8]) -> Result<T, String>) -> io::Result<Option<T>> {
    let read = |path: &Path| match fs::read(path) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io::Error::new(error.kind(), format!("{}: {error}", path.display()))),
    };
    let failure = match read(path)? {
        Some(content) if !content.is_empty() => match parse(&content) {
            Ok(value) => return Ok(Some(value)),
            Err(error) => Some(error),
        },
        _ => None,
    };
    let backup = backup_path(path);
    let Some(content) = read(&backup)?.filter(|content| !content.is_empty()) else {
        return match failure {
            None => {
                if path.exists() {
                    tracing::warn!(target: "RocketmqCommon", "{} is empty and has no backup; nothing is taken from it", path.display());
                }
                Ok(None)
            }
            Some(error) => Err(unreadable(path, &error)),
        };
    };
    let value = parse(&content).map_err(|error| unreadable(&backup, &error))?;
    let why = failure.unwrap_or_else(|| "it is missing or empty".to_string());
    tracing::warn!(target: "RocketmqCommon", "load {} failed, {why}; {} is used instead", path.display(), backup.display());
    Ok(Some(value))
}

fn unreadable(path: &Path, error: &str) -> io::Error {
    let text = format!(
        "load {} failed: {error}; restore it from a backup, or move it away to start without it",
        path.display()
    );
    io::Error::new(io::ErrorKind::InvalidData, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(bytes: &[u8]) -> Result<String, String> {
        let text = String::from_utf8(bytes.to_vec()).map_err(|e| e.to_string())?;
        if text.ends_with('}') { Ok(text) } else { Err("torn".to_string()) }
    }

    fn scratch(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("durable-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        folder
    }

    #[test]
    fn keeps_the_last_content_as_backup_and_falls_back_to_it() {
        let folder = scratch("backup");
        let path = folder.join("sub/f.json");
        assert_eq!(load(&path, parse).unwrap(), None);
        replace(&path, b"{1}").unwrap();
        replace(&path, b"{2}").unwrap();
        assert_eq!(load(&path, parse).unwrap().as_deref(), Some("{2}"));
        for torn in [&b""[..], b"{2", b"\xff"] {
            fs::write(&path, torn).unwrap();
            assert_eq!(load(&path, parse).unwrap().as_deref(), Some("{1}"));
        }
        fs::remove_file(&path).unwrap();
        assert_eq!(load(&path, parse).unwrap().as_deref(), Some("{1}"));
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn content_that_cannot_be_parsed_is_never_taken_for_none() {
        let folder = scratch("damaged");
        let path = folder.join("f.json");
        replace(&path, b"{1").unwrap();
        assert!(load(&path, parse).is_err());
        fs::write(&path, b"").unwrap();
        fs::write(backup_path(&path), b"{1").unwrap();
        assert!(load(&path, parse).is_err());
        fs::remove_dir_all(folder).unwrap();
    }
}
