//! Sessions: a cookie, a token against forged requests, and a lock after wrong passwords.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::password;
use super::roles::Role;
use crate::answer::Failure;

/// The cookie of the session, as the Java dashboard calls it.
pub(crate) const LOGIN_COOKIE: &str = "JSESSIONID";
/// The cookie of the token, for the page to read.
pub(crate) const TOKEN_COOKIE: &str = "XSRF-TOKEN";
/// The header in which the page sends the token back.
pub(crate) const TOKEN_HEADER: &str = "x-csrf-token";
/// Wrong passwords after which a name is locked.
const FAILURES_MAX: u32 = 5;
/// How long a name is locked, and wrong passwords are remembered.
const LOCK: Duration = Duration::from_secs(300);
/// Names remembered for wrong passwords; more than any real list of users.
const NAMES_MAX: usize = 10_000;

/// Somebody who has logged in.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) token: String,
    pub(crate) csrf: String,
    pub(crate) user: String,
    pub(crate) role: Role,
    used: Mutex<Instant>,
}

pub(super) struct Sessions {
    idle: Duration,
    live: Mutex<HashMap<String, Arc<Session>>>,
    failures: Mutex<HashMap<String, (u32, Instant)>>,
}

impl Sessions {
    pub(super) fn new(idle: Duration) -> Sessions {
        Sessions { idle, live: Mutex::default(), failures: Mutex::default() }
    }

    pub(super) fn check_lock(&self, name: &str) -> Result<(), Failure> {
        let failures = self.failures.lock();
        match failures.get(name) {
            Some((count, since)) if *count >= FAILURES_MAX && since.elapsed() < LOCK => {
                let left = (LOCK - since.elapsed()).as_secs() + 1;
                Err(Failure::Forbidden(format!(
                    "Bad username or password! {FAILURES_MAX} times; {name} is locked for {left} s"
                )))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn failed(&self, name: &str) {
        let mut failures = self.failures.lock();
        failures.retain(|_, (_, since)| since.elapsed() < LOCK);
        if failures.len() < NAMES_MAX {
            let entry = failures.entry(name.to_string()).or_insert((0, Instant::now()));
            *entry = (entry.0 + 1, Instant::now());
        }
    }

    pub(super) fn begin(&self, name: &str, role: Role) -> Arc<Session> {
        self.failures.lock().remove(name);
        // Without random numbers nobody could have been let in before either.
        let random = || password::random_hex(24).unwrap_or_default();
        let session = Arc::new(Session {
            token: random(),
            csrf: random(),
            user: name.to_string(),
            role,
            used: Mutex::new(Instant::now()),
        });
        if !session.token.is_empty() {
            let mut live = self.live.lock();
            live.retain(|_, session| session.used.lock().elapsed() < self.idle);
            live.insert(session.token.clone(), Arc::clone(&session));
        }
        session
    }

    pub(super) fn find(&self, token: &str) -> Option<Arc<Session>> {
        let session = Arc::clone(self.live.lock().get(token)?);
        let mut used = session.used.lock();
        if used.elapsed() >= self.idle {
            return None;
        }
        *used = Instant::now();
        drop(used);
        Some(session)
    }

    pub(super) fn end(&self, token: &str) {
        self.live.lock().remove(token);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_end_and_expire() {
        let sessions = Sessions::new(Duration::from_millis(50));
        let session = sessions.begin("a", Role::Read);
        assert_eq!(sessions.find(&session.token).unwrap().user, "a");
        *session.used.lock() = Instant::now() - Duration::from_millis(60);
        assert!(sessions.find(&session.token).is_none());
        let session = sessions.begin("a", Role::Read);
        sessions.end(&session.token);
        assert!(sessions.find(&session.token).is_none() && sessions.find("").is_none());
    }

    #[test]
    fn five_wrong_passwords_lock_the_name() {
        let sessions = Sessions::new(Duration::from_secs(1));
        for _ in 0..FAILURES_MAX {
            assert!(sessions.check_lock("a").is_ok());
            sessions.failed("a");
        }
        let text = sessions.check_lock("a").unwrap_err().message();
        assert!(
            text.starts_with("Bad username or password!") && text.contains("locked for"),
            "{text}"
        );
        assert!(sessions.check_lock("b").is_ok());
    }
}
