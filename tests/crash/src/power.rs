//! Cutting the power: what was not synced may be gone.
//!
//! While the broker runs, a copy of each file is kept as it was when it was last synced, and the
//! names of each folder as they were when it was last synced (the *medium*). A [`cut`] puts
//! together a store as a disk might hold it then: the medium, and of everything newer any blocks
//! and names, or none. The configuration files count as durable once they are renamed: they are
//! written by another part, which syncs before it renames.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;

use crate::copy_tree;
use crate::random::Random;

/// Blocks reach the medium whole or not at all.
const BLOCK_BYTES: usize = 4096;

/// What has reached the medium.
pub(crate) struct Medium {
    folder: PathBuf,
    store: PathBuf,
    /// Copies are made one at a time.
    copying: Mutex<()>,
}

fn content_path(medium: &Path, relative: &Path) -> PathBuf {
    medium.join("content").join(relative)
}

fn names_path(medium: &Path, relative: &Path) -> PathBuf {
    medium.join("names").join(relative).join(".names")
}

impl Medium {
    pub(crate) fn new(folder: PathBuf, store: PathBuf) -> Medium {
        Medium { folder, store, copying: Mutex::default() }
    }

    fn put(&self, path: &Path, content: &[u8]) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let new = path.with_extension("new");
        fs::write(&new, content).unwrap();
        fs::rename(new, path).unwrap();
    }

    /// A file was synced.
    pub(crate) fn synced(&self, path: &Path) {
        let Ok(relative) = path.strip_prefix(&self.store) else { return };
        let _one = self.copying.lock();
        if let Ok(content) = fs::read(path) {
            self.put(&content_path(&self.folder, relative), &content);
        }
    }

    /// A folder was synced.
    pub(crate) fn names_synced(&self, path: &Path) {
        let Ok(relative) = path.strip_prefix(&self.store) else { return };
        let _one = self.copying.lock();
        self.put(&names_path(&self.folder, relative), names_in(path).join("\n").as_bytes());
    }
}

fn names_in(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// What a disk does with what was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsynced {
    /// It is gone.
    Lost,
    /// Any part of it is gone.
    Mixed,
}

/// Puts a store together as a disk might hold it after the power was cut.
pub fn cut(medium: &Path, store: &Path, into: &Path, unsynced: Unsynced, random: &mut Random) {
    fs::create_dir_all(into).unwrap();
    cut_folder((medium, store, into), Path::new(""), unsynced, random);
    let config = store.join("config");
    if config.is_dir() {
        copy_tree(&config, &into.join("config"));
    }
}

fn cut_folder(
    (medium, store, into): (&Path, &Path, &Path),
    relative: &Path,
    unsynced: Unsynced,
    random: &mut Random,
) {
    let durable = fs::read_to_string(names_path(medium, relative)).unwrap_or_default();
    let durable: BTreeSet<&str> = durable.lines().collect();
    for name in names_in(&store.join(relative)) {
        let may_stay = unsynced == Unsynced::Mixed && random.below(2) == 0;
        if !durable.contains(name.as_str()) && !may_stay {
            continue;
        }
        let relative = relative.join(&name);
        let (here, there) = (store.join(&relative), into.join(&relative));
        if here.is_dir() {
            fs::create_dir_all(&there).unwrap();
            cut_folder((medium, store, into), &relative, unsynced, random);
            continue;
        }
        let now = fs::read(&here).unwrap();
        let mut content = fs::read(content_path(medium, &relative)).unwrap_or_default();
        // The length belongs to the name: it is there once the name is.
        content.resize(now.len(), 0);
        if unsynced == Unsynced::Mixed {
            for (old, new) in content.chunks_mut(BLOCK_BYTES).zip(now.chunks(BLOCK_BYTES)) {
                if random.below(2) == 0 {
                    old.copy_from_slice(new);
                }
            }
        }
        fs::write(&there, content).unwrap();
    }
}

/// Takes everything in a store as durable from here on.
pub fn begin(medium: &Path, store: &Path) {
    let _ = fs::remove_dir_all(medium);
    fs::create_dir_all(medium).unwrap();
    note_folder(medium, store, Path::new(""));
}

fn note_folder(medium: &Path, store: &Path, relative: &Path) {
    let names = names_in(&store.join(relative));
    let noted = names_path(medium, relative);
    fs::create_dir_all(noted.parent().unwrap()).unwrap();
    fs::write(noted, names.join("\n")).unwrap();
    for name in names {
        let relative = relative.join(name);
        let here = store.join(&relative);
        if here.is_dir() {
            note_folder(medium, store, &relative);
        } else {
            let copy = content_path(medium, &relative);
            fs::create_dir_all(copy.parent().unwrap()).unwrap();
            fs::copy(here, copy).unwrap();
        }
    }
}
