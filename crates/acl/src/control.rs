//! Access control of a broker: the file, the rules made of it, and changes of both.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::{Mutex, RwLock};
use rocketmq_common::logging::COMMON as LOGGER;
use rocketmq_common::{clock, durable};
use rocketmq_protocol::Frame;
use rocketmq_protocol::body::{AclConfig, DataVersion, PlainAccessConfig};

use crate::address::AddressPattern;
use crate::edit::{self, Change};
use crate::error::AclError;
use crate::file::{AclFile, check_keys, resource_and_word};
use crate::permission::Permission;
use crate::rules::{Denial, Rules};

/// The rules of one file, reloaded as it changes.
pub struct AccessControl {
    path: PathBuf,
    rules: RwLock<Arc<Rules>>,
    state: Mutex<State>,
}

/// What was loaded last.
struct State {
    stamp: Option<Stamp>,
    text: String,
    /// A text that is not used; it is complained of once.
    refused: String,
    file: AclFile,
    /// The version of a file that names none: when it was first loaded.
    loaded: DataVersion,
}

/// By what a change is noticed without reading the file.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    len: u64,
}

/// A file can change twice within one tick of its clock; longer ago it cannot.
const CLOCK_TICK: Duration = Duration::from_secs(2);

impl Stamp {
    /// Whether the file may have changed again without another stamp.
    fn is_fresh(self) -> bool {
        let age = self.modified.and_then(|modified| modified.elapsed().ok());
        age.is_none_or(|age| age < CLOCK_TICK)
    }
}

impl AccessControl {
    /// Loads the file.
    ///
    /// # Errors
    /// It is missing, empty or wrong; the error names line and column.
    pub fn load(path: impl Into<PathBuf>) -> Result<AccessControl, AclError> {
        let path = path.into();
        let stamp = stamp_of(&path);
        let text = read(&path)?;
        let file = parse(&path, &text)?;
        warn(&path, &file);
        let rules = RwLock::new(Arc::new(Rules::compile(&file)));
        let loaded = DataVersion { timestamp: clock::now_ms(), ..DataVersion::default() };
        let state = State { stamp, text, refused: String::new(), file, loaded };
        Ok(AccessControl { path, rules, state: Mutex::new(state) })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the request may be served.
    ///
    /// # Errors
    /// It may not; the text says by which rule, and what would help.
    pub fn check(&self, frame: &Frame, peer: SocketAddr) -> Result<(), Denial> {
        let rules = Arc::clone(&self.rules.read());
        rules.check(frame, peer.ip().to_canonical())
    }

    /// Loads the file again if it changed. If it is wrong, the rules stay as they are and the log
    /// says where it is wrong.
    pub fn reload_if_changed(&self) {
        let stamp = stamp_of(&self.path);
        let mut state = self.state.lock();
        if state.stamp == stamp && !stamp.is_some_and(Stamp::is_fresh) {
            return;
        }
        state.stamp = stamp;
        let outcome = read(&self.path).and_then(|text| {
            if text == state.text || text == state.refused {
                return Ok(());
            }
            state.refused.clone_from(&text);
            tracing::info!(target: LOGGER, "The plain acl yml changed, reload the context");
            let file = parse(&self.path, &text)?;
            self.put_in_force(&mut state, text, file);
            Ok(())
        });
        if let Err(error) = outcome {
            tracing::error!(target: LOGGER, "the changed access control file is not used, the rules of before stay in force: {error}");
        }
    }

    fn put_in_force(&self, state: &mut State, text: String, file: AclFile) {
        warn(&self.path, &file);
        *self.rules.write() = Arc::new(Rules::compile(&file));
        state.text = text;
        state.refused.clear();
        state.file = file;
    }

    /// The version that changes by requests count up.
    pub fn version(&self) -> DataVersion {
        let state = self.state.lock();
        let is_named = state.file.version != DataVersion::default();
        if is_named { state.file.version } else { state.loaded }
    }

    /// Everything in force, secrets included.
    pub fn config(&self) -> AclConfig {
        let state = self.state.lock();
        AclConfig {
            global_white_addrs: state.file.global_white.clone(),
            plain_access_configs: state.file.accounts.clone(),
        }
    }

    /// Sets the given fields of an account, or adds it.
    ///
    /// # Errors
    /// The account is not sound, or the file cannot be changed; then nothing has changed.
    pub fn update_account(&self, account: &PlainAccessConfig) -> Result<(), AclError> {
        check_account(account).map_err(AclError::Change)?;
        self.change(&Change::Account(account), "")
    }

    /// Removes an account.
    ///
    /// # Errors
    /// There is none, or the file cannot be changed.
    pub fn delete_account(&self, access_key: &str) -> Result<(), AclError> {
        let missing = format!(
            "The accesskey[{access_key}] corresponding to accessConfig has been deleted failed.; the file has no such account"
        );
        self.change(&Change::Remove(access_key), &missing)
    }

    /// Sets the addresses that need no account.
    ///
    /// # Errors
    /// A pattern is wrong, or the file cannot be changed.
    pub fn update_global_white(&self, patterns: &[String]) -> Result<(), AclError> {
        for pattern in patterns {
            check_text(pattern).map_err(AclError::Change)?;
            AddressPattern::parse(pattern).map_err(AclError::Change)?;
        }
        self.change(&Change::GlobalWhite(patterns), "")
    }

    fn change(&self, change: &Change<'_>, nothing: &str) -> Result<(), AclError> {
        let mut state = self.state.lock();
        // What somebody wrote a moment ago is not overwritten.
        let text = read(&self.path)?;
        let mut version = parse(&self.path, &text)?.version;
        version.next(clock::now_ms());
        let in_file = |fault: crate::error::Fault| fault.in_file(&self.path);
        let Some(new) = edit::apply(&text, change, version).map_err(in_file)? else {
            return Err(AclError::Change(nothing.to_owned()));
        };
        let file = parse(&self.path, &new)?;
        let failed = |source| AclError::Io { path: self.path.clone(), source };
        // The file itself is replaced, not a link to it.
        let target = fs::canonicalize(&self.path).map_err(failed)?;
        durable::replace(&target, new.as_bytes()).map_err(failed)?;
        state.stamp = stamp_of(&self.path);
        self.put_in_force(&mut state, new, file);
        Ok(())
    }
}

fn stamp_of(path: &Path) -> Option<Stamp> {
    let metadata = fs::metadata(path).ok()?;
    Some(Stamp { modified: metadata.modified().ok(), len: metadata.len() })
}

fn read(path: &Path) -> Result<String, AclError> {
    fs::read_to_string(path).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => AclError::NoData(path.to_path_buf()),
        _ => AclError::Io { path: path.to_path_buf(), source },
    })
}

fn parse(path: &Path, text: &str) -> Result<AclFile, AclError> {
    let file = AclFile::parse(text).map_err(|fault| fault.in_file(path))?;
    file.ok_or_else(|| AclError::NoData(path.to_path_buf()))
}

fn warn(path: &Path, file: &AclFile) {
    for warning in &file.warnings {
        tracing::warn!(target: LOGGER, "{}, {warning}", path.display());
    }
}

/// What is written into the file must be what is read from it.
fn check_text(text: &str) -> Result<(), String> {
    match text.chars().find(|c| c.is_control()) {
        None => Ok(()),
        Some(_) => Err("a value holds a control character".to_owned()),
    }
}

fn check_account(account: &PlainAccessConfig) -> Result<(), String> {
    check_keys(account)?;
    let texts = [
        &account.access_key,
        &account.secret_key,
        &account.white_remote_address,
        &account.default_topic_perm,
        &account.default_group_perm,
    ];
    texts.into_iter().flatten().try_for_each(|text| check_text(text))?;
    let items = account.topic_perms.iter().chain(&account.group_perms).flatten();
    for item in items {
        check_text(item)?;
        let Some((_, word)) = resource_and_word(item) else {
            return Err(format!(
                "Parse Resource format error for {item}.\nThe expected resource format is 'Res=Perm'. For example: topicA=SUB"
            ));
        };
        if !Permission::is_word(word) {
            return Err(format!(
                "Parse resource permission error for {item}.\nThe expected permissions are 'SUB' or 'PUB' or 'SUB|PUB' or 'PUB|SUB'."
            ));
        }
    }
    AddressPattern::parse(account.white_remote_address.as_deref().unwrap_or_default())?;
    Ok(())
}
