//! Who may do what: users, passwords, roles, sessions (contract `dashboard.md` 2).

mod password;
mod roles;
mod sessions;
mod users;

use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderMap;
use axum::http::header::COOKIE;

pub(crate) use roles::Role;
pub(crate) use sessions::{LOGIN_COOKIE, Session, TOKEN_COOKIE, TOKEN_HEADER};

use roles::Roles;
use sessions::Sessions;
use users::Users;

use crate::answer::Failure;
use crate::settings::DashboardConfig;

/// Name of the user when nobody has to log in.
pub(crate) const NOBODY: &str = "-";

/// Everything about logging in.
pub(crate) struct Login {
    pub(crate) required: bool,
    users: Users,
    roles: Roles,
    sessions: Sessions,
}

/// The user of a request.
#[derive(Clone, Debug)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) session: Option<Arc<Session>>,
}

impl Login {
    /// Reads users and roles; makes the first password where there are none and login is not
    /// switched off.
    ///
    /// # Errors
    /// The data folder cannot be used.
    pub(crate) fn open(config: &DashboardConfig) -> Result<Login, String> {
        let required = config.login().unwrap_or(true);
        let users =
            if required { Users::open(config.data("users.properties"))? } else { Users::none() };
        let roles = Roles::load(&config.data("role-permission.yml"))?;
        let idle = session_timeout(&config.session_timeout)?;
        Ok(Login { required, users, roles, sessions: Sessions::new(idle) })
    }

    /// The password that was made at this start, to be shown once.
    pub(crate) fn first_password(&self) -> Option<&str> {
        self.users.first_password()
    }

    /// Whether the first password is still in use.
    pub(crate) fn is_first_start(&self) -> bool {
        self.users.first_password().is_some()
    }

    /// Checks name and password and begins a session; slow on purpose. Not for async threads.
    ///
    /// # Errors
    /// Java's words, or how long the name is locked.
    pub(crate) fn begin(&self, name: &str, password: &str) -> Result<Arc<Session>, Failure> {
        self.sessions.check_lock(name)?;
        match self.users.check(name, password) {
            Some(role) => Ok(self.sessions.begin(name, role)),
            None => {
                self.sessions.failed(name);
                Err(Failure::Forbidden("Bad username or password!".to_string()))
            }
        }
    }

    /// Ends the session of the request.
    pub(crate) fn end(&self, headers: &HeaderMap) {
        if let Some(token) = cookie(headers, LOGIN_COOKIE) {
            self.sessions.end(token);
        }
    }

    /// Who sends this request.
    pub(crate) fn user(&self, headers: &HeaderMap) -> Option<User> {
        if !self.required {
            return Some(User { name: NOBODY.to_string(), role: Role::Admin, session: None });
        }
        let session = self.sessions.find(cookie(headers, LOGIN_COOKIE)?)?;
        let (name, role) = (session.user.clone(), session.role);
        Some(User { name, role, session: Some(session) })
    }

    /// Whether the user may call the path, given without the prefix.
    pub(crate) fn may(&self, user: &User, path: &str, writes: bool) -> bool {
        self.roles.may(user.role, path, writes)
    }
}

/// The value of a cookie.
pub(crate) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(COOKIE).into_iter().filter_map(|line| line.to_str().ok());
    let mut pairs =
        lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// Spring's durations: `30m`, `90s`, `2h`, or seconds.
fn session_timeout(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => 0,
    };
    let seconds =
        digits.parse::<u64>().ok().map(|count| count * unit).filter(|seconds| *seconds > 0);
    seconds.map(Duration::from_secs).ok_or_else(|| {
        format!("server.servlet.session.timeout={text} is not a time; write seconds, or for example 30m or 2h")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_springs() {
        let seconds = |text| session_timeout(text).map(|time| time.as_secs());
        assert_eq!((seconds("30m"), seconds("90"), seconds("2h")), (Ok(1800), Ok(90), Ok(7200)));
        assert!(seconds("soon").is_err() && seconds("0").is_err());
    }
}
