//! `users.properties`: a line `name=password[,role]` for each user; the file is read again when it
//! changes, as in 1.0.0.

use std::path::PathBuf;
use std::time::SystemTime;

use parking_lot::Mutex;
use rocketmq_common::durable;
use rocketmq_common::properties::Properties;

use super::password;
use super::roles::Role;

/// Name of the user that is made at the first start.
const FIRST_USER: &str = "admin";

/// The users.
pub(super) struct Users {
    path: PathBuf,
    read: Mutex<Read>,
    first_password: Option<String>,
}

#[derive(Default)]
struct Read {
    changed: Option<SystemTime>,
    users: Vec<(String, String, Role)>,
}

impl Users {
    /// Nobody, where nobody has to log in.
    pub(super) fn none() -> Users {
        Users { path: PathBuf::new(), read: Mutex::default(), first_password: None }
    }

    /// Reads the file; without one, makes it with an administrator and a new password.
    pub(super) fn open(path: PathBuf) -> Result<Users, String> {
        let mut first_password = None;
        if !path.exists() {
            let password = password::random_hex(8)?;
            let text = format!(
                "# name=password[,role]; role 1 or admin: everything, operate: no deletes and no settings, read: looks \
                 only,\n# 0 or none: what role-permission.yml says. A password may be plain or hashed.\n{FIRST_USER}={},1\n",
                password::hashed(&password)?
            );
            let folder = path.parent().map(std::fs::create_dir_all).unwrap_or(Ok(()));
            folder.and_then(|()| durable::replace(&path, text.as_bytes())).map_err(|error| {
                format!(
                    "{}: cannot be written: {error}; set rocketmq.config.dataPath to a folder that can be",
                    path.display()
                )
            })?;
            owner_only(&path);
            first_password = Some(password);
        }
        let users = Users { path, read: Mutex::default(), first_password };
        users
            .refresh()
            .map_err(|error| format!("{}: cannot be read: {error}", users.path.display()))?;
        Ok(users)
    }

    pub(super) fn first_password(&self) -> Option<&str> {
        self.first_password.as_deref()
    }

    /// Reads the file again if it changed; a file that cannot be read leaves the users as they are.
    fn refresh(&self) -> std::io::Result<()> {
        let changed = std::fs::metadata(&self.path)?.modified()?;
        let mut read = self.read.lock();
        if read.changed == Some(changed) {
            return Ok(());
        }
        let file = Properties::from_file(&self.path)?;
        read.users = file.iter().map(|(name, value)| of_line(name, value)).collect();
        read.changed = Some(changed);
        Ok(())
    }

    /// The user's role, if the password is right.
    pub(super) fn check(&self, name: &str, password: &str) -> Option<Role> {
        if let Err(error) = self.refresh() {
            tracing::warn!(target: crate::LOGGER, "{}: {error}; the users stay as they were", self.path.display());
        }
        let user = self.read.lock().users.iter().find(|(known, ..)| known == name).cloned();
        // A name that does not exist takes as long as one that does.
        let (_, kept, role) = user.unwrap_or_else(|| {
            (String::new(), format!("{{pbkdf2}}600000$00${}", "0".repeat(64)), Role::Read)
        });
        password::is(&kept, password).then_some(role)
    }
}

fn of_line(name: &str, value: &str) -> (String, String, Role) {
    let (password, role) = match value.rsplit_once(',') {
        Some((password, role)) => (password, Role::from_text(role.trim())),
        None => (value, Role::Ordinary),
    };
    (name.to_string(), password.trim().to_string(), role)
}

#[cfg(unix)]
fn owner_only(path: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt;
    // Hashes are no secret to die for; a file system without modes is no reason not to start.
    let _ = std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600));
}

#[cfg(not(unix))]
fn owner_only(_path: &std::path::Path) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_start_makes_a_password_and_the_second_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data/users.properties");
        let users = Users::open(path.clone()).unwrap();
        let first = users.first_password().unwrap().to_string();
        assert_eq!(users.check("admin", &first), Some(Role::Admin));
        assert_eq!(users.check("admin", "admin"), None);
        assert_eq!(users.check("nobody", &first), None);
        assert!(!std::fs::read_to_string(&path).unwrap().contains(&first));
        assert!(Users::open(path).unwrap().first_password().is_none());
    }

    #[test]
    fn lines_of_1_0_0_are_read_and_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.properties");
        std::fs::write(&path, "super=admin,1\nuser1=user1\nlooker=a,b,read\n").unwrap();
        let users = Users::open(path.clone()).unwrap();
        assert_eq!(users.check("super", "admin"), Some(Role::Admin));
        assert_eq!(users.check("user1", "user1"), Some(Role::Ordinary));
        assert_eq!(users.check("looker", "a,b"), Some(Role::Read));
        std::fs::write(&path, "super=changed,1\n").unwrap();
        let later = SystemTime::now() + std::time::Duration::from_secs(5);
        std::fs::File::options().write(true).open(&path).unwrap().set_modified(later).unwrap();
        assert_eq!(
            (users.check("super", "admin"), users.check("super", "changed")),
            (None, Some(Role::Admin))
        );
    }
}
